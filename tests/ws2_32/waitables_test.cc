// SPDX-License-Identifier: BSD-3-Clause
// Mutexes, semaphores, waitable timers and InitOnce of windows.h; with and without WSAStartup. No test says
// how long anything takes: a time is either over at once, or never.
#include <atomic>

#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

class Win32Semaphores : public Win32Test {};
class Win32Mutexes : public Win32Test {};
class Win32Timers : public Win32Test {};
class Win32Waits : public Win32Test {};
MILLRACE_WITH_AND_WITHOUT_WINSOCK(Win32Semaphores);
MILLRACE_WITH_AND_WITHOUT_WINSOCK(Win32Mutexes);
MILLRACE_WITH_AND_WITHOUT_WINSOCK(Win32Timers);
MILLRACE_WITH_AND_WITHOUT_WINSOCK(Win32Waits);

constexpr DWORD kTaken = WAIT_OBJECT_0;
constexpr DWORD kAbandoned = WAIT_ABANDONED;

DWORD take(HANDLE object) { return WaitForSingleObject(object, 0); }

/// What a function answers on a thread of its own.
template <typename Function>
DWORD elsewhere(Function function) {
  DWORD answer = 0;
  std::thread([&] { answer = function(); }).join();
  return answer;
}

DWORD last_error_after(BOOL result) {
  EXPECT_FALSE(result);
  return GetLastError();
}

LARGE_INTEGER due_in(LONGLONG ms) {
  LARGE_INTEGER due;
  due.QuadPart = -ms * 10'000;
  return due;
}
constexpr LONGLONG kNever = LONGLONG{1000} * 3600 * 24 * 365;
const LARGE_INTEGER kLongAgo = [] {
  LARGE_INTEGER due;
  due.QuadPart = 1;  // in 1601
  return due;
}();

