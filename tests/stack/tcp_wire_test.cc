// SPDX-License-Identifier: BSD-3-Clause
// TCP on the wire: handshakes in both directions, and bytes that arrive in any order. Closing is in
// tcp_close_test.cc, windows and timers in tcp_window_test.cc.
#include "tests/support/connected_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPeerPort = 7000;

class Tcp_Handshake : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Handshake);

TEST_P(Tcp_Handshake, ThePeerConnects) {
  App listener(*this, Transport::kTcp, family());
  ASSERT_EQ(listener.bind(80), WsaError::kOk);
  ASSERT_EQ(listener.listen(), WsaError::kOk);
  EXPECT_EQ(listener.accept_error(), WsaError::kWouldBlock);

  Flow flow(*this, family(), 40000, 80);
  flow.send(tcp().syn().seq(0).mss(1460).window_scale(7));
  flow.expect(tcp().syn().seq(0).ack(1).mss(family() == 4 ? 1460 : 1440).window_scale(7));
  EXPECT_EQ(listener.accept_error(), WsaError::kWouldBlock);  // half open
  flow.send(tcp().seq(1).ack(1));
  flow.expect_nothing();

  const auto app = listener.accept();
  ASSERT_NE(app, nullptr);
  EXPECT_EQ(app->socket().peer(), at_peer(40000));
  EXPECT_EQ(app->socket().local(), at_stack(80));
  EXPECT_EQ(counters().connections_accepted, 1u);
}

TEST_P(Tcp_Handshake, TheStackConnects) {
  App app(*this, Transport::kTcp, family());
  EXPECT_EQ(app.connect(at_peer(kPeerPort)), WsaError::kWouldBlock);
  EXPECT_EQ(app.connect(at_peer(kPeerPort)), WsaError::kAlready);
  EXPECT_EQ(app.send("too early").error, WsaError::kNotConn);
  EXPECT_EQ(app.receive().error, WsaError::kNotConn);
  EXPECT_FALSE(app.socket().is_writable());

  Flow flow(*this, family(), kPeerPort, 0);
  flow.accept();
  EXPECT_TRUE(app.socket().is_writable());
  EXPECT_EQ(app.connect(at_peer(kPeerPort)), WsaError::kIsConn);
  EXPECT_EQ(app.socket().peer(), at_peer(kPeerPort));
  EXPECT_EQ(app.socket().local(), at_stack(flow.stack_port()));
  flow.send(tcp().ack().data("welcome"));
  run();
  EXPECT_EQ(app.text(), "welcome");
}

TEST_P(Tcp_Handshake, ASynToAPortWithoutListenerIsReset) {
  Flow flow(*this, family(), 40000, 81);
  flow.send(tcp().syn().seq(0));
  flow.expect(tcp().rst().ack(1));
}

TEST_P(Tcp_Handshake, ARefusedConnectFails) {
  App app(*this, Transport::kTcp, family());
  EXPECT_EQ(app.connect(at_peer(kPeerPort)), WsaError::kWouldBlock);
  run();
  const auto syn = peer().next();
  ASSERT_TRUE(syn && syn->frame.tcp);
  Frame refusal = ip_frame(family());
  refusal.tcp = Segment{};
  refusal.tcp->source_port = kPeerPort;
  refusal.tcp->target_port = syn->frame.tcp->source_port;
  refusal.tcp->flags = Segment::kRst | Segment::kAck;
  refusal.tcp->ack = *syn->frame.tcp->seq + 1;
  peer().send(refusal);
  run();
  EXPECT_TRUE(app.socket().has_exception());
  EXPECT_FALSE(app.socket().is_writable());
  EXPECT_EQ(app.socket().last_error(), WsaError::kConnRefused);
}

