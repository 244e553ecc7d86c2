// SPDX-License-Identifier: BSD-3-Clause
// The checks, each with the reason in its text: it is what the user reads.
#include "stack/config_check.h"

#include <algorithm>
#include <utility>

namespace millrace {
namespace {

using MaybeComplaint = std::optional<Complaint>;
/// Links that stand before, and where.
using Earlier = std::vector<std::pair<std::string, LinkConfig>>;

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

bool has_family(const LinkConfig& link, uint8_t family) {
  return std::any_of(link.addresses.begin(), link.addresses.end(), [&](const OwnAddress& a) {
    return a.is_dhcp ? family == 4 : a.address.family == family;
  });
}

bool is_own(const LinkConfig& link, const IpAddress& address) {
  return std::any_of(link.addresses.begin(), link.addresses.end(),
                     [&](const OwnAddress& a) { return !a.is_dhcp && a.address == address; });
}

bool has_dhcp(const LinkConfig& link) {
  return std::any_of(link.addresses.begin(), link.addresses.end(),
                     [](const OwnAddress& a) { return a.is_dhcp; });
}

std::string name_of(const LinkConfig& link) {
  return link.vlan == 0 ? "this port" : "this VLAN";
}

/// The first of our addresses whose prefix the address is in.
const OwnAddress* subnet_of(const LinkConfig& link, const IpAddress& address) {
  const auto it = std::find_if(link.addresses.begin(), link.addresses.end(), [&](const auto& a) {
    return !a.is_dhcp && contains(a, address);
  });
  return it == link.addresses.end() ? nullptr : &*it;
}

/// A link-local IPv6 address is on every link that speaks IPv6 (RFC 4291 2.5.6). Of a prefix that a
/// DHCP server will tell nothing is known.
bool is_on_link(const LinkConfig& link, const IpAddress& address) {
  if (address.family == 6 && is_link_local(address)) return has_family(link, 6);
  return subnet_of(link, address) != nullptr || (address.family == 4 && has_dhcp(link));
}

MaybeComplaint check_address(const LinkConfig& link, size_t index) {
  const OwnAddress& own = link.addresses[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"addresses", index, own.text() + ' ' + cause, std::move(remedy)};
  };
  const auto n_before = [&](const auto& is_alike) {
    const auto end = link.addresses.begin() + static_cast<ptrdiff_t>(index);
    return static_cast<size_t>(std::count_if(link.addresses.begin(), end, is_alike));
  };
  if (own.is_dhcp) {
    const size_t n = n_before([](const OwnAddress& a) { return a.is_dhcp; });
    if (n != 0) return complain("is given twice", "keep one: a server leases one address");
    return std::nullopt;
  }
  if (!is_host(own.address)) {
    return complain("is not an address that a host can have", "write a unicast address");
  }
  if (own.length == 0) {
    return complain("would put every address on this link",
                    "write the length of the link's prefix, and a gateway for the rest");
  }
  if (is_network_or_broadcast(own)) {
    return complain("is its network's own or broadcast address", "choose another host in it");
  }
  const auto is_v6 = [](const OwnAddress& a) { return !a.is_dhcp && a.address.family == 6; };
  if (is_v6(own) && n_before(is_v6) >= kMaxIpv6AddressesPerLink) {
    return complain("is one address too many", link.vlan == 0 ? "a port holds at most 8 of IPv6"
                                                              : "a VLAN holds at most 8 of IPv6");
  }
  return std::nullopt;
}
static_assert(kMaxIpv6AddressesPerLink == 8);  // as the text says

MaybeComplaint check_address_is_new(const LinkConfig& link, size_t index, const Earlier& earlier) {
  const OwnAddress& own = link.addresses[index];
  if (own.is_dhcp) return std::nullopt;
  const auto complain = [&](const std::string& where) {
    return Complaint{"addresses", index, own.address.text() + " is given twice, before on " + where,
                     "give each address to one port, once"};
  };
  for (size_t i = 0; i < index; ++i) {
    const OwnAddress& other = link.addresses[i];
    if (!other.is_dhcp && other.address == own.address) return complain(name_of(link));
  }
  for (const auto& [where, other] : earlier) {
    if (is_own(other, own.address)) return complain(where);
  }
  return std::nullopt;
}

MaybeComplaint check_gateway(const LinkConfig& link, size_t index) {
  const IpAddress& gateway = link.gateway[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"gateway", index, gateway.text() + ' ' + cause, std::move(remedy)};
  };
  if (!is_host(gateway)) {
    return complain("is not an address that a gateway can have", "write the router's");
  }
  if (!is_on_link(link, gateway)) {
    return complain("is outside every prefix of " + name_of(link) + "'s addresses",
                    "write a gateway on the link, or correct an address's prefix length");
  }
  if (is_own(link, gateway)) return complain("is our own address", "write the router's");
  for (size_t i = 0; i < index; ++i) {
    const IpAddress& other = link.gateway[i];
    if (other.family != gateway.family) continue;
    if (gateway.family == 6) {
      return complain("is the second gateway of IPv6", "keep one, and write routes for the other");
    }
    if (subnet_of(link, other) == subnet_of(link, gateway)) {
      return complain("is the second gateway in its subnet",
                      "keep one, and write routes for the other");
    }
  }
  return std::nullopt;
}

