// SPDX-License-Identifier: BSD-3-Clause
// The fixture of all hand-driven tests: a real Stack on a ring port, a Peer on the other end, and a
// clock that only the test advances. No thread but the test's own, no sleep, no socket that blocks.
//
// After each test everything must be back where it was: every socket gone, every started request
// completed exactly once, every frame in a counter, every mbuf in its pool.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <vector>

#include "dpdk_io/clock.h"
#include "dpdk_io/mbuf.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "dpdk_io/stamps.h"
#include "stack/config.h"
#include "stack/siblings.h"
#include "stack/stack.h"
#include "tests/support/peer.h"

namespace millrace {

/// gtest shows a code by its number.
inline void PrintTo(WsaError error, std::ostream* out) { *out << static_cast<int32_t>(error); }

}  // namespace millrace

namespace millrace::test {

/// Whether two long byte strings are the same; where not, only the place of the first difference.
testing::AssertionResult same(const Bytes& got, const Bytes& expected);

/// Time passes where a test says so: between turns, or when the Stack looks at the clock.
class TestClock final : public ManualClock {
 public:
  uint64_t now_ns() const noexcept override {
    if (on_look) on_look();
    return ManualClock::now_ns();
  }
  std::function<void()> on_look;
};

/// Of the wire's device, where config.ports.front() has timestamps: 2 ticks to each nanosecond of the test.
class WireClock final : public DeviceClock {
 public:
  explicit WireClock(const Clock& clock) : clock_(clock) {}
  bool read(uint64_t& ticks) const noexcept override {
    ++n_reads;
    ticks = this->ticks();
    return true;
  }
  uint64_t ticks() const { return zero + 2 * clock_.now_ns(); }

  static constexpr uint64_t kHz = 2'000'000'000;
  uint64_t zero = 12'345;  ///< a test may set the clock
  mutable uint64_t n_reads = 0;

 private:
  const Clock& clock_;
};

class StackTest : public testing::Test {
 public:
  /// config.stack.stacks of them share the port's one queue.
  Stack& stack(uint32_t index = 0) { return *stacks_[index]; }
  Peer& peer() { return *peer_; }
  const Counters& counters(uint32_t index = 0) const { return stacks_[index]->counters; }
  /// The sums over all Stacks.
  Counters all_counters() const;
  uint64_t now_ms() const { return clock_.now_ns() / 1'000'000; }

  /// Turns and takes frames off the wire until nothing moves any more. Time stands still.
  void run();
  /// Lets time pass in steps of a fast timer, and runs after each.
  void advance(uint64_t ms);

  /// Each overlapped operation that must complete is told here, by App.
  uint64_t n_expected_completions = 0;
  uint64_t n_expected_started = 0;

 protected:
  StackTest();
  void SetUp() override { start(); }
  void TearDown() override { stop(); }

  /// Makes the Stack out of config; a test that changes it stops and starts again.
  void start();
  /// Ends everything and checks that nothing is missing.
  void stop();

  /// Takes the cable out of the Stack's port, or puts it back; the Stack looks once a second.
  void set_link(bool is_up);
  Port& stack_port() { return *stack_port_; }
  TestClock& clock() { return clock_; }
  WireClock& wire_clock() { return *wire_clock_; }

  /// Takes every mbuf of the Stack's pool but `but`, until the result is destroyed.
  std::vector<MbufPtr> exhaust_pool(size_t but = 0);

  Config config;

 private:
  void expect_every_frame_counted();

  TestClock clock_;
  std::unique_ptr<Pool> stack_pool_, peer_pool_;
  std::unique_ptr<Siblings> siblings_;
  std::vector<std::unique_ptr<Port>> loops_;
  std::unique_ptr<Port> stack_port_, peer_port_;
  std::unique_ptr<Port> second_port_, second_peer_port_;  // if config has two; nobody answers
  WireClock* wire_clock_ = nullptr;  // the port's
  SharedQueue queue_;
  std::vector<std::unique_ptr<Stack>> stacks_;
  std::unique_ptr<Peer> peer_;
};

/// What a test is run over: a family, and for connections streams or messages. Most suites name a family alone.
struct ConnectionKind {
  ConnectionKind(int ip_version, Transport of = Transport::kTcp)
      : family(static_cast<uint8_t>(ip_version)), transport(of) {}
  uint8_t family;
  Transport transport;
};

inline std::string name_of(const ConnectionKind& kind) {
  return (kind.transport == Transport::kSctp ? "sctp_v" : "v") + std::to_string(kind.family);
}
inline void PrintTo(const ConnectionKind& kind, std::ostream* out) { *out << name_of(kind); }
/// All that the Stack has: without SCTP (MILLRACE_SCTP=OFF) streams only.
std::vector<ConnectionKind> connection_kinds();

/// The same test over IPv4 and IPv6.
class FamilyTest : public StackTest, public testing::WithParamInterface<ConnectionKind> {
 public:
  uint8_t family() const { return GetParam().family; }
  Transport transport() const { return GetParam().transport; }
  bool has_messages() const { return transport() == Transport::kSctp; }
  Endpoint at_stack(uint16_t port) const { return {address_of(Host::kStack, family()), port}; }
  Endpoint at_peer(uint16_t port) const { return {address_of(Host::kPeer, family()), port}; }
};

inline std::string family_name(const testing::TestParamInfo<ConnectionKind>& info) { return name_of(info.param); }

/// Runs the TEST_Ps of a FamilyTest over both families.
#define MILLRACE_BOTH_FAMILIES(suite) \
  INSTANTIATE_TEST_SUITE_P(Family, suite, testing::Values(4, 6), millrace::test::family_name)

/// And those whose connections may as well be of messages, over SCTP, too.
#define MILLRACE_ALL_CONNECTIONS(suite) \
  INSTANTIATE_TEST_SUITE_P(Family, suite, testing::ValuesIn(connection_kinds()), millrace::test::family_name)

}  // namespace millrace::test
