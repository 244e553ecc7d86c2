// SPDX-License-Identifier: BSD-3-Clause
// SctpEngine binds libusrsctp, which does SCTP's work (RFC 9260), to the Stack.
//
//   input():    a packet from lwIP  -> usrsctp_conninput -> associations -> SctpSocket::note
//   transmit(): libusrsctp's output -> send_sctp (sctp_wire.h)
//   tick():     its timers, from the Stack's fast timer
//
// libusrsctp has one state per process, so the first Stack has the engine, and SCTP sockets live there.
// It runs without threads of its own (usrsctp_init_nothreads); whatever calls it holds the Stack's lock.
// It is started by the first SCTP socket and stopped with the Stack.
//
// Its addresses are AF_CONN: a number for each SctpPath, since a packet's address is the same on its way in
// and out. The number is a keyed hash and no pointer, for it travels in cookies: peers see it.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "millrace/winsock_codes.h"
#include "stack/sctp_wire.h"


namespace millrace {

class SctpSocket;
class Stack;

/// Ends its association gracefully, or with an ABORT. No upcall comes any more.
void close_sctp(SctpEndpoint* endpoint, bool graceful) noexcept;

class SctpEngine {
 public:
  /// @pre there is none in this process
  explicit SctpEngine(Stack& stack);
  ~SctpEngine();
  SctpEngine(const SctpEngine&) = delete;
  SctpEngine& operator=(const SctpEngine&) = delete;

  /// @param[in,out] packet  its checksum is right, the field 0
  /// @param         ecn     the two bits of its IP header
  void input(const SctpPath& path, std::span<const uint8_t> packet, uint8_t ecn) noexcept;
  void tick(uint64_t now_ns) noexcept;
  /// True while an association has something to say, its socket being closed or not.
  bool is_sending() const noexcept;

  /// An endpoint of libusrsctp with this local port, whose upcalls reach the owner.
  /// @param path  where it is going to connect to; null: it listens
  /// @return null, and the error: kAddrInUse, kNoBufs
  SctpEndpoint* open(uint16_t port, const SctpPath* path, SctpSocket& owner, WsaError& error);
  /// Upcalls reach this one from now on, and its options are those of a connection.
  void adopt(SctpEndpoint* endpoint, SctpSocket& owner) noexcept;
  WsaError connect(SctpEndpoint* endpoint, const SctpPath& path, uint16_t port) noexcept;

  /// Sockets that listen on one port, each on its address, share an endpoint.
  WsaError listen(SctpSocket& socket, uint16_t port);
  void stop_listening(SctpSocket& socket, uint16_t port) noexcept;
  /// Deals out the associations that peers have set up on this port.
  void take_connections(uint16_t port) noexcept;
  /// A peer has begun anew on an endpoint: a connection for who listens on this port of ours, or an ABORT.
  /// @owner takes the endpoint
  void take_restarted(SctpEndpoint* endpoint, const SctpPath& path, uint16_t port, uint16_t peer_port) noexcept;

  /// The path of an association: known until it is let go as often, and 5 minutes more, in which a closed
  /// association comes to its end.
  void hold(const SctpPath& path);
  void let_go(const SctpPath& path) noexcept;

 private:
  struct Known {
    SctpPath path;
    uint32_t n_holders = 0;
    uint64_t idle_since_ns = 0;
  };
  struct Listener {
    SctpEndpoint* endpoint = nullptr;
    std::vector<SctpSocket*> sockets;
  };

  static int transmit(void* address, void* packet, size_t bytes, uint8_t tos, uint8_t forbids_fragments);
  static void on_news(SctpEndpoint* endpoint, void* owner, int);
  static void on_connection(SctpEndpoint* endpoint, void* listener, int);

  uint64_t number_of(const SctpPath& path) const noexcept;
  const SctpPath* find(uint64_t number) const noexcept;
  void forget_idle(uint64_t now_ns) noexcept;
  SctpSocket* listener_for(const Listener& listener, const SctpPath& path) const noexcept;

  Stack& stack_;
  std::array<uint8_t, 16> key_;
  std::unordered_map<uint64_t, Known> known_;
  std::deque<uint64_t> idle_;  ///< numbers of paths without holders, the longest first
  std::map<uint16_t, Listener> listeners_;
  /// Paths of packets lately received from strangers: an association's is held when it is accepted, in the
  /// turn that set it up, so a ring is enough, and a flood of INITs costs no memory.
  std::array<std::pair<uint64_t, SctpPath>, 1024> strangers_;
  size_t n_strangers_ = 0;
  SctpPath last_;  ///< that was numbered: packets come in rows
  uint64_t last_number_ = 0;
  uint64_t last_tick_ns_;
};

}  // namespace millrace
