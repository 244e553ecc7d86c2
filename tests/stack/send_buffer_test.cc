// SPDX-License-Identifier: BSD-3-Clause
// The send buffer: how far it grows with the path, and that long queues are sent in order.
#include "tests/support/recovery_test.h"

namespace millrace::test {
namespace {

class Tcp_SendBufferGrowth : public RecoveryTest {
 protected:
  /// Writes as much as is taken. @return bytes
  size_t fill() {
    size_t total = 0;
    for (;;) {
      const Outcome sent = app->send(pattern(50'000, written_));
      if (sent.error != WsaError::kOk || sent.bytes == 0) return total;
      written_ += sent.bytes;
      total += sent.bytes;
    }
  }
  /// One round trip: all that came is acknowledged, segment by segment.
  void round(bool goes_on = true) {
    std::vector<uint32_t> ends;
    while (const auto segment = flow->next()) {
      if (segment->payload.empty()) continue;
      const uint32_t offset = *segment->seq - 1 - base_;
      EXPECT_TRUE(same(segment->payload, pattern(segment->payload.size(), offset)));
      ends.push_back(static_cast<uint32_t>(*segment->seq + segment->payload.size()));
    }
    advance(kRttMs);
    for (const uint32_t end : ends) {
      flow->send(tcp().ack(end));
      run();
      if (goes_on) (void)fill();
    }
  }
  size_t unsent_and_in_flight() const { return written_ - (flow->their_next() - 1 - base_); }
  /// Brings everything in.
  void finish() {
    for (int i = 0; i < 200 && flow->their_next() - 1 - base_ < written_; ++i) {
      round(false);
    }
    EXPECT_EQ(flow->their_next() - 1 - base_, written_);
    flow->send(tcp().ack());
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Tcp_SendBufferGrowth);

TEST_P(Tcp_SendBufferGrowth, GrowsToTwiceTheWindowThatThePathCarries) {
  begin();
  EXPECT_EQ(fill(), config.tcp.send_buffer_bytes);
  for (int i = 0; i < 6; ++i) round();
  EXPECT_GT(unsent_and_in_flight(), 2 * config.tcp.send_buffer_bytes);
  finish();
}

TEST_P(Tcp_SendBufferGrowth, ALongSendIsWholeSegmentsButTheLast) {
  begin();  // a short segment would not wait
  constexpr size_t kBytes = 30'500;
  EXPECT_EQ(app->send(pattern(kBytes)).bytes, kBytes);
  std::vector<size_t> sizes;
  for (size_t n = 0; n < kBytes;) {
    run();
    const auto segment = flow->next();
    ASSERT_TRUE(segment) << n;
    EXPECT_TRUE(same(segment->payload, pattern(segment->payload.size(), n)));
    n += segment->payload.size();
    sizes.push_back(segment->payload.size());
    flow->send(tcp().ack(static_cast<uint32_t>(*segment->seq + segment->payload.size())));
  }
  std::vector<size_t> whole(kBytes / kMss, kMss);
  whole.push_back(kBytes % kMss);
  EXPECT_EQ(sizes, whole);
  run();
}

TEST_P(Tcp_SendBufferGrowth, ASizeThatTheApplicationChoseStays) {
  begin();
  app->options().send_buffer_bytes = 100'000;
  EXPECT_EQ(fill(), 100'000u);
  for (int i = 0; i < 6; ++i) {
    round();
    EXPECT_LE(unsent_and_in_flight(), 100'000u);
  }
  finish();
}

TEST_P(Tcp_SendBufferGrowth, StopsAtTheConfiguredBound) {
  disband();
  stop();
  config.tcp.max_send_buffer_bytes = 300'000;
  start();
  establish();
  begin();
  (void)fill();
  size_t most = 0;
  for (int i = 0; i < 8; ++i) {
    round();
    most = std::max(most, unsent_and_in_flight());
  }
  EXPECT_GT(most, 262'144u - kMss);
  EXPECT_LE(most, 300'000u);
  finish();
}

TEST_P(Tcp_SendBufferGrowth, DoesNotTakeTheMbufsOfOthers) {
  begin();
  (void)fill();
  for (int i = 0; i < 5; ++i) round();
  const auto taken = exhaust_pool(1000);
  for (int i = 0; i < 3; ++i) round(false);
  for (int i = 0; i < 3; ++i) round();
  EXPECT_LE(unsent_and_in_flight(), config.tcp.send_buffer_bytes);
  finish();
}

}  // namespace
}  // namespace millrace::test
