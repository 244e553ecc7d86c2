// SPDX-License-Identifier: BSD-3-Clause
#include "stack/udp.h"

#include <rte_memcpy.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "lwip/ip.h"
#include "lwip/netif.h"
#include "stack/icmp_errors.h"
#include "stack/demux.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/netif.h"
#include "stack/sockaddr.h"
#include "stack/take.h"

namespace millrace {
namespace {

constexpr uint32_t kMostPayload4 = 65507;     // an IP packet of 65535 less its headers
constexpr uint32_t kMostPayload6 = 65487;
constexpr uint32_t kPieceBytes = 1024;        // of a datagram that will be fragmented anyway
constexpr uint32_t kLeastParcelBytes = 128;   // what a tiny datagram counts against SO_RCVBUF
constexpr uint32_t kFragmentedHeaders = 48;   // IPv6 and UDP: beyond the MTU less this, IP fragments

netif* group_route(const IpAddress& group, const IpAddress& local, const SocketOptions& options) {
  return options.multicast_interface == 0 ? default_group_interface(group, local)
                                          : group_interface(options.multicast_interface);
}

}  // namespace

Endpoint UdpSocket::source_of(const Parcel& parcel) noexcept {
  Endpoint source{IpAddress::any(parcel.family), parcel.source_port};
  std::memcpy(source.address.bytes.data(), parcel.source, parcel.family == 4 ? 4 : 16);
  source.address.zone = parcel.zone;
  return source;
}

UdpSocket::UdpSocket(Stack& stack, uint8_t family) : Socket(stack, Transport::kUdp, family) {}

WsaError UdpSocket::make_pcb() {
  if (pcb_ != nullptr) return WsaError::kOk;
  pcb_ = udp_new_ip_type(options.dual_mode ? IPADDR_TYPE_ANY
                         : family_ == 4    ? IPADDR_TYPE_V4
                                           : IPADDR_TYPE_V6);
  if (pcb_ == nullptr) return WsaError::kNoBufs;
  ip_set_option(pcb_, SOF_REUSEADDR);  // Stack::claim decides who may share a port
  apply_options();
  return WsaError::kOk;
}

void UdpSocket::apply_options() noexcept {
  if (pcb_ == nullptr) return;
  if (options.broadcast) {
    ip_set_option(pcb_, SOF_BROADCAST);
  } else {
    ip_reset_option(pcb_, SOF_BROADCAST);
  }
  pcb_->ttl = options.ttl;
  pcb_->tos = options.tos;
  const bool needs_more = options.tells != 0 || options.dual_mode;
  udp_recv(pcb_, needs_more ? on_receive_noting : on_receive, this);
}

WsaError UdpSocket::bind(Endpoint endpoint) {
  if (is_bound_) return WsaError::kInval;
  WsaError error = make_pcb();
  if (error != WsaError::kOk || !claim(endpoint, error)) return error;
  const ip_addr_t ip = to_bind(endpoint.address, options.dual_mode);
  error = wsa_error(stack_.demux().bind(*pcb_, ip, endpoint.port));
  readiness_changed();
  return error;
}

WsaError UdpSocket::bind_implicitly() {
  return is_bound_ ? WsaError::kOk : bind({IpAddress::any(family_), 0});
}

Socket* UdpSocket::take_pending(WsaError& error, bool) {
  error = WsaError::kOpNotSupp;
  return nullptr;
}

// Connecting elsewhere discards what the old peer sent (winsock-rules 112); the wildcard address
// disconnects (113).
WsaError UdpSocket::connect(const Endpoint& peer) {
  inbox_.clear();
  icmp_error_ = WsaError::kOk;
  peer_.reset();
  if (is_bound_ && options.dual_mode) {  // the next peer may be of the other family
    local_.address = IP_IS_ANY_TYPE_VAL(pcb_->local_ip) ? IpAddress::any(6) : from_lwip(pcb_->local_ip);
  }
  if (is_any(peer.address)) return WsaError::kOk;
  if (peer.port == 0) return WsaError::kAddrNotAvail;
  if (const WsaError error = bind_implicitly(); error != WsaError::kOk) return error;
  if (!speaks(peer.address.family)) return WsaError::kAddrNotAvail;
  const bool leaves = !stack_.is_own(peer.address) && !is_multicast(peer.address);
  if (is_loopback(local_.address) && leaves) return WsaError::kAddrNotAvail;  // RFC 1122 3.2.1.3
  const ip_addr_t ip = to_lwip(peer.address);
  if (is_any(local_.address)) {
    netif* const route = is_multicast(peer.address)
                             ? group_route(peer.address, local_.address, options)
                             : route_of(options, *IP_ANY_TYPE, ip);
    if (route == nullptr) return WsaError::kNetUnreach;
    const ip_addr_t* const source = ip_netif_get_local_ip(route, &ip);
    if (source != nullptr) local_.address = from_lwip(*source);
  }
  peer_ = peer;
  return WsaError::kOk;
}

void UdpSocket::on_receive(void* arg, udp_pcb*, pbuf* p, const ip_addr_t* address, u16_t port) {
  static_cast<UdpSocket*>(arg)->arrive(p, {from_lwip(*address), port});
}

void UdpSocket::arrive(pbuf* p, const Endpoint& source) noexcept {
  if (!drop_strangers(p, source)) keep(p, source);
}

void UdpSocket::deliver(pbuf* p) noexcept {
  stack_.stages.on_delivered();
  // What callers hold on loan fills the socket's buffer as what nobody took yet (contract: Z4).
  const uint64_t n_parcels = uint64_t{inbox_.parcels()} + loans.n_mbufs + 1;
  const uint64_t counted = std::max<uint64_t>(inbox_.bytes() + loans.bytes + p->tot_len,
                                              n_parcels * kLeastParcelBytes);
  const bool is_full = counted > options.receive_buffer_bytes || stack_.mbufs_are_scarce();
  if (is_full && !inbox_.empty()) {
    ++stack_.counters.rx_no_socket_room;
    pbuf_free(p);
    return;
  }
  inbox_.push(p, Inbox::kEnds, stack_.stages.delivered_ns());
  note_arrival(FD_READ);
  while (!receives_.empty() && !inbox_.empty()) serve(*receives_.front());
}

/// Answers the first receive with the first message, unless that cannot be lent now: then the message
/// is for whoever comes next.
void UdpSocket::serve(Request& request) noexcept {
  const Outcome outcome = request.loans.is_set() ? lend_message(request.loans, *request.from)
                                                 : fill(request.cursor, 0, *request.from);
  request.bytes = outcome.bytes;
  request.sampled_ns = stack_.stages.take_sample();
  if (outcome.flags != 0) request.outcome.flags = outcome.flags;  // of a WSARecvMsg
  stack_.counters.recv_direct += inbox_.empty();
  finish(receives_, request, outcome.error);
}

/// One message into one receive; what does not fit is lost (contract: E11).
Outcome UdpSocket::fill(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept {
  if (from.address != nullptr) {
    store_endpoint(source_of(parcel_of(inbox_.front())), from.address, from.length);
  } else if (from.length != nullptr) {
    return fill_message(to, flags, from);
  }
  const Outcome outcome = take_from(inbox_, to, kUdpServiceFlags, flags);
  stack_.counters.bytes_copied += outcome.bytes;
  stack_.counters.bytes_delivered += outcome.bytes;
  return outcome;
}

/// Why a message cannot be lent now: it is lent whole or not at all.
WsaError UdpSocket::misfit(const pbuf* message, LoanCursor& to) const noexcept {
  uint32_t n_mbufs = 0;
  for (const pbuf* p = message; p != nullptr; p = p->next) n_mbufs += p->len != 0;
  if (n_mbufs > to.room()) {
    to.need(n_mbufs);
    return WsaError::kMsgSize;
  }
  if (n_mbufs <= loan_room()) return WsaError::kOk;
  ++stack_.counters.loans_refused;
  return WsaError::kNoBufs;
}

Outcome UdpSocket::lend_message(LoanCursor& to, const FromAddress& from) noexcept {
  if (const WsaError error = misfit(inbox_.front(), to); error != WsaError::kOk) return {error};
  if (from.address != nullptr) {
    store_endpoint(source_of(parcel_of(inbox_.front())), from.address, from.length);
  }
  const uint32_t n = inbox_.lend(to);
  stack_.counters.bytes_delivered += n;
  return {WsaError::kOk, n, 0};
}

/// What a receive hears before any message; after can_take() an empty inbox means a lost port.
WsaError UdpSocket::take_error() noexcept {
  if (icmp_error_ != WsaError::kOk) return std::exchange(icmp_error_, WsaError::kOk);
  return inbox_.empty() ? WsaError::kNetDown : WsaError::kOk;
}

Outcome UdpSocket::take_loans(LoanCursor& to, const FromAddress& from) noexcept {
  if (const WsaError error = take_error(); error != WsaError::kOk) return {error};
  const Outcome outcome = lend_message(to, from);
  stack_.counters.recv_queued += outcome.error == WsaError::kOk;
  return outcome;
}

WsaError UdpSocket::receive_refusal(const ReceiveCall& call) const noexcept {
  // MSG_OOB is for streams (contract: E8), and so is MSG_WAITALL.
  constexpr uint32_t kKnown = WS_MSG_PEEK | MSG_PARTIAL | MSG_PUSH_IMMEDIATE;
  if (const WsaError error = flags_refusal(call, kKnown); error != WsaError::kOk) return error;
  if (is_send_only_) return WsaError::kOpNotSupp;  // contract: E8
  // contract: E12, and B1: connect and sendto have bound it as well as bind
  if (!is_bound_ || call.buffers.empty()) return WsaError::kInval;
  if (receive_is_shut_) return WsaError::kShutdown;
  if (call.from.address != nullptr) {
    const INT needed = family_ == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
    if (*call.from.length < needed) return WsaError::kFault;  // winsock-rules 116
  }
  return WsaError::kOk;
}

Outcome UdpSocket::take(BufferCursor& to, uint32_t flags, const FromAddress& from) noexcept {
  if (const WsaError error = take_error(); error != WsaError::kOk) return {error};
  ++stack_.counters.recv_queued;
  return fill(to, flags, from);
}

uint32_t UdpSocket::max_message_bytes() const noexcept {
  return family_ == 4 ? kMostPayload4 : kMostPayload6;
}

Outcome UdpSocket::send(const SendCall& call) {
  constexpr uint32_t kKnown = WS_MSG_DONTROUTE;
  if ((call.flags & ~kKnown) != 0 || is_receive_only_) return {WsaError::kOpNotSupp};
  if (send_is_shut_) return {WsaError::kShutdown};
  if (!call.to.has_value() && !peer_.has_value()) return {WsaError::kNotConn};
  const Endpoint& to = call.to.has_value() ? *call.to : *peer_;
  if (to.port == 0 || is_any(to.address)) return {WsaError::kAddrNotAvail};
  if (is_limited_broadcast(to.address) && !options.broadcast) return {WsaError::kAcces};
  uint64_t bytes = 0;
  for (const WSABUF& buffer : call.buffers) bytes += buffer.len;
  if (bytes > max_message_bytes()) return {WsaError::kMsgSize};
  if (const WsaError error = bind_implicitly(); error != WsaError::kOk) return {error};

  pbuf* const p = gather(call.buffers, static_cast<uint32_t>(bytes));
  if (p == nullptr) return {WsaError::kNoBufs};
  const WsaError error = transmit(p, static_cast<uint32_t>(bytes), to);
  pbuf_free(p);
  if (error != WsaError::kOk) return {error};
  const Outcome outcome{WsaError::kOk, static_cast<uint32_t>(bytes), 0};
  complete_now(call.tell, outcome);
  return outcome;
}

/// The message in mbufs: one where a frame holds it, a chain of pieces where IP will fragment it.
pbuf* UdpSocket::gather(std::span<const WSABUF> buffers, uint32_t bytes) noexcept {
  BufferCursor from(buffers);
  const uint32_t single = rte_pktmbuf_data_room_size(engine.pool) - RTE_PKTMBUF_HEADROOM;
  const uint32_t piece = bytes + PBUF_TRANSPORT <= single ? bytes : kPieceBytes;
  pbuf* head = nullptr;
  uint32_t left = bytes;
  do {
    const auto n = static_cast<u16_t>(std::min(left, piece));
    pbuf* const p = pbuf_alloc(PBUF_TRANSPORT, n, PBUF_RAM);
    if (p == nullptr) {
      if (head != nullptr) pbuf_free(head);
      return nullptr;
    }
    for (uint32_t filled = 0; filled < n;) {
      const uint32_t part = std::min(n - filled, from.contiguous());
      rte_memcpy(static_cast<char*>(p->payload) + filled, from.data(), part);
      from.advance(part);
      filled += part;
    }
    if (head == nullptr) {
      head = p;
    } else {
      pbuf_cat(head, p);
    }
    left -= n;
  } while (left != 0);
  return head;
}

/// The address that a datagram comes from. @return null: the interface has none
const ip_addr_t* UdpSocket::source_through(netif& route, const ip_addr_t& bound,
                                           const ip_addr_t& to) const {
  if (!is_any(local_.address)) return &bound;
  const bool to_ourselves = &route == engine.loop && !ip_addr_ismulticast(&to);
  return to_ourselves ? &to : ip_netif_get_local_ip(&route, &to);
}

WsaError UdpSocket::transmit(pbuf* p, uint32_t bytes, const Endpoint& to) noexcept {
  const ip_addr_t bound = to_lwip(local_.address);  // of a connected socket, where the pcb has none
  ip_addr_t ip = to_lwip(to.address);
  const bool is_group = is_multicast(to.address);
  netif* const route = is_group ? group_route(to.address, local_.address, options)
                                : route_of(options, bound, ip);
  if (route != engine.loop && is_loopback(local_.address)) return WsaError::kAddrNotAvail;
  if (route == nullptr) {
    return stack_.is_cut_off(*this) ? WsaError::kNetDown : WsaError::kNetUnreach;
  }
  if (is_group && IP_IS_V6_VAL(ip)) ip6_addr_assign_zone(ip_2_ip6(&ip), IP6_MULTICAST, route);
  const ip_addr_t* const source = source_through(*route, bound, ip);
  if (source == nullptr) return WsaError::kNetUnreach;
  if (is_group) {
    const PacketInfo info =
        packet_info_of(to.address, *route, options.multicast_ttl, options.tos);
    stack_.loop_to_group(*p, {from_lwip(*source), local_.port}, to, *route, info);
    if (route == engine.loop) return WsaError::kOk;
  }
  if (options.forbids_fragments()) {
    const uint32_t headers = to.address.family == 4 ? IP_HLEN + UDP_HLEN : IP6_HLEN + UDP_HLEN;
    if (bytes + headers > route->mtu) return WsaError::kMsgSize;
    p->flags |= Netif::kForbidsFragments;
  }
  // No device sums up what IP cuts to pieces: software does, for this datagram.
  const uint16_t usual = route->chksum_flags;
  if (bytes + kFragmentedHeaders > route->mtu) route->chksum_flags |= NETIF_CHECKSUM_GEN_UDP;
  udp_set_multicast_ttl(pcb_, options.multicast_ttl);
  const err_t error = udp_sendto_if_src(pcb_, p, &ip, to.port, route, source);
  route->chksum_flags = usual;
  // lwIP's only ERR_VAL here: a broadcast address without SO_BROADCAST.
  return error == ERR_VAL ? WsaError::kAcces : wsa_error(error);
}

WsaError UdpSocket::change_groups(const GroupChange& change) {
  const bool is_own_family =
      change.group.family == family_ || (options.dual_mode && change.group.family == 4);
  if (!is_own_family || !is_multicast(change.group)) return WsaError::kInval;
  netif* const on = change.interface == 0
                        ? default_group_interface(change.group, local_.address)
                        : group_interface(change.interface);
  return on == nullptr ? WsaError::kAddrNotAvail : groups_.change(change, *on);
}

// IP multicast has no root: joining is a membership, and the socket itself the leaf.
WsaError UdpSocket::join_leaf(const Endpoint& group, bool sends, bool receives) {
  if (!is_multicast(group.address)) return WsaError::kAddrNotAvail;
  if (const WsaError error = bind_implicitly(); error != WsaError::kOk) return error;  // contract: B1
  if (receives) {
    GroupChange change;
    change.group = group.address;
    change.interface = options.multicast_interface;
    if (const WsaError error = change_groups(change); error != WsaError::kOk) return error;
  }
  is_send_only_ = !receives && groups_.empty();
  is_receive_only_ = !sends;
  return WsaError::kOk;
}

WsaError UdpSocket::shutdown(int how) {
  if (how != SD_RECEIVE && how != SD_SEND && how != SD_BOTH) return WsaError::kInval;
  if (how != SD_SEND) receive_is_shut_ = true;
  if (how != SD_RECEIVE) send_is_shut_ = true;
  return WsaError::kOk;
}

int UdpSocket::fits(const IcmpError& error) const noexcept {
  if (peer_.has_value()) return *peer_ == error.remote ? 2 : -1;
  return is_any(local_.address) ? 0 : 1;
}

// winsock-rules 114, 115. One error is kept, and the next receive gets it before what is queued.
bool UdpSocket::on_icmp_error(const IcmpError& error) noexcept {
  if (error.reason == IcmpReason::kPacketTooBig) return true;  // PathMtus' to heed
  const bool is_refusal = error.reason == IcmpReason::kPortUnreachable;
  if (!is_refusal && error.reason != IcmpReason::kTimeExceeded) return false;
  if (!(is_refusal ? options.udp_conn_reset : options.udp_net_reset)) return false;
  const WsaError code = is_refusal ? WsaError::kConnReset : WsaError::kNetReset;
  if (!receives_.empty()) {
    finish(receives_, *receives_.front(), code);
  } else if (icmp_error_ == WsaError::kOk) {
    icmp_error_ = code;
    note_arrival(FD_READ);
  }
  stack_.mark_dirty(*this);
  return true;
}

void UdpSocket::on_port_lost() noexcept {
  if (!stack_.is_cut_off(*this)) return;
  finish_all(receives_, WsaError::kNetDown);
  stack_.mark_dirty(*this);
}

void UdpSocket::release_pcb(bool) noexcept {
  groups_.leave_all();
  if (pcb_ != nullptr) stack_.demux().remove(*std::exchange(pcb_, nullptr));
}

}  // namespace millrace
