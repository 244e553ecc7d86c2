// SPDX-License-Identifier: BSD-3-Clause
// Below TCP and UDP: neighbors, ping, fragments, and everything malformed that a wire can bring.
// What is dropped is counted, and the Stack goes on as if it had not come.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;

// ---- neighbors ----

class Arp_Test : public StackTest {};

TEST_F(Arp_Test, ARequestForUsIsAnswered) {
  Frame request;
  request.to = kBroadcastMac;
  request.arp = Arp{1, peer().mac(), address_of(Host::kPeer, 4), {}, address_of(Host::kStack, 4)};
  peer().send(request);
  run();
  const auto reply = peer().next();
  ASSERT_TRUE(reply && reply->frame.arp);
  EXPECT_EQ(reply->frame.to, peer().mac());
  EXPECT_EQ(reply->frame.arp->operation, 2);
  EXPECT_EQ(reply->frame.arp->sender, address_of(Host::kStack, 4));
  EXPECT_EQ(reply->frame.arp->sender_mac, peer().stack_mac());
  EXPECT_EQ(reply->frame.arp->target, address_of(Host::kPeer, 4));
}

TEST_F(Arp_Test, ARequestForSomebodyElseIsNot) {
  Frame request;
  request.to = kBroadcastMac;
  request.arp =
      Arp{1, peer().mac(), address_of(Host::kPeer, 4), {}, address_of(Host::kStranger, 4)};
  peer().send(request);
  run();
  EXPECT_FALSE(peer().next());
}

class Nd_Test : public StackTest {};

TEST_F(Nd_Test, ASolicitationForUsIsAnswered) {
  const IpAddress target = address_of(Host::kStack, 6);
  Icmp solicitation{135, 0, {0, 0, 0, 0}};
  solicitation.body.insert(solicitation.body.end(), target.bytes.begin(), target.bytes.end());
  const Mac own = peer().mac();
  solicitation.body.insert(solicitation.body.end(), {1, 1});
  solicitation.body.insert(solicitation.body.end(), own.begin(), own.end());
  Frame question = ip_frame(6);
  question.ip->ttl = 255;
  question.icmp = solicitation;
  peer().send(question);
  run();
  const auto answer = peer().next();
  ASSERT_TRUE(answer && answer->frame.icmp);
  EXPECT_EQ(answer->frame.icmp->type, 136);
  EXPECT_EQ(answer->frame.ip->ttl, 255);
  ASSERT_GE(answer->frame.icmp->body.size(), 28u);
  EXPECT_TRUE(
      std::equal(target.bytes.begin(), target.bytes.end(), answer->frame.icmp->body.begin() + 4));
  const Mac mac = peer().stack_mac();
  EXPECT_TRUE(std::equal(mac.begin(), mac.end(), answer->frame.icmp->body.begin() + 22));
}

class Neighbor_Test : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Neighbor_Test);

TEST_P(Neighbor_Test, DatagramsWaitForTheAnswer) {
  App app(*this, Transport::kUdp, family());
  peer().answers_neighbors = false;
  const uint64_t before = peer().n_neighbor_questions();
  for (const char* text : {"one", "two", "three"}) {
    EXPECT_EQ(app.send(bytes_of(text), at_peer(kPeerPort)).error, WsaError::kOk);
  }
  run();
  EXPECT_FALSE(peer().next());
  EXPECT_GT(peer().n_neighbor_questions(), before);
  peer().answers_neighbors = true;
  advance(3000);
  int n = 0;
  while (peer().next()) ++n;
  EXPECT_EQ(n, 3);
}

