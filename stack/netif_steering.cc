// SPDX-License-Identifier: BSD-3-Clause
// With several Stacks: what of a received burst is this one's, and how the rest gets to its owner
// (steering.h). None of this runs where there is one Stack.
#include <rte_mbuf.h>

#include <bit>

#include "lwip/ip.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip6.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/netif.h"
#include "stack/siblings.h"

namespace millrace {
namespace {

constexpr uint16_t kLoopPort = RTE_MBUF_PORT_INVALID;  // whose frames are from ourselves

// DPDK rte_mbuf_ptype.h: a fragment, so its ports are not to be had.
void mark_as_fragment(rte_mbuf& m) { m.packet_type = RTE_PTYPE_L4_FRAG; }
bool is_fragment(const rte_mbuf& m) { return m.packet_type == RTE_PTYPE_L4_FRAG; }

/// The frame whose payload lwIP has in hand, from its Ethernet header on, as its owner shall see it.
/// @owner takes p
rte_mbuf* frame_again(pbuf* p, netif& in) {
  constexpr size_t kAddressBytes = 6;
  if (pbuf_add_header_force(p, ip_current_header_tot_len() + size_t{SIZEOF_ETH_HDR}) != 0) {
    pbuf_free(p);
    return nullptr;
  }
  auto* const bytes = static_cast<uint8_t*>(p->payload);
  const uint16_t type = ip_current_is_v6() ? ETHTYPE_IPV6 : ETHTYPE_IP;
  std::memcpy(bytes, in.hwaddr, kAddressBytes);
  bytes[12] = static_cast<uint8_t>(type >> 8);
  bytes[13] = static_cast<uint8_t>(type & 0xff);
  if (type == ETHTYPE_IPV6) {  // lwIP's own reader does not look at this length any more
    const auto n = static_cast<uint16_t>(p->tot_len - SIZEOF_ETH_HDR - IP6_HLEN);
    bytes[SIZEOF_ETH_HDR + 4] = static_cast<uint8_t>(n >> 8);
    bytes[SIZEOF_ETH_HDR + 5] = static_cast<uint8_t>(n & 0xff);
  }
  rte_mbuf* const head = mbuf_of(p);
  head->pkt_len = p->tot_len;
  head->nb_segs = 0;
  for (pbuf* q = p; q != nullptr; q = q->next) {
    rte_mbuf* const m = mbuf_of(q);
    m->data_off =
        static_cast<uint16_t>(static_cast<char*>(q->payload) - static_cast<char*>(m->buf_addr));
    m->data_len = q->len;
    m->next = q->next == nullptr ? nullptr : mbuf_of(q->next);
    ++head->nb_segs;
  }
  // Put together by lwIP, which has looked at the IP header's sum; nobody at that of the whole.
  head->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
  head->packet_type = 0;
  if (const uint16_t vlan = interface_of(in).vlan(); vlan != 0) {  // as a device that strips it
    head->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
    head->vlan_tci = vlan;
  }
  return head;
}

}  // namespace

uint16_t Netif::keep_own(std::span<rte_mbuf*> frames) noexcept {
  uint16_t n = 0;
  bool is_behind = false;
  for (rte_mbuf* const m : frames) {
    if (is_for_another(m, is_behind)) continue;
    is_behind |= is_fragment(*m);
    frames[n++] = m;
  }
  return n;
}

// Behind a fragment a frame keeps its place: it is asked about again when that one has been seen to.
/// @owner takes m if it returns true
bool Netif::is_for_another(rte_mbuf* m, bool is_behind) noexcept {
  const Stack& stack = *engine.stack;
  const Steering::Verdict verdict =
      stack.siblings().steering()->owner_of(*m, stack.index(), trusts_hash_, is_loop_);
  m->packet_type = 0;
  if (verdict.has_no_ports) mark_as_fragment(*m);
  if (verdict.owner == stack.index()) return false;
  if (verdict.owner != Steering::kSeveral) {
    if (is_behind) {
      mark_as_fragment(*m);
      return false;
    }
    hand_over(m, verdict.owner);
    return true;
  }
  const uint32_t mine = uint32_t{1} << stack.index();
  for (uint32_t left = verdict.several & ~mine; left != 0; left &= left - 1) {
    rte_mbuf* const copy = rte_pktmbuf_copy(m, engine.pool, 0, UINT32_MAX);
    if (copy == nullptr) {
      ++counters_.mbuf_alloc_failed;
      continue;
    }
    copy->packet_type = m->packet_type;
    hand_over(copy, static_cast<uint32_t>(std::countr_zero(left)));
  }
  if ((verdict.several & mine) != 0) return false;
  rte_pktmbuf_free(m);
  return true;
}

/// @owner takes m
void Netif::hand_over(rte_mbuf* m, uint32_t stack) noexcept {
  m->port = is_loop_ ? kLoopPort : port_.id();
  if (engine.stack->siblings().steering()->hand_over(stack, m)) {
    ++counters_.rx_handed_over;
    return;
  }
  ++counters_.rx_handover_dropped;
  rte_pktmbuf_free(m);
}

// A datagram to a socket of another Stack goes straight there: our own end of the loop may be
// waited for by nobody. Behind fragments, which have to be put together here, it keeps its place.
void Netif::hand_over_loop() noexcept {
  bool is_behind = looping_ != out_.size();
  for (rte_mbuf* const m : out_.take_all()) {
    if (!is_behind && is_for_another(m, false)) {
      --looping_;
      continue;
    }
    is_behind |= is_fragment(*m);
    (void)out_.push(m);
  }
}

bool Netif::hand_over_late(pbuf* p, netif* in, bool is_tcp) noexcept {
  constexpr uint16_t kPortsBytes = 4;
  if (p->len < kPortsBytes) return false;
  Netif& self = *interface_of(*in).owner;
  if (is_tcp && self.is_loop_) return false;
  const Stack& stack = *engine.stack;
  const Steering& steering = *stack.siblings().steering();
  const auto* const ports = static_cast<const uint8_t*>(p->payload);
  const auto port_at = [&](size_t at) { return static_cast<uint16_t>(ports[at] << 8 | ports[at + 1]); };
  const FourTuple tuple{{from_lwip(*ip_current_dest_addr()), port_at(2)},
                        {from_lwip(*ip_current_src_addr()), port_at(0)}};
  const Steering::Verdict verdict = is_tcp ? steering.owner_of_tcp(tuple)
                                           : steering.owner_of_udp(tuple.local, stack.index());
  // To a group: whoever has put it together keeps it, or else the first of its members.
  const uint32_t mine = uint32_t{1} << stack.index();
  const bool is_for_several = verdict.owner == Steering::kSeveral;
  const uint32_t owner = !is_for_several                   ? verdict.owner
                         : (verdict.several & mine) != 0   ? stack.index()
                                                           : std::countr_zero(verdict.several);
  if (owner == stack.index()) return false;
  if (rte_mbuf* const m = frame_again(p, *in); m != nullptr) self.hand_over(m, owner);
  return true;
}

}  // namespace millrace
