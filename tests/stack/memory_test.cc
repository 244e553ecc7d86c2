// SPDX-License-Identifier: BSD-3-Clause
// A connection that nobody reads holds a bounded number of mbufs, loses nothing, and does not starve
// the others.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Memory_Test : public ConnectedTest {
 protected:
  void SetUp() override {
    config.stack.max_inbox_mbufs_per_socket = 64;
    ConnectedTest::SetUp();
    peer().fences_frames = false;  // segments share an mbuf
  }
};
MILLRACE_BOTH_FAMILIES(Memory_Test);

TEST_P(Memory_Test, SmallSegmentsThatNobodyReadsShareMbufs) {
  constexpr size_t kBytes = 30'000;
  flow->stream(pattern(kBytes), 1);
  const Counters before = counters();
  EXPECT_GT(before.bytes_merged, kBytes - 200);
  EXPECT_TRUE(same(app->drain(), pattern(kBytes)));
  EXPECT_EQ(counters().bytes_copied, kBytes + before.bytes_merged);
  flow->stream(pattern(50, 7), 1);
  EXPECT_TRUE(same(app->drain(), pattern(50, 7)));
  EXPECT_EQ(counters().bytes_merged, before.bytes_merged) << "who reads gets each byte in one copy";
}

TEST_P(Memory_Test, LargeSegmentsThatNobodyReadsAreBoundedByTheWindow) {
  flow->stream(pattern(60'000), 1000);
  EXPECT_EQ(counters().bytes_merged, 0u);
  EXPECT_TRUE(same(app->drain(), pattern(60'000)));
}

TEST_P(Memory_Test, WithHardlyAnMbufLeftWhatNobodyReadsWaitsInThePeer) {
  const Bytes all = pattern(20'000);
  const auto part = [&](size_t from) {
    return Bytes(all.begin() + static_cast<ptrdiff_t>(from),
                 all.begin() + static_cast<ptrdiff_t>(from + 1000));
  };
  auto taken = exhaust_pool(100);
  advance(20);  // the Stack looks
  for (size_t from = 0; from < 10'000; from += 1000) {
    flow->send(tcp().seq(static_cast<uint32_t>(1 + from)).ack().data(part(from)));
    run();
  }
  EXPECT_GT(counters().rx_put_off, 0u);
  Bytes got = app->drain();
  EXPECT_LT(got.size(), 10'000u);
  taken.clear();
  advance(20);
  peer().forget();
  for (size_t from = 0; from < all.size(); from += 1000) {  // the peer sends again
    flow->send(tcp().seq(static_cast<uint32_t>(1 + from)).ack().data(part(from)));
    run();
    const Bytes more = app->drain();
    got.insert(got.end(), more.begin(), more.end());
  }
  EXPECT_TRUE(same(got, all));
}

TEST_P(Memory_Test, AnotherConnectionGoesOn) {
  flow->stream(pattern(60'000), 100);
  Flow other(*this, family(), 40'001, 80);
  other.connect();
  const auto reader = listener->accept();
  ASSERT_NE(reader, nullptr);
  other.stream(pattern(50'000, 3), 1400);
  EXPECT_TRUE(same(reader->drain(), pattern(50'000, 3)));
}

// One that has sent; one that only received has no loss recovery, 384 bytes.
TEST_P(Memory_Test, AnIdleConnectionTakesLessThanOneAndAHalfKib) {
  EXPECT_LT(stack().bytes_per_connection(), 1536u);
  EXPECT_GT(stack().bytes_per_connection(), 512u);
}

}  // namespace
}  // namespace millrace::test
