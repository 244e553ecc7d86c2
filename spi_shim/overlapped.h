// SPDX-License-Identifier: BSD-3-Clause
// The parameters that make a call overlapped: what the caller wants, and whether it can be had.
#pragma once

#include <optional>

#include "spi_shim/probe.h"
#include "spi_shim/startup.h"
#include "stack/socket.h"

namespace millrace {

struct OverlappedArguments {
  LPWSAOVERLAPPED overlapped = nullptr;
  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine = nullptr;
  LPWSATHREADID thread = nullptr;
  bool is_there = overlapped == nullptr || (is_running() && can_write(overlapped));
};

/// What they ask for. On a socket made without WSA_FLAG_OVERLAPPED they are ignored (contract: B5);
/// with a routine and no lpOverlapped the call is synchronous (rule 35). The low bit of hEvent keeps
/// the packet from a port; with a routine hEvent is the caller's own (contract: B18).
Overlapped told_overlapped(const OverlappedArguments& arguments,
                           const std::optional<WSATHREADID>& thread) noexcept;
inline Overlapped overlapped_of(const Socket& socket, const OverlappedArguments& arguments,
                                const std::optional<WSATHREADID>& thread) noexcept {
  if (arguments.overlapped == nullptr || !socket.options.is_overlapped) return {};
  return told_overlapped(arguments, thread);
}

/// The thread that the routine is to run on. Ws2_32 always names it; a program that has none may leave
/// it out and means the calling thread. @return nothing: there is no such thread (rule 60)
std::optional<WSATHREADID> thread_for_routine(const OverlappedArguments& arguments) noexcept;
inline std::optional<WSATHREADID> thread_of(const OverlappedArguments& arguments) noexcept {
  if (arguments.overlapped == nullptr || arguments.routine == nullptr) return std::nullopt;
  return thread_for_routine(arguments);
}

/// Why an overlapped call cannot start. @errors kFault: no WSAOVERLAPPED, or no thread for its routine;
/// kInval: a routine on a socket that has a completion port (rule 61)
WsaError refusal(const Socket& socket, const OverlappedArguments& arguments, const Overlapped& tell,
                 const std::optional<WSATHREADID>& thread) noexcept;

/// hEvent is nonsignalled from the start of the operation (winsock-rules 41); before the lock, since
/// the event is the application's.
void reset_event(const OverlappedArguments& arguments) noexcept;

/// True if waiting for the operation makes sense: hEvent is null or an event (winsock-rules 80). The events
/// of a program's own Ws2_32 cannot be asked, and pass.
bool can_wait_for(const WSAOVERLAPPED& overlapped) noexcept;

}  // namespace millrace
