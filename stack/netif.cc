// SPDX-License-Identifier: BSD-3-Clause
#include "stack/netif.h"

#include <rte_memcpy.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "netif/ethernet.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/neighbors.h"
#include "stack/path_mtu.h"
#include "stack/routes.h"
#include "stack/siblings.h"
#include "stack/tx_checksum.h"
#include "stack/vlan.h"

namespace millrace {
namespace {

constexpr eth_addr kNoAddress{};

err_t loop_output(netif* n, pbuf* p, uint16_t type) {
  return ethernet_output(n, p, &kNoAddress, &kNoAddress, type);
}

bool verifies(const PortConfig& config) {
  if (config.checksum != ChecksumPolicy::kAuto) return config.checksum == ChecksumPolicy::kOn;
  // A Linux peer on the same host leaves sums to the NIC that is not there (partial checksums).
  return !config.device.starts_with("net_af_xdp") && !config.device.starts_with("net_af_packet") &&
         !config.device.starts_with("net_tap") && !config.device.starts_with("net_pcap");
}

// A memif's link says whether a peer process is there: peers come and go, and a server waits on.
uint64_t patience_ns(const Port& port, const PortConfig& config) {
  return port.driver() == "net_memif" ? 0 : uint64_t{config.link_down_ms} * 1'000'000;
}

bool sends_by_system_call(const Port& port) {
  return port.driver() == "net_af_xdp" || port.driver() == "net_af_packet" || port.driver() == "net_tap" ||
         port.driver() == "net_pcap";
}

uint16_t generated_in_software(const PortCaps& caps) {
  uint16_t flags = NETIF_CHECKSUM_GEN_ICMP | NETIF_CHECKSUM_GEN_ICMP6;
  if (!caps.tx_checksum_ip4) flags |= NETIF_CHECKSUM_GEN_IP;
  if (!caps.tx_checksum_tcp) flags |= NETIF_CHECKSUM_GEN_TCP;
  if (!caps.tx_checksum_udp) flags |= NETIF_CHECKSUM_GEN_UDP;
  if (!caps.tx_checksum_sctp) flags |= kGenSctp;
  return flags;
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
  engine.sends_by_system_call |= sends_by_system_call(port);
  const PortCaps& caps = port.caps();
  offloads_checksums_ =
      caps.tx_checksum_ip4 || caps.tx_checksum_tcp || caps.tx_checksum_udp || caps.tx_checksum_sctp;
  if (!caps.rx_checksum_sctp) good_l4_ |= kCheckSctp;
  if (port.stamps() != nullptr) ages_ = std::make_unique<StampAges>(*port.stamps(), *engine.clock);
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
  if (!self.is_loop_ && (engine.finds_path_mtu || is_whole)) {
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
