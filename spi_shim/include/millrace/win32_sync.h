// SPDX-License-Identifier: BSD-3-Clause
// Locks, condition variables, one-time initialisation, thread-local slots and interlocked operations.
// Part of windows.h. Structures have Windows x64's sizes; what is in them is millrace's.
#ifndef MILLRACE_WIN32_SYNC_H_
#define MILLRACE_WIN32_SYNC_H_

#include "millrace/winsock_types.h"

struct CRITICAL_SECTION {
  PVOID DebugInfo;
  LONG LockCount;       // 0 free, 1 taken, 2 taken and waited for
  LONG RecursionCount;  // of the owner
  HANDLE OwningThread;  // its number
  HANDLE LockSemaphore;
  ULONG_PTR SpinCount;
};
using LPCRITICAL_SECTION = CRITICAL_SECTION*;
using PCRITICAL_SECTION = CRITICAL_SECTION*;

struct SRWLOCK {
  PVOID Ptr;
};
using PSRWLOCK = SRWLOCK*;
#define SRWLOCK_INIT \
  { nullptr }

struct CONDITION_VARIABLE {
  PVOID Ptr;
};
using PCONDITION_VARIABLE = CONDITION_VARIABLE*;
#define CONDITION_VARIABLE_INIT \
  { nullptr }
#define CONDITION_VARIABLE_LOCKMODE_SHARED 0x1

union INIT_ONCE {
  PVOID Ptr;
};
using PINIT_ONCE = INIT_ONCE*;
using LPINIT_ONCE = INIT_ONCE*;
#define INIT_ONCE_CHECK_ONLY 0x1
#define INIT_ONCE_ASYNC 0x2
#define INIT_ONCE_INIT_FAILED 0x4
#define INIT_ONCE_STATIC_INIT \
  { nullptr }
using PINIT_ONCE_FN = BOOL(CALLBACK*)(PINIT_ONCE InitOnce, PVOID Parameter, PVOID* Context);

#define TLS_OUT_OF_INDEXES 0xFFFFFFFFU

#pragma GCC visibility push(default)
extern "C" {

// --- Critical sections: recursive; taken by spinning SpinCount times, then by sleeping -----------
VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept;
BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION lpCriticalSection,
                                                  DWORD dwSpinCount) noexcept;
BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION lpCriticalSection, DWORD dwSpinCount,
                                        DWORD Flags) noexcept;
DWORD WINAPI SetCriticalSectionSpinCount(LPCRITICAL_SECTION lpCriticalSection,
                                         DWORD dwSpinCount) noexcept;
VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept;
BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept;
VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept;
VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept;

// --- Slim reader/writer locks: not recursive -----------------------------------------------------
VOID WINAPI InitializeSRWLock(PSRWLOCK SRWLock) noexcept;
VOID WINAPI AcquireSRWLockExclusive(PSRWLOCK SRWLock) noexcept;
VOID WINAPI AcquireSRWLockShared(PSRWLOCK SRWLock) noexcept;
VOID WINAPI ReleaseSRWLockExclusive(PSRWLOCK SRWLock) noexcept;
VOID WINAPI ReleaseSRWLockShared(PSRWLOCK SRWLock) noexcept;
BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK SRWLock) noexcept;
BOOLEAN WINAPI TryAcquireSRWLockShared(PSRWLOCK SRWLock) noexcept;

// --- Condition variables: FALSE and ERROR_TIMEOUT after the time. Wakes may be spurious ----------
VOID WINAPI InitializeConditionVariable(PCONDITION_VARIABLE ConditionVariable) noexcept;
BOOL WINAPI SleepConditionVariableCS(PCONDITION_VARIABLE ConditionVariable,
                                     PCRITICAL_SECTION CriticalSection,
                                     DWORD dwMilliseconds) noexcept;
BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE ConditionVariable, PSRWLOCK SRWLock,
                                      DWORD dwMilliseconds, ULONG Flags) noexcept;
VOID WINAPI WakeConditionVariable(PCONDITION_VARIABLE ConditionVariable) noexcept;
VOID WINAPI WakeAllConditionVariable(PCONDITION_VARIABLE ConditionVariable) noexcept;

/// InitOnceExecuteOnce runs InitFn once; other callers wait for it. If it answers FALSE, so does the call,
/// and the next caller tries again.
BOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE InitOnce, PINIT_ONCE_FN InitFn, PVOID Parameter,
                                LPVOID* Context);
