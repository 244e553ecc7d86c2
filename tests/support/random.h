// SPDX-License-Identifier: BSD-3-Clause
// Random numbers of tests: a seed repeats its run exactly.
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace::test {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
  size_t below(size_t n) {  // xorshift64
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<size_t>(state_ % n);
  }
  bool chance(size_t percent) { return below(100) < percent; }

 private:
  uint64_t state_;
};

}  // namespace millrace::test
