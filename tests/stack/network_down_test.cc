// SPDX-License-Identifier: BSD-3-Clause
// A port that is lost: its link stays down, it is stopped, or the driver says that it is gone.
#include <rte_ethdev.h>

#include "tests/support/connected_test.h"

// What a driver calls when its device vanishes; DPDK has them in its header for drivers only.
extern "C" {
struct rte_eth_dev;
rte_eth_dev* rte_eth_dev_allocated(const char* name);
int rte_eth_dev_callback_process(rte_eth_dev* device, rte_eth_event_type event, void* result);
}

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;
constexpr uint64_t kPatienceMs = 10'000;  // link_down_ms
constexpr uint64_t kLookMs = 1000;        // the Stack looks at the link so often

class Recv_E1 : public ConnectedTest {
 protected:
  void SetUp() override {
    ConnectedTest::SetUp();
    open_datagrams();
  }
  void TearDown() override {
    udp.reset();
    ConnectedTest::TearDown();
  }
  void open_datagrams() {
    udp = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(udp->bind(kPort), WsaError::kOk);
  }
  void lose_link() {
    set_link(false);
    advance(kPatienceMs + 2 * kLookMs);
  }
  void expect_everything_down() {
    EXPECT_EQ(app->receive().error, WsaError::kNetDown);
    EXPECT_EQ(app->post_receive(10).started, WsaError::kNetDown);
    EXPECT_EQ(app->send("x").error, WsaError::kNetDown);
    EXPECT_EQ(udp->receive().error, WsaError::kNetDown);
    EXPECT_EQ(udp->post_receive(10).started, WsaError::kNetDown);
    EXPECT_EQ(udp->send(bytes_of("x"), at_peer(kPeerPort)).error, WsaError::kNetDown);
    App late(*this, transport(), family());
    EXPECT_EQ(late.connect(at_peer(80)), WsaError::kNetDown);
  }
  std::unique_ptr<App> udp;
};
MILLRACE_ALL_CONNECTIONS(Recv_E1);

TEST_P(Recv_E1, ALinkThatStaysDownFailsWhatWaitsAndWhatFollows) {
  Posted& stream = app->post_receive(10);
  Posted& first = udp->post_receive(10);
  Posted& second = udp->post_receive(10);
  set_link(false);
  advance(kPatienceMs - kLookMs);
  EXPECT_TRUE(stream.is_pending());
  EXPECT_TRUE(first.is_pending());
  EXPECT_FALSE(udp->socket().is_readable());
  advance(3 * kLookMs);
  for (const Posted* const receive : {&stream, &first, &second}) {
    ASSERT_FALSE(receive->is_pending());
    EXPECT_EQ(receive->error(), WsaError::kNetDown);
    EXPECT_EQ(receive->n_signals, 1);
  }
  EXPECT_TRUE(udp->socket().is_readable());
  EXPECT_TRUE(app->socket().is_readable());
  expect_everything_down();
}

TEST_P(Recv_E1, ALinkThatComesBackInTimeChangesNothing) {
  Posted& stream = app->post_receive(10);
  Posted& datagram = udp->post_receive(10);
  set_link(false);
  advance(kPatienceMs - 2 * kLookMs);
  set_link(true);
  advance(2 * kPatienceMs);
  say("stream");
  peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("datagram")));
  run();
  EXPECT_EQ(stream.text(), "stream");
  EXPECT_EQ(datagram.text(), "datagram");
}

TEST_P(Recv_E1, WhatHadArrivedIsStillDelivered) {
  say("stream");
  peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("datagram")));
  run();
  lose_link();
  EXPECT_EQ(app->text(), "stream");
  EXPECT_EQ(udp->text(), "datagram");
  expect_everything_down();
}

TEST_P(Recv_E1, ALinkThatComesBackLateServesDatagramsAndNewConnections) {
  lose_link();
  EXPECT_EQ(udp->receive().error, WsaError::kNetDown);
  set_link(true);
  advance(2 * kLookMs);
  EXPECT_EQ(udp->receive().error, WsaError::kWouldBlock);
  peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("again")));
  run();
  EXPECT_EQ(udp->text(), "again");
  EXPECT_EQ(app->receive().error, WsaError::kNetDown) << "a connection does not come back";
  peer().forget();
  reconnect(0xffff);
  say("new");
  run();
  EXPECT_EQ(app->text(), "new");
}

