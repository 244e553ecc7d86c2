// SPDX-License-Identifier: BSD-3-Clause
// A look at a frame before lwIP has it in hand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "lwip/prot/ethernet.h"
#include "lwip/prot/ip.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"

namespace millrace {

/// The header of a whole TCP segment without IP options or extension headers.
/// @return null: it is something else, or shorter than its headers
inline const uint8_t* tcp_header_in(const uint8_t* frame, size_t length, bool& is_v6) noexcept {
  if (length < SIZEOF_ETH_HDR + IP_HLEN + TCP_HLEN) return nullptr;
  const uint8_t* const ip = frame + SIZEOF_ETH_HDR;
  is_v6 = frame[12] == 0x86;
  if (is_v6) {
    const bool is_whole = length >= SIZEOF_ETH_HDR + IP6_HLEN + TCP_HLEN;
    return is_whole && ip[6] == IP_PROTO_TCP ? ip + IP6_HLEN : nullptr;
  }
  const bool is_whole = ip[0] == 0x45 && (ip[6] & 0x3f) == 0 && ip[7] == 0;
  return is_whole && ip[9] == IP_PROTO_TCP ? ip + IP_HLEN : nullptr;
}

/// Asks for a connection, as far as tcp_header_in() sees.
inline bool is_syn(const uint8_t* frame, size_t length) noexcept {
  constexpr uint8_t kFin = 0x01, kSyn = 0x02, kRst = 0x04, kAck = 0x10;
  bool is_v6 = false;
  const uint8_t* const tcp = tcp_header_in(frame, length, is_v6);
  return tcp != nullptr && (tcp[13] & (kFin | kSyn | kRst | kAck)) == kSyn;
}

}  // namespace millrace
