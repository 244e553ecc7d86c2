// SPDX-License-Identifier: BSD-3-Clause
// How long ago a frame came to its port, by the timestamp that the port wrote into its mbuf.
//
//   frame on the wire      burst in hand
//   ──┬──────── age ─────────┬──────► the device's clock
//     stamp (in the mbuf)    ticks (read from the device, DeviceClock)
//
// Invariant: a stamp is only ever compared with its own device's clock, read when the burst is in hand. So where
// that clock began, that it wraps, drifts, or was set a while ago does not matter; its frequency does, which is
// measured, and measured again while it runs. What cannot be an age is none: no guess is made.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "dpdk_io/clock.h"

struct rte_mbuf;

namespace millrace {

/// The clock by which a device stamps the frames that it receives. Any thread may read it.
class DeviceClock {
 public:
  virtual ~DeviceClock() = default;
  /// @return false: the device does not say
  virtual bool read(uint64_t& ticks) const noexcept = 0;
};

/// Device and process clock at one moment.
struct ClockPair {
  uint64_t ticks = 0;
  uint64_t ns = 0;
};

/// @return 0: it stood still, was set, or runs at a rate that no device has
uint64_t hz_between(const ClockPair& earlier, const ClockPair& later) noexcept;

/// What a port says of its timestamps.
struct Stamps {
  int field = 0;      ///< where in an mbuf the stamp is (DPDK rte_mbuf_dyn.h)
  uint64_t flag = 0;  ///< of ol_flags: there is one
  std::unique_ptr<const DeviceClock> clock;
  uint64_t hz = 0;
  bool is_hz_exact = false;  ///< it is the clock's unit, and not measured

  /// Field and flag are the same for all ports of a process.
  /// @errors StartupError: no mbuf has room for them
  explicit Stamps(std::unique_ptr<const DeviceClock> device_clock, uint64_t exact_hz = 0);
  /// The clock of a device that was started, and its frequency: takes 20 ms.
  /// @errors StartupError: the device has none that can be read
  void measure(const std::string& port);
};

/// rte_eth_read_clock
std::unique_ptr<Stamps> device_stamps(uint16_t port_id);
/// Microseconds of the system's time of day.
std::unique_ptr<Stamps> wall_clock_stamps();

/// The ages of a burst's frames. Of one thread at a time.
class StampAges {
 public:
  /// How far ahead a stamp may be, by clocks that a device reads at different places; its age is 0 then.
  static constexpr uint64_t kAheadNs = 1'000'000;
  /// Nothing waits so long in a port: such a stamp is another clock's.
  static constexpr uint64_t kOldestNs = 60'000'000'000;
  /// The frequency is measured again after so long.
  static constexpr uint64_t kMeasureNs = 1'000'000'000;

  /// Both outlive it.
  StampAges(const Stamps& stamps, const Clock& clock) noexcept;

  /// A burst has been received; ages are as of now. @return false: there are none
  bool look() noexcept;
  /// How long the frame has been in its port. @return nothing: it has no stamp, or none that can be
  std::optional<uint64_t> age_ns(const rte_mbuf& m) const noexcept;
  std::optional<uint64_t> age_ns(uint64_t stamp) const noexcept;
  uint64_t hz() const noexcept { return hz_; }

 private:
  void measure(const ClockPair& now) noexcept;
  void set_hz(uint64_t hz) noexcept;

  const Stamps& stamps_;
  const Clock& clock_;
  uint64_t hz_ = 0;
  TickScale scale_{};
  uint64_t ticks_ = 0;    ///< of the last look()
  uint64_t late_ns_ = 0;  ///< how long after its begin they were read
  ClockPair measured_{};  ///< where the present measurement begins; 0 ns: nowhere
  uint64_t measured_hz_;  ///< the last one's, adopted or not
};

}  // namespace millrace
