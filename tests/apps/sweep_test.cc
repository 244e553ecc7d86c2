// SPDX-License-Identifier: BSD-3-Clause
// The way of a sweep to its knee, over servers whose latency is a formula.
#include "apps/lat_sweep.h"

#include <gtest/gtest.h>

namespace millrace::lat {
namespace {

/// A server that answers at once up to a rate, and above it only so many.
LoadResult at(double rate, double most, uint64_t latency_ns) {
  LoadResult result;
  result.offered_per_s = rate;
  result.achieved_per_s = std::min(rate, most);
  result.n_due = 100;
  for (int i = 0; i < 100; ++i) result.latency.record(latency_ns);
  return result;
}

std::vector<double> rates_of(const SweepResult& result) {
  std::vector<double> rates;
  for (const LoadResult& each : result.rates) rates.push_back(each.offered_per_s);
  return rates;
}

Options options_of(double rate, double step, double limit_us) {
  Options options;
  options.rate_per_s = rate;
  options.step = step;
  options.limit_us = limit_us;
  return options;
}

TEST(Sweep, HalvesTheWayBackToTheLastRateThatWasKeptUpWith) {
  const SweepResult result =
      find_knee(options_of(1000, 2, 0), [](double rate) { return at(rate, 11'000, 10'000); });
  // 16000 is too much; then 12000, 10000, and 11000, which is within 3 %.
  EXPECT_EQ(rates_of(result), (std::vector<double>{1000, 2000, 4000, 8000, 10'000, 11'000, 12'000, 16'000}));
  ASSERT_LT(result.knee, result.rates.size());
  EXPECT_EQ(result.rates[result.knee].offered_per_s, 11'000);
}

TEST(Sweep, EndsWhereP99IsAboveTheLimit) {
  const auto slower_and_slower = [](double rate) { return at(rate, 1e9, static_cast<uint64_t>(rate) * 1000); };
  const SweepResult result = find_knee(options_of(100, 2, 500), slower_and_slower);
  EXPECT_EQ(rates_of(result), (std::vector<double>{100, 200, 400, 500, 550, 600, 800}));
  ASSERT_LT(result.knee, result.rates.size());
  EXPECT_EQ(result.rates[result.knee].offered_per_s, 500);
}

TEST(Sweep, WithoutALimitTakesTenTimesTheFirstP99) {
  const auto slower_and_slower = [](double rate) { return at(rate, 1e9, static_cast<uint64_t>(rate) * 10); };
  const SweepResult result = find_knee(options_of(100, 4, 0), slower_and_slower);
  EXPECT_DOUBLE_EQ(result.limit_us, 10);
  ASSERT_LT(result.knee, result.rates.size());
  EXPECT_LE(result.rates[result.knee].offered_per_s, 1000);
  EXPECT_GE(result.rates[result.knee].offered_per_s, 850);
}

TEST(Sweep, HasNoKneeIfTheFirstRateIsTooMuch) {
  const SweepResult result = find_knee(options_of(1000, 2, 0), [](double rate) { return at(rate, 900, 10'000); });
  EXPECT_EQ(rates_of(result), std::vector<double>{1000});
  EXPECT_EQ(result.knee, SIZE_MAX);
}

TEST(Sweep, AMessageThatNeverCameBackIsNotKeptUpWith) {
  LoadResult result = at(1000, 1e9, 10'000);
  EXPECT_TRUE(result.keeps_up());
  result.n_unanswered = 1;
  EXPECT_FALSE(result.keeps_up());
}

}  // namespace
}  // namespace millrace::lat
