// SPDX-License-Identifier: BSD-3-Clause
// The last stage of a sampled receive (stack/STAGES.md), which ends here, at its caller: the packet is
// taken from its port, the routine runs, WSPGetOverlappedResult says how it ended. A call that waits or
// polls ends in the Stack.
#pragma once

#include <atomic>

#include "stack/completion.h"
#include "stack/stages.h"

namespace millrace {

/// Ends it. Without any Stack's lock needed.
void end_return(const Sampled& sampled) noexcept;

inline void note_taken(const Sampled& sampled) noexcept {
  if (sampled.since_ns != 0) [[unlikely]] end_return(sampled);
}

/// The operation that was told last of those whose callers ask, with its time; null: none. One is enough
/// for samples: where another one is told first, the earlier is not followed to its end.
inline constinit std::atomic<const WSAOVERLAPPED*> told_last{nullptr};

/// Application::note_told
void note_told(const Completion& completion) noexcept;
void end_told(const WSAOVERLAPPED& overlapped) noexcept;

/// The caller hears how it ended.
inline void note_asked(const WSAOVERLAPPED& overlapped) noexcept {
  if (told_last.load(std::memory_order_relaxed) == &overlapped) [[unlikely]] end_told(overlapped);
}

}  // namespace millrace
