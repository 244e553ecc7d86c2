// SPDX-License-Identifier: BSD-3-Clause
// What leaves: the time of each segment, retransmissions by way of tcp_output(), the window that
// lwIP may fill, and the three timers of a connection with data in flight.
#include <algorithm>

#include "lwip/prot/tcp.h"
#include "stack/lwip/port.h"
#include "stack/recovery.h"
#include "stack/tcp.h"
#include "stack/tcp_options.h"

namespace millrace {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kMostRtoNs = 60'000 * kMs;  // RFC 6298 2.4
constexpr uint64_t kDelayedAckNs = 200 * kMs;  // RFC 8985 7.2, the worst case
constexpr uint64_t kTimerSlackNs = 2 * kMs;
constexpr unsigned kMostDoublings = 12;

}  // namespace

// ---- each segment that leaves ----

void Recovery::on_output(const tcp_pcb& pcb, pbuf& p, const tcp_hdr& header) noexcept {
  const unsigned flags = TCPH_FLAGS(&header);
  const uint32_t length = p.tot_len - uint32_t{TCPH_HDRLEN_BYTES(&header)} +
                          ((flags & (TCP_FIN | TCP_SYN)) != 0 ? 1 : 0);
  if (length == 0 || pcb.persist_backoff != 0) return;  // lwIP's own: it is in no queue
  // Never twice the same, so that who was sent first can be told where the clock is coarse.
  const uint64_t now_ns = std::max(engine.clock->now_ns(), engine.last_sent_ns + 1);
  engine.last_sent_ns = now_ns;
  Recovery* const self = of(pcb);
  if (self != nullptr) {
    self->note_output(sent_of(&p), lwip_ntohl(header.seqno), length, now_ns);
  } else {
    sent_of(&p) = {now_ns, 0};
    // Nobody knows when the answer to a SYN was sent that was a cookie.
    if (engine.replayed_isn != nullptr) sent_of(&p).marks = kResent;
  }
}

void Recovery::note_output(Sent& sent, uint32_t begin, uint32_t length, uint64_t now_ns) noexcept {
  sent.at_ns = now_ns;
  pcb_.rtime = -1;
  if (state_ == State::kRepair) prr_sent_ += length;
  const uint32_t end = begin + length;
  if (TCP_SEQ_LEQ(end, sent_end_)) {
    sent.marks |= kResent;
    return;
  }
  const bool was_empty = sent_end_ == una_;
  const bool is_new = TCP_SEQ_GT(end, ever_sent_end_);
  sent.marks = is_new ? 0 : kResent;
  sent_end_ = end;
  if (is_new) ever_sent_end_ = end;
  quiet_since_ns_ = now_ns;
  if (was_empty) arm(now_ns);
}

uint32_t Recovery::in_flight() const noexcept {
  const uint32_t out = sent_end_ - una_;
  if (board_ == nullptr) return out;
  return out - std::min(out, board_->sacked_bytes + board_->lost_bytes);
}

// Retransmissions come before new data.
void Recovery::transmit() noexcept {
  bool is_done = true;
  if (board_ != nullptr && board_->lost_bytes != 0) {
    for (const Scoreboard::Hole& hole : board_->holes()) {
      if ((sent_of(*hole.segment).marks & kLost) == 0) continue;
      const uint32_t flight = in_flight();
      is_done = flight == 0 || flight + length_of(*hole.segment) <= congestion_.cwnd();
      is_done = is_done && resend(*hole.segment);
      if (!is_done) break;
    }
  }
  if (is_done) {
    open_gate();
  } else {
    pcb_.cwnd = sent_end_ - pcb_.lastack;
  }
  if (pcb_.unsent != nullptr || (pcb_.flags & TF_ACK_NOW) != 0) (void)output(pcb_);
}

