// SPDX-License-Identifier: BSD-3-Clause
// TCP's way up: from what lwIP delivers into waiting receives or the Inbox, and from there to the
// window, which opens by what was taken.
#include <algorithm>
#include <utility>

#include "stack/delivery.h"
#include "stack/demux.h"
#include "stack/lwip_glue.h"
#include "stack/prefetch.h"
#include "stack/take.h"
#include "stack/tcp.h"

namespace millrace {
namespace {

/// With timestamps a segment has room for three.
constexpr int kMostBlocks = 3;
static_assert(kMostBlocks <= LWIP_TCP_MAX_SACK_NUM);

}  // namespace

void TcpSocket::fetch(const void* socket) noexcept {
  const auto& self = *static_cast<const TcpSocket*>(socket);
  self.fetch_hot();
  fetch_lines(&self.end_error_, &self.connected_at_ns_);  // one line, as the slab lays it
}

err_t TcpSocket::on_receive(void* arg, tcp_pcb*, pbuf* p, err_t) {
  if (arg == nullptr) {
    if (p != nullptr) pbuf_free(p);
    return ERR_OK;
  }
  auto& self = *static_cast<TcpSocket*>(arg);
  err_t result = ERR_OK;
  const uint32_t n = p == nullptr ? 0 : p->tot_len;
  if (p == nullptr) {
    self.peer_closed_ = true;
  } else if (self.has_no_room()) {
    result = self.squeeze(p);
  } else if (!self.expects_urgent()) {
    self.deliver(p);
  } else {
    result = self.deliver_marked(p);
  }
  if (result == ERR_OK) self.received_bytes_ += n;
  self.stack_.mark_dirty(self);
  return result;
}

// Nobody takes what arrives, and it holds more mbufs than its share, or hardly any are left.
bool TcpSocket::has_no_room() const noexcept {
  if (inbox_.empty() || receive_is_shut_) return false;
  return inbox_.parcels() >= stack_.config().stack.max_inbox_mbufs_per_socket ||
         stack_.mbufs_are_scarce();
}

// Small segments join the last mbuf; behind a well-filled one a new one may stand, since the window
// bounds how many of these there are. Else it stays with lwIP, which has acknowledged it and offers it
// again; what follows is not acknowledged, and will be sent again.
err_t TcpSocket::squeeze(pbuf* p) noexcept {
  const uint16_t n = p->tot_len;
  if (expects_urgent() || !inbox_.merge(p)) {
    if (!expects_urgent() && inbox_.ends_well_filled() && !stack_.mbufs_are_scarce()) {
      deliver(p);
      return ERR_OK;
    }
    ++stack_.counters.rx_put_off;
    return ERR_MEM;
  }
  stack_.counters.bytes_copied += n;
  stack_.counters.bytes_merged += n;
  note_arrival(FD_READ);
  return ERR_OK;
}

// Fills waiting receives straight from the mbuf (contract: Z3). A receive that is not full stays
// open to the end of the turn: more of the burst may be for it (contract: B9).
void TcpSocket::deliver(pbuf* p) noexcept {
  stack_.stages.on_delivered();
  while (!receives_.empty()) {
    Request& request = *receives_.front();
    fill(request, p);
    is_filling_ = true;
    if (p == nullptr && !request.is_full()) return;
    ++stack_.counters.recv_direct;
    is_filling_ = false;
    const bool holds_too_much = request.loans.is_set() && request.bytes == 0;
    if (holds_too_much) ++stack_.counters.loans_refused;
    finish(receives_, request, holds_too_much ? WsaError::kNoBufs : WsaError::kOk);
    if (p == nullptr) return;
  }
  if (p == nullptr) return;
  if (receive_is_shut_) {
    discard(p);
  } else {
    inbox_.push(p, 0, stack_.stages.delivered_ns());
    note_arrival(FD_READ);
  }
}

// After SD_RECEIVE nobody can have it: it is acknowledged, so that the peer comes to its end.
void TcpSocket::discard(pbuf* p) noexcept {
  ++stack_.counters.rx_after_shutdown;
  to_credit_ += p->tot_len;
  pbuf_free(p);
}

// What is copied goes back to the window in this turn; what is lent, when it is given back (Z4).
void TcpSocket::fill(Request& request, pbuf*& p) noexcept {
  uint32_t n;
  stack_.stages.on_copy([&] { return !request.is_full(); });
  if (request.loans.is_set()) {
    n = lend(p, request.loans);
  } else {
    n = scatter(p, request.cursor);
    to_credit_ += n;
    stack_.counters.bytes_copied += n;
  }
  request.sampled_ns = stack_.stages.on_copied();
  request.bytes += n;
  stack_.counters.bytes_delivered += n;
}

// The receive that is being filled gets no more in this turn, or not beyond this byte.
void TcpSocket::end_filling() noexcept {
  if (!std::exchange(is_filling_, false) || waits_for_all(*receives_.front())) return;
  ++stack_.counters.recv_direct;
  finish(receives_, *receives_.front(), WsaError::kOk);
}

void TcpSocket::settle() noexcept {
  end_filling();
  if (to_credit_ != 0) credit(std::exchange(to_credit_, 0));
  if (pcb_ != nullptr && pcb_->state == TIME_WAIT) forget_pcb();
  if ((pcb_ == nullptr || peer_closed_) && state_ != State::kOpen) end_receives();
  if (pcb_ == nullptr) {
    fail_sends();
  } else if (!sends_.empty() && state_ == State::kConnected) {
    serve_sends();
  }
  if (pcb_ != nullptr && state_ == State::kConnected) catch_up(*pcb_);
  if (!disconnects_.empty()) serve_disconnects();
  if (listening != nullptr) announce_connections();
  Socket::settle();
}

void TcpSocket::end_receives() noexcept {
  if (inbox_.empty()) {
    // What MSG_WAITALL has got so far is no error's prey (winsock-rules 128, 141).
    if (!receives_.empty() && receives_.front()->bytes != 0) finish(receives_, *receives_.front(), WsaError::kOk);
    finish_all(receives_, end_of_stream());
  }
  finish_all(urgent_receives_, end_of_stream());
}

// RFC 5681 4.2 wants an acknowledgement for each segment behind a hole, to be counted; SACK's blocks say more than a
// count, so that a burst needs one, as long as there is room for all blocks (Linux' tcp_comp_sack does as much).
bool TcpSocket::acknowledge_later(tcp_pcb& pcb) noexcept {
  auto* const self = static_cast<TcpSocket*>(pcb.callback_arg);
  if (self == nullptr || self->pcb_ != &pcb || self->state_ != State::kConnected) return false;
  const bool has_blocks = (pcb.flags & TF_SACK) != 0 && LWIP_TCP_SACK_VALID(&pcb, 0);
  if (!has_blocks || LWIP_TCP_SACK_VALID(&pcb, kMostBlocks - 1)) return false;
  tcp_clear_flags(&pcb, TF_ACK_DELAY | TF_ACK_NOW);
  self->owes_sacks_ = true;
  self->stack_.mark_dirty(*self);
  return true;
}

extern "C" err_t millrace_acknowledge(tcp_pcb* pcb) {
  if (TcpSocket::acknowledge_later(*pcb)) return ERR_OK;
  return tcp_send_empty_ack(pcb);
}

// What the segments of this turn owe (demux_predicted.cc): one acknowledgement for all of them, and what
// they made room for. A hole that has been filled was acknowledged then.
void TcpSocket::catch_up(tcp_pcb& pcb) noexcept {
  if (std::exchange(owes_sacks_, false) && LWIP_TCP_SACK_VALID(&pcb, 0)) tcp_set_flags(&pcb, TF_ACK_NOW);
  if ((pcb.flags & TF_ACK_NOW) != 0 || pcb.unsent != nullptr) stack_.demux().output(pcb);
}

// Opens the window by what was taken, less what SO_RCVBUF holds back. The right edge never moves
// left: a smaller buffer takes its share out of the credit that comes due.
void TcpSocket::credit(uint32_t bytes) noexcept {
  if (pcb_ == nullptr) return;
  const uint32_t full = millrace_tcp_wnd;
  if (options.receive_buffer_bytes >= full) {
    return stack_.demux().recved(*pcb_, bytes + std::exchange(held_back_, 0));
  }
  const uint32_t wanted = std::min(std::max<uint32_t>(options.receive_buffer_bytes, pcb_->mss), full);
  const uint32_t to_hold = full - wanted;
  bytes += held_back_;
  held_back_ = std::min(bytes, to_hold);
  bytes -= held_back_;
  if (bytes != 0) stack_.demux().recved(*pcb_, bytes);
  // lwIP announces a quarter of the full window; half of a small buffer is news, too.
  const uint32_t news = pcb_->rcv_nxt + pcb_->rcv_ann_wnd - pcb_->rcv_ann_right_edge;
  if (news >= wanted / 2) {
    tcp_ack_now(pcb_);
    stack_.demux().output(*pcb_);
  }
}

// contract: B13 E2 E9
WsaError TcpSocket::receive_refusal(const ReceiveCall& call) const noexcept {
  constexpr uint32_t kKnown =
      WS_MSG_PEEK | WS_MSG_OOB | WS_MSG_WAITALL | MSG_PARTIAL | MSG_PUSH_IMMEDIATE;
  if (const WsaError error = flags_refusal(call, kKnown); error != WsaError::kOk) return error;
  if (call.buffers.empty()) return WsaError::kInval;  // winsock-rules 23
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  if (receive_is_shut_) return WsaError::kShutdown;
  const bool is_inline = options.oob_inline && (call.flags & WS_MSG_OOB) != 0;
  return is_inline ? WsaError::kInval : WsaError::kOk;  // winsock-rules 125
}

/// Urgent bytes that came before SO_OOBINLINE was set are received first.
Inbox& TcpSocket::source_of(uint32_t flags) noexcept {
  static Inbox nothing;
  const bool is_urgent = (flags & WS_MSG_OOB) != 0 || (options.oob_inline && has_urgent());
  if (!is_urgent) return inbox_;
  return urgent_ == nullptr ? nothing : urgent_->inbox;
}
const Inbox& TcpSocket::source_of(uint32_t flags) const noexcept {
  return const_cast<TcpSocket&>(*this).source_of(flags);
}

bool TcpSocket::can_take(uint32_t flags) const noexcept {
  return has_enough(source_of(flags), kTcpServiceFlags, flags) || peer_closed_ ||
         state_ == State::kEnded;
}

WsaError TcpSocket::end_of_stream() const noexcept {
  if (pcb_ == nullptr && end_error_ != WsaError::kOk) return end_error_;
  return graceful_end_of(kTcpServiceFlags);  // contract: B12
}

Outcome TcpSocket::take(BufferCursor& to, uint32_t flags, const FromAddress&) noexcept {
  Inbox& source = source_of(flags);
  if (source.empty()) return {end_of_stream()};
  Outcome outcome = take_from(source, to, kTcpServiceFlags, flags);
  outcome.flags = flags & WS_MSG_OOB;
  if ((flags & WS_MSG_PEEK) == 0) {
    credit(outcome.bytes);
    ++stack_.counters.recv_queued;
  }
  stack_.counters.bytes_copied += outcome.bytes;
  stack_.counters.bytes_delivered += outcome.bytes;
  return outcome;
}

Outcome TcpSocket::take_loans(LoanCursor& to, const FromAddress&) noexcept {
  Inbox& source = source_of(0);
  if (source.empty()) return {end_of_stream()};
  const uint32_t n = source.lend(to);
  ++stack_.counters.recv_queued;
  stack_.counters.bytes_delivered += n;
  return {WsaError::kOk, n, 0};
}

bool TcpSocket::is_shut_by_loans() const noexcept {
  return loans.n_mbufs != 0 && pcb_ != nullptr && RCV_WND_SCALE(pcb_, pcb_->rcv_ann_wnd) == 0;
}

// A peer that was stopped hears of two segments' room at once: somebody who always holds most of
// the window never gives back the quarter of it that lwIP would wait for (RFC 9293 3.8.6.2.2).
void TcpSocket::loans_returned(uint32_t bytes) noexcept {
  if (pcb_ == nullptr) return;
  const bool was_stopped = TCP_SEQ_LT(pcb_->rcv_ann_right_edge, pcb_->rcv_nxt + pcb_->mss);
  credit(bytes);
  const uint32_t news = pcb_->rcv_nxt + pcb_->rcv_ann_wnd - pcb_->rcv_ann_right_edge;
  if (was_stopped && news >= 2u * pcb_->mss) {
    tcp_ack_now(pcb_);
    stack_.demux().output(*pcb_);
  }
}

}  // namespace millrace
