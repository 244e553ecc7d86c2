// SPDX-License-Identifier: BSD-3-Clause
// WSPStartup and WSPCleanup: versions, the reference count, the upcalls, the table of procedures.
#include "spi_shim/startup.h"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "dpdk_io/startup_error.h"
#include "millrace/counters.h"
#include "spi_shim/blocking.h"
#include "spi_shim/handles.h"
#include "spi_shim/ports.h"
#include "spi_shim/probe.h"
#include "spi_shim/procedures.h"
#include "spi_shim/rio.h"
#include "spi_shim/routines.h"
#include "spi_shim/stages.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"
#include "stack/runtime.h"

namespace millrace {
namespace {

constexpr WORD kVersion = MAKEWORD(2, 2);
constexpr char16_t kDescription[] = u"millrace: Winsock on DPDK";

struct Started {
  std::mutex mutex;
  int count = 0;
  std::unique_ptr<Runtime> runtime;
};

Started& started() {
  static Started& state = *new Started;  // never destroyed: threads end after static objects do
  return state;
}

// What every call asks, before and after there is a Runtime.
constinit std::atomic<Runtime*> running{nullptr};
constinit std::atomic<uint32_t> n_inside{0};
constinit WSPUPCALLTABLE upcalls_in_use{};

void signal_event(HANDLE event) {
  INT ignored;
  upcalls().lpWPUSetEvent(event, &ignored);
}

void post_message(HWND window, UINT message, SOCKET s, LPARAM detail) {
  const auto post = upcalls().lpWPUPostMessage;
  if (post != nullptr) post(window, message, s, detail);
}

void queue_packet(const Completion& completion) {
  (void)port_post(completion.packets.port,
                  {completion.packets.key, completion.tell.overlapped, status_of(completion.outcome),
                   completion.outcome.bytes},
                  completion.sampled);
}

Application application() {
  Application mine;
  mine.post_message = post_message;
  mine.signal_event = signal_event;
  mine.queue_routine = queue_routine;
  mine.queue_packet = queue_packet;
  mine.note_told = note_told;
  mine.thread = this_thread;
  mine.begin_wait = begin_alertable_wait;
  mine.end_wait = end_alertable_wait;
  mine.run_apcs = run_apcs;
  if (upcalls().lpWPUQueryBlockingCallback != nullptr) mine.blocking_hook = blocking_hook;
  return mine;
}

void set_application(Runtime& runtime) {
  for (Stack* const stack : runtime.stacks()) {
    const Stack::Guard lock(*stack);
    stack->application = application();
  }
}

/// @return the error WSPStartup is to report; one line on stderr says why
int bring_up(Started& state) noexcept {
  try {
    state.runtime = std::make_unique<Runtime>(Config::from_environment());
    set_application(*state.runtime);
    running = state.runtime.get();
    poke_port_waiters();
    return 0;
  } catch (const std::exception& e) {  // StartupError, or no memory
    std::fprintf(stderr, "millrace: %s\n", e.what());
    return WSASYSNOTREADY;
  }
}

/// One more user of the provider; the first one brings it up. @return what WSPStartup is to report
int add_start(Started& state, WORD version, const WSPUPCALLTABLE& table) noexcept {
  const unsigned wanted = LOBYTE(version) * 256u + HIBYTE(version);
  if (wanted < LOBYTE(kVersion) * 256u + HIBYTE(kVersion)) return WSAVERNOTSUPPORTED;
  const WSPUPCALLTABLE none{};
  const bool brings_own = std::memcmp(&table, &none, sizeof none) == 0;
  upcalls_in_use = brings_own ? own_upcalls() : table;
  if (state.count != 0) {
    set_application(*state.runtime);  // the latest table's (winsock-rules 4)
  } else if (const int error = bring_up(state); error != 0) {
    return error;
  }
  if (state.count++ == 0) watch_for_faults();
  return 0;
}

}  // namespace

Inside::Inside() noexcept { n_inside.fetch_add(1); }  // before it looks whether the provider runs
Inside::~Inside() { n_inside.fetch_sub(1); }

std::span<Stack* const> running_stacks() noexcept {
  const Runtime* const runtime = running.load(std::memory_order_acquire);
  return runtime == nullptr ? std::span<Stack* const>() : runtime->stacks();
}

std::span<Stack* const> stacks_for_call(LPINT lpErrno) noexcept {  // contract: E4
  const auto stacks = is_in_hook() ? std::span<Stack* const>() : running_stacks();
  if (stacks.empty()) tell(lpErrno, is_in_hook() ? WSAEINPROGRESS : WSANOTINITIALISED);
  return stacks;
}

Stack* home_stack() noexcept {
  Runtime* const runtime = running.load(std::memory_order_acquire);
  return runtime == nullptr ? nullptr : &runtime->home();
}

Stack* stack_for_new() noexcept {
  Runtime* const runtime = running.load(std::memory_order_acquire);
  return runtime == nullptr ? nullptr : &runtime->stack_for_new();
}

void end_requests_of(uint32_t thread) noexcept {
  Started& state = started();
  const std::lock_guard guard(state.mutex);
  if (state.runtime == nullptr) return;
  for (Stack* const stack : state.runtime->stacks()) {
    const Stack::Guard lock(*stack);
    stack->cancel_requests_of(thread);
  }
}

const WSPUPCALLTABLE& upcalls() noexcept { return upcalls_in_use; }

int wsp_cleanup(LPINT lpErrno) noexcept {
  if (is_in_hook()) {
    tell(lpErrno, WSAEINPROGRESS);
    return SOCKET_ERROR;
  }
  Started& state = started();
  const std::lock_guard guard(state.mutex);
  if (state.count == 0) {
    tell(lpErrno, WSANOTINITIALISED);
    return SOCKET_ERROR;
  }
  if (--state.count == 0) {
    running = nullptr;
    poke_port_waiters();
    state.runtime->end_calls();
    while (n_inside.load() != 0) std::this_thread::yield();
    state.runtime.reset();
    end_registered_io();
    forget_moves();
    leave_faults_alone();
  }
  return 0;
}

}  // namespace millrace

