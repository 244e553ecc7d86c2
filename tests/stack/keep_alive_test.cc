// SPDX-License-Identifier: BSD-3-Clause
// How a connection ends when the peer says nothing more, or resets: keep-alive (E5),
// retransmissions that nobody acknowledges (E13), RST (E14). And SO_LINGER in its three forms.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

constexpr uint32_t kIdleMs = 10'000;
constexpr uint32_t kIntervalMs = 1000;
constexpr uint64_t kTickMs = 40;  // lwIP's slow timer: how late it may be

class Recv_E5 : public ConnectedTest {
 protected:
  void switch_on(uint32_t idle_ms = kIdleMs, uint32_t interval_ms = kIntervalMs) {
    app->options().keep_alive = true;
    app->options().keep_alive_time_ms = idle_ms;
    app->options().keep_alive_interval_ms = interval_ms;
    app->apply_options();
  }
  /// Lets time pass until the receive ends, 100 s at most.
  void wait_for(const Posted& receive) {
    for (int i = 0; i < 1000 && receive.is_pending(); ++i) advance(100);
    ASSERT_FALSE(receive.is_pending());
  }
  /// When the Stack's probes came, and how many.
  std::vector<uint64_t> probes() {
    std::vector<uint64_t> times;
    while (const auto segment = flow->next()) {
      if (segment->has(Segment::kRst)) continue;
      EXPECT_EQ(segment->seq, 0u) << "a probe repeats the number before the next";
      times.push_back(flow->arrived_at_ms());
    }
    return times;
  }
};
MILLRACE_BOTH_FAMILIES(Recv_E5);

TEST_P(Recv_E5, APeerThatAnswersProbesIsLeftInPeace) {
  switch_on();
  advance(kIdleMs - 1000);
  flow->expect_nothing();
  advance(2000);
  flow->expect(tcp().seq(0).ack(1));
  flow->send(tcp().ack());
  run();
  peer().forget();
  advance(5000);
  flow->expect_nothing();
  flow->send(tcp().ack().data("still here"));
  run();
  EXPECT_EQ(app->text(), "still here");
}

// winsock-rules 95
TEST_P(Recv_E5, AllThatWaitsFailsWithNetresetAndWhatFollowsIsNotConnected) {
  switch_on();
  const uint64_t start = now_ms();
  Posted& first = app->post_receive(100);
  Posted& second = app->post_receive(100);
  wait_for(first);
  EXPECT_EQ(first.error(), WsaError::kNetReset);
  EXPECT_EQ(second.error(), WsaError::kNetReset);
  const std::vector<uint64_t> times = probes();
  ASSERT_EQ(times.size(), 10u);  // as many as Windows sends
  EXPECT_NEAR(static_cast<double>(times[0] - start), kIdleMs, 3 * kTickMs);
  for (size_t i = 1; i < times.size(); ++i) {
    EXPECT_NEAR(static_cast<double>(times[i] - times[i - 1]), kIntervalMs, 2 * kTickMs) << i;
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(app->receive().error, WsaError::kNotConn);
    EXPECT_EQ(app->send("x").error, WsaError::kNotConn);
  }
}

TEST_P(Recv_E5, WithNothingWaitingTheNextCallIsNotConnected) {
  switch_on();
  advance(kIdleMs + 11 * kIntervalMs);
  EXPECT_EQ(app->receive().error, WsaError::kNotConn);
}

TEST_P(Recv_E5, WhatHadArrivedIsStillDelivered) {
  flow->send(tcp().ack().data("last words"));
  run();
  switch_on();
  advance(kIdleMs + 11 * kIntervalMs);
  EXPECT_EQ(app->text(), "last words");
  EXPECT_EQ(app->receive().error, WsaError::kNotConn);
}

// lwIP counts the silence from the last segment, long before anybody asked for probes.
TEST_P(Recv_E5, SwitchedOnAfterALongSilenceItProbesFirst) {
  advance(3'600'000);
  switch_on();
  Posted& receive = app->post_receive(100);
  advance(kIdleMs - 1000);
  flow->expect_nothing();
  ASSERT_TRUE(receive.is_pending());
  advance(2000);
  flow->expect(tcp().seq(0).ack(1));
  flow->send(tcp().ack().data("alive"));
  run();
  EXPECT_EQ(receive.text(), "alive");
}

TEST_P(Recv_E5, NewTimesHoldForALiveConnection) {
  switch_on(3'600'000, 60'000);
  advance(1'000'000);
  flow->expect_nothing();
  switch_on(500, 200);
  app->options().keep_alive_probes = 3;
  app->apply_options();
  Posted& receive = app->post_receive(100);
  advance(500 + 3 * 200 + 3 * kTickMs);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kNetReset);
  EXPECT_EQ(probes().size(), 3u);
}

TEST_P(Recv_E5, SwitchedOffItWaitsForEver) {
  switch_on();
  advance(kIdleMs + 5 * kIntervalMs);
  app->options().keep_alive = false;
  app->apply_options();
  Posted& receive = app->post_receive(100);
  peer().forget();
  advance(3'600'000);
  flow->expect_nothing();
  EXPECT_TRUE(receive.is_pending());
  flow->send(tcp().ack().data("at last"));
  run();
  EXPECT_EQ(receive.text(), "at last");
}

