// SPDX-License-Identifier: BSD-3-Clause
// The fixture of tests of the sending side under loss: a connection whose segments are 1000 bytes,
// so that number n begins at 1 + 1000 n, and whose peer tells what it has by SACK blocks.
#pragma once

#include <utility>
#include <vector>

#include "tests/support/connected_test.h"

namespace millrace::test {

using Ranges = std::vector<std::pair<uint32_t, uint32_t>>;
inline constexpr uint16_t kMss = 1000;
inline constexpr uint64_t kRttMs = 40;

constexpr uint32_t at(uint32_t n) { return 1 + kMss * n; }

class RecoveryTest : public ConnectedTest {
 protected:
  /// A connection with a measured round trip, nothing in flight, and a window of 12 segments.
  /// With timestamps its segments still carry 1000 bytes.
  void begin(bool with_sack = true, bool with_timestamps = false) {
    app.reset();
    run();
    peer().forget();
    flow = std::make_unique<Flow>(*this, family(), 40001, 80);
    flow->offers_sack = with_sack;
    if (with_timestamps) flow->clock = 1;
    flow->connect(with_timestamps ? kMss + 12 : kMss, 7);
    run();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
    app->options().no_delay = true;
    app->apply_options();
    for (int i = 0; i < 10; ++i) {
      ASSERT_EQ(app->send("?").error, WsaError::kOk);
      (void)numbers();
      advance(kRttMs);
      flow->send(tcp().ack());
      run();
    }
    base_ = flow->their_next() - 1;
  }
  /// Hands n segments of data to the Stack.
  void write(uint32_t n) {
    ASSERT_EQ(app->send(pattern(n * kMss, written_)).bytes, n * kMss);
    written_ += n * kMss;
  }
  /// The numbers of the data segments that came since; their bytes are checked.
  std::vector<uint32_t> numbers() {
    std::vector<uint32_t> all;
    while (const auto segment = flow->next()) {
      if (segment->payload.empty()) continue;
      arrived_at_ms_ = flow->arrived_at_ms();
      if (segment->payload.size() != kMss) continue;
      const uint32_t offset = *segment->seq - 1 - base_;
      EXPECT_TRUE(same(segment->payload, pattern(kMss, offset)));
      all.push_back(offset / kMss);
    }
    return all;
  }
  /// Everything before segment n has arrived, and these ranges of segments, [first, second).
  void acknowledge(uint32_t n, const Ranges& beyond = {}) {
    Ranges ranges;
    for (const auto& [left, right] : beyond) ranges.emplace_back(number(left), number(right));
    TcpWriter writer = tcp().ack(number(n));
    if (!ranges.empty()) writer.options(flow->sack(ranges));
    flow->send(writer);
    run();
  }
  uint32_t number(uint32_t n) const { return base_ + at(n); }

  uint32_t base_ = 0;
  size_t written_ = 0;
  uint64_t arrived_at_ms_ = 0;
};

}  // namespace millrace::test
