// SPDX-License-Identifier: BSD-3-Clause
// Loaned receives of a stream: what the caller gets points into the mbufs that arrived, nothing is
// copied, and it comes back in any order, once. What is different with messages is in sctp_contract_test.cc.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

// ---- contract: Z1, bytes copied and bytes delivered ----

class Recv_Z1 : public ConnectedTest {};
MILLRACE_BOTH_FAMILIES(Recv_Z1);

TEST_P(Recv_Z1, CopiesAndLoansMixedKeepTheOrderOfTheStreamAndAddUp) {
  constexpr size_t kBytes = 60'000;
  flow->stream(pattern(kBytes), 1000);
  Bytes got;
  uint64_t n_copied = 0;
  for (size_t step = 0; got.size() < kBytes; ++step) {
    if (step % 2 == 0) {
      const Received copy = app->receive(1 + step * 37 % 2500);  // mostly ends inside a segment
      n_copied += copy.bytes.size();
      got.insert(got.end(), copy.bytes.begin(), copy.bytes.end());
    } else {
      Lent lent = app->borrow(1 + step % 3);
      ASSERT_EQ(lent.error, WsaError::kOk);
      const Bytes part = lent.bytes();
      got.insert(got.end(), part.begin(), part.end());
      EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kOk);
    }
  }
  EXPECT_TRUE(same(got, pattern(kBytes)));
  EXPECT_EQ(counters().bytes_copied, n_copied);
  EXPECT_EQ(counters().bytes_lent, kBytes - n_copied);
  EXPECT_EQ(counters().bytes_delivered, kBytes);
}

// ---- contract: Z2, loaned receives ----

class Recv_Z2 : public ConnectedTest {
 protected:
  void send(std::string_view text) {
    flow->send(tcp().psh().ack().data(text));
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Recv_Z2);

TEST_P(Recv_Z2, PointsIntoTheSegmentsThatArrivedAndCopiesNothing) {
  for (const char* text : {"first ", "second ", "third"}) send(text);
  Lent lent = app->borrow();
  ASSERT_EQ(lent.error, WsaError::kOk);
  ASSERT_EQ(lent.count, 3u);
  EXPECT_EQ(lent.text(), "first second third");
  EXPECT_EQ(lent.buffers[1].len, 7u);
  EXPECT_EQ(counters().bytes_copied, 0u);
  EXPECT_EQ(counters().bytes_delivered, 18u);
  EXPECT_EQ(counters().loans_outstanding, 3u);
  EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kOk);
  EXPECT_EQ(counters().loans_outstanding, 0u);
  EXPECT_EQ(counters().loans_returned, 3u);
  EXPECT_EQ(lent.buffers[2].buf, nullptr) << "given back, but still named in the caller's array";
}

TEST_P(Recv_Z2, FillsNoMoreThanTheArrayAndLeavesTheRest) {
  for (const char* text : {"a", "b", "c", "d"}) send(text);
  Lent first = app->borrow(3);
  EXPECT_EQ(first.text(), "abc");
  Lent second = app->borrow(3);
  EXPECT_EQ(second.text(), "d");
  EXPECT_EQ(app->borrow(3).error, WsaError::kWouldBlock);
  give_back(stack(), second.buffers);
  give_back(stack(), first.buffers);
}

