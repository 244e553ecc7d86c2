// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors on the wire: which of them fail a receive or a connect, which are about nothing, and
// that a forged or damaged one changes nothing.
#include "tests/support/connected_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;

class Icmp_Error : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    open();
  }
  void TearDown() override {
    app.reset();
    FamilyTest::TearDown();
  }
  void open() {
    app = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(app->bind(kPort), WsaError::kOk);
  }
  /// A datagram that the Stack has just sent, as it was on the wire.
  Frame sent(App& from, uint16_t to_port = kPeerPort) {
    EXPECT_EQ(from.send(bytes_of("anybody there?"), at_peer(to_port)).error, WsaError::kOk);
    run();
    const auto arrival = peer().next();
    EXPECT_TRUE(arrival);
    return arrival ? arrival->frame : Frame{};
  }
  Frame sent() { return sent(*app); }
  void arrives(Icmps what, const Frame& about) {
    peer().send(icmp_error(what, about));
    run();
  }
  Bytes bytes_of_frame(Frame frame) {
    frame.to = peer().stack_mac();
    frame.from = peer().mac();
    return build(frame);
  }
  void expect_nothing_pending() { EXPECT_EQ(app->receive().error, WsaError::kWouldBlock); }

  std::unique_ptr<App> app;
};
MILLRACE_BOTH_FAMILIES(Icmp_Error);

// winsock-rules 114
TEST_P(Icmp_Error, PortUnreachableFailsTheNextReceiveOnceConnectedOrNot) {
  for (const bool is_connected : {false, true}) {
    if (is_connected) {
      ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
    }
    const Frame about = sent();
    EXPECT_FALSE(app->socket().is_readable());
    arrives(Icmps::kPortUnreachable, about);
    EXPECT_TRUE(app->socket().is_readable());
    const Received failed = app->receive();
    EXPECT_EQ(failed.error, WsaError::kConnReset);
    EXPECT_TRUE(failed.bytes.empty());
    EXPECT_FALSE(app->socket().is_readable());
    expect_nothing_pending();
  }
  EXPECT_EQ(counters().icmp_errors, 2u);
}

TEST_P(Icmp_Error, FailsThePendingReceiveAtOnceAndNoOther) {
  Posted& first = app->post_receive(10);
  Posted& second = app->post_receive(10);
  arrives(Icmps::kPortUnreachable, sent());
  ASSERT_FALSE(first.is_pending());
  EXPECT_EQ(first.error(), WsaError::kConnReset);
  EXPECT_EQ(first.n_bytes(), 0u);
  EXPECT_TRUE(second.is_pending());
  peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("here")));
  run();
  EXPECT_EQ(second.text(), "here");
}

TEST_P(Icmp_Error, FailsAnOverlappedReceiveThatComesLaterWithoutACompletion) {  // contract: C4
  arrives(Icmps::kPortUnreachable, sent());
  EXPECT_EQ(app->post_receive(10).started, WsaError::kConnReset);
  Posted& next = app->post_receive(10);
  EXPECT_EQ(next.started, WsaError::kIoPending);
  peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("x")));
  run();
  EXPECT_EQ(next.text(), "x");
}

TEST_P(Icmp_Error, ComesBeforeDatagramsThatAreQueuedAndIsOneForMany) {
  const Frame about = sent();
  peer().send(udp_frame(family(), kPeerPort, kPort, bytes_of("queued")));
  for (int i = 0; i < 3; ++i) arrives(Icmps::kPortUnreachable, about);
  EXPECT_EQ(app->receive(10, WS_MSG_PEEK).error, WsaError::kConnReset);
  EXPECT_EQ(app->text(), "queued");
  expect_nothing_pending();
}

TEST_P(Icmp_Error, TimeExceededInTransitIsNetReset) {  // winsock-rules 115
  arrives(Icmps::kTimeExceeded, sent());
  EXPECT_EQ(app->receive().error, WsaError::kNetReset);
  Frame of_reassembly = icmp_error(Icmps::kTimeExceeded, sent());
  of_reassembly.icmp->code = 1;
  peer().send(of_reassembly);
  run();
  expect_nothing_pending();
  EXPECT_EQ(counters().icmp_errors_bad, 1u);
}

TEST_P(Icmp_Error, HostAndNetUnreachableAreNoAffairOfDatagrams) {
  const Frame about = sent();
  arrives(Icmps::kHostUnreachable, about);
  arrives(Icmps::kNetUnreachable, about);
  expect_nothing_pending();
  EXPECT_EQ(counters().icmp_errors_ignored, 2u);
}

