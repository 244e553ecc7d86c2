// SPDX-License-Identifier: BSD-3-Clause
// Sockets of both families on the wire: frames of either come to them, and leave as what they are.
#include "stack/control.h"
#include "stack/groups.h"
#include "tests/support/app.h"
#include "tests/support/flow.h"
#include "tests/support/messages.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000, kPeerPort = 6000;

/// With one Stack and with four; sockets are on the last of them.
class DualModeTest : public StackTest, public testing::WithParamInterface<uint32_t> {
 protected:
  void SetUp() override {
    config.stack.stacks = GetParam();
    start();
  }
  uint32_t on() const { return GetParam() - 1; }
  static Endpoint at_peer(uint8_t family) { return {address_of(Host::kPeer, family), kPeerPort}; }
  static Endpoint at_peer_shown(uint8_t family) {
    const Endpoint peer = at_peer(family);
    return family == 4 ? Endpoint{mapped_of(peer.address), peer.port} : peer;
  }
  std::unique_ptr<App> dual(Transport transport) {
    auto app = std::make_unique<App>(*this, transport, 6, on());
    app->options().dual_mode = true;
    return app;
  }
  std::unique_ptr<App> dual_datagram() {
    auto app = dual(Transport::kUdp);
    EXPECT_EQ(app->bind(kPort), WsaError::kOk);
    return app;
  }
  void arrives(uint8_t family, std::string_view text, Host from = Host::kPeer) {
    peer().send(udp_frame(family, kPeerPort, kPort, bytes_of(text), from));
    run();
  }
  std::optional<Frame> sent() {
    run();
    const auto arrival = peer().next([](const Frame& f) { return f.udp.has_value(); });
    return arrival ? std::optional(arrival->frame) : std::nullopt;
  }
};

class DualMode_Wire : public DualModeTest {};
INSTANTIATE_TEST_SUITE_P(Stacks, DualMode_Wire, testing::Values(1u, 4u), [](const auto& test) {
  return std::to_string(test.param) + (test.param == 1 ? "Stack" : "Stacks");
});

TEST_P(DualMode_Wire, DatagramsOfBothFamiliesComeAndGo) {
  const auto app = dual_datagram();
  for (const uint8_t family : {uint8_t{4}, uint8_t{6}, uint8_t{4}}) {
    arrives(family, "hello");
    const Received got = app->receive();
    EXPECT_EQ(got.bytes, bytes_of("hello"));
    EXPECT_EQ(got.from, at_peer_shown(family));
    EXPECT_EQ(app->send(bytes_of("back"), at_peer(family)).error, WsaError::kOk);
    const auto reply = sent();
    ASSERT_TRUE(reply);
    EXPECT_EQ(reply->ip->source, address_of(Host::kStack, family));
    EXPECT_EQ(reply->udp->source_port, kPort);
    EXPECT_EQ(reply->udp->target_port, kPeerPort);
  }
}

TEST_P(DualMode_Wire, APendingReceiveNamesTheSenderMapped) {
  const auto app = dual_datagram();
  Posted& pending = app->post_receive(10);
  arrives(4, "hello");
  EXPECT_EQ(pending.text(), "hello");
  EXPECT_EQ(pending.from_length, 28);
  EXPECT_EQ(std::memcmp(&pending.from.sin6_addr, at_peer_shown(4).address.bytes.data(), 16), 0);
}

TEST_P(DualMode_Wire, AnIPv6SocketHearsNoIPv4) {
  App app(*this, Transport::kUdp, 6, on());
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  arrives(4, "hello");
  EXPECT_EQ(app.receive().error, WsaError::kWouldBlock);
  run();
  const auto answer = peer().next([](const Frame& f) { return f.icmp.has_value(); });
  ASSERT_TRUE(answer) << "the port is unreachable";
  EXPECT_EQ(answer->frame.icmp->type, 3);
}

TEST_P(DualMode_Wire, ADatagramInFragmentsIsPutTogether) {
  const auto app = dual_datagram();
  for (const Frame& f : fragments_of(udp_frame(4, kPeerPort, kPort, pattern(4000)), 1000)) {
    peer().send(f);
  }
  run();
  const Received got = app->receive();
  EXPECT_TRUE(same(got.bytes, pattern(4000)));
  EXPECT_EQ(got.from, at_peer_shown(4));
}

