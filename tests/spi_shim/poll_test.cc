// SPDX-License-Identifier: BSD-3-Clause
// What WSAPoll is made of (winsock-rules 93, 165, 168). Expectations are those of Wine's test of WSAPoll,
// which passes on Windows.
#include <initializer_list>
#include <thread>
#include <vector>

#define MILLRACE_USE_WS_PREFIX
#include "spi_shim/poll_list.h"
#include "spi_shim/poll_sockets.h"
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

constexpr SHORT kAll = WS_POLLRDNORM | WS_POLLRDBAND | WS_POLLWRNORM;
constexpr SHORT kLost = WS_POLLERR | WS_POLLHUP;
constexpr INT kForEver = -1;

class Spi_Poll : public SpiFamilyTest {
 protected:
  int poll(std::vector<WSAPOLLFD>& entries, INT timeout_ms = 0) {
    ws().error = 0;
    return poll_sockets(entries, timeout_ms, &ws().error);
  }
  /// revents of one socket, which is counted if it has some.
  SHORT poll_one(SOCKET s, SHORT events, INT timeout_ms = 0) {
    std::vector<WSAPOLLFD> one{{s, events, 0x5a}};
    const int n = poll(one, timeout_ms);
    EXPECT_EQ(n, one[0].revents != 0 ? 1 : 0) << ws().error;
    return one[0].revents;
  }
  /// The end of a connection whose other end the peer resets.
  SOCKET reset_by_peer() {
    const auto [client, server] = ws().pair(family());
    WS_linger at_once{1, 0};
    EXPECT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                         reinterpret_cast<const CHAR*>(&at_once), sizeof at_once,
                                         &ws().error),
              0);
    EXPECT_EQ(ws().close(client), 0);
    return server;
  }
  /// An address of ours where nobody listens.
  Address nobody() {
    const SOCKET s = ws().stream(family());
    EXPECT_EQ(ws().bind(s, Address::loopback(family())), 0);
    const Address name = ws().name_of(s);
    EXPECT_EQ(ws().close(s), 0);
    return name;
  }
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Poll);

TEST_P(Spi_Poll, AListenerHasNormalDataWhileAConnectionWaits) {
  const auto [l, address] = ws().listener(family());
  EXPECT_EQ(poll_one(l, kAll), 0);
  const SOCKET client = ws().stream(family());
  ASSERT_EQ(ws().connect(client, address), 0);
  EXPECT_EQ(poll_one(l, WS_POLLIN, kForEver), WS_POLLRDNORM);
  EXPECT_EQ(poll_one(l, WS_POLLRDBAND | WS_POLLWRNORM), 0);
  ASSERT_NE(ws().accept(l), INVALID_SOCKET);
  EXPECT_EQ(poll_one(l, kAll), 0);
}

TEST_P(Spi_Poll, AConnectionTellsWhatItHasAndOnlyWhatIsAsked) {
  const auto [client, server] = ws().pair(family());
  EXPECT_EQ(poll_one(server, kAll), WS_POLLWRNORM);
  EXPECT_EQ(poll_one(server, 0), 0);
  ASSERT_EQ(ws().send(client, "data"), 4);
  EXPECT_EQ(poll_one(server, WS_POLLIN, kForEver), WS_POLLRDNORM);
  EXPECT_EQ(poll_one(server, kAll), WS_POLLRDNORM | WS_POLLWRNORM);
  EXPECT_EQ(poll_one(server, WS_POLLWRNORM), WS_POLLWRNORM);
  EXPECT_EQ(poll_one(server, WS_POLLRDBAND), 0);
  EXPECT_EQ(ws().recv(server), "data") << "nothing was taken";
  EXPECT_EQ(poll_one(server, kAll), WS_POLLWRNORM);
}

TEST_P(Spi_Poll, UrgentDataIsOfTheBandUnlessItIsInline) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "U", WS_MSG_OOB), 1);
  EXPECT_EQ(poll_one(server, WS_POLLIN, kForEver), WS_POLLRDBAND);
  EXPECT_EQ(ws().recv(server, 1, WS_MSG_OOB), "U");
  EXPECT_EQ(poll_one(server, kAll), WS_POLLWRNORM);
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_OOBINLINE, 1), 0);
  ASSERT_EQ(ws().send(client, "V", WS_MSG_OOB), 1);
  EXPECT_EQ(poll_one(server, WS_POLLIN, kForEver), WS_POLLRDNORM);
  EXPECT_EQ(ws().recv(server, 1), "V");
  EXPECT_EQ(poll_one(server, kAll), WS_POLLWRNORM);
}

