// SPDX-License-Identifier: BSD-3-Clause
// A file that uses the C library's sockets beside Winsock's: the kernel's get a descriptor, millrace's a
// SOCKET, and neither library knows the other's.
#define MILLRACE_USE_WS_PREFIX
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <winsock2.h>

#include <cstdio>

int main() {
  WSADATA data;
  if (WSAStartup(MAKEWORD(2, 2), &data) != 0) return 1;
  const int kernel = socket(AF_INET, SOCK_DGRAM, 0);
  const SOCKET ours = WS_socket(WS_AF_INET, WS_SOCK_DGRAM, 0);
  int type = 0;
  socklen_t length = sizeof type;
  if (kernel < 0 || getsockopt(kernel, SOL_SOCKET, SO_TYPE, &type, &length) != 0) return 2;
  if (ours == INVALID_SOCKET || closesocket(static_cast<SOCKET>(kernel)) == 0) return 3;
  if (closesocket(ours) != 0 || close(kernel) != 0) return 4;
  std::puts("both worlds");
  return WSACleanup();
}
