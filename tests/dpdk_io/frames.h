// SPDX-License-Identifier: BSD-3-Clause
// Frames for the tests of dpdk_io: made of bytes, read back as bytes, in one segment or several.
#pragma once

#include <gtest/gtest.h>
#include <rte_mbuf.h>

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "dpdk_io/mbuf.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"

namespace millrace::test {

using Bytes = std::vector<uint8_t>;

/// n bytes that differ from those of another seed: an Ethernet broadcast from 02:00:00:00:00:01
/// with the EtherType for local experiments, then a counting payload.
inline Bytes make_bytes(size_t n, uint8_t seed = 0) {
  Bytes bytes = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};
  while (bytes.size() < n) bytes.push_back(static_cast<uint8_t>(bytes.size() + seed));
  return bytes;
}

/// One segment per part; the caller owns the chain. A part is at most the pool's data room.
inline rte_mbuf* make_chain(Pool& pool, const std::vector<Bytes>& parts) {
  rte_mbuf* head = nullptr;
  for (const Bytes& part : parts) {
    rte_mbuf* m = rte_pktmbuf_alloc(pool.get());
    if (m == nullptr) {
      ADD_FAILURE() << "the pool is empty";
      return head;
    }
    std::memcpy(rte_pktmbuf_append(m, static_cast<uint16_t>(part.size())), part.data(),
                part.size());
    if (head == nullptr) {
      head = m;
    } else {
      EXPECT_EQ(rte_pktmbuf_chain(head, m), 0);
    }
  }
  return head;
}

inline rte_mbuf* make_frame(Pool& pool, const Bytes& bytes) { return make_chain(pool, {bytes}); }

inline Bytes bytes_of(const rte_mbuf* m) {
  Bytes bytes;
  for (; m != nullptr; m = m->next) {
    const auto* data = rte_pktmbuf_mtod(m, const uint8_t*);
    bytes.insert(bytes.end(), data, data + m->data_len);
  }
  return bytes;
}

inline Burst burst_of(std::initializer_list<rte_mbuf*> mbufs) {
  Burst burst;
  for (rte_mbuf* m : mbufs) EXPECT_TRUE(burst.push(m));
  return burst;
}

inline Burst receive(Port& port, uint16_t queue = 0) {
  Burst burst;
  burst.set_size(port.rx(queue, burst.room()));
  return burst;
}

}  // namespace millrace::test
