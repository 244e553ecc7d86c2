// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/stack_test.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "stack/engines.h"
#include "stack/sctp_engine.h"
#include "stack/socket.h"

namespace millrace::test {
namespace {

constexpr uint32_t kMbufs = 4095;
constexpr uint32_t kRingEntries = 2048;
constexpr uint64_t kStepMs = 10;       // the Stack's fast timer
constexpr int kMostTurns = 1'000'000;  // more is no progress but a livelock

uint64_t dropped(const PortCounters& c) {
  return c.tx_dropped_full + c.tx_dropped_link_down + c.tx_dropped_too_long + c.tx_dropped_no_mbuf +
         c.tx_dropped_refused;
}

}  // namespace

testing::AssertionResult same(const Bytes& got, const Bytes& expected) {
  if (got == expected) return testing::AssertionSuccess();
  const size_t shorter = std::min(got.size(), expected.size());
  size_t at = 0;
  while (at < shorter && got[at] == expected[at]) ++at;
  return testing::AssertionFailure() << got.size() << " bytes instead of " << expected.size()
                                     << ", the first difference at " << at;
}

std::vector<ConnectionKind> connection_kinds() {
  std::vector<ConnectionKind> kinds = {4, 6};
  if (has_sctp()) kinds.insert(kinds.end(), {{4, Transport::kSctp}, {6, Transport::kSctp}});
  return kinds;
}

StackTest::StackTest() {
  PortConfig port;
  port.device = "net_ring_wire_a";
  port.addresses = {*parse_prefix("10.0.0.2/24"), *parse_prefix("fd00::2/64")};
  config = Config::loopback();
  config.ports = {port};
  config.stack.max_sockets = 4096;  // tables that are quickly made: each test makes its own
}

void StackTest::start() {
  stack_pool_ = std::make_unique<Pool>("stack", kMbufs, 2048, 0);
  peer_pool_ = std::make_unique<Pool>("peer", kMbufs, 2048, 0);
  const uint32_t n = config.stack.stacks;
  siblings_ = std::make_unique<Siblings>(n);
  std::tie(stack_port_, peer_port_) =
      Port::ring_pair("wire", *stack_pool_, *peer_pool_, kRingEntries);
  if (config.ports.front().timestamps) {
    auto device = std::make_unique<WireClock>(clock_);
    wire_clock_ = device.get();
    stack_port_->stamp_by(std::move(device), WireClock::kHz);
  }
  SharedQueue* const shared = n == 1 ? nullptr : &queue_;
  std::vector<PortQueue> queues = {{stack_port_.get(), 0, &config.ports.front(), shared}};
  if (config.ports.size() > 1) {
    std::tie(second_port_, second_peer_port_) =
        Port::ring_pair("wire2", *stack_pool_, *peer_pool_, kRingEntries);
    queues.push_back({second_port_.get(), 0, &config.ports.back()});
  }
  for (uint32_t i = 0; i < n; ++i) {
    const std::string name = "lo" + std::to_string(i);
    loops_.push_back(Port::ring_loop(name.c_str(), *stack_pool_, kRingEntries));
    stacks_.emplace_back(
        make_stack({config, clock_, *stack_pool_, *loops_[i], queues, *siblings_, i}));
  }
  peer_ = std::make_unique<Peer>(*peer_port_, *peer_pool_, stack_port_->mac());
  n_expected_completions = 0;
  n_expected_started = 0;
  run();
}

void StackTest::run() {
  for (int i = 0; i < kMostTurns; ++i) {
    bool moved = false;
    for (const auto& stack : stacks_) {
      const Stack::Guard guard(*stack);
      moved |= stack->spin();
    }
    moved |= peer_->take(now_ms()) != 0;
    if (!moved) return;
  }
  ADD_FAILURE() << "the Stack and its peer do not come to rest";
}

void StackTest::advance(uint64_t ms) {
  for (uint64_t left = ms; left != 0;) {
    const uint64_t step = std::min(left, kStepMs);
    clock_.advance_ns(step * 1'000'000);
    left -= step;
    run();
  }
}

void StackTest::stop() {
  if (stacks_.empty()) return;
  run();
  for (const auto& stack : stacks_) {
    EXPECT_EQ(stack->n_sockets(), 0u) << "a socket outlived its last user";
  }
  EXPECT_EQ(all_counters().requests_started, n_expected_started);
  EXPECT_EQ(all_counters().completions, n_expected_completions);
  expect_every_frame_counted();
  stacks_.clear();
  peer_.reset();
  stack_port_.reset();
  second_port_.reset();
  second_peer_port_.reset();
  peer_port_.reset();
  loops_.clear();
  siblings_.reset();
  EXPECT_EQ(stack_pool_->in_use(), 0u) << "mbufs of the Stack's pool were not given back";
  EXPECT_EQ(peer_pool_->in_use(), 0u) << "received mbufs were not given back";
  stack_pool_.reset();
  peer_pool_.reset();
}

Counters StackTest::all_counters() const {
  Counters all;
  for (const auto& stack : stacks_) all += stack->counters;
  return all;
}

void StackTest::expect_every_frame_counted() {
  const Counters c = all_counters();
  const PortCounters wire = stack_port_->total();
  const PortCounters second = second_port_ != nullptr ? second_port_->total() : PortCounters{};
  uint64_t loop_rx = 0, loop_tx = 0;
  for (const auto& loop : loops_) {
    loop_rx += loop->total().rx_pkts;
    loop_tx += loop->total().tx_pkts + dropped(loop->total());
  }
  EXPECT_EQ(wire.rx_pkts, peer_->n_sent()) << "frames lost between peer and Stack";
  EXPECT_EQ(c.rx_handed_over, c.rx_taken_over) << "a frame was lost between two Stacks";
  if (stacks_.size() > 1) return;  // copies for all, and loops that hand over, are in more than one
  EXPECT_EQ(c.rx_pkts + c.rx_short + c.rx_other_host + c.rx_other_vlan + c.rx_unknown_type +
                c.rx_bad_checksum + c.rx_martian + c.rx_source_route + c.rx_unasked_arp +
                c.rx_arp_conflict + c.rx_syn_dropped,
            wire.rx_pkts + loop_rx)
      << "a received frame is in no counter";
  EXPECT_EQ(c.tx_pkts, wire.tx_pkts + dropped(wire) + loop_tx + second.tx_pkts + dropped(second))
      << "a sent frame is in no counter";
}

void StackTest::set_link(bool is_up) {
  const uint16_t id = stack_port_->id();
  ASSERT_EQ(is_up ? rte_eth_dev_set_link_up(id) : rte_eth_dev_set_link_down(id), 0);
}

std::vector<MbufPtr> StackTest::exhaust_pool(size_t but) {
  std::vector<MbufPtr> taken;
  while (rte_mbuf* const m = rte_pktmbuf_alloc(stack_pool_->get())) taken.emplace_back(m);
  taken.resize(taken.size() - std::min(but, taken.size()));
  return taken;
}

}  // namespace millrace::test
