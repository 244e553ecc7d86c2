// SPDX-License-Identifier: BSD-3-Clause
// The contract of receiving, rule by rule, with packets through a DPDK port: what a receive returns
// at once, what it leaves pending, and in which order bytes reach which buffer. Over TCP and over SCTP;
// what is different with messages is in sctp_wire_test.cc and sctp_contract_test.cc.
#include <numeric>

#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

std::vector<Bytes> buffers_of(const std::vector<size_t>& rooms) {
  std::vector<Bytes> buffers;
  for (const size_t room : rooms) buffers.emplace_back(room, Posted::kUntouched);
  return buffers;
}

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// ---- contract: C2 C3 C4 C5, call and return ----

class Recv_C2 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_C2);

TEST_P(Recv_C2, AnOverlappedReceiveThatFindsDataReturnsItAndCompletesAsWell) {  // winsock-rules 42
  say("ready");
  run();
  Posted& receive = app->post_receive(100);
  EXPECT_EQ(receive.started, WsaError::kOk);
  EXPECT_EQ(receive.n_signals, 1);
  EXPECT_EQ(receive.text(), "ready");
}

class Recv_C3 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_C3);

TEST_P(Recv_C3, APendingReceiveIsCompletedOnceByTheDataThatComes) {
  Posted& receive = app->post_receive(100);
  EXPECT_EQ(receive.started, WsaError::kIoPending);
  EXPECT_TRUE(receive.is_pending());
  EXPECT_EQ(receive.overlapped.InternalHigh, 0xdeadu);  // winsock-rules 41
  run();
  EXPECT_EQ(receive.n_signals, 0);
  say("here");
  run();
  EXPECT_EQ(receive.n_signals, 1);
  EXPECT_EQ(receive.text(), "here");
  say("more");
  run();
  EXPECT_EQ(receive.n_signals, 1);
  EXPECT_EQ(app->text(), "more");
}

class Recv_C4 : public FamilyTest {};
MILLRACE_ALL_CONNECTIONS(Recv_C4);

TEST_P(Recv_C4, ARefusedReceiveIsNeverCompleted) {  // winsock-rules 17
  App app(*this, transport(), family());
  Posted& refused = app.post_receive(10);
  EXPECT_EQ(refused.started, WsaError::kNotConn);
  advance(100);
  EXPECT_EQ(refused.n_signals, 0);
  EXPECT_EQ(refused.overlapped.InternalHigh, 0xdeadu);
}

// ---- errors that need a wire ----

class Recv_E2 : public FamilyTest {};
MILLRACE_ALL_CONNECTIONS(Recv_E2);

TEST_P(Recv_E2, ASocketThatIsNotConnected) {  // winsock-rules 19
  App fresh(*this, transport(), family());
  EXPECT_EQ(fresh.receive().error, WsaError::kNotConn);
  App listener(*this, transport(), family());
  ASSERT_EQ(listener.bind(80), WsaError::kOk);
  ASSERT_EQ(listener.listen(), WsaError::kOk);
  EXPECT_EQ(listener.receive().error, WsaError::kNotConn);  // winsock-rules 20
  EXPECT_EQ(listener.send("x").error, WsaError::kNotConn);
}

class Recv_E9 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_E9);

TEST_P(Recv_E9, AfterShutdownOfReceiving) {  // winsock-rules 97
  Posted& before = app->post_receive(100);
  for (const int how : {SD_RECEIVE, SD_BOTH}) {
    ASSERT_EQ(app->shutdown(how), WsaError::kOk);
    EXPECT_EQ(app->receive().error, WsaError::kShutdown);
    EXPECT_EQ(app->post_receive(10).started, WsaError::kShutdown);
  }
  // winsock-rules 98: what was pending goes on
  say("late");
  run();
  EXPECT_EQ(before.text(), "late");
}

// winsock-rules 99: what nobody can receive any more is acknowledged, so that the peer comes to its end.
TEST_P(Recv_E9, WhatComesAfterAShutdownIsAcknowledgedAndDropped) {
  say("queued");
  run();
  ASSERT_EQ(app->shutdown(SD_RECEIVE), WsaError::kOk);
  constexpr uint32_t kMoreThanTheWindow = 700'000;
  stream(pattern(kMoreThanTheWindow));
  advance(500);
  EXPECT_TRUE(is_acknowledged());
  EXPECT_GT(counters().rx_after_shutdown, 0u);
  EXPECT_EQ(app->send("still sends").bytes, 11u);
}

