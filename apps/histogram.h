// SPDX-License-Identifier: BSD-3-Clause
// A latency histogram with three significant digits, 1 ns .. 60 s, in HdrHistogram's layout and
// with its text output, so that its plotters read our files.
//
// Values below 2048 have a slot each. Above, each doubling of the value has 1024 slots, so a slot
// is never wider than a thousandth of the values in it:
//
//   bucket   0: 0 .. 2047        2048 slots, 1 ns wide
//   bucket   1: 2048 .. 4095     1024 slots, 2 ns wide
//   bucket   k: 2^(k+10) ..      1024 slots, 2^k ns wide          k = 1 .. 25
//
// Invariant: record() is one index computation and one add; it allocates nothing and cannot fail.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>
#include <vector>

namespace millrace {

class Histogram {
 public:
  static constexpr uint64_t kHighest = 60'000'000'000;

  Histogram();

  /// Values above kHighest count as kHighest, and in n_clamped().
  void record(uint64_t value) noexcept {
    if (value > kHighest) {
      value = kHighest;
      ++n_clamped_;
    }
    ++counts_[index_of(value)];
    ++count_;
    min_ = std::min(min_, value);
    max_ = std::max(max_, value);
  }

  uint64_t count() const noexcept { return count_; }
  uint64_t n_clamped() const noexcept { return n_clamped_; }
  uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }  ///< exact
  uint64_t max() const noexcept { return max_; }                    ///< exact
  double mean() const noexcept;                                     ///< of the slots' middles
  double standard_deviation() const noexcept;

  /// The value that `percent` (0 .. 100) of all values do not exceed: the top of its slot, at most
  /// a thousandth above the value recorded, and never above max(). 0 when nothing was recorded.
  uint64_t percentile(double percent) const noexcept;

  /// What was counted, by slot, in HdrHistogram's order.
  std::span<const uint64_t> counts() const noexcept { return counts_; }

  /// HdrHistogram's percentile distribution: five lines for each halving of what is left above.
  ///
  /// @param unit  recorded values in one printed value: 1000 prints microseconds
  void write_distribution(std::ostream& out, double unit) const;

 private:
  static constexpr size_t kHalfBits = 10;
  static constexpr size_t kHalf = size_t{1} << kHalfBits;
  static constexpr size_t kBuckets = 26;
  static_assert(uint64_t{2 * kHalf} << (kBuckets - 1) > kHighest);
  static_assert(uint64_t{2 * kHalf} << (kBuckets - 2) <= kHighest);

  // The bits below the leading eleven are what a slot does not tell apart.
  static size_t index_of(uint64_t value) noexcept {
    const size_t shift =
        static_cast<size_t>(std::bit_width(value | (2 * kHalf - 1))) - (kHalfBits + 1);
    return (shift << kHalfBits) + static_cast<size_t>(value >> shift);
  }

  static uint64_t lowest_in(size_t index) noexcept;
  static uint64_t highest_in(size_t index) noexcept;
  static double middle_of(size_t index) noexcept;

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t n_clamped_ = 0;
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
};

}  // namespace millrace
