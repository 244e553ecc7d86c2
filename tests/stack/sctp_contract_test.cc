// SPDX-License-Identifier: BSD-3-Clause
// The receive contract over SCTP with a hand on every packet, where messages make a difference that
// recv_wire_test.cc does not show: who is heard, what is lent, and what loans do to the peer's window.
#include <algorithm>

#include "tests/support/sctp_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

// ---- contract: E8 B2, what does not reach a receive ----

class Recv_E8 : public SctpPeerTest {};
MILLRACE_BOTH_FAMILIES(Recv_E8);

TEST_P(Recv_E8, UrgentDataIsNotForMessages) {
  remote->say(bytes_of("kept"));
  run();
  EXPECT_EQ(app->receive(10, WS_MSG_OOB).error, WsaError::kOpNotSupp);
  EXPECT_EQ(app->borrow(4, WS_MSG_OOB).error, WsaError::kOpNotSupp);
  const Posted& refused = app->post_receive({10}, WS_MSG_OOB);
  EXPECT_EQ(refused.started, WsaError::kOpNotSupp);
  EXPECT_EQ(app->text(), "kept");
  EXPECT_EQ(refused.n_signals, 0);
}

// The rule is about datagrams; an association hears nobody but its peer, either.
class Recv_B2 : public SctpPeerTest {};
MILLRACE_BOTH_FAMILIES(Recv_B2);

TEST_P(Recv_B2, OnlyThePeerIsHeardByItsAddressItsPortAndItsTag) {
  const Chunk chunk = remote->data(bytes_of("from the peer"));
  const Bytes packet = remote->packet_of(chunk, remote->tag());
  Frame other_address = ip_frame(family(), Host::kStranger);
  other_address.ip->protocol = kSctp;
  other_address.payload = packet;
  peer().send(other_address);
  Bytes other_port = packet;
  set16(other_port, 0, 40001);
  Association::sum_up(other_port);
  remote->send_raw(other_port);
  remote->send(chunk, remote->tag() + 1);
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  remote->send(chunk);
  run();
  EXPECT_EQ(app->text(), "from the peer");
}

// ---- contract: Z2, loans ----

