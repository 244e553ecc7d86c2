// SPDX-License-Identifier: BSD-3-Clause
// Where the process' Stacks read the time: the CPU's counter, unless a program whose figures must not
// depend on time brings a clock of its own.
#pragma once

#include <memory>

#include "dpdk_io/clock.h"

namespace millrace {

/// Called once per Runtime, after EAL has been started. Set while there is none.
extern std::unique_ptr<Clock> (*make_process_clock)();

}  // namespace millrace
