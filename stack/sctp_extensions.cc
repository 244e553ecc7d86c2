// SPDX-License-Identifier: BSD-3-Clause
// What ConnectEx and DisconnectEx need of an SCTP socket.
//
// A ConnectEx is a message that waits for the association: it fails with it, or goes out first on it.
#include <usrsctp.h>

#include "stack/sctp.h"
#include "stack/sctp_engine.h"

namespace millrace {

Outcome SctpSocket::connect_ex(const Endpoint& peer, const SendCall& call) {
  if (const WsaError refusal = connect_refusal(); refusal != WsaError::kOk) return {refusal};
  if (!is_bound_ || chose_local_) return {WsaError::kInval};  // winsock-rules 193
  if (const WsaError error = start_connect(peer); error != WsaError::kOk) return {error};
  context = Context::kConnected;
  return start(sends_, call.tell, {.buffers = call.buffers});
}

// RFC 9260 9.2: SCTP has no half-closed state, so the end that the peer acknowledges is its own, too: for
// reuse or not, it is done when the association is over.
Outcome SctpSocket::disconnect(const Overlapped& tell, bool) {
  if (state_ != State::kConnected && state_ != State::kEnded) return {WsaError::kNotConn};
  if (const WsaError error = shutdown(SD_SEND); error != WsaError::kOk) return {error};
  stack_.mark_dirty(*this);  // it may be done already
  if (tell.overlapped != nullptr) return start(disconnects_, tell, {});
  Request request;
  return wait_for(disconnects_, request, 0);
}

/// Whether or not its end has been read, which stands behind all messages.
bool SctpSocket::is_over() const noexcept {
  if (endpoint_ == nullptr) return true;
  sctp_status status{};
  socklen_t bytes = sizeof status;
  return usrsctp_getsockopt(endpoint_, IPPROTO_SCTP, SCTP_STATUS, &status, &bytes) != 0;
}

void SctpSocket::serve_disconnects() noexcept {
  if (!disconnects_.empty() && is_over()) finish_all(disconnects_, WsaError::kOk);
}

// A ConnectEx that is cancelled takes its association along.
uint32_t SctpSocket::cancel(const Cancelled& which) noexcept {
  const bool was_connecting = state_ == State::kConnecting && !sends_.empty();
  const uint32_t n = Socket::cancel(which);
  if (was_connecting && sends_.empty()) {
    drop_endpoint(false);
    state_ = State::kFailed;
    so_error_ = WsaError::kOperationAborted;
  }
  return n;
}

}  // namespace millrace
