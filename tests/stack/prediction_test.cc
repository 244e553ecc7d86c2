// SPDX-License-Identifier: BSD-3-Clause
// Header prediction: which frames need no lwIP, that what differs in one bit does, and that both ways
// end the same. The other wire tests go by either way, as their frames happen to be.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Prediction_Tcp : public ConnectedTest {
 protected:
  uint64_t n_predicted() const { return counters().rx_predicted; }
  /// Sends it, and says whether it was predicted.
  bool is_predicted(const Segment& segment) {
    const uint64_t before = n_predicted();
    flow->send(segment);
    run();
    return n_predicted() != before;
  }
};
MILLRACE_BOTH_FAMILIES(Prediction_Tcp);

TEST_P(Prediction_Tcp, DataInOrderAndAcknowledgementsInOrderNeedNoLwip) {
  const uint64_t before = n_predicted();
  for (int i = 0; i < 10; ++i) {
    flow->send(tcp().ack().psh().data("question"));
    run();
    EXPECT_EQ(app->text(8), "question");
    (void)app->send("answer");
    EXPECT_EQ(flow->collect(6).size(), 6u);
  }
  run();
  EXPECT_EQ(n_predicted() - before, 20u);
}

TEST_P(Prediction_Tcp, WhatDiffersIsLwips) {
  EXPECT_TRUE(is_predicted(tcp().ack().data("a")));
  EXPECT_FALSE(is_predicted(tcp().seq(1).ack().data("a"))) << "a duplicate";
  EXPECT_FALSE(is_predicted(tcp().seq(3).ack().data("c"))) << "a hole";
  EXPECT_FALSE(is_predicted(tcp().seq(2).ack().data("b"))) << "what fills it";
  EXPECT_TRUE(is_predicted(tcp().seq(4).ack().data("d")));
  EXPECT_FALSE(is_predicted(tcp().seq(5).ack())) << "a window update, or a duplicate ACK";
  EXPECT_FALSE(is_predicted(tcp().seq(5).data("e"))) << "no ACK";
  EXPECT_FALSE(is_predicted(tcp().seq(5).ack(100).data("e"))) << "an ACK of what was never sent";
  EXPECT_TRUE(is_predicted(tcp().seq(5).ack().data("e")));
  EXPECT_FALSE(is_predicted(tcp().seq(6).ack().fin().data("f")));
  EXPECT_EQ(app->text(6), "abcdef");
}

TEST_P(Prediction_Tcp, AWrongChecksumIsFoundByEither) {
  Bytes frame = flow->frame_of(tcp().ack().data("damaged"));
  frame.back() ^= 1;
  const uint64_t before = n_predicted();
  peer().send(frame);
  run();
  EXPECT_EQ(n_predicted(), before);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_TRUE(is_predicted(tcp().ack().data("whole")));
  EXPECT_EQ(app->text(5), "whole");
}

TEST_P(Prediction_Tcp, AWrongHeaderChecksumOfIPv4IsFoundByEither) {
  if (family() == 6) GTEST_SKIP() << "IPv6 has none";
  Bytes frame = flow->frame_of(tcp().ack().data("damaged"));
  frame[kEtherBytes + 8] ^= 1;  // the TTL, which no other sum covers
  const uint64_t before = n_predicted();
  peer().send(frame);
  run();
  EXPECT_EQ(n_predicted(), before);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

// A frame may be longer than its packet: Ethernet pads what is short.
TEST_P(Prediction_Tcp, PaddingIsNotDelivered) {
  Bytes frame = flow->frame_of(tcp().ack().data("x"));
  frame.resize(frame.size() + 30, 0xee);
  const uint64_t before = n_predicted();
  peer().send(frame);
  flow->sent(1);
  run();
  EXPECT_EQ(n_predicted() - before, 1u);
  EXPECT_EQ(app->text(), "x");
}

TEST_P(Prediction_Tcp, ABurstIsAcknowledgedOnce) {
  for (int i = 0; i < 8; ++i) flow->send(tcp().ack().data("12345678"));
  run();
  flow->expect(tcp().ack(1 + 64));
  flow->expect_nothing();
  EXPECT_EQ(app->text(64).size(), 64u);
}

TEST_P(Prediction_Tcp, TimestampsThatGoBackAreLwips) {
  config.tcp.timestamps = true;
  disband();
  stop();
  start();
  listener = std::make_unique<App>(*this, Transport::kTcp, family());
  ASSERT_EQ(listener->bind(80), WsaError::kOk);
  ASSERT_EQ(listener->listen(), WsaError::kOk);
  flow = std::make_unique<Flow>(*this, family(), 40000, 80);
  flow->clock = 1000;
  flow->connect();
  run();
  app = listener->accept();
  ASSERT_NE(app, nullptr);
  flow->clock = 1001;
  EXPECT_TRUE(is_predicted(tcp().ack().data("new")));
  EXPECT_EQ(app->text(), "new");
  flow->clock = 900;
  EXPECT_FALSE(is_predicted(tcp().seq(4).ack().data("old")));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_old_timestamp, 1u);
  flow->clock = 1001;
  EXPECT_TRUE(is_predicted(tcp().seq(4).ack().data("now")));
  EXPECT_EQ(app->text(), "now");
}

class Prediction_Udp : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Prediction_Udp);

TEST_P(Prediction_Udp, ADatagramForTheOneSocketOfItsPortNeedsNoLwip) {
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(53), WsaError::kOk);
  peer().send(udp_frame(family(), 4000, 53, bytes_of("one")));
  run();
  EXPECT_EQ(counters().rx_predicted, 1u);
  EXPECT_EQ(app.text(), "one");
}

TEST_P(Prediction_Udp, OneForAnotherAddressIsLwips) {
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(53), WsaError::kOk);
  Frame frame = udp_frame(family(), 4000, 53, bytes_of("lost"));
  frame.ip->target = address_of(Host::kStranger, family());
  peer().send(frame);
  run();
  EXPECT_EQ(counters().rx_predicted, 0u);
  EXPECT_EQ(app.receive().error, WsaError::kWouldBlock);
}

}  // namespace
}  // namespace millrace::test
