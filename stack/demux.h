// SPDX-License-Identifier: BSD-3-Clause
// Demux keeps lwIP's control blocks (pcbs) where a packet, a call or a timer finds its own among a
// hundred thousand without a walk. lwIP 2.2.1 keeps each kind on one list, in a global, and walks it
// per packet and per timer. Between calls those globals are empty here. Around each call into lwIP a
// Scope puts there the few pcbs that the call is about, and takes back what lwIP left.
//
//   connections, TIME_WAIT   a bucket by keyed hash of the 4-tuple      Scope(bucket)
//   listeners, UDP           a list per local port                      Scope(bucket, port), UdpScope(port)
//   bound, nothing more      no list: its socket knows it               Scope(null, pcb)
//
// Timers: a bucket is looked at when the earliest of its pcbs can have something to do, which every
// Scope works out anew as it ends; idle connections cost nothing.
//
// Invariants: outside of a Scope lwIP's lists are empty. Scopes nest: the inner one hands the outer
// one's lists back to their bucket first. Every lwIP function that touches a list or starts a timer is
// called here and nowhere else; behind this header the compiler refuses their names.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dpdk_io/mbuf.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "stack/counters.h"

namespace millrace {

struct Arrival;
struct Segment;

class Demux {
 public:
  /// @param most_connections  that are expected at a time; more only make it slower
  Demux(uint32_t most_connections, Counters& counters);
  ~Demux();
  static constexpr uint32_t kMostBuckets = 1u << 22;
  /// Its share of the table, at least.
  static constexpr size_t kBytesPerConnection = 128;
  /// Of those made from now on; tests make lists long with it.
  static inline uint32_t most_buckets = kMostBuckets;
  Demux(const Demux&) = delete;
  Demux& operator=(const Demux&) = delete;

  // ---- from lwIP's IP layer, with fragments put together ----

  void tcp_in(pbuf* segment, netif* from) noexcept;
  void udp_in(pbuf* datagram, netif* from) noexcept;
  /// The frames of these two are nearly all (demux_predicted.cc); they are not lwIP's.
  /// @owner takes the segment's mbuf if true @return false: nothing has changed, and lwIP is to have it
  bool tcp_in_predicted(const Segment& segment, const Arrival& arrival) noexcept;
  bool udp_in_predicted(const Segment& segment, const Arrival& arrival) noexcept;
  /// The segment in hand once more, its pcb having gone or come, or one that we made up: nobody
  /// verifies its checksum.
  void tcp_in_again(pbuf* segment, netif* from) noexcept;

  class Expected;
  /// Fetches the object that a pcb's argument points to into the caches.
  void (*fetch_socket)(const void* socket) = nullptr;
  /// How long an acknowledgement may wait for company: fast ticks, 1 .. kMostAckDelay; set before the first segment.
  uint32_t ack_delay = 1;
  static constexpr uint32_t kMostAckDelay = 50;

  // ---- lwIP's calls on a connection or listener ----

  err_t bind(tcp_pcb& pcb, const ip_addr_t& address, uint16_t port) noexcept;
  /// @return the listener, and pcb is gone; or null and the error
  tcp_pcb* listen(tcp_pcb& pcb, uint8_t backlog, err_t& error) noexcept;
  /// The pcb is bound to an address and a port.
  err_t connect(tcp_pcb& pcb, const ip_addr_t& peer, uint16_t port, tcp_connected_fn done) noexcept;
  /// Ends it: with FIN, or, where lwIP has no memory for that, with RST.
  void close(tcp_pcb& pcb) noexcept;
  void abort(tcp_pcb& pcb) noexcept;
  /// The same without a word to the peer.
  void drop(tcp_pcb& pcb) noexcept;
  void shut_send(tcp_pcb& pcb) noexcept;
  void output(tcp_pcb& pcb) noexcept;
  /// The application has taken so much: the window opens.
  void recved(tcp_pcb& pcb, uint32_t bytes) noexcept;
  /// The silence that keep-alive counts begins now.
  void restart_keep_alive(tcp_pcb& pcb) noexcept;
  /// Something that timers look at has changed.
  void rearm(const tcp_pcb& pcb) noexcept;
  /// The connection of this 4-tuple. @return null: there is none
  tcp_pcb* find(const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
                uint16_t peer_port) const noexcept;
  /// How long ago the peer's last segment came.
  uint64_t silent_ms(const tcp_pcb& pcb) const noexcept;
  /// True if this 4-tuple has a pcb, in TIME_WAIT or alive.
  bool has(const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
           uint16_t peer_port) const noexcept;

  // ---- UDP ----

  err_t bind(udp_pcb& pcb, const ip_addr_t& address, uint16_t port) noexcept;
  void remove(udp_pcb& pcb) noexcept;
  /// For what lwIP does to pcbs of its own on this port.
  void with_port(uint16_t port, void (*operation)(void* context), void* context) noexcept;

  // ---- time ----

  /// Every TCP_FAST_INTERVAL: delayed ACKs, refused data.
  void fast_tick() noexcept;
  /// Every TCP_SLOW_INTERVAL: everything else.
  void slow_tick() noexcept;
  /// Visits some of those whose time a tick has brought; ten thousand ACKs at once would overrun the
  /// NIC's ring. What is left when the next tick comes is visited then.
  /// @return true if there was something to do
  bool run_timers(uint32_t most) noexcept;

