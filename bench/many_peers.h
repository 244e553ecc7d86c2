// SPDX-License-Identifier: BSD-3-Clause
// A Stack and, on the other end of a ring port, peers that are made up frame by frame, all behind one
// gateway. Only the Stack's work is timed, not the peers'.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "dpdk_io/clock.h"
#include "dpdk_io/mbuf.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "stack/socket.h"
#include "stack/stack.h"

namespace millrace {

/// Ends the process with this word if the world is not as the benchmark needs it.
void check(bool ok, const char* what);

class ManyPeers {
 public:
  static constexpr uint32_t kPayload = 64;
  static constexpr uint32_t kBatch = 32;
  static constexpr uint8_t kSyn = 2, kRst = 4, kPsh = 8, kAck = 16;

  struct Segment {
    uint32_t source;  ///< address, host byte order
    uint16_t source_port;
    uint8_t flags;
    uint32_t seq, ack;
    uint32_t payload_bytes;
  };
  struct Peer {
    uint32_t next_seq = 1;
    uint32_t next_ack = 0;
    Socket* socket = nullptr;
  };

  /// @param n  connections to come at most
  ManyPeers(uint32_t n, const Clock& clock, const TcpConfig& tcp = {});
  ~ManyPeers();
  ManyPeers(const ManyPeers&) = delete;
  ManyPeers& operator=(const ManyPeers&) = delete;

  /// @return nanoseconds of the Stack's work per connection
  double connect(size_t n);
  /// The peers of the last n reset them.
  void disconnect(size_t n);
  /// @return nanoseconds per segment, for connections chosen at random
  double receive(size_t n);
  /// @return nanoseconds per turn, over half a second
  double idle();
  /// Delayed ACKs go out, and nothing is left to do.
  void rest();

  // ---- what these are made of ----

  /// Of the made-up peers' end.
  void queue(const Segment& segment);
  void queue(size_t i, uint8_t flags, uint32_t payload_bytes);
  void send() { peer_port_->tx(0, out_); }
  /// Takes what the Stack sent, and what the peers have to acknowledge from it.
  void drain();
  /// Of the Stack's side.
  void turn();
  Stack& stack() { return *stack_; }
  Peer& peer(size_t i) { return peers_[i]; }

  /// @return nanoseconds that the work took
  template <typename Work>
  static double timed(Work work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double, std::nano> time = std::chrono::steady_clock::now() - begin;
    return time.count();
  }

 private:
  double connect_batch(size_t n);
  void turn_and_take(const std::array<uint32_t, kBatch>& batch);

  Config config_;
  Pool stack_pool_, peer_pool_;
  std::unique_ptr<Port> loop_, port_, peer_port_;
  std::unique_ptr<Stack> stack_;
  Socket* listener_;
  Burst out_;
  std::vector<Peer> peers_;
  std::mt19937 random_{1};
};

}  // namespace millrace
