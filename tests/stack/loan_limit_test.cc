// SPDX-License-Identifier: BSD-3-Clause
// What callers hold on loan is receive memory: it is missing in their own socket's window, it has a
// cap, and it is in nobody else's way.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

// ---- contract: Z4, what is held ----

class Recv_Z4 : public ConnectedTest {
 protected:
  void restart_with_window(uint32_t bytes) {
    config.tcp.receive_window_bytes = bytes;
    restart();
  }
  /// The window of the Stack's last segment; nothing when it sent none.
  std::optional<uint32_t> announced() {
    std::optional<uint32_t> window;
    while (const auto segment = flow->next()) window = *segment->window;
    return window;
  }
  /// Sends until the window is shut, and takes all of it by loan.
  std::vector<WSABUF> hold_a_window() {
    std::vector<WSABUF> held;
    size_t sent = 0;
    for (size_t room = 1; room != 0;) {
      const size_t n = std::min<size_t>(room, 1000);
      flow->send(tcp().psh().ack().data(pattern(n, sent)));
      sent += n;
      advance(20);  // past the delayed ACK
      const Lent lent = app->borrow();
      EXPECT_EQ(lent.error, WsaError::kOk);
      EXPECT_TRUE(same(lent.bytes(), pattern(n, sent - n)));
      held.insert(held.end(), lent.buffers.begin(), lent.buffers.end());
      room = announced().value_or(0);
    }
    n_sent = sent;
    return held;
  }
  size_t n_sent = 0;
};
MILLRACE_BOTH_FAMILIES(Recv_Z4);

