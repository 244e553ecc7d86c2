// SPDX-License-Identifier: BSD-3-Clause
#include "stack/connection.h"

namespace millrace {

WsaError Connection::connect_refusal() const noexcept {
  switch (state_) {
    case State::kListening:
      return WsaError::kInval;
    case State::kConnecting:
      return WsaError::kAlready;
    case State::kConnected:
    case State::kEnded:
      return WsaError::kIsConn;
    default:
      return WsaError::kOk;
  }
}

WsaError Connection::connect(const Endpoint& peer) {
  if (const WsaError refusal = connect_refusal(); refusal != WsaError::kOk) return refusal;
  if (const WsaError error = start_connect(peer); error != WsaError::kOk) return error;
  if (options.is_nonblocking) return WsaError::kWouldBlock;
  const WsaError error = block_until(kNoDeadline, [this] { return state_ != State::kConnecting; });
  if (error != WsaError::kOk) return error;
  if (state_ != State::kFailed) return WsaError::kOk;
  has_failed_ = true;
  state_ = State::kOpen;  // a blocking connect that failed may be tried again (winsock-rules 195)
  return so_error_;
}

void Connection::begin_connecting() noexcept {
  so_error_ = WsaError::kOk;
  has_failed_ = false;
  state_ = State::kConnecting;
  allow_events(FD_ALL_EVENTS);  // another attempt on the same socket
}

Outcome Connection::connect_ex(const Endpoint& peer, const SendCall& call) {
  if (const WsaError refusal = connect_refusal(); refusal != WsaError::kOk) return {refusal};
  if (!is_bound_ || chose_local_) return {WsaError::kInval};  // winsock-rules 193
  if (const WsaError error = start_connect(peer); error != WsaError::kOk) return {error};
  context = Context::kConnected;
  return start(sends_, call.tell, {.buffers = call.buffers});
}

Outcome Connection::disconnect(const Overlapped& tell, bool for_reuse) {
  if (state_ != State::kConnected && state_ != State::kEnded) return {WsaError::kNotConn};
  if (const WsaError error = shutdown(SD_SEND); error != WsaError::kOk) return {error};
  stack_.mark_dirty(*this);  // it may be done already
  const uint32_t flags = for_reuse ? 1 : 0;
  if (tell.overlapped != nullptr) return start(disconnects_, tell, {.buffers = {}, .flags = flags});
  Request request;
  request.flags = flags;
  return wait_for(disconnects_, request, 0);
}

// A ConnectEx that is cancelled takes its connection along.
uint32_t Connection::cancel(const Cancelled& which) noexcept {
  const bool was_connecting = state_ == State::kConnecting && !sends_.empty();
  const uint32_t n = Socket::cancel(which);
  if (was_connecting && sends_.empty()) {
    release_pcb(false);
    state_ = State::kFailed;
    so_error_ = WsaError::kOperationAborted;
  }
  return n;
}

// winsock-rules 93, 168. A failed connect as Windows tells it since 10 version 2004: Microsoft's page WSAPoll.
SHORT Connection::poll_events() const noexcept {
  constexpr SHORT kLost = WS_POLLERR | WS_POLLHUP;
  if (state_ == State::kListening) return is_readable() ? WS_POLLRDNORM : 0;
  if (state_ == State::kFailed || has_failed_) return kLost | WS_POLLWRNORM;
  if (state_ != State::kConnected && state_ != State::kEnded) return 0;
  int now = 0;
  if (!receive_is_shut_ && has_input()) now |= WS_POLLRDNORM;
  if (is_writable()) now |= WS_POLLWRNORM;
  if (peer_closed_) now |= WS_POLLHUP;
  if (end_error_ != WsaError::kOk) now |= kLost;
  return static_cast<SHORT>(now);
}

WsaError Connection::event_error(uint32_t event) const noexcept {
  if (event == FD_CONNECT) return state_ == State::kFailed ? so_error_ : WsaError::kOk;
  if (event != FD_CLOSE || state_ != State::kEnded) return WsaError::kOk;
  // What later calls say of a peer that keep-alive did not find is no reason to close.
  return end_error_ == WsaError::kNotConn ? WsaError::kConnAborted : end_error_;
}

void Connection::fail_sends() noexcept {
  const WsaError why = state_ == State::kFailed ? so_error_ : end_error_;
  finish_all(sends_, why == WsaError::kOk ? WsaError::kConnAborted : why);
  // Operations in progress hear of the keep-alive, later ones of no connection: winsock-rules 95.
  if (end_error_ == WsaError::kNetReset) end_error_ = WsaError::kNotConn;
}

}  // namespace millrace
