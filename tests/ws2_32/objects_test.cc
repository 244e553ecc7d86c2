// SPDX-License-Identifier: BSD-3-Clause
// Events, threads, waits and locks of windows.h; with and without WSAStartup.
#include <atomic>

#include "tests/ws2_32/ws2.h"

namespace millrace::test {
namespace {

class Win32Objects : public Win32Test {};
MILLRACE_WITH_AND_WITHOUT_WINSOCK(Win32Objects);

TEST_P(Win32Objects, AManualResetEventStaysAndAnAutoResetEventIsTakenOnce) {
  HANDLE const manual = CreateEvent(nullptr, TRUE, TRUE, nullptr);
  HANDLE const automatic = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  EXPECT_EQ(WaitForSingleObject(manual, 0), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(WaitForSingleObject(manual, 0), DWORD{WAIT_OBJECT_0});
  EXPECT_TRUE(ResetEvent(manual));
  EXPECT_EQ(WaitForSingleObject(manual, 1), kTimeout);
  EXPECT_EQ(WaitForSingleObject(automatic, 0), kTimeout);
  EXPECT_TRUE(SetEvent(automatic));
  EXPECT_EQ(WaitForSingleObject(automatic, INFINITE), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(WaitForSingleObject(automatic, 0), kTimeout);
  EXPECT_TRUE(CloseHandle(manual));
  EXPECT_TRUE(CloseHandle(automatic));
  EXPECT_FALSE(CloseHandle(automatic));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_HANDLE});
  EXPECT_EQ(WaitForSingleObject(automatic, 0), WAIT_FAILED);
}

TEST_P(Win32Objects, AllOfSeveralAreTakenTogetherOrNotAtAll) {
  HANDLE const events[] = {CreateEvent(nullptr, FALSE, TRUE, nullptr),
                           CreateEvent(nullptr, FALSE, FALSE, nullptr)};
  EXPECT_EQ(WaitForMultipleObjects(2, events, TRUE, 0), kTimeout);
  EXPECT_EQ(WaitForSingleObject(events[0], 0), DWORD{WAIT_OBJECT_0}) << "the failed wait took it";
  EXPECT_TRUE(SetEvent(events[1]));
  EXPECT_EQ(WaitForMultipleObjects(2, events, FALSE, INFINITE), DWORD{WAIT_OBJECT_0 + 1});
  EXPECT_TRUE(SetEvent(events[0]));
  EXPECT_TRUE(SetEvent(events[1]));
  EXPECT_EQ(WaitForMultipleObjects(2, events, TRUE, INFINITE), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(WaitForMultipleObjects(2, events, FALSE, 0), kTimeout);
  HANDLE const twice[] = {events[0], events[0]};
  EXPECT_EQ(WaitForMultipleObjects(2, twice, TRUE, 0), WAIT_FAILED);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INVALID_PARAMETER});
  for (HANDLE const event : events) EXPECT_TRUE(CloseHandle(event));
}

TEST_P(Win32Objects, AnAutoResetEventIsConsumedExactlyOnceByManyWaiters) {
  static HANDLE event;
  static std::atomic<int> n_taken;
  event = CreateEvent(nullptr, FALSE, FALSE, nullptr);
  n_taken = 0;
  constexpr int kThreads = 4;
  constexpr int kSignals = 200;
  HANDLE threads[kThreads];
  for (HANDLE& thread : threads) {
    thread = CreateThread(nullptr, 0, [](LPVOID) -> DWORD {
      while (WaitForSingleObject(event, INFINITE) == WAIT_OBJECT_0) {
        if (++n_taken > kSignals) return 7;
      }
      return 1;
    }, nullptr, 0, nullptr);
    ASSERT_NE(thread, nullptr);
  }
  for (int i = 1; i <= kSignals; ++i) {
    EXPECT_TRUE(SetEvent(event));
    EXPECT_TRUE(eventually([i] { return n_taken == i; }));
  }
  for (int i = 0; i < kThreads; ++i) {  // one signal ends one thread, and no more
    EXPECT_TRUE(SetEvent(event));
    EXPECT_TRUE(eventually([i] { return n_taken == kSignals + i + 1; }));
  }
  EXPECT_EQ(WaitForMultipleObjects(kThreads, threads, TRUE, INFINITE), DWORD{WAIT_OBJECT_0});
  for (HANDLE const thread : threads) {
    DWORD code = 0;
    EXPECT_TRUE(GetExitCodeThread(thread, &code));
    EXPECT_EQ(code, 7U);
    EXPECT_TRUE(CloseHandle(thread));
  }
  EXPECT_TRUE(CloseHandle(event));
}

TEST_P(Win32Objects, AThreadIsSignalledAtItsEndAndByNobodyElse) {
  HANDLE const gate = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  DWORD number = 0;
  HANDLE const thread = CreateThread(nullptr, 0, [](LPVOID event) -> DWORD {
    WaitForSingleObject(event, INFINITE);
    ExitThread(42);
  }, gate, CREATE_SUSPENDED, &number);
  EXPECT_EQ(GetThreadId(thread), number);
  EXPECT_FALSE(SetEvent(thread));
  EXPECT_FALSE(ResetEvent(thread));
  EXPECT_FALSE(WSACloseEvent(thread));
  DWORD code = 0;
  EXPECT_TRUE(GetExitCodeThread(thread, &code));
  EXPECT_EQ(code, DWORD{STILL_ACTIVE});
  EXPECT_EQ(ResumeThread(thread), 1U);
  EXPECT_EQ(ResumeThread(thread), 0U);
  EXPECT_EQ(WaitForSingleObject(thread, 0), kTimeout);
  EXPECT_TRUE(SetEvent(gate));
  EXPECT_EQ(WaitForSingleObject(thread, INFINITE), DWORD{WAIT_OBJECT_0});
  EXPECT_TRUE(GetExitCodeThread(thread, &code));
  EXPECT_EQ(code, 42U);
  EXPECT_TRUE(CloseHandle(thread));
  EXPECT_FALSE(CloseHandle(thread));
  EXPECT_TRUE(CloseHandle(gate));
}

TEST_P(Win32Objects, AnApcRunsInAnAlertableWaitOfItsThread) {
  static std::atomic<ULONG_PTR> heard;
  heard = 0;
  const auto apc = [](ULONG_PTR value) { heard = value; };
  EXPECT_EQ(QueueUserAPC(apc, GetCurrentThread(), 5), 1U);
  HANDLE const event = CreateEvent(nullptr, TRUE, FALSE, nullptr);
  EXPECT_EQ(WaitForSingleObject(event, 0), kTimeout);
  EXPECT_EQ(heard, 0U);
  EXPECT_EQ(WaitForSingleObjectEx(event, INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(heard, 5U);
  EXPECT_EQ(SleepEx(0, TRUE), 0U);
  HANDLE const thread = CreateThread(nullptr, 0, [](LPVOID) -> DWORD {
    return SleepEx(INFINITE, TRUE);
  }, nullptr, 0, nullptr);
  EXPECT_EQ(QueueUserAPC(apc, thread, 9), 1U);
  EXPECT_EQ(WaitForSingleObject(thread, INFINITE), DWORD{WAIT_OBJECT_0});
  EXPECT_EQ(heard, 9U);
  EXPECT_EQ(QueueUserAPC(apc, thread, 9), 0U) << "it has ended";
  EXPECT_TRUE(CloseHandle(thread));
  EXPECT_TRUE(CloseHandle(event));
}

struct Shared {
  CRITICAL_SECTION section;
  SRWLOCK lock = SRWLOCK_INIT;
  CONDITION_VARIABLE changed = CONDITION_VARIABLE_INIT;
  INIT_ONCE once = INIT_ONCE_STATIC_INIT;
  int n_by_section = 0;
  int n_by_lock = 0;
  LONG n_initialised = 0;
  int n_ended = 0;
};

DWORD WINAPI use_all(LPVOID context) {
  auto& shared = *static_cast<Shared*>(context);
  InitOnceExecuteOnce(&shared.once, [](PINIT_ONCE, PVOID p, PVOID*) -> BOOL {
    InterlockedIncrement(&static_cast<Shared*>(p)->n_initialised);
    return TRUE;
  }, context, nullptr);
  for (int i = 0; i < 2000; ++i) {
    EnterCriticalSection(&shared.section);
    EnterCriticalSection(&shared.section);
    ++shared.n_by_section;
    LeaveCriticalSection(&shared.section);
    LeaveCriticalSection(&shared.section);
    AcquireSRWLockExclusive(&shared.lock);
    ++shared.n_by_lock;
    ReleaseSRWLockExclusive(&shared.lock);
    AcquireSRWLockShared(&shared.lock);
    EXPECT_GT(shared.n_by_lock, 0);
    ReleaseSRWLockShared(&shared.lock);
  }
  EnterCriticalSection(&shared.section);
  ++shared.n_ended;
  LeaveCriticalSection(&shared.section);
  WakeAllConditionVariable(&shared.changed);
  return 0;
}

TEST(Win32Locks, ExcludeEachOtherAndWakeWhoWaits) {
  Shared shared;
  EXPECT_TRUE(InitializeCriticalSectionAndSpinCount(&shared.section, 100));
  HANDLE threads[3];
  for (HANDLE& thread : threads) thread = CreateThread(nullptr, 0, use_all, &shared, 0, nullptr);
  EnterCriticalSection(&shared.section);
  while (shared.n_ended != 3) {
    EXPECT_TRUE(SleepConditionVariableCS(&shared.changed, &shared.section, INFINITE));
  }
  LeaveCriticalSection(&shared.section);
  EXPECT_EQ(WaitForMultipleObjects(3, threads, TRUE, INFINITE), DWORD{WAIT_OBJECT_0});
  for (HANDLE const thread : threads) EXPECT_TRUE(CloseHandle(thread));
  EXPECT_EQ(shared.n_by_section, 6000);
  EXPECT_EQ(shared.n_by_lock, 6000);
  EXPECT_EQ(shared.n_initialised, 1);
  AcquireSRWLockShared(&shared.lock);
  EXPECT_TRUE(TryAcquireSRWLockShared(&shared.lock));
  EXPECT_FALSE(TryAcquireSRWLockExclusive(&shared.lock));
  ReleaseSRWLockShared(&shared.lock);
  EXPECT_FALSE(SleepConditionVariableSRW(&shared.changed, &shared.lock, 1,
                                         CONDITION_VARIABLE_LOCKMODE_SHARED));
  EXPECT_EQ(GetLastError(), DWORD{ERROR_TIMEOUT});
  ReleaseSRWLockShared(&shared.lock);
  EXPECT_TRUE(TryAcquireSRWLockExclusive(&shared.lock));
  DeleteCriticalSection(&shared.section);
}

TEST(Win32Misc, InterlockedOperationsAnswerAsWindowsDo) {
  LONG value = 5;
  EXPECT_EQ(InterlockedIncrement(&value), 6);
  EXPECT_EQ(InterlockedExchangeAdd(&value, 4), 6);
  EXPECT_EQ(InterlockedCompareExchange(&value, 1, 9), 10);
  EXPECT_EQ(InterlockedCompareExchange(&value, 1, 10), 10);
  EXPECT_EQ(InterlockedExchange(&value, 3), 1);
  EXPECT_EQ(value, 3);
}

TEST(Win32Misc, MessagesOfErrorsAreTheCLibrarys) {
  char text[128];
  EXPECT_GT(FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, nullptr, WSAECONNREFUSED, 0, text,
                           sizeof text, nullptr),
            0U);
  EXPECT_STREQ(text, "Connection refused.\r\n");
  char* allocated = nullptr;
  EXPECT_GT(FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_ALLOCATE_BUFFER, nullptr,
                           WSANOTINITIALISED, 0, reinterpret_cast<LPSTR>(&allocated), 0, nullptr),
            0U);
  EXPECT_EQ(LocalFree(allocated), nullptr);
  EXPECT_EQ(FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM, nullptr, 5, 0, text, 2, nullptr), 0U);
  EXPECT_EQ(GetLastError(), DWORD{ERROR_INSUFFICIENT_BUFFER});
}

