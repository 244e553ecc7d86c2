// SPDX-License-Identifier: BSD-3-Clause
// lwIP's timers, for the pcbs that have something to do. tcp_slowtmr() and tcp_fasttmr() visit what is
// on the lists, which is one bucket here; the time that they count is put back between buckets.
//
// The wheel has a slot per slow tick. A bucket's entry is valid in the slot of its `look_at`; entries
// that an earlier one has replaced stay where they are, and are passed over.
#define MILLRACE_DEMUX_ITSELF
#include <algorithm>

#include "stack/demux.h"
#include "stack/demux_scope.h"
#include "stack/prefetch.h"

namespace millrace {
namespace {

// lwIP's tcp_timer_ctr, which it does not show: a pcb that was visited at this count is not visited
// again, so a count that has come round to it after 256 calls must not meet it.
uint8_t n_timer_calls = 0;

constexpr uint32_t kNever = 0;

bool is_earlier(uint32_t a, uint32_t b) noexcept { return static_cast<int32_t>(a - b) < 0; }

uint32_t ticks(uint32_t ms) noexcept { return ms / TCP_SLOW_INTERVAL; }

bool is_hurried(const tcp_pcb& pcb) noexcept {
  return (pcb.flags & (TF_ACK_DELAY | TF_CLOSEPEND)) != 0 || pcb.refused_data != nullptr;
}

/// Handshake and persist timers count visits, lwIP tries again to send, and a connection whose
/// retransmissions ran out (recovery.h) has data in flight and ends at its visit.
bool counts_ticks(const tcp_pcb& pcb) noexcept {
  return pcb.unacked != nullptr || pcb.unsent != nullptr || pcb.persist_backoff > 0 ||
         pcb.rtime >= 0 || pcb.state == SYN_SENT || pcb.state == SYN_RCVD;
}

}  // namespace

// What tcp_slowtmr() of lwIP 2.2.1 looks at, pcb by pcb. @return a tick behind `now`, or kNever
uint32_t Demux::next_look(const tcp_pcb& pcb, uint32_t now) noexcept {
  uint32_t next = kNever;
  const auto not_before = [&](uint32_t silent_ticks) {
    uint32_t due = pcb.tmr + silent_ticks;
    if (!is_earlier(now, due)) due = now + 1;
    if (next == kNever || is_earlier(due, next)) next = due;
  };
  if (pcb.state == TIME_WAIT) {
    not_before(ticks(2 * TCP_MSL) + 1);
    return next;
  }
  if (counts_ticks(pcb)) return now + 1;
  if (pcb.state == FIN_WAIT_2 && (pcb.flags & TF_RXCLOSED) != 0) {
    not_before(ticks(TCP_FIN_WAIT_TIMEOUT) + 1);
  }
  if (pcb.state == LAST_ACK) not_before(ticks(2 * TCP_MSL) + 1);
  if (ip_get_option(&pcb, SOF_KEEPALIVE) && (pcb.state == ESTABLISHED || pcb.state == CLOSE_WAIT)) {
    const uint32_t probes = std::min<uint32_t>(pcb.keep_cnt_sent, pcb.keep_cnt);
    not_before(ticks(pcb.keep_idle + probes * pcb.keep_intvl) + 1);
  }
  if (pcb.ooseq != nullptr) not_before(static_cast<uint32_t>(pcb.rto) * TCP_OOSEQ_TIMEOUT);
  return next;
}

void Demux::restart_keep_alive(tcp_pcb& pcb) noexcept {
  pcb.tmr = tick_;
  pcb.keep_cnt_sent = 0;
  rearm(pcb);
}

uint64_t Demux::silent_ms(const tcp_pcb& pcb) const noexcept {
  return uint64_t{tick_ - pcb.tmr} * TCP_SLOW_INTERVAL;
}

void Demux::look_at(Bucket& bucket, uint32_t tick) noexcept {
  const uint32_t last = tick_ + kWheelSlots - 1;
  if (is_earlier(last, tick)) tick = last;
  if (bucket.look_at != 0 && !is_earlier(tick, bucket.look_at)) return;
  bucket.look_at = tick;
  wheel_[tick % kWheelSlots].push_back(&bucket);
}

// One after the other: loading both at once would wait for the two stores that came just before.
void Demux::rearm(Bucket& bucket) noexcept {
  for (tcp_pcb* pcb = bucket.active; pcb != nullptr; pcb = pcb->next) rearm(*pcb, bucket);
  for (tcp_pcb* pcb = bucket.time_wait; pcb != nullptr; pcb = pcb->next) rearm(*pcb, bucket);
}

void Demux::rearm(tcp_pcb& pcb, Bucket& bucket) noexcept {
  pcb.ext_args[0].data = &bucket;
  arm(pcb, bucket);
}

void Demux::rearm(const tcp_pcb& pcb) noexcept {
  if (pcb.state != CLOSED && pcb.state != LISTEN) arm(pcb, bucket_of(pcb));
}

void Demux::arm(const tcp_pcb& pcb, Bucket& bucket) noexcept {
  if (is_hurried(pcb) && !bucket.is_hurried) {
    bucket.is_hurried = true;
    hurried_.push_back(&bucket);
  }
  if (bucket.look_at == tick_ + 1) return;
  if (const uint32_t tick = next_look(pcb, tick_); tick != kNever) look_at(bucket, tick);
}

bool Demux::is_due(const Bucket& bucket) const noexcept {
  for (const tcp_pcb* list : {bucket.active, bucket.time_wait}) {
    for (; list != nullptr; list = list->next) {
      if (next_look(*list, tick_ - 1) == tick_) return true;
    }
  }
  return false;
}

void Demux::run_timer(Bucket& bucket, void (*timer)()) noexcept {
  const Scope scope(*this, &bucket);
  for (tcp_pcb* pcb = tcp_active_pcbs; pcb != nullptr; pcb = pcb->next) {
    pcb->last_timer = n_timer_calls;
  }
  ++n_timer_calls;
  ++counters_.timer_visits;
  timer();
  assert(tcp_active_pcbs == nullptr || tcp_active_pcbs->last_timer == n_timer_calls);
}

/// Fetches the lists that the timer comes to later, and soon the pcbs on them.
void Demux::Visits::fetch_ahead() const noexcept {
  constexpr size_t kLists = 8, kPcbs = 4;
  if (next + kLists < buckets.size()) rte_prefetch0(buckets[next + kLists]);
  if (next + kPcbs >= buckets.size()) return;
  const tcp_pcb* const pcb = buckets[next + kPcbs]->active;
  if (pcb != nullptr) fetch_lines(pcb, pcb + 1);
}

uint32_t Demux::visit_hurried(uint32_t most) noexcept {
  uint32_t n = 0;
  for (; n < most && !fast_visits_.at_end(); ++n, ++fast_visits_.next) {
    fast_visits_.fetch_ahead();
    Bucket& bucket = *fast_visits_.buckets[fast_visits_.next];
    bucket.is_hurried = false;
    run_timer(bucket, tcp_fasttmr);
  }
  return n;
}

uint32_t Demux::visit_due(uint32_t most) noexcept {
  uint32_t n = 0;
  for (; n < most && !slow_visits_.at_end(); ++n, ++slow_visits_.next) {
    slow_visits_.fetch_ahead();
    Bucket& bucket = *slow_visits_.buckets[slow_visits_.next];
    if (bucket.look_at != tick_) continue;
    bucket.look_at = 0;
    if (is_due(bucket)) {
      tcp_ticks = tick_ - 1;  // tcp_slowtmr() adds one
      run_timer(bucket, tcp_slowtmr);
    } else {
      rearm(bucket);
    }
  }
  return n;
}

bool Demux::run_timers(uint32_t most) noexcept {
  if (fast_visits_.at_end() && slow_visits_.at_end()) return false;
  most -= visit_hurried(most);
  (void)visit_due(most);
  return true;
}

void Demux::fast_tick() noexcept {
  (void)visit_hurried(UINT32_MAX);
  fast_visits_.begin(hurried_);
}

void Demux::slow_tick() noexcept {
  (void)visit_due(UINT32_MAX);
  tcp_ticks = ++tick_;
  slow_visits_.begin(wheel_[tick_ % kWheelSlots]);
}

}  // namespace millrace
