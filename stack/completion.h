// SPDX-License-Identifier: BSD-3-Clause
// How a finished overlapped operation reaches its caller: the WSAOVERLAPPED, then the completion
// routine, or the event and the packet of a completion port.
//
// Completions are posted under the Stack's lock and shown after it: showing one calls the
// application's table of upcalls, and no application code runs under the lock.
#pragma once

#include <cstdint>

#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"
#include "stack/stages.h"

namespace millrace {

/// What a call on the data path came to.
struct Outcome {
  WsaError error = WsaError::kOk;
  uint32_t bytes = 0;
  uint32_t flags = 0;
};

inline constexpr uint32_t kStatusReceivePartial = 0x4000000f;           // ntstatus.h
inline constexpr uint32_t kStatusReceiveExpedited = 0x40000010;         // ntstatus.h
inline constexpr uint32_t kStatusReceivePartialExpedited = 0x40000011;  // ntstatus.h

/// The NTSTATUS that stands in WSAOVERLAPPED.Internal, flags included, as Windows' provider does it:
/// Offset and OffsetHigh stay the caller's (winsock-rules 44).
uint32_t status_of(const Outcome& outcome) noexcept;
/// The way back: what WSPGetOverlappedResult reports for a WSAOVERLAPPED that is not pending.
Outcome outcome_of(const WSAOVERLAPPED& overlapped) noexcept;

/// True until the operation's completion was shown; another thread may write it.
bool is_pending(const WSAOVERLAPPED& overlapped) noexcept;
/// Marks the start. InternalHigh keeps its value (winsock-rules 41).
void mark_pending(WSAOVERLAPPED& overlapped) noexcept;

/// Where packets go: a completion port and the key that it was given for a socket.
struct PacketTarget {
  HANDLE port = nullptr;  ///< null: nowhere
  ULONG_PTR key = 0;
};

struct Completion;

/// Has the first look at a completion, before its caller.
struct Finisher {
  /// Without the Stack's lock. May change the outcome. @return true: it told the caller itself, nothing
  /// else is to be done
  bool (*call)(Finisher& self, Completion& completion) = nullptr;
  /// Instead of it, under the lock: so completions come in the order in which the operations end. Runs
  /// no application code.
  void (*at_once)(Finisher& self, const Completion& completion) = nullptr;
};

/// How the caller wants to hear of the end. Neither: the call is nonoverlapped (contract: B4).
struct Overlapped {
  WSAOVERLAPPED* overlapped = nullptr;
  HANDLE event = nullptr;  ///< null: none to signal
  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine = nullptr;
  WSATHREADID thread{};  ///< of the routine; a copy of the caller's (contract: B19)
  uint32_t owner = 0;    ///< the thread that started it (contract: B21)
  bool has_packet = true;  ///< false: none, though the socket has a completion port
  bool is_limited = true;  ///< false: whoever starts it limits how many are pending (registered I/O)
  Finisher* finisher = nullptr;
};

struct Application;
class Socket;

struct Completion {
  Overlapped tell;
  Outcome outcome;
  const Socket* socket = nullptr;  ///< for telling sockets apart only; it may be gone
  PacketTarget packets;            ///< the socket's port, as of the end of the operation
  Sampled sampled = {};            ///< of a receive: when it had copied; while it is shown: since when

  /// Writes the WSAOVERLAPPED, then queues the routine, or signals the event and queues a packet. The
  /// caller's memory may be gone afterwards.
  void show(const Application& application) noexcept;
};

}  // namespace millrace
