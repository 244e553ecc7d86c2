// SPDX-License-Identifier: BSD-3-Clause
// Where the time goes (stack/STAGES.md), on a clock that moves only where a test delays something: the delay
// is then in its stage to the nanosecond, and in no other.
#include "stack/stages.h"

#include <array>
#include <functional>

#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

constexpr size_t kSegmentBytes = 100;

/// What was added to a stage.
struct Spent {
  uint64_t count = 0, ns = 0;
  friend bool operator==(const Spent&, const Spent&) = default;
};
void PrintTo(const Spent& spent, std::ostream* out) { *out << spent.count << " in " << spent.ns << " ns"; }

/// port, burst, lwip, inbox, scatter, completion, return
using Way = std::array<Spent, kStages>;

/// The same for TCP and UDP: one parcel per frame.
class Stages_Way : public ConnectedTest {
 protected:
  void SetUp() override {
    config.stack.stages_sample = sample;
    last_ = {};
    ConnectedTest::SetUp();
    socket_ = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(socket_->bind(5000), WsaError::kOk);
    advance(1);
    (void)since_last();
  }
  void TearDown() override {
    clock().on_look = {};
    socket_.reset();
    ConnectedTest::TearDown();
  }

  App& app_of_datagrams() { return *socket_; }
  App& receiver(Transport transport) { return transport == Transport::kTcp ? *app : *socket_; }
  /// On the wire, until the Stack next turns.
  void comes(Transport transport) {
    if (transport == Transport::kTcp) {
      flow->send(tcp().ack().data(pattern(kSegmentBytes)));
    } else {
      peer().send(udp_frame(family(), 6000, 5000, pattern(kSegmentBytes)));
    }
  }
  uint64_t longest_in_port() {
    StageSums sums;
    sums.add(stack().stages);
    return sums.summaries()[0].max_ns;
  }
  Way since_last() {
    StageSums sums;
    sums.add(stack().stages);
    Way way, all;
    size_t i = 0;
    for (const StageSummary& stage : sums.summaries()) {
      all[i] = {stage.count, stage.sum_ns};
      way[i] = {all[i].count - last_[i].count, all[i].ns - last_[i].ns};
      ++i;
    }
    last_ = all;
    return way;
  }
  /// So much time passes, once each time that the value has changed when the Stack looks at the clock.
  void delay_when_changed(uint64_t ns, const std::function<uint64_t()>& value) {
    clock().on_look = [this, ns, value, last = value()]() mutable {
      if (value() == last) return;
      last = value();
      clock().advance_ns(ns);
    };
  }

  uint32_t sample = 1;

 private:
  std::unique_ptr<App> socket_;
  Way last_{};
};
MILLRACE_BOTH_FAMILIES(Stages_Way);

TEST_P(Stages_Way, WhatWaitsInTheInboxIsThereAndNowhereElse) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    comes(transport);
    run();
    advance(5);
    EXPECT_EQ(receiver(transport).receive().bytes.size(), kSegmentBytes);
    EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 5'000'000}, {1, 0}, {0, 0}, {1, 0}}}));
  }
}

TEST_P(Stages_Way, WhatHoldsAFrameUpInLwipHoldsUpTheNextOneOfTheBurstInFrontOfIt) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    comes(transport);
    comes(transport);
    delay_when_changed(300, [this] { return counters().rx_pkts; });
    run();
    clock().on_look = {};
    EXPECT_EQ(since_last(), (Way{{{0, 0}, {2, 300}, {2, 600}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}}));
    while (receiver(transport).receive().error == WsaError::kOk) {
    }
    (void)since_last();
  }
}

TEST_P(Stages_Way, AFrameThatLwipLooksAtHasOneTurnToo) {
  flow->send(tcp().seq(1 + kSegmentBytes).ack().data(pattern(kSegmentBytes)));  // behind a hole
  run();
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}}));
}

