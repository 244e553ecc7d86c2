// SPDX-License-Identifier: BSD-3-Clause
// Our own upcalls, for programs that have no Ws2_32: event objects, and threads that take APCs
// (threads.h). An event is a slot of a table with a generation, so a stale handle is refused and never
// touches freed memory.
#pragma once

#include <span>

#include "stack/wait.h"
#include "ws2spi.h"

namespace millrace {

/// True for the table of own_upcalls().
bool are_own(const WSPUPCALLTABLE& table) noexcept;

/// What an all-zero table given to WSPStartup stands for. Entries that are not there are null.
WSPUPCALLTABLE own_upcalls() noexcept;

/// What a slot of the table is. The first two are a program's to signal; threads are signalled once they have
/// ended, timers when their time has come; mutexes and semaphores are in counted.h.
enum class ObjectKind : uint8_t {
  kManualReset,
  kAutoReset,
  kThread,
  kManualResetTimer,
  kAutoResetTimer,
  kCounted
};

/// Events of our own. @return null: too many
WSAEVENT event_create(ObjectKind kind = ObjectKind::kManualReset, bool is_signalled = false) noexcept;
/// Signals an object that no program may signal itself: a thread, a timer. @return false: no such object
bool object_set(HANDLE object) noexcept;
bool object_reset(HANDLE object) noexcept;
bool is_event_object(HANDLE object) noexcept;
/// One waiter's look: a signalled auto-reset event is not signalled any more.
/// @return 3 taken, a mutex whose owner had ended; 2 taken, 1 signalled and stays so, 0 not signalled, -1 no
/// such object
int event_take(WSAEVENT event) noexcept;
/// Undoes it. @param state  what that returned
void event_give_back(WSAEVENT event, int state) noexcept;
bool event_close(WSAEVENT event) noexcept;  // whatever kind of object
bool event_set(WSAEVENT event) noexcept;    // and reset: false for what is no event
bool event_reset(WSAEVENT event) noexcept;
/// Who waits for the object is to look again.
void poke_watchers(HANDLE object) noexcept;
/// While it lives, a signal to one of the events pokes the waiter.
class EventWatch {
 public:
  EventWatch(std::span<const WSAEVENT> events, Waiter& waiter) noexcept;
  ~EventWatch();
  EventWatch(const EventWatch&) = delete;
  EventWatch& operator=(const EventWatch&) = delete;
  static void poke_all_of(WSAEVENT event) noexcept;

 private:
  std::span<const WSAEVENT> events_;
  Waiter& waiter_;
  EventWatch* next_;
};

/// @return 1 signalled, 0 not, -1 no such event
int event_state(WSAEVENT event) noexcept;

}  // namespace millrace
