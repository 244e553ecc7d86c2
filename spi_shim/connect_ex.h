// SPDX-License-Identifier: BSD-3-Clause
// ConnectEx, DisconnectEx, and the options that make their sockets, and AcceptEx's, whole. See
// EXTENSIONS.md.
#pragma once

#include "mswsock.h"
#include "stack/socket.h"

namespace millrace {

// Their prototypes are those of mswsock.h; errors by GetLastError.
BOOL PASCAL connect_ex(SOCKET s, const WS_sockaddr* name, int namelen, PVOID lpSendBuffer,
                       DWORD dwSendDataLength, LPDWORD lpdwBytesSent,
                       LPOVERLAPPED lpOverlapped) noexcept;
BOOL PASCAL disconnect_ex(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags,
                          DWORD dwReserved) noexcept;

/// Ends an operation that has sent what it had to send with DisconnectEx for reuse, which tells its
/// caller. With the Stack's lock. @errors kIoPending: it has begun
WsaError disconnect_for_reuse(Socket& socket, SOCKET inner, Overlapped tell, uint32_t bytes) noexcept;

constexpr bool is_context_option(int name) {
  return name == SO_UPDATE_ACCEPT_CONTEXT || name == SO_UPDATE_CONNECT_CONTEXT;
}

/// SO_UPDATE_ACCEPT_CONTEXT (the value is the listener) and SO_UPDATE_CONNECT_CONTEXT (no value), as
/// WSPSetSockOpt.
int update_context(SOCKET s, int name, const CHAR* value, int bytes, LPINT lpErrno) noexcept;

}  // namespace millrace
