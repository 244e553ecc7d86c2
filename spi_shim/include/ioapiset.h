// SPDX-License-Identifier: BSD-3-Clause
// Windows' <ioapiset.h>: completion ports, cancelling, and the results of overlapped operations of
// sockets. What differs from Windows: spi_shim/PORTS.md.
//
// Every function here that fails says why by GetLastError.
#ifndef MILLRACE_IOAPISET_H_
#define MILLRACE_IOAPISET_H_

#include "millrace/winsock_types.h"

#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 0x1
#define FILE_SKIP_SET_EVENT_ON_HANDLE 0x2

struct OVERLAPPED_ENTRY {
  ULONG_PTR lpCompletionKey;
  LPOVERLAPPED lpOverlapped;
  ULONG_PTR Internal;
  DWORD dwNumberOfBytesTransferred;
};
using LPOVERLAPPED_ENTRY = OVERLAPPED_ENTRY*;

/// True when the operation is complete; another thread may complete it meanwhile.
inline bool HasOverlappedIoCompleted(const OVERLAPPED* lpOverlapped) {
  return __atomic_load_n(&lpOverlapped->Internal, __ATOMIC_ACQUIRE) != 0x103;
}

#pragma GCC visibility push(default)
extern "C" {

/// CreateIoCompletionPort makes a port, or associates a socket with one for the socket's whole life.
///
/// @param[in] FileHandle              a SOCKET, made with WSA_FLAG_OVERLAPPED; INVALID_HANDLE_VALUE:
///                                    only make a port
/// @param[in] ExistingCompletionPort  null: make a port
/// @param[in] CompletionKey           what packets of this socket carry
/// @param[in] NumberOfConcurrentThreads  no effect
/// @return the port; null on failure
/// @errors ERROR_INVALID_HANDLE; ERROR_INVALID_PARAMETER: the socket has a port already, or is not
///         overlapped; ERROR_NOT_ENOUGH_MEMORY: too many ports
/// @owner  the caller: CloseHandle
HANDLE CreateIoCompletionPort(HANDLE FileHandle, HANDLE ExistingCompletionPort,
                              ULONG_PTR CompletionKey, DWORD NumberOfConcurrentThreads) noexcept;

/// GetQueuedCompletionStatus takes the oldest packet, or waits for one.
///
/// @return FALSE with *lpOverlapped null: no packet was taken; FALSE with *lpOverlapped set: the
///         packet of an operation that failed
/// @errors WAIT_TIMEOUT; ERROR_ABANDONED_WAIT_0: another thread closed the port; ERROR_INVALID_HANDLE;
///         the operation's own
BOOL GetQueuedCompletionStatus(HANDLE CompletionPort, LPDWORD lpNumberOfBytesTransferred,
                               PULONG_PTR lpCompletionKey, LPOVERLAPPED* lpOverlapped,
                               DWORD dwMilliseconds) noexcept;

/// GetQueuedCompletionStatusEx takes up to ulCount packets, failed operations' among them.
///
/// @errors those above; WAIT_IO_COMPLETION: completion routines ran
BOOL GetQueuedCompletionStatusEx(HANDLE CompletionPort, LPOVERLAPPED_ENTRY lpCompletionPortEntries,
                                 ULONG ulCount, PULONG ulNumEntriesRemoved, DWORD dwMilliseconds,
                                 BOOL fAlertable) noexcept;

/// PostQueuedCompletionStatus queues a packet of the caller's own.
BOOL PostQueuedCompletionStatus(HANDLE CompletionPort, DWORD dwNumberOfBytesTransferred,
                                ULONG_PTR dwCompletionKey, LPOVERLAPPED lpOverlapped) noexcept;

/// SetFileCompletionNotificationModes adds modes to a socket; they cannot be taken back.
BOOL SetFileCompletionNotificationModes(HANDLE FileHandle, UCHAR Flags) noexcept;

/// CancelIo cancels what the calling thread has pending on a socket, if anything.
BOOL CancelIo(HANDLE hFile) noexcept;

/// CancelIoEx cancels one operation of a socket, or with null all of them.
/// @errors ERROR_NOT_FOUND: nothing was pending
BOOL CancelIoEx(HANDLE hFile, LPOVERLAPPED lpOverlapped) noexcept;

/// GetOverlappedResult tells how an operation of a socket ended, with a Win32 code where
/// WSAGetOverlappedResult has Winsock's.
/// @errors ERROR_IO_INCOMPLETE: it has not ended
BOOL GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped, LPDWORD lpNumberOfBytesTransferred,
                         BOOL bWait) noexcept;
/// @errors ERROR_IO_INCOMPLETE with a time of 0, WAIT_TIMEOUT with another, WAIT_IO_COMPLETION
BOOL GetOverlappedResultEx(HANDLE hFile, LPOVERLAPPED lpOverlapped,
                           LPDWORD lpNumberOfBytesTransferred, DWORD dwMilliseconds,
                           BOOL bAlertable) noexcept;

}  // extern "C"
#pragma GCC visibility pop

#endif  // MILLRACE_IOAPISET_H_
