// SPDX-License-Identifier: BSD-3-Clause
// What a Stack costs with many connections: one process, whose peers are made up frame by frame on the
// other end of a ring port, all behind one gateway. Only the Stack's work is timed, not the peers'.
//
//   segment   a 64-byte segment for a connection chosen at random, from the receive burst to the
//             caller's buffer, ACKs and timers included
//   set-up    from SYN to accept
//   idle turn a turn in which nothing arrives
//
// usage: scale_cost CONNECTIONS [SEGMENTS]; prints one JSON object.
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <random>
#include <tuple>
#include <vector>

#include "dpdk_io/clock.h"
#include "dpdk_io/eal.h"
#include "dpdk_io/mbuf.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "stack/socket.h"
#include "stack/stack.h"

namespace millrace {
namespace {

constexpr uint16_t kPort = 80;
constexpr uint32_t kPayload = 64;
constexpr uint32_t kBatch = 32;
constexpr uint32_t kFirstPeer = 0xac100001;  // 172.16.0.1
constexpr uint32_t kPortsPerPeer = 50'000;

struct [[gnu::packed]] Headers {
  std::array<uint8_t, 6> to, from;
  uint16_t type;
  uint8_t version, tos;
  uint16_t length, id, fragment;
  uint8_t ttl, protocol;
  uint16_t ip_sum;
  uint32_t source, destination;
  uint16_t source_port, destination_port;
  uint32_t seq, ack;
  uint8_t offset, flags;
  uint16_t window, sum, urgent;
};
static_assert(sizeof(Headers) == 54);
constexpr uint8_t kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;

struct Peer {
  uint32_t next_seq = 1;
  uint32_t next_ack = 0;
  Socket* socket = nullptr;
};

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "scale_cost: %s\n", what);
  std::exit(1);
}

uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

class Bench {
 public:
  explicit Bench(uint32_t n) : stack_pool_("stack", 32767, 2048, 256), peer_pool_("peer", 16383, 2048, 256) {
    PortConfig port;
    port.device = "net_ring_wire_a";
    port.addresses = {*parse_prefix("10.0.0.2/24")};
    port.gateway = {*parse_address("10.0.0.1")};
    port.neighbors = {*parse_neighbor("10.0.0.1 02:00:00:00:00:01")};
    port.checksum = ChecksumPolicy::kOff;
    config_ = Config::loopback();
    config_.ports = {port};
    config_.stack.max_sockets = n + 1024;
    loop_ = Port::ring_loop("lo", stack_pool_, 1024);
    std::tie(port_, peer_port_) = Port::ring_pair("wire", stack_pool_, peer_pool_, 4096);
    const std::array queues = {PortQueue{port_.get(), 0, &config_.ports.front()}};
    stack_ = std::make_unique<Stack>(config_, clock_, stack_pool_, *loop_, queues);
    listener_ = stack_->open(Transport::kTcp, 4);
    listener_->options.is_nonblocking = true;
    check(listener_->bind({IpAddress::any(4), kPort}) == WsaError::kOk, "bind");
    check(listener_->listen(200) == WsaError::kOk, "listen");
  }
  ~Bench() {
    for (const Peer& peer : peers_) {
      peer.socket->reset();
      peer.socket->unref();
    }
    listener_->reset();
    listener_->unref();
  }

