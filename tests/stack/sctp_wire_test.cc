// SPDX-License-Identifier: BSD-3-Clause
// Two SCTP sockets of one Stack, by packets over its looped DPDK port: an association's life, messages of
// every size, and what the receive contract says of reliable messages.
#include "tests/support/sctp_test.h"

namespace millrace::test {
namespace {

class Sctp : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Sctp);

TEST_P(Sctp, AMessageComesAsItWasSent) {
  EXPECT_EQ(client->send("hello").bytes, 5u);
  run();
  EXPECT_EQ(server->text(), "hello");
  EXPECT_EQ(server->send("answer").bytes, 6u);
  run();
  EXPECT_EQ(client->text(), "answer");
  EXPECT_GT(counters().rx_sctp, 0u);
  EXPECT_EQ(counters().rx_sctp, counters().tx_sctp);
  EXPECT_EQ(counters().rx_sctp_bad, 0u);
}

TEST_P(Sctp, NamesAreThoseOfTheWire) {
  EXPECT_EQ(client->socket().peer(), at_stack(kSctpPort));
  EXPECT_EQ(server->socket().local(), at_stack(kSctpPort));
  EXPECT_EQ(server->socket().peer(), client->socket().local());
}

TEST_P(Sctp, MessagesKeepTheirBounds) {
  for (const char* text : {"one", "two", "three"}) EXPECT_EQ(client->send(text).error, WsaError::kOk);
  run();
  EXPECT_EQ(server->text(), "one");
  EXPECT_EQ(server->text(), "two");
  EXPECT_EQ(server->text(), "three");
  EXPECT_EQ(server->receive().error, WsaError::kWouldBlock);
}

TEST_P(Sctp, AMessageOfSeveralBuffersIsOne) {
  const Bytes first = pattern(700), second = pattern(900, 700);
  std::vector<WSABUF> buffers = {{700, reinterpret_cast<CHAR*>(const_cast<uint8_t*>(first.data()))},
                                 {0, nullptr},
                                 {900, reinterpret_cast<CHAR*>(const_cast<uint8_t*>(second.data()))}};
  {
    const Stack::Guard guard(stack());
    EXPECT_EQ(client->socket().send({buffers, 0, std::nullopt, {}}).bytes, 1600u);
  }
  run();
  EXPECT_TRUE(same(server->receive().bytes, pattern(1600)));
}

TEST_P(Sctp, MessagesOfManySizesComeWhole) {
  for (const size_t n : {1, 2, 1279, 1452, 1460, 1500, 4096, 65536, 200000}) {
    Posted& receive = server->post_receive(n + 10);
    say(*client, pattern(n));
    for (int i = 0; i < 100 && receive.is_pending(); ++i) advance(10);
    ASSERT_FALSE(receive.is_pending()) << n;
    EXPECT_EQ(receive.error(), WsaError::kOk);
    EXPECT_EQ(receive.flags(), 0u);
    EXPECT_TRUE(same(receive.bytes(), pattern(n))) << n;
  }
}

// As large as is promised, through buffers and an Inbox that hold a small part of it.
TEST_P(Sctp, AMessageOf16MiBGoesIntoTheReceiveThatWaits) {
  constexpr size_t kBytes = size_t{16} << 20;
  Posted& receive = server->post_receive(kBytes);
  const Bytes message = pattern(kBytes);
  const Posted& sent = client->post_send(message);
  for (int i = 0; i < 2000 && receive.is_pending(); ++i) advance(10);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_FALSE(sent.is_pending());
  EXPECT_EQ(receive.flags(), 0u);
  EXPECT_TRUE(same(receive.bytes(), message));
}

TEST_P(Sctp, AnEmptyMessageIsRefused) {  // RFC 9260 3.3.1: no chunk carries nothing
  EXPECT_EQ(client->send("").error, WsaError::kInval);
}

TEST_P(Sctp, ASlowReaderStopsTheSenderAndLosesNothing) {
  const Bytes message = pattern(1000);
  int n_sent = 0;
  for (int quiet = 0; quiet < 20; ++quiet) {
    Posted* sent = &client->post_send(message);
    for (++n_sent; !sent->is_pending() && n_sent < 5000; ++n_sent) sent = &client->post_send(message);
    advance(10);
    if (sent->is_pending()) break;
  }
  ASSERT_LT(n_sent, 5000);
  EXPECT_GT(n_sent, 400);
  int n_received = 0;
  for (int quiet = 0; quiet < 300;) {
    const Received received = server->receive(2000);
    if (received.error == WsaError::kWouldBlock) {
      ++quiet;
      advance(10);
      continue;
    }
    ASSERT_EQ(received.error, WsaError::kOk);
    ASSERT_TRUE(same(received.bytes, message));
    ++n_received;
  }
  EXPECT_EQ(n_received, n_sent);
}

TEST_P(Sctp, APortIsTakenOnce) {
  const auto second = sctp_app();
  EXPECT_EQ(second->bind(kSctpPort), WsaError::kAddrInUse);
  App tcp(*this, Transport::kTcp, family());
  EXPECT_EQ(tcp.bind(kSctpPort), WsaError::kOk) << "TCP's ports are others";
}

TEST_P(Sctp, NobodyThereRefuses) {
  const auto lost = sctp_app();
  EXPECT_EQ(lost->connect(at_stack(kSctpPort + 1)), WsaError::kWouldBlock);
  run();
  EXPECT_TRUE(lost->socket().has_exception());
  EXPECT_EQ(lost->socket().last_error(), WsaError::kConnRefused);
}

TEST_P(Sctp, ConnectionsWaitInTheirOrderAndBeyondTheBacklogAreReset) {
  std::vector<std::unique_ptr<App>> clients;
  for (int i = 0; i < 7; ++i) {
    clients.push_back(sctp_app());
    ASSERT_EQ(clients.back()->connect(at_stack(kSctpPort)), WsaError::kWouldBlock);
    run();
  }
  EXPECT_EQ(counters().connections_refused, 2u);
  for (int i = 0; i < 5; ++i) {
    const auto accepted = listener->accept();
    ASSERT_NE(accepted, nullptr);
    EXPECT_EQ(accepted->socket().peer(), clients[static_cast<size_t>(i)]->socket().local());
  }
  EXPECT_EQ(clients[6]->receive().error, WsaError::kConnReset);
}

// ---- the receive contract ----

class Recv_E15 : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Recv_E15);

