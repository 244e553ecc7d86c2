// SPDX-License-Identifier: BSD-3-Clause
#include "stack/poll.h"

#include <algorithm>

#include "stack/socket.h"

namespace millrace {

bool look(PollEntry& entry) noexcept {
  const Socket& socket = *entry.socket;
  entry.is_closed = socket.is_closed();
  entry.reads = entry.wants_read && (entry.is_closed || socket.is_readable());
  entry.writes = entry.wants_write && !entry.is_closed && socket.is_writable();
  entry.has_exception = entry.wants_exception && !entry.is_closed && socket.has_exception();
  if (entry.asks != 0) {
    const SHORT now = entry.is_closed ? WS_POLLNVAL : socket.poll_events();
    entry.found = static_cast<SHORT>(now & entry.asks);
  }
  return entry.reads || entry.writes || entry.has_exception || entry.found != 0 || entry.is_closed;
}

namespace {

/// Calls visit(entries of one Stack) with its lock held, for each Stack.
template <typename Visitor>
void for_each_stack(std::span<PollEntry> entries, Visitor visit) {
  while (!entries.empty()) {
    Stack& stack = entries.front().socket->stack();
    size_t n = 1;
    while (n < entries.size() && &entries[n].socket->stack() == &stack) ++n;
    const Stack::Guard guard(stack);
    visit(stack, entries.first(n));
    entries = entries.subspan(n);
  }
}

uint32_t look_at_all(std::span<PollEntry> entries) {
  uint32_t n = 0;
  for_each_stack(entries, [&](Stack&, std::span<PollEntry> some) {
    n += static_cast<uint32_t>(std::count_if(some.begin(), some.end(), look));
  });
  return n;
}

}  // namespace

WsaError poll(Stack& home, std::span<PollEntry> entries, uint64_t deadline_ns,
              uint32_t& n_answered) {
  n_answered = look_at_all(entries);
  if (n_answered != 0) return WsaError::kOk;
  if (deadline_ns <= home.now_ns()) {
    for_each_stack(entries, [&](Stack& stack, std::span<PollEntry> some) {
      (void)stack.spin();
      n_answered += static_cast<uint32_t>(std::count_if(some.begin(), some.end(), look));
    });
    return WsaError::kOk;
  }
  Waiter waiter;
  for_each_stack(entries, [&](Stack&, std::span<PollEntry> some) {
    for (PollEntry& entry : some) {
      entry.link.waiter = &waiter;
      entry.socket->add_waiter(entry.link);
      if (look(entry)) waiter.notify();  // since the look before
    }
  });
  WaitEnd end = WaitEnd::kReady;
  while (n_answered == 0 && end == WaitEnd::kReady) {
    {
      const Stack::Guard guard(home);
      end = home.block(waiter, deadline_ns);
    }
    n_answered = look_at_all(entries);
  }
  for_each_stack(entries, [&](Stack&, std::span<PollEntry> some) {
    for (PollEntry& entry : some) entry.socket->remove_waiter(entry.link);
  });
  return n_answered == 0 && end == WaitEnd::kCancelled ? WsaError::kIntr : WsaError::kOk;
}

}  // namespace millrace
