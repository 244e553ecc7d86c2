// SPDX-License-Identifier: BSD-3-Clause
// A sender on a path that loses, delays and reorders, in the Stack's virtual time: how much is sent
// again, and how long a transfer takes.
#include <algorithm>
#include <functional>
#include <map>

#include "tests/support/recovery_test.h"

namespace millrace::test {
namespace {

// What the Stack sends arrives after half a round trip, if at all, and the peer
// answers each segment with all it has to tell, as Linux does.
class Tcp_LossyPath : public RecoveryTest {
 protected:
  /// How much later than the path's delay a segment arrives; negative: it is lost.
  std::function<int(uint32_t number, int nth_time)> fate = [](uint32_t, int) { return 0; };
  bool with_sack = true;
  size_t n_sent = 0;
  size_t n_sent_again = 0;

  /// Moves this many bytes. @return how long that took
  uint64_t transfer(size_t n_bytes) {
    times_sent_.clear();
    beyond_.clear();
    n_sent = n_sent_again = written_ = 0;
    begin(with_sack);
    flow->window = 0xffff;
    received_to_ = base_ + 1;
    const uint64_t begin_ms = now_ms();
    const uint64_t patience_ms = 600'000;
    while (received_to_ - base_ - 1 < n_bytes && now_ms() - begin_ms < patience_ms) {
      while (written_ < n_bytes) {
        const Outcome sent =
            app->send(pattern(std::min<size_t>(n_bytes - written_, 50'000), written_));
        if (sent.error != WsaError::kOk) break;
        written_ += sent.bytes;
      }
      step();
    }
    EXPECT_EQ(received_to_ - base_ - 1, n_bytes);
    for (int i = 0; i < 100; ++i) step();
    return now_ms() - begin_ms;
  }

 private:
  struct Answer {
    uint32_t ack;
    Ranges blocks;
  };

  void step() {
    while (const auto segment = flow->next()) {
      if (segment->payload.empty()) continue;
      const uint32_t offset = *segment->seq - 1 - base_;
      EXPECT_TRUE(same(segment->payload, pattern(segment->payload.size(), offset)));
      const int nth = ++times_sent_[*segment->seq];
      ++n_sent;
      n_sent_again += nth > 1;
      const int extra = fate(offset / kMss, nth);
      if (extra < 0) continue;
      const auto end = static_cast<uint32_t>(*segment->seq + segment->payload.size());
      arriving_.emplace(now_ms() + kRttMs / 2 + static_cast<uint64_t>(extra),
                        std::pair(*segment->seq, end));
    }
    while (!arriving_.empty() && arriving_.begin()->first <= now_ms()) {
      const auto [left, right] = arriving_.begin()->second;
      arriving_.erase(arriving_.begin());
      answers_.emplace(now_ms() + kRttMs / 2, arrive(left, right));
    }
    while (!answers_.empty() && answers_.begin()->first <= now_ms()) {
      const Answer answer = answers_.begin()->second;
      answers_.erase(answers_.begin());
      TcpWriter writer = tcp().ack(answer.ack);
      if (with_sack && !answer.blocks.empty()) writer.options(flow->sack(answer.blocks));
      flow->send(writer);
      run();
    }
    advance(1);
  }

  Answer arrive(uint32_t left, uint32_t right) {
    Ranges blocks;
    const auto covers = [=](const auto& r) { return r.first <= left && right <= r.second; };
    if (right <= received_to_ || std::any_of(beyond_.begin(), beyond_.end(), covers)) {
      blocks.emplace_back(left, right);  // RFC 2883
    } else {
      for (auto r = beyond_.begin(); r != beyond_.end();) {
        if (r->first > right || r->second < left) {
          ++r;
          continue;
        }
        left = std::min(left, r->first);
        right = std::max(right, r->second);
        r = beyond_.erase(r);
      }
      if (left <= received_to_) {
        received_to_ = std::max(received_to_, right);
      } else {
        beyond_.insert(beyond_.begin(), {left, right});  // the newest first, RFC 2018 4
      }
    }
    for (const auto& r : beyond_) {
      if (blocks.size() < 4) blocks.push_back(r);
    }
    return {received_to_, blocks};
  }

  std::map<uint32_t, int> times_sent_;
  std::multimap<uint64_t, std::pair<uint32_t, uint32_t>> arriving_;
  std::multimap<uint64_t, Answer> answers_;
  uint32_t received_to_ = 0;
  Ranges beyond_;
};
MILLRACE_BOTH_FAMILIES(Tcp_LossyPath);

/// The same numbers in each run.
class Dice {
 public:
  bool one_in(uint32_t n) { return (state_ = state_ * 1664525 + 1013904223) / 65536 % n == 0; }

 private:
  uint32_t state_ = 1;
};

TEST_P(Tcp_LossyPath, SendsNothingTwiceWhereNothingIsLost) {
  const uint64_t took_ms = transfer(5'000'000);
  EXPECT_EQ(n_sent_again, 0u);
  EXPECT_LE(took_ms, 2500u) << "slow start did not fill the send buffer";
}

TEST_P(Tcp_LossyPath, SegmentsThatOvertakeEachOtherAreNotSentAgain) {
  fate = [](uint32_t number, int) { return number % 20 == 7 ? 5 : 0; };  // an eighth of the RTT
  const uint64_t took_ms = transfer(5'000'000);
  EXPECT_LE(n_sent_again, 10u) << "until the first reordering is seen, three arrivals are a loss";
  EXPECT_LE(took_ms, 2500u);
}

// A quarter of the round trip is not enough here: D-SACKs have to teach it, whatever the connection's first
// number is.
TEST_P(Tcp_LossyPath, DsacksTeachEachConnectionHowFarThePathReorders) {
  for (int i = 0; i < 3; ++i) {
    restart();
    fate = [](uint32_t number, int) { return number % 20 == 7 ? static_cast<int>(kRttMs) / 2 : 0; };
    transfer(3'000'000);
    EXPECT_LE(n_sent_again, 40u) << "of 150 that came late";
  }
}

TEST_P(Tcp_LossyPath, OneLossInAHundredIsSentAgainOnceEach) {
  Dice dice;
  size_t n_lost = 0;
  fate = [&](uint32_t, int) {
    const bool is_lost = dice.one_in(100);
    n_lost += is_lost;
    return is_lost ? -1 : 0;
  };
  const uint64_t took_ms = transfer(2'000'000);
  EXPECT_GE(n_lost, 10u);
  EXPECT_LE(n_sent_again, n_lost + 5);
  // CUBIC's window at 1 % is about 12 segments (RFC 9438 5.1), which is 300 kB/s on this path.
  EXPECT_LE(took_ms, 9000u);
}

TEST_P(Tcp_LossyPath, LossesInBurstsAreRepairedWithoutWaitingForTimeouts) {
  size_t n_lost = 0;
  fate = [&](uint32_t number, int nth) {
    const bool is_lost = nth == 1 && number % 200 < 8;
    n_lost += is_lost;
    return is_lost ? -1 : 0;
  };
  const uint64_t took_ms = transfer(2'000'000);
  EXPECT_GE(n_lost, 80u);
  EXPECT_LE(n_sent_again, n_lost + 10);
  EXPECT_LE(took_ms, 6000u);
}

TEST_P(Tcp_LossyPath, ATenthOfAllIsLostRetransmissionsToo) {
  Dice dice;
  fate = [&](uint32_t, int) { return dice.one_in(10) ? -1 : 0; };
  transfer(200'000);
}

TEST_P(Tcp_LossyPath, EverythingArrivesWithoutSackToo) {
  with_sack = false;
  Dice dice;
  fate = [&](uint32_t, int) { return dice.one_in(50) ? -1 : 0; };
  const uint64_t took_ms = transfer(500'000);
  EXPECT_LE(took_ms, 10'000u);
}

TEST_P(Tcp_LossyPath, NewRenoGetsThroughAsWell) {
  disband();
  stop();
  config.tcp.congestion_control = CongestionControl::kNewReno;
  start();
  establish();
  Dice dice;
  fate = [&](uint32_t, int) { return dice.one_in(100) ? -1 : 0; };
  EXPECT_LE(transfer(1'000'000), 8000u);
}

}  // namespace
}  // namespace millrace::test
