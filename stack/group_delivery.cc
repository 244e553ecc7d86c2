// SPDX-License-Identifier: BSD-3-Clause
// Datagrams that are for many: to a group, or broadcast. lwIP gives them to one socket, or to those
// that share a port, whatever their groups; here each socket gets one that is in the group, wants
// the source, and is bound to the port. All but one get a copy; mostly there is one.
//
// What this Stack sends to a group it hears itself, too: not from the wire, where it does not come
// back, but as a copy before it is sent. IP_MULTICAST_LOOP is the receiver's on Windows.
#include <rte_mbuf.h>

#include <algorithm>
#include <utility>

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/prot/udp.h"
#include "lwip/udp.h"
#include "stack/interfaces.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/packet_info.h"
#include "stack/siblings.h"
#include "stack/stack.h"
#include "stack/udp.h"

namespace millrace {
namespace {

constexpr uint8_t kAboutMany = PBUF_FLAG_LLBCAST | kWasToGroup;

/// The same bytes in mbufs of their own, as if received. @return null: no mbuf is free
pbuf* copy_of(const pbuf& p) noexcept {
  rte_mbuf* head = nullptr;
  uint16_t at = 0;
  do {
    rte_mbuf* const m = rte_pktmbuf_alloc(engine.pool);
    if (m == nullptr) {
      rte_pktmbuf_free(head);
      ++engine.counters->mbuf_alloc_failed;
      return nullptr;
    }
    const auto n = static_cast<uint16_t>(
        std::min<uint32_t>(rte_pktmbuf_tailroom(m), static_cast<uint32_t>(p.tot_len - at)));
    pbuf_copy_partial(&p, rte_pktmbuf_append(m, n), n, at);
    at = static_cast<uint16_t>(at + n);
    if (head == nullptr) {
      head = m;
    } else {
      rte_pktmbuf_chain(head, m);
    }
  } while (at < p.tot_len);
  ++engine.counters->rx_group_copies;
  pbuf* const copy = pbuf_from(head);
  copy->flags |= p.flags & kAboutMany;
  return copy;
}

bool has_right_checksum(pbuf* p, const udp_hdr& header, const netif& in) noexcept {
  if ((in.chksum_flags & NETIF_CHECKSUM_CHECK_UDP) == 0) return true;
  if (header.chksum == 0) return !ip_current_is_v6();
  return ip_chksum_pseudo(p, IP_PROTO_UDP, p->tot_len, ip_current_src_addr(),
                          ip_current_dest_addr()) == 0;
}

/// A broadcast is for who is bound to the wildcard or to an address in that subnet.
bool hears_broadcast(const UdpSocket& socket, const ip4_addr_t& to) noexcept {
  if (!socket.options.receive_broadcast) return false;
  const IpAddress& local = socket.local().address;
  if (is_any(local) || to.addr == IPADDR_BROADCAST) return true;
  const ip4_addr_t own = to_ip4(local);
  return ip4_addr_net_eq(&own, &to, netif_ip4_netmask(ip_current_netif()));
}

}  // namespace

template <typename Wants>
uint32_t Stack::give_to_each(pbuf* datagram, const Endpoint& source, uint16_t port,
                             const PacketInfo& info, Wants wants) {
  UdpSocket* previous = nullptr;
  uint32_t n = 0;
  siblings_.ports.for_each_of(index_, Transport::kUdp, port, [&](Socket& holder) {
    auto& socket = static_cast<UdpSocket&>(holder);
    if (!socket.speaks(source.address.family) || !wants(socket)) return;
    ++n;
    UdpSocket* const earlier = std::exchange(previous, &socket);
    if (earlier == nullptr) return;
    pbuf* const copy = copy_of(*datagram);
    if (copy != nullptr) earlier->arrive(copy, source, info);
  });
  if (previous != nullptr) {
    previous->arrive(datagram, source, info);
  } else {
    pbuf_free(datagram);
  }
  return n;
}

void Stack::deliver_to_all(pbuf* datagram, netif& in) noexcept {
  const auto& header = *static_cast<const udp_hdr*>(datagram->payload);
  if (!has_right_checksum(datagram, header, in)) {
    ++counters.rx_bad_checksum_for_all;
    pbuf_free(datagram);
    return;
  }
  const uint16_t port = lwip_ntohs(header.dest);
  const Endpoint source{from_lwip(*ip_current_src_addr()), lwip_ntohs(header.src)};
  IpAddress group = from_lwip(*ip_current_dest_addr());
  group.zone = 0;
  const ip_addr_t to = *ip_current_dest_addr();
  const PacketInfo info = current_packet_info();
  pbuf_remove_header(datagram, UDP_HLEN);
  const bool is_group = ip_addr_ismulticast(&to);
  if (is_group) datagram->flags |= kWasToGroup;
  IpAddress who = source.address;
  who.zone = 0;
  const uint32_t n = give_to_each(datagram, source, port, info, [&](const UdpSocket& socket) {
    return is_group ? socket.groups().wants(in, group, who)
                    : hears_broadcast(socket, *ip_2_ip4(&to));
  });
  if (n == 0) ++counters.rx_group_unwanted;
}

void Stack::loop_to_group(const pbuf& datagram, const Endpoint& source, const Endpoint& group,
                          const netif& on, const PacketInfo& info) noexcept {
  IpAddress who = source.address;
  who.zone = 0;
  const auto wants = [&](const UdpSocket& socket) {
    return socket.options.multicast_loop && socket.groups().wants(on, group.address, who);
  };
  bool is_heard = false;
  siblings_.ports.for_each_of(index_, Transport::kUdp, group.port, [&](const Socket& holder) {
    const auto& socket = static_cast<const UdpSocket&>(holder);
    is_heard |= socket.speaks(source.address.family) && wants(socket);
  });
  pbuf* const copy = is_heard ? copy_of(datagram) : nullptr;
  if (copy == nullptr) return;
  copy->flags |= kWasToGroup;
  (void)give_to_each(copy, source, group.port, info, wants);
  settle_dirty();  // this is no turn, and who waits should not have to wait for the next
}

}  // namespace millrace
