// SPDX-License-Identifier: BSD-3-Clause
// Several threads on one completion port: each completion is taken exactly once.
#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>

#include "mswsock.h"
#include "spi_shim/ports.h"
#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

constexpr ULONG_PTR kStop = 0;
constexpr int kWorkers = 4;

class PortThreads : public SpiTest {
 protected:
  template <typename Work>
  void start_workers(Work work) {
    for (int i = 0; i < kWorkers; ++i) workers_.emplace_back(work);
  }
  void stop_workers() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      EXPECT_TRUE(PostQueuedCompletionStatus(port.handle, 0, kStop, nullptr));
    }
    join_workers();
  }
  void join_workers() {
    for (std::thread& worker : workers_) worker.join();
    workers_.clear();
  }
  PortOfTest port;

 private:
  std::vector<std::thread> workers_;
};

/// A server's end of a connection: one receive is always pending.
struct Served {
  SOCKET client, server;
  OVERLAPPED overlapped{};
  char byte = 0;
  std::atomic<bool> is_pending{false};
  std::atomic<uint32_t> n_packets{0};

  bool post(const WSPPROC_TABLE& table) {
    is_pending = true;
    WSABUF buffer{1, &byte};
    DWORD flags = 0;
    INT error = 0;
    return table.lpWSPRecv(server, &buffer, 1, nullptr, &flags, &overlapped, nullptr, nullptr,
                           &error) == 0 ||
           error == WSA_IO_PENDING;
  }
};

TEST_F(PortThreads, EveryReceiveIsTakenOnceWhoeverTakesIt) {
  constexpr uint32_t kConnections = 16, kBytes = 200;
  std::vector<std::unique_ptr<Served>> all;
  for (uint32_t i = 0; i < kConnections; ++i) {
    all.push_back(std::make_unique<Served>());
    std::tie(all.back()->client, all.back()->server) = ws().pair(WS_AF_INET);
    ASSERT_TRUE(port.add(all.back()->server, reinterpret_cast<ULONG_PTR>(all.back().get())));
  }
  start_workers([this, table = ws().table] {
    for (;;) {
      const Packet packet = port.take(INFINITE);
      if (packet.key == kStop) return;
      auto& served = *reinterpret_cast<Served*>(packet.key);
      EXPECT_TRUE(packet.ok);
      EXPECT_EQ(packet.bytes, 1u);
      EXPECT_EQ(packet.overlapped, &served.overlapped);
      EXPECT_TRUE(served.is_pending.exchange(false)) << "shown twice";
      EXPECT_EQ(static_cast<unsigned char>(served.byte), served.n_packets++ % 251);
      EXPECT_TRUE(served.post(table));
    }
  });
  for (const auto& served : all) EXPECT_TRUE(served->post(ws().table));
  for (uint32_t i = 0; i < kBytes; ++i) {
    const char byte = static_cast<char>(i % 251);
    for (const auto& served : all) ASSERT_EQ(ws().send(served->client, {&byte, 1}), 1);
  }
  EXPECT_TRUE(eventually([&] {
    uint32_t n = 0;
    for (const auto& served : all) n += served->n_packets;
    return n == kConnections * kBytes;
  }));
  stop_workers();
  for (const auto& served : all) {
    EXPECT_EQ(served->n_packets, kBytes);
    EXPECT_TRUE(served->is_pending);
    EXPECT_TRUE(CancelIoEx(as_handle(served->server), nullptr));
    EXPECT_EQ(port.take().error, ERROR_OPERATION_ABORTED);
  }
  EXPECT_TRUE(port.is_empty());
}

TEST_F(PortThreads, PostedPacketsAreTakenOnceByMixedWaits) {
  constexpr uint32_t kPackets = 4000;
  std::vector<std::atomic<uint32_t>> taken(kPackets);
  start_workers([&] {
    OVERLAPPED_ENTRY entries[3];
    for (uint32_t i = 0;; ++i) {
      ULONG n = 0;
      // Some give up at once, some wait shortly, some for ever, some alertably.
      const DWORD timeout = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : INFINITE;
      if (!GetQueuedCompletionStatusEx(port.handle, entries, i % 2 + 1, &n, timeout, i % 2)) {
        EXPECT_EQ(GetLastError(), static_cast<DWORD>(WAIT_TIMEOUT));
        continue;
      }
      bool stops = false;
      for (ULONG j = 0; j < n; ++j) {
        if (entries[j].lpCompletionKey == kStop) {
          EXPECT_TRUE(!stops || PostQueuedCompletionStatus(port.handle, 0, kStop, nullptr));
          stops = true;
        } else {
          ++taken[entries[j].lpCompletionKey - 1];
        }
      }
      if (stops) return;
    }
  });
  std::thread other([&] {
    for (uint32_t i = 1; i < kPackets; i += 2) PostQueuedCompletionStatus(port.handle, 0, i + 1, nullptr);
  });
  for (uint32_t i = 0; i < kPackets; i += 2) PostQueuedCompletionStatus(port.handle, 0, i + 1, nullptr);
  other.join();
  EXPECT_TRUE(eventually([&] {
    uint32_t n = 0;
    for (const auto& t : taken) n += t;
    return n == kPackets;
  }));
  stop_workers();
  for (const auto& t : taken) EXPECT_EQ(t, 1u);
}

