// SPDX-License-Identifier: BSD-3-Clause
#include "stack/runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "dpdk_io/eal.h"

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

Runtime::Runtime(const Config& config) : config_(config) {
  eal_start(config.eal_args);
  clock_ = std::make_unique<TscClock>();
  pool_ = std::make_unique<Pool>("millrace", config.stack.mbufs, data_room_for(config), kPoolCache);
  loop_ = Port::ring_loop("millrace_lo", *pool_, kLoopEntries);
  std::vector<PortQueue> queues;
  for (const PortConfig& port : config_.ports) {
    ports_.push_back(std::make_unique<Port>(
        PortOptions{port.device, port.rx_descriptors, port.tx_descriptors, port.queues, port.mtu,
                    port.promiscuous, tags_of(port)},
        *pool_));
    if (!port.capture.empty()) ports_.back()->capture_to(port.capture);
    queues.push_back({ports_.back().get(), 0, &port});
  }
  stack_ = std::make_unique<Stack>(config_, *clock_, *pool_, *loop_, queues);
  stack_->wait_for_leases();
  keeper_ = std::jthread([this](const std::stop_token& stop) { keep(stop); });
}

Runtime::~Runtime() {
  // These drivers keep the mbufs of their rings when they close: there the count says nothing.
  const bool is_exact = std::none_of(ports_.begin(), ports_.end(), [](const auto& p) {
    return p->driver() == "net_memif" || p->driver() == "net_af_xdp";
  });
  const uint32_t n_leaked = stop_and_count_leaks();
  if (n_leaked != 0 && is_exact) std::fprintf(stderr, "millrace: %u mbufs were not returned\n", n_leaked);
}

uint32_t Runtime::stop_and_count_leaks() {
  if (stack_ == nullptr) return 0;
  keeper_ = {};
  stack_->end_calls();
  {
    const Stack::Guard guard(*stack_);
    stack_->finish_sending(stack_->now_ns() + kPatienceNs);
  }
  stack_.reset();
  ports_.clear();
  loop_.reset();
  return pool_->in_use();
}

// The Keeper: timers, acknowledgements and completions go on while the application computes.
void Runtime::keep(const std::stop_token& stop) {
  eal_register_thread();
  while (!stop.stop_requested()) {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kKeeperPeriodNs));
    if (!stack_->lock().try_lock()) continue;
    stack_->lock().unlock();
    const Stack::Guard guard(*stack_);
    if (stack_->now_ns() - stack_->last_turn_ns() < kKeeperPeriodNs) continue;
    ++stack_->counters.keeper_turns;
    (void)stack_->turn();
  }
}

}  // namespace millrace
