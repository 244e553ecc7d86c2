// SPDX-License-Identifier: BSD-3-Clause
// Our own upcalls, for programs that have no Ws2_32: event objects. An event is a slot of a table with
// a generation, so a stale handle is refused and never touches freed memory.
#pragma once

#include "ws2spi.h"

namespace millrace {

/// What an all-zero table given to WSPStartup stands for. Entries that are not there are null.
WSPUPCALLTABLE own_upcalls() noexcept;

/// Events of our own, manual reset. @return null: too many
WSAEVENT event_create() noexcept;
bool event_close(WSAEVENT event) noexcept;
bool event_set(WSAEVENT event) noexcept;
bool event_reset(WSAEVENT event) noexcept;
/// @return 1 signalled, 0 not, -1 no such event
int event_state(WSAEVENT event) noexcept;

}  // namespace millrace
