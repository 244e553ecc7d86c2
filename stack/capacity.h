// SPDX-License-Identifier: BSD-3-Clause
// What start-up says of the memory: one line of log type millrace.stack, at level INFO, which DPDK shows
// with `--log-level=millrace.stack:info` among the EAL's arguments; and a warning where max_sockets is
// more than the machine's free memory holds.
#pragma once

#include <cstdint>
#include <string>

#include "stack/config.h"

namespace millrace {

struct Capacity {
  uint64_t n_connections = 0;  ///< on all Stacks, that fit and are allowed
  bool is_short = false;       ///< more are allowed than fit
  std::string line;            ///< for the log
};
/// Of all Stacks together, which share the memory.
/// @param free_bytes            what the machine can still give
/// @param bytes_per_connection  Stack::bytes_per_connection()
Capacity capacity_of(const Config& config, uint64_t free_bytes, uint64_t bytes_per_connection);

/// Logs it for the memory that is free now.
void log_capacity(const Config& config, uint64_t bytes_per_connection);

}  // namespace millrace
