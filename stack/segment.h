// SPDX-License-Identifier: BSD-3-Clause
// A received frame as header prediction and prefetching see it: Ethernet, IP without options or
// extension headers, a transport header, all in one mbuf and not a fragment.
#pragma once

#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>

#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "stack/lwip/port.h"

namespace millrace {

inline uint16_t load_be16(const uint8_t* from) noexcept {
  return static_cast<uint16_t>(from[0] << 8 | from[1]);
}

struct Segment {
  rte_mbuf* mbuf;
  const uint8_t* ip;
  const uint8_t* transport;  ///< its header, then the payload
  uint32_t bytes;            ///< of both, as IP has it: the frame may be longer
  bool is_v6;

  static constexpr uint8_t kTcp = IP_PROTO_TCP, kUdp = IP_PROTO_UDP;
  static constexpr uint32_t kIp4Addresses = 12, kIp6Addresses = 8;

  uint8_t protocol() const noexcept { return ip[is_v6 ? 6 : 9]; }
  uint16_t source_port() const noexcept { return load_be16(transport); }
  uint16_t destination_port() const noexcept { return load_be16(transport + 2); }
  /// Source, then destination.
  const uint8_t* addresses() const noexcept { return ip + (is_v6 ? kIp6Addresses : kIp4Addresses); }
  uint32_t address_bytes() const noexcept { return is_v6 ? 16 : 4; }
  const uint8_t* source() const noexcept { return addresses(); }
  const uint8_t* destination() const noexcept { return addresses() + address_bytes(); }
  /// The mbuf's pbuf, of the payload alone; its headers stay in front of it. @param header_bytes  of the
  /// transport
  pbuf* take(uint32_t header_bytes) const noexcept {
    pbuf* const p = pbuf_from(mbuf);
    p->payload = const_cast<uint8_t*>(transport) + header_bytes;
    p->len = p->tot_len = static_cast<uint16_t>(bytes - header_bytes);
    return p;
  }
};

/// @return false: a frame of another kind, or with something that wants a closer look
inline bool find_segment(rte_mbuf& m, Segment& segment) noexcept {
  constexpr uint32_t kLeastTransport = 8;
  if (m.nb_segs != 1 || m.data_len < SIZEOF_ETH_HDR + IP_HLEN + kLeastTransport) return false;
  const auto* const frame = rte_pktmbuf_mtod(&m, const uint8_t*);
  const uint8_t* const ip = frame + SIZEOF_ETH_HDR;
  const uint16_t type = load_be16(frame + 12);
  uint32_t header_bytes, total_bytes;
  if (type == ETHTYPE_IP) {
    constexpr uint32_t kDontFragment = 0x4000;
    if (ip[0] != 0x45 || (load_be16(ip + 6) & ~kDontFragment) != 0) return false;
    header_bytes = IP_HLEN;
    total_bytes = load_be16(ip + 2);
  } else if (type == ETHTYPE_IPV6) {
    if (m.data_len < SIZEOF_ETH_HDR + IP6_HLEN + kLeastTransport || ip[0] >> 4 != 6) return false;
    header_bytes = IP6_HLEN;
    total_bytes = IP6_HLEN + load_be16(ip + 4);
  } else {
    return false;
  }
  const uint32_t there = m.data_len - uint32_t{SIZEOF_ETH_HDR};
  if (total_bytes > there || total_bytes < header_bytes + kLeastTransport) return false;
  segment = {&m, ip, ip + header_bytes, total_bytes - header_bytes, type == ETHTYPE_IPV6};
  return true;
}

/// Where a frame came in, and which of its sums nobody has verified.
struct Arrival {
  const netif* in;
  bool is_loop;
  bool ip_unverified;
  bool transport_unverified;
};

}  // namespace millrace
