// SPDX-License-Identifier: BSD-3-Clause
// Answers about addresses, routes and connections.
#include "stack/queries.h"

#include <algorithm>
#include <bit>

#include "lwip/ip.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/netif.h"
#include "stack/recovery.h"
#include "stack/tcp.h"
#include "stack/udp.h"

namespace millrace {
namespace {

constexpr uint8_t kPrefixLength6 = 64;  // lwIP takes no other

void add_addresses(std::vector<LocalInterface>& to, const netif& n, bool is_loopback) {
  LocalInterface found;
  found.index = netif_get_index(&n);
  found.is_up = netif_is_up(&n) && netif_is_link_up(&n);
  found.is_loopback = is_loopback;
  if (!ip4_addr_isany_val(*netif_ip4_addr(&n))) {
    const auto mask = lwip_ntohl(netif_ip4_netmask(&n)->addr);
    found.address = {from_lwip(*netif_ip_addr4(&n)), static_cast<uint8_t>(std::popcount(mask))};
    to.push_back(found);
  }
  for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; ++i) {
    if (!ip6_addr_isvalid(netif_ip6_addr_state(&n, i))) continue;
    found.address = {from_lwip(*netif_ip_addr6(&n, i)), kPrefixLength6};
    to.push_back(found);
  }
}

}  // namespace

std::vector<LocalInterface> Stack::local_interfaces() const {
  std::vector<LocalInterface> all;
  for (size_t i = 0; i < netifs_.size(); ++i) {
    for (const auto& link : netifs_[i]->interfaces().links()) {
      for (const auto& interface : link->interfaces) add_addresses(all, interface->lwip, i == 0);
    }
  }
  return all;
}

std::optional<IpAddress> Stack::source_toward(const IpAddress& destination) const noexcept {
  const ip_addr_t to = to_lwip(destination);
  netif* const route = route_to(*IP_ANY_TYPE, to);
  if (route == nullptr) return std::nullopt;
  if (is_own(destination)) return destination;
  const ip_addr_t* const source = ip_netif_get_local_ip(route, &to);
  return source == nullptr ? std::nullopt : std::optional(from_lwip(*source));
}

std::optional<uint32_t> TcpSocket::path_mtu() const noexcept {
  if (state_ != State::kConnected || pcb_ == nullptr) return std::nullopt;
  return pcb_->mss + (peer_.address.family == 4 ? 40u : 60u);
}

std::optional<uint32_t> UdpSocket::path_mtu() const noexcept {
  if (!peer_.has_value()) return std::nullopt;
  const netif* const route = route_to(to_lwip(local_.address), to_lwip(peer_->address));
  return route == nullptr ? std::nullopt : std::optional<uint32_t>(route->mtu);
}

std::optional<TcpInfo> TcpSocket::info() const noexcept {
  if (state_ != State::kConnected || pcb_ == nullptr) return std::nullopt;
  const Recovery* const recovery = Recovery::of(*pcb_);
  TcpInfo info;
  info.state = static_cast<uint32_t>(pcb_->state);
  info.mss_bytes = pcb_->mss;
  info.connected_ms = (stack_.now_ns() - *connected_since_ns()) / 1'000'000;
  info.has_timestamps = (pcb_->flags & TF_TIMESTAMP) != 0;
  info.in_flight_bytes = pcb_->snd_nxt - pcb_->lastack;
  info.send_window_bytes = pcb_->snd_wnd;
  info.receive_window_bytes = pcb_->rcv_wnd;
  info.sent_bytes = sent_bytes_;
  info.received_bytes = received_bytes_;
  info.send_buffer_bytes = send_buffer();
  if (recovery == nullptr) return info;
  info.rtt_us = static_cast<uint32_t>(recovery->round_trip().srtt_ns() / 1000);
  info.least_rtt_us = static_cast<uint32_t>(recovery->round_trip().least_ns() / 1000);
  info.congestion_window_bytes = recovery->congestion().cwnd();
  info.resent_bytes = recovery->tally().resent_bytes;
  info.resent_fast = recovery->tally().resent_fast;
  info.timeouts = recovery->tally().timeouts;
  return info;
}

// What is partly on its way has to go on: the stream would have a hole.
void TcpSocket::flush_sends() noexcept {
  for (Request* request = sends_.front(); request != nullptr;) {
    Request* const next = request->next;
    if (request->bytes == 0) finish(sends_, *request, WsaError::kOperationAborted);
    request = next;
  }
  stack_.mark_dirty(*this);
}

void Socket::complete_ioctl(const Overlapped& tell, WsaError error) {
  mark_pending(*tell.overlapped);
  stack_.post({tell, {error, 0, 0}, this, tell.has_packet ? port_link.target : PacketTarget{}});
}

}  // namespace millrace

using millrace::TcpSocket;

extern "C" {

// For lwIP's tcp_slowtmr(), which would give up in the tick after the last SYN: one that a program
// counted has its time to be answered. The tick in hand is not in rtime yet.
unsigned int millrace_syn_max_rtx(const tcp_pcb* pcb) {
  constexpr unsigned kUsual = 5, kNotYet = UINT8_MAX + 1;
  const auto* const socket = static_cast<const TcpSocket*>(pcb->callback_arg);
  if (socket == nullptr || !socket->options.max_syn_retransmissions) return kUsual;
  return pcb->rtime + 1 >= pcb->rto ? *socket->options.max_syn_retransmissions : kNotYet;
}
}
