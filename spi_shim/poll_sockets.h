// SPDX-License-Identifier: BSD-3-Clause
// What WSAPoll is made of: the table of procedures has none for it.
#pragma once

#include <span>

#include "millrace/winsock_names.h"

namespace millrace {

/// Looks at, or waits for, many sockets: POLLS.md.
///
/// @param[in,out] entries  revents is written; POLLNVAL where fd is no socket
/// @param timeout_ms  0: only looks; negative: waits for ever
/// @return  entries that have something, those of no socket not counted; or SOCKET_ERROR
/// @errors  WSAENOTSOCK: not one of them is a socket; WSAEINVAL: events has a bit that nobody may ask for;
///          WSAEINTR: WSPCancelBlockingCall; WSANOTINITIALISED, WSAEINPROGRESS
/// @source  Microsoft's page WSAPoll; Wine's test of it, which passes on Windows (winsock-rules 168)
int poll_sockets(std::span<WSAPOLLFD> entries, INT timeout_ms, LPINT lpErrno) noexcept;

}  // namespace millrace
