// SPDX-License-Identifier: BSD-3-Clause
#include "stack/network_events.h"

#include <bit>
#include <utility>

#include "stack/application.h"
#include "stack/delivery.h"
#include "stack/tcp.h"

namespace millrace {
namespace {

/// WSAMAKESELECTREPLY.
LPARAM reply_of(uint32_t event, WsaError error) noexcept {
  return static_cast<LPARAM>(event | static_cast<uint32_t>(error) << 16);
}

}  // namespace

void EventSignal::show(const Application& application) const noexcept {
  if (event != nullptr) {
    application.signal_event(event);
  } else {
    application.post_message(window, message, name, detail);
  }
}

void Socket::select_events(const EventSelection& wanted) {
  options.is_nonblocking = true;  // winsock-rules 144
  if (events_ == nullptr) events_ = std::make_unique<NetworkEvents>();
  events_->select(wanted);
  record_events();
}

void Socket::allow_events(uint32_t events) noexcept {
  if (events_ == nullptr) return;
  events_->told &= ~events;
  record_events();
}

// After the close nothing is told any more (winsock-rules 134).
void Socket::record_events() noexcept {
  if (is_closed_) return;
  NetworkEvents& events = *events_;
  const EventSelection& selection = events.selection;
  const uint32_t fresh = (events_now() | events.changed) & selection.mask & ~events.told;
  if (fresh == 0) return;
  events.told |= fresh;
  for (uint32_t left = fresh; left != 0; left &= left - 1) {
    const uint32_t event = left & -left;
    const WsaError error = event_error(event);
    if (selection.posts_messages) {
      stack_.post({.window = selection.window,
                   .message = selection.message,
                   .name = selection.name,
                   .detail = reply_of(event, error)});
    } else {
      events.errors[static_cast<size_t>(std::countr_zero(event))] = static_cast<INT>(error);
    }
  }
  if (selection.posts_messages) return;
  events.recorded |= fresh;
  stack_.post(EventSignal{.event = selection.event});
}

uint32_t Socket::take_events(std::array<INT, FD_MAX_EVENTS>& errors) noexcept {
  if (events_ == nullptr) return 0;
  stack_.finish_showing();
  errors = events_->errors;
  return std::exchange(events_->recorded, 0);
}

void Socket::repeat_signal() noexcept {
  if (events_ == nullptr || events_->recorded == 0) return;
  stack_.post(EventSignal{.event = events_->selection.event});
}

// FD_READ is about data alone; the end of a stream is FD_CLOSE's, with or without unread data
// (winsock-rules 152 to 154).
uint32_t TcpSocket::events_now() const noexcept {
  switch (state_) {
    case State::kListening:
      return listening->n_offered == 0 ? 0 : FD_ACCEPT;
    case State::kFailed:
      return FD_CONNECT;
    case State::kConnected:
    case State::kEnded:
      break;
    default:
      return 0;
  }
  uint32_t now = was_accepted_ ? 0 : FD_CONNECT;
  if (has_enough(source_of(0), kTcpServiceFlags, 0)) now |= FD_READ;
  if (!options.oob_inline && has_urgent()) now |= FD_OOB;
  if (peer_closed_ || state_ == State::kEnded) now |= FD_CLOSE;
  if (state_ == State::kConnected && !send_is_shut_ && is_writable()) now |= FD_WRITE;
  return now;
}

}  // namespace millrace
