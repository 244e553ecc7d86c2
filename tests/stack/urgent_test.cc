// SPDX-License-Identifier: BSD-3-Clause
// Urgent data from the peer: taken out of the stream or left in it, read by MSG_OOB, and never
// mixed with what stands around it (winsock-rules 124 to 127, 163, 170).
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

class Recv_B13 : public ConnectedTest {
 protected:
  /// A segment whose n-th byte, from 1, is urgent.
  void send_urgent(std::string_view text, uint16_t n) {
    flow->send(tcp().ack().urg(n).data(text));
    run();
  }
  std::string urgent() {
    const Received received = app->receive(10, WS_MSG_OOB);
    EXPECT_EQ(received.error, WsaError::kOk);
    EXPECT_EQ(received.flags, uint32_t{WS_MSG_OOB});
    return text_of(received.bytes);
  }
  void expect_nothing() { EXPECT_EQ(app->receive().error, WsaError::kWouldBlock); }
  void expect_nothing_urgent() {
    EXPECT_EQ(app->receive(10, WS_MSG_OOB).error, WsaError::kWouldBlock);
  }
};
MILLRACE_BOTH_FAMILIES(Recv_B13);

TEST_P(Recv_B13, TheUrgentByteIsNotInTheStreamAndAReceiveStopsAtTheMark) {
  send_urgent("abc!def", 4);
  EXPECT_EQ(app->text(), "abc");
  EXPECT_EQ(app->text(), "def");
  expect_nothing();
  EXPECT_EQ(urgent(), "!");
  expect_nothing_urgent();
}

TEST_P(Recv_B13, TheUrgentByteCanBeReadFirst) {
  send_urgent("abc!def", 4);
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->text(2), "ab");
  EXPECT_EQ(app->text(), "c");
  EXPECT_EQ(app->text(), "def");
}

TEST_P(Recv_B13, AnywhereInASegmentThatLiesInAnyMbufs) {
  constexpr size_t kLength = 6;
  for (uint16_t n = 1; n <= kLength; ++n) {
    for (size_t cut = 0; cut <= kLength; ++cut) {
      SCOPED_TRACE("byte " + std::to_string(n) + ", cut at " + std::to_string(cut));
      const Bytes frame = flow->frame_of(tcp().ack().urg(n).data("123456"));
      const auto at = frame.end() - static_cast<ptrdiff_t>(kLength - cut);
      peer().send_chain({Bytes(frame.begin(), at), Bytes(at, frame.end())});
      flow->sent(kLength);
      run();
      std::string expected = "123456";
      expected.erase(n - 1u, 1);
      std::string got;
      while (app->socket().is_readable()) got += app->text();
      EXPECT_EQ(got, expected);
      EXPECT_EQ(urgent(), std::to_string(n));
    }
  }
  EXPECT_EQ(counters().bytes_copied, counters().bytes_delivered);  // contract: Z1
}

TEST_P(Recv_B13, SeveralUrgentBytesWaitInTurn) {  // winsock-rules 127
  send_urgent("ab!", 3);
  send_urgent("cd?", 3);
  send_urgent("#", 1);
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->text(), "ab");
  EXPECT_EQ(urgent(), "?");
  EXPECT_EQ(urgent(), "#");
  EXPECT_EQ(app->text(), "cd");
  expect_nothing_urgent();
  expect_nothing();
}

TEST_P(Recv_B13, PeekSeesUpToTheMarkAndTheUrgentByte) {
  send_urgent("abc!def", 4);
  EXPECT_EQ(text_of(app->receive(100, WS_MSG_PEEK).bytes), "abc");
  const Received peeked = app->receive(10, WS_MSG_PEEK | WS_MSG_OOB);
  EXPECT_EQ(text_of(peeked.bytes), "!");
  EXPECT_EQ(peeked.flags, uint32_t{WS_MSG_OOB});
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->text(), "abc");
}

