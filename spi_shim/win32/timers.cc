// SPDX-License-Identifier: BSD-3-Clause
// Waitable timers. A timer is an object of the events' table; one thread, there once a timer was set, signals
// those whose time has come and queues their APCs. It runs no code of the program's.
//
// Invariant: while `apc_waits` the timer has one APC in its thread's queue, or on the way out of that; whatever
// ends the setting takes it away, and one that is out already finds `apc_waits` false.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"
#include "spi_shim/win32/thread_objects.h"
#include "windows.h"

namespace millrace {
namespace {

using SteadyClock = std::chrono::steady_clock;
using Ticks = std::chrono::duration<int64_t, std::ratio<1, 10'000'000>>;  // Windows' 100 ns

constexpr Ticks kUnixEpoch{116'444'736'000'000'000};  // 1970 since 1601
constexpr std::chrono::hours kMost{24 * 365 * 100};   // beyond that nanoseconds would overflow

struct Timer {
  std::optional<SteadyClock::time_point> due;  ///< nothing: it is not set
  std::chrono::milliseconds period{0};
  PTIMERAPCROUTINE routine = nullptr;
  LPVOID argument = nullptr;
  WSATHREADID thread{};
  bool apc_waits = false;
  int64_t signalled_at = 0;  ///< for the APC: 100 ns since 1601
};

struct Timers {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<HANDLE, Timer> all;
  bool has_thread = false;
};

Timers& timers() {
  static Timers& all = *new Timers;  // never destroyed: the thread goes on
  return all;
}

Ticks now_since_1601() noexcept {
  return kUnixEpoch +
         std::chrono::duration_cast<Ticks>(std::chrono::system_clock::now().time_since_epoch());
}

SteadyClock::time_point point_of(LONGLONG due) noexcept {
  // The smallest number has no opposite.
  const Ticks from_now = due < 0 ? Ticks{-std::max(due, -INT64_MAX)} : Ticks{due} - now_since_1601();
  return SteadyClock::now() + std::clamp<Ticks>(from_now, Ticks{0}, kMost);
}

void run_apc(ULONG_PTR context) {
  Timer timer;
  {
    const std::lock_guard guard(timers().mutex);
    const auto it = timers().all.find(reinterpret_cast<HANDLE>(context));
    if (it == timers().all.end() || !it->second.apc_waits) return;
    it->second.apc_waits = false;
    timer = it->second;
  }
  timer.routine(timer.argument, static_cast<DWORD>(timer.signalled_at),
                static_cast<DWORD>(timer.signalled_at >> 32));
}

void fire(HANDLE handle, Timer& timer, SteadyClock::time_point now) noexcept {
  if (timer.period.count() == 0) {
    timer.due.reset();
  } else {
    *timer.due += ((now - *timer.due) / timer.period + 1) * timer.period;  // missed ones are one
  }
  timer.signalled_at = now_since_1601().count();
  (void)object_set(handle);
  if (timer.routine == nullptr || timer.apc_waits) return;
  timer.apc_waits =
      queue_apc(timer.thread, run_apc, reinterpret_cast<ULONG_PTR>(handle));
}

[[noreturn]] void run_timers() noexcept {
  Timers& table = timers();
  std::unique_lock lock(table.mutex);
  for (;;) {
    const auto now = SteadyClock::now();
    auto next = SteadyClock::time_point::max();
    for (auto& [handle, timer] : table.all) {
      if (timer.due && *timer.due <= now) fire(handle, timer, now);
      if (timer.due) next = std::min(next, *timer.due);
    }
    if (next == SteadyClock::time_point::max()) {
      table.changed.wait(lock);
    } else {
      table.changed.wait_until(lock, next);
    }
  }
}

/// With the lock. Signals are for the program's threads.
void start_thread(Timers& table) {
  if (std::exchange(table.has_thread, true)) return;
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread thread(run_timers);
  pthread_setname_np(thread.native_handle(), "millrace-timers");
  thread.detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

HANDLE create_timer(bool is_manual) noexcept {
  HANDLE const handle = event_create(is_manual ? ObjectKind::kManualResetTimer
                                               : ObjectKind::kAutoResetTimer);
  SetLastError(handle == nullptr ? ERROR_NOT_ENOUGH_MEMORY : 0);
  if (handle == nullptr) return nullptr;
  const std::lock_guard guard(timers().mutex);
  timers().all.insert_or_assign(handle, Timer{});
  return handle;
}

/// With the lock.
void drop_apc(HANDLE handle, const Timer& timer) noexcept {
  if (timer.apc_waits) cancel_apc(timer.thread, run_apc, reinterpret_cast<ULONG_PTR>(handle));
}

/// In place of what was set. @return false: no such timer
bool set_timer(HANDLE handle, const Timer& timer) noexcept {
  Timers& table = timers();
  const std::lock_guard guard(table.mutex);
  const auto it = table.all.find(handle);
  if (it == table.all.end()) return false;
  drop_apc(handle, it->second);
  it->second = timer;
  if (timer.due) {
    (void)object_reset(handle);
    start_thread(table);
    table.changed.notify_one();
  }
  return true;
}

}  // namespace

bool forget_timer(HANDLE handle) noexcept {
  const std::lock_guard guard(timers().mutex);
  const auto it = timers().all.find(handle);
  if (it == timers().all.end()) return false;
  drop_apc(handle, it->second);
  timers().all.erase(it);
  return event_close(handle);
}

}  // namespace millrace

using namespace millrace;

HANDLE WINAPI CreateWaitableTimerA(LPSECURITY_ATTRIBUTES, BOOL bManualReset, LPCSTR) noexcept {
  return create_timer(bManualReset != FALSE);
}

HANDLE WINAPI CreateWaitableTimerW(LPSECURITY_ATTRIBUTES, BOOL bManualReset, LPCWSTR) noexcept {
  return create_timer(bManualReset != FALSE);
}

HANDLE WINAPI CreateWaitableTimerExA(LPSECURITY_ATTRIBUTES, LPCSTR, DWORD dwFlags, DWORD) noexcept {
  return create_timer((dwFlags & CREATE_WAITABLE_TIMER_MANUAL_RESET) != 0);
}

HANDLE WINAPI CreateWaitableTimerExW(LPSECURITY_ATTRIBUTES, LPCWSTR, DWORD dwFlags, DWORD) noexcept {
  return create_timer((dwFlags & CREATE_WAITABLE_TIMER_MANUAL_RESET) != 0);
}

BOOL WINAPI SetWaitableTimer(HANDLE hTimer, const LARGE_INTEGER* lpDueTime, LONG lPeriod,
                             PTIMERAPCROUTINE pfnCompletionRoutine, LPVOID lpArgToCompletionRoutine,
                             BOOL fResume) noexcept {
  const FaultWatch watch;
  if (lpDueTime == nullptr || !can_read(lpDueTime, sizeof *lpDueTime) || lPeriod < 0) {
    return fail_with(ERROR_INVALID_PARAMETER);
  }
  Timer timer;
  timer.due = point_of(lpDueTime->QuadPart);
  timer.period = std::chrono::milliseconds(lPeriod);
  timer.routine = pfnCompletionRoutine;
  timer.argument = lpArgToCompletionRoutine;
  if (timer.routine != nullptr && !open_this_thread(timer.thread)) {
    return fail_with(ERROR_NOT_ENOUGH_MEMORY);
  }
  if (!set_timer(hTimer, timer)) return fail_with(ERROR_INVALID_HANDLE);
  SetLastError(fResume != FALSE ? ERROR_NOT_SUPPORTED : 0);
  return TRUE;
}

BOOL WINAPI SetWaitableTimerEx(HANDLE hTimer, const LARGE_INTEGER* lpDueTime, LONG lPeriod,
                               PTIMERAPCROUTINE pfnCompletionRoutine, LPVOID lpArgToCompletionRoutine,
                               PREASON_CONTEXT, ULONG) noexcept {
  return SetWaitableTimer(hTimer, lpDueTime, lPeriod, pfnCompletionRoutine, lpArgToCompletionRoutine,
                          FALSE);
}

BOOL WINAPI CancelWaitableTimer(HANDLE hTimer) noexcept {
  return set_timer(hTimer, {}) ? TRUE : fail_with(ERROR_INVALID_HANDLE);
}
