// SPDX-License-Identifier: BSD-3-Clause
#include "stack/tcp.h"

#include <algorithm>
#include <utility>

#include "lwip/ip6.h"
#include "stack/demux.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/steering.h"

namespace millrace {
namespace {

// lwIP counts half-open connections in 8 bits, and one comes with its cookie (syn_cookies.h). More
// are held by cookies alone.
constexpr uint8_t kMostHalfOpen = 254;

TcpSocket& socket_of(void* arg) { return *static_cast<TcpSocket*>(arg); }

/// The address that a connection has which nobody bound. @return null: the interface has none
const ip_addr_t* source_for(netif& route, const ip_addr_t& destination, bool is_own) {
  if (is_own) return &destination;  // from the same address, not from the loopback interface's
  if (IP_IS_V6_VAL(destination)) return ip6_select_source_address(&route, ip_2_ip6(&destination));
  return netif_ip_addr4(&route);
}

/// SOMAXCONN_HINT(n) is -n, and not bounded by the configuration but as on Windows.
uint32_t backlog_of(int wanted, uint32_t most) {
  constexpr int64_t kLeastHint = 200, kMostHint = 65535;
  if (wanted < 0) return static_cast<uint32_t>(std::clamp(-int64_t{wanted}, kLeastHint, kMostHint));
  return std::clamp(static_cast<uint32_t>(wanted), 1u, most);
}

}  // namespace

TcpSocket::TcpSocket(Stack& stack, uint8_t family) : Connection(stack, Transport::kTcp, family) {}

WsaError TcpSocket::make_pcb() {
  if (pcb_ != nullptr) return WsaError::kOk;
  tcp_pcb* const pcb = tcp_new_ip_type(options.dual_mode ? IPADDR_TYPE_ANY
                                       : family_ == 4    ? IPADDR_TYPE_V4
                                                         : IPADDR_TYPE_V6);
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
  pcb_->tos = options.tos;
  if (options.oob_inline) bring_inline();
}

WsaError TcpSocket::bind(Endpoint endpoint) {
  if (is_bound_ || state_ != State::kOpen) return WsaError::kInval;
  WsaError error = make_pcb();
  if (error != WsaError::kOk || !claim(endpoint, error)) return error;
  const ip_addr_t ip = to_bind(endpoint.address, options.dual_mode);
  return wsa_error(stack_.demux().bind(*pcb_, ip, endpoint.port));
}

WsaError TcpSocket::listen(int backlog) {
  if (state_ == State::kListening) return WsaError::kOk;
  if (state_ == State::kConnected || state_ == State::kConnecting) return WsaError::kIsConn;
  if (!is_bound_ || state_ != State::kOpen) return WsaError::kInval;
  return start_listening(backlog);
}

WsaError TcpSocket::listen_as_twin(const Endpoint& endpoint, int backlog) {
  WsaError error = make_pcb();
  if (error != WsaError::kOk) return error;
  local_ = endpoint;
  error = wsa_error(stack_.demux().bind(
      *pcb_, to_bind(endpoint.address, options.dual_mode), endpoint.port));
  return error == WsaError::kOk ? start_listening(backlog) : error;
}

WsaError TcpSocket::start_listening(int backlog) {
  if (listening == nullptr) listening = std::make_unique<Listening>();
  listening->backlog = backlog_of(backlog, stack_.config().tcp.listen_backlog);
  err_t error = ERR_OK;
  tcp_pcb* const listener = stack_.demux().listen(*pcb_, kMostHalfOpen, error);
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
  Listening& listener = *self.listening;
  Socket* const socket = listener.queue.size() < listener.backlog
                             ? self.stack_.open(Transport::kTcp, self.family_)
                             : nullptr;
  if (socket == nullptr) {
    ++self.stack_.counters.connections_refused;
    self.stack_.demux().abort(*pcb);
    return ERR_ABRT;
  }
  auto* const child = static_cast<TcpSocket*>(socket);
  child->options = self.options;
  child->was_accepted_ = true;
  child->state_ = State::kConnected;
  child->connected_at_ns_ = self.stack_.now_ns();
  child->local_ = {from_lwip(pcb->local_ip), pcb->local_port};
  child->peer_ = {from_lwip(pcb->remote_ip), pcb->remote_port};
  child->adopt(*pcb);
  pcb->listener = nullptr;  // it may be closed before this connection is
  if (listener.early_urgent.pcb == pcb) child->announce(*pcb, listener.early_urgent.number);
  listener.early_urgent = {};
  listener.queue.push_back(child);
  ++self.stack_.counters.connections_accepted;
  self.stack_.mark_dirty(self);
  return ERR_OK;
}

WsaError TcpSocket::start_connect(const Endpoint& peer) {
  if (is_any(peer.address) || peer.port == 0) return WsaError::kAddrNotAvail;
  WsaError error = make_pcb();
  if (error != WsaError::kOk) return error;
  const ip_addr_t ip = to_lwip(peer.address);
  netif* const route = route_of(options, pcb_->local_ip, ip);
  const bool strays = route != engine.loop && is_loopback(local_.address);
  if (strays) return WsaError::kAddrNotAvail;  // RFC 1122 3.2.1.3: no loopback address leaves the host
  if (route == nullptr) {
    return stack_.is_cut_off(*this) ? WsaError::kNetDown : WsaError::kNetUnreach;
  }
  if (error = choose_local(*route, peer); error != WsaError::kOk) return error;
  const ip_addr_t local = to_lwip(local_.address);
  const bool leaves_the_host = !stack_.is_own(peer.address);
  if (!chose_local_ && leaves_the_host) error = stack_.pin({local_, peer});
  if (error != WsaError::kOk) return error;
  if (pcb_->local_port == 0) error = wsa_error(stack_.demux().bind(*pcb_, local, local_.port));
  if (error != WsaError::kOk) return error;
  ip_addr_copy(pcb_->local_ip, local);
  if (route != engine.loop && options.unicast_interface != 0) tcp_bind_netif(pcb_, route);
  if (options.initial_rto_ms != 0) {
    pcb_->rto = static_cast<s16_t>(std::max(options.initial_rto_ms / TCP_SLOW_INTERVAL, 1));
  }
  error = wsa_error(stack_.demux().connect(*pcb_, ip, peer.port, on_connected));
  if (error != WsaError::kOk) return error;
  peer_ = peer;
  begin_connecting();
  return WsaError::kOk;
}

// lwIP would choose both in the moment of connecting; the pcb's bucket depends on them.
WsaError TcpSocket::choose_local(netif& route, const Endpoint& peer) {
  if (chose_local_) {  // for an attempt that failed
    stack_.unclaim(*this);
    is_bound_ = false;
    local_ = {IpAddress::any(family_), 0};
  }
  if (!speaks(peer.address.family)) return WsaError::kAddrNotAvail;
  if (is_any(local_.address)) {
    const ip_addr_t ip = to_lwip(peer.address);
    const ip_addr_t* const source = source_for(route, ip, stack_.is_own(peer.address));
    if (source == nullptr) return WsaError::kAddrNotAvail;
    local_.address = from_lwip(*source);
  }
  if (is_bound_) return WsaError::kOk;
  const WsaError error = stack_.claim_for(*this, local_, peer);
  is_bound_ = error == WsaError::kOk;
  chose_local_ = is_bound_;
  return error;
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
  self.connected_at_ns_ = self.stack_.now_ns();
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

bool TcpSocket::is_readable() const noexcept {
  if (state_ == State::kListening) return listening->n_offered != 0;
  return (state_ == State::kConnected || state_ == State::kEnded) && can_take(0);
}

bool TcpSocket::is_writable() const noexcept {
  if (state_ == State::kEnded) return true;  // a send will say why not
  return state_ == State::kConnected && sends_.empty() && send_room() >= pcb_->mss;
}

SHORT TcpSocket::poll_events() const noexcept {
  const bool has_band = (state_ == State::kConnected || state_ == State::kEnded) && !options.oob_inline && has_urgent();
  return static_cast<SHORT>(Connection::poll_events() | (has_band ? WS_POLLRDBAND : 0));
}

std::optional<Endpoint> TcpSocket::peer() const noexcept {
  if (state_ != State::kConnected && state_ != State::kEnded) return std::nullopt;
  return peer_;
}

}  // namespace millrace
