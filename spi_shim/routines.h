// SPDX-License-Identifier: BSD-3-Clause
// Completion routines: from a completion to an APC of the thread that started the operation.
//
// WPUQueueApc takes one word of context, a routine four arguments, so a thunk stands between them
// (winsock-rules 60). It also keeps routines of one socket from nesting (contract: B15): the routine
// that is due while another one of the socket runs on the thread waits for that one to return.
#pragma once

#include "stack/completion.h"

namespace millrace {

/// Hands the routine to its thread. If that has ended, nobody hears of the completion.
void queue_routine(const Completion& completion) noexcept;

}  // namespace millrace
