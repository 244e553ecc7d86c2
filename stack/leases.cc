// SPDX-License-Identifier: BSD-3-Clause
// The Stack's side of addresses that come and go: what a lease means to interfaces and sockets, and
// start-up, which waits for it.
#include <string>

#include "dpdk_io/port.h"
#include "dpdk_io/startup_error.h"
#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "stack/dhcp.h"
#include "stack/groups.h"
#include "stack/netif.h"
#include "stack/siblings.h"
#include "stack/socket.h"
#include "stack/stack.h"

namespace millrace {
namespace {

template <typename Visit>
void for_each_client(std::vector<std::unique_ptr<Netif>>& netifs, Visit visit) {
  for (size_t i = 1; i < netifs.size(); ++i) {
    for (const auto& link : netifs[i]->interfaces().links()) {
      for (const auto& interface : link->interfaces) {
        if (interface->is_dhcp) visit(i, *netifs[i], *interface);
      }
    }
  }
}

}  // namespace

void Stack::ask_for_leases() {
  for_each_client(netifs_, [&](size_t, Netif&, Interface& interface) {
    has_dhcp_ = true;
    if (index_ != 0) return;
    if (dhcp_ == nullptr) dhcp_ = std::make_unique<Dhcp>(*demux_);
    dhcp_->start(interface);
  });
}

void Stack::take_leases() {
  if (!has_dhcp_) return;
  Siblings::Leases& all = siblings_.leases;
  if (dhcp_ != nullptr) {
    dhcp_->settle([&](uint8_t link, const std::optional<Lease>& lease) { all.note(link, lease); });
  }
  all.visit_news(n_leases_seen_, [&](uint8_t link, const std::optional<Lease>& lease) {
    apply_lease(link, lease);
  });
}

bool Stack::has_leases() noexcept {
  bool has_all = true;
  for_each_client(netifs_, [&](size_t, Netif&, const Interface& interface) {
    has_all &= interface.address4.has_value();
  });
  return has_all;
}

// Sockets hear of it before lwIP does, which would end their connections as if the peer had.
void Stack::apply_lease(uint8_t link, const std::optional<Lease>& lease) {
  bool has_changed = false;
  for_each_client(netifs_, [&](size_t, Netif& netif, Interface& interface) {
    if (interface.link->number != link) return;
    Interfaces& all = netif.interfaces();
    const bool keeps_address = lease.has_value() && interface.address4 == lease->address;
    if (keeps_address && interface.gateway4 == lease->gateway) return;
    has_changed = true;
    const bool had_address = interface.address4.has_value();
    all.forget(interface);
    if (had_address && !keeps_address) {
      has_lost_address_ = true;
      ++counters.leases_lost;
      for (const Slot& slot : slots_) {
        if (slot.socket != nullptr) slot.socket->on_port_lost();
      }
      all.clear(interface);
    }
    if (lease.has_value()) all.apply(interface, lease->address, lease->gateway);
  });
  if (has_changed) tell_changes(4);
}

bool Stack::await_leases(uint64_t waited_ns) {
  (void)turn();
  if (has_leases()) return true;
  for_each_client(netifs_, [&](size_t i, Netif& netif, const Interface& interface) {
    const uint32_t patience_ms = config_.ports.at(i - 1).dhcp_timeout_ms;
    if (interface.address4.has_value()) return;
    if (waited_ns < uint64_t{patience_ms} * 1'000'000) return;
    const uint16_t vlan = interface.vlan();
    throw StartupError(
        "port " + netif.port().name() + (vlan == 0 ? "" : ", VLAN " + std::to_string(vlan)),
        "no DHCP server gave an address within " + std::to_string(patience_ms) + " ms",
        "check the link and the server, raise dhcp_timeout_ms, or write the address instead of "
        "\"dhcp\"");
  });
  return false;
}

void Stack::run_tenth_timers() noexcept {
  static_assert(IGMP_TMR_INTERVAL == 100 && MLD6_TMR_INTERVAL == 100);
  igmp_tmr();
  mld6_tmr();
  if (dhcp_ != nullptr) dhcp_->tick();
}

uint32_t Stack::interface_with(const IpAddress& address) const noexcept {
  return group_interface_with(address);
}

bool Stack::has_interface(uint32_t index) const noexcept {
  return group_interface(index) != nullptr;
}

}  // namespace millrace