class Recv_E10 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_E10);

TEST_P(Recv_E10, NothingThereForANonblockingCall) {  // winsock-rules 32
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(app->receive(0).error, WsaError::kWouldBlock);  // winsock-rules 38
}

TEST_P(Recv_E10, TooManyRequestsOutstanding) {  // winsock-rules 47
  disband();
  stop();
  config.stack.max_requests_per_socket = 3;
  start();
  establish();
  std::vector<Posted*> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(&app->post_receive(1));
  EXPECT_EQ(requests[2]->started, WsaError::kIoPending);
  EXPECT_EQ(requests[3]->started, WsaError::kWouldBlock);
  EXPECT_EQ(requests[4]->started, WsaError::kWouldBlock);
  say("abc");
  run();
  EXPECT_EQ(requests[2]->text(), "c");
  EXPECT_EQ(app->post_receive(1).started, WsaError::kIoPending);
}

class Recv_E12 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_E12);

TEST_P(Recv_E12, NoBuffersAtAll) {
  EXPECT_EQ(app->post_receive(std::vector<size_t>{}).started, WsaError::kInval);
  say("x");
  run();
  std::vector<Bytes> none;
  EXPECT_EQ(app->receive_into(none).error, WsaError::kInval);
  EXPECT_EQ(app->text(), "x");
}

// ---- buffers ----

class Recv_B7 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_B7);

TEST_P(Recv_B7, FillsBuffersInOrderWithoutHoles) {  // winsock-rules 30
  say("abcdefghi");
  run();
  std::vector<Bytes> buffers = buffers_of({4, 0, 3, 0, 0, 5});
  const Outcome outcome = app->receive_into(buffers);
  EXPECT_EQ(outcome.error, WsaError::kOk);
  EXPECT_EQ(outcome.bytes, 9u);
  EXPECT_EQ(text_of(buffers[0]), "abcd");
  EXPECT_EQ(text_of(buffers[2]), "efg");
  EXPECT_EQ(text_of(buffers[5]), "hi\xee\xee\xee");
}

TEST_P(Recv_B7, FillsManyBuffersOfAPendingReceiveFromManySegments) {
  std::vector<size_t> rooms;
  for (size_t i = 0; i < 200; ++i) rooms.push_back(i % 7 == 0 ? 0 : i);
  const size_t total = std::accumulate(rooms.begin(), rooms.end(), size_t{0});
  Posted& receive = app->post_receive(rooms);
  const Bytes data = pattern(total);
  say_in_parts(data, 1000);  // in one burst, so that the request stays open from one segment to the next
  run();
  EXPECT_FALSE(receive.is_pending());
  EXPECT_TRUE(same(receive.bytes(), data));
}

TEST_P(Recv_B7, AZeroLengthReceiveLeavesTheDataWhereItIs) {  // winsock-rules 37
  say("data");
  run();
  const Received received = app->receive(0);
  EXPECT_EQ(received.error, WsaError::kOk);
  EXPECT_TRUE(received.bytes.empty());
  EXPECT_EQ(app->text(), "data");
}

TEST_P(Recv_B7, APendingZeroLengthReceiveTellsThatDataIsThere) {
  Posted& notice = app->post_receive({0, 0});
  EXPECT_EQ(notice.started, WsaError::kIoPending);
  say("data");
  run();
  ASSERT_FALSE(notice.is_pending());
  EXPECT_EQ(notice.error(), WsaError::kOk);
  EXPECT_EQ(notice.n_bytes(), 0u);
  EXPECT_EQ(app->text(), "data");
}

class Recv_B9 : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Recv_B9);

TEST_P(Recv_B9, CompletesHoweverMuchWasFilled) {
  Posted& receive = app->post_receive(1000);
  say("x");
  run();
  EXPECT_EQ(receive.text(), "x");
}

TEST_P(Recv_B9, TakesWhatABurstBringsUpToItsRoom) {
  Posted& receive = app->post_receive(8);
  say("one");
  say("two");
  say("three");
  run();
  EXPECT_EQ(receive.text(), "onetwoth");
  EXPECT_EQ(app->text(), "ree");
}

