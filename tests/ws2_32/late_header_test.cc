// SPDX-License-Identifier: BSD-3-Clause
// The C library's headers came first, and the plain names are Winsock's all the same.
// clang-format off
#include <netdb.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <functional>

#include "winsock2.h"
#include "ws2tcpip.h"

#include <gtest/gtest.h>
// clang-format on

namespace {

struct Method {
  int connect(int x) const { return x; }
  int bind() const { return 2; }
};

TEST(LateHeader, PlainNamesAreWinsocksAndMethodsStayWhatTheyAre) {
  EXPECT_EQ(socket(AF_INET, SOCK_STREAM, 0), INVALID_SOCKET);
  EXPECT_EQ(WSAGetLastError(), WSANOTINITIALISED);
  char text[4] = {};
  const SOCKET s = 4;
  EXPECT_EQ(send(s, text, sizeof text, 0), SOCKET_ERROR);
  EXPECT_EQ(recvfrom(s, text, sizeof text, 0, nullptr, nullptr), SOCKET_ERROR);
  EXPECT_EQ(listen(s, 5), SOCKET_ERROR);
  EXPECT_EQ(accept(s, nullptr, nullptr), INVALID_SOCKET);
  EXPECT_EQ(getsockopt(s, SOL_SOCKET, SO_TYPE, text, nullptr), SOCKET_ERROR);
  EXPECT_EQ(gethostbyname("127.0.0.1"), nullptr);
  EXPECT_EQ(std::bind(&Method::connect, Method{}, 7)(), 7);
  EXPECT_EQ(Method{}.bind(), 2);
}

/// The C library's would wait forever.
TEST(LateHeader, ASelectWithoutTypesIsWinsocks) {
  const timeval no_time{0, 0};
  for (const int result :
       {select(0, nullptr, nullptr, nullptr, nullptr), select(0, NULL, NULL, NULL, NULL),
        select(0, nullptr, NULL, nullptr, NULL), select(0, NULL, nullptr, NULL, &no_time),
        select(0, 0, 0, 0, 0), select(0, 0, NULL, nullptr, 0), select(0, 0, 0, 0, &no_time)}) {
    EXPECT_EQ(result, SOCKET_ERROR);
    EXPECT_EQ(WSAGetLastError(), WSANOTINITIALISED);
  }
}

}  // namespace
