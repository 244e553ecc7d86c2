// SPDX-License-Identifier: BSD-3-Clause
// Steering: which Stack a received frame is for, and the ring by which another Stack hands it over.
//
//   TCP    the Toeplitz hash of addresses and ports, through the table that NICs with RSS get, too:
//          their queue is right already, and nothing is handed over
//          a connection whose caller chose the port himself is pinned to its Stack, whatever the hash
//   UDP    the Stack of the socket that has the local port
//   ICMP   an error: where what it quotes belongs
//   ARP replies, neighbor and router advertisements, group membership: a copy for every Stack
//   fragments, which have no ports: by the hash of their addresses alone, until one Stack has put
//          them together and asks again
//   all else: where it arrived
//
// Invariant: what owner_of() says of a frame does not depend on the queue that it arrived on, but
// for what is "where they arrived". Used by all Stacks at once, without their locks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "stack/address.h"

struct rte_mbuf;
struct rte_ring;

namespace millrace {

class PortTable;

/// The two ends of a connection, ours first.
struct FourTuple {
  Endpoint local;
  Endpoint peer;
  friend bool operator==(const FourTuple&, const FourTuple&) = default;
};

class Steering {
 public:
  /// For several Stacks at once, such as datagrams to a group.
  static constexpr uint32_t kSeveral = UINT32_MAX;
  static constexpr uint32_t kMostStacks = 32;
  static constexpr size_t kKeyBytes = 52;     ///< the longest that a NIC takes; most take 40
  static constexpr size_t kTableEntries = 128;

  /// @errors StartupError: no memory for the rings
  Steering(uint32_t n_stacks, const PortTable& ports);
  ~Steering();
  Steering(const Steering&) = delete;
  Steering& operator=(const Steering&) = delete;

  uint32_t n_stacks() const noexcept { return n_stacks_; }
  std::span<const uint8_t, kKeyBytes> key() const noexcept { return key_; }

  struct Verdict {
    uint32_t owner = 0;         ///< a Stack's index, or kSeveral
    uint32_t several = 0;       ///< bit i: a copy for Stack i
    bool has_no_ports = false;  ///< a fragment, or headers not looked through: ask again above IP
  };
  /// @param m     an Ethernet frame; malformed ones are for whoever has them
  /// @param here  the Stack that received it
  /// @param trusts_hash  m->hash.rss, where the frame has one, was made with our key over the ports
  /// @param is_loop      from and to ourselves: its connections stay where they are
  Verdict owner_of(const rte_mbuf& m, uint32_t here, bool trusts_hash, bool is_loop) const noexcept;
  Verdict owner_of_tcp(const FourTuple& tuple) const noexcept;
  Verdict owner_of_udp(const Endpoint& local, uint32_t here) const noexcept;
  /// Where RSS would put a connection that nobody pinned.
  uint32_t hashed_owner(const FourTuple& tuple) const noexcept;

  /// @owner takes m if it returns true; false: the Stack's ring is full
  bool hand_over(uint32_t stack, rte_mbuf* m) noexcept;
  bool has_inbound(uint32_t stack) const noexcept;
  /// Frames that others handed over; by the Stack itself only. @return how many
  uint16_t take_over(uint32_t stack, std::span<rte_mbuf*> out) noexcept;

  /// The connection belongs to this Stack until unpin(). @return false: it is another one's
  bool pin(const FourTuple& tuple, uint32_t stack);
  void unpin(const FourTuple& tuple) noexcept;

 private:
  struct Hash {
    size_t operator()(const FourTuple& tuple) const noexcept;
  };
  struct FreeRing {
    void operator()(rte_ring* ring) const noexcept;
  };
  struct Frame;  ///< what owner_of() knows of one
  uint32_t toeplitz(const FourTuple& tuple) const noexcept;
  uint32_t owner_of_hash(uint32_t hash) const noexcept {
    return static_cast<uint32_t>(hash % kTableEntries) % n_stacks_;
  }
  Verdict owner_of_ip4(const Frame& frame) const noexcept;
  Verdict owner_of_ip6(const Frame& frame) const noexcept;
  Verdict owner_of_flow(const Frame& frame, const FourTuple& tuple, uint8_t protocol) const noexcept;
  Verdict owner_of_quoted(const Frame& frame, size_t at) const noexcept;
  Verdict owner_without_ports(const Frame& frame, const FourTuple& tuple) const noexcept;
  Verdict all() const noexcept { return {kSeveral, static_cast<uint32_t>((uint64_t{1} << n_stacks_) - 1)}; }

  const uint32_t n_stacks_;
  const PortTable& ports_;
  std::array<uint8_t, kKeyBytes> key_{};
  /// Of each half byte of a tuple, what it adds to the hash: Toeplitz is linear.
  static constexpr size_t kTupleBytes = 36;
  std::array<std::array<uint32_t, 16>, kTupleBytes * 2> parts_{};
  std::vector<std::unique_ptr<rte_ring, FreeRing>> inbound_;

  static constexpr uint32_t kPorts = 65536;
  std::unique_ptr<std::atomic<uint32_t>[]> pinned_ports_;  ///< by local port: connections
  mutable std::shared_mutex pins_mutex_;
  std::unordered_map<FourTuple, uint32_t, Hash> pins_;
};

}  // namespace millrace