TEST_P(Recv_E1, NeverIfTheConfigurationSaysSo) {
  udp.reset();
  config.ports.front().link_down_ms = 0;
  restart();
  open_datagrams();
  set_link(false);
  advance(100 * kPatienceMs);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(udp->receive().error, WsaError::kWouldBlock);
}

TEST_P(Recv_E1, APortThatIsStoppedIsOneWithoutALink) {
  Posted& stream = app->post_receive(10);
  Posted& datagram = udp->post_receive(10);
  ASSERT_EQ(rte_eth_dev_stop(stack_port().id()), 0);
  advance(kPatienceMs + 2 * kLookMs);
  EXPECT_EQ(stream.error(), WsaError::kNetDown);
  EXPECT_EQ(datagram.error(), WsaError::kNetDown);
  expect_everything_down();
}

TEST_P(Recv_E1, APortThatIsRemovedIsNotWaitedFor) {
  Posted& stream = app->post_receive(10);
  Posted& datagram = udp->post_receive(10);
  char name[RTE_ETH_NAME_MAX_LEN];
  ASSERT_EQ(rte_eth_dev_get_name_by_port(stack_port().id(), name), 0);
  rte_eth_dev_callback_process(rte_eth_dev_allocated(name), RTE_ETH_EVENT_INTR_RMV, nullptr);
  EXPECT_TRUE(stack_port().is_removed());
  advance(2 * kLookMs);
  EXPECT_EQ(stream.error(), WsaError::kNetDown);
  EXPECT_EQ(datagram.error(), WsaError::kNetDown);
  expect_everything_down();
}

TEST_P(Recv_E1, WhatTalksToOurselvesGoesOn) {
  const Endpoint loopback{IpAddress::loopback(family()), kPort + 1};
  App bound(*this, Transport::kUdp, family());
  ASSERT_EQ(bound.bind(loopback), WsaError::kOk);
  App connected(*this, Transport::kUdp, family());
  ASSERT_EQ(connected.connect(at_stack(kPort)), WsaError::kOk);
  Posted& pending = connected.post_receive(10);
  lose_link();
  EXPECT_TRUE(pending.is_pending());
  EXPECT_EQ(bound.receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(bound.send(bytes_of("self"), loopback).error, WsaError::kOk);
  run();
  EXPECT_EQ(bound.text(), "self");
  connected.close();
}

TEST_P(Recv_E1, AConnectOnItsWayFailsAndSoDoesWhatNobodyAcceptedYet) {
  udp.reset();
  config.ports.front().link_down_ms = 2000;  // before the connect gives up by itself
  restart();
  connect_from(40001);
  App connecting(*this, transport(), family());
  ASSERT_EQ(connecting.connect(at_peer(81)), WsaError::kWouldBlock);
  run();
  lose_link();
  EXPECT_TRUE(connecting.socket().has_exception());
  EXPECT_EQ(connecting.socket().last_error(), WsaError::kNetDown);
  const auto accepted = listener->accept();
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->receive().error, WsaError::kNetDown);
}

TEST_P(Recv_E1, OfTwoPortsOnlyWhatDependsOnTheLostOne) {
  udp.reset();
  disband();
  stop();
  config.ports.push_back(config.ports.front());
  config.ports.back().device = "net_ring_wire2_a";
  config.ports.back().addresses = {*parse_prefix("10.0.9.2/24"), *parse_prefix("fd09::2/64")};
  start();
  establish();
  open_datagrams();
  App here(*this, Transport::kUdp, family()), there(*this, Transport::kUdp, family());
  ASSERT_EQ(here.bind(at_stack(kPort + 1)), WsaError::kOk);
  const IpAddress second = config.ports.back().addresses[family() == 4 ? 0 : 1].address;
  ASSERT_EQ(there.bind({second, kPort + 1}), WsaError::kOk);
  lose_link();
  EXPECT_EQ(app->receive().error, WsaError::kNetDown);
  EXPECT_EQ(here.receive().error, WsaError::kNetDown);
  EXPECT_EQ(there.receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(udp->receive().error, WsaError::kWouldBlock) << "the wildcard has a port left";
}

}  // namespace
}  // namespace millrace::test
