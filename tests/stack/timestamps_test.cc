// SPDX-License-Identifier: BSD-3-Clause
// Timestamps and window scaling (RFC 7323): what is offered and agreed upon, what is echoed, what
// an echo tells of a retransmission, and strays of the past (PAWS).
#include "tests/support/recovery_test.h"

namespace millrace::test {
namespace {

class Tcp_Timestamps : public RecoveryTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    disband();
    stop();
    config.tcp.timestamps = true;
    start();
    establish();
  }
  /// A connection that has agreed on timestamps, the peer's clock at 1000.
  void agree(uint16_t window = 0xffff) {
    app.reset();
    run();
    peer().forget();
    flow = std::make_unique<Flow>(*this, family(), 40001, 80);
    flow->clock = 1000;
    flow->window = window;
    flow->connect();
    run();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }
  /// A path has become so slow that a segment is sent again, twice, before its acknowledgement.
  /// @return whether the next one is sent again as well
  bool sends_again_after_a_slow_one() {
    write(1);
    EXPECT_EQ(numbers().size(), 1u);
    const auto stamp = flow->their_timestamps;
    advance(600);
    EXPECT_GE(numbers().size(), 1u);
    if (stamp) flow->echo = stamp->first;
    acknowledge(1);
    flow->echo.reset();
    write(1);
    EXPECT_EQ(numbers().size(), 1u);
    advance(350);
    const bool again = !numbers().empty();
    acknowledge(2);
    return again;
  }
  /// The Stack connects to us. @return its SYN
  Segment connects() {
    app = std::make_unique<App>(*this, Transport::kTcp, family());
    EXPECT_EQ(app->connect(at_peer(50'000)), WsaError::kWouldBlock);
    run();
    const auto arrival =
        peer().next([](const Frame& f) { return f.tcp && f.tcp->has(Segment::kSyn); });
    EXPECT_TRUE(arrival);
    return arrival ? *arrival->frame.tcp : Segment{};
  }
};
MILLRACE_BOTH_FAMILIES(Tcp_Timestamps);

bool has_timestamps(const Segment& segment) {
  const Bytes& options = segment.more_options;
  for (size_t i = 0; i + 1 < options.size(); ++i) {
    if (options[i] == 8 && options[i + 1] == 10) return true;
  }
  return false;
}

TEST_P(Tcp_Timestamps, OnceAgreedEverySegmentHasThemAndEchoesTheNewest) {
  agree();
  ASSERT_TRUE(flow->their_timestamps) << "of the SYN,ACK";
  EXPECT_EQ(flow->their_timestamps->second, 1000u);
  const uint32_t begin = flow->their_timestamps->first;
  flow->clock = 1005;
  flow->send(tcp().ack().data("question"));
  advance(20);
  EXPECT_EQ(app->text(), "question");
  ASSERT_EQ(app->send("answer").error, WsaError::kOk);
  while (flow->next()) {
    ASSERT_TRUE(flow->their_timestamps);
    EXPECT_EQ(flow->their_timestamps->second, 1005u);
  }
  EXPECT_EQ(flow->their_timestamps->first - begin, 20u) << "a millisecond a tick";
  flow->send(tcp().ack());
}

TEST_P(Tcp_Timestamps, APeerThatOffersNoneGetsNone) {
  ASSERT_EQ(app->send("x").error, WsaError::kOk);
  flow->expect(tcp().ack().data("x"));
  EXPECT_FALSE(flow->their_timestamps);
  flow->send(tcp().ack());
}

TEST_P(Tcp_Timestamps, SwitchedOffTheyAreNeitherOfferedNorAccepted) {
  for (const bool is_on : {true, false}) {
    disband();
    stop();
    config.tcp.timestamps = is_on;
    start();
    establish();
    agree();
    EXPECT_EQ(flow->their_timestamps.has_value(), is_on);
    EXPECT_EQ(has_timestamps(connects()), is_on);
    app->close();
  }
}

TEST_P(Tcp_Timestamps, WindowScalingIsASettingToo) {
  for (const bool is_on : {true, false}) {
    disband();
    stop();
    config.tcp.window_scaling = is_on;
    start();
    establish();
    flow = std::make_unique<Flow>(*this, family(), 40002, 80);
    flow->send(tcp().syn().mss(1460).window_scale(7));
    const auto answer = flow->next();
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->window_scale.has_value(), is_on);
    flow->send(tcp().ack().window(100));
    run();
    app = listener->accept();
    ASSERT_EQ(app->send(pattern(1000)).bytes, 1000u);
    const auto segment = flow->next();
    EXPECT_EQ(segment.has_value(), is_on) << "the window is 100 << 7, or 100";
    flow->send(tcp().rst());
    run();
    EXPECT_EQ(connects().window_scale.has_value(), is_on);
    app->close();
  }
}

TEST_P(Tcp_Timestamps, TheyTakeTheirRoomFromTheSegment) {
  agree();
  ASSERT_EQ(app->send(pattern(3000)).bytes, 3000u);
  const auto segment = flow->next();
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->payload.size(), (family() == 4 ? 1460u : 1440u) - 12u);
  flow->collect(3000 - segment->payload.size());
}

TEST_P(Tcp_Timestamps, AStrayOfThePastIsDroppedAndAnswered) {  // PAWS
  agree();
  flow->clock = 2000;
  flow->send(tcp().ack().data("new"));
  advance(20);
  EXPECT_EQ(app->text(), "new");
  peer().forget();
  flow->clock = 1999;
  flow->send(tcp().ack().seq(flow->own_next()).data("old"));
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_old_timestamp, 1u);
  flow->expect(tcp().ack(4));
  flow->clock = 2000;
  flow->send(tcp().ack().seq(4).data("now"));
  run();
  EXPECT_EQ(app->text(), "now");
}

