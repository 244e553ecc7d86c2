// SPDX-License-Identifier: BSD-3-Clause
// A pool of mbufs. Each mbuf carries a private area of kMbufPrivBytes for the layer above, which is
// where the stack keeps its pbuf, so that a received frame needs no second allocation:
//
//   | rte_mbuf 128 | private 64 | headroom 128 | data room data_room_bytes |
//
// A Pool outlives every Port that uses it and every mbuf taken from it.
#pragma once

#include <cstdint>

struct rte_mempool;

namespace millrace {

/// Private bytes of each mbuf, at rte_mbuf_to_priv(m); not initialised, and left alone by dpdk_io.
inline constexpr uint16_t kMbufPrivBytes = 64;

class Pool {
 public:
  /// @param name             unique among the process's live pools, at most 25 characters
  /// @param n_mbufs          how many; 2^n - 1 uses memory best
  /// @param data_room_bytes  room after the headroom: 2048 holds a frame of MTU 1500 and is what
  ///                         NICs and memif expect
  /// @param cache            mbufs each registered thread keeps at hand, 0 .. 512, at most
  ///                         n_mbufs / 1.5
  /// @errors  StartupError: not enough memory, or the name is taken
  Pool(const char* name, uint32_t n_mbufs, uint16_t data_room_bytes, uint32_t cache);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  rte_mempool* get() const noexcept { return pool_; }
  /// Mbufs that are neither in the pool nor in a thread's cache; exact when nobody uses the pool.
  uint32_t in_use() const noexcept;
  uint32_t size() const noexcept;
  uint16_t data_room_bytes() const noexcept;
  /// True if the mbufs lie side by side in one piece of memory, as AF_XDP needs them: always,
  /// unless EAL uses physical IO addresses (--iova-mode=pa).
  bool is_gapless() const noexcept;

 private:
  rte_mempool* pool_;
};

}  // namespace millrace
