// SPDX-License-Identifier: BSD-3-Clause
// Where the time of a received packet goes: how long it was in each stage of its way (stages.def,
// STAGES.md), of one receive burst in stages_sample.
//
//        on_burst  on_input   on_delivered     begin_copy  end_copy       on_told        on_return
//   port ──► burst ──────► lwip ──────► inbox ──────────► scatter ──► completion ──► return ──────►
//
// Invariant: of a burst that is not sampled no clock is read; each hook is then a load and a branch not
// taken, and what it would do is kept out of line, so that the hot path stays small. Everything here is
// guarded by the Stack's lock but the histograms: whoever takes a completion writes into them, and
// telemetry reads, at any time.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

#include "dpdk_io/clock.h"

#define MILLRACE_SAMPLED [[gnu::cold, gnu::noinline]]  // runs once in stages_sample bursts

namespace millrace {

enum class Stage : uint8_t {
#define STAGE(constant, name, sentence) constant,
#include "stack/stages.def"
#undef STAGE
};
inline constexpr size_t kStages = 0
#define STAGE(constant, name, sentence) +1
#include "stack/stages.def"
#undef STAGE
    ;

/// A histogram as HdrHistogram's: 16 buckets to each power of two, so a value is known to 6 %; exact
/// below 32 ns; what is longer than 68 s counts as that. 4 KiB. Any thread may add and read.
class StageTimes {
 public:
  static constexpr unsigned kBits = 4, kMostBits = 36;
  static constexpr uint64_t kMostNs = (uint64_t{1} << kMostBits) - 1;
  static constexpr size_t kBuckets = size_t{kMostBits - kBits + 1} << kBits;
  static constexpr size_t bucket_of(uint64_t ns) noexcept {
    ns = std::min(ns, kMostNs);
    if (ns >> kBits == 0) return ns;
    const auto shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kBits;
    return (size_t{shift} << kBits) + (ns >> shift);
  }
  /// The longest time that is in it.
  static constexpr uint64_t longest_in(size_t bucket) noexcept {
    constexpr size_t kExact = size_t{2} << kBits;
    if (bucket < kExact) return bucket;
    const size_t shift = (bucket >> kBits) - 1;
    const uint64_t top = (bucket & (kExact / 2 - 1)) + kExact / 2;
    return ((top + 1) << shift) - 1;
  }

  void add(uint64_t ns) noexcept {
    buckets_[bucket_of(ns)].fetch_add(1, std::memory_order_relaxed);
    sum_ns_.fetch_add(ns, std::memory_order_relaxed);
    uint64_t most = max_ns_.load(std::memory_order_relaxed);
    while (ns > most && !max_ns_.compare_exchange_weak(most, ns, std::memory_order_relaxed)) {
    }
  }

 private:
  friend class StageSums;
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> sum_ns_{0}, max_ns_{0};
};

static_assert(StageTimes::bucket_of(StageTimes::kMostNs) == StageTimes::kBuckets - 1);

/// A receive on its way to its caller, past the Stack's lock.
struct Sampled {
  uint64_t since_ns = 0;  ///< when its present stage began; 0: it is not sampled
  uint32_t stack = 0;     ///< whose it is: Stack::index()
};

class Stages {
 public:
  /// @param sample  one burst of so many is timed; 0: none
  Stages(const Clock& clock, uint32_t sample)
      : left_(sample == 0 ? UINT64_MAX : sample), period_(sample), clock_(clock) {}
  Stages(const Stages&) = delete;
  Stages& operator=(const Stages&) = delete;

  // ---- hooks, in the order of the way; with the Stack's lock held ----

