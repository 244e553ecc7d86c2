// SPDX-License-Identifier: BSD-3-Clause
// How connections end: FIN from either side, RST, retransmissions that nobody answers, and closing
// with things still outstanding.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Tcp_Fin : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Fin);

// contract: B12
TEST_P(Tcp_Fin, OfThePeerComesAfterItsDataAndStays) {
  flow->send(tcp().fin().ack().data("last words"));
  run();
  EXPECT_EQ(app->text(4), "last");
  EXPECT_EQ(app->text(), " words");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(app->text(), "");
  advance(20);
  flow->expect(tcp().seq(1).ack(12));
}

TEST_P(Tcp_Fin, OfThePeerLeavesTheOtherDirectionOpen) {
  flow->send(tcp().fin().ack());
  run();
  EXPECT_EQ(app->text(), "");
  ASSERT_EQ(app->send(pattern(5000)).bytes, 5000u);
  EXPECT_TRUE(same(flow->collect(5000), pattern(5000)));
  EXPECT_EQ(app->socket().peer(), at_peer(40000));
  app->close();
  flow->expect(tcp().fin().seq(5001).ack(2));
  flow->send(tcp().ack());
  flow->expect_nothing();
}

TEST_P(Tcp_Fin, OfOursLeavesReceivingOpen) {
  ASSERT_EQ(app->shutdown(SD_SEND), WsaError::kOk);
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().ack());
  EXPECT_EQ(app->send("more").error, WsaError::kShutdown);
  EXPECT_EQ(app->shutdown(SD_SEND), WsaError::kOk);  // again: nothing happens
  flow->expect_nothing();
  flow->stream(pattern(3000));
  EXPECT_TRUE(same(app->drain(), pattern(3000)));
  flow->send(tcp().fin().ack());
  run();
  EXPECT_EQ(app->text(), "");
  EXPECT_EQ(app->socket().peer(), at_peer(40000));
}

TEST_P(Tcp_Fin, OfOursComesAfterEverythingSent) {
  const Bytes data = pattern(50'000);
  ASSERT_EQ(app->send(data).bytes, data.size());
  ASSERT_EQ(app->shutdown(SD_BOTH), WsaError::kOk);
  EXPECT_EQ(app->receive().error, WsaError::kShutdown);
  Bytes got;
  for (;;) {
    const auto segment = flow->next();
    ASSERT_TRUE(segment) << "no FIN after " << got.size() << " bytes";
    got.insert(got.end(), segment->payload.begin(), segment->payload.end());
    flow->send(tcp().ack());
    if (segment->has(Segment::kFin)) break;
  }
  EXPECT_TRUE(same(got, data));
}

TEST_P(Tcp_Fin, OfBothAtOnceEndsInPeace) {
  ASSERT_EQ(app->shutdown(SD_SEND), WsaError::kOk);
  flow->send(tcp().fin().seq(1).ack(1));  // has not seen ours yet
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().seq(2).ack(2));
  run();
  EXPECT_EQ(app->text(), "");
  EXPECT_EQ(app->send("x").error, WsaError::kShutdown);
  EXPECT_EQ(app->text(), "");
}

TEST_P(Tcp_Fin, IsRepeatedUntilItIsAcknowledged) {
  ASSERT_EQ(app->shutdown(SD_SEND), WsaError::kOk);
  flow->expect(tcp().fin().seq(1).ack(1));
  advance(4000);
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().ack());
  run();
  peer().forget();
  advance(60'000);
  flow->expect_nothing();
}

TEST_P(Tcp_Fin, InTimeWaitARepeatedFinIsAcknowledgedAgain) {
  app->close();
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().fin().seq(1).ack(2));
  flow->expect(tcp().ack(2).seq(2));
  flow->send(tcp().fin().seq(1).ack(2));
  flow->expect(tcp().ack(2).seq(2));
}

// RFC 9293 3.10.7.4, RFC 6191
TEST_P(Tcp_Fin, InTimeWaitThePeerMayConnectAgainFromTheSamePort) {
  app->close();
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().fin().seq(1).ack(2));
  flow->expect(tcp().ack(2).seq(2));
  Flow again(*this, family(), 40000, 80);
  again.begin_at(10'000);  // the first one began at 0xfffffff0
  again.connect();
  again.send(tcp().ack().data("it is me again"));
  run();
  const auto accepted = listener->accept();
  ASSERT_NE(accepted, nullptr);
  EXPECT_EQ(accepted->text(), "it is me again");
}

