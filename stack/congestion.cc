// SPDX-License-Identifier: BSD-3-Clause
#include "stack/congestion.h"

#include <algorithm>
#include <cmath>

namespace millrace {
namespace {

constexpr uint32_t kMostCwnd = 1u << 30;

// RFC 9438 4.1, 4.6: segments per second cubed, and what remains of the window after a loss.
constexpr double kC = 0.4;
constexpr double kBeta = 0.7;
constexpr double kAlpha = 3 * (1 - kBeta) / (1 + kBeta);

// RFC 9406 4.2
constexpr uint64_t kLeastRiseNs = 4'000'000;
constexpr uint64_t kMostRiseNs = 16'000'000;
constexpr uint16_t kSamplesPerRound = 8;
constexpr uint32_t kConservativeDivisor = 4;
constexpr uint8_t kConservativeRounds = 5;

bool is_before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

}  // namespace

void Congestion::begin(CongestionControl kind, uint16_t mss) noexcept {
  kind_ = kind;
  mss_ = mss;
  cwnd_ = kInitialSegments * mss;
}

void Congestion::add(double bytes) noexcept {
  fraction_ += bytes;
  const double whole = std::floor(fraction_);
  fraction_ -= whole;
  cwnd_ = static_cast<uint32_t>(std::min<double>(cwnd_ + whole, kMostCwnd));
}

void Congestion::on_ack(const Ack& ack) noexcept {
  if (is_in_slow_start()) {
    slow_start(ack);
  } else if (kind_ == CongestionControl::kCubic) {
    grow_cubic(ack);
  } else {
    grow_newreno(ack.bytes);
  }
  last_ack_ns_ = ack.now_ns;
}

void Congestion::on_unused(uint64_t now_ns) noexcept {
  if (epoch_ns_ != 0) epoch_ns_ += now_ns - last_ack_ns_;  // RFC 9438 5.8
  last_ack_ns_ = now_ns;
}

void Congestion::slow_start(const Ack& ack) noexcept {
  if (ssthresh_ == UINT32_MAX) watch_delay(ack);  // RFC 9406 4.3: the first slow start only
  const uint32_t growth = is_conservative_ ? ack.bytes / kConservativeDivisor : ack.bytes;
  cwnd_ = std::min({cwnd_ + growth, std::max(ssthresh_, cwnd_), kMostCwnd});
}

// HyStart++: a round whose least RTT rose by an eighth means that a queue is filling.
void Congestion::watch_delay(const Ack& ack) noexcept {
  if (!is_before(ack.una, round_end_)) {
    last_round_min_ns_ = round_min_ns_;
    round_min_ns_ = UINT64_MAX;
    n_samples_ = 0;
    round_end_ = ack.sent_end;
    if (is_conservative_ && ++n_conservative_rounds_ >= kConservativeRounds) {
      ssthresh_ = cwnd_;
      return;
    }
  }
  if (ack.rtt_ns == 0) return;
  round_min_ns_ = std::min(round_min_ns_, ack.rtt_ns);
  if (++n_samples_ < kSamplesPerRound || last_round_min_ns_ == UINT64_MAX) return;
  if (is_conservative_) {
    if (round_min_ns_ < baseline_ns_) is_conservative_ = false;
    return;
  }
  const uint64_t rise = std::clamp(last_round_min_ns_ / 8, kLeastRiseNs, kMostRiseNs);
  if (round_min_ns_ < last_round_min_ns_ + rise) return;
  is_conservative_ = true;
  n_conservative_rounds_ = 0;
  baseline_ns_ = round_min_ns_;
}

void Congestion::begin_epoch(uint64_t now_ns) noexcept {
  epoch_ns_ = now_ns;
  w_est_ = cwnd_;
  if (cwnd_ < w_max_) {
    k_s_ = std::cbrt((w_max_ - cwnd_) / mss_ / kC);
  } else {
    k_s_ = 0;
    w_max_ = cwnd_;
  }
}

// RFC 9438 4.2 to 4.5
void Congestion::grow_cubic(const Ack& ack) noexcept {
  if (epoch_ns_ == 0) begin_epoch(ack.now_ns);
  const auto window_at = [this](double t_s) {
    const double d = t_s - k_s_;
    return kC * d * d * d * mss_ + w_max_;
  };
  const double cwnd = cwnd_;
  const double t_s = static_cast<double>(ack.now_ns - epoch_ns_) * 1e-9;
  w_est_ += (w_est_ < prior_cwnd_ ? kAlpha : 1.0) * ack.bytes / cwnd * mss_;
  if (window_at(t_s) < w_est_) {  // Reno would be faster
    if (w_est_ > cwnd) add(w_est_ - cwnd);
    return;
  }
  const double srtt_s = static_cast<double>(ack.srtt_ns) * 1e-9;
  const double target = std::clamp(window_at(t_s + srtt_s), cwnd, 1.5 * cwnd);
  add((target - cwnd) / cwnd * ack.bytes);
}

void Congestion::grow_newreno(uint32_t bytes) noexcept {
  add(static_cast<double>(bytes) * mss_ / cwnd_);
}

void Congestion::save() noexcept { saved_ = {cwnd_, ssthresh_, w_max_, k_s_, epoch_ns_}; }

void Congestion::on_loss() noexcept {
  save();
  const double cwnd = cwnd_;
  const double beta = kind_ == CongestionControl::kCubic ? kBeta : 0.5;
  // RFC 9438 4.7, fast convergence: a window that did not come back to the last one gives way.
  w_max_ = cwnd < w_max_ ? cwnd * (1 + kBeta) / 2 : cwnd;
  prior_cwnd_ = cwnd_;
  epoch_ns_ = 0;
  fraction_ = 0;
  is_conservative_ = false;
  ssthresh_ = std::max(static_cast<uint32_t>(cwnd * beta), 2u * mss_);
}

void Congestion::on_timeout() noexcept {
  on_loss();
  cwnd_ = mss_;
}

void Congestion::undo() noexcept {
  cwnd_ = std::max(cwnd_, saved_.cwnd);
  ssthresh_ = saved_.ssthresh;
  w_max_ = saved_.w_max;
  k_s_ = saved_.k_s;
  epoch_ns_ = saved_.epoch_ns;
}

void Congestion::on_idle() noexcept {
  cwnd_ = std::min(cwnd_, kInitialSegments * mss_);
  epoch_ns_ = 0;
}

}  // namespace millrace
