// SPDX-License-Identifier: BSD-3-Clause
#include "stack/dhcp.h"

#include <bit>

#include "lwip/def.h"
#include "lwip/dhcp.h"
#include "lwip/prot/iana.h"
#include "stack/demux.h"
#include "stack/interfaces.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"

namespace millrace {
namespace {

constexpr uint32_t kTickMs = 100;
constexpr uint32_t kFineTicks = DHCP_FINE_TIMER_MSECS / kTickMs;
constexpr uint32_t kCoarseTicks = DHCP_COARSE_TIMER_SECS * 1000 / kTickMs;

IpAddress address_of(const ip4_addr_t& ip) noexcept {
  ip_addr_t any{};
  ip_addr_copy_from_ip4(any, ip);
  return from_lwip(any);
}

}  // namespace

Dhcp::~Dhcp() {
  demux_.with_port(
      LWIP_IANA_PORT_DHCP_CLIENT,
      [](void* self) {
        for (const Client& client : static_cast<Dhcp*>(self)->clients_) {
          dhcp_release_and_stop(client.n);
          dhcp_cleanup(client.n);
        }
      },
      this);
}

void Dhcp::start(Interface& interface) {
  clients_.push_back({&interface.lwip, interface.link->number, false, std::nullopt});
  demux_.with_port(
      LWIP_IANA_PORT_DHCP_CLIENT, [](void* n) { (void)dhcp_start(static_cast<netif*>(n)); },
      &interface.lwip);
}

void Dhcp::tick() noexcept {
  ++n_ticks_;
  if (n_ticks_ % kFineTicks != 0) return;
  demux_.with_port(
      LWIP_IANA_PORT_DHCP_CLIENT,
      [](void* self) {
        dhcp_fine_tmr();
        if (static_cast<Dhcp*>(self)->n_ticks_ % kCoarseTicks == 0) dhcp_coarse_tmr();
      },
      this);
}

void Dhcp::note(const netif& n, const std::optional<Lease>& lease) noexcept {
  for (Client& client : clients_) {
    if (client.n != &n) continue;
    client.lease = lease;
    client.has_news = true;
  }
}

void Stack::note_lease(const netif& n, const std::optional<Lease>& lease) noexcept {
  if (dhcp_ != nullptr) dhcp_->note(n, lease);
}

}  // namespace millrace

extern "C" void millrace_dhcp_set_addr(netif* n, const ip4_addr_t* address, const ip4_addr_t* mask,
                                       const ip4_addr_t* gateway) {
  using namespace millrace;
  if (ip4_addr_isany(address)) return engine.stack->note_lease(*n, std::nullopt);
  Lease lease;
  const auto length = std::countl_one(lwip_ntohl(mask->addr));
  lease.address = {address_of(*address), static_cast<uint8_t>(length)};
  if (!ip4_addr_isany(gateway)) lease.gateway = address_of(*gateway);
  engine.stack->note_lease(*n, lease);
}
