// SPDX-License-Identifier: BSD-3-Clause
// How much may be in flight: slow start with HyStart++ (RFC 9406), then CUBIC (RFC 9438) or NewReno
// (RFC 5681), from an initial window of ten segments (RFC 6928).
//
// One small value per connection, without a clock, a pcb or a timer of its own: Recovery tells it
// what was acknowledged, lost or timed out, and asks for cwnd. All windows are bytes. During fast
// recovery the window is what proportional rate reduction says (recovery.cc), set by hold().
#pragma once

#include <cstdint>

#include "stack/config.h"

namespace millrace {

class Congestion {
 public:
  struct Ack {
    uint32_t bytes = 0;     ///< newly delivered
    uint32_t una = 0;       ///< first byte not acknowledged
    uint32_t sent_end = 0;  ///< first byte never sent
    uint64_t now_ns = 0;
    uint64_t rtt_ns = 0;  ///< this acknowledgement's sample; 0: none
    uint64_t srtt_ns = 0;
  };

  void begin(CongestionControl kind, uint16_t mss) noexcept;
  /// The path carries shorter segments from now on, or longer ones again.
  void set_mss(uint16_t mss) noexcept { mss_ = mss; }
  uint32_t cwnd() const noexcept { return cwnd_; }
  uint32_t ssthresh() const noexcept { return ssthresh_; }
  bool is_in_slow_start() const noexcept { return cwnd_ < ssthresh_; }

  /// Data was acknowledged while the window was in use, and nothing is being repaired by PRR.
  void on_ack(const Ack& ack) noexcept;
  /// The same while the application sent less than the window allows: time passes, nothing grows.
  void on_unused(uint64_t now_ns) noexcept;
  /// Something was lost, once per window: ssthresh falls. cwnd is the caller's to hold().
  void on_loss() noexcept;
  void on_timeout() noexcept;
  void hold(uint32_t cwnd) noexcept { cwnd_ = cwnd; }
  /// What on_loss() or on_timeout() did was for nothing.
  void undo() noexcept;
  /// Silent for longer than an RTO: RFC 5681 4.1.
  void on_idle() noexcept;

  static constexpr uint32_t kInitialSegments = 10;

 private:
  void slow_start(const Ack& ack) noexcept;
  void watch_delay(const Ack& ack) noexcept;
  void grow_cubic(const Ack& ack) noexcept;
  void grow_newreno(uint32_t bytes) noexcept;
  void begin_epoch(uint64_t now_ns) noexcept;
  void add(double bytes) noexcept;
  void save() noexcept;

  CongestionControl kind_ = CongestionControl::kCubic;
  bool is_conservative_ = false;  ///< HyStart++: conservative slow start
  uint8_t n_conservative_rounds_ = 0;
  uint16_t n_samples_ = 0;
  uint16_t mss_ = 0;
  uint32_t cwnd_ = 0;
  uint32_t ssthresh_ = UINT32_MAX;
  uint32_t round_end_ = 0;
  uint32_t prior_cwnd_ = 0;  ///< of CUBIC, when its epoch began
  uint64_t round_min_ns_ = UINT64_MAX;
  uint64_t last_round_min_ns_ = UINT64_MAX;
  uint64_t baseline_ns_ = 0;

  // CUBIC, in bytes and seconds.
  double w_max_ = 0;
  double k_s_ = 0;
  double w_est_ = 0;
  double fraction_ = 0;  ///< bytes of growth that do not make a whole one yet
  uint64_t epoch_ns_ = 0;
  uint64_t last_ack_ns_ = 0;

  struct {
    uint32_t cwnd = 0;
    uint32_t ssthresh = 0;
    double w_max = 0;
    double k_s = 0;
    uint64_t epoch_ns = 0;
  } saved_;
};

}  // namespace millrace