class Recv_B16 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_B16);

TEST_P(Recv_B16, OneSegmentFillsTwoRequestsInTheOrderOfPosting) {  // winsock-rules 59, 82
  Posted& first = app->post_receive(16);
  Posted& second = app->post_receive(16);
  say("0123456789abcdefGHIJ");
  run();
  EXPECT_EQ(first.text(), "0123456789abcdef");
  EXPECT_EQ(second.text(), "GHIJ");
  EXPECT_LT(first.signalled_as, second.signalled_as);
}

TEST_P(Recv_B16, ShortDataCompletesTheFirstOnly) {  // winsock-rules 83
  Posted& first = app->post_receive(16);
  Posted& second = app->post_receive(16);
  say("short");
  run();
  EXPECT_EQ(first.text(), "short");
  EXPECT_TRUE(second.is_pending());
  say("next");
  run();
  EXPECT_EQ(second.text(), "next");
}

TEST_P(Recv_B16, ANonblockingCallDoesNotStealFromARequest) {  // winsock-rules 84
  Posted& pending = app->post_receive(16);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(app->receive(16, WS_MSG_PEEK).error, WsaError::kWouldBlock);
  say("for the request");
  run();
  EXPECT_EQ(pending.text(), "for the request");
}

TEST_P(Recv_B16, AThousandRequestsAreServedInOrder) {  // winsock-rules 46
  std::vector<Posted*> requests;
  for (int i = 0; i < 1000; ++i) requests.push_back(&app->post_receive({2, 1}));
  stream(pattern(3000), 700);
  // The request at the end of a burst takes what there is: lengths vary, the order does not.
  Bytes got;
  int last = 0;
  for (const Posted* request : requests) {
    if (request->is_pending()) continue;
    const Bytes part = request->bytes();
    got.insert(got.end(), part.begin(), part.end());
    EXPECT_GT(request->signalled_as, last);
    last = request->signalled_as;
  }
  const Bytes rest = app->drain();
  got.insert(got.end(), rest.begin(), rest.end());
  EXPECT_TRUE(same(got, pattern(3000)));
}

// ---- flags ----

class Recv_B13 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_B13);

TEST_P(Recv_B13, PeekTakesNothing) {  // winsock-rules 121
  say_in_parts(bytes_of("abcdef"), 3);
  run();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(text_of(app->receive(2, WS_MSG_PEEK).bytes), "ab");
    EXPECT_EQ(text_of(app->receive(100, WS_MSG_PEEK).bytes), "abcdef");
  }
  std::vector<Bytes> buffers = buffers_of({1, 0, 3});
  EXPECT_EQ(app->receive_into(buffers, WS_MSG_PEEK).bytes, 4u);
  EXPECT_EQ(text_of(buffers[2]), "bcd");
  EXPECT_EQ(app->text(), "abcdef");
}

TEST_P(Recv_B13, PeekSeesTheEndOfTheConnection) {
  say("z");
  end();
  EXPECT_EQ(text_of(app->receive(10, WS_MSG_PEEK).bytes), "z");
  EXPECT_EQ(app->text(), "z");
  for (const uint32_t flags : {uint32_t{WS_MSG_PEEK}, uint32_t{0}}) {
    const Received received = app->receive(10, flags);
    EXPECT_EQ(received.error, graceful_end());
    EXPECT_TRUE(received.bytes.empty());
  }
}

TEST_P(Recv_B13, PeekIsForNonoverlappedCallsOnly) {  // winsock-rules 122
  EXPECT_EQ(app->post_receive({10}, WS_MSG_PEEK).started, WsaError::kOpNotSupp);
}

TEST_P(Recv_B13, UnknownFlagsAreRefused) {  // winsock-rules 130
  EXPECT_EQ(app->receive(10, 0x40000000).error, WsaError::kOpNotSupp);
}

TEST_P(Recv_B13, WithPartialAStreamOrAWholeMessageIsReceivedAsWithout) {  // winsock-rules 129
  say("whole");
  run();
  const Received received = app->receive(100, MSG_PARTIAL);
  EXPECT_EQ(text_of(received.bytes), "whole");
  EXPECT_EQ(received.flags, 0u);
}

// ---- copies ----

class Recv_Z1 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_Z1);

