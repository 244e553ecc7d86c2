// SPDX-License-Identifier: BSD-3-Clause
// Which of a connection's segments in flight have arrived, and which are lost (RFC 2018, RFC 8985).
//
//   pcb->unacked   | s | S | S | l | S | s | s | s |     s in flight, S SACKed, l lost
//                    ^           ^       frontier_ ^
//                    holes_ -----+       behind it nothing has been looked at yet
//
// Each segment carries its marks in its mbuf (Sent). What is behind the frontier was sent after
// everything that is known to have arrived. The holes are the segments before it that have not
// arrived: losses are looked for, and found, among them only, so an acknowledgement costs what it
// tells, not the length of the window. A connection has a Scoreboard only while it has holes.
//
// Invariant: no hole and no frontier is kept that lwIP frees: acknowledge() comes before it does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "lwip/priv/tcp_priv.h"
#include "stack/lwip/port.h"

namespace millrace {

enum SentMark : uint8_t {
  kSacked = 1,
  kLost = 2,    ///< and not sent again since
  kResent = 4,  ///< sent more than once: its acknowledgement measures no round trip (Karn)
};

struct SackBlock {
  uint32_t left;
  uint32_t right;
};

inline Sent& sent_of(const tcp_seg& segment) { return sent_of(segment.p); }
inline uint32_t begin_of(const tcp_seg& segment) { return lwip_ntohl(segment.tcphdr->seqno); }
inline uint32_t length_of(const tcp_seg& segment) { return TCP_TCPLEN(&segment); }
inline uint32_t end_of(const tcp_seg& segment) { return begin_of(segment) + length_of(segment); }

/// The newest transmission that is known to have arrived, and how long it took (RFC 8985 6.2).
struct Newest {
  uint64_t at_ns = 0;
  uint32_t end = 0;
  uint64_t rtt_ns = 0;

  /// True for one sent before it; those of the same moment left in the order of their numbers.
  bool is_after(const Sent& sent, uint32_t other_end) const {
    return sent.at_ns < at_ns || (sent.at_ns == at_ns && TCP_SEQ_LT(other_end, end));
  }
};

class Scoreboard {
 public:
  struct Hole {
    tcp_seg* segment;
    uint32_t begin;
  };

  Scoreboard(const tcp_pcb& pcb, uint32_t una) : pcb_(pcb), una_(una) {}

  uint32_t sacked_bytes = 0;
  uint32_t lost_bytes = 0;
  uint32_t n_sacked = 0;
  const std::vector<Hole>& holes() const { return holes_; }
  bool has_nothing() const { return holes_.empty() && n_sacked == 0; }

  /// Marks what a block covers. @param on_arrival  called with (tcp_seg&) for each segment that it
  /// is the first to name
  template <typename OnArrival>
  void sack(SackBlock block, OnArrival on_arrival);
  /// Everything below una is gone; before lwIP frees it. Counts were settled by on_acknowledged().
  void acknowledge(uint32_t una);
  /// One segment below the new una.
  void on_acknowledged(const tcp_seg& segment);
  /// A lost one is on its way again.
  void on_resent(const tcp_seg& segment);

  /// Marks what was sent so long before the newest arrival that it must be lost.
  /// @param[out] wait_ns  how long until the next one would be; 0: there is none
  /// @return true if some were marked
  bool find_lost(const Newest& newest, uint64_t tolerance_ns, uint64_t now_ns, uint64_t& wait_ns);
  /// A timeout: all that has not arrived is lost.
  void lose_all();
  /// What is longer, and has not arrived, never will.
  void lose_longer_than(uint32_t bytes);
  /// A segment that has not arrived was cut; the rest is behind it in the queue, with the same
  /// marks.
  void on_split(tcp_seg& segment, tcp_seg& rest);
  /// The first segment alone, where the peer tells no more.
  void lose_first();
  /// The timeout was wrong: nothing is lost.
  void unlose();
  /// The peer took back what it had SACKed, which RFC 2018 allows.
  void forget_sacked();

 private:
  tcp_seg* unseen() const {
    tcp_seg* s = frontier_ != nullptr ? frontier_->next : pcb_.unacked;
    while (s != nullptr && TCP_SEQ_LEQ(end_of(*s), una_)) s = s->next;  // lwIP keeps it
    return s;
  }
  void pass(tcp_seg& segment);
  void lose(const tcp_seg& segment);
  void arrive(tcp_seg& segment);

  const tcp_pcb& pcb_;
  uint32_t una_;
  tcp_seg* frontier_ = nullptr;  ///< the last one before it; null: it is before the first
  std::vector<Hole> holes_;      ///< by number
};

template <typename OnArrival>
void Scoreboard::sack(SackBlock block, OnArrival on_arrival) {
  const auto first = std::lower_bound(
      holes_.begin(), holes_.end(), block.left,
      [](const Hole& hole, uint32_t left) { return TCP_SEQ_LT(hole.begin, left); });
  auto last = first;
  for (; last != holes_.end() && TCP_SEQ_LT(last->begin, block.right) &&
         TCP_SEQ_LEQ(end_of(*last->segment), block.right);
       ++last) {
    on_arrival(*last->segment);
    arrive(*last->segment);
  }
  holes_.erase(first, last);
  for (tcp_seg* s = unseen(); s != nullptr && TCP_SEQ_LEQ(end_of(*s), block.right); s = s->next) {
    if (TCP_SEQ_GEQ(begin_of(*s), block.left)) {
      on_arrival(*s);
      arrive(*s);
      frontier_ = s;
    } else {
      pass(*s);
    }
  }
}

}  // namespace millrace