TEST_P(Recv_Z2, LoansComeBackInAnyOrder) {
  flow->stream(pattern(20'000), 1000);
  Lent lent = app->borrow();
  ASSERT_EQ(lent.count, 20u);
  const Bytes all = lent.bytes();
  for (size_t i = 0; i < lent.count; ++i) {
    EXPECT_EQ(give_back_one(stack(), lent.buffers[i * 7 % 20]), WsaError::kOk);
    EXPECT_EQ(counters().loans_outstanding, 19 - i);
  }
  EXPECT_TRUE(same(all, pattern(20'000)));
}

TEST_P(Recv_Z2, WhatIsNotOnLoanIsRefusedAndTheRestOfTheArrayGivenBack) {
  for (const char* text : {"one", "two", "three"}) send(text);
  Lent lent = app->borrow();
  char foreign = 0;
  std::vector<WSABUF> array = {
      lent.buffers[0],
      {1, &foreign},
      {2, lent.buffers[1].buf + 1},  // inside a loan
      {2, lent.buffers[1].buf},      // not with the length that was lent
      {0, nullptr},
      {3, reinterpret_cast<CHAR*>(uintptr_t{0xdead0000})},
      lent.buffers[2],
      lent.buffers[0],  // a second time
  };
  EXPECT_EQ(give_back(stack(), array), WsaError::kInval);
  EXPECT_EQ(counters().loans_returned, 2u);
  EXPECT_EQ(counters().loans_unknown, 6u);
  EXPECT_EQ(counters().loans_outstanding, 1u);
  EXPECT_EQ(array[0].buf, nullptr);
  EXPECT_EQ(array[1].buf, &foreign) << "what was refused is still named";
  EXPECT_EQ(array[6].buf, nullptr);
  EXPECT_EQ(give_back_one(stack(), lent.buffers[1]), WsaError::kOk);
  EXPECT_EQ(give_back_one(stack(), lent.buffers[1]), WsaError::kInval);
}

TEST_P(Recv_Z2, WhatIsForgottenIsGivenBackWhenTheSocketCloses) {
  flow->stream(pattern(10'000), 1000);
  Lent lent = app->borrow();
  ASSERT_EQ(lent.count, 10u);
  give_back_one(stack(), lent.buffers[4]);
  ASSERT_EQ(app->close(), WsaError::kOk);
  EXPECT_EQ(counters().loans_reclaimed, 9u);
  EXPECT_EQ(counters().loans_outstanding, 0u);
  EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kInval);
  EXPECT_EQ(counters().loans_unknown, 10u);
}

// lwIP resets a connection whose window is not whole; but what is lent was received.
TEST_P(Recv_Z2, ClosingWithLoansOutIsNoReset) {
  send("held");
  advance(20);
  flow->expect(tcp().ack());
  Lent lent = app->borrow();
  ASSERT_EQ(lent.count, 1u);
  ASSERT_EQ(app->close(), WsaError::kOk);
  run();
  const auto last = flow->next();
  ASSERT_TRUE(last);
  EXPECT_TRUE(last->has(Segment::kFin));
  EXPECT_FALSE(last->has(Segment::kRst));
  flow->send(tcp().fin().ack());
}

TEST_P(Recv_Z2, ASegmentInSeveralMbufsIsALoanOfEach) {
  const Bytes frame = flow->frame_of(tcp().ack().data("0123456789abcdef"));
  const auto cut = [&](size_t from_end, size_t n) {
    const auto begin = frame.end() - static_cast<ptrdiff_t>(from_end);
    return Bytes(begin, begin + static_cast<ptrdiff_t>(n));
  };
  peer().send_chain({Bytes(frame.begin(), frame.end() - 16), cut(16, 5), cut(11, 6), cut(5, 5)});
  run();
  Lent first = app->borrow(2);
  EXPECT_EQ(first.text(), "0123456789a");
  EXPECT_EQ(app->text(2), "bc");
  Lent second = app->borrow(2);
  EXPECT_EQ(second.text(), "def");
  give_back(stack(), first.buffers);
  give_back(stack(), second.buffers);
}

TEST_P(Recv_Z2, SegmentsThatCameOutOfOrderAreLentInOrder) {
  const uint32_t start = flow->own_next();
  flow->send(tcp().seq(start + 6).ack().data("cdefgh"));  // and two bytes of what comes next
  flow->send(tcp().seq(start + 3).ack().data("345ab"));
  flow->send(tcp().seq(start).ack().data("012"));
  run();
  Lent lent = app->borrow();
  EXPECT_EQ(lent.text(), "012345cdefgh");
  give_back(stack(), lent.buffers);
}

TEST_P(Recv_Z2, AMarkOfUrgentDataDividesASegmentIntoTwoLoans) {
  flow->send(tcp().ack().urg(3).data("ab!cd"));
  run();
  Lent before = app->borrow();
  EXPECT_EQ(before.text(), "ab");
  Lent behind = app->borrow();
  EXPECT_EQ(behind.text(), "cd");
  EXPECT_EQ(give_back(stack(), before.buffers), WsaError::kOk);
  flow->stream(pattern(50'000), 1000);  // the memory that both lie in is not used again yet
  EXPECT_TRUE(same(app->drain(), pattern(50'000)));
  EXPECT_EQ(behind.text(), "cd");
  EXPECT_EQ(give_back(stack(), behind.buffers), WsaError::kOk);
  EXPECT_EQ(app->borrow(4, WS_MSG_OOB).error, WsaError::kOpNotSupp);
  const Received urgent = app->receive(10, WS_MSG_OOB);
  EXPECT_EQ(urgent.bytes, bytes_of("!"));
}

// ---- contract: Z3, a pending one is filled in the turn that receives ----

TEST_P(Recv_Z2, APendingLoanIsFilledInItsTurnAmongReceivesThatCopy) {
  std::vector<WSABUF> array(2, WSABUF{0, nullptr});
  DWORD count = 77;
  Posted& copy = app->post_receive(4);
  Posted& loan = app->post_borrow(array, count);
  Posted& last = app->post_receive(100);
  ASSERT_EQ(loan.started, WsaError::kIoPending);
  const Bytes frame = flow->frame_of(tcp().ack().data("0123456789"));
  peer().send_chain({Bytes(frame.begin(), frame.end() - 4), Bytes(frame.end() - 4, frame.end())});
  EXPECT_EQ(count, 77u);  // contract: C5
  run();
  EXPECT_EQ(copy.text(), "0123");
  ASSERT_FALSE(loan.is_pending());
  EXPECT_EQ(outcome_of(loan.overlapped).bytes, 6u);
  ASSERT_EQ(count, 2u);
  EXPECT_EQ(std::string(array[0].buf, array[0].len), "45");
  EXPECT_EQ(std::string(array[1].buf, array[1].len), "6789");
  EXPECT_TRUE(last.is_pending());
  flow->send(tcp().seq(flow->own_next() + 10).ack().data("rest"));
  run();
  ASSERT_FALSE(last.is_pending());
  EXPECT_EQ(last.text(), "rest");
  EXPECT_EQ(counters().bytes_copied, 8u);
  EXPECT_EQ(counters().recv_direct, 3u);
  EXPECT_EQ(give_back(stack(), array), WsaError::kOk);
}

TEST_P(Recv_Z2, APendingLoanTakesABurstAsOneCompletion) {
  std::vector<WSABUF> array(16, WSABUF{0, nullptr});
  DWORD count = 0;
  Posted& loan = app->post_borrow(array, count);
  for (int i = 0; i < 5; ++i) flow->send(tcp().ack().data("part"));
  run();
  ASSERT_FALSE(loan.is_pending());
  EXPECT_EQ(loan.n_signals, 1);
  EXPECT_EQ(count, 5u);
  array.resize(count);
  EXPECT_EQ(give_back(stack(), array), WsaError::kOk);
}

// ---- the same for streams and messages ----

class Recv_Z2_Connections : public ConnectedTest {
 protected:
  void send(std::string_view text) {
    say(text);
    run();
  }
};
MILLRACE_ALL_CONNECTIONS(Recv_Z2_Connections);

TEST_P(Recv_Z2_Connections, WhatIsHeldStaysAsItCameWhileThousandsOfFramesPass) {
  send("keep me");
  Lent held = app->borrow();
  const CHAR* const address = held.buffers[0].buf;
  for (size_t i = 0; i < 5000; ++i) {  // more than mbufs
    const Bytes bytes = pattern(500, i);
    say(bytes);
    run();
    ASSERT_EQ(app->receive().bytes, bytes);
    peer().forget();
  }
  EXPECT_EQ(held.buffers[0].buf, address);
  EXPECT_EQ(held.text(), "keep me");
  EXPECT_EQ(give_back(stack(), held.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2_Connections, LoansOutliveAReset) {
  send("last words");
  Lent lent = app->borrow();
  reset();
  EXPECT_EQ(app->borrow().error, WsaError::kConnReset);
  EXPECT_EQ(lent.text(), "last words");
  EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2_Connections, TheEndLendsNothing) {  // contract: E15
  send("end");
  end();
  Lent lent = app->borrow();
  EXPECT_EQ(lent.text(), "end");
  for (int i = 0; i < 2; ++i) {
    const Lent nothing = app->borrow();
    EXPECT_EQ(nothing.error, graceful_end());
    EXPECT_EQ(nothing.buffers.size(), 0u);
    EXPECT_EQ(nothing.n_bytes, 0u);
  }
  EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2_Connections, IsRefusedWhereAReceiveIs) {
  App fresh(*this, transport(), family());
  EXPECT_EQ(fresh.borrow().error, WsaError::kNotConn);
  send("there");
  EXPECT_EQ(app->borrow(0).error, WsaError::kInval);
  EXPECT_EQ(app->borrow(4, WS_MSG_PEEK).error, WsaError::kOpNotSupp);
  EXPECT_EQ(app->borrow(4, 0x40000000).error, WsaError::kOpNotSupp);
  ASSERT_EQ(app->shutdown(SD_RECEIVE), WsaError::kOk);
  EXPECT_EQ(app->borrow().error, WsaError::kShutdown);
  EXPECT_EQ(counters().loans_made, 0u);
}

TEST_P(Recv_Z2_Connections, APendingLoanEndsWithTheSocket) {  // contract: E17
  std::vector<WSABUF> array(4, WSABUF{0, nullptr});
  DWORD count = 77;
  const Posted& loan = app->post_borrow(array, count);
  ASSERT_EQ(app->close(), WsaError::kOk);
  run();
  EXPECT_EQ(loan.error(), WsaError::kOperationAborted);
  EXPECT_EQ(count, 0u);
  EXPECT_EQ(array[0].buf, nullptr);
}

}  // namespace
}  // namespace millrace::test
