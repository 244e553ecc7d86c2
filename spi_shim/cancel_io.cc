// SPDX-License-Identifier: BSD-3-Clause
// Win32's functions about an overlapped operation of a socket: cancelled, or how it ended.
#include <chrono>
#include <optional>

#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/threads.h"

using namespace millrace;

namespace {

SOCKET socket_of(HANDLE file) noexcept { return reinterpret_cast<SOCKET>(file); }

/// How a wait for an operation ended. @return 0: the operation is complete
DWORD wait_for(SOCKET s, const OVERLAPPED& overlapped, DWORD timeout_ms, bool is_alertable) noexcept {
  using Clock = std::chrono::steady_clock;
  const bool is_endless = timeout_ms == INFINITE;
  const auto end = Clock::now() + std::chrono::milliseconds(is_endless ? 0 : timeout_ms);
  Waiter waiter;
  struct Alertable {
    Waiter* waiter;
    ~Alertable() {
      if (waiter != nullptr) end_alertable_wait(*waiter);
    }
  } const alertable{is_alertable ? &waiter : nullptr};
  if (is_alertable) begin_alertable_wait(waiter);
  for (bool is_first = true; is_pending(overlapped); is_first = false) {
    if (is_alertable && run_apcs()) return WAIT_IO_COMPLETION;
    const auto left = std::chrono::nanoseconds(end - Clock::now()).count();
    if (timeout_ms == 0 && !is_first) return ERROR_IO_INCOMPLETE;
    if (!is_endless && !is_first && left <= 0) return WAIT_TIMEOUT;
    INT ignored = 0;
    const Call call(s, &ignored);
    if (!call) return is_pending(overlapped) ? ERROR_INVALID_HANDLE : 0;
    Stack& stack = call.socket().stack();
    if (timeout_ms == 0) {
      (void)stack.spin();
      continue;
    }
    const uint64_t deadline =
        is_endless ? kNoDeadline : stack.now_ns() + static_cast<uint64_t>(left > 0 ? left : 0);
    stack.watch_until_shown(waiter, overlapped, deadline);
    waiter.is_poked = false;
  }
  return 0;
}

BOOL result_of(HANDLE file, LPOVERLAPPED overlapped, LPDWORD bytes, DWORD timeout_ms,
               bool is_alertable) noexcept {
  if (!is_running()) return fail_with(ERROR_INVALID_HANDLE);
  if (!can_read(overlapped) || !can_write(bytes)) return fail_with(ERROR_NOACCESS);
  if (is_pending(*overlapped)) {
    const DWORD error = wait_for(socket_of(file), *overlapped, timeout_ms, is_alertable);
    if (error != 0) return fail_with(error);
  }
  *bytes = static_cast<DWORD>(overlapped->InternalHigh);
  const ULONG_PTR status = overlapped->Internal;
  return is_success(status) ? TRUE : fail_with(win32_error_of(status));
}

/// @return nothing: there is no such socket
std::optional<uint32_t> cancel(HANDLE file, const Cancelled& which) noexcept {
  INT ignored = 0;
  const Call call(socket_of(file), &ignored);
  if (!call) return std::nullopt;
  return call.socket().cancel(which);
}

}  // namespace

extern "C" {

BOOL CancelIo(HANDLE hFile) noexcept {
  const auto n = cancel(hFile, {.thread = this_thread()});
  return n ? TRUE : fail_with(ERROR_INVALID_HANDLE);  // nothing pending is no failure
}

BOOL CancelIoEx(HANDLE hFile, LPOVERLAPPED lpOverlapped) noexcept {
  const auto n = cancel(hFile, {.overlapped = lpOverlapped});
  if (!n) return fail_with(ERROR_INVALID_HANDLE);
  return *n != 0 ? TRUE : fail_with(ERROR_NOT_FOUND);
}

BOOL GetOverlappedResult(HANDLE hFile, LPOVERLAPPED lpOverlapped, LPDWORD lpNumberOfBytesTransferred,
                         BOOL bWait) noexcept {
  return result_of(hFile, lpOverlapped, lpNumberOfBytesTransferred, bWait != FALSE ? INFINITE : 0,
                   false);
}

BOOL GetOverlappedResultEx(HANDLE hFile, LPOVERLAPPED lpOverlapped,
                           LPDWORD lpNumberOfBytesTransferred, DWORD dwMilliseconds,
                           BOOL bAlertable) noexcept {
  return result_of(hFile, lpOverlapped, lpNumberOfBytesTransferred, dwMilliseconds,
                   bAlertable != FALSE);
}

}  // extern "C"