TEST_P(Recv_B13, InlineTheUrgentByteIsAReceiveOfItsOwn) {  // winsock-rules 125
  app->options().oob_inline = true;
  app->apply_options();
  send_urgent("abc!def", 4);
  EXPECT_EQ(app->receive(10, WS_MSG_OOB).error, WsaError::kInval);
  EXPECT_FALSE(app->socket().has_exception());
  EXPECT_EQ(app->socket().readable_bytes(), 7u);
  EXPECT_EQ(app->text(), "abc");
  const Received received = app->receive();
  EXPECT_EQ(text_of(received.bytes), "!");
  EXPECT_EQ(received.flags, 0u);
  EXPECT_EQ(app->text(), "def");
  expect_nothing();
}

TEST_P(Recv_B13, WhatWaitsWhenInlineIsSetComesFirst) {
  send_urgent("abc!", 4);
  app->options().oob_inline = true;
  app->apply_options();
  EXPECT_EQ(app->socket().readable_bytes(), 4u);
  EXPECT_EQ(app->text(), "!");
  EXPECT_EQ(app->text(), "abc");
}

TEST_P(Recv_B13, SettingInlineServesAReceiveThatWaits) {
  send_urgent("!", 1);
  Posted& waits = app->post_receive(10);
  EXPECT_TRUE(waits.is_pending());
  app->options().oob_inline = true;
  app->apply_options();
  run();
  EXPECT_EQ(waits.text(), "!");
  EXPECT_EQ(waits.flags(), 0u);
}

// The bytes of Windows' own answers: winsock-rules 170.
TEST_P(Recv_B13, TheMarkTellsWhetherUrgentDataWaits) {
  const auto expect = [this](uint64_t readable, bool is_at_mark) {
    EXPECT_EQ(app->socket().readable_bytes(), readable);
    EXPECT_EQ(app->socket().is_at_mark(), is_at_mark);
  };
  flow->send(tcp().ack().data("data."));
  run();
  expect(5, true);
  send_urgent("a", 1);
  expect(5, false);
  EXPECT_TRUE(app->socket().has_exception());
  send_urgent("a", 1);
  EXPECT_EQ(app->text(3), "dat");
  expect(2, false);
  EXPECT_EQ(urgent(), "a");
  EXPECT_TRUE(app->socket().has_exception());
  expect(2, false);
  EXPECT_EQ(app->text(5), "a.");
  expect(0, false);
  EXPECT_FALSE(app->socket().is_readable()) << "an urgent byte is no ordinary data";
  EXPECT_EQ(urgent(), "a");
  expect(0, true);
  EXPECT_FALSE(app->socket().has_exception());
  send_urgent("a", 1);
  app->options().oob_inline = true;
  app->apply_options();
  expect(1, false);
  EXPECT_TRUE(app->socket().is_readable());
  EXPECT_EQ(app->text(), "a");
  expect(0, true);
  send_urgent("a", 1);
  expect(1, true);
  send_urgent("bc", 2);
  EXPECT_EQ(app->text(1), "a");
  expect(2, false);
  EXPECT_EQ(app->text(), "b");
  expect(1, true);
}

// ---- receives that wait ----

TEST_P(Recv_B13, AReceiveThatWaitsIsCompletedByTheMark) {
  Posted& before = app->post_receive(100);
  Posted& behind = app->post_receive(100);
  flow->send(tcp().ack().data("ab"));
  flow->send(tcp().ack().urg(2).data("c!de"));  // all in one turn
  flow->send(tcp().ack().data("f"));
  run();
  EXPECT_EQ(before.text(), "abc");
  EXPECT_EQ(behind.text(), "def");
  EXPECT_EQ(before.flags(), 0u);
  EXPECT_EQ(urgent(), "!");
}