TEST_P(Recv_E15, AGracefulEndIsWsaediscon) {
  EXPECT_EQ(client->send("last").error, WsaError::kOk);
  ASSERT_EQ(client->shutdown(SD_SEND), WsaError::kOk);
  run();
  EXPECT_EQ(server->text(), "last");
  for (int i = 0; i < 2; ++i) EXPECT_EQ(server->receive().error, WsaError::kDiscon);
}

TEST_P(Recv_E15, APendingReceiveEndsWithIt) {
  Posted& receive = server->post_receive(100);
  client->close();
  run();
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kDiscon);
  EXPECT_EQ(receive.n_bytes(), 0u);
}

class Recv_B12 : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Recv_B12);

TEST_P(Recv_B12, AnAbortIsWsaeconnreset) {
  Posted& receive = server->post_receive(100);
  client->options().linger = true;
  client->close();
  run();
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnReset);
  EXPECT_EQ(server->receive().error, WsaError::kConnReset);
  EXPECT_EQ(server->send("anybody?").error, WsaError::kConnReset);
}

class Recv_B10 : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Recv_B10);

// (a)
TEST_P(Recv_B10, WithMsgPartialTheRestComesLaterAndTheFlagClearMarksTheEnd) {
  client->send("longer than the room");
  client->send("next");
  run();
  const Received first = server->receive(6), second = server->receive(8), third = server->receive(100);
  EXPECT_EQ(first.bytes, bytes_of("longer"));
  EXPECT_EQ(first.flags, uint32_t{MSG_PARTIAL});
  EXPECT_EQ(second.bytes, bytes_of(" than th"));
  EXPECT_EQ(second.flags, uint32_t{MSG_PARTIAL});
  EXPECT_EQ(third.bytes, bytes_of("e room"));
  EXPECT_EQ(third.flags, 0u);
  EXPECT_EQ(server->text(), "next");
}

TEST_P(Recv_B10, ReceivesThatWaitShareALongMessage) {
  Posted& first = server->post_receive(6);
  Posted& second = server->post_receive(100);
  client->send("longer than the room");
  run();
  EXPECT_EQ(first.text(), "longer");
  EXPECT_EQ(first.flags(), uint32_t{MSG_PARTIAL});
  EXPECT_EQ(second.text(), " than the room");
  EXPECT_EQ(second.flags(), 0u);
}

TEST_P(Recv_B10, AReceiveThatIsFullDoesNotWaitForTheEndOfTheMessage) {
  Posted& pending = server->post_receive(4);
  (void)client->post_send(bytes_of("begun, "), MSG_PARTIAL);
  run();
  ASSERT_FALSE(pending.is_pending());
  EXPECT_EQ(pending.text(), "begu");
  EXPECT_EQ(pending.flags(), uint32_t{MSG_PARTIAL});
  Posted& late = server->post_receive(3);
  Posted& last = server->post_receive(100);
  run();
  ASSERT_FALSE(late.is_pending());
  EXPECT_EQ(late.text(), "n, ");
  EXPECT_EQ(late.flags(), uint32_t{MSG_PARTIAL});
  EXPECT_TRUE(last.is_pending());
  client->send("done");
  run();
  EXPECT_EQ(last.text(), "done");
  EXPECT_EQ(last.flags(), 0u);
}

