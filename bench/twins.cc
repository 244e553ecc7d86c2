// SPDX-License-Identifier: BSD-3-Clause
#include "bench/twins.h"

#include <rte_pause.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "bench/many_peers.h"

namespace millrace {
namespace {

/// The n-th core that this process may use. @return -1: there are not so many
int core(int n) {
  cpu_set_t allowed;
  check(sched_getaffinity(0, sizeof allowed, &allowed) == 0, "sched_getaffinity");
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed) && n-- == 0) return cpu;
  }
  return -1;
}

}  // namespace

Twins::Twins() {
  check(core(1) >= 0, "two processes measure side by side, and need a core each");
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  check(memory != MAP_FAILED, "mmap");
  shared_ = new (memory) Shared{};
  const std::array cores = {core(0), core(1)};
  child_ = fork();
  check(child_ >= 0, "fork");
  me_ = child_ == 0 ? 1 : 0;
  if (me_ == 1) (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  cpu_set_t mine;
  CPU_ZERO(&mine);
  CPU_SET(static_cast<size_t>(cores[me_]), &mine);
  check(sched_setaffinity(0, sizeof mine, &mine) == 0, "sched_setaffinity");
}

Twins::~Twins() {
  if (me_ == 1) _exit(0);
  (void)waitpid(child_, nullptr, 0);
}

// Neither is more than a step ahead of the other, so the two places of a process are enough.
double Twins::quicker(double ns) {
  auto& times = shared_->ns[step_ % 2];
  times[me_] = ns;
  ++step_;
  shared_->n_steps[me_].store(step_, std::memory_order_release);
  for (uint32_t n = 1; shared_->n_steps[1 - me_].load(std::memory_order_acquire) < step_; ++n) {
    rte_pause();
    const bool looks = n % (1u << 24) == 0 && is_first();
    check(!looks || waitpid(child_, nullptr, WNOHANG) == 0, "the second process has ended");
  }
  return std::min(times[0], times[1]);
}

}  // namespace millrace
