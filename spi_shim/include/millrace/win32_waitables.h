// SPDX-License-Identifier: BSD-3-Clause
// Mutexes, semaphores and waitable timers, for the waits of win32_objects.h. Part of windows.h.
//
// Said once: as in win32_objects.h. CloseHandle gives each of them back. Names are ignored, so nothing here is
// shared between processes, and there is no Open.
#ifndef MILLRACE_WIN32_WAITABLES_H_
#define MILLRACE_WIN32_WAITABLES_H_

#include "millrace/win32_objects.h"

#define CREATE_MUTEX_INITIAL_OWNER 0x1
#define CREATE_EVENT_MANUAL_RESET 0x1
#define CREATE_EVENT_INITIAL_SET 0x2
#define CREATE_WAITABLE_TIMER_MANUAL_RESET 0x1
#define CREATE_WAITABLE_TIMER_HIGH_RESOLUTION 0x2

using PTIMERAPCROUTINE = VOID(CALLBACK*)(LPVOID lpArgToCompletionRoutine, DWORD dwTimerLowValue,
                                         DWORD dwTimerHighValue);
struct REASON_CONTEXT;
using PREASON_CONTEXT = REASON_CONTEXT*;

#pragma GCC visibility push(default)
extern "C" {

// --- Mutexes: the owner takes one again and again, and gives it back as often. A wait for one whose owner
// ended takes it, and answers WAIT_ABANDONED_0 + index ----------------------------------------------
HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES lpMutexAttributes, BOOL bInitialOwner,
                           LPCSTR lpName) noexcept;
HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES lpMutexAttributes, BOOL bInitialOwner,
                           LPCWSTR lpName) noexcept;
/// @param[in] dwFlags  0 or CREATE_MUTEX_INITIAL_OWNER
HANDLE WINAPI CreateMutexExA(LPSECURITY_ATTRIBUTES lpMutexAttributes, LPCSTR lpName, DWORD dwFlags,
                             DWORD dwDesiredAccess) noexcept;
HANDLE WINAPI CreateMutexExW(LPSECURITY_ATTRIBUTES lpMutexAttributes, LPCWSTR lpName, DWORD dwFlags,
                             DWORD dwDesiredAccess) noexcept;
/// @errors ERROR_NOT_OWNER
BOOL WINAPI ReleaseMutex(HANDLE hMutex) noexcept;

// --- Semaphores ----------------------------------------------------------------------------------

/// @param[in] lInitialCount  0 .. lMaximumCount, which is 1 or more
/// @errors ERROR_INVALID_PARAMETER
HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES lpSemaphoreAttributes, LONG lInitialCount,
                               LONG lMaximumCount, LPCSTR lpName) noexcept;
HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES lpSemaphoreAttributes, LONG lInitialCount,
                               LONG lMaximumCount, LPCWSTR lpName) noexcept;
HANDLE WINAPI CreateSemaphoreExA(LPSECURITY_ATTRIBUTES lpSemaphoreAttributes, LONG lInitialCount,
                                 LONG lMaximumCount, LPCSTR lpName, DWORD dwFlags,
                                 DWORD dwDesiredAccess) noexcept;
HANDLE WINAPI CreateSemaphoreExW(LPSECURITY_ATTRIBUTES lpSemaphoreAttributes, LONG lInitialCount,
                                 LONG lMaximumCount, LPCWSTR lpName, DWORD dwFlags,
                                 DWORD dwDesiredAccess) noexcept;
/// @param[in]  lReleaseCount    1 or more
/// @param[out] lpPreviousCount  or null
/// @errors ERROR_INVALID_PARAMETER; ERROR_TOO_MANY_POSTS: more than the maximum, and nothing has changed
BOOL WINAPI ReleaseSemaphore(HANDLE hSemaphore, LONG lReleaseCount, LPLONG lpPreviousCount) noexcept;

// --- Waitable timers -----------------------------------------------------------------------------
HANDLE WINAPI CreateWaitableTimerA(LPSECURITY_ATTRIBUTES lpTimerAttributes, BOOL bManualReset,
                                   LPCSTR lpTimerName) noexcept;
