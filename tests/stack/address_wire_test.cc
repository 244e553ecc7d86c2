// SPDX-License-Identifier: BSD-3-Clause
// Several addresses, subnets, routers and VLANs on one port, seen from the wire.
#include "stack/groups.h"
#include "tests/support/app.h"
#include "tests/support/stack_test.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;

IpAddress ip(const char* text) { return *parse_address(text); }
OwnAddress own(const char* text) { return *parse_own_address(text); }

class Addresses : public StackTest {
 protected:
  void SetUp() override {
    PortConfig& port = config.ports.front();
    port.addresses = {own("10.0.0.2/24"), own("10.9.0.2/16"), own("10.0.0.5/24"),
                      own("fd00::2/64"),  own("fd09::2/126"), own("fd00::5/64")};
    port.gateway = {ip("10.0.0.1"), ip("10.9.0.1"), ip("fd00::1")};
    port.routes = {*parse_route("10.1.0.0/16 via 10.9.0.9"),
                   *parse_route("10.9.7.0/24 via 10.0.0.7"), *parse_route("fd01::/20 via fd09::1")};
    port.neighbors = {*parse_neighbor("10.9.0.77 02:00:00:00:00:77"),
                      *parse_neighbor("fd00::77 02:00:00:00:00:77"),
                      *parse_neighbor("10.9.0.9 02:00:00:00:00:09")};
    start();
  }

  /// The datagram that a socket, bound or not, sends to an address: whom its frame asked for as a
  /// neighbor, and the frame.
  struct Sent {
    std::string source, neighbor;
    Mac to{};
    uint64_t n_questions = 0;
  };
  Sent send(const char* to, const char* from = nullptr) {
    const IpAddress target = ip(to);
    App app(*this, Transport::kUdp, target.family);
    if (from != nullptr) {
      EXPECT_EQ(app.bind({ip(from), 0}), WsaError::kOk) << from;
    }
    Sent sent;
    const uint64_t before = peer().n_neighbor_questions();
    const Outcome outcome = app.send(bytes_of("x"), Endpoint{target, kPeerPort});
    EXPECT_EQ(outcome.error, WsaError::kOk) << to;
    run();
    sent.neighbor = peer().last_asked_for().text();
    sent.n_questions = peer().n_neighbor_questions() - before;
    const auto arrival = peer().next();
    if (arrival && arrival->frame.ip) sent.source = arrival->frame.ip->source.text();
    if (arrival) sent.to = arrival->frame.to;
    return sent;
  }
};

TEST_F(Addresses, OfBothFamiliesAllAnswerArpAndPing) {
  for (const char* address : {"10.0.0.2", "10.9.0.2", "10.0.0.5"}) {
    Frame request;
    request.to = kBroadcastMac;
    request.arp = Arp{1, peer().mac(), ip("10.0.0.1"), {}, ip(address)};
    peer().send(request);
    run();
    const auto reply = peer().next();
    ASSERT_TRUE(reply && reply->frame.arp) << address;
    EXPECT_EQ(reply->frame.arp->sender, ip(address));
    EXPECT_EQ(reply->frame.arp->operation, 2);
  }
  for (const char* address :
       {"10.0.0.2", "10.9.0.2", "10.0.0.5", "fd00::2", "fd09::2", "fd00::5"}) {
    Frame ping = echo_request(ip(address).family, 1, 1, pattern(20));
    ping.ip->target = ip(address);
    peer().send(ping);
    run();
    const auto reply = peer().next();
    ASSERT_TRUE(reply && reply->frame.icmp) << address;
    EXPECT_EQ(reply->frame.ip->source, ip(address));
  }
}

TEST_F(Addresses, ASocketBoundToOneHearsNothingForAnother) {
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.bind({ip("10.9.0.2"), kPort}), WsaError::kOk);
  Frame datagram = udp_frame(4, kPeerPort, kPort, bytes_of("other"));
  datagram.ip->target = ip("10.0.0.5");
  peer().send(datagram);
  datagram.ip->target = ip("10.9.0.2");
  datagram.udp->payload = bytes_of("mine");
  peer().send(datagram);
  run();
  EXPECT_EQ(app.text(), "mine");
  EXPECT_EQ(app.receive().error, WsaError::kWouldBlock);
}

TEST_F(Addresses, ThatAreNotOursCannotBeBoundTo) {
  App app(*this, Transport::kUdp, 4);
  EXPECT_EQ(app.bind({ip("10.0.0.6"), kPort}), WsaError::kAddrNotAvail);
}