TEST_P(Tcp_Handshake, AConnectThatNobodyAnswersIsRepeatedAndTimesOut) {
  App app(*this, Transport::kTcp, family());
  EXPECT_EQ(app.connect(at_peer(kPeerPort)), WsaError::kWouldBlock);
  run();
  std::vector<uint64_t> times;
  while (!app.socket().has_exception() && now_ms() < 120'000) advance(100);
  while (const auto arrival = peer().next()) {
    ASSERT_TRUE(arrival->frame.tcp);
    EXPECT_EQ(arrival->frame.tcp->flags, Segment::kSyn);
    times.push_back(arrival->at_ms);
  }
  EXPECT_EQ(app.socket().last_error(), WsaError::kTimedOut);
  ASSERT_GE(times.size(), 3u);
  EXPECT_NEAR(static_cast<double>(times[1] - times[0]), 1000, 100);  // RFC 6298 2.1
}

TEST_P(Tcp_Handshake, ALostSynAckIsRepeated) {
  App listener(*this, Transport::kTcp, family());
  ASSERT_EQ(listener.bind(80), WsaError::kOk);
  ASSERT_EQ(listener.listen(), WsaError::kOk);
  Flow flow(*this, family(), 40000, 80);
  flow.send(tcp().syn().seq(0).mss(1460));
  flow.expect(tcp().syn().seq(0).ack(1));
  advance(1500);
  flow.expect(tcp().syn().seq(0).ack(1));
  flow.send(tcp().syn().seq(0).mss(1460));  // the peer did not see it, either
  flow.expect(tcp().syn().seq(0).ack(1));
  flow.send(tcp().seq(1).ack(1).data("late"));
  run();
  const auto app = listener.accept();
  ASSERT_NE(app, nullptr);
  EXPECT_EQ(app->text(), "late");
}

TEST_P(Tcp_Handshake, DataInTheLastSegmentOfTheHandshakeIsDelivered) {
  App listener(*this, Transport::kTcp, family());
  ASSERT_EQ(listener.bind(80), WsaError::kOk);
  ASSERT_EQ(listener.listen(), WsaError::kOk);
  Flow flow(*this, family(), 40000, 80);
  flow.send(tcp().syn().seq(0).mss(1460));
  flow.expect(tcp().syn().seq(0).ack(1));
  flow.send(tcp().fin().seq(1).ack(1).data("all at once"));
  run();
  const auto app = listener.accept();
  ASSERT_NE(app, nullptr);
  EXPECT_EQ(app->text(), "all at once");
  EXPECT_EQ(app->text(), "");  // end of stream
}

TEST_P(Tcp_Handshake, ConnectionsBeyondTheBacklogAreResetAndCounted) {
  App listener(*this, Transport::kTcp, family());
  ASSERT_EQ(listener.bind(80), WsaError::kOk);
  ASSERT_EQ(listener.listen(2), WsaError::kOk);
  for (uint16_t i = 0; i < 2; ++i)
    Flow(*this, family(), static_cast<uint16_t>(40000 + i), 80).connect();
  Flow third(*this, family(), 40002, 80);
  third.connect();
  third.expect(tcp().rst().ack());
  EXPECT_EQ(counters().connections_refused, 1u);
  EXPECT_EQ(listener.accept_error(), WsaError::kOk);
  EXPECT_EQ(listener.accept_error(), WsaError::kOk);
  EXPECT_EQ(listener.accept_error(), WsaError::kWouldBlock);
}

TEST_P(Tcp_Handshake, ClosingTheListenerResetsWhoWaitsAndWhoIsHalfOpen) {
  auto listener = std::make_unique<App>(*this, Transport::kTcp, family());
  ASSERT_EQ(listener->bind(80), WsaError::kOk);
  ASSERT_EQ(listener->listen(), WsaError::kOk);
  Flow waiting(*this, family(), 40000, 80);
  waiting.connect();
  Flow half_open(*this, family(), 40001, 80);
  half_open.send(tcp().syn().seq(0));
  half_open.expect(tcp().syn().seq(0).ack(1));
  listener.reset();
  waiting.expect(tcp().rst().ack());
  half_open.send(tcp().seq(1).ack(1));
  half_open.expect(tcp().rst().seq(1).ack());
}

class Tcp_Data : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Data);

TEST_P(Tcp_Data, FlowsBothWaysUnchanged) {
  constexpr size_t kBytes = 100'000;
  const Bytes to_app = pattern(kBytes), to_peer = pattern(kBytes, 777);
  Bytes got;
  for (size_t at = 0; at < kBytes; at += 1000) {
    flow->stream({to_app.begin() + static_cast<ptrdiff_t>(at),
                  to_app.begin() + static_cast<ptrdiff_t>(at + 1000)});
    const Received received = app->receive();
    got.insert(got.end(), received.bytes.begin(), received.bytes.end());
  }
  EXPECT_TRUE(same(got, to_app));

  size_t sent = 0;
  Bytes collected;
  while (collected.size() < kBytes) {
    const Bytes rest(to_peer.begin() + static_cast<ptrdiff_t>(sent), to_peer.end());
    if (!rest.empty()) {
      const Outcome outcome = app->send(rest);
      if (outcome.error == WsaError::kOk) sent += outcome.bytes;
    }
    const Bytes part = flow->collect(1);
    ASSERT_FALSE(part.empty());
    collected.insert(collected.end(), part.begin(), part.end());
  }
  EXPECT_TRUE(same(collected, to_peer));
  EXPECT_EQ(counters().bytes_delivered, kBytes);
}

