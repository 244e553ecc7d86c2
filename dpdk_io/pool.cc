// SPDX-License-Identifier: BSD-3-Clause
// A Pool is one rte_mempool of mbufs; the private area and the headroom are part of each element.
//
// rte_pktmbuf_pool_create places no element across a page, since a device might see two pages
// apart: with pages of 4 KiB that costs two fifths of the memory, and with any pages it leaves
// gaps, which AF_XDP cannot have. Where IO addresses are virtual ones, no device sees pages, and we
// lay the elements side by side; where they are physical, the pool is DPDK's.
//
// Behind the caches of the lcores it is a stack, unless EAL's arguments or the platform name something
// else: DPDK's ring gives out the mbuf that has lain longest, which no cache has any more.
#include "dpdk_io/pool.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_mempool.h>
#include <rte_memzone.h>

#include <cstring>
#include <string>

#include "dpdk_io/startup_error.h"

namespace millrace {

static_assert(kMbufPrivBytes % RTE_MBUF_PRIV_ALIGN == 0, "DPDK rte_pktmbuf_pool_create");

namespace {

constexpr const char* kLastInFirstOut = "stack";

/// What the mempool keeps its free elements in.
const char* ops_name() {
  const bool is_chosen = rte_mbuf_user_mempool_ops() != nullptr || rte_mbuf_platform_mempool_ops() != nullptr;
  if (is_chosen) return rte_mbuf_best_mempool_ops();
  for (uint32_t i = 0; i < rte_mempool_ops_table.num_ops; ++i) {
    if (std::strcmp(rte_mempool_ops_table.ops[i].name, kLastInFirstOut) == 0) return kLastInFirstOut;
  }
  return rte_mbuf_best_mempool_ops();  // its driver is not installed
}

void free_memory(rte_mempool_memhdr* /*memory*/, void* zone) {
  rte_memzone_free(static_cast<const rte_memzone*>(zone));
}

// Gives all elements of an empty pool one piece of memory; returns 0 or a negative errno.
int populate_gapless(rte_mempool* pool) {
  const size_t element_bytes = pool->header_size + pool->elt_size + pool->trailer_size;
  const std::string zone_name = std::string("MP_") + pool->name + "_0";  // as DPDK names it
  const rte_memzone* zone = rte_memzone_reserve_aligned(
      zone_name.c_str(), element_bytes * pool->size, pool->socket_id, 0, RTE_MEMPOOL_ALIGN);
  if (zone == nullptr) return -rte_errno;
  auto* const begin = static_cast<char*>(zone->addr);
  const int n = rte_mempool_populate_iova(pool, begin, reinterpret_cast<rte_iova_t>(begin),
                                          element_bytes * pool->size, free_memory,
                                          const_cast<rte_memzone*>(zone));
  if (n <= 0) rte_memzone_free(zone);
  if (n < 0) return n;
  return static_cast<uint32_t>(n) == pool->size ? 0 : -ENOBUFS;
}

// What rte_pktmbuf_pool_create does, but for populate_gapless. Sets rte_errno when it fails.
rte_mempool* create_gapless(const char* name, uint32_t n_mbufs, uint16_t room_bytes,
                            uint32_t cache) {
  rte_pktmbuf_pool_private layout{};
  layout.mbuf_data_room_size = room_bytes;
  layout.mbuf_priv_size = kMbufPrivBytes;
  const auto element_bytes = static_cast<unsigned>(sizeof(rte_mbuf) + kMbufPrivBytes + room_bytes);
  rte_mempool* pool = rte_mempool_create_empty(name, n_mbufs, element_bytes, cache, sizeof(layout),
                                               SOCKET_ID_ANY, RTE_MEMPOOL_F_NO_IOVA_CONTIG);
  if (pool == nullptr) return nullptr;
  int error = rte_mempool_set_ops_byname(pool, ops_name(), nullptr);
  rte_pktmbuf_pool_init(pool, &layout);
  if (error == 0) error = populate_gapless(pool);
  if (error != 0) {
    rte_mempool_free(pool);
    rte_errno = -error;
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

rte_mempool* create(const char* name, uint32_t n_mbufs, uint16_t data_room_bytes, uint32_t cache) {
  const std::string where = std::string("mbuf pool '") + name + "'";
  if (data_room_bytes > UINT16_MAX - RTE_PKTMBUF_HEADROOM) {
    throw StartupError(where, "a data room of " + std::to_string(data_room_bytes) + " bytes",
                       "at most " + std::to_string(UINT16_MAX - RTE_PKTMBUF_HEADROOM));
  }
  const auto room = static_cast<uint16_t>(data_room_bytes + RTE_PKTMBUF_HEADROOM);
  rte_mempool* pool =
      rte_eal_iova_mode() == RTE_IOVA_VA
          ? create_gapless(name, n_mbufs, room, cache)
          : rte_pktmbuf_pool_create_by_ops(name, n_mbufs, cache, kMbufPrivBytes, room, SOCKET_ID_ANY,
                                           ops_name());
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

bool Pool::is_gapless() const noexcept {
  return (pool_->flags & RTE_MEMPOOL_F_NO_IOVA_CONTIG) != 0;
}

}  // namespace millrace
