// SPDX-License-Identifier: BSD-3-Clause
// A sender that loses segments: what it sends again and when, over IPv4 and IPv6, with a peer that
// sends SACK blocks as RFC 2018 says, or none. Segments are 1000 bytes, so number n begins at
// 1 + 1000 n; a round trip is what the test lets pass.
#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;
constexpr uint16_t kMss = 1000;
constexpr uint64_t kRttMs = 40;

constexpr uint32_t at(uint32_t n) { return 1 + kMss * n; }

class Tcp_Recovery : public ConnectedTest {
 protected:
  /// A connection with a measured round trip, nothing in flight, and a window of 12 segments.
  void begin(bool with_sack = true) {
    app.reset();
    run();
    peer().forget();
    flow = std::make_unique<Flow>(*this, family(), 40001, 80);
    flow->offers_sack = with_sack;
    flow->connect(kMss, 7);
    run();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
    app->options().no_delay = true;
    app->apply_options();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(app->send("?").error, WsaError::kOk);
      (void)numbers();
      advance(kRttMs);
      flow->send(tcp().ack());
      run();
    }
    base_ = flow->their_next() - 1;
  }
  /// Hands n segments of data to the Stack.
  void write(uint32_t n) {
    ASSERT_EQ(app->send(pattern(n * kMss, written_)).bytes, n * kMss);
    written_ += n * kMss;
  }
  /// The numbers of the data segments that came since; their bytes are checked.
  std::vector<uint32_t> numbers() {
    std::vector<uint32_t> all;
    while (const auto segment = flow->next()) {
      if (segment->payload.empty()) continue;
      arrived_at_ms_ = flow->arrived_at_ms();
      if (segment->payload.size() != kMss) continue;
      const uint32_t offset = *segment->seq - 1 - base_;
      EXPECT_TRUE(same(segment->payload, pattern(kMss, offset)));
      all.push_back(offset / kMss);
    }
    return all;
  }
  /// Everything before segment n has arrived, and these ranges of segments, [first, second).
  void acknowledge(uint32_t n, const Ranges& beyond = {}) {
    Ranges ranges;
    for (const auto& [left, right] : beyond) ranges.emplace_back(number(left), number(right));
    TcpWriter writer = tcp().ack(number(n));
    if (!ranges.empty()) writer.options(flow->sack(ranges));
    flow->send(writer);
    run();
  }
  uint32_t number(uint32_t n) const { return base_ + at(n); }

  uint32_t base_ = 0;
  size_t written_ = 0;
  uint64_t arrived_at_ms_ = 0;
};
MILLRACE_BOTH_FAMILIES(Tcp_Recovery);

using Numbers = std::vector<uint32_t>;
Numbers upto(uint32_t first, uint32_t end) {
  Numbers all;
  for (; first < end; ++first) all.push_back(first);
  return all;
}

TEST_P(Tcp_Recovery, BeginsWithAWindowOfTenSegments) {  // RFC 6928
  begin();
  write(30);
  EXPECT_EQ(numbers(), upto(0, 10));
  acknowledge(2);
  EXPECT_EQ(numbers(), upto(10, 14)) << "slow start sends two for one";
}

TEST_P(Tcp_Recovery, OneLostSegmentIsSentAgainOnceWhenThreeBehindItHaveArrived) {
  begin();
  write(10);
  ASSERT_EQ(numbers(), upto(0, 10));
  advance(kRttMs);
  acknowledge(0, {{1, 2}});
  acknowledge(0, {{1, 3}});
  EXPECT_EQ(numbers(), Numbers{});
  acknowledge(0, {{1, 4}});
  EXPECT_EQ(numbers(), Numbers{0});
  for (uint32_t n = 5; n <= 10; ++n) acknowledge(0, {{1, n}});
  EXPECT_EQ(numbers(), Numbers{});
  advance(kRttMs);
  acknowledge(10);
  advance(2000);
  EXPECT_EQ(numbers(), Numbers{});
}

TEST_P(Tcp_Recovery, SeveralHolesAreRepairedInOneRoundTrip) {
  begin();
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  acknowledge(1);
  acknowledge(1, {{2, 3}});
  acknowledge(1, {{4, 5}, {2, 3}});
  acknowledge(1, {{6, 7}, {4, 5}, {2, 3}});
  for (uint32_t n = 8; n <= 10; ++n) acknowledge(1, {{6, n}, {4, 5}, {2, 3}});
  EXPECT_EQ(numbers(), (Numbers{1, 3, 5}));
  advance(kRttMs);
  acknowledge(10);
  write(3);
  EXPECT_EQ(numbers(), upto(10, 13));
}

