// SPDX-License-Identifier: BSD-3-Clause
#include "bench/many_peers.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <tuple>

namespace millrace {
namespace {

constexpr uint16_t kPort = 80;
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

uint32_t address_of(size_t i) { return kFirstPeer + static_cast<uint32_t>(i / kPortsPerPeer); }
uint16_t port_of(size_t i) { return static_cast<uint16_t>(1024 + i % kPortsPerPeer); }
size_t index_of(uint32_t address, uint16_t port) {
  return (address - kFirstPeer) * size_t{kPortsPerPeer} + port - 1024;
}

}  // namespace

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "scale_cost: %s\n", what);
  std::exit(1);
}

ManyPeers::ManyPeers(uint32_t n, const Clock& clock, const TcpConfig& tcp)
    : stack_pool_("stack", 32767, 2048, 256), peer_pool_("peer", 16383, 2048, 256) {
  PortConfig port;
  port.device = "net_ring_wire_a";
  port.addresses = {*parse_prefix("10.0.0.2/24")};
  port.gateway = {*parse_address("10.0.0.1")};
  port.neighbors = {*parse_neighbor("10.0.0.1 02:00:00:00:00:01")};
  port.checksum = ChecksumPolicy::kOff;
  config_ = Config::loopback();
  config_.ports = {port};
  config_.tcp = tcp;
  config_.stack.max_sockets = n + 1024;
  loop_ = Port::ring_loop("lo", stack_pool_, 1024);
  std::tie(port_, peer_port_) = Port::ring_pair("wire", stack_pool_, peer_pool_, 4096);
  const std::array queues = {PortQueue{port_.get(), 0, &config_.ports.front()}};
  stack_ = std::make_unique<Stack>(config_, clock, stack_pool_, *loop_, queues);
  listener_ = stack_->open(Transport::kTcp, 4);
  listener_->options.is_nonblocking = true;
  check(listener_->bind({IpAddress::any(4), kPort}) == WsaError::kOk, "bind");
  check(listener_->listen(200) == WsaError::kOk, "listen");
}

ManyPeers::~ManyPeers() {
  for (const Peer& peer : peers_) {
    peer.socket->reset();
    peer.socket->unref();
  }
  listener_->reset();
  listener_->unref();
}

double ManyPeers::connect(size_t n) {
  double ns = 0;
  for (size_t done = 0; done < n; done += kBatch) ns += connect_batch(std::min<size_t>(kBatch, n - done));
  return ns / static_cast<double>(n);
}

void ManyPeers::disconnect(size_t n) {
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

double ManyPeers::receive(size_t n) {
  std::vector<uint32_t> order(peers_.size());
  std::iota(order.begin(), order.end(), 0u);
  double ns = 0;
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
    ns += timed([&] { turn_and_take(batch); });
    drain();
  }
  return ns / static_cast<double>(n);
}

double ManyPeers::idle() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
  double ns = 0;
  double n = 0;
  while (std::chrono::steady_clock::now() < end) {
    ns += timed([&] {
      for (int i = 0; i < 100; ++i) (void)stack_->turn();
    });
    n += 100;
  }
  return ns / n;
}

void ManyPeers::rest() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
  while (std::chrono::steady_clock::now() < end) {
    turn();
    drain();
  }
}

[[gnu::noinline]] void ManyPeers::turn() {
  const Stack::Guard guard(*stack_);
  (void)stack_->turn();
}

[[gnu::noinline]] void ManyPeers::turn_and_take(const std::array<uint32_t, kBatch>& batch) {
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

void ManyPeers::queue(size_t i, uint8_t flags, uint32_t payload_bytes) {
  queue({address_of(i), port_of(i), flags, peers_[i].next_seq, peers_[i].next_ack, payload_bytes});
}

void ManyPeers::queue(const Segment& segment) {
  rte_mbuf* const m = rte_pktmbuf_alloc(peer_pool_.get());
  check(m != nullptr, "no mbuf for a peer");
  auto& h = *reinterpret_cast<Headers*>(
      rte_pktmbuf_append(m, static_cast<uint16_t>(sizeof(Headers) + segment.payload_bytes)));
  h = {};
  h.to = port_->mac();
  h.from = {2, 0, 0, 0, 0, 1};
  h.type = __builtin_bswap16(0x0800);
  h.version = 0x45;
  h.length = __builtin_bswap16(static_cast<uint16_t>(40 + segment.payload_bytes));
  h.ttl = 64;
  h.protocol = 6;
  h.source = __builtin_bswap32(segment.source);
  h.destination = __builtin_bswap32(0x0a000002);
  h.source_port = __builtin_bswap16(segment.source_port);
  h.destination_port = __builtin_bswap16(kPort);
  h.seq = __builtin_bswap32(segment.seq);
  h.ack = __builtin_bswap32(segment.ack);
  h.offset = 0x50;
  h.flags = segment.flags;
  h.window = 0xffff;
  if (!out_.push(m)) {
    send();
    (void)out_.push(m);
  }
}

void ManyPeers::drain() {
  std::array<rte_mbuf*, kBurstMax> frames;
  while (const uint16_t n = peer_port_->rx(0, frames)) {
    for (uint16_t f = 0; f < n; ++f) {
      const auto& h = *rte_pktmbuf_mtod(frames[f], const Headers*);
      const size_t i =
          index_of(__builtin_bswap32(h.destination), __builtin_bswap16(h.destination_port));
      const uint32_t n_bytes = __builtin_bswap16(h.length) - 20u - (h.offset >> 4) * 4u +
                               ((h.flags & kSyn) != 0 ? 1u : 0u);
      if (h.protocol == 6 && n_bytes != 0 && i < peers_.size()) {
        peers_[i].next_ack = __builtin_bswap32(h.seq) + n_bytes;
      }
      rte_pktmbuf_free(frames[f]);
    }
  }
}

double ManyPeers::connect_batch(size_t n) {
  const size_t first = peers_.size();
  peers_.resize(first + n);
  for (size_t i = first; i < first + n; ++i) {
    peers_[i].next_seq = 0;
    queue(i, kSyn, 0);
  }
  send();
  double ns = timed([&] { turn(); });
  drain();
  for (size_t i = first; i < first + n; ++i) {
    peers_[i].next_seq = 1;
    queue(i, kAck, 0);
  }
  send();
  ns += timed([&] {
    turn();
    for (size_t i = first; i < first + n; ++i) {
      WsaError error;
      peers_[i].socket = listener_->accept(error);
      check(peers_[i].socket != nullptr, "a connection was not accepted");
    }
  });
  for (size_t i = first; i < first + n; ++i) peers_[i].socket->options.is_nonblocking = true;
  return ns;
}

}  // namespace millrace