TEST_P(Tcp_Data, SegmentsOutOfOrderArePutInOrder) {
  flow->send(tcp().seq(7).ack().data("world"));
  flow->expect(tcp().ack(1));  // a duplicate ACK at once (RFC 5681 4.2)
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  flow->send(tcp().seq(12).ack().data("!"));
  flow->expect(tcp().ack(1));
  flow->send(tcp().seq(1).ack().data("hello "));
  flow->expect(tcp().ack(13));  // at once, too (RFC 5681 4.2)
  EXPECT_EQ(app->text(), "hello world!");
}

/// The SACK blocks of a segment, relative to the first number that we sent.
std::vector<std::pair<uint32_t, uint32_t>> blocks_of(const Segment& segment, uint32_t isn) {
  std::vector<std::pair<uint32_t, uint32_t>> blocks;
  const Bytes& options = segment.more_options;
  for (size_t at = 0; at + 10 <= options.size() && options[at] == 5; at = options.size()) {
    for (size_t b = at + 2; b + 8 <= at + options[at + 1]; b += 8) {
      blocks.emplace_back(get32(options, b) - isn, get32(options, b + 4) - isn);
    }
  }
  return blocks;
}

using Blocks = std::vector<std::pair<uint32_t, uint32_t>>;

class Tcp_Sack : public ConnectedTest {
 protected:
  static constexpr uint32_t kIsn = 0xfffffff0;

  void SetUp() override {
    ConnectedTest::SetUp();
    flow = std::make_unique<Flow>(*this, family(), 40001, 80);
    flow->offers_sack = true;
    flow->begin_at(kIsn);
    flow->connect();
    run();
    app = listener->accept();
  }
};
MILLRACE_BOTH_FAMILIES(Tcp_Sack);

TEST_P(Tcp_Sack, ABurstBehindAHoleHasOneAcknowledgementWhileThereIsRoomForItsBlocks) {
  const auto answers = [&] {
    std::vector<Blocks> all;
    while (const auto answer = flow->next()) all.push_back(blocks_of(*answer, kIsn));
    return all;
  };
  for (const uint32_t at : {5u, 9u, 17u}) flow->send(tcp().seq(at).ack().data("data"));
  EXPECT_EQ(answers(), (std::vector<Blocks>{{{17, 21}, {5, 13}}}));
  for (const uint32_t at : {25u, 33u}) flow->send(tcp().seq(at).ack().data("data"));
  EXPECT_EQ(answers(), (std::vector<Blocks>{{{25, 29}, {17, 21}, {5, 13}}, {{33, 37}, {25, 29}, {17, 21}, {5, 13}}}));
  for (const uint32_t at : {29u, 21u, 13u, 1u}) flow->send(tcp().seq(at).ack().data("data"));
  const auto filled = answers();
  ASSERT_FALSE(filled.empty());
  EXPECT_EQ(filled.back(), Blocks{});
  advance(100);
  EXPECT_FALSE(flow->next()) << "all was acknowledged";
  EXPECT_EQ(app->text().size(), 36u);
}

// RFC 2883
TEST_P(Tcp_Sack, TheAcknowledgementSaysWhichSegmentCameTwice) {
  const auto told = [&](const TcpWriter& segment) {
    flow->send(segment);
    const auto answer = flow->next();
    EXPECT_TRUE(answer);
    EXPECT_FALSE(flow->next()) << "one answer to one segment";
    return answer ? blocks_of(*answer, kIsn) : Blocks{};
  };
  flow->send(tcp().seq(1).ack().data("abcd"));
  advance(20);
  flow->expect(tcp().ack(5));
  EXPECT_EQ(told(tcp().seq(1).ack().data("abcd")), (Blocks{{1, 5}}));
  EXPECT_EQ(told(tcp().seq(9).ack().data("ijkl")), (Blocks{{9, 13}}));
  EXPECT_EQ(told(tcp().seq(9).ack().data("ijkl")), (Blocks{{9, 13}, {9, 13}}));
  EXPECT_EQ(told(tcp().seq(2).ack().data("bc")), (Blocks{{2, 4}, {9, 13}}));
  EXPECT_EQ(counters().rx_duplicates, 3u);
  EXPECT_EQ(told(tcp().seq(5).ack().data("efgh")), Blocks{});
  EXPECT_EQ(app->text(), "abcdefghijkl");
}

