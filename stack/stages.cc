// SPDX-License-Identifier: BSD-3-Clause
#include "stack/stages.h"

#include <numeric>

namespace millrace {

void StageSums::add(const Stages& stages) noexcept {
  for (size_t i = 0; i < kStages; ++i) {
    const StageTimes& times = (*stages.times_)[i];
    Sum& sum = sums_[i];
    for (size_t b = 0; b < StageTimes::kBuckets; ++b) {
      sum.buckets[b] += times.buckets_[b].load(std::memory_order_relaxed);
    }
    sum.sum_ns += times.sum_ns_.load(std::memory_order_relaxed);
    sum.max_ns = std::max(sum.max_ns, times.max_ns_.load(std::memory_order_relaxed));
  }
}

StageSummary StageSums::summary_of(const Sum& sum) noexcept {
  const uint64_t n = std::accumulate(sum.buckets.begin(), sum.buckets.end(), uint64_t{0});
  const auto percentile = [&](uint64_t per_mille) -> uint64_t {
    const uint64_t wanted = (n * per_mille + 999) / 1000;
    uint64_t seen = 0;
    for (size_t b = 0; b < sum.buckets.size(); ++b) {
      seen += sum.buckets[b];
      if (seen >= wanted && seen != 0) return std::min(StageTimes::longest_in(b), sum.max_ns);
    }
    return 0;
  };
  return {.name = "",
          .sentence = "",
          .count = n,
          .p50_ns = percentile(500),
          .p99_ns = percentile(990),
          .p999_ns = percentile(999),
          .max_ns = sum.max_ns,
          .sum_ns = sum.sum_ns};
}

std::array<StageSummary, kStages> StageSums::summaries() const noexcept {
  std::array<StageSummary, kStages> all = {
#define STAGE(constant, name, sentence) \
  StageSummary{name, sentence, 0, 0, 0, 0, 0, 0},
#include "stack/stages.def"
#undef STAGE
  };
  for (size_t i = 0; i < kStages; ++i) {
    const char* const name = all[i].name;
    const char* const sentence = all[i].sentence;
    all[i] = summary_of(sums_[i]);
    all[i].name = name;
    all[i].sentence = sentence;
  }
  return all;
}

}  // namespace millrace
