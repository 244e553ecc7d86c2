// SPDX-License-Identifier: BSD-3-Clause
// Very many handles from several threads, and stale and random ones at every call: each is refused, none
// reaches another's object. What ThreadSanitizer is for.
//
// MILLRACE_HANDLE_ROUNDS (default 500): sockets and events that each of the four threads opens; the run that is
// labelled slow opens a million of each.
#include <atomic>
#include <cstdlib>
#include <random>

#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

/// Stale sockets and events that the threads throw at each other's.
struct Graveyard {
  std::atomic<SOCKET> socket{INVALID_SOCKET};
  std::atomic<HANDLE> event{nullptr};
};
Graveyard graveyard;

void expect_no_socket(SOCKET s) {
  char byte = 0;
  int length = 1;
  u_long word = 0;
  sockaddr_in a = loopback();
  auto* const address = reinterpret_cast<sockaddr*>(&a);
  WSABUF one{1, &byte};
  DWORD n = 0;
  OVERLAPPED overlapped{};
  EXPECT_EQ(error_of(bind(s, address, sizeof a)), WSAENOTSOCK);
  EXPECT_EQ(error_of(listen(s, 1)), WSAENOTSOCK);
  EXPECT_EQ(error_of(accept(s, nullptr, nullptr)), WSAENOTSOCK);
  EXPECT_EQ(error_of(connect(s, address, sizeof a)), WSAENOTSOCK);
  EXPECT_EQ(error_of(recv(s, &byte, 1, 0)), WSAENOTSOCK);
  EXPECT_EQ(error_of(send(s, &byte, 1, 0)), WSAENOTSOCK);
  EXPECT_EQ(error_of(WSARecv(s, &one, 1, nullptr, &n, &overlapped, nullptr)), WSAENOTSOCK);
  EXPECT_EQ(error_of(WSASend(s, &one, 1, nullptr, 0, &overlapped, nullptr)), WSAENOTSOCK);
  EXPECT_EQ(error_of(ioctlsocket(s, FIONREAD, &word)), WSAENOTSOCK);
  EXPECT_EQ(error_of(getsockopt(s, SOL_SOCKET, SO_TYPE, &byte, &length)), WSAENOTSOCK);
  EXPECT_EQ(error_of(shutdown(s, SD_BOTH)), WSAENOTSOCK);
  EXPECT_EQ(error_of(closesocket(s)), WSAENOTSOCK);
}

void expect_no_event(HANDLE event) {
  EXPECT_FALSE(SetEvent(event));
  EXPECT_FALSE(ResetEvent(event));
  EXPECT_FALSE(WSASetEvent(event));
  EXPECT_EQ(WaitForSingleObject(event, 0), WAIT_FAILED);
  EXPECT_FALSE(CloseHandle(event));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_HANDLE});
}

int n_rounds() {
  const char* const text = std::getenv("MILLRACE_HANDLE_ROUNDS");
  return text == nullptr ? 500 : std::atoi(text);
}

DWORD WINAPI open_and_close(LPVOID seed) {
  std::mt19937_64 random(reinterpret_cast<uintptr_t>(seed));
  const int rounds = n_rounds();
  for (int i = 0; i < rounds; ++i) {
    const SOCKET s = socket(AF_INET, i % 2 == 0 ? SOCK_STREAM : SOCK_DGRAM, 0);
    HANDLE const event = CreateEvent(nullptr, FALSE, TRUE, nullptr);
    EXPECT_NE(s, INVALID_SOCKET);
    EXPECT_EQ(WaitForSingleObject(event, 0), DWORD{WAIT_OBJECT_0});
    EXPECT_EQ(closesocket(s), 0);
    EXPECT_TRUE(CloseHandle(event));
    expect_no_socket(graveyard.socket.exchange(s));
    expect_no_event(graveyard.event.exchange(event));
    expect_no_socket(random());
    expect_no_event(reinterpret_cast<HANDLE>(random()));
  }
  return 0;
}

TEST_F(Ws2Test, StaleAndRandomHandlesReachNobody) {
  HANDLE threads[4];
  for (size_t i = 0; i < 4; ++i) {
    threads[i] = CreateThread(nullptr, 0, open_and_close, reinterpret_cast<LPVOID>(i + 1), 0, nullptr);
  }
  EXPECT_EQ(WaitForMultipleObjects(4, threads, TRUE, INFINITE), DWORD{WAIT_OBJECT_0});
  for (HANDLE const thread : threads) EXPECT_TRUE(CloseHandle(thread));
}

}  // namespace
}  // namespace millrace::test
