// SPDX-License-Identifier: BSD-3-Clause
// Ports out of nothing but memory: rings that this process makes and wires to one port (a loop) or
// to two (a pair). Each ring has one producer queue and one consumer queue. Internal to dpdk_io.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct rte_ring;

namespace millrace {

/// The rings behind one loop or one pair; the last Port to go takes them along. Frames left in them
/// go back to their pools.
struct RingWires {
  ~RingWires();
  std::vector<rte_ring*> rings;
};

}  // namespace millrace
