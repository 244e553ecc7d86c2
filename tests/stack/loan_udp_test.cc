// SPDX-License-Identifier: BSD-3-Clause
// Loaned receives of datagrams: a message is lent whole, with its source, or stays where it is.
#include "tests/support/app.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;

class LoanUdpTest : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    app = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(app->bind(kPort), WsaError::kOk);
  }
  void TearDown() override {
    app.reset();
    FamilyTest::TearDown();
  }
  void restart() {
    app.reset();
    stop();
    start();
    app = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(app->bind(kPort), WsaError::kOk);
  }

  Frame datagram(const Bytes& payload) { return udp_frame(family(), kPeerPort, kPort, payload); }
  void arrives(const Bytes& payload) {
    peer().send(datagram(payload));
    run();
  }
  void arrives(std::string_view text) { arrives(bytes_of(text)); }
  void arrives_in_pieces(const Bytes& payload) {
    for (const Frame& part : fragments_of(datagram(payload), 1000)) peer().send(part);
    run();
  }

  std::unique_ptr<App> app;
};

class Recv_Z2_Udp : public LoanUdpTest {};
MILLRACE_BOTH_FAMILIES(Recv_Z2_Udp);

TEST_P(Recv_Z2_Udp, OneMessageAtATimeWithItsSource) {
  arrives("first");
  arrives("second");
  Lent first = app->borrow();
  EXPECT_EQ(first.text(), "first");
  EXPECT_EQ(first.count, 1u);
  EXPECT_EQ(first.from, at_peer(kPeerPort));
  Lent second = app->borrow();
  EXPECT_EQ(second.text(), "second");
  EXPECT_EQ(app->borrow().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().bytes_copied, 0u);
  EXPECT_EQ(counters().bytes_delivered, 11u);
  EXPECT_EQ(give_back(stack(), second.buffers), WsaError::kOk);
  EXPECT_EQ(give_back(stack(), first.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2_Udp, AMessageThatCameInFragmentsSpansTheArray) {
  arrives_in_pieces(pattern(3'500));
  Lent lent = app->borrow(8);
  EXPECT_EQ(lent.count, 4u);
  EXPECT_TRUE(same(lent.bytes(), pattern(3'500)));
  EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2_Udp, AnArrayTooShortLeavesTheMessageAndSaysHowManyItNeeds) {
  arrives_in_pieces(pattern(3'500));
  const Lent refused = app->borrow(3);
  EXPECT_EQ(refused.error, WsaError::kMsgSize);
  EXPECT_EQ(refused.count, 4u);
  EXPECT_EQ(counters().loans_made, 0u);
  Lent lent = app->borrow(refused.count);
  EXPECT_TRUE(same(lent.bytes(), pattern(3'500)));
  EXPECT_EQ(give_back(stack(), lent.buffers), WsaError::kOk);
}

TEST_P(Recv_Z2_Udp, AnEmptyMessageIsNoLoanButAMessage) {
  arrives("");
  arrives("after");
  const Lent empty = app->borrow();
  EXPECT_EQ(empty.error, WsaError::kOk);
  EXPECT_EQ(empty.count, 0u);
  EXPECT_EQ(empty.from, at_peer(kPeerPort));
  EXPECT_EQ(counters().loans_outstanding, 0u);
  Lent after = app->borrow();
  EXPECT_EQ(after.text(), "after");
  give_back(stack(), after.buffers);
}

TEST_P(Recv_Z2_Udp, APendingLoanTooShortFailsAndTheNextReceiveGetsTheMessage) {
  std::vector<WSABUF> array(2, WSABUF{0, nullptr}), wide(4, WSABUF{0, nullptr});
  DWORD count = 0, n_wide = 0;
  Posted& narrow_loan = app->post_borrow(array, count);
  Posted& wide_loan = app->post_borrow(wide, n_wide);
  arrives_in_pieces(pattern(3'500));
  EXPECT_EQ(narrow_loan.error(), WsaError::kMsgSize);
  EXPECT_EQ(count, 4u);
  EXPECT_EQ(wide_loan.error(), WsaError::kOk);
  EXPECT_EQ(n_wide, 4u);
  EXPECT_EQ(give_back(stack(), wide), WsaError::kOk);
}

// winsock-rules 114; the error comes before what is queued, and once
TEST_P(Recv_Z2_Udp, AnErrorFromTheNetworkFailsALoanAsItFailsAReceive) {
  ASSERT_EQ(app->send(bytes_of("anybody there?"), at_peer(kPeerPort)).error, WsaError::kOk);
  run();
  const auto about = peer().next();
  ASSERT_TRUE(about);
  peer().send(icmp_error(Icmps::kPortUnreachable, about->frame));
  run();
  EXPECT_EQ(app->borrow().error, WsaError::kConnReset);
  EXPECT_EQ(app->borrow().error, WsaError::kWouldBlock);
}

TEST_P(Recv_Z2_Udp, NotBoundIsRefused) {
  App fresh(*this, Transport::kUdp, family());
  EXPECT_EQ(fresh.borrow().error, WsaError::kInval);
  EXPECT_EQ(app->borrow(2, WS_MSG_PEEK).error, WsaError::kOpNotSupp);
}

class Recv_Z4_Udp : public LoanUdpTest {};
MILLRACE_BOTH_FAMILIES(Recv_Z4_Udp);

TEST_P(Recv_Z4_Udp, WhatIsHeldFillsTheSocketsBuffer) {
  app->options().receive_buffer_bytes = 4'000;
  for (int i = 0; i < 4; ++i) arrives(pattern(1'000));
  std::vector<WSABUF> held;
  for (int i = 0; i < 3; ++i) held.push_back(app->borrow().buffers.at(0));
  arrives(pattern(1'000));  // 3000 held, 1000 queued
  EXPECT_EQ(counters().rx_no_socket_room, 1u);
  held.push_back(app->borrow().buffers.at(0));
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  arrives(pattern(1'000));  // one is always let in, for who copies
  EXPECT_EQ(app->receive().bytes.size(), 1'000u);
  EXPECT_EQ(give_back(stack(), held), WsaError::kOk);
  for (int i = 0; i < 4; ++i) arrives(pattern(1'000));
  EXPECT_EQ(counters().rx_no_socket_room, 1u);
}

TEST_P(Recv_Z4_Udp, WithNoBufferAtAllOneLoanIsGrantedStill) {
  app->options().receive_buffer_bytes = 0;  // winsock-rules 178
  arrives("x");
  Lent lent = app->borrow();
  EXPECT_EQ(lent.text(), "x");
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  give_back(stack(), lent.buffers);
}

TEST_P(Recv_Z4_Udp, AMessageBeyondTheCapStaysForAReceiveThatCopies) {
  config.stack.max_loans_per_socket = 3;
  restart();
  arrives_in_pieces(pattern(3'500));
  EXPECT_EQ(app->borrow().error, WsaError::kNoBufs);
  EXPECT_EQ(counters().loans_outstanding, 0u);
  EXPECT_TRUE(same(app->receive().bytes, pattern(3'500)));
}

}  // namespace
}  // namespace millrace::test
