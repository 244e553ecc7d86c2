// SPDX-License-Identifier: BSD-3-Clause
// What one process has started: the Runtime, how often, and whose upcalls to use.
//
// Invariant: while the count of WSPStartups is above zero there is a Runtime, and running_stacks()
// has its Stacks; every entry point asks first, and answers WSANOTINITIALISED without one.
#pragma once

#include <span>

#include "stack/stack.h"
#include "ws2spi.h"

namespace millrace {

/// The Stacks of the running provider; none before WSPStartup and after the last WSPCleanup.
std::span<Stack* const> running_stacks() noexcept;
inline bool is_running() noexcept { return !running_stacks().empty(); }

/// The same at the begin of an entry point. @errors WSANOTINITIALISED, or WSAEINPROGRESS from inside
/// a blocking hook (contract: E4): none
std::span<Stack* const> stacks_for_call(LPINT lpErrno) noexcept;

/// A call that is inside no single Stack all the time, such as select: until it leaves, WSPCleanup does
/// not take the Stacks away. It may find that there are none any more.
class Inside {
 public:
  Inside() noexcept;
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
};

/// The Stack that this thread turns while it waits for several, and the one where a socket that it
/// makes is to live. @return null: the provider does not run
Stack* home_stack() noexcept;
Stack* stack_for_new() noexcept;

/// A thread ends: what it started is cancelled (contract: B21).
void end_requests_of(uint32_t thread) noexcept;

/// The table given to the latest WSPStartup (winsock-rules 4), our own where that was all zero.
const WSPUPCALLTABLE& upcalls() noexcept;

/// Ends one WSPStartup.
int wsp_cleanup(LPINT lpErrno) noexcept;

}  // namespace millrace
