// SPDX-License-Identifier: BSD-3-Clause
// Failures of the network, brought to the sockets they are about: ICMP errors (icmp_errors.h), and
// ports that are lost: removed, or without a link for longer than link_down_ms (contract: E1).
#include <algorithm>

#include "dpdk_io/port.h"
#include "lwip/netif.h"
#include "stack/icmp_errors.h"
#include "stack/lwip_glue.h"
#include "stack/netif.h"
#include "stack/siblings.h"
#include "stack/socket.h"
#include "stack/stack.h"

namespace millrace {

// Listeners and sockets of the application stand in the table of ports; accepted connections do
// not, and an established connection takes no ICMP error anyway (RFC 5461 3).
bool Stack::on_icmp_error(const IcmpError& error) noexcept {
  Socket* best = nullptr;
  int best_fit = -1;
  siblings_.ports.for_each_of(index_, error.transport, error.local.port, [&](Socket& socket) {
    const IpAddress& at = socket.local().address;
    if (!socket.speaks(error.local.address.family)) return;
    if (!is_any(at) && at != error.local.address) return;
    const int fit = socket.fits(error);
    if (fit <= best_fit) return;
    best = &socket;
    best_fit = fit;
  });
  return best != nullptr && best->on_icmp_error(error);
}

void Stack::poll_links() noexcept {
  const uint64_t now = now_ns();
  const uint32_t n_before = n_lost_ports_;
  bool has_changed = false;
  for (const auto& netif : netifs_) {
    const bool was_up = netif_is_link_up(&netif->lwip()) != 0;
    netif->poll_link(now);
    has_changed |= was_up != (netif_is_link_up(&netif->lwip()) != 0);
  }
  if (has_changed) tell_changes(0);
  n_lost_ports_ = static_cast<uint32_t>(std::count_if(
      netifs_.begin(), netifs_.end(), [](const auto& netif) { return netif->is_lost(); }));
  if (n_lost_ports_ <= n_before) return;
  for (const Slot& slot : slots_) {
    if (slot.socket != nullptr) slot.socket->on_port_lost();
  }
}

// A socket depends on the port of its own address; a wildcard one on all ports together. What talks
// to ourselves needs none.
bool Stack::depends_on_lost_port(const Socket& socket) const noexcept {
  const IpAddress& local = socket.local().address;
  const auto peer = socket.peer();
  if (is_loopback(local) || (peer.has_value() && is_own(peer->address))) return false;
  const ip_addr_t ip = to_lwip(local);
  if (!is_any(local) && !is_multicast(local)) {
    for (const auto& netif : netifs_) {
      if (netif->has_address(ip)) return netif->is_lost();
    }
    if (has_lost_address_) return true;  // it was a lease
  }
  return n_lost_ports_ + 1 == netifs_.size();
}

}  // namespace millrace
