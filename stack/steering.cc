// SPDX-License-Identifier: BSD-3-Clause
// Reads frames by itself, since they have passed no gate yet: every offset is checked against the
// bytes of the first segment, and what is too short is left to whoever received it.
#include "stack/steering.h"

// Rings by C11's atomics: as quick on x86, and ThreadSanitizer knows what they order.
#define RTE_USE_C11_MEM_MODEL 1

#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_thash.h>
#include <sodium.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>
#include <string>

#include "dpdk_io/startup_error.h"
#include "stack/port_table.h"

namespace millrace {
namespace {

constexpr unsigned kRingEntries = 4096;

constexpr size_t kEthernetBytes = 14, kVlanBytes = 4;
constexpr uint16_t kTypeIp4 = 0x0800, kTypeArp = 0x0806, kTypeVlan = 0x8100, kTypeIp6 = 0x86dd;
constexpr uint8_t kIcmp = 1, kIgmp = 2, kTcp = 6, kUdp = 17, kIcmp6 = 58, kSctp = 132;
constexpr uint8_t kHopByHop = 0, kFragment = 44;
constexpr size_t kIp4Bytes = 20, kIp6Bytes = 40, kIcmpBytes = 8;

uint16_t word_at(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

IpAddress address_at(std::span<const uint8_t> bytes, size_t at, uint8_t family) {
  IpAddress address = IpAddress::any(family);
  std::memcpy(address.bytes.data(), &bytes[at], family == 4 ? 4 : 16);
  return address;
}

// The port is the zone of link-local addresses, and a frame does not say it.
FourTuple without_zones(FourTuple tuple) {
  tuple.local.address.zone = tuple.peer.address.zone = 0;
  return tuple;
}

}  // namespace

/// `bytes` are those of the first segment, from the IP header on.
struct Steering::Frame {
  std::span<const uint8_t> bytes;
  uint32_t here;
  const uint32_t* hash;  ///< by the NIC, null: none that counts
  bool is_loop;

