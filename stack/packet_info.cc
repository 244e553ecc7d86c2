// SPDX-License-Identifier: BSD-3-Clause
#include "stack/packet_info.h"

#include <rte_mbuf.h>

#include <cstddef>
#include <cstring>

#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/udp.h"
#include "stack/groups.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"

namespace millrace {
namespace {

static_assert(sizeof(PacketInfo) <= IP_HLEN + UDP_HLEN);

char* place_in(const pbuf& datagram) noexcept {
  return static_cast<char*>(datagram.payload) - sizeof(PacketInfo);
}

/// Where the IP header is in the frame. lwIP leaves it where it came, also of what came in fragments, but moves
/// IPv6's up over the fragment header then (ip6_frag.c); its length tells.
const char* ip_header_of(const pbuf& datagram) noexcept {
  const rte_mbuf* const m = mbuf_of(const_cast<pbuf*>(&datagram));
  const char* const header = rte_pktmbuf_mtod_offset(m, const char*, SIZEOF_ETH_HDR);
  const auto& as_6 = *reinterpret_cast<const ip6_hdr*>(header);
  if (IP6H_V(&as_6) != 6) return header;
  const auto behind = static_cast<const char*>(datagram.payload) - header - IP6_HLEN;
  const bool was_moved = IP6H_PLEN(&as_6) != static_cast<uint16_t>(behind + datagram.tot_len);
  return was_moved ? header + sizeof(ip6_frag_hdr) : header;
}

}  // namespace

IpAddress PacketInfo::address() const noexcept {
  IpAddress address = IpAddress::any(family);
  std::memcpy(address.bytes.data(), destination, family == 4 ? 4 : 16);
  return address;
}

PacketInfo packet_info_of(const IpAddress& destination, const netif& on, uint8_t ttl,
                          uint8_t tos) noexcept {
  PacketInfo info{{}, group_interface_of(on), destination.family, ttl, tos, 0};
  std::memcpy(info.destination, destination.bytes.data(), sizeof info.destination);
  return info;
}

// lwIP's pointers to the header hold for reassembled packets, too (ip4.c, ip6.c).
PacketInfo current_packet_info() noexcept {
  const bool is_6 = ip_current_is_v6() != 0;
  const uint8_t ttl = is_6 ? IP6H_HOPLIM(ip6_current_header()) : IPH_TTL(ip4_current_header());
  const uint8_t tos =
      is_6 ? static_cast<uint8_t>(IP6H_TC(ip6_current_header())) : IPH_TOS(ip4_current_header());
  return packet_info_of(from_lwip(*ip_current_dest_addr()), *ip_current_input_netif(), ttl, tos);
}

void keep_packet_info(pbuf& datagram, const PacketInfo& info) noexcept {
  std::memcpy(place_in(datagram), &info, sizeof info);
  datagram.flags |= kHasPacketInfo;
}

std::optional<PacketInfo> packet_info(const pbuf& datagram) noexcept {
  if ((datagram.flags & kHasPacketInfo) == 0) return std::nullopt;
  PacketInfo info;
  std::memcpy(&info, place_in(datagram), sizeof info);
  return info;
}

IpAddress destination_of(const pbuf& datagram) noexcept {
  if (const auto info = packet_info(datagram)) return info->address();
  const char* const header = ip_header_of(datagram);
  const bool is_6 = (*header & 0xf0) == 0x60;
  IpAddress address = IpAddress::any(is_6 ? 6 : 4);
  const size_t at = is_6 ? offsetof(ip6_hdr, dest) : offsetof(ip_hdr, dest);
  std::memcpy(address.bytes.data(), header + at, is_6 ? 16 : 4);
  return address;
}

}  // namespace millrace