TEST_F(Addresses, TheSourceIsThatOfTheRoute) {
  const Sent near = send("10.9.200.1");
  EXPECT_EQ(near.source, "10.9.0.2");
  EXPECT_EQ(near.neighbor, "10.9.200.1");
  const Sent far = send("192.0.2.1");
  EXPECT_EQ(far.source, "10.0.0.2");
  EXPECT_EQ(far.neighbor, "10.0.0.1");
  EXPECT_EQ(send("fd09::1").source, "fd09::2");
}

TEST_F(Addresses, TheLongestPrefixLeadsTheWay) {
  const Sent routed = send("10.1.2.3");
  EXPECT_EQ(routed.source, "10.9.0.2");
  EXPECT_EQ(routed.to, (Mac{2, 0, 0, 0, 0, 9})) << "the router is a static neighbor";
  // A network inside that of one of our own addresses, behind a router in another.
  const Sent inner = send("10.9.7.1");
  EXPECT_EQ(inner.neighbor, "10.0.0.7");
  EXPECT_EQ(inner.source, "10.0.0.2");
  EXPECT_EQ(send("fd01:fff::1").neighbor, "fd09::1");
}

TEST_F(Addresses, AnIpv6PrefixReachesAsFarAsItsLength) {
  EXPECT_EQ(send("fd09::3").neighbor, "fd09::3");
  const Sent outside = send("fd09::4");  // in the same /64, but not in the /126
  EXPECT_EQ(outside.neighbor, "fd00::1");
}

TEST_F(Addresses, ABoundSocketKeepsItsSourceAndTakesItsOwnSubnetsRouter) {
  const Sent far = send("192.0.2.1", "10.9.0.2");
  EXPECT_EQ(far.source, "10.9.0.2");
  EXPECT_EQ(far.neighbor, "10.9.0.1");
  const Sent near = send("10.9.200.1", "10.0.0.5");
  EXPECT_EQ(near.source, "10.0.0.5");
  EXPECT_EQ(near.neighbor, "10.9.200.1");
  EXPECT_EQ(send("10.0.0.200", "10.0.0.5").source, "10.0.0.5");
}

TEST_F(Addresses, StaticNeighborsAreNotAskedFor) {
  for (const char* neighbor : {"10.9.0.77", "fd00::77"}) {
    const Sent sent = send(neighbor);
    EXPECT_EQ(sent.n_questions, 0u) << neighbor;
    EXPECT_EQ(sent.to, (Mac{2, 0, 0, 0, 0, 0x77})) << neighbor;
  }
}

TEST_F(Addresses, OursAreReachedFromEachOtherWithoutTheWire) {
  App a(*this, Transport::kUdp, 4), b(*this, Transport::kUdp, 4);
  ASSERT_EQ(a.bind({ip("10.0.0.2"), kPort}), WsaError::kOk);
  ASSERT_EQ(b.bind({ip("10.9.0.2"), kPort}), WsaError::kOk);
  EXPECT_EQ(a.send(bytes_of("hello"), Endpoint{ip("10.9.0.2"), kPort}).error, WsaError::kOk);
  run();
  const Received received = b.receive();
  EXPECT_EQ(received.from, (Endpoint{ip("10.0.0.2"), kPort}));
  EXPECT_FALSE(peer().next());
}

TEST_F(Addresses, AConnectedDatagramSocketSendsFromTheAddressThatConnectingChose) {
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.connect({ip("10.9.200.1"), kPeerPort}), WsaError::kOk);
  EXPECT_EQ(app.socket().local().address, ip("10.9.0.2"));
  for (const char* to : {"10.9.200.1", "10.0.0.200"}) {
    EXPECT_EQ(app.send(bytes_of("x"), Endpoint{ip(to), kPeerPort}).error, WsaError::kOk);
    run();
    const auto sent = peer().next([](const Frame& f) { return f.udp.has_value(); });
    ASSERT_TRUE(sent) << to;
    EXPECT_EQ(sent->frame.ip->source, ip("10.9.0.2"));
  }
}

TEST_F(Addresses, TcpConnectsFromTheRoutesAddress) {
  App app(*this, Transport::kTcp, 4);
  EXPECT_EQ(app.connect({ip("10.9.200.1"), 80}), WsaError::kWouldBlock);
  run();
  const auto syn = peer().next();
  ASSERT_TRUE(syn && syn->frame.tcp);
  EXPECT_EQ(syn->frame.ip->source, ip("10.9.0.2"));
}