TEST(Win32Misc, SlotsOfThreadsBelongToTheirThread) {
  const DWORD slot = TlsAlloc();
  int mine = 0;
  EXPECT_TRUE(TlsSetValue(slot, &mine));
  std::thread([slot] { EXPECT_EQ(TlsGetValue(slot), nullptr); }).join();
  EXPECT_EQ(TlsGetValue(slot), &mine);
  EXPECT_TRUE(TlsFree(slot));
  EXPECT_FALSE(TlsFree(slot));
}

TEST(Win32Layouts, AreThoseOfWindowsX64) {
  static_assert(sizeof(CRITICAL_SECTION) == 40 && sizeof(SRWLOCK) == 8 && sizeof(INIT_ONCE) == 8);
  static_assert(sizeof(SYSTEM_INFO) == 48 && offsetof(SYSTEM_INFO, dwNumberOfProcessors) == 32);
  static_assert(sizeof(WSADATA) == 408 && offsetof(WSADATA, lpVendorInfo) == 8 &&
                offsetof(WSADATA, szDescription) == 16 && offsetof(WSADATA, szSystemStatus) == 273);
  static_assert(sizeof(WSAPOLLFD) == 16 && offsetof(WSAPOLLFD, revents) == 10);
  static_assert(sizeof(hostent) == 32 && offsetof(hostent, h_length) == 18);
  static_assert(sizeof(servent) == 32 && offsetof(servent, s_port) == 24);
  static_assert(sizeof(addrinfo) == 48 && offsetof(addrinfo, ai_canonname) == 24 &&
                offsetof(addrinfo, ai_addr) == 32);
  static_assert(POLLIN == 0x300 && AI_ADDRCONFIG == 0x400 && NI_NUMERICHOST == 2);
}

}  // namespace
}  // namespace millrace::test