TEST_P(Tcp_Timestamps, TheyWrapAround) {
  agree();
  for (const uint32_t clock : {0x7fffffffu, 0xfffffff0u, 5u}) {
    flow->clock = clock;
    flow->send(tcp().ack().data("x"));
    advance(20);  // the acknowledgement tells which one is kept
  }
  EXPECT_EQ(app->text(), "xxx");
  EXPECT_EQ(counters().rx_old_timestamp, 0u);
}

TEST_P(Tcp_Timestamps, AResetNeedsNone) {
  agree();
  flow->clock = 1;
  flow->send(tcp().rst());
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(Tcp_Timestamps, TheClientOfAnOldConnectionComesBackWithANewerOne) {  // RFC 6191
  agree();
  app->shutdown(SD_SEND);
  flow->expect(tcp().fin().ack());
  flow->send(tcp().fin().ack());
  run();
  app.reset();
  run();
  peer().forget();
  Flow again(*this, family(), 40001, 80);
  again.begin_at(0xf0000000);  // below the old numbers
  again.clock = 1001;
  again.send(tcp().syn().mss(1460));
  again.expect(tcp().syn().seq(0).ack(1));
  again.send(tcp().ack());
  run();
  EXPECT_NE(listener->accept(), nullptr);
}

TEST_P(Tcp_Timestamps, KeepAliveHasThem) {
  agree();
  app->options().keep_alive = true;
  app->options().keep_alive_time_ms = 1000;
  app->apply_options();
  advance(1200);
  const auto probe = flow->next();
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->seq, 0u);
  EXPECT_TRUE(flow->their_timestamps);
  flow->send(tcp().ack());
  run();
}

TEST_P(Tcp_Timestamps, AProbeOfAClosedWindowHasThemAndTheFirstByte) {
  agree(0);
  ASSERT_EQ(app->send("xyz").bytes, 3u);
  flow->expect_nothing();
  advance(3000);
  const auto probe = flow->next();
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->payload, bytes_of("x"));
  EXPECT_EQ(probe->seq, 1u);
  EXPECT_TRUE(flow->their_timestamps);
  peer().forget();
  flow->window = 1000;
  flow->send(tcp().ack(1));
  advance(3000);
  const auto segment = flow->next();
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->seq, 1u);
  EXPECT_EQ(segment->payload, bytes_of("xyz"));
  flow->send(tcp().ack(4));
  run();
}

TEST_P(Tcp_Timestamps, AnEchoMeasuresWhatWasSentAgain) {
  begin(true, true);
  EXPECT_FALSE(sends_again_after_a_slow_one());
}

TEST_P(Tcp_Timestamps, WithoutAnEchoNothingIsLearntOfIt) {  // Karn
  begin(true, false);
  EXPECT_TRUE(sends_again_after_a_slow_one());
}

TEST_P(Tcp_Timestamps, ATimeoutIsTakenBackByTheEchoOfWhatCameBeforeIt) {  // RFC 3522
  begin(true, true);
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  const auto stamp = flow->their_timestamps;
  ASSERT_TRUE(stamp);
  advance(400);  // late, not lost
  ASSERT_EQ(numbers(), (std::vector<uint32_t>{9, 0})) << "the probe, and the timeout";
  const uint64_t undone = counters().tcp_undone;
  flow->echo = stamp->first;
  acknowledge(1);
  EXPECT_EQ(counters().tcp_undone, undone + 1);
  EXPECT_TRUE(numbers().empty()) << "what is late as well need not be sent again";
  acknowledge(10);
}

TEST_P(Tcp_Timestamps, TheEchoOfTheRetransmissionTakesNothingBack) {
  begin(true, true);
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(400);
  ASSERT_EQ(numbers(), (std::vector<uint32_t>{9, 0}));
  acknowledge(1);
  EXPECT_EQ(counters().tcp_undone, 0u);
  EXPECT_FALSE(numbers().empty());
  acknowledge(10);
}

TEST_P(Tcp_Timestamps, LossesAreRepairedAsWithoutThem) {
  begin(true, true);
  write(10);
  ASSERT_EQ(numbers().size(), 10u);
  advance(kRttMs);
  acknowledge(1);
  for (uint32_t n = 3; n <= 6; ++n) acknowledge(1, {{2, n}});
  EXPECT_EQ(numbers(), std::vector<uint32_t>{1});
  acknowledge(10);
}

}  // namespace
}  // namespace millrace::test
