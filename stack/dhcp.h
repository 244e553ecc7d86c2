// SPDX-License-Identifier: BSD-3-Clause
// Dhcp: lwIP's DHCP client for the interfaces that ask for an address. It obtains;
// Stack::apply_lease applies, on as many Stacks as there are.
//
// The client's UDP pcb lies with Demux like any other. dhcp.c would set the interface's address in
// the middle of a received packet, while lwIP's lists are lent out: it calls millrace_dhcp_set_addr
// instead (lwip/Lwip.cmake), which keeps the news until settle().
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "stack/stack.h"

namespace millrace {

class Demux;
struct Interface;

class Dhcp {
 public:
  explicit Dhcp(Demux& demux) noexcept : demux_(demux) {}
  /// Gives the leases back: what nobody answers for any more is for others.
  ~Dhcp();
  Dhcp(const Dhcp&) = delete;
  Dhcp& operator=(const Dhcp&) = delete;

  /// Begins to look for a server, or waits for the link to come up.
  void start(Interface& interface);
  /// Every 100 ms: retransmissions, renewals.
  void tick() noexcept;
  /// dhcp.c: this is the interface's lease from now on, or none.
  void note(const netif& n, const std::optional<Lease>& lease) noexcept;
  /// Calls apply(link number, lease) for what has changed.
  template <typename Apply>
  void settle(Apply apply) {
    for (Client& client : clients_) {
      if (!client.has_news) continue;
      client.has_news = false;
      apply(client.link, client.lease);
    }
  }

 private:
  struct Client {
    netif* n;
    uint8_t link;
    bool has_news;
    std::optional<Lease> lease;
  };

  Demux& demux_;
  std::vector<Client> clients_;
  uint32_t n_ticks_ = 0;
};

}  // namespace millrace