MaybeComplaint check_route(const LinkConfig& link, size_t index) {
  const StaticRoute& route = link.routes[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"routes", index, '"' + route.text() + "\" " + cause, std::move(remedy)};
  };
  if (route.to.length == 0) return complain("is a default route", "write it as gateway");
  if (is_multicast(route.to.address) || is_loopback(route.to.address)) {
    return complain("leads to no network of hosts", "write a unicast prefix");
  }
  if (!is_host(route.via) || !is_on_link(link, route.via)) {
    return complain("goes by a router outside every prefix of " + name_of(link) + "'s addresses",
                    "write a router on the link, or correct an address's prefix length");
  }
  if (is_own(link, route.via)) return complain("goes by our own address", "write the router's");
  for (size_t i = 0; i < index; ++i) {
    if (link.routes[i].to == route.to) return complain("is the second to its prefix", "keep one");
  }
  return std::nullopt;
}

MaybeComplaint check_neighbor(const LinkConfig& link, size_t index) {
  const Neighbor& neighbor = link.neighbors[index];
  const auto complain = [&](const std::string& cause, std::string remedy) {
    return Complaint{"neighbors", index, neighbor.text() + ' ' + cause, std::move(remedy)};
  };
  if ((neighbor.mac[0] & 1) != 0 || neighbor.mac == std::array<uint8_t, 6>{}) {
    return complain("has a MAC address that no single station has", "write the neighbor's own");
  }
  if (!is_host(neighbor.address) || !is_on_link(link, neighbor.address)) {
    return complain("is outside every prefix of " + name_of(link) + "'s addresses",
                    "write a neighbor on the link, or correct an address's prefix length");
  }
  if (is_own(link, neighbor.address)) return complain("has our own address", "write a neighbor's");
  for (size_t i = 0; i < index; ++i) {
    if (link.neighbors[i].address == neighbor.address) {
      return complain("is the second entry for its address", "keep one");
    }
  }
  return std::nullopt;
}

MaybeComplaint check_link(const LinkConfig& link, uint16_t mtu, const Earlier& earlier) {
  for (size_t i = 0; i < link.addresses.size(); ++i) {
    if (auto wrong = check_address_is_new(link, i, earlier)) return wrong;
    if (auto wrong = check_address(link, i)) return wrong;
  }
  if (has_family(link, 6) && mtu < kMinIpv6Mtu) {
    return Complaint{"mtu", 0, "an mtu of " + std::to_string(mtu) + " is too small for IPv6",
                     "write " + std::to_string(kMinIpv6Mtu) + " or more, or no IPv6 address"};
  }
  for (size_t i = 0; i < link.gateway.size(); ++i) {
    if (auto wrong = check_gateway(link, i)) return wrong;
  }
  for (size_t i = 0; i < link.routes.size(); ++i) {
    if (auto wrong = check_route(link, i)) return wrong;
  }
  for (size_t i = 0; i < link.neighbors.size(); ++i) {
    if (auto wrong = check_neighbor(link, i)) return wrong;
  }
  return std::nullopt;
}

Earlier all_of(const std::vector<PortConfig>& ports) {
  Earlier all;
  for (const PortConfig& port : ports) {
    for (LinkConfig& link : links_of(port)) all.emplace_back(port.device, std::move(link));
  }
  return all;
}

}  // namespace

std::optional<Complaint> complaint_about(const PortConfig& port,
                                         const std::vector<PortConfig>& earlier) {
  for (const PortConfig& other : earlier) {
    if (other.device != port.device) continue;
    return Complaint{"device", 0, '"' + port.device + "\" is given twice",
                     "keep one [[port]] for each device; more queues are its setting queues"};
  }
  return check_link(untagged_of(port), port.mtu, all_of(earlier));
}

std::optional<Complaint> complaint_about_vlan(const PortConfig& port, size_t index,
                                              const std::vector<PortConfig>& earlier) {
  const VlanConfig& vlan = port.vlans[index];
  if (vlan.id == 0) {
    return Complaint{"id", 0, "[[port.vlan]] id is missing", "write an integer, 1..4094"};
  }
  Earlier before = all_of(earlier);
  before.emplace_back("this port", untagged_of(port));
  for (size_t i = 0; i < index; ++i) {
    const VlanConfig& other = port.vlans[i];
    if (other.id == vlan.id) {
      return Complaint{"id", 0, "VLAN " + std::to_string(vlan.id) + " is given twice on this port",
                       "keep one [[port.vlan]] for each tag"};
    }
    before.emplace_back("VLAN " + std::to_string(other.id), link_of(other));
  }
  return check_link(link_of(vlan), port.mtu, before);
}

std::optional<Complaint> complaint_about_sum(const PortConfig& port,
                                             const std::vector<PortConfig>& earlier) {
  size_t n_links = 0, n_addresses = 0;
  Earlier all = all_of(earlier);
  for (LinkConfig& link : links_of(port)) all.emplace_back(port.device, std::move(link));
  for (const auto& [where, link] : all) {
    ++n_links;
    for (const OwnAddress& a : link.addresses) n_addresses += a.is_dhcp || a.address.family == 4;
  }
  if (n_links <= kMaxLinks && n_addresses <= kMaxIpv4Addresses) return std::nullopt;
  return Complaint{"device", 0,
                   std::to_string(n_links) + " ports and VLANs with " +
                       std::to_string(n_addresses) + " IPv4 addresses are too many for a Stack",
                   "keep at most " + std::to_string(kMaxLinks) + " and " +
                       std::to_string(kMaxIpv4Addresses)};
}

}  // namespace millrace
