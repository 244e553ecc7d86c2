// SPDX-License-Identifier: BSD-3-Clause
// What socket options do on the wire.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Options_Tcp : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Options_Tcp);

TEST_P(Options_Tcp, MaxRtEndsAConnectionWhosePeerIsSilentForSoLong) {
  app->options().max_retransmission_s = 3;
  ASSERT_EQ(app->send("x").error, WsaError::kOk);
  advance(2000);
  EXPECT_TRUE(app->socket().is_connected());
  advance(8000);
  EXPECT_EQ(app->receive().error, WsaError::kConnAborted);
}

TEST_P(Options_Tcp, MaxRtOfMinusOneGoesOnForEver) {
  config.tcp.max_retransmissions = 2;
  restart();
  app->options().max_retransmission_s = UINT32_MAX;
  ASSERT_EQ(app->send("x").error, WsaError::kOk);
  advance(60'000);
  EXPECT_TRUE(app->socket().is_connected());
  app->options().max_retransmission_s = 0;
  advance(120'000);
  EXPECT_EQ(app->receive().error, WsaError::kConnAborted) << "the configuration's two are over";
}

TEST_P(Options_Tcp, TypeOfServiceIsInEachSegment) {
  app->options().tos = 0xb8;
  app->apply_options();
  peer().forget();
  ASSERT_EQ(app->send("x").error, WsaError::kOk);
  run();
  const auto arrival = peer().next();
  ASSERT_TRUE(arrival);
  EXPECT_EQ(arrival->frame.ip->tos, 0xb8);
  flow->send(tcp().ack(2));
}

class Options_Connect : public FamilyTest {
 protected:
  size_t n_syns() {
    size_t n = 0;
    while (const auto arrival = peer().next()) n += arrival->frame.tcp && arrival->frame.tcp->has(Segment::kSyn);
    return n;
  }
};
MILLRACE_BOTH_FAMILIES(Options_Connect);

TEST_P(Options_Connect, WithoutRetransmissionsOneSynIsAll) {
  App app(*this, Transport::kTcp, family());
  app.options().max_syn_retransmissions = uint8_t{0};
  app.options().initial_rto_ms = 400;
  EXPECT_EQ(app.connect(at_peer(7)), WsaError::kWouldBlock);
  advance(300);
  EXPECT_FALSE(app.socket().has_exception());
  advance(300);
  EXPECT_TRUE(app.socket().has_exception());
  EXPECT_EQ(app.socket().last_error(), WsaError::kTimedOut);
  EXPECT_EQ(n_syns(), 1u);
}

TEST_P(Options_Connect, TheInitialRtoIsTheTimeBetweenSyns) {
  App app(*this, Transport::kTcp, family());
  app.options().initial_rto_ms = 400;
  EXPECT_EQ(app.connect(at_peer(7)), WsaError::kWouldBlock);
  advance(350);
  EXPECT_EQ(n_syns(), 1u);
  advance(150);
  EXPECT_EQ(n_syns(), 1u) << "the second one";
}

class Options_Udp : public FamilyTest {
 protected:
  static constexpr uint16_t kPort = 5000, kPeerPort = 6000;

  std::optional<Frame> sent(App& app, const Bytes& bytes) {
    peer().forget();
    EXPECT_EQ(app.send(bytes, at_peer(kPeerPort)).error, WsaError::kOk);
    run();
    const auto arrival = peer().next([](const Frame& f) { return f.udp.has_value() || !f.payload.empty(); });
    return arrival ? std::optional(arrival->frame) : std::nullopt;
  }
};
MILLRACE_BOTH_FAMILIES(Options_Udp);

TEST_P(Options_Udp, DontFragmentIsSetInTheHeader) {
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  const auto usual = sent(app, bytes_of("x"));
  ASSERT_TRUE(usual);
  EXPECT_FALSE(usual->ip->dont_fragment);
  app.options().dont_fragment = true;
  const auto whole = sent(app, bytes_of("x"));
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->ip->dont_fragment, family() == 4);  // IPv6 has no such bit: nobody cuts
  EXPECT_EQ(app.send(Bytes(1473), at_peer(kPeerPort)).error, WsaError::kMsgSize);
  app.options().dont_fragment = false;
  app.options().mtu_discover = 3;  // IP_PMTUDISC_PROBE
  EXPECT_EQ(app.send(Bytes(1473), at_peer(kPeerPort)).error, WsaError::kMsgSize);
  app.options().mtu_discover = 2;  // IP_PMTUDISC_DONT
  EXPECT_EQ(app.send(Bytes(1473), at_peer(kPeerPort)).error, WsaError::kOk);
  run();
}

TEST_P(Options_Udp, TypeOfServiceIsInTheHeader) {
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  app.options().tos = 0x2e;
  app.apply_options();
  const auto frame = sent(app, bytes_of("x"));
  ASSERT_TRUE(frame);
  EXPECT_EQ(frame->ip->tos, 0x2e);
}

class Options_Broadcast : public StackTest {};

TEST_F(Options_Broadcast, CanBeRefusedPerSocket) {
  App deaf(*this, Transport::kUdp, 4), hears(*this, Transport::kUdp, 4);
  for (App* app : {&deaf, &hears}) {
    app->options().reuse_address = true;
    ASSERT_EQ(app->bind(5000), WsaError::kOk);
  }
  deaf.options().receive_broadcast = false;
  Frame frame = udp_frame(4, 6000, 5000, bytes_of("all"));
  frame.to = kBroadcastMac;
  frame.ip->target = *parse_address("10.0.0.255");
  peer().send(frame);
  run();
  EXPECT_EQ(hears.text(), "all");
  EXPECT_EQ(deaf.receive().error, WsaError::kWouldBlock);
}

}  // namespace
}  // namespace millrace::test