TEST_P(Tcp_Data, DuplicatesAndOverlapsAreDeliveredOnce) {
  flow->send(tcp().seq(1).ack().data("abcd"));
  flow->send(tcp().seq(1).ack().data("abcd"));
  run();
  flow->send(tcp().seq(3).ack().data("cdef"));
  flow->send(tcp().seq(1).ack().data("abcdefgh"));
  run();
  EXPECT_EQ(app->text(), "abcdefgh");
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(Tcp_Data, OverlappingOutOfOrderSegmentsLeaveNoGapAndNoRepeat) {
  const Bytes all = pattern(3000);
  const auto part = [&](size_t from, size_t to) {
    return Bytes(all.begin() + static_cast<ptrdiff_t>(from),
                 all.begin() + static_cast<ptrdiff_t>(to));
  };
  flow->send(tcp().seq(1 + 2000).ack().data(part(2000, 3000)));
  flow->send(tcp().seq(1 + 500).ack().data(part(500, 1500)));
  flow->send(tcp().seq(1 + 1000).ack().data(part(1000, 2400)));
  flow->send(tcp().seq(1).ack().data(part(0, 700)));
  run();
  EXPECT_TRUE(same(app->drain(), all));
}

TEST_P(Tcp_Data, BytesOutsideTheWindowAreRefusedAndAcknowledged) {
  flow->send(tcp().seq(1 + 600'000).ack().data("far ahead"));
  flow->expect(tcp().ack(1));
  flow->send(tcp().seq(0).ack().data("x"));  // behind: a keep-alive probe looks like this
  flow->expect(tcp().ack(1));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(Tcp_Data, EthernetPaddingIsNotData) {
  Bytes frame = flow->frame_of(tcp().ack().data("x"));
  const size_t real = frame.size();
  frame.resize(std::max<size_t>(real + 5, 60), 0xaa);
  peer().send(frame);
  run();
  EXPECT_EQ(app->text(), "x");
}

TEST_P(Tcp_Data, SegmentsThatLieInSeveralMbufsArrive) {
  const Bytes all = pattern(1000);
  const Bytes frame = flow->frame_of(tcp().psh().ack().data(all));
  const size_t headers = frame.size() - all.size();
  const auto part = [&](size_t from, size_t to) {
    return Bytes(frame.begin() + static_cast<ptrdiff_t>(from),
                 frame.begin() + static_cast<ptrdiff_t>(to));
  };
  peer().send_chain({part(0, headers), part(headers, headers + 1), Bytes{},
                     part(headers + 1, headers + 400), part(headers + 400, frame.size())});
  run();
  EXPECT_TRUE(same(app->drain(), all));
}

TEST_P(Tcp_Data, AWrongChecksumIsDropped) {
  Bytes frame = flow->frame_of(tcp().ack().data("damaged"));
  frame.back() ^= 1;
  peer().send(frame);
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  flow->send(tcp().seq(1).ack().data("whole"));
  run();
  EXPECT_EQ(app->text(), "whole");
}

TEST_P(Tcp_Data, ALostSegmentIsSentAgain) {
  const Bytes data = pattern(1000);
  ASSERT_EQ(app->send(data).error, WsaError::kOk);
  flow->expect(tcp().seq(1).ack(1).data(data));
  advance(4000);
  flow->expect(tcp().seq(1).ack(1).data(data));
  flow->send(tcp().ack());
  run();
  peer().forget();
  advance(60'000);
  flow->expect_nothing();
}

TEST_P(Tcp_Data, ThreeDuplicateAcksBringTheLostSegmentBeforeItsTime) {
  app->options().no_delay = true;
  app->apply_options();
  for (int i = 0; i < 6; ++i)
    ASSERT_EQ(app->send(pattern(100, 100u * static_cast<size_t>(i))).bytes, 100u);
  flow->expect(tcp().seq(1).ack(1).data(pattern(100)));
  while (flow->next()) {
  }
  for (int i = 0; i < 3; ++i) flow->send(tcp().ack(1));
  flow->expect(tcp().seq(1).ack(1).data(pattern(100)));
}

// contract: B7, and a receive that takes what several segments brought.
TEST_P(Tcp_Data, OneReceiveTakesWhatSeveralSegmentsBrought) {
  for (const char* text : {"one ", "two ", "three"}) flow->send(tcp().ack().data(text));
  run();
  EXPECT_EQ(app->text(), "one two three");
}

class Tcp_Options : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Options);

// lwIP takes an MSS option from any segment, before it looks at the numbers.
TEST_P(Tcp_Options, AnMssOptionOutsideASynChangesNothing) {
  ASSERT_EQ(app->send(pattern(200)).bytes, 200u);
  flow->send(tcp().ack(1).options({2, 4, 0, 32}));
  ASSERT_EQ(app->send(pattern(2000, 200)).bytes, 2000u);
  flow->send(tcp().seq(500'000).ack(1).options({2, 4, 0, 1}));  // forged: far off the window
  EXPECT_TRUE(same(flow->collect(2200), pattern(2200)));
  ASSERT_EQ(app->send(pattern(1400, 2200)).bytes, 1400u);
  flow->expect(tcp().ack().data(pattern(1400, 2200)));  // still in one segment
}

TEST_P(Tcp_Options, ATinyMssInTheSynIsRaised) {
  for (const uint16_t mss : std::initializer_list<uint16_t>{0, 1, 32}) {
    Flow tiny(*this, family(), static_cast<uint16_t>(41000 + mss), 80);
    tiny.connect(mss);
    run();
    const auto accepted = listener->accept();
    ASSERT_NE(accepted, nullptr);
    const Bytes data = pattern(3000);
    ASSERT_EQ(accepted->send(data).bytes, 3000u);
    EXPECT_TRUE(same(tiny.collect(3000), data)) << "MSS " << mss;
  }
}

TEST_P(Tcp_Options, SegmentsAreNotLongerThanThePeersMss) {
  Flow small(*this, family(), 41000, 80);
  small.connect(536);
  run();
  const auto accepted = listener->accept();
  ASSERT_NE(accepted, nullptr);
  ASSERT_EQ(accepted->send(pattern(2000)).bytes, 2000u);
  size_t longest = 0;
  for (size_t n = 0; n < 2000;) {
    const auto segment = small.next();
    ASSERT_TRUE(segment);
    longest = std::max(longest, segment->payload.size());
    n += segment->payload.size();
    small.send(tcp().ack());
  }
  EXPECT_EQ(longest, 536u);
}

TEST_P(Tcp_Options, MalformedOptionsDoNotHurt) {
  const Bytes malformed[] = {{2, 0, 0, 0},   {2, 1, 5, 180}, {2, 40, 5, 180}, {3, 2, 0, 0},
                             {8, 3, 1, 1},   {1, 1, 1, 2},   {5, 255, 0, 0},  {0, 2, 4, 0},
                             {3, 3, 255, 0}, {4, 2, 4, 2},   {2, 4, 255, 255}};
  uint16_t port = 42000;
  for (const Bytes& options : malformed) {
    flow->send(tcp().ack().data("x").options(options));
    Flow other(*this, family(), port++, 80);
    other.send(tcp().syn().seq(0).options(options));
    other.expect(tcp().syn().seq(0).ack(1));
    other.send(tcp().rst().seq(1));
    run();
  }
  EXPECT_EQ(app->text(), "xxxxxxxxxxx");
  ASSERT_EQ(app->send(pattern(5000)).bytes, 5000u);
  EXPECT_TRUE(same(flow->collect(5000), pattern(5000)));
}

TEST_P(Tcp_Options, OptionsSpreadOverTwoMbufsAreDroppedAndCounted) {
  const Bytes frame = flow->frame_of(tcp().ack().options({2, 4, 0, 32, 1, 1, 1, 1}).data("x"));
  const size_t middle = frame.size() - 5;
  peer().send_chain({Bytes(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(middle)),
                     Bytes(frame.begin() + static_cast<ptrdiff_t>(middle), frame.end())});
  run();
  EXPECT_EQ(counters().rx_split_options, 1u);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

}  // namespace
}  // namespace millrace::test
