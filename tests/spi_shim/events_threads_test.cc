// SPDX-License-Identifier: BSD-3-Clause
// Network events under threads: one sends, another selects, enumerates and receives, and no event is
// lost. For ThreadSanitizer, too.
#include <atomic>
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/network_events.h"

namespace millrace::test {
namespace {

class Winsock_R155_Threads : public NetworkEventsTest {};

TEST_F(Winsock_R155_Threads, NoReadIsLostBetweenASenderAndWhoEnumerates) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  constexpr size_t kMessages = 3000;
  ASSERT_EQ(select(server, FD_READ | FD_CLOSE), 0);
  std::jthread sender([table = ws().table, to = client] {
    Winsock mine(table);
    for (size_t i = 0; i < kMessages; ++i) {
      EXPECT_EQ(mine.send(to, "x"), 1);
      if (i % 3 == 0) std::this_thread::yield();
    }
    EXPECT_EQ(mine.shutdown(to, SD_SEND), 0);
  });
  size_t got = 0;
  LONG happened = 0;
  while ((happened & FD_CLOSE) == 0 || got < kMessages) {
    ASSERT_TRUE(comes()) << got << " of " << kMessages << ": an event was lost";
    happened |= taken(server);
    got += ws().recv(server, 7).size();  // what is left is told again
  }
  sender.join();
  EXPECT_EQ(got, kMessages);
}

TEST_F(Winsock_R155_Threads, NoAcceptIsLost) {
  constexpr int kConnections = 200;
  const SOCKET l = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().bind(l, Address::loopback(WS_AF_INET)), 0);
  ASSERT_EQ(ws().listen(l, kConnections), 0);  // none is refused, however late this thread accepts
  ASSERT_EQ(select(l, FD_ACCEPT), 0);
  std::jthread caller([table = ws().table, to = ws().name_of(l)] {
    Winsock mine(table);
    for (int i = 0; i < kConnections; ++i) {
      const SOCKET s = mine.stream(WS_AF_INET);
      EXPECT_EQ(mine.connect(s, to), 0) << mine.error;
      EXPECT_EQ(mine.close(s), 0);
    }
  });
  for (int n = 0; n < kConnections;) {
    ASSERT_TRUE(comes()) << n << " of " << kConnections << ": an event was lost";
    (void)taken(l);
    const SOCKET s = ws().accept(l);
    if (s == INVALID_SOCKET) continue;
    ++n;
    ASSERT_EQ(select(s, 0), 0);
    ASSERT_EQ(ws().close(s), 0);
  }
  caller.join();
}

TEST_F(Winsock_R155_Threads, TwoWhoEnumerateDoNotSignalWhatTheyHaveTaken) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(select(server, FD_READ), 0);
  std::atomic<bool> is_over{false};
  std::jthread other([&, table = ws().table] {
    Winsock mine(table);
    WSANETWORKEVENTS events{};
    while (!is_over) {
      EXPECT_EQ(mine.table.lpWSPEnumNetworkEvents(server, event(), &events, &mine.error), 0);
    }
  });
  constexpr size_t kMessages = 500;
  size_t got = 0;
  for (size_t i = 0; i < kMessages; ++i) {
    EXPECT_EQ(ws().send(client, "x"), 1);
    (void)taken(server);
    got += ws().recv(server).size();
  }
  EXPECT_TRUE(eventually([&] { return (got += ws().recv(server).size()) == kMessages; })) << got;
  is_over = true;
  other.join();
  (void)taken(server);
  EXPECT_FALSE(is_signalled());
  EXPECT_EQ(taken(server), 0);
}

}  // namespace
}  // namespace millrace::test
