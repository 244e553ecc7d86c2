// SPDX-License-Identifier: BSD-3-Clause
// Loans among threads: one borrows, others read and give back, and sockets close meanwhile.
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "tests/support/loans.h"

#define MILLRACE_USE_WS_PREFIX
#include "winsock2.h"

namespace millrace::test {
namespace {

char byte_at(size_t offset) { return static_cast<char>(offset * 131 >> 4); }

/// Arrays on their way from who borrows to who reads.
class Belt {
 public:
  struct Item {
    size_t offset;  ///< in the stream, of the first byte
    std::vector<WSABUF> buffers;
  };
  void push(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_one();
  }
  void end() {
    const std::lock_guard lock(mutex_);
    has_ended_ = true;
    changed_.notify_all();
  }
  /// @return nothing: it has ended, and is empty
  std::optional<Item> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return has_ended_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    Item item = std::move(items_.front());
    items_.pop_front();
    return item;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  bool has_ended_ = false;
};

class Recv_Z2 : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    std::tie(client, server) = ws().pair(family());
    lender = std::make_unique<Lender>(ws(), server);
  }
  SOCKET client = INVALID_SOCKET, server = INVALID_SOCKET;
  std::unique_ptr<Lender> lender;
};
MILLRACE_BOTH_SPI_FAMILIES(Recv_Z2);

TEST_P(Recv_Z2, ABlockingLoanWaitsForWhatAnotherThreadSends) {
  const std::jthread sender([table = ws().table, to = client] {
    Winsock mine(table);
    wait_until_somebody_waits();
    EXPECT_EQ(mine.send(to, "found you"), 9);
  });
  Lent lent = lender->borrow(server);
  EXPECT_EQ(lent.text(), "found you");
  EXPECT_EQ(lender->give_back(lent.buffers), 0);
}

TEST_P(Recv_Z2, ABlockingLoanEndsWhenAnotherThreadCloses) {
  const std::jthread closer([table = ws().table, s = server] {
    Winsock mine(table);
    wait_until_somebody_waits();
    EXPECT_EQ(mine.close(s), 0);
  });
  EXPECT_EQ(lender->borrow(server).error, WSAEINTR);
}

TEST_P(Recv_Z2, OtherThreadsReadAndGiveBackWhatOneBorrows) {
  constexpr size_t kBytes = 8 << 20;
  Belt belt;
  std::atomic<size_t> n_wrong{0};
  std::vector<std::jthread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (auto item = belt.pop()) {
        size_t at = item->offset;
        for (const WSABUF& buffer : item->buffers) {
          for (ULONG k = 0; k < buffer.len; ++k) n_wrong += buffer.buf[k] != byte_at(at++);
        }
        EXPECT_EQ(lender->give_back(item->buffers), 0);
      }
    });
  }
  const std::jthread sender([table = ws().table, to = client] {
    Winsock mine(table);
    std::string block(50'000, '\0');
    for (size_t sent = 0; sent < kBytes; sent += block.size()) {
      block.resize(std::min(block.size(), kBytes - sent));
      for (size_t k = 0; k < block.size(); ++k) block[k] = byte_at(sent + k);
      EXPECT_EQ(mine.send(to, block), static_cast<int>(block.size()));
    }
  });
  for (size_t got = 0; got < kBytes;) {
    Lent lent = lender->borrow(server, 16);
    if (lent.error == WSAENOBUFS) {  // the readers have all of it
      std::this_thread::yield();
      continue;
    }
    ASSERT_EQ(lent.result, 0) << lent.error;
    belt.push({got, std::move(lent.buffers)});
    got += lent.n_bytes;
  }
  belt.end();
  readers.clear();
  EXPECT_EQ(n_wrong, 0u);
  const auto now = counters();
  EXPECT_EQ(now.at("loans_outstanding"), 0u);
  EXPECT_EQ(now.at("bytes_copied"), 0u);
}

TEST_P(Recv_Z2, AReturnThatRacesWithACloseIsRightOrTooLateButNeverLost) {
  for (int round = 0; round < 20; ++round) {
    const auto [from, to] = ws().pair(family());
    for (int i = 0; i < 32; ++i) ASSERT_EQ(ws().send(from, std::string(1000, 'r')), 1000);
    const auto before = counters();
    std::vector<WSABUF> held;
    for (size_t got = 0; got < 32'000;) {
      const Lent lent = lender->borrow(to);
      ASSERT_EQ(lent.result, 0) << lent.error;
      got += lent.n_bytes;
      held.insert(held.end(), lent.buffers.begin(), lent.buffers.end());
    }
    std::atomic<bool> has_begun{false};
    std::jthread returner([&] {
      for (const WSABUF& buffer : held) {
        std::vector<WSABUF> one = {buffer};
        const INT error = lender->give_back(one);
        EXPECT_TRUE(error == 0 || error == WSAEINVAL) << error;
        has_begun = true;
      }
    });
    while (!has_begun) std::this_thread::yield();
    ASSERT_EQ(ws().close(to), 0);
    returner.join();
    ws().close(from);
    const auto after = counters();
    EXPECT_EQ(after.at("loans_returned") - before.at("loans_returned") +
                  after.at("loans_reclaimed") - before.at("loans_reclaimed"),
              held.size());
    EXPECT_EQ(after.at("loans_outstanding"), 0u);
  }
}

}  // namespace
}  // namespace millrace::test