TEST_P(Recv_B13, ReceivesOfUrgentDataHaveALineOfTheirOwn) {
  Posted& first = app->post_receive({10}, WS_MSG_OOB);
  Posted& normal = app->post_receive(10);
  Posted& second = app->post_receive({0, 1}, WS_MSG_OOB);
  EXPECT_EQ(first.started, WsaError::kIoPending);
  EXPECT_EQ(app->receive(10, WS_MSG_OOB).error, WsaError::kWouldBlock) << "it stole";
  flow->send(tcp().ack().data("data"));
  run();
  EXPECT_EQ(normal.text(), "data");
  EXPECT_TRUE(first.is_pending());
  send_urgent("!?", 1);
  EXPECT_EQ(first.text(), "!");
  EXPECT_EQ(first.flags(), uint32_t{WS_MSG_OOB});
  EXPECT_EQ(first.overlapped.Internal, uint64_t{STATUS_RECEIVE_EXPEDITED});
  EXPECT_TRUE(second.is_pending());
  EXPECT_EQ(app->text(), "?");
  send_urgent("#", 1);
  EXPECT_EQ(second.text(), "#");
  EXPECT_EQ(counters().bytes_copied, counters().bytes_delivered);
}

TEST_P(Recv_B13, AnOverlappedReceiveThatFindsUrgentDataIsDoneAtOnce) {
  send_urgent("!", 1);
  Posted& receive = app->post_receive({10}, WS_MSG_OOB);
  EXPECT_EQ(receive.started, WsaError::kOk);
  EXPECT_EQ(receive.text(), "!");
  EXPECT_EQ(receive.flags(), uint32_t{WS_MSG_OOB});
}

TEST_P(Recv_B13, InlineEachReceiveThatWaitsGetsOneSideOfAMark) {
  app->options().oob_inline = true;
  app->apply_options();
  Posted* const receives[] = {&app->post_receive(9), &app->post_receive(9), &app->post_receive(9)};
  send_urgent("abc!def", 4);
  EXPECT_EQ(receives[0]->text(), "abc");
  EXPECT_EQ(receives[1]->text(), "!");
  EXPECT_EQ(receives[2]->text(), "def");
}

TEST_P(Recv_B13, TheEndOfTheStreamEndsReceivesOfUrgentData) {
  Posted& waits = app->post_receive({10}, WS_MSG_OOB);
  flow->send(tcp().fin().ack());
  run();
  ASSERT_FALSE(waits.is_pending());
  EXPECT_EQ(waits.error(), WsaError::kOk);
  EXPECT_EQ(waits.n_bytes(), 0u);
  const Received after = app->receive(10, WS_MSG_OOB);
  EXPECT_EQ(after.error, WsaError::kOk);
  EXPECT_TRUE(after.bytes.empty());
}

TEST_P(Recv_B13, AResetFailsReceivesOfUrgentDataButNotWhatHasCome) {
  Posted& fails = app->post_receive({10}, WS_MSG_OOB);
  flow->send(tcp().ack().data("a"));
  flow->send(tcp().rst());
  run();
  ASSERT_FALSE(fails.is_pending());
  EXPECT_EQ(fails.error(), WsaError::kConnReset);
  reconnect(0xffff);
  send_urgent("!b", 1);
  flow->send(tcp().rst());
  run();
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->receive(10, WS_MSG_OOB).error, WsaError::kConnReset);
  EXPECT_EQ(app->text(), "b");
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(Recv_B13, ClosingAbortsReceivesOfUrgentDataAndGivesUnreadOnesBack) {  // contract: E17
  Posted& waits = app->post_receive({10}, WS_MSG_OOB);
  EXPECT_EQ(app->close(), WsaError::kOk);
  EXPECT_EQ(waits.error(), WsaError::kOperationAborted);
  reconnect(0xffff);
  send_urgent("abc!def", 4);
  app.reset();
  run();
}

// ---- what the wire does to marks ----

TEST_P(Recv_B13, ThePointerMayComeBeforeTheByte) {
  send_urgent("ab", 4);  // the fourth byte from here on
  EXPECT_FALSE(app->socket().has_exception());
  flow->send(tcp().ack().data("cd!x"));
  run();
  EXPECT_EQ(app->text(2), "ab");
  EXPECT_EQ(urgent(), "d");
  EXPECT_EQ(app->text(), "c");
  EXPECT_EQ(app->text(), "!x");
}