using namespace millrace;

extern "C" int WSPAPI WSPStartup(WORD wVersionRequested, LPWSPDATA lpWSPData, LPWSAPROTOCOL_INFOW,
                                 WSPUPCALLTABLE UpcallTable,
                                 LPWSPPROC_TABLE lpProcTable) noexcept {
  Started& state = started();
  const std::lock_guard guard(state.mutex);
  const FaultWatch watch;
  if (!can_write(lpWSPData) || !can_write(lpProcTable)) return WSAEFAULT;
  const int error = add_start(state, wVersionRequested, UpcallTable);
  if (error != 0) return error;
  *lpWSPData = {};
  lpWSPData->wVersion = kVersion;
  lpWSPData->wHighVersion = kVersion;
  static_assert(sizeof kDescription <= sizeof lpWSPData->szDescription);
  std::memcpy(lpWSPData->szDescription, kDescription, sizeof kDescription);
  *lpProcTable = procedures();
  return 0;
}

extern "C" int millrace_counters(void (*visit)(void* context, const char* name,
                                               unsigned long long value),
                                 void* context) {
  Started& state = started();
  const std::lock_guard guard(state.mutex);
  if (state.runtime == nullptr) return WSANOTINITIALISED;
  Counters counters;
  for (Stack* const stack : state.runtime->stacks()) {
    const Stack::Guard lock(*stack);
    counters += stack->counters;
  }
  counters.for_each(
      [&](const char* name, uint64_t value, const char*) { visit(context, name, value); });
  visit(context, "mbufs_in_use", state.runtime->pool().in_use());
  for (const auto& port : state.runtime->ports()) {
    port->total().for_each([&](const char* name, uint64_t value, const char*) {
      visit(context, (port->name() + "." + name).c_str(), value);
    });
  }
  return 0;
}
