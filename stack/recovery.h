// SPDX-License-Identifier: BSD-3-Clause
// A connection's sending side under loss, where lwIP's own is too weak: SACK blocks are heeded
// (RFC 2018, RFC 2883), losses are found by time (RACK-TLP, RFC 8985), repaired within one round
// trip, and the window follows RFC 6937, RFC 9438 and RFC 6298.
//
//   before_send()   before data or a FIN leaves: whoever only receives has none of this
//   on_header()     before lwIP reads a segment: what it acknowledges, and, if nothing is amiss,
//                   the window that lwIP's tcp_output() may fill at the end of its input
//   after_input()   after it, and only if something is amiss: what is lost, what to send again
//   on_output()     each segment that leaves: when, and whether again
//   on_timer()      each 10 ms, the connections with data in flight: reordering, tail loss, timeout
//
// lwIP keeps the queues and sends; it is told when by two of its numbers. pcb->cwnd is set so that
// tcp_output()'s rule "no further than lastack + cwnd" allows what the true window leaves beside
// what is in flight; pcb->rtime stays -1, so that lwIP counts no duplicate acknowledgements and has
// no timeout. The handshake, the persist timer and keep-alive stay lwIP's, and so does the end of a
// connection whose retransmissions ran out. A Recovery is an ext_arg of its pcb and goes with it,
// so it outlives the socket while closed connections send what they have.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "lwip/priv/tcp_priv.h"
#include "stack/congestion.h"
#include "stack/lwip/slab.h"
#include "stack/scoreboard.h"

namespace millrace {

/// RFC 6298, with Linux's least RTO: srtt + max(4 rttvar, 200 ms).
class RoundTrip {
 public:
  void measure(uint64_t rtt_ns, uint64_t now_ns) noexcept;
  uint64_t rto_ns() const noexcept { return rto_ns_; }
  uint64_t srtt_ns() const noexcept { return srtt_ns_; }
  uint64_t least_ns() const noexcept { return least_ns_; }

 private:
  uint64_t srtt_ns_ = 0;
  uint64_t rttvar_ns_ = 0;
  uint64_t rto_ns_ = 1'000'000'000;  // RFC 6298 2.1
  uint64_t least_ns_ = 0;
  uint64_t least_since_ns_ = 0;
};

class Recovery {
 public:
  static void before_send(tcp_pcb& pcb) noexcept {
    if (of(pcb) == nullptr) create(pcb);
  }
  static void on_header(tcp_pcb& pcb, const tcp_hdr& header, uint16_t options_bytes,
                        uint16_t payload_bytes) noexcept;
  static void after_input() noexcept {
    if (pending_ != nullptr) pending_->finish_input();
  }
  static void on_output(const tcp_pcb& pcb, pbuf& p, const tcp_hdr& header) noexcept;
  static void on_timer(uint64_t now_ns) noexcept;
  bool is_amiss() const noexcept {
    return board_ != nullptr || state_ != State::kOpen || is_probing_;
  }
  /// The next acknowledgement where nothing is amiss: what it covers was sent in order. Before the pcb
  /// knows of it.
  void advance(uint32_t ack) noexcept;
  /// A router says that segments, options left out, may be no longer. @return false: they are
  /// shorter
  bool on_path_mtu(uint16_t mss) noexcept;
  /// lwIP's tcp_output() and tcp_write(), which walk to the end of their queues, without the walk:
  /// they are shown the last segment alone (send_queue.cc).
  static err_t output(tcp_pcb& pcb) noexcept;
  static err_t write(tcp_pcb& pcb, const void* data, uint16_t bytes) noexcept;
  /// Of connections to come.
  static CongestionControl congestion_control;

  static constexpr uint8_t kBlackHoleTimeouts = 3;  ///< in a row; Linux: tcp_retries1
  static constexpr uint8_t kExtArg = 1;             ///< of a pcb; 0 is Demux's
  /// Until there is a Recovery the round trip of the handshake stands there: ns << 1 | kIsRoundTrip.
  static constexpr uintptr_t kIsRoundTrip = 1;

  explicit Recovery(tcp_pcb& pcb) noexcept : pcb_(pcb) {}
  /// Beside its pcb. @return null: no memory
  static void* operator new(size_t bytes) noexcept { return millrace_slab_malloc(bytes); }
  static void operator delete(void* memory) noexcept { millrace_slab_free(memory); }
  ~Recovery();
  Recovery(const Recovery&) = delete;
  Recovery& operator=(const Recovery&) = delete;

  const Congestion& congestion() const noexcept { return congestion_; }
  const RoundTrip& round_trip() const noexcept { return round_trip_; }
  struct Tally {
    uint32_t resent_bytes = 0;
    uint32_t resent_fast = 0;  ///< segments, not for a timeout
    uint32_t timeouts = 0;
  };
  const Tally& tally() const noexcept { return tally_; }
  /// @return null: it has never sent data
  static Recovery* of(const tcp_pcb& pcb) noexcept {
    void* const data = pcb.ext_args[kExtArg].data;
    const bool is_round_trip = (reinterpret_cast<uintptr_t>(data) & kIsRoundTrip) != 0;
    return is_round_trip ? nullptr : static_cast<Recovery*>(data);
  }

 private:
  enum class State : uint8_t { kOpen, kRepair, kTimeout };

  /// What one segment of the peer told.
  struct News {
    uint64_t now_ns = 0;
    Newest original;      ///< the newest that was sent once; rtt_ns 0: none
    uint32_t bytes = 0;   ///< that arrived and were not known to
    bool is_ack = false;  ///< una moved
    bool is_duplicate = false;
    bool has_dsack = false;
    bool has_disproved = false;      ///< with it, each retransmission was needless
    bool has_lost_original = false;  ///< something that a timeout gave up, and was sent once
    bool has_echo = false;
    uint32_t echo = 0;  ///< our timestamp, come back (RFC 7323)
    std::array<SackBlock, 4> blocks;
    uint8_t n_blocks = 0;
  };

