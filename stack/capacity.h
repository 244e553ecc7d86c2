// SPDX-License-Identifier: BSD-3-Clause
// What start-up says of the memory: one line of log type millrace.stack, at level INFO, which DPDK shows
// with `--log-level=millrace.stack:info` among the EAL's arguments; and a warning where max_sockets is
// more than the machine's free memory holds.
#pragma once

#include <cstdint>
#include <string>

#include "stack/config.h"

namespace millrace {

/// Bytes that an idle TCP connection holds: control block, socket, loss recovery, its share of the
/// table in which it is found, its handle.
uint64_t bytes_per_connection() noexcept;

struct Capacity {
  uint64_t n_connections = 0;  ///< that fit, at most max_sockets
  bool is_short = false;       ///< max_sockets are more than fit
  std::string line;            ///< for the log
};
/// @param free_bytes  what the machine can still give @param n_stacks  that share it, each with this Config
Capacity capacity_of(const Config& config, uint64_t free_bytes, uint32_t n_stacks = 1);

/// Logs it for the memory that is free now.
void log_capacity(const Config& config);

}  // namespace millrace
