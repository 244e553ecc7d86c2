// SPDX-License-Identifier: BSD-3-Clause
// What the gate refuses, each as an attacker would send it: nothing of it is delivered, a good
// connection goes on, and a counter says why.
#include <algorithm>
#include <random>
#include <set>

#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Gate_Tcp : public ConnectedTest {
 protected:
  void expect_alive() {
    flow->send(tcp().seq(flow->own_next()).ack().data("alive"));
    run();
    EXPECT_EQ(app->text(5), "alive");
  }
};
MILLRACE_BOTH_FAMILIES(Gate_Tcp);

TEST_P(Gate_Tcp, DataWithoutAnAckIsRefused) {
  flow->send(tcp().seq(1).data("forged"));
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_bad_segment, 1u);
  flow->send(tcp().seq(1).ack().data("real"));
  run();
  EXPECT_EQ(app->text(), "real");
}

// RFC 5961 5.2
TEST_P(Gate_Tcp, AnAckOfWhatWasNeverSentIsChallenged) {
  flow->send(tcp().seq(1).ack(1 + 100).data("forged"));
  flow->expect(tcp().seq(1).ack(1));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  flow->send(tcp().seq(1).ack(1 - 1'000'000).data("forged"));
  flow->expect(tcp().seq(1).ack(1));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().tx_challenge_acks, 2u);
  flow->send(tcp().seq(1).ack(1).data("real"));
  run();
  EXPECT_EQ(app->text(), "real");
}