TEST_F(Addresses, ASourceThatIsAnyOfOursIsAMartian) {
  Frame lie = udp_frame(4, kPeerPort, kPort, bytes_of("x"));
  lie.ip->source = ip("10.9.0.2");
  peer().send(lie);
  run();
  EXPECT_EQ(counters().rx_martian, 1u);
}

class NoGateway : public StackTest {};

TEST_F(NoGateway, WhereNoRouteLeadsIsUnreachable) {
  for (const char* to : {"192.0.2.1", "fd77::1"}) {
    App app(*this, Transport::kUdp, ip(to).family);
    EXPECT_EQ(app.send(bytes_of("x"), Endpoint{ip(to), kPeerPort}).error, WsaError::kNetUnreach);
    App stream(*this, Transport::kTcp, ip(to).family);
    EXPECT_EQ(stream.connect({ip(to), 80}), WsaError::kNetUnreach);
  }
}

TEST_F(Addresses, DatagramsToAnyOfThemNeedNoMoreThanToOne) {
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  for (const char* to : {"10.0.0.2", "10.9.0.2", "10.0.0.5"}) {
    Frame frame = udp_frame(4, kPeerPort, kPort, bytes_of(to));
    frame.ip->target = ip(to);
    peer().send(frame);
    run();
    EXPECT_EQ(app.text(), to);
  }
  EXPECT_EQ(counters().rx_predicted, 3u);
}

// ---- VLANs ----

class Vlans : public StackTest {
 protected:
  void SetUp() override {
    VlanConfig vlan;
    vlan.id = 100;
    vlan.addresses = {own("10.100.0.2/24"), own("fd64::2/64")};
    vlan.gateway = {ip("10.100.0.1")};
    config.ports.front().vlans = {vlan};
    vlan.id = 200;
    vlan.addresses = {own("10.200.0.2/24")};
    vlan.gateway = {};
    config.ports.front().vlans.push_back(vlan);
    start();
  }
  Frame ping(std::optional<uint16_t> vlan, const char* from, const char* to) {
    Frame frame = echo_request(ip(to).family, 1, 1, pattern(40));
    frame.vlan = vlan;
    frame.ip->source = ip(from);
    frame.ip->target = ip(to);
    return frame;
  }
};

TEST_F(Vlans, FramesGoAndComeWithTheTag) {
  for (const auto& [from, to] : {std::pair("10.100.0.9", "10.100.0.2"), {"fd64::9", "fd64::2"}}) {
    peer().send(ping(100, from, to));
    run();
    const auto reply = peer().next();
    ASSERT_TRUE(reply && reply->frame.icmp) << to;
    EXPECT_EQ(reply->frame.vlan, 100);
    EXPECT_EQ(reply->frame.ip->source, ip(to));
  }
  peer().send(ping(std::nullopt, "10.0.0.9", "10.0.0.2"));
  run();
  const auto reply = peer().next();
  ASSERT_TRUE(reply);
  EXPECT_FALSE(reply->frame.vlan);
}

TEST_F(Vlans, NeighborsAreAskedForUnderTheTag) {
  App app(*this, Transport::kUdp, 4);
  EXPECT_EQ(app.send(bytes_of("x"), Endpoint{ip("10.200.0.7"), kPeerPort}).error, WsaError::kOk);
  run();
  const auto sent = peer().next();  // the peer answers under the question's tag only
  ASSERT_TRUE(sent && sent->frame.udp);
  EXPECT_EQ(sent->frame.vlan, 200);
  EXPECT_EQ(sent->frame.ip->source, ip("10.200.0.2"));
}

TEST_F(Vlans, DatagramsUnderATagNeedNoMoreThanOthers) {
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  Frame frame = udp_frame(4, kPeerPort, kPort, bytes_of("tagged"));
  frame.ip->source = ip("10.100.0.9");
  frame.ip->target = ip("10.100.0.2");
  frame.vlan = 100;
  peer().send(frame);
  run();
  EXPECT_EQ(counters().rx_predicted, 1u);
  EXPECT_EQ(app.text(), "tagged");
  for (const auto& other : {std::optional<uint16_t>(200), std::optional<uint16_t>()}) {
    frame.vlan = other;
    peer().send(frame);
  }
  run();
  EXPECT_EQ(counters().rx_other_vlan, 2u);
  EXPECT_EQ(app.receive().error, WsaError::kWouldBlock);
}