TEST_P(Tcp_Fin, InTimeWaitANewConnectionMayComeInTheBurstThatEndsTheOldOne) {
  app->shutdown(SD_SEND);
  flow->expect(tcp().fin().seq(1).ack(1));
  Flow again(*this, family(), 40000, 80);
  again.begin_at(10'000);
  const Bytes syn = again.frame_of(tcp().syn().seq(0).mss(1460));
  flow->send(tcp().fin().seq(1).ack(2));
  peer().send(syn);
  run();
  EXPECT_EQ(app->receive().bytes.size(), 0u);
  EXPECT_EQ(app->receive().error, WsaError::kOk);
  flow->expect(tcp().ack(2).seq(2));
  again.expect(tcp().syn().ack(1));
  again.send(tcp().seq(1).ack());
  run();
  EXPECT_NE(listener->accept(), nullptr);
}

TEST_P(Tcp_Fin, InTimeWaitAnOldSynIsNotANewConnection) {
  app->close();
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().fin().seq(1).ack(2));
  flow->expect(tcp().ack(2).seq(2));
  flow->send(tcp().syn().seq(0).mss(1460));
  run();
  EXPECT_EQ(listener->accept_error(), WsaError::kWouldBlock);
}

TEST_P(Tcp_Fin, ReachesAReceiverThatWaits) {
  Posted& receive = app->post_receive(100);
  flow->send(tcp().fin().ack());
  run();
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kOk);
  EXPECT_EQ(receive.n_bytes(), 0u);
}

TEST_P(Tcp_Fin, CompletesEveryReceiverThatWaitsBehindTheData) {
  Posted& first = app->post_receive(100);
  Posted& second = app->post_receive(100);
  Posted& third = app->post_receive(100);
  flow->send(tcp().fin().ack().data("end"));
  run();
  EXPECT_EQ(first.text(), "end");
  for (const Posted* later : {&second, &third}) {
    ASSERT_FALSE(later->is_pending());
    EXPECT_EQ(later->error(), WsaError::kOk);
    EXPECT_EQ(later->n_bytes(), 0u);
  }
}

class Tcp_Reset : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Reset);

