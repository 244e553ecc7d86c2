// SPDX-License-Identifier: BSD-3-Clause
// A small program for Windows, outside of millrace's tree: a connection of a process with itself.
#define WIN32_LEAN_AND_MEAN
#include <WinSock2.h>
#include <Ws2tcpip.h>
#include <Windows.h>
#include <stdio.h>

#pragma comment(lib, "Ws2_32.lib")

static DWORD WINAPI serve(LPVOID listener) {
  SOCKET s = accept((SOCKET)listener, NULL, NULL);
  char buffer[64];
  int n = recv(s, buffer, sizeof(buffer), 0);
  if (n > 0) send(s, buffer, n, 0);
  closesocket(s);
  return 0;
}

int __cdecl main() {
  WSADATA wsaData;
  int iResult = WSAStartup(MAKEWORD(2, 2), &wsaData);
  if (iResult != 0) {
    printf("WSAStartup failed: %d\n", iResult);
    return 1;
  }
  struct addrinfo hints, *result = NULL;
  ZeroMemory(&hints, sizeof(hints));
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_protocol = IPPROTO_TCP;
  if (getaddrinfo("127.0.0.1", "27015", &hints, &result) != 0) return 2;
  SOCKET listener = socket(result->ai_family, result->ai_socktype, result->ai_protocol);
  if (bind(listener, result->ai_addr, (int)result->ai_addrlen) == SOCKET_ERROR) return 3;
  if (listen(listener, SOMAXCONN) == SOCKET_ERROR) return 4;
  HANDLE thread = CreateThread(NULL, 0, serve, (LPVOID)listener, 0, NULL);
  SOCKET client = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  if (connect(client, result->ai_addr, (int)result->ai_addrlen) == SOCKET_ERROR) return 5;
  freeaddrinfo(result);
  send(client, "echo", 4, 0);
  char answer[8] = {0};
  int n = recv(client, answer, sizeof(answer), 0);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  closesocket(client);
  closesocket(listener);
  WSACleanup();
  printf("%d %s\n", n, answer);
  return n == 4 ? 0 : 6;
}
