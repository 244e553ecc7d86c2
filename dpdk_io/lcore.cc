// SPDX-License-Identifier: BSD-3-Clause
#include "dpdk_io/lcore.h"

#include <rte_lcore.h>

#include <utility>

namespace millrace {
namespace {

// EAL hands ids to threads: one that has none is registered, and forgets it again.
unsigned take_id() noexcept {
  const unsigned own = std::exchange(RTE_PER_LCORE(_lcore_id), LCORE_ID_ANY);
  const unsigned id = rte_thread_register() == 0 ? rte_lcore_id() : LCORE_ID_ANY;
  RTE_PER_LCORE(_lcore_id) = own;
  return id;
}

}  // namespace

Lcore::Lcore() noexcept : id_(take_id()) {}

Lcore::~Lcore() {
  if (id_ == LCORE_ID_ANY) return;
  const unsigned own = std::exchange(RTE_PER_LCORE(_lcore_id), id_);
  rte_thread_unregister();
  RTE_PER_LCORE(_lcore_id) = own;
}

void Lcore::enter() noexcept { thread_ = std::exchange(RTE_PER_LCORE(_lcore_id), id_); }

void Lcore::leave() noexcept { RTE_PER_LCORE(_lcore_id) = thread_; }

}  // namespace millrace
