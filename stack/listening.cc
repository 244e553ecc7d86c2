// SPDX-License-Identifier: BSD-3-Clause
// The connections that wait at a listener, whatever their transport.
#include "stack/listening.h"

#include "stack/socket.h"

namespace millrace {

Socket* Socket::take_pending(WsaError& error, bool may_wait) {
  if (!is_listening()) {
    error = WsaError::kInval;
    return nullptr;
  }
  std::deque<Socket*>& queue = listening->queue;
  if (queue.empty() && may_wait && options.is_nonblocking) (void)stack_.spin();
  if (queue.empty()) {
    error = options.is_nonblocking || !may_wait
                ? WsaError::kWouldBlock
                : block_until(kNoDeadline, [&queue] { return !queue.empty(); });
    if (error != WsaError::kOk) return nullptr;
  }
  Socket* const child = queue.front();
  queue.pop_front();
  if (listening->n_offered != 0) --listening->n_offered;
  child->options.is_nonblocking = options.is_nonblocking;  // it may have changed since
  error = WsaError::kOk;
  return child;
}

void Socket::give_back(Socket& pending, bool is_offered) noexcept {
  if (is_closed_ || listening == nullptr) return pending.reset();
  pending.ref();
  listening->queue.push_front(&pending);
  if (!is_offered) return;
  ++listening->n_offered;
  readiness_changed();  // FD_ACCEPT was told, and is not again
}

void Socket::offer_connections() noexcept {
  if (listening == nullptr || listening->n_offered == listening->queue.size()) return;
  listening->n_offered = listening->queue.size();
  note_arrival(FD_ACCEPT);
  readiness_changed();
}

void Socket::announce_connections() noexcept {
  if (listening->on_connection == nullptr) return offer_connections();
  if (listening->queue.empty()) return;
  Completion news;
  news.tell.finisher = listening->on_connection;
  news.packets.key = listening->accepts_for;
  stack_.post(news);
}

void Socket::reset_pending() noexcept {
  if (listening == nullptr) return;
  for (Socket* child : listening->queue) {
    child->reset();
    child->unref();
  }
  listening->queue.clear();
  listening->n_offered = 0;
}

}  // namespace millrace
