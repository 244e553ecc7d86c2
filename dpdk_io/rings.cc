// SPDX-License-Identifier: BSD-3-Clause
// Port::ring_loop and Port::ring_pair, on DPDK's net_ring driver:
//
//   loop:  port --tx--> ring --rx--> port      pair:  a --tx--> rings[0] --rx--> b
//                                                     a <--rx-- rings[1] <--tx-- b
#include "dpdk_io/rings.h"

#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "dpdk_io/port.h"
#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

void add_ring(RingWires& wires, const std::string& name, uint32_t entries) {
  rte_ring* ring = rte_ring_create(name.c_str(), entries, SOCKET_ID_ANY,
                                   RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
  if (ring == nullptr) {
    throw StartupError("ring '" + name + "'",
                       std::string("DPDK cannot make it: ") + rte_strerror(rte_errno),
                       "a name of its own, 1 or more entries, and more memory for EAL (-m)");
  }
  wires.rings.push_back(ring);
}

// Makes the Ethernet device and returns its name.
std::string add_device(const std::string& name, rte_ring* rx, rte_ring* tx) {
  if (rte_eth_from_rings(name.c_str(), &rx, 1, &tx, 1, static_cast<unsigned>(SOCKET_ID_ANY)) < 0) {
    throw StartupError("ring port '" + name + "'",
                       std::string("DPDK cannot make it: ") + rte_strerror(rte_errno),
                       "a name of its own of at most 16 characters");
  }
  return "net_ring_" + name;  // DPDK 22.11 rte_eth_from_rings
}

PortOptions ring_options(std::string device, uint16_t mtu) {
  PortOptions options;
  options.device = std::move(device);
  options.mtu = mtu;
  return options;
}

}  // namespace

RingWires::~RingWires() {
  for (rte_ring* ring : rings) {
    void* m = nullptr;
    while (rte_ring_dequeue(ring, &m) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(m));
    rte_ring_free(ring);
  }
}

std::unique_ptr<Port> Port::ring_loop(const char* name, Pool& pool, uint32_t entries,
                                      uint16_t mtu) {
  const std::string base = name;
  auto wires = std::make_shared<RingWires>();
  add_ring(*wires, "loop_" + base, entries);
  const std::string device = add_device(base, wires->rings[0], wires->rings[0]);
  return std::unique_ptr<Port>(new Port(ring_options(device, mtu), pool, std::move(wires)));
}

std::pair<std::unique_ptr<Port>, std::unique_ptr<Port>> Port::ring_pair(const char* name, Pool& a,
                                                                        Pool& b, uint32_t entries,
                                                                        uint16_t mtu) {
  const std::string base = name;
  auto wires = std::make_shared<RingWires>();
  add_ring(*wires, "ab_" + base, entries);
  add_ring(*wires, "ba_" + base, entries);
  rte_ring* const ab = wires->rings[0];
  rte_ring* const ba = wires->rings[1];
  const std::string device_a = add_device(base + "_a", ba, ab);
  std::unique_ptr<Port> port_a(new Port(ring_options(device_a, mtu), a, wires));
  const std::string device_b = add_device(base + "_b", ab, ba);
  std::unique_ptr<Port> port_b(new Port(ring_options(device_b, mtu), b, std::move(wires)));
  return {std::move(port_a), std::move(port_b)};
}

}  // namespace millrace
