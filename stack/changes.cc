// SPDX-License-Identifier: BSD-3-Clause
// Who waits for a change of our addresses or routes, and is told of it (winsock-rules 177).
//
// Addresses change when a lease is gained or lost, routes then and when a link goes or comes back.
// A route has changed when packets to its destination would come from another address of ours than
// at the time of asking. Each notice is for one change: whoever wants the next asks again.
#include <algorithm>

#include "stack/socket.h"
#include "stack/stack.h"

namespace millrace {

Outcome Socket::await_change(const Overlapped& tell, uint32_t event, const IpAddress& to) {
  if (events_ == nullptr) events_ = std::make_unique<NetworkEvents>();
  NetworkEvents& events = *events_;
  AwaitedChange awaited{event, to, std::nullopt, 0};
  if (event == FD_ROUTING_INTERFACE_CHANGE) awaited.by = stack_.source_toward(to);
  if (tell.overlapped != nullptr) {
    awaited.request = ++events.n_asked;
    const Outcome outcome = start(events.changes, tell, {.buffers = {}, .flags = awaited.request});
    if (outcome.error == WsaError::kIoPending) events.awaited.push_back(awaited);
    return outcome;
  }
  std::erase_if(events.awaited, [&](const AwaitedChange& earlier) {
    return earlier.request == 0 && earlier.event == event && earlier.to == to;
  });
  events.awaited.push_back(awaited);
  events.changed &= ~event;
  events.told &= ~event;  // asking again is what re-enables it
  if (options.is_nonblocking) return {WsaError::kWouldBlock};
  return {block_until(kNoDeadline, [&] { return (events.changed & event) != 0; })};
}

void Socket::on_network_changed(uint8_t family) noexcept {
  if (events_ == nullptr || is_closed_) return;
  NetworkEvents& events = *events_;
  const bool is_concerned = family == family_ || (options.dual_mode && family != 0);
  const uint32_t before = events.changed;
  const auto is_over = [&](const AwaitedChange& awaited) {
    const bool has_changed = awaited.event == FD_ADDRESS_LIST_CHANGE
                                 ? is_concerned
                                 : stack_.source_toward(awaited.to) != awaited.by;
    if (has_changed && awaited.request == 0) events.changed |= awaited.event;
    Request* request = awaited.request == 0 ? nullptr : events.changes.front();
    while (request != nullptr && request->flags != awaited.request) request = request->next;
    const bool was_cancelled = awaited.request != 0 && request == nullptr;
    if (has_changed && request != nullptr) finish(events.changes, *request, WsaError::kOk);
    return has_changed || was_cancelled;
  };
  std::erase_if(events.awaited, is_over);
  if (events.changed != before) readiness_changed();
}

void Stack::tell_changes(uint8_t family) noexcept {
  for (const Slot& slot : slots_) {
    if (slot.socket != nullptr) slot.socket->on_network_changed(family);
  }
}

}  // namespace millrace