TEST_P(Recv_B13, SegmentsOutOfOrderAndTwiceChangeNothing) {
  const Bytes first = flow->frame_of(tcp().ack().seq(1).urg(2).data("a!"));
  const Bytes second = flow->frame_of(tcp().ack().seq(3).urg(1).data("?b"));
  for (const Bytes* frame : {&second, &first, &second, &first}) {
    peer().send(*frame);
    run();
  }
  flow->sent(4);
  EXPECT_EQ(app->text(), "a");
  EXPECT_EQ(app->text(), "b");
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(urgent(), "?");
  expect_nothing_urgent();
  expect_nothing();
}

TEST_P(Recv_B13, AFarPointerIsRepeatedBySegmentsOnTheWay) {  // as senders do, RFC 9293 3.10.4
  for (uint16_t left = 4; left != 0; --left) {
    flow->send(tcp().ack().urg(left).data(left == 1 ? "!" : "."));
    run();
  }
  EXPECT_EQ(urgent(), "!");
  expect_nothing_urgent();
  EXPECT_EQ(app->text(), "...");
}

TEST_P(Recv_B13, PointersThatNameNothingAreIgnored) {
  flow->send(tcp().ack().urg(0).data("a"));
  flow->send(tcp().ack().seq(flow->own_next() - 1).urg(1).data("a"));                  // received
  peer().send(flow->frame_of(tcp().ack().seq(flow->own_next() + 0x40000000).urg(9)));  // outside
  peer().send(flow->frame_of(tcp().syn().seq(0).urg(1)));
  flow->send(tcp().ack().data("b"));
  run();
  EXPECT_EQ(app->text(), "ab");
  expect_nothing_urgent();
}

TEST_P(Recv_B13, UrgentDataMayComeInTheSegmentThatCompletesTheHandshake) {
  app.reset();
  run();
  peer().forget();
  flow = std::make_unique<Flow>(*this, family(), 40001, 80);
  flow->send(tcp().syn().mss(1460));
  flow->expect(tcp().syn().seq(0).ack(1));
  send_urgent("abc!def", 4);
  app = listener->accept();
  ASSERT_NE(app, nullptr);
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->text(), "abc");
  EXPECT_EQ(app->text(), "def");
}

TEST_P(Recv_B13, WhoSendsTooManyGetsThemIntoTheStream) {
  constexpr uint32_t kSent = 100;
  for (uint32_t i = 0; i < kSent; ++i) send_urgent("!", 1);
  uint32_t n = 0;
  while (app->receive(1, WS_MSG_OOB).error == WsaError::kOk) ++n;
  EXPECT_GE(n, 16u);
  EXPECT_EQ(counters().rx_urgent_ignored, kSent - n);
  EXPECT_EQ(app->drain().size(), kSent - n);
  send_urgent("?", 1);
  EXPECT_EQ(urgent(), "?");
}

TEST_P(Recv_B13, WithoutAnMbufTheSegmentWaitsAndNothingIsLost) {
  {
    const auto taken = exhaust_pool();
    send_urgent("abc!def", 4);
    flow->send(tcp().ack().data("ghi"));
    run();
    expect_nothing();
    expect_nothing_urgent();
    EXPECT_GT(counters().mbuf_alloc_failed, 0u);
  }
  advance(20);
  flow->send(tcp().ack().seq(8).data("ghi"));  // it was dropped, and comes again
  run();
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->text(), "abc");
  EXPECT_EQ(app->text(), "defghi");
}

TEST_P(Recv_B13, UrgentBytesThatAreReadOpenTheWindowAgain) {
  constexpr size_t kRounds = 3000;  // of 200 bytes: more than the window
  for (size_t i = 0; i < kRounds; ++i) {
    flow->send(tcp().ack().urg(100).data(pattern(200)));
    run();
    if (i % 2 == 0) {
      EXPECT_EQ(app->receive(1, WS_MSG_OOB).error, WsaError::kOk);
      EXPECT_EQ(app->receive(1000).bytes.size(), 99u);
    } else {
      EXPECT_EQ(app->receive(1000).bytes.size(), 99u);
      EXPECT_EQ(app->receive(1, WS_MSG_OOB).error, WsaError::kOk);
    }
    EXPECT_EQ(app->receive(1000).bytes.size(), 100u);
    peer().forget();
  }
  EXPECT_EQ(counters().bytes_delivered, kRounds * 200);
  app.reset();  // a window that is not whole would make this a reset
  run();
  while (const auto segment = flow->next()) EXPECT_FALSE(segment->has(Segment::kRst));
}

