// SPDX-License-Identifier: BSD-3-Clause
// CreateThread and its kin. A thread is an object of the events' table, signalled at its very end: by then
// its requests have been cancelled (threads.h). A thread outlives its handle, and a handle its thread.
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <semaphore>

#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"
#include "spi_shim/win32/thread_objects.h"

namespace millrace {
namespace {

/// What the thread and its handle share.
struct Thread {
  HANDLE handle = nullptr;
  LPTHREAD_START_ROUTINE start = nullptr;
  LPVOID parameter = nullptr;
  WSATHREADID id{};
  DWORD number = 0;
  std::atomic<DWORD> exit_code{STILL_ACTIVE};
  std::atomic<bool> is_suspended{false};
  std::binary_semaphore has_begun{0};
  std::binary_semaphore may_run{0};
};
using ThreadPtr = std::shared_ptr<Thread>;

struct Handles {
  std::mutex mutex;
  std::map<HANDLE, ThreadPtr> threads;
};

Handles& handles() {
  static Handles& all = *new Handles;  // never destroyed: threads end after static objects do
  return all;
}

ThreadPtr find_thread(HANDLE handle) noexcept {
  const std::lock_guard guard(handles().mutex);
  const auto it = handles().threads.find(handle);
  return it == handles().threads.end() ? nullptr : it->second;
}

// The calling thread, if CreateThread made it; freed by its end.
constinit thread_local ThreadPtr* own = nullptr;

const HANDLE kCurrentThread = reinterpret_cast<HANDLE>(~ULONG_PTR{1});  // -2, as on Windows

void end_thread(void* context) {
  const std::unique_ptr<ThreadPtr> thread(static_cast<ThreadPtr*>(context));
  (void)object_set((*thread)->handle);  // says no if the handle is closed
}

void* run_thread(void* context) {
  own = static_cast<ThreadPtr*>(context);
  Thread& thread = **own;
  (void)open_this_thread(thread.id);
  at_thread_end(end_thread, own);
  thread.number = static_cast<DWORD>(gettid());
  const bool waits = thread.is_suspended;
  thread.has_begun.release();
  if (waits) thread.may_run.acquire();
  thread.exit_code = thread.start(thread.parameter);
  return nullptr;
}

/// @return 0, or what the C library's pthread_create says
int start_thread(const ThreadPtr& thread, SIZE_T stack_bytes) noexcept {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  constexpr SIZE_T kLeastStack = SIZE_T{256} << 10;  // what Windows programs ask for may be too little
  if (stack_bytes != 0) {
    pthread_attr_setstacksize(&attributes, (std::max(stack_bytes, kLeastStack) + 4095) & ~SIZE_T{4095});
  }
  auto for_thread = std::make_unique<ThreadPtr>(thread);
  pthread_t ignored;
  const int error = pthread_create(&ignored, &attributes, run_thread, for_thread.get());
  pthread_attr_destroy(&attributes);
  if (error == 0) (void)for_thread.release();
  return error;
}

}  // namespace

bool forget_thread(HANDLE thread) noexcept {
  {
    const std::lock_guard guard(handles().mutex);
    if (handles().threads.erase(thread) == 0) return false;
  }
  return event_close(thread);
}

}  // namespace millrace

using namespace millrace;

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES, SIZE_T dwStackSize,
                           LPTHREAD_START_ROUTINE lpStartAddress, LPVOID lpParameter,
                           DWORD dwCreationFlags, LPDWORD lpThreadId) noexcept {
  if (lpStartAddress == nullptr) return fail_with(ERROR_INVALID_PARAMETER), nullptr;
  const auto thread = std::make_shared<Thread>();
  thread->start = lpStartAddress;
  thread->parameter = lpParameter;
  thread->is_suspended = (dwCreationFlags & CREATE_SUSPENDED) != 0;
  thread->handle = event_create(ObjectKind::kThread);
  if (thread->handle == nullptr) return fail_with(ERROR_NOT_ENOUGH_MEMORY), nullptr;
  {
    const std::lock_guard guard(handles().mutex);
    handles().threads[thread->handle] = thread;
  }
  if (start_thread(thread, dwStackSize) != 0) {
    (void)forget_thread(thread->handle);
    return fail_with(ERROR_NOT_ENOUGH_MEMORY), nullptr;
  }
  thread->has_begun.acquire();  // from here on it takes APCs
  if (lpThreadId != nullptr) *lpThreadId = thread->number;
  return thread->handle;
}

UINT_PTR _beginthreadex(void*, unsigned stack_size, unsigned(WINAPI* start_address)(void*),
                        void* arglist, unsigned initflag, unsigned* thrdaddr) noexcept {
  return reinterpret_cast<UINT_PTR>(
      CreateThread(nullptr, stack_size, start_address, arglist, initflag, thrdaddr));
}

[[noreturn]] VOID WINAPI ExitThread(DWORD dwExitCode) {
  if (own != nullptr) (*own)->exit_code = dwExitCode;
  pthread_exit(nullptr);
}

[[noreturn]] void _endthreadex(unsigned retval) { ExitThread(retval); }

BOOL WINAPI GetExitCodeThread(HANDLE hThread, LPDWORD lpExitCode) noexcept {
  const ThreadPtr thread = hThread == kCurrentThread && own != nullptr ? *own : find_thread(hThread);
  if (thread == nullptr) return fail_with(ERROR_INVALID_HANDLE);
  // Only at its end, when the handle is signalled, though the routine has returned before.
  const bool has_ended = event_state(hThread) == 1;
  *lpExitCode = has_ended ? thread->exit_code.load() : DWORD{STILL_ACTIVE};
  return TRUE;
}

DWORD WINAPI ResumeThread(HANDLE hThread) noexcept {
  const ThreadPtr thread = find_thread(hThread);
  if (thread == nullptr) return fail_with(ERROR_INVALID_HANDLE), ~DWORD{0};
  if (!thread->is_suspended.exchange(false)) return 0;
  thread->may_run.release();
  return 1;
}

HANDLE WINAPI GetCurrentThread() noexcept { return kCurrentThread; }
DWORD WINAPI GetCurrentThreadId() noexcept { return static_cast<DWORD>(gettid()); }

DWORD WINAPI GetThreadId(HANDLE hThread) noexcept {
  if (hThread == kCurrentThread) return GetCurrentThreadId();
  const ThreadPtr thread = find_thread(hThread);
  return thread == nullptr ? fail_with(ERROR_INVALID_HANDLE), 0 : thread->number;
}

BOOL WINAPI SwitchToThread() noexcept { return sched_yield() == 0 ? TRUE : FALSE; }

DWORD WINAPI QueueUserAPC(PAPCFUNC pfnAPC, HANDLE hThread, ULONG_PTR dwData) noexcept {
  WSATHREADID id{};
  if (hThread == kCurrentThread) {
    (void)open_this_thread(id);
  } else if (const ThreadPtr thread = find_thread(hThread); thread != nullptr) {
    id = thread->id;
  }
  if (pfnAPC != nullptr && queue_apc(id, pfnAPC, dwData)) return 1;
  SetLastError(ERROR_INVALID_HANDLE);
  return 0;
}
