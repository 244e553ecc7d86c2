// SPDX-License-Identifier: BSD-3-Clause
#include "stack/tcp.h"

#include <algorithm>
#include <utility>

#include "lwip/priv/tcp_priv.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"

namespace millrace {
namespace {

constexpr int kMostBacklog = 0xff;  // lwIP counts half-open connections in 8 bits

TcpSocket& socket_of(void* arg) { return *static_cast<TcpSocket*>(arg); }

}  // namespace

TcpSocket::TcpSocket(Stack& stack, uint8_t family) : Socket(stack, Transport::kTcp, family) {}

WsaError TcpSocket::make_pcb() {
  if (pcb_ != nullptr) return WsaError::kOk;
  tcp_pcb* const pcb = tcp_new_ip_type(family_ == 4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
  if (pcb == nullptr) return WsaError::kNoBufs;
  adopt(*pcb);
  return WsaError::kOk;
}

void TcpSocket::adopt(tcp_pcb& pcb) noexcept {
  pcb_ = &pcb;
  tcp_arg(&pcb, this);
  tcp_recv(&pcb, on_receive);
  tcp_sent(&pcb, on_sent);
  tcp_err(&pcb, on_error);
  // Stack::claim decides who may share a port; lwIP's own check would refuse ports in TIME_WAIT.
  ip_set_option(&pcb, SOF_REUSEADDR);
  apply_options();
}

void TcpSocket::apply_options() noexcept {
  if (pcb_ == nullptr || state_ == State::kListening) return;
  if (options.no_delay) {
    tcp_nagle_disable(pcb_);
  } else {
    tcp_nagle_enable(pcb_);
  }
  apply_keep_alive();
  pcb_->ttl = options.ttl;
}

WsaError TcpSocket::bind(Endpoint endpoint) {
  if (is_bound_ || state_ != State::kOpen) return WsaError::kInval;
  WsaError error = make_pcb();
  if (error != WsaError::kOk || !claim(endpoint, error)) return error;
  const ip_addr_t ip = to_lwip(endpoint.address);
  return wsa_error(tcp_bind(pcb_, &ip, endpoint.port));
}

WsaError TcpSocket::listen(int backlog) {
  if (state_ == State::kListening) return WsaError::kOk;
  if (state_ == State::kConnected || state_ == State::kConnecting) return WsaError::kIsConn;
  if (!is_bound_ || state_ != State::kOpen) return WsaError::kInval;
  const auto most = static_cast<int>(stack_.config().tcp.listen_backlog);
  backlog_ = static_cast<uint32_t>(std::clamp(backlog, 1, most));
  err_t error = ERR_OK;
  tcp_pcb* const listener = tcp_listen_with_backlog_and_err(pcb_, kMostBacklog, &error);
  if (listener == nullptr) return wsa_error(error);
  pcb_ = listener;
  tcp_arg(listener, this);
  tcp_accept(listener, on_accept);
  state_ = State::kListening;
  return WsaError::kOk;
}

err_t TcpSocket::on_accept(void* arg, tcp_pcb* pcb, err_t error) {
  if (arg == nullptr || error != ERR_OK || pcb == nullptr) return ERR_VAL;
  TcpSocket& self = socket_of(arg);
  Socket* const socket = self.accept_queue_.size() < self.backlog_
                             ? self.stack_.open(Transport::kTcp, self.family_)
                             : nullptr;
  if (socket == nullptr) {
    ++self.stack_.counters.connections_refused;
    tcp_abort(pcb);
    return ERR_ABRT;
  }
  auto* const child = static_cast<TcpSocket*>(socket);
  child->options = self.options;
  child->state_ = State::kConnected;
  child->local_ = {from_lwip(pcb->local_ip), pcb->local_port};
  child->peer_ = {from_lwip(pcb->remote_ip), pcb->remote_port};
  child->adopt(*pcb);
  self.accept_queue_.push_back(child);
  ++self.stack_.counters.connections_accepted;
  self.stack_.mark_dirty(self);
  return ERR_OK;
}

Socket* TcpSocket::accept(WsaError& error) {
  if (state_ != State::kListening) {
    error = WsaError::kInval;
    return nullptr;
  }
  if (accept_queue_.empty() && options.is_nonblocking) (void)stack_.turn();
  if (accept_queue_.empty()) {
    error = options.is_nonblocking
                ? WsaError::kWouldBlock
                : block_until(kNoDeadline, [this] { return !accept_queue_.empty(); });
    if (error != WsaError::kOk) return nullptr;
  }
  TcpSocket* const child = accept_queue_.front();
  accept_queue_.pop_front();
  error = WsaError::kOk;
  return child;
}

WsaError TcpSocket::connect(const Endpoint& peer) {
  switch (state_) {
    case State::kListening:
      return WsaError::kInval;
    case State::kConnecting:
      return WsaError::kAlready;
    case State::kConnected:
    case State::kEnded:
      return WsaError::kIsConn;
    default:
      break;
  }
  if (const WsaError error = start_connect(peer); error != WsaError::kOk) return error;
  if (options.is_nonblocking) return WsaError::kWouldBlock;
  const WsaError error =
      block_until(kNoDeadline, [this] { return state_ != State::kConnecting; });
  if (error != WsaError::kOk) return error;
  if (state_ == State::kFailed) {
    state_ = State::kOpen;  // a blocking connect that failed may be tried again (winsock-rules 195)
    return so_error_;
  }
  return WsaError::kOk;
}

WsaError TcpSocket::start_connect(const Endpoint& peer) {
  if (is_any(peer.address) || peer.port == 0) return WsaError::kAddrNotAvail;
  WsaError error = make_pcb();
  if (error != WsaError::kOk) return error;
  const ip_addr_t ip = to_lwip(peer.address);
  if (route_to(pcb_->local_ip, ip) == nullptr) {
    return stack_.is_cut_off(*this) ? WsaError::kNetDown : WsaError::kNetUnreach;
  }
  const bool chooses_port = !is_bound_;
  // lwIP refuses a 4-tuple that is in TIME_WAIT; another random port will do.
  for (int attempt = 0; attempt < 8; ++attempt) {
    if (!is_bound_) {
      Endpoint any{IpAddress::any(family_), 0};
      if (!claim(any, error)) return error;
      pcb_->local_port = 0;
    }
    const ip_addr_t local = to_lwip(local_.address);
    if (pcb_->local_port == 0) error = wsa_error(tcp_bind(pcb_, &local, local_.port));
    // To ourselves: from the same address, not from the loopback interface's.
    if (is_any(local_.address) && stack_.is_own(peer.address)) ip_addr_set(&pcb_->local_ip, &ip);
    if (error == WsaError::kOk) error = wsa_error(tcp_connect(pcb_, &ip, peer.port, on_connected));
    if (error != WsaError::kAddrInUse || !chooses_port) break;
    stack_.unclaim(*this);
    is_bound_ = false;
    release_pcb(false);
    if (error = make_pcb(); error != WsaError::kOk) return error;
  }
  if (error != WsaError::kOk) return error;
  local_.address = from_lwip(pcb_->local_ip);
  peer_ = peer;
  so_error_ = WsaError::kOk;
  state_ = State::kConnecting;
  return WsaError::kOk;
}

// In TIME_WAIT the pcb is lwIP's own: it frees it without a word when its time is over.
void TcpSocket::forget_pcb() noexcept {
  tcp_arg(pcb_, nullptr);
  pcb_ = nullptr;
  state_ = State::kEnded;
}

err_t TcpSocket::on_connected(void* arg, tcp_pcb*, err_t) {
  if (arg == nullptr) return ERR_OK;
  TcpSocket& self = socket_of(arg);
  self.state_ = State::kConnected;
  self.stack_.mark_dirty(self);
  return ERR_OK;
}

// The pcb is freed by lwIP when this returns.
void TcpSocket::on_error(void* arg, err_t error) {
  if (arg == nullptr) return;
  TcpSocket& self = socket_of(arg);
  self.pcb_ = nullptr;
  if (self.state_ == State::kConnecting) {
    self.state_ = State::kFailed;
    self.so_error_ = error == ERR_RST ? WsaError::kConnRefused : WsaError::kTimedOut;
  } else {
    self.state_ = State::kEnded;
    self.end_error_ = self.end_error(error);
    if (error == ERR_CLSD) self.peer_closed_ = true;
  }
  self.stack_.mark_dirty(self);
}

WsaError TcpSocket::end_error(err_t error) const noexcept {
  // Both sides have closed and all is acknowledged; nothing failed.
  if (error == ERR_CLSD) return WsaError::kOk;
  // lwIP says ERR_ABRT for both: with nothing in flight it was not a retransmission that gave up.
  const bool was_keep_alive =
      error == ERR_ABRT && options.keep_alive && in_flight_ == 0 && !send_is_shut_;
  return was_keep_alive ? WsaError::kNetReset : wsa_error(error);  // contract: E5 E13 E14
}

err_t TcpSocket::on_receive(void* arg, tcp_pcb*, pbuf* p, err_t) {
  if (arg == nullptr) {
    if (p != nullptr) pbuf_free(p);
    return ERR_OK;
  }
  TcpSocket& self = socket_of(arg);
  if (p == nullptr) {
    self.peer_closed_ = true;
  } else {
    self.deliver(p);
  }
  self.stack_.mark_dirty(self);
  return ERR_OK;
}

// Fills waiting receives straight from the mbuf (contract: Z3). A receive that is not full stays
// open to the end of the turn: more of the burst may be for it (contract: B9).
void TcpSocket::deliver(pbuf* p) noexcept {
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
  if (p != nullptr) inbox_.push(p);
}

// What is copied goes back to the window in this turn; what is lent, when it is given back (Z4).
void TcpSocket::fill(Request& request, pbuf*& p) noexcept {
  uint32_t n;
  if (request.loans.is_set()) {
    n = lend(p, request.loans);
  } else {
    n = scatter(p, request.cursor);
    to_credit_ += n;
    stack_.counters.bytes_copied += n;
  }
  request.bytes += n;
  stack_.counters.bytes_delivered += n;
}

void TcpSocket::settle() noexcept {
  if (is_filling_) {
    is_filling_ = false;
    ++stack_.counters.recv_direct;
    finish(receives_, *receives_.front(), WsaError::kOk);
  }
  if (to_credit_ != 0) credit(std::exchange(to_credit_, 0));
  if (pcb_ != nullptr && pcb_->state == TIME_WAIT) forget_pcb();
  if (pcb_ == nullptr || peer_closed_) {
    const WsaError end = pcb_ == nullptr ? end_error_ : WsaError::kOk;
    if (inbox_.empty() && state_ != State::kOpen) finish_all(receives_, end);
  }
  if (pcb_ == nullptr) {
    finish_all(sends_, end_error_ == WsaError::kOk ? WsaError::kConnAborted : end_error_);
    // Operations in progress hear of the keep-alive, later ones of no connection (winsock-rules 95).
    if (end_error_ == WsaError::kNetReset) end_error_ = WsaError::kNotConn;
  } else if (!sends_.empty() && state_ == State::kConnected) {
    serve_sends();
  }
  Socket::settle();
}

// Opens the window by what was taken, less what SO_RCVBUF holds back. The right edge never moves
// left: a smaller buffer takes its share out of the credit that comes due.
void TcpSocket::credit(uint32_t bytes) noexcept {
  if (pcb_ == nullptr) return;
  const uint32_t full = millrace_tcp_wnd;
  const uint32_t wanted = std::clamp<uint32_t>(options.receive_buffer_bytes, pcb_->mss, full);
  const uint32_t to_hold = full - wanted;
  bytes += held_back_;
  held_back_ = std::min(bytes, to_hold);
  bytes -= held_back_;
  while (bytes != 0) {
    const auto n = static_cast<u16_t>(std::min<uint32_t>(bytes, UINT16_MAX));
    tcp_recved(pcb_, n);
    bytes -= n;
  }
  // lwIP announces a quarter of the full window; half of a small buffer is news, too.
  const uint32_t news = pcb_->rcv_nxt + pcb_->rcv_ann_wnd - pcb_->rcv_ann_right_edge;
  if (wanted < full && news >= wanted / 2) {
    tcp_ack_now(pcb_);
    tcp_output(pcb_);
  }
}

WsaError TcpSocket::receive_refusal(const ReceiveCall& call) const noexcept {
  constexpr uint32_t kKnown = WS_MSG_PEEK | MSG_PARTIAL | MSG_PUSH_IMMEDIATE;
  if ((call.flags & ~kKnown) != 0) return WsaError::kOpNotSupp;
  if ((call.flags & WS_MSG_PEEK) != 0 && call.tell.overlapped != nullptr) {
    return WsaError::kOpNotSupp;
  }
  if (call.buffers.empty()) return WsaError::kInval;  // winsock-rules 23
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  if (receive_is_shut_) return WsaError::kShutdown;
  return WsaError::kOk;
}

bool TcpSocket::can_take() const noexcept {
  return !inbox_.empty() || peer_closed_ || state_ == State::kEnded;
}

Outcome TcpSocket::take(BufferCursor& to, uint32_t flags, const FromAddress&) noexcept {
  if (inbox_.empty()) return {pcb_ == nullptr ? end_error_ : WsaError::kOk};
  uint32_t n;
  if ((flags & WS_MSG_PEEK) != 0) {
    n = inbox_.peek(to);
  } else {
    n = inbox_.read(to);
    credit(n);
    ++stack_.counters.recv_queued;
  }
  stack_.counters.bytes_copied += n;
  stack_.counters.bytes_delivered += n;
  return {WsaError::kOk, n, 0};
}

Outcome TcpSocket::take_loans(LoanCursor& to, const FromAddress&) noexcept {
  if (inbox_.empty()) return {pcb_ == nullptr ? end_error_ : WsaError::kOk};
  const uint32_t n = inbox_.lend(to);
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
    tcp_output(pcb_);
  }
}

bool TcpSocket::is_readable() const noexcept {
  if (state_ == State::kListening) return !accept_queue_.empty();
  return (state_ == State::kConnected || state_ == State::kEnded) && can_take();
}

bool TcpSocket::is_writable() const noexcept {
  if (state_ == State::kEnded) return true;  // a send will say why not
  return state_ == State::kConnected && sends_.empty() && send_room() >= pcb_->mss;
}

std::optional<Endpoint> TcpSocket::peer() const noexcept {
  if (state_ != State::kConnected && state_ != State::kEnded) return std::nullopt;
  return peer_;
}

}  // namespace millrace
