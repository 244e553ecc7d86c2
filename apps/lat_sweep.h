// SPDX-License-Identifier: BSD-3-Clause
// How a sweep goes on from one rate to the next; what measures them is given.
#pragma once

#include <algorithm>

#include "apps/lat_load.h"

namespace millrace::lat {

/// @param measure  LoadResult of a rate per second; called with options.rate_per_s first
template <typename Measure>
SweepResult find_knee(const Options& options, Measure&& measure) {
  constexpr int kHalvings = 3;
  constexpr int kMostRates = 40;
  constexpr double kLimitFactor = 10;  // if no limit is given
  SweepResult result;
  result.limit_us = options.limit_us;
  double good = 0;
  double bad = 0;
  double rate = options.rate_per_s;
  for (int n = 0, halvings = 0; n < kMostRates && halvings <= kHalvings && !is_stopping; ++n) {
    result.rates.push_back(measure(rate));
    const LoadResult& last = result.rates.back();
    const double p99_us = static_cast<double>(last.latency.percentile(99)) / 1000;
    if (result.limit_us == 0) result.limit_us = kLimitFactor * p99_us;
    (last.keeps_up() && p99_us <= result.limit_us ? good : bad) = rate;
    if (good == 0) break;  // the first one already
    halvings += bad != 0 ? 1 : 0;
    rate = bad == 0 ? rate * options.step : (good + bad) / 2;
  }
  std::sort(result.rates.begin(), result.rates.end(),
            [](const LoadResult& a, const LoadResult& b) { return a.offered_per_s < b.offered_per_s; });
  for (size_t i = 0; i < result.rates.size(); ++i) {
    if (result.rates[i].offered_per_s == good) result.knee = i;
  }
  return result;
}

}  // namespace millrace::lat
