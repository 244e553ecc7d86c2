// SPDX-License-Identifier: BSD-3-Clause
// What one process has started: the Runtime, how often, and whose upcalls to use.
//
// Invariant: while the count of WSPStartups is above zero there is a Runtime, and stack() returns
// its Stack; every entry point asks for it first, and answers WSANOTINITIALISED without one.
#pragma once

#include "stack/stack.h"
#include "ws2spi.h"

namespace millrace {

/// The Stack of the running provider; null before WSPStartup and after the last WSPCleanup.
Stack* running_stack() noexcept;

/// The same at the begin of an entry point. @errors WSANOTINITIALISED, or WSAEINPROGRESS from inside
/// a blocking hook (contract: E4): null
Stack* stack_for_call(LPINT lpErrno) noexcept;

/// A thread ends: what it started is cancelled (contract: B21).
void end_requests_of(uint32_t thread) noexcept;

/// The table given to the latest WSPStartup (winsock-rules 4), our own where that was all zero.
const WSPUPCALLTABLE& upcalls() noexcept;

/// Ends one WSPStartup.
int wsp_cleanup(LPINT lpErrno) noexcept;

}  // namespace millrace
