// SPDX-License-Identifier: BSD-3-Clause
// WSARecvMsg and WSASendMsg: datagrams with control data, of mswsock.h's types. MESSAGES.md.
#pragma once

#include "mswsock.h"

namespace millrace {

INT PASCAL recv_msg(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
INT PASCAL send_msg(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags, LPDWORD lpNumberOfBytesSent,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;

}  // namespace millrace