TEST_P(Recv_Z4, TheWindowShutsWhileEverythingIsHeldAndOpensWhenItComesBack) {
  restart_with_window(16'384);
  std::vector<WSABUF> held = hold_a_window();
  EXPECT_GE(n_sent, 15'000u);
  EXPECT_LE(n_sent, 17'000u);
  EXPECT_EQ(counters().bytes_copied, 0u);
  // A call that waited now would wait for itself.
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  EXPECT_EQ(counters().loans_refused, 1u);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(give_back(stack(), held), WsaError::kOk);
  run();
  const auto window = announced();
  ASSERT_TRUE(window) << "the peer was not told";
  EXPECT_GE(*window, 15'000u);
  flow->stream(pattern(8'000, n_sent), 1000);
  EXPECT_TRUE(same(app->drain(), pattern(8'000, n_sent)));
}

TEST_P(Recv_Z4, APeerThatWasStoppedHearsOfTwoSegmentsRoom) {
  restart_with_window(65'536);
  std::vector<WSABUF> held = hold_a_window();
  ASSERT_GE(held.size(), 10u);
  std::vector<WSABUF> one(held.begin(), held.begin() + 1);
  std::vector<WSABUF> three(held.begin() + 1, held.begin() + 5);
  give_back(stack(), one);
  run();
  EXPECT_FALSE(announced()) << "a window this small is not worth a segment";
  give_back(stack(), three);
  run();
  const auto window = announced();
  ASSERT_TRUE(window) << "less than a quarter, but the peer stands still";
  EXPECT_GE(*window, 3'000u);
  EXPECT_LE(*window, 5'500u);
}

TEST_P(Recv_Z4, ACopyingReceiveOpensNoMoreThanItTook) {
  restart_with_window(16'384);
  flow->stream(pattern(8'000), 1000);
  Lent held = app->borrow(4);
  ASSERT_EQ(held.n_bytes, 4000u);
  EXPECT_EQ(app->drain().size(), 4000u);
  advance(20);
  const auto window = announced();
  ASSERT_TRUE(window);
  EXPECT_LE(*window, 12'400u);
  give_back(stack(), held.buffers);
}

TEST_P(Recv_Z4, AtItsCapASocketIsRefusedWhileAnotherGoesOn) {
  config.stack.max_loans_per_socket = 3;
  restart();
  Flow other_flow(*this, family(), 41000, 80);
  other_flow.connect();
  run();
  const auto other = listener->accept();
  flow->stream(pattern(5'000), 1000);
  Lent held = app->borrow();
  EXPECT_EQ(held.count, 3u) << "what may be lent is lent";
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  EXPECT_EQ(counters().loans_refused, 1u);
  other_flow.stream(pattern(3'000), 1000);
  Lent others = other->borrow();
  EXPECT_EQ(others.n_bytes, 3'000u);
  EXPECT_EQ(app->receive(1000).bytes, pattern(1000, 3000)) << "copying needs no loan";
  give_back_one(stack(), held.buffers[1]);
  Lent next = app->borrow();
  EXPECT_TRUE(same(next.bytes(), pattern(1000, 4000)));
  held.buffers.erase(held.buffers.begin() + 1);
  for (Lent* lent : {&held, &others, &next}) {
    EXPECT_EQ(give_back(stack(), lent->buffers), WsaError::kOk);
  }
}

TEST_P(Recv_Z4, AllSocketsTogetherLeaveMostOfThePool) {
  config.stack.loans_percent = 1;  // of 4095 mbufs
  restart();
  flow->stream(pattern(50'000), 1000);
  Lent held = app->borrow();
  EXPECT_EQ(held.count, 40u);
  Flow other_flow(*this, family(), 41000, 80);
  other_flow.connect();
  run();
  const auto other = listener->accept();
  other_flow.stream(pattern(3'000), 1000);
  EXPECT_EQ(other->borrow().error, WsaError::kNoBufs);
  EXPECT_TRUE(same(other->drain(), pattern(3'000)));
  give_back(stack(), held.buffers);
  Lent rest = app->borrow();
  EXPECT_EQ(rest.n_bytes, 10'000u);
  give_back(stack(), rest.buffers);
}

TEST_P(Recv_Z4, APendingLoanThatMayNotBeFilledFailsAndTheNextReceiveGetsTheData) {
  config.stack.max_loans_per_socket = 2;
  restart();
  std::vector<WSABUF> first(4, WSABUF{0, nullptr}), second = first;
  DWORD n_first = 0, n_second = 0;
  Posted& fills = app->post_borrow(first, n_first);
  Posted& fails = app->post_borrow(second, n_second);
  Posted& copies = app->post_receive(100);
  for (const char* text : {"a", "b", "c", "d"}) flow->send(tcp().ack().data(text));
  run();
  EXPECT_EQ(n_first, 2u);
  EXPECT_EQ(fills.error(), WsaError::kOk);
  EXPECT_EQ(fails.error(), WsaError::kNoBufs);
  EXPECT_EQ(n_second, 0u);
  EXPECT_EQ(copies.text(), "cd");
  first.resize(2);
  give_back(stack(), first);
}

TEST_P(Recv_Z4, AtItsCapASocketStillHearsOfTheEndOfTheStream) {
  config.stack.max_loans_per_socket = 2;
  restart();
  flow->stream(pattern(2'000), 1000);
  Lent held = app->borrow();
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  flow->send(tcp().fin().ack());
  run();
  const Lent end = app->borrow();
  EXPECT_EQ(end.error, WsaError::kOk);
  EXPECT_EQ(end.count, 0u);
  give_back(stack(), held.buffers);
}

TEST_P(Recv_Z4, WhatIsHeldShowsBySocketAndAge) {
  flow->stream(pattern(2'000), 1000);
  Lent early = app->borrow(1);
  advance(3'000);
  Lent late = app->borrow(1);
  advance(500);
  const auto holders = [&] {
    const Stack::Guard guard(stack());
    return stack().loan_holders();
  };
  ASSERT_EQ(holders().size(), 1u);
  const LoanHolder holder = holders()[0];
  {
    const Stack::Guard guard(stack());
    EXPECT_EQ(stack().find(holder.socket), &app->socket());
  }
  EXPECT_EQ(holder.n_mbufs, 2u);
  EXPECT_EQ(holder.bytes, 2000u);
  EXPECT_GE(holder.oldest_ms, 3'500u);
  EXPECT_LE(holder.oldest_ms, 3'600u);
  give_back(stack(), early.buffers);
  EXPECT_LE(holders()[0].oldest_ms, 600u);
  give_back(stack(), late.buffers);
  EXPECT_TRUE(holders().empty());
}

}  // namespace
}  // namespace millrace::test
