// SPDX-License-Identifier: BSD-3-Clause
// A path that carries less than the wire does: a router throws away what is too long, and says so
// or not (RFC 1191, RFC 8201, RFC 8899).
#include <algorithm>
#include <deque>

#include "tests/support/connected_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

class Tcp_PathMtu : public ConnectedTest {
 protected:
  void SetUp() override {
    ConnectedTest::SetUp();
    connect(40001);
  }
  void connect(uint16_t port, bool with_timestamps = false) {
    app.reset();
    run();
    peer().forget();
    flow = std::make_unique<Flow>(*this, family(), port, 80);
    flow->offers_sack = true;
    if (with_timestamps) flow->clock = 1;
    flow->connect();
    run();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
    app->options().no_delay = true;
    app->apply_options();
  }
  uint16_t headers() const { return family() == 4 ? 40 : 60; }
  /// Eight full segments.
  size_t total() const { return 8 * (1500u - headers()); }

  /// From now on nothing longer gets through.
  void narrow(size_t mtu) {
    peer().filter = [this, mtu](const Frame& frame) {
      if (build(frame).size() <= kEtherBytes + mtu) return false;
      if (frame.tcp) {
        EXPECT_EQ(frame.ip->dont_fragment, family() == 4);
      }
      dropped.push_back(frame);
      return true;
    };
  }
  /// The router speaks about the oldest frame that it threw away.
  void tell(uint32_t mtu) {
    ASSERT_FALSE(dropped.empty());
    peer().send(too_big(dropped.front(), mtu));
    dropped.clear();
    run();
  }
  /// Takes all, acknowledging. @return the longest segment
  size_t take(size_t n, size_t offset = 0) {
    size_t longest = 0;
    Bytes all;
    for (int patience = 0; all.size() < n && patience < 200;) {
      const auto segment = flow->next();
      if (!segment) {
        ++patience;
        advance(10);
        continue;
      }
      const size_t at = *segment->seq - begin_;
      longest = std::max(longest, segment->payload.size());
      if (at != all.size()) continue;
      all.insert(all.end(), segment->payload.begin(), segment->payload.end());
      flow->send(tcp().ack(static_cast<uint32_t>(begin_ + all.size())));
    }
    begin_ += static_cast<uint32_t>(n);
    EXPECT_TRUE(same(all, pattern(n, offset)));
    return longest;
  }
  void write(size_t n) { ASSERT_EQ(app->send(pattern(n)).bytes, n); }
  void write() { write(total()); }

  std::deque<Frame> dropped;
  uint32_t begin_ = 1;
};
MILLRACE_BOTH_FAMILIES(Tcp_PathMtu);

TEST_P(Tcp_PathMtu, WhatARouterThrewAwayIsSentAgainShorterAtOnce) {
  narrow(1300);
  write();
  run();
  flow->expect_nothing();
  const uint64_t now = now_ms();
  tell(1300);
  EXPECT_EQ(take(total()), 1300u - headers());
  EXPECT_EQ(now_ms(), now) << "without a timeout";
  EXPECT_TRUE(dropped.empty());
  EXPECT_EQ(counters().tcp_path_mtus, 1u);
  EXPECT_EQ(counters().tcp_timeouts, 0u);
}

TEST_P(Tcp_PathMtu, TheWindowDoesNotPayForIt) {
  narrow(1300);
  write();
  run();
  tell(1300);
  size_t n_out = 0;
  while (const auto segment = flow->next()) n_out += segment->payload.size();
  EXPECT_EQ(n_out, total()) << "all of it was in the window";
  flow->send(tcp().ack());
  run();
}

TEST_P(Tcp_PathMtu, TimestampsHaveTheirRoomInTheShorterSegmentsToo) {
  disband();
  stop();
  config.tcp.timestamps = true;
  start();
  establish();
  connect(40002, true);
  narrow(1300);
  write();
  run();
  tell(1300);
  EXPECT_EQ(take(total()), 1300u - headers() - 12u);
  EXPECT_TRUE(dropped.empty());
}

