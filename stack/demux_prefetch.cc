// SPDX-License-Identifier: BSD-3-Clause
// Fetches what a burst of segments is about into the caches before lwIP asks for it, one after the
// other: with a hundred thousand connections each step, list, pcb and socket, would wait for memory
// in every segment, and 32 segments can wait together.
#define MILLRACE_DEMUX_ITSELF
#include <rte_mbuf.h>

#include <array>
#include <cstring>

#include "dpdk_io/mbuf.h"
#include "stack/demux.h"
#include "stack/frame.h"
#include "stack/prefetch.h"

namespace millrace {

const Demux::Bucket* Demux::bucket_for(const rte_mbuf& frame) const noexcept {
  bool is_v6 = false;
  const auto* const bytes = rte_pktmbuf_mtod(&frame, const uint8_t*);
  const uint8_t* const ports = tcp_header_in(bytes, frame.data_len, is_v6);
  if (ports == nullptr) return nullptr;
  ip_addr_t local{}, peer{};
  if (is_v6) {
    IP_SET_TYPE_VAL(local, IPADDR_TYPE_V6);
    IP_SET_TYPE_VAL(peer, IPADDR_TYPE_V6);
    std::memcpy(ip_2_ip6(&peer)->addr, ports - 32, 16);
    std::memcpy(ip_2_ip6(&local)->addr, ports - 16, 16);
  } else {
    std::memcpy(&ip_2_ip4(&peer)->addr, ports - 8, 4);
    std::memcpy(&ip_2_ip4(&local)->addr, ports - 4, 4);
  }
  return &bucket_of(local, static_cast<uint16_t>(ports[2] << 8 | ports[3]), peer,
                    static_cast<uint16_t>(ports[0] << 8 | ports[1]));
}

Demux::Expected::Expected(const Demux& demux, std::span<rte_mbuf* const> frames) noexcept
    : demux_(demux), n_(frames.size()) {
  for (size_t i = 0; i < n_; ++i) {
    buckets_[i] = demux.bucket_for(*frames[i]);
    if (buckets_[i] != nullptr) rte_prefetch0(buckets_[i]);
  }
  for (size_t i = 0; i < kAheadPcb; ++i) fetch_pcb(i);
}

// More at a time than the core has buffers for misses would be lost.
void Demux::Expected::before(size_t i) noexcept {
  fetch_pcb(i + kAheadPcb);
  fetch_socket(i + kAheadSocket);
}

void Demux::Expected::fetch_pcb(size_t i) const noexcept {
  if (i >= n_ || buckets_[i] == nullptr || buckets_[i]->active == nullptr) return;
  fetch_lines(buckets_[i]->active, buckets_[i]->active + 1);
}

void Demux::Expected::fetch_socket(size_t i) const noexcept {
  if (i >= n_ || buckets_[i] == nullptr || buckets_[i]->active == nullptr) return;
  const void* const socket = buckets_[i]->active->callback_arg;
  if (socket != nullptr) demux_.fetch_socket(socket);
}

}  // namespace millrace
