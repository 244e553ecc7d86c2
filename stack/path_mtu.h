// SPDX-License-Identifier: BSD-3-Clause
// Path MTU discovery for TCP (RFC 1191, RFC 8201): segments leave whole, and a router that cannot
// forward one says how long it may be. What it says lowers the connection's MSS (recovery_mtu.cc)
// and is kept here for connections to come; and for IPv6's datagrams, which are cut by who sends them.
//
// Invariant: a message that quotes no number in flight changes nothing (RFC 5927 7), and none makes
// packets shorter than what every link carries: 576 bytes of IPv4, 1280 of IPv6.
#pragma once

#include <array>
#include <cstdint>

#include "lwip/ip_addr.h"
#include "stack/address.h"

namespace millrace {

struct IcmpError;

inline constexpr uint16_t kLeastMtu4 = 576;
inline constexpr uint16_t kLeastMtu6 = 1280;

/// What an IP packet of this length carries as a TCP segment without options.
constexpr uint16_t mss_of(uint16_t mtu, bool is_6) noexcept {
  return static_cast<uint16_t>(mtu - (is_6 ? 60 : 40));
}

/// How long packets to a destination may be. Entries share slots, so a new one may end an old one.
class PathMtus {
 public:
  /// @return bytes, 0: nothing is known, or no longer
  uint16_t find(const IpAddress& to, uint64_t now_ns) const noexcept;
  void learn(const IpAddress& to, uint16_t mtu, uint64_t now_ns) noexcept;

  /// Nothing was ever learned.
  bool empty() const noexcept { return is_empty_; }

  static constexpr uint64_t kLifeNs = 600'000'000'000;  // RFC 1191 6.3

 private:
  struct Entry {
    IpAddress to;
    uint16_t mtu = 0;
    uint64_t until_ns = 0;
  };
  static constexpr size_t kEntries = 1024;
  static size_t slot_of(const IpAddress& to) noexcept;

  std::array<Entry, kEntries> entries_;
  bool is_empty_ = true;
};

/// "Fragmentation needed" or "packet too big" about a TCP segment. @return false: no connection's
bool on_packet_too_big(const IcmpError& error) noexcept;

/// Routers are to tell, not to cut: sets IPv4's "don't fragment" in a frame of this protocol.
/// @param has_checksum  the header's is there and has to stay right
void forbid_fragments(uint8_t* frame, uint8_t protocol, bool has_checksum) noexcept;

}  // namespace millrace
