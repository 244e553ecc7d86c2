// SPDX-License-Identifier: BSD-3-Clause
// PacketInfo is what a received datagram's headers said beside the sender: for WSARecvMsg.
//
//   | Ethernet | IP header .... | UDP (8) | payload
//                     |<-- PacketInfo --->|
//                                         ^ pbuf.payload
//
// It is written over the headers, which nobody reads again, and only for sockets that asked, or of several
// families, or of groups: others pay nothing, and an mbuf's private area, which is full, need not grow.
// Invariant: who has kHasPacketInfo among the pbuf's flags has it in front of the payload, and a received
// datagram that has not has its headers there, as they came.
#pragma once

#include <cstdint>
#include <optional>

#include "lwip/pbuf.h"
#include "stack/address.h"

struct netif;

namespace millrace {

struct PacketInfo {
  uint8_t destination[16];  ///< network byte order; IPv4 in the first 4 bytes
  uint32_t interface;       ///< index of the link's first interface, by which it came
  uint8_t family;           ///< 4 or 6
  uint8_t ttl;
  uint8_t tos;
  uint8_t unused;

  IpAddress address() const noexcept;
};
static_assert(sizeof(PacketInfo) == 24);

// Flags that lwIP gives a meaning only with TCP and on the way out: of a received datagram they are
// ours.
inline constexpr uint8_t kHasPacketInfo = PBUF_FLAG_TCP_FIN;
inline constexpr uint8_t kWasToGroup = PBUF_FLAG_MCASTLOOP;

/// Of the packet that lwIP has in hand.
PacketInfo current_packet_info() noexcept;
/// Of one that never was a packet: it goes from here to here.
PacketInfo packet_info_of(const IpAddress& destination, const netif& on, uint8_t ttl,
                          uint8_t tos) noexcept;

/// @pre  at least 24 bytes in front of the payload are its own headers', or nobody's
void keep_packet_info(pbuf& datagram, const PacketInfo& info) noexcept;
/// @return nothing: nobody had asked when it arrived
std::optional<PacketInfo> packet_info(const pbuf& datagram) noexcept;
/// Where a received datagram was sent to, whether anybody had asked or not.
/// @pre  nothing of it was taken yet
IpAddress destination_of(const pbuf& datagram) noexcept;

}  // namespace millrace
