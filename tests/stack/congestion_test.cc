// SPDX-License-Identifier: BSD-3-Clause
// The congestion window by itself, against the formulas of RFC 9438, RFC 5681 and RFC 9406.
#include "stack/congestion.h"

#include <gtest/gtest.h>

#include <cmath>

namespace millrace {
namespace {

constexpr uint32_t kMss = 1000;
constexpr uint64_t kMs = 1'000'000;

/// Acknowledges whole windows, one per round trip.
class Round {
 public:
  explicit Round(CongestionControl kind) { congestion.begin(kind, kMss); }

  void pass(uint64_t rtt_ms) {
    const uint32_t window = congestion.cwnd();
    now_ns += rtt_ms * kMs;
    const uint32_t end = sent_end_ + window;
    for (uint32_t at = 0; at + kMss <= window; at += kMss) {
      congestion.on_ack({.bytes = kMss,
                         .una = sent_end_ + at,
                         .sent_end = end,
                         .now_ns = now_ns,
                         .rtt_ns = rtt_ms * kMs,
                         .srtt_ns = rtt_ms * kMs});
    }
    sent_end_ = end;
  }
  void lose() {
    congestion.on_loss();
    congestion.hold(congestion.ssthresh());
  }

  Congestion congestion;
  uint64_t now_ns = 1000 * kMs;

 private:
  uint32_t sent_end_ = 0;
};

TEST(Congestion, DoublesPerRoundTripFromTenSegments) {  // RFC 6928, RFC 5681 3.1
  Round round(CongestionControl::kCubic);
  EXPECT_EQ(round.congestion.cwnd(), 10 * kMss);
  for (uint32_t expected = 20; expected <= 160; expected *= 2) {
    round.pass(50);
    EXPECT_EQ(round.congestion.cwnd(), expected * kMss);
  }
}

// RFC 9438 4.2: W(t) = C (t - K)^3 + W_max, from 0.7 W_max at t = 0, where that is faster than
// Reno.
TEST(Congestion, CubicFollowsItsFormulaAfterALoss) {
  Round round(CongestionControl::kCubic);
  while (round.congestion.cwnd() < 1000 * kMss) round.pass(100);
  const double most = round.congestion.cwnd() / kMss;
  round.lose();
  EXPECT_NEAR(round.congestion.cwnd(), 0.7 * most * kMss, kMss);
  const double k_s = std::cbrt(0.3 * most / 0.4);
  const uint64_t begin_ns = round.now_ns + 100 * kMs;  // the first acknowledgement begins the epoch
  for (int i = 0; i < 150; ++i) {
    round.pass(100);
    const double t_s = static_cast<double>(round.now_ns - begin_ns) * 1e-9;
    if (t_s < 0.5) continue;
    const double expected = (0.4 * std::pow(t_s + 0.1 - k_s, 3) + most) * kMss;
    EXPECT_NEAR(round.congestion.cwnd(), expected, 0.02 * expected) << t_s;
  }
  EXPECT_GT(round.congestion.cwnd(), most * kMss);
}

TEST(Congestion, CubicIsNoSlowerThanRenoOnAShortPath) {  // RFC 9438 4.3
  Round round(CongestionControl::kCubic);
  round.pass(1);
  round.lose();
  const uint32_t after_loss = round.congestion.cwnd();
  for (int i = 0; i < 100; ++i) round.pass(1);
  EXPECT_GE(round.congestion.cwnd(), after_loss + 50 * kMss);
}

TEST(Congestion, NewRenoHalvesAndAddsOneSegmentPerRoundTrip) {  // RFC 5681 3.1
  Round round(CongestionControl::kNewReno);
  while (round.congestion.cwnd() < 100 * kMss) round.pass(10);
  const uint32_t most = round.congestion.cwnd();
  round.lose();
  EXPECT_EQ(round.congestion.cwnd(), most / 2);
  for (int i = 0; i < 10; ++i) round.pass(10);
  EXPECT_NEAR(round.congestion.cwnd(), most / 2 + 10 * kMss, kMss);
}

TEST(Congestion, SlowStartEndsWhereTheDelayGrows) {  // RFC 9406
  Round round(CongestionControl::kCubic);
  for (int i = 0; i < 4; ++i) round.pass(40);
  ASSERT_EQ(round.congestion.cwnd(), 160 * kMss);
  for (int i = 0; i < 8; ++i) round.pass(50);
  EXPECT_FALSE(round.congestion.is_in_slow_start());
  EXPECT_LT(round.congestion.cwnd(), 160u * 8 * kMss);
}

TEST(Congestion, SlowStartGoesOnWhereTheDelayGrewForAMomentOnly) {  // RFC 9406 4.2
  Round round(CongestionControl::kCubic);
  for (int i = 0; i < 3; ++i) round.pass(40);
  round.pass(50);
  for (int i = 0; i < 10; ++i) round.pass(40);
  EXPECT_TRUE(round.congestion.is_in_slow_start());
}

TEST(Congestion, ATimeoutBeginsAgainFromOneSegment) {
  Round round(CongestionControl::kCubic);
  for (int i = 0; i < 4; ++i) round.pass(40);
  round.congestion.on_timeout();
  EXPECT_EQ(round.congestion.cwnd(), kMss);
  EXPECT_EQ(round.congestion.ssthresh(), 112 * kMss);
}

TEST(Congestion, WhatIsUndoneIsAsBefore) {
  Round round(CongestionControl::kCubic);
  for (int i = 0; i < 4; ++i) round.pass(40);
  round.congestion.on_timeout();
  round.congestion.undo();
  EXPECT_EQ(round.congestion.cwnd(), 160 * kMss);
  EXPECT_TRUE(round.congestion.is_in_slow_start());
}

TEST(Congestion, AnIdleConnectionBeginsWithTenSegmentsAgain) {  // RFC 5681 4.1
  Round round(CongestionControl::kCubic);
  for (int i = 0; i < 4; ++i) round.pass(40);
  round.congestion.on_idle();
  EXPECT_EQ(round.congestion.cwnd(), 10 * kMss);
  EXPECT_TRUE(round.congestion.is_in_slow_start());
}

TEST(Congestion, TimeInWhichTheWindowIsNotUsedDoesNotOpenIt) {  // RFC 9438 5.8
  Round round(CongestionControl::kCubic);
  while (round.congestion.cwnd() < 500 * kMss) round.pass(100);
  round.lose();
  round.pass(100);
  const uint32_t before = round.congestion.cwnd();
  round.now_ns += 60'000 * kMs;
  round.congestion.on_unused(round.now_ns);
  round.pass(100);
  EXPECT_LT(round.congestion.cwnd(), before + before / 10);
}

}  // namespace
}  // namespace millrace
