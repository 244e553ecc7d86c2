// SPDX-License-Identifier: BSD-3-Clause
// WSACreateEvent and its kin, over our own events, and SleepEx. A thread that waits here turns the
// Stack: what it waits for is, as a rule, a completion.
#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <span>
#include <thread>

#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/startup.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"
#include "spi_shim/waits.h"
#include "stack/wait.h"
#include "winsock2.h"

namespace millrace {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kAbandoned = 3;  // event_take's

/// Takes all, or none. @return WAIT_OBJECT_0; WAIT_ABANDONED_0: a mutex among them; WAIT_FAILED: one is no
/// object any more; nothing: not all are signalled
std::optional<DWORD> take_all(std::span<const HANDLE> objects) noexcept {
  for (const HANDLE object : objects) {
    const int state = event_state(object);
    if (state < 0) return WAIT_FAILED;
    if (state == 0) return std::nullopt;
  }
  std::array<int, MAXIMUM_WAIT_OBJECTS> states;
  DWORD result = WAIT_OBJECT_0;
  for (size_t i = 0; i < objects.size(); ++i) {
    states[i] = event_take(objects[i]);
    if (states[i] == kAbandoned) result = WAIT_ABANDONED_0;
    if (states[i] > 0) continue;
    // Another thread took this one in between: what has been taken is given back, to wait on.
    while (i-- > 0) event_give_back(objects[i], states[i]);
    return std::nullopt;
  }
  return result;
}

/// Takes the first that is signalled. @return WAIT_OBJECT_0 or WAIT_ABANDONED_0 and its index; else as above
std::optional<DWORD> take_one(std::span<const HANDLE> objects) noexcept {
  for (DWORD i = 0; i < objects.size(); ++i) {
    const int state = event_take(objects[i]);
    if (state < 0) return WAIT_FAILED;
    if (state > 0) return (state == kAbandoned ? WAIT_ABANDONED_0 : WAIT_OBJECT_0) + i;
  }
  return std::nullopt;
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

/// How long a wait may take.
class Patience {
 public:
  explicit Patience(DWORD ms) noexcept : ms_(ms) {
    if (is_limited()) end_ = SteadyClock::now() + std::chrono::milliseconds(ms);
  }
  bool is_limited() const noexcept { return ms_ != 0 && ms_ != INFINITE; }
  bool only_looks() const noexcept { return ms_ == 0; }
  bool is_over() const noexcept {
    return ms_ == 0 || (is_limited() && SteadyClock::now() >= end_);
  }
  SteadyClock::time_point end() const noexcept { return end_; }
  uint64_t left_ns() const noexcept {
    const auto left = end_ - SteadyClock::now();
    return left.count() <= 0 ? 0 : static_cast<uint64_t>(std::chrono::nanoseconds(left).count());
  }

 private:
  DWORD ms_;
  SteadyClock::time_point end_{};
};

/// Turns the Stack until the waiter is poked or the time is over; sleeps where there is no Stack.
/// @return false: there is none, and there has to be
bool wait_once(Waiter& waiter, const Patience& patience, bool needs_provider) noexcept {
  const Inside inside;
  Stack* const home = home_stack();
  if (home == nullptr) {
    if (needs_provider) return false;
    // Seldom and short: a provider that starts meanwhile is turned by its Keeper.
    if (!patience.only_looks()) {
      waiter.sleep([&](auto& wake) {
        patience.is_limited() ? (void)wake.try_acquire_until(patience.end()) : wake.acquire();
      });
    }
  } else {
    Stack& stack = *home;
    const Stack::Guard guard(stack);
    if (patience.only_looks()) {
      (void)stack.spin();  // who polls turns
    } else {
      (void)stack.wait(waiter, patience.is_limited() ? stack.now_ns() + patience.left_ns()
                                                     : kNoDeadline);
    }
  }
  waiter.is_poked = false;
  return true;
}

}  // namespace

// Objects before APCs, as on Windows: an APC runs only when there is something to wait for.
DWORD wait_for(std::span<const HANDLE> objects, bool wait_all, DWORD timeout_ms, bool is_alertable,
               bool needs_provider) noexcept {
  Waiter waiter;
  const EventWatch watch(objects, waiter);
  std::optional<Alertable> alertable;
  if (is_alertable) alertable.emplace(waiter);
  const Patience patience(timeout_ms);
  for (bool in_time = true;; in_time = !patience.is_over()) {
    if (!objects.empty()) {
      if (const auto result = wait_all ? take_all(objects) : take_one(objects)) return *result;
    }
    if (is_alertable && run_apcs()) return WAIT_IO_COMPLETION;
    if (!in_time) return WAIT_TIMEOUT;
    if (!wait_once(waiter, patience, needs_provider)) return WAIT_FAILED;
  }
}

}  // namespace millrace

using namespace millrace;

extern "C" {

WSAEVENT WSAAPI WSACreateEvent() noexcept {
  WSAEVENT const event = event_create();
  if (event == nullptr) SetLastError(WSA_NOT_ENOUGH_MEMORY);
  return event;
}

BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent) noexcept {
  return is_event_object(hEvent) && event_close(hEvent) ? TRUE : fail_with(WSA_INVALID_HANDLE);
}

BOOL WSAAPI WSASetEvent(WSAEVENT hEvent) noexcept {
  return event_set(hEvent) ? TRUE : fail_with(WSA_INVALID_HANDLE);
}

BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent) noexcept {
  return event_reset(hEvent) ? TRUE : fail_with(WSA_INVALID_HANDLE);
}

DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT* lphEvents, BOOL fWaitAll,
                                      DWORD dwTimeout, BOOL fAlertable) noexcept {
  const auto fail = [](DWORD error) {
    SetLastError(error);
    return WSA_WAIT_FAILED;
  };
  if (!is_running()) return fail(WSANOTINITIALISED);
  if (cEvents == 0 || cEvents > WSA_MAXIMUM_WAIT_EVENTS) return fail(WSA_INVALID_PARAMETER);
  if (!can_read_objects(lphEvents, cEvents)) return fail(WSAEFAULT);
  const std::span events(lphEvents, cEvents);
  if (std::any_of(events.begin(), events.end(), [](WSAEVENT e) { return event_state(e) < 0; })) {
    return fail(WSA_INVALID_HANDLE);
  }
  return wait_for(events, fWaitAll != FALSE, dwTimeout, fAlertable != FALSE, true);
}

DWORD SleepEx(DWORD dwMilliseconds, BOOL bAlertable) noexcept {
  if (bAlertable == FALSE) {
    while (dwMilliseconds == INFINITE) std::this_thread::sleep_for(std::chrono::hours(1));
    std::this_thread::sleep_for(std::chrono::milliseconds(dwMilliseconds));
    return 0;
  }
  return wait_for({}, false, dwMilliseconds, true, false) == WAIT_IO_COMPLETION ? WAIT_IO_COMPLETION
                                                                              : 0;
}
}
