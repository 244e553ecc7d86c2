// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/probe.h"

#include <signal.h>
#include <ucontext.h>

#include <array>
#include <cstdint>

// Two offsets per probe, each relative to itself: the instruction that may fault, and where to go on.
#define MILLRACE_PROBE(instruction)               \
  "1: " instruction                               \
  "\n"                                            \
  ".pushsection millrace_probes, \"a\"\n"         \
  ".balign 4\n"                                   \
  ".long 1b - .\n"                                \
  ".long %l[fault] - .\n"                         \
  ".popsection\n"

struct ProbeEntry {
  int32_t instruction;
  int32_t fault;
};
// The linker's names for a section's limits.
extern "C" [[gnu::visibility("hidden")]] const ProbeEntry __start_millrace_probes[];
extern "C" [[gnu::visibility("hidden")]] const ProbeEntry __stop_millrace_probes[];

namespace millrace {
namespace {

constexpr uintptr_t kPageBytes = 4096;
constexpr std::array kSignals = {SIGSEGV, SIGBUS};

std::array<struct sigaction, kSignals.size()> earlier;

bool touch_for_reading(const char* at) noexcept {
  asm goto(MILLRACE_PROBE("movb (%0), %%al") : : "r"(at) : "al", "memory" : fault);
  return true;
fault:
  return false;
}

bool touch_for_writing(char* at) noexcept {
  asm goto(MILLRACE_PROBE("orb $0, (%0)") : : "r"(at) : "cc", "memory" : fault);
  return true;
fault:
  return false;
}

/// Touches the first byte, and the first one of each further page.
template <typename Touch>
bool touch_all(uintptr_t at, size_t bytes, Touch touch) noexcept {
  if (bytes == 0) return true;
  const uintptr_t last = at + bytes - 1;
  if (at == 0 || last < at) return false;  // null, or around the end of the address space
  for (;;) {
    if (!touch(at)) return false;
    const uintptr_t next = (at | (kPageBytes - 1)) + 1;
    if (next > last || next == 0) return true;
    at = next;
  }
}

uintptr_t target(const int32_t& offset) noexcept {
  return reinterpret_cast<uintptr_t>(&offset) + static_cast<uintptr_t>(intptr_t{offset});
}

/// The fault is not ours: as if this handler were not there.
void pass_on(int number, siginfo_t* info, void* context) noexcept {
  const struct sigaction& before = earlier[number == SIGBUS ? 1 : 0];
  if ((before.sa_flags & SA_SIGINFO) != 0) {
    before.sa_sigaction(number, info, context);
    return;
  }
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
    before.sa_handler(number);
    return;
  }
  if (before.sa_handler == SIG_IGN && info->si_code <= 0) return;  // sent, not a fault
  // The instruction faults again and ends the process where the fault is; a sent signal comes again.
  signal(number, SIG_DFL);
  if (info->si_code <= 0) raise(number);
}

void on_fault(int number, siginfo_t* info, void* context) noexcept {
  // A signal that was sent while a probe happened to run is not the probe's.
  if (info->si_code <= 0) return pass_on(number, info, context);
  greg_t& instruction = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  for (const ProbeEntry* e = __start_millrace_probes; e != __stop_millrace_probes; ++e) {
    if (target(e->instruction) != static_cast<uintptr_t>(instruction)) continue;
    instruction = static_cast<greg_t>(target(e->fault));
    return;
  }
  pass_on(number, info, context);
}

}  // namespace

bool can_read(const void* from, size_t bytes) noexcept {
  return touch_all(reinterpret_cast<uintptr_t>(from), bytes, [](uintptr_t at) {
    return touch_for_reading(reinterpret_cast<const char*>(at));
  });
}

bool can_write(void* to, size_t bytes) noexcept {
  return touch_all(reinterpret_cast<uintptr_t>(to), bytes, [](uintptr_t at) {
    return touch_for_writing(reinterpret_cast<char*>(at));
  });
}

void tell(LPINT lpErrno, INT error) noexcept {
  if (can_write(lpErrno)) *lpErrno = error;
}

void watch_for_faults() noexcept {
  struct sigaction mine {};
  mine.sa_sigaction = on_fault;
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (size_t i = 0; i < kSignals.size(); ++i) sigaction(kSignals[i], &mine, &earlier[i]);
}

void leave_faults_alone() noexcept {
  for (size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction now {};
    sigaction(kSignals[i], nullptr, &now);
    const bool is_mine = (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_fault;
    if (is_mine) sigaction(kSignals[i], &earlier[i], nullptr);
  }
}

}  // namespace millrace
