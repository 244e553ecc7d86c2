// SPDX-License-Identifier: BSD-3-Clause
// A Port is a DPDK Ethernet device that this process has configured and started: frames in, frames
// out, one counter for each frame on either way. It knows mbufs and offloads, not protocols.
//
// One thread at a time may use a queue; different queues may be used at the same time. The Pool
// (both pools of a ring pair) outlives the Port.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dpdk_io/multicast_filter.h"
#include "dpdk_io/pool.h"

struct rte_mbuf;
struct rte_eth_conf;
struct rte_eth_dev_info;

namespace millrace {

class Burst;
class BurstLock;
class Capture;
class InterruptGate;
class DeviceClock;
class KernelLink;
class XdpSockets;
struct RingWires;
struct Stamps;

/// What one queue has done. Written by the thread that uses the queue only; others read it through
/// for_each, or get values that may be torn from one another but are each whole.
struct alignas(64) PortCounters {
#define COUNTER(name, sentence) uint64_t name = 0;
#include "dpdk_io/port_counters.def"
#undef COUNTER

  /// Calls visit(name, value, sentence) for each counter, in the order of port_counters.def.
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
#define COUNTER(name, sentence) visit(#name, read(name), sentence);
#include "dpdk_io/port_counters.def"
#undef COUNTER
  }

  static uint64_t read(const uint64_t& counter) noexcept {
    return std::atomic_ref<uint64_t>(const_cast<uint64_t&>(counter))
        .load(std::memory_order_relaxed);
  }
};

/// What the device lost by its own account; what it does not count stays 0.
struct DeviceLosses {
  uint64_t rx_missed = 0;   // frames dropped because the RX ring was full
  uint64_t rx_no_mbuf = 0;  // frames dropped because the pool was empty
  uint64_t rx_errors = 0;   // frames that arrived damaged
  uint64_t tx_errors = 0;   // frames the device took and could not send
};

struct PortOptions {
  std::string device;         // "net_memif0", "0000:00:04.0": as EAL names it
  uint16_t n_rx_desc = 1024;  // a wish: adjusted to what the device can do
  uint16_t n_tx_desc = 1024;  // a wish, too
  uint16_t n_queues = 1;      // RX and TX queues alike
  bool may_have_fewer = false;  // queues, if the device has no more
  uint16_t mtu = 1500;        // bytes of an IP packet
  bool promiscuous = false;
  bool timestamps = false;    // refused where the device has none
  /// How RSS spreads flows: the key, and of each entry of the table its queue. A device with a longer
  /// table gets it repeated. Empty: as the driver likes.
  std::span<const uint8_t> rss_key = {};
  std::vector<uint16_t> rss_table = {};
  std::vector<uint16_t> vlans = {};  // tags of frames that are wanted, beside untagged ones
};

/// What is switched on, not what the data sheet says.
struct PortCaps {
  bool rx_checksum_ip4 = false;
  bool rx_checksum_tcp = false;
  bool rx_checksum_udp = false;
  bool rx_checksum_sctp = false;
  bool tx_checksum_ip4 = false;
  bool tx_checksum_tcp = false;
  bool tx_checksum_udp = false;
  bool tx_checksum_sctp = false;
  bool rx_vlan = false;           // the device takes tags off
  bool tx_vlan = false;           // the device puts tags in
  bool tx_multi_segment = false;  // false: tx makes one segment of a chain, which costs a copy
  bool tx_by_reference = true;    // false: the peer gets our very mbuf; tx copies what is shared
  bool rss = false;               // received flows are spread over the queues by their hash
  bool rss_is_ours = false;       // TCP's by rss_key over addresses and ports
  uint16_t mtu = 0;
  uint16_t max_queues = 0;
};

class Port {
 public:
  /// Finds the device by name or PCI address, configures and starts it. A device that an earlier
  /// Port of this process has closed is plugged in again. The link need not be up yet.
  ///
  /// @errors  StartupError: no such device (the error lists those that exist), more queues than
  ///          it has, an MTU it cannot do, no timestamps, or what its driver refused
  Port(const PortOptions& options, Pool& pool);

  /// Stops and closes the device. Frames still in a ring go back to their pools.
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  /// A port that receives what it sends, through a ring of `entries` frames. The name, at most 16
  /// characters, is unique among this process's ring ports and free again after ~Port.
  static std::unique_ptr<Port> ring_loop(const char* name, Pool& pool, uint32_t entries,
                                         uint16_t mtu = 1500);

  /// Two ports wired crosswise by two rings: what one sends, the other receives. A frame keeps its
  /// mbuf on the way, so both pools outlive both ports.
  static std::pair<std::unique_ptr<Port>, std::unique_ptr<Port>> ring_pair(const char* name,
                                                                           Pool& a, Pool& b,
                                                                           uint32_t entries,
                                                                           uint16_t mtu = 1500);

  /// @return  frames received, 0 .. 32: the first so many elements of out
  /// @owner   gives: the caller frees them
  uint16_t rx(uint16_t queue, std::span<rte_mbuf*, 32> out) noexcept;

