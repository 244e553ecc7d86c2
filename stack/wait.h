// SPDX-License-Identifier: BSD-3-Clause
// Whoever waits, polls: how a blocked thread learns that its socket changed.
//
// Of all threads that wait on a Stack, one leads: it turns the Stack. The others sleep until the
// leader finds their socket changed, or until the leader leaves and one of them takes its place. A
// Waiter lives on the stack of the blocked thread. Its sockets may be of several Stacks, so what they
// tell it is atomic; the rest is guarded by the lock of the Stack that it waits on.
#pragma once

#include <atomic>
#include <cstdint>
#include <semaphore>

namespace millrace {

/// One blocked thread.
class Waiter {
 public:
  /// Called under a socket's lock when something that this thread waits for may have changed.
  void notify() noexcept {
    is_ready = true;  // before is_asleep is read: whoever goes to sleep looks at them the other way round
    if (is_asleep) wake.release();
  }

  /// Called by anyone, without the lock: come out of the wait and look around.
  void poke() noexcept {
    is_poked = true;  // as in notify()
    if (is_asleep) wake.release();
  }

  /// Sleeps until there is news; may come back without. @param acquire  of `wake`
  template <typename Acquire>
  void sleep(Acquire acquire) noexcept {
    is_asleep = true;
    if (!has_news()) acquire(wake);
    is_asleep = false;
  }

  bool has_news() const noexcept { return is_ready || is_poked; }

  std::atomic<bool> is_ready{false};
  std::atomic<bool> is_asleep{false};
  bool is_cancelled = false;  ///< by WSPCancelBlockingCall
  std::atomic<bool> is_poked{false};
  uint32_t thread = 0;
  Waiter* next_blocked = nullptr;
  Waiter* outer = nullptr;  ///< the same thread's wait in which an APC runs that waits again
  Waiter* next_follower = nullptr;
  std::counting_semaphore<> wake{0};
};

/// A Waiter's entry in the list of one Socket; select has one per socket.
struct WaitLink {
  Waiter* waiter = nullptr;
  WaitLink* next = nullptr;
};

/// How a blocked call came to its end.
enum class WaitEnd : uint8_t { kReady, kTimedOut, kCancelled };

inline constexpr uint64_t kNoDeadline = UINT64_MAX;

}  // namespace millrace
