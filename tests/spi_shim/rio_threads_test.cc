// SPDX-License-Identifier: BSD-3-Clause
// Registered I/O with several threads, each with its queue as Windows asks for it: completions come
// from whichever thread turns a Stack, and each comes once.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/spi_shim/rio_support.h"

namespace millrace::test {
namespace {

class RioThreads : public RioTest {
 protected:
  template <typename Work>
  void start_thread(Work work) {
    threads_.emplace_back(work);
  }
  /// Threads that turn the Stacks, and so show what completes, besides those that the test is about.
  void start_turners(int n) {
    for (int i = 0; i < n; ++i) {
      start_thread([this] {
        WSAEVENT const never = WSACreateEvent();
        while (!is_over) WSAWaitForMultipleEvents(1, &never, FALSE, 1, FALSE);
        WSACloseEvent(never);
      });
    }
  }
  void join() {
    is_over = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  std::atomic<bool> is_over{false};

 private:
  std::vector<std::thread> threads_;
};

/// A socket whose receives are always posted, and who sends to it.
struct Line {
  SOCKET socket = INVALID_SOCKET;
  RIO_RQ requests = RIO_INVALID_RQ;
  std::atomic<uint32_t> n_received{0};
};

/// Sends numbers, and waits while too many are under way: a datagram that finds no room is lost.
void send_numbers(const WSPPROC_TABLE& table, const Address& to, Line& line, uint32_t n) {
  constexpr uint32_t kWindow = 16;
  Winsock mine(table);
  const SOCKET s = mine.datagram(WS_AF_INET);
  for (uint32_t i = 0; i < n; ++i) {
    if (!eventually([&] { return i - line.n_received < kWindow; })) return;
    EXPECT_EQ(mine.send_to(s, {reinterpret_cast<const char*>(&i), sizeof i}, to), 4);
  }
}

constexpr ULONG kReceives = 8;

class RioLines : public RioThreads {
 protected:
  void open_lines(RIO_CQ queue) {
    memory = std::make_unique<Registered>(rio, static_cast<ULONG>(lines.size()) * kReceives * 4);
    for (size_t i = 0; i < lines.size(); ++i) {
      lines[i].socket = datagram();
      lines[i].requests = request_queue(lines[i].socket, queue, kReceives, 1, i);
      for (ULONG j = 0; j < kReceives; ++j) post(i, j);
    }
  }
  void post(size_t line, uint64_t slot) {
    const auto place = static_cast<ULONG>((line * kReceives + slot) * 4);
    EXPECT_TRUE(receive(lines[line].requests, memory->part(place, 4), slot));
  }
  /// Looks at a number that has come, and posts its receive again.
  void answer(const RIORESULT& result) {
    ASSERT_EQ(result.Status, 0);
    ASSERT_EQ(result.BytesTransferred, 4u);
    Line& line = lines[result.SocketContext];
    const uint64_t place = (result.SocketContext * kReceives + result.RequestContext) * 4;
    EXPECT_EQ(*memory->at<uint32_t>(static_cast<ULONG>(place)), line.n_received)
        << "in order, once";
    post(result.SocketContext, result.RequestContext);
    ++line.n_received;
  }
  void start_senders(uint32_t n) {
    for (Line& line : lines) {
      start_thread([&line, n, table = ws().table, to = ws().name_of(line.socket)] {
        send_numbers(table, to, line, n);
      });
    }
  }
  uint32_t n_received() const {
    uint32_t n = 0;
    for (const Line& line : lines) n += line.n_received;
    return n;
  }