TEST_P(Icmp_Error, TheSwitchesTurnEachOfThemOff) {  // winsock-rules 115
  const Frame about = sent();
  app->options().udp_conn_reset = false;
  arrives(Icmps::kPortUnreachable, about);
  expect_nothing_pending();
  arrives(Icmps::kTimeExceeded, about);
  EXPECT_EQ(app->receive().error, WsaError::kNetReset);
  app->options().udp_conn_reset = true;
  app->options().udp_net_reset = false;
  arrives(Icmps::kTimeExceeded, about);
  expect_nothing_pending();
  arrives(Icmps::kPortUnreachable, about);
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
  EXPECT_EQ(counters().icmp_errors_ignored, 2u);
}

TEST_P(Icmp_Error, AConnectedSocketHearsOfItsPeerOnly) {
  const Frame about_another = sent(*app, kPeerPort + 1);
  ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
  arrives(Icmps::kPortUnreachable, about_another);
  expect_nothing_pending();
  EXPECT_EQ(counters().icmp_errors_ignored, 1u);
}

TEST_P(Icmp_Error, ConnectingElsewhereForgetsIt) {  // winsock-rules 112
  arrives(Icmps::kPortUnreachable, sent());
  ASSERT_EQ(app->connect(at_peer(kPeerPort + 1)), WsaError::kOk);
  expect_nothing_pending();
}

TEST_P(Icmp_Error, GoesToTheSocketThatWouldHaveGotTheAnswer) {
  App other(*this, Transport::kUdp, family());
  ASSERT_EQ(other.bind(kPort + 1), WsaError::kOk);
  App specific(*this, Transport::kUdp, family());
  ASSERT_EQ(specific.bind(at_stack(kPort)), WsaError::kOk);
  arrives(Icmps::kPortUnreachable, sent(other));
  EXPECT_EQ(other.receive().error, WsaError::kConnReset);
  arrives(Icmps::kPortUnreachable, sent(specific));
  EXPECT_EQ(specific.receive().error, WsaError::kConnReset);
  expect_nothing_pending();
}

TEST_P(Icmp_Error, AboutASocketThatIsGoneIsCountedAndForgotten) {
  const Frame about = sent();
  app->close();
  arrives(Icmps::kPortUnreachable, about);
  EXPECT_EQ(counters().icmp_errors_ignored, 1u);
}

