// SPDX-License-Identifier: BSD-3-Clause
// A Port's life apart from its bursts: choose what the device can do, configure, start, watch the
// link, close. Offloads are switched on one by one as the device has them, and caps() says which.
#include "dpdk_io/port.h"

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_log.h>

#include <algorithm>

#include "dpdk_io/capture.h"
#include "dpdk_io/device.h"
#include "dpdk_io/interrupt_gate.h"
#include "dpdk_io/kernel_link.h"
#include "dpdk_io/mbuf.h"
#include "dpdk_io/rings.h"
#include "dpdk_io/stamps.h"
#include "dpdk_io/startup_error.h"
#include "dpdk_io/telemetry.h"
#include "dpdk_io/xdp_sockets.h"

RTE_LOG_REGISTER(millrace_io_log, millrace.io, INFO)

namespace millrace {
namespace {

// Ethernet header, one VLAN tag and CRC around an IP packet.
constexpr uint32_t kFrameOverheadBytes = RTE_ETHER_HDR_LEN + RTE_VLAN_HLEN + RTE_ETHER_CRC_LEN;

[[noreturn]] void throw_refused(const std::string& device, const std::string& what, int error) {
  const char* remedy = "DPDK's guide \"NIC Drivers\" says what this driver can do";
  if (error == -ENOMEM) {
    remedy =
        "more mbufs in the pool (each RX descriptor holds one, AF_XDP 2048 per queue), or more "
        "memory for EAL (-m)";
  } else if (error == -EPERM || error == -EACCES) {
    remedy = "run as root, or give the program the capabilities the driver needs";
  }
  throw StartupError("port " + device, "the driver refused " + what + ": " + rte_strerror(-error),
                     remedy);
}

// The largest IP packet, from what drivers say in one of two ways (DPDK rte_ethdev.c,
// eth_dev_get_overhead_len).
uint32_t max_mtu(const rte_eth_dev_info& info) {
  if (info.max_mtu != UINT16_MAX || info.max_rx_pktlen == UINT32_MAX) return info.max_mtu;
  return std::min<uint32_t>(info.max_mtu,
                            info.max_rx_pktlen - RTE_ETHER_HDR_LEN - RTE_ETHER_CRC_LEN);
}

void check_wishes(const PortOptions& options, const rte_eth_dev_info& info, uint16_t max_queues) {
  const std::string where = "port " + options.device;
  if (options.n_queues == 0 || options.n_queues > max_queues) {
    throw StartupError(where,
                       std::to_string(options.n_queues) + " queues asked for, the device has " +
                           std::to_string(max_queues),
                       "set queues to 1 .. " + std::to_string(max_queues) +
                           ", or give the device more (queue_count=, qpairs=, ...)");
  }
  if (options.mtu < info.min_mtu || options.mtu > max_mtu(info)) {
    throw StartupError(
        where, "an MTU of " + std::to_string(options.mtu) + " bytes",
        "the device does " + std::to_string(info.min_mtu) + " .. " + std::to_string(max_mtu(info)));
  }
}

// A memif has as many queues as its peer also wants, and a tap's kernel end spreads by its own mind.
uint16_t queues_of_use(const std::string& driver, uint16_t max_queues) {
  return driver == "net_memif" || driver == "net_tap" ? uint16_t{1} : max_queues;
}

// Called by a thread of DPDK's.
int on_removal(uint16_t, rte_eth_event_type, void* is_removed, void*) {
  static_cast<std::atomic<bool>*>(is_removed)->store(true, std::memory_order_relaxed);
  return 0;
}

}  // namespace

Port::Port(const PortOptions& options, Pool& pool) : Port(options, pool, nullptr) {}

Port::Port(const PortOptions& options, Pool& pool, std::shared_ptr<RingWires> wires)
    : pool_(pool),
      id_(find_device(options.device)),
      name_(options.device),
      wires_(std::move(wires)) {
  try {
    open(options);
    telemetry_add(*this);
  } catch (...) {
    close();
    throw;
  }
}

Port::~Port() {
  telemetry_remove(*this);
  if (is_ring_) drain_rings();
  close();
}

void Port::close() noexcept {
  while (rte_eth_dev_callback_unregister(id_, RTE_ETH_EVENT_INTR_RMV, on_removal, &is_removed_) ==
         -EAGAIN) {  // it is running
  }
  if (gate_) {
    gate_->remove(burst_locks_);
    const std::lock_guard standstill(gate_->standstill());
    close_device(id_, false);
    return;
  }
  close_device(id_, wires_ != nullptr);
  if (xdp_sockets_) xdp_sockets_->close_left_open();
}

void Port::open(const PortOptions& wishes) {
  PortOptions options = wishes;
  rte_eth_dev_info info{};
  int error = rte_eth_dev_info_get(id_, &info);
  if (error != 0) throw_refused(name_, "to describe itself", error);
  driver_ = info.driver_name == nullptr ? "" : info.driver_name;
  is_ring_ = driver_ == "net_ring";
  ring_flags_ = RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
  // It says 1500, and carries what its buffers hold, of which a long frame takes several (rte_eth_memif.c).
  const bool has_any_mtu = driver_ == "net_memif";
  if (has_any_mtu) info.max_rx_pktlen = RTE_ETHER_MAX_JUMBO_FRAME_LEN;
  // memif with zero-copy=yes and AF_XDP address a frame's data by its mbuf's place in the pool.
  needs_own_data_ = driver_ == "net_memif" || driver_ == "net_af_xdp";
  caps_.max_queues = std::min(info.max_rx_queues, info.max_tx_queues);
  caps_.mtu = options.mtu;
  caps_.tx_by_reference = !is_ring_;
  if (options.may_have_fewer) options.n_queues = std::min(options.n_queues, queues_of_use(driver_, caps_.max_queues));
  check_wishes(options, info, caps_.max_queues);
  counters_ = std::vector<PortCounters>(options.n_queues);
  const bool says_always_up = driver_ == "net_af_packet" || driver_ == "net_af_xdp" || driver_ == "net_pcap";
  if (info.if_index != 0 && says_always_up) {
    kernel_link_ = std::make_unique<KernelLink>(info.if_index);
  }
  if (driver_ == "net_memif") {
    burst_locks_ = std::vector<BurstLock>(options.n_queues);
    gate_ = InterruptGate::get();
    gate_->add(burst_locks_);
  }

  uint16_t old_mtu = 0;
  rte_eth_dev_get_mtu(id_, &old_mtu);
  rte_eth_conf conf{};
  choose_offloads(options, info, conf);
  if (options.timestamps) choose_stamps(info, conf);
  if (has_any_mtu) conf.rxmode.mtu = old_mtu;
  conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0 ? 1 : 0;
  error = rte_eth_dev_callback_register(id_, RTE_ETH_EVENT_INTR_RMV, on_removal, &is_removed_);
  if (error != 0) throw_refused(name_, "to tell of its removal", error);
  error = rte_eth_dev_configure(id_, options.n_queues, options.n_queues, &conf);
  if (error != 0) throw_refused(name_, "its configuration", error);
  if (driver_ == "net_af_xdp") {
    check_pool_for_xdp();
    xdp_sockets_ = std::make_unique<XdpSockets>();
  }
  set_up_queues(options, info, conf);
  if (xdp_sockets_) xdp_sockets_->learn();
  if (options.mtu != old_mtu && !has_any_mtu) {
    error = rte_eth_dev_set_mtu(id_, options.mtu);
    // A ring has no wire and carries any length; a driver without the call may still do 1500.
    const bool is_tolerable = error == -ENOTSUP && (is_ring_ || options.mtu == RTE_ETHER_MTU);
    if (error != 0 && !is_tolerable) throw_refused(name_, "the MTU", error);
  }
  error = rte_eth_dev_start(id_);
  if (error != 0) throw_refused(name_, "to start", error);
  if (stamps_) stamps_->measure(name_);

  if (caps_.rss && !options.rss_table.empty()) set_rss_table(options, info);
  groups_ = std::make_unique<MulticastFilter>(id_);
  if (options.promiscuous) {
    error = rte_eth_promiscuous_enable(id_);
    if (error != 0) {
      rte_log(RTE_LOG_WARNING, static_cast<uint32_t>(millrace_io_log),
              "port %s: not promiscuous: %s\n", name_.c_str(), rte_strerror(-error));
    }
  }
  if ((conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0) admit_vlans(options.vlans);
  learn_mac();
  poll_link();
}

void Port::admit_vlans(const std::vector<uint16_t>& vlans) {
  for (const uint16_t vlan : vlans) {
    const int error = rte_eth_dev_vlan_filter(id_, vlan, 1);
    if (error != 0) throw_refused(name_, "VLAN " + std::to_string(vlan), error);
  }
}

// The driver shows the kernel as many bytes as the mbufs have, from the pool's first byte on (DPDK
// rte_eth_af_xdp.c, xdp_umem_configure): frames in mbufs beyond would be lost without a trace.
void Port::check_pool_for_xdp() const {
  if (pool_.is_gapless()) return;
  throw StartupError("port " + name_, "AF_XDP needs a pool without gaps, and this one has some",
                     "put --iova-mode=va into [eal] args");
}

// net_pcap stamps every frame without offering to: microseconds of the time of day (DPDK pcap_ethdev.c).
void Port::choose_stamps(const rte_eth_dev_info& info, rte_eth_conf& conf) {
  if (driver_ == "net_pcap") {
    stamps_ = wall_clock_stamps();
    return;
  }
  if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) == 0) {
    throw StartupError("port " + name_, "the driver " + driver_ + " has no timestamps of received frames here",
                       "leave timestamps out: the other stages do without them");
  }
  conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  stamps_ = device_stamps(id_);
}

