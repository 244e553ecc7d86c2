// SPDX-License-Identifier: BSD-3-Clause
// Urgent data from us: the flag, and a pointer one past the last byte of the call, in the segment
// that carries that byte; whatever else is queued, and however often it is sent.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Send_B13 : public ConnectedTest {
 protected:
  /// The next segment, which must be there.
  Segment next() {
    const std::optional<Segment> segment = flow->next();
    EXPECT_TRUE(segment) << "nothing came";
    return segment.value_or(Segment{});
  }
};
MILLRACE_BOTH_FAMILIES(Send_B13);

TEST_P(Send_B13, ThePointerIsOnePastTheLastByte) {
  EXPECT_EQ(app->send_urgent("abc").bytes, 3u);
  flow->expect(tcp().ack().urg(3).seq(1).data("abc"));
  flow->send(tcp().ack());
  EXPECT_EQ(app->send("normal").bytes, 6u);
  const Segment normal = next();
  EXPECT_FALSE(normal.has(Segment::kUrg));
  EXPECT_EQ(normal.payload, bytes_of("normal"));
}

TEST_P(Send_B13, DoesNotWaitForNagle) {
  EXPECT_EQ(app->send("1").bytes, 1u);
  flow->expect(tcp().ack().data("1"));
  EXPECT_EQ(app->send("2").bytes, 1u);
  flow->expect_nothing();
  EXPECT_EQ(app->send_urgent("!").bytes, 1u);
  flow->expect(tcp().ack().urg(2).data("2!"));
  EXPECT_EQ(app->send("3").bytes, 1u);
  flow->expect_nothing();
  flow->send(tcp().ack());
  EXPECT_FALSE(next().has(Segment::kUrg));
}

TEST_P(Send_B13, EachUrgentByteHasAPointerOfItsOwnAlthoughTheyWaitTogether) {
  reconnect(0);  // nothing goes out until the window opens
  for (const char* text : {"a", "!", "b", "?", "#", "c"}) {
    const bool is_urgent = std::string_view("!?#").find(text[0]) != std::string_view::npos;
    EXPECT_EQ((is_urgent ? app->send_urgent(text) : app->send(text)).error, WsaError::kOk);
  }
  run();
  peer().forget();
  flow->window = 1000;
  flow->send(tcp().ack());
  flow->expect(tcp().ack().urg(2).data("a!"));
  flow->expect(tcp().ack().urg(2).data("b?"));
  flow->expect(tcp().ack().urg(1).data("#"));
  flow->send(tcp().ack());
  const Segment last = next();
  EXPECT_EQ(last.payload, bytes_of("c"));
  EXPECT_FALSE(last.has(Segment::kUrg));
}

TEST_P(Send_B13, ALongOneIsUrgentAtItsEndOnly) {
  const std::string text(3000, 'u');
  EXPECT_EQ(app->send_urgent(text).bytes, 3000u);
  EXPECT_FALSE(next().has(Segment::kUrg));
  EXPECT_FALSE(next().has(Segment::kUrg));
  const Segment last = next();
  EXPECT_EQ(*last.seq + last.payload.size(), 3001u);
  EXPECT_EQ(last.urgent, last.payload.size());
}

TEST_P(Send_B13, ARetransmissionCarriesItToo) {
  EXPECT_EQ(app->send_urgent("!").bytes, 1u);
  flow->expect(tcp().ack().urg(1).seq(1).data("!"));
  advance(4000);
  flow->expect(tcp().ack().urg(1).seq(1).data("!"));
  flow->send(tcp().ack());
}

