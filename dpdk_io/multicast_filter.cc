// SPDX-License-Identifier: BSD-3-Clause
#include "dpdk_io/multicast_filter.h"

#include <rte_ethdev.h>
#include <rte_ether.h>

#include <algorithm>
#include <vector>

namespace millrace {

MulticastFilter::MulticastFilter(uint16_t port_id) : port_id_(port_id) {
  add({0x33, 0x33, 0, 0, 0, 1});
}

void MulticastFilter::add(const Mac& mac) {
  const std::lock_guard guard(mutex_);
  if (users_[mac]++ == 0) tell_device();
}

void MulticastFilter::remove(const Mac& mac) {
  const std::lock_guard guard(mutex_);
  const auto it = users_.find(mac);
  if (it == users_.end() || --it->second != 0) return;
  users_.erase(it);
  tell_device();
}

void MulticastFilter::tell_device() {
  if (lets_all_through_) return;
  std::vector<rte_ether_addr> list;
  for (const auto& [mac, n] : users_) {
    rte_ether_addr& address = list.emplace_back();
    std::copy(mac.begin(), mac.end(), address.addr_bytes);
  }
  // No list, or a list that is too long.
  if (rte_eth_dev_set_mc_addr_list(port_id_, list.data(), static_cast<uint32_t>(list.size())) ==
      0) {
    return;
  }
  lets_all_through_ = true;
  rte_eth_allmulticast_enable(port_id_);
}

}  // namespace millrace
