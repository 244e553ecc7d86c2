// SPDX-License-Identifier: BSD-3-Clause
// Windows' locks on futexes: each is a 32-bit word in the caller's structure, and a thread that has to
// wait sleeps in the kernel until that word changes.
#include <pthread.h>

#include <climits>

#include "spi_shim/last_error.h"
#include "spi_shim/threads.h"
#include "spi_shim/win32/futex.h"
#include "windows.h"

using namespace millrace;

namespace {

// --- Critical sections ---------------------------------------------------------------------------
constexpr Word kFree = 0;
constexpr Word kTaken = 1;
constexpr Word kWaitedFor = 2;

HANDLE this_owner() noexcept {
  return reinterpret_cast<HANDLE>(static_cast<ULONG_PTR>(this_thread()));
}

bool is_mine(const CRITICAL_SECTION& cs) noexcept {
  return __atomic_load_n(&cs.OwningThread, __ATOMIC_RELAXED) == this_owner();
}

void own(CRITICAL_SECTION& cs) noexcept {
  __atomic_store_n(&cs.OwningThread, this_owner(), __ATOMIC_RELAXED);
  cs.RecursionCount = 1;
}

bool try_take(CRITICAL_SECTION& cs) noexcept {
  Word expected = kFree;
  return replace(word_of(&cs.LockCount), expected, kTaken);
}

void take(CRITICAL_SECTION& cs) noexcept {
  for (ULONG_PTR i = 0;; ++i) {
    if (try_take(cs)) return;
    if (i >= cs.SpinCount) break;
    __builtin_ia32_pause();
  }
  Word* const word = word_of(&cs.LockCount);
  while (__atomic_exchange_n(word, kWaitedFor, __ATOMIC_ACQUIRE) != kFree) {
    (void)sleep_while(word, kWaitedFor);
  }
}

void give(CRITICAL_SECTION& cs) noexcept {
  cs.RecursionCount = 0;
  __atomic_store_n(&cs.OwningThread, nullptr, __ATOMIC_RELAXED);
  Word* const word = word_of(&cs.LockCount);
  if (__atomic_exchange_n(word, kFree, __ATOMIC_RELEASE) == kWaitedFor) wake(word, 1);
}

// --- Slim locks: | writer | somebody sleeps | readers (30) | -------------------------------------
constexpr Word kWriter = 1u << 31;
constexpr Word kSleeper = 1u << 30;

/// @return false: taken, and state says by whom
bool try_write(Word* word, Word& state) noexcept {
  state = load(word);
  while ((state & ~kSleeper) == 0) {
    if (replace(word, state, state | kWriter)) return true;
  }
  return false;
}

bool try_read(Word* word, Word& state) noexcept {
  state = load(word);
  while ((state & kWriter) == 0) {
    if (replace(word, state, state + 1)) return true;
  }
  return false;
}

template <typename Try>
void acquire(Word* word, Try try_it) noexcept {
  Word state = 0;
  while (!try_it(word, state)) {
    if ((state & kSleeper) == 0 && !replace(word, state, state | kSleeper)) continue;
    (void)sleep_while(word, state | kSleeper);
  }
}

/// Takes a writer or a reader off; the last one wakes who sleeps, all of them: they may be readers.
void release(Word* word, Word who) noexcept {
  Word state = load(word);
  Word left = 0;
  do {
    left = state - who;
    if ((left & ~kSleeper) == 0) left = 0;
  } while (!replace(word, state, left));
  if (left == 0 && (state & kSleeper) != 0) wake(word, INT_MAX);
}

BOOL timed_out() noexcept { return fail_with(ERROR_TIMEOUT); }

}  // namespace

VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept {
  *lpCriticalSection = {};
}

BOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION lpCriticalSection,
                                                  DWORD dwSpinCount) noexcept {
  *lpCriticalSection = {};
  lpCriticalSection->SpinCount = dwSpinCount & 0x00FFFFFF;  // Windows keeps flags above
  return TRUE;
}

BOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION lpCriticalSection, DWORD dwSpinCount,
                                        DWORD) noexcept {
  return InitializeCriticalSectionAndSpinCount(lpCriticalSection, dwSpinCount);
}

DWORD WINAPI SetCriticalSectionSpinCount(LPCRITICAL_SECTION lpCriticalSection,
                                         DWORD dwSpinCount) noexcept {
  const auto before = static_cast<DWORD>(lpCriticalSection->SpinCount);
  lpCriticalSection->SpinCount = dwSpinCount & 0x00FFFFFF;
  return before;
}

VOID WINAPI EnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept {
  CRITICAL_SECTION& cs = *lpCriticalSection;
  if (is_mine(cs)) {
    ++cs.RecursionCount;
    return;
  }
  take(cs);
  own(cs);
}