TEST_P(Recv_E5, TheLongestTimesDoNotWrapAround) {
  switch_on(UINT32_MAX, UINT32_MAX);
  app->options().keep_alive_probes = 255;
  app->apply_options();
  advance(600'000);
  flow->expect_nothing();
  flow->send(tcp().ack().data("alive"));
  run();
  EXPECT_EQ(app->text(), "alive");
}

class Recv_E13 : public ConnectedTest {
 protected:
  void SetUp() override {
    config.tcp.max_retransmissions = 4;
    ConnectedTest::SetUp();
  }
};
MILLRACE_BOTH_FAMILIES(Recv_E13);

TEST_P(Recv_E13, RetransmissionsThatNobodyAcknowledgesEndTheConnection) {
  Posted& first = app->post_receive(100);
  Posted& second = app->post_receive(100);
  ASSERT_EQ(app->send("anybody there?").error, WsaError::kOk);
  for (int i = 0; i < 3000 && first.is_pending(); ++i) advance(100);
  for (const Posted* const receive : {&first, &second}) {
    ASSERT_FALSE(receive->is_pending());
    EXPECT_EQ(receive->error(), WsaError::kConnAborted);
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(app->receive().error, WsaError::kConnAborted);
    EXPECT_EQ(app->send("x").error, WsaError::kConnAborted);
  }
}

TEST_P(Recv_E13, WithKeepAliveOnItIsStillTheRetransmissionThatGaveUp) {
  app->options().keep_alive = true;
  app->apply_options();
  Posted& receive = app->post_receive(100);
  ASSERT_EQ(app->send("anybody there?").error, WsaError::kOk);
  for (int i = 0; i < 3000 && receive.is_pending(); ++i) advance(100);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnAborted);
}

TEST_P(Recv_E13, AWindowThatStaysShutWithoutAnAnswerEndsItToo) {
  reconnect(0);
  Posted& send = app->post_send(Bytes(100, 1));
  Posted& receive = app->post_receive(100);
  for (int i = 0; i < 30'000 && receive.is_pending(); ++i) advance(100);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnAborted);
  EXPECT_FALSE(send.is_pending());
}

class Recv_E14 : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Recv_E14);

TEST_P(Recv_E14, AResetFailsAllThatWaitsAndEachCallThatFollows) {  // winsock-rules 90, 91, 94
  Posted& first = app->post_receive(100);
  Posted& second = app->post_receive(100);
  flow->send(tcp().rst().ack());
  run();
  for (const Posted* const receive : {&first, &second}) {
    ASSERT_FALSE(receive->is_pending());
    EXPECT_EQ(receive->error(), WsaError::kConnReset);
    EXPECT_EQ(receive->n_bytes(), 0u);
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(app->receive().error, WsaError::kConnReset);
    EXPECT_EQ(app->send("x").error, WsaError::kConnReset);
  }
  EXPECT_TRUE(app->socket().is_readable());
  EXPECT_TRUE(app->socket().is_writable());
  EXPECT_FALSE(app->socket().has_exception());  // winsock-rules 93
  EXPECT_EQ(app->socket().last_error(), WsaError::kOk);
}

// winsock-rules 136: each of them with data that the peer has not acknowledged yet.
class Linger_Forms : public ConnectedTest {
 protected:
  void close_with_unacknowledged_data() {
    ASSERT_EQ(app->send("unacknowledged").error, WsaError::kOk);
    flow->expect(tcp().ack().data("unacknowledged"));
    result = app->close();
    run();
  }
  WsaError result = WsaError::kOk;
};
MILLRACE_BOTH_FAMILIES(Linger_Forms);

TEST_P(Linger_Forms, WithoutItCloseReturnsAtOnceAndTheDataGoesOn) {
  close_with_unacknowledged_data();
  EXPECT_EQ(result, WsaError::kOk);
  flow->expect(tcp().fin().seq(15).ack(1));
  advance(4000);
  flow->expect(tcp().ack().data("unacknowledged").seq(1));  // nobody had acknowledged it
}

TEST_P(Linger_Forms, OfZeroSecondsItIsAReset) {
  app->options().linger = true;
  close_with_unacknowledged_data();
  EXPECT_EQ(result, WsaError::kOk);
  flow->expect(tcp().rst().ack());
  advance(60'000);
  flow->expect_nothing();
}

TEST_P(Linger_Forms, OfSomeSecondsANonblockingCloseIsRefusedUntilAllIsAcknowledged) {
  app->options().linger = true;
  app->options().linger_s = 5;
  close_with_unacknowledged_data();
  EXPECT_EQ(result, WsaError::kWouldBlock);
  flow->expect_nothing();
  flow->send(tcp().ack(15));
  run();
  EXPECT_EQ(app->close(), WsaError::kOk);
  flow->expect(tcp().fin().seq(15).ack(1));
}

}  // namespace
}  // namespace millrace::test