  /// @return nanoseconds of the Stack's work per connection
  double connect(size_t n) {
    timed_ns_ = 0;
    for (size_t done = 0; done < n; done += kBatch) connect_batch(std::min<size_t>(kBatch, n - done));
    return timed_ns_ / static_cast<double>(n);
  }
  /// The peers of the last n reset them.
  void disconnect(size_t n) {
    for (size_t done = 0; done < n; ++done) {
      const size_t i = peers_.size() - 1;
      queue(i, kRst | kAck, 0);
      send();
      turn();
      peers_[i].socket->close();
      peers_[i].socket->unref();
      peers_.pop_back();
    }
  }
  /// @return nanoseconds per segment
  double receive(size_t n) {
    std::vector<uint32_t> order(peers_.size());
    std::iota(order.begin(), order.end(), 0u);
    timed_ns_ = 0;
    size_t at = order.size();
    for (size_t done = 0; done < n; done += kBatch) {
      std::array<uint32_t, kBatch> batch;
      for (uint32_t& who : batch) {
        if (at == order.size()) {
          std::shuffle(order.begin(), order.end(), random_);
          at = 0;
        }
        who = order[at++];
        queue(who, kPsh | kAck, kPayload);
        peers_[who].next_seq += kPayload;
      }
      send();
      timed([&] { turn_and_take(batch); });
      drain(nullptr);
    }
    return timed_ns_ / static_cast<double>(n);
  }
  /// @return nanoseconds per turn, over half a second
  double idle() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    timed_ns_ = 0;
    uint64_t n = 0;
    while (std::chrono::steady_clock::now() < end) {
      timed([&] {
        for (int i = 0; i < 100; ++i) (void)stack_->turn();
      });
      n += 100;
    }
    return timed_ns_ / static_cast<double>(n);
  }
  /// Delayed ACKs go out, and nothing is left to do.
  void rest() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    while (std::chrono::steady_clock::now() < end) {
      turn();
      drain(nullptr);
    }
  }

 private:
  template <typename Work>
  void timed(Work work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    timed_ns_ += time.count();
  }
  [[gnu::noinline]] void turn() {
    const Stack::Guard guard(*stack_);
    (void)stack_->turn();
  }
  [[gnu::noinline]] void turn_and_take(const std::array<uint32_t, kBatch>& batch) {
    const Stack::Guard guard(*stack_);
    (void)stack_->turn();
    for (const uint32_t who : batch) {
      char bytes[kPayload];
      WSABUF buffer{kPayload, bytes};
      ReceiveCall call;
      call.buffers = {&buffer, 1};
      const Outcome got = peers_[who].socket->receive(call);
      // A connection that was drawn twice in a batch has had both.
      check(got.error == WsaError::kOk && got.bytes == kPayload, "a segment did not arrive");
    }
  }

  static uint32_t address_of(size_t i) { return kFirstPeer + static_cast<uint32_t>(i / kPortsPerPeer); }
  static uint16_t port_of(size_t i) { return static_cast<uint16_t>(1024 + i % kPortsPerPeer); }

  void queue(size_t i, uint8_t flags, uint32_t payload) {
    rte_mbuf* const m = rte_pktmbuf_alloc(peer_pool_.get());
    check(m != nullptr, "no mbuf for a peer");
    auto& h = *reinterpret_cast<Headers*>(
        rte_pktmbuf_append(m, static_cast<uint16_t>(sizeof(Headers) + payload)));
    h = {};
    h.to = port_->mac();
    h.from = {2, 0, 0, 0, 0, 1};
    h.type = __builtin_bswap16(0x0800);
    h.version = 0x45;
    h.length = __builtin_bswap16(static_cast<uint16_t>(40 + payload));
    h.ttl = 64;
    h.protocol = 6;
    h.source = __builtin_bswap32(address_of(i));
    h.destination = __builtin_bswap32(0x0a000002);
    h.source_port = __builtin_bswap16(port_of(i));
    h.destination_port = __builtin_bswap16(kPort);
    h.seq = __builtin_bswap32(peers_[i].next_seq);
    h.ack = __builtin_bswap32(peers_[i].next_ack);
    h.offset = 0x50;
    h.flags = flags;
    h.window = 0xffff;
    (void)out_.push(m);
  }
  void send() { peer_port_->tx(0, out_); }

  /// Takes what the Stack sent. @param first  of the connections whose SYN+ACKs these are
  void drain(const size_t* first) {
    std::array<rte_mbuf*, kBurstMax> frames;
    while (const uint16_t n = peer_port_->rx(0, frames)) {
      for (uint16_t f = 0; f < n; ++f) {
        const auto& h = *rte_pktmbuf_mtod(frames[f], const Headers*);
        if (first != nullptr && h.protocol == 6 && (h.flags & kSyn) != 0) {
          const size_t i = (__builtin_bswap32(h.destination) - kFirstPeer) * size_t{kPortsPerPeer} +
                           __builtin_bswap16(h.destination_port) - 1024;
          peers_[i].next_ack = __builtin_bswap32(h.seq) + 1;
        }
        rte_pktmbuf_free(frames[f]);
      }
    }
  }

  void connect_batch(size_t n) {
    const size_t first = peers_.size();
    peers_.resize(first + n);
    for (size_t i = first; i < first + n; ++i) {
      peers_[i].next_seq = 0;
      queue(i, kSyn, 0);
    }
    send();
    timed([&] { turn(); });
    drain(&first);
    for (size_t i = first; i < first + n; ++i) {
      peers_[i].next_seq = 1;
      queue(i, kAck, 0);
    }
    send();
    timed([&] {
      turn();
      for (size_t i = first; i < first + n; ++i) {
        WsaError error;
        peers_[i].socket = listener_->accept(error);
        check(peers_[i].socket != nullptr, "a connection was not accepted");
      }
    });
    for (size_t i = first; i < first + n; ++i) peers_[i].socket->options.is_nonblocking = true;
  }

  Config config_;
  TscClock clock_;
  Pool stack_pool_, peer_pool_;
  std::unique_ptr<Port> loop_, port_, peer_port_;
  std::unique_ptr<Stack> stack_;
  Socket* listener_;
  Burst out_;
  std::vector<Peer> peers_;
  std::mt19937 random_{1};
  double timed_ns_ = 0;
};

void run(uint32_t n, size_t n_segments) {
  Bench bench(n);
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
  const long n = argc > 1 ? std::atol(argv[1]) : 0;
  const long n_segments = argc > 2 ? std::atol(argv[2]) : 1'000'000;
  if (n < 1 || n > 1'000'000 || n_segments < 1) {
    std::fputs("usage: scale_cost CONNECTIONS [SEGMENTS]\n", stderr);
    return 1;
  }
  try {
    millrace::eal_start(millrace::Config::loopback().eal_args);
    millrace::run(static_cast<uint32_t>(n), static_cast<size_t>(n_segments));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "scale_cost: %s\n", e.what());
    return 1;
  }
}