  /// The last segments of pcb->unacked and pcb->unsent, as they were when the queues ended at these
  /// numbers; with other ends they say nothing.
  struct Ends {
    tcp_seg* sent = nullptr;
    tcp_seg* queued = nullptr;
    uint32_t sent_end = 0;
    uint32_t queued_end = 0;
  };

  static void note_handshake(tcp_pcb& pcb) noexcept;
  static void create(tcp_pcb& pcb) noexcept;
  void begin(uint64_t rtt_ns) noexcept;
  void settle_una(uint32_t ack) noexcept;
  void allow_for_lwip(uint32_t ack) noexcept;
  void read_header(const tcp_hdr& header, uint16_t options_bytes, uint16_t payload_bytes) noexcept;
  void read_echo(const uint8_t* options, size_t length, News& news) const noexcept;
  void read_sacks(const uint8_t* options, size_t length, uint32_t ack, News& news) noexcept;
  void take_dsack(const SackBlock& block, News& news) noexcept;
  void acknowledge(uint32_t ack, News& news) noexcept;
  void arrive(const tcp_seg& segment, News& news) noexcept;
  void take_blocks(News& news) noexcept;
  void measure(const News& news) noexcept;
  void grow(uint32_t bytes, uint64_t rtt_ns, uint64_t now_ns) noexcept;
  bool is_window_used(uint32_t in_flight_before) noexcept;
  void finish_input() noexcept;
  void react(News& news) noexcept;
  void count_duplicates(News& news) noexcept;
  void find_lost(uint64_t now_ns) noexcept;
  void try_undo(const News& news) noexcept;
  void judge_probe(const News& news) noexcept;
  void enter_repair() noexcept;
  void leave() noexcept;
  void reduce_in_proportion(uint32_t delivered_bytes) noexcept;
  uint64_t tolerance_ns() const noexcept;
  Scoreboard& board();

  // recovery_send.cc
  void note_output(Sent& sent, uint32_t begin, uint32_t length, uint64_t now_ns) noexcept;
  void transmit() noexcept;
  bool resend(tcp_seg& segment) noexcept;
  void open_gate() noexcept;
  void arm(uint64_t now_ns) noexcept;
  void tick(uint64_t now_ns) noexcept;
  uint64_t backed_off_rto_ns() const noexcept;
  bool is_tail_due(uint64_t now_ns) const noexcept;
  void probe_tail(uint64_t now_ns) noexcept;
  void time_out(uint64_t now_ns) noexcept;
  bool is_given_up(uint64_t now_ns) const noexcept;
  bool hand_to_persist_timer() noexcept;
  void link() noexcept;
  void unlink() noexcept;

  // recovery_mtu.cc
  void suspect_black_hole() noexcept;
  void lower_mss(uint16_t mss) noexcept;
  void restore_mss() noexcept;

  uint32_t in_flight() const noexcept;
  bool has_sack() const noexcept { return (pcb_.flags & TF_SACK) != 0; }
  static Recovery* pending_;  ///< its segment is with lwIP, and something is amiss
  static News news_;          ///< of that segment
  static Recovery* busy_;     ///< the first of those with data in flight

  tcp_pcb& pcb_;
  State state_ = State::kOpen;
  bool is_linked_ = false;
  bool is_probing_ = false;  ///< a tail loss probe is out
  bool probe_was_resent_ = false;
  bool has_seen_reordering_ = false;
  bool may_undo_ = false;
  uint8_t n_timeouts_ = 0;
  uint8_t n_duplicates_ = 0;      ///< without SACK
  uint8_t tolerance_factor_ = 1;  ///< quarters of the least RTT, RFC 8985 6.2 step 4
  uint8_t n_calm_repairs_ = 0;
  uint16_t full_mss_ = 0;  ///< before a path turned out to carry less
  uint32_t una_ = 0;
  uint32_t sent_end_ = 0;  ///< of what is in pcb->unacked
  uint32_t ever_sent_end_ = 0;
  uint32_t arrived_end_ = 0;  ///< highest that is known to have arrived
  uint32_t repair_end_ = 0;   ///< with all below acknowledged the episode is over
  uint32_t undo_begin_ = 0;
  uint32_t n_to_disprove_ = 0;       ///< retransmissions that no D-SACK called needless
  uint32_t first_resent_stamp_ = 0;  ///< the timestamp of the first of them
  uint32_t probe_end_ = 0;
  uint32_t tolerance_grown_at_ = 0;
  uint32_t prr_delivered_ = 0;
  uint32_t prr_sent_ = 0;
  uint32_t prr_flight_ = 0;
  uint32_t most_in_flight_ = 0;
  uint32_t most_in_flight_end_ = 0;
  Newest newest_;
  RoundTrip round_trip_;
  Tally tally_;
  Congestion congestion_;
  std::unique_ptr<Scoreboard> board_;
  uint64_t timeout_at_ns_ = 0;   ///< of the oldest segment, or of an idle window
  uint64_t stalled_since_ns_ = 0;  ///< of the timeouts in a row, when what they are about was sent
  uint64_t quiet_since_ns_ = 0;  ///< neither new data nor an acknowledgement of some
  uint64_t lost_at_ns_ = 0;      ///< when a hole will be too old; 0: off
  Ends ends_;
  uint64_t full_size_at_ns_ = 0;  ///< when full_mss_ is pcb->mss again; 0: it is
  Recovery* next_ = nullptr;
  Recovery** link_ = nullptr;
};

}  // namespace millrace