VOID WINAPI InitOnceInitialize(PINIT_ONCE InitOnce) noexcept;

/// The same in two calls: fPending says that the caller has to initialise, and to complete.
///
/// @param[in] dwFlags  INIT_ONCE_CHECK_ONLY: do not begin; INIT_ONCE_ASYNC: several may, the first to complete wins
/// @errors ERROR_GEN_FAILURE: not done yet, and only checked
BOOL WINAPI InitOnceBeginInitialize(LPINIT_ONCE lpInitOnce, DWORD dwFlags, PBOOL fPending,
                                    LPVOID* lpContext) noexcept;
/// @param[in] dwFlags    INIT_ONCE_ASYNC as at the beginning; INIT_ONCE_INIT_FAILED: the next one tries again
/// @param[in] lpContext  its two lowest bits 0
/// @errors ERROR_GEN_FAILURE: another thread was first, or nobody had begun; ERROR_INVALID_PARAMETER
BOOL WINAPI InitOnceComplete(LPINIT_ONCE lpInitOnce, DWORD dwFlags, LPVOID lpContext) noexcept;

// --- Thread-local slots --------------------------------------------------------------------------
DWORD WINAPI TlsAlloc() noexcept;
LPVOID WINAPI TlsGetValue(DWORD dwTlsIndex) noexcept;
BOOL WINAPI TlsSetValue(DWORD dwTlsIndex, LPVOID lpTlsValue) noexcept;
BOOL WINAPI TlsFree(DWORD dwTlsIndex) noexcept;

}  // extern "C"
#pragma GCC visibility pop

// --- Interlocked operations: full barriers. The results are Windows': the new value for Increment,
// Decrement and Add, the old one for the others -------------------------------------------------
#define MILLRACE_INTERLOCKED(Type, Suffix)                                                      \
  inline Type InterlockedIncrement##Suffix(Type volatile* value) {                              \
    return __atomic_add_fetch(value, 1, __ATOMIC_SEQ_CST);                                      \
  }                                                                                             \
  inline Type InterlockedDecrement##Suffix(Type volatile* value) {                              \
    return __atomic_sub_fetch(value, 1, __ATOMIC_SEQ_CST);                                      \
  }                                                                                             \
  inline Type InterlockedAdd##Suffix(Type volatile* value, Type by) {                           \
    return __atomic_add_fetch(value, by, __ATOMIC_SEQ_CST);                                     \
  }                                                                                             \
  inline Type InterlockedExchangeAdd##Suffix(Type volatile* value, Type by) {                   \
    return __atomic_fetch_add(value, by, __ATOMIC_SEQ_CST);                                     \
  }                                                                                             \
  inline Type InterlockedExchange##Suffix(Type volatile* value, Type to) {                      \
    return __atomic_exchange_n(value, to, __ATOMIC_SEQ_CST);                                    \
  }                                                                                             \
  inline Type InterlockedAnd##Suffix(Type volatile* value, Type with) {                         \
    return __atomic_fetch_and(value, with, __ATOMIC_SEQ_CST);                                   \
  }                                                                                             \
  inline Type InterlockedOr##Suffix(Type volatile* value, Type with) {                          \
    return __atomic_fetch_or(value, with, __ATOMIC_SEQ_CST);                                    \
  }                                                                                             \
  inline Type InterlockedXor##Suffix(Type volatile* value, Type with) {                         \
    return __atomic_fetch_xor(value, with, __ATOMIC_SEQ_CST);                                   \
  }                                                                                             \
  inline Type InterlockedCompareExchange##Suffix(Type volatile* value, Type to, Type if_this) { \
    __atomic_compare_exchange_n(value, &if_this, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
    return if_this;                                                                             \
  }

MILLRACE_INTERLOCKED(LONG, )
MILLRACE_INTERLOCKED(ULONG, )
MILLRACE_INTERLOCKED(LONGLONG, 64)
#undef MILLRACE_INTERLOCKED

inline PVOID InterlockedExchangePointer(PVOID volatile* value, PVOID to) {
  return __atomic_exchange_n(value, to, __ATOMIC_SEQ_CST);
}
inline PVOID InterlockedCompareExchangePointer(PVOID volatile* value, PVOID to, PVOID if_this) {
  __atomic_compare_exchange_n(value, &if_this, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  return if_this;
}
#define MemoryBarrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif  // MILLRACE_WIN32_SYNC_H_
