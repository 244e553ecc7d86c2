// SPDX-License-Identifier: BSD-3-Clause
// Copies of the engine: lwIP and the code around it, with all their globals.
//
// lwIP keeps its state in globals, so each Stack of a process needs a copy of its own. Copy 0 is
// linked into the program, where debuggers and profilers find it. For the others the program holds
// the same objects as a shared library, which is loaded once for each, every time from a memory file
// of its own: the dynamic linker would take a second load of one file for the first. A copy stays
// loaded until the process ends, for the next Stack of the same index.
#pragma once

#include <cstdint>
#include <span>

#include "dpdk_io/clock.h"
#include "stack/config.h"

namespace millrace {

class Pool;
class Port;
class Siblings;
class Stack;
struct PortQueue;

/// What a Stack is made of: the arguments of its constructor.
struct StackArguments {
  const Config& config;
  const Clock& clock;
  Pool& pool;
  Port& loop;
  std::span<const PortQueue> queues;
  Siblings& siblings;
  uint32_t index;
};

/// Makes a Stack in the copy of the engine that has its index; loads that copy if it is the first.
/// Not to be called by two threads at once.
/// @owner  gives: delete it
/// @errors StartupError: the copy cannot be loaded, or what the constructor says
Stack* make_stack(const StackArguments& arguments);

}  // namespace millrace
