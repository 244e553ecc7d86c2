// SPDX-License-Identifier: BSD-3-Clause
#include "stack/sctp.h"

#include <usrsctp.h>

#include <algorithm>
#include <utility>

#include "stack/sctp_engine.h"

namespace millrace {
namespace {

template <typename T>
void set(SctpEndpoint* endpoint, int option, const T& value) {
  (void)usrsctp_setsockopt(endpoint, IPPROTO_SCTP, option, &value, sizeof value);
}

void set_buffer(SctpEndpoint* endpoint, int option, uint32_t bytes) {
  const auto value = static_cast<int>(std::min<uint32_t>(bytes, INT32_MAX));
  (void)usrsctp_setsockopt(endpoint, SOL_SOCKET, option, &value, sizeof value);
}

}  // namespace

SctpSocket::SctpSocket(Stack& stack, uint8_t family) : Connection(stack, Transport::kSctp, family) {}

WsaError SctpSocket::bind(Endpoint endpoint) {
  if (is_bound_ || state_ != State::kOpen) return WsaError::kInval;
  WsaError error = WsaError::kOk;
  (void)claim(endpoint, error);
  return error;
}

WsaError SctpSocket::listen(int backlog) {
  constexpr int kMost = 4096;
  if (state_ == State::kListening) return WsaError::kOk;
  if (state_ == State::kConnected || state_ == State::kConnecting) return WsaError::kIsConn;
  if (!is_bound_ || state_ != State::kOpen) return WsaError::kInval;
  const WsaError error = stack_.sctp().listen(*this, local_.port);
  if (error != WsaError::kOk) return error;
  if (listening == nullptr) listening = std::make_unique<Listening>();
  listening->backlog = static_cast<uint32_t>(backlog < 0 ? kMost : std::clamp(backlog, 1, kMost));
  state_ = State::kListening;
  return WsaError::kOk;
}

void SctpSocket::take_connection(SctpEndpoint* endpoint, const SctpPath& path, uint16_t peer_port) noexcept {
  Socket* const socket = listening->queue.size() < listening->backlog
                             ? stack_.open(Transport::kSctp, family_)
                             : nullptr;
  if (socket == nullptr) {
    ++stack_.counters.connections_refused;
    close_sctp(endpoint, false);
    return;
  }
  auto* const child = static_cast<SctpSocket*>(socket);
  child->options = options;
  child->was_accepted_ = true;
  child->local_ = {path.local, local_.port};
  child->peer_ = {path.remote, peer_port};
  child->endpoint_ = endpoint;
  child->hold_flow({path, local_.port, peer_port});
  stack_.sctp().adopt(endpoint, *child);
  child->begin(stack_.now_ns());
  child->apply_options();
  stack_.mark_dirty(*child);
  listening->queue.push_back(child);
  ++stack_.counters.connections_accepted;
  stack_.mark_dirty(*this);
}

WsaError SctpSocket::start_connect(const Endpoint& peer) {
  if (is_any(peer.address) || is_multicast(peer.address) || peer.port == 0) return WsaError::kAddrNotAvail;
  if (!speaks(peer.address.family)) return WsaError::kAddrNotAvail;
  const bool is_to_ourselves = stack_.is_own(peer.address);
  if (is_loopback(local_.address) && !is_to_ourselves) return WsaError::kAddrNotAvail;  // RFC 1122 3.2.1.3
  const auto source = stack_.source_toward(peer.address);
  if (!source) return stack_.is_cut_off(*this) ? WsaError::kNetDown : WsaError::kNetUnreach;
  SctpPath path{is_any(local_.address) ? *source : local_.address, peer.address};
  WsaError error = WsaError::kOk;
  const bool tells_all = !is_bound_ || is_any(local_.address);  // of our addresses (RFC 6458 3.1.2)
  if (!is_bound_) {
    Endpoint chosen{path.local, 0};
    if (!claim(chosen, error)) return error;
    chose_local_ = true;
  }
  const SctpFlow flow{path, local_.port, peer.port};
  SctpEndpoint* const endpoint = stack_.sctp().open(flow, tells_all, *this, error);
  if (endpoint == nullptr) return error;
  endpoint_ = endpoint;
  local_.address = path.local;
  hold_flow(flow);
  peer_ = peer;
  apply_options();
  error = stack_.sctp().connect(endpoint_, flow);
  if (error != WsaError::kOk) {
    drop_endpoint(false);
    return error;
  }
  begin_connecting();
  return WsaError::kOk;
}

void SctpSocket::hold_flow(const SctpFlow& flow) {
  flow_ = flow;
  stack_.sctp().hold(flow);
}

void SctpSocket::begin(uint64_t now_ns) noexcept {
  state_ = State::kConnected;
  connected_at_ns_ = now_ns;
}

/// The association is gone; what had arrived is still delivered.
void SctpSocket::end(WsaError why) noexcept {
  if (state_ == State::kConnecting) {
    state_ = State::kFailed;
    so_error_ = why;
  } else if (state_ == State::kConnected) {
    state_ = State::kEnded;
    end_error_ = why;
  }
  drop_endpoint(true);
  stack_.mark_dirty(*this);
}

void SctpSocket::drop_endpoint(bool graceful) noexcept {
  if (endpoint_ != nullptr) close_sctp(std::exchange(endpoint_, nullptr), graceful);
  if (flow_) stack_.sctp().let_go(*flow_);
  flow_.reset();
}

void SctpSocket::note() noexcept { stack_.mark_dirty(*this); }

void SctpSocket::apply_options() noexcept {
  if (endpoint_ == nullptr) return;
  set(endpoint_, SCTP_NODELAY, int{options.no_delay});
  set_buffer(endpoint_, SO_RCVBUF, options.receive_buffer_bytes);
  set_buffer(endpoint_, SO_SNDBUF, options.send_buffer_bytes);
  set_heartbeat();
}

// SO_KEEPALIVE is SCTP's heartbeat (RFC 9260 8.3): off, an idle association is not asked after, as a TCP
// connection is not. The MTU is that of our link: routers may fragment.
void SctpSocket::set_heartbeat() noexcept {
  sctp_paddrparams path{};
  path.spp_address.ss_family = AF_CONN;  // and no address: of all there are
  path.spp_flags = (options.keep_alive ? SPP_HB_ENABLE : SPP_HB_DISABLE) | SPP_PMTUD_DISABLE;
  if (options.keep_alive) path.spp_hbinterval = options.keep_alive_time_ms;
  constexpr uint16_t kCommonHeaderBytes = 12;  // which libusrsctp does not count (AF_CONN)
  path.spp_pathmtu = flow_ ? sctp_room(flow_->path) - kCommonHeaderBytes : 0;
  set(endpoint_, SCTP_PEER_ADDR_PARAMS, path);
}

bool SctpSocket::is_readable() const noexcept {
  if (state_ == State::kListening) return listening->n_offered != 0;
  return (state_ == State::kConnected || state_ == State::kEnded) && can_take(0);
}

bool SctpSocket::is_writable() const noexcept {
  if (state_ == State::kEnded) return true;  // a send will say why not
  return state_ == State::kConnected && sends_.empty() &&
         (usrsctp_get_events(endpoint_) & SCTP_EVENT_WRITE) != 0;
}

std::optional<Endpoint> SctpSocket::peer() const noexcept {
  if (state_ != State::kConnected && state_ != State::kEnded) return std::nullopt;
  return peer_;
}

std::optional<uint64_t> SctpSocket::connected_since_ns() const noexcept {
  return state_ == State::kConnected ? std::optional(connected_at_ns_) : std::nullopt;
}

std::optional<uint32_t> SctpSocket::path_mtu() const noexcept {
  if (state_ != State::kConnected || !flow_) return std::nullopt;
  return sctp_room(flow_->path) + (flow_->path.remote.family == 4 ? 20u : 40u);
}

uint32_t SctpSocket::events_now() const noexcept {
  switch (state_) {
    case State::kListening:
      return listening->n_offered == 0 ? 0 : FD_ACCEPT;
    case State::kFailed:
      return FD_CONNECT;
    case State::kConnected:
    case State::kEnded:
      break;
    default:
      return 0;
  }
  uint32_t now = was_accepted_ ? 0 : FD_CONNECT;
  if (has_something(0)) now |= FD_READ;
  if (peer_closed_ || state_ == State::kEnded) now |= FD_CLOSE;
  if (state_ == State::kConnected && !send_is_shut_ && is_writable()) now |= FD_WRITE;
  return now;
}

void SctpSocket::on_port_lost() noexcept {
  if (listening != nullptr) {
    for (Socket* child : listening->queue) child->on_port_lost();
  }
  if (endpoint_ == nullptr || !stack_.is_cut_off(*this)) return;
  if (flow_ && stack_.sctp().has_way(*flow_)) return;
  close_sctp(std::exchange(endpoint_, nullptr), false);
  end(WsaError::kNetDown);
}

void SctpSocket::release_pcb(bool graceful) noexcept {
  if (state_ == State::kListening) return stack_.sctp().stop_listening(*this, local_.port);
  drop_endpoint(graceful && inbox_.empty());  // unread messages: the peer hears that they were lost
}

}  // namespace millrace