TEST_P(Win32Semaphores, OneIsTakenAsOftenAsItWasReleased) {
  HANDLE const semaphore = CreateSemaphore(nullptr, 2, 3, nullptr);
  EXPECT_EQ(take(semaphore), kTaken);
  EXPECT_EQ(take(semaphore), kTaken);
  EXPECT_EQ(take(semaphore), kTimeout);
  LONG before = 77;
  EXPECT_TRUE(ReleaseSemaphore(semaphore, 2, &before));
  EXPECT_EQ(before, 0);
  before = 77;
  EXPECT_EQ(last_error_after(ReleaseSemaphore(semaphore, 2, &before)), DWORD{ERROR_TOO_MANY_POSTS});
  EXPECT_EQ(before, 77) << "it was refused";
  EXPECT_TRUE(ReleaseSemaphore(semaphore, 1, nullptr));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(take(semaphore), kTaken) << i;
  EXPECT_EQ(take(semaphore), kTimeout);
  EXPECT_TRUE(CloseHandle(semaphore));
  EXPECT_EQ(last_error_after(ReleaseSemaphore(semaphore, 1, nullptr)), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_EQ(take(semaphore), WAIT_FAILED);
}

TEST_P(Win32Semaphores, ArgumentsAreChecked) {
  for (const auto& [n, most] : {std::pair<LONG, LONG>{-1, 1}, {0, 0}, {0, -1}, {2, 1}}) {
    EXPECT_EQ(CreateSemaphore(nullptr, n, most, nullptr), nullptr) << n << " " << most;
    EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_PARAMETER});
  }
  HANDLE const semaphore = CreateSemaphoreEx(nullptr, 0, 0x7fffffff, nullptr, 0, 0);
  EXPECT_EQ(last_error_after(ReleaseSemaphore(semaphore, 0, nullptr)), DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_EQ(last_error_after(ReleaseSemaphore(semaphore, -1, nullptr)), DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_TRUE(ReleaseSemaphore(semaphore, 0x7fffffff, nullptr));
  EXPECT_EQ(last_error_after(ReleaseSemaphore(semaphore, 1, nullptr)), DWORD{ERROR_TOO_MANY_POSTS});
  EXPECT_EQ(last_error_after(ReleaseMutex(semaphore)), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_EQ(last_error_after(SetEvent(semaphore)), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_FALSE(WSACloseEvent(semaphore));
  EXPECT_TRUE(CloseHandle(semaphore));
}

TEST_P(Win32Semaphores, WaitersGetInWhenOthersLeave) {
  struct {
    HANDLE semaphore = CreateSemaphore(nullptr, 2, 2, nullptr);
    std::atomic<int> n_inside{0}, n_most{0}, n_in_all{0};
  } shared;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&shared] {
      for (int round = 0; round < 200; ++round) {
        EXPECT_EQ(WaitForSingleObject(shared.semaphore, INFINITE), kTaken);
        const int n = ++shared.n_inside;
        for (int most = shared.n_most; n > most && !shared.n_most.compare_exchange_weak(most, n);) {
        }
        ++shared.n_in_all;
        --shared.n_inside;
        EXPECT_TRUE(ReleaseSemaphore(shared.semaphore, 1, nullptr));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(shared.n_in_all, 800);
  EXPECT_LE(shared.n_most, 2);
  EXPECT_TRUE(CloseHandle(shared.semaphore));
}

TEST_P(Win32Mutexes, OneBelongsToTheThreadThatTookIt) {
  HANDLE const mutex = CreateMutex(nullptr, TRUE, nullptr);
  EXPECT_EQ(take(mutex), kTaken) << "its owner may take it again";
  EXPECT_EQ(elsewhere([&] { return take(mutex); }), kTimeout);
  EXPECT_EQ(elsewhere([&] { return last_error_after(ReleaseMutex(mutex)); }), DWORD{ERROR_NOT_OWNER});
  EXPECT_TRUE(ReleaseMutex(mutex));
  EXPECT_EQ(elsewhere([&] { return take(mutex); }), kTimeout) << "it was taken twice";
  EXPECT_TRUE(ReleaseMutex(mutex));
  EXPECT_EQ(last_error_after(ReleaseMutex(mutex)), DWORD{ERROR_NOT_OWNER});
  EXPECT_EQ(elsewhere([&] {
              const DWORD answer = take(mutex);
              EXPECT_TRUE(ReleaseMutex(mutex));
              return answer;
            }),
            kTaken);
  EXPECT_EQ(last_error_after(ReleaseSemaphore(mutex, 1, nullptr)), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_TRUE(CloseHandle(mutex));
  EXPECT_EQ(last_error_after(ReleaseMutex(mutex)), DWORD{ERROR_INVALID_HANDLE});
  HANDLE const free_one = CreateMutexEx(nullptr, nullptr, 0, 0);
  HANDLE const owned = CreateMutexEx(nullptr, nullptr, CREATE_MUTEX_INITIAL_OWNER, 0);
  EXPECT_EQ(elsewhere([&] { return take(owned); }), kTimeout);
  EXPECT_EQ(take(free_one), kTaken);
  EXPECT_TRUE(CloseHandle(free_one));
  EXPECT_TRUE(CloseHandle(owned));
}

TEST_P(Win32Mutexes, OneWhoseOwnerEndsIsAbandonedAndThatIsToldOnce) {
  HANDLE const mutex = CreateMutex(nullptr, FALSE, nullptr);
  HANDLE const has_it = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  HANDLE const may_end = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  std::thread owner([&] {
    EXPECT_EQ(take(mutex), kTaken);
    EXPECT_EQ(take(mutex), kTaken);
    EXPECT_TRUE(SetEvent(has_it));
    EXPECT_EQ(WaitForSingleObject(may_end, INFINITE), kTaken);
  });
  EXPECT_EQ(WaitForSingleObject(has_it, INFINITE), kTaken);
  EXPECT_TRUE(SetEvent(may_end));
  EXPECT_EQ(WaitForSingleObject(mutex, INFINITE), kAbandoned);
  EXPECT_TRUE(ReleaseMutex(mutex));
  EXPECT_EQ(take(mutex), kTaken);
  EXPECT_TRUE(ReleaseMutex(mutex));
  owner.join();
  const auto abandon = [&] { return elsewhere([&] { return take(mutex); }); };
  EXPECT_EQ(abandon(), kTaken);
  HANDLE const both[] = {CreateEvent(nullptr, FALSE, FALSE, nullptr), mutex};
  EXPECT_EQ(WaitForMultipleObjects(2, both, TRUE, 0), kTimeout);
  EXPECT_EQ(WaitForMultipleObjects(2, both, FALSE, 0), kAbandoned + 1) << "the failed wait forgot it";
  EXPECT_TRUE(ReleaseMutex(mutex));
  EXPECT_EQ(abandon(), kTaken);
  EXPECT_TRUE(SetEvent(both[0]));
  EXPECT_EQ(WaitForMultipleObjects(2, both, TRUE, 0), kAbandoned);
  for (HANDLE const handle : {both[0], mutex, has_it, may_end}) EXPECT_TRUE(CloseHandle(handle));
}

TEST_P(Win32Mutexes, TheyExclude) {
  HANDLE const mutex = CreateMutex(nullptr, FALSE, nullptr);
  int n = 0;  // no atomic: ThreadSanitizer's to judge
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 300; ++round) {
        EXPECT_EQ(WaitForSingleObject(mutex, INFINITE), kTaken);
        ++n;
        EXPECT_TRUE(ReleaseMutex(mutex));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n, 1200);
  EXPECT_TRUE(CloseHandle(mutex));
}

TEST_P(Win32Timers, AnAutoResetOneIsTakenOnceAndAManualResetOneStays) {
  HANDLE const automatic = CreateWaitableTimer(nullptr, FALSE, nullptr);
  HANDLE const manual =
      CreateWaitableTimerEx(nullptr, nullptr, CREATE_WAITABLE_TIMER_MANUAL_RESET, 0);
  for (HANDLE const timer : {automatic, manual}) {
    EXPECT_EQ(take(timer), kTimeout) << "nobody has set it";
    const LARGE_INTEGER soon = due_in(1);
    EXPECT_TRUE(SetWaitableTimer(timer, &soon, 0, nullptr, nullptr, FALSE));
    EXPECT_EQ(WaitForSingleObject(timer, INFINITE), kTaken);
    EXPECT_EQ(take(timer), timer == manual ? kTaken : kTimeout);
    EXPECT_TRUE(SetWaitableTimerEx(timer, &kLongAgo, 0, nullptr, nullptr, nullptr, 0));
    EXPECT_EQ(WaitForSingleObject(timer, INFINITE), kTaken);
  }
  EXPECT_TRUE(CancelWaitableTimer(manual));
  EXPECT_EQ(take(manual), kTaken) << "cancelling resets nothing";
  const LARGE_INTEGER never = due_in(kNever);
  EXPECT_TRUE(SetWaitableTimer(manual, &never, 0, nullptr, nullptr, FALSE));
  EXPECT_EQ(take(manual), kTimeout) << "setting does";
  EXPECT_FALSE(SetEvent(manual));
  EXPECT_FALSE(ResetEvent(manual));
  EXPECT_TRUE(CloseHandle(automatic));
  EXPECT_TRUE(CloseHandle(manual));
}

TEST_P(Win32Timers, APeriodComesAgainAndAgain) {
  HANDLE const timer = CreateWaitableTimer(nullptr, FALSE, nullptr);
  EXPECT_TRUE(SetWaitableTimer(timer, &kLongAgo, 1, nullptr, nullptr, FALSE));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(WaitForSingleObject(timer, INFINITE), kTaken);
  EXPECT_TRUE(CancelWaitableTimer(timer));
  (void)take(timer);
  EXPECT_EQ(take(timer), kTimeout);
  EXPECT_TRUE(CloseHandle(timer));
}

TEST_P(Win32Timers, ArgumentsAreChecked) {
  HANDLE const timer = CreateWaitableTimer(nullptr, FALSE, nullptr);
  HANDLE const event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  const auto set = [](HANDLE of, const LARGE_INTEGER* due, LONG period) {
    return last_error_after(SetWaitableTimer(of, due, period, nullptr, nullptr, FALSE));
  };
  EXPECT_EQ(set(timer, nullptr, 0), DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_EQ(set(timer, &kLongAgo, -1), DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_EQ(set(event, &kLongAgo, 0), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_EQ(last_error_after(CancelWaitableTimer(event)), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_TRUE(SetWaitableTimer(timer, &kLongAgo, 0, nullptr, nullptr, TRUE));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_NOT_SUPPORTED}) << "this machine is not woken";
  LARGE_INTEGER least;
  least.QuadPart = INT64_MIN;
  EXPECT_TRUE(SetWaitableTimer(timer, &least, 0, nullptr, nullptr, FALSE));
  EXPECT_EQ(take(timer), kTimeout);
  EXPECT_TRUE(CloseHandle(timer));
  EXPECT_EQ(set(timer, &kLongAgo, 0), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_TRUE(CloseHandle(event));
}

struct Heard {
  std::atomic<int> n{0};
  std::atomic<ULONGLONG> when{0};
  std::thread::id thread;
};
VOID CALLBACK hear(LPVOID context, DWORD low, DWORD high) {
  auto& heard = *static_cast<Heard*>(context);
  heard.when = ULONGLONG{high} << 32 | low;
  heard.thread = std::this_thread::get_id();
  ++heard.n;
}

TEST_P(Win32Timers, ARoutineRunsOnTheThreadThatSetTheTimerWhenThatWaitsAlertably) {
  HANDLE const timer = CreateWaitableTimer(nullptr, TRUE, nullptr);
  Heard heard;
  EXPECT_TRUE(SetWaitableTimer(timer, &kLongAgo, 0, hear, &heard, FALSE));
  EXPECT_EQ(WaitForSingleObject(timer, INFINITE), kTaken);
  EXPECT_EQ(heard.n, 0) << "that wait was not alertable";
  EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(heard.n, 1);
  EXPECT_EQ(heard.thread, std::this_thread::get_id());
  EXPECT_GT(heard.when, ULONGLONG{130'000'000'000'000'000}) << "later than 2012";
  EXPECT_EQ(SleepEx(0, TRUE), 0U);
  EXPECT_TRUE(CloseHandle(timer));
}

TEST_P(Win32Timers, OfAPeriodOneRoutineAtATimeWaits) {
  HANDLE const timer = CreateWaitableTimer(nullptr, FALSE, nullptr);
  Heard heard;
  EXPECT_TRUE(SetWaitableTimer(timer, &kLongAgo, 1, hear, &heard, FALSE));
  for (int i = 0; i < 4; ++i) EXPECT_EQ(WaitForSingleObject(timer, INFINITE), kTaken);
  EXPECT_EQ(heard.n, 0);
  HANDLE const nothing = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  EXPECT_EQ(WaitForSingleObjectEx(nothing, INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_TRUE(CancelWaitableTimer(timer));
  EXPECT_LE(heard.n, 2) << "and not one for each of four periods";
  EXPECT_GE(heard.n, 1);
  EXPECT_TRUE(CloseHandle(timer));
  EXPECT_TRUE(CloseHandle(nothing));
}

TEST_P(Win32Timers, ARoutineThatWaitsDoesNotRunOnceTheTimerIsCancelledSetAnewOrClosed) {
  Heard heard;
  const LARGE_INTEGER never = due_in(kNever);
  const std::function<void(HANDLE)> ends[] = {
      [](HANDLE timer) { EXPECT_TRUE(CancelWaitableTimer(timer)); },
      [&](HANDLE timer) { EXPECT_TRUE(SetWaitableTimer(timer, &never, 0, hear, &heard, FALSE)); },
      [](HANDLE timer) { EXPECT_TRUE(CloseHandle(timer)); }};
  for (const auto& end : ends) {
    HANDLE const timer = CreateWaitableTimer(nullptr, TRUE, nullptr);
    EXPECT_TRUE(SetWaitableTimer(timer, &kLongAgo, 0, hear, &heard, FALSE));
    EXPECT_EQ(WaitForSingleObject(timer, INFINITE), kTaken);
    end(timer);
    EXPECT_EQ(SleepEx(0, TRUE), 0U) << "nothing is left in the queue";
    EXPECT_EQ(heard.n, 0);
    (void)CloseHandle(timer);
  }
}

TEST_P(Win32Waits, AllKindsTogetherAreTakenTogetherOrNotAtAll) {
  HANDLE const mutex = CreateMutex(nullptr, FALSE, nullptr);
  HANDLE const semaphore = CreateSemaphore(nullptr, 1, 1, nullptr);
  HANDLE const timer = CreateWaitableTimer(nullptr, FALSE, nullptr);
  HANDLE const event = CreateEvent(nullptr, FALSE, TRUE, nullptr);
  HANDLE const all[] = {mutex, semaphore, timer, event};
  EXPECT_EQ(WaitForMultipleObjects(4, all, TRUE, 0), kTimeout);
  EXPECT_EQ(elsewhere([&] {
              const DWORD answer = take(mutex);
              EXPECT_TRUE(ReleaseMutex(mutex));
              return answer;
            }),
            kTaken)
      << "the failed wait took it";
  const LARGE_INTEGER soon = due_in(1);
  EXPECT_TRUE(SetWaitableTimer(timer, &soon, 0, nullptr, nullptr, FALSE));
  EXPECT_EQ(WaitForMultipleObjects(4, all, TRUE, INFINITE), kTaken);
  EXPECT_EQ(take(semaphore), kTimeout);
  EXPECT_EQ(take(timer), kTimeout);
  EXPECT_EQ(take(event), kTimeout);
  EXPECT_EQ(elsewhere([&] { return take(mutex); }), kTimeout);
  EXPECT_TRUE(ReleaseSemaphore(semaphore, 1, nullptr));
  HANDLE const others[] = {semaphore, timer, event};
  EXPECT_EQ(WaitForMultipleObjects(3, others, FALSE, INFINITE), kTaken);
  for (HANDLE const handle : all) EXPECT_TRUE(CloseHandle(handle));
}

// Each takes what the other wants, in the other order: nobody keeps half of it.
TEST_P(Win32Waits, TwoThatWantTheSameTwoMutexesBothGetThem) {
  HANDLE const mutexes[] = {CreateMutex(nullptr, FALSE, nullptr), CreateMutex(nullptr, FALSE, nullptr)};
  HANDLE const reversed[] = {mutexes[1], mutexes[0]};
  int n = 0;
  std::vector<std::thread> threads;
  for (const HANDLE* const order : {mutexes, reversed}) {
    threads.emplace_back([&n, order] {
      for (int round = 0; round < 200; ++round) {
        EXPECT_EQ(WaitForMultipleObjects(2, order, TRUE, INFINITE), kTaken);
        ++n;
        EXPECT_TRUE(ReleaseMutex(order[0]));
        EXPECT_TRUE(ReleaseMutex(order[1]));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n, 400);
  for (HANDLE const mutex : mutexes) EXPECT_TRUE(CloseHandle(mutex));
}

TEST_P(Win32Waits, SignallingOneObjectAndWaitingForAnotherIsOneCall) {
  HANDLE const event = CreateEventEx(nullptr, nullptr, CREATE_EVENT_MANUAL_RESET, 0);
  HANDLE const set = CreateEventEx(nullptr, nullptr, CREATE_EVENT_INITIAL_SET, 0);
  HANDLE const semaphore = CreateSemaphore(nullptr, 0, 1, nullptr);
  HANDLE const mutex = CreateMutex(nullptr, TRUE, nullptr);
  EXPECT_EQ(SignalObjectAndWait(event, set, INFINITE, FALSE), kTaken);
  EXPECT_EQ(take(set), kTimeout);
  EXPECT_EQ(take(event), kTaken);
  EXPECT_EQ(SignalObjectAndWait(semaphore, set, 0, FALSE), kTimeout);
  EXPECT_EQ(SignalObjectAndWait(semaphore, event, 0, FALSE), WAIT_FAILED);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_TOO_MANY_POSTS});
  EXPECT_EQ(SignalObjectAndWait(mutex, semaphore, 0, FALSE), kTaken);
  EXPECT_EQ(SignalObjectAndWait(mutex, event, 0, FALSE), WAIT_FAILED);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_NOT_OWNER});
  EXPECT_TRUE(CloseHandle(set));
  EXPECT_EQ(SignalObjectAndWait(semaphore, set, 0, FALSE), WAIT_FAILED);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_EQ(take(semaphore), kTimeout) << "it was signalled all the same";
  for (HANDLE const handle : {event, semaphore, mutex}) EXPECT_TRUE(CloseHandle(handle));
}

TEST(Win32Once, BeginAndCompleteAreExecuteInTwoSteps) {
  INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  alignas(4) int value = 0;
  BOOL is_pending = FALSE;
  LPVOID context = nullptr;
  EXPECT_EQ(last_error_after(InitOnceBeginInitialize(&once, INIT_ONCE_CHECK_ONLY, &is_pending, nullptr)),
            DWORD{ERROR_GEN_FAILURE});
  EXPECT_TRUE(InitOnceBeginInitialize(&once, 0, &is_pending, nullptr));
  EXPECT_TRUE(is_pending);
  EXPECT_TRUE(InitOnceComplete(&once, INIT_ONCE_INIT_FAILED, nullptr));
  EXPECT_TRUE(InitOnceBeginInitialize(&once, 0, &is_pending, nullptr));
  EXPECT_TRUE(is_pending) << "the failed one does not count";
  std::thread waiter([&] {
    BOOL waits = TRUE;
    LPVOID there = nullptr;
    EXPECT_TRUE(InitOnceBeginInitialize(&once, 0, &waits, &there));
    EXPECT_FALSE(waits);
    EXPECT_EQ(there, &value);
  });
  EXPECT_EQ(last_error_after(InitOnceComplete(&once, 0, reinterpret_cast<LPVOID>(1))),
            DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_TRUE(InitOnceComplete(&once, 0, &value));
  waiter.join();
  EXPECT_TRUE(InitOnceBeginInitialize(&once, INIT_ONCE_CHECK_ONLY, &is_pending, &context));
  EXPECT_FALSE(is_pending);
  EXPECT_EQ(context, &value);
  EXPECT_EQ(last_error_after(InitOnceComplete(&once, 0, &value)), DWORD{ERROR_GEN_FAILURE});
}

TEST(Win32Once, OfSeveralAsynchronousOnesTheFirstToCompleteWins) {
  INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  alignas(4) int first = 0, second = 0;
  BOOL is_pending = FALSE;
  LPVOID context = nullptr;
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(InitOnceBeginInitialize(&once, INIT_ONCE_ASYNC, &is_pending, nullptr));
    EXPECT_TRUE(is_pending);
  }
  EXPECT_EQ(last_error_after(InitOnceBeginInitialize(&once, 0, &is_pending, nullptr)),
            DWORD{ERROR_INVALID_PARAMETER});
  EXPECT_TRUE(InitOnceComplete(&once, INIT_ONCE_ASYNC, &first));
  EXPECT_EQ(last_error_after(InitOnceComplete(&once, INIT_ONCE_ASYNC, &second)),
            DWORD{ERROR_GEN_FAILURE});
  EXPECT_TRUE(InitOnceBeginInitialize(&once, INIT_ONCE_ASYNC, &is_pending, &context));
  EXPECT_FALSE(is_pending);
  EXPECT_EQ(context, &first);
}

}  // namespace
}  // namespace millrace::test
