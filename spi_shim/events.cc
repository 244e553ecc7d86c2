// SPDX-License-Identifier: BSD-3-Clause
// WSACreateEvent and its kin, over our own events. A thread that waits for an event turns the Stack:
// what it waits for is, as a rule, a completion.
#include <algorithm>
#include <span>

#include "spi_shim/startup.h"
#include "spi_shim/upcalls.h"
#include "stack/wait.h"
#include "winsock2.h"

namespace millrace {
namespace {

constexpr uint64_t kLookAgainNs = 100'000;  // events are set without the Stack's lock

/// @return index of the first signalled event; count: none, or with wait_all not all of them
DWORD signalled(std::span<const WSAEVENT> events, bool wait_all) noexcept {
  const auto is_set = [](WSAEVENT event) { return event_state(event) == 1; };
  if (wait_all) return std::all_of(events.begin(), events.end(), is_set) ? 0 : DWORD(events.size());
  return static_cast<DWORD>(std::find_if(events.begin(), events.end(), is_set) - events.begin());
}

void turn_for_a_while(Stack& stack, uint64_t deadline_ns) noexcept {
  const Stack::Guard guard(stack);
  if (stack.is_led()) {
    Waiter waiter;
    (void)stack.wait(waiter, std::min(deadline_ns, stack.now_ns() + kLookAgainNs));
  } else {
    (void)stack.turn();
  }
}

DWORD wait_for(std::span<const WSAEVENT> events, bool wait_all, DWORD timeout_ms) noexcept {
  uint64_t deadline = kNoDeadline;
  for (bool is_first = true;; is_first = false) {
    const DWORD index = signalled(events, wait_all);
    if (index != events.size()) return WSA_WAIT_EVENT_0 + index;
    Stack* const stack = running_stack();
    if (stack == nullptr) return WSA_WAIT_FAILED;  // never started, or ended meanwhile
    if (is_first && timeout_ms != WSA_INFINITE) {
      deadline = stack->now_ns() + uint64_t{timeout_ms} * 1'000'000;
    }
    turn_for_a_while(*stack, deadline);
    if (stack->now_ns() >= deadline) {
      const DWORD last = signalled(events, wait_all);
      return last != events.size() ? WSA_WAIT_EVENT_0 + last : WSA_WAIT_TIMEOUT;
    }
  }
}

}  // namespace
}  // namespace millrace

using namespace millrace;

extern "C" {

WSAEVENT WSAAPI WSACreateEvent() noexcept { return event_create(); }

BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent) noexcept { return event_close(hEvent) ? TRUE : FALSE; }

BOOL WSAAPI WSASetEvent(WSAEVENT hEvent) noexcept { return event_set(hEvent) ? TRUE : FALSE; }

BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent) noexcept { return event_reset(hEvent) ? TRUE : FALSE; }

DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT* lphEvents, BOOL fWaitAll,
                                      DWORD dwTimeout, BOOL) noexcept {
  if (cEvents == 0 || cEvents > WSA_MAXIMUM_WAIT_EVENTS || lphEvents == nullptr) {
    return WSA_WAIT_FAILED;
  }
  const std::span events(lphEvents, cEvents);
  if (std::any_of(events.begin(), events.end(), [](WSAEVENT e) { return event_state(e) < 0; })) {
    return WSA_WAIT_FAILED;
  }
  return wait_for(events, fWaitAll != FALSE, dwTimeout);
}
}