TEST_P(Tcp_Recovery, ALostRetransmissionIsFoundByWhatWasSentAfterIt) {
  begin();
  write(20);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (uint32_t n = 2; n <= 10; ++n) acknowledge(0, {{1, n}});
  const Numbers second = numbers();  // two by RFC 3042, the repair, and more new data
  EXPECT_EQ(std::count(second.begin(), second.end(), 0u), 1);
  ASSERT_GT(second.back(), 10u);
  advance(kRttMs);
  acknowledge(0, {{1, second.back() + 1}});  // all but the retransmission arrived
  const Numbers third = numbers();
  ASSERT_FALSE(third.empty());
  EXPECT_EQ(third.front(), 0u);
}

TEST_P(Tcp_Recovery, ALostTailIsProbedAfterTwoRoundTrips) {
  begin();
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  const uint64_t sent_at_ms = now_ms();
  advance(kRttMs);
  acknowledge(8);
  advance(180);
  EXPECT_EQ(numbers(), Numbers{9});
  EXPECT_GE(arrived_at_ms_ - sent_at_ms, 3 * kRttMs);
  EXPECT_LE(arrived_at_ms_ - sent_at_ms, 3 * kRttMs + 20);
  acknowledge(8, {{9, 10}});
  advance(20);  // a quarter of a round trip
  EXPECT_EQ(numbers(), Numbers{8});
  acknowledge(10);
}

TEST_P(Tcp_Recovery, ADSackThatCallsTheRepairNeedlessGivesTheWindowBack) {  // RFC 2883
  begin();
  write(60);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (uint32_t n = 2; n <= 5; ++n) acknowledge(0, {{1, n}});
  const Numbers repair = numbers();
  EXPECT_EQ(std::count(repair.begin(), repair.end(), 0u), 1);
  acknowledge(5);
  acknowledge(10);
  (void)numbers();
  advance(kRttMs);
  flow->send(tcp().ack(number(11)).options(flow->sack({{number(0), number(1)}})));
  size_t n_out = numbers().size();
  EXPECT_GE(n_out, 2u) << "the window did not come back";
}

