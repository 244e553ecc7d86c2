// SPDX-License-Identifier: BSD-3-Clause
// SCTP with a peer that is driven by hand, on virtual time: what arrives out of order, is lost, is false, or
// stops coming.
#include <algorithm>

#include "tests/support/sctp_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

class SctpPeer : public SctpPeerTest {};
MILLRACE_BOTH_FAMILIES(SctpPeer);

TEST_P(SctpPeer, AMessageIsReceivedAndAcknowledged) {
  remote->say(bytes_of("hello"));
  run();
  EXPECT_EQ(app->text(), "hello");
  advance(300);  // RFC 9260 6.2: within 200 ms
  EXPECT_TRUE(remote->next(Chunk::kSack));
}

TEST_P(SctpPeer, OutOfOrderArrivalIsPutInOrder) {
  const Chunk first = remote->data(bytes_of("one")), second = remote->data(bytes_of("two")),
              third = remote->data(bytes_of("three"));
  for (const Chunk* chunk : {&third, &first, &second}) {
    remote->send(*chunk);
    run();
  }
  EXPECT_EQ(app->text(), "one");
  EXPECT_EQ(app->text(), "two");
  EXPECT_EQ(app->text(), "three");
}

TEST_P(SctpPeer, FragmentsOfAMessageInAnyOrderAreOne) {
  const Chunk begin = remote->data(bytes_of("be"), Chunk::kBegins), middle = remote->data(bytes_of("gin"), 0),
              end = remote->data(bytes_of("ning"), Chunk::kEnds);
  remote->send(end);
  remote->send(begin);
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  remote->send(middle);
  run();
  EXPECT_EQ(app->text(), "beginning");
}

TEST_P(SctpPeer, APendingReceiveGetsItsWholeMessageThoughReceivingIsShutInTheMiddleOfIt) {  // winsock-rules 98
  Posted& receive = app->post_receive(100);
  remote->say(bytes_of("the beginning"), Chunk::kBegins);
  run();
  ASSERT_EQ(app->shutdown(SD_RECEIVE), WsaError::kOk);
  for (const char* text : {" and the end", "nobody's"}) {
    remote->say(bytes_of(text), text[0] == ' ' ? Chunk::kEnds : Chunk::kBegins | Chunk::kEnds);
    run();
  }
  EXPECT_EQ(receive.text(), "the beginning and the end");
  EXPECT_EQ(receive.flags(), 0u);
  EXPECT_EQ(counters().rx_after_shutdown, 1u);
}

TEST_P(SctpPeer, AMessageThatItsSenderAbortsInTheMiddleOfIsNotAWholeOne) {
  for (const bool is_waiting : {false, true}) {
    close();
    open();
    Posted* const receive = is_waiting ? &app->post_receive(100) : nullptr;
    remote->say(bytes_of("half a mess"), Chunk::kBegins);
    remote->send({Chunk::kAbort, 0, {}});
    run();
    if (is_waiting) {
      EXPECT_EQ(receive->error(), WsaError::kConnReset);
      continue;
    }
    const Received part = app->receive(100, MSG_PARTIAL);
    EXPECT_EQ(part.bytes, bytes_of("half a mess"));
    EXPECT_EQ(part.flags, uint32_t{MSG_PARTIAL});
    EXPECT_EQ(app->receive().error, WsaError::kConnReset);
  }
}

// RFC 3758's FORWARD TSN would take the rest of a message back.
TEST_P(SctpPeer, NoPartOfAMessageIsTakenBack) {
  Posted& receive = app->post_receive(100);
  remote->say(bytes_of("the beginning"), Chunk::kBegins);
  const Chunk rest = remote->data(bytes_of(" and the end"), Chunk::kEnds);
  Bytes forward;
  put32(forward, get32(rest.value, 0));
  put32(forward, 0);  // stream 0, number 0
  constexpr uint8_t kForwardTsn = 192;
  remote->send({kForwardTsn, 0, forward});
  run();
  EXPECT_TRUE(receive.is_pending());
  remote->send(rest);
  run();
  EXPECT_EQ(receive.text(), "the beginning and the end");
}

TEST_P(SctpPeer, APeerThatShutsDownInTheMiddleOfAMessageOfOursIsNotKeptWaitingForTheRest) {
  const Posted& part = app->post_send(bytes_of("to be continued"), MSG_PARTIAL);
  EXPECT_EQ(part.error(), WsaError::kOk);
  run();
  remote->take();
  remote->acknowledge();
  run();
  Bytes last;
  put32(last, remote->last_tsn());
  remote->send({Chunk::kShutdown, 0, last});
  run();
  EXPECT_TRUE(remote->next(Chunk::kAbort));
  for (int i = 0; i < 2; ++i) EXPECT_EQ(app->receive().error, WsaError::kDiscon);
  EXPECT_EQ(app->send("not any more").error, WsaError::kConnAborted);
}

