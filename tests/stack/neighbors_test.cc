// SPDX-License-Identifier: BSD-3-Clause
// Who may say where a neighbor is.
#include "tests/support/app.h"
#include "tests/support/stack_test.h"

namespace millrace::test {
namespace {

constexpr Mac kThief = {2, 6, 6, 6, 6, 6};

class Gate_Neighbors : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    udp_ = std::make_unique<App>(*this, Transport::kUdp, family());
  }
  void TearDown() override {
    udp_.reset();
    FamilyTest::TearDown();
  }

  static IpAddress host(uint8_t family, uint16_t number) {
    IpAddress address = address_of(Host::kPeer, family);
    address.bytes[family == 4 ? 3 : 15] = static_cast<uint8_t>(number);
    if (family == 6) address.bytes[14] = static_cast<uint8_t>(number >> 8);
    return address;
  }
  /// The answer to a question for this address.
  void answer(const IpAddress& address, const Mac& mac) {
    Frame answer;
    if (family() == 4) {
      answer.arp = Arp{2, mac, address, peer().stack_mac(), address_of(Host::kStack, 4)};
    } else {
      answer = ip_frame(6);
      answer.ip->source = address;
      answer.ip->ttl = 255;
      answer.icmp = Icmp{136, 0, {0x60, 0, 0, 0}};  // solicited, override
      Bytes& body = answer.icmp->body;
      body.insert(body.end(), address.bytes.begin(), address.bytes.end());
      body.insert(body.end(), {2, 1});
      body.insert(body.end(), mac.begin(), mac.end());
    }
    answer.to = peer().stack_mac();
    answer.from = mac;
    peer().send(answer);
    run();
  }
  void claim_peers_address(const Mac& mac) { answer(address_of(Host::kPeer, family()), mac); }
  void claim4(uint16_t operation, const IpAddress& target, const Mac& to = kBroadcastMac) {
    Frame frame;
    frame.to = to;
    frame.from = kThief;
    frame.arp = Arp{operation, kThief, address_of(Host::kPeer, 4), Mac{}, target};
    peer().send(frame);
    run();
  }
  void send_to_peer() {
    ASSERT_EQ(udp_->send(bytes_of("secret"), at_peer(6000)).error, WsaError::kOk);
    run();
  }
  /// The next datagram goes to this card.
  void expect_at(const Mac& mac) {
    send_to_peer();
    const auto sent = peer().next([](const Frame& frame) { return frame.udp.has_value(); });
    ASSERT_TRUE(sent);
    EXPECT_EQ(sent->frame.to, mac);
  }

  std::unique_ptr<App> udp_;
};
MILLRACE_BOTH_FAMILIES(Gate_Neighbors);

TEST_P(Gate_Neighbors, AnAnswerThatNobodyAskedForChangesNothing) {
  expect_at(peer().mac());
  advance(4000);
  claim_peers_address(kThief);
  EXPECT_EQ(counters().rx_unasked_arp + counters().rx_unasked_nd, 1u);
  expect_at(peer().mac());
}

// All that lwIP can wait for at a time, and two whose addresses a weak hash would mix up.
TEST_P(Gate_Neighbors, EachOfManyQuestionsMayBeAnswered) {
  peer().answers_neighbors = false;
  std::vector<IpAddress> hosts = {host(family(), 0x100), host(family(), 0x1f)};
  if (family() == 4) hosts.clear();
  for (uint16_t i = 0; i < 60; ++i) hosts.push_back(host(family(), static_cast<uint16_t>(100 + i)));
  for (const IpAddress& to : hosts) {
    ASSERT_EQ(udp_->send(bytes_of("x"), Endpoint{to, 6000}).error, WsaError::kOk);
    run();
  }
  for (const IpAddress& from : hosts) answer(from, peer().mac());
  size_t n = 0;
  while (peer().next([](const Frame& frame) { return frame.udp.has_value(); })) ++n;
  EXPECT_EQ(n, hosts.size());
}

