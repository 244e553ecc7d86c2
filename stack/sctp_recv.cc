// SPDX-License-Identifier: BSD-3-Clause
// SCTP's way up: parts of messages out of libusrsctp into mbufs, and from there into waiting receives or
// the Inbox, which the application empties as any other.
#include <usrsctp.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "stack/sctp.h"
#include "stack/sctp_engine.h"

namespace millrace {
namespace {

ssize_t read(SctpEndpoint* endpoint, std::span<char> into, int& flags) {
  sockaddr_conn from{};
  socklen_t from_bytes = sizeof from, info_bytes = 0;
  unsigned info = 0;
  return usrsctp_recvv(endpoint, into.data(), into.size(), reinterpret_cast<sockaddr*>(&from), &from_bytes, nullptr,
                       &info_bytes, &info, &flags);
}

}  // namespace

/// The Inbox takes another mbuf. What it does not take stays with libusrsctp, and in the peer's window.
bool SctpSocket::has_room() const noexcept {
  if (inbox_.empty() && loans.n_mbufs == 0) return true;
  const uint64_t n_mbufs = uint64_t{inbox_.parcels()} + loans.n_mbufs;
  return n_mbufs < stack_.config().stack.max_inbox_mbufs_per_socket &&
         inbox_.bytes() + loans.bytes < options.receive_buffer_bytes && !stack_.mbufs_are_scarce();
}

/// The first message is longer than what may wait: it will not be here whole, at least not while loans are out.
bool SctpSocket::is_stuck() const noexcept {
  return !inbox_.empty() && !has_room() && !inbox_.has_whole_message();
}

bool SctpSocket::has_something(uint32_t flags) const noexcept {
  return has_enough(inbox_, service_flags(), flags) || (takes_parts() && is_stuck());
}

/// What is there of the first message is all that the request has room for: it need not wait for the rest
/// (contract: B10 a).
bool SctpSocket::would_fill(const Request& request) const noexcept {
  if (!takes_parts() || inbox_.empty()) return false;
  if (request.loans.is_set()) return request.loans.room() <= inbox_.mbufs_of_first_message();
  return request.cursor.remaining() <= inbox_.first_message().bytes;
}

Outcome SctpSocket::receive(const ReceiveCall& call) {
  const bool waits_for_own_loans = !takes_parts() && loans.n_mbufs != 0 && is_stuck();
  if (call.loans != nullptr && waits_for_own_loans) {  // contract: Z4
    ++stack_.counters.loans_refused;
    return {WsaError::kNoBufs};
  }
  return Socket::receive(call);
}

void SctpSocket::pull() noexcept {
  if (receive_is_shut_ && receives_.empty()) inbox_.clear();
  while (endpoint_ != nullptr && has_room() && has_news() && pull_one()) {
  }
  if (awaits_end_ && is_cut_off_next()) awaits_end_ = false;
  end_message();
  if (!is_stuck() || takes_parts() || loans.n_mbufs != 0 || endpoint_ == nullptr) return;
  // Without MSG_PARTIAL nobody could ever receive it (contract: B10 b).
  ++stack_.counters.sctp_message_too_long;
  inbox_.clear();
  close_sctp(std::exchange(endpoint_, nullptr), false);
  end(WsaError::kConnAborted);
}

bool SctpSocket::has_news() const noexcept {
  return (usrsctp_get_events(endpoint_) & (SCTP_EVENT_READ | SCTP_EVENT_ERROR)) != 0;
}

/// What was read last is all that will come of its message: the next notification says so.
bool SctpSocket::is_cut_off_next() const noexcept {
  if (endpoint_ == nullptr || !has_news()) return false;
  uint16_t type = 0;
  int flags = MSG_PEEK;
  const ssize_t n = read(endpoint_, {reinterpret_cast<char*>(&type), sizeof type}, flags);
  return n == sizeof type && (flags & MSG_NOTIFICATION) != 0 && type == SCTP_PARTIAL_DELIVERY_EVENT;
}

/// A part of a message, as much as an mbuf holds, or a notification. @return false: nothing more for now
bool SctpSocket::pull_one() noexcept {
  pbuf* const part = new_parcel();
  if (part == nullptr) {
    if (!std::exchange(awaits_memory_, true)) stack_.retry_later(*this);
    return false;
  }
  const std::span<char> room = room_of(*part);
  int flags = 0;
  const ssize_t n = read(endpoint_, room, flags);
  if (n > 0 && (flags & MSG_NOTIFICATION) == 0) {
    end_message();
    shorten(*part, static_cast<uint16_t>(n));
    stack_.counters.bytes_copied += static_cast<uint64_t>(n);
    deliver(part, (flags & MSG_EOR) != 0);
    return true;
  }
  const int error = errno;
  if (n > 0) on_notification(room.first(static_cast<size_t>(n)));
  free_parcel(part);
  if (n > 0) return true;
  end_message();
  if (n < 0 && (error == EWOULDBLOCK || error == EAGAIN)) return false;
  peer_closed_ = true;  // RFC 9260 9.2: both have shut down, all is acknowledged
  end(n == 0 ? WsaError::kOk : error == ECONNRESET ? WsaError::kConnReset : WsaError::kConnAborted);
  return false;
}

// RFC 6458 6.1
void SctpSocket::on_notification(std::span<const char> bytes) noexcept {
  uint16_t type;
  if (bytes.size() < sizeof type) return;
  std::memcpy(&type, bytes.data(), sizeof type);
  if (type == SCTP_PARTIAL_DELIVERY_EVENT) {
    awaits_end_ = false;
    is_cut_off_ = true;
    return;
  }
  end_message();
  switch (type) {
    case SCTP_ASSOC_CHANGE:
      return on_association_change(bytes);
    case SCTP_SHUTDOWN_EVENT:
      peer_closed_ = true;
      return;
    case SCTP_SEND_FAILED_EVENT:
      has_failed_sends_ = true;
      return;
    default:
      return;
  }
}

void SctpSocket::on_association_change(std::span<const char> bytes) noexcept {
  sctp_assoc_change change;
  if (bytes.size() < sizeof change) return;
  std::memcpy(&change, bytes.data(), sizeof change);
  const bool is_by_peer = bytes.size() > sizeof change;  // its ABORT follows
  switch (change.sac_state) {
    case SCTP_COMM_UP:
      if (state_ == State::kConnecting) begin(stack_.now_ns());
      return;
    case SCTP_RESTART:
      return on_restart();
    case SCTP_COMM_LOST:
      if (is_by_peer) return end(WsaError::kConnReset);  // contract: E14
      // Nothing was in flight, so it was the heartbeat that found nobody (contract: E5, else E13).
      return end(options.keep_alive && !has_failed_sends_ ? WsaError::kNetReset : WsaError::kConnAborted);
    case SCTP_CANT_STR_ASSOC:
      return end(is_by_peer ? WsaError::kConnRefused : WsaError::kTimedOut);
    case SCTP_SHUTDOWN_COMP:
      peer_closed_ = true;
      return end(WsaError::kOk);
    default:
      return;
  }
}

/// The peer has lost what it knew (RFC 9260 5.2.2): this connection is reset, and what follows on the same
/// endpoint is another one, for whoever listens.
void SctpSocket::on_restart() noexcept {
  ++stack_.counters.sctp_restarts;
  SctpEndpoint* const endpoint = std::exchange(endpoint_, nullptr);
  const SctpFlow flow = *flow_;
  end(WsaError::kConnReset);
  stack_.sctp().take_restarted(endpoint, flow);
}

void SctpSocket::deliver(pbuf* part, bool ends_message) noexcept {
  if (receive_is_shut_ && receives_.empty()) {
    ++stack_.counters.rx_after_shutdown;
    return free_parcel(part);
  }
  // Messages behind one that was cut off would leave a hole.
  if (is_cut_off_) return free_parcel(part);
  inbox_.push(part);
  note_arrival(FD_READ);
  awaits_end_ = ends_message;
  if (!ends_message) serve_arrival();
}

/// libusrsctp says of the last part that there was of a message that it ends it, even where the association
/// ended in the middle of it, and only then that it was cut off.
void SctpSocket::end_message() noexcept {
  if (!std::exchange(awaits_end_, false)) return;
  inbox_.mark_last(Inbox::kEnds);
  serve_arrival();
}

void SctpSocket::serve_arrival() noexcept {
  const bool is_direct = !receives_.empty() && inbox_.parcels() == 1;
  serve_receives();
  if (is_direct && inbox_.empty()) ++stack_.counters.recv_direct;
  if (receive_is_shut_ && receives_.empty()) inbox_.clear();  // the rest is nobody's
}

/// Receives are served in their order (contract: B16): with a message, or, where one is longer than what may
/// wait here, with what there is of it, and the rest as it comes (contract: B10 a).
void SctpSocket::serve_receives() noexcept {
  while (!receives_.empty()) {
    Request& request = *receives_.front();
    const bool is_whole = has_enough(inbox_, service_flags(), request.flags);
    if (!has_something(request.flags) && !would_fill(request)) return;
    const Outcome outcome = request.loans.is_set() ? lend_message(request.loans)
                                                   : take_counted(request.cursor, request.flags);
    request.bytes += outcome.bytes;
    request.outcome.flags = outcome.flags;
    if (!is_whole && !request.is_full() && outcome.error == WsaError::kOk) return;
    finish(receives_, request, outcome.error);
  }
}

Outcome SctpSocket::take_counted(BufferCursor& to, uint32_t flags) noexcept {
  const Outcome outcome = take_parcels(inbox_, to, service_flags(), flags);
  stack_.counters.bytes_copied += outcome.bytes;
  stack_.counters.bytes_delivered += outcome.bytes;
  return outcome;
}

/// A message in as many WSABUFs as it has mbufs; for fewer, its beginning, or without MSG_PARTIAL nothing.
Outcome SctpSocket::lend_message(LoanCursor& to) noexcept {
  if (loan_room() == 0) {
    ++stack_.counters.loans_refused;
    return {WsaError::kNoBufs};
  }
  const Inbox::Message message = inbox_.first_message();
  const uint32_t n_mbufs = inbox_.mbufs_of_first_message();
  if (!takes_parts() && n_mbufs > to.room()) {
    to.need(n_mbufs);
    return {WsaError::kMsgSize};
  }
  const uint32_t n = inbox_.lend(to);
  stack_.counters.bytes_delivered += n;
  return {WsaError::kOk, n, message.is_whole && n == message.bytes ? 0 : uint32_t{MSG_PARTIAL}};
}

WsaError SctpSocket::receive_refusal(const ReceiveCall& call) const noexcept {
  constexpr uint32_t kKnown = WS_MSG_PEEK | MSG_PARTIAL | MSG_PUSH_IMMEDIATE;
  if (const WsaError error = flags_refusal(call, kKnown); error != WsaError::kOk) return error;
  if (call.buffers.empty()) return WsaError::kInval;
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  return receive_is_shut_ ? WsaError::kShutdown : WsaError::kOk;
}

bool SctpSocket::can_take(uint32_t flags) const noexcept {
  return has_something(flags) || peer_closed_ || state_ == State::kEnded;
}

// contract: B12 E15
WsaError SctpSocket::end_of_association() const noexcept {
  return end_error_ != WsaError::kOk ? end_error_ : graceful_end_of(service_flags());
}

Outcome SctpSocket::take(BufferCursor& to, uint32_t flags, const FromAddress&) noexcept {
  if (!has_something(flags)) {
    inbox_.clear();  // of a message that its sender never finished
    return {end_of_association()};
  }
  const Outcome outcome = take_counted(to, flags);
  if ((flags & WS_MSG_PEEK) == 0) ++stack_.counters.recv_queued;
  pull();
  return outcome;
}

Outcome SctpSocket::take_loans(LoanCursor& to, const FromAddress&) noexcept {
  if (!has_something(0)) {
    inbox_.clear();
    return {end_of_association()};
  }
  const Outcome outcome = lend_message(to);
  if (outcome.error == WsaError::kOk) ++stack_.counters.recv_queued;
  pull();
  return outcome;
}

void SctpSocket::loans_returned(uint32_t) noexcept { stack_.mark_dirty(*this); }

void SctpSocket::retry() noexcept {
  awaits_memory_ = false;
  stack_.mark_dirty(*this);
}

void SctpSocket::settle() noexcept {
  if (state_ == State::kListening) stack_.sctp().take_connections(local_.port);
  pull();
  serve_receives();
  if ((state_ == State::kEnded || peer_closed_) && !inbox_.has_whole_message()) {
    // A receive that has got a part already ends with it.
    if (!receives_.empty() && receives_.front()->bytes != 0) finish(receives_, *receives_.front(), WsaError::kOk);
    if (!receives_.empty()) inbox_.clear();
    finish_all(receives_, end_of_association());
  }
  if (state_ == State::kEnded || state_ == State::kFailed) {
    fail_sends();
  } else if (peer_closed_) {
    end_sends();
  } else if (!sends_.empty() && state_ == State::kConnected) {
    serve_sends();
  }
  serve_disconnects();
  if (listening != nullptr) announce_connections();
  Socket::settle();
}

}  // namespace millrace