TEST_P(DualMode_Wire, AConnectedOneHearsItsPeerAloneAndMayChangeIt) {
  const auto app = dual_datagram();
  for (const uint8_t family : {uint8_t{4}, uint8_t{6}, uint8_t{4}}) {
    ASSERT_EQ(app->connect(at_peer(family)), WsaError::kOk);
    EXPECT_EQ(app->socket().local().address, address_of(Host::kStack, family));
    arrives(family, "stranger", Host::kStranger);
    arrives(family == 4 ? 6 : 4, "other family");
    arrives(family, "peer");
    EXPECT_EQ(app->text(), "peer");
    EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
    EXPECT_EQ(app->send("out").error, WsaError::kOk);
    const auto out = sent();
    ASSERT_TRUE(out);
    EXPECT_EQ(out->ip->target, address_of(Host::kPeer, family));
  }
  EXPECT_EQ(app->connect({IpAddress::any(6), 0}), WsaError::kOk);
  arrives(6, "anybody", Host::kStranger);
  EXPECT_EQ(app->text(), "anybody");
}

TEST_P(DualMode_Wire, ARefusalOverIPv4FailsTheNextReceive) {
  const auto app = dual_datagram();
  EXPECT_EQ(app->send(bytes_of("anybody?"), at_peer(4)).error, WsaError::kOk);
  const auto question = sent();
  ASSERT_TRUE(question);
  peer().send(icmp_error(Icmps::kPortUnreachable, *question));
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(DualMode_Wire, ASpecificIPv4SocketIsPreferred) {
  const auto app = dual_datagram();
  App four(*this, Transport::kUdp, 4, 0);
  ASSERT_EQ(four.bind({address_of(Host::kStack, 4), kPort}), WsaError::kOk);
  arrives(4, "four");
  arrives(6, "six");
  EXPECT_EQ(four.text(), "four");
  EXPECT_EQ(app->text(), "six");
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(DualMode_Wire, BroadcastsAndGroupsOfIPv4AreHeard) {
  const auto app = dual_datagram();
  Frame f = udp_frame(4, kPeerPort, kPort, bytes_of("all"));
  f.to = kBroadcastMac;
  f.ip->target = *parse_address("10.0.0.255");
  peer().send(f);
  run();
  EXPECT_EQ(app->receive().from, at_peer_shown(4));
  const IpAddress group = *parse_address("239.1.2.3");
  {
    const Stack::Guard guard(stack(on()));
    ASSERT_EQ(app->socket().change_groups({GroupAction::kJoin, group, {}, 0}), WsaError::kOk);
  }
  f.to = {1, 0, 0x5e, 1, 2, 3};
  f.ip->target = group;
  f.udp->payload = bytes_of("group");
  peer().send(f);
  run();
  const Received got = app->receive();
  EXPECT_EQ(got.bytes, bytes_of("group"));
  EXPECT_EQ(got.from, at_peer_shown(4));
}

TEST_P(DualMode_Wire, AnOutgoingConnectionIsOfItsPeersFamily) {
  for (const uint8_t family : {uint8_t{4}, uint8_t{6}}) {
    const auto app = dual(Transport::kTcp);
    EXPECT_EQ(app->connect({address_of(Host::kPeer, family), 80}), WsaError::kWouldBlock);
    run();
    Flow flow(*this, family, 80, app->socket().local().port);
    flow.accept();
    run();
    ASSERT_TRUE(app->socket().is_connected());
    EXPECT_EQ(app->socket().shown(*app->socket().peer()).address, at_peer_shown(family).address);
    flow.stream(bytes_of("welcome"));
    EXPECT_EQ(app->text(), "welcome");
    EXPECT_EQ(app->send("thanks").bytes, 6u);
    run();
    EXPECT_EQ(flow.collect(6), bytes_of("thanks"));
    EXPECT_EQ(*app->socket().path_mtu() - app->socket().info()->mss_bytes, family == 4 ? 40u : 60u);
  }
}

// With several Stacks a listener has a twin on each, which is the shim's to make.
TEST_P(DualMode_Wire, AListenerTakesConnectionsOfBothFamilies) {
  if (GetParam() != 1) GTEST_SKIP() << "tests/spi_shim/dual_mode_test.cc";
  const auto listener = dual(Transport::kTcp);
  ASSERT_EQ(listener->bind(80), WsaError::kOk);
  ASSERT_EQ(listener->listen(), WsaError::kOk);
  uint16_t port = 40'000;
  for (const uint8_t family : {uint8_t{4}, uint8_t{6}, uint8_t{4}}) {
    Flow flow(*this, family, ++port, 80);
    flow.connect();
    run();
    const auto app = listener->accept();
    ASSERT_NE(app, nullptr);
    EXPECT_EQ(app->socket().family(), 6);
    EXPECT_EQ(app->socket().shown(*app->socket().peer()).address, at_peer_shown(family).address);
    flow.stream(bytes_of("hello"));
    EXPECT_EQ(app->text(), "hello");
    EXPECT_EQ(app->send("back").bytes, 4u);
    run();
    EXPECT_EQ(flow.collect(4), bytes_of("back"));
  }
}

}  // namespace
}  // namespace millrace::test
