// SPDX-License-Identifier: BSD-3-Clause
// What the command line of millrace-lat says, and the two things that all its parts use: the clock,
// and the flag that ends a run early.
#pragma once

#include <atomic>
#include <chrono>
#include <string>

#include "apps/lat_transport.h"

namespace millrace::lat {

struct Options {
  Protocol protocol = Protocol::kTcp;
  Peer address;              ///< the server's
  std::string address_text;  ///< as it was given
  uint32_t size_bytes = 64;
  double duration_s = 10;
  double warmup_s = 1;
  bool is_nonblocking = false;
  bool is_kernel = false;
  bool serves_itself = false;  ///< a server in this process, too
  bool server_sends = false;
  bool verifies = false;
  bool shows_stages = false;  ///< after the run: where the time of received packets went
  std::string congestion;  ///< of the kernel's streams; empty: the machine's default
  std::string json_path;
  std::string hgrm_path;
  std::string hlog_path;
  double rate_per_s = 1000;  ///< under-load: of all connections together
  uint32_t n_connections = 1;
  bool sweeps = false;     ///< under-load: rising rates up to the knee
  double step = 1.5;       ///< of a sweep: from one rate to the next
  double limit_us = 0;     ///< of a sweep: what p99 may be; 0: ten times that of the first rate
};

/// Set by SIGINT and SIGTERM; runs end at the next look, at the latest after kReceiveTimeoutMs.
inline std::atomic<bool> is_stopping{false};
static_assert(std::atomic<bool>::is_always_lock_free);  // a signal handler writes it

/// Nanoseconds of a steady clock; 20 ns a call, which every measured round trip contains once.
inline uint64_t now_ns() noexcept {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

inline uint64_t ns_of(double seconds) noexcept { return static_cast<uint64_t>(seconds * 1e9); }

/// Sends all of bytes. @return false when the connection has ended or the run is being stopped
inline bool send_all(Transport& transport, Handle handle, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const size_t n = transport.send(handle, bytes);
    if (n == 0) return false;
    if (n != kNothing) {
      bytes = bytes.subspan(n);
    } else if (is_stopping.load(std::memory_order_relaxed)) {
      return false;
    }
  }
  return true;
}

}  // namespace millrace::lat
