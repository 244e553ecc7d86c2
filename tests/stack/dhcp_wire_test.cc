// SPDX-License-Identifier: BSD-3-Clause
// DHCP with a hand-driven server: the lease, its renewal, its end, and what sockets hear of it.
#include "dpdk_io/startup_error.h"
#include "tests/support/app.h"
#include "tests/support/stack_test.h"

namespace millrace::test {
namespace {

constexpr uint16_t kServerPort = 67, kClientPort = 68;
constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;
constexpr size_t kOptionsAt = 240;  // RFC 2131 2: fixed fields and the magic cookie
constexpr uint8_t kDiscover = 1, kOffer = 2, kRequest = 3, kAck = 5, kNak = 6, kRelease = 7;

IpAddress ip(const char* text) { return *parse_address(text); }

/// The value of an option (RFC 2132). @return nothing: the message has none
std::optional<Bytes> option(const Bytes& message, uint8_t code) {
  for (size_t at = kOptionsAt; at + 1 < message.size() && message[at] != 255;) {
    if (message[at] == 0) {
      ++at;
      continue;
    }
    const size_t length = message[at + 1];
    if (at + 2 + length > message.size()) break;
    if (message[at] == code) {
      const auto begin = message.begin() + static_cast<ptrdiff_t>(at + 2);
      return Bytes(begin, begin + static_cast<ptrdiff_t>(length));
    }
    at += 2 + length;
  }
  return std::nullopt;
}

class DhcpTest : public StackTest {
 protected:
  void SetUp() override {
    config.ports.front().addresses = {OwnAddress::dhcp(), *parse_prefix("fd00::2/64")};
    start();
  }

  struct Message {
    uint8_t type = 0;
    Frame frame;
    const Bytes& bytes() const { return frame.udp->payload; }
  };
  /// What the client says next; type 0: nothing.
  Message next_message() {
    run();
    const auto arrival =
        peer().next([](const Frame& f) { return f.udp && f.udp->target_port == kServerPort; });
    if (!arrival) return {};
    const auto type = option(arrival->frame.udp->payload, 53);
    return {type && type->size() == 1 ? (*type)[0] : uint8_t{0}, arrival->frame};
  }

  void answer(const Message& question, uint8_t type, bool to_client = false) {
    Bytes m = question.bytes();
    m.resize(kOptionsAt);
    m[0] = 2;  // a reply
    const IpAddress yours = ip(leased);
    if (type != kNak) std::copy_n(yours.bytes.begin(), 4, m.begin() + 16);
    const auto add = [&m](uint8_t code, const Bytes& value) {
      m.push_back(code);
      m.push_back(static_cast<uint8_t>(value.size()));
      m.insert(m.end(), value.begin(), value.end());
    };
    add(53, {type});
    add(54, {10, 0, 0, 1});
    if (type != kNak) {
      add(51, {0, 0, static_cast<uint8_t>(lease_s >> 8), static_cast<uint8_t>(lease_s)});
      add(1, {255, 255, 255, 0});
      add(3, {10, 0, 0, 1});
    }
    m.push_back(255);
    m.resize(300);
    Frame frame = ip_frame(4);
    frame.vlan = question.frame.vlan;
    frame.ip->target = to_client ? yours : ip("255.255.255.255");
    if (!to_client) frame.to = kBroadcastMac;
    frame.udp = Datagram{kServerPort, kClientPort, m};
    peer().send(frame);
  }
  /// From discover to the applied address.
  void lease(bool to_client = false) {
    const Message discover = next_message();
    ASSERT_EQ(discover.type, kDiscover);
    answer(discover, kOffer, to_client);
    const Message request = next_message();
    ASSERT_EQ(request.type, kRequest);
    const IpAddress wanted = ip(leased);
    EXPECT_EQ(option(request.bytes(), 50), Bytes(wanted.bytes.begin(), wanted.bytes.begin() + 4));
    answer(request, kAck, to_client);
    advance(20);
  }
  bool has_lease() {
    const Stack::Guard guard(stack());
    return stack().has_leases();
  }
  bool is_pinged(const char* address) {
    Frame ping = echo_request(4, 1, 1, pattern(10));
    ping.ip->target = ip(address);
    peer().send(ping);
    run();
    return peer().next([](const Frame& f) { return f.icmp.has_value(); }).has_value();
  }

