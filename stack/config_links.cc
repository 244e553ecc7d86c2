// SPDX-License-Identifier: BSD-3-Clause
// What a port's configuration says of each of its links; both the check of it and the engine ask.
#include "stack/config.h"

namespace millrace {

LinkConfig untagged_of(const PortConfig& port) {
  return {0, port.addresses, port.gateway, port.routes, port.neighbors};
}

LinkConfig link_of(const VlanConfig& vlan) {
  return {vlan.id, vlan.addresses, vlan.gateway, vlan.routes, vlan.neighbors};
}

std::vector<LinkConfig> links_of(const PortConfig& port) {
  std::vector<LinkConfig> links;
  if (!port.addresses.empty()) links.push_back(untagged_of(port));
  for (const VlanConfig& vlan : port.vlans) links.push_back(link_of(vlan));
  return links;
}

}  // namespace millrace