TEST_P(Stages_Way, TheCopyToAWaitingReceiveIsScatter) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    Posted& posted = receiver(transport).post_receive(kSegmentBytes);
    comes(transport);
    delay_when_changed(700, [&] { return posted.buffers[0][0]; });
    run();
    clock().on_look = {};
    EXPECT_EQ(posted.n_bytes(), kSegmentBytes);
    EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 700}, {1, 0}, {0, 0}}}));
  }
}

TEST_P(Stages_Way, WhatKeepsTheStackFromTellingIsCompletion) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    Posted& posted = receiver(transport).post_receive(kSegmentBytes);
    comes(transport);
    delay_when_changed(400, [this] { return counters().bytes_delivered; });
    run();
    clock().on_look = {};
    EXPECT_EQ(posted.n_bytes(), kSegmentBytes);
    EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 400}, {0, 0}}}));
  }
}

TEST_P(Stages_Way, WhatACallDoesAfterItsCopyIsReturn) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    comes(transport);
    run();
    delay_when_changed(900, [this] { return counters().bytes_delivered; });
    EXPECT_EQ(receiver(transport).receive().bytes.size(), kSegmentBytes);
    clock().on_look = {};
    EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {0, 0}, {1, 900}}}));
  }
}

TEST_P(Stages_Way, AFrameForTwoReceivesIsOfTheFirst) {
  Posted& first = app->post_receive(60);
  Posted& second = app->post_receive(20);
  comes(Transport::kTcp);
  run();
  EXPECT_EQ(first.n_bytes() + second.n_bytes(), 80u);
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {0, 0}}}));
  advance(3);
  EXPECT_EQ(app->receive().bytes.size(), 20u);
  EXPECT_EQ(since_last(), Way{}) << "the rest has waited for its receive, not to be looked at";
}

TEST_P(Stages_Way, ReceivesWithoutRoomAndPeeksLeaveItForWhoTakes) {
  Posted& asks = app->post_receive(0);
  comes(Transport::kTcp);
  run();
  EXPECT_FALSE(asks.is_pending());
  EXPECT_EQ(app->receive(kSegmentBytes, WS_MSG_PEEK).bytes.size(), kSegmentBytes);
  EXPECT_EQ(app->receive(0).bytes.size(), 0u);
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}}));
  advance(2);
  EXPECT_EQ(app->receive().bytes.size(), kSegmentBytes);
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {0, 0}, {0, 0}, {1, 2'000'000}, {1, 0}, {0, 0}, {1, 0}}}));
}

TEST_P(Stages_Way, OneReceiveOfManyParcelsHasWaitedForEach) {
  for (int i = 0; i < 3; ++i) {
    comes(Transport::kTcp);
    run();
    advance(1);
  }
  EXPECT_EQ(app->receive().bytes.size(), 3 * kSegmentBytes);
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {3, 0}, {3, 0}, {3, 6'000'000}, {1, 0}, {0, 0}, {1, 0}}}));
}

TEST_P(Stages_Way, ALentParcelIsOnItsWayAsACopiedOne) {
  for (const Transport transport : {Transport::kTcp, Transport::kUdp}) {
    comes(transport);
    run();
    advance(4);
    Lent lent = receiver(transport).borrow();
    EXPECT_EQ(lent.n_bytes, kSegmentBytes);
    EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 4'000'000}, {1, 0}, {0, 0}, {1, 0}}}));
    give_back(stack(), lent.buffers);
  }
}

TEST_P(Stages_Way, MsgWaitAllIsToldAfterItsLastCopyOnly) {
  app->options().is_nonblocking = false;
  Posted& whole = app->post_receive({2 * kSegmentBytes}, WS_MSG_WAITALL);
  comes(Transport::kTcp);
  run();
  advance(7);
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {0, 0}, {0, 0}}}));
  comes(Transport::kTcp);
  run();
  EXPECT_EQ(whole.n_bytes(), 2 * kSegmentBytes);
  EXPECT_EQ(since_last(), (Way{{{0, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {1, 0}, {0, 0}}}));
}