  const char* leased = "10.0.0.42";
  uint32_t lease_s = 3600;
};

TEST_F(DhcpTest, ALeaseBecomesTheAddressAndItsRouter) {
  EXPECT_FALSE(has_lease());
  EXPECT_FALSE(is_pinged("10.0.0.42"));
  lease();
  EXPECT_TRUE(has_lease());
  EXPECT_TRUE(is_pinged("10.0.0.42"));
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.bind({ip("10.0.0.42"), kPort}), WsaError::kOk);
  ASSERT_EQ(app.send(bytes_of("x"), Endpoint{ip("192.0.2.1"), kPeerPort}).error, WsaError::kOk);
  run();
  const auto sent = peer().next([](const Frame& f) { return f.udp.has_value(); });
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->frame.ip->source, ip("10.0.0.42"));
  EXPECT_EQ(peer().last_asked_for(), ip("10.0.0.1"));
}

TEST_F(DhcpTest, AServerMayAnswerToTheAddressItOffers) {
  lease(true);
  EXPECT_TRUE(is_pinged("10.0.0.42"));
}

TEST_F(DhcpTest, WithoutAnAnswerItAsksAgain) {
  EXPECT_EQ(next_message().type, kDiscover);
  advance(30'000);
  EXPECT_EQ(next_message().type, kDiscover);
  EXPECT_EQ(next_message().type, kDiscover);
}

TEST_F(DhcpTest, TheLeaseIsRenewedAtHalfItsTime) {
  lease_s = 600;
  lease();
  advance(299'000);
  EXPECT_EQ(next_message().type, 0);
  advance(61'000);
  const Message renewal = next_message();
  ASSERT_EQ(renewal.type, kRequest);
  EXPECT_EQ(renewal.frame.ip->source, ip("10.0.0.42"));
  EXPECT_EQ(renewal.frame.ip->target, ip("10.0.0.1"));
  answer(renewal, kAck, true);
  advance(400'000);  // beyond the first lease
  EXPECT_TRUE(has_lease());
  EXPECT_TRUE(is_pinged("10.0.0.42"));
}

TEST_F(DhcpTest, ALeaseThatEndsTakesItsSocketsAlong) {
  lease_s = 120;
  lease();
  App datagrams(*this, Transport::kUdp, 4), wildcard(*this, Transport::kUdp, 4);
  ASSERT_EQ(datagrams.bind({ip("10.0.0.42"), kPort}), WsaError::kOk);
  ASSERT_EQ(wildcard.bind(kPort + 1), WsaError::kOk);
  Posted& pending = datagrams.post_receive(100);
  App stream(*this, Transport::kTcp, 4);
  ASSERT_EQ(stream.connect({ip("10.0.0.1"), 80}), WsaError::kWouldBlock);
  advance(200'000);  // nobody answers the renewals
  EXPECT_FALSE(has_lease());
  EXPECT_EQ(counters().leases_lost, 1u);
  EXPECT_FALSE(pending.is_pending());
  EXPECT_EQ(pending.error(), WsaError::kNetDown);
  EXPECT_EQ(datagrams.receive().error, WsaError::kNetDown);
  EXPECT_EQ(datagrams.send(bytes_of("x"), Endpoint{ip("10.0.0.1"), 1}).error, WsaError::kNetDown);
  EXPECT_EQ(wildcard.receive().error, WsaError::kWouldBlock);
  EXPECT_FALSE(is_pinged("10.0.0.42"));
  App late(*this, Transport::kUdp, 4);
  EXPECT_EQ(late.bind({ip("10.0.0.42"), kPort}), WsaError::kAddrNotAvail);
  // It comes back with the next lease, and so do the datagrams.
  while (next_message().type != 0) {
  }
  advance(70'000);
  Message last;
  for (Message m = next_message(); m.type != 0; m = next_message()) last = m;
  ASSERT_EQ(last.type, kDiscover);
  answer(last, kOffer);
  const Message request = next_message();
  ASSERT_EQ(request.type, kRequest);
  answer(request, kAck);
  advance(20);
  EXPECT_TRUE(is_pinged("10.0.0.42"));
  EXPECT_EQ(datagrams.receive().error, WsaError::kWouldBlock);
}

TEST_F(DhcpTest, AnEstablishedConnectionOfALostLeaseIsDown) {
  lease_s = 120;
  lease();
  App stream(*this, Transport::kTcp, 4);
  ASSERT_EQ(stream.connect({ip("10.0.0.1"), 80}), WsaError::kWouldBlock);
  run();
  const auto syn = peer().next([](const Frame& f) { return f.tcp.has_value(); });
  ASSERT_TRUE(syn);
  Frame answered = ip_frame(4);
  answered.ip->target = ip("10.0.0.42");
  answered.tcp = tcp().syn().seq(1).ack(*syn->frame.tcp->seq + 1).mss(1460).window(65535);
  answered.tcp->source_port = 80;
  answered.tcp->target_port = syn->frame.tcp->source_port;
  peer().send(answered);
  run();
  ASSERT_TRUE(stream.socket().is_connected());
  Posted& pending = stream.post_receive(100);
  advance(200'000);
  EXPECT_EQ(pending.error(), WsaError::kNetDown);
  EXPECT_NE(stream.send("x").error, WsaError::kOk);
}

TEST_F(DhcpTest, ARefusedRenewalStartsAnew) {
  lease_s = 600;
  lease();
  advance(361'000);
  const Message renewal = next_message();
  ASSERT_EQ(renewal.type, kRequest);
  answer(renewal, kNak, true);
  advance(20);
  EXPECT_FALSE(has_lease());
  leased = "10.0.0.43";
  lease();
  EXPECT_TRUE(is_pinged("10.0.0.43"));
  EXPECT_FALSE(is_pinged("10.0.0.42"));
}

TEST_F(DhcpTest, TheClientsPortIsTaken) {
  App app(*this, Transport::kUdp, 4);
  EXPECT_EQ(app.bind(kClientPort), WsaError::kAddrInUse);
}

TEST_F(DhcpTest, ALeaseFromElsewhereIsAppliedLikeOnesOwn) {
  {
    const Stack::Guard guard(stack());
    stack().apply_lease(1, Lease{*parse_prefix("10.0.0.50/24"), ip("10.0.0.1")});
  }
  EXPECT_TRUE(is_pinged("10.0.0.50"));
}

TEST_F(DhcpTest, GarbageFromAServerDoesNotHurt) {
  const Message discover = next_message();
  ASSERT_EQ(discover.type, kDiscover);
  for (size_t n = 0; n < 300; n += 7) {
    Frame frame = ip_frame(4);
    frame.ip->target = ip("255.255.255.255");
    frame.to = kBroadcastMac;
    Bytes bytes = discover.bytes();
    bytes[0] = 2;
    bytes.resize(n, 0x35);
    frame.udp = Datagram{kServerPort, kClientPort, bytes};
    peer().send(frame);
    run();
  }
  EXPECT_FALSE(has_lease());
}

TEST_F(DhcpTest, StartUpEndsWithTheLeaseOrSaysWhatToDo) {
  lease();
  EXPECT_TRUE(stack().await_leases(UINT64_MAX));
  stop();
  config.ports.front().dhcp_timeout_ms = 0;
  start();
  std::string why;
  try {
    (void)stack().await_leases(1);
  } catch (const StartupError& error) {
    why = error.what();
  }
  EXPECT_EQ(why, "port " + stack_port().name() +
                     ": no DHCP server gave an address within 0 ms; check the link and the server, "
                     "raise dhcp_timeout_ms, or write the address instead of \"dhcp\"");
}

class DhcpOnAVlan : public DhcpTest {
 protected:
  void SetUp() override {
    VlanConfig vlan;
    vlan.id = 30;
    vlan.addresses = {*parse_prefix("10.30.0.2/24"), OwnAddress::dhcp()};
    config.ports.front().vlans = {vlan};
    start();
  }
};

TEST_F(DhcpOnAVlan, TheServerIsAskedUnderTheTag) {
  const Message discover = next_message();
  ASSERT_EQ(discover.type, kDiscover);
  EXPECT_EQ(discover.frame.vlan, 30);
  leased = "10.31.0.9";
  answer(discover, kOffer);
  const Message request = next_message();
  ASSERT_EQ(request.type, kRequest);
  answer(request, kAck);
  advance(20);
  EXPECT_TRUE(has_lease());
}

}  // namespace
}  // namespace millrace::test