TEST_P(Tcp_PathMtu, OnlyWhatIsInFlightMayBeQuoted) {  // RFC 5927 7
  narrow(1300);
  write();
  run();
  ASSERT_FALSE(dropped.empty());
  const std::deque<Frame> all = dropped;
  for (const uint32_t off : {0x80000000u, 100'000u, 0u - 1u}) {
    Frame forged = all.front();
    *forged.tcp->seq += off;
    peer().send(too_big(forged, 1300));
  }
  Frame other = all.front();
  *other.tcp->source_port += 1;
  peer().send(too_big(other, 1300));
  run();
  flow->expect_nothing();
  EXPECT_EQ(counters().tcp_path_mtus, 0u);
  EXPECT_EQ(counters().icmp_errors_ignored, 4u);
  peer().filter = nullptr;
  EXPECT_EQ(take(total()), 1500u - headers()) << "full segments again";
}

TEST_P(Tcp_PathMtu, NoMessageMakesPacketsShorterThanEveryLinkCarries) {
  narrow(1300);
  write();
  run();
  tell(68);
  peer().filter = nullptr;
  EXPECT_EQ(take(total()), family() == 4 ? 576u - 40u : 1500u - 60u)
      << "of IPv6 below 1280: ignored";
  EXPECT_EQ(counters().tcp_path_mtus, family() == 4 ? 1u : 0u);
}

TEST_P(Tcp_PathMtu, AMessageThatSaysMoreThanWeSendChangesNothing) {
  narrow(1300);
  write();
  run();
  tell(9000);
  flow->expect_nothing();
  peer().filter = nullptr;
  EXPECT_EQ(take(total()), 1500u - headers());
}

TEST_P(Tcp_PathMtu, OldRoutersDoNotSayHowLong) {  // RFC 1191 7.1
  if (family() == 6) GTEST_SKIP() << "IPv6 routers always do";
  narrow(1300);
  write();
  run();
  tell(0);
  run();
  ASSERT_FALSE(dropped.empty());
  EXPECT_EQ(build(dropped.front()).size() - kEtherBytes, 1492u) << "the plateau below 1500";
  tell(0);
  EXPECT_EQ(take(total()), 1006u - 40u);
}

TEST_P(Tcp_PathMtu, TheNextConnectionKnowsForTenMinutes) {
  narrow(1300);
  write();
  run();
  tell(1300);
  (void)take(total());
  connect(40003);
  begin_ = 1;
  write(5000);
  EXPECT_EQ(take(5000), 1300u - headers());
  EXPECT_TRUE(dropped.empty());
  peer().filter = nullptr;
  app.reset();
  run();
  advance(601'000);
  connect(40004);
  begin_ = 1;
  write(5000);
  EXPECT_EQ(take(5000), 1500u - headers());
}

TEST_P(Tcp_PathMtu, AnOldConnectionTriesLongSegmentsAgainToo) {
  narrow(1300);
  write();
  run();
  tell(1300);
  (void)take(total());
  peer().filter = nullptr;
  advance(601'000);
  ASSERT_EQ(app->send(pattern(10, total())).bytes, 10u);
  (void)take(10, total());
  advance(20);
  ASSERT_EQ(app->send(pattern(5000, total() + 10)).bytes, 5000u);
  EXPECT_EQ(take(5000, total() + 10), 1500u - headers());
}

TEST_P(Tcp_PathMtu, WhatHasArrivedIsNotSentAgain) {
  narrow(1300);
  write(1460 - (family() == 4 ? 0 : 20));
  ASSERT_EQ(app->send(pattern(500, 1460)).bytes, 500u);
  const auto small = flow->next();
  ASSERT_TRUE(small);
  ASSERT_EQ(small->payload.size(), 500u);
  flow->send(tcp().ack(1).options(flow->sack({{*small->seq, *small->seq + 500}})));
  run();
  tell(1300);
  size_t n_again = 0;
  while (const auto segment = flow->next()) n_again += segment->payload.size();
  EXPECT_EQ(n_again, 1500u - headers());
  flow->send(tcp().ack());
  run();
}

TEST_P(Tcp_PathMtu, TheUrgentByteStaysAtTheEnd) {
  narrow(1300);
  ASSERT_EQ(app->send_urgent(std::string(1400, 'u')).bytes, 1400u);
  run();
  tell(1300);
  const auto first = flow->next();
  const auto second = flow->next();
  ASSERT_TRUE(first && second);
  EXPECT_FALSE(first->has(Segment::kUrg));
  EXPECT_TRUE(second->has(Segment::kUrg));
  EXPECT_EQ(second->urgent, second->payload.size());
  EXPECT_EQ(first->payload.size() + second->payload.size(), 1400u);
  flow->send(tcp().ack());
  run();
}

TEST_P(Tcp_PathMtu, TheFinStaysAtTheEnd) {
  narrow(1300);
  const size_t full = 1500u - headers();
  write(12 * full);  // two wait for the window
  app->shutdown(SD_SEND);
  run();
  tell(1300);
  EXPECT_EQ(take(12 * full), 1300u - headers());
  EXPECT_TRUE(flow->has_fin());
  EXPECT_EQ(flow->their_next(), 1 + 12 * full + 1) << "behind the last byte";
  flow->send(tcp().fin().ack());
  run();
}

TEST_P(Tcp_PathMtu, WhereNobodyTellsTimeoutsDo) {  // RFC 8899
  narrow(1300);
  write();
  run();
  advance(10'000);
  EXPECT_LE(take(total()), 1300u - headers());
  EXPECT_EQ(counters().tcp_black_holes, 1u);
  EXPECT_EQ(counters().tcp_path_mtus, 0u);
}

TEST_P(Tcp_PathMtu, ShortSegmentsThatAreLostAreNoBlackHole) {
  peer().filter = [](const Frame& frame) { return frame.tcp && !frame.tcp->payload.empty(); };
  ASSERT_EQ(app->send(pattern(300)).bytes, 300u);
  advance(10'000);
  EXPECT_EQ(counters().tcp_black_holes, 0u);
  peer().filter = nullptr;
  advance(20'000);
  EXPECT_EQ(take(300), 300u);
}

TEST_P(Tcp_PathMtu, SwitchedOffRoutersMayCut) {
  config.tcp.path_mtu_discovery = false;
  restart();
  connect(40002);
  write(1000);
  run();
  const auto arrival = peer().next([](const Frame& f) { return f.tcp && !f.tcp->payload.empty(); });
  ASSERT_TRUE(arrival);
  EXPECT_FALSE(arrival->frame.ip->dont_fragment);
  peer().send(too_big(arrival->frame, 1280));
  run();
  EXPECT_EQ(counters().icmp_errors_ignored, 1u);
  flow->send(tcp().ack(1001));
  run();
}

class Udp_PathMtu : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Udp_PathMtu);

TEST_P(Udp_PathMtu, LongDatagramsAreCutToWhatAnIpv6PathCarries) {
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(5000), WsaError::kOk);
  const auto send = [&] {
    EXPECT_EQ(app.send(pattern(1400), at_peer(6000)).error, WsaError::kOk);
    run();
  };
  send();
  const auto whole = peer().next();
  ASSERT_TRUE(whole);
  ASSERT_TRUE(whole->frame.udp);
  Frame forged = whole->frame;
  forged.udp->source_port = 5001;
  peer().send(too_big(forged, 1280));
  run();
  send();
  EXPECT_TRUE(peer().next()->frame.udp) << "nobody's datagram says nothing";
  peer().send(too_big(whole->frame, 600));
  run();
  send();
  EXPECT_TRUE(peer().next()->frame.udp) << "every IPv6 link carries 1280";
  peer().send(too_big(whole->frame, 1280));
  run();
  send();
  const auto first = peer().next();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->frame.ip->fragment.has_value(), family() == 6);
  peer().forget();
  EXPECT_EQ(app.receive().error, WsaError::kWouldBlock) << "it is no error of the socket's";
}

TEST_P(Udp_PathMtu, IsKnownHoweverManyOthersAreSpokenTo) {
  if (family() == 4) GTEST_SKIP() << "routers cut IPv4's";
  config.ports.front().gateway = {*parse_address("fd00::1")};
  stop();
  start();
  App app(*this, Transport::kUdp, family());
  ASSERT_EQ(app.bind(5000), WsaError::kOk);
  const auto send = [&](const Endpoint& to, size_t n) {
    EXPECT_EQ(app.send(pattern(n), to).error, WsaError::kOk);
    run();
    return peer().next();
  };
  const auto whole = send(at_peer(6000), 1400);
  ASSERT_TRUE(whole);
  peer().send(too_big(whole->frame, 1280));
  run();
  for (int i = 1; i <= 200; ++i) {  // lwIP's table has 64 destinations
    const auto one = send({*parse_address("fd01::" + std::to_string(i)), 6000}, 10);
    ASSERT_TRUE(one && one->frame.udp) << i;
    EXPECT_EQ(one->frame.to, whole->frame.to) << "by the router";
  }
  const auto first = send(at_peer(6000), 1400);
  ASSERT_TRUE(first);
  EXPECT_TRUE(first->frame.ip->fragment.has_value());
}

}  // namespace
}  // namespace millrace::test