TEST_P(Send_B13, AnOverlappedOneThatWaitsForRoomIsUrgentAtItsEnd) {
  app->options().send_buffer_bytes = 2000;
  const Bytes bytes = pattern(5000);
  Posted& send = app->post_send(bytes, WS_MSG_OOB);
  EXPECT_EQ(send.started, WsaError::kIoPending);
  Bytes got;
  int n_urgent = 0;
  while (got.size() < bytes.size()) {
    const Segment segment = next();
    ASSERT_FALSE(segment.payload.empty());
    got.insert(got.end(), segment.payload.begin(), segment.payload.end());
    flow->send(tcp().ack());
    if (!segment.has(Segment::kUrg)) continue;
    ++n_urgent;
    EXPECT_EQ(segment.urgent, segment.payload.size());
    EXPECT_EQ(got.size(), bytes.size());
  }
  EXPECT_EQ(n_urgent, 1);
  EXPECT_TRUE(same(got, bytes));
  run();
  EXPECT_EQ(send.n_bytes(), 5000u);
}

TEST_P(Send_B13, ANonblockingOneThatDoesNotFitIsUrgentOnceItsEndGoesOut) {
  app->options().send_buffer_bytes = 0;  // one segment
  const std::string text(2000, 'u');
  const uint32_t sent = app->send_urgent(text).bytes;
  EXPECT_LT(sent, 2000u);
  const Segment first = next();
  EXPECT_EQ(first.payload.size(), sent);
  EXPECT_FALSE(first.has(Segment::kUrg));
  flow->send(tcp().ack());
  run();
  EXPECT_EQ(app->send_urgent(text.substr(sent)).bytes, 2000 - sent);
  flow->expect(tcp().ack().urg(static_cast<uint16_t>(2000 - sent)).data(text.substr(sent)));
}

TEST_P(Send_B13, AClosedWindowHearsOfItFromItsProbes) {  // RFC 9293 3.8.6.1
  reconnect(0);
  EXPECT_EQ(app->send_urgent("!?").bytes, 2u);
  std::optional<Segment> probe;
  for (int i = 0; i < 100 && !probe; ++i) {
    advance(100);
    probe = flow->next();
  }
  ASSERT_TRUE(probe);
  EXPECT_EQ(probe->payload, bytes_of("!"));
  EXPECT_EQ(probe->urgent, 2);
  flow->send(tcp().ack(1).seq(flow->own_next()));
  run();
}

TEST_P(Send_B13, ANarrowWindowDividesTheSegmentAndLeavesThePointerWhereItPoints) {
  reconnect(8);  // segments are as long as half the widest window at most
  EXPECT_EQ(app->send("1234").bytes, 4u);
  flow->expect(tcp().ack().data("1234"));
  flow->window = 3;
  flow->send(tcp().ack());
  run();
  EXPECT_EQ(app->send_urgent("abc!").bytes, 4u);
  std::optional<Segment> first;
  for (int i = 0; i < 100 && !first; ++i) {
    advance(100);
    first = flow->next();
  }
  ASSERT_TRUE(first);
  EXPECT_EQ(first->payload, bytes_of("abc"));
  EXPECT_EQ(first->urgent, 4);
  flow->window = 1000;
  flow->send(tcp().ack());
  EXPECT_EQ(next().payload, bytes_of("!"));
}

TEST_P(Send_B13, NothingIsNotUrgent) {
  EXPECT_EQ(app->send_urgent("").error, WsaError::kOk);
  flow->expect_nothing();
  EXPECT_EQ(app->send("x").bytes, 1u);
  EXPECT_FALSE(next().has(Segment::kUrg));
}

TEST_P(Send_B13, AFinAndAResetBehindItStayWhatTheyAre) {
  EXPECT_EQ(app->send_urgent("!").bytes, 1u);
  ASSERT_EQ(app->shutdown(SD_SEND), WsaError::kOk);
  flow->expect(tcp().ack().urg(1).data("!"));
  flow->expect(tcp().fin().ack());
  app->options().linger = true;
  app.reset();
  const Segment reset = next();
  EXPECT_TRUE(reset.has(Segment::kRst));
  EXPECT_FALSE(reset.has(Segment::kUrg));
}

}  // namespace
}  // namespace millrace::test