// (b)
TEST_P(Recv_B10, WithoutMsgPartialTheMessageStaysForAReceiveWithRoom) {
  whole_messages = true;
  reopen();
  client->send("longer than the room");
  client->send("next");
  run();
  for (int i = 0; i < 2; ++i) {
    const Received cut = server->receive(6);
    EXPECT_EQ(cut.error, WsaError::kMsgSize);
    EXPECT_EQ(cut.bytes, bytes_of("longer"));
    EXPECT_EQ(cut.flags, 0u);
  }
  EXPECT_EQ(server->text(), "longer than the room");
  EXPECT_EQ(server->text(), "next");
}

TEST_P(Recv_B10, WithoutMsgPartialAMessageBeyondTheBufferEndsTheConnection) {
  whole_messages = true;
  receive_buffer_bytes = 16384;
  reopen();
  Posted& receive = server->post_receive(100000);
  (void)client->post_send(pattern(60000));
  advance(1000);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.error(), WsaError::kConnAborted);
  EXPECT_EQ(counters().sctp_message_too_long, 1u);
}

class Recv_B11 : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Recv_B11);

// Row 3: message-oriented, and MSG_PARTIAL in the call.
TEST_P(Recv_B11, WithMsgPartialAReceiveTakesWhatThereIs) {
  ASSERT_EQ(client->post_send(bytes_of("begun, "), MSG_PARTIAL).started, WsaError::kOk);
  run();
  EXPECT_EQ(server->receive(100).error, WsaError::kWouldBlock) << "row 4: not whole yet";
  const Received part = server->receive(100, MSG_PARTIAL);
  EXPECT_EQ(part.bytes, bytes_of("begun, "));
  EXPECT_EQ(part.flags, uint32_t{MSG_PARTIAL});
  client->send("and done");
  run();
  const Received rest = server->receive(100, MSG_PARTIAL);
  EXPECT_EQ(rest.bytes, bytes_of("and done"));
  EXPECT_EQ(rest.flags, 0u);
}

// Row 4.
TEST_P(Recv_B11, WithoutItAReceiveWaitsForAllOfTheMessage) {
  Posted& receive = server->post_receive(100);
  (void)client->post_send(bytes_of("begun, "), MSG_PARTIAL);
  run();
  EXPECT_TRUE(receive.is_pending());
  client->send("and done");
  run();
  ASSERT_FALSE(receive.is_pending());
  EXPECT_EQ(receive.text(), "begun, and done");
  EXPECT_EQ(receive.flags(), 0u);
}

class Recv_B13 : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Recv_B13);

TEST_P(Recv_B13, PeekingTakesNothing) {
  client->send("seen before");
  run();
  EXPECT_EQ(server->receive(4, WS_MSG_PEEK).flags, uint32_t{MSG_PARTIAL});
  EXPECT_EQ(server->receive(100, WS_MSG_PEEK).bytes, bytes_of("seen before"));
  EXPECT_EQ(server->text(), "seen before");
}

TEST_P(Recv_B13, UrgentDataAndWaitingForAllAreStreams) {
  for (const uint32_t flags : {uint32_t{WS_MSG_OOB}, uint32_t{WS_MSG_WAITALL}}) {
    EXPECT_EQ(server->receive(10, flags).error, WsaError::kOpNotSupp);
  }
  EXPECT_EQ(client->send_urgent("now").error, WsaError::kOpNotSupp);
}

class Send_B13 : public SctpPairTest {};
MILLRACE_BOTH_FAMILIES(Send_B13);

TEST_P(Send_B13, PartsAreOneMessageToTheReceiver) {
  for (const char* part : {"one ", "message ", "of "}) {
    EXPECT_EQ(client->post_send(bytes_of(part), MSG_PARTIAL).started, WsaError::kOk);
  }
  client->send("parts");
  client->send("another");
  run();
  EXPECT_EQ(server->text(), "one message of parts");
  EXPECT_EQ(server->text(), "another");
}

TEST_P(Send_B13, WithoutMsgPartialInTheProtocolItIsRefused) {
  whole_messages = true;
  reopen();
  EXPECT_EQ(client->post_send(bytes_of("part"), MSG_PARTIAL).started, WsaError::kOpNotSupp);
}

}  // namespace
}  // namespace millrace::test
