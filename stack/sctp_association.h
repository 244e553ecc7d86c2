// SPDX-License-Identifier: BSD-3-Clause
// The associations that the Stack has, by the packets that are theirs, and the paths of each: libusrsctp
// knows one path of an association, and which of several a packet takes is decided here.
//
//   packet in:   addresses, ports -> SctpAssociation -> its number -> libusrsctp
//   packet out:  libusrsctp -> number, ports -> SctpAssociation -> one of its paths
//
// The number is what libusrsctp takes for the peer's address (AF_CONN). It tells associations of the same
// ports apart and nothing else, so that 1 is all that most have: libusrsctp walks the list of numbers.
//
// Paths (RFC 9260 6.4, 8.2, 8.3; RFC 7829 with PFMR = 0): one for each address of the peer's. What is sent goes
// by the first, the primary, until something has to be sent again because of a timeout, or a heartbeat stays
// unanswered; then by the best of the others, until a heartbeat comes back by the primary. Answers go where
// the question came from. A path that nothing has come back by carries no data (RFC 9260 5.4).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "stack/sctp_packet.h"
#include "stack/sctp_wire.h"

namespace millrace {

/// What the packets of one association have in common, as long as it has one path.
struct SctpFlow {
  SctpPath path;
  uint16_t local_port = 0;
  uint16_t peer_port = 0;

  friend bool operator==(const SctpFlow&, const SctpFlow&) noexcept = default;
};

using SctpKey = std::array<uint8_t, 16>;
/// A keyed hash, which nobody without the key can foresee.
uint64_t hash_of(const SctpFlow& flow, const SctpKey& key) noexcept;

class SctpAssociation {
 public:
  static constexpr size_t kMostPaths = 4;
  /// Why libusrsctp sends.
  enum class Occasion : uint8_t { kAnswer, kTimer, kCall };
  struct Probe {
    SctpPath path;
    uint64_t number;
  };

  SctpAssociation(const SctpFlow& flow, uint64_t number) : number_(number), flow_(flow), paths_{{flow.path}} {}

  uint64_t number() const noexcept { return number_; }
  /// By which it was set up.
  const SctpFlow& flow() const noexcept { return flow_; }
  bool has_several_paths() const noexcept { return paths_.size() > 1; }
  std::vector<SctpPath> paths() const;

  /// It begins, or begins anew, with one path.
  void begin(uint32_t own_tag, uint32_t peer_tag) noexcept;
  /// Another one, which nothing has come by yet.
  void add_path(const SctpPath& path) { paths_.push_back({path, false}); }

  /// Where a packet goes. @param came_by  of an answer: the question's way, reversed
  SctpPath route(SctpBytes packet, Occasion occasion, const SctpPath& came_by, uint64_t now_ns) noexcept;
  /// A packet has come. @return it answers heartbeats of ours
  bool note(SctpBytes packet, uint64_t now_ns) noexcept;
  /// The HEARTBEATs that are due.
  std::vector<Probe> due_probes(uint64_t now_ns);
  uint64_t next_probe_ns() const noexcept;
  /// How often another path was taken since the last call.
  uint32_t take_changes() noexcept { return std::exchange(n_changes_, 0); }

  uint32_t own_tag = 0;   ///< in packets to us
  uint32_t peer_tag = 0;  ///< in packets to the peer
  std::vector<IpAddress> own_addresses;  ///< that the peer is told, or was; one: nobody has to be told
  std::vector<IpAddress> listed;         ///< by the peer, beside the first
  std::vector<SctpFlow> more_flows;      ///< packets of which are its, too
  bool is_watched = false;               ///< its paths are probed
  uint32_t n_holders = 0;
  uint64_t idle_since_ns = 0;

 private:
  struct Path {
    SctpPath path;
    bool is_confirmed = true;
    uint8_t n_errors = 0;  ///< timeouts, until a heartbeat comes back
    bool is_probed = false;
    uint64_t number = 0;  ///< in the last HEARTBEAT
    uint64_t due_ns = 0;  ///< the next one
  };

  void note_timeout(uint64_t now_ns) noexcept;
  void choose() noexcept;

  const uint64_t number_;
  const SctpFlow flow_;
  std::vector<Path> paths_;  ///< the first is the primary
  size_t in_use_ = 0;
  uint32_t n_changes_ = 0;
  uint64_t timeout_at_ns_ = 0;  ///< the last one: all that a timer sends is one
  std::optional<uint32_t> highest_tsn_;
  bool awaits_heartbeat_ = false;  ///< of libusrsctp's own
};

class SctpAssociations {
 public:
  explicit SctpAssociations(const SctpKey& key) : key_(key), by_flow_(0, Hash{&key_}) {}

  SctpAssociation* find(const SctpFlow& flow) noexcept;
  SctpAssociation* find(uint64_t number, uint16_t local_port, uint16_t peer_port) noexcept;
  /// The least number that no other association of these ports has. @param binds  nor any of this local port
  uint64_t free_number(uint16_t local_port, uint16_t peer_port, bool binds) const noexcept;
  SctpAssociation& add(const SctpFlow& flow, uint64_t number, bool binds);
  /// Packets between two more addresses are its, unless they are another's.
  void add_flow(const SctpFlow& flow, SctpAssociation& association);
  void remove(SctpAssociation& association);

 private:
  struct Hash {
    const SctpKey* key;
    size_t operator()(const SctpFlow& flow) const noexcept { return hash_of(flow, *key); }
  };
  struct Owned {
    std::unique_ptr<SctpAssociation> association;
    bool binds = false;
  };
  struct Mixed {  ///< ports are a peer's choice
    const SctpKey* key;
    size_t operator()(uint64_t ports) const noexcept;
  };

  const SctpKey key_;
  std::unordered_map<SctpFlow, SctpAssociation*, Hash> by_flow_;
  std::unordered_map<uint64_t, Owned, Mixed> by_number_{0, Mixed{&key_}};
  std::set<std::pair<uint64_t, uint16_t>> bound_;  ///< numbers and local ports of those that connect
  SctpAssociation* last_ = nullptr;                ///< that was found: packets come in rows
  SctpFlow last_flow_;
};

}  // namespace millrace