TEST_P(Spi_Poll, ThePeersEndIsToldUnaskedAlsoBeforeDataIsTaken) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().shutdown(client, SD_RECEIVE), 0);
  EXPECT_EQ(poll_one(client, kAll), WS_POLLWRNORM);
  EXPECT_EQ(poll_one(server, kAll), WS_POLLWRNORM);
  ASSERT_EQ(ws().send(client, "data"), 4);
  ASSERT_EQ(ws().shutdown(client, SD_SEND), 0);
  EXPECT_EQ(poll_one(client, kAll), WS_POLLWRNORM);
  EXPECT_EQ(poll_one(server, 0, kForEver), WS_POLLHUP);
  EXPECT_EQ(poll_one(server, kAll), WS_POLLRDNORM | WS_POLLWRNORM | WS_POLLHUP);
  EXPECT_EQ(ws().recv(server), "data");
  EXPECT_EQ(poll_one(server, kAll), WS_POLLWRNORM | WS_POLLHUP);
}

TEST_P(Spi_Poll, AResetIsAnErrorAndAnEndThoughNoOptionHasIt) {  // winsock-rules 93
  const SOCKET server = reset_by_peer();
  EXPECT_EQ(poll_one(server, 0, kForEver), kLost);
  EXPECT_EQ(poll_one(server, kAll), kLost | WS_POLLWRNORM);
  EXPECT_EQ(ws().option(server, WS_SOL_SOCKET, WS_SO_ERROR), 0);
}

TEST_P(Spi_Poll, AFailedConnectIsToldUntilOneSucceeds) {
  const auto [l, address] = ws().listener(family());
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(poll_one(s, kAll), 0);
  ASSERT_EQ(ws().set_nonblocking(s), 0);
  ASSERT_EQ(ws().connect(s, nobody()), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(poll_one(s, kAll, kForEver), kLost | WS_POLLWRNORM);
  EXPECT_EQ(poll_one(s, 0), kLost);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, WS_SO_ERROR), WSAECONNREFUSED);
  ASSERT_EQ(ws().connect(s, address), SOCKET_ERROR);
  EXPECT_EQ(poll_one(s, WS_POLLOUT, kForEver), WS_POLLWRNORM);

  const SOCKET blocking = ws().stream(family());
  ASSERT_EQ(ws().connect(blocking, nobody()), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSAECONNREFUSED);
  EXPECT_EQ(poll_one(blocking, kAll), kLost | WS_POLLWRNORM);
  ASSERT_EQ(ws().connect(blocking, address), 0);
  EXPECT_EQ(poll_one(blocking, kAll), WS_POLLWRNORM);
}

TEST_P(Spi_Poll, DatagramSocketsCanBeWrittenAlwaysAndReadWhenOneIsThere) {
  const SOCKET receiver = ws().datagram(family()), sender = ws().datagram(family());
  EXPECT_EQ(poll_one(receiver, kAll), WS_POLLWRNORM);
  ASSERT_EQ(ws().bind(receiver, Address::loopback(family())), 0);
  EXPECT_EQ(poll_one(receiver, kAll), WS_POLLWRNORM);
  ASSERT_EQ(ws().send_to(sender, "", ws().name_of(receiver)), 0);
  EXPECT_EQ(poll_one(receiver, WS_POLLIN, kForEver), WS_POLLRDNORM);
  EXPECT_EQ(poll_one(receiver, kAll), WS_POLLRDNORM | WS_POLLWRNORM);
}