  std::array<Line, 4> lines;
  std::unique_ptr<Registered> memory;
};

constexpr uint32_t kNumbers = 400;

TEST_F(RioLines, CompletionsOfASocketComeInOrderWhoeverTurns) {
  const RIO_CQ queue = completion_queue(4 * (kReceives + 1));
  open_lines(queue);
  start_turners(3);
  start_senders(kNumbers);
  RIORESULT results[5];
  EXPECT_TRUE(eventually([&] {
    const ULONG n = rio.RIODequeueCompletion(queue, results, 5);
    for (ULONG i = 0; i < n; ++i) answer(results[i]);
    return n_received() == 4 * kNumbers;
  }));
  join();
  EXPECT_TRUE(is_empty(queue));
}

TEST_F(RioLines, NoNotificationIsLost) {
  PortOfTest port;
  OVERLAPPED overlapped{};
  RIO_NOTIFICATION_COMPLETION how{};
  how.Type = RIO_IOCP_COMPLETION;
  how.Iocp = {port.handle, nullptr, &overlapped};
  const RIO_CQ queue = completion_queue(4 * (kReceives + 1), &how);
  open_lines(queue);
  start_senders(kNumbers);
  while (n_received() < 4 * kNumbers && !HasFailure()) {
    ASSERT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
    ASSERT_EQ(port.take().overlapped, &overlapped) << "after " << n_received();
    RIORESULT results[3];
    for (ULONG n = 3; n == 3;) {
      n = rio.RIODequeueCompletion(queue, results, 3);
      for (ULONG i = 0; i < n; ++i) answer(results[i]);
    }
  }
  join();
}

// Of one socket: who sends, who commits, who takes the completions, and who turns besides.
TEST_F(RioThreads, RequestsCommitsAndCompletionsMayEachHaveAThread) {
  constexpr uint32_t kSends = 2000;
  const auto [a, b] = datagrams();
  const RIO_CQ queue = completion_queue();
  const RIO_RQ requests = request_queue(a, queue, 1, 8);
  Registered memory(rio, 64);
  start_turners(2);
  start_thread([&, r = requests] {
    while (!is_over) EXPECT_TRUE(rio.RIOSend(r, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr));
  });
  start_thread([&, r = requests] {
    for (uint64_t i = 0; i < kSends; ++i) {
      const DWORD flags = i % 4 == 3 ? 0 : RIO_MSG_DEFER;
      EXPECT_TRUE(eventually([&] { return send(r, memory.part(0, 1), i, flags); }));
    }
  });
  uint64_t n_done = 0;
  EXPECT_TRUE(eventually([&] {
    RIORESULT results[4];
    const ULONG n = rio.RIODequeueCompletion(queue, results, 4);
    for (ULONG i = 0; i < n; ++i) {
      EXPECT_EQ(results[i].Status, 0);
      EXPECT_EQ(results[i].RequestContext, n_done++) << "in order";
    }
    return n_done == kSends;
  }));
  join();
  EXPECT_TRUE(is_empty(queue));
  ASSERT_EQ(ws().close(b), 0);
}

TEST_F(RioThreads, SocketsCloseWhileAnotherThreadTakesTheirCompletions) {
  constexpr uint64_t kSockets = 60, kEach = 5;
  const RIO_CQ queue = completion_queue(2 * kSockets * kEach);
  Registered memory(rio, 64);
  std::mutex mutex;  // of creating queues, which is an access to the completion queue
  for (int i = 0; i < 2; ++i) {
    start_thread([&, table = ws().table] {
      Winsock mine(table);
      for (uint64_t n = 0; n < kSockets; ++n) {
        const SOCKET s = mine.socket(WS_AF_INET, WS_SOCK_DGRAM, WSA_FLAG_REGISTERED_IO);
        EXPECT_EQ(mine.bind(s, Address::loopback(WS_AF_INET)), 0);
        RIO_RQ requests;
        {
          const std::lock_guard guard(mutex);
          requests = request_queue(s, queue, kEach, 0, n);
        }
        for (uint64_t j = 0; j < kEach; ++j) {
          EXPECT_TRUE(receive(requests, memory.part(0, 1), j, j % 2 == 0 ? 0 : RIO_MSG_DEFER));
        }
        EXPECT_EQ(mine.close(s), 0);
      }
    });
  }
  uint64_t n_done = 0;
  EXPECT_TRUE(eventually([&] {
    RIORESULT results[7];
    const ULONG n = rio.RIODequeueCompletion(queue, results, 7);
    for (ULONG i = 0; i < n; ++i) EXPECT_EQ(results[i].Status, LONG{WSA_OPERATION_ABORTED});
    n_done += n;
    return n_done == 2 * kSockets * kEach;
  }));
  join();
  EXPECT_TRUE(is_empty(queue));
}

}  // namespace
}  // namespace millrace::test
