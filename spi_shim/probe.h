// SPDX-License-Identifier: BSD-3-Clause
// Whether the caller's memory is there: WSAEFAULT instead of a crash, without a system call
// (contract: E6).
//
// A probe touches one byte per page. Where that faults, a handler of SIGSEGV and SIGBUS finds the
// instruction in a table and lets the probe answer false, as the Linux kernel does for its copies
// from user space; a fault of any other instruction goes to whoever handled it before. Each page
// costs about five instructions, and nothing else does.
//
// Invariant: can_write changes nothing, but it does write: a byte over itself, in memory that its
// caller gives up for writing anyway.
#pragma once

#include <cstddef>

#include "millrace/winsock_types.h"

namespace millrace {

/// @param bytes  0: true, whatever the pointer
bool can_read(const void* from, size_t bytes) noexcept;
bool can_write(void* to, size_t bytes) noexcept;

template <typename T>
bool can_read(const T* from) noexcept {
  return can_read(from, sizeof(T));
}
template <typename T>
bool can_write(T* to) noexcept {
  return can_write(to, sizeof(T));
}

/// Stores an error where the caller wants it; nowhere, if there is no memory.
void tell(LPINT lpErrno, INT error) noexcept;

/// Handles faults of probes between these two; calls do not nest.
void watch_for_faults() noexcept;
/// Puts the earlier handlers back, unless the application has put in its own meanwhile.
void leave_faults_alone() noexcept;

}  // namespace millrace
