// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/probe.h"

#include <signal.h>
#include <ucontext.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <utility>

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

/// A handler that the application puts over ours may call ours, which stays below it after the last
/// WSPCleanup. Watching again with the same handler would close that chain to a ring; so the next
/// level of handlers is used then, each with its own earlier one. Beyond the last level nothing is
/// installed, and a wild pointer ends the process.
constexpr size_t kMostLevels = 8;

struct Watched {
  std::array<struct sigaction, kMostLevels> earlier{};
  size_t level = 0;
};

std::mutex mutex;  // of what follows, but for earlier: a fault reads it
size_t n_watchers = 0;
std::array<Watched, kSignals.size()> watched;

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

/// Calls a handler as the kernel would have: its mask, and the default action afterwards if it is
/// for one time.
void call(struct sigaction& handler, int number, siginfo_t* info, void* context) noexcept {
  const struct sigaction now = handler;
  const auto has = [&now](auto flag) {
    return (static_cast<unsigned>(now.sa_flags) & static_cast<unsigned>(flag)) != 0;
  };
  if (has(SA_RESETHAND)) handler.sa_handler = SIG_DFL;
  sigset_t blocked = now.sa_mask;
  if (!has(SA_NODEFER)) sigaddset(&blocked, number);
  sigset_t before;
  pthread_sigmask(SIG_BLOCK, &blocked, &before);
  if (has(SA_SIGINFO)) {
    now.sa_sigaction(number, info, context);
  } else {
    now.sa_handler(number);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

/// The fault is not ours: as if this handler were not there.
void pass_on(struct sigaction& earlier, int number, siginfo_t* info, void* context) noexcept {
  const bool was_sent = info->si_code <= 0;  // by kill() and its kin; else the kernel's own
  if (earlier.sa_handler != SIG_DFL && earlier.sa_handler != SIG_IGN) {
    call(earlier, number, info, context);
    return;
  }
  if (earlier.sa_handler == SIG_IGN && was_sent) return;
  // The instruction faults again and ends the process where the fault is; a sent signal comes
  // again.
  signal(number, SIG_DFL);
  if (was_sent) raise(number);
}

/// @return false: the fault is not a probe's
bool answer_probe(const siginfo_t* info, void* context) noexcept {
  if (info->si_code <= 0) return false;  // sent while a probe happened to run
  greg_t& instruction = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
  for (const ProbeEntry* e = __start_millrace_probes; e != __stop_millrace_probes; ++e) {
    if (target(e->instruction) != static_cast<uintptr_t>(instruction)) continue;
    instruction = static_cast<greg_t>(target(e->fault));
    return true;
  }
  return false;
}

using Handler = void (*)(int, siginfo_t*, void*);

template <size_t Level>
void on_fault(int number, siginfo_t* info, void* context) noexcept {
  if (answer_probe(info, context)) return;
  pass_on(watched[number == kSignals[0] ? 0 : 1].earlier[Level], number, info, context);
}

template <size_t... Level>
constexpr std::array<Handler, sizeof...(Level)> handlers(std::index_sequence<Level...>) {
  return {on_fault<Level>...};
}

constexpr auto kHandlers = handlers(std::make_index_sequence<kMostLevels>());

void install(int number, Watched& of_signal) noexcept {
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  const auto end = kHandlers.begin() + of_signal.level;
  if (const auto it = std::find(kHandlers.begin(), end, now.sa_sigaction); it != end) {
    of_signal.level = static_cast<size_t>(it - kHandlers.begin());  // it is on top again
    return;
  }
  if (of_signal.level == kMostLevels) return;
  struct sigaction mine {};
  mine.sa_sigaction = kHandlers[of_signal.level];
  mine.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  // Known before ours is there: another thread may fault in between.
  of_signal.earlier[of_signal.level] = now;
  sigaction(number, &mine, nullptr);
}

void remove(int number, Watched& of_signal) noexcept {
  if (of_signal.level == kMostLevels) return;
  struct sigaction now {};
  sigaction(number, nullptr, &now);
  if (now.sa_sigaction == kHandlers[of_signal.level]) {
    sigaction(number, &of_signal.earlier[of_signal.level], nullptr);
  } else {
    ++of_signal.level;
  }
}

}  // namespace

bool can_read(const void* from, size_t bytes) noexcept {
  return touch_all(reinterpret_cast<uintptr_t>(from), bytes, [](uintptr_t at) {
    return touch_for_reading(reinterpret_cast<const char*>(at));
  });
}

bool can_write(void* to, size_t bytes) noexcept {
  return touch_all(reinterpret_cast<uintptr_t>(to), bytes,
                   [](uintptr_t at) { return touch_for_writing(reinterpret_cast<char*>(at)); });
}

void tell(LPINT lpErrno, INT error) noexcept {
  if (can_write(lpErrno)) *lpErrno = error;
}

void watch_for_faults() noexcept {
  const std::lock_guard guard(mutex);
  if (n_watchers++ != 0) return;
  for (size_t i = 0; i < kSignals.size(); ++i) install(kSignals[i], watched[i]);
}

void leave_faults_alone() noexcept {
  const std::lock_guard guard(mutex);
  if (--n_watchers != 0) return;
  for (size_t i = 0; i < kSignals.size(); ++i) remove(kSignals[i], watched[i]);
}

}  // namespace millrace
