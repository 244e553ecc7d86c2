// SPDX-License-Identifier: BSD-3-Clause
// Options of multicast, which are not one number each, and WSPJoinLeaf.
#pragma once

#include <optional>

#include "spi_shim/call.h"

namespace millrace {

/// @return nothing: the option is not one of these
std::optional<WsaError> set_multicast_option(Socket& socket, int level, int name, const CHAR* value,
                                             int length) noexcept;

SOCKET WSPAPI wsp_join_leaf(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF lpCallerData,
                            LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS, DWORD dwFlags,
                            LPINT lpErrno) noexcept;

}  // namespace millrace