class Recv_Z2 : public SctpPeerTest {
 protected:
  void send(std::string_view text) {
    remote->say(bytes_of(text));
    run();
  }
  /// One message in as many fragments as it needs.
  void send_long(size_t n_bytes) {
    constexpr size_t kPart = 1400;
    const Bytes message = pattern(n_bytes);
    for (size_t at = 0; at < n_bytes; at += kPart) {
      const size_t end = std::min(n_bytes, at + kPart);
      const int flags = (at == 0 ? Chunk::kBegins : 0) | (end == n_bytes ? Chunk::kEnds : 0);
      remote->say(cut(message, at, end), static_cast<uint8_t>(flags));
    }
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Recv_Z2);

TEST_P(Recv_Z2, MessagesAreLentOneByOneAndComeBackInAnyOrder) {
  for (const char* text : {"one", "two", "three"}) send(text);
  Lent first = app->borrow(), second = app->borrow(), third = app->borrow();
  EXPECT_EQ(app->borrow().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().loans_outstanding, 3u);
  for (Lent* lent : {&second, &third, &first}) EXPECT_EQ(lent->count, 1u);
  EXPECT_EQ(first.text() + second.text() + third.text(), "onetwothree");
  EXPECT_EQ(give_back(stack(), second.buffers), WsaError::kOk);
  EXPECT_EQ(give_back(stack(), third.buffers), WsaError::kOk);
  EXPECT_EQ(first.text(), "one");
  const WSABUF same_again = first.buffers[0];
  EXPECT_EQ(give_back(stack(), first.buffers), WsaError::kOk);
  EXPECT_EQ(give_back_one(stack(), same_again), WsaError::kInval);
  EXPECT_EQ(counters().loans_outstanding, 0u);
}

TEST_P(Recv_Z2, ALongMessageIsLentInSeveralBuffersAndTheRestLater) {
  send_long(9000);
  Lent part = app->borrow(1);
  ASSERT_EQ(part.error, WsaError::kOk);
  ASSERT_EQ(part.count, 1u);
  Lent rest = app->borrow();
  ASSERT_EQ(rest.error, WsaError::kOk);
  Bytes all = part.bytes();
  put(all, rest.bytes());
  EXPECT_TRUE(same(all, pattern(9000)));
  EXPECT_EQ(give_back(stack(), part.buffers), WsaError::kOk);
  EXPECT_EQ(give_back(stack(), rest.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2, WithoutMsgPartialALongMessageIsLentWholeOrNotAtAll) {  // contract: B10 b
  close();
  whole_messages = true;
  open();
  send_long(9000);
  const Lent refused = app->borrow(1);
  EXPECT_EQ(refused.error, WsaError::kMsgSize);
  ASSERT_GT(refused.count, 1u) << "as many as it needs";
  Lent whole = app->borrow(refused.count);
  ASSERT_EQ(whole.error, WsaError::kOk);
  EXPECT_TRUE(same(whole.bytes(), pattern(9000)));
  EXPECT_EQ(give_back(stack(), whole.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2, WhatIsForgottenIsGivenBackWhenTheSocketCloses) {
  for (const char* text : {"one", "two"}) send(text);
  Lent kept = app->borrow(), forgotten = app->borrow();
  ASSERT_EQ(app->close(), WsaError::kOk);
  EXPECT_EQ(counters().loans_reclaimed, 2u);
  EXPECT_EQ(counters().loans_outstanding, 0u);
  EXPECT_EQ(give_back(stack(), kept.buffers), WsaError::kInval);
  EXPECT_EQ(give_back(stack(), forgotten.buffers), WsaError::kInval);
}

TEST_P(Recv_Z2, APendingLoanIsFilledInItsTurnAmongReceivesThatCopy) {
  std::vector<WSABUF> array(2, WSABUF{0, nullptr});
  DWORD count = 77;
  Posted& copy = app->post_receive(4);
  Posted& loan = app->post_borrow(array, count);
  Posted& last = app->post_receive(100);
  ASSERT_EQ(loan.started, WsaError::kIoPending);
  EXPECT_EQ(count, 77u);  // contract: C5
  send("0123456789");
  EXPECT_EQ(copy.text(), "0123");
  EXPECT_EQ(copy.flags(), uint32_t{MSG_PARTIAL});
  ASSERT_FALSE(loan.is_pending());
  EXPECT_EQ(outcome_of(loan.overlapped).bytes, 6u);
  EXPECT_EQ(outcome_of(loan.overlapped).flags, 0u);
  ASSERT_EQ(count, 1u);
  EXPECT_EQ(std::string(array[0].buf, array[0].len), "456789");
  EXPECT_TRUE(last.is_pending());
  send("rest");
  EXPECT_EQ(last.text(), "rest");
  array.resize(1);
  EXPECT_EQ(give_back(stack(), array), WsaError::kOk);
}

// ---- contract: Z4, what is held ----

class Recv_Z4 : public SctpPeerTest {
 protected:
  static constexpr uint32_t kMessageBytes = 1000;
  /// The window of the Stack's last SACK (RFC 9260 3.3.4); nothing when it sent none.
  std::optional<uint32_t> announced() {
    std::optional<uint32_t> window;
    while (const auto sack = remote->next(Chunk::kSack)) window = get32(sack->value, 4);
    return window;
  }
  /// Sends while the window has room, and borrows whatever comes.
  std::vector<WSABUF> hold_a_window() {
    std::vector<WSABUF> held;
    for (uint32_t room = kMessageBytes; room >= kMessageBytes && n_said < 1000; ++n_said) {
      remote->say(pattern(kMessageBytes, n_said));
      advance(300);  // past the delayed SACK
      const Lent lent = app->borrow();
      held.insert(held.end(), lent.buffers.begin(), lent.buffers.end());
      room = announced().value_or(room);
    }
    return held;
  }
  size_t n_said = 0;
};
MILLRACE_BOTH_FAMILIES(Recv_Z4);

TEST_P(Recv_Z4, TheWindowShutsWhileEverythingIsHeldAndOpensWhenItComesBack) {
  close();
  receive_buffer_bytes = 16'384;
  open();
  std::vector<WSABUF> held = hold_a_window();
  EXPECT_GE(n_said, 16u);
  EXPECT_LT(n_said, 60u) << "twice SO_RCVBUF and what messages cost beside their bytes";
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs) << "a call that waited would wait for itself";
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  const size_t n_held = held.size();
  EXPECT_EQ(give_back(stack(), held), WsaError::kOk);
  advance(300);
  size_t n_received = 0;
  while (app->receive().error == WsaError::kOk) ++n_received;
  EXPECT_EQ(n_held + n_received, n_said) << "nothing is lost";
  remote->say(bytes_of("and on"));
  advance(300);
  EXPECT_EQ(app->text(), "and on");
  EXPECT_GT(announced().value_or(0), 8'000u);
}

TEST_P(Recv_Z4, AMessageThatHasNoRoomBesideTheLoansComesInPartsOrIsRefused) {
  for (const bool is_whole : {false, true}) {
    close();
    receive_buffer_bytes = 16'384;
    whole_messages = is_whole;
    open();
    std::vector<WSABUF> held;
    for (size_t i = 0; i < 15; ++i) {
      remote->say(pattern(kMessageBytes, i));
      run();
      const Lent lent = app->borrow();
      held.insert(held.end(), lent.buffers.begin(), lent.buffers.end());
    }
    ASSERT_EQ(held.size(), 15u);
    remote->say(pattern(1400), Chunk::kBegins);
    run();
    Lent part = app->borrow();
    EXPECT_EQ(part.error, is_whole ? WsaError::kNoBufs : WsaError::kOk);
    EXPECT_EQ(part.n_bytes, is_whole ? 0u : 1400u);
    give_back(stack(), held);
    give_back(stack(), part.buffers);
    remote->say(pattern(600, 1400), Chunk::kEnds);
    run();
    EXPECT_EQ(app->receive().bytes, is_whole ? pattern(2000) : pattern(600, 1400));
  }
}

TEST_P(Recv_Z4, AtItsCapASocketIsRefusedWhileAnotherGoesOn) {
  close();
  stop();
  config.stack.max_loans_per_socket = 3;
  start();
  open();
  Association other_remote(*this, family(), 41000, kSctpPort);
  other_remote.connect();
  const auto other = listener->accept();
  std::vector<WSABUF> held;
  for (size_t i = 0; i < 5; ++i) remote->say(pattern(100, i));
  run();
  for (int i = 0; i < 3; ++i) {
    const Lent lent = app->borrow();
    held.insert(held.end(), lent.buffers.begin(), lent.buffers.end());
  }
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  EXPECT_EQ(counters().loans_refused, 1u);
  other_remote.say(bytes_of("go on"));
  run();
  Lent others = other->borrow();
  EXPECT_EQ(others.text(), "go on");
  EXPECT_EQ(app->receive().bytes, pattern(100, 3)) << "copying needs no loan";
  EXPECT_EQ(give_back_one(stack(), held[1]), WsaError::kOk);
  held.erase(held.begin() + 1);
  Lent next = app->borrow();
  EXPECT_EQ(next.bytes(), pattern(100, 4));
  for (std::vector<WSABUF>* all : {&held, &others.buffers, &next.buffers}) {
    EXPECT_EQ(give_back(stack(), *all), WsaError::kOk);
  }
  other->options().linger = true;
}

TEST_P(Recv_Z4, APendingLoanThatMayNotBeFilledFailsAndTheNextReceiveGetsTheMessage) {
  close();
  stop();
  config.stack.max_loans_per_socket = 1;
  start();
  open();
  std::vector<WSABUF> first(4, WSABUF{0, nullptr}), second = first;
  DWORD n_first = 0, n_second = 0;
  const Posted& fills = app->post_borrow(first, n_first);
  const Posted& fails = app->post_borrow(second, n_second);
  Posted& copies = app->post_receive(100);
  for (const char* text : {"a", "b"}) remote->say(bytes_of(text));
  run();
  EXPECT_EQ(fills.error(), WsaError::kOk);
  EXPECT_EQ(n_first, 1u);
  EXPECT_EQ(fails.error(), WsaError::kNoBufs);
  EXPECT_EQ(n_second, 0u);
  EXPECT_EQ(copies.text(), "b");
  first.resize(1);
  EXPECT_EQ(give_back(stack(), first), WsaError::kOk);
}

}  // namespace
}  // namespace millrace::test
