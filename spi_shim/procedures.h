// SPDX-License-Identifier: BSD-3-Clause
// The entry points behind WSPPROC_TABLE, by the file that holds them. Their prototypes are those of
// ws2spi.h; each checks its arguments in documented order and holds no policy.
#pragma once

#include "ws2spi.h"

namespace millrace {

/// The table that WSPStartup hands out.
WSPPROC_TABLE procedures() noexcept;

// Each fills its part of the table.
void add_blocking_procedures(WSPPROC_TABLE& table) noexcept;  // blocking.cc
void add_socket_procedures(WSPPROC_TABLE& table) noexcept;    // sockets.cc
void add_transfer_procedures(WSPPROC_TABLE& table) noexcept;  // transfer.cc
void add_accept_procedure(WSPPROC_TABLE& table) noexcept;     // accept.cc
void add_event_procedures(WSPPROC_TABLE& table) noexcept;     // event_select.cc
void add_result_procedures(WSPPROC_TABLE& table) noexcept;    // results.cc
void add_ioctl_procedure(WSPPROC_TABLE& table) noexcept;      // ioctls.cc
void add_option_procedures(WSPPROC_TABLE& table) noexcept;    // options.cc

}  // namespace millrace
