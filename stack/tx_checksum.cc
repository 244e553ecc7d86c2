// SPDX-License-Identifier: BSD-3-Clause
#include "stack/tx_checksum.h"

#include <netinet/in.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>
#include <rte_udp.h>

namespace millrace {
namespace {

// lwip/netif.h NETIF_CHECKSUM_GEN_*; lwIP's headers cannot be included beside rte_ip.h.
constexpr uint16_t kGenIp = 0x0001;
constexpr uint16_t kGenUdp = 0x0002;
constexpr uint16_t kGenTcp = 0x0004;

template <typename IpHeader>
void request_l4(rte_mbuf* m, uint8_t protocol, const IpHeader* ip, uint16_t in_software,
                uint16_t (*pseudo_header_sum)(const IpHeader*, uint64_t)) {
  char* const l4 = rte_pktmbuf_mtod_offset(m, char*, m->l2_len + m->l3_len);
  if (protocol == IPPROTO_TCP && (in_software & kGenTcp) == 0) {
    m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
    reinterpret_cast<rte_tcp_hdr*>(l4)->cksum = pseudo_header_sum(ip, m->ol_flags);
  } else if (protocol == IPPROTO_UDP && (in_software & kGenUdp) == 0) {
    m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM;
    reinterpret_cast<rte_udp_hdr*>(l4)->dgram_cksum = pseudo_header_sum(ip, m->ol_flags);
  } else if (protocol == IPPROTO_SCTP && (in_software & kGenSctp) == 0) {
    m->ol_flags |= RTE_MBUF_F_TX_SCTP_CKSUM;  // of no pseudo header (RFC 9260 6.8); the field is 0
  }
}

}  // namespace

void request_tx_checksum(rte_mbuf* m, uint16_t in_software) noexcept {
  const auto* const ether = rte_pktmbuf_mtod(m, const rte_ether_hdr*);
  m->l2_len = sizeof(rte_ether_hdr);
  if (ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV4)) {
    auto* const ip = rte_pktmbuf_mtod_offset(m, rte_ipv4_hdr*, sizeof(rte_ether_hdr));
    m->l3_len = rte_ipv4_hdr_len(ip);
    m->ol_flags |= RTE_MBUF_F_TX_IPV4;
    if ((in_software & kGenIp) == 0) {
      ip->hdr_checksum = 0;
      m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    }
    const uint16_t fragment_bits = rte_cpu_to_be_16(RTE_IPV4_HDR_OFFSET_MASK | RTE_IPV4_HDR_MF_FLAG);
    if ((ip->fragment_offset & fragment_bits) != 0) return;  // the sum is in the first fragment
    request_l4<rte_ipv4_hdr>(m, ip->next_proto_id, ip, in_software, rte_ipv4_phdr_cksum);
  } else if (ether->ether_type == rte_cpu_to_be_16(RTE_ETHER_TYPE_IPV6)) {
    auto* const ip = rte_pktmbuf_mtod_offset(m, rte_ipv6_hdr*, sizeof(rte_ether_hdr));
    m->l3_len = sizeof(rte_ipv6_hdr);
    m->ol_flags |= RTE_MBUF_F_TX_IPV6;
    request_l4<rte_ipv6_hdr>(m, ip->proto, ip, in_software, rte_ipv6_phdr_cksum);
  }
}

}  // namespace millrace
