// SPDX-License-Identifier: BSD-3-Clause
// The way of an acknowledgement, and what follows from it. What it tells: recovery_news.cc; how
// things are sent: recovery_send.cc.
#include "stack/recovery.h"

#include <algorithm>
#include <new>

#include "lwip/prot/tcp.h"
#include "stack/lwip/port.h"
#include "stack/tcp_options.h"

namespace millrace {
namespace {

constexpr uint64_t kMs = 1'000'000;
constexpr uint64_t kLeastVarianceNs = 200 * kMs;     // as Linux
constexpr uint64_t kLeastRttLifeNs = 300'000 * kMs;  // a route may become longer
constexpr uint32_t kDuplicateThreshold = 3;
constexpr uint8_t kCalmRepairs = 16;       // RFC 8985 6.2
constexpr uint32_t kMostEchoMs = 120'000;  // more is none of ours

void on_pcb_freed(u8_t, void* data) { delete static_cast<Recovery*>(data); }
constexpr tcp_ext_arg_callbacks kCallbacks = {on_pcb_freed, nullptr};

}  // namespace

CongestionControl Recovery::congestion_control = CongestionControl::kCubic;
Recovery* Recovery::pending_ = nullptr;
Recovery::News Recovery::news_;
Recovery* Recovery::busy_ = nullptr;

void RoundTrip::measure(uint64_t rtt_ns, uint64_t now_ns) noexcept {
  if (least_ns_ == 0 || rtt_ns <= least_ns_ || now_ns - least_since_ns_ > kLeastRttLifeNs) {
    least_ns_ = std::max<uint64_t>(rtt_ns, 1);
    least_since_ns_ = now_ns;
  }
  if (srtt_ns_ == 0) {
    srtt_ns_ = std::max<uint64_t>(rtt_ns, 1);
    rttvar_ns_ = rtt_ns / 2;
  } else {
    const uint64_t error = rtt_ns > srtt_ns_ ? rtt_ns - srtt_ns_ : srtt_ns_ - rtt_ns;
    rttvar_ns_ += error / 4 - rttvar_ns_ / 4;
    srtt_ns_ += rtt_ns / 8 - srtt_ns_ / 8;
  }
  rto_ns_ = srtt_ns_ + std::max(4 * rttvar_ns_, kLeastVarianceNs);
}

Recovery::~Recovery() {
  if (pending_ == this) pending_ = nullptr;
  unlink();
}

// ---- a segment of the peer, before lwIP reads it ----

// Most segments acknowledge what was sent last, and tell nothing else.
void Recovery::on_header(tcp_pcb& pcb, const tcp_hdr& header, uint16_t options_bytes,
                         uint16_t payload_bytes) noexcept {
  const unsigned flags = TCPH_FLAGS(&header) & (TCP_ACK | TCP_SYN | TCP_RST);
  Recovery* const self = of(pcb);
  if (self == nullptr) {
    const bool is_handshake = pcb.state == SYN_RCVD || pcb.state == SYN_SENT;
    if (is_handshake && (flags & TCP_ACK) != 0) note_handshake(pcb);
    return;
  }
  if (flags != TCP_ACK) return;
  pcb.rtime = -1;
  const auto* const options = reinterpret_cast<const uint8_t*>(&header + 1);
  const bool tells_no_more = options_bytes == 0 || are_timestamps_alone(options, options_bytes);
  if (tells_no_more && !self->is_amiss()) {
    const uint32_t ahead = header.ackno - self->una_;
    if (ahead == 0 && payload_bytes != 0) return;
    if (ahead - 1 < pcb.snd_nxt - self->una_) {
      self->advance(header.ackno);
      return self->allow_for_lwip(header.ackno);
    }
  }
  self->read_header(header, options_bytes, payload_bytes);
}

// This acknowledgement may complete the handshake; its round trip is the first to send by.
void Recovery::note_handshake(tcp_pcb& pcb) noexcept {
  const tcp_seg* const handshake = pcb.unacked;
  if (handshake == nullptr || pcb.nrtx != 0) return;
  const Sent& sent = sent_of(*handshake);
  if ((sent.marks & kResent) != 0) return;
  const uint64_t now_ns = engine.clock->now_ns();
  const uint64_t rtt_ns = now_ns - std::min(sent.at_ns, now_ns);
  pcb.ext_args[kExtArg].data = reinterpret_cast<void*>(rtt_ns << 1 | kIsRoundTrip);
}

void Recovery::create(tcp_pcb& pcb) noexcept {
  if (pcb.state != ESTABLISHED && pcb.state != CLOSE_WAIT) return;
  const auto noted = reinterpret_cast<uintptr_t>(pcb.ext_args[kExtArg].data);
  auto* const self = new Recovery(pcb);
  if (self == nullptr) return;  // lwIP's own recovery for now
  tcp_ext_arg_set(&pcb, kExtArg, self);
  tcp_ext_arg_set_callbacks(&pcb, kExtArg, &kCallbacks);
  self->begin(noted >> 1);
}

void Recovery::begin(uint64_t rtt_ns) noexcept {
  News news;
  news.now_ns = engine.clock->now_ns();
  news.original.rtt_ns = rtt_ns;
  una_ = arrived_end_ = pcb_.lastack;
  sent_end_ = ever_sent_end_ = pcb_.snd_nxt;
  repair_end_ = tolerance_grown_at_ = una_;
  congestion_.begin(congestion_control, tcp_mss(&pcb_));
  measure(news);
  pcb_.ssthresh = 0;
  open_gate();
  arm(news.now_ns);
}

void Recovery::advance(uint32_t ack) noexcept {
  const uint64_t now_ns = engine.clock->now_ns();
  const uint32_t in_flight_before = sent_end_ - una_;
  const tcp_seg* last = nullptr;
  for (const tcp_seg* s = pcb_.unacked; s != nullptr && TCP_SEQ_LEQ(end_of(*s), ack); s = s->next) {
    last = s;
  }
  uint64_t rtt_ns = 0;
  if (last != nullptr && (sent_of(*last).marks & kResent) == 0) {
    const uint64_t sent_ns = sent_of(*last).at_ns;
    rtt_ns = std::max<uint64_t>(now_ns, sent_ns + 1) - sent_ns;
    newest_ = {sent_ns, ack, rtt_ns};
    round_trip_.measure(rtt_ns, now_ns);
  }
  const uint32_t bytes = ack - una_;
  settle_una(ack);
  arrived_end_ = ack;
  if (is_window_used(in_flight_before)) {
    grow(bytes, rtt_ns, now_ns);
  } else {
    congestion_.on_unused(now_ns);
  }
  n_timeouts_ = n_duplicates_ = 0;
  open_gate();
  arm(now_ns);
}

// It adds a segment where an acknowledgement is as large as the window (tcp_in.c).
void Recovery::allow_for_lwip(uint32_t ack) noexcept {
  pcb_.bytes_acked = 0;
  if (ack - pcb_.lastack >= pcb_.cwnd) pcb_.cwnd -= std::min<uint32_t>(pcb_.cwnd, pcb_.mss);
}

// A probe of a closed window may be acknowledged, too.
void Recovery::settle_una(uint32_t ack) noexcept {
  una_ = ack;
  if (TCP_SEQ_LT(sent_end_, una_)) sent_end_ = una_;
  if (TCP_SEQ_LT(ever_sent_end_, una_)) ever_sent_end_ = una_;
}

// What lwIP accepts as an acknowledgement counts as one here, or the two would part. SACK blocks
// are believed only if the segment is acceptable (RFC 5961 5.2 and RFC 9293 3.10.7.4).
void Recovery::read_header(const tcp_hdr& header, uint16_t options_bytes,
                           uint16_t payload_bytes) noexcept {
  const uint32_t ack = header.ackno;
  News news;
  news.now_ns = engine.clock->now_ns();
  news.is_ack = TCP_SEQ_BETWEEN(ack, una_ + 1, pcb_.snd_nxt);
  const bool fits =
      TCP_SEQ_BETWEEN(header.seqno, pcb_.rcv_nxt - payload_bytes, pcb_.rcv_nxt + pcb_.rcv_wnd) &&
      TCP_SEQ_BETWEEN(ack, una_ - pcb_.snd_wnd_max, pcb_.snd_nxt);
  const auto* const options = reinterpret_cast<const uint8_t*>(&header + 1);
  if ((pcb_.flags & TF_TIMESTAMP) != 0) read_echo(options, options_bytes, news);
  if (options_bytes != 0 && fits && has_sack()) read_sacks(options, options_bytes, ack, news);
  const bool is_same_window =
      tcpwnd_size_t{SND_WND_SCALE(&pcb_, tcpwnd_size_t{header.wnd})} == pcb_.snd_wnd;
  news.is_duplicate = fits && is_same_window && ack == una_ && sent_end_ != una_ &&
                      payload_bytes == 0 && (TCPH_FLAGS(&header) & TCP_FIN) == 0;
  const bool is_duplicate_without_sack = !has_sack() && news.is_duplicate;
  if (!is_amiss() && news.n_blocks == 0 && !is_duplicate_without_sack) {
    if (!news.is_ack) return;
    advance(ack);
    return allow_for_lwip(ack);
  }
  if (news.is_ack) acknowledge(ack, news);
  if (news.n_blocks != 0) take_blocks(news);
  measure(news);
  pending_ = this;
  news_ = news;
  pcb_.bytes_acked = 0;
  pcb_.cwnd = 0;  // shut, until after_input() knows what is to be sent again first
}

// Where all was sent more than once, only an echo tells how long it took (RFC 7323 4.1).
void Recovery::measure(const News& news) noexcept {
  if (news.original.rtt_ns != 0) {
    round_trip_.measure(news.original.rtt_ns, news.now_ns);
  } else if (news.is_ack && news.has_echo) {
    const uint32_t rtt_ms = std::max(timestamp_at(news.now_ns) - news.echo, 1u);
    if (rtt_ms < kMostEchoMs) round_trip_.measure(rtt_ms * kMs, news.now_ns);
  }
}

// The most that was in flight in this round trip, as the window is refilled only after a burst of
// acknowledgements. RFC 7661: a window that was not used proves nothing.
bool Recovery::is_window_used(uint32_t in_flight_before) noexcept {
  if (TCP_SEQ_GEQ(una_, most_in_flight_end_) || in_flight_before > most_in_flight_) {
    most_in_flight_ = in_flight_before;
    most_in_flight_end_ = sent_end_;
  }
  const uint32_t cwnd = congestion_.cwnd();
  return congestion_.is_in_slow_start() ? cwnd < 2 * most_in_flight_
                                        : most_in_flight_ + pcb_.mss > cwnd;
}

void Recovery::grow(uint32_t bytes, uint64_t rtt_ns, uint64_t now_ns) noexcept {
  congestion_.on_ack({.bytes = bytes,
                      .una = una_,
                      .sent_end = sent_end_,
                      .now_ns = now_ns,
                      .rtt_ns = rtt_ns,
                      .srtt_ns = round_trip_.srtt_ns()});
}

// ---- after lwIP has read it ----

void Recovery::finish_input() noexcept {
  pending_ = nullptr;
  if (pcb_.unacked == nullptr && pcb_.state == TIME_WAIT) return;
  react(news_);
}

void Recovery::react(News& news) noexcept {
  if (news.is_ack) n_timeouts_ = 0;
  if (may_undo_) try_undo(news);
  if (is_probing_) judge_probe(news);
  if (state_ != State::kOpen && TCP_SEQ_GEQ(una_, repair_end_)) leave();
  if (!has_sack()) {
    count_duplicates(news);
  } else if (board_ != nullptr) {
    find_lost(news.now_ns);
  }
  if (board_ != nullptr && board_->lost_bytes != 0 && state_ == State::kOpen) enter_repair();
  if (state_ == State::kRepair) {
    reduce_in_proportion(news.bytes);
  } else if ((news.is_ack || has_sack()) && is_window_used(in_flight() + news.bytes)) {
    grow(news.bytes, news.original.rtt_ns, news.now_ns);
  }
  if (board_ != nullptr && board_->has_nothing() && state_ == State::kOpen) board_.reset();
  transmit();
  if (news.is_ack) arm(news.now_ns);
}

// RFC 8985 6.2 step 4: with no reordering seen, three arrivals behind a hole are enough.
uint64_t Recovery::tolerance_ns() const noexcept {
  const bool is_sure = state_ != State::kOpen || board_->n_sacked >= kDuplicateThreshold;
  if (!has_seen_reordering_ && is_sure) return 0;
  return std::min(round_trip_.least_ns() / 4 * tolerance_factor_, round_trip_.srtt_ns());
}

void Recovery::find_lost(uint64_t now_ns) noexcept {
  uint64_t wait_ns = 0;
  (void)board_->find_lost(newest_, tolerance_ns(), now_ns, wait_ns);
  lost_at_ns_ = wait_ns == 0 ? 0 : now_ns + wait_ns;
  if (lost_at_ns_ != 0) link();
}

// RFC 6582, by a Scoreboard that knows of one hole, the first segment, and of how many arrived
// behind it.
void Recovery::count_duplicates(News& news) noexcept {
  if (news.is_ack) {
    const uint32_t n_acked = news.bytes / std::max<uint32_t>(pcb_.mss, 1);
    n_duplicates_ =
        static_cast<uint8_t>(n_duplicates_ - std::min<uint32_t>(n_duplicates_, n_acked));
    if (state_ == State::kRepair) board().lose_first();  // a partial acknowledgement
    if (state_ == State::kOpen) n_duplicates_ = 0;
  } else if (news.is_duplicate && state_ != State::kTimeout) {
    if (n_duplicates_ < UINT8_MAX) ++n_duplicates_;
    news.bytes = pcb_.mss;
    const bool is_enough = state_ == State::kOpen && n_duplicates_ >= kDuplicateThreshold;
    if (is_enough && TCP_SEQ_GEQ(una_, repair_end_)) board().lose_first();
  }
  if (board_ == nullptr) return;
  const uint32_t flight = sent_end_ - una_;
  board_->sacked_bytes =
      std::min(n_duplicates_ * uint32_t{pcb_.mss}, flight - std::min(flight, board_->lost_bytes));
}

void Recovery::enter_repair() noexcept {
  ++engine.counters->tcp_repairs;
  state_ = State::kRepair;
  repair_end_ = sent_end_;
  prr_flight_ = std::max<uint32_t>(sent_end_ - una_, 1);
  prr_delivered_ = prr_sent_ = 0;
  may_undo_ = true;
  undo_begin_ = una_;
  n_to_disprove_ = 0;
  is_probing_ = false;
  if (has_seen_reordering_ && ++n_calm_repairs_ > kCalmRepairs) tolerance_factor_ = 1;
  congestion_.on_loss();
}

// RFC 6937 3.1
void Recovery::reduce_in_proportion(uint32_t delivered_bytes) noexcept {
  prr_delivered_ += delivered_bytes;
  const uint32_t flight = in_flight();
  const uint32_t ssthresh = congestion_.ssthresh();
  uint64_t quota;
  if (flight > ssthresh) {
    quota = (uint64_t{prr_delivered_} * ssthresh + prr_flight_ - 1) / prr_flight_;
    quota -= std::min<uint64_t>(quota, prr_sent_);
  } else {
    const uint32_t behind = prr_delivered_ - std::min(prr_delivered_, prr_sent_);
    quota = std::min(ssthresh - flight, std::max(behind, delivered_bytes) + pcb_.mss);
  }
  if (prr_sent_ == 0) quota = std::max<uint64_t>(quota, pcb_.mss);  // the fast retransmission
  congestion_.hold(flight + static_cast<uint32_t>(quota));
}

void Recovery::leave() noexcept {
  if (state_ == State::kRepair) congestion_.hold(std::max(congestion_.ssthresh(), 2u * pcb_.mss));
  state_ = State::kOpen;
  n_duplicates_ = 0;
  if (!has_sack()) board_.reset();
}

// A timeout was wrong if what it gave up arrives without having been sent again (RFC 5682); a
// repair, if the peer saw each retransmission twice (RFC 2883); either, if what the first
// retransmission should have brought was there before it (RFC 3522).
void Recovery::try_undo(const News& news) noexcept {
  const bool timeout_was_wrong = state_ == State::kTimeout && news.has_lost_original;
  const bool came_before = state_ != State::kOpen && news.is_ack && news.has_echo &&
                           n_to_disprove_ != 0 && TCP_SEQ_LT(news.echo, first_resent_stamp_);
  if (!timeout_was_wrong && !news.has_disproved && !came_before) return;
  may_undo_ = false;
  ++engine.counters->tcp_undone;
  // What looked like the arrival of the retransmission was the original's.
  if (timeout_was_wrong) newest_ = news.original;
  if (board_ != nullptr) board_->unlose();
  state_ = State::kOpen;
  congestion_.undo();
}

// RFC 8985 7.4.2: if the probe repaired a loss, that loss counts like any other.
void Recovery::judge_probe(const News& news) noexcept {
  if (TCP_SEQ_LT(una_, probe_end_)) return;
  if (probe_was_resent_ && !news.has_dsack && !TCP_SEQ_GT(una_, probe_end_)) {
    if (news.is_duplicate && news.n_blocks == 0) is_probing_ = false;
    return;
  }
  is_probing_ = false;
  if (!probe_was_resent_ || news.has_dsack || state_ != State::kOpen) return;
  congestion_.on_loss();
  congestion_.hold(congestion_.ssthresh());
}

}  // namespace millrace
