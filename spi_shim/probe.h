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
// caller gives up for writing anyway. So what is only read is probed with can_read.
#pragma once

#include <cstddef>
#include <cstdint>

#include "millrace/winsock_types.h"

namespace millrace {

/// @param bytes  0: true, whatever the pointer
bool can_read(const void* from, size_t bytes) noexcept;
bool can_write(void* to, size_t bytes) noexcept;

template <typename T>
bool is_aligned(const T* pointer) noexcept {
  return (reinterpret_cast<uintptr_t>(pointer) & (alignof(T) - 1)) == 0;
}

/// Objects, which have an alignment as well; bytes of an address or an option have none.
template <typename T>
bool can_read_objects(const T* from, size_t n) noexcept {
  return is_aligned(from) && can_read(static_cast<const void*>(from), n * sizeof(T));
}
template <typename T>
bool can_write_objects(T* to, size_t n) noexcept {
  return is_aligned(to) && can_write(static_cast<void*>(to), n * sizeof(T));
}
template <typename T>
bool can_read(const T* from) noexcept {
  return can_read_objects(from, 1);
}
template <typename T>
bool can_write(T* to) noexcept {
  return can_write_objects(to, 1);
}

/// Stores an error where the caller wants it; nowhere, if there is no memory.
void tell(LPINT lpErrno, INT error) noexcept;

/// Handles faults of probes between these two; calls nest.
void watch_for_faults() noexcept;
/// The last one puts the earlier handlers back, unless the application has put in its own
/// meanwhile.
void leave_faults_alone() noexcept;

/// The two around a scope: an entry point that works without WSPStartup.
class FaultWatch {
 public:
  FaultWatch() noexcept { watch_for_faults(); }
  ~FaultWatch() { leave_faults_alone(); }
  FaultWatch(const FaultWatch&) = delete;
  FaultWatch& operator=(const FaultWatch&) = delete;
};

}  // namespace millrace