void Port::stamp_by(std::unique_ptr<const DeviceClock> clock, uint64_t hz) {
  stamps_ = std::make_unique<Stamps>(std::move(clock));
  stamps_->hz = hz;
  ring_flags_ |= stamps_->flag;
}

void Port::choose_offloads(const PortOptions& options, const rte_eth_dev_info& info,
                           rte_eth_conf& conf) {
  const auto take = [](uint64_t capabilities, uint64_t offload, uint64_t& taken) {
    taken |= capabilities & offload;
    return (capabilities & offload) != 0;
  };
  uint64_t& rx = conf.rxmode.offloads;
  caps_.rx_checksum_ip4 = take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_IPV4_CKSUM, rx);
  caps_.rx_checksum_tcp = take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_TCP_CKSUM, rx);
  caps_.rx_checksum_udp = take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_UDP_CKSUM, rx);
  caps_.rx_checksum_sctp = take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_SCTP_CKSUM, rx);
  if (!options.vlans.empty()) {
    caps_.rx_vlan = take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_VLAN_STRIP, rx);
    // Virtual functions pass no tag that they were not told of.
    (void)take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_VLAN_FILTER, rx);
  }
  const bool fits_one_mbuf = options.mtu + kFrameOverheadBytes <= pool_.data_room_bytes();
  if (!fits_one_mbuf && !take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_SCATTER, rx)) {
    throw StartupError("port " + name_,
                       "a frame of MTU " + std::to_string(options.mtu) +
                           " does not fit an mbuf of " + std::to_string(pool_.data_room_bytes()) +
                           " bytes",
                       "a lower MTU, or a pool of larger mbufs");
  }
  uint64_t& tx = conf.txmode.offloads;
  caps_.tx_checksum_ip4 = take(info.tx_offload_capa, RTE_ETH_TX_OFFLOAD_IPV4_CKSUM, tx);
  caps_.tx_checksum_tcp = take(info.tx_offload_capa, RTE_ETH_TX_OFFLOAD_TCP_CKSUM, tx);
  caps_.tx_checksum_udp = take(info.tx_offload_capa, RTE_ETH_TX_OFFLOAD_UDP_CKSUM, tx);
  caps_.tx_checksum_sctp = take(info.tx_offload_capa, RTE_ETH_TX_OFFLOAD_SCTP_CKSUM, tx);
  // These two insert in software, into frames that nobody else holds, and lose all others: data kept
  // for retransmission (virtio_rxtx.c, rte_eth_af_packet.c: rte_vlan_insert).
  const bool loses_shared = driver_.starts_with("net_virtio") || driver_ == "net_af_packet";
  if (!options.vlans.empty() && !loses_shared) {
    caps_.tx_vlan = take(info.tx_offload_capa, RTE_ETH_TX_OFFLOAD_VLAN_INSERT, tx);
  }
  caps_.tx_multi_segment = take(info.tx_offload_capa, RTE_ETH_TX_OFFLOAD_MULTI_SEGS, tx);
  needs_tx_prepare_ = caps_.tx_vlan || caps_.tx_checksum_ip4 || caps_.tx_checksum_tcp || caps_.tx_checksum_udp ||
                      caps_.tx_checksum_sctp;

  const uint64_t hashes =
      info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
  if (options.n_queues > 1 && hashes != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = hashes;
    caps_.rss = true;
    constexpr uint64_t kTcp = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
    const size_t key_bytes = info.hash_key_size == 0 ? 40 : info.hash_key_size;
    if (options.rss_key.size() >= key_bytes) {
      rte_eth_rss_conf& rss = conf.rx_adv_conf.rss_conf;
      rss.rss_key = const_cast<uint8_t*>(options.rss_key.data());  // DPDK only reads it
      rss.rss_key_len = static_cast<uint8_t>(key_bytes);
      caps_.rss_is_ours = (hashes & kTcp) == kTcp &&
                          take(info.rx_offload_capa, RTE_ETH_RX_OFFLOAD_RSS_HASH, rx);
    }
  }
  conf.rxmode.mtu = options.mtu;
}

