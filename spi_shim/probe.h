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

// Two offsets per probe, each relative to itself: the instruction that may fault, and where to go
// on. The section goes where the function goes, which the linker may drop as a double.
#define MILLRACE_PROBE(instruction)       \
  "1: " instruction                       \
  "\n"                                    \
  ".pushsection millrace_probes, \"a?\"\n" \
  ".balign 4\n"                           \
  ".long 1b - .\n"                        \
  ".long %l[fault] - .\n"                 \
  ".popsection\n"

namespace millrace {

inline bool touch_for_reading(const char* at) noexcept {
  asm goto(MILLRACE_PROBE("movb (%0), %%al") : : "r"(at) : "al", "memory" : fault);
  return true;
fault:
  return false;
}

inline bool touch_for_writing(char* at) noexcept {
  asm goto(MILLRACE_PROBE("orb $0, (%0)") : : "r"(at) : "cc", "memory" : fault);
  return true;
fault:
  return false;
}

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
/// One that is as large as its alignment lies on one page.
template <typename T>
bool can_read(const T* from) noexcept {
  if constexpr (sizeof(T) != alignof(T)) return can_read_objects(from, 1);
  return from != nullptr && is_aligned(from) && touch_for_reading(reinterpret_cast<const char*>(from));
}
template <typename T>
bool can_write(T* to) noexcept {
  if constexpr (sizeof(T) != alignof(T)) return can_write_objects(to, 1);
  return to != nullptr && is_aligned(to) && touch_for_writing(reinterpret_cast<char*>(to));
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
