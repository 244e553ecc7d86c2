// SPDX-License-Identifier: BSD-3-Clause
// Between Winsock's name resolution and the C library's: addresses and errors of each for the other.
// Names go to the C library's resolver, and so through the kernel's network, not through millrace's.
#pragma once

#include <sys/socket.h>

#include <optional>
#include <string>

#include "millrace/winsock_types.h"

namespace millrace::ws2 {

/// @return the Winsock error for one of the C library's EAI_ codes; 0 for 0
INT error_from_eai(int eai) noexcept;

/// A C library's address as Winsock's. @return its bytes; 0: neither IPv4 nor IPv6
INT from_libc(const ::sockaddr& address, WS_sockaddr_storage& out) noexcept;

/// Winsock's as the C library's. @return its bytes; 0: neither IPv4 nor IPv6, or too short
::socklen_t to_libc(const WS_sockaddr* address, INT length, ::sockaddr_storage& out) noexcept;

int family_to_libc(int family) noexcept;

}  // namespace millrace::ws2