HANDLE WINAPI CreateWaitableTimerW(LPSECURITY_ATTRIBUTES lpTimerAttributes, BOOL bManualReset,
                                   LPCWSTR lpTimerName) noexcept;
/// @param[in] dwFlags  CREATE_WAITABLE_TIMER_MANUAL_RESET, _HIGH_RESOLUTION (all are)
HANDLE WINAPI CreateWaitableTimerExA(LPSECURITY_ATTRIBUTES lpTimerAttributes, LPCSTR lpTimerName,
                                     DWORD dwFlags, DWORD dwDesiredAccess) noexcept;
HANDLE WINAPI CreateWaitableTimerExW(LPSECURITY_ATTRIBUTES lpTimerAttributes, LPCWSTR lpTimerName,
                                     DWORD dwFlags, DWORD dwDesiredAccess) noexcept;

/// SetWaitableTimer sets it anew: it is not signalled until its time comes, then once per period.
///
/// @param[in] lpDueTime  in 100 ns; negative: from now, else since 1601 (UTC), on the clock as it goes now
/// @param[in] lPeriod    in ms; 0: once
/// @param[in] pfnCompletionRoutine  an APC of the calling thread, or null; of a period one at a time waits
/// @param[in] fResume    TRUE: done as well, but GetLastError() is ERROR_NOT_SUPPORTED
/// @errors ERROR_INVALID_PARAMETER: no due time, a negative period
BOOL WINAPI SetWaitableTimer(HANDLE hTimer, const LARGE_INTEGER* lpDueTime, LONG lPeriod,
                             PTIMERAPCROUTINE pfnCompletionRoutine, LPVOID lpArgToCompletionRoutine,
                             BOOL fResume) noexcept;
/// The same. A delay that would be tolerable is not made use of.
BOOL WINAPI SetWaitableTimerEx(HANDLE hTimer, const LARGE_INTEGER* lpDueTime, LONG lPeriod,
                               PTIMERAPCROUTINE pfnCompletionRoutine, LPVOID lpArgToCompletionRoutine,
                               PREASON_CONTEXT WakeContext, ULONG TolerableDelay) noexcept;
/// CancelWaitableTimer leaves a signalled one signalled; an APC that has not run does not run.
BOOL WINAPI CancelWaitableTimer(HANDLE hTimer) noexcept;

// --- Elsewhere -----------------------------------------------------------------------------------
HANDLE WINAPI CreateEventExA(LPSECURITY_ATTRIBUTES lpEventAttributes, LPCSTR lpName, DWORD dwFlags,
                             DWORD dwDesiredAccess) noexcept;
HANDLE WINAPI CreateEventExW(LPSECURITY_ATTRIBUTES lpEventAttributes, LPCWSTR lpName, DWORD dwFlags,
                             DWORD dwDesiredAccess) noexcept;

/// SignalObjectAndWait sets an event, or releases a mutex or a semaphore by 1, and then waits: in two steps,
/// as Windows' page allows.
///
/// @return as WaitForSingleObjectEx
/// @errors ERROR_INVALID_HANDLE, and those of the release; then it does not wait
DWORD WINAPI SignalObjectAndWait(HANDLE hObjectToSignal, HANDLE hObjectToWaitOn, DWORD dwMilliseconds,
                                 BOOL bAlertable) noexcept;

}  // extern "C"
#pragma GCC visibility pop

#ifdef UNICODE
#define CreateEventEx CreateEventExW
#define CreateMutex CreateMutexW
#define CreateMutexEx CreateMutexExW
#define CreateSemaphore CreateSemaphoreW
#define CreateSemaphoreEx CreateSemaphoreExW
#define CreateWaitableTimer CreateWaitableTimerW
#define CreateWaitableTimerEx CreateWaitableTimerExW
#else
#define CreateEventEx CreateEventExA
#define CreateMutex CreateMutexA
#define CreateMutexEx CreateMutexExA
#define CreateSemaphore CreateSemaphoreA
#define CreateSemaphoreEx CreateSemaphoreExA
#define CreateWaitableTimer CreateWaitableTimerA
#define CreateWaitableTimerEx CreateWaitableTimerExA
#endif

#endif  // MILLRACE_WIN32_WAITABLES_H_
