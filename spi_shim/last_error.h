// SPDX-License-Identifier: BSD-3-Clause
// The calling thread's last error: one word, whether it is asked for by GetLastError or by
// WSAGetLastError. The functions themselves are declared in windows.h.
#pragma once

#include "windows.h"

namespace millrace {

/// Fails a function that answers FALSE: leaves the error to GetLastError. @return FALSE
inline BOOL fail_with(DWORD error) noexcept {
  SetLastError(error);
  return FALSE;
}

}  // namespace millrace