// tcp_output() is shown a connection that has this segment and nothing else: so it walks no list,
// finds the window open, and has no reason to wait (Nagle). @return false: not now
bool Recovery::resend(tcp_seg& segment) noexcept {
  const uint32_t begin = begin_of(segment);
  const bool fits = end_of(segment) - pcb_.lastack <= pcb_.snd_wnd;
  if (segment.p->ref != 1 || (!fits && begin != pcb_.lastack)) return false;
  tcp_seg* const unsent = pcb_.unsent;
  tcp_seg* const unacked = pcb_.unacked;
  tcp_seg* const next = segment.next;
  const u16_t oversize = pcb_.unsent_oversize;
  const tcpwnd_size_t window = pcb_.snd_wnd;
  const bool had_failed = (pcb_.flags & TF_NAGLEMEMERR) != 0;
  pcb_.unsent = &segment;
  pcb_.unacked = nullptr;
  segment.next = nullptr;
  pcb_.snd_wnd = pcb_.cwnd = UINT32_MAX;
  tcp_output(&pcb_);
  const bool is_sent = pcb_.unacked == &segment;
  segment.next = next;
  pcb_.unsent = unsent;
  pcb_.unacked = unacked;
  pcb_.unsent_oversize = oversize;
  pcb_.snd_wnd = window;
  pcb_.rttest = 0;  // lwIP's own estimate: Karn
  if (had_failed) tcp_set_flags(&pcb_, TF_NAGLEMEMERR);
  if (!is_sent) return false;
  ++engine.counters->tcp_resent;
  tally_.resent_bytes += segment.len;
  if (state_ != State::kTimeout) ++tally_.resent_fast;
  if (state_ != State::kOpen && n_to_disprove_++ == 0) {
    first_resent_stamp_ = timestamp_at(sent_of(segment).at_ns);
  }
  if (board_ != nullptr) board_->on_resent(segment);
  if (begin == pcb_.lastack) timeout_at_ns_ = sent_of(segment).at_ns + backed_off_rto_ns();
  return true;
}

// The true window counts what is in flight; tcp_output() counts from lastack.
void Recovery::open_gate() noexcept {
  const uint32_t flight = in_flight();
  const uint32_t cwnd = congestion_.cwnd();
  pcb_.cwnd = sent_end_ - una_ + (cwnd > flight ? cwnd - flight : 0);
}

// ---- timers ----

void Recovery::link() noexcept {
  if (is_linked_) return;
  is_linked_ = true;
  next_ = busy_;
  link_ = &busy_;
  if (next_ != nullptr) next_->link_ = &next_;
  busy_ = this;
}

void Recovery::unlink() noexcept {
  if (!is_linked_) return;
  is_linked_ = false;
  *link_ = next_;
  if (next_ != nullptr) next_->link_ = link_;
}

uint64_t Recovery::backed_off_rto_ns() const noexcept {
  const unsigned doublings = std::min<unsigned>(n_timeouts_, kMostDoublings);
  return std::min(round_trip_.rto_ns() << doublings, kMostRtoNs);
}

// RFC 6298 5.3. With nothing in flight it marks the end of the window's life.
void Recovery::arm(uint64_t now_ns) noexcept {
  timeout_at_ns_ = now_ns + backed_off_rto_ns();
  quiet_since_ns_ = now_ns;
  link();
}

void Recovery::on_timer(uint64_t now_ns) noexcept {
  for (Recovery* r = busy_; r != nullptr;) {
    Recovery* const next = r->next_;
    r->tick(now_ns);
    r = next;
  }
}

void Recovery::tick(uint64_t now_ns) noexcept {
  pcb_.rtime = -1;
  if (full_size_at_ns_ != 0 && now_ns >= full_size_at_ns_) restore_mss();
  if (pcb_.unacked == nullptr) {
    lost_at_ns_ = 0;
    // The port refused it: nothing but time brings it back.
    if ((pcb_.flags & TF_NAGLEMEMERR) != 0 && pcb_.unsent != nullptr) tcp_output(&pcb_);
    if (pcb_.unacked == nullptr && now_ns < timeout_at_ns_) return;
    if (pcb_.unacked == nullptr && (pcb_.unsent == nullptr || pcb_.persist_backoff != 0)) {
      congestion_.on_idle();
      open_gate();
      unlink();
      return;
    }
  }
  if (lost_at_ns_ != 0 && now_ns >= lost_at_ns_ && board_ != nullptr) {
    find_lost(now_ns);
    if (board_->lost_bytes != 0 && state_ == State::kOpen) enter_repair();
    if (state_ == State::kRepair) reduce_in_proportion(0);
    transmit();
  }
  if (now_ns >= timeout_at_ns_) {
    time_out(now_ns);
  } else if (is_tail_due(now_ns)) {
    probe_tail(now_ns);
  }
}

