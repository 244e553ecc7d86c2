// SPDX-License-Identifier: BSD-3-Clause
// TCP's way down: bytes from WSABUFs into segments (one copy, straight into the mbufs that the NIC
// will read), shutting down, and letting go of the pcb.
#include <algorithm>
#include <utility>

#include "stack/demux.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/recovery.h"
#include "stack/tcp.h"

namespace millrace {

WsaError TcpSocket::send_refusal() const noexcept {
  if (state_ == State::kEnded && end_error_ != WsaError::kOk) return end_error_;
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  if (send_is_shut_) return WsaError::kShutdown;
  return state_ == State::kEnded ? WsaError::kConnAborted : WsaError::kOk;
}

Outcome TcpSocket::send(const SendCall& call) {
  constexpr uint32_t kKnown = MSG_PARTIAL | WS_MSG_DONTROUTE | WS_MSG_OOB;
  if ((call.flags & ~kKnown) != 0) return {WsaError::kOpNotSupp};
  if (const WsaError refusal = send_refusal(); refusal != WsaError::kOk) return {refusal};
  BufferCursor from(call.buffers);
  uint32_t sent = 0;
  if (sends_.empty()) {
    sent = write(from, call.flags);
    if (sent != 0) stack_.demux().output(*pcb_);
    if (from.at_end()) {
      complete_now(call.tell, {WsaError::kOk, sent, 0});
      return {WsaError::kOk, sent, 0};
    }
  }
  if (call.tell.overlapped == nullptr && options.is_nonblocking) {
    if (sent == 0) (void)stack_.spin();  // who spins on a nonblocking socket turns the Stack by it
    allow_events(FD_WRITE);
    return sent != 0 ? Outcome{WsaError::kOk, sent, 0} : Outcome{WsaError::kWouldBlock};
  }
  if (call.tell.overlapped != nullptr) {
    return start(sends_, call.tell,
                 {.buffers = call.buffers, .flags = call.flags, .done_bytes = sent});
  }
  Request request;
  request.flags = call.flags;
  request.cursor = from;
  request.bytes = sent;
  return wait_for(sends_, request, options.send_timeout_ms);
}

// What SO_SNDBUF says, if the application has changed it. Else, as in Linux, twice the congestion
// window, so that a path of any length is kept full and what is lost can be sent again; but not
// where the queues of a few would take the mbufs of all.
uint32_t TcpSocket::send_buffer() const noexcept {
  const uint32_t least = options.send_buffer_bytes;
  const bool is_fixed = least != stack_.config().tcp.send_buffer_bytes;
  const Recovery* const recovery = Recovery::of(*pcb_);
  if (is_fixed || recovery == nullptr || !stack_.mbufs_are_plenty()) return least;
  return std::max(least, 2 * recovery->congestion().cwnd());
}

// Room that the send buffer leaves of what lwIP would take; at least one segment when nothing is in
// flight, and no more than that where mbufs are scarce: peers that acknowledge nothing shall not have
// them all.
uint32_t TcpSocket::send_room() const noexcept {
  const uint32_t in_use = millrace_tcp_snd_buf - pcb_->snd_buf;
  const uint32_t wanted = stack_.mbufs_are_scarce() ? 0 : send_buffer();
  const uint32_t most = std::clamp<uint32_t>(wanted, pcb_->mss, millrace_tcp_snd_buf);
  return most > in_use ? most - in_use : 0;
}

/// Hands lwIP as much as it takes. With MSG_OOB the last byte of all is urgent. Of much, what was copied leaves
/// while the rest is copied, so that the peer works meanwhile; whole segments, behind which none waits. Not where
/// that would be more system calls.
/// @return bytes; the cursor is behind them
uint32_t TcpSocket::write(BufferCursor& from, uint32_t flags) noexcept {
  constexpr uint32_t kBytesAtOnce = 12 * 1024;
  uint32_t total = 0;
  while (!from.at_end()) {
    const bool leaves_in_parts =
        from.contiguous() > kBytesAtOnce && pcb_->unsent == nullptr && !engine.sends_by_system_call;
    const uint32_t mss = leaves_in_parts ? tcp_mss(pcb_) : 1;
    const uint32_t most = leaves_in_parts ? std::max(kBytesAtOnce - kBytesAtOnce % mss, mss) : uint32_t{UINT16_MAX};
    const uint32_t n = std::min({from.contiguous(), send_room(), most, uint32_t{UINT16_MAX}});
    if (n == 0) break;
    const err_t error = Recovery::write(*pcb_, from.data(), static_cast<u16_t>(n));
    if (error != ERR_OK) {
      // With something in flight its acknowledgement comes back here; else only time does.
      if (pcb_->unacked == nullptr && !awaits_memory_) {
        awaits_memory_ = true;
        stack_.retry_later(*this);
      }
      break;
    }
    from.advance(n);
    total += n;
    in_flight_ += n;
    sent_bytes_ += n;
    if (leaves_in_parts && n == most) {
      stack_.demux().output(*pcb_);
      stack_.flush();
    }
  }
  if ((flags & WS_MSG_OOB) != 0 && total != 0 && from.at_end()) mark_urgent();
  return total;
}

void TcpSocket::retry() noexcept {
  awaits_memory_ = false;
  if (pcb_ != nullptr) stack_.mark_dirty(*this);
}

err_t TcpSocket::on_sent(void* arg, tcp_pcb*, u16_t bytes) {
  if (arg == nullptr) return ERR_OK;
  auto& self = *static_cast<TcpSocket*>(arg);
  self.in_flight_ -= std::min<uint32_t>(bytes, self.in_flight_);  // a SYN or FIN counts there, too
  self.stack_.mark_dirty(self);
  return ERR_OK;
}

void TcpSocket::serve_sends() noexcept {
  bool has_written = false;
  while (!sends_.empty()) {
    Request& request = *sends_.front();
    const uint32_t n = write(request.cursor, request.flags);
    request.bytes += n;
    has_written |= n != 0;
    if (!request.cursor.at_end()) break;
    finish(sends_, request, WsaError::kOk);
  }
  if (has_written) stack_.demux().output(*pcb_);
  if (sends_.empty() && send_is_shut_) stack_.demux().shut_send(*pcb_);
}

WsaError TcpSocket::shutdown(int how) {
  if (how != SD_RECEIVE && how != SD_SEND && how != SD_BOTH) return WsaError::kInval;
  if (state_ != State::kConnected && state_ != State::kEnded) return WsaError::kNotConn;
  if (how != SD_SEND) {
    receive_is_shut_ = true;  // pending receives go on (winsock-rules 98)
    to_credit_ += static_cast<uint32_t>(inbox_.bytes());  // nobody can have it any more
    inbox_.clear();
    stack_.mark_dirty(*this);  // opens the window
  }
  if (how != SD_RECEIVE && !send_is_shut_) {
    send_is_shut_ = true;
    // Overlapped sends that wait for room go first; serve_sends() then sends the FIN.
    if (pcb_ != nullptr && sends_.empty()) stack_.demux().shut_send(*pcb_);
  }
  return WsaError::kOk;
}

bool TcpSocket::everything_is_acknowledged() const noexcept {
  return pcb_ == nullptr || (pcb_->unsent == nullptr && pcb_->unacked == nullptr && sends_.empty());
}

bool TcpSocket::linger(uint64_t deadline_ns) {
  if (state_ != State::kConnected || everything_is_acknowledged()) return true;
  if (deadline_ns == 0) return false;
  return block_until(deadline_ns, [this] { return everything_is_acknowledged(); }) ==
         WsaError::kOk;
}

void TcpSocket::release_pcb(bool graceful) noexcept {
  urgent_.reset();
  if (pcb_ == nullptr) return;
  tcp_pcb* const pcb = std::exchange(pcb_, nullptr);
  tcp_arg(pcb, nullptr);
  if (state_ == State::kListening) {
    tcp_accept(pcb, nullptr);
    stack_.demux().close(*pcb);
    return;
  }
  tcp_recv(pcb, nullptr);
  tcp_sent(pcb, nullptr);
  tcp_err(pcb, nullptr);
  if (!graceful) {
    stack_.demux().abort(*pcb);
    return;
  }
  // lwIP resets a connection whose window is not whole, taking it for unread data. Unread data is in
  // the inbox; credit that SO_RCVBUF or this turn held back is not.
  if (inbox_.empty()) pcb->rcv_wnd = TCP_WND_MAX(pcb);
  stack_.demux().close(*pcb);
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

}  // namespace millrace
