// SPDX-License-Identifier: BSD-3-Clause
// Blocking calls from outside: the hook that runs while one waits, and WSPCancelBlockingCall.
//
// A hook may call WSPCancelBlockingCall and nothing else: everything else answers WSAEINPROGRESS
// (contract: E4).
#include "spi_shim/blocking.h"

#include <optional>

#include "spi_shim/catalog.h"
#include "spi_shim/probe.h"
#include "spi_shim/procedures.h"
#include "spi_shim/startup.h"
#include "spi_shim/threads.h"

namespace millrace {
namespace {

constinit thread_local bool runs_hook = false;
constinit thread_local BlockingHook hook_of_thread;

BOOL CALLBACK run_hook(DWORD_PTR) {
  runs_hook = true;
  const BOOL goes_on = hook_of_thread.call(hook_of_thread.context);
  runs_hook = false;
  return goes_on;
}

uint32_t cancel_blocked(std::optional<uint32_t> thread) noexcept {
  const Inside inside;
  uint32_t n = 0;
  for (Stack* const stack : running_stacks()) {
    const Stack::Guard guard(*stack);
    n += stack->cancel_blocked(thread);
  }
  return n;
}

int WSPAPI wsp_cancel_blocking_call(LPINT lpErrno) noexcept {
  if (!is_running()) {
    tell(lpErrno, WSANOTINITIALISED);
    return SOCKET_ERROR;
  }
  // What this thread is blocked in; if that is nothing, what any thread is blocked in.
  if (cancel_blocked(this_thread()) != 0 || cancel_blocked(std::nullopt) != 0) return 0;
  tell(lpErrno, WSAEINVAL);  // nothing blocks (winsock-rules 203)
  return SOCKET_ERROR;
}

}  // namespace

bool is_in_hook() noexcept { return runs_hook; }

BlockingHook blocking_hook() noexcept {
  const auto query = upcalls().lpWPUQueryBlockingCallback;
  BlockingHook hook;
  INT ignored = 0;
  const DWORD entry = catalog_find(WS_AF_INET, WS_SOCK_STREAM, 0).entry->dwCatalogEntryId;
  if (query == nullptr || query(entry, &hook.call, &hook.context, &ignored) != 0) return {};
  if (hook.call == nullptr) return {};
  hook_of_thread = hook;
  return {run_hook, 0};
}

void add_blocking_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPCancelBlockingCall = wsp_cancel_blocking_call;
}

}  // namespace millrace
