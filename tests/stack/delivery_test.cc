// SPDX-License-Identifier: BSD-3-Clause
// The decision table of stream and message, row by row, and what it makes of receives from an
// Inbox, for transports that have messages, reliable or not, with MSG_PARTIAL or without.
#include "stack/take.h"

#include "tests/support/chain_test.h"

namespace millrace::test {
namespace {

// As SCTP might be offered.
constexpr uint32_t kReliable = XP1_MESSAGE_ORIENTED | XP1_GUARANTEED_DELIVERY | XP1_GRACEFUL_CLOSE;
constexpr uint32_t kWithPartial = kReliable | XP1_PARTIAL_MESSAGE;
constexpr uint32_t kUnreliable = XP1_MESSAGE_ORIENTED;
constexpr uint32_t kPseudoStream = kReliable | XP1_PSEUDO_STREAM;

/// A transport of such messages: what one side sends is in the other's Inbox.
class Messages : public ChainTest {
 protected:
  void TearDown() override {
    inbox.clear();
    ChainTest::TearDown();
  }
  /// One send. @param parcels  the parcels that the wire makes of it
  void send(uint32_t service_flags, const std::vector<size_t>& parcels, uint32_t flags = 0) {
    for (size_t i = 0; i < parcels.size(); ++i) {
      const bool ends = i + 1 == parcels.size() && ends_message(service_flags, flags);
      inbox.push(chain({parcels[i]}, n_sent), ends ? Inbox::kEnds : uint8_t{0});
      n_sent += parcels[i];
    }
  }
  struct Got {
    WsaError error;
    uint32_t flags;
    Bytes bytes;
  };
  Got receive(uint32_t service_flags, size_t room, uint32_t flags = 0) {
    EXPECT_TRUE(has_enough(inbox, service_flags, flags));
    const Buffers buffers({room});
    BufferCursor to = buffers.cursor();
    const Outcome outcome = take_from(inbox, to, service_flags, flags);
    EXPECT_EQ(to.remaining(), room - outcome.bytes);
    return {outcome.error, outcome.flags, buffers.first(outcome.bytes)};
  }
  void expect(const Got& got, WsaError error, uint32_t flags, size_t begin, size_t end) {
    EXPECT_EQ(got.error, error);
    EXPECT_EQ(got.flags, flags);
    EXPECT_TRUE(same(got.bytes, pattern(end - begin, begin)));
  }

