// SPDX-License-Identifier: BSD-3-Clause
// Routes: which of our addresses are ours, and which interface and router lead anywhere else. lwIP
// asks here (LWIP_HOOK_IP4_ROUTE_SRC and its kin); its own choice knows one router per interface.
//
// Of the routes that fit, a socket bound to an address takes those of that address's link if there
// are any (Windows' strong host model), and of these the longest prefix; of equal ones that of the
// address's own interface. Invariant: own addresses first, then by length, then as they were added.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "lwip/ip_addr.h"
#include "lwip/netif.h"
#include "stack/address.h"

namespace millrace {

class Routes {
 public:
  /// Packets to our own addresses turn round here.
  void set_loop(netif& loop) noexcept { loop_ = &loop; }

  /// An address or, for 127.0.0.0/8, a network of ours. @param link  what `out` is a part of
  void add_own(const Prefix& own, netif& out, uint8_t link);
  /// @param via  nothing: the network is on the link
  void add(const Prefix& to, const std::optional<IpAddress>& via, netif& out, uint8_t link);
  /// Forgets everything of IPv4 that leads through the interface.
  void remove4(const netif& out);

  /// The interface to a destination, the loopback for our own addresses. Multicast and limited
  /// broadcast without a route go where the default route goes, else through the first interface. From a
  /// loopback address nothing leads to a wire (RFC 1122 3.2.1.3).
  /// @param source  null or unspecified: not bound
  /// @return null: there is no route that has a link
  netif* find(const ip4_addr_t* source, const ip4_addr_t& destination) const noexcept;
  netif* find(const ip6_addr_t* source, const ip6_addr_t& destination) const noexcept;
  /// The neighbor to hand a packet to that leaves through `out`. @return null: no route leads there
  const ip4_addr_t* next_hop(const netif& out, const ip4_addr_t& destination) const noexcept;
  const ip6_addr_t* next_hop(const netif& out, const ip6_addr_t& destination) const noexcept;

  bool is_own(const ip4_addr_t& address) const noexcept;
  bool is_own(const ip6_addr_t& address) const noexcept;
  /// True for an address of ours that only another link has (Windows' strong host model).
  bool is_elsewhere(const ip4_addr_t& address, uint8_t link) const noexcept {
    return is_elsewhere(table4_, key_of(address), link);
  }
  bool is_elsewhere(const ip6_addr_t& address, uint8_t link) const noexcept {
    return is_elsewhere(table6_, key_of(address), link);
  }
  /// The interface with this IPv4 address, if there is one.
  netif* with_address(const ip4_addr_t& address) const noexcept;

 private:
  using Key = std::array<uint64_t, 2>;  ///< in network order, as it lies in memory
  struct Entry {
    Key network;
    Key mask;
    ip_addr_t via;
    netif* out;
    uint8_t length;
    uint8_t link;
    bool is_own;
    bool has_via;

    bool fits(const Key& address) const noexcept {
      return (((address[0] ^ network[0]) & mask[0]) | ((address[1] ^ network[1]) & mask[1])) == 0;
    }
  };
  using Table = std::vector<Entry>;

  static Key key_of(const ip4_addr_t& address) noexcept { return {address.addr, 0}; }
  static Key key_of(const ip6_addr_t& address) noexcept;
  static void insert(Table& table, const Entry& entry);
  static Entry entry_of(const Prefix& to, netif& out, uint8_t link);
  const Entry* find(const Table& table, const Key& source, const Key& destination) const noexcept;
  static bool is_elsewhere(const Table& table, const Key& address, uint8_t link) noexcept;
  static const Entry* find_through(const Table& table, const netif& out, const Key& key) noexcept;
  netif* find_for_all(const Table& table, const Key& source) const noexcept;
  Table& table_of(uint8_t family) noexcept { return family == 4 ? table4_ : table6_; }

  Table table4_, table6_;
  netif* loop_ = nullptr;
  netif* first_ = nullptr;  ///< of a wire
};

}  // namespace millrace
