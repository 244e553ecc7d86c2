// SPDX-License-Identifier: BSD-3-Clause
#include "stack/vlan.h"

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_mbuf.h>

#include <cstring>

namespace millrace {
namespace {

constexpr size_t kAddressBytes = 2 * RTE_ETHER_ADDR_LEN;
static_assert(sizeof(rte_vlan_hdr) == kVlanTagBytes);

}  // namespace

uint16_t take_vlan_tag(rte_mbuf& m) noexcept {
  if ((m.ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED) != 0) return m.vlan_tci & kVlanIdMask;
  auto* const ether = rte_pktmbuf_mtod(&m, char*);
  uint16_t words[2];  // EtherType or TPID, and what follows
  std::memcpy(words, ether + kAddressBytes, sizeof words);
  if (words[0] != rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN)) return 0;
  std::memmove(ether + kVlanTagBytes, ether, kAddressBytes);
  m.data_off = static_cast<uint16_t>(m.data_off + kVlanTagBytes);
  m.data_len = static_cast<uint16_t>(m.data_len - kVlanTagBytes);
  m.pkt_len -= kVlanTagBytes;
  m.vlan_tci = rte_be_to_cpu_16(words[1]);
  m.ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
  return m.vlan_tci & kVlanIdMask;
}

void insert_vlan_tag(rte_mbuf& m, uint16_t id) noexcept {
  m.data_off = static_cast<uint16_t>(m.data_off - kVlanTagBytes);
  m.data_len = static_cast<uint16_t>(m.data_len + kVlanTagBytes);
  m.pkt_len += kVlanTagBytes;
  auto* const ether = rte_pktmbuf_mtod(&m, char*);
  std::memmove(ether, ether + kVlanTagBytes, kAddressBytes);
  const uint16_t words[2] = {rte_cpu_to_be_16(RTE_ETHER_TYPE_VLAN), rte_cpu_to_be_16(id)};
  std::memcpy(ether + kAddressBytes, words, sizeof words);
  // checksums by the device: it has to know where IP begins
  if (m.l2_len != 0) m.l2_len = (m.l2_len + kVlanTagBytes) & 0x7f;
}

void request_vlan_tag(rte_mbuf& m, uint16_t id) noexcept {
  m.vlan_tci = id;
  m.ol_flags |= RTE_MBUF_F_TX_VLAN;
}

}  // namespace millrace