// What tells of the end stands behind what was not read.
TEST_P(SctpPeer, ASendThatWaitsEndsWithTheAssociationThoughNobodyReads) {
  close();
  receive_buffer_bytes = 4096;
  open();
  for (size_t i = 0; i < 5; ++i) remote->say(pattern(1000, i));
  run();
  Posted& send = app->post_send(pattern(1'000'000));
  run();
  ASSERT_TRUE(send.is_pending());
  remote->send({Chunk::kAbort, 0, {}});
  run();
  ASSERT_FALSE(send.is_pending());
  EXPECT_EQ(send.error(), WsaError::kConnAborted);
  for (size_t i = 0; i < 5; ++i) EXPECT_EQ(app->receive().bytes, pattern(1000, i));
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

TEST_P(SctpPeer, PacketsFitTheMtuAndAreNotFragmented) {
  std::vector<size_t> lengths;
  peer().filter = [&lengths](const Frame& frame) {
    EXPECT_FALSE(frame.ip && frame.ip->fragment) << "IP has cut it";
    if (frame.ip && frame.ip->protocol == kSctp) lengths.push_back(frame.payload.size());
    return false;
  };
  app->send(pattern(4000));
  run();
  const size_t room = family() == 4 ? 1480 : 1460;
  ASSERT_FALSE(lengths.empty());
  EXPECT_LE(*std::max_element(lengths.begin(), lengths.end()), room);
  peer().filter = nullptr;
}

TEST_P(SctpPeer, DuplicatesAreDroppedSilently) {
  const Chunk chunk = remote->data(bytes_of("once"));
  for (int i = 0; i < 3; ++i) remote->send(chunk);
  run();
  EXPECT_EQ(app->text(), "once");
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(SctpPeer, WhatIsLostIsSentAgain) {
  app->send("lost once");
  run();
  EXPECT_EQ(remote->take_bytes(), bytes_of("lost once"));
  advance(4000);  // RFC 9260 6.3.3: a timeout of 3 s at first, 1 s at least
  EXPECT_EQ(remote->take_bytes().size() % 9, 0u);
  remote->acknowledge();
  run();
  advance(60'000);
  EXPECT_FALSE(remote->next(Chunk::kData)) << "acknowledged, and sent again";
}

TEST_P(SctpPeer, AWrongChecksumIsDroppedAndCounted) {
  Bytes packet = remote->packet_of(remote->data(bytes_of("false")), 0);
  packet[8] ^= 1;
  remote->send_raw(packet);
  remote->send_raw(Bytes(packet.begin(), packet.begin() + 11));  // shorter than a header
  run();
  EXPECT_EQ(counters().rx_sctp_bad, 2u);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(SctpPeer, AnIdleAssociationIsLeftInPeace) {
  advance(1'000'000);
  EXPECT_FALSE(remote->next(Chunk::kHeartbeat));
  remote->say(bytes_of("still here"));
  run();
  EXPECT_EQ(app->text(), "still here");
}

TEST_P(SctpPeer, AHeartbeatIsAnswered) {
  Bytes info;
  put16(info, 1);
  put16(info, 8);
  put(info, bytes_of("tick"));
  remote->send({Chunk::kHeartbeat, 0, info});
  run();
  const auto answer = remote->next(Chunk::kHeartbeatAck);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->value, info);
}

TEST_P(SctpPeer, AMessageOfUnknownAssociationsIsAnsweredByAnAbort) {  // RFC 9260 8.4
  Association stranger(*this, family(), 40001, kSctpPort);
  stranger.send(stranger.data(bytes_of("who?")), 0x12345678);
  run();
  const auto abort = stranger.next(Chunk::kAbort);
  ASSERT_TRUE(abort);
  EXPECT_EQ(abort->flags & 1, 1) << "the tag is the sender's own, reflected";
}

TEST_P(SctpPeer, WhoBeganAnewHasAnotherConnection) {  // RFC 9260 5.2.2
  Posted& receive = app->post_receive(100);
  remote->forget();
  remote->connect();
  run();
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnReset);
  EXPECT_EQ(counters().sctp_restarts, 1u);
  const auto another = listener->accept();
  ASSERT_NE(another, nullptr);
  EXPECT_EQ(another->socket().peer(), at_peer(40000));
  remote->say(bytes_of("anew"));
  run();
  EXPECT_EQ(another->text(), "anew");
  another->send("welcome back");
  run();
  EXPECT_EQ(remote->take_bytes(), bytes_of("welcome back"));
  EXPECT_EQ(app->receive().error, WsaError::kConnReset) << "the old one stays what it is";
  another->options().linger = true;
}

TEST_P(SctpPeer, WhoBeganAnewWhereNobodyListensIsAborted) {
  listener->close();
  remote->forget();
  (void)remote->echo(remote->ask_for_cookie());
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset);
  EXPECT_EQ(counters().connections_accepted, 1u);
}

TEST_P(SctpPeer, PollTellsOfTheEndAndOfAConnectThatFailed) {  // winsock-rules 93, 168
  EXPECT_EQ(app->socket().poll_events(), WS_POLLWRNORM);
  remote->say(bytes_of("last"));
  run();
  remote->shut_down();
  EXPECT_EQ(app->socket().poll_events() & (WS_POLLRDNORM | WS_POLLHUP), WS_POLLRDNORM | WS_POLLHUP);
  EXPECT_EQ(app->text(), "last");
  EXPECT_EQ(app->socket().poll_events() & WS_POLLRDNORM, 0);
  const auto caller = sctp_app();
  ASSERT_EQ(caller->connect(at_peer(7000)), WsaError::kWouldBlock);
  run();
  EXPECT_EQ(caller->socket().poll_events(), 0);
  Association callee(*this, family(), 7000, 0);
  const auto init = callee.next(Chunk::kInit);
  ASSERT_TRUE(init);
  callee.send({Chunk::kAbort, 0, {}}, get32(init->value, 0));
  run();
  EXPECT_EQ(caller->socket().poll_events(), WS_POLLERR | WS_POLLHUP | WS_POLLWRNORM);
  EXPECT_EQ(caller->socket().last_error(), WsaError::kConnRefused);
}

TEST_P(SctpPeer, AConnectionOfOursReachesThePeer) {
  const auto caller = sctp_app();
  ASSERT_EQ(caller->connect(at_peer(7000)), WsaError::kWouldBlock);
  run();
  Association callee(*this, family(), 7000, 0);
  callee.accept();
  EXPECT_TRUE(caller->socket().is_connected());
  caller->send("to the peer");
  run();
  EXPECT_EQ(callee.take_bytes(), bytes_of("to the peer"));
  caller->options().linger = true;
  caller->close();
  run();
  EXPECT_TRUE(callee.next(Chunk::kAbort));
}

TEST_P(SctpPeer, WithoutAListenerThereIsNoSuchProtocolForNobodyButAnAbort) {
  Association stranger(*this, family(), 40001, kSctpPort + 1);
  Bytes init;
  put32(init, 0x55555555);
  put32(init, 100000);
  put16(init, 1);
  put16(init, 1);
  put32(init, 1);
  stranger.send({Chunk::kInit, 0, init}, 0);
  run();
  EXPECT_TRUE(stranger.next(Chunk::kAbort));
}

class Recv_E13 : public SctpPeerTest {};
MILLRACE_BOTH_FAMILIES(Recv_E13);

TEST_P(Recv_E13, AnSctpPeerThatAcknowledgesNothingIsWsaeconnaborted) {
  Posted& receive = app->post_receive(100);
  app->send("into the dark");
  for (int s = 0; s < 900 && receive.is_pending(); ++s) advance(1000);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnAborted);
}

class Recv_E5 : public SctpPeerTest {};
MILLRACE_BOTH_FAMILIES(Recv_E5);

TEST_P(Recv_E5, HeartbeatsThatNobodyAnswersAreWsaenetreset) {
  app->options().keep_alive = true;
  app->options().keep_alive_time_ms = 1000;
  app->apply_options();
  Posted& receive = app->post_receive(100);
  for (int s = 0; s < 1800 && receive.is_pending(); ++s) advance(1000);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kNetReset);
  EXPECT_EQ(app->receive().error, WsaError::kNotConn);
}

class Recv_E14 : public SctpPeerTest {};
MILLRACE_BOTH_FAMILIES(Recv_E14);

TEST_P(Recv_E14, AnAbortOfTheSctpPeerIsWsaeconnresetBehindWhatHadCome) {
  remote->say(bytes_of("last words"));
  run();
  remote->send({Chunk::kAbort, 0, {}});
  run();
  EXPECT_EQ(app->text(), "last words");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(app->receive().error, WsaError::kConnReset);
}

}  // namespace
}  // namespace millrace::test
