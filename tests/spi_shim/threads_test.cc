// SPDX-License-Identifier: BSD-3-Clause
// Several threads on one provider: one waits while another acts, and many wait at once. Whoever
// waits leads or follows; these tests are for ThreadSanitizer, too.
#include <array>
#include <atomic>
#include <functional>
#include <numeric>
#include <set>
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

/// A thread with a Winsock of its own, joined when it goes.
class Worker {
 public:
  Worker(const WSPPROC_TABLE& table, std::function<void(Winsock&)> work)
      : thread_([table, work = std::move(work)] {
          Winsock mine(table);
          work(mine);
        }) {}
  Worker(Worker&&) = default;

 private:
  std::jthread thread_;
};

class Spi_Waiting : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Waiting);

TEST_P(Spi_Waiting, AReceiveThatWaitsGetsWhatAnotherThreadSends) {
  const auto [client, server] = ws().pair(family());
  const Worker sender(ws().table, [to = client](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.send(to, "found you"), 9);
  });
  EXPECT_EQ(ws().recv(server), "found you");
}

TEST_P(Spi_Waiting, AReceiveThatWaitsEndsWhenAnotherThreadCloses) {  // winsock-rules 133
  const auto [client, server] = ws().pair(family());
  const Worker closer(ws().table, [s = server](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEINTR);
}

TEST_P(Spi_Waiting, APeekThatWaitsEndsWhenAnotherThreadCloses) {
  const auto [client, server] = ws().pair(family());
  const Worker closer(ws().table, [s = server](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(ws().recv(server, 10, WS_MSG_PEEK), "");
  EXPECT_EQ(ws().error, WSAEINTR);
}

TEST_P(Spi_Waiting, ASendThatWaitsEndsWhenAnotherThreadCloses) {
  const auto [client, server] = ws().pair(family());
  const std::string much(8 << 20, 'x');
  const Worker closer(ws().table, [s = client](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(ws().send(client, much), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINTR);
}

TEST_P(Spi_Waiting, AnAcceptThatWaitsEndsWhenAnotherThreadCloses) {
  const auto [l, address] = ws().listener(family());
  const Worker closer(ws().table, [s = l](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(ws().accept(l), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEINTR);
}

TEST_P(Spi_Waiting, AResultThatWaitsEndsWhenAnotherThreadCloses) {
  const auto [client, server] = ws().pair(family());
  Overlap receive(10);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  const Worker closer(ws().table, [s = server](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(ws().result(server, receive, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_OPERATION_ABORTED);
  EXPECT_TRUE(eventually([&] { return receive.is_signalled(); }));
}

TEST_P(Spi_Waiting, AShutdownWakesThePeersReceive) {
  const auto [client, server] = ws().pair(family());
  const Worker ender(ws().table, [s = client](Winsock& mine) {
    wait_until_somebody_waits();
    EXPECT_EQ(mine.shutdown(s, SD_SEND), 0);
  });
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, 0);
}

TEST_P(Spi_Waiting, ASetEventWakesAWait) {
  const WSAEVENT event = WSACreateEvent();
  const Worker setter(ws().table, [event](Winsock&) {
    wait_until_somebody_waits();
    WSASetEvent(event);
  });
  EXPECT_EQ(WSAWaitForMultipleEvents(1, &event, FALSE, WSA_INFINITE, FALSE),
            static_cast<DWORD>(WSA_WAIT_EVENT_0));
  WSACloseEvent(event);
}

TEST_P(Spi_Waiting, TheLastCleanupEndsEveryCallThatWaits) {
  const auto [client, server] = ws().pair(family());
  const SOCKET udp = ws().datagram(family());
  ASSERT_EQ(ws().bind(udp, Address::loopback(family())), 0);
  const auto [l, address] = ws().listener(family());
  const auto expect_ended = [](const Winsock& mine) {
    EXPECT_TRUE(mine.error == WSAEINTR || mine.error == WSANOTINITIALISED ||
                mine.error == WSAENOTSOCK)
        << mine.error;
  };
  std::vector<Worker> workers;
  std::atomic<int> n_started{0};
  const auto add = [&](std::function<void(Winsock&)> work) {
    workers.emplace_back(ws().table, [&, work](Winsock& mine) {
      ++n_started;
      work(mine);
      expect_ended(mine);
    });
  };
  add([s = server](Winsock& mine) { EXPECT_EQ(mine.recv(s), ""); });
  add([s = udp](Winsock& mine) { EXPECT_EQ(mine.recv(s), ""); });
  add([s = l](Winsock& mine) { EXPECT_EQ(mine.accept(s), INVALID_SOCKET); });
  EXPECT_TRUE(eventually([&] { return n_started == 3; }));
  wait_until_somebody_waits();
  INT error = 0;
  EXPECT_EQ(ws().table.lpWSPCleanup(&error), 0);
  workers.clear();
  SetUp();  // TearDown ends it once more
}

// ---- many at once ----

class Spi_ManyThreads : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_ManyThreads);

TEST_P(Spi_ManyThreads, EachServesItsOwnConnection) {
  constexpr int kThreads = 6, kRounds = 60;
  std::vector<Worker> workers;
  for (int i = 0; i < kThreads; ++i) {
    const auto [client, server] = ws().pair(family());
    workers.emplace_back(ws().table, [s = server](Winsock& mine) {
      for (;;) {
        const std::string got = mine.recv(s);
        if (got.empty()) break;
        EXPECT_EQ(mine.send(s, got), static_cast<int>(got.size()));
      }
      EXPECT_EQ(mine.error, 0);
      EXPECT_EQ(mine.close(s), 0);
    });
    workers.emplace_back(ws().table, [s = client, i](Winsock& mine) {
      for (int round = 0; round < kRounds; ++round) {
        const std::string word(static_cast<size_t>(1 + (round * 37 + i) % 3000),
                               static_cast<char>('a' + (round + i) % 26));
        EXPECT_EQ(mine.send(s, word), static_cast<int>(word.size()));
        EXPECT_EQ(mine.recv_all(s, word.size()), word);
      }
      EXPECT_EQ(mine.close(s), 0);
    });
  }
}

TEST_P(Spi_ManyThreads, OnOneDatagramSocketEachMessageGoesToOne) {
  constexpr int kThreads = 4, kMessages = 400;
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const Address name = ws().name_of(s);
  std::mutex mutex;
  std::multiset<std::string> got;
  std::vector<Worker> workers;
  for (int i = 0; i < kThreads; ++i) {
    workers.emplace_back(ws().table, [&, s](Winsock& mine) {
      for (;;) {
        const std::string message = mine.recv(s);
        ASSERT_EQ(mine.error, 0);
        if (message == "end") return;
        const std::lock_guard guard(mutex);
        got.insert(message);
      }
    });
  }
  const SOCKET sender = ws().datagram(family());
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_GT(ws().send_to(sender, std::to_string(i), name), 0);
    // Not faster than they are taken: a full receive buffer drops.
    EXPECT_TRUE(eventually([&] {
      const std::lock_guard guard(mutex);
      return got.size() + 50 > static_cast<size_t>(i);
    }));
  }
  for (int i = 0; i < kThreads; ++i) ASSERT_EQ(ws().send_to(sender, "end", name), 3);
  workers.clear();
  ASSERT_EQ(got.size(), static_cast<size_t>(kMessages));
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(got.count(std::to_string(i)), 1u) << i;
}

TEST_P(Spi_ManyThreads, BlockedInOneSocketAreServedInTheOrderOfTheirCalls) {
  constexpr size_t kThreads = 4;
  const auto [client, server] = ws().pair(family());
  std::array<std::string, kThreads> got;
  std::vector<Worker> workers;
  for (size_t i = 0; i < kThreads; ++i) {
    workers.emplace_back(ws().table,
                         [&got, i, s = server](Winsock& mine) { got[i] = mine.recv(s, 4); });
  }
  std::string all;
  for (size_t i = 0; i < kThreads; ++i) all += "word";
  ASSERT_EQ(ws().send(client, all), static_cast<int>(all.size()));
  workers.clear();
  for (const std::string& word : got) EXPECT_EQ(word, "word");
}

TEST_P(Spi_ManyThreads, ListenersAndConnectorsMeet) {
  constexpr int kThreads = 3, kConnections = 25;
  const auto [l, address] = ws().listener(family());
  std::vector<Worker> workers;
  std::atomic<int> n_served{0};
  for (int i = 0; i < kThreads; ++i) {
    workers.emplace_back(ws().table, [&n_served, l = l](Winsock& mine) {
      for (int k = 0; k < kConnections; ++k) {
        const SOCKET s = mine.accept(l);
        if (s == INVALID_SOCKET) return;  // closed by a connector that failed
        EXPECT_EQ(mine.recv_all(s, 4), "ping");
        EXPECT_EQ(mine.send(s, "pong"), 4);
        EXPECT_EQ(mine.close(s), 0);
        ++n_served;
      }
    });
    workers.emplace_back(ws().table, [l = l, address = address, this](Winsock& mine) {
      for (int k = 0; k < kConnections; ++k) {
        const SOCKET s = mine.stream(family());
        const int connected = mine.connect(s, address);
        EXPECT_EQ(connected, 0) << mine.error;
        if (connected != 0) {
          mine.close(l);  // or the acceptors wait for ever
          return;
        }
        EXPECT_EQ(mine.send(s, "ping"), 4);
        EXPECT_EQ(mine.recv_all(s, 4), "pong");
        EXPECT_EQ(mine.close(s), 0);
      }
    });
  }
  workers.clear();
  EXPECT_EQ(n_served, kThreads * kConnections);
}

TEST_P(Spi_ManyThreads, OverlappedReceivesOfSeveralThreadsGetEachByteOnce) {  // winsock-rules 86
  constexpr int kThreads = 4, kEach = 40;
  const auto [client, server] = ws().pair(family());
  std::mutex mutex;
  std::multiset<char> got;  // in which order is left open
  std::vector<Worker> workers;
  for (int i = 0; i < kThreads; ++i) {
    workers.emplace_back(ws().table, [&, s = server](Winsock& mine) {
      for (int k = 0; k < kEach; ++k) {
        Overlap receive(1);
        if (mine.post_recv(s, receive) != 0) {
          ASSERT_EQ(mine.error, WSA_IO_PENDING);
          const WSAEVENT event = receive.overlapped.hEvent;
          ASSERT_EQ(WSAWaitForMultipleEvents(1, &event, FALSE, WSA_INFINITE, FALSE),
                    static_cast<DWORD>(WSA_WAIT_EVENT_0));
        }
        ASSERT_EQ(mine.result(s, receive, true), 1);
        const std::lock_guard guard(mutex);
        got.insert(receive.memory.front());
      }
    });
  }
  std::multiset<char> sent;
  for (int k = 0; k < kThreads * kEach; ++k) {
    const auto byte = static_cast<char>(k);
    sent.insert(byte);
    ASSERT_EQ(ws().send(client, {&byte, 1}), 1);
  }
  workers.clear();
  EXPECT_EQ(got, sent);
}

TEST_P(Spi_ManyThreads, MakeAndCloseSocketsWhileOthersTransfer) {
  const auto [client, server] = ws().pair(family());
  std::atomic<bool> is_over{false};
  std::vector<Worker> workers;
  for (int i = 0; i < 3; ++i) {
    workers.emplace_back(ws().table, [&is_over, this](Winsock& mine) {
      while (!is_over) {
        const SOCKET s = mine.stream(family());
        EXPECT_EQ(mine.bind(s, Address::loopback(family())), 0) << mine.error;
        EXPECT_EQ(mine.listen(s), 0);
        EXPECT_FALSE(mine.is_ready(s, 'r'));
        EXPECT_EQ(mine.close(s), 0);
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    ASSERT_EQ(ws().send(client, "through the churn"), 17);
    ASSERT_EQ(ws().recv_all(server, 17), "through the churn");
  }
  is_over = true;
}

// winsock-rules 133: whichever comes first, the data or the close, nobody hangs and nothing breaks.
TEST_P(Spi_ManyThreads, CloseRacesWithReceiveAndSend) {
  for (int i = 0; i < 60; ++i) {
    const auto [client, server] = ws().pair(family());
    std::vector<Worker> workers;
    workers.emplace_back(ws().table, [s = server](Winsock& mine) { (void)mine.recv(s); });
    workers.emplace_back(ws().table, [s = client](Winsock& mine) { (void)mine.send(s, "x"); });
    workers.emplace_back(ws().table, [s = server](Winsock& mine) { (void)mine.close(s); });
    workers.clear();
    (void)ws().close(client);
  }
}

}  // namespace
}  // namespace millrace::test
