// SPDX-License-Identifier: BSD-3-Clause
// A Pool is one rte_mempool of mbufs; the private area and the headroom are part of each element.
#include "dpdk_io/pool.h"

#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include <string>

#include "dpdk_io/startup_error.h"

namespace millrace {

static_assert(kMbufPrivBytes % RTE_MBUF_PRIV_ALIGN == 0, "DPDK rte_pktmbuf_pool_create");

namespace {

rte_mempool* create(const char* name, uint32_t n_mbufs, uint16_t data_room_bytes, uint32_t cache) {
  const std::string where = std::string("mbuf pool '") + name + "'";
  if (data_room_bytes > UINT16_MAX - RTE_PKTMBUF_HEADROOM) {
    throw StartupError(where, "a data room of " + std::to_string(data_room_bytes) + " bytes",
                       "at most " + std::to_string(UINT16_MAX - RTE_PKTMBUF_HEADROOM));
  }
  const auto room = static_cast<uint16_t>(data_room_bytes + RTE_PKTMBUF_HEADROOM);
  rte_mempool* pool =
      rte_pktmbuf_pool_create(name, n_mbufs, cache, kMbufPrivBytes, room, SOCKET_ID_ANY);
  if (pool != nullptr) return pool;
  switch (rte_errno) {
    case ENOMEM:
      throw StartupError(where,
                         "EAL has no memory for " + std::to_string(n_mbufs) + " mbufs of " +
                             std::to_string(room) + " bytes",
                         "give it more (-m 256 in [eal] args; --no-huge alone means 64 MiB), or "
                         "ask for fewer mbufs");
    case EEXIST:
      throw StartupError(where, "a pool of that name exists", "close what uses it first");
    default:
      throw StartupError(where, std::string("DPDK refused it: ") + rte_strerror(rte_errno),
                         "cache at most " + std::to_string(RTE_MEMPOOL_CACHE_MAX_SIZE) +
                             " and n_mbufs / 1.5, name at most 25 characters");
  }
}

}  // namespace

Pool::Pool(const char* name, uint32_t n_mbufs, uint16_t data_room_bytes, uint32_t cache)
    : pool_(create(name, n_mbufs, data_room_bytes, cache)) {}

Pool::~Pool() { rte_mempool_free(pool_); }

uint32_t Pool::in_use() const noexcept { return rte_mempool_in_use_count(pool_); }

uint32_t Pool::size() const noexcept { return pool_->size; }

uint16_t Pool::data_room_bytes() const noexcept {
  return static_cast<uint16_t>(rte_pktmbuf_data_room_size(pool_) - RTE_PKTMBUF_HEADROOM);
}

}  // namespace millrace
