// SPDX-License-Identifier: BSD-3-Clause
// Receives and sends of 64 bytes in every way that bench/loop.h has, to be counted by callgrind: each
// leaves dumps named after it, of which bench/instructions takes the middle one.
//
// Callgrind collects only between the two toggles around what counts, and only on this thread, so that
// neither the start nor the Keeper are in the counts. Outside of valgrind the toggles do nothing.
//
// The Stack's clock is this program's: so much later after each round, however long that took. So timers
// fall where they fell the last time, however busy the machine is, and the Keeper has nothing to do.
//
// usage: receive_cost ROUNDS [PART-OF-A-NAME]     such as udp/ or tcp/event; ROUNDS there and back per dump
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "bench/loop.h"
#include "stack/process_clock.h"

#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else  // there is nobody to count
#define CALLGRIND_TOGGLE_COLLECT
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name) static_cast<void>(name)
#endif

namespace {

using namespace millrace;

constexpr int kDumps = 9;  // an odd number; timers fall into some of them
constexpr int kWarmUpRounds = 50;  // the window, the round trip's estimate, free lists

constexpr uint64_t kRoundNs = 2'000;
constexpr uint64_t kTicksPerNs = 3;

/// Costs what the CPU's counter does, but for the reading of it.
class RoundClock final : public Clock {
 public:
  uint64_t now_ns() const noexcept override { return scale_.to_ns(ticks); }

  static inline std::atomic<uint64_t> ticks{kTicksPerNs};

 private:
  TickScale scale_ = TickScale::for_hz(kTicksPerNs * 1'000'000'000);
};

void round_trip(const loop::Pair& pair, const loop::Kind& kind, const loop::Count& count) {
  loop::ping_pong(pair, kind, count);
  RoundClock::ticks += kRoundNs * kTicksPerNs;
}

/// How the end of a receive is told has nothing to do with the address.
bool differs_by_family(const loop::Kind& kind) {
  return kind.counts_send || &kind == &loop::kinds().front();
}

void count(const loop::Kind& kind, const loop::Pair& pair, int rounds, const std::string& name) {
  const loop::Count in_callgrind{[] { CALLGRIND_TOGGLE_COLLECT; }};
  if (kind.open != nullptr) kind.open(pair);
  for (int i = 0; i < kWarmUpRounds; ++i) round_trip(pair, kind, {});
  for (int dump = 0; dump < kDumps; ++dump) {
    CALLGRIND_ZERO_STATS;
    for (int i = 0; i < rounds; ++i) round_trip(pair, kind, in_callgrind);
    CALLGRIND_DUMP_STATS_AT(name.c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc >= 2 ? std::atoi(argv[1]) : 0;
  const std::string part = argc >= 3 ? argv[2] : "";
  if (rounds <= 0 || argc > 3) {
    std::fprintf(stderr, "usage: receive_cost ROUNDS [PART-OF-A-NAME]\n");
    return 2;
  }
  make_process_clock = []() -> std::unique_ptr<Clock> { return std::make_unique<RoundClock>(); };
  loop::start();
  uint16_t port = 7001;
  for (const loop::Protocol& protocol : loop::kProtocols) {
    for (const loop::Kind& kind : loop::kinds()) {
      const std::string name = std::string(protocol.name) + "/" + kind.name;
      if (name.find(part) == std::string::npos || (protocol.is_v6 && !differs_by_family(kind))) continue;
      const loop::Pair pair = loop::open_pair(protocol, port);
      count(kind, pair, rounds, name);
      loop::close_pair(pair);
      port = static_cast<uint16_t>(port + 2);
    }
  }
  loop::spi.lpWSPCleanup(&loop::error);
}
