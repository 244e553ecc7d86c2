// SPDX-License-Identifier: BSD-3-Clause
// Google Benchmark below the SPI: scatter from chains of mbufs, in and out of the caches; turns of a Stack;
// TCP segments from the receive burst to the caller's buffer, and set-ups from SYN to accept, with peers
// that are made up on the other end of a ring port (many_peers.h).
//
// usage: stack_suite [--benchmark_filter=REGEX ...]
#include <benchmark/benchmark.h>
#include <immintrin.h>

#include <algorithm>
#include <vector>

#include "bench/many_peers.h"
#include "dpdk_io/eal.h"
#include "stack/config.h"
#include "stack/inbox.h"
#include "stack/lwip/port.h"

namespace {

using namespace millrace;

constexpr size_t kSegments = 8;  // of a chain

pbuf* chain_of(Pool& pool, size_t segment_bytes, std::vector<const char*>& payloads) {
  rte_mbuf* head = nullptr;
  payloads.clear();
  for (size_t i = 0; i < kSegments; ++i) {
    rte_mbuf* const m = rte_pktmbuf_alloc(pool.get());
    check(m != nullptr, "no mbuf");
    payloads.push_back(rte_pktmbuf_append(m, static_cast<uint16_t>(segment_bytes)));
    std::fill_n(const_cast<char*>(payloads.back()), segment_bytes, 's');
    if (head == nullptr) {
      head = m;
    } else {
      check(rte_pktmbuf_chain(head, m) == 0, "no chain");
    }
  }
  return pbuf_from(head);
}

// A device writes payload to memory, or to a cache that is not the core's own.
void flush(const std::vector<const char*>& payloads, size_t segment_bytes) {
  for (const char* const payload : payloads) {
    for (size_t at = 0; at < segment_bytes; at += 64) _mm_clflush(payload + at);
  }
  _mm_mfence();
}

/// Eight segments into equal buffers. @param is_cold  the payload is in no cache
void BM_Scatter(benchmark::State& state, bool is_cold) {
  const auto segment_bytes = static_cast<size_t>(state.range(0));
  const auto n_buffers = static_cast<size_t>(state.range(1));
  const size_t bytes = kSegments * segment_bytes;
  Pool pool("scatter", 1023, 2048, 256);
  std::vector<char> memory(bytes);
  std::vector<WSABUF> buffers;
  for (size_t i = 0; i < n_buffers; ++i) {
    const size_t begin = bytes * i / n_buffers, end = bytes * (i + 1) / n_buffers;
    buffers.push_back({static_cast<ULONG>(end - begin), memory.data() + begin});
  }
  std::vector<const char*> payloads;
  double ns = 0;
  for (auto _ : state) {
    pbuf* chain = chain_of(pool, segment_bytes, payloads);
    if (is_cold) flush(payloads, segment_bytes);
    BufferCursor to{buffers};
    const double taken_ns = ManyPeers::timed([&] { check(scatter(chain, to) == bytes, "not all"); });
    ns += taken_ns;
    state.SetIterationTime(taken_ns * 1e-9);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
  state.counters["ns/pkt"] = ns / static_cast<double>(state.iterations()) / kSegments;
}
void scatter_shapes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"segment", "buffers"})->ArgsProduct({{64, 512, 1460}, {1, 4, 16}})->UseManualTime();
}
BENCHMARK_CAPTURE(BM_Scatter, warm, false)->Apply(scatter_shapes);
BENCHMARK_CAPTURE(BM_Scatter, cold, true)->Apply(scatter_shapes);

/// A turn that brings nothing, as time passes. @param has_timers  each connection awaits an acknowledgement
void BM_Turn(benchmark::State& state, bool has_timers) {
  const auto n = static_cast<size_t>(state.range(0));
  ManualClock clock;
  ManyPeers world(static_cast<uint32_t>(n), clock);
  (void)world.connect(n);
  for (size_t i = 0; has_timers && i < n; ++i) {
    char byte = 't';
    WSABUF buffer{1, &byte};
    SendCall call;
    call.buffers = {&buffer, 1};
    const Stack::Guard guard(world.stack());
    check(world.peer(i).socket->send(call).error == WsaError::kOk, "a send failed");
  }
  world.drain();
  for (auto _ : state) {
    clock.advance_ns(1'000);
    world.turn();
  }
}
BENCHMARK_CAPTURE(BM_Turn, sockets, false)->ArgName("n")->Arg(0)->Arg(1000)->Arg(10'000);
BENCHMARK_CAPTURE(BM_Turn, timers, true)->ArgName("n")->Arg(1000)->Arg(10'000);

/// Bursts of 32 segments of 64 bytes, each for a connection drawn at random.
void BM_Input_tcp4(benchmark::State& state) {
  const auto n = static_cast<size_t>(state.range(0));
  const TscClock clock;
  ManyPeers world(static_cast<uint32_t>(n), clock);
  (void)world.connect(n);
  double ns = 0;
  for (auto _ : state) {
    const double each_ns = world.receive(ManyPeers::kBatch);
    ns += each_ns;
    state.SetIterationTime(each_ns * ManyPeers::kBatch * 1e-9);
  }
  state.counters["ns/pkt"] = ns / static_cast<double>(state.iterations());
}
BENCHMARK(BM_Input_tcp4)->ArgName("connections")->Arg(1)->Arg(1000)->Arg(10'000)->UseManualTime();

/// From SYN to accept, 32 at a time; resets are not in it.
void BM_SetUp(benchmark::State& state) {
  const TscClock clock;
  ManyPeers world(ManyPeers::kBatch, clock);
  double ns = 0;
  for (auto _ : state) {
    const double each_ns = world.connect(ManyPeers::kBatch);
    ns += each_ns;
    state.SetIterationTime(each_ns * ManyPeers::kBatch * 1e-9);
    world.disconnect(ManyPeers::kBatch);
  }
  state.counters["ns/connection"] = ns / static_cast<double>(state.iterations());
}
BENCHMARK(BM_SetUp)->UseManualTime();

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  millrace::eal_start(millrace::Config::loopback().eal_args);
  benchmark::RunSpecifiedBenchmarks();
}