TEST_F(Vlans, OtherTagsAreDroppedAndCounted) {
  peer().send(ping(300, "10.100.0.9", "10.100.0.2"));
  run();
  EXPECT_EQ(counters().rx_other_vlan, 1u);
  EXPECT_FALSE(peer().next());
}

TEST_F(Vlans, AnAddressOfAnotherTagIsNotReached) {
  peer().send(ping(100, "10.100.0.9", "10.200.0.2"));
  peer().send(ping(100, "10.100.0.9", "10.0.0.2"));
  peer().send(ping(std::nullopt, "fd00::9", "fd64::2"));
  run();
  EXPECT_EQ(counters().rx_other_vlan, 3u);
  EXPECT_FALSE(peer().next());
}

TEST_F(Vlans, ATagOfPriorityAloneIsNone) {
  peer().send(ping(uint16_t{5} << 13, "10.0.0.9", "10.0.0.2"));
  run();
  const auto reply = peer().next();
  ASSERT_TRUE(reply && reply->frame.icmp);
  EXPECT_FALSE(reply->frame.vlan);
}

TEST_F(Vlans, PriorityBitsDoNotHideTheVlan) {
  peer().send(ping(static_cast<uint16_t>(uint16_t{7} << 13 | 100), "10.100.0.9", "10.100.0.2"));
  run();
  EXPECT_TRUE(peer().next());
}

TEST_F(Vlans, GroupsAreJoinedAndReachedOnTheChosenLink) {
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  {
    const Stack::Guard guard(stack());
    // 1 is the loopback, 2 the untagged link.
    EXPECT_EQ(stack().interface_with(ip("10.100.0.2")), 3u);
    ASSERT_EQ(app.socket().change_groups({GroupAction::kJoin, ip("239.1.1.1"), {}, 3}),
              WsaError::kOk);
  }
  app.options().multicast_interface = 3;
  ASSERT_EQ(app.send(bytes_of("out"), Endpoint{ip("239.1.1.1"), kPeerPort}).error, WsaError::kOk);
  run();
  const auto report = peer().next(), sent = peer().next();
  ASSERT_TRUE(report && sent && sent->frame.udp);
  EXPECT_EQ(report->frame.ip->protocol, kIgmp);
  EXPECT_EQ(report->frame.vlan, 100);
  EXPECT_EQ(sent->frame.vlan, 100);
  EXPECT_EQ(sent->frame.ip->source, ip("10.100.0.2"));
  Frame to_group = udp_frame(4, kPeerPort, kPort, bytes_of("untagged"));
  to_group.to = {1, 0, 0x5e, 1, 1, 1};
  to_group.ip->target = ip("239.1.1.1");
  peer().send(to_group);
  to_group.vlan = 100;
  to_group.udp->payload = bytes_of("tagged");
  peer().send(to_group);
  run();
  EXPECT_EQ(app.text(), "tagged");
  EXPECT_EQ(app.receive().error, WsaError::kWouldBlock);
}

TEST_F(Vlans, AStreamWithRetransmissionsIsWholeUnderATag) {
  App client(*this, Transport::kTcp, 4);
  EXPECT_EQ(client.bind({ip("10.100.0.2"), 0}), WsaError::kOk);
  EXPECT_EQ(client.connect({ip("10.100.0.9"), 80}), WsaError::kWouldBlock);
  run();
  const auto syn = peer().next();
  ASSERT_TRUE(syn && syn->frame.tcp);
  EXPECT_EQ(syn->frame.vlan, 100);
  Frame answer;
  answer.vlan = 100;
  answer.ip = Ip{ip("10.100.0.9"), ip("10.100.0.2"), 0, 64, std::nullopt};
  answer.tcp = tcp().syn().seq(1000).ack(*syn->frame.tcp->seq + 1).mss(1460).window(65535);
  answer.tcp->source_port = 80;
  answer.tcp->target_port = syn->frame.tcp->source_port;
  peer().send(answer);
  run();
  peer().forget();
  EXPECT_EQ(client.send("once more").error, WsaError::kOk);
  run();
  const auto first = peer().next();
  advance(2000);
  const auto second = peer().next();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(second->frame.vlan, 100);
  EXPECT_EQ(first->frame.tcp->payload, bytes_of("once more"));
  EXPECT_EQ(second->frame.tcp->payload, bytes_of("once more"));
  EXPECT_EQ(first->frame.tcp->seq, second->frame.tcp->seq);
}