  /// Sends the burst or drops it, and counts what happened. A ring that stays full is retried a few
  /// times; a port whose link is down is not.
  ///
  /// @owner   takes all chains, one reference of each segment; the burst is empty afterwards.
  ///          Segments with further references (data kept for retransmission) must not be written
  ///          to while the device may still read them.
  void tx(uint16_t queue, Burst& burst) noexcept;

  /// The link as of the last poll_link. Costs one load.
  bool link_up() const noexcept { return link_up_.load(std::memory_order_relaxed); }
  /// Asks the device for its link; meant to be called about once a second.
  void poll_link() noexcept;

  /// Writes every frame of both directions to a new pcapng file from now on. Works under --no-huge
  /// as well, where dpdk-dumpcap cannot attach. Call it while no other thread uses the port.
  /// @errors  StartupError: the file cannot be made, or there is no memory for the copies
  void capture_to(const std::string& pcapng_path);

  /// True once the driver or the kernel said that the device is gone; its link is down from then
  /// on.
  bool is_removed() const noexcept { return is_removed_.load(std::memory_order_relaxed); }

  /// The multicast addresses whose frames it receives; any thread may change them.
  MulticastFilter& groups() noexcept { return *groups_; }

  uint16_t id() const noexcept { return id_; }
  /// EAL's name of the device, such as "net_ring0".
  const std::string& name() const noexcept { return name_; }
  /// The driver's name, such as "net_af_xdp".
  const std::string& driver() const noexcept { return driver_; }
  const PortCaps& caps() const noexcept { return caps_; }
  /// The timestamps of what it receives (stamps.h); null: there are none.
  const Stamps* stamps() const noexcept { return stamps_.get(); }
  /// For a ring port whose sender stamps frames by this clock: the stamps are handed on.
  void stamp_by(std::unique_ptr<const DeviceClock> clock, uint64_t hz);
  std::array<uint8_t, 6> mac() const noexcept { return mac_; }
  uint16_t n_queues() const noexcept { return static_cast<uint16_t>(counters_.size()); }
  const PortCounters& counters(uint16_t queue) const noexcept { return counters_[queue]; }
  /// The sums over all queues; any thread may ask.
  PortCounters total() const noexcept;
  DeviceLosses losses() const noexcept;

 private:
  Port(const PortOptions& options, Pool& pool, std::shared_ptr<RingWires> wires);
  void open(const PortOptions& options);
  void choose_stamps(const rte_eth_dev_info& info, rte_eth_conf& conf);
  void choose_offloads(const PortOptions& options, const rte_eth_dev_info& info,
                       rte_eth_conf& conf);
  void set_up_queues(const PortOptions& options, const rte_eth_dev_info& info,
                     const rte_eth_conf& conf);
  void check_pool_for_xdp() const;
  void set_rss_table(const PortOptions& options, const rte_eth_dev_info& info);
  void learn_mac();
  void admit_vlans(const std::vector<uint16_t>& vlans);
  void drain_rings() noexcept;
  void close() noexcept;

  rte_mbuf* sendable(rte_mbuf* m, PortCounters& counters) noexcept;
  rte_mbuf* linearized(rte_mbuf* m, PortCounters& counters) noexcept;
  rte_mbuf* copied(rte_mbuf* m, uint64_t& counter, PortCounters& counters) noexcept;
  uint16_t prepared(uint16_t queue, std::span<rte_mbuf*> mbufs, PortCounters& counters) noexcept;
  void send(uint16_t queue, std::span<rte_mbuf*> mbufs, PortCounters& counters) noexcept;
  uint16_t rx_burst(uint16_t queue, std::span<rte_mbuf*, 32> out) noexcept;
  uint16_t tx_burst(uint16_t queue, std::span<rte_mbuf*> mbufs) noexcept;

  Pool& pool_;
  uint16_t id_ = 0;
  std::string name_;
  std::string driver_;
  bool is_ring_ = false;         // frames arrive with the sender's metadata
  bool needs_own_data_ = false;  // the driver finds the data by the mbuf's own address
  bool needs_tx_prepare_ = false;
  uint64_t ring_flags_ = 0;      // of ol_flags, what a ring hands on
  std::atomic<bool> link_up_{false};
  std::atomic<bool> is_removed_{false};
  std::array<uint8_t, 6> mac_{};
  PortCaps caps_;
  std::vector<PortCounters> counters_;  // by queue
  std::unique_ptr<Capture> capture_;
  std::unique_ptr<MulticastFilter> groups_;
  std::shared_ptr<InterruptGate> gate_;      // of a memif port, else nullptr
  std::vector<BurstLock> burst_locks_;       // by queue, if there is a gate
  std::unique_ptr<KernelLink> kernel_link_;  // where the driver does not know, else nullptr
  std::unique_ptr<XdpSockets> xdp_sockets_;  // of an AF_XDP port, else nullptr
  std::unique_ptr<Stamps> stamps_;
  std::shared_ptr<RingWires> wires_;         // rings made by ring_loop or ring_pair, else nullptr
};

}  // namespace millrace
