// SPDX-License-Identifier: BSD-3-Clause
// WSPEventSelect and WSPEnumNetworkEvents (winsock-rules 144 to 159): what is recorded when, and what
// makes it be recorded again.
#define MILLRACE_USE_WS_PREFIX
#include "tests/support/network_events.h"

namespace millrace::test {
namespace {

using Winsock_R144 = NetworkEventsTest;
using Winsock_R145 = NetworkEventsTest;
using Winsock_R146 = NetworkEventsTest;
using Winsock_R147 = NetworkEventsTest;
using Winsock_R148 = NetworkEventsTest;
using Winsock_R149 = NetworkEventsTest;
using Winsock_R150 = NetworkEventsTest;
using Winsock_R151 = NetworkEventsTest;
using Winsock_R152 = NetworkEventsTest;
using Winsock_R153 = NetworkEventsTest;
using Winsock_R154 = NetworkEventsTest;
using Winsock_R155 = NetworkEventsTest;
using Winsock_R156 = NetworkEventsTest;
using Winsock_R159 = NetworkEventsTest;
using Winsock_R85 = NetworkEventsTest;

constexpr LONG kAll = FD_READ | FD_WRITE | FD_OOB | FD_ACCEPT | FD_CONNECT | FD_CLOSE;

TEST_F(Winsock_R144, SelectingMakesASocketNonblockingAndKeepsItSo) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_WRITE), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(ws().set_nonblocking(server, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ws().set_nonblocking(server, true), 0);
  ASSERT_EQ(select(server, 0), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK) << "cancelling restored blocking";
  EXPECT_EQ(ws().set_nonblocking(server, false), 0);
}

TEST_F(Winsock_R144, CancellingMakesASocketNonblockingToo) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, 0), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
}

TEST_F(Winsock_R145, SelectingAgainReplacesWhatWasSelected) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_WRITE), 0);
  ASSERT_TRUE(is_signalled());
  Event other;
  ASSERT_EQ(select(server, FD_READ, other.handle()), 0);
  EXPECT_EQ(taken(server), 0) << "FD_WRITE is still recorded";
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_TRUE(other.comes());
  EXPECT_EQ(taken(server, other.handle()), FD_READ);
  EXPECT_FALSE(is_signalled()) << "the first event is still told";
}

TEST_F(Winsock_R145, ZeroCancels) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(select(server, 0, nullptr), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  EXPECT_EQ(taken(server), 0);
  EXPECT_FALSE(is_signalled());
}

TEST_F(Winsock_R145, WhatNobodyHasFetchedIsNotLostBySelectingAnew) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_TRUE(comes());
  ASSERT_EQ(select(server, FD_READ | FD_CLOSE), 0);
  EXPECT_EQ(taken(server), FD_READ);
}

TEST_F(Winsock_R146, AReceiveEnablesReadAgain) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
  EXPECT_FALSE(is_signalled()) << "without a receive it is not told again";
  EXPECT_EQ(taken(server), 0);
  EXPECT_EQ(ws().recv(server, 1, WS_MSG_PEEK), "a");
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_READ);
}

TEST_F(Winsock_R146, EvenAFailingReceiveEnablesReadAgain) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
  EXPECT_EQ(ws().recv(server, 1, WS_MSG_OOB), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_READ);
}

TEST_F(Winsock_R146, AnAcceptEnablesAcceptAgain) {
  const auto [l, address] = ws().listener(WS_AF_INET);
  ASSERT_EQ(select(l, FD_ACCEPT), 0);
  const SOCKET first = ws().stream(WS_AF_INET), second = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(first, address), 0);
  ASSERT_EQ(ws().connect(second, address), 0);
  ASSERT_TRUE(comes());
  EXPECT_TRUE(eventually([&] { return n_waiting() == 2; }));
  EXPECT_EQ(taken(l), FD_ACCEPT);
  EXPECT_FALSE(is_signalled());
  ASSERT_NE(ws().accept(l), INVALID_SOCKET);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(l), FD_ACCEPT);
  ASSERT_NE(ws().accept(l), INVALID_SOCKET);
  EXPECT_EQ(taken(l), 0);
}

TEST_F(Winsock_R146, ConnectAndCloseAreToldOnce) {
  const auto [l, address] = ws().listener(WS_AF_INET);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(select(client, FD_CONNECT | FD_CLOSE), 0);
  EXPECT_EQ(ws().connect(client, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(client), FD_CONNECT);
  const SOCKET server = ws().accept(l);
  ASSERT_EQ(ws().close(server), 0);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(client), FD_CLOSE);
  EXPECT_EQ(ws().recv(client), "");
  EXPECT_EQ(ws().error, 0);
  ASSERT_EQ(select(client, FD_CONNECT | FD_CLOSE), 0);
  EXPECT_EQ(taken(client), 0);
}

