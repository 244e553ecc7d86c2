// SPDX-License-Identifier: BSD-3-Clause
// Interfaces: the lwIP interfaces of one queue of one port.
//
//   port ── untagged ── interface: 10.0.0.2, all of IPv6, multicast groups      <- the link's first
//        │              interface: 10.9.0.2
//        └─ VLAN 100 ── interface: 10.1.0.2, all of IPv6 ...
//
// lwIP's netif has one IPv4 address, so there is one for each. What has one tag is a link: its
// interfaces share neighbors, routers and groups. A frame goes to the interface that it is for, so
// that ARP is answered for every address.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "lwip/netif.h"
#include "lwip/prot/ethernet.h"
#include "stack/address.h"
#include "stack/config.h"

namespace millrace {

class Netif;
class Routes;

struct Interface;

/// What has one tag on a port.
struct Link {
  uint16_t vlan = 0;   ///< 0: untagged
  uint8_t number = 0;  ///< from 1 on, in the order of the configuration; lwIP's number of the first
  std::vector<StaticRoute> routes;                    ///< default routes among them
  std::unordered_map<IpAddress, eth_addr> neighbors;  ///< static ones
  std::vector<std::unique_ptr<Interface>> interfaces;
};

struct Interface {
  Netif* owner = nullptr;
  Link* link = nullptr;
  bool is_dhcp = false;
  std::optional<Prefix> address4;
  std::optional<IpAddress> gateway4;  ///< of a lease
  netif lwip{};

  uint16_t vlan() const noexcept { return link->vlan; }
  bool is_first() const noexcept { return link->interfaces.front().get() == this; }
};

/// The number, and how packets leave; for lwIP's init function.
void number_and_outputs(Interface& interface) noexcept;

inline Interface& interface_of(netif& n) noexcept { return *static_cast<Interface*>(n.state); }

class Interfaces {
 public:
  /// @param init  lwIP's: fills in what the port determines, before the rest
  /// @throws StartupError  an address that lwIP cannot take
  Interfaces(Netif& owner, Routes& routes, const PortConfig& config, netif_init_fn init,
             uint16_t chksum_flags);
  /// 127.0.0.1 and ::1.
  Interfaces(Netif& owner, Routes& routes, netif_init_fn init);
  ~Interfaces();
  Interfaces(const Interfaces&) = delete;
  Interfaces& operator=(const Interfaces&) = delete;

  /// The one that a frame is for. @param header  behind the Ethernet header, whole in its segment
  /// @return null: none has this tag
  netif* find(uint16_t vlan, uint16_t type, const uint8_t* header) noexcept {
    return only_ != nullptr && vlan == 0 ? only_ : find_among(vlan, type, header);
  }
  netif& first() noexcept { return links_.front()->interfaces.front()->lwip; }
  bool has_address(const ip_addr_t& address) noexcept;
  void set_link(bool is_up) noexcept;
  const std::vector<std::unique_ptr<Link>>& links() const noexcept { return links_; }

  /// Gives an interface that has no IPv4 address this one, with the routes that it makes possible.
  void apply(Interface& to, const Prefix& address, const std::optional<IpAddress>& gateway);
  /// The IPv4 address is ours no more, though lwIP still has it, and connections with it go on.
  void forget(Interface& of) noexcept;
  /// Takes it away from lwIP, which ends such connections.
  void clear(Interface& of) noexcept;

 private:
  Interface& add(Link& link, netif_init_fn init, uint16_t chksum_flags);
  void add_link(const LinkConfig& config, netif_init_fn init, uint16_t chksum_flags);
  void add_address6(Interface& to, const Prefix& prefix);
  void add_routes(Interface& through, const Prefix& to_routers);
  bool is_elsewhere(const Link& link, uint16_t type, const uint8_t* header) const noexcept;
  netif* find_among(uint16_t vlan, uint16_t type, const uint8_t* header) noexcept;

  Netif& owner_;
  Routes& routes_;
  std::vector<std::unique_ptr<Link>> links_;
  netif* only_ = nullptr;  ///< one interface, untagged: most ports
};

}  // namespace millrace
