// SPDX-License-Identifier: BSD-3-Clause
// What a Stack costs with many connections, made up on the other end of a ring port (many_peers.h):
//
//   segment   a 64-byte segment for a connection chosen at random, from the receive burst to the
//             caller's buffer, ACKs and timers included
//   set-up    from SYN to accept
//   idle turn a turn in which nothing arrives
//   flood     SYNs that nobody means (flood.cc)
//
// usage: scale_cost CONNECTIONS [SEGMENTS [DELAYED_ACK_MS]] | scale_cost flood [SYNS_PER_S] | scale_cost syns N;
// prints one JSON object.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "bench/flood.h"
#include "bench/many_peers.h"
#include "bench/twins.h"
#include "dpdk_io/eal.h"

namespace millrace {
namespace {

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

void run(uint32_t n, size_t n_segments, const TcpConfig& tcp) {
  const TscClock clock;
  ManyPeers bench(n, clock, tcp);
  const uint64_t before = resident_bytes();
  const double setup_ns = bench.connect(n);
  const uint64_t after = resident_bytes();
  bench.rest();
  const double idle_ns = bench.idle();
  (void)bench.receive(std::max<size_t>(n, 10'000));  // everybody once: caches and free lists fill
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const double ns = bench.receive(n_segments / 5);
    if (round == 0 || ns < best) best = ns;
  }
  bench.rest();
  constexpr uint32_t kMore = 960;
  const double more_ns = bench.connect(kMore);
  bench.disconnect(kMore);
  std::printf(
      "{\"connections\": %u, \"ns_per_segment\": %.1f, \"ns_per_set_up\": %.0f, "
      "\"set_ups_per_s\": %.0f, \"set_ups_per_s_with_these\": %.0f, \"ns_per_idle_turn\": %.1f, "
      "\"bytes_per_connection\": %.0f, \"resident_bytes\": %lu}\n",
      n, best, setup_ns, 1e9 / setup_ns, 1e9 / more_ns, idle_ns,
      static_cast<double>(after - before) / n, resident_bytes());
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  const bool is_flood = argc > 1 && std::strcmp(argv[1], "flood") == 0;
  const bool is_syns = argc > 2 && std::strcmp(argv[1], "syns") == 0;
  const long n = is_flood || is_syns ? 1 : argc > 1 ? std::atol(argv[1]) : 0;
  const long more = argc > 2 ? std::atol(argv[2]) : 1'000'000;
  millrace::TcpConfig tcp;
  if (argc > 3) tcp.delayed_ack_ms = static_cast<uint32_t>(std::atol(argv[3]));
  if (n < 1 || n > 1'000'000 || more < 1 || (is_flood && more > 100'000'000) || tcp.delayed_ack_ms < 10) {
    std::fputs("usage: scale_cost CONNECTIONS [SEGMENTS [DELAYED_ACK_MS]] | flood [SYNS_PER_S] | syns N\n", stderr);
    return 1;
  }
  try {
    std::optional<millrace::Twins> twins;
    if (is_flood) twins.emplace();
    millrace::eal_start(millrace::Config::loopback().eal_args);
    if (is_flood) {
      millrace::run_flood(static_cast<uint32_t>(more), *twins);
    } else if (is_syns) {
      millrace::run_syns(static_cast<size_t>(more));
    } else {
      millrace::run(static_cast<uint32_t>(n), static_cast<size_t>(more), tcp);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "scale_cost: %s\n", e.what());
    return 1;
  }
}
