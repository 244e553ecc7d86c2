// SPDX-License-Identifier: BSD-3-Clause
// The little of <windows.h> that Winsock programs use: basic types, Win32 error codes, NTSTATUS
// values, wait results, completion packets.
//
// Invariant: no clash with any system header, and nothing that is declared here lacks a definition.
// Of the Win32 functions there is SleepEx: a program that needs CreateThread uses C++'s own.
#ifndef MILLRACE_WINDOWS_H_
#define MILLRACE_WINDOWS_H_

#include "millrace/winsock_errors.h"
#include "millrace/winsock_ntstatus.h"
#include "millrace/winsock_types.h"

// --- Waits -------------------------------------------------------------------------------------
#define INFINITE 0xFFFFFFFFU
#define MAXIMUM_WAIT_OBJECTS 64
#define WAIT_OBJECT_0 0
#define WAIT_ABANDONED 0x80
#define WAIT_IO_COMPLETION 0xC0
#define WAIT_TIMEOUT 0x102
#define WAIT_FAILED 0xFFFFFFFFU

// --- Completion ports --------------------------------------------------------------------------
#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 0x1
#define FILE_SKIP_SET_EVENT_ON_HANDLE 0x2

struct OVERLAPPED_ENTRY {
  ULONG_PTR lpCompletionKey;
  LPOVERLAPPED lpOverlapped;
  ULONG_PTR Internal;
  DWORD dwNumberOfBytesTransferred;
};
using LPOVERLAPPED_ENTRY = OVERLAPPED_ENTRY*;

// --- Versions are two bytes: MAKEWORD(2, 2) is Winsock 2.2, major number in the low byte ---------
constexpr WORD MAKEWORD(BYTE low, BYTE high) { return static_cast<WORD>(low | (high << 8)); }
constexpr BYTE LOBYTE(WORD word) { return static_cast<BYTE>(word & 0xFF); }
constexpr BYTE HIBYTE(WORD word) { return static_cast<BYTE>(word >> 8); }

extern "C" {

/// The calling thread's last error, which Winsock's calls and the functions below leave there.
DWORD GetLastError() noexcept;
void SetLastError(DWORD dwErrCode) noexcept;

/// SleepEx lets time pass; when alertable, completion routines of this thread run here.
///
/// @param[in] dwMilliseconds  INFINITE waits for ever, 0 runs what is queued already
/// @return 0 after the time, WAIT_IO_COMPLETION after routines ran
DWORD SleepEx(DWORD dwMilliseconds, BOOL bAlertable) noexcept;
}

#endif  // MILLRACE_WINDOWS_H_
