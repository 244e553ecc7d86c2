// SPDX-License-Identifier: BSD-3-Clause
// Listeners of a process with several Stacks. A connection belongs to the Stack whose queue its SYN
// came to, so each Stack listens: the application's socket lives on one, and has a twin on each other.
#pragma once

#include <span>
#include <vector>

#include "stack/socket.h"

namespace millrace {

/// The socket listens on its own Stack already; its twins follow. Without any Stack's lock.
/// @errors what opening or listening there says; then the socket has no twins
WsaError add_twins(SOCKET listener, int backlog) noexcept;

/// Ends the twins of a listener that is closed. Without any Stack's lock.
void end_twins(const std::vector<SOCKET>& twins) noexcept;

struct Accepted {
  SOCKET inner = INVALID_SOCKET;
  SOCKET listener = INVALID_SOCKET;  ///< the one that it came to
  Endpoint local, peer;
  WsaError error = WsaError::kOk;
};

/// Blocks if it may. Takes a connection of this very listener and gives it a handle; FD_ACCEPT stays as
/// it is. With its lock.
Accepted take_from(Socket& listener, SOCKET handle, bool may_wait) noexcept;

/// Blocks. Takes what came to the listener or to one of its twins, the calling thread's own Stack
/// first. Without any Stack's lock.
Accepted accept_from_any(SOCKET listener, const std::vector<SOCKET>& twins) noexcept;

/// The Stack that a handle names. @return null: there is no such Stack
Stack* stack_of(SOCKET inner) noexcept;

}  // namespace millrace
