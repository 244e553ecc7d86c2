// SPDX-License-Identifier: BSD-3-Clause
// Everything that one WSPStartup brings up: EAL, pool, ports, Stacks, and the Keeper.
//
// Built from a Config in this order and taken down in the reverse one; EAL alone stays, since DPDK
// cannot start it twice. Afterwards a new Runtime may be made at once.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "dpdk_io/clock.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "stack/config.h"
#include "stack/siblings.h"
#include "stack/stack.h"

namespace millrace {

class Runtime {
 public:
  /// @throws StartupError
  explicit Runtime(const Config& config);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// At least one, by index.
  std::span<Stack* const> stacks() const noexcept { return siblings_->stacks(); }
  /// The one where a socket that this thread makes is to live.
  Stack& stack_for_new() noexcept;
  /// The one that this thread turns while it waits for nothing in particular: always the same.
  Stack& home() noexcept;
  const Pool& pool() const { return *pool_; }
  const std::vector<std::unique_ptr<Port>>& ports() const { return ports_; }

  /// Ends every socket, on all Stacks before it waits for the calls that are inside one.
  void end_calls() noexcept;

  /// Mbufs that nobody returned; only once the Stack is gone, so this ends it. For tests of leaks.
  uint32_t stop_and_count_leaks();

 private:
  void keep(const std::stop_token& stop);
  void open_ports();
  void make_stacks();
  void wait_for_leases();

  Config config_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Siblings> siblings_;
  std::vector<std::unique_ptr<Port>> loops_;  ///< by Stack
  std::vector<std::unique_ptr<Port>> ports_;
  std::deque<SharedQueue> shared_queues_;
  std::vector<std::unique_ptr<Stack>> stacks_;
  std::atomic<uint32_t> next_in_turn_{0};
  std::jthread keeper_;
};

}  // namespace millrace