  Verdict stays() const { return {here}; }
};

size_t Steering::Hash::operator()(const FourTuple& tuple) const noexcept {
  return std::hash<Endpoint>{}(tuple.local) * 31 + std::hash<Endpoint>{}(tuple.peer);
}

void Steering::FreeRing::operator()(rte_ring* ring) const noexcept {
  void* m = nullptr;
  while (rte_ring_dequeue(ring, &m) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(m));
  rte_ring_free(ring);
}

Steering::Steering(uint32_t n_stacks, const PortTable& ports)
    : n_stacks_(n_stacks),
      ports_(ports),
      pinned_ports_(std::make_unique<std::atomic<uint32_t>[]>(kPorts)) {
  randombytes_buf(key_.data(), key_.size());
  std::array<uint32_t, kTupleBytes / 4> words;
  for (size_t half = 0; half < parts_.size(); ++half) {
    for (uint32_t value = 0; value < 16; ++value) {
      // rte_softrss() takes a tuple as words in host order: byte 0 is the highest of word 0.
      words.fill(0);
      words[half / 8] = value << (28 - half % 8 * 4);
      parts_[half][value] = rte_softrss(words.data(), words.size(), key_.data());
    }
  }
  for (uint32_t i = 0; i < n_stacks; ++i) {
    const std::string name = "millrace_in" + std::to_string(i);
    inbound_.emplace_back(rte_ring_create(name.c_str(), kRingEntries, SOCKET_ID_ANY, RING_F_SC_DEQ));
    if (inbound_.back() == nullptr) {
      throw StartupError("Stack " + std::to_string(i), "no memory for its ring",
                         "give EAL more memory (-m), or set fewer stacks in [stack]");
    }
  }
}

Steering::~Steering() = default;

uint32_t Steering::toeplitz(const FourTuple& tuple) const noexcept {
  std::array<uint8_t, kTupleBytes> bytes;  // Microsoft's RSS: source, destination, as received
  const size_t n = tuple.local.address.family == 4 ? 4 : 16;
  std::memcpy(bytes.data(), tuple.peer.address.bytes.data(), n);
  std::memcpy(&bytes[n], tuple.local.address.bytes.data(), n);
  const uint16_t ports[2] = {tuple.peer.port, tuple.local.port};
  for (size_t i = 0; i < 2; ++i) {
    bytes[2 * n + 2 * i] = static_cast<uint8_t>(ports[i] >> 8);
    bytes[2 * n + 2 * i + 1] = static_cast<uint8_t>(ports[i]);
  }
  uint32_t hash = 0;
  for (size_t i = 0; i < 2 * n + 4; ++i) {
    hash ^= parts_[2 * i][bytes[i] >> 4] ^ parts_[2 * i + 1][bytes[i] & 15];
  }
  return hash;
}

uint32_t Steering::hashed_owner(const FourTuple& tuple) const noexcept {
  return owner_of_hash(toeplitz(tuple));
}

Steering::Verdict Steering::owner_of_tcp(const FourTuple& tuple) const noexcept {
  if (pinned_ports_[tuple.local.port].load(std::memory_order_acquire) != 0) {
    const std::shared_lock lock(pins_mutex_);
    const auto pin = pins_.find(without_zones(tuple));
    if (pin != pins_.end()) return {pin->second};
  }
  return {hashed_owner(tuple)};
}

Steering::Verdict Steering::owner_of_udp(const Endpoint& local, uint32_t here) const noexcept {
  constexpr uint16_t kDhcpClientPort = 68;  // the first Stack's, unless a socket has it
  uint32_t stacks = ports_.udp_stacks(local.port);
  if (stacks == 0) return {local.port == kDhcpClientPort ? 0 : here};
  if (!std::has_single_bit(stacks)) stacks = ports_.udp_stacks(local);
  if (stacks == 0) return {here};
  if (!std::has_single_bit(stacks)) return {kSeveral, stacks};
  return {static_cast<uint32_t>(std::countr_zero(stacks))};
}

Steering::Verdict Steering::owner_of_flow(const Frame& frame, const FourTuple& tuple,
                                          uint8_t protocol) const noexcept {
  if (protocol == kUdp) return owner_of_udp(tuple.local, frame.here);
  if (frame.is_loop) return frame.stays();
  const bool may_be_pinned =
      pinned_ports_[tuple.local.port].load(std::memory_order_relaxed) != 0;
  if (frame.hash != nullptr && !may_be_pinned) return {owner_of_hash(*frame.hash)};
  return owner_of_tcp(tuple);
}

// What a NIC does with fragments, too; ports of 0 add nothing to the hash. From ourselves they are
// received by nobody else.
Steering::Verdict Steering::owner_without_ports(const Frame& frame,
                                                const FourTuple& tuple) const noexcept {
  return {frame.is_loop ? frame.here : hashed_owner(tuple), 0, true};
}

// What we sent and somebody complains about: its source is ours.
Steering::Verdict Steering::owner_of_quoted(const Frame& frame, size_t at) const noexcept {
  const auto quoted = frame.bytes.subspan(std::min(at, frame.bytes.size()));
  if (quoted.size() < kIp4Bytes) return frame.stays();
  const uint8_t family = quoted[0] >> 4;
  const size_t header = family == 4 ? size_t{quoted[0] & 0x0fu} * 4 : kIp6Bytes;
  if ((family != 4 && family != 6) || quoted.size() < header + 4) return frame.stays();
  const uint8_t protocol = family == 4 ? quoted[9] : quoted[6];
  if (protocol != kTcp && protocol != kUdp) return frame.stays();
  const size_t source = family == 4 ? 12 : 8, destination = family == 4 ? 16 : 24;
  const FourTuple tuple{{address_at(quoted, source, family), word_at(quoted, header)},
                        {address_at(quoted, destination, family), word_at(quoted, header + 2)}};
  Frame turned_round = frame;
  turned_round.hash = nullptr;
  return owner_of_flow(turned_round, tuple, protocol);
}

Steering::Verdict Steering::owner_of_ip4(const Frame& frame) const noexcept {
  const auto bytes = frame.bytes;
  if (bytes.size() < kIp4Bytes) return frame.stays();
  constexpr uint16_t kMoreAndOffset = 0x3fff;
  if ((word_at(bytes, 6) & kMoreAndOffset) != 0) {
    return owner_without_ports(frame, {{address_at(bytes, 16, 4), 0}, {address_at(bytes, 12, 4), 0}});
  }
  const size_t header = size_t{bytes[0] & 0x0fu} * 4;
  const uint8_t protocol = bytes[9];
  if (protocol == kIgmp) return all();
  if (header < kIp4Bytes || bytes.size() < header + 4) return frame.stays();
  if (protocol == kIcmp) {
    const uint8_t type = bytes[header];  // unreachable, redirect, time exceeded, parameter problem
    const bool is_error = type == 3 || type == 5 || type == 11 || type == 12;
    return is_error ? owner_of_quoted(frame, header + kIcmpBytes) : frame.stays();
  }
  if (protocol == kSctp) return {0};  // libusrsctp is the first Stack's
  if (protocol != kTcp && protocol != kUdp) return frame.stays();
  return owner_of_flow(frame,
                       {{address_at(bytes, 16, 4), word_at(bytes, header + 2)},
                        {address_at(bytes, 12, 4), word_at(bytes, header)}},
                       protocol);
}

Steering::Verdict Steering::owner_of_ip6(const Frame& frame) const noexcept {
  const auto bytes = frame.bytes;
  if (bytes.size() < kIp6Bytes + 4) return frame.stays();
  const uint8_t next = bytes[6];
  if (next == kHopByHop && bytes[kIp6Bytes] == kIcmp6) return all();  // MLD (RFC 3810 5)
  if (next == kIcmp6) {
    const uint8_t type = bytes[kIp6Bytes];
    const bool is_news = type == 134 || type == 136 || type == 137;  // RFC 4861 4
    if (type < 128) return owner_of_quoted(frame, kIp6Bytes + kIcmpBytes);
    return is_news ? all() : frame.stays();
  }
  if (next == kSctp) return {0};
  if (next != kTcp && next != kUdp) {
    return owner_without_ports(frame, {{address_at(bytes, 24, 6), 0}, {address_at(bytes, 8, 6), 0}});
  }
  return owner_of_flow(frame,
                       {{address_at(bytes, 24, 6), word_at(bytes, kIp6Bytes + 2)},
                        {address_at(bytes, 8, 6), word_at(bytes, kIp6Bytes)}},
                       next);
}

Steering::Verdict Steering::owner_of(const rte_mbuf& m, uint32_t here, bool trusts_hash,
                                     bool is_loop) const noexcept {
  std::span<const uint8_t> bytes(rte_pktmbuf_mtod(&m, const uint8_t*), m.data_len);
  if (bytes.size() < kEthernetBytes + kVlanBytes) return {here};
  size_t header = kEthernetBytes;
  uint16_t type = word_at(bytes, 12);
  if (type == kTypeVlan) {
    type = word_at(bytes, 16);
    header += kVlanBytes;
  }
  const bool has_hash = trusts_hash && (m.ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
  const Frame frame{bytes.subspan(header), here, has_hash ? &m.hash.rss : nullptr, is_loop};
  if (type == kTypeIp4) return owner_of_ip4(frame);
  if (type == kTypeIp6) return owner_of_ip6(frame);
  constexpr size_t kArpBytes = 28;
  if (type != kTypeArp || frame.bytes.size() < kArpBytes) return frame.stays();
  // A reply may be to any Stack; who asks about himself tells everybody that he has moved.
  const bool is_reply = word_at(frame.bytes, 6) == 2;
  const bool is_gratuitous = std::memcmp(&frame.bytes[14], &frame.bytes[24], 4) == 0;
  return is_reply || is_gratuitous ? all() : frame.stays();
}

bool Steering::hand_over(uint32_t stack, rte_mbuf* m) noexcept {
  return rte_ring_mp_enqueue(inbound_[stack].get(), m) == 0;
}

bool Steering::has_inbound(uint32_t stack) const noexcept {
  return rte_ring_empty(inbound_[stack].get()) == 0;
}

uint16_t Steering::take_over(uint32_t stack, std::span<rte_mbuf*> out) noexcept {
  return static_cast<uint16_t>(rte_ring_sc_dequeue_burst(
      inbound_[stack].get(), reinterpret_cast<void**>(out.data()),
      static_cast<unsigned>(out.size()), nullptr));
}

bool Steering::pin(const FourTuple& tuple, uint32_t stack) {
  const std::lock_guard lock(pins_mutex_);
  const auto [it, is_new] = pins_.try_emplace(without_zones(tuple), stack);
  if (!is_new) return it->second == stack;
  pinned_ports_[tuple.local.port].fetch_add(1, std::memory_order_release);
  return true;
}

void Steering::unpin(const FourTuple& tuple) noexcept {
  const std::lock_guard lock(pins_mutex_);
  if (pins_.erase(without_zones(tuple)) == 0) return;
  pinned_ports_[tuple.local.port].fetch_sub(1, std::memory_order_release);
}

}  // namespace millrace
