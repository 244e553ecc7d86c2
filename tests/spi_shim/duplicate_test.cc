// SPDX-License-Identifier: BSD-3-Clause
// WSPDuplicateSocket within the process (winsock-rules 201), and WSPGetQOSByName.
#define MILLRACE_USE_WS_PREFIX
#include "tests/support/network_events.h"

namespace millrace::test {
namespace {

class Winsock_R201 : public NetworkEventsTest {
 protected:
  int describe(SOCKET s, DWORD process, WSAPROTOCOL_INFOW* info) {
    ws().error = 0;
    return ws().table.lpWSPDuplicateSocket(s, process, info, &ws().error);
  }
  static DWORD here() { return static_cast<DWORD>(getpid()); }
};

TEST_F(Winsock_R201, WhatIsRefused) {
  const SOCKET s = ws().stream(WS_AF_INET);
  WSAPROTOCOL_INFOW info{};
  EXPECT_EQ(describe(0x1234, here(), &info), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(describe(s, here() + 1, &info), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(describe(s, here(), nullptr), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

TEST_F(Winsock_R201, TheInfoDescribesTheSocketAndIsGoodForOnce) {
  const SOCKET s = ws().datagram(WS_AF_INET6);
  WSAPROTOCOL_INFOW info{};
  ASSERT_EQ(describe(s, here(), &info), 0);
  EXPECT_EQ(info.iAddressFamily, WS_AF_INET6);
  EXPECT_EQ(info.iSocketType, WS_SOCK_DGRAM);
  EXPECT_NE(info.dwProviderReserved, 0u);
  const SOCKET twin = ws().socket_of(info);
  ASSERT_NE(twin, INVALID_SOCKET) << ws().error;
  EXPECT_NE(twin, s);
  EXPECT_EQ(ws().socket_of(info), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

TEST_F(Winsock_R201, BothAreOneSocket) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  const SOCKET twin = duplicate(server);
  EXPECT_EQ(ws().name_of(twin), ws().name_of(server));
  ASSERT_EQ(ws().set_nonblocking(twin), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 1234), 0);
  EXPECT_EQ(ws().option(twin, WS_SOL_SOCKET, WS_SO_RCVTIMEO), 1234);
}

TEST_F(Winsock_R201, TheSocketLivesUntilBothAreClosed) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  const SOCKET twin = duplicate(server);
  Overlap receive(16);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  ASSERT_EQ(ws().close(server), 0);
  EXPECT_EQ(ws().send(server, "x"), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(ws().result(twin, receive, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE) << "the first close cancelled";
  ASSERT_EQ(ws().send(client, "still here"), 10);
  EXPECT_EQ(ws().finish(twin, receive), "still here");
  ASSERT_EQ(ws().close(twin), 0);
  EXPECT_EQ(ws().recv(client), "");
  EXPECT_EQ(ws().error, 0);
}

TEST_F(Winsock_R201, ASocketClosedBeforeItsDuplicateIsOpenedLives) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  WSAPROTOCOL_INFOW info{};
  ASSERT_EQ(describe(server, here(), &info), 0);
  ASSERT_EQ(ws().close(server), 0);
  const SOCKET twin = ws().socket_of(info);
  ASSERT_NE(twin, INVALID_SOCKET);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(ws().recv(twin), "x");
}

TEST_F(Winsock_R201, AnInfoOfAnEarlierStartIsRefused) {
  WSAPROTOCOL_INFOW info{};
  ASSERT_EQ(describe(ws().stream(WS_AF_INET), here(), &info), 0);
  ws().close_all();
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPCleanup(&error), 0);
  start();
  EXPECT_EQ(ws().socket_of(info), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

TEST_F(Winsock_R201, AListenersDuplicateAcceptsWhenItIsClosed) {
  const auto [l, address] = ws().listener(WS_AF_INET);
  const SOCKET twin = duplicate(l);
  ASSERT_EQ(ws().close(l), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, address), 0);
  EXPECT_NE(ws().accept(twin), INVALID_SOCKET) << ws().error;
  ASSERT_EQ(ws().close(twin), 0);
  const SOCKET late = ws().stream(WS_AF_INET);
  EXPECT_EQ(ws().connect(late, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
}

TEST_F(Winsock_R201, SelectKnowsBoth) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  const SOCKET twin = duplicate(s);
  WS_fd_set writes{2, {s, twin}};
  EXPECT_EQ(ws().table.lpWSPSelect(0, nullptr, &writes, nullptr, nullptr, &ws().error), 2);
}

using Winsock_R202 = NetworkEventsTest;

TEST_F(Winsock_R202, AnotherDescriptorReplacesTheSelection) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  const SOCKET twin = duplicate(server);
  ASSERT_EQ(select(server, FD_READ), 0);
  Event other;
  ASSERT_EQ(select(twin, FD_READ, other.handle()), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_TRUE(other.comes());
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(server, other.handle()), FD_READ);
}

using Spi_Qos = SpiTest;

TEST_F(Spi_Qos, NoTemplateHasAName) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  char16_t name[] = u"G711";
  WSABUF buffer{sizeof name, reinterpret_cast<CHAR*>(name)};
  QOS qos{};
  INT error = 0;
  const auto ask = [&](SOCKET of, LPWSABUF named, LPQOS into) {
    error = 0;
    return ws().table.lpWSPGetQOSByName(of, named, into, &error);
  };
  EXPECT_FALSE(ask(s, &buffer, &qos));
  EXPECT_EQ(error, WSAEINVAL);
  EXPECT_FALSE(ask(s, nullptr, &qos));
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_FALSE(ask(s, &buffer, nullptr));
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_FALSE(ask(0x1234, &buffer, &qos));
  EXPECT_EQ(error, WSAENOTSOCK);
}

}  // namespace
}  // namespace millrace::test
