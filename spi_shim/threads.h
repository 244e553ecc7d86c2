// SPDX-License-Identifier: BSD-3-Clause
// Threads as Winsock sees them: a WSATHREADID, a queue of APCs, waits in which those run, and an end
// that cancels what the thread has started (contract: B19, B21).
//
// An APC runs only on its own thread and only inside an alertable wait of it. Queues belong to our own
// upcalls; with the caller's table its Ws2_32 keeps them, and run_apcs() finds nothing here.
#pragma once

#include "stack/wait.h"
#include "ws2spi.h"

namespace millrace {

/// Names the calling thread, never 0. From the first call on, the end of the thread is noticed.
uint32_t this_thread() noexcept;

/// Runs once at the calling thread's end, after its requests have been cancelled.
void at_thread_end(void (*routine)(void* context), void* context) noexcept;

/// The WSATHREADID of the calling thread. @return false: too many threads
bool open_this_thread(WSATHREADID& id) noexcept;
bool is_thread(const WSATHREADID& id) noexcept;

/// Queues an APC. @return false: no such thread, or it has ended
bool queue_apc(const WSATHREADID& id, LPWSAUSERAPC routine, DWORD_PTR context) noexcept;

/// Takes it off the queue, unless it runs already.
void cancel_apc(const WSATHREADID& id, LPWSAUSERAPC routine, DWORD_PTR context) noexcept;

/// Runs what is queued to the calling thread, in order, what is queued meanwhile included.
/// @return false: nothing was
bool run_apcs() noexcept;

/// Between these two, an APC queued to the calling thread pokes the waiter; one that is queued
/// already pokes it at once. Waits nest when an APC waits.
void begin_alertable_wait(Waiter& waiter) noexcept;
void end_alertable_wait(Waiter& waiter) noexcept;

}  // namespace millrace
