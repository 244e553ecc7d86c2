// SPDX-License-Identifier: BSD-3-Clause
// The command runs on DPDK's telemetry thread. It holds the mutex of the list while it reads a
// Stack, and takes the Stack's lock by itself, not a Guard: completions are not shown from here.
#include "stack/telemetry.h"

#include <rte_telemetry.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "stack/stack.h"

namespace millrace {
namespace {

constexpr size_t kMostShown = 32;  // DPDK's answer has 16 KiB

std::mutex mutex;
std::vector<Stack*> stacks;

std::vector<LoanHolder> all_holders() {
  std::vector<LoanHolder> all;
  for (Stack* const stack : stacks) {
    const std::lock_guard lock(stack->lock());
    const std::vector<LoanHolder> some = stack->loan_holders();
    all.insert(all.end(), some.begin(), some.end());
  }
  std::sort(all.begin(), all.end(),
            [](const LoanHolder& a, const LoanHolder& b) { return a.oldest_ms > b.oldest_ms; });
  all.resize(std::min(all.size(), kMostShown));
  return all;
}

// DPDK rte_telemetry.h telemetry_cb
int answer(const char* /*command*/, const char* /*params*/, rte_tel_data* reply) {
  const std::lock_guard lock(mutex);
  rte_tel_data_start_dict(reply);
  for (const LoanHolder& holder : all_holders()) {
    rte_tel_data* const entry = rte_tel_data_alloc();
    if (entry == nullptr) break;
    rte_tel_data_start_dict(entry);
    rte_tel_data_add_dict_u64(entry, "mbufs", holder.n_mbufs);
    rte_tel_data_add_dict_u64(entry, "bytes", holder.bytes);
    rte_tel_data_add_dict_u64(entry, "oldest_ms", holder.oldest_ms);
    // DPDK frees the entry with the reply.
    rte_tel_data_add_dict_container(reply, std::to_string(holder.socket).c_str(), entry, 0);
  }
  return 0;
}

rte_tel_data* entry_of(const StageSummary& stage) {
  rte_tel_data* const entry = rte_tel_data_alloc();
  if (entry == nullptr) return nullptr;
  rte_tel_data_start_dict(entry);
  rte_tel_data_add_dict_u64(entry, "count", stage.count);
  rte_tel_data_add_dict_u64(entry, "p50_ns", stage.p50_ns);
  rte_tel_data_add_dict_u64(entry, "p99_ns", stage.p99_ns);
  rte_tel_data_add_dict_u64(entry, "p999_ns", stage.p999_ns);
  rte_tel_data_add_dict_u64(entry, "max_ns", stage.max_ns);
  rte_tel_data_add_dict_u64(entry, "sum_ns", stage.sum_ns);
  return entry;
}

/// params: an index, or null for all Stacks.
int answer_stages(const char* /*command*/, const char* params, rte_tel_data* reply) {
  const bool is_one = params != nullptr && *params != '\0';
  uint32_t index = 0;
  if (is_one) {
    const char* const end = params + std::strlen(params);
    if (std::from_chars(params, end, index).ptr != end) return -EINVAL;
  }
  const std::lock_guard lock(mutex);
  StageSums sums;
  bool is_there = !is_one;
  for (const Stack* const stack : stacks) {
    if (is_one && stack->index() != index) continue;
    is_there = true;
    sums.add(stack->stages);
  }
  if (!is_there) return -ENODEV;
  rte_tel_data_start_dict(reply);
  for (const StageSummary& stage : sums.summaries()) {
    rte_tel_data* const entry = entry_of(stage);
    if (entry == nullptr) break;
    rte_tel_data_add_dict_container(reply, stage.name, entry, 0);
  }
  return 0;
}

}  // namespace

void telemetry_add(Stack& stack) {
  static const int registered_stages = rte_telemetry_register_cmd(
      "/millrace/stages", answer_stages, "Where the time of received packets goes; with an index: that Stack's");
  static_cast<void>(registered_stages);
  static const int registered = rte_telemetry_register_cmd(
      "/millrace/loans", answer, "Sockets whose callers hold received mbufs, by age of the oldest");
  static_cast<void>(registered);  // a process without telemetry does without
  const std::lock_guard lock(mutex);
  stacks.push_back(&stack);
}

void telemetry_remove(Stack& stack) noexcept {
  const std::lock_guard lock(mutex);
  std::erase(stacks, &stack);
}

}  // namespace millrace