BOOL WINAPI TryEnterCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept {
  CRITICAL_SECTION& cs = *lpCriticalSection;
  if (is_mine(cs)) {
    ++cs.RecursionCount;
    return TRUE;
  }
  if (!try_take(cs)) return FALSE;
  own(cs);
  return TRUE;
}

VOID WINAPI LeaveCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept {
  if (lpCriticalSection->RecursionCount > 1) {
    --lpCriticalSection->RecursionCount;
  } else {
    give(*lpCriticalSection);
  }
}

VOID WINAPI DeleteCriticalSection(LPCRITICAL_SECTION lpCriticalSection) noexcept {
  *lpCriticalSection = {};
}

VOID WINAPI InitializeSRWLock(PSRWLOCK SRWLock) noexcept { *SRWLock = {}; }

VOID WINAPI AcquireSRWLockExclusive(PSRWLOCK SRWLock) noexcept {
  acquire(word_of(SRWLock), try_write);
}

VOID WINAPI AcquireSRWLockShared(PSRWLOCK SRWLock) noexcept { acquire(word_of(SRWLock), try_read); }

VOID WINAPI ReleaseSRWLockExclusive(PSRWLOCK SRWLock) noexcept {
  release(word_of(SRWLock), kWriter);
}

VOID WINAPI ReleaseSRWLockShared(PSRWLOCK SRWLock) noexcept { release(word_of(SRWLock), 1); }

BOOLEAN WINAPI TryAcquireSRWLockExclusive(PSRWLOCK SRWLock) noexcept {
  Word state = 0;
  return try_write(word_of(SRWLock), state) ? 1 : 0;
}

BOOLEAN WINAPI TryAcquireSRWLockShared(PSRWLOCK SRWLock) noexcept {
  Word state = 0;
  return try_read(word_of(SRWLock), state) ? 1 : 0;
}

VOID WINAPI InitializeConditionVariable(PCONDITION_VARIABLE ConditionVariable) noexcept {
  *ConditionVariable = {};
}

// The word counts wakes: one that comes after the lock is left changes it, and nobody falls asleep.

BOOL WINAPI SleepConditionVariableCS(PCONDITION_VARIABLE ConditionVariable,
                                     PCRITICAL_SECTION CriticalSection,
                                     DWORD dwMilliseconds) noexcept {
  Word* const wakes = word_of(ConditionVariable);
  const Word before = load(wakes);
  LeaveCriticalSection(CriticalSection);
  const bool in_time = sleep_while(wakes, before, dwMilliseconds);
  EnterCriticalSection(CriticalSection);
  return in_time ? TRUE : timed_out();
}

BOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE ConditionVariable, PSRWLOCK SRWLock,
                                      DWORD dwMilliseconds, ULONG Flags) noexcept {
  const bool is_shared = (Flags & CONDITION_VARIABLE_LOCKMODE_SHARED) != 0;
  Word* const wakes = word_of(ConditionVariable);
  const Word before = load(wakes);
  release(word_of(SRWLock), is_shared ? 1 : kWriter);
  const bool in_time = sleep_while(wakes, before, dwMilliseconds);
  acquire(word_of(SRWLock), is_shared ? try_read : try_write);
  return in_time ? TRUE : timed_out();
}

VOID WINAPI WakeConditionVariable(PCONDITION_VARIABLE ConditionVariable) noexcept {
  __atomic_add_fetch(word_of(ConditionVariable), 1, __ATOMIC_SEQ_CST);
  wake(word_of(ConditionVariable), 1);
}

VOID WINAPI WakeAllConditionVariable(PCONDITION_VARIABLE ConditionVariable) noexcept {
  __atomic_add_fetch(word_of(ConditionVariable), 1, __ATOMIC_SEQ_CST);
  wake(word_of(ConditionVariable), INT_MAX);
}

DWORD WINAPI TlsAlloc() noexcept {
  pthread_key_t key;
  if (pthread_key_create(&key, nullptr) == 0) return key;
  SetLastError(ERROR_NOT_ENOUGH_MEMORY);
  return TLS_OUT_OF_INDEXES;
}

LPVOID WINAPI TlsGetValue(DWORD dwTlsIndex) noexcept {
  SetLastError(0);  // a null value is no error (TlsGetValue, Remarks)
  return pthread_getspecific(dwTlsIndex);
}

BOOL WINAPI TlsSetValue(DWORD dwTlsIndex, LPVOID lpTlsValue) noexcept {
  return pthread_setspecific(dwTlsIndex, lpTlsValue) == 0 ? TRUE : fail_with(ERROR_INVALID_PARAMETER);
}

BOOL WINAPI TlsFree(DWORD dwTlsIndex) noexcept {
  return pthread_key_delete(dwTlsIndex) == 0 ? TRUE : fail_with(ERROR_INVALID_PARAMETER);
}
