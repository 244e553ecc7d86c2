// SPDX-License-Identifier: BSD-3-Clause
// WSAStartup, WSACleanup and the last error.
#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

struct Asked {
  WORD wanted;
  WORD given;
};

class Ws2Version : public testing::TestWithParam<Asked> {};

TEST_P(Ws2Version, IsTheHighestThatBothSpeak) {
  WSADATA data{};
  ASSERT_EQ(WSAStartup(GetParam().wanted, &data), 0);
  EXPECT_EQ(data.wVersion, GetParam().given);
  EXPECT_EQ(data.wHighVersion, MAKEWORD(2, 2));
  EXPECT_STREQ(data.szSystemStatus, "Running");
  EXPECT_EQ(data.iMaxSockets != 0, LOBYTE(data.wVersion) == 1);
  EXPECT_EQ(WSACleanup(), 0);
}

INSTANTIATE_TEST_SUITE_P(Versions, Ws2Version,
                         testing::Values(Asked{MAKEWORD(1, 0), MAKEWORD(1, 0)},
                                         Asked{MAKEWORD(1, 1), MAKEWORD(1, 1)},
                                         Asked{MAKEWORD(1, 9), MAKEWORD(1, 1)},
                                         Asked{MAKEWORD(2, 0), MAKEWORD(2, 0)},
                                         Asked{MAKEWORD(2, 2), MAKEWORD(2, 2)},
                                         Asked{MAKEWORD(2, 3), MAKEWORD(2, 2)},
                                         Asked{MAKEWORD(9, 0), MAKEWORD(2, 2)}));

TEST(Ws2Startup, VersionsBelowOneAreNotSupported) {
  WSADATA data{};
  EXPECT_EQ(WSAStartup(MAKEWORD(0, 9), &data), WSAVERNOTSUPPORTED);
  EXPECT_EQ(WSAStartup(MAKEWORD(2, 2), nullptr), WSAEFAULT);
  EXPECT_EQ(error_of(WSACleanup()), WSANOTINITIALISED) << "a failed one counts";
}

TEST(Ws2Startup, OnlyTheLastCleanupEnds) {
  WSADATA data;
  ASSERT_EQ(WSAStartup(MAKEWORD(2, 2), &data), 0);
  ASSERT_EQ(WSAStartup(MAKEWORD(1, 1), &data), 0);
  const SOCKET s = socket(AF_INET, SOCK_STREAM, 0);
  ASSERT_NE(s, INVALID_SOCKET);
  EXPECT_EQ(WSACleanup(), 0);
  EXPECT_EQ(listen(s, 1), SOCKET_ERROR);
  EXPECT_EQ(WSAGetLastError(), WSAEINVAL) << "it is still a socket, though not bound";
  EXPECT_EQ(WSACleanup(), 0);
  EXPECT_EQ(error_of(listen(s, 1)), WSANOTINITIALISED);
}

TEST(Ws2Startup, BeforeItEveryCallIsRefused) {
  sockaddr_in a = loopback();
  auto* const address = reinterpret_cast<sockaddr*>(&a);
  int length = sizeof a;
  DWORD n = 0;
  char text[64] = "127.0.0.1";
  WSAPOLLFD entry{};
  fd_set set{};
  addrinfo* list = nullptr;
  u_long word = 0;
  const std::function<int()> kCalls[] = {
      [&] { return static_cast<int>(socket(AF_INET, SOCK_STREAM, 0)); },
      [&] { return static_cast<int>(WSASocketW(AF_INET, SOCK_STREAM, 0, nullptr, 0, 0)); },
      [&] { return static_cast<int>(accept(4, nullptr, nullptr)); },
      [&] { return bind(4, address, length); },
      [&] { return connect(4, address, length); },
      [&] { return closesocket(4); },
      [&] { return recv(4, text, 1, 0); },
      [&] { return send(4, text, 1, 0); },
      [&] { return sendto(4, text, 1, 0, address, length); },
      [&] { return recvfrom(4, text, 1, 0, nullptr, nullptr); },
      [&] { return select(0, &set, nullptr, nullptr, nullptr); },
      [&] { return shutdown(4, SD_BOTH); },
      [&] { return ioctlsocket(4, FIONREAD, &word); },
      [&] { return getsockopt(4, SOL_SOCKET, SO_TYPE, text, &length); },
      [&] { return setsockopt(4, SOL_SOCKET, SO_TYPE, text, length); },
      [&] { return getsockname(4, address, &length); },
      [&] { return getpeername(4, address, &length); },
      [&] { return gethostname(text, 64); },
      [&] { return WSAPoll(&entry, 1, 0); },
      [&] { return WSAEnumProtocolsW(nullptr, nullptr, &n); },
      [&] { return WSAStringToAddressA(text, AF_INET, nullptr, address, &length); },
      [&] { return WSAHtonl(4, 1, &word); },
      [&] { return gethostbyname("127.0.0.1") == nullptr ? -1 : 0; },
      [&] { return WSAGetOverlappedResult(4, nullptr, &n, FALSE, &n) == FALSE ? -1 : 0; },
      [&] { return WSAGetQOSByName(4, nullptr, nullptr) == FALSE ? -1 : 0; },
  };
  for (const auto& call : kCalls) {
    WSASetLastError(0);
    EXPECT_EQ(error_of(call()), WSANOTINITIALISED) << &call - kCalls;
  }
  EXPECT_EQ(getaddrinfo("127.0.0.1", nullptr, nullptr, &list), WSANOTINITIALISED);
}

TEST(Ws2LastError, BelongsToItsThread) {
  WSASetLastError(WSAEINTR);
  std::thread([] {
    EXPECT_EQ(WSAGetLastError(), 0);
    SetLastError(WSAEFAULT);
    EXPECT_EQ(WSAGetLastError(), WSAEFAULT);
  }).join();
  EXPECT_EQ(GetLastError(), DWORD{WSAEINTR});
}

}  // namespace
}  // namespace millrace::test
