// SPDX-License-Identifier: BSD-3-Clause
#include "stack/packet_info.h"

#include <cstring>

#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/udp.h"
#include "stack/groups.h"
#include "stack/lwip_glue.h"

namespace millrace {
namespace {

static_assert(sizeof(PacketInfo) <= IP_HLEN + UDP_HLEN);

char* place_in(const pbuf& datagram) noexcept {
  return static_cast<char*>(datagram.payload) - sizeof(PacketInfo);
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

}  // namespace millrace
