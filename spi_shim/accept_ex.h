// SPDX-License-Identifier: BSD-3-Clause
// AcceptEx and GetAcceptExSockaddrs. See EXTENSIONS.md.
#pragma once

#include "mswsock.h"

namespace millrace {

// Their prototypes are those of mswsock.h; errors by GetLastError.
BOOL PASCAL accept_ex(SOCKET sListenSocket, SOCKET sAcceptSocket, PVOID lpOutputBuffer,
                      DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
                      DWORD dwRemoteAddressLength, LPDWORD lpdwBytesReceived,
                      LPOVERLAPPED lpOverlapped) noexcept;
VOID PASCAL get_accept_ex_sockaddrs(PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
                                    DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
                                    WS_sockaddr** LocalSockaddr, LPINT LocalSockaddrLength,
                                    WS_sockaddr** RemoteSockaddr,
                                    LPINT RemoteSockaddrLength) noexcept;

/// The socket is about to be closed: an AcceptEx that was to use it is cancelled (winsock-rules 192).
/// Without any Stack's lock.
void end_accept_on(SOCKET s) noexcept;

}  // namespace millrace
