// SPDX-License-Identifier: BSD-3-Clause
// Completion ports: a queue of packets, and the threads that wait for one. See PORTS.md.
//
//   Completion::show ──► port_post ──► | packet | packet | ──► port_take    first in, first out
//                                 └──► pokes the thread that came last, which takes it
//
// Invariant: a packet is queued once and taken once. Whoever leaves without a packet, although it was
// woken for one, wakes the next thread. A port is a slot of a table with a generation, so a handle of
// one that was closed is refused.
#pragma once

#include <cstdint>
#include <span>

#include "stack/stages.h"
#include "windows.h"

namespace millrace {

/// @return null: too many
HANDLE port_create() noexcept;
/// Threads that wait for it leave with kClosed; its packets are gone. @return false: no such port
bool close_port(HANDLE port) noexcept;
bool is_port(HANDLE port) noexcept;
/// @param sampled  of a receive: when its caller was about to be told (stages.h)
/// @return false: no such port
bool port_post(HANDLE port, const OVERLAPPED_ENTRY& packet, const Sampled& sampled = {}) noexcept;

enum class PortEnd : uint8_t { kPackets, kTimedOut, kApc, kClosed, kNoPort };

struct PortAnswer {
  PortEnd end;
  ULONG n_packets = 0;
};

/// Takes packets, as many as there are and fit; waits, turning Stacks, while there is none.
///
/// @param to          room for 1 or more
/// @param timeout_ms  INFINITE: for ever; 0: looks, and makes one turn
PortAnswer port_take(HANDLE port, std::span<OVERLAPPED_ENTRY> to, DWORD timeout_ms,
                     bool is_alertable) noexcept;

/// How many threads wait for packets of the port.
uint32_t n_waiting(HANDLE port) noexcept;

/// The provider has started or is about to end: who waits for a port looks whether there are Stacks
/// to turn.
void poke_port_waiters() noexcept;

}  // namespace millrace
