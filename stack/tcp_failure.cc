// SPDX-License-Identifier: BSD-3-Clause
// How a connection ends against its will, where lwIP would go on: ICMP errors while connecting, a
// lost port; and the keep-alive, which lwIP runs and we set.
#include <algorithm>
#include <utility>

#include "stack/icmp_errors.h"
#include "stack/demux.h"
#include "stack/lwip_glue.h"
#include "stack/tcp.h"

namespace millrace {
namespace {

// lwIP adds the time and all intervals in 32 bits; both together stay below.
constexpr uint32_t kMostKeepAliveMs = 0x7fffffff;

WsaError connect_error(IcmpReason reason) {
  switch (reason) {
    case IcmpReason::kNetUnreachable:
      return WsaError::kNetUnreach;
    case IcmpReason::kProtocolUnreachable:
    case IcmpReason::kPortUnreachable:
      return WsaError::kConnRefused;
    default:
      return WsaError::kHostUnreach;
  }
}

}  // namespace

// lwIP counts the silence from the last segment received: for a connection that was silent already
// it would give up without one probe. So the clock starts with the setting.
void TcpSocket::apply_keep_alive() noexcept {
  const uint32_t probes = options.keep_alive_probes;
  const uint32_t idle = std::min(options.keep_alive_time_ms, kMostKeepAliveMs);
  const uint32_t interval = std::min(options.keep_alive_interval_ms, kMostKeepAliveMs / probes);
  const bool is_on = ip_get_option(pcb_, SOF_KEEPALIVE) != 0;
  if (is_on == options.keep_alive && pcb_->keep_idle == idle && pcb_->keep_intvl == interval &&
      pcb_->keep_cnt == probes) {
    return;
  }
  if (options.keep_alive) {
    ip_set_option(pcb_, SOF_KEEPALIVE);
  } else {
    ip_reset_option(pcb_, SOF_KEEPALIVE);
  }
  pcb_->keep_idle = idle;
  pcb_->keep_intvl = interval;
  pcb_->keep_cnt = probes;
  if (pcb_->state != ESTABLISHED && pcb_->state != CLOSE_WAIT) return;
  stack_.demux().restart_keep_alive(*pcb_);
}

/// Ends it without a word to the peer: what waits and what follows gets `why`.
void TcpSocket::abandon(WsaError why) noexcept {
  tcp_arg(pcb_, nullptr);  // so that on_error() leaves the socket alone
  stack_.demux().drop(*std::exchange(pcb_, nullptr));
  if (state_ == State::kConnecting) {
    state_ = State::kFailed;
    so_error_ = why;
  } else {
    state_ = State::kEnded;
    end_error_ = why;
  }
  stack_.mark_dirty(*this);
}

// Only a SYN that is on its way: its number is what a forger would have to guess (RFC 5927 4.1).
int TcpSocket::fits(const IcmpError& error) const noexcept {
  const bool is_its_syn = state_ == State::kConnecting && pcb_ != nullptr &&
                          pcb_->state == SYN_SENT && error.remote == peer_ &&
                          error.sequence == pcb_->lastack;
  return is_its_syn ? 0 : -1;
}

// RFC 1122 4.2.3.9 calls "time exceeded" a soft error: the next SYN may find its way.
bool TcpSocket::on_icmp_error(const IcmpError& error) noexcept {
  if (error.reason == IcmpReason::kTimeExceeded || !options.fail_connect_on_icmp) return false;
  abandon(connect_error(error.reason));
  return true;
}

void TcpSocket::on_port_lost() noexcept {
  if (listening != nullptr) {
    for (Socket* child : listening->queue) child->on_port_lost();
  }
  if (pcb_ == nullptr || !stack_.is_cut_off(*this)) return;
  if (state_ == State::kConnecting || state_ == State::kConnected) abandon(WsaError::kNetDown);
}

}  // namespace millrace
