// SPDX-License-Identifier: BSD-3-Clause
// What ConnectEx and DisconnectEx need of a TCP socket.
//
// A ConnectEx is a send that waits for the connection: it fails with it, or goes out first on it.
#include <utility>

#include "stack/tcp.h"

namespace millrace {

Outcome TcpSocket::connect_ex(const Endpoint& peer, const SendCall& call) {
  switch (state_) {
    case State::kConnecting:
      return {WsaError::kAlready};
    case State::kConnected:
    case State::kEnded:
      return {WsaError::kIsConn};
    case State::kListening:
      return {WsaError::kInval};
    default:
      break;
  }
  if (!is_bound_ || chose_local_) return {WsaError::kInval};  // winsock-rules 193
  if (const WsaError error = start_connect(peer); error != WsaError::kOk) return {error};
  context = Context::kConnected;
  return start(sends_, call.tell, {.buffers = call.buffers});
}

Outcome TcpSocket::disconnect(const Overlapped& tell, bool for_reuse) {
  if (state_ != State::kConnected && state_ != State::kEnded) return {WsaError::kNotConn};
  if (const WsaError error = shutdown(SD_SEND); error != WsaError::kOk) return {error};
  stack_.mark_dirty(*this);  // it may be done already
  if (tell.overlapped != nullptr) {
    return start(disconnects_, tell, {.buffers = {}, .flags = for_reuse ? 1u : 0u});
  }
  Request request;
  request.flags = for_reuse ? 1 : 0;
  return wait_for(disconnects_, request, 0);
}

// RFC 9293 3.6: in FIN_WAIT_2 the peer has acknowledged our end; in TIME_WAIT both have closed, and
// settle() has let go of the pcb.
void TcpSocket::serve_disconnects() noexcept {
  while (!disconnects_.empty()) {
    Request& request = *disconnects_.front();
    const bool is_acknowledged = pcb_ == nullptr || pcb_->state == FIN_WAIT_2;
    const bool is_done = is_acknowledged && (request.flags == 0 || pcb_ == nullptr);
    if (!is_done) {
      // lwIP tells of acknowledged bytes, but not of an acknowledged FIN.
      const bool nobody_will_say = pcb_->state == FIN_WAIT_1 || pcb_->state == CLOSING;
      if (nobody_will_say && !std::exchange(awaits_memory_, true)) stack_.retry_later(*this);
      return;
    }
    finish(disconnects_, request, WsaError::kOk);
  }
}

// A ConnectEx that is cancelled takes its connection along.
uint32_t TcpSocket::cancel(const Cancelled& which) noexcept {
  const bool was_connecting = state_ == State::kConnecting && !sends_.empty();
  const uint32_t n = Socket::cancel(which);
  if (was_connecting && sends_.empty()) {
    release_pcb(false);
    state_ = State::kFailed;
    so_error_ = WsaError::kOperationAborted;
  }
  return n;
}

}  // namespace millrace