TEST_P(Recv_Z1, EachByteIsCopiedOnceWhetherItWaitedOrNot) {
  constexpr size_t kBytes = 30'000;
  Bytes got;
  for (size_t at = 0; at < kBytes; at += 1000) {
    if (at % 3000 == 0) {
      Posted& receive = app->post_receive({300, 0, 900});
      stream(pattern(1000, at));
      const Bytes part = receive.bytes();
      got.insert(got.end(), part.begin(), part.end());
    } else {
      stream(pattern(1000, at));
      for (Bytes part; !(part = app->receive(350).bytes).empty();) {
        got.insert(got.end(), part.begin(), part.end());
      }
    }
  }
  EXPECT_TRUE(same(got, pattern(kBytes)));
  EXPECT_EQ(counters().bytes_delivered, kBytes);
  EXPECT_EQ(counters().bytes_copied, copies() * kBytes);
  EXPECT_EQ(counters().tx_copied, counters().tx_pkts)
      << "a ring port hands our mbufs on: all copied";
}

class Recv_Z3 : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_Z3);

TEST_P(Recv_Z3, APendingReceiveIsFilledInTheTurnThatReceived) {
  Posted& receive = app->post_receive(100);
  say("straight");
  {
    const Stack::Guard guard(stack());
    (void)stack().turn();
  }
  EXPECT_EQ(receive.text(), "straight");
  EXPECT_EQ(counters().recv_direct, 1u);
  EXPECT_EQ(counters().recv_queued, 0u);
  say("queued");
  run();
  EXPECT_EQ(app->text(), "queued");
  EXPECT_EQ(counters().recv_direct, 1u);
  EXPECT_EQ(counters().recv_queued, 1u);
}

TEST_P(Recv_Z3, ASegmentInSeveralMbufsFillsRequestsAcrossItsSeams) {
  Posted& first = app->post_receive({3, 4});
  Posted& second = app->post_receive(100);
  const Bytes frame = frame_of("0123456789abcdef");
  const auto cut = [&](size_t from_end, size_t n) {
    const auto begin = frame.end() - static_cast<ptrdiff_t>(from_end);
    return Bytes(begin, begin + static_cast<ptrdiff_t>(n));
  };
  peer().send_chain({Bytes(frame.begin(), frame.end() - 16), cut(16, 5), cut(11, 6), cut(5, 5)});
  run();
  EXPECT_EQ(first.text(), "0123456");
  EXPECT_EQ(second.text(), "789abcdef");
}

// What peer and clock cannot do: the same bytes, however they were cut and however they are read.
class Recv_Random : public ConnectedTest {};
MILLRACE_ALL_CONNECTIONS(Recv_Random);

TEST_P(Recv_Random, AnySegmentsOrMessagesAndAnyBuffersGiveTheSameBytes) {
  uint64_t state = 42;  // xorshift64
  const auto random = [&state](uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<size_t>(state % below);
  };
  constexpr size_t kBytes = 200'000;
  size_t sent = 0;
  Bytes got;
  std::vector<Posted*> posted;
  size_t n_collected = 0;
  const auto collect = [&] {
    while (n_collected < posted.size() && !posted[n_collected]->is_pending()) {
      const Bytes part = posted[n_collected++]->bytes();
      got.insert(got.end(), part.begin(), part.end());
    }
  };
  while (got.size() < kBytes) {
    for (size_t i = random(4); i != 0 && sent < kBytes; --i) {
      const size_t n = std::min(1 + random(1400), kBytes - sent);
      say(pattern(n, sent));
      sent += n;
    }
    run();
    collect();
    if (random(2) == 0) {
      std::vector<size_t> rooms;
      for (size_t i = 1 + random(6); i != 0; --i) rooms.push_back(random(3) * random(500));
      posted.push_back(&app->post_receive(rooms));
    } else {
      const Received received = app->receive(random(2000));
      if (received.error != WsaError::kWouldBlock) {
        ASSERT_EQ(received.error, WsaError::kOk);
        got.insert(got.end(), received.bytes.begin(), received.bytes.end());
      }
    }
    collect();
  }
  EXPECT_TRUE(same(got, pattern(kBytes)));
  EXPECT_EQ(counters().bytes_copied, copies() * counters().bytes_delivered);
}

}  // namespace
}  // namespace millrace::test
