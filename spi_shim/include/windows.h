// SPDX-License-Identifier: BSD-3-Clause
// The part of <windows.h> that network programs use: basic types, Win32 error codes, NTSTATUS values,
// completion packets, events, threads and waits (win32_objects.h), locks (win32_sync.h), and trivia
// (win32_misc.h). What is in no library of ours is in none of these headers either.
//
// Invariant: no clash with any system header, and nothing that is declared here lacks a definition: the
// functions are in millrace_ws2_32, those about the last error and SleepEx in millrace_spi.
#ifndef MILLRACE_WINDOWS_H_
#define MILLRACE_WINDOWS_H_

#include "ioapiset.h"
#include "millrace/winsock_errors.h"
#include "millrace/winsock_ntstatus.h"
#include "millrace/winsock_types.h"

// --- Waits -------------------------------------------------------------------------------------
#define INFINITE 0xFFFFFFFFU
#define MAXIMUM_WAIT_OBJECTS 64
#define WAIT_OBJECT_0 0
#define WAIT_ABANDONED 0x80
#define WAIT_ABANDONED_0 0x80
#define WAIT_IO_COMPLETION 0xC0
#define WAIT_TIMEOUT 0x102
#define WAIT_FAILED 0xFFFFFFFFU

// --- Versions are two bytes: MAKEWORD(2, 2) is Winsock 2.2, major number in the low byte ---------
constexpr WORD MAKEWORD(BYTE low, BYTE high) { return static_cast<WORD>(low | (high << 8)); }
constexpr BYTE LOBYTE(WORD word) { return static_cast<BYTE>(word & 0xFF); }
constexpr BYTE HIBYTE(WORD word) { return static_cast<BYTE>(word >> 8); }

#pragma GCC visibility push(default)
extern "C" {

/// The calling thread's last error, which Winsock's calls and the functions below leave there.
DWORD GetLastError() noexcept;
void SetLastError(DWORD dwErrCode) noexcept;
}
#pragma GCC visibility pop

#include "millrace/win32_misc.h"
#include "millrace/win32_objects.h"
#include "millrace/win32_sync.h"
#include "millrace/win32_waitables.h"

#endif  // MILLRACE_WINDOWS_H_
