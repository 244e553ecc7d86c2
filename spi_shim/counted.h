// SPDX-License-Identifier: BSD-3-Clause
// Mutexes and semaphores: objects of the table (upcalls.h) that can be taken more than once, or belong to
// the thread that took them. Whether one can be taken depends on who asks, so their state stands here, under
// one lock, and not in the table's word.
#pragma once

#include "millrace/winsock_types.h"

namespace millrace {

/// @param n  0 .. most; most is 1 or more. @return null: too many objects
HANDLE semaphore_create(LONG n, LONG most) noexcept;
/// @param is_owned  by the calling thread
HANDLE mutex_create(bool is_owned) noexcept;

/// @param n       1 or more
/// @param before  what could be taken; null: nobody asks
/// @return 0; ERROR_INVALID_HANDLE: no semaphore; ERROR_TOO_MANY_POSTS, and nothing has changed
DWORD semaphore_release(HANDLE semaphore, LONG n, LONG* before) noexcept;
/// @return 0; ERROR_INVALID_HANDLE: no mutex; ERROR_NOT_OWNER
DWORD mutex_release(HANDLE mutex) noexcept;

/// The thread ends: its mutexes are free, and whoever takes one next is told that it was abandoned.
void abandon_mutexes_of(uint32_t thread) noexcept;

// For the table.

/// What the calling thread can have. @return as event_state()
int counted_state(HANDLE object) noexcept;
/// @return as event_take()
int counted_take(HANDLE object) noexcept;
/// Undoes a take of the calling thread.
void counted_give_back(HANDLE object, bool was_abandoned) noexcept;
void counted_forget(HANDLE object) noexcept;

}  // namespace millrace
