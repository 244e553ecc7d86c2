// SPDX-License-Identifier: BSD-3-Clause
#include "stack/stack.h"

#include <rte_mempool.h>
#include <rte_random.h>

#include <algorithm>
#include <array>
#include <utility>

#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "dpdk_io/startup_error.h"
#include "lwip/etharp.h"
#include "lwip/init.h"
#include "lwip/ip4_frag.h"
#include "lwip/ip6_frag.h"
#include "lwip/nd6.h"
#include "stack/demux.h"
#include "stack/dhcp.h"
#include "stack/gate.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/neighbors.h"
#include "stack/netif.h"
#include "stack/path_mtu.h"
#include "stack/recovery.h"
#include "stack/routes.h"
#include "stack/sctp_engine.h"
#include "stack/siblings.h"
#include "stack/socket.h"
#include "stack/syn_cookies.h"
#include "stack/tcp.h"
#include "stack/tcp_options.h"

namespace millrace {
namespace {

constexpr uint64_t kFastTimerNs = uint64_t{TCP_FAST_INTERVAL} * 1'000'000;
constexpr uint64_t kSlowTimerNs = uint64_t{TCP_SLOW_INTERVAL} * 1'000'000;
constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kTenthNs = kSecondNs / 10;
constexpr uint64_t kTurnsPerMbufCount = 64;  // 2048 frames at most
constexpr uint32_t kTimerVisitsPerTurn = 64;  // lists of connections
constexpr int kMostCatchUp = 8;  // after a pause, slow timers run this often at most

bool lwip_is_initialised = false;

}  // namespace

Stack::Stack(const Config& config, const Clock& clock, Pool& pool, Port& loop,
             std::span<const PortQueue> queues, Siblings* siblings, uint32_t index)
    : loans(static_cast<uint32_t>(uint64_t{pool.size()} * config.stack.loans_percent / 100 /
                                  config.stack.stacks),
            counters),
      stages(clock, config.stack.stages_sample),
      config_(config),
      clock_(clock),
      pool_(pool),
      alone_(siblings == nullptr ? std::make_unique<Siblings>() : nullptr),
      siblings_(siblings == nullptr ? *alone_ : *siblings),
      index_(index) {
  if (engine.counters != nullptr) {
    throw StartupError("stack", "this process already has one", "stop it first");
  }
  millrace_tcp_wnd = config.tcp.receive_window_bytes;
  millrace_tcp_snd_buf = std::max(config.tcp.send_buffer_bytes, config.tcp.max_send_buffer_bytes);
  millrace_tcp_msl_ms = config.tcp.time_wait_ms / 2;
  millrace_tcp_max_rtx = config.tcp.max_retransmissions;
  // Fragments pin an mbuf each, however short they are; the longest datagram has 47 of 1400 bytes.
  millrace_reass_max_pbufs = std::clamp(pool.size() / 8 / config.stack.stacks, 64u, 1024u);
  Recovery::congestion_control = config.tcp.congestion_control;
  tcp_offers = {config.tcp.timestamps, config.tcp.window_scaling};
  demux_ = std::make_unique<Demux>(config.stack.max_sockets, counters);
  demux_->fetch_socket = TcpSocket::fetch;
  demux_->ack_delay = std::clamp(config.tcp.delayed_ack_ms / TCP_FAST_INTERVAL, 1u, Demux::kMostAckDelay);
  gate_ = std::make_unique<Gate>(counters);
  path_mtus_ = std::make_unique<PathMtus>();
  routes_ = std::make_unique<Routes>();
  neighbors_ = std::make_unique<Neighbors>(counters);
  syn_cookies_ = std::make_unique<SynCookies>(counters);
  engine = {.pool = pool.get(),
            .clock = &clock,
            .counters = &counters,
            .stack = this,
            .demux = demux_.get(),
            .gate = gate_.get(),
            .neighbors = neighbors_.get(),
            .path_mtus = path_mtus_.get(),
            .finds_path_mtu = config.tcp.path_mtu_discovery,
            .routes = routes_.get(),
            .syn_cookies = syn_cookies_.get(),
            .timestamp_offset = static_cast<uint32_t>(rte_rand())};
  try {
    if (!lwip_is_initialised) lwip_init();
    lwip_is_initialised = true;
    netifs_.push_back(std::make_unique<Netif>(loop, counters));
    engine.loop = &netifs_.front()->lwip();
    for (const PortQueue& q : queues) {
      netifs_.push_back(std::make_unique<Netif>(q, counters));
    }
  } catch (...) {
    netifs_.clear();
    engine = {};
    throw;
  }
  last_turn_ns_ = now_ns();
  next_timer_ns_ = last_turn_ns_ + kFastTimerNs;
  next_slow_ns_ = last_turn_ns_ + kSlowTimerNs;
  next_second_ns_ = last_turn_ns_ + kSecondNs;
  next_tenth_ns_ = last_turn_ns_ + kTenthNs;
  ask_for_leases();
  siblings_.set(index_, this);
}

Stack::~Stack() {
  siblings_.set(index_, nullptr);
  end_calls();
  settle_dirty();  // the last references
  for (Socket* const socket : retry_) socket->unref();
  dhcp_.reset();
  sctp_.reset();  // it says farewell on its way
  engine.sctp = nullptr;
  drain_lwip();
  netifs_.clear();
  engine = {};
}

void Stack::end_sockets() noexcept {
  lock_.lock();
  application = {};  // what is pending ends without a signal, without a routine (winsock-rules 6)
  for (Slot& slot : slots_) {
    if (slot.socket == nullptr) continue;
    slot.socket->reset();
    slot.socket->unref();
    slot.socket = nullptr;
  }
  lock_.unlock();
}

void Stack::end_calls() noexcept {
  end_sockets();
  lock_.lock();
  while (n_guards_ != 0) lock_.give_way();
  for (Completion& completion : posted_) completion.show(application);
  posted_.clear();
  signals_.clear();
  lock_.unlock();
}

bool Stack::finish_sending() noexcept {
  if (!demux_->is_sending() && (sctp_ == nullptr || !sctp_->is_sending())) return false;
  (void)turn();
  return true;
}

// What lwIP still holds once every socket is gone: closing connections and half-built datagrams.
void Stack::drain_lwip() noexcept {
  flush();
  demux_->abort_all();
  for (int i = 0; i <= IP_REASS_MAXAGE; ++i) ip_reass_tmr();
  for (int i = 0; i <= IPV6_REASS_MAXAGE; ++i) ip6_reass_tmr();
  flush();
  for (int i = 0; i < 64 && netifs_.front()->poll() != 0; ++i) flush();
}

bool Stack::turn() noexcept {
  uint32_t n_frames = siblings_.steering() == nullptr ? 0 : take_over();
  for (const auto& netif : netifs_) n_frames += netif->poll();
  const uint64_t now = now_ns();
  last_turn_ns_.store(now, std::memory_order_relaxed);
  last_turner_.store(pthread_self(), std::memory_order_relaxed);
  settle_dirty();  // before timers: lwIP frees pcbs in TIME_WAIT there without telling their sockets
  if (now >= next_timer_ns_) {
    run_timers(now);
    settle_dirty();
  }
  const bool had_timers = demux_->run_timers(kTimerVisitsPerTurn);
  if (had_timers) settle_dirty();
  flush();
  if (++counters.turns % kTurnsPerMbufCount == 0) count_mbufs();
  return n_frames != 0 || had_timers || has_posted();
}

bool Stack::spin() noexcept {
  const bool moved = turn();
  wants_sweep_ = is_time_to_sweep();
  return moved;
}

void Stack::keep() noexcept {
  if (!lock_.try_lock()) return;
  ++n_guards_;
  ++counters.keeper_turns;
  (void)turn();
  leave();
}

// What every call does last; no completion is shown, and no sibling turned, under the lock.
void Stack::leave() noexcept {
  --n_guards_;
  flush();
  stages.on_return();
  const bool sweeps = std::exchange(wants_sweep_, false);
  if (has_posted()) {
    show_posted();  // unlocks
  } else {
    lock_.unlock();
  }
  if (sweeps) (void)sweep();
}

void Stack::flush() noexcept {
  for (const auto& netif : netifs_) netif->flush();
}

void Stack::run_timers(uint64_t now) noexcept {
  count_mbufs();
  counters.lock_waits = lock_.n_waits();
  Recovery::on_timer(now);  // before tcp_slowtmr(), whose own retransmission it holds back
  if (sctp_ != nullptr) sctp_->tick(now);
  demux_->fast_tick();
  for (int i = 0; i < kMostCatchUp && now >= next_slow_ns_; ++i) {
    demux_->slow_tick();
    next_slow_ns_ += kSlowTimerNs;
  }
  if (now >= next_slow_ns_) next_slow_ns_ = now + kSlowTimerNs;
  for (int i = 0; i < kMostCatchUp && now >= next_tenth_ns_; ++i) {
    run_tenth_timers();
    next_tenth_ns_ += kTenthNs;
  }
  if (now >= next_tenth_ns_) next_tenth_ns_ = now + kTenthNs;
  take_leases();
  if (now >= next_second_ns_) {
    run_second_timers();
    next_second_ns_ = now + kSecondNs;
  }
  next_timer_ns_ = now + kFastTimerNs;
  std::vector<Socket*> retry;
  retry.swap(retry_);
  for (Socket* socket : retry) {
    socket->retry();
    socket->unref();
  }
}

void Stack::run_second_timers() noexcept {
  neighbors_->tick(now_ns());
  etharp_tmr();
  ip_reass_tmr();
  nd6_tmr();
  ip6_reass_tmr();
  poll_links();
  unpin_what_is_gone();
}

// The pool looks through all threads' caches to count, which is too much for every turn.
void Stack::count_mbufs() noexcept {
  const uint32_t n_left = rte_mempool_avail_count(pool_.get());
  mbufs_are_scarce_ = n_left < pool_.get()->size / 8;
  mbufs_are_plenty_ = n_left >= pool_.get()->size / 2;
}

void Stack::mark_dirty(Socket& socket) {
  if (socket.is_dirty_) return;
  socket.is_dirty_ = true;
  socket.ref();
  dirty_.push_back(&socket);
}

void Stack::settle_dirty() noexcept {
  for (size_t i = 0; i < dirty_.size(); ++i) {
    Socket* const socket = dirty_[i];
    socket->is_dirty_ = false;
    socket->settle();
    socket->unref();
  }
  dirty_.clear();
}

void Stack::cancel_requests_of(uint32_t thread) noexcept {
  for (const Slot& slot : slots_) {
    if (slot.socket != nullptr) (void)slot.socket->cancel({.thread = thread, .thread_ends = true});
  }
}

void Stack::retry_later(Socket& socket) {
  socket.ref();
  retry_.push_back(&socket);
}

// What siblings received and we own, in the order in which it came.
bool Stack::take_over() noexcept {
  std::array<rte_mbuf*, kBurstMax> frames;
  const uint16_t n = siblings_.steering()->take_over(index_, frames);
  if (n == 0) return false;
  if (stages.on_burst()) [[unlikely]] {
    for (const auto& netif : netifs_) netif->time_in_port(std::span(frames).first(n));
  }
  for (uint16_t i = 0; i < n; ++i) {
    const auto netif = std::find_if(netifs_.begin() + 1, netifs_.end(), [&](const auto& candidate) {
      return candidate->port().id() == frames[i]->port;
    });
    (netif == netifs_.end() ? netifs_.front() : *netif)->input(frames[i]);
  }
  stages.end_burst();
  counters.rx_taken_over += n;
  return true;
}

}  // namespace millrace