  Inbox inbox;
  size_t n_sent = 0;
};

class Recv_B11 : public Messages {};

TEST_F(Recv_B11, TheFourRows) {
  constexpr DeliveryMode kStream = DeliveryMode::kByteStream;
  for (const bool partial : {false, true}) {
    for (const uint32_t more : {0u, uint32_t{XP1_PARTIAL_MESSAGE}}) {
      EXPECT_EQ(delivery_of(more, partial), kStream);
      EXPECT_EQ(delivery_of(more | XP1_PSEUDO_STREAM, partial), kStream);
      EXPECT_EQ(delivery_of(more | XP1_PSEUDO_STREAM | XP1_MESSAGE_ORIENTED, partial), kStream);
    }
  }
  EXPECT_EQ(delivery_of(XP1_MESSAGE_ORIENTED | XP1_PARTIAL_MESSAGE, true), kStream);
  EXPECT_EQ(delivery_of(XP1_MESSAGE_ORIENTED | XP1_PARTIAL_MESSAGE, false), DeliveryMode::kMessage);
  EXPECT_EQ(delivery_of(XP1_MESSAGE_ORIENTED, false), DeliveryMode::kMessage);
  EXPECT_EQ(delivery_of(XP1_MESSAGE_ORIENTED, true), DeliveryMode::kMessage) << "not supported";
}

TEST_F(Recv_B11, TcpIsTheFirstRowAndUdpTheLast) {
  for (const bool partial : {false, true}) {
    EXPECT_EQ(delivery_of(kTcpServiceFlags, partial), DeliveryMode::kByteStream);
    EXPECT_EQ(delivery_of(kUdpServiceFlags, partial), DeliveryMode::kMessage);
  }
}

TEST_F(Recv_B11, AStreamAndAPseudoStreamTakeWhatIsThere) {
  for (const uint32_t service_flags : {kTcpServiceFlags, kPseudoStream}) {
    n_sent = 0;
    send(service_flags, {3});
    send(service_flags, {2, 4});
    expect(receive(service_flags, 4), WsaError::kOk, 0, 0, 4);
    expect(receive(service_flags, 100), WsaError::kOk, 0, 4, 9);
    EXPECT_FALSE(has_enough(inbox, service_flags, 0));
  }
}

TEST_F(Recv_B11, AMessageIsTakenWholeAndAlone) {
  for (const uint32_t service_flags : {kReliable, kWithPartial, kUnreliable}) {
    n_sent = 0;
    EXPECT_FALSE(has_enough(inbox, service_flags, 0));
    send(service_flags, {3, 2});
    send(service_flags, {0});
    send(service_flags, {4});
    expect(receive(service_flags, 100), WsaError::kOk, 0, 0, 5);
    expect(receive(service_flags, 100), WsaError::kOk, 0, 5, 5);  // an empty message is one, too
    expect(receive(service_flags, 4), WsaError::kOk, 0, 5, 9);
    EXPECT_TRUE(inbox.empty());
  }
}

TEST_F(Recv_B11, PartOfAMessageIsEnoughWithMsgPartialWhereTheProtocolHasIt) {  // contract: B6
  send(kWithPartial, {3, 2}, MSG_PARTIAL);
  EXPECT_FALSE(has_enough(inbox, kWithPartial, 0));
  EXPECT_FALSE(has_enough(inbox, kReliable, MSG_PARTIAL));
  ASSERT_TRUE(has_enough(inbox, kWithPartial, MSG_PARTIAL));
  expect(receive(kWithPartial, 100, MSG_PARTIAL), WsaError::kOk, MSG_PARTIAL, 0, 5);
  send(kWithPartial, {4});
  send(kWithPartial, {1});
  expect(receive(kWithPartial, 100, MSG_PARTIAL), WsaError::kOk, 0, 5, 9);
  expect(receive(kWithPartial, 100, MSG_PARTIAL), WsaError::kOk, 0, 9, 10);
}

class Recv_B10 : public Messages {};

TEST_F(Recv_B10, WithMsgPartialTheRestComesLaterAndTheClearFlagEndsTheMessage) {  // (a)
  for (const uint32_t flags : {0u, uint32_t{MSG_PARTIAL}}) {
    n_sent = 0;
    send(kWithPartial, {6, 4});
    send(kWithPartial, {2});
    expect(receive(kWithPartial, 4, flags), WsaError::kOk, MSG_PARTIAL, 0, 4);
    expect(receive(kWithPartial, 4, flags), WsaError::kOk, MSG_PARTIAL, 4, 8);
    expect(receive(kWithPartial, 4, flags), WsaError::kOk, 0, 8, 10);
    expect(receive(kWithPartial, 4, flags), WsaError::kOk, 0, 10, 12);
  }
}

TEST_F(Recv_B10, ReliableWithoutMsgPartialTheMessageWaitsForRoom) {  // (b)
  send(kReliable, {6, 4});
  send(kReliable, {1});
  for (const size_t room : {0u, 4u, 9u}) {
    expect(receive(kReliable, room), WsaError::kMsgSize, 0, 0, room);
    EXPECT_EQ(inbox.bytes(), 11u);
  }
  expect(receive(kReliable, 10), WsaError::kOk, 0, 0, 10);
  expect(receive(kReliable, 10), WsaError::kOk, 0, 10, 11);
}

TEST_F(Recv_B10, UnreliableTheExcessIsLost) {  // (c)
  send(kUnreliable, {6, 4});
  send(kUnreliable, {1});
  expect(receive(kUnreliable, 4), WsaError::kMsgSize, 0, 0, 4);
  expect(receive(kUnreliable, 4), WsaError::kOk, 0, 10, 11);
  send(kUnreliable, {6, 4});
  expect(receive(kUnreliable, 6), WsaError::kMsgSize, 0, 11, 17);
  EXPECT_TRUE(inbox.empty());
}

TEST_F(Recv_B10, PeekTellsTheSameAndTakesNothing) {
  for (int i = 0; i < 3; ++i) send(kUnreliable, {3, 2});
  expect(receive(kWithPartial, 4, WS_MSG_PEEK), WsaError::kOk, MSG_PARTIAL, 0, 4);
  expect(receive(kReliable, 4, WS_MSG_PEEK), WsaError::kMsgSize, 0, 0, 4);
  expect(receive(kUnreliable, 4, WS_MSG_PEEK), WsaError::kMsgSize, 0, 0, 4);
  expect(receive(kUnreliable, 9, WS_MSG_PEEK), WsaError::kOk, 0, 0, 5);
  EXPECT_EQ(inbox.bytes(), 15u);
}

TEST_F(Recv_B10, ASendWithMsgPartialDoesNotEndItsMessage) {  // contract: B13, the way down
  EXPECT_TRUE(ends_message(kWithPartial, 0));
  EXPECT_FALSE(ends_message(kWithPartial, MSG_PARTIAL));
  EXPECT_TRUE(ends_message(kUdpServiceFlags, 0));
  EXPECT_FALSE(ends_message(kTcpServiceFlags, 0));
  EXPECT_FALSE(ends_message(kPseudoStream, 0));
  for (int i = 0; i < 3; ++i) send(kWithPartial, {5}, MSG_PARTIAL);
  EXPECT_FALSE(has_enough(inbox, kWithPartial, 0));
  send(kWithPartial, {5});
  expect(receive(kWithPartial, 100), WsaError::kOk, 0, 0, 20);
}

class Recv_E15 : public testing::Test {};

TEST_F(Recv_E15, TheGracefulEndOfMessagesIsAnErrorAndOfStreamsZeroBytes) {  // contract: B12, winsock-rules 89
  EXPECT_EQ(graceful_end_of(kReliable), WsaError::kDiscon);
  EXPECT_EQ(graceful_end_of(kWithPartial), WsaError::kDiscon);
  EXPECT_EQ(graceful_end_of(kPseudoStream), WsaError::kOk);
  EXPECT_EQ(graceful_end_of(kTcpServiceFlags), WsaError::kOk);
}

class Inbox_Marks : public Messages {};

TEST_F(Inbox_Marks, StopReadingAndPeekingAndLeaveTheRest) {
  inbox.push(chain({3}));
  inbox.push(chain({2, 2}, 3));
  inbox.mark_last(Inbox::kEnds);
  inbox.push(chain({1}, 7), Inbox::kEnds | Inbox::kUrgent);
  inbox.push(chain({4}, 8));
  EXPECT_TRUE(inbox.has_urgent_ahead());
  size_t at = 0;
  for (const size_t expected : {5u, 2u, 1u, 4u}) {
    const Buffers buffers({expected == 5 ? 5u : 100u});
    BufferCursor peek = buffers.cursor(), to = buffers.cursor();
    EXPECT_EQ(inbox.has_urgent_ahead(), at < 7);
    EXPECT_EQ(inbox.peek(peek), expected);
    EXPECT_EQ(inbox.read(to), expected);
    EXPECT_TRUE(same(buffers.first(expected), pattern(expected, at)));
    at += expected;
    EXPECT_EQ(inbox.bytes(), 12 - at);
  }
  EXPECT_TRUE(inbox.empty());
}

TEST_F(Inbox_Marks, StayWithAParcelWhoseHeadIsUsedUp) {
  inbox.push(chain({2, 3}), Inbox::kEnds);
  inbox.push(chain({1}, 5));
  const Buffers two({2}), rest({100});
  BufferCursor to = two.cursor();
  EXPECT_EQ(inbox.read(to), 2u);
  EXPECT_EQ(inbox.first_message().bytes, 3u);
  EXPECT_TRUE(inbox.first_message().is_whole);
  to = rest.cursor();
  EXPECT_EQ(inbox.read(to), 3u);
  EXPECT_FALSE(inbox.has_whole_message());
  inbox.drop_message();
  EXPECT_TRUE(inbox.empty());
}

}  // namespace
}  // namespace millrace::test