TEST_F(Winsock_R147, NewDataIsToldThoughNobodyReadTheOld) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
  ASSERT_EQ(ws().send(client, "def"), 3);
  EXPECT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
}

TEST_F(Winsock_R148, APartialReceiveLeavesReadTold) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
  EXPECT_EQ(ws().recv(server, 2), "ab");
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_READ);
  EXPECT_EQ(ws().recv(server, 2), "c");
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(server), 0);
}

TEST_F(Winsock_R149, WhatIsTrueAlreadyIsToldAtOnceAndNotAgain) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  ASSERT_EQ(select(server, FD_READ | FD_WRITE), 0);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_READ | FD_WRITE);
  ASSERT_EQ(select(server, FD_READ | FD_WRITE), 0);
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(server), 0);
}

TEST_F(Winsock_R149, WhatCameWhileNothingWasSelectedIsTold) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(select(server, 0), 0);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  ASSERT_EQ(select(server, FD_READ), 0);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_READ);
}

TEST_F(Winsock_R150, AConnectionIsWritableOnceUntilASendFindsNoRoom) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVBUF, 4096), 0);
  ASSERT_EQ(select(client, FD_WRITE), 0);
  EXPECT_EQ(taken(client), FD_WRITE);
  const std::string much(1 << 20, 'x');
  size_t sent = 0;
  // What is acknowledged meanwhile makes room, until the peer's window is full.
  do {
    for (int n = 0; n >= 0; sent += static_cast<size_t>(std::max(n, 0))) n = ws().send(client, much);
    EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
    (void)taken(client);
  } while (ws().is_ready(client, 'w', 20));
  EXPECT_EQ(taken(client), 0);
  for (size_t got = 0; got < sent;) {
    const std::string some = ws().recv(server);
    ASSERT_FALSE(some.empty());
    got += some.size();
  }
  EXPECT_TRUE(comes());
  EXPECT_EQ(taken(client), FD_WRITE);
}

TEST_F(Winsock_R150, ADatagramSocketIsWritableOnceItIsBound) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  ASSERT_EQ(select(s, FD_READ | FD_WRITE), 0);
  EXPECT_EQ(taken(s), 0);
  ASSERT_EQ(ws().bind(s, Address::loopback(WS_AF_INET)), 0);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(s), FD_WRITE);
  const SOCKET other = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().send_to(other, "one", ws().name_of(s)), 3);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(s), FD_READ);
  EXPECT_EQ(ws().recv(s), "one");
  EXPECT_EQ(taken(s), 0);
}

TEST_F(Winsock_R151, ASendDoesNotTakeARecordedWriteBack) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(client, FD_WRITE), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(client), FD_WRITE);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(taken(client), 0) << "a send that found room enabled it";
}

TEST_F(Winsock_R152, AGracefulCloseHasNoErrorAndAResetHas) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, kAll), 0);
  EXPECT_EQ(taken(server), FD_WRITE);
  ASSERT_EQ(ws().close(client), 0);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_CLOSE);
  EXPECT_EQ(error_of(FD_CLOSE_BIT), 0);

  const auto [rude, victim] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(victim, FD_CLOSE | FD_READ), 0);
  reset(rude);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(victim), FD_CLOSE);
  EXPECT_EQ(error_of(FD_CLOSE_BIT), WSAECONNRESET);
}

TEST_F(Winsock_R153, TheCloseIsToldBeforeTheDataIsRead) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ | FD_CLOSE), 0);
  ASSERT_EQ(ws().send(client, "last words"), 10);
  ASSERT_EQ(ws().close(client), 0);
  LONG all = 0;
  EXPECT_TRUE(eventually([&] { return (all |= taken(server)) == (FD_READ | FD_CLOSE); })) << all;
  EXPECT_EQ(ws().recv(server), "last words");
  EXPECT_EQ(taken(server), 0) << "the end of the stream is no data";
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, 0);
}

TEST_F(Winsock_R154, SendingsEndIsAClose) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_CLOSE), 0);
  ASSERT_EQ(ws().shutdown(client, SD_RECEIVE), 0);
  ASSERT_EQ(ws().shutdown(server, SD_RECEIVE), 0);
  EXPECT_FALSE(is_signalled());
  ASSERT_EQ(ws().shutdown(client, SD_SEND), 0);
  EXPECT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_CLOSE);
}