// RFC 5961 3.2: only the exact number resets.
TEST_P(Gate_Tcp, ABlindResetInTheWindowIsChallenged) {
  for (const uint32_t ahead : {1u, 1000u, 60'000u}) {
    flow->send(tcp().rst().seq(1 + ahead));
    flow->expect(tcp().seq(1).ack(1));
  }
  EXPECT_EQ(counters().tx_challenge_acks, 3u) << "lwIP's own would not be limited";
  flow->send(tcp().rst().seq(1 + 2'000'000));
  flow->expect_nothing();
  flow->send(tcp().rst().seq(0));
  flow->expect_nothing();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  flow->send(tcp().rst().seq(1));
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

// RFC 5961 4.2
TEST_P(Gate_Tcp, ASynInAConnectionIsChallenged) {
  for (const uint32_t seq : {0u, 1u, 500u, 3'000'000u}) {
    flow->send(tcp().syn().seq(seq).mss(1460));
    flow->expect(tcp().seq(1).ack(1));
  }
  EXPECT_EQ(counters().tx_challenge_acks, 4u) << "lwIP's own would not be limited";
  flow->send(tcp().seq(1).ack(1).data("goes on"));
  run();
  EXPECT_EQ(app->text(), "goes on");
}

// RFC 5961 7
TEST_P(Gate_Tcp, ChallengesAreLimitedAndNobodyCanTellToHowMany) {
  std::set<size_t> limits;
  for (int second = 0; second < 8; ++second) {
    advance(1000);
    size_t n = 0;
    for (int i = 0; i < 1200; ++i) {
      flow->send(tcp().rst().seq(10));
      while (flow->next()) ++n;
    }
    EXPECT_GE(n, 500u);
    EXPECT_LE(n, 1000u);
    limits.insert(n);
  }
  EXPECT_GT(limits.size(), 3u);
}

// Any order, any overlap: what is delivered is what was sent (RFC 9293 3.4).
TEST_P(Gate_Tcp, OverlappingSegmentsInAnyOrderGiveTheStreamThatWasSent) {
  std::mt19937 random(family());
  uint32_t base = 1;
  for (int round = 0; round < 200; ++round) {
    constexpr uint32_t kBytes = 6000;
    const Bytes all = pattern(kBytes, base);
    Bytes got;
    for (int i = 0; i < 40; ++i) {
      const uint32_t from = static_cast<uint32_t>(random() % kBytes);
      const uint32_t n = std::min<uint32_t>(1 + static_cast<uint32_t>(random() % 1400), kBytes - from);
      flow->send(tcp().seq(base + from).ack().data(
          Bytes(all.begin() + from, all.begin() + from + n)));
      run();
      const Bytes part = app->drain();
      got.insert(got.end(), part.begin(), part.end());
    }
    for (uint32_t from = 0; from < kBytes; from += 1000) {  // the peer's retransmission
      flow->send(tcp().seq(base + from).ack().data(
          Bytes(all.begin() + from, all.begin() + from + 1000)));
      run();
      const Bytes part = app->drain();
      got.insert(got.end(), part.begin(), part.end());
    }
    ASSERT_TRUE(same(got, all)) << "round " << round;
    base += kBytes;
    peer().forget();
  }
}

// The same, each byte in some segment at least once, and none sent again: what has arrived out of
// order, and may have been SACKed, is not thrown away for what comes later.
TEST_P(Gate_Tcp, WhatHasArrivedIsNotNeededAgain) {
  std::mt19937 random(family());
  uint32_t base = 1;
  for (int round = 0; round < 300; ++round) {
    constexpr uint32_t kBytes = 4000;
    const Bytes all = pattern(kBytes, base);
    std::vector<std::pair<uint32_t, uint32_t>> parts;
    for (uint32_t from = 0; from < kBytes; from += 500) parts.emplace_back(from, 500);
    for (int i = 0; i < 24; ++i) {
      const auto from = static_cast<uint32_t>(random() % kBytes);
      const auto n = static_cast<uint32_t>(1 + random() % 900);
      parts.emplace_back(from, std::min(n, kBytes - from));
    }
    std::shuffle(parts.begin(), parts.end(), random);
    Bytes got;
    for (const auto& [from, n] : parts) {
      const auto begin = all.begin() + from;
      const Bytes frame = flow->frame_of(tcp().seq(base + from).ack().data(Bytes(begin, begin + n)));
      const auto cut = static_cast<ptrdiff_t>(frame.size() - random() % std::min<size_t>(n, 4) * n / 4);
      if (cut == static_cast<ptrdiff_t>(frame.size())) {
        peer().send(frame);
      } else {  // the payload lies in two mbufs
        peer().send_chain({Bytes(frame.begin(), frame.begin() + cut),
                           Bytes(frame.begin() + cut, frame.end())});
      }
      run();
      const Bytes part = app->drain();
      got.insert(got.end(), part.begin(), part.end());
    }
    flow->sent(kBytes);
    ASSERT_TRUE(same(got, all)) << "round " << round;
    base += kBytes;
    peer().forget();
  }
  EXPECT_GT(counters().rx_out_of_order_known, 0u);
}

TEST_P(Gate_Tcp, AFinBehindOverlapsEndsTheStreamWhereItStands) {
  std::mt19937 random(family());
  const Bytes all = pattern(3000, 1);
  const auto send = [&](uint32_t from, uint32_t to) {
    auto segment = tcp().seq(1 + from).ack().data(Bytes(all.begin() + from, all.begin() + to));
    flow->send(to == all.size() ? segment.fin() : segment);
    run();
  };
  send(2000, 2500);
  send(2400, 3000);
  send(2900, 3000);
  send(2999, 3000);
  for (int i = 0; i < 30; ++i) {
    const auto from = static_cast<uint32_t>(500 + random() % 2000);
    send(from, from + 1 + static_cast<uint32_t>(random() % 500));
  }
  for (uint32_t from = 0; from < 3000; from += 500) send(from, from + 500);
  EXPECT_TRUE(same(app->drain(), all));
  const Received end = app->receive();
  EXPECT_EQ(end.error, WsaError::kOk);
  EXPECT_TRUE(end.bytes.empty());
}

TEST_P(Gate_Tcp, OutOfOrderSegmentsDoNotTakeAllMbufs) {
  std::vector<std::unique_ptr<Flow>> flows;
  std::vector<std::unique_ptr<App>> apps;
  for (uint16_t i = 0; i < 10; ++i) {
    flows.push_back(std::make_unique<Flow>(*this, family(), 10'000 + i, 80));
    flows.back()->connect();
    apps.push_back(listener->accept());
    for (uint32_t k = 0; k < 500; ++k) {
      flows.back()->send(tcp().seq(3 + 2 * k).ack().data("x"));
      run();
      peer().forget();
    }
  }
  EXPECT_GT(counters().rx_out_of_order_refused, 0u);
  expect_alive();
}

// ---- below TCP ----

class Gate_Ip : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Gate_Ip);

TEST_P(Gate_Ip, SourcesThatNobodyCanHaveAreRefused) {
  std::vector<const char*> sources = {"ff02::5", "::1", "fd00::2"};
  if (family() == 4) {
    sources = {"127.0.0.1", "0.1.2.3", "224.0.0.5", "240.0.0.1", "255.255.255.255", "10.0.0.255",
               "10.0.0.2"};
  }
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  for (const char* source : sources) {
    const uint64_t before = counters().rx_martian;
    Frame datagram = test::udp_frame(family(), 6000, 5000, bytes_of("forged"));
    datagram.ip->source = *parse_address(source);
    peer().send(datagram);
    run();
    EXPECT_EQ(counters().rx_martian, before + 1) << source;
    EXPECT_EQ(udp.receive().error, WsaError::kWouldBlock) << source;
  }
}

TEST_P(Gate_Ip, AUdpLengthThatLiesIsRefused) {
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  const size_t at = kEtherBytes + (family() == 4 ? kIp4Bytes : kIp6Bytes) + 4;
  Frame frame = test::udp_frame(family(), 6000, 5000, bytes_of("0123456789"));
  frame.to = peer().stack_mac();
  frame.from = peer().mac();
  for (const uint8_t length : Bytes{0, 7, 19, 255}) {
    Bytes bytes = build(frame);
    bytes[at + 1] = length;
    bytes[at + 2] = bytes[at + 3] = 0;  // IPv4: no checksum, so that only the length is wrong
    const uint64_t before = counters().rx_bad_udp_length;
    peer().send(bytes);
    run();
    EXPECT_EQ(counters().rx_bad_udp_length, before + 1) << int{length};
    EXPECT_EQ(udp.receive().error, WsaError::kWouldBlock);
  }
}

TEST_P(Gate_Ip, Ipv6WithoutAUdpChecksumIsRefused) {
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  Frame frame = test::udp_frame(family(), 6000, 5000, bytes_of("unchecked"));
  frame.to = peer().stack_mac();
  frame.from = peer().mac();
  Bytes bytes = build(frame);
  const size_t at = kEtherBytes + (family() == 4 ? kIp4Bytes : kIp6Bytes) + 6;
  bytes[at] = bytes[at + 1] = 0;
  peer().send(bytes);
  run();
  const bool is_allowed = family() == 4;  // RFC 768
  EXPECT_EQ(udp.receive().error, is_allowed ? WsaError::kOk : WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_udp_no_checksum, is_allowed ? 0u : 1u);
}

class Gate_Ip4 : public StackTest {};

TEST_F(Gate_Ip4, SourceRoutesAreNotFollowed) {
  App udp(*this, Transport::kUdp, 4);
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  Frame frame = test::udp_frame(4, 6000, 5000, bytes_of("by way of"));
  frame.to = peer().stack_mac();
  frame.from = peer().mac();
  for (const uint8_t kind : Bytes{131, 137}) {
    Bytes bytes = build(frame);
    const Bytes option = {1, kind, 7, 4, 10, 0, 0, 9};
    bytes.insert(bytes.begin() + kEtherBytes + kIp4Bytes, option.begin(), option.end());
    bytes[kEtherBytes] = 0x47;
    bytes[kEtherBytes + 3] = static_cast<uint8_t>(bytes[kEtherBytes + 3] + option.size());
    repair(bytes);
    peer().send(bytes);
    run();
    EXPECT_EQ(udp.receive().error, WsaError::kWouldBlock);
  }
  EXPECT_EQ(counters().rx_source_route, 2u);
}

}  // namespace
}  // namespace millrace::test
