// SPDX-License-Identifier: BSD-3-Clause
// Mutexes, semaphores, waitable timers, one-time initialisation: no rule of Winsock's, but what its
// programs wait for.
#include "tests/wine/probe.h"

namespace probe {
namespace {

std::string taken(HANDLE object) {
  switch (const DWORD result = WaitForSingleObject(object, 0)) {
    case WAIT_OBJECT_0:
      return "taken";
    case WAIT_ABANDONED:
      return "abandoned";
    case WAIT_TIMEOUT:
      return "not there";
    default:
      return result == WAIT_FAILED ? error_name(GetLastError()) : hex(result);
  }
}

std::string last(BOOL result) { return result ? "TRUE" : error_name(GetLastError()); }
std::string made(HANDLE handle) { return handle != nullptr ? "made" : error_name(GetLastError()); }

/// On a thread of its own, which ends then.
std::string elsewhere(std::string (*what)(HANDLE), HANDLE object) {
  struct Job {
    std::string (*what)(HANDLE);
    HANDLE object;
    std::string answer;
  } job{what, object, ""};
  HANDLE const thread = CreateThread(
      nullptr, 0,
      [](LPVOID context) -> DWORD {
        auto& of = *static_cast<Job*>(context);
        of.answer = of.what(of.object);
        return 0;
      },
      &job, 0, nullptr);
  WaitForSingleObject(thread, INFINITE);
  CloseHandle(thread);
  return job.answer;
}

void semaphores() {
  say("semaphore.negative", made(CreateSemaphore(nullptr, -1, 1, nullptr)));
  say("semaphore.no_room", made(CreateSemaphore(nullptr, 0, 0, nullptr)));
  say("semaphore.too_many", made(CreateSemaphore(nullptr, 2, 1, nullptr)));
  HANDLE const semaphore = CreateSemaphore(nullptr, 1, 2, nullptr);
  say("semaphore.first", taken(semaphore));
  say("semaphore.second", taken(semaphore));
  LONG before = 77;
  say("semaphore.release", last(ReleaseSemaphore(semaphore, 1, &before)));
  say("semaphore.before", before);
  before = 77;
  say("semaphore.release_too_many", last(ReleaseSemaphore(semaphore, 2, &before)));
  say("semaphore.before_refused", before);
  say("semaphore.release_none", last(ReleaseSemaphore(semaphore, 0, nullptr)));
  say("semaphore.release_negative", last(ReleaseSemaphore(semaphore, -1, nullptr)));
  say("semaphore.as_mutex", last(ReleaseMutex(semaphore)));
  say("semaphore.as_event", last(SetEvent(semaphore)));
  say("semaphore.close", last(CloseHandle(semaphore)));
  say("semaphore.closed", last(ReleaseSemaphore(semaphore, 1, nullptr)));
}

void mutexes() {
  HANDLE const mutex = CreateMutex(nullptr, TRUE, nullptr);
  say("mutex.again", taken(mutex));
  say("mutex.elsewhere", elsewhere(taken, mutex));
  const auto release = [](HANDLE object) { return last(ReleaseMutex(object)); };
  say("mutex.release_elsewhere", elsewhere(release, mutex));
  say("mutex.release", release(mutex));
  say("mutex.still_owned", elsewhere(taken, mutex));
  say("mutex.release_again", release(mutex));
  say("mutex.release_too_often", release(mutex));
  say("mutex.taken_and_kept", elsewhere(taken, mutex));
  HANDLE const both[] = {CreateEvent(nullptr, FALSE, FALSE, nullptr), mutex};
  say("mutex.all", error_name(WaitForMultipleObjects(2, both, TRUE, 0)));
  say("mutex.one", hex(WaitForMultipleObjects(2, both, FALSE, 0)));
  say("mutex.release_abandoned", release(mutex));
  say("mutex.told_once", taken(mutex));
  release(mutex);
  elsewhere(taken, mutex);
  SetEvent(both[0]);
  say("mutex.all_abandoned", hex(WaitForMultipleObjects(2, both, TRUE, 0)));
  say("mutex.as_semaphore", last(ReleaseSemaphore(mutex, 1, nullptr)));
  say("mutex.signal_and_wait", error_name(SignalObjectAndWait(mutex, both[0], 0, FALSE)));
  say("mutex.signal_of_no_owner", hex(SignalObjectAndWait(mutex, both[0], 0, FALSE)));
  say("mutex.signal_error", error_name(GetLastError()));
  CloseHandle(both[0]);
  say("mutex.close", last(CloseHandle(mutex)));
}

VOID CALLBACK hear(LPVOID context, DWORD, DWORD) { ++*static_cast<int*>(context); }

void timers() {
  HANDLE const once = CreateWaitableTimer(nullptr, FALSE, nullptr);
  HANDLE const stays = CreateWaitableTimer(nullptr, TRUE, nullptr);
  LARGE_INTEGER past, never;
  past.QuadPart = 1;
  never.QuadPart = -(10'000'000LL * 3600 * 24 * 365);
  say("timer.at_first", taken(once));
  say("timer.set", last(SetWaitableTimer(once, &past, 0, nullptr, nullptr, FALSE)));
  say("timer.comes", hex(WaitForSingleObject(once, 2000)));
  say("timer.comes_once", taken(once));
  SetWaitableTimer(stays, &past, 0, nullptr, nullptr, FALSE);
  say("timer.manual", hex(WaitForSingleObject(stays, 2000)));
  say("timer.cancel", last(CancelWaitableTimer(stays)));
  say("timer.stays", taken(stays));
  SetWaitableTimer(stays, &never, 0, nullptr, nullptr, FALSE);
  say("timer.set_anew", taken(stays));
  say("timer.negative_period", last(SetWaitableTimer(once, &past, -1, nullptr, nullptr, FALSE)));
  say("timer.as_event", last(SetEvent(once)));
  int n = 0;
  SetWaitableTimer(stays, &past, 0, hear, &n, FALSE);
  WaitForSingleObject(stays, 2000);
  say("timer.routine_waits", n);
  say("timer.alertable", hex(SleepEx(2000, TRUE)));
  say("timer.routine", n);
  SetWaitableTimer(stays, &past, 0, hear, &n, FALSE);
  WaitForSingleObject(stays, 2000);
  CancelWaitableTimer(stays);
  say("timer.cancelled", hex(SleepEx(10, TRUE)));
  say("timer.routine_cancelled", n);
  SetWaitableTimer(once, &past, 1, nullptr, nullptr, FALSE);
  for (int i = 0; i < 3; ++i) say("timer.period", hex(WaitForSingleObject(once, 2000)));
  say("timer.close", last(CloseHandle(once)));
  say("timer.closed", last(SetWaitableTimer(once, &past, 0, nullptr, nullptr, FALSE)));
  CloseHandle(stays);
}

void initialise_once() {
  INIT_ONCE one = INIT_ONCE_STATIC_INIT;
  BOOL pending = FALSE;
  LPVOID context = nullptr;
  say("once.check", last(InitOnceBeginInitialize(&one, INIT_ONCE_CHECK_ONLY, &pending, nullptr)));
  say("once.begin", last(InitOnceBeginInitialize(&one, 0, &pending, nullptr)));
  say("once.pending", pending);
  say("once.fail", last(InitOnceComplete(&one, INIT_ONCE_INIT_FAILED, nullptr)));
  InitOnceBeginInitialize(&one, 0, &pending, nullptr);
  say("once.pending_again", pending);
  say("once.complete", last(InitOnceComplete(&one, 0, &pending)));
  say("once.checked", last(InitOnceBeginInitialize(&one, INIT_ONCE_CHECK_ONLY, &pending, &context)));
  say("once.pending_at_last", pending);
  say("once.context", context == &pending);
  say("once.complete_twice", last(InitOnceComplete(&one, 0, &pending)));
}

}  // namespace

void waitables() {
  semaphores();
  mutexes();
  timers();
  initialise_once();
}

}  // namespace probe