TEST_P(Stages_Way, OneBurstInSoManyIsTimedAndNoneWithZero) {
  for (const uint32_t n : {3u, 1u, 0u}) {
    TearDown();
    sample = n;
    SetUp();
    for (int i = 0; i < 9; ++i) {
      comes(Transport::kTcp);
      comes(Transport::kTcp);
      run();
      EXPECT_EQ(app->receive().bytes.size(), 2 * kSegmentBytes);
    }
    const uint64_t n_bursts = n == 0 ? 0 : 9 / n;
    const Way way = since_last();
    EXPECT_EQ(way[1].count, 2 * n_bursts) << "one burst in " << n;
    EXPECT_EQ(way[3].count, 2 * n_bursts);
    EXPECT_EQ(way[6].count, n_bursts);
  }
}

/// With a port that stamps what it receives.
class Stages_Port : public Stages_Way {
 protected:
  void SetUp() override {
    config.ports.front().timestamps = true;
    Stages_Way::SetUp();
  }
  /// Stamped as if it had come to the port so long ago.
  void came(uint64_t ns_ago) {
    peer().stamp = wire_clock().ticks() - ns_ago * (WireClock::kHz / 1'000'000'000);
    comes(Transport::kUdp);
  }
  Spent in_port() { return since_last()[0]; }
};
MILLRACE_BOTH_FAMILIES(Stages_Port);

TEST_P(Stages_Port, FromThePortsTimestampToTheBurstIsPort) {
  came(0);
  clock().advance_ns(2'500);
  run();
  advance(5);
  EXPECT_EQ(app_of_datagrams().receive().bytes.size(), kSegmentBytes);
  EXPECT_EQ(since_last(), (Way{{{1, 2'500}, {1, 0}, {1, 0}, {1, 5'000'000}, {1, 0}, {0, 0}, {1, 0}}}));
}

TEST_P(Stages_Port, EachFrameOfABurstHasBeenThereForATimeOfItsOwn) {
  came(3'000);
  came(200);
  came(0);
  run();
  EXPECT_EQ(since_last(), (Way{{{3, 3'200}, {3, 0}, {3, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}}));
  EXPECT_EQ(longest_in_port(), 3'000u);
}

TEST_P(Stages_Port, AFrameWithoutAStampIsNotInIt) {
  came(1'000);
  peer().stamp.reset();
  comes(Transport::kUdp);
  run();
  EXPECT_EQ(since_last(), (Way{{{1, 1'000}, {2, 0}, {2, 0}, {0, 0}, {0, 0}, {0, 0}, {0, 0}}}));
}

TEST_P(Stages_Port, AStampAheadOfItsClockIsNoTimeAndOneThatCannotBeIsNotInIt) {
  came(uint64_t{0} - 100);
  run();
  EXPECT_EQ(in_port(), (Spent{1, 0}));
  came(uint64_t{0} - 1'000'000'000);
  came(100'000'000'000);
  run();
  EXPECT_EQ(since_last()[0], Spent{}) << "these are of another clock";
}

TEST_P(Stages_Port, ADevicesClockMayWrapOrBeSet) {
  wire_clock().zero -= wire_clock().ticks() + 1'000;
  came(0);
  const uint64_t before = wire_clock().ticks();
  clock().advance_ns(700'000);
  run();
  ASSERT_LT(wire_clock().ticks(), before);
  EXPECT_EQ(in_port(), (Spent{1, 700'000}));
  wire_clock().zero -= 500'000'000;
  came(40);
  run();
  EXPECT_EQ(in_port(), (Spent{1, 40}));
}

TEST_P(Stages_Port, TheClockOfADeviceIsReadForSampledBurstsOnly) {
  TearDown();
  sample = 4;
  SetUp();
  const uint64_t n_before = wire_clock().n_reads;
  for (int i = 0; i < 20; ++i) {
    came(50);
    run();
  }
  EXPECT_EQ(wire_clock().n_reads - n_before, 5u);
  EXPECT_EQ(in_port(), (Spent{5, 250}));
}

TEST_P(Stages_Port, WhatReadingTheClockTakesIsInNoStage) {
  came(1'000);
  delay_when_changed(400, [this] { return wire_clock().n_reads; });
  run();
  clock().on_look = {};
  EXPECT_EQ(since_last()[1], (Spent{1, 0}));
}

/// Three Stacks on one queue: who receives a frame hands it over to its owner.
class Stages_Siblings : public FamilyTest {
 protected:
  void SetUp() override {
    config.stack.stacks = 3;
    config.stack.stages_sample = 1;
    config.ports.front().timestamps = true;
    start();
  }
};
MILLRACE_BOTH_FAMILIES(Stages_Siblings);

TEST_P(Stages_Siblings, WhatWaitedForASiblingWasInThePort) {
  for (uint32_t on = 0; on < 3; ++on) {
    App app(*this, Transport::kUdp, family(), on);
    ASSERT_EQ(app.bind(at_stack(5000)), WsaError::kOk);
    peer().stamp = wire_clock().ticks();
    peer().send(udp_frame(family(), 6000, 5000, pattern(kSegmentBytes)));
    clock().advance_ns(1'000);
    run();
    StageSums sums;
    sums.add(stack(on).stages);
    EXPECT_EQ(sums.summaries()[0].count, 1u) << "on Stack " << on;
    EXPECT_EQ(sums.summaries()[0].sum_ns, 1'000u);
    EXPECT_EQ(sums.summaries()[2].count, 1u);
    EXPECT_EQ(app.receive().bytes.size(), kSegmentBytes);
  }
  EXPECT_GT(all_counters().rx_handed_over, 0u);
}

TEST(Stages_Times, ABucketIsAtMostASixteenthOfItsTimeWide) {
  constexpr uint64_t kExact = 32;
  for (uint64_t ns = 0; ns < kExact; ++ns) {
    EXPECT_EQ(StageTimes::longest_in(StageTimes::bucket_of(ns)), ns);
  }
  for (uint64_t ns = kExact; ns < StageTimes::kMostNs; ns += ns / 7) {
    const size_t bucket = StageTimes::bucket_of(ns);
    const uint64_t longest = StageTimes::longest_in(bucket);
    EXPECT_GE(longest, ns);
    EXPECT_LT(longest - ns, ns / 16 + 1);
    EXPECT_EQ(StageTimes::bucket_of(longest), bucket);
    EXPECT_EQ(StageTimes::bucket_of(longest + 1), bucket + 1);
  }
  EXPECT_EQ(StageTimes::bucket_of(UINT64_MAX), StageTimes::kBuckets - 1);
}

TEST(Stages_Times, PercentilesAreOfAllStacksTogether) {
  ManualClock time;
  Stages one(time, 1), other(time, 1);
  const auto waits = [&](Stages& stages, uint64_t ns) {
    stages.on_burst();
    time.advance_ns(ns);
    stages.on_input();
    stages.end_burst();
  };
  time.advance_ns(1);
  for (int i = 0; i < 98; ++i) waits(one, 10);
  waits(other, 20);
  waits(other, 1'000'000);
  StageSums sums;
  sums.add(one);
  sums.add(other);
  const StageSummary burst = sums.summaries()[1];
  EXPECT_STREQ(burst.name, "burst");
  EXPECT_EQ(burst.count, 100u);
  EXPECT_EQ(burst.p50_ns, 10u);
  EXPECT_EQ(burst.p99_ns, 20u);
  EXPECT_EQ(burst.p999_ns, 1'000'000u) << "no more than the longest";
  EXPECT_EQ(burst.max_ns, 1'000'000u);
  EXPECT_EQ(burst.sum_ns, 98u * 10 + 20 + 1'000'000);
}

}  // namespace
}  // namespace millrace::test