TEST_F(Winsock_R155, EnumCopiesClearsAndResets) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_WRITE), 0);
  WSANETWORKEVENTS events;
  std::fill(std::begin(events.iErrorCode), std::end(events.iErrorCode), 4711);
  ASSERT_EQ(enumerate(server, nullptr, &events), 0);
  EXPECT_EQ(events.lNetworkEvents, FD_WRITE);
  EXPECT_EQ(events.iErrorCode[FD_WRITE_BIT], 0);
  EXPECT_EQ(events.iErrorCode[FD_READ_BIT], 4711) << "written without its event";
  EXPECT_TRUE(is_signalled()) << "reset though no event was given";
  EXPECT_EQ(taken(server), 0);
  EXPECT_FALSE(is_signalled());
}

TEST_F(Winsock_R155, AFailedEnumClearsNothing) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_WRITE), 0);
  WSANETWORKEVENTS events{};
  EXPECT_EQ(enumerate(server, event(), nullptr), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(enumerate(server, reinterpret_cast<WSAEVENT>(0x4444), &events), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_TRUE(is_signalled());
  EXPECT_EQ(taken(server), FD_WRITE);
}

TEST_F(Winsock_R156, SelectDoesNotTellAgain) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
  EXPECT_TRUE(ws().is_ready(server, 'r', 10'000));
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(server), 0);
}

TEST_F(Winsock_R159, WhatIsRefused) {
  WSANETWORKEVENTS events{};
  EXPECT_EQ(select(0x1234, FD_READ), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(enumerate(0x1234, event(), &events), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  const SOCKET s = ws().stream(WS_AF_INET);
  EXPECT_EQ(select(s, FD_READ, nullptr), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(select(s, FD_READ, reinterpret_cast<WSAEVENT>(0x4444)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(enumerate(s, nullptr, &events), 0) << "nothing was selected";
  EXPECT_EQ(events.lNetworkEvents, 0);
}

TEST_F(Winsock_R159, EventsThatNeverComeMayBeSelected) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  EXPECT_EQ(select(server, FD_QOS | FD_GROUP_QOS | FD_ADDRESS_LIST_CHANGE |
                               FD_ROUTING_INTERFACE_CHANGE),
            0);
  EXPECT_EQ(taken(server), 0);
}

TEST_F(Winsock_R85, AWaitingReceiveTakesTheDataWithoutAnEvent) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  Overlap receive(16);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  ASSERT_EQ(ws().send(client, "taken"), 5);
  EXPECT_EQ(ws().finish(server, receive), "taken");
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(server), 0);
}

TEST_F(Winsock_R150, AFailedConnectIsToldWithItsError) {
  const SOCKET client = ws().stream(WS_AF_INET);
  const auto [l, address] = ws().listener(WS_AF_INET);
  ASSERT_EQ(ws().close(l), 0);
  ASSERT_EQ(select(client, kAll), 0);
  EXPECT_EQ(ws().connect(client, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(client), FD_CONNECT);
  EXPECT_EQ(error_of(FD_CONNECT_BIT), WSAECONNREFUSED);
}

TEST_F(Winsock_R150, AConnectIsFollowedByWrite) {
  const auto [l, address] = ws().listener(WS_AF_INET6);
  const SOCKET client = ws().stream(WS_AF_INET6);
  ASSERT_EQ(select(client, kAll), 0);
  EXPECT_EQ(ws().connect(client, address), SOCKET_ERROR);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(client), FD_CONNECT | FD_WRITE);
  EXPECT_EQ(error_of(FD_CONNECT_BIT), 0);
}

TEST_F(Winsock_R146, UrgentDataHasAnEventOfItsOwn) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_OOB | FD_READ), 0);
  ASSERT_EQ(ws().send(client, "!", WS_MSG_OOB), 1);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_OOB);
  EXPECT_EQ(ws().recv(server, 1, WS_MSG_OOB), "!");
  EXPECT_EQ(taken(server), 0);
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_OOBINLINE, 1), 0);
  ASSERT_EQ(ws().send(client, "?", WS_MSG_OOB), 1);
  ASSERT_TRUE(comes());
  EXPECT_EQ(taken(server), FD_READ);
  EXPECT_EQ(ws().recv(server, 1), "?");
}

}  // namespace
}  // namespace millrace::test
