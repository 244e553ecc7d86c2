// SPDX-License-Identifier: BSD-3-Clause
// The TSC as nanoseconds. The scale is chosen once: `shift` as large as keeps `mult` in 64 bits, so
// that the 128-bit product carries at least 33 significant bits of the ratio 1e9 / hz.
#include "dpdk_io/clock.h"

#include <rte_cycles.h>

#include <cassert>

namespace millrace {
namespace {

__extension__ typedef unsigned __int128 uint128_t;  // -Wpedantic: not in ISO C++

constexpr uint64_t kNsPerSecond = 1'000'000'000;

}  // namespace

TickScale TickScale::for_hz(uint64_t hz) noexcept {
  assert(hz != 0);
  unsigned shift = 64;
  uint128_t mult = (uint128_t{kNsPerSecond} << shift) / hz;
  for (; mult >> 64 != 0; mult >>= 1) --shift;
  return {static_cast<uint64_t>(mult), shift};
}

uint64_t TickScale::to_ns(uint64_t ticks) const noexcept {
  return static_cast<uint64_t>((uint128_t{ticks} * mult) >> shift);
}

TscClock::TscClock() : scale_(TickScale::for_hz(rte_get_tsc_hz())) {
  static const uint64_t first_ticks = rte_rdtsc();  // one zero for all clocks of the process
  base_ticks_ = first_ticks;
}

uint64_t TscClock::now_ns() const noexcept { return scale_.to_ns(rte_rdtsc() - base_ticks_); }

}  // namespace millrace
