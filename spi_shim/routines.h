// SPDX-License-Identifier: BSD-3-Clause
// Completion routines: from a completion to an APC of the thread that started the operation.
//
// WPUQueueApc takes one word of context, a routine four arguments, so a thunk stands between them
// (winsock-rules 60). It also keeps routines of one socket from nesting (contract: B15): the routine
// that is due while another one of the socket runs on the thread waits for that one to return.
#pragma once

#include "stack/completion.h"
#include "ws2spi.h"

namespace millrace {

/// Hands the routine to its thread. If that has ended, nobody hears of the completion.
void queue_routine(const Completion& completion) noexcept;
/// An APC that never runs, since its thread has ended: if a routine would have run in it, gives back what it holds.
void drop_routine(LPWSAUSERAPC apc, DWORD_PTR context) noexcept;

}  // namespace millrace
