// SPDX-License-Identifier: BSD-3-Clause
// Addresses, endpoints and neighbors as the configuration, the sockets and the tests pass them on.
//
// Plain values with no header of lwIP, DPDK or Winsock behind them. Invariant: an IPv4 address
// stands in bytes[0..3], the other bytes and the zone are 0, so that == and std::hash may look at
// the whole value. A zone tells the links of IPv6 link-local addresses apart (RFC 4007); 0 is none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

struct IpAddress {
  uint8_t family = 4;                  ///< 4 or 6
  std::array<uint8_t, 16> bytes = {};  ///< network byte order
  uint32_t zone = 0;

  static constexpr IpAddress any(uint8_t family) noexcept { return {family, {}, 0}; }
  static constexpr IpAddress loopback(uint8_t family) noexcept;

  std::string text() const;  ///< parse_address reads it back to the same value

  friend constexpr bool operator==(const IpAddress&, const IpAddress&) noexcept = default;
};
static_assert(sizeof(IpAddress) == 24);

struct Endpoint {
  IpAddress address;
  uint16_t port = 0;  ///< host byte order

  std::string text() const;  ///< parse_endpoint reads it back to the same value

  friend constexpr bool operator==(const Endpoint&, const Endpoint&) noexcept = default;
};

/// An address of our own and the length of the network's part of it.
struct Prefix {
  IpAddress address;
  uint8_t length = 0;  ///< 0..32 or 0..128

  std::string text() const;  ///< parse_prefix reads it back to the same value

  friend constexpr bool operator==(const Prefix&, const Prefix&) noexcept = default;
};

/// An address of ours as the configuration has it: written down, or to be asked for by DHCP.
struct OwnAddress : Prefix {
  bool is_dhcp = false;  ///< the prefix is not used then

  OwnAddress() = default;
  OwnAddress(const Prefix& prefix) : Prefix(prefix) {}
  static OwnAddress dhcp() noexcept {
    OwnAddress address;
    address.is_dhcp = true;
    return address;
  }
  std::string text() const { return is_dhcp ? "dhcp" : Prefix::text(); }

  friend bool operator==(const OwnAddress&, const OwnAddress&) noexcept = default;
};

/// The way to a network behind a router on the link.
struct StaticRoute {
  Prefix to;  ///< host part all zeros
  IpAddress via;

  std::string text() const;  ///< parse_route reads it back to the same value

  friend constexpr bool operator==(const StaticRoute&, const StaticRoute&) noexcept = default;
};

/// A neighbor on the link: a static ARP or ND entry.
struct Neighbor {
  IpAddress address;
  std::array<uint8_t, 6> mac = {};

  std::string text() const;  ///< parse_neighbor reads it back to the same value

  friend constexpr bool operator==(const Neighbor&, const Neighbor&) noexcept = default;
};

/// What a DHCP server gives.
struct Lease {
  Prefix address;
  std::optional<IpAddress> gateway;

  friend bool operator==(const Lease&, const Lease&) noexcept = default;
};

constexpr IpAddress IpAddress::loopback(uint8_t family) noexcept {
  IpAddress address = any(family);
  if (family == 4) {
    address.bytes[0] = 127;
    address.bytes[3] = 1;
  } else {
    address.bytes[15] = 1;
  }
  return address;
}

constexpr bool is_any(const IpAddress& a) noexcept { return a.bytes == std::array<uint8_t, 16>{}; }

/// 127.0.0.0/8 or ::1.
constexpr bool is_loopback(const IpAddress& a) noexcept {
  return a.family == 4 ? a.bytes[0] == 127 : a.bytes == IpAddress::loopback(6).bytes;
}

/// 224.0.0.0/4 or ff00::/8.
constexpr bool is_multicast(const IpAddress& a) noexcept {
  return a.family == 4 ? (a.bytes[0] & 0xf0) == 0xe0 : a.bytes[0] == 0xff;
}

