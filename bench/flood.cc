// SPDX-License-Identifier: BSD-3-Clause
// A million SYNs from sources drawn at random, and a good connection whose 64 bytes are echoed meanwhile.
//
// Time is the Stack's own: its clock moves by what each turn took, and SYNs and requests arrive at
// random moments of it (Poisson), as from other cores that cost nothing. A request's latency is from
// its arrival to the end of the turn that sent the answer; so it waits for the SYNs before it. How long a
// turn took, twins say (twins.h): an interrupt of 50 us would leave 50 SYNs to be worked off.
#include "bench/flood.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

#include "bench/many_peers.h"
#include "bench/twins.h"

namespace millrace {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kThinkNs = 5'000;  // between an answer and the next request

void queue_syn(ManyPeers& world, std::mt19937_64& random) {
  const auto source = 0x0b000000u | static_cast<uint32_t>(random() & 0x00ffffff);  // 11/8
  world.queue({source, static_cast<uint16_t>(random()), ManyPeers::kSyn,
               static_cast<uint32_t>(random()), 0, 0});
}

/// @return nanoseconds of the Stack's work per SYN: they come in bursts, and are answered one a turn
double syn_ns(ManyPeers& world, size_t n) {
  std::mt19937_64 random{2};
  double ns = 0;
  for (size_t done = 0; done < n; done += ManyPeers::kBatch) {
    for (uint32_t i = 0; i < ManyPeers::kBatch; ++i) queue_syn(world, random);
    world.send();
    for (uint32_t i = 0; i < ManyPeers::kBatch; ++i) ns += ManyPeers::timed([&] { world.turn(); });
    world.drain();
  }
  return ns / static_cast<double>(n);
}

class Flood {
 public:
  Flood(ManyPeers& world, ManualClock& clock, Twins& twins)
      : world_(world), clock_(clock), twins_(twins) {}

  /// @param syns_per_s  0: none  @return latencies of the requests, ns, ascending
  std::vector<double> run(size_t n_requests, double syns_per_s) {
    const double syn_gap_ns = syns_per_s == 0 ? kNever : 1e9 / syns_per_s;
    double now = 0, next_syn = after(0, syn_gap_ns), next_request = after(0, kThinkNs);
    bool is_asked = false;
    std::vector<double> latencies;
    while (latencies.size() < n_requests) {
      for (;;) {  // what has arrived by now, in its order
        const double request = is_asked ? kNever : next_request;
        const double next = std::min(next_syn, request);
        if (next > now) break;
        if (next == request) {
          world_.queue(size_t{0}, ManyPeers::kPsh | ManyPeers::kAck, ManyPeers::kPayload);
          world_.peer(0).next_seq += ManyPeers::kPayload;
          is_asked = true;
        } else {
          queue_syn();
          next_syn = after(next_syn, syn_gap_ns);
        }
      }
      world_.send();
      bool has_answered = false;
      const double ns = twins_.quicker(ManyPeers::timed([&] { has_answered = turn_and_echo(); }));
      now += ns;
      clock_.advance_ns(static_cast<uint64_t>(ns));
      world_.drain();
      if (!has_answered) continue;
      latencies.push_back(now - next_request);
      next_request = after(now, kThinkNs);
      is_asked = false;
    }
    std::sort(latencies.begin(), latencies.end());
    return latencies;
  }

  size_t n_syns() const { return n_syns_; }

 private:
  double after(double ns, double mean_ns) {
    return mean_ns == kNever ? kNever : ns + std::exponential_distribution<>(1 / mean_ns)(random_);
  }
  void queue_syn() {
    millrace::queue_syn(world_, random_);
    ++n_syns_;
  }
  [[gnu::noinline]] bool turn_and_echo() {
    const Stack::Guard guard(world_.stack());
    (void)world_.stack().turn();
    char bytes[ManyPeers::kPayload];
    WSABUF buffer{ManyPeers::kPayload, bytes};
    ReceiveCall receive;
    receive.buffers = {&buffer, 1};
    if (world_.peer(0).socket->receive(receive).error != WsaError::kOk) return false;
    SendCall send;
    send.buffers = {&buffer, 1};
    check(world_.peer(0).socket->send(send).error == WsaError::kOk, "an answer was not sent");
    return true;
  }

  ManyPeers& world_;
  ManualClock& clock_;
  Twins& twins_;
  std::mt19937_64 random_{1};
  size_t n_syns_ = 0;
};

double percentile(const std::vector<double>& ascending, double share) {
  return ascending[static_cast<size_t>(share * static_cast<double>(ascending.size() - 1))];
}

}  // namespace

void run_flood(uint32_t syns_per_s, Twins& twins) {
  constexpr int kRounds = 5;
  constexpr size_t kRequests = 10'000;
  ManualClock clock;
  ManyPeers world(65'536, clock);
  (void)world.connect(1);
  Flood flood(world, clock, twins);
  (void)flood.run(2'000, 0);
  double quiet_p50 = kNever, quiet_p99 = kNever, p50 = kNever, p99 = kNever, syn = kNever;
  size_t n_syns = 0;
  // Before the flood: it leaves half-open connections behind, whose timers run.
  for (int round = 0; round < kRounds; ++round) {
    const auto quiet = flood.run(kRequests, 0);
    quiet_p50 = std::min(quiet_p50, percentile(quiet, 0.5));
    quiet_p99 = std::min(quiet_p99, percentile(quiet, 0.99));
  }
  (void)flood.run(2'000, syns_per_s);  // they fill the backlog, and what follows gets cookies
  for (int round = 0; round < kRounds; ++round) {
    const size_t before = flood.n_syns();
    std::vector<double> flooded;
    while (flood.n_syns() - before < 1'000'000 / kRounds) {
      const auto part = flood.run(kRequests / 4, syns_per_s);
      flooded.insert(flooded.end(), part.begin(), part.end());
    }
    n_syns += flood.n_syns() - before;
    std::sort(flooded.begin(), flooded.end());
    p50 = std::min(p50, percentile(flooded, 0.5));
    p99 = std::min(p99, percentile(flooded, 0.99));
    syn = std::min(syn, syn_ns(world, 100'000));
  }
  if (!twins.is_first()) return;
  std::printf(
      "{\"syns\": %zu, \"syns_per_s\": %u, \"ns_per_syn\": %.1f, \"quiet_p50_ns\": %.0f, "
      "\"quiet_p99_ns\": %.0f, \"flooded_p50_ns\": %.0f, \"flooded_p99_ns\": %.0f, "
      "\"p99_ratio\": %.2f, \"cookies\": %lu}\n",
      n_syns, syns_per_s, syn, quiet_p50, quiet_p99, p50, p99, p99 / quiet_p99,
      static_cast<unsigned long>(world.stack().counters.tx_syn_cookies));
}

void run_syns(size_t n) {
  ManualClock clock;
  ManyPeers world(65'536, clock);
  (void)syn_ns(world, 1'000);
  std::printf("{\"ns_per_syn\": %.1f}\n", syn_ns(world, n));
}

}  // namespace millrace
