// SPDX-License-Identifier: BSD-3-Clause
#include "stack/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "dpdk_io/eal.h"
#include "stack/capacity.h"
#include "stack/engines.h"
#include "stack/process_clock.h"
#include "stack/telemetry.h"

namespace millrace {
namespace {

constexpr uint32_t kLoopEntries = 4096;
constexpr uint32_t kPoolCache = 256;
constexpr uint64_t kKeeperPeriodNs = 1'000'000;
constexpr uint64_t kPatienceNs = 1'000'000'000;  // for what closed connections still have to send

// Frame and headers in front of the MTU; a data room of 2048 is what NICs and memif expect.
uint16_t data_room_for(const Config& config) {
  constexpr uint16_t kUsual = 2048;
  constexpr uint16_t kOverhead = 128;
  uint16_t room = kUsual;
  for (const PortConfig& port : config.ports) {
    if (port.mtu > 1500) room = std::max<uint16_t>(room, static_cast<uint16_t>(port.mtu + kOverhead));
  }
  return room;
}

std::vector<uint16_t> tags_of(const PortConfig& port) {
  std::vector<uint16_t> tags;
  for (const VlanConfig& vlan : port.vlans) tags.push_back(vlan.id);
  return tags;
}

}  // namespace

std::unique_ptr<Clock> (*make_process_clock)() = []() -> std::unique_ptr<Clock> {
  return std::make_unique<TscClock>();
};

Runtime::Runtime(const Config& config) : config_(config) {
  eal_start(config.eal_args);
  clock_ = make_process_clock();
  pool_ = std::make_unique<Pool>("millrace", config.stack.mbufs, data_room_for(config), kPoolCache);
  siblings_ = std::make_unique<Siblings>(config.stack.stacks);
  open_ports();
  make_stacks();
  wait_for_leases();
  log_capacity(config_, stacks_.front()->bytes_per_connection());
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
}

void Runtime::open_ports() {
  const uint32_t n = config_.stack.stacks;
  for (uint32_t i = 0; i < n; ++i) {
    const std::string name = "millrace_lo" + (n == 1 ? std::string() : std::to_string(i));
    loops_.push_back(Port::ring_loop(name.c_str(), *pool_, kLoopEntries));
  }
  for (const PortConfig& port : config_.ports) {
    PortOptions options;
    options.device = port.device;
    options.n_rx_desc = port.rx_descriptors;
    options.n_tx_desc = port.tx_descriptors;
    options.mtu = port.mtu;
    options.promiscuous = port.promiscuous;
    options.timestamps = port.timestamps;
    options.vlans = tags_of(port);
    options.may_have_fewer = port.queues == 0;
    options.n_queues = static_cast<uint16_t>(port.queues == 0 ? n : port.queues);
    if (n > 1) {
      options.rss_key = siblings_->steering()->key();
      for (uint32_t i = 0; i < Steering::kTableEntries; ++i) {
        options.rss_table.push_back(static_cast<uint16_t>(i % n % options.n_queues));
      }
    }
    ports_.push_back(std::make_unique<Port>(options, *pool_));
    if (!port.capture.empty()) ports_.back()->capture_to(port.capture);
  }
}

// Queue q serves the Stacks q, q + n_queues, ...; a queue beyond the last Stack would serve nobody.
void Runtime::make_stacks() {
  const uint32_t n = config_.stack.stacks;
  std::vector<std::vector<PortQueue>> queues(n);
  for (size_t i = 0; i < ports_.size(); ++i) {
    const uint16_t n_queues = ports_[i]->n_queues();
    std::vector<SharedQueue*> shared(n_queues, nullptr);
    for (uint32_t stack = 0; stack < n; ++stack) {
      const auto queue = static_cast<uint16_t>(stack % n_queues);
      const bool is_shared = queue + n_queues < n;
      if (is_shared && shared[queue] == nullptr) shared[queue] = &shared_queues_.emplace_back();
      queues[stack].push_back({ports_[i].get(), queue, &config_.ports[i], shared[queue]});
    }
  }
  for (uint32_t i = 0; i < n; ++i) {
    stacks_.emplace_back(
        make_stack({config_, *clock_, *pool_, *loops_[i], queues[i], *siblings_, i}));
    telemetry_add(*stacks_.back());
  }
}

// The first Stack asks; the others have the answer when they next turn.
void Runtime::wait_for_leases() {
  const uint64_t start_ns = clock_->now_ns();
  for (bool has_all = false; !has_all;) {
    has_all = true;
    for (const auto& stack : stacks_) {
      const Stack::Guard guard(*stack);
      has_all &= stack->await_leases(clock_->now_ns() - start_ns);
    }
    if (!has_all) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Stack& Runtime::home() noexcept {
  static std::atomic<uint32_t> n_threads{0};
  thread_local const uint32_t number = n_threads.fetch_add(1, std::memory_order_relaxed);
  return *stacks_[number % stacks_.size()];
}

Stack& Runtime::stack_for_new() noexcept {
  if (config_.stack.placement == Placement::kThread) return home();
  return *stacks_[next_in_turn_.fetch_add(1, std::memory_order_relaxed) % stacks_.size()];
}

Runtime::~Runtime() {
  // These drivers keep the mbufs of their rings when they close: there the count says nothing.
  const bool is_exact = std::none_of(ports_.begin(), ports_.end(), [](const auto& p) {
    return p->driver() == "net_memif" || p->driver() == "net_af_xdp";
  });
  const uint32_t n_leaked = stop_and_count_leaks();
  if (n_leaked != 0 && is_exact) std::fprintf(stderr, "millrace: %u mbufs were not returned\n", n_leaked);
}

// A thread may wait on one Stack for sockets of another.
void Runtime::end_calls() noexcept {
  for (const auto& stack : stacks_) stack->end_sockets();
  for (const auto& stack : stacks_) stack->end_calls();
}

uint32_t Runtime::stop_and_count_leaks() {
  if (stacks_.empty()) return 0;
  keeper_ = {};
  end_calls();
  const uint64_t deadline_ns = clock_->now_ns() + kPatienceNs;
  for (bool is_sending = true; is_sending && clock_->now_ns() < deadline_ns;) {
    is_sending = false;
    for (const auto& stack : stacks_) {
      const Stack::Guard guard(*stack);
      is_sending |= stack->finish_sending();
    }
    for (const auto& stack : stacks_) (void)stack->turn_if_neglected();  // it may receive for others
  }
  for (const auto& stack : stacks_) telemetry_remove(*stack);
  stacks_.clear();
  ports_.clear();
  loops_.clear();
  siblings_.reset();
  return pool_->in_use();
}

// The Keeper: timers, acknowledgements and completions go on while the application computes.
void Runtime::keep(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kKeeperPeriodNs));
    for (const auto& stack : stacks_) {
      if (stack->now_ns() - stack->last_turn_ns() >= kKeeperPeriodNs) stack->keep();
    }
  }
}

}  // namespace millrace
