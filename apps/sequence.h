// SPDX-License-Identifier: BSD-3-Clause
// Which of a sender's numbered datagrams have come: counts those that are missing, late or double.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>

namespace millrace {

/// Numbers start at 0. One that comes after a later one is late; its loss is taken back, as long as
/// not more than kWindow numbers are between the two.
class Sequence {
 public:
  static constexpr size_t kWindow = 65536;

  void add(uint64_t number) {
    if (number >= next_) {
      const uint64_t skipped = number - next_;
      n_lost_ += skipped;
      for (uint64_t i = 0; i <= skipped && i < kWindow; ++i)
        has_come_[(number - i) % kWindow] = i == 0;
      next_ = number + 1;
    } else if (next_ - number > kWindow) {
      ++n_late_;  // too old to know whether it is double
    } else if (has_come_[number % kWindow]) {
      ++n_double_;
    } else {
      has_come_[number % kWindow] = true;
      ++n_late_;
      --n_lost_;
    }
  }

  /// Without those behind the last one that came, of which nobody can know.
  uint64_t n_lost() const { return n_lost_; }
  uint64_t n_late() const { return n_late_; }
  uint64_t n_double() const { return n_double_; }

 private:
  std::bitset<kWindow> has_come_;
  uint64_t next_ = 0;
  uint64_t n_lost_ = 0, n_late_ = 0, n_double_ = 0;
};

}  // namespace millrace