// RFC 4861 8.1: only the router concerned may redirect, and lwIP does not ask who speaks.
TEST_P(Gate_Neighbors, ARedirectChangesNothing) {
  if (family() == 4) GTEST_SKIP() << "lwIP ignores those of IPv4";
  expect_at(peer().mac());
  const IpAddress from = *parse_address("fe80::66");
  const IpAddress destination = address_of(Host::kPeer, 6);
  Frame redirect = ip_frame(6);
  redirect.ip->source = from;
  redirect.ip->ttl = 255;
  redirect.from = kThief;
  redirect.icmp = Icmp{137, 0, {0, 0, 0, 0}};
  Bytes& body = redirect.icmp->body;
  body.insert(body.end(), from.bytes.begin(), from.bytes.end());
  body.insert(body.end(), destination.bytes.begin(), destination.bytes.end());
  body.insert(body.end(), {2, 1});
  body.insert(body.end(), kThief.begin(), kThief.end());
  redirect.to = peer().stack_mac();
  peer().send(redirect);
  run();
  EXPECT_EQ(counters().rx_redirect, 1u);
  expect_at(peer().mac());
}

// ---- ARP: everything says where its sender is ----

class Gate_Arp : public Gate_Neighbors {};
INSTANTIATE_TEST_SUITE_P(Family, Gate_Arp, testing::Values(4), family_name);

TEST_P(Gate_Arp, AKnownNeighborIsNotMovedByAnotherWhoSpeaksInItsName) {
  const IpAddress ours = address_of(Host::kStack, 4), its = address_of(Host::kPeer, 4);
  expect_at(peer().mac());
  const struct {
    uint16_t operation;
    IpAddress target;
  } lies[] = {{1, ours}, {1, its}, {2, its}, {2, ours}, {1, host(4, 77)}, {3, ours}};
  for (const auto& lie : lies) {
    claim4(lie.operation, lie.target);
    expect_at(peer().mac());
    advance(5000);
    expect_at(peer().mac());
  }
  EXPECT_GE(counters().rx_arp_conflict, 3u);
}

TEST_P(Gate_Arp, TheKnownOneIsAskedAndNobodyElse) {
  expect_at(peer().mac());
  std::vector<Frame> questions;
  peer().filter = [&](const Frame& frame) {
    if (frame.arp) questions.push_back(frame);
    return false;
  };
  peer().answers_neighbors = false;
  const uint64_t before = peer().n_neighbor_questions();
  for (int i = 0; i < 10; ++i) claim4(1, address_of(Host::kStack, 4));
  EXPECT_EQ(peer().n_neighbor_questions(), before + 1);
  EXPECT_FALSE(peer().next([](const Frame& frame) { return frame.arp.has_value(); }))
      << "the thief got an answer";
}

TEST_P(Gate_Arp, ANeighborWithANewCardIsBelievedWhenTheOldOneIsSilent) {
  expect_at(peer().mac());
  peer().answers_neighbors = false;
  claim4(1, address_of(Host::kPeer, 4));
  expect_at(peer().mac());
  advance(2500);
  const uint64_t before = peer().n_neighbor_questions();
  send_to_peer();
  EXPECT_EQ(peer().n_neighbor_questions(), before + 1);
  claim_peers_address(kThief);
  const auto sent = peer().next([](const Frame& frame) { return frame.udp.has_value(); });
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->frame.to, kThief);
}

TEST_P(Gate_Arp, WhoSpeaksFirstIsLearned) {
  peer().answers_neighbors = false;
  claim4(1, address_of(Host::kStack, 4), peer().stack_mac());
  expect_at(kThief);
}

TEST_P(Gate_Arp, NobodyElseHasOurAddress) {
  Frame frame;
  frame.to = kBroadcastMac;
  frame.from = kThief;
  frame.arp = Arp{1, kThief, address_of(Host::kStack, 4), Mac{}, address_of(Host::kStack, 4)};
  peer().send(frame);
  run();
  EXPECT_EQ(counters().rx_arp_conflict, 1u);
}

TEST_P(Gate_Arp, AConfiguredNeighborIsNeverInDoubt) {
  udp_.reset();
  stop();
  config.ports.front().neighbors = {*parse_neighbor("10.0.0.1 02:00:00:00:00:42")};
  start();
  udp_ = std::make_unique<App>(*this, Transport::kUdp, family());
  const Mac configured = {2, 0, 0, 0, 0, 0x42};
  peer().answers_neighbors = false;
  claim4(1, address_of(Host::kPeer, 4));
  advance(3000);
  expect_at(configured);
  EXPECT_EQ(peer().n_neighbor_questions(), 0u);
}

}  // namespace
}  // namespace millrace::test
