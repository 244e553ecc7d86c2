// SPDX-License-Identifier: BSD-3-Clause
// An Endpoint as Winsock's callers have it: a sockaddr_in or a sockaddr_in6.
#pragma once

#include "millrace/winsock_constants.h"
#include "millrace/winsock_types.h"
#include "stack/address.h"

namespace millrace {

/// @param[in,out] length  bytes at `to`; afterwards those of the family's sockaddr
/// @return false: the caller's buffer is short, and nothing was stored
bool store_endpoint(const Endpoint& endpoint, WS_sockaddr* to, INT* length) noexcept;

}  // namespace millrace
