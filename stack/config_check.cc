// SPDX-License-Identifier: BSD-3-Clause
// The checks, each with the reason in its text: it is what the user reads.
#include "stack/config_check.h"

#include <algorithm>

namespace millrace {
namespace {

using MaybeComplaint = std::optional<Complaint>;

bool is_host(const IpAddress& a) {
  return !is_any(a) && !is_loopback(a) && !is_multicast(a) && !is_limited_broadcast(a) &&
         !is_v4_mapped(a);
}

/// The host part is all zeros or all ones (RFC 1122 3.2.1.3; RFC 3021: a /31 has no such
/// addresses).
bool is_network_or_broadcast(const Prefix& prefix) {
  if (prefix.address.family != 4 || prefix.length > 30) return false;
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value = value << 8 | prefix.address.bytes[i];
  const uint32_t host_mask = ~0u >> prefix.length;
  return (value & host_mask) == 0 || (value & host_mask) == host_mask;
}

bool has_family(const PortConfig& port, uint8_t family) {
  return std::any_of(port.addresses.begin(), port.addresses.end(),
                     [&](const Prefix& p) { return p.address.family == family; });
}

bool is_own(const PortConfig& port, const IpAddress& address) {
  return std::any_of(port.addresses.begin(), port.addresses.end(),
                     [&](const Prefix& p) { return p.address == address; });
}

/// A link-local IPv6 address is on the link of every port that speaks IPv6 (RFC 4291 2.5.6).
bool is_on_link(const PortConfig& port, const IpAddress& address) {
  if (address.family == 6 && is_link_local(address)) return has_family(port, 6);
  return std::any_of(port.addresses.begin(), port.addresses.end(),
                     [&](const Prefix& p) { return contains(p, address); });
}

MaybeComplaint check_address(const PortConfig& port, size_t index) {
  const Prefix& prefix = port.addresses[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"addresses", index, prefix.text() + ' ' + cause, std::move(remedy)};
  };
  if (!is_host(prefix.address)) {
    return complain("is not an address that a host can have", "write a unicast address");
  }
  if (prefix.length == 0) {
    return complain("would put every address on this link",
                    "write the length of the link's prefix, and a gateway for the rest");
  }
  if (is_network_or_broadcast(prefix)) {
    return complain("is its network's own or broadcast address", "choose another host in it");
  }
  if (prefix.address.family == 6 && prefix.length != 64) {
    return complain("is not a /64", "write /64, the only length of an IPv6 link that lwIP knows");
  }
  const bool is_v4 = prefix.address.family == 4;
  const auto before =
      std::count_if(port.addresses.begin(), port.addresses.begin() + static_cast<ptrdiff_t>(index),
                    [&](const Prefix& p) { return p.address.family == prefix.address.family; });
  const size_t most = is_v4 ? kMaxIpv4AddressesPerPort : kMaxIpv6AddressesPerPort;
  if (static_cast<size_t>(before) >= most) {
    return complain("is one address too many", "a port holds at most " + std::to_string(most) +
                                                   (is_v4 ? " of IPv4" : " of IPv6"));
  }
  return std::nullopt;
}

MaybeComplaint check_address_is_new(const PortConfig& port, size_t index,
                                    const std::vector<PortConfig>& earlier) {
  const IpAddress& address = port.addresses[index].address;
  const auto complain = [&](const std::string& where) {
    return Complaint{"addresses", index, address.text() + " is given twice, before on " + where,
                     "give each address to one port, once"};
  };
  for (size_t i = 0; i < index; ++i) {
    if (port.addresses[i].address == address) return complain("this port");
  }
  for (const PortConfig& other : earlier) {
    if (is_own(other, address)) return complain(other.device);
  }
  return std::nullopt;
}

MaybeComplaint check_gateway(const PortConfig& port, size_t index) {
  const IpAddress& gateway = port.gateway[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"gateway", index, gateway.text() + ' ' + cause, std::move(remedy)};
  };
  if (!is_host(gateway))
    return complain("is not an address that a gateway can have", "write the router's");
  if (!is_on_link(port, gateway)) {
    return complain("is outside every prefix of this port's addresses",
                    "write a gateway on the link, or correct an address's prefix length");
  }
  if (is_own(port, gateway)) return complain("is our own address", "write the router's");
  for (size_t i = 0; i < index; ++i) {
    if (port.gateway[i].family == gateway.family) {
      return complain("is the second gateway of its family", "keep one of each family");
    }
  }
  return std::nullopt;
}

MaybeComplaint check_neighbor(const PortConfig& port, size_t index) {
  const Neighbor& neighbor = port.neighbors[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"neighbors", index, neighbor.text() + ' ' + cause, std::move(remedy)};
  };
  if ((neighbor.mac[0] & 1) != 0 || neighbor.mac == std::array<uint8_t, 6>{}) {
    return complain("has a MAC address that no single station has", "write the neighbor's own");
  }
  if (!is_host(neighbor.address) || !is_on_link(port, neighbor.address)) {
    return complain("is outside every prefix of this port's addresses",
                    "write a neighbor on the link, or correct an address's prefix length");
  }
  if (is_own(port, neighbor.address)) return complain("has our own address", "write a neighbor's");
  for (size_t i = 0; i < index; ++i) {
    if (port.neighbors[i].address == neighbor.address) {
      return complain("is the second entry for its address", "keep one");
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Complaint> complaint_about(const PortConfig& port,
                                         const std::vector<PortConfig>& earlier) {
  for (const PortConfig& other : earlier) {
    if (other.device != port.device) continue;
    return Complaint{"device", 0, '"' + port.device + "\" is given twice",
                     "keep one [[port]] for each device; more queues are its setting queues"};
  }
  for (size_t i = 0; i < port.addresses.size(); ++i) {
    if (auto wrong = check_address_is_new(port, i, earlier)) return wrong;
    if (auto wrong = check_address(port, i)) return wrong;
  }
  if (has_family(port, 6) && port.mtu < kMinIpv6Mtu) {
    return Complaint{"mtu", 0, "an mtu of " + std::to_string(port.mtu) + " is too small for IPv6",
                     "write " + std::to_string(kMinIpv6Mtu) + " or more, or no IPv6 address"};
  }
  for (size_t i = 0; i < port.gateway.size(); ++i) {
    if (auto wrong = check_gateway(port, i)) return wrong;
  }
  for (size_t i = 0; i < port.neighbors.size(); ++i) {
    if (auto wrong = check_neighbor(port, i)) return wrong;
  }
  return std::nullopt;
}

}  // namespace millrace
