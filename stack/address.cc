// SPDX-License-Identifier: BSD-3-Clause
// Addresses as text. inet_pton and inet_ntop do the work, so what is accepted and how it is written
// (RFC 5952) are the C library's; what they do not know is added: zone, prefix length and port.
#include "stack/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace millrace {
namespace {

/// Parses a decimal number without sign, blanks or leading zeros.
template <typename T>
std::optional<T> parse_decimal(std::string_view text) noexcept {
  T value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

std::optional<std::array<uint8_t, 6>> parse_mac(std::string_view text) noexcept {
  std::array<uint8_t, 6> mac = {};
  if (text.size() != 3 * mac.size() - 1) return std::nullopt;
  for (size_t i = 0; i < mac.size(); ++i) {
    const char* digits = text.data() + 3 * i;
    const auto [stop, error] = std::from_chars(digits, digits + 2, mac[i], 16);
    if (error != std::errc() || stop != digits + 2) return std::nullopt;
    if (i + 1 < mac.size() && *stop != ':') return std::nullopt;
  }
  return mac;
}

}  // namespace

bool contains(const Prefix& prefix, const IpAddress& address) noexcept {
  if (prefix.address.family != address.family) return false;
  const size_t whole = prefix.length / 8u;
  const unsigned rest = prefix.length % 8u;
  const auto& ours = prefix.address.bytes;
  if (!std::equal(ours.begin(), ours.begin() + whole, address.bytes.begin())) return false;
  return rest == 0 || ((ours[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

IpAddress network_of(const Prefix& prefix) noexcept {
  IpAddress network = prefix.address;
  for (size_t i = 0; i < network.bytes.size(); ++i) {
    const size_t kept = std::min<size_t>(8, prefix.length - std::min<size_t>(prefix.length, 8 * i));
    network.bytes[i] = static_cast<uint8_t>(network.bytes[i] & (0xff00u >> kept));
  }
  return network;
}

std::optional<IpAddress> parse_address(std::string_view text) noexcept {
  IpAddress address;
  const size_t percent = text.find('%');
  const std::string_view number = text.substr(0, percent);
  address.family = number.find(':') == std::string_view::npos ? 4 : 6;

  char terminated[INET6_ADDRSTRLEN] = {};
  if (number.size() >= sizeof terminated) return std::nullopt;
  std::copy(number.begin(), number.end(), terminated);
  // A NUL inside the text would end it early.
  if (number.find('\0') != std::string_view::npos) return std::nullopt;
  if (inet_pton(address.family == 4 ? AF_INET : AF_INET6, terminated, address.bytes.data()) != 1) {
    return std::nullopt;
  }
  if (percent != std::string_view::npos) {
    const auto zone = parse_decimal<uint32_t>(text.substr(percent + 1));
    if (!zone || *zone == 0 || address.family != 6) return std::nullopt;
    address.zone = *zone;
  }
  return address;
}

std::optional<Prefix> parse_prefix(std::string_view text) noexcept {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, slash));
  const auto length = parse_decimal<uint8_t>(text.substr(slash + 1));
  if (!address || !length || address->zone != 0) return std::nullopt;
  if (*length > (address->family == 4 ? 32 : 128)) return std::nullopt;
  return Prefix{*address, *length};
}

std::optional<OwnAddress> parse_own_address(std::string_view text) noexcept {
  if (text == "dhcp") return OwnAddress::dhcp();
  const auto prefix = parse_prefix(text);
  return prefix ? std::optional(OwnAddress(*prefix)) : std::nullopt;
}

std::optional<StaticRoute> parse_route(std::string_view text) noexcept {
  constexpr std::string_view kVia = " via ";
  const size_t at = text.find(kVia);
  if (at == std::string_view::npos) return std::nullopt;
  const auto to = parse_prefix(text.substr(0, at));
  const auto via = parse_address(text.substr(at + kVia.size()));
  if (!to || !via || via->zone != 0 || via->family != to->address.family) return std::nullopt;
  if (network_of(*to) != to->address) return std::nullopt;
  return StaticRoute{*to, *via};
}

std::optional<Endpoint> parse_endpoint(std::string_view text) noexcept {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const bool in_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (in_brackets) host = host.substr(1, host.size() - 2);
  const auto address = parse_address(host);
  const auto port = parse_decimal<uint16_t>(text.substr(colon + 1));
  if (!address || !port || in_brackets != (address->family == 6)) return std::nullopt;
  return Endpoint{*address, *port};
}

std::optional<Neighbor> parse_neighbor(std::string_view text) noexcept {
  const size_t blank = text.find(' ');
  const size_t second = text.find_first_not_of(' ', blank);
  if (blank == std::string_view::npos || second == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, blank));
  const auto mac = parse_mac(text.substr(second));
  if (!address || address->zone != 0 || !mac) return std::nullopt;
  return Neighbor{*address, *mac};
}

std::string IpAddress::text() const {
  char terminated[INET6_ADDRSTRLEN] = {};
  inet_ntop(family == 4 ? AF_INET : AF_INET6, bytes.data(), terminated, sizeof terminated);
  std::string result = terminated;
  if (zone != 0) result += '%' + std::to_string(zone);
  return result;
}

std::string Endpoint::text() const {
  const std::string host = address.text();
  return (address.family == 4 ? host : '[' + host + ']') + ':' + std::to_string(port);
}

std::string Neighbor::text() const {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string result = address.text();
  for (size_t i = 0; i < mac.size(); ++i) {
    result += i == 0 ? ' ' : ':';
    result += kDigits[mac[i] >> 4];
    result += kDigits[mac[i] & 0xf];
  }
  return result;
}

std::string StaticRoute::text() const { return to.text() + " via " + via.text(); }

std::string Prefix::text() const { return address.text() + '/' + std::to_string(length); }

}  // namespace millrace
