// SPDX-License-Identifier: BSD-3-Clause
// A program written for Winsock, with system and C++ headers on both sides of winsock2.h: the plain
// names stay Windows' whatever follows.
//
// Invariant: this file compiles with no name written differently from a Windows program's.
// clang-format off
#include <netdb.h>
#include <sys/socket.h>

#include <string>
#include <thread>

#include "ws2spi.h"
#include "winsock2.h"
#include "ws2tcpip.h"
#include "mswsock.h"
#include "mstcpip.h"
#include "windows.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
// clang-format on

namespace {

static_assert(AF_INET6 == 23 && SOL_SOCKET == 0xFFFF && sizeof(u_long) == 4);
static_assert(MAKEWORD(2, 1) == 0x0102 && LOBYTE(0x0102) == 2 && HIBYTE(0x0102) == 1);

TEST(PlainNames, SetsOfSocketsAreListsWithoutDuplicates) {
  fd_set set;
  FD_ZERO(&set);
  EXPECT_FALSE(FD_ISSET(7, &set));
  FD_SET(7, &set);
  FD_SET(9, &set);
  FD_SET(7, &set);
  EXPECT_EQ(set.fd_count, 2U);
  EXPECT_TRUE(FD_ISSET(7, &set));
  EXPECT_TRUE(FD_ISSET(9, &set));
  FD_CLR(7, &set);
  FD_CLR(8, &set);
  EXPECT_EQ(set.fd_count, 1U);
  EXPECT_EQ(set.fd_array[0], 9U);
}

TEST(PlainNames, AFullSetTakesNoMore) {
  fd_set set;
  FD_ZERO(&set);
  for (SOCKET s = 1; s <= FD_SETSIZE + 1; ++s) FD_SET(s, &set);
  EXPECT_EQ(set.fd_count, 64U);
  EXPECT_FALSE(FD_ISSET(FD_SETSIZE + 1, &set));
}

TEST(PlainNames, AddressesAreReadAndWrittenWithWindowsFamilies) {
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  a.sin6_port = htons(80);
  ASSERT_EQ(inet_pton(AF_INET6, "fe80::1", &a.sin6_addr), 1);
  EXPECT_EQ(a.sin6_addr.s6_addr[0], 0xFE);
  EXPECT_TRUE(IN6_IS_ADDR_LINKLOCAL(&a.sin6_addr));
  char text[INET6_ADDRSTRLEN];
  EXPECT_STREQ(inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text), "fe80::1");

  sockaddr_in b{};
  ASSERT_EQ(inet_pton(AF_INET, "127.0.0.1", &b.sin_addr), 1);
  EXPECT_EQ(b.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
}

TEST(PlainNames, QuestionsAboutIpv6AddressesAreAnswered) {
  EXPECT_TRUE(IN6_IS_ADDR_UNSPECIFIED(&in6addr_any));
  EXPECT_FALSE(IN6_IS_ADDR_UNSPECIFIED(&in6addr_loopback));
  EXPECT_TRUE(IN6_IS_ADDR_LOOPBACK(&in6addr_loopback));
  EXPECT_FALSE(IN6_IS_ADDR_LOOPBACK(&in6addr_any));
  in6_addr a{};
  ASSERT_EQ(inet_pton(AF_INET6, "ff02::1", &a), 1);
  EXPECT_TRUE(IN6_IS_ADDR_MULTICAST(&a));
  EXPECT_FALSE(IN6_IS_ADDR_LOOPBACK(&a));
  EXPECT_FALSE(IN6_IS_ADDR_LINKLOCAL(&a));
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:1.2.3.4", &a), 1);
  EXPECT_TRUE(IN6_IS_ADDR_V4MAPPED(&a));
  EXPECT_FALSE(IN6_IS_ADDR_V4MAPPED(&in6addr_any));
}

}  // namespace
