// SPDX-License-Identifier: BSD-3-Clause
// Events, CloseHandle and waits, over the table of objects (upcalls.h) and ports (ports.h).
#include <algorithm>
#include <chrono>
#include <thread>

#include "spi_shim/last_error.h"
#include "spi_shim/ports.h"
#include "spi_shim/probe.h"
#include "spi_shim/upcalls.h"
#include "spi_shim/waits.h"
#include "spi_shim/win32/thread_objects.h"

using namespace millrace;

namespace {

BOOL answer(bool is_done) noexcept { return is_done ? TRUE : fail_with(ERROR_INVALID_HANDLE); }

HANDLE create_event(BOOL is_manual, BOOL is_signalled) noexcept {
  HANDLE const event = event_create(
      is_manual != FALSE ? ObjectKind::kManualReset : ObjectKind::kAutoReset, is_signalled != FALSE);
  SetLastError(event == nullptr ? ERROR_NOT_ENOUGH_MEMORY : 0);
  return event;
}

DWORD wait_failed(DWORD error) noexcept {
  SetLastError(error);
  return WAIT_FAILED;
}

bool has_duplicates(std::span<const HANDLE> handles) noexcept {
  for (size_t i = 0; i < handles.size(); ++i) {
    if (std::find(handles.begin(), handles.begin() + static_cast<std::ptrdiff_t>(i), handles[i]) !=
        handles.begin() + static_cast<std::ptrdiff_t>(i)) {
      return true;
    }
  }
  return false;
}

}  // namespace

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES, BOOL bManualReset, BOOL bInitialState,
                           LPCSTR) noexcept {
  return create_event(bManualReset, bInitialState);
}

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES, BOOL bManualReset, BOOL bInitialState,
                           LPCWSTR) noexcept {
  return create_event(bManualReset, bInitialState);
}

HANDLE WINAPI CreateEventExA(LPSECURITY_ATTRIBUTES, LPCSTR, DWORD dwFlags, DWORD) noexcept {
  return create_event((dwFlags & CREATE_EVENT_MANUAL_RESET) != 0,
                      (dwFlags & CREATE_EVENT_INITIAL_SET) != 0);
}

HANDLE WINAPI CreateEventExW(LPSECURITY_ATTRIBUTES, LPCWSTR, DWORD dwFlags, DWORD) noexcept {
  return create_event((dwFlags & CREATE_EVENT_MANUAL_RESET) != 0,
                      (dwFlags & CREATE_EVENT_INITIAL_SET) != 0);
}

BOOL WINAPI SetEvent(HANDLE hEvent) noexcept { return answer(event_set(hEvent)); }
BOOL WINAPI ResetEvent(HANDLE hEvent) noexcept { return answer(event_reset(hEvent)); }

// Asks each kind of object; handles of two kinds are never the same.
BOOL WINAPI CloseHandle(HANDLE hObject) noexcept {
  if (forget_thread(hObject) || forget_timer(hObject) || close_port(hObject)) return TRUE;
  return answer(event_close(hObject));
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE* lpHandles, BOOL bWaitAll,
                                      DWORD dwMilliseconds, BOOL bAlertable) noexcept {
  const FaultWatch watch;  // it works without WSAStartup
  if (nCount == 0 || nCount > MAXIMUM_WAIT_OBJECTS || !can_read_objects(lpHandles, nCount)) {
    return wait_failed(ERROR_INVALID_PARAMETER);
  }
  const std::span handles(lpHandles, nCount);
  if (bWaitAll != FALSE && has_duplicates(handles)) return wait_failed(ERROR_INVALID_PARAMETER);
  if (std::any_of(handles.begin(), handles.end(), [](HANDLE h) { return event_state(h) < 0; })) {
    return wait_failed(ERROR_INVALID_HANDLE);
  }
  const DWORD result =
      wait_for(handles, bWaitAll != FALSE, dwMilliseconds, bAlertable != FALSE, false);
  return result == WAIT_FAILED ? wait_failed(ERROR_INVALID_HANDLE) : result;
}

DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE* lpHandles, BOOL bWaitAll,
                                    DWORD dwMilliseconds) noexcept {
  return WaitForMultipleObjectsEx(nCount, lpHandles, bWaitAll, dwMilliseconds, FALSE);
}

DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable) noexcept {
  return WaitForMultipleObjectsEx(1, &hHandle, FALSE, dwMilliseconds, bAlertable);
}

DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds) noexcept {
  return WaitForMultipleObjectsEx(1, &hHandle, FALSE, dwMilliseconds, FALSE);
}

VOID WINAPI Sleep(DWORD dwMilliseconds) noexcept { (void)SleepEx(dwMilliseconds, FALSE); }