/// 255.255.255.255; a network's own broadcast address takes its prefix to recognise.
constexpr bool is_limited_broadcast(const IpAddress& a) noexcept {
  return a.family == 4 && (a.bytes[0] & a.bytes[1] & a.bytes[2] & a.bytes[3]) == 0xff;
}

/// 169.254.0.0/16 or fe80::/10.
constexpr bool is_link_local(const IpAddress& a) noexcept {
  return a.family == 4 ? a.bytes[0] == 169 && a.bytes[1] == 254
                       : a.bytes[0] == 0xfe && (a.bytes[1] & 0xc0) == 0x80;
}

/// ::ffff:a.b.c.d, which a dual-mode socket uses for IPv4 (RFC 4291 2.5.5.2).
constexpr bool is_v4_mapped(const IpAddress& a) noexcept {
  if (a.family != 6 || a.bytes[10] != 0xff || a.bytes[11] != 0xff) return false;
  for (size_t i = 0; i < 10; ++i) {
    if (a.bytes[i] != 0) return false;
  }
  return true;
}

/// @param a  an IPv4 address
constexpr IpAddress mapped_of(const IpAddress& a) noexcept {
  IpAddress mapped = IpAddress::any(6);
  mapped.bytes[10] = mapped.bytes[11] = 0xff;
  for (size_t i = 0; i < 4; ++i) mapped.bytes[12 + i] = a.bytes[i];
  return mapped;
}

/// The way back. @param a  is_v4_mapped()
constexpr IpAddress unmapped_of(const IpAddress& a) noexcept {
  IpAddress address = IpAddress::any(4);
  for (size_t i = 0; i < 4; ++i) address.bytes[i] = a.bytes[12 + i];
  return address;
}

/// True if both addresses have the prefix's family and its first `length` bits.
bool contains(const Prefix& prefix, const IpAddress& address) noexcept;

/// The prefix's address with its host part all zeros.
IpAddress network_of(const Prefix& prefix) noexcept;

/// Parses "10.0.0.1", "fd00::1" or "fe80::1%2", as inet_pton does; a zone is a decimal number
/// from 1.
std::optional<IpAddress> parse_address(std::string_view text) noexcept;

/// Parses "10.0.0.2/24" or "fd00::2/64"; the length is required, a zone is refused.
std::optional<Prefix> parse_prefix(std::string_view text) noexcept;

/// Parses "dhcp", or what parse_prefix does.
std::optional<OwnAddress> parse_own_address(std::string_view text) noexcept;

/// Parses "10.1.0.0/16 via 10.0.0.9": a prefix with no host part, and an address of its family.
std::optional<StaticRoute> parse_route(std::string_view text) noexcept;

/// Parses "10.0.0.1:80" or "[fd00::1]:80".
std::optional<Endpoint> parse_endpoint(std::string_view text) noexcept;

/// Parses "10.0.0.1 02:00:00:00:00:01": an address without a zone, blanks, a MAC address.
std::optional<Neighbor> parse_neighbor(std::string_view text) noexcept;

}  // namespace millrace

/// For tables of our own choosing. It is not keyed: a table that the wire fills hashes otherwise.
template <>
struct std::hash<millrace::IpAddress> {
  size_t operator()(const millrace::IpAddress& a) const noexcept {
    uint64_t high;
    uint64_t low;
    std::memcpy(&high, a.bytes.data(), sizeof high);
    std::memcpy(&low, a.bytes.data() + sizeof high, sizeof low);
    uint64_t mixed = (high ^ a.zone) * 0x9e3779b97f4a7c15u;
    mixed = ((mixed ^ (mixed >> 32)) + low + a.family) * 0x9e3779b97f4a7c15u;
    return mixed ^ (mixed >> 32);
  }
};

template <>
struct std::hash<millrace::Endpoint> {
  size_t operator()(const millrace::Endpoint& e) const noexcept {
    const uint64_t mixed =
        (std::hash<millrace::IpAddress>{}(e.address) + e.port) * 0x9e3779b97f4a7c15u;
    return mixed ^ (mixed >> 32);
  }
};
