// SPDX-License-Identifier: BSD-3-Clause
// One-time initialisation: | context | state |, the two lowest bits, as Windows divides the word.
#include <climits>

#include "spi_shim/last_error.h"
#include "spi_shim/win32/futex.h"
#include "windows.h"

using namespace millrace;

namespace {

constexpr ULONG_PTR kFree = 0;
constexpr ULONG_PTR kRuns = 1;   // one thread initialises, others wait for it
constexpr ULONG_PTR kDone = 2;
constexpr ULONG_PTR kAsync = 3;  // any number of threads do, and the first to complete wins
constexpr ULONG_PTR kState = 3;

ULONG_PTR* state_of(PINIT_ONCE once) noexcept { return reinterpret_cast<ULONG_PTR*>(once); }

ULONG_PTR look(PINIT_ONCE once) noexcept { return __atomic_load_n(state_of(once), __ATOMIC_ACQUIRE); }

bool change(PINIT_ONCE once, ULONG_PTR& from, ULONG_PTR to) noexcept {
  return __atomic_compare_exchange_n(state_of(once), &from, to, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_ACQUIRE);
}

ULONG_PTR done_with(LPVOID context) noexcept {
  return (reinterpret_cast<ULONG_PTR>(context) & ~kState) | kDone;
}

BOOL has_context(ULONG_PTR now, LPVOID* to) noexcept {
  if (to != nullptr) *to = reinterpret_cast<LPVOID>(now & ~kState);
  return TRUE;
}

}  // namespace

VOID WINAPI InitOnceInitialize(PINIT_ONCE InitOnce) noexcept { InitOnce->Ptr = nullptr; }

BOOL WINAPI InitOnceBeginInitialize(LPINIT_ONCE lpInitOnce, DWORD dwFlags, PBOOL fPending,
                                    LPVOID* lpContext) noexcept {
  const bool is_async = (dwFlags & INIT_ONCE_ASYNC) != 0;
  const bool only_checks = (dwFlags & INIT_ONCE_CHECK_ONLY) != 0;
  if ((dwFlags & ~DWORD{INIT_ONCE_ASYNC | INIT_ONCE_CHECK_ONLY}) != 0 || (is_async && only_checks)) {
    return fail_with(ERROR_INVALID_PARAMETER);
  }
  for (ULONG_PTR now = look(lpInitOnce);;) {
    const ULONG_PTR state = now & kState;
    if (state == kDone) {
      *fPending = FALSE;
      return has_context(now, lpContext);
    }
    *fPending = TRUE;
    if (only_checks) return fail_with(ERROR_GEN_FAILURE);
    if (state == kAsync) return is_async ? TRUE : fail_with(ERROR_INVALID_PARAMETER);
    if (state == kFree) {
      if (change(lpInitOnce, now, is_async ? kAsync : kRuns)) return TRUE;
      continue;
    }
    if (is_async) return fail_with(ERROR_INVALID_PARAMETER);
    (void)sleep_while(word_of(lpInitOnce), kRuns);
    now = look(lpInitOnce);
  }
}

BOOL WINAPI InitOnceComplete(LPINIT_ONCE lpInitOnce, DWORD dwFlags, LPVOID lpContext) noexcept {
  const bool has_failed = (dwFlags & INIT_ONCE_INIT_FAILED) != 0;
  const bool is_async = (dwFlags & INIT_ONCE_ASYNC) != 0;
  const bool is_whole = (reinterpret_cast<ULONG_PTR>(lpContext) & kState) == 0;
  if (!is_whole || (has_failed && (is_async || lpContext != nullptr))) {
    return fail_with(ERROR_INVALID_PARAMETER);
  }
  ULONG_PTR now = is_async ? kAsync : kRuns;
  if (!change(lpInitOnce, now, has_failed ? kFree : done_with(lpContext))) {
    return fail_with(ERROR_GEN_FAILURE);  // another was first, or nobody had begun
  }
  wake(word_of(lpInitOnce), INT_MAX);
  return TRUE;
}

BOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE InitOnce, PINIT_ONCE_FN InitFn, PVOID Parameter,
                                LPVOID* Context) {
  BOOL is_pending = FALSE;
  if (InitOnceBeginInitialize(InitOnce, 0, &is_pending, Context) == FALSE) return FALSE;
  if (is_pending == FALSE) return TRUE;
  PVOID context = nullptr;
  const bool is_done = InitFn(InitOnce, Parameter, &context) != FALSE;
  const ULONG_PTR end = is_done ? done_with(context) : kFree;
  __atomic_store_n(state_of(InitOnce), end, __ATOMIC_RELEASE);
  wake(word_of(InitOnce), INT_MAX);
  return is_done ? has_context(end, Context) : FALSE;
}