TEST_P(Recv_B13, LoansStopAtTheMarkAndShareTheMbuf) {
  send_urgent("abc!def", 4);
  Lent before = app->borrow();
  Lent behind = app->borrow();
  EXPECT_EQ(before.text(), "abc");
  EXPECT_EQ(behind.text(), "def");
  EXPECT_EQ(behind.buffers[0].buf - before.buffers[0].buf, 4) << "copied";
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(app->borrow(1, WS_MSG_OOB).error, WsaError::kOpNotSupp);
  EXPECT_EQ(give_back(stack(), behind.buffers), WsaError::kOk);
  EXPECT_EQ(before.text(), "abc");
  EXPECT_EQ(give_back(stack(), before.buffers), WsaError::kOk);
}

// Any marks, any segments in any order, any receives: each byte comes out once, on its own side.
TEST_P(Recv_B13, RandomMarksInRandomSegmentsLoseNothing) {
  uint64_t state = 7;  // xorshift64
  const auto random = [&state](uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<size_t>(state % below);
  };
  size_t sent = 0;
  Bytes normal, urgent_bytes, expected, expected_urgent;
  for (int round = 0; round < 1500; ++round) {
    std::vector<Bytes> frames;
    for (size_t i = 1 + random(3); i != 0; --i) {
      const size_t n = 1 + random(60);
      const Bytes data = pattern(n, sent);
      const size_t mark = random(2) == 0 ? 0 : 1 + random(n);
      TcpWriter segment = tcp().ack().data(data);
      if (mark != 0) segment.urg(static_cast<uint16_t>(mark));
      frames.push_back(flow->frame_of(segment));
      flow->sent(n);
      for (size_t at = 0; at < n; ++at) {
        (at + 1 == mark ? expected_urgent : expected).push_back(data[at]);
      }
      sent += n;
    }
    for (size_t i = frames.size(); i != 0; --i) std::swap(frames[i - 1], frames[random(i)]);
    for (const Bytes& frame : frames) peer().send(frame);
    run();
    while (app->socket().has_exception() && random(3) != 0) {
      const Bytes got = app->receive(5, WS_MSG_OOB).bytes;
      ASSERT_EQ(got.size(), 1u);
      urgent_bytes.push_back(got[0]);
    }
    while (app->socket().is_readable() && random(8) != 0) {
      const Bytes got = app->receive(1 + random(100)).bytes;
      normal.insert(normal.end(), got.begin(), got.end());
    }
    peer().forget();
  }
  while (app->socket().has_exception()) {
    urgent_bytes.push_back(app->receive(1, WS_MSG_OOB).bytes.at(0));
  }
  const Bytes rest = app->drain();
  normal.insert(normal.end(), rest.begin(), rest.end());
  EXPECT_EQ(counters().rx_urgent_ignored, 0u);
  EXPECT_TRUE(same(normal, expected));
  EXPECT_TRUE(same(urgent_bytes, expected_urgent));
}

class Recv_E8 : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Recv_E8);

TEST_P(Recv_E8, UrgentDataIsNotForDatagrams) {  // winsock-rules 124
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  ASSERT_EQ(udp.connect(at_peer(6000)), WsaError::kOk);
  peer().send(udp_frame(family(), 6000, 5000, bytes_of("datagram")));
  run();
  EXPECT_EQ(udp.receive(100, WS_MSG_OOB).error, WsaError::kOpNotSupp);
  EXPECT_EQ(udp.post_receive({100}, WS_MSG_OOB).started, WsaError::kOpNotSupp);
  EXPECT_EQ(udp.send_urgent("!").error, WsaError::kOpNotSupp);
  EXPECT_EQ(udp.text(), "datagram");
}

}  // namespace
}  // namespace millrace::test
