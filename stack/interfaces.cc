// SPDX-License-Identifier: BSD-3-Clause
#include "stack/interfaces.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "dpdk_io/startup_error.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/prot/dhcp.h"
#include "lwip/prot/iana.h"
#include "lwip/prot/ip4.h"
#include "netif/ethernet.h"
#include "stack/demux.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/routes.h"

namespace millrace {
namespace {

// lwIP's numbers, which are indexes less one: 0 the loopback, then links, then further interfaces.
constexpr uint8_t kFirstFurther = 1 + kMaxLinks;
static_assert(kFirstFurther + kMaxIpv4Addresses <= 254);

uint8_t first_free(uint8_t from) noexcept {
  for (const netif* n = netif_list; n != nullptr;) {
    n = n->num == from ? (++from, netif_list) : n->next;
  }
  return from;
}

ip4_addr_t mask_of(uint8_t length) noexcept {
  ip4_addr_t mask;
  mask.addr = length == 0 ? 0 : lwip_htonl(~uint32_t{0} << (32 - length));
  return mask;
}

eth_addr* own_mac(netif& n) noexcept { return reinterpret_cast<eth_addr*>(n.hwaddr); }

bool is_for_all(const ip4_addr_t& address) noexcept {
  return ip4_addr_ismulticast(&address) || address.addr == IPADDR_BROADCAST;
}

// The neighbor is what Routes says, whatever lwIP's one mask and one gateway would make of it.
err_t output4(netif* n, pbuf* p, const ip4_addr_t* destination) {
  if (is_for_all(*destination)) return etharp_output(n, p, destination);
  const ip4_addr_t* const next = engine.routes->next_hop(*n, *destination);
  if (next == nullptr) return ERR_RTE;
  const auto& neighbors = interface_of(*n).link->neighbors;
  if (!neighbors.empty()) {
    ip_addr_t key{};
    ip_addr_copy_from_ip4(key, *next);
    const auto it = neighbors.find(from_lwip(key));
    if (it != neighbors.end()) return ethernet_output(n, p, own_mac(*n), &it->second, ETHTYPE_IP);
  }
  return etharp_output(n, p, next);
}

// lwIP is asked for the next hop only: it keeps 64 destinations in a list, and all who are behind a router are one
// of them then.
err_t output6(netif* n, pbuf* p, const ip6_addr_t* destination) {
  if (ip6_addr_ismulticast(destination)) return ethip6_output(n, p, destination);
  const ip6_addr_t* const next =
      ip6_addr_islinklocal(destination) ? destination : engine.routes->next_hop(*n, *destination);
  if (next == nullptr) return ethip6_output(n, p, destination);  // by a router that told of itself
  const auto& neighbors = interface_of(*n).link->neighbors;
  if (neighbors.empty()) return ethip6_output(n, p, next);
  ip_addr_t key{};
  ip_addr_copy_from_ip6(key, *next);
  IpAddress neighbor = from_lwip(key);
  neighbor.zone = 0;
  const auto it = neighbors.find(neighbor);
  if (it == neighbors.end()) return ethip6_output(n, p, next);
  return ethernet_output(n, p, own_mac(*n), &it->second, ETHTYPE_IPV6);
}

bool is_for_dhcp_client(const uint8_t* header) noexcept {
  const uint8_t* const udp = header + (header[0] & 0x0fu) * 4;
  return header[9] == IP_PROTO_UDP && udp[2] == 0 && udp[3] == LWIP_IANA_PORT_DHCP_CLIENT;
}

/// The interface with exactly this address, or with a subnet that has it (as broadcast address or
/// as a sender's).
Interface* with_address(const Link& link, uint32_t address, bool by_subnet) noexcept {
  for (const auto& interface : link.interfaces) {
    const uint32_t own = netif_ip4_addr(&interface->lwip)->addr;
    const uint32_t mask = by_subnet ? netif_ip4_netmask(&interface->lwip)->addr : ~uint32_t{0};
    if (own != 0 && ((own ^ address) & mask) == 0) return interface.get();
  }
  return nullptr;
}

// All of 127/8 is this host's (RFC 1122 3.2.1.3), and lwIP's interface has one address: while a packet to
// another one is in hand, it has that.
err_t loopback_input(pbuf* frame, netif* loop) {
  const auto* const bytes = static_cast<const uint8_t*>(frame->payload);
  const auto type = static_cast<uint16_t>((bytes[12] << 8) | bytes[13]);
  if (type != ETHTYPE_IP) return ethernet_input(frame, loop);
  ip4_addr_t target;
  std::memcpy(&target.addr, bytes + SIZEOF_ETH_HDR + 16, sizeof target.addr);
  const bool is_ours = ip4_addr_isloopback(&target) && !ip4_addr_isbroadcast(&target, loop);
  if (!is_ours) return ethernet_input(frame, loop);
  ip4_addr_t& address = *ip_2_ip4(&loop->ip_addr);
  const ip4_addr_t own = std::exchange(address, target);
  const err_t result = ethernet_input(frame, loop);
  address = own;
  return result;
}

}  // namespace

Interfaces::Interfaces(Netif& owner, Routes& routes, const PortConfig& config, netif_init_fn init,
                       uint16_t chksum_flags)
    : owner_(owner), routes_(routes) {
  for (const LinkConfig& link : links_of(config)) add_link(link, init, chksum_flags);
  const Link& front = *links_.front();
  if (links_.size() == 1 && front.vlan == 0 && front.interfaces.size() == 1) only_ = &first();
}

Interfaces::Interfaces(Netif& owner, Routes& routes, netif_init_fn init)
    : owner_(owner), routes_(routes) {
  links_.push_back(std::make_unique<Link>());
  Interface& loop = add(*links_.front(), init, 0);
  loop.lwip.input = loopback_input;
  only_ = &loop.lwip;
  routes_.set_loop(loop.lwip);
  ip4_addr_t address;
  IP4_ADDR(&address, 127, 0, 0, 1);
  const ip4_addr_t mask = mask_of(8), none{};
  netif_set_addr(&loop.lwip, &address, &mask, &none);
  loop.address4 = Prefix{IpAddress::loopback(4), 8};
  ip_addr_t loopback6 = IPADDR6_INIT_HOST(0, 0, 0, 1);
  netif_ip6_addr_set(&loop.lwip, 0, ip_2_ip6(&loopback6));
  netif_ip6_addr_set_state(&loop.lwip, 0, IP6_ADDR_PREFERRED);
  routes_.add_own({IpAddress{4, {127}, 0}, 8}, loop.lwip, 0);
  routes_.add_own({IpAddress::loopback(6), 128}, loop.lwip, 0);
}

Interfaces::~Interfaces() {
  for (const auto& link : links_) {
    for (const auto& interface : link->interfaces) {
      netif_set_down(&interface->lwip);
      netif_remove(&interface->lwip);
    }
  }
}

Interface& Interfaces::add(Link& link, netif_init_fn init, uint16_t chksum_flags) {
  link.interfaces.push_back(std::make_unique<Interface>());
  Interface& interface = *link.interfaces.back();
  interface.owner = &owner_;
  interface.link = &link;
  const ip4_addr_t none{};
  netif& n = interface.lwip;
  netif_add(&n, &none, &none, &none, &interface, init, ethernet_input);
  netif_set_up(&n);
  netif_set_link_up(&n);
  n.chksum_flags = chksum_flags;
  return interface;
}

void Interfaces::add_link(const LinkConfig& config, netif_init_fn init, uint16_t chksum_flags) {
  links_.push_back(std::make_unique<Link>());
  Link& link = *links_.back();
  link.vlan = config.vlan;
  link.number = first_free(1);
  for (const IpAddress& router : config.gateway) {
    link.routes.push_back({{IpAddress::any(router.family), 0}, router});
  }
  link.routes.insert(link.routes.end(), config.routes.begin(), config.routes.end());
  for (const Neighbor& neighbor : config.neighbors) {
    std::copy(neighbor.mac.begin(), neighbor.mac.end(), link.neighbors[neighbor.address].addr);
  }
  Interface& front = add(link, init, chksum_flags);
  netif_create_ip6_linklocal_address(&front.lwip, 1);
  netif_ip6_addr_set_state(&front.lwip, 0, IP6_ADDR_PREFERRED);
  ip_addr_t link_local{};
  ip_addr_copy_from_ip6(link_local, *netif_ip6_addr(&front.lwip, 0));
  routes_.add_own({from_lwip(link_local), 128}, front.lwip, link.number);
  add_routes(front, *parse_prefix("fe80::/10"));
  bool front_is_taken = false;
  for (const OwnAddress& own : config.addresses) {
    if (!own.is_dhcp && own.address.family == 6) {
      add_address6(front, own);
      continue;
    }
    Interface& interface = front_is_taken ? add(link, init, chksum_flags) : front;
    front_is_taken = true;
    interface.is_dhcp = own.is_dhcp;
    if (!own.is_dhcp) apply(interface, own, std::nullopt);
  }
}

// An address alone is lwIP's idea of a /64 on the link, unless it has a lifetime (RFC 5942): what
// is on the link, Routes knows.
void Interfaces::add_address6(Interface& to, const Prefix& prefix) {
  ip_addr_t address = to_lwip(prefix.address);
  ip6_addr_assign_zone(ip_2_ip6(&address), IP6_UNICAST, &to.lwip);
  s8_t index = -1;
  if (netif_add_ip6_address(&to.lwip, ip_2_ip6(&address), &index) != ERR_OK || index < 0) {
    throw StartupError("address " + prefix.address.text(), "no room for another IPv6 address",
                       "keep at most 8 per port or VLAN");
  }
  netif_ip6_addr_set_valid_life(&to.lwip, index, IP6_ADDR_LIFE_INFINITE);
  netif_ip6_addr_set_pref_life(&to.lwip, index, IP6_ADDR_LIFE_INFINITE);
  netif_ip6_addr_set_state(&to.lwip, index, IP6_ADDR_PREFERRED);
  const uint8_t link = to.link->number;
  routes_.add_own({prefix.address, 128}, to.lwip, link);
  routes_.add({network_of(prefix), prefix.length}, std::nullopt, to.lwip, link);
  add_routes(to, prefix);
}

/// The link's routes whose router is in this subnet of the interface.
void Interfaces::add_routes(Interface& through, const Prefix& to_routers) {
  for (const StaticRoute& route : through.link->routes) {
    if (!contains(to_routers, route.via)) continue;
    routes_.add(route.to, route.via, through.lwip, through.link->number);
  }
}

void Interfaces::apply(Interface& to, const Prefix& address,
                       const std::optional<IpAddress>& gateway) {
  const ip4_addr_t ip = to_ip4(address.address), mask = mask_of(address.length), none{};
  const uint8_t link = to.link->number;
  to.address4 = address;
  to.gateway4 = gateway;
  routes_.add_own({address.address, 32}, to.lwip, link);
  routes_.add({network_of(address), address.length}, std::nullopt, to.lwip, link);
  add_routes(to, address);
  if (gateway.has_value()) routes_.add({IpAddress::any(4), 0}, gateway, to.lwip, link);
  netif_set_addr(&to.lwip, &ip, &mask, &none);
}

void Interfaces::forget(Interface& of) noexcept {
  routes_.remove4(of.lwip);
  of.address4.reset();
  of.gateway4.reset();
}

void Interfaces::clear(Interface& of) noexcept {
  const ip4_addr_t none{};
  engine.demux->with_all([&] { netif_set_addr(&of.lwip, &none, &none, &none); });
}

bool Interfaces::is_elsewhere(const Link& link, uint16_t type,
                              const uint8_t* header) const noexcept {
  if (type == ETHTYPE_IPV6) {
    ip6_addr_t target{};
    std::memcpy(target.addr, header + 24, sizeof target.addr);
    return routes_.is_elsewhere(target, link.number);
  }
  ip4_addr_t target;
  std::memcpy(&target.addr, header + 16, sizeof target.addr);
  return routes_.is_elsewhere(target, link.number);
}

netif* Interfaces::find_among(uint16_t vlan, uint16_t type, const uint8_t* header) noexcept {
  const auto it = std::find_if(links_.begin(), links_.end(),
                               [&](const auto& link) { return link->vlan == vlan; });
  if (it == links_.end()) return nullptr;
  const Link& link = **it;
  if (type != ETHTYPE_ARP && is_elsewhere(link, type, header)) return nullptr;
  netif* const front = &link.interfaces.front()->lwip;
  if (link.interfaces.size() == 1 || type == ETHTYPE_IPV6) return front;
  const auto word_at = [header](size_t at) {
    uint32_t word;
    std::memcpy(&word, header + at, sizeof word);
    return word;
  };
  const uint32_t target = word_at(type == ETHTYPE_ARP ? 24 : 16);
  Interface* found = with_address(link, target, false);
  if (found == nullptr && type == ETHTYPE_ARP) {
    found = with_address(link, word_at(14), true);
  } else if (found == nullptr && is_for_dhcp_client(header)) {
    const auto dhcp = std::find_if(link.interfaces.begin(), link.interfaces.end(),
                                   [](const auto& interface) { return interface->is_dhcp; });
    if (dhcp != link.interfaces.end()) found = dhcp->get();
  } else if (found == nullptr) {
    found = with_address(link, target, true);
  }
  return found == nullptr ? front : &found->lwip;
}

bool Interfaces::has_address(const ip_addr_t& address) noexcept {
  const IpAddress wanted = from_lwip(address);
  for (const auto& link : links_) {
    for (const auto& interface : link->interfaces) {
      const bool is_here =
          IP_IS_V6_VAL(address)
              ? netif_get_ip6_addr_match(&interface->lwip, ip_2_ip6(&address)) >= 0
              : interface->address4.has_value() && interface->address4->address == wanted;
      if (is_here) return true;
    }
  }
  return false;
}

void Interfaces::set_link(bool is_up) noexcept {
  for (const auto& link : links_) {
    for (const auto& interface : link->interfaces) {
      is_up ? netif_set_link_up(&interface->lwip) : netif_set_link_down(&interface->lwip);
    }
  }
}

/// What the port does not determine; for the init function.
void number_and_outputs(Interface& interface) noexcept {
  netif& n = interface.lwip;
  n.num = interface.is_first() ? interface.link->number : first_free(kFirstFurther);
  n.output = output4;
  n.output_ip6 = output6;
}

}  // namespace millrace
