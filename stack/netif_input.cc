// SPDX-License-Identifier: BSD-3-Clause
// A Netif's way in: from the port's burst to header prediction, or to lwIP.
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/udp.h"
#include "stack/demux.h"
#include "stack/frame.h"
#include "stack/gate.h"
#include "stack/lwip/port.h"
#include "stack/neighbors.h"
#include "stack/netif.h"
#include "stack/routes.h"
#include "stack/segment.h"
#include "stack/siblings.h"
#include "stack/syn_cookies.h"
#include "stack/vlan.h"

namespace millrace {
namespace {

constexpr uint16_t kSoftwareCheck = NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_UDP |
                                    NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_ICMP |
                                    NETIF_CHECKSUM_CHECK_ICMP6 | kCheckSctp;

constexpr uint16_t kBurstWorthFetching = 4;

// None: there is no sum in the frame, but its data is known to be whole, such as virtio's from its host
// (DPDK rte_mbuf_core.h).
bool is_good_l4(const rte_mbuf& m) {
  const uint64_t l4 = m.ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  return l4 == RTE_MBUF_F_RX_L4_CKSUM_GOOD || l4 == RTE_MBUF_F_RX_L4_CKSUM_NONE;
}
bool is_good_ip(const rte_mbuf& m) {
  const uint64_t ip = m.ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  return ip == RTE_MBUF_F_RX_IP_CKSUM_GOOD || ip == RTE_MBUF_F_RX_IP_CKSUM_NONE;
}

/// Takes it off the first time, and knows it afterwards. @return 0: untagged
uint16_t tag_of(rte_mbuf& m) noexcept {
  return m.data_len < SIZEOF_ETH_HDR + kVlanTagBytes ? uint16_t{0} : take_vlan_tag(m);
}

/// IPv4's header, and of UDP's what lwIP looks at to find what is for its DHCP client.
bool has_whole_headers(const uint8_t* header, uint32_t length) {
  const uint32_t own = uint32_t{header[0] & 0x0fu} * 4;
  if (length < own || header[9] != IP_PROTO_UDP) return length >= own;
  const bool is_later_fragment = ((header[6] & 0x1f) | header[7]) != 0;
  ip4_addr_t target;
  std::memcpy(&target.addr, header + 16, sizeof target.addr);
  if (is_later_fragment) return length >= own + 4 || engine.routes->is_own(target);
  return length >= own + UDP_HLEN;
}

}  // namespace

uint32_t Netif::poll() noexcept {
  const uint32_t n = poll_port();
  if (syns_.is_empty()) return n;
  const bool is_flood = engine.syn_cookies->is_flood(engine.clock->now_ns());
  for (uint32_t left = syns_.due(n, is_flood); left != 0; --left) hand_to_lwip(syns_.pop());
  return n + syns_.size();
}

uint32_t Netif::poll_port() noexcept {
  if (is_loop_ && looping_ == 0) return 0;
  std::array<rte_mbuf*, kBurstMax> frames;
  const uint16_t n = receive(frames);
  if (n == 0) return 0;
  Stages& stages = engine.stack->stages;
  if (stages.on_burst()) [[unlikely]] time_in_port(std::span(frames).first(n));
  hand_on(std::span(frames).first(n));
  stages.end_burst();
  return n;
}

void Netif::time_in_port(std::span<rte_mbuf* const> frames) noexcept {
  if (ages_ == nullptr || !ages_->look()) return;
  Stages& stages = engine.stack->stages;
  for (const rte_mbuf* const m : frames) {
    if (m->port != port_.id()) continue;  // a sibling's burst has several ports' frames
    if (const auto age_ns = ages_->age_ns(*m)) stages.on_port(*age_ns);
  }
  stages.after_ports();
}

void Netif::hand_on(std::span<rte_mbuf*> frames) noexcept {
  const auto n = static_cast<uint16_t>(frames.size());
  for (uint16_t i = 0; i < n; ++i) {
    rte_prefetch0(rte_pktmbuf_mtod(frames[i], void*));
    rte_prefetch0(private_area(frames[i]));
  }
  if (n < kBurstWorthFetching) {
    for (uint16_t i = 0; i < n; ++i) input(frames[i]);
    return;
  }
  Demux::Expected expected(*engine.demux, frames);
  for (uint16_t i = 0; i < n; ++i) {
    expected.before(i);
    input(frames[i]);
  }
}

uint16_t Netif::receive(std::array<rte_mbuf*, kBurstMax>& frames) noexcept {
  const Stack& stack = *engine.stack;
  const Steering* const steering = stack.siblings().steering();
  if (shared_ == nullptr) {
    const uint16_t n = port_.rx(queue_, frames);
    if (is_loop_) looping_ -= std::min<uint32_t>(n, looping_);
    return steering == nullptr ? n : keep_own(std::span(frames).first(n));
  }
  if (!shared_->receiving.try_lock()) return 0;
  // What a sibling received before and handed over comes first.
  uint16_t n = steering->has_inbound(stack.index()) ? uint16_t{0} : port_.rx(queue_, frames);
  n = keep_own(std::span(frames).first(n));
  shared_->receiving.unlock();
  return n;
}

bool Netif::take_predicted(rte_mbuf& m, uint16_t vlan) noexcept {
  Segment segment;
  if (!find_segment(m, segment)) return false;
  const netif* const in = interfaces_.find(vlan, segment.is_v6 ? ETHTYPE_IPV6 : ETHTYPE_IP, segment.ip);
  if (in == nullptr) return false;
  const auto* const to = rte_pktmbuf_mtod(&m, const uint8_t*);
  if (!is_loop_ && std::memcmp(to, mac_.data(), mac_.size()) != 0) return false;
  const Arrival arrival{in, is_loop_, verify_checksums_ && !is_good_ip(m), verify_checksums_ && !is_good_l4(m)};
  Demux& demux = *engine.demux;
  switch (segment.protocol()) {
    case Segment::kTcp:
      return demux.tcp_in_predicted(segment, arrival);
    case Segment::kUdp:
      return demux.udp_in_predicted(segment, arrival);
    default:
      return false;
  }
}

void Netif::input(rte_mbuf* m) noexcept {
  engine.stack->stages.on_input();
  if (take_predicted(*m, tag_of(*m))) return;
  if (!is_syn(rte_pktmbuf_mtod(m, const uint8_t*), m->data_len)) return hand_to_lwip(m);
  if (syns_.push(m)) return;
  ++counters_.rx_syn_dropped;
  rte_pktmbuf_free(m);
}

void Netif::hand_to_lwip(rte_mbuf* m) noexcept {
  netif* const in = accept(m);
  if (in == nullptr) {
    rte_pktmbuf_free(m);
    return;
  }
  ++counters_.rx_pkts;
  const bool had_no_ports = m->packet_type == RTE_PTYPE_L4_FRAG;
  pbuf* const p = pbuf_from(m);
  if (had_no_ports) p->flags |= kHadNoPorts;
  if (in->input(p, in) != ERR_OK) pbuf_free(p);
}

// Lengths first (lwIP 2.2.1 reads ARP, IPv4 and IPv6 headers without asking whether they are there),
// then the tag, then what the device says of the checksums. @return the interface it is for, or null
netif* Netif::accept(rte_mbuf* m) noexcept {
  constexpr uint32_t kArpBytes = SIZEOF_ETH_HDR + 28;
  const uint16_t vlan = tag_of(*m);
  const uint32_t length = m->data_len;
  if (length < SIZEOF_ETH_HDR + IP_HLEN) {
    ++counters_.rx_short;
    return nullptr;
  }
  const auto* const bytes = rte_pktmbuf_mtod(m, const uint8_t*);
  const bool is_group = (bytes[0] & 1) != 0;
  if (!is_loop_ && !is_group && std::memcmp(bytes, mac_.data(), mac_.size()) != 0) {
    ++counters_.rx_other_host;  // lwIP takes what the card lets through
    return nullptr;
  }
  const auto type = static_cast<uint16_t>((bytes[12] << 8) | bytes[13]);
  bool whole = true;
  switch (type) {
    case ETHTYPE_IP:
      whole = has_whole_headers(bytes + SIZEOF_ETH_HDR, length - SIZEOF_ETH_HDR);
      break;
    case ETHTYPE_IPV6:
      whole = length >= SIZEOF_ETH_HDR + IP6_HLEN;
      break;
    case ETHTYPE_ARP:
      whole = length >= kArpBytes;
      break;
    default:
      ++counters_.rx_unknown_type;
      return nullptr;
  }
  if (!whole || m->pkt_len > UINT16_MAX) {
    ++counters_.rx_short;
    return nullptr;
  }
  netif* const in = interfaces_.find(vlan, type, bytes + SIZEOF_ETH_HDR);
  if (in == nullptr) {
    ++counters_.rx_other_vlan;
    return nullptr;
  }
  if (!is_loop_ && !passes_gate(type, bytes + SIZEOF_ETH_HDR, *in)) return nullptr;
  if (!verify_checksums_) return in;
  const uint64_t l4 = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  const uint64_t ip = m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  if (l4 == RTE_MBUF_F_RX_L4_CKSUM_BAD || ip == RTE_MBUF_F_RX_IP_CKSUM_BAD) {
    ++counters_.rx_bad_checksum;
    return nullptr;
  }
  uint16_t check = kSoftwareCheck;
  if (is_good_l4(*m)) check &= good_l4_;
  if (is_good_ip(*m)) check &= static_cast<uint16_t>(~NETIF_CHECKSUM_CHECK_IP);
  in->chksum_flags = gen_flags_ | check;
  return in;
}

bool Netif::passes_gate(uint16_t type, const uint8_t* header, netif& in) noexcept {
  Gate& gate = *engine.gate;
  if (type == ETHTYPE_IP) return gate.ip4(header, in);
  if (type == ETHTYPE_IPV6) return gate.ip6(header, in);
  return engine.neighbors->may_claim4(header, in, engine.clock->now_ns());
}

}  // namespace millrace
