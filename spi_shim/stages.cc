// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/stages.h"

#include <mutex>

#include "millrace/stages.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

constinit std::mutex mutex;  // told_since goes with told_last
constinit Sampled told_since{};

}  // namespace

void end_return(const Sampled& sampled) noexcept {
  const Inside inside;
  const auto stacks = running_stacks();
  // A packet may be taken when the provider has ended, and even been started again.
  if (sampled.stack < stacks.size()) stacks[sampled.stack]->stages.on_taken(sampled.since_ns);
}

void note_told(const Completion& completion) noexcept {
  const std::lock_guard guard(mutex);
  told_since = completion.sampled;
  told_last.store(completion.tell.overlapped, std::memory_order_relaxed);
}

void end_told(const WSAOVERLAPPED& overlapped) noexcept {
  Sampled sampled;
  {
    const std::lock_guard guard(mutex);
    if (told_last.load(std::memory_order_relaxed) != &overlapped) return;
    told_last.store(nullptr, std::memory_order_relaxed);
    sampled = told_since;
  }
  end_return(sampled);
}

}  // namespace millrace

using namespace millrace;

extern "C" int millrace_stages(void (*visit)(void* context, const millrace_stage* stage),
                               void* context) {
  StageSums sums;
  {
    const Inside inside;
    const auto stacks = running_stacks();
    if (stacks.empty()) return WSANOTINITIALISED;
    for (const Stack* const stack : stacks) sums.add(stack->stages);
  }
  for (const StageSummary& s : sums.summaries()) {
    const millrace_stage stage{s.name,    s.sentence, s.count,  s.p50_ns,
                               s.p99_ns,  s.p999_ns,  s.max_ns, s.sum_ns};
    visit(context, &stage);
  }
  return 0;
}
