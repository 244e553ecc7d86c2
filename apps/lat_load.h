// SPDX-License-Identifier: BSD-3-Clause
// Latency under a given load: an open loop. Message i is due at start + i / rate, whether or not earlier ones
// have come back, and its latency counts from then. So a server or a client that stands still for 100 ms makes
// all messages of that time late, and not one (Gil Tene's "coordinated omission").
//
//   due      |   |   |   |   |   |   |         i / rate
//   sent     |   |       ||| |   |   |         as soon as the socket takes it
//   back      |   |         ||| |   |          latency: back - due; service time: back - sent
#pragma once

#include <vector>

#include "apps/histogram.h"
#include "apps/lat_options.h"

namespace millrace::lat {

struct LoadResult {
  double offered_per_s = 0;
  double achieved_per_s = 0;  ///< came back while messages were due
  Histogram latency;          ///< ns from when a message was due; one that never came back counts up to the end
  Histogram service;          ///< ns from when it was sent, as a closed loop would have it
  uint64_t n_due = 0;
  uint64_t n_unanswered = 0;  ///< when the run's patience ended: lost, or not even sent
  uint64_t start_ns = 0;
  std::vector<Histogram> seconds;  ///< latency by the second in which messages were due, if they are logged

  bool keeps_up() const noexcept { return n_unanswered == 0 && achieved_per_s >= 0.97 * offered_per_s; }
};

/// One rate. Connections take turns; the client spins.
/// @throws std::runtime_error when a stream ends or brings back what was not sent
LoadResult under_load(Transport& transport, const Options& options, double rate_per_s);

struct SweepResult {
  std::vector<LoadResult> rates;  ///< rising
  size_t knee = SIZE_MAX;         ///< the last rate that was kept up with p99 within limit_us; SIZE_MAX: none
  double limit_us = 0;
};

/// From options.rate_per_s on, each rate options.step times the last, until one is not kept up or its p99 is
/// above the limit; then halves the way between the last good one and that three times.
SweepResult sweep(Transport& transport, const Options& options);

}  // namespace millrace::lat
