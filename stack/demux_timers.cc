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

/// tcp_fasttmr() tries again what failed for lack of memory or room.
bool tries_again(const tcp_pcb& pcb) noexcept {
  return (pcb.flags & TF_CLOSEPEND) != 0 || pcb.refused_data != nullptr;
}

bool is_hurried(const tcp_pcb& pcb) noexcept { return (pcb.flags & TF_ACK_DELAY) != 0 || tries_again(pcb); }

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
  if (is_hurried(pcb)) {
    bucket.is_hurried = true;
    if (bucket.hurried_at == 0) hurry(bucket, tries_again(pcb) ? 1 : ack_delay);
    if (tries_again(pcb) && bucket.hurried_at - fast_tick_ > 1) hurry(bucket, 1);
  } else if (bucket.active == &pcb && pcb.next == nullptr) {
    bucket.is_hurried = false;  // it has been acknowledged
  }
  if (bucket.look_at == tick_ + 1) return;
  if (const uint32_t tick = next_look(pcb, tick_); tick != kNever) look_at(bucket, tick);
}

void Demux::hurry(Bucket& bucket, uint32_t delay) noexcept {
  bucket.hurried_at = fast_tick_ + delay;
  hurried_[bucket.hurried_at % (ack_delay + 1)].push_back(&bucket);
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

template <typename IsDue>
void Demux::Visits::fetch_ahead(IsDue is_due) const noexcept {
  constexpr size_t kLists = 8, kPcbs = 4;
  if (next + kLists < buckets.size()) rte_prefetch0(buckets[next + kLists]);
  if (next + kPcbs >= buckets.size()) return;
  const Bucket& soon = *buckets[next + kPcbs];
  if (soon.active != nullptr && is_due(soon)) fetch_lines(soon.active, soon.active + 1);
}

uint32_t Demux::visit_hurried(uint32_t most) noexcept {
  uint32_t n = 0;
  const auto is_due = [now = fast_tick_](const Bucket& bucket) { return bucket.hurried_at == now && bucket.is_hurried; };
  for (; n < most && !fast_visits_.at_end(); ++n, ++fast_visits_.next) {
    fast_visits_.fetch_ahead(is_due);
    Bucket& bucket = *fast_visits_.buckets[fast_visits_.next];
    const bool is_wanted = is_due(bucket);
    if (bucket.hurried_at == fast_tick_) bucket.hurried_at = 0;
    if (is_wanted) run_timer(bucket, tcp_fasttmr);
  }
  return n;
}

uint32_t Demux::visit_due(uint32_t most) noexcept {
  uint32_t n = 0;
  for (; n < most && !slow_visits_.at_end(); ++n, ++slow_visits_.next) {
    slow_visits_.fetch_ahead([this](const Bucket& bucket) { return bucket.look_at == tick_; });
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
  ++fast_tick_;
  fast_visits_.begin(hurried_[fast_tick_ % (ack_delay + 1)]);
}

void Demux::slow_tick() noexcept {
  (void)visit_due(UINT32_MAX);
  tcp_ticks = ++tick_;
  slow_visits_.begin(wheel_[tick_ % kWheelSlots]);
}

}  // namespace millrace