TEST_P(Neighbor_Test, ThatNeverAnswersCostsNoMbufs) {
  App app(*this, Transport::kUdp, family());
  peer().answers_neighbors = false;
  for (int i = 0; i < 100; ++i) (void)app.send(pattern(500), at_peer(kPeerPort));
  advance(30'000);
  EXPECT_FALSE(peer().next());
}

// ---- ping ----

class Icmp_Echo : public FamilyTest {
 protected:
  void expect_reply(const Bytes& payload) {
    run();
    std::vector<Frame> frames;
    while (const auto arrival = peer().next()) frames.push_back(arrival->frame);
    ASSERT_FALSE(frames.empty()) << "no reply to " << payload.size() << " bytes";
    std::string why;
    const auto reply = frames[0].ip->fragment ? join(frames, why) : frames[0];
    ASSERT_TRUE(reply && reply->icmp) << why;
    EXPECT_EQ(reply->icmp->type, family() == 4 ? 0 : 129);
    EXPECT_EQ(reply->ip->source, address_of(Host::kStack, family()));
    ASSERT_EQ(reply->icmp->body.size(), 4 + payload.size());
    EXPECT_EQ(Bytes(reply->icmp->body.begin(), reply->icmp->body.begin() + 4),
              (Bytes{0x12, 0x34, 0, 7}));
    EXPECT_TRUE(same({reply->icmp->body.begin() + 4, reply->icmp->body.end()}, payload));
  }
};
MILLRACE_BOTH_FAMILIES(Icmp_Echo);

TEST_P(Icmp_Echo, IsAnsweredWithTheSameBytes) {
  for (const size_t n : {0u, 1u, 56u, 1000u, 1452u}) {
    peer().send(echo_request(family(), 0x1234, 7, pattern(n)));
    expect_reply(pattern(n));
  }
}

TEST_P(Icmp_Echo, InFragmentsIsAnsweredInFragments) {
  // lwIP answers ICMPv6 out of one buffer, which here is one mbuf.
  const Bytes payload = pattern(family() == 4 ? 4000 : 1600);
  for (const Frame& part : fragments_of(echo_request(family(), 0x1234, 7, payload), 1400)) {
    peer().send(part);
  }
  expect_reply(payload);
}

TEST_P(Icmp_Echo, WithAWrongChecksumIsNotAnswered) {
  Frame request = echo_request(family(), 1, 1, pattern(100));
  request.to = peer().stack_mac();
  request.from = peer().mac();
  Bytes bytes = build(request);
  bytes.back() ^= 0xff;
  peer().send(bytes);
  run();
  EXPECT_FALSE(peer().next());
}

TEST_P(Icmp_Echo, ADatagramForNobodyIsAnsweredWithPortUnreachable) {
  peer().send(udp_frame(family(), kPeerPort, 9999, bytes_of("hello?")));
  run();
  const auto answer = peer().next();
  ASSERT_TRUE(answer && answer->frame.icmp);
  EXPECT_EQ(answer->frame.icmp->type, family() == 4 ? 3 : 1);
  EXPECT_EQ(answer->frame.icmp->code, family() == 4 ? 3 : 4);
}

// ---- fragments ----

class Ip_Fragments : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    app = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(app->bind(kPort), WsaError::kOk);
  }
  void TearDown() override {
    app.reset();
    FamilyTest::TearDown();
  }
  std::vector<Frame> datagram(size_t n, size_t piece, uint32_t id = 1) const {
    return fragments_of(udp_frame(family(), kPeerPort, kPort, pattern(n)), piece, id);
  }
  std::unique_ptr<App> app;
};
MILLRACE_BOTH_FAMILIES(Ip_Fragments);