TEST_P(Icmp_Error, QuotesTheFirstFragmentOfALongDatagram) {
  ASSERT_EQ(app->send(pattern(3000), at_peer(kPeerPort)).error, WsaError::kOk);
  run();
  std::vector<Frame> fragments;
  while (const auto arrival = peer().next()) fragments.push_back(arrival->frame);
  ASSERT_EQ(fragments.size(), 3u);
  arrives(Icmps::kTimeExceeded, fragments[1]);
  expect_nothing_pending();
  EXPECT_EQ(counters().icmp_errors_bad, 1u);
  arrives(Icmps::kPortUnreachable, fragments[0]);
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(Icmp_Error, NeedsTheWholeHeaderAndEightBytesMore) {
  const Frame about = sent();
  const size_t least = (family() == 4 ? kIp4Bytes : kIp6Bytes) + 8;
  for (size_t n = 0; n < least; ++n) {
    peer().send(icmp_error(Icmps::kPortUnreachable, about, n));
    run();
    EXPECT_EQ(app->receive().error, WsaError::kWouldBlock) << n << " bytes";
  }
  EXPECT_EQ(counters().icmp_errors_bad, least);
  peer().send(icmp_error(Icmps::kPortUnreachable, about, least));
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(Icmp_Error, MayLieInSeveralMbufs) {
  const Bytes bytes = bytes_of_frame(icmp_error(Icmps::kPortUnreachable, sent()));
  const size_t headers = kEtherBytes + (family() == 4 ? kIp4Bytes : kIp6Bytes);
  for (size_t at = headers; at < bytes.size(); ++at) {
    peer().send_chain({cut(bytes, 0, at), cut(bytes, at, bytes.size())});
    run();
    EXPECT_EQ(app->receive().error, WsaError::kConnReset) << at;
  }
}

TEST_P(Icmp_Error, WithAWrongChecksumIsDroppedWhereThePortVerifies) {
  const Frame error = icmp_error(Icmps::kPortUnreachable, sent());
  Bytes bytes = bytes_of_frame(error);
  bytes.back() ^= 0xff;
  peer().send(bytes);
  run();
  expect_nothing_pending();
  EXPECT_EQ(counters().icmp_errors_bad, 1u);
  app.reset();
  stop();
  config.ports.front().checksum = ChecksumPolicy::kOff;
  start();
  open();
  peer().send(bytes);
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

// A forger knows the socket, but each of these shows that no packet of ours is in it.
TEST_P(Icmp_Error, ThatQuotesNoPacketOfOursIsDropped) {
  const Frame about = sent();
  const Bytes good = bytes_of_frame(icmp_error(Icmps::kPortUnreachable, about));
  const bool is_4 = family() == 4;
  const size_t quoted = kEtherBytes + (is_4 ? kIp4Bytes : kIp6Bytes) + 8;
  struct {
    const char* what;
    size_t at;
    uint8_t value;
  } const damages[] = {{"version", quoted, 0x55},
                       {"source", quoted + (is_4 ? 15 : 23), 77},
                       {"protocol", quoted + (is_4 ? 9 : 6), 1},
                       {"header length", quoted, is_4 ? uint8_t{0x44} : uint8_t{0x60}},
                       {"length", quoted + (is_4 ? 3 : 5), is_4 ? uint8_t{27} : uint8_t{7}}};
  uint64_t n_bad = 0;
  for (const auto& [what, at, value] : damages) {
    Bytes bad = good;
    bad[at] = value;
    repair(bad);
    if (bad == good) continue;  // IPv6 has no header length
    ++n_bad;
    peer().send(bad);
    run();
    EXPECT_EQ(app->receive().error, WsaError::kWouldBlock) << what;
    EXPECT_EQ(counters().icmp_errors_bad, n_bad) << what;
  }
  EXPECT_EQ(n_bad, is_4 ? 5u : 4u);
  peer().send(good);
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

// ---- while a stream connects ----

class Icmp_Connect : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    app = std::make_unique<App>(*this, Transport::kTcp, family());
  }
  void TearDown() override {
    app.reset();
    FamilyTest::TearDown();
  }
  Frame syn() {
    EXPECT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kWouldBlock);
    run();
    const auto arrival = peer().next();
    EXPECT_TRUE(arrival && arrival->frame.tcp);
    return arrival ? arrival->frame : Frame{};
  }
  void arrives(const Frame& error) {
    peer().send(error);
    run();
  }
  void expect_still_connecting() {
    EXPECT_FALSE(app->socket().has_exception());
    Flow flow(*this, family(), kPeerPort, 0);
    advance(1500);  // the SYN comes again
    flow.accept();
    EXPECT_TRUE(app->socket().is_connected());
  }
  std::unique_ptr<App> app;
};
MILLRACE_BOTH_FAMILIES(Icmp_Connect);

TEST_P(Icmp_Connect, FailsAtOnceWithWhatTheErrorSays) {
  struct {
    Icmps what;
    WsaError code;
  } const cases[] = {{Icmps::kPortUnreachable, WsaError::kConnRefused},
                     {Icmps::kHostUnreachable, WsaError::kHostUnreach},
                     {Icmps::kNetUnreachable, WsaError::kNetUnreach}};
  for (const auto& [what, code] : cases) {
    app = std::make_unique<App>(*this, Transport::kTcp, family());
    arrives(icmp_error(what, syn()));
    EXPECT_TRUE(app->socket().has_exception());
    EXPECT_EQ(app->socket().last_error(), code);
    EXPECT_FALSE(app->socket().is_connected());
    peer().forget();
    advance(10'000);
    EXPECT_FALSE(peer().next()) << "it goes on sending";
  }
}

TEST_P(Icmp_Connect, AnotherNumberThanTheSynsProvesNothing) {
  Frame forged = syn();
  forged.tcp->seq = *forged.tcp->seq + 1;
  arrives(icmp_error(Icmps::kPortUnreachable, forged));
  EXPECT_EQ(counters().icmp_errors_ignored, 1u);
  expect_still_connecting();
}

TEST_P(Icmp_Connect, TimeExceededIsWaitedOut) {
  arrives(icmp_error(Icmps::kTimeExceeded, syn()));
  EXPECT_EQ(counters().icmp_errors_ignored, 1u);
  expect_still_connecting();
}

TEST_P(Icmp_Connect, GoesOnWhereTheOptionSaysSo) {
  app->options().fail_connect_on_icmp = false;
  arrives(icmp_error(Icmps::kHostUnreachable, syn()));
  expect_still_connecting();
}

class Icmp_Stream : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Icmp_Stream);

TEST_P(Icmp_Stream, AnEstablishedConnectionTakesNoHarm) {  // RFC 5461 3
  ASSERT_EQ(app->send("data").error, WsaError::kOk);
  run();
  const auto arrival = peer().next();
  ASSERT_TRUE(arrival && arrival->frame.tcp);
  for (const Icmps what : {Icmps::kPortUnreachable, Icmps::kHostUnreachable, Icmps::kNetUnreachable,
                           Icmps::kTimeExceeded}) {
    peer().send(icmp_error(what, arrival->frame));
  }
  run();
  EXPECT_EQ(counters().icmp_errors_ignored, 4u);
  flow->send(tcp().ack(5).data("alive"));
  run();
  EXPECT_EQ(app->text(), "alive");
}

}  // namespace
}  // namespace millrace::test
