// SPDX-License-Identifier: BSD-3-Clause
// Fetches what a burst of segments is about into the caches before lwIP asks for it, one after the
// other: with a hundred thousand connections each step, list, pcb and socket, would wait for memory
// in every segment, and 32 segments can wait together.
#define MILLRACE_DEMUX_ITSELF
#include <rte_mbuf.h>

#include <array>

#include "dpdk_io/mbuf.h"
#include "stack/demux.h"
#include "stack/prefetch.h"
#include "stack/segment.h"

namespace millrace {

const Demux::Bucket* Demux::bucket_for(rte_mbuf& frame) const noexcept {
  Segment segment;
  if (!find_segment(frame, segment) || segment.protocol() != Segment::kTcp) return nullptr;
  return &bucket_of(segment);
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
