// SPDX-License-Identifier: BSD-3-Clause
// The data path: one burst in, one burst out. Every frame that enters tx leaves as exactly one of
// sent (tx_pkts) or dropped (tx_dropped_*), and with it one reference of each of its segments.
#include <rte_ethdev.h>
#include <rte_pause.h>

#include <array>
#include <mutex>
#include <thread>

#include "dpdk_io/capture.h"
#include "dpdk_io/interrupt_gate.h"
#include "dpdk_io/mbuf.h"
#include "dpdk_io/port.h"

namespace millrace {
namespace {

constexpr int kTxRetries = 4;  // more would spend on a full ring the time that empties it

// The queue's thread is the only writer; telemetry reads at the same time. Compiles to one add.
void count(uint64_t& counter, uint64_t by = 1) noexcept {
  const std::atomic_ref<uint64_t> shared(counter);
  shared.store(shared.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

uint64_t bytes_of(std::span<rte_mbuf* const> mbufs) noexcept {
  uint64_t bytes = 0;
  for (const rte_mbuf* m : mbufs) bytes += m->pkt_len;
  return bytes;
}

void count_captured(Capture& capture, uint16_t queue, std::span<rte_mbuf* const> mbufs,
                    Direction direction, PortCounters& counters) noexcept {
  const uint16_t written = capture.write(queue, mbufs, direction);
  count(counters.capture_pkts, written);
  count(counters.capture_dropped, mbufs.size() - written);
}

bool owns_data(const rte_mbuf* m) noexcept {
  for (; m != nullptr; m = m->next) {
    if (!RTE_MBUF_DIRECT(m)) return false;
  }
  return true;
}

bool is_shared(const rte_mbuf* m) noexcept {
  for (; m != nullptr; m = m->next) {
    if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) > 1) return true;
  }
  return false;
}

// A NIC's driver resets what describes a received frame; the ring driver passes the sender's on.
void reset_metadata(rte_mbuf* m, uint16_t port_id, uint64_t kept_flags) noexcept {
  m->port = port_id;
  m->packet_type = 0;
  m->ol_flags &= kept_flags;
}

}  // namespace

uint16_t Port::rx_burst(uint16_t queue, std::span<rte_mbuf*, 32> out) noexcept {
  if (!gate_) return rte_eth_rx_burst(id_, queue, out.data(), kBurstMax);
  if (!burst_locks_[queue].try_lock()) {
    std::this_thread::yield();  // the interrupt thread may need this CPU to be done
    return 0;                   // frames wait in the ring for the next call
  }
  const uint16_t n = rte_eth_rx_burst(id_, queue, out.data(), kBurstMax);
  burst_locks_[queue].unlock();
  return n;
}

uint16_t Port::tx_burst(uint16_t queue, std::span<rte_mbuf*> mbufs) noexcept {
  const auto n = static_cast<uint16_t>(mbufs.size());
  if (!gate_) return rte_eth_tx_burst(id_, queue, mbufs.data(), n);
  const std::lock_guard burst(burst_locks_[queue]);
  return rte_eth_tx_burst(id_, queue, mbufs.data(), n);
}

uint16_t Port::rx(uint16_t queue, std::span<rte_mbuf*, 32> out) noexcept {
  static_assert(kBurstMax == 32);
  const uint16_t n = rx_burst(queue, out);
  if (n == 0) return 0;
  PortCounters& counters = counters_[queue];
  const auto mbufs = out.first(n);
  count(counters.rx_pkts, n);
  count(counters.rx_bytes, bytes_of(mbufs));
  if (is_ring_) {
    for (rte_mbuf* m : mbufs) reset_metadata(m, id_, ring_flags_);
  }
  if (capture_) count_captured(*capture_, queue, mbufs, Direction::kReceived, counters);
  return n;
}

void Port::tx(uint16_t queue, Burst& burst) noexcept {
  PortCounters& counters = counters_[queue];
  const std::span<rte_mbuf*> given = burst.take_all();
  uint16_t n = 0;
  for (rte_mbuf* m : given) {
    rte_mbuf* ready = m == nullptr ? nullptr : sendable(m, counters);
    if (ready != nullptr) given[n++] = ready;
  }
  if (needs_tx_prepare_) n = prepared(queue, given.first(n), counters);
  if (n == 0) return;
  if (capture_) count_captured(*capture_, queue, given.first(n), Direction::kSent, counters);
  send(queue, given.first(n), counters);
}

// Takes m; returns what the device can send in its place, or nullptr if it was dropped and counted.
rte_mbuf* Port::sendable(rte_mbuf* m, PortCounters& counters) noexcept {
  if (!caps_.tx_by_reference && is_shared(m)) return copied(m, counters.tx_copied, counters);
  if (needs_own_data_ && !owns_data(m)) return copied(m, counters.tx_copied, counters);
  if (m->nb_segs > 1 && !caps_.tx_multi_segment) return linearized(m, counters);
  return m;
}

rte_mbuf* Port::linearized(rte_mbuf* m, PortCounters& counters) noexcept {
  const bool may_grow = RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
                        m->pkt_len - m->data_len <= rte_pktmbuf_tailroom(m);
  if (!may_grow) return copied(m, counters.tx_linearized, counters);
  rte_pktmbuf_linearize(m);  // cannot fail: the tail has room
  count(counters.tx_linearized);
  return m;
}

rte_mbuf* Port::copied(rte_mbuf* m, uint64_t& counter, PortCounters& counters) noexcept {
  const MbufPtr original(m);
  if (!caps_.tx_multi_segment && m->pkt_len > pool_.data_room_bytes()) {
    count(counters.tx_dropped_too_long);
    return nullptr;
  }
  rte_mbuf* copy = rte_pktmbuf_copy(m, pool_.get(), 0, UINT32_MAX);
  count(copy == nullptr ? counters.tx_dropped_no_mbuf : counter);
  return copy;
}

// Lets the driver write what its checksum offload expects (pseudo headers) into the frames. Frames
// it refuses are dropped; the others are moved together.
uint16_t Port::prepared(uint16_t queue, std::span<rte_mbuf*> mbufs,
                        PortCounters& counters) noexcept {
  uint16_t n = 0;
  for (size_t next = 0; next < mbufs.size();) {
    const auto left = mbufs.subspan(next);
    const uint16_t good =
        rte_eth_tx_prepare(id_, queue, left.data(), static_cast<uint16_t>(left.size()));
    for (uint16_t i = 0; i < good; ++i) mbufs[n++] = left[i];
    next += good;
    if (good == left.size()) break;
    rte_pktmbuf_free(left[good]);
    count(counters.tx_dropped_refused);
    ++next;
  }
  return n;
}

void Port::send(uint16_t queue, std::span<rte_mbuf*> mbufs, PortCounters& counters) noexcept {
  const auto n = static_cast<uint16_t>(mbufs.size());
  const uint64_t bytes = bytes_of(mbufs);  // of what is sent: afterwards the mbufs are gone
  uint16_t sent = 0;
  uint64_t* drop = &counters.tx_dropped_full;
  for (int attempt = 0;; ++attempt) {
    const uint16_t taken = tx_burst(queue, mbufs.subspan(sent));
    sent = static_cast<uint16_t>(sent + taken);
    if (sent == n || attempt == kTxRetries) break;
    if (taken == 0 && !link_up()) {
      drop = &counters.tx_dropped_link_down;
      break;
    }
    count(counters.tx_retries);
    rte_pause();
  }
  // DPDK rte_eth_tx_burst: packets not sent stay the caller's.
  const auto unsent = mbufs.subspan(sent);
  count(counters.tx_pkts, sent);
  count(counters.tx_bytes, bytes - bytes_of(unsent));
  if (unsent.empty()) return;
  count(*drop, unsent.size());
  rte_pktmbuf_free_bulk(unsent.data(), static_cast<unsigned>(unsent.size()));
}

}  // namespace millrace
