// SPDX-License-Identifier: BSD-3-Clause
#include "stack/capacity.h"

#include <rte_log.h>

#include <algorithm>
#include <fstream>

RTE_LOG_REGISTER(millrace_stack_log, millrace.stack, NOTICE)

namespace millrace {
namespace {

/// proc(5): an estimate of what new programs can have without swapping. 0: nobody says
uint64_t available_bytes() {
  std::ifstream meminfo("/proc/meminfo");
  std::string key, unit;
  uint64_t kib = 0;
  while (meminfo >> key >> kib) {
    if (key == "MemAvailable:") return kib * 1024;
    std::getline(meminfo, unit);
  }
  return 0;
}

}  // namespace

Capacity capacity_of(const Config& config, uint64_t free_bytes, uint64_t bytes_per_connection) {
  const uint32_t n_stacks = config.stack.stacks;
  const uint64_t fitting = free_bytes / bytes_per_connection;
  uint64_t most = uint64_t{config.stack.max_sockets} * n_stacks;
  if (config.stack.max_process_sockets != 0) {
    most = std::min<uint64_t>(most, config.stack.max_process_sockets);
  }
  Capacity capacity;
  capacity.n_connections = std::min(most, fitting);
  capacity.is_short = fitting < most;
  capacity.line = std::to_string(n_stacks) + (n_stacks == 1 ? " stack, " : " stacks, ") +
                  std::to_string(config.stack.mbufs) + " mbufs, room for " +
                  std::to_string(capacity.n_connections) + " connections (" + std::to_string(most) +
                  " sockets allowed, " + std::to_string(bytes_per_connection) +
                  " bytes per idle one)";
  return capacity;
}

void log_capacity(const Config& config, uint64_t bytes_per_connection) {
  const uint64_t free_bytes = available_bytes();
  if (free_bytes == 0) return;
  const Capacity capacity = capacity_of(config, free_bytes, bytes_per_connection);
  const auto type = static_cast<uint32_t>(millrace_stack_log);
  rte_log(RTE_LOG_INFO, type, "millrace: %s\n", capacity.line.c_str());
  if (!capacity.is_short) return;
  rte_log(RTE_LOG_WARNING, type,
          "millrace: max_sockets %u on %u Stacks are more than the free memory holds, about %lu; lower it, "
          "set max_process_sockets, or add memory\n",
          config.stack.max_sockets, config.stack.stacks,
          static_cast<unsigned long>(capacity.n_connections));
}

}  // namespace millrace
