// SPDX-License-Identifier: BSD-3-Clause
#include "stack/poll.h"

#include <algorithm>
#include <vector>

#include "stack/socket.h"

namespace millrace {
namespace {

bool look(PollEntry& entry) {
  const Socket& socket = *entry.socket;
  entry.is_closed = socket.is_closed();
  entry.reads = entry.wants_read && (entry.is_closed || socket.is_readable());
  entry.writes = entry.wants_write && !entry.is_closed && socket.is_writable();
  entry.has_exception = entry.wants_exception && !entry.is_closed && socket.has_exception();
  return entry.reads || entry.writes || entry.has_exception || entry.is_closed;
}

uint32_t look_at_all(std::span<PollEntry> entries) {
  return static_cast<uint32_t>(std::count_if(entries.begin(), entries.end(), look));
}

}  // namespace

WsaError poll(Stack& stack, std::span<PollEntry> entries, uint64_t deadline_ns,
              uint32_t& n_answered) {
  n_answered = look_at_all(entries);
  if (n_answered != 0) return WsaError::kOk;
  if (deadline_ns <= stack.now_ns()) {
    (void)stack.turn();
    n_answered = look_at_all(entries);
    return WsaError::kOk;
  }
  Waiter waiter;
  std::vector<WaitLink> links(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    links[i].waiter = &waiter;
    entries[i].socket->add_waiter(links[i]);
  }
  WaitEnd end = WaitEnd::kReady;
  while (n_answered == 0 && end == WaitEnd::kReady) {
    end = stack.block(waiter, deadline_ns);
    n_answered = look_at_all(entries);
  }
  for (size_t i = 0; i < entries.size(); ++i) entries[i].socket->remove_waiter(links[i]);
  return n_answered == 0 && end == WaitEnd::kCancelled ? WsaError::kIntr : WsaError::kOk;
}

}  // namespace millrace