/// A socket that accepts one connection after the other.
struct Acceptor {
  SOCKET socket = INVALID_SOCKET;
  OVERLAPPED overlapped{};
  char buffer[2 * (sizeof(WS_sockaddr_in) + 16)];
};

TEST_F(PortThreads, EveryConnectionIsAcceptedOnceWhoeverAsksForIt) {
  constexpr uint32_t kConnections = 60, kAcceptors = 8;
  constexpr DWORD kAddressBytes = sizeof(WS_sockaddr_in) + 16;
  const auto [listener, address] = ws().listener(WS_AF_INET);
  ASSERT_TRUE(port.add(listener, 1));
  LPFN_ACCEPTEX accept_ex = nullptr;
  ws().fetch(listener, WSAID_ACCEPTEX, accept_ex);
  const auto post = [&, l = listener](Winsock& mine, Acceptor& acceptor) {
    acceptor.socket = mine.stream(WS_AF_INET);
    EXPECT_FALSE(accept_ex(l, acceptor.socket, acceptor.buffer, 0, kAddressBytes, kAddressBytes,
                           nullptr, &acceptor.overlapped));
    EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSA_IO_PENDING));
  };
  std::vector<std::unique_ptr<Acceptor>> acceptors;
  std::atomic<uint32_t> n_accepted{0};
  start_workers([&, table = ws().table] {
    Winsock mine(table);
    for (;;) {
      const Packet packet = port.take(INFINITE);
      if (packet.key == kStop) return;
      ASSERT_TRUE(packet.ok) << packet.error;
      // The OVERLAPPED comes behind the SOCKET.
      auto& acceptor = *reinterpret_cast<Acceptor*>(reinterpret_cast<char*>(packet.overlapped) -
                                                    offsetof(Acceptor, overlapped));
      EXPECT_EQ(mine.recv(acceptor.socket), "x") << "a connection of its own";
      EXPECT_EQ(mine.close(acceptor.socket), 0);
      ++n_accepted;
      post(mine, acceptor);
    }
  });
  for (uint32_t i = 0; i < kAcceptors; ++i) {
    acceptors.push_back(std::make_unique<Acceptor>());
    post(ws(), *acceptors.back());
  }
  for (uint32_t i = 0; i < kConnections; ++i) {
    const SOCKET client = ws().stream(WS_AF_INET);
    ASSERT_EQ(ws().connect(client, address), 0);
    ASSERT_EQ(ws().send(client, "x"), 1);
    EXPECT_EQ(ws().recv(client), "") << "the acceptor closes";
    ASSERT_EQ(ws().close(client), 0);
  }
  EXPECT_TRUE(eventually([&] { return n_accepted == kConnections; }));
  stop_workers();
  EXPECT_TRUE(CancelIoEx(as_handle(listener), nullptr));
  for (uint32_t i = 0; i < kAcceptors; ++i) {
    EXPECT_EQ(port.take().error, ERROR_OPERATION_ABORTED);
  }
  EXPECT_TRUE(port.is_empty());
}

TEST_F(PortThreads, TheThreadThatCameLastIsReleasedFirst) {
  std::mutex mutex;
  std::vector<int> order;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      ASSERT_TRUE(port.take(INFINITE).ok);
      const std::lock_guard guard(mutex);
      order.push_back(i);
    });
    ASSERT_TRUE(eventually([&] { return n_waiting(port.handle) == static_cast<uint32_t>(i + 1); }));
  }
  for (size_t n = 1; n <= 3; ++n) {
    ASSERT_TRUE(PostQueuedCompletionStatus(port.handle, 0, 1, nullptr));
    EXPECT_TRUE(eventually([&] {
      const std::lock_guard guard(mutex);
      return order.size() == n;
    }));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(order, (std::vector{2, 1, 0}));
}

TEST_F(PortThreads, ClosingThePortReleasesAllAndNobodyHangs) {
  std::atomic<int> n_abandoned{0};
  start_workers([&] {
    const Packet packet = port.take(INFINITE);
    n_abandoned += packet.error == ERROR_ABANDONED_WAIT_0 || packet.error == ERROR_INVALID_HANDLE;
  });
  wait_until_somebody_waits();
  EXPECT_TRUE(CloseHandle(port.handle));
  join_workers();
  EXPECT_EQ(n_abandoned, kWorkers);
}

}  // namespace
}  // namespace millrace::test
