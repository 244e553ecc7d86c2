// SPDX-License-Identifier: BSD-3-Clause
// Loaned receive: WSABUFs that point into the packets that arrived. Nothing is copied; the caller
// reads in place and gives back. Who owns what and when: spi_shim/LOANS.md.
//
//   GUID id = WSAID_MILLRACE_RECVLOAN;           // and WSAID_MILLRACE_RETURNLOAN
//   LPFN_MILLRACE_RECVLOAN recv_loan;
//   WSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &recv_loan, 8, ...);
//   WSABUF lent[32];  DWORD count = 32, bytes, flags = 0;
//   recv_loan(s, lent, &count, &bytes, &flags, nullptr, nullptr, nullptr, nullptr, nullptr, &error);
//   ... read lent[0 .. count - 1] ...
//   return_loan(lent, count, &error);
#ifndef MILLRACE_LOAN_H_
#define MILLRACE_LOAN_H_

#include "ws2spi.h"

#define WSAID_MILLRACE_RECVLOAN                                                    \
  {                                                                                \
    0x99BAEEE6, 0xA6EB, 0x40FA, { 0x83, 0x3A, 0xC0, 0x57, 0x3B, 0x60, 0xC0, 0xDA } \
  }
#define WSAID_MILLRACE_RETURNLOAN                                                  \
  {                                                                                \
    0xE70C3A42, 0x0693, 0x4588, { 0x8D, 0x82, 0xA1, 0x22, 0x0F, 0xCD, 0x1A, 0x15 } \
  }

/// Receives as WSPRecvFrom does, but lends instead of copying.
///
/// @param[out]    lpBuffers         array; what it holds on input does not matter. Overlapped: it
///                                  stays borrowed until the completion was indicated
/// @param[in,out] lpdwBufferCount   WSABUFs in the array; WSABUFs that were filled. Overlapped: as
///                                  lpBuffers, and written before the completion is indicated
/// @param[out]    lpFrom, lpFromlen both null: not asked for; streams leave them alone
/// @return 0, or SOCKET_ERROR and *lpErrno; zero bytes in 0 WSABUFs: the stream has ended
/// @errors those of WSPRecv; WSAENOBUFS: the callers of this socket, or of all, hold too much;
///         WSAEMSGSIZE: a datagram needs *lpdwBufferCount WSABUFs, and stays queued;
///         WSAEOPNOTSUPP: MSG_PEEK
/// @owner  what is lent is the caller's to read until it is returned or the socket is closed
using LPFN_MILLRACE_RECVLOAN = int(WSPAPI*)(SOCKET s, LPWSABUF lpBuffers, LPDWORD lpdwBufferCount,
                                            LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
                                            WS_sockaddr* lpFrom, LPINT lpFromlen,
                                            LPWSAOVERLAPPED lpOverlapped,
                                            LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                                            LPWSATHREADID lpThreadId, LPINT lpErrno);

/// Gives loans back: in any order, from any thread, of any sockets.
///
/// @param[in,out] lpBuffers  WSABUFs as they were lent; each that was given back is left empty
/// @errors WSAEINVAL: some were not on loan, and are left as they are; all others were given back.
///         WSAEFAULT: the array is not there; nothing was given back
using LPFN_MILLRACE_RETURNLOAN = int(WSPAPI*)(LPWSABUF lpBuffers, DWORD dwBufferCount,
                                              LPINT lpErrno);

#endif  // MILLRACE_LOAN_H_
