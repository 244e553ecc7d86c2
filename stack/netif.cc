// SPDX-License-Identifier: BSD-3-Clause
#include "stack/netif.h"

#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/udp.h"
#include "netif/ethernet.h"
#include "stack/demux.h"
#include "stack/frame.h"
#include "stack/gate.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/neighbors.h"
#include "stack/path_mtu.h"
#include "stack/routes.h"
#include "stack/segment.h"
#include "stack/siblings.h"
#include "stack/syn_cookies.h"
#include "stack/tx_checksum.h"
#include "stack/vlan.h"

namespace millrace {
namespace {

constexpr uint16_t kSoftwareCheck = NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_UDP |
                                    NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_ICMP |
                                    NETIF_CHECKSUM_CHECK_ICMP6;

constexpr eth_addr kNoAddress{};
constexpr uint16_t kBurstWorthFetching = 4;

err_t loop_output(netif* n, pbuf* p, uint16_t type) {
  return ethernet_output(n, p, &kNoAddress, &kNoAddress, type);
}

bool verifies(const PortConfig& config) {
  if (config.checksum != ChecksumPolicy::kAuto) return config.checksum == ChecksumPolicy::kOn;
  // A Linux peer on the same host leaves sums to the NIC that is not there (partial checksums).
  return !config.device.starts_with("net_af_xdp") && !config.device.starts_with("net_af_packet") &&
         !config.device.starts_with("net_tap");
}

// A memif's link says whether a peer process is there: peers come and go, and a server waits on.
uint64_t patience_ns(const Port& port, const PortConfig& config) {
  return port.driver() == "net_memif" ? 0 : uint64_t{config.link_down_ms} * 1'000'000;
}

uint16_t generated_in_software(const PortCaps& caps) {
  uint16_t flags = NETIF_CHECKSUM_GEN_ICMP | NETIF_CHECKSUM_GEN_ICMP6;
  if (!caps.tx_checksum_ip4) flags |= NETIF_CHECKSUM_GEN_IP;
  if (!caps.tx_checksum_tcp) flags |= NETIF_CHECKSUM_GEN_TCP;
  if (!caps.tx_checksum_udp) flags |= NETIF_CHECKSUM_GEN_UDP;
  return flags;
}

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

Netif::Netif(const PortQueue& queue, Counters& counters)
    : port_(*queue.port),
      counters_(counters),
      queue_(queue.queue),
      shared_(queue.shared),
      is_loop_(false),
      trusts_hash_(queue.port->caps().rss_is_ours),
      verify_checksums_(verifies(*queue.config)),
      gen_flags_(generated_in_software(queue.port->caps())),
      mac_(queue.port->mac()),
      interfaces_(*this, *engine.routes, *queue.config, on_init, gen_flags_) {
  const Port& port = port_;
  const PortConfig& config = *queue.config;
  had_link_ = port.link_up();
  patience_ns_ = patience_ns(port, config);
  const PortCaps& caps = port.caps();
  offloads_checksums_ = caps.tx_checksum_ip4 || caps.tx_checksum_tcp || caps.tx_checksum_udp;
}

Netif::Netif(Port& loop_port, Counters& counters)
    : port_(loop_port),
      counters_(counters),
      queue_(0),
      is_loop_(true),
      verify_checksums_(false),
      mac_(loop_port.mac()),
      interfaces_(*this, *engine.routes, on_init) {
  netif& loop = lwip();
  loop.output = [](netif* n, pbuf* p, const ip4_addr_t*) { return loop_output(n, p, ETHTYPE_IP); };
  loop.output_ip6 = [](netif* n, pbuf* p, const ip6_addr_t*) {
    return loop_output(n, p, ETHTYPE_IPV6);
  };
  // ethernet_input() refuses IP on an interface without ARP; set it only now, so that none is sent.
  loop.flags |= NETIF_FLAG_ETHARP;
}

Netif::~Netif() { out_.clear(); }

err_t Netif::on_init(netif* n) {
  Interface& interface = interface_of(*n);
  Netif& self = *interface.owner;
  n->name[0] = self.is_loop_ ? 'l' : 'm';
  n->name[1] = self.is_loop_ ? 'o' : 'r';
  number_and_outputs(interface);
  n->linkoutput = on_output;
  n->mtu = self.port_.caps().mtu;
  n->mtu6 = n->mtu;
  std::copy(self.mac_.begin(), self.mac_.end(), n->hwaddr);
  n->hwaddr_len = 6;
  n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHERNET;
  if (self.is_loop_) return ERR_OK;
  n->flags |= NETIF_FLAG_ETHARP;
  if (interface.is_first()) {
    n->flags |= NETIF_FLAG_MLD6 | NETIF_FLAG_IGMP;
    netif_set_igmp_mac_filter(n, on_group4);
    netif_set_mld_mac_filter(n, on_group6);
  }
  return ERR_OK;
}

// RFC 1112 6.4
err_t Netif::on_group4(netif* n, const ip4_addr_t* group, netif_mac_filter_action action) {
  return interface_of(*n).owner->filter(
      {0x01, 0x00, 0x5e, static_cast<uint8_t>(ip4_addr2(group) & 0x7f), ip4_addr3(group),
       ip4_addr4(group)},
      action);
}

// RFC 2464 7
err_t Netif::on_group6(netif* n, const ip6_addr_t* group, netif_mac_filter_action action) {
  std::array<uint8_t, 6> mac{0x33, 0x33};
  std::memcpy(mac.data() + 2, &group->addr[3], 4);
  return interface_of(*n).owner->filter(mac, action);
}

err_t Netif::filter(const std::array<uint8_t, 6>& mac, netif_mac_filter_action action) {
  MulticastFilter& groups = port_.groups();
  action == NETIF_ADD_MAC_FILTER ? groups.add(mac) : groups.remove(mac);
  return ERR_OK;
}

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
  stages.on_burst();
  hand_on(std::span(frames).first(n));
  stages.end_burst();
  return n;
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

// A tag, or several interfaces to choose from, wants more of a look.
bool Netif::take_predicted(rte_mbuf& m) noexcept {
  Segment segment;
  const netif* const in = interfaces_.only();
  if (in == nullptr || (m.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) return false;
  if (!find_segment(m, segment)) return false;
  const auto* const to = rte_pktmbuf_mtod(&m, const uint8_t*);
  if (!is_loop_ && std::memcmp(to, mac_.data(), mac_.size()) != 0) return false;
  const Arrival arrival{in, is_loop_, verify_checksums_ && !is_good_ip(m), verify_checksums_ && !is_good_l4(m)};
  engine.stack->stages.on_input();
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
  if (take_predicted(*m)) {
    ++counters_.rx_pkts;
    ++counters_.rx_predicted;
    return;
  }
  if (!is_syn(rte_pktmbuf_mtod(m, const uint8_t*), m->data_len)) return hand_to_lwip(m);
  if (syns_.push(m)) return;
  ++counters_.rx_syn_dropped;
  rte_pktmbuf_free(m);
}

void Netif::hand_to_lwip(rte_mbuf* m) noexcept {
  engine.stack->stages.on_input();
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
  const uint16_t vlan = m->data_len < SIZEOF_ETH_HDR + kVlanTagBytes ? 0 : take_vlan_tag(*m);
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
  if (is_good_l4(*m)) check &= static_cast<uint16_t>(~(NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_TCP));
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

/// Neighbors that we ask for may answer.
void Netif::note_question(const pbuf& frame) noexcept {
  const auto* const bytes = static_cast<const uint8_t*>(frame.payload);
  const uint8_t* const header = bytes + SIZEOF_ETH_HDR;
  if (bytes[12] == 0x08 && bytes[13] == 0x06) {
    if (header[7] == ARP_REQUEST) engine.neighbors->asked(header + 24, 4, engine.clock->now_ns());
    return;
  }
  const bool is_solicitation = bytes[12] == 0x86 && header[6] == IP6_NEXTH_ICMP6 &&
                               header[IP6_HLEN] == ICMP6_TYPE_NS;
  if (is_solicitation) {
    engine.neighbors->asked(header + IP6_HLEN + 8, 16, engine.clock->now_ns());
  }
}

err_t Netif::on_output(netif* n, pbuf* p) {
  if (engine.replayed_isn != nullptr) return ERR_OK;  // its peer has the answer
  const Interface& interface = interface_of(*n);
  Netif& self = *interface.owner;
  if (!self.is_loop_) self.note_question(*p);
  const bool is_whole = (p->flags & kForbidsFragments) != 0;
  if (!self.is_loop_ && (engine.path_mtus != nullptr || is_whole)) {
    const bool has_checksum = (self.gen_flags_ & NETIF_CHECKSUM_GEN_IP) != 0;
    const uint8_t protocol = is_whole ? IP_PROTO_UDP : IP_PROTO_TCP;
    forbid_fragments(static_cast<uint8_t*>(p->payload), protocol, has_checksum);
  }
  rte_mbuf* const m = self.frame_of(p);
  if (m == nullptr) return ERR_MEM;
  if (!self.is_loop_ && self.offloads_checksums_) request_tx_checksum(m, self.gen_flags_);
  if (const uint16_t vlan = interface.vlan(); vlan != 0) {
    self.port_.caps().tx_vlan ? request_vlan_tag(*m, vlan) : insert_vlan_tag(*m, vlan);
  }
  if (self.is_loop_) ++self.looping_;
  ++self.counters_.tx_pkts;
  if (!self.out_.push(m)) {
    self.send_burst();
    (void)self.out_.push(m);
  }
  return ERR_OK;
}

// The frame to send: the pbuf's own mbuf with one more reference, or a copy where someone else may
// still look at it: the port hands mbufs on (ring), the NIC has not sent it yet, or p is a chain.
rte_mbuf* Netif::frame_of(pbuf* p) noexcept {
  rte_mbuf* const own = mbuf_of(p);
  if (p->next == nullptr && port_.caps().tx_by_reference && rte_mbuf_refcnt_read(own) == 1) {
    own->data_off = static_cast<uint16_t>(static_cast<char*>(p->payload) -
                                          static_cast<char*>(own->buf_addr));
    own->data_len = p->len;
    own->pkt_len = p->len;
    own->ol_flags = 0;
    own->l2_len = 0;
    rte_mbuf_refcnt_update(own, 1);
    return own;
  }
  rte_mbuf* const copy = rte_pktmbuf_alloc(engine.pool);
  if (copy == nullptr || p->tot_len > rte_pktmbuf_tailroom(copy)) {
    rte_pktmbuf_free(copy);
    ++counters_.mbuf_alloc_failed;
    return nullptr;
  }
  char* to = rte_pktmbuf_append(copy, p->tot_len);
  for (const pbuf* q = p; q != nullptr; q = q->next) {
    rte_memcpy(to, q->payload, q->len);
    to += q->len;
  }
  ++counters_.tx_copied;
  return copy;
}

void Netif::send_burst() noexcept {
  if (is_loop_ && engine.stack->siblings().steering() != nullptr) hand_over_loop();
  if (shared_ == nullptr) return port_.tx(queue_, out_);
  const std::lock_guard lock(shared_->sending);
  port_.tx(queue_, out_);
}

void Netif::poll_link(uint64_t now_ns) noexcept {
  if (is_loop_) return;
  port_.poll_link();
  if (port_.link_up()) {
    had_link_ = true;
    is_lost_ = false;
    interfaces_.set_link(true);
    return;
  }
  if (netif_is_link_up(&lwip()) != 0) {
    interfaces_.set_link(false);
    down_since_ns_ = now_ns;
  }
  const bool has_waited = patience_ns_ != 0 && now_ns - down_since_ns_ >= patience_ns_;
  is_lost_ = port_.is_removed() || (had_link_ && has_waited);
}

bool Netif::has_address(const ip_addr_t& address) noexcept {
  return interfaces_.has_address(address);
}

}  // namespace millrace
