// SPDX-License-Identifier: BSD-3-Clause
// WSPDuplicateSocket: more descriptors for one socket, within this process.
//
// The second descriptor is made at once and waits under a token, so the socket lives on if the first is
// closed before the token is used; as on Windows, a token that nobody uses keeps its socket until the
// provider ends.
#pragma once

#include "ws2spi.h"

namespace millrace {

int WSPAPI wsp_duplicate_socket(SOCKET s, DWORD dwProcessId, LPWSAPROTOCOL_INFOW lpProtocolInfo,
                                LPINT lpErrno) noexcept;

/// Whether WSPDuplicateSocket filled it in, and not the catalog.
bool is_duplicate(const WSAPROTOCOL_INFOW& info) noexcept;

/// The descriptor that waits for it; each can be had once.
/// @errors WSAEINVAL: there is none, or not any more
SOCKET open_duplicate(const WSAPROTOCOL_INFOW& info, LPINT lpErrno) noexcept;

}  // namespace millrace
