// SPDX-License-Identifier: BSD-3-Clause
// Functions that are not in the table of procedures, named by a GUID and fetched through
// WSPIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER).
#pragma once

#include "millrace/winsock_codes.h"
#include "ws2spi.h"

namespace millrace {

/// The ioctl. @errors kFault: a buffer is short or not there; kInval: nobody has that GUID
///                                                                        (winsock-rules 173)
WsaError get_extension(const void* id, DWORD id_bytes, void* function, DWORD function_bytes,
                       DWORD& bytes_returned) noexcept;

/// SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER: the table of registered I/O (rio.h). The same errors.
WsaError get_extensions(const void* id, DWORD id_bytes, void* table, DWORD table_bytes,
                        DWORD& bytes_returned) noexcept;

// transfer.cc; their prototypes are those of millrace/loan.h.
int WSPAPI recv_loan(SOCKET s, LPWSABUF lpBuffers, LPDWORD lpdwBufferCount,
                     LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, WS_sockaddr* lpFrom,
                     LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                     LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept;
int WSPAPI return_loan(LPWSABUF lpBuffers, DWORD dwBufferCount, LPINT lpErrno) noexcept;

}  // namespace millrace
