// SPDX-License-Identifier: BSD-3-Clause
// Time in nanoseconds for everything that has timers: the CPU's time-stamp counter in production,
// a number that tests advance otherwise. now_ns never goes backwards.
#pragma once

#include <atomic>
#include <cstdint>

namespace millrace {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Nanoseconds since some fixed moment of this process; any thread may ask.
  virtual uint64_t now_ns() const noexcept = 0;
};

/// Turns ticks of `hz` into nanoseconds by one 64x64->128 bit multiplication: ns = ticks*mult >>
/// shift.
struct TickScale {
  uint64_t mult;
  unsigned shift;

  /// The most precise scale for hz >= 1; the error is below one part in 2^33.
  static TickScale for_hz(uint64_t hz) noexcept;
  uint64_t to_ns(uint64_t ticks) const noexcept;
};

/// The TSC, counted from the first TscClock of the process: no division, no system call. Assumes an
/// invariant TSC that is in step on all cores, as DPDK does. EAL has been started.
class TscClock final : public Clock {
 public:
  TscClock();
  uint64_t now_ns() const noexcept override;

 private:
  TickScale scale_;
  uint64_t base_ticks_;
};

/// A clock that stands still until a test advances it.
class ManualClock : public Clock {
 public:
  uint64_t now_ns() const noexcept override { return now_ns_.load(std::memory_order_relaxed); }
  void advance_ns(uint64_t by_ns) noexcept { now_ns_.fetch_add(by_ns, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> now_ns_{0};
};

}  // namespace millrace
