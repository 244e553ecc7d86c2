// SPDX-License-Identifier: BSD-3-Clause
// Bytes in network order and the Internet checksum, shared by what builds frames (wire.cc) and what
// reads them (wire_parse.cc). Internal to tests/support.
#pragma once

#include <algorithm>

#include "tests/support/wire.h"

namespace millrace::test {

inline constexpr uint8_t kHopByHop = 0;
inline constexpr uint8_t kFragmentHeader = 44;
inline constexpr uint8_t kDestinationOptions = 60;
inline constexpr uint16_t kMoreFragments = 0x2000;

inline void put(Bytes& to, uint8_t value) { to.push_back(value); }
inline void put16(Bytes& to, uint32_t value) {
  to.push_back(static_cast<uint8_t>(value >> 8));
  to.push_back(static_cast<uint8_t>(value));
}
inline void put32(Bytes& to, uint32_t value) {
  put16(to, value >> 16);
  put16(to, value & 0xffff);
}
inline void put(Bytes& to, const Mac& mac) { to.insert(to.end(), mac.begin(), mac.end()); }
inline void put(Bytes& to, const Bytes& bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }
inline void put(Bytes& to, const IpAddress& address) {
  to.insert(to.end(), address.bytes.begin(),
            address.bytes.begin() + (address.family == 4 ? 4 : 16));
}

inline uint16_t get16(const Bytes& from, size_t at) {
  return static_cast<uint16_t>(from[at] << 8 | from[at + 1]);
}
inline uint32_t get32(const Bytes& from, size_t at) {
  return uint32_t{get16(from, at)} << 16 | get16(from, at + 2);
}
inline void set16(Bytes& in, size_t at, uint16_t value) {
  in[at] = static_cast<uint8_t>(value >> 8);
  in[at + 1] = static_cast<uint8_t>(value);
}
inline Bytes cut(const Bytes& from, size_t begin, size_t end) {
  return {from.begin() + static_cast<ptrdiff_t>(begin), from.begin() + static_cast<ptrdiff_t>(end)};
}
inline Mac get_mac(const Bytes& from, size_t at) {
  Mac mac;
  std::copy_n(from.begin() + static_cast<ptrdiff_t>(at), mac.size(), mac.begin());
  return mac;
}
inline IpAddress get_address(const Bytes& from, size_t at, uint8_t family) {
  IpAddress address = IpAddress::any(family);
  std::copy_n(from.begin() + static_cast<ptrdiff_t>(at), family == 4 ? 4 : 16,
              address.bytes.begin());
  return address;
}

// RFC 1071: the sum itself, not inverted; 0xffff over bytes that contain a right checksum.
inline uint16_t sum(const Bytes& bytes) {
  uint32_t total = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    total += uint32_t{bytes[i]} << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
  }
  while (total >> 16 != 0) total = (total & 0xffff) + (total >> 16);
  return static_cast<uint16_t>(total);
}

// What TCP, UDP and ICMPv6 add to their sum (RFC 9293 3.1, RFC 8200 8.1).
inline Bytes pseudo_header(const Ip& ip, size_t upper_bytes) {
  Bytes header;
  put(header, ip.source);
  put(header, ip.target);
  put32(header, static_cast<uint32_t>(upper_bytes));
  put32(header, ip.protocol);
  return header;
}

inline uint16_t upper_sum(const Ip& ip, const Bytes& upper) {
  Bytes all = ip.protocol == kIcmp4 ? Bytes{} : pseudo_header(ip, upper.size());
  put(all, upper);
  return sum(all);
}

/// Where the upper layer keeps its checksum; nothing: it has none that is known here.
inline std::optional<size_t> checksum_offset(uint8_t protocol) {
  switch (protocol) {
    case kTcp:
      return 16;
    case kUdp:
      return 6;
    case kIcmp4:
    case kIcmp6:
      return 2;
    default:
      return std::nullopt;
  }
}

}  // namespace millrace::test