// RFC 1122 3.2.1.3. On Windows, too, a socket that has such an address has no other to send from.
TEST_F(Addresses, NoLoopbackAddressLeavesTheHost) {
  constexpr uint32_t kWire = 2;  // 1 is the loopback
  struct {
    const char *from, *neighbor, *far, *group;
  } const families[] = {{"127.0.0.1", "10.0.0.9", "8.8.8.8", "239.1.1.1"},
                        {"127.1.2.3", "10.9.0.77", "10.1.0.1", "224.0.0.5"},
                        {"::1", "fd00::77", "fd01::1", "ff02::5"}};
  const uint64_t before = peer().n_neighbor_questions();
  for (const auto& [from, neighbor, far, group] : families) {
    SCOPED_TRACE(from);
    for (const char* to : {neighbor, far}) {
      const Endpoint target{ip(to), kPeerPort};
      App stream(*this, Transport::kTcp, target.address.family);
      ASSERT_EQ(stream.bind({ip(from), 0}), WsaError::kOk);
      EXPECT_EQ(stream.connect(target), WsaError::kAddrNotAvail) << to;
      App datagrams(*this, Transport::kUdp, target.address.family);
      ASSERT_EQ(datagrams.bind({ip(from), 0}), WsaError::kOk);
      EXPECT_EQ(datagrams.send(bytes_of("x"), target).error, WsaError::kAddrNotAvail) << to;
      EXPECT_EQ(datagrams.connect(target), WsaError::kAddrNotAvail) << to;
      datagrams.options().unicast_interface = kWire;
      EXPECT_EQ(datagrams.send(bytes_of("x"), target).error, WsaError::kAddrNotAvail) << to;
    }
    App to_group(*this, Transport::kUdp, ip(group).family);
    ASSERT_EQ(to_group.bind({ip(from), 0}), WsaError::kOk);
    EXPECT_EQ(to_group.send(bytes_of("x"), Endpoint{ip(group), kPeerPort}).error, WsaError::kOk)
        << "it stays within";
    to_group.options().multicast_interface = kWire;
    EXPECT_EQ(to_group.send(bytes_of("x"), Endpoint{ip(group), kPeerPort}).error,
              WsaError::kAddrNotAvail);
    const uint8_t here_family = ip(from).family;
    App here(*this, Transport::kUdp, here_family);
    ASSERT_EQ(here.bind(kPort), WsaError::kOk);
    EXPECT_EQ(to_group.send(bytes_of("to ourselves"), Endpoint{IpAddress::loopback(here_family), kPort}).error,
              WsaError::kOk);
    run();
    EXPECT_EQ(here.text(), "to ourselves");
  }
  EXPECT_FALSE(peer().next());
  EXPECT_EQ(peer().n_neighbor_questions(), before);
}

// The other half of it: whoever sends to one over a wire is not heard (RFC 1122 3.2.1.3).
TEST_F(Addresses, NoLoopbackAddressIsReachedFromAWire) {
  App here(*this, Transport::kUdp, 4);
  ASSERT_EQ(here.bind(kPort), WsaError::kOk);
  for (const char* to : {"127.0.0.1", "127.1.2.3"}) {
    Frame datagram = udp_frame(4, kPeerPort, kPort, bytes_of("from outside"));
    datagram.ip->target = ip(to);
    peer().send(datagram);
    run();
    EXPECT_EQ(here.receive().error, WsaError::kWouldBlock) << to;
  }
  EXPECT_FALSE(peer().next());
}

class OnlyVlans : public StackTest {
 protected:
  void SetUp() override {
    VlanConfig vlan;
    vlan.id = 7;
    vlan.addresses = {own("10.7.0.2/24")};
    config.ports.front().addresses.clear();
    config.ports.front().vlans = {vlan};
    start();
  }
};

TEST_F(OnlyVlans, UntaggedFramesAreDroppedAndCounted) {
  peer().send(echo_request(4, 1, 1, pattern(40)));
  run();
  EXPECT_EQ(counters().rx_other_vlan, 1u);
  EXPECT_FALSE(peer().next());
}

}  // namespace
}  // namespace millrace::test
