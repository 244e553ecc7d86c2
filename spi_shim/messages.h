// SPDX-License-Identifier: BSD-3-Clause
// WSARecvMsg and WSASendMsg: datagrams with control data, of mswsock.h's types. MESSAGES.md.
#pragma once

#include "mswsock.h"

namespace millrace {

struct Outcome;
struct SendCall;
class Socket;

/// With the Stack's lock. Sends what `call` has to the message's name, or to the socket's peer without one.
/// @errors kInval: control data that nobody understands; else those of a send
Outcome send_message(Socket& socket, const WSAMSG& message, SendCall& call) noexcept;
INT PASCAL recv_msg(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
INT PASCAL send_msg(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags, LPDWORD lpNumberOfBytesSent,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;

}  // namespace millrace
