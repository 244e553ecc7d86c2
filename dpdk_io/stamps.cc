// SPDX-License-Identifier: BSD-3-Clause
#define ALLOW_EXPERIMENTAL_API  // rte_eth_read_clock is experimental in DPDK 22.11
#include "dpdk_io/stamps.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>

#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

__extension__ typedef unsigned __int128 uint128_t;  // -Wpedantic: not in ISO C++

constexpr uint64_t kNsPerSecond = 1'000'000'000;
constexpr uint64_t kMicrosecondsHz = 1'000'000;
constexpr uint64_t kLeastHz = 1'000, kMostHz = 100'000'000'000;

class EthdevClock final : public DeviceClock {
 public:
  explicit EthdevClock(uint16_t port_id) : port_id_(port_id) {}
  bool read(uint64_t& ticks) const noexcept override {
    const std::lock_guard guard(mutex_);  // drivers read halves
    return rte_eth_read_clock(port_id_, &ticks) == 0;
  }

 private:
  const uint16_t port_id_;
  mutable std::mutex mutex_;
};

class WallClock final : public DeviceClock {
 public:
  bool read(uint64_t& ticks) const noexcept override {
    timespec now{};
    if (clock_gettime(CLOCK_REALTIME, &now) != 0) return false;
    ticks = static_cast<uint64_t>(now.tv_sec) * kMicrosecondsHz + static_cast<uint64_t>(now.tv_nsec) / 1000;
    return true;
  }
};

/// Of several readings the one that took least: what interrupts the others is not in it.
bool read_both(const DeviceClock& device, const Clock& clock, ClockPair& both) noexcept {
  uint64_t least_ns = UINT64_MAX;
  for (int i = 0; i < 8; ++i) {
    uint64_t ticks = 0;
    const uint64_t before = clock.now_ns();
    if (!device.read(ticks)) return false;
    const uint64_t took_ns = clock.now_ns() - before;
    if (took_ns >= least_ns) continue;
    least_ns = took_ns;
    both = {ticks, before + took_ns / 2};
  }
  return true;
}

bool is_alike(uint64_t hz, uint64_t other) noexcept {
  return hz != 0 && std::max(hz, other) - std::min(hz, other) <= hz / 1000;
}

}  // namespace

uint64_t hz_between(const ClockPair& earlier, const ClockPair& later) noexcept {
  const uint64_t ticks = later.ticks - earlier.ticks;
  const uint64_t ns = later.ns - earlier.ns;
  if (ns == 0 || ns > INT64_MAX || ticks > INT64_MAX) return 0;
  const uint128_t hz = (uint128_t{ticks} * kNsPerSecond + ns / 2) / ns;
  return hz < kLeastHz || hz > kMostHz ? 0 : static_cast<uint64_t>(hz);
}

Stamps::Stamps(std::unique_ptr<const DeviceClock> device_clock, uint64_t exact_hz)
    : clock(std::move(device_clock)), hz(exact_hz), is_hz_exact(exact_hz != 0) {
  if (rte_mbuf_dyn_rx_timestamp_register(&field, &flag) == 0) return;
  throw StartupError("timestamps", std::string("DPDK has no place in an mbuf for them: ") + rte_strerror(rte_errno),
                     "leave timestamps out");
}

void Stamps::measure(const std::string& port) {
  constexpr auto kTime = std::chrono::milliseconds(20);
  if (is_hz_exact) return;
  const TscClock tsc;
  ClockPair earlier, later;
  bool is_there = read_both(*clock, tsc, earlier);
  if (is_there) {
    std::this_thread::sleep_for(kTime);
    is_there = read_both(*clock, tsc, later);
  }
  if (is_there) hz = hz_between(earlier, later);
  if (hz != 0) return;
  throw StartupError("port " + port,
                     is_there ? "the clock of its timestamps does not run"
                              : "its driver stamps frames by a clock that cannot be read (rte_eth_read_clock)",
                     "leave timestamps out");
}

std::unique_ptr<Stamps> device_stamps(uint16_t port_id) {
  return std::make_unique<Stamps>(std::make_unique<EthdevClock>(port_id));
}

std::unique_ptr<Stamps> wall_clock_stamps() {
  return std::make_unique<Stamps>(std::make_unique<WallClock>(), kMicrosecondsHz);
}

StampAges::StampAges(const Stamps& stamps, const Clock& clock) noexcept
    : stamps_(stamps), clock_(clock), measured_hz_(stamps.hz) {
  set_hz(stamps.hz);
}

void StampAges::set_hz(uint64_t hz) noexcept {
  hz_ = hz;
  scale_ = TickScale::for_hz(hz);
}

bool StampAges::look() noexcept {
  const uint64_t begin_ns = clock_.now_ns();
  if (!stamps_.clock->read(ticks_)) return false;
  late_ns_ = (clock_.now_ns() - begin_ns) / 2;
  if (!stamps_.is_hz_exact) measure({ticks_, begin_ns + late_ns_});
  return true;
}

// A clock that was set between two looks spoils that measurement alone: one counts if it is like the one before.
void StampAges::measure(const ClockPair& now) noexcept {
  if (measured_.ns == 0) measured_ = now;
  if (now.ns - measured_.ns < kMeasureNs) return;
  const uint64_t hz = hz_between(measured_, now);
  if (is_alike(hz, measured_hz_)) set_hz(hz);
  measured_hz_ = hz;
  measured_ = now;
}

std::optional<uint64_t> StampAges::age_ns(const rte_mbuf& m) const noexcept {
  if ((m.ol_flags & stamps_.flag) == 0) return std::nullopt;
  return age_ns(*RTE_MBUF_DYNFIELD(&m, stamps_.field, const rte_mbuf_timestamp_t*));
}

std::optional<uint64_t> StampAges::age_ns(uint64_t stamp) const noexcept {
  const uint64_t ticks = ticks_ - stamp;  // wraps as the clock does
  const uint64_t ahead = stamp - ticks_;
  if (ticks > ahead) {
    if (ahead > hz_ / (kNsPerSecond / kAheadNs)) return std::nullopt;
    return 0;
  }
  if (ticks > hz_ * (kOldestNs / kNsPerSecond)) return std::nullopt;
  const uint64_t ns = scale_.to_ns(ticks);
  return ns - std::min(ns, late_ns_);
}

}  // namespace millrace
