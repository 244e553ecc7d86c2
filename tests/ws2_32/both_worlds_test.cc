// SPDX-License-Identifier: BSD-3-Clause
// The C library's sockets and Winsock's in one process, and in one file: plain names are the C
// library's here, WS_ names millrace's. Another file of the same program uses Winsock's plain ones.
#define MILLRACE_USE_WS_PREFIX
// clang-format off
#include <sys/socket.h>
#include <netdb.h>
#include <netinet/in.h>
#include <unistd.h>

#include "winsock2.h"
#include "ws2tcpip.h"

#include <gtest/gtest.h>
// clang-format on

namespace {

/// What the C library's calls return is a file descriptor of the kernel.
TEST(BothWorlds, EachSocketIsItsOwnWorlds) {
  WSADATA data;
  ASSERT_EQ(WSAStartup(MAKEWORD(2, 2), &data), 0);
  const int kernel = ::socket(AF_INET, SOCK_STREAM, 0);
  const SOCKET ours = WS_socket(WS_AF_INET, WS_SOCK_STREAM, 0);
  ASSERT_GE(kernel, 0);
  ASSERT_NE(ours, INVALID_SOCKET);

  // Both may have the same port: two stacks.
  sockaddr_in libc_address{};
  libc_address.sin_family = AF_INET;
  libc_address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(kernel, reinterpret_cast<sockaddr*>(&libc_address), sizeof libc_address), 0);
  socklen_t libc_length = sizeof libc_address;
  ASSERT_EQ(::getsockname(kernel, reinterpret_cast<sockaddr*>(&libc_address), &libc_length), 0);
  WS_sockaddr_in address{};
  address.sin_family = WS_AF_INET;
  address.sin_addr.S_un.S_addr = htonl(WS_INADDR_LOOPBACK);
  address.sin_port = libc_address.sin_port;
  EXPECT_EQ(WS_bind(ours, reinterpret_cast<WS_sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(::listen(kernel, 1), 0);
  EXPECT_EQ(WS_listen(ours, 1), 0);

  // Each world refuses the other's handle.
  EXPECT_EQ(closesocket(static_cast<SOCKET>(kernel)), SOCKET_ERROR);
  EXPECT_EQ(WSAGetLastError(), WSAENOTSOCK);
  EXPECT_EQ(::close(kernel), 0);
  EXPECT_EQ(closesocket(ours), 0);
  EXPECT_EQ(WSACleanup(), 0);
}

TEST(BothWorlds, TheLibraryDoesNotStandInForTheCLibrary) {
  EXPECT_NE(reinterpret_cast<void*>(&::socket), reinterpret_cast<void*>(&WS_socket));
  EXPECT_NE(reinterpret_cast<void*>(&::getaddrinfo), reinterpret_cast<void*>(&WS_getaddrinfo));
  addrinfo* list = nullptr;  // works without WSAStartup, as it does not know Winsock
  ASSERT_EQ(::getaddrinfo("::1", nullptr, nullptr, &list), 0);
  EXPECT_EQ(list->ai_family, AF_INET6);
  ::freeaddrinfo(list);
}

}  // namespace
