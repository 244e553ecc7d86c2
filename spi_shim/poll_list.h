// SPDX-License-Identifier: BSD-3-Clause
// The sockets that one select or WSAPoll asks about, on whichever Stacks they live.
//
//   PollList list(n);                        room for n without taking memory, up to a few dozen
//   list.add({.handle = ..., .asks = ...});
//   list.look(true)                          with each Stack's lock taken once
//   list.wait(timeout_ns, n_answered)
//
// A listener of a process with several Stacks has a twin on each other one; look() lists those, too, and they have the
// place of the socket that they belong to.
#pragma once

#include <array>
#include <cstddef>
#include <memory_resource>
#include <span>
#include <vector>

#include "stack/poll.h"

namespace millrace {

class PollList {
 public:
  explicit PollList(size_t n) { entries_.reserve(n); }

  /// @param entry  who is asked what, under the handle that its Stack knows
  void add(const PollEntry& entry) { entries_.push_back(entry); }

  struct Looked {
    uint32_t n_answered = 0;
    uint32_t n_unknown = 0;  ///< their handles name no socket; `socket` is null
  };
  /// Looks at each of them. @param only_looks  turn a Stack whose sockets have no answer, and look again
  Looked look(bool only_looks);

  /// What is not a socket is none of the list any more.
  void drop_unknown();

  /// Waits until one of them has an answer. Those that other threads have closed since look() have theirs.
  /// @param timeout_ns  kNoDeadline: for ever
  /// @param[out] n_answered  0: the time is over
  /// @errors as poll()
  WsaError wait(uint64_t timeout_ns, uint32_t& n_answered);

  std::span<const PollEntry> entries() const noexcept { return entries_; }

 private:
  static constexpr size_t kRoomBytes = 2048;

  uint32_t keep_sockets();
  void release() noexcept;
  Looked look_at(std::span<PollEntry> entries, bool only_looks, std::pmr::vector<PollEntry>* twins);

  std::array<std::byte, kRoomBytes> room_;
  std::pmr::monotonic_buffer_resource memory_{room_.data(), room_.size()};
  std::pmr::vector<PollEntry> entries_{&memory_};
};

}  // namespace millrace
