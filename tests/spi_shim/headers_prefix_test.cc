// SPDX-License-Identifier: BSD-3-Clause
// A file that speaks to both: Windows' names carry WS_, the plain ones are the C library's. The
// SPI's headers come first here, the system's after them.
//
// Invariant: no Winsock header changes what a system header means while MILLRACE_USE_WS_PREFIX is
// defined, or when winsock2.h is not included at all.
// clang-format off
#define MILLRACE_USE_WS_PREFIX
#include "ws2spi.h"
#include "ws2tcpip.h"
#include "mswsock.h"
#include "mstcpip.h"
#include "windows.h"

#include <arpa/inet.h>
#include <linux/if_tun.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include <gtest/gtest.h>
// clang-format on

namespace {

static_assert(AF_INET6 == 10 && WS_AF_INET6 == 23);
static_assert(SOL_SOCKET == 1 && WS_SOL_SOCKET == 0xFFFF);
static_assert(sizeof(fd_set) == 128 && sizeof(WS_fd_set) == 520);
static_assert(sizeof(timeval) == 16 && sizeof(WS_timeval) == 8);
static_assert(sizeof(u_long) == 8 && sizeof(WS_u_long) == 4);

TEST(PrefixedNames, BothWorldsReadTheSameAddress) {
  WS_in6_addr windows{};
  in6_addr linux_address{};
  ASSERT_EQ(WS_inet_pton(WS_AF_INET6, "2001:db8::7", &windows), 1);
  ASSERT_EQ(inet_pton(AF_INET6, "2001:db8::7", &linux_address), 1);
  EXPECT_EQ(std::memcmp(&windows, &linux_address, sizeof windows), 0);
  EXPECT_FALSE(IN6_IS_ADDR_UNSPECIFIED(&linux_address));
}

TEST(PrefixedNames, TheCLibrarysSetsStayBitMaps) {
  fd_set bits;
  FD_ZERO(&bits);
  FD_SET(3, &bits);
  EXPECT_TRUE(FD_ISSET(3, &bits));
  WS_fd_set list{};
  WS_FD_SET(3, &list);
  EXPECT_EQ(list.fd_count, 1U);
}

}  // namespace
