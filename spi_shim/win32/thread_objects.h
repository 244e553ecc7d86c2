// SPDX-License-Identifier: BSD-3-Clause
// What CloseHandle asks those that keep more of an object than the table of events does.
#pragma once

#include "millrace/winsock_types.h"

namespace millrace {

/// Closes a handle from CreateThread. @return false: it is none
bool forget_thread(HANDLE thread) noexcept;
/// Closes a waitable timer. @return false: it is none
bool forget_timer(HANDLE timer) noexcept;

}  // namespace millrace
