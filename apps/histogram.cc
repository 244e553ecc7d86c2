// SPDX-License-Identifier: BSD-3-Clause
// What is read out of a histogram. The steps of the distribution and the form of its lines are
// those of HdrHistogram's outputPercentileDistribution with five ticks per half distance.
#include "apps/histogram.h"

#include <cmath>
#include <cstdio>
#include <ostream>

namespace millrace {
namespace {

constexpr int kTicksPerHalfDistance = 5;

/// The next percentile to print after `percent`: of what is left to 100, each half has five steps.
double next_level(double percent) {
  const double halvings = std::floor(std::log2(100.0 / (100.0 - percent))) + 1;
  return percent + 100.0 / (kTicksPerHalfDistance * std::exp2(halvings));
}

}  // namespace

Histogram::Histogram() : counts_((kBuckets + 1) * kHalf) {}

// index_of(), backwards. Bucket 0 has indices 0 .. 2047, so its shift is 0 in both halves.
uint64_t Histogram::lowest_in(size_t index) noexcept {
  const size_t half = index >> kHalfBits;
  const size_t shift = half == 0 ? 0 : half - 1;
  return uint64_t{index - (shift << kHalfBits)} << shift;
}

uint64_t Histogram::highest_in(size_t index) noexcept { return lowest_in(index + 1) - 1; }

double Histogram::middle_of(size_t index) noexcept {
  const uint64_t width = lowest_in(index + 1) - lowest_in(index);
  return static_cast<double>(lowest_in(index) + width / 2);
}

double Histogram::mean() const noexcept {
  if (count_ == 0) return 0;
  double sum = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] != 0) sum += middle_of(i) * static_cast<double>(counts_[i]);
  }
  return sum / static_cast<double>(count_);
}

double Histogram::standard_deviation() const noexcept {
  if (count_ == 0) return 0;
  const double mean_value = mean();
  double sum = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const double deviation = middle_of(i) - mean_value;
    sum += deviation * deviation * static_cast<double>(counts_[i]);
  }
  return std::sqrt(sum / static_cast<double>(count_));
}

uint64_t Histogram::percentile(double percent) const noexcept {
  if (count_ == 0) return 0;
  // Rounding must not lift 99.9 % of 1000 values to the 1000th: the next smaller double prevents
  // it.
  const double share = std::nextafter(std::clamp(percent, 0.0, 100.0), 0.0) / 100;
  const auto wanted = static_cast<uint64_t>(std::ceil(share * static_cast<double>(count_)));
  const uint64_t rank = std::clamp<uint64_t>(wanted, 1, count_);
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(highest_in(i), max_);
  }
  return max_;
}

void Histogram::write_distribution(std::ostream& out, double unit) const {
  char line[128];
  std::snprintf(line, sizeof line, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
                "1/(1-Percentile)");
  out << line;
  double level = 0;
  uint64_t seen = 0;
  for (size_t i = 0; i < counts_.size() && seen < count_; ++i) {
    if (counts_[i] == 0) continue;
    seen += counts_[i];
    const double value = static_cast<double>(highest_in(i)) / unit;
    const double reached = 100.0 * static_cast<double>(seen) / static_cast<double>(count_);
    for (; level <= reached && level < 100; level = next_level(level)) {
      std::snprintf(line, sizeof line, "%12.3f %2.12f %10llu %14.2f\n", value, level / 100,
                    static_cast<unsigned long long>(seen), 1 / (1 - level / 100));
      out << line;
      if (seen == count_) break;
    }
    if (seen < count_) continue;
    std::snprintf(line, sizeof line, "%12.3f %2.12f %10llu\n", value, 1.0,
                  static_cast<unsigned long long>(seen));
    out << line;
  }
  std::snprintf(line, sizeof line, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean() / unit,
                standard_deviation() / unit);
  out << line;
  const uint64_t top = count_ == 0 ? 0 : highest_in(index_of(max_));
  std::snprintf(line, sizeof line, "#[Max     = %12.3f, Total count    = %12llu]\n",
                static_cast<double>(top) / unit, static_cast<unsigned long long>(count_));
  out << line;
  std::snprintf(line, sizeof line, "#[Buckets = %12zu, SubBuckets     = %12zu]\n", kBuckets,
                2 * kHalf);
  out << line;
}

}  // namespace millrace