TEST_P(Spi_Poll, WhatIsNoSocketIsToldAndNotCounted) {
  const auto [l, address] = ws().listener(family());
  const SOCKET datagram = ws().datagram(family());
  std::vector<WSAPOLLFD> some{{INVALID_SOCKET, WS_POLLERR, 0x5a},
                              {l, WS_POLLIN, 0x5a},
                              {0xabacab, WS_POLLIN, 0x5a},
                              {datagram, WS_POLLOUT, 0x5a}};
  EXPECT_EQ(poll(some), 1);
  EXPECT_EQ(some[0].revents, WS_POLLNVAL);
  EXPECT_EQ(some[1].revents, 0);
  EXPECT_EQ(some[2].revents, WS_POLLNVAL);
  EXPECT_EQ(some[3].revents, WS_POLLWRNORM);
  some.pop_back();
  EXPECT_EQ(poll(some, 20), 0) << "the others are waited for";
  EXPECT_EQ(some[2].revents, WS_POLLNVAL);

  std::vector<WSAPOLLFD> none{{INVALID_SOCKET, WS_POLLERR, 0x5a}, {0xabacab, WS_POLLERR, 0x5a}};
  EXPECT_EQ(poll(none, kForEver), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(none[0].revents, WS_POLLNVAL);
  EXPECT_EQ(none[1].revents, WS_POLLNVAL);
}

TEST_P(Spi_Poll, EventsThatNobodyMayAskForAreRefused) {
  const SOCKET s = ws().datagram(family());
  for (const int bit : {1, 2, 4, 8, 0x20, 0x40, 0x80, 0x400, 0x800, 0x1000, 0x2000, 0x4000, 0x8000}) {
    std::vector<WSAPOLLFD> one{{s, static_cast<SHORT>(WS_POLLOUT | bit), 0x5a}};
    EXPECT_EQ(poll(one), SOCKET_ERROR) << std::hex << bit;
    EXPECT_EQ(ws().error, WSAEINVAL);
    EXPECT_EQ(one[0].revents, 0);
  }
  std::vector<WSAPOLLFD> two{{s, WS_POLLOUT, 0x5a}, {0xabacab, WS_POLLERR, 0x5a}};
  EXPECT_EQ(poll(two), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(two[0].revents, 0);
  EXPECT_EQ(two[1].revents, 0);
}

TEST_P(Spi_Poll, DataThatNobodyAskedForDoesNotEndTheWait) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "data"), 4);
  ASSERT_EQ(poll_one(server, WS_POLLIN, kForEver), WS_POLLRDNORM);
  EXPECT_EQ(poll_one(server, WS_POLLRDBAND, 20), 0);
  std::thread sender([table = ws().table, to = client] {
    Winsock mine(table);
    wait_until_somebody_waits();
    EXPECT_EQ(mine.send(to, "more"), 4);
    wait_until_somebody_waits();
    EXPECT_EQ(mine.send(to, "U", WS_MSG_OOB), 1);
  });
  EXPECT_EQ(poll_one(server, WS_POLLRDBAND, kForEver), WS_POLLRDBAND);
  sender.join();
}

TEST_P(Spi_Poll, ASocketThatIsClosedMeanwhileIsCountedAsNone) {  // winsock-rules 165
  const auto [client, server] = ws().pair(family());
  std::thread closer([table = ws().table, s = server] {
    Winsock mine(table);
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(poll_one(server, WS_POLLIN, kForEver), WS_POLLNVAL);
  closer.join();
}

TEST_P(Spi_Poll, ManySocketsAndOneTwice) {
  std::vector<WSAPOLLFD> many;
  for (int i = 0; i < 200; ++i) many.push_back({ws().datagram(family()), WS_POLLIN, 0x5a});
  many.push_back({many[199].fd, kAll, 0x5a});
  ASSERT_EQ(ws().bind(many[199].fd, Address::loopback(family())), 0);
  ASSERT_EQ(ws().send_to(many[0].fd, "x", ws().name_of(many[199].fd)), 1);
  many[200].events = WS_POLLIN;
  EXPECT_EQ(poll(many, kForEver), 2);
  EXPECT_EQ(many[198].revents, 0);
  EXPECT_EQ(many[199].revents, WS_POLLRDNORM);
  EXPECT_EQ(many[200].revents, WS_POLLRDNORM);
}

TEST(Spi_PollList, TakesNoMemoryForAFewSockets) {
  PollList list(16);
  for (int i = 0; i < 16; ++i) list.add({});
  const auto* const first = reinterpret_cast<const char*>(list.entries().data());
  const auto* const object = reinterpret_cast<const char*>(&list);
  EXPECT_GE(first, object);
  EXPECT_LT(first, object + sizeof list);
}

}  // namespace
}  // namespace millrace::test
