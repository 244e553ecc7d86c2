// SPDX-License-Identifier: BSD-3-Clause
// The hand-driven peer: the other end of the wire, where a test decides about every frame.
//
//   Stack -- Port "wire_a" ===ring=== Port "wire_b" -- Peer
//
// Every frame that the Stack sends is parsed, and a wrong length or checksum in it fails the test.
// What the peer does by itself is to answer ARP and ND for every address but the Stack's, so that
// tests are about what comes after; their frames, and MLD reports, are counted and set aside.
#pragma once

#include <deque>
#include <functional>
#include <initializer_list>
#include <optional>

#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "tests/support/wire.h"

namespace millrace::test {

/// Hosts of the wire's network, 10.0.0.0/24 and fd00::/64.
enum class Host : uint8_t { kPeer = 1, kStack = 2, kStranger = 3 };
IpAddress address_of(Host host, uint8_t family);

struct Arrival {
  Frame frame;
  uint64_t at_ms = 0;
};

class Peer {
 public:
  Peer(Port& port, Pool& pool, const Mac& stack_mac)
      : port_(port), pool_(pool), stack_mac_(stack_mac) {}
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// Sends a frame; where its MAC addresses are all zero they become ours and the Stack's.
  void send(Frame frame);
  void send(const Bytes& frame) { send_chain({frame}); }
  /// One frame whose bytes lie in several mbufs.
  void send_chain(const std::vector<Bytes>& parts);

  /// Takes everything off the wire. @return frames, neighbor talk included
  size_t take(uint64_t now_ms);
  /// The oldest frame that fits, out of those that take() left.
  std::optional<Arrival> next(const std::function<bool(const Frame&)>& fits);
  std::optional<Arrival> next() {
    return next([](const Frame&) { return true; });
  }
  size_t n_waiting() const { return arrived_.size(); }
  void forget() { arrived_.clear(); }

  bool answers_neighbors = true;
  /// Sets MLD reports aside, as it does what neighbors say.
  bool hides_reports = true;
  /// Under AddressSanitizer what lies around a frame in its mbuf must not be touched.
  bool fences_frames = true;
  /// Sees each frame first; returning true keeps it from arriving. For losing frames on purpose.
  std::function<bool(const Frame&)> filter;

  /// What the wire's device wrote into the mbuf of each frame that is sent, where the Stack's port has
  /// timestamps.
  std::optional<uint64_t> stamp;

  uint64_t n_sent() const { return n_sent_; }
  /// ARP requests and neighbor solicitations that asked for somebody.
  uint64_t n_neighbor_questions() const { return n_questions_; }
  /// Whom the last of them asked for.
  const IpAddress& last_asked_for() const { return last_asked_for_; }
  Mac mac() const { return port_.mac(); }
  const Mac& stack_mac() const { return stack_mac_; }

 private:
  void arrive(const Bytes& bytes, uint64_t now_ms);
  bool is_neighbor_talk(const Frame& frame);
  void answer_arp(const Frame& frame);
  void answer_solicitation(const Frame& frame);

  Port& port_;
  Pool& pool_;
  Mac stack_mac_;
  std::deque<Arrival> arrived_;
  uint64_t n_sent_ = 0;
  uint64_t n_questions_ = 0;
  IpAddress last_asked_for_;
};

// Frames between the peer and the Stack; the other fields are the test's.
Frame ip_frame(uint8_t family, Host from = Host::kPeer, Host to = Host::kStack);
Frame udp_frame(uint8_t family, uint16_t from_port, uint16_t to_port, Bytes payload,
                Host from = Host::kPeer);
Frame echo_request(uint8_t family, uint16_t id, uint16_t number, const Bytes& payload);

/// What an ICMP error says of the packet in it; each family has its own type and code for it.
enum class Icmps : uint8_t { kPortUnreachable, kHostUnreachable, kNetUnreachable, kTimeExceeded };
/// An error about a frame that the Stack sent, with the first bytes of it, from the IP header on.
Frame icmp_error(Icmps what, const Frame& about, size_t quoted_bytes = 1200);
/// A router that could not forward it: "fragmentation needed", or ICMPv6's "packet too big".
Frame too_big(const Frame& about, uint32_t mtu);

}  // namespace millrace::test
