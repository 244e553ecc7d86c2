// SPDX-License-Identifier: BSD-3-Clause
// Waiting for many sockets at once: what select and WSAPoll are made of.
#pragma once

#include <cstdint>
#include <span>

#include "stack/stack.h"

namespace millrace {

struct PollEntry {
  SOCKET handle = INVALID_SOCKET;  ///< by which the caller finds the socket
  Socket* socket = nullptr;
  bool wants_read = false;
  bool wants_write = false;
  bool wants_exception = false;
  SHORT asks = 0;  ///< by WSAPoll's bits, POLLERR, POLLHUP and POLLNVAL among them; 0: select asks
  bool reads = false;
  bool writes = false;
  bool has_exception = false;
  SHORT found = 0;         ///< of what `asks` has
  bool is_closed = false;  ///< another thread closed it meanwhile
  uint32_t place = 0;      ///< the caller's own
  WaitLink link;           ///< while poll() waits
};

/// Writes the socket's answers into the entry. With its lock. @return whether there is one
bool look(PollEntry& entry) noexcept;

/// Waits until one of the entries has what it wants, and says which. Without any Stack's lock held.
///
/// @param home             the Stack that the caller turns meanwhile
/// @param[in,out] entries  of one Stack after the other; the answers are written into them; sockets
///                         stay referenced by the caller
/// @param deadline_ns      clock time; 0: one turn, no waiting
/// @param[out] n_answered  entries with an answer, 0: the deadline passed
/// @errors kIntr: WSPCancelBlockingCall
WsaError poll(Stack& home, std::span<PollEntry> entries, uint64_t deadline_ns,
              uint32_t& n_answered);

}  // namespace millrace
