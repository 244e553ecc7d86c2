// SPDX-License-Identifier: BSD-3-Clause
// WSACreateEvent and its kin, over our own events, and SleepEx. A thread that waits here turns the
// Stack: what it waits for is, as a rule, a completion.
#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <thread>

#include "spi_shim/probe.h"
#include "spi_shim/startup.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"
#include "stack/wait.h"
#include "winsock2.h"

namespace millrace {
namespace {

/// @return index of the first signalled event; count: none, or with wait_all not all of them
DWORD signalled(std::span<const WSAEVENT> events, bool wait_all) noexcept {
  const auto is_set = [](WSAEVENT event) { return event_state(event) == 1; };
  if (wait_all) return std::all_of(events.begin(), events.end(), is_set) ? 0 : DWORD(events.size());
  return static_cast<DWORD>(std::find_if(events.begin(), events.end(), is_set) - events.begin());
}

/// An alertable wait of this thread.
class Alertable {
 public:
  explicit Alertable(Waiter& waiter) noexcept : waiter_(waiter) { begin_alertable_wait(waiter); }
  ~Alertable() { end_alertable_wait(waiter_); }
  Alertable(const Alertable&) = delete;
  Alertable& operator=(const Alertable&) = delete;

 private:
  Waiter& waiter_;
};

// Objects before APCs, as on Windows: an APC runs only when there is something to wait for.
DWORD wait_for(std::span<const WSAEVENT> events, bool wait_all, DWORD timeout_ms,
               bool is_alertable) noexcept {
  Waiter waiter;
  const EventWatch watch(events, waiter);
  std::optional<Alertable> alertable;
  if (is_alertable) alertable.emplace(waiter);
  uint64_t deadline = kNoDeadline;
  for (bool is_first = true, in_time = true;; is_first = false) {
    const DWORD index = signalled(events, wait_all);
    if (index != events.size()) return WSA_WAIT_EVENT_0 + index;
    if (is_alertable && run_apcs()) return WSA_WAIT_IO_COMPLETION;
    if (!in_time) return WSA_WAIT_TIMEOUT;
    const Inside inside;
    Stack* const home = home_stack();
    if (home == nullptr) return WSA_WAIT_FAILED;  // never started, or ended meanwhile
    Stack& stack = *home;
    const Stack::Guard guard(stack);
    if (is_first && timeout_ms != WSA_INFINITE) {
      deadline = stack.now_ns() + uint64_t{timeout_ms} * 1'000'000;
      if (timeout_ms == 0) (void)stack.spin();  // who polls turns
    }
    (void)stack.wait(waiter, deadline);
    waiter.is_poked = false;
    in_time = deadline == kNoDeadline || stack.now_ns() < deadline;
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
                                      DWORD dwTimeout, BOOL fAlertable) noexcept {
  if (cEvents == 0 || cEvents > WSA_MAXIMUM_WAIT_EVENTS || !is_running() ||
      !can_read_objects(lphEvents, cEvents)) {
    return WSA_WAIT_FAILED;
  }
  const std::span events(lphEvents, cEvents);
  if (std::any_of(events.begin(), events.end(), [](WSAEVENT e) { return event_state(e) < 0; })) {
    return WSA_WAIT_FAILED;
  }
  return wait_for(events, fWaitAll != FALSE, dwTimeout, fAlertable != FALSE);
}

DWORD SleepEx(DWORD dwMilliseconds, BOOL bAlertable) noexcept {
  if (bAlertable == FALSE || !is_running()) {
    if (bAlertable != FALSE && run_apcs()) return WAIT_IO_COMPLETION;
    while (dwMilliseconds == INFINITE) std::this_thread::sleep_for(std::chrono::hours(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(dwMilliseconds));
    return 0;
  }
  const DWORD end = wait_for({}, false, dwMilliseconds, true);
  return end == WSA_WAIT_IO_COMPLETION ? WAIT_IO_COMPLETION : 0;
}
}
