// SPDX-License-Identifier: BSD-3-Clause
// Threads as objects: from a handle to a thread's APC queue and exit code.
#pragma once

#include "millrace/winsock_types.h"

namespace millrace {

/// Closes a handle from CreateThread. @return false: it is none
bool forget_thread(HANDLE thread) noexcept;

}  // namespace millrace