  // ---- all of them ----

  /// True while a connection that its socket has left has something to send.
  bool is_sending() const noexcept;
  void abort_all() noexcept;
  /// For what lwIP does to every pcb, such as a changed address: all of them on its lists.
  template <typename Operation>
  void with_all(Operation operation) noexcept;

 private:
  /// Two to a line of the cache: none is in two lines.
  struct alignas(32) Bucket {
    tcp_pcb* active;
    tcp_pcb* time_wait;
    uint32_t look_at;  ///< slow tick at which a wheel's entry for it is valid; 0: none
    uint32_t hurried_at;  ///< fast tick at which an entry of hurried_ is valid; 0: none
    bool is_hurried;      ///< the entry is wanted still
  };
  /// Buckets that a tick wants visited, and how far that is.
  struct Visits {
    std::vector<Bucket*> buckets;
    size_t next = 0;

    bool at_end() const noexcept { return next == buckets.size(); }
    void begin(std::vector<Bucket*>& due) noexcept {
      buckets.clear();
      buckets.swap(due);
      next = 0;
    }
    /// Fetches the lists that a timer comes to later, and soon the pcbs on those that it will look at.
    template <typename IsDue>
    void fetch_ahead(IsDue is_due) const noexcept;
  };
  class Scope;
  class UdpScope;

  Bucket& bucket_of(const ip_addr_t& local, uint16_t local_port, const ip_addr_t& peer,
                    uint16_t peer_port) const noexcept;
  Bucket& bucket_of(const tcp_pcb& pcb) const noexcept;
  Bucket& bucket_of(const Segment& segment) const noexcept;
  const Bucket* bucket_for(rte_mbuf& frame) const noexcept;
  void rearm(Bucket& bucket) noexcept;
  void rearm(tcp_pcb& pcb, Bucket& bucket) noexcept;
  void arm(const tcp_pcb& pcb, Bucket& bucket) noexcept;
  void hurry(Bucket& bucket, uint32_t delay) noexcept;
  void look_at(Bucket& bucket, uint32_t tick) noexcept;
  static uint32_t next_look(const tcp_pcb& pcb, uint32_t now) noexcept;
  bool is_due(const Bucket& bucket) const noexcept;
  void forget_listener(const tcp_pcb& listener) noexcept;
  uint32_t visit_hurried(uint32_t most) noexcept;
  uint32_t visit_due(uint32_t most) noexcept;
  void run_timer(Bucket& bucket, void (*timer)()) noexcept;
  void splice_all() noexcept;
  void split_all() noexcept;

  static constexpr uint32_t kWheelSlots = 1024;  // 41 s; who is due later is looked at in between

  struct Unmap {
    size_t bytes;
    void operator()(void* memory) const noexcept;
  };
  template <typename T>
  using Table = std::unique_ptr<T[], Unmap>;
  /// Zeros that cost no memory until they are written. @throws std::bad_alloc
  template <typename T>
  static Table<T> zeroed(size_t n);

  const uint32_t mask_;
  const uint32_t key_;
  const Table<Bucket> buckets_;
  const Table<tcp_pcb_listen*> listeners_;  ///< by local port
  const Table<udp_pcb*> datagrams_;         ///< by local port
  Scope* scope_ = nullptr;                              ///< the innermost
  UdpScope* udp_scope_ = nullptr;
  std::array<std::vector<Bucket*>, kWheelSlots> wheel_;
  std::array<std::vector<Bucket*>, kMostAckDelay + 1> hurried_;  ///< by fast tick, as many as ack_delay wants
  Visits fast_visits_, slow_visits_;
  uint32_t tick_ = 1;
  uint32_t fast_tick_ = 1;
  Counters& counters_;
};

/// Fetches into the caches what the frames of a burst will be about, each shortly before its turn.
class Demux::Expected {
 public:
  /// @param frames  at most kBurstMax
  Expected(const Demux& demux, std::span<rte_mbuf* const> frames) noexcept;
  /// Frame i is next.
  void before(size_t i) noexcept;

 private:
  static constexpr size_t kAheadPcb = 4, kAheadSocket = 2;

  void fetch_pcb(size_t i) const noexcept;
  void fetch_socket(size_t i) const noexcept;

  const Demux& demux_;
  const size_t n_;
  std::array<const Bucket*, kBurstMax> buckets_;
};

template <typename Operation>
void Demux::with_all(Operation operation) noexcept {
  splice_all();
  operation();
  split_all();
}

}  // namespace millrace

#ifndef MILLRACE_DEMUX_ITSELF
#pragma GCC poison tcp_active_pcbs tcp_tw_pcbs tcp_bound_pcbs tcp_listen_pcbs udp_pcbs
#pragma GCC poison tcp_input tcp_bind tcp_listen_with_backlog_and_err tcp_connect tcp_shutdown
#pragma GCC poison tcp_close tcp_abort tcp_abandon tcp_output tcp_recved tcp_slowtmr tcp_fasttmr
#pragma GCC poison tcp_tmr tcp_ticks udp_input udp_bind udp_remove udp_connect
#endif