// contract: E14
TEST_P(Tcp_Reset, FailsWhatWaitsAndWhatFollows) {
  Posted& first = app->post_receive(100);
  Posted& second = app->post_receive(100);
  flow->send(tcp().rst().ack());
  run();
  for (const Posted* receive : {&first, &second}) {
    ASSERT_FALSE(receive->is_pending());
    EXPECT_EQ(receive->error(), WsaError::kConnReset);
    EXPECT_EQ(receive->n_bytes(), 0u);
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(app->receive().error, WsaError::kConnReset);
  EXPECT_EQ(app->send("x").error, WsaError::kConnReset);
  EXPECT_EQ(app->post_receive(10).started, WsaError::kConnReset);
  EXPECT_TRUE(app->socket().is_readable());
  EXPECT_TRUE(app->socket().is_writable());
  EXPECT_FALSE(app->socket().has_exception());
  EXPECT_EQ(app->socket().last_error(), WsaError::kOk);  // winsock-rules 93
  flow->expect_nothing();
}

TEST_P(Tcp_Reset, WhatHadArrivedIsStillDelivered) {  // winsock-rules 92
  flow->send(tcp().ack().data("before"));
  run();
  flow->send(tcp().rst().ack());
  run();
  EXPECT_EQ(app->text(3), "bef");
  EXPECT_EQ(app->text(), "ore");
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(Tcp_Reset, FailsSendsThatWait) {
  reconnect(0);
  Posted& send = app->post_send(Bytes(config.tcp.send_buffer_bytes + 100'000, 1));
  ASSERT_EQ(send.started, WsaError::kIoPending);
  flow->send(tcp().rst().ack());
  run();
  ASSERT_FALSE(send.is_pending());
  EXPECT_EQ(send.error(), WsaError::kConnReset);
}

// RFC 5961 3.2: a number in the window, but not the next one, proves nothing.
TEST_P(Tcp_Reset, WithAnyOtherNumberChangesNothing) {
  flow->send(tcp().rst().seq(900'000));
  flow->expect_nothing();
  flow->send(tcp().rst().seq(1000));
  flow->expect(tcp().seq(1).ack(1));  // a challenge
  flow->send(tcp().seq(1).ack().data("alive"));
  run();
  EXPECT_EQ(app->text(), "alive");
}

TEST_P(Tcp_Reset, IsWhatAnUnknownConnectionGets) {
  Flow unknown(*this, family(), 45000, 80);
  unknown.send(tcp().seq(10).ack(20).data("who are you"));
  unknown.expect(tcp().rst().seq(20).ack());
}

TEST_P(Tcp_Reset, IsNotAnsweredWithAReset) {
  Flow unknown(*this, family(), 45000, 80);
  unknown.send(tcp().rst().seq(10));
  unknown.expect_nothing();
}

class Tcp_Retransmission : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Retransmission);

// contract: E13
TEST_P(Tcp_Retransmission, DoublesItsPausesAndGivesUp) {  // winsock-rules 96
  disband();
  stop();
  config.tcp.max_retransmissions = 5;
  start();
  establish();
  Posted& receive = app->post_receive(100);
  ASSERT_EQ(app->send("anybody there?").error, WsaError::kOk);
  std::vector<uint64_t> times;
  for (int i = 0; i < 3000 && receive.is_pending(); ++i) advance(100);
  while (const auto segment = flow->next()) {
    EXPECT_EQ(segment->payload, bytes_of("anybody there?"));
    times.push_back(flow->arrived_at_ms());
  }
  ASSERT_EQ(times.size(), 1u + 5u);
  EXPECT_LE(times[1] - times[0], 3000u);
  for (size_t i = 2; i < times.size(); ++i) {
    const auto pause = static_cast<double>(times[i] - times[i - 1]);
    EXPECT_NEAR(pause, 2.0 * static_cast<double>(times[i - 1] - times[i - 2]), 100) << i;
  }
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnAborted);
  EXPECT_EQ(app->receive().error, WsaError::kConnAborted);
  EXPECT_EQ(app->send("x").error, WsaError::kConnAborted);
}

TEST_P(Tcp_Retransmission, SettlesAtTheRoundTripTime) {
  for (int i = 0; i < 30; ++i) {  // lwIP starts with a large variance and comes down
    ASSERT_EQ(app->send("ping").error, WsaError::kOk);
    run();
    advance(80);
    flow->expect(tcp().ack().data("ping"));
    flow->send(tcp().ack());
    run();
  }
  ASSERT_EQ(app->send("lost").error, WsaError::kOk);
  flow->expect(tcp().ack().data("lost"));
  const uint64_t first = flow->arrived_at_ms();
  advance(1000);
  flow->expect(tcp().ack().data("lost"));
  const uint64_t pause = flow->arrived_at_ms() - first;
  EXPECT_GE(pause, 80u);
  EXPECT_LE(pause, 600u);
}

class Tcp_Close : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Close);

// contract: E17
TEST_P(Tcp_Close, AbortsEachRequestThatWaitsExactlyOnce) {
  reconnect(0);
  std::vector<Posted*> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(&app->post_receive({10, 0, 20}));
  for (int i = 0; i < 3; ++i) {
    requests.push_back(&app->post_send(Bytes(config.tcp.send_buffer_bytes, 1)));
  }
  app->close();
  int n_pending = 0;
  for (const Posted* request : requests) {
    EXPECT_FALSE(request->is_pending());
    if (request->started != WsaError::kIoPending) continue;
    ++n_pending;
    EXPECT_EQ(request->error(), WsaError::kOperationAborted);
    EXPECT_EQ(request->n_signals, 1);
  }
  EXPECT_GE(n_pending, 7);
  EXPECT_EQ(app->close(), WsaError::kOk);
}  // App's and Posted's destructors look for a second completion

TEST_P(Tcp_Close, SendsWhatIsQueuedAndThenAFin) {
  ASSERT_EQ(app->send("goodbye").error, WsaError::kOk);
  app->close();
  flow->expect(tcp().ack().data("goodbye").seq(1));
  flow->expect(tcp().fin().seq(8).ack(1));
  flow->send(tcp().fin().seq(1).ack(9));
  flow->expect(tcp().seq(9).ack(2));
}

TEST_P(Tcp_Close, WithUnreadDataResets) {
  flow->send(tcp().ack().data("never read"));
  run();
  peer().forget();
  app->close();
  flow->expect(tcp().rst().ack());
}

TEST_P(Tcp_Close, AfterAllWasReadDoesNotReset) {
  flow->stream(pattern(60'000));
  EXPECT_TRUE(same(app->drain(), pattern(60'000)));
  run();
  peer().forget();
  app->close();
  flow->expect(tcp().fin().seq(1).ack(60'001));
}

TEST_P(Tcp_Close, WithLingerOfZeroResets) {
  app->options().linger = true;
  app->options().linger_s = 0;
  ASSERT_EQ(app->send("thrown away").error, WsaError::kOk);
  app->close();
  run();
  bool has_reset = false;
  while (const auto segment = flow->next()) {
    EXPECT_FALSE(segment->has(Segment::kFin));
    has_reset |= segment->has(Segment::kRst);
  }
  EXPECT_TRUE(has_reset);
}

// winsock-rules 136
TEST_P(Tcp_Close, WithATimeToLingerOnANonblockingSocketStaysOpenWhileDataIsUnsent) {
  app->options().linger = true;
  app->options().linger_s = 5;
  ASSERT_EQ(app->send("wait for me").error, WsaError::kOk);
  EXPECT_EQ(app->close(), WsaError::kWouldBlock);
  flow->expect(tcp().ack().data("wait for me"));
  flow->send(tcp().ack().data("still open"));
  run();
  EXPECT_EQ(app->text(), "still open");
  EXPECT_EQ(app->close(), WsaError::kOk);
  flow->expect(tcp().fin().ack());
}

TEST_P(Tcp_Close, DataThatComesAfterwardsIsAnsweredWithAReset) {
  app->close();
  flow->expect(tcp().fin().seq(1).ack(1));
  flow->send(tcp().ack().data("too late"));
  flow->expect(tcp().rst().ack());
}

TEST_P(Tcp_Close, APeerThatNeverAnswersTheFinIsForgotten) {
  app->close();
  flow->expect(tcp().fin().seq(1).ack(1));
  advance(900'000);
  while (flow->next()) {
  }
  flow->send(tcp().fin().seq(1).ack(2));
  flow->expect(tcp().rst().seq(2).ack());
}

}  // namespace
}  // namespace millrace::test
