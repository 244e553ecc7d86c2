// SPDX-License-Identifier: BSD-3-Clause
// A sender that loses segments: what it sends again and when, over IPv4 and IPv6, with a peer that
// sends SACK blocks as RFC 2018 says, or none. Segments are 1000 bytes, so number n begins at
// 1 + 1000 n; a round trip is what the test lets pass.
#include "tests/support/recovery_test.h"

#include <algorithm>
#include <set>

namespace millrace::test {
namespace {

class Tcp_Recovery : public RecoveryTest {};
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

}  // namespace
}  // namespace millrace::test
