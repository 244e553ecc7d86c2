// SPDX-License-Identifier: BSD-3-Clause
// Mutexes and semaphores, over counted.h; and SignalObjectAndWait.
#include "spi_shim/counted.h"

#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/upcalls.h"
#include "windows.h"

using namespace millrace;

namespace {

HANDLE made(HANDLE object) noexcept {
  SetLastError(object == nullptr ? ERROR_NOT_ENOUGH_MEMORY : 0);
  return object;
}

BOOL answer(DWORD error) noexcept { return error == 0 ? TRUE : fail_with(error); }

HANDLE create_semaphore(LONG n, LONG most) noexcept {
  if (n < 0 || most < 1 || n > most) return fail_with(ERROR_INVALID_PARAMETER), nullptr;
  return made(semaphore_create(n, most));
}

/// @return 0, or why not
DWORD signal(HANDLE object) noexcept {
  if (event_set(object)) return 0;
  const DWORD error = mutex_release(object);
  return error == ERROR_INVALID_HANDLE ? semaphore_release(object, 1, nullptr) : error;
}

}  // namespace

HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES, BOOL bInitialOwner, LPCSTR) noexcept {
  return made(mutex_create(bInitialOwner != FALSE));
}

HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES, BOOL bInitialOwner, LPCWSTR) noexcept {
  return made(mutex_create(bInitialOwner != FALSE));
}

HANDLE WINAPI CreateMutexExA(LPSECURITY_ATTRIBUTES, LPCSTR, DWORD dwFlags, DWORD) noexcept {
  return made(mutex_create((dwFlags & CREATE_MUTEX_INITIAL_OWNER) != 0));
}

HANDLE WINAPI CreateMutexExW(LPSECURITY_ATTRIBUTES, LPCWSTR, DWORD dwFlags, DWORD) noexcept {
  return made(mutex_create((dwFlags & CREATE_MUTEX_INITIAL_OWNER) != 0));
}

BOOL WINAPI ReleaseMutex(HANDLE hMutex) noexcept { return answer(mutex_release(hMutex)); }

HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES, LONG lInitialCount, LONG lMaximumCount,
                               LPCSTR) noexcept {
  return create_semaphore(lInitialCount, lMaximumCount);
}

HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES, LONG lInitialCount, LONG lMaximumCount,
                               LPCWSTR) noexcept {
  return create_semaphore(lInitialCount, lMaximumCount);
}

HANDLE WINAPI CreateSemaphoreExA(LPSECURITY_ATTRIBUTES, LONG lInitialCount, LONG lMaximumCount,
                                 LPCSTR, DWORD, DWORD) noexcept {
  return create_semaphore(lInitialCount, lMaximumCount);
}

HANDLE WINAPI CreateSemaphoreExW(LPSECURITY_ATTRIBUTES, LONG lInitialCount, LONG lMaximumCount,
                                 LPCWSTR, DWORD, DWORD) noexcept {
  return create_semaphore(lInitialCount, lMaximumCount);
}

BOOL WINAPI ReleaseSemaphore(HANDLE hSemaphore, LONG lReleaseCount, LPLONG lpPreviousCount) noexcept {
  if (lReleaseCount < 1) return fail_with(ERROR_INVALID_PARAMETER);
  const FaultWatch watch;
  if (lpPreviousCount != nullptr && !can_write(lpPreviousCount)) return fail_with(ERROR_NOACCESS);
  return answer(semaphore_release(hSemaphore, lReleaseCount, lpPreviousCount));
}

DWORD WINAPI SignalObjectAndWait(HANDLE hObjectToSignal, HANDLE hObjectToWaitOn, DWORD dwMilliseconds,
                                 BOOL bAlertable) noexcept {
  const DWORD error =
      event_state(hObjectToWaitOn) < 0 ? DWORD{ERROR_INVALID_HANDLE} : signal(hObjectToSignal);
  if (error != 0) return fail_with(error), WAIT_FAILED;
  return WaitForSingleObjectEx(hObjectToWaitOn, dwMilliseconds, bAlertable);
}