void Port::set_up_queues(const PortOptions& options, const rte_eth_dev_info& info,
                         const rte_eth_conf& conf) {
  uint16_t n_rx_desc = options.n_rx_desc;
  uint16_t n_tx_desc = options.n_tx_desc;
  int error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &n_rx_desc, &n_tx_desc);
  if (error != 0) throw_refused(name_, "its descriptors", error);
  const int socket = rte_eth_dev_socket_id(id_);
  const auto socket_id = static_cast<unsigned>(socket < 0 ? SOCKET_ID_ANY : socket);
  rte_eth_rxconf rx = info.default_rxconf;
  rx.offloads = conf.rxmode.offloads;
  rte_eth_txconf tx = info.default_txconf;
  tx.offloads = conf.txmode.offloads;
  for (uint16_t queue = 0; queue < options.n_queues; ++queue) {
    error = rte_eth_rx_queue_setup(id_, queue, n_rx_desc, socket_id, &rx, pool_.get());
    if (error != 0) throw_refused(name_, "RX queue " + std::to_string(queue), error);
    error = rte_eth_tx_queue_setup(id_, queue, n_tx_desc, socket_id, &tx);
    if (error != 0) throw_refused(name_, "TX queue " + std::to_string(queue), error);
  }
}

// Where a driver refuses, its own table stays: frames then come to the wrong queue, but not for good.
void Port::set_rss_table(const PortOptions& options, const rte_eth_dev_info& info) {
  std::vector<rte_eth_rss_reta_entry64> groups(info.reta_size / RTE_ETH_RETA_GROUP_SIZE);
  for (size_t i = 0; i < groups.size() * RTE_ETH_RETA_GROUP_SIZE; ++i) {
    rte_eth_rss_reta_entry64& group = groups[i / RTE_ETH_RETA_GROUP_SIZE];
    group.mask = UINT64_MAX;
    group.reta[i % RTE_ETH_RETA_GROUP_SIZE] = options.rss_table[i % options.rss_table.size()];
  }
  const int error = rte_eth_dev_rss_reta_update(id_, groups.data(), info.reta_size);
  if (error == 0) return;
  rte_log(RTE_LOG_INFO, static_cast<uint32_t>(millrace_io_log),
          "port %s: its RSS table stays the driver's: %s\n", name_.c_str(), rte_strerror(-error));
}