TEST_P(Ip_Fragments, ArePutTogetherInEveryOrder) {
  std::vector<size_t> order = {0, 1, 2};
  uint32_t id = 1;
  do {
    const auto parts = datagram(4000, 1400, id++);
    ASSERT_EQ(parts.size(), 3u);
    for (const size_t i : order) peer().send(parts[i]);
    run();
    const Received received = app->receive();
    EXPECT_EQ(received.error, WsaError::kOk) << order[0] << order[1] << order[2];
    EXPECT_TRUE(same(received.bytes, pattern(4000)));
    EXPECT_EQ(received.from, at_peer(kPeerPort));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(Ip_Fragments, OfTwoDatagramsAreNotMixed) {
  const auto one = datagram(3000, 1000, 1);
  const auto two = fragments_of(udp_frame(family(), kPeerPort, kPort, pattern(3000, 5)), 1000, 2);
  for (size_t i = 0; i < one.size(); ++i) {
    peer().send(one[i]);
    peer().send(two[two.size() - 1 - i]);
  }
  run();
  // The second one is whole first: its missing piece comes before the first one's.
  const Bytes a = app->receive().bytes, b = app->receive().bytes;
  EXPECT_TRUE(same(a.at(0) == pattern(1)[0] ? a : b, pattern(3000)));
  EXPECT_TRUE(same(a.at(0) == pattern(1)[0] ? b : a, pattern(3000, 5)));
}

TEST_P(Ip_Fragments, FillAPendingReceiveAcrossItsBuffers) {
  Posted& pending = app->post_receive({1000, 0, 1999, 3000});
  for (const Frame& part : datagram(4000, 1400)) peer().send(part);
  run();
  EXPECT_TRUE(same(pending.bytes(), pattern(4000)));
  EXPECT_EQ(counters().bytes_copied, 4000u);
}

TEST_P(Ip_Fragments, OfTheLongestDatagramArePutTogether) {
  for (const Frame& part : datagram(65'000, 1400)) peer().send(part);
  run();
  EXPECT_TRUE(same(app->receive().bytes, pattern(65'000)));
}

TEST_P(Ip_Fragments, DuplicatesChangeNothing) {
  const auto parts = datagram(4000, 1400);
  for (const size_t i : {0u, 0u, 2u, 2u, 0u, 1u}) peer().send(parts[i]);
  run();
  EXPECT_TRUE(same(app->receive().bytes, pattern(4000)));
}

TEST_P(Ip_Fragments, ThatStayIncompleteAreForgotten) {
  for (uint32_t id = 0; id < 20; ++id) {
    const auto parts = datagram(4000, 1400, id + 100);
    peer().send(parts[0]);
    peer().send(parts[2]);
  }
  advance(70'000);  // the fixture checks that no mbuf stays behind
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  for (const Frame& part : datagram(4000, 1400, 999)) peer().send(part);
  run();
  EXPECT_TRUE(same(app->receive().bytes, pattern(4000)));
}

TEST_P(Ip_Fragments, ThatOverlapAreNotDeliveredAsSomethingElse) {
  auto parts = datagram(4000, 1400);
  Frame liar = parts[1];
  liar.ip->fragment->offset = static_cast<uint16_t>(liar.ip->fragment->offset - 8);
  std::fill(liar.payload.begin(), liar.payload.end(), uint8_t{0xbd});
  peer().send(parts[0]);
  peer().send(liar);
  peer().send(parts[2]);
  run();
  const Received received = app->receive();
  EXPECT_EQ(received.error, WsaError::kWouldBlock);
}

// ---- malformed frames ----

class Ip_Garbage : public ConnectedTest {
 protected:
  void SetUp() override {
    ConnectedTest::SetUp();
    udp = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(udp->bind(kPort), WsaError::kOk);
  }
  void TearDown() override {
    udp.reset();
    ConnectedTest::TearDown();
  }
  /// One good frame of each kind.
  std::vector<Bytes> samples() {
    std::vector<Frame> frames;
    frames.push_back(udp_frame(family(), kPeerPort, kPort, pattern(30)));
    frames.push_back(echo_request(family(), 1, 2, pattern(30)));
    for (Frame& part : fragments_of(udp_frame(family(), kPeerPort, kPort, pattern(90)), 48)) {
      frames.push_back(std::move(part));
    }
    Frame sent = ip_frame(family(), Host::kStack, Host::kPeer);
    sent.udp = Datagram{4999, kPeerPort, pattern(8)};  // no socket's port
    frames.push_back(icmp_error(Icmps::kPortUnreachable, sent));
    Frame arp;
    arp.arp = Arp{1, peer().mac(), address_of(Host::kPeer, 4), {}, address_of(Host::kStack, 4)};
    frames.push_back(arp);
    std::vector<Bytes> bytes;
    for (Frame& frame : frames) {
      frame.to = peer().stack_mac();
      frame.from = peer().mac();
      bytes.push_back(build(frame));
    }
    bytes.push_back(flow->frame_of(
        tcp().seq(5'000'000).ack().options({1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9}).data("outside")));
    Flow other(*this, family(), 43000, 80);
    bytes.push_back(other.frame_of(tcp().rst().seq(5)));
    return bytes;
  }
  void expect_alive() {
    run();
    while (udp->receive(65536).error != WsaError::kWouldBlock) {
    }
    peer().forget();
    flow->send(tcp().seq(1).ack(1).data("alive"));
    run();
    EXPECT_EQ(app->text(5), "alive");
    peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("and well")));
    run();
    EXPECT_EQ(udp->text(), "and well");
  }
  std::unique_ptr<App> udp;
};
MILLRACE_BOTH_FAMILIES(Ip_Garbage);

TEST_P(Ip_Garbage, FramesCutShortAtEveryByte) {
  for (const Bytes& whole : samples()) {
    for (size_t n = 0; n < whole.size(); ++n) {
      peer().send(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n)));
      run();
    }
  }
  EXPECT_GT(counters().rx_short, 0u);
  expect_alive();
}

TEST_P(Ip_Garbage, FramesOfOneSegmentPerByte) {
  for (const Bytes& whole : samples()) {
    std::vector<Bytes> parts;
    for (const uint8_t byte : whole) parts.push_back({byte});
    peer().send_chain(parts);
    run();
  }
  EXPECT_GT(counters().rx_short, 0u);
  expect_alive();
}

TEST_P(Ip_Garbage, FramesInTwoSegmentsSplitAtEveryByte) {
  for (const Bytes& whole : samples()) {
    for (size_t n = 0; n <= whole.size(); ++n) {
      const auto middle = whole.begin() + static_cast<ptrdiff_t>(n);
      peer().send_chain({Bytes(whole.begin(), middle), Bytes(middle, whole.end())});
      run();
    }
  }
  expect_alive();
}

TEST_P(Ip_Garbage, EveryByteOfTheHeadersWithExtremeValues) {
  for (const Bytes& whole : samples()) {
    for (size_t at = 12; at < std::min<size_t>(whole.size(), 90); ++at) {
      for (const int value : {0x00, 0x01, 0x45, 0x7f, 0x80, 0xff}) {
        Bytes damaged = whole;
        damaged[at] = static_cast<uint8_t>(value);
        peer().send(damaged);
        repair(damaged);  // past the checksums, too
        peer().send(damaged);
      }
      run();
    }
  }
  advance(70'000);
  expect_alive();
}

TEST_P(Ip_Garbage, RandomBitsInGoodFrames) {
  uint64_t state = 7;
  const auto random = [&state](size_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<size_t>(state % below);
  };
  const std::vector<Bytes> good = samples();
  for (int i = 0; i < 5000; ++i) {
    Bytes damaged = good[random(good.size())];
    for (size_t n = 1 + random(4); n != 0; --n) {
      damaged[12 + random(damaged.size() - 12)] ^= static_cast<uint8_t>(1u << random(8));
    }
    if (random(4) == 0) damaged.resize(1 + random(damaged.size()));
    repair(damaged);
    peer().send(damaged);
    if (i % 16 == 0) run();
  }
  advance(70'000);
  expect_alive();
}

TEST_P(Ip_Garbage, UnknownEtherTypesAreDroppedAndCounted) {
  for (const uint16_t type : std::initializer_list<uint16_t>{0x0001, 0x8100, 0x88cc, 0xffff}) {
    Frame frame;
    frame.ether_type = type;
    frame.payload = pattern(100);
    peer().send(frame);
  }
  run();
  EXPECT_EQ(counters().rx_unknown_type, 4u);
  expect_alive();
}

TEST_P(Ip_Garbage, UnknownProtocolsDoNotHurt) {
  for (int protocol = 0; protocol < 256; ++protocol) {
    Frame frame = ip_frame(family());
    frame.ip->protocol = static_cast<uint8_t>(protocol);
    frame.payload = pattern(40);
    peer().send(frame);
    run();
  }
  advance(70'000);
  expect_alive();
}

TEST_P(Ip_Garbage, FramesForAnotherHostAreIgnored) {
  Frame frame = udp_frame(family(), kPeerPort, kPort, bytes_of("not for you"));
  frame.ip->target = address_of(Host::kStranger, family());
  peer().send(frame);
  run();
  EXPECT_EQ(udp->receive().error, WsaError::kWouldBlock);
  EXPECT_FALSE(peer().next());
  expect_alive();
}

// A switch that floods, and a promiscuous port, bring what was meant for another host's card.
TEST_P(Ip_Garbage, FramesForAnotherCardAreIgnored) {
  Frame frame = udp_frame(family(), kPeerPort, kPort, bytes_of("not for this card"));
  frame.to = {2, 9, 9, 9, 9, 9};
  frame.from = peer().mac();
  peer().send(frame);
  run();
  EXPECT_EQ(udp->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_other_host, 1u);
  expect_alive();
}

// RFC 1122 3.2.1.3, RFC 9293 3.9.2.3: a source that cannot have sent this gets no answer.
TEST_P(Ip_Garbage, SourcesThatNobodyCanHaveAreNotAnswered) {
  IpAddress multicast = IpAddress::any(family());
  multicast.bytes[0] = family() == 4 ? 224 : 0xff;
  multicast.bytes[family() == 4 ? 3 : 15] = 5;
  for (const IpAddress& source : {multicast, IpAddress::loopback(family()),
                                  IpAddress::any(family()), address_of(Host::kStack, family())}) {
    Frame syn = ip_frame(family());
    syn.ip->source = source;
    syn.tcp = Segment{};
    syn.tcp->source_port = 1234;
    syn.tcp->target_port = 80;
    syn.tcp->flags = Segment::kSyn;
    peer().send(syn);
    Frame datagram = udp_frame(family(), kPeerPort, 9999, bytes_of("x"));
    datagram.ip->source = source;
    peer().send(datagram);
    run();
    EXPECT_FALSE(peer().next()) << source.text();
    EXPECT_EQ(udp->receive().error, WsaError::kWouldBlock);
  }
  advance(10'000);
  expect_alive();
}

}  // namespace
}  // namespace millrace::test
