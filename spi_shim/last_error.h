// SPDX-License-Identifier: BSD-3-Clause
// The last error of each thread, and Win32's own code for an operation's status. GetLastError and
// SetLastError are declared in windows.h.
#pragma once

#include "millrace/winsock_codes.h"
#include "windows.h"

namespace millrace {

/// What GetLastError and GetQueuedCompletionStatus say where Winsock's functions say wsa_error_of().
///
/// @source RtlNtStatusToDosError on Windows, for the statuses that operations of sockets end with
DWORD win32_error_of(ULONG_PTR ntstatus) noexcept;

/// True for successes and what is merely told on the way (bit 31 clear).
constexpr bool is_success(ULONG_PTR ntstatus) { return (ntstatus & 0x80000000U) == 0; }

/// Sets the last error. @return FALSE
BOOL fail_with(DWORD error) noexcept;

}  // namespace millrace
