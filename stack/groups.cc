// SPDX-License-Identifier: BSD-3-Clause
#include "stack/groups.h"

#include <algorithm>

#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "stack/interfaces.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/routes.h"

namespace millrace {
namespace {

constexpr ip4_addr_t kAllSystems{PP_HTONL(0xe0000001)};

/// Every host is in it, and lwIP refuses to join it once more (RFC 2236 6).
bool is_all_systems(const IpAddress& group) noexcept {
  return group.family == 4 && to_ip4(group).addr == kAllSystems.addr;
}

err_t tell_network(netif& on, const IpAddress& group, bool joins) noexcept {
  if (&on == engine.loop || is_all_systems(group)) return ERR_OK;
  if (group.family == 4) {
    const ip4_addr_t ip = to_ip4(group);
    return joins ? igmp_joingroup_netif(&on, &ip) : igmp_leavegroup_netif(&on, &ip);
  }
  ip_addr_t ip = to_lwip(group);
  ip6_addr_assign_zone(ip_2_ip6(&ip), IP6_MULTICAST, &on);
  return joins ? mld6_joingroup_netif(&on, ip_2_ip6(&ip))
               : mld6_leavegroup_netif(&on, ip_2_ip6(&ip));
}

netif* first_of_link(netif* n) noexcept {
  if (n == nullptr || n == engine.loop) return n;
  return &interface_of(*n).link->interfaces.front()->lwip;
}

}  // namespace

std::vector<IpAddress>::iterator Groups::Membership::find(const IpAddress& source) {
  return std::find(sources.begin(), sources.end(), source);
}

std::vector<Groups::Membership>::iterator Groups::find(const netif& on, const IpAddress& group) {
  return std::find_if(memberships_.begin(), memberships_.end(),
                      [&](const Membership& m) { return m.on == &on && m.group == group; });
}

WsaError Groups::join(netif& on, const GroupChange& change) {
  if (tell_network(on, change.group, true) != ERR_OK) return WsaError::kNoBufs;
  const bool is_include = change.action == GroupAction::kJoinSource;
  memberships_.push_back({&on, change.group, is_include, {}});
  if (is_include) memberships_.back().sources.push_back(change.source);
  return WsaError::kOk;
}

WsaError Groups::join_source(Membership& membership, const IpAddress& source) {
  if (!membership.is_include) {
    return membership.sources.empty() ? WsaError::kAddrNotAvail : WsaError::kInval;
  }
  if (membership.find(source) != membership.sources.end()) return WsaError::kAddrNotAvail;
  membership.sources.push_back(source);
  return WsaError::kOk;
}

WsaError Groups::change(const GroupChange& change, netif& on) {
  const auto it = find(on, change.group);
  const bool is_member = it != memberships_.end();
  const bool joins =
      change.action == GroupAction::kJoin || change.action == GroupAction::kJoinSource;
  if (!is_member) return joins ? join(on, change) : WsaError::kInval;
  const auto source = it->find(change.source);
  const bool is_listed = source != it->sources.end();
  switch (change.action) {
    case GroupAction::kJoin:
      return !it->is_include && !it->sources.empty() ? WsaError::kInval : WsaError::kAddrNotAvail;
    case GroupAction::kJoinSource:
      return join_source(*it, change.source);
    case GroupAction::kLeave:
      leave(it);
      return WsaError::kOk;
    case GroupAction::kLeaveSource:
      if (!it->is_include) return WsaError::kInval;
      if (!is_listed) return WsaError::kAddrNotAvail;
      it->sources.erase(source);
      if (it->sources.empty()) leave(it);
      return WsaError::kOk;
    case GroupAction::kBlock:
      if (it->is_include) return WsaError::kInval;
      if (is_listed) return WsaError::kAddrNotAvail;
      it->sources.push_back(change.source);
      return WsaError::kOk;
    case GroupAction::kUnblock:
      if (it->is_include || !is_listed) return WsaError::kInval;
      it->sources.erase(source);
      return WsaError::kOk;
  }
  return WsaError::kInval;
}

bool Groups::wants(const netif& on, const IpAddress& group,
                   const IpAddress& source) const noexcept {
  for (const Membership& m : memberships_) {
    if (m.on != &on || m.group != group) continue;
    const bool is_listed = std::find(m.sources.begin(), m.sources.end(), source) != m.sources.end();
    return is_listed == m.is_include;
  }
  return false;
}

void Groups::leave(std::vector<Membership>::iterator membership) noexcept {
  (void)tell_network(*membership->on, membership->group, false);
  memberships_.erase(membership);
}

void Groups::leave_all() noexcept {
  while (!memberships_.empty()) leave(memberships_.end() - 1);
}

netif* group_interface(uint32_t index) noexcept {
  if (index == 0 || index > UINT8_MAX) return nullptr;
  netif* const n = netif_get_by_index(static_cast<u8_t>(index));
  return first_of_link(n) == n ? n : nullptr;
}

uint32_t group_interface_with(const IpAddress& address) noexcept {
  if (is_loopback(address)) return netif_get_index(engine.loop);
  if (address.family == 4) {
    netif* const n = first_of_link(engine.routes->with_address(to_ip4(address)));
    return n == nullptr ? 0 : netif_get_index(n);
  }
  const ip_addr_t ip = to_lwip(address);
  for (netif* n = netif_list; n != nullptr; n = n->next) {
    if (netif_get_ip6_addr_match(n, ip_2_ip6(&ip)) >= 0) return netif_get_index(first_of_link(n));
  }
  return 0;
}

uint32_t group_interface_of(const netif& n) noexcept {
  return netif_get_index(first_of_link(const_cast<netif*>(&n)));
}

netif* default_group_interface(const IpAddress& group, const IpAddress& local) noexcept {
  const ip_addr_t to = to_lwip(group), from = to_lwip(local);
  const Routes& routes = *engine.routes;
  netif* const n = group.family == 4 ? routes.find(ip_2_ip4(&from), *ip_2_ip4(&to))
                                     : routes.find(ip_2_ip6(&from), *ip_2_ip6(&to));
  // Without a port there is still this process.
  return n == nullptr && netif_list == engine.loop && engine.loop->next == nullptr
             ? engine.loop
             : first_of_link(n);
}

}  // namespace millrace
