// SPDX-License-Identifier: BSD-3-Clause
// The client's two measurements.
#pragma once

#include "apps/histogram.h"
#include "apps/lat_bulk.h"

namespace millrace::lat {

struct PingPongResult {
  Histogram round_trips;  ///< ns
  uint64_t n_lost = 0;    ///< datagrams without a reply; a stream loses none
  uint64_t elapsed_ns = 0;
};

/// One message is under way at a time: sent, echoed, compared, then the next. Round trips of the
/// warm-up are not recorded.
/// @throws std::runtime_error when a stream ends, is silent for 5 s, or brings back other bytes
PingPongResult ping_pong(Transport& transport, const Options& options);

struct BulkResult {
  BulkReport sent;
  BulkReport received;

  /// Nothing missing, nothing wrong.
  bool is_complete() const noexcept {
    return received.n_bytes == sent.n_bytes && received.n_wrong_bytes == 0;
  }
};

/// One side sends for the duration, the other counts; options.server_sends says which.
BulkResult throughput(Transport& transport, const Options& options);

}  // namespace millrace::lat