void Port::learn_mac() {
  rte_ether_addr address{};
  rte_eth_macaddr_get(id_, &address);
  std::copy_n(address.addr_bytes, mac_.size(), mac_.begin());
  if (!rte_is_zero_ether_addr(&address)) return;
  // Rings have no address: a locally administered one, unique in this process.
  mac_ = {0x02, 'm', 'r', 0, static_cast<uint8_t>(id_ >> 8), static_cast<uint8_t>(id_ & 0xff)};
}

void Port::poll_link() noexcept {
  rte_eth_link link{};
  bool is_up = !is_removed() && rte_eth_link_get_nowait(id_, &link) == 0 &&
               link.link_status == RTE_ETH_LINK_UP;
  if (is_up && kernel_link_) {
    const KernelLink::State state = kernel_link_->state();
    is_up = state == KernelLink::State::kUp;
    if (state == KernelLink::State::kGone) is_removed_.store(true, std::memory_order_relaxed);
  }
  link_up_.store(is_up, std::memory_order_relaxed);
}

void Port::capture_to(const std::string& pcapng_path) {
  capture_ = std::make_unique<Capture>(pcapng_path, id_, caps_.mtu + kFrameOverheadBytes);
}

PortCounters Port::total() const noexcept {
  PortCounters sum;
  for (const PortCounters& queue : counters_) {
#define COUNTER(name, sentence) sum.name += PortCounters::read(queue.name);
#include "dpdk_io/port_counters.def"
#undef COUNTER
  }
  return sum;
}

DeviceLosses Port::losses() const noexcept {
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return {};
  return {stats.imissed, stats.rx_nombuf, stats.ierrors, stats.oerrors};
}

// This port is the only consumer of its rings, so it may empty them while a peer still sends.
void Port::drain_rings() noexcept {
  Burst burst;
  for (uint16_t queue = 0; queue < n_queues(); ++queue) {
    do {
      burst.clear();
      burst.set_size(rte_eth_rx_burst(id_, queue, burst.room().data(), kBurstMax));
    } while (!burst.is_empty());
  }
}

}  // namespace millrace
