// SPDX-License-Identifier: BSD-3-Clause
// The scale is checked against exact 128-bit division; no test here waits for time to pass.
#include "dpdk_io/clock.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

class TickScale_Of : public testing::TestWithParam<uint64_t> {};

TEST_P(TickScale_Of, AgreesWithExactDivisionOverAWeek) {
  __extension__ typedef unsigned __int128 uint128;
  const uint64_t hz = GetParam();
  const TickScale scale = TickScale::for_hz(hz);
  constexpr uint64_t kWeekSeconds = 7 * 24 * 3600;
  for (uint64_t seconds : {0ul, 1ul, 3600ul, kWeekSeconds}) {
    for (uint64_t more : {uint64_t{0}, uint64_t{1}, hz / 3, hz - 1}) {
      const uint64_t ticks = seconds * hz + more;
      const auto exact = static_cast<uint64_t>(uint128{ticks} * 1'000'000'000 / hz);
      const uint64_t ns = scale.to_ns(ticks);
      EXPECT_LE(ns, exact) << ticks << " ticks";
      EXPECT_LE(exact - ns, 1 + exact / (uint64_t{1} << 33)) << ticks << " ticks";
    }
  }
}

TEST_P(TickScale_Of, NeverGoesBackwards) {
  const TickScale scale = TickScale::for_hz(GetParam());
  uint64_t before = 0;
  for (uint64_t ticks = 0; ticks < 10'000; ++ticks) {
    const uint64_t ns = scale.to_ns(ticks);
    ASSERT_GE(ns, before);
    before = ns;
  }
}

INSTANTIATE_TEST_SUITE_P(Frequencies, TickScale_Of,
                         testing::Values(1, 1'000, 25'000'000, 999'999'999, 1'000'000'000,
                                         2'100'000'000, 2'899'999'123, 5'700'000'000));

TEST(ManualClock, MovesOnlyWhenAdvanced) {
  ManualClock clock;
  EXPECT_EQ(clock.now_ns(), 0u);
  clock.advance_ns(250);
  clock.advance_ns(1);
  EXPECT_EQ(clock.now_ns(), 251u);
}

TEST(TscClock, GoesForwardAndSharesOneZeroWithOthers) {
  const TscClock first;
  const uint64_t start_ns = first.now_ns();
  const TscClock second;
  uint64_t before_ns = start_ns;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t now_ns = (i % 2 == 0 ? first : second).now_ns();
    ASSERT_GE(now_ns, before_ns);
    before_ns = now_ns;
  }
  EXPECT_GT(before_ns, start_ns);
}

}  // namespace
}  // namespace millrace
