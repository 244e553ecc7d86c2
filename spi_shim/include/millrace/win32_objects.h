// SPDX-License-Identifier: BSD-3-Clause
// Objects to wait for: events and threads. Part of windows.h.
//
// Said once: BOOL calls answer FALSE, HANDLE calls null, waits WAIT_FAILED, and GetLastError() has the
// code: ERROR_INVALID_HANDLE for a handle that is none or not one of the kind. A stale handle never
// reaches another object. Names of objects, security attributes and inheritance are ignored.
//
// A wait turns millrace's Stack, as a blocking socket call does: whoever waits, polls.
#ifndef MILLRACE_WIN32_OBJECTS_H_
#define MILLRACE_WIN32_OBJECTS_H_

#include "millrace/winsock_types.h"

struct SECURITY_ATTRIBUTES {
  DWORD nLength;
  LPVOID lpSecurityDescriptor;
  BOOL bInheritHandle;
};
using LPSECURITY_ATTRIBUTES = SECURITY_ATTRIBUTES*;

using LPTHREAD_START_ROUTINE = DWORD(WINAPI*)(LPVOID lpThreadParameter);
using PAPCFUNC = VOID(CALLBACK*)(ULONG_PTR Parameter);

#define CREATE_SUSPENDED 0x4
#define STILL_ACTIVE 259

#pragma GCC visibility push(default)
extern "C" {

// --- Events --------------------------------------------------------------------------------------
HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset,
                           BOOL bInitialState, LPCSTR lpName) noexcept;
HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES lpEventAttributes, BOOL bManualReset,
                           BOOL bInitialState, LPCWSTR lpName) noexcept;
BOOL WINAPI SetEvent(HANDLE hEvent) noexcept;
BOOL WINAPI ResetEvent(HANDLE hEvent) noexcept;

/// CloseHandle gives back an event, a completion port, or a thread's handle; the thread itself goes on.
BOOL WINAPI CloseHandle(HANDLE hObject) noexcept;

// --- Waits ---------------------------------------------------------------------------------------

/// A signalled auto-reset event satisfies one wait. All of several: taken together or not at all.
///
/// @param[in] nCount  1..MAXIMUM_WAIT_OBJECTS, no handle twice where all are waited for
/// @return WAIT_OBJECT_0 + index, WAIT_TIMEOUT, WAIT_IO_COMPLETION after routines ran
/// @errors ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER
DWORD WINAPI WaitForSingleObject(HANDLE hHandle, DWORD dwMilliseconds) noexcept;
DWORD WINAPI WaitForSingleObjectEx(HANDLE hHandle, DWORD dwMilliseconds, BOOL bAlertable) noexcept;
DWORD WINAPI WaitForMultipleObjects(DWORD nCount, const HANDLE* lpHandles, BOOL bWaitAll,
                                    DWORD dwMilliseconds) noexcept;
DWORD WINAPI WaitForMultipleObjectsEx(DWORD nCount, const HANDLE* lpHandles, BOOL bWaitAll,
                                      DWORD dwMilliseconds, BOOL bAlertable) noexcept;

/// Sleep lets time pass.
VOID WINAPI Sleep(DWORD dwMilliseconds) noexcept;

/// SleepEx does, too; when alertable, completion routines and APCs of this thread run here.
///
/// @param[in] dwMilliseconds  INFINITE waits for ever, 0 runs what is queued already
/// @return 0 after the time, WAIT_IO_COMPLETION after routines ran
DWORD WINAPI SleepEx(DWORD dwMilliseconds, BOOL bAlertable) noexcept;

/// QueueUserAPC has a routine run by another thread, in an alertable wait of that.
///
/// @param[in] hThread  from CreateThread, or GetCurrentThread()
/// @return 0: hThread is none, or has ended
DWORD WINAPI QueueUserAPC(PAPCFUNC pfnAPC, HANDLE hThread, ULONG_PTR dwData) noexcept;

// --- Threads -------------------------------------------------------------------------------------

/// @param[in] dwCreationFlags  0 or CREATE_SUSPENDED: waits for ResumeThread
/// @owner  the caller: CloseHandle
HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES lpThreadAttributes, SIZE_T dwStackSize,
                           LPTHREAD_START_ROUTINE lpStartAddress, LPVOID lpParameter,
                           DWORD dwCreationFlags, LPDWORD lpThreadId) noexcept;
UINT_PTR _beginthreadex(void* security, unsigned stack_size,
                        unsigned(WINAPI* start_address)(void*), void* arglist, unsigned initflag,
                        unsigned* thrdaddr) noexcept;

/// ExitThread ends the calling thread. Destructors of what lives on its stack run, unlike on Windows.
[[noreturn]] VOID WINAPI ExitThread(DWORD dwExitCode);
[[noreturn]] void _endthreadex(unsigned retval);

BOOL WINAPI GetExitCodeThread(HANDLE hThread, LPDWORD lpExitCode) noexcept;

/// Starts a thread that was created suspended. @return 1, or 0: it runs already; ~0: no such thread
DWORD WINAPI ResumeThread(HANDLE hThread) noexcept;
HANDLE WINAPI GetCurrentThread() noexcept;  // a constant that means the caller
DWORD WINAPI GetCurrentThreadId() noexcept;
DWORD WINAPI GetThreadId(HANDLE hThread) noexcept;
BOOL WINAPI SwitchToThread() noexcept;

}  // extern "C"
#pragma GCC visibility pop

#ifdef UNICODE
#define CreateEvent CreateEventW
#else
#define CreateEvent CreateEventA
#endif

#endif  // MILLRACE_WIN32_OBJECTS_H_
