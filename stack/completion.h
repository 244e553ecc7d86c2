// SPDX-License-Identifier: BSD-3-Clause
// How a finished overlapped operation reaches its caller: the WSAOVERLAPPED, then the event.
//
// Completions are posted under the Stack's lock and shown after it: showing one calls the
// application's table of upcalls, and no application code runs under the lock.
#pragma once

#include <cstdint>

#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"

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

struct Completion {
  WSAOVERLAPPED* overlapped = nullptr;
  HANDLE event = nullptr;  ///< null: none to signal
  Outcome outcome;

  /// Writes the WSAOVERLAPPED and signals the event. The caller's memory may be gone afterwards.
  void show(void (*signal_event)(HANDLE)) const noexcept;
};

}  // namespace millrace
