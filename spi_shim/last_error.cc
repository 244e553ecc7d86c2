// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/last_error.h"

namespace {
constinit thread_local DWORD last_error = 0;
}  // namespace

extern "C" {

DWORD GetLastError() noexcept { return last_error; }
void SetLastError(DWORD dwErrCode) noexcept { last_error = dwErrCode; }
}