TEST_P(Tcp_Recovery, TimeoutsDoubleFromTheRoundTripAndTheLeastOfLinux) {
  begin();
  write(1);
  ASSERT_EQ(numbers(), Numbers{0});
  std::vector<uint64_t> times = {now_ms()};
  advance(15'000);
  while (const auto segment = flow->next()) times.push_back(flow->arrived_at_ms());
  ASSERT_GE(times.size(), 6u);
  EXPECT_NEAR(static_cast<double>(times[1] - times[0]), kRttMs + 200, 10);
  for (size_t i = 2; i < times.size(); ++i) {
    const auto pause = static_cast<double>(times[i] - times[i - 1]);
    EXPECT_NEAR(pause, 2.0 * static_cast<double>(times[i - 1] - times[i - 2]), 30) << i;
  }
  acknowledge(1);
}

TEST_P(Tcp_Recovery, WhatWasSackedIsNotSentAgainAfterATimeout) {
  begin();
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (uint32_t n = 4; n <= 10; ++n) acknowledge(0, {{3, n}});
  (void)numbers();  // the repair is lost, too
  advance(3000);
  const Numbers again = numbers();
  EXPECT_FALSE(again.empty());
  for (const uint32_t n : again) EXPECT_LT(n, 3u);
  acknowledge(1, {{3, 10}});
  acknowledge(2, {{3, 10}});
  for (const uint32_t n : numbers()) EXPECT_LT(n, 3u);
  acknowledge(10);
}

TEST_P(Tcp_Recovery, ATimeoutThatWasTooEarlyIsTakenBack) {  // RFC 5682
  begin();
  write(30);
  ASSERT_EQ(numbers().size(), 10u);
  advance(700);  // the path became slow
  const Numbers again = numbers();
  ASSERT_FALSE(again.empty());
  acknowledge(5);
  acknowledge(10);
  const Numbers then = numbers();
  ASSERT_FALSE(then.empty());
  for (const uint32_t n : then) EXPECT_GE(n, 10u);
  EXPECT_GE(then.size(), 10u) << "the window did not come back";
}

TEST_P(Tcp_Recovery, WhatThePeerTookBackAfterSackingIsSentAgain) {  // RFC 2018 8
  begin();
  write(4);
  ASSERT_EQ(numbers().size(), 4u);
  advance(kRttMs);
  acknowledge(0, {{2, 4}});
  advance(100);
  (void)numbers();
  acknowledge(2);  // the peer forgot 2 and 3
  std::set<uint32_t> again;
  for (int i = 0; i < 40; ++i) {
    advance(50);
    for (const uint32_t n : numbers()) again.insert(n);
    if (again.contains(2)) acknowledge(3);
  }
  EXPECT_EQ(again, (std::set<uint32_t>{2, 3}));
  acknowledge(4);
}

TEST_P(Tcp_Recovery, AWindowThatIsTakenBackIsProbedUntilItOpens) {
  begin();
  write(5);
  ASSERT_EQ(numbers().size(), 5u);
  advance(kRttMs);
  flow->window = 0;
  acknowledge(2);
  size_t n_probes = 0;
  for (int i = 0; i < 600; ++i) {
    advance(100);
    while (const auto segment = flow->next()) {
      ++n_probes;
      flow->send(tcp().ack(number(2)));
    }
  }
  EXPECT_GE(n_probes, 3u);
  EXPECT_EQ(app->send("x").error, WsaError::kOk) << "the connection was given up";
  flow->window = 0xffff;
  acknowledge(2);
  std::set<uint32_t> again;
  for (int i = 0; i < 50 && again.size() < 3; ++i) {
    for (const uint32_t n : numbers()) again.insert(n);
    advance(100);
  }
  EXPECT_EQ(again, (std::set<uint32_t>{2, 3, 4}));
  acknowledge(5);
  advance(100);
  (void)numbers();
  flow->send(tcp().ack());
  run();
}

// RFC 6582
TEST_P(Tcp_Recovery, WithoutSackThreeDuplicatesRepairAndAPartialAcknowledgementGoesOn) {
  begin(false);
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (int i = 0; i < 2; ++i) acknowledge(0);
  EXPECT_EQ(numbers(), Numbers{});
  acknowledge(0);
  EXPECT_EQ(numbers(), Numbers{0});
  for (int i = 0; i < 4; ++i) acknowledge(0);
  EXPECT_EQ(numbers(), Numbers{});
  advance(kRttMs);
  acknowledge(4);  // 4 is missing as well
  EXPECT_EQ(numbers(), Numbers{4});
  advance(kRttMs);
  acknowledge(10);
  advance(1000);
  EXPECT_EQ(numbers(), Numbers{});
}

TEST_P(Tcp_Recovery, BlocksOfWhatWasNeverSentAreIgnored) {
  begin();
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (int i = 0; i < 5; ++i) acknowledge(0, {{1, 100}, {5, 11}});
  EXPECT_EQ(numbers(), Numbers{});
  acknowledge(10);
}

TEST_P(Tcp_Recovery, BlocksOfASegmentOutsideTheWindowAreIgnored) {  // RFC 5961
  begin();
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (uint32_t n = 2; n < 10; ++n) {
    flow->send(tcp()
                   .seq(flow->own_next() - 100'000)
                   .ack(number(0))
                   .options(flow->sack({{number(1), number(n)}})));
  }
  EXPECT_EQ(numbers(), Numbers{});
  acknowledge(10);
}

TEST_P(Tcp_Recovery, ABlockUpsideDownIsIgnored) {
  begin();
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (int i = 0; i < 5; ++i) acknowledge(0, {{9, 1}, {4, 4}});
  EXPECT_EQ(numbers(), Numbers{});
  acknowledge(10);
}

TEST_P(Tcp_Recovery, AClosedSocketStillRepairsWhatItSent) {
  begin();
  write(10);
  app->close();
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  for (uint32_t n = 3; n <= 6; ++n) acknowledge(1, {{2, n}});
  const Numbers again = numbers();
  ASSERT_FALSE(again.empty());
  EXPECT_EQ(again.front(), 1u);
  acknowledge(10);
  (void)numbers();
  EXPECT_TRUE(flow->has_fin());
  advance(300);  // the FIN is lost
  const auto fin = flow->next();
  ASSERT_TRUE(fin);
  EXPECT_TRUE(fin->has(Segment::kFin));
  flow->send(tcp().fin().ack());
  run();
}

// The same on a path: what the Stack sends arrives after half a round trip, if at all, and the peer
// answers each segment with all it has to tell, as Linux does.
class Tcp_LossyPath : public Tcp_Recovery {
 protected:
  /// How much later than the path's delay a segment arrives; negative: it is lost.
  std::function<int(uint32_t number, int nth_time)> fate = [](uint32_t, int) { return 0; };
  bool with_sack = true;
  size_t n_sent = 0;
  size_t n_sent_again = 0;

  /// Moves this many bytes. @return how long that took
  uint64_t transfer(size_t n_bytes) {
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
