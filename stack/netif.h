// SPDX-License-Identifier: BSD-3-Clause
// A Netif is one queue of one Port with its lwIP interfaces: mbuf to pbuf and back, without a copy.
//
//   Port::rx -> poll() -> [length and checksum gate] -> lwIP        lwIP -> output() -> Burst -> flush() -> Port::tx
//
// Invariant: a frame that lwIP may look at holds its Ethernet, ARP or IP header whole in the first
// segment; lwIP 2.2.1 reads past shorter ones. Everything dropped here is counted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "dpdk_io/mbuf.h"
#include "dpdk_io/port.h"
#include "dpdk_io/stamps.h"
#include "lwip/netif.h"
#include "stack/config.h"
#include "stack/counters.h"
#include "stack/interfaces.h"
#include "stack/stack.h"
#include "stack/syn_queue.h"
#include "stack/tx_checksum.h"

namespace millrace {

class Netif {
 public:
  /// The interface of a configured port. @throws StartupError  an address that lwIP cannot take
  Netif(const PortQueue& queue, Counters& counters);
  /// 127.0.0.1 and ::1 on a looped ring port: no ARP, no checksums, frames come back to itself.
  Netif(Port& loop_port, Counters& counters);
  ~Netif();
  Netif(const Netif&) = delete;
  Netif& operator=(const Netif&) = delete;

  /// Hands one receive burst to lwIP, SYNs last (syn_queue.h), and what is another Stack's to that one.
  /// @return frames received or still waiting
  uint32_t poll() noexcept;
  /// Hands a frame to lwIP; a SYN waits for the next poll(). @owner takes m
  void input(rte_mbuf* m) noexcept;
  /// With several Stacks, for a packet that was in fragments: its owner, once its ports are known.
  /// Called where IP hands it on. @owner takes p if it returns true
  static bool hand_over_late(pbuf* p, netif* in, bool is_tcp) noexcept;
  /// pbuf::flags of such a packet; lwIP leaves the bit alone.
  static constexpr uint8_t kHadNoPorts = 0x80;
  /// pbuf::flags of a datagram that routers are not to cut (IP_DONTFRAGMENT); lwIP leaves it alone.
  static constexpr uint8_t kForbidsFragments = 0x40;

  /// Of a sampled burst: how long its frames were in this port, if the port stamps them.
  [[gnu::cold, gnu::noinline]] void time_in_port(std::span<rte_mbuf* const> frames) noexcept;

  /// Gives everything lwIP queued to the port.
  void flush() noexcept {
    if (out_.size() != 0) send_burst();
  }
  /// Asks the port for its link and tells lwIP; about once a second.
  void poll_link(uint64_t now_ns) noexcept;
  /// The port was removed, or had a link and has been without one for link_down_ms, as of the last
  /// poll_link().
  bool is_lost() const noexcept { return is_lost_; }
  bool has_address(const ip_addr_t& address) noexcept;

  Port& port() { return port_; }
  netif& lwip() { return interfaces_.first(); }
  Interfaces& interfaces() { return interfaces_; }

 private:
  static err_t on_init(netif* n);
  static err_t on_output(netif* n, pbuf* p);
  static err_t on_group4(netif* n, const ip4_addr_t* group, netif_mac_filter_action action);
  static err_t on_group6(netif* n, const ip6_addr_t* group, netif_mac_filter_action action);
  err_t filter(const std::array<uint8_t, 6>& mac, netif_mac_filter_action action);
  uint32_t poll_port() noexcept;
  void hand_on(std::span<rte_mbuf*> frames) noexcept;
  bool take_predicted(rte_mbuf& m, uint16_t vlan) noexcept;
  void hand_to_lwip(rte_mbuf* m) noexcept;
  netif* accept(rte_mbuf* m) noexcept;
  bool passes_gate(uint16_t type, const uint8_t* header, netif& in) noexcept;
  void note_question(const pbuf& frame) noexcept;
  uint16_t receive(std::array<rte_mbuf*, kBurstMax>& frames) noexcept;
  uint16_t keep_own(std::span<rte_mbuf*> frames) noexcept;
  bool is_for_another(rte_mbuf* m, bool is_behind) noexcept;
  void hand_over(rte_mbuf* m, uint32_t stack) noexcept;
  void hand_over_loop() noexcept;
  rte_mbuf* frame_of(pbuf* p) noexcept;
  void send_burst() noexcept;

  Port& port_;
  Counters& counters_;
  uint16_t queue_;
  SharedQueue* shared_ = nullptr;
  bool is_loop_;
  bool trusts_hash_ = false;  ///< the device's hash of a TCP frame is the one that steers
  bool verify_checksums_;   ///< in software, where the device did not say "good"
  bool offloads_checksums_ = false;
  uint16_t gen_flags_ = 0;  ///< NETIF_CHECKSUM_GEN_*, kGenSctp: what software computes
  uint16_t good_l4_ = static_cast<uint16_t>(~(NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_TCP | kCheckSctp));
                            ///< of NETIF_CHECKSUM_CHECK_*, what is left to do after the device's "good"
  bool is_lost_ = false;
  bool had_link_ = false;
  uint64_t patience_ns_ = 0;    ///< with a link that is down; 0: endless
  uint64_t down_since_ns_ = 0;  ///< seen so first
  uint32_t looping_ = 0;    ///< frames in the loop ring: 0 spares the poll
  std::array<uint8_t, 6> mac_;
  Burst out_;
  SynQueue syns_;
  Interfaces interfaces_;
  std::unique_ptr<StampAges> ages_;  ///< null: the port has no timestamps
};

}  // namespace millrace