  /// A receive burst returned frames; end_burst() follows. @return true: it is sampled
  bool on_burst() noexcept {
    if (--left_ != 0) [[likely]] return false;
    begin_sample();
    return true;
  }
  /// How long one of its frames was in its port before.
  MILLRACE_SAMPLED void on_port(uint64_t age_ns) noexcept { add(Stage::kPort, 0, age_ns); }
  /// The device's clock was read for that, which is in no stage.
  MILLRACE_SAMPLED void after_ports() noexcept { burst_ns_ = now_ns(); }
  /// All of them were looked at.
  void end_burst() noexcept {
    is_sampled_ = false;
    delivered_ns_ = 0;
  }
  /// The next frame of the burst is looked at.
  void on_input() noexcept {
    if (is_sampled_) [[unlikely]] input();
  }
  /// Payload of that frame is handed to a socket.
  void on_delivered() noexcept {
    if (is_sampled_) [[unlikely]] deliver();
  }
  /// When that was, for payload that goes into an Inbox. @return 0: not sampled
  uint64_t delivered_ns() const noexcept { return delivered_ns_; }
  /// A receive begins to take payload that was handed to the socket then.
  MILLRACE_SAMPLED void begin_copy(uint64_t delivered_ns) noexcept {
    const uint64_t now = now_ns();
    if (copy_since_ns_ == 0) copy_since_ns_ = now;
    add(Stage::kInbox, delivered_ns, now);
  }
  MILLRACE_SAMPLED void end_copy() noexcept {
    since_ns_ = now_ns();
    delivered_ns_ = 0;  // what is left of the payload has waited for this receive
    add(Stage::kScatter, std::exchange(copy_since_ns_, 0), since_ns_);
  }
  /// The same for a receive that waited and has room, around the copy.
  template <typename HasRoom>
  void on_copy(HasRoom has_room) noexcept {
    if (delivered_ns_ == 0) [[likely]] return;
    if (has_room()) begin_copy(delivered_ns_);
  }
  /// @return as take_sample()
  uint64_t on_copied() noexcept {
    if (copy_since_ns_ == 0) [[likely]] return 0;
    end_copy();
    return take_sample();
  }
  /// Of the receive in hand, which goes on elsewhere: when it had copied. @return 0: it is not sampled
  uint64_t take_sample() noexcept { return std::exchange(since_ns_, 0); }
  /// It is in hand again: a blocked call was woken.
  void resume(uint64_t since_ns) noexcept { since_ns_ = since_ns; }
  /// A call is about to return; if it took a sample, that was told when it was copied.
  void on_return() noexcept {
    if (since_ns_ != 0) [[unlikely]] on_taken(take_sample());
  }

  // ---- without the lock, too ----

  /// Its caller is about to be told. @return now, when that stage begins
  MILLRACE_SAMPLED uint64_t on_told(uint64_t copied_ns) noexcept {
    const uint64_t now = now_ns();
    add(Stage::kCompletion, copied_ns, now);
    return now;
  }
  /// Its caller has it.
  MILLRACE_SAMPLED void on_taken(uint64_t told_ns) noexcept {
    add(Stage::kReturn, told_ns, now_ns());
  }

 private:
  friend class StageSums;
  MILLRACE_SAMPLED void begin_sample() noexcept {
    left_ = period_;
    is_sampled_ = true;
    burst_ns_ = now_ns();
  }
  MILLRACE_SAMPLED void input() noexcept {
    input_ns_ = now_ns();
    add(Stage::kBurst, burst_ns_, input_ns_);
  }
  MILLRACE_SAMPLED void deliver() noexcept {
    delivered_ns_ = now_ns();
    add(Stage::kLwip, input_ns_, delivered_ns_);
  }
  /// Never 0, which means that nothing was sampled.
  uint64_t now_ns() const noexcept { return std::max<uint64_t>(clock_.now_ns(), 1); }
  void add(Stage stage, uint64_t since_ns, uint64_t now) noexcept {
    // Another core's counter may be behind by a few ticks.
    (*times_)[static_cast<size_t>(stage)].add(now - std::min(since_ns, now));
  }

  bool is_sampled_ = false;
  uint64_t left_;  ///< bursts until the next sample, that one included
  uint64_t delivered_ns_ = 0;   ///< of the frame in hand; 0: its burst is not sampled
  uint64_t copy_since_ns_ = 0;  ///< while a receive copies what is sampled
  uint64_t since_ns_ = 0;       ///< of the call in hand: when it had copied, or was told
  uint64_t burst_ns_ = 0, input_ns_ = 0;
  const uint64_t period_;
  const Clock& clock_;
  using Times = std::array<StageTimes, kStages>;
  const std::unique_ptr<Times> times_ = std::make_unique<Times>();
};

/// One row of the table that answers "where does the time go".
struct StageSummary {
  const char* name;
  const char* sentence;
  uint64_t count;
  uint64_t p50_ns, p99_ns, p999_ns;  ///< the longest time of the bucket, so up to 6 % more
  uint64_t max_ns;
  uint64_t sum_ns;  ///< of all of them: who compares stages adds up
};

/// The Stages of some Stacks together, read while they run.
class StageSums {
 public:
  void add(const Stages& stages) noexcept;
  /// In the order of stages.def; also those that nothing went through.
  std::array<StageSummary, kStages> summaries() const noexcept;

 private:
  struct Sum {
    std::array<uint64_t, StageTimes::kBuckets> buckets{};
    uint64_t sum_ns = 0, max_ns = 0;
  };
  static StageSummary summary_of(const Sum& sum) noexcept;
  std::array<Sum, kStages> sums_;
};

}  // namespace millrace

#undef MILLRACE_SAMPLED
