// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/last_error.h"

#include <algorithm>
#include <iterator>

namespace millrace {
namespace {

constinit thread_local DWORD last_error = 0;

struct Row {
  DWORD status;
  DWORD error;
};

constexpr Row kRows[] = {
    {STATUS_PENDING, ERROR_IO_PENDING},
    {STATUS_BUFFER_OVERFLOW, ERROR_MORE_DATA},
    {STATUS_ACCESS_VIOLATION, ERROR_NOACCESS},
    {STATUS_INVALID_HANDLE, ERROR_INVALID_HANDLE},
    {STATUS_INVALID_PARAMETER, ERROR_INVALID_PARAMETER},
    {STATUS_ACCESS_DENIED, 5},              // ERROR_ACCESS_DENIED
    {STATUS_BUFFER_TOO_SMALL, ERROR_INSUFFICIENT_BUFFER},
    {STATUS_INSUFFICIENT_RESOURCES, 1450},  // ERROR_NO_SYSTEM_RESOURCES
    {STATUS_DEVICE_NOT_READY, 21},          // ERROR_NOT_READY
    {STATUS_PIPE_DISCONNECTED, 233},        // ERROR_PIPE_NOT_CONNECTED
    {STATUS_IO_TIMEOUT, ERROR_SEM_TIMEOUT},
    {STATUS_NOT_SUPPORTED, ERROR_NOT_SUPPORTED},
    {STATUS_UNEXPECTED_NETWORK_ERROR, 59},  // ERROR_UNEXP_NET_ERR
    {STATUS_INVALID_CONNECTION, 59},
    {STATUS_CANCELLED, ERROR_OPERATION_ABORTED},
    {STATUS_LOCAL_DISCONNECT, ERROR_NETNAME_DELETED},
    {STATUS_REMOTE_DISCONNECT, ERROR_NETNAME_DELETED},
    {STATUS_INVALID_ADDRESS_COMPONENT, ERROR_INVALID_NETNAME},
    {STATUS_ADDRESS_ALREADY_EXISTS, 52},    // ERROR_DUP_NAME
    {STATUS_CONNECTION_RESET, ERROR_NETNAME_DELETED},
    {STATUS_CONNECTION_REFUSED, ERROR_CONNECTION_REFUSED},
    {STATUS_GRACEFUL_DISCONNECT, ERROR_GRACEFUL_DISCONNECT},
    {STATUS_CONNECTION_ACTIVE, 1230},       // ERROR_CONNECTION_ACTIVE
    {STATUS_NETWORK_UNREACHABLE, ERROR_NETWORK_UNREACHABLE},
    {STATUS_HOST_UNREACHABLE, ERROR_HOST_UNREACHABLE},
    {STATUS_PROTOCOL_UNREACHABLE, ERROR_PROTOCOL_UNREACHABLE},
    {STATUS_PORT_UNREACHABLE, ERROR_PORT_UNREACHABLE},
    {STATUS_REQUEST_ABORTED, 1235},         // ERROR_REQUEST_ABORTED
    {STATUS_CONNECTION_ABORTED, ERROR_CONNECTION_ABORTED},
    {STATUS_HOST_DOWN, 1256},               // ERROR_HOST_DOWN
};

constexpr DWORD kNotMapped = 317;  // ERROR_MR_MID_NOT_FOUND

}  // namespace

DWORD win32_error_of(ULONG_PTR ntstatus) noexcept {
  const auto status = static_cast<DWORD>(ntstatus);
  if (status == STATUS_SUCCESS) return 0;
  const auto* const row = std::find_if(std::begin(kRows), std::end(kRows),
                                       [status](const Row& r) { return r.status == status; });
  if (row != std::end(kRows)) return row->error;
  if ((status & 0xFFFF0000U) == kNtstatusWin32) return status & 0xFFFFU;
  return is_success(status) ? 0 : kNotMapped;
}

BOOL fail_with(DWORD error) noexcept {
  last_error = error;
  return FALSE;
}

}  // namespace millrace

extern "C" {

DWORD GetLastError() noexcept { return millrace::last_error; }

void SetLastError(DWORD dwErrCode) noexcept { millrace::last_error = dwErrCode; }
}
