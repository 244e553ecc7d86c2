// SPDX-License-Identifier: BSD-3-Clause
// SCTP's way down: bytes from WSABUFs into libusrsctp, which makes chunks of them; the last byte of a message
// is marked (SCTP_EOR), unless the call had MSG_PARTIAL.
#include <usrsctp.h>

#include <cerrno>
#include <utility>

#include "stack/sctp.h"
#include "stack/sctp_engine.h"

namespace millrace {

WsaError SctpSocket::send_refusal() const noexcept {
  if (state_ == State::kEnded && end_error_ != WsaError::kOk) return end_error_;
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  if (send_is_shut_) return WsaError::kShutdown;
  // RFC 9260 9.2: who has got a SHUTDOWN takes no more from his user; SCTP has no half-closed state.
  return state_ == State::kEnded || peer_closed_ || takes_nothing_ ? WsaError::kConnAborted : WsaError::kOk;
}

Outcome SctpSocket::send(const SendCall& call) {
  const uint32_t known = WS_MSG_DONTROUTE | (options.whole_messages ? 0u : uint32_t{MSG_PARTIAL});
  if ((call.flags & ~known) != 0) return {WsaError::kOpNotSupp};
  if (const WsaError refusal = send_refusal(); refusal != WsaError::kOk) return {refusal};
  BufferCursor from(call.buffers);
  if (from.at_end()) return {WsaError::kInval};  // no chunk carries nothing (RFC 9260 3.3.1)
  uint32_t sent = 0;
  if (sends_.empty()) {
    sent = write(from, call.flags);
    if (from.at_end()) {
      complete_now(call.tell, {WsaError::kOk, sent, 0});
      return {WsaError::kOk, sent, 0};
    }
    if (takes_nothing_ && sent == 0) return {WsaError::kConnAborted};
  }
  if (call.tell.overlapped != nullptr) {
    return start(sends_, call.tell, {.buffers = call.buffers, .flags = call.flags, .done_bytes = sent});
  }
  // A message goes as a whole: of one that was begun the rest follows, whether or not the call may wait.
  if (options.is_nonblocking) {
    if (sent == 0) (void)stack_.spin();
    allow_events(FD_WRITE);
    return sent != 0 ? Outcome{WsaError::kOk, sent, 0} : Outcome{WsaError::kWouldBlock};
  }
  Request request;
  request.flags = call.flags;
  request.cursor = from;
  request.bytes = sent;
  return wait_for(sends_, request, options.send_timeout_ms);
}

void SctpSocket::note_refusal(int error) noexcept {
  if (error == EWOULDBLOCK || error == EMSGSIZE) return;  // for now: more than it has room for
  if (error == ENOBUFS || error == ENOMEM) {
    if (!std::exchange(awaits_memory_, true)) stack_.retry_later(*this);
  } else {
    takes_nothing_ = true;
  }
}

/// Hands libusrsctp as much as it takes. @return bytes; the cursor is behind them
uint32_t SctpSocket::write(BufferCursor& from, uint32_t flags) noexcept {
  uint32_t total = 0;
  while (!from.at_end() && endpoint_ != nullptr) {
    const uint32_t n = from.contiguous();
    const bool is_last = n == from.remaining();
    sctp_sndinfo info{};
    info.snd_flags = is_last && ends_message(service_flags(), flags) ? SCTP_EOR : uint16_t{0};
    const ssize_t sent = usrsctp_sendv(endpoint_, from.data(), n, nullptr, 0, &info, sizeof info,
                                       SCTP_SENDV_SNDINFO, 0);
    if (sent <= 0) {
      note_refusal(sent < 0 ? errno : EWOULDBLOCK);
      break;
    }
    from.advance(static_cast<uint32_t>(sent));
    is_in_message_ = info.snd_flags == 0 || static_cast<uint32_t>(sent) != n;
    total += static_cast<uint32_t>(sent);
  }
  return total;
}

void SctpSocket::serve_sends() noexcept {
  while (!sends_.empty()) {
    Request& request = *sends_.front();
    request.bytes += write(request.cursor, request.flags);
    if (takes_nothing_) return finish_all(sends_, WsaError::kConnAborted);
    if (!request.cursor.at_end()) return;
    finish(sends_, request, WsaError::kOk);
  }
  if (send_is_shut_) shut_send();
}

/// Overlapped sends that wait for room go first; serve_sends() then comes back here.
void SctpSocket::shut_send() noexcept {
  if (endpoint_ == nullptr || !sends_.empty()) return;
  (void)usrsctp_shutdown(endpoint_, SHUT_WR);
  stack_.mark_dirty(*this);  // in the middle of a message that is an ABORT, of which no upcall tells
}

/// The peer has shut down and takes nothing new (RFC 9260 9.2). A message that was begun will never be whole, and
/// libusrsctp would wait for its rest: such an association ends, behind what was sent before, with an ABORT.
void SctpSocket::end_sends() noexcept {
  finish_all(sends_, WsaError::kConnAborted);
  if (endpoint_ == nullptr || !is_in_message_ || !everything_is_acknowledged()) return;
  close_sctp(std::exchange(endpoint_, nullptr), false);
  end(WsaError::kOk);
}

void SctpSocket::flush_sends() noexcept {
  Request* request = sends_.front();
  while (request != nullptr) {
    Request* const next = request->next;
    const bool has_begun = request->bytes != 0 || request->waiter != nullptr;
    if (!has_begun) finish(sends_, *request, WsaError::kOperationAborted);
    request = next;
  }
}

WsaError SctpSocket::shutdown(int how) {
  if (how != SD_RECEIVE && how != SD_SEND && how != SD_BOTH) return WsaError::kInval;
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  if (how != SD_SEND) {
    receive_is_shut_ = true;
    // Pending receives go on (winsock-rules 98), and what is here may be the beginning of their message.
    if (receives_.empty()) inbox_.clear();
    stack_.mark_dirty(*this);  // what waits in libusrsctp is nobody's, either
  }
  if (how != SD_RECEIVE && !std::exchange(send_is_shut_, true)) shut_send();
  return WsaError::kOk;
}

bool SctpSocket::everything_is_acknowledged() const noexcept {
  if (endpoint_ == nullptr) return true;
  sctp_status status{};
  socklen_t bytes = sizeof status;
  const bool is_known = usrsctp_getsockopt(endpoint_, IPPROTO_SCTP, SCTP_STATUS, &status, &bytes) == 0;
  return sends_.empty() && (!is_known || (status.sstat_unackdata == 0 && status.sstat_penddata == 0));
}

bool SctpSocket::linger(uint64_t deadline_ns) {
  if (state_ != State::kConnected || everything_is_acknowledged()) return true;
  if (deadline_ns == 0) return false;
  return block_until(deadline_ns, [this] { return everything_is_acknowledged(); }) == WsaError::kOk;
}

/// Whether or not its end has been read, which stands behind all messages.
bool SctpSocket::is_over() const noexcept {
  if (endpoint_ == nullptr) return true;
  sctp_status status{};
  socklen_t bytes = sizeof status;
  return usrsctp_getsockopt(endpoint_, IPPROTO_SCTP, SCTP_STATUS, &status, &bytes) != 0;
}

// For reuse or not: the end that the peer acknowledges is its own, too (RFC 9260 9.2, no half-closed state).
void SctpSocket::serve_disconnects() noexcept {
  if (!disconnects_.empty() && is_over()) finish_all(disconnects_, WsaError::kOk);
}

}  // namespace millrace
