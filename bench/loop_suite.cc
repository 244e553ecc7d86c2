// SPDX-License-Identifier: BSD-3-Clause
// Google Benchmark over the SPI: receives and sends of 64 bytes in each way that bench/loop.h has, a whole
// round trip, and a connection from WSPSocket to WSPCloseSocket. Two sockets of this process, frames by
// a ring port; Time is what the caller spends in the calls, except for BM_RoundTrip and BM_Connect, which
// are all of it.
//
// usage: loop_suite [--benchmark_filter=REGEX ...]
#include <benchmark/benchmark.h>

#include <cstring>
#include <optional>
#include <string>

#include "bench/loop.h"
#include "dpdk_io/clock.h"
#include "millrace/counters.h"

namespace {

using namespace millrace;

constexpr uint16_t kPort = 7001;
constexpr int kWarmUpRounds = 50;  // the window, the round trip's estimate, free lists

std::optional<TscClock> tsc;  // once EAL is up
uint64_t spent_ns = 0;        // between toggles
uint64_t begun_ns = 0;

void toggle() {
  const uint64_t now_ns = tsc->now_ns();
  if (begun_ns == 0) {
    begun_ns = now_ns;
  } else {
    spent_ns += now_ns - begun_ns;
    begun_ns = 0;
  }
}

struct Bytes {
  double copied = 0, delivered = 0;
};

Bytes bytes_so_far() {
  Bytes bytes;
  millrace_counters(
      [](void* context, const char* name, unsigned long long value) {
        auto& all = *static_cast<Bytes*>(context);
        if (std::strcmp(name, "bytes_copied") == 0) all.copied = static_cast<double>(value);
        if (std::strcmp(name, "bytes_delivered") == 0) all.delivered = static_cast<double>(value);
      },
      &bytes);
  return bytes;
}

// One iteration is there and back: two of what counts.
void move(benchmark::State& state, const loop::Protocol& protocol, const loop::Kind& kind) {
  const loop::Pair pair = loop::open_pair(protocol, kPort);
  if (kind.open != nullptr) kind.open(pair);
  for (int i = 0; i < kWarmUpRounds; ++i) loop::ping_pong(pair, kind, {});
  const Bytes before = bytes_so_far();
  uint64_t all_ns = 0;
  for (auto _ : state) {
    spent_ns = 0;
    loop::ping_pong(pair, kind, {toggle});
    all_ns += spent_ns;
    state.SetIterationTime(static_cast<double>(spent_ns) * 1e-9);
  }
  const Bytes after = bytes_so_far();
  loop::close_pair(pair);
  state.counters["ns/pkt"] = static_cast<double>(all_ns) / (2.0 * static_cast<double>(state.iterations()));
  state.counters["copied/delivered"] = (after.copied - before.copied) / (after.delivered - before.delivered);
}

void round_trip(benchmark::State& state, const loop::Protocol& protocol) {
  const loop::Pair pair = loop::open_pair(protocol, kPort);
  const loop::Kind& blocking = loop::kinds().front();
  for (int i = 0; i < kWarmUpRounds; ++i) loop::ping_pong(pair, blocking, {});
  for (auto _ : state) loop::ping_pong(pair, blocking, {});
  loop::close_pair(pair);
}

void connect(benchmark::State& state, const loop::Protocol& protocol) {
  for (auto _ : state) loop::close_pair(loop::open_pair(protocol, kPort));
}

void add_all() {
  for (const loop::Protocol& protocol : loop::kProtocols) {
    const std::string suffix = std::string("/") + protocol.name;
    for (const loop::Kind& kind : loop::kinds()) {
      const std::string name = kind.counts_send ? "BM_Send" + suffix : "BM_Receive" + suffix + "/" + kind.name;
      benchmark::RegisterBenchmark(name.c_str(), [&protocol, &kind](benchmark::State& state) {
        move(state, protocol, kind);
      })->UseManualTime();
    }
    benchmark::RegisterBenchmark(("BM_RoundTrip" + suffix).c_str(),
                                 [&protocol](benchmark::State& state) { round_trip(state, protocol); });
    if (protocol.is_udp) continue;
    benchmark::RegisterBenchmark(("BM_Connect" + suffix).c_str(),
                                 [&protocol](benchmark::State& state) { connect(state, protocol); });
  }
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  loop::start();
  tsc.emplace();
  add_all();
  benchmark::RunSpecifiedBenchmarks();
  loop::spi.lpWSPCleanup(&loop::error);
}
