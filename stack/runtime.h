// SPDX-License-Identifier: BSD-3-Clause
// Everything that one WSPStartup brings up: EAL, pool, ports, Stacks, and the Keeper.
//
// Built from a Config in this order and taken down in the reverse one; EAL alone stays, since DPDK
// cannot start it twice. Afterwards a new Runtime may be made at once.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "dpdk_io/clock.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "stack/config.h"
#include "stack/stack.h"

namespace millrace {

class Runtime {
 public:
  /// @throws StartupError
  explicit Runtime(const Config& config);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Stack& stack() { return *stack_; }
  const Pool& pool() const { return *pool_; }
  const std::vector<std::unique_ptr<Port>>& ports() const { return ports_; }

  /// Mbufs that nobody returned; only once the Stack is gone, so this ends it. For tests of leaks.
  uint32_t stop_and_count_leaks();

 private:
  void keep(const std::stop_token& stop);

  Config config_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Port> loop_;
  std::vector<std::unique_ptr<Port>> ports_;
  std::unique_ptr<Stack> stack_;
  std::jthread keeper_;
};

}  // namespace millrace