// RFC 8985 7.2: two round trips, and if the peer has a single segment its delayed acknowledgement.
bool Recovery::is_tail_due(uint64_t now_ns) const noexcept {
  const uint64_t srtt_ns = round_trip_.srtt_ns();
  if (pcb_.unacked == nullptr || !has_sack() || is_amiss() || srtt_ns == 0) return false;
  const uint64_t delay_ns = sent_end_ - una_ <= pcb_.mss ? kDelayedAckNs : kTimerSlackNs;
  return now_ns >= quiet_since_ns_ + 2 * srtt_ns + delay_ns;
}

// RFC 8985 7.3: new data if there is some and room for it, else the last segment once more.
void Recovery::probe_tail(uint64_t now_ns) noexcept {
  const uint32_t before = sent_end_;
  const tcp_seg* const first = pcb_.unsent;
  if (first != nullptr) {
    pcb_.cwnd = end_of(*first) - pcb_.lastack;
    tcp_set_flags(&pcb_, TF_NAGLEMEMERR);
    tcp_output(&pcb_);
    open_gate();
  }
  probe_was_resent_ = sent_end_ == before;
  if (probe_was_resent_) {
    tcp_seg* last = pcb_.unacked;
    while (last->next != nullptr) last = last->next;
    const bool is_sent = resend(*last);
    open_gate();
    if (!is_sent) return;
  }
  ++engine.counters->tcp_tail_probes;
  is_probing_ = true;
  probe_end_ = sent_end_;
  arm(now_ns);
}

// A window that the peer took back, which RFC 9293 3.8.6 discourages: lwIP's persist timer asks
// when there is room again. What was in flight waits in its queue, as if it had never been sent.
bool Recovery::hand_to_persist_timer() noexcept {
  if (end_of(*pcb_.unacked) - pcb_.lastack <= pcb_.snd_wnd) return false;
  if (board_ != nullptr) board_->forget_sacked();
  board_.reset();
  if (tcp_rexmit_rto_prepare(&pcb_) != ERR_OK) return true;
  tcp_clear_flags(&pcb_, TF_RTO);
  sent_end_ = una_;
  state_ = State::kOpen;
  n_timeouts_ = 0;
  open_gate();
  tcp_output(&pcb_);
  return true;
}

// TCP_MAXRT counts seconds, looked at in each timeout; the configuration counts timeouts.
bool Recovery::is_given_up(uint64_t now_ns) const noexcept {
  const auto* const socket = static_cast<const TcpSocket*>(pcb_.callback_arg);
  const uint32_t most_s = socket == nullptr ? 0 : socket->options.max_retransmission_s;
  if (most_s == 0) return n_timeouts_ >= millrace_tcp_max_rtx;
  if (most_s == UINT32_MAX || n_timeouts_ == 0) return false;
  return now_ns - stalled_since_ns_ >= uint64_t{most_s} * 1000 * kMs;
}

void Recovery::time_out(uint64_t now_ns) noexcept {
  if (is_given_up(now_ns)) {
    pcb_.nrtx = UINT8_MAX;  // tcp_slowtmr() ends the connection
    unlink();
    return;
  }
  const bool is_first = n_timeouts_ == 0;
  if (is_first) stalled_since_ns_ = now_ns - backed_off_rto_ns();
  if (n_timeouts_ < UINT8_MAX) ++n_timeouts_;
  ++tally_.timeouts;
  ++engine.counters->tcp_timeouts;
  lost_at_ns_ = 0;
  is_probing_ = false;
  if (pcb_.unacked == nullptr) {
    tcp_output(&pcb_);
  } else if (!hand_to_persist_timer()) {
    if (board_ != nullptr && (sent_of(*pcb_.unacked).marks & kSacked) != 0) {
      board_->forget_sacked();  // RFC 2018 8: the peer took it back
    }
    if (state_ != State::kTimeout || is_first) {
      congestion_.on_timeout();
      may_undo_ = state_ == State::kOpen;
      undo_begin_ = una_;
      n_to_disprove_ = 0;
    }
    suspect_black_hole();
    congestion_.hold(pcb_.mss);
    state_ = State::kTimeout;
    repair_end_ = sent_end_;
    n_duplicates_ = 0;
    if (!has_sack()) board().sacked_bytes = 0;
    board().lose_all();
    transmit();
  }
  arm(now_ns);
}

}  // namespace millrace
