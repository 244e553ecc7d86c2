// SPDX-License-Identifier: BSD-3-Clause
// Control data, which goes beside the bytes of a datagram: what WSARecvMsg tells, and what a
// WSASendMsg asks for.
#pragma once

#include <cstdint>
#include <optional>

#include "stack/address.h"

namespace millrace {

// What a socket wants to be told of each datagram: a bit per option over IPv4, and one over IPv6.
inline constexpr uint8_t kTellsPacketInfo = 1;  ///< IP_PKTINFO, IPV6_PKTINFO
inline constexpr uint8_t kTellsTtl = 2;         ///< IP_RECVTTL, IPV6_HOPLIMIT
inline constexpr uint8_t kTellsTos = 4;         ///< IP_RECVTOS, IPV6_RECVTCLASS
inline constexpr uint8_t kTellsEcn = 8;         ///< IP_RECVECN, IPV6_RECVECN
constexpr uint8_t over_ip6(uint8_t told) { return static_cast<uint8_t>(told << 4); }

/// Of IPv4's type of service and IPv6's traffic class (RFC 3168 5).
inline constexpr uint8_t kEcnBits = 3;

/// How one datagram differs from what its socket's options say.
struct SendControl {
  std::optional<IpAddress> source;
  uint32_t interface = 0;  ///< index; 0: where the route leads
  std::optional<uint8_t> ttl;
  std::optional<uint8_t> tos;
  std::optional<uint8_t> ecn;  ///< the two lowest bits of tos
};

}  // namespace millrace
