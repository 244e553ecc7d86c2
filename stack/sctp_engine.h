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
// Its addresses are AF_CONN: the small number of an association (sctp_association.h). Nothing is kept of who
// only sends INITs: what is needed later lies, with a keyed hash, behind the cookie that the peer brings back.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "millrace/winsock_codes.h"
#include "stack/sctp_association.h"
#include "stack/sctp_wire.h"


namespace millrace {

class SctpSocket;
class Stack;

class Socket;

/// False in a build without SCTP (MILLRACE_SCTP=OFF).
bool has_sctp() noexcept;
/// @pre has_sctp()
Socket* new_sctp_socket(Stack& stack, uint8_t family);

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
  void input(const SctpPath& path, SctpBytes packet, uint8_t ecn) noexcept;
  void tick(uint64_t now_ns) noexcept;
  /// True while an association has something to say, its socket being closed or not.
  bool is_sending() const noexcept;

  /// An endpoint of libusrsctp that is going to connect, whose upcalls reach the owner.
  /// @param tells_all  the peer hears of all our addresses
  /// @return null, and the error: kAddrInUse, kNoBufs
  SctpEndpoint* open(const SctpFlow& flow, bool tells_all, SctpSocket& owner, WsaError& error);
  /// Upcalls reach this one from now on, and its options are those of a connection.
  void adopt(SctpEndpoint* endpoint, SctpSocket& owner) noexcept;
  WsaError connect(SctpEndpoint* endpoint, const SctpFlow& flow) noexcept;

  /// Sockets that listen on one port, each on its address, share an endpoint.
  WsaError listen(SctpSocket& socket, uint16_t port);
  void stop_listening(SctpSocket& socket, uint16_t port) noexcept;
  /// Deals out the associations that peers have set up on this port.
  void take_connections(uint16_t port) noexcept;
  /// A peer has begun anew on an endpoint: a connection for who listens there, or an ABORT.
  /// @owner takes the endpoint
  void take_restarted(SctpEndpoint* endpoint, const SctpFlow& flow) noexcept;

  /// An association is known until it is let go as often, and 5 minutes more, in which, closed, it comes to
  /// its end.
  void hold(const SctpFlow& flow);
  void let_go(const SctpFlow& flow) noexcept;
  /// A path of the association leads out of a port of ours.
  bool has_way(const SctpFlow& flow) noexcept;

 private:
  struct Listener {
    SctpEndpoint* endpoint = nullptr;
    std::vector<SctpSocket*> sockets;
  };
  /// The packet that is being received, which libusrsctp may answer.
  struct InHand {
    SctpFlow flow;
    uint64_t number = 0;  ///< 0: there is none
    SctpAssociation* association = nullptr;
    uint32_t peer_tag = 0;  ///< of an INIT
    std::vector<IpAddress> listed;

    bool is_answered_by(uint64_t to, SctpBytes packet) const noexcept {
      return number == to && sctp_source_port(packet) == flow.local_port && sctp_target_port(packet) == flow.peer_port;
    }
  };
  struct CookieTail;
  struct Idle {
    uint64_t number;
    uint16_t local_port, peer_port;
  };

  static int transmit(void* address, void* packet, size_t bytes, uint8_t tos, uint8_t forbids_fragments);
  static void on_news(SctpEndpoint* endpoint, void* owner, int);
  static void on_connection(SctpEndpoint* endpoint, void* listener, int);

  // Packets (sctp_input.cc).
  void note(SctpChunk first, SctpBytes packet) noexcept;
  void input_cookie(SctpBytes packet, uint8_t ecn) noexcept;
  void accept(const CookieTail& tail, uint32_t own_tag);
  bool send(uint64_t number, SctpBytes packet, uint8_t tos) noexcept;
  bool send_init(SctpAssociation* association, SctpBytes packet, uint8_t tos);
  SctpPath route(SctpAssociation* association, bool is_answer, SctpBytes packet) noexcept;
  void put_tail(std::vector<uint8_t>& init_ack) const;
  uint64_t mac_of(const CookieTail& tail, const SctpFlow& flow, uint32_t own_tag) const noexcept;
  std::vector<IpAddress> own_addresses(const SctpPath& path, bool tells_all) const;
  std::vector<IpAddress> addresses_told_by_listener(const SctpFlow& flow) const;
  std::vector<IpAddress> fit(const std::vector<IpAddress>& listed, const SctpPath& path) const;
  void add_flows(SctpAssociation& association);
  void open_paths(SctpAssociation& association);
  void watch(SctpAssociation& association);
  void probe(uint64_t now_ns) noexcept;

  SctpEndpoint* open(uint16_t port, uint64_t number, SctpSocket& owner, WsaError& error);
  void register_numbers(uint64_t up_to) noexcept;
  void forget_idle(uint64_t now_ns) noexcept;
  void set_link_mtu(const SctpFlow& flow) noexcept;
  SctpSocket* listener_for(const Listener& listener, const SctpPath& path) const noexcept;

  Stack& stack_;
  const SctpKey key_;
  SctpAssociations associations_;
  std::deque<Idle> idle_;  ///< associations without holders, the longest first
  std::map<uint16_t, Listener> listeners_;
  std::vector<SctpAssociation*> watched_;  ///< those with several paths
  InHand in_hand_;
  bool is_ticking_ = false;
  uint64_t n_registered_ = 0;
  uint64_t last_tick_ns_;
  uint64_t next_probe_ns_ = 0;
};

}  // namespace millrace
