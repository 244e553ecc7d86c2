// SPDX-License-Identifier: BSD-3-Clause
// Scatter and the Inbox, on chains of real mbufs: however a stream is cut into segments and
// whatever the buffers are, the same bytes come out once, in order, without holes.
#include "stack/take.h"

#include "lwip/pbuf.h"
#include "tests/support/chain_test.h"

namespace millrace::test {
namespace {

class BufferCursor_Test : public ChainTest {};

TEST_F(BufferCursor_Test, StepsOverEmptyBuffers) {
  const Buffers buffers({0, 0, 3, 0, 2, 0});
  BufferCursor cursor = buffers.cursor();
  EXPECT_EQ(cursor.remaining(), 5u);
  EXPECT_EQ(cursor.contiguous(), 3u);
  EXPECT_EQ(cursor.data(), buffers.array[2].buf);
  cursor.advance(3);
  EXPECT_EQ(cursor.data(), buffers.array[4].buf);
  cursor.advance(1);
  EXPECT_EQ(cursor.contiguous(), 1u);
  EXPECT_FALSE(cursor.at_end());
  cursor.advance(1);
  EXPECT_TRUE(cursor.at_end());
  EXPECT_EQ(cursor.remaining(), 0u);
}

TEST_F(BufferCursor_Test, OfNothingIsAtItsEnd) {
  EXPECT_TRUE(BufferCursor().at_end());
  EXPECT_TRUE(Buffers({0, 0, 0}).cursor().at_end());
}

class Scatter_Test : public ChainTest {};

TEST_F(Scatter_Test, StopsAtTheEndOfTheBuffersAndGoesOnFromThere) {
  pbuf* from = chain({4, 0, 3, 5});
  const Buffers first({2, 0, 4}), second({100});
  BufferCursor to = first.cursor();
  EXPECT_EQ(scatter(from, to), 6u);
  EXPECT_TRUE(to.at_end());
  EXPECT_TRUE(same(first.first(6), pattern(6)));
  EXPECT_EQ(pool_.in_use(), 2u) << "used up segments are freed at once";
  to = second.cursor();
  EXPECT_EQ(scatter(from, to), 6u);
  EXPECT_EQ(from, nullptr);
  EXPECT_TRUE(same(second.first(6), pattern(6, 6)));
  EXPECT_EQ(to.remaining(), 94u);
}

TEST_F(Scatter_Test, OfNothingOrIntoNothingCopiesNothing) {
  pbuf* from = nullptr;
  const Buffers room({10}), none({0, 0});
  BufferCursor to = room.cursor();
  EXPECT_EQ(scatter(from, to), 0u);
  from = chain({5});
  to = none.cursor();
  EXPECT_EQ(scatter(from, to), 0u);
  ASSERT_NE(from, nullptr);
  pbuf_free(from);
}

TEST_F(Scatter_Test, FreesEmptySegmentsEvenWithoutRoom) {
  pbuf* from = chain({0, 0, 0});
  BufferCursor to;
  EXPECT_EQ(scatter(from, to), 0u);
  EXPECT_EQ(from, nullptr);
}

TEST_F(Scatter_Test, PeekTakesNothing) {
  pbuf* from = chain({4, 0, 3});
  for (int i = 0; i < 2; ++i) {
    const Buffers buffers({1, 0, 5});
    BufferCursor to = buffers.cursor();
    EXPECT_EQ(scatter_peek(from, to), 6u);
    EXPECT_TRUE(same(buffers.first(6), pattern(6)));
  }
  EXPECT_EQ(pool_.in_use(), 3u);
  pbuf_free(from);
}

TEST_F(Scatter_Test, KeepsTheSourceOfAMessageWhenItsHeadIsUsedUp) {
  pbuf* from = chain({2, 2});
  parcel_of(from).source_port = 4711;
  const Buffers buffers({3});
  BufferCursor to = buffers.cursor();
  EXPECT_EQ(scatter(from, to), 3u);
  EXPECT_EQ(parcel_of(from).source_port, 4711);
  pbuf_free(from);
}

// Every way to cut 6 bytes into up to 3 segments, against every 3 buffers of 0 to 4 bytes.
TEST_F(Scatter_Test, AllSmallCasesGiveTheSameBytes) {
  for (size_t a = 0; a <= 6; ++a) {
    for (size_t b = 0; a + b <= 6; ++b) {
      for (size_t rooms = 0; rooms < 125; ++rooms) {
        const Buffers buffers({rooms % 5, rooms / 5 % 5, rooms / 25});
        pbuf* from = chain({a, b, 6 - a - b});
        BufferCursor to = buffers.cursor();
        const size_t room = to.remaining();
        const uint32_t n = scatter(from, to);
        EXPECT_EQ(n, std::min<size_t>(6, room));
        EXPECT_TRUE(same(buffers.first(n), pattern(n)));
        EXPECT_EQ(from == nullptr, n == 6);
        if (from != nullptr) pbuf_free(from);
      }
    }
  }
}

class Inbox_Test : public ChainTest {
 protected:
  void TearDown() override {
    inbox_.clear();
    ChainTest::TearDown();
  }
  Inbox inbox_;
};

TEST_F(Inbox_Test, AStreamReadsAcrossParcels) {
  inbox_.push(chain({3}));
  inbox_.push(chain({1, 4}, 3));
  inbox_.push(chain({2}, 8));
  EXPECT_EQ(inbox_.parcels(), 3u);
  EXPECT_EQ(inbox_.bytes(), 10u);
  size_t at = 0;
  for (const size_t room : {2u, 4u, 1u, 9u}) {
    const Buffers buffers({room});
    BufferCursor peek = buffers.cursor(), to = buffers.cursor();
    const size_t expected = std::min<size_t>(room, 10 - at);
    EXPECT_EQ(inbox_.peek(peek), expected);
    EXPECT_EQ(inbox_.read(to), expected);
    EXPECT_TRUE(same(buffers.first(expected), pattern(expected, at)));
    at += expected;
    EXPECT_EQ(inbox_.bytes(), 10 - at);
  }
  EXPECT_TRUE(inbox_.empty());
  EXPECT_EQ(inbox_.parcels(), 0u);
}

TEST_F(Inbox_Test, TakesMoreAfterItsLastParcelWasReadInPart) {
  inbox_.push(chain({1, 1, 1}));
  const Buffers two({2});
  BufferCursor to = two.cursor();
  EXPECT_EQ(inbox_.read(to), 2u);  // the head pbuf has changed under the tail
  inbox_.push(chain({4}, 3));
  const Buffers rest({10});
  to = rest.cursor();
  EXPECT_EQ(inbox_.read(to), 5u);
  EXPECT_TRUE(same(rest.first(5), pattern(5, 2)));
  EXPECT_TRUE(inbox_.empty());
}

TEST_F(Inbox_Test, MessagesComeOutOneByOne) {
  inbox_.push(chain({5, 5}));
  inbox_.push(chain({0}));
  inbox_.push(chain({7}));
  for (const size_t length : {10u, 0u, 7u}) {
    ASSERT_FALSE(inbox_.empty());
    pbuf* message = inbox_.pop();
    EXPECT_EQ(message->tot_len, length);
    pbuf_free(message);
  }
  EXPECT_TRUE(inbox_.empty());
  EXPECT_EQ(inbox_.bytes(), 0u);
  inbox_.push(chain({1}));
  EXPECT_EQ(inbox_.parcels(), 1u);
}

TEST_F(Inbox_Test, GivesEverythingBackWhenItGoes) {
  {
    Inbox inbox;
    for (int i = 0; i < 50; ++i) inbox.push(chain({3, 0, 5}));
    const Buffers some({20});
    BufferCursor to = some.cursor();
    (void)inbox.read(to);
  }
  EXPECT_EQ(pool_.in_use(), 0u);
}

class RequestQueue_Test : public testing::Test {};

TEST_F(RequestQueue_Test, ServesInOrderAndLosesNobody) {
  RequestQueue queue;
  std::array<Request, 4> requests;
  for (Request& request : requests) queue.push(request);
  queue.remove(requests[3]);  // at the end
  queue.remove(requests[1]);
  queue.push(requests[3]);
  for (const size_t i : {0u, 2u, 3u}) {
    ASSERT_EQ(queue.front(), &requests[i]);
    queue.pop();
  }
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.size(), 0u);
}

TEST_F(RequestQueue_Test, ACaptureOutlivesTheCallersArray) {  // contract: B8
  for (const size_t n : {1u, 4u, 5u, 100u}) {
    Request request;
    std::vector<char> memory(n);
    {
      std::vector<WSABUF> array;
      for (char& byte : memory) array.push_back({1, &byte});
      request.capture(array);
    }
    for (char& byte : memory) {
      ASSERT_FALSE(request.cursor.at_end());
      EXPECT_EQ(request.cursor.data(), &byte);
      request.cursor.advance(1);
    }
    EXPECT_TRUE(request.cursor.at_end());
  }
}

}  // namespace
}  // namespace millrace::test
