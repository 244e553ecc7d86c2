// SPDX-License-Identifier: BSD-3-Clause
// The lock of a Stack, and waiting: one thread leads, others follow, the role goes on when the
// leader leaves. With real threads and a real clock; what is checked is who wakes, not when.
#include "stack/wait.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "dpdk_io/clock.h"
#include "dpdk_io/pool.h"
#include "dpdk_io/port.h"
#include "stack/stack.h"

namespace {
thread_local const std::function<void()>* on_yield = nullptr;  ///< while a test wants to know
}

// In place of the C library's, which the Stack calls.
extern "C" int sched_yield() noexcept {
  if (on_yield != nullptr) (*on_yield)();
  return static_cast<int>(syscall(SYS_sched_yield));
}

namespace millrace {
namespace {

class Lock_Test : public testing::Test {
 protected:
  StackLock lock_;
};

TEST_F(Lock_Test, OneThreadAtATime) {
  constexpr int kThreads = 4, kRounds = 20'000;
  int counter = 0;  // not atomic: ThreadSanitizer sees it if two are inside
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&] {
        for (int round = 0; round < kRounds; ++round) {
          lock_.lock();
          ++counter;
          if (round % 16 == 0) lock_.give_way();
          lock_.unlock();
        }
      });
    }
  }
  EXPECT_EQ(counter, kThreads * kRounds);
  EXPECT_FALSE(lock_.is_wanted());
}

TEST_F(Lock_Test, TryLockRefusesWhileItIsHeld) {
  ASSERT_TRUE(lock_.try_lock());
  std::jthread([&] { EXPECT_FALSE(lock_.try_lock()); }).join();
  lock_.unlock();
  std::jthread([&] {
    EXPECT_TRUE(lock_.try_lock());
    lock_.unlock();
  }).join();
}

TEST_F(Lock_Test, WhoTurnsWithoutPauseLetsOthersIn) {
  std::atomic<bool> has_been_in{false};
  lock_.lock();
  std::jthread other([&] {
    lock_.lock();
    has_been_in = true;
    lock_.unlock();
  });
  while (!has_been_in) {
    if (lock_.is_wanted()) lock_.give_way();
  }
  lock_.unlock();
}

/// A Stack with nothing but its loopback.
class Wait_Test : public testing::Test {
 protected:
  explicit Wait_Test(const Config& config = Config::loopback())
      : pool_("wait", 1023, 2048, 0),
        loop_(Port::ring_loop("lo", pool_, 64)),
        stack_(config, clock_, pool_, *loop_, {}) {}

  uint64_t turns() {
    const Stack::Guard guard(stack_);
    return stack_.counters.turns;
  }
  bool is_led() {
    const Stack::Guard guard(stack_);
    return stack_.is_led();
  }
  /// Returns once somebody leads, which is somebody else: this thread does not wait.
  void expect_a_leader() {
    const uint64_t before = turns();
    while (!is_led() || turns() < before + 10) std::this_thread::yield();
  }

  TscClock clock_;
  Pool pool_;
  std::unique_ptr<Port> loop_;
  Stack stack_;
};

/// A thread that waits until it is told that its turn has come.
class Sleeper {
 public:
  explicit Sleeper(Stack& stack, uint64_t deadline_ns = kNoDeadline)
      : stack_(stack), thread_([this, deadline_ns] {
          const Stack::Guard guard(stack_);
          is_inside_ = true;
          was_notified_ = stack_.wait(waiter_, deadline_ns);
          is_done_ = true;
        }) {
    while (!is_inside_) std::this_thread::yield();
  }
  void notify() {
    const Stack::Guard guard(stack_);
    waiter_.notify();
  }
  bool join() {
    thread_.join();
    return was_notified_;
  }
  bool is_done() const { return is_done_; }

 private:
  Stack& stack_;
  Waiter waiter_;
  std::atomic<bool> is_inside_{false};
  std::atomic<bool> is_done_{false};
  bool was_notified_ = false;
  std::jthread thread_;
};

TEST_F(Wait_Test, EndsWhenItIsNotified) {
  Sleeper sleeper(stack_);
  expect_a_leader();
  EXPECT_FALSE(sleeper.is_done());
  sleeper.notify();
  EXPECT_TRUE(sleeper.join());
  EXPECT_FALSE(is_led());
}

TEST_F(Wait_Test, ANotificationBeforeItIsNotLost) {
  Waiter waiter;
  const Stack::Guard guard(stack_);
  waiter.notify();
  EXPECT_TRUE(stack_.wait(waiter, kNoDeadline));
  EXPECT_FALSE(stack_.wait(waiter, stack_.now_ns())) << "it counts once";
}

TEST_F(Wait_Test, EndsAtItsDeadline) {
  Waiter waiter;
  const Stack::Guard guard(stack_);
  EXPECT_FALSE(stack_.wait(waiter, stack_.now_ns() + 1'000'000));
  EXPECT_FALSE(stack_.wait(waiter, 0));
}

TEST_F(Wait_Test, AFollowerEndsAtItsDeadlineWhileTheLeaderGoesOn) {
  Sleeper leader(stack_);
  expect_a_leader();
  Sleeper follower(stack_, clock_.now_ns() + 1'000'000);
  EXPECT_FALSE(follower.join());
  EXPECT_FALSE(leader.is_done());
  expect_a_leader();
  leader.notify();
  EXPECT_TRUE(leader.join());
}

TEST_F(Wait_Test, AFollowerIsWokenByItsOwnNotificationOnly) {
  Sleeper leader(stack_);
  expect_a_leader();
  Sleeper one(stack_), two(stack_);
  two.notify();
  EXPECT_TRUE(two.join());
  EXPECT_FALSE(one.is_done());
  EXPECT_FALSE(leader.is_done());
  one.notify();
  EXPECT_TRUE(one.join());
  leader.notify();
  EXPECT_TRUE(leader.join());
}

TEST_F(Wait_Test, AFollowerTakesTheLeadWhenTheLeaderLeaves) {
  auto leader = std::make_unique<Sleeper>(stack_);
  expect_a_leader();
  Sleeper one(stack_), two(stack_);
  leader->notify();
  EXPECT_TRUE(leader->join());
  expect_a_leader();
  one.notify();
  EXPECT_TRUE(one.join());
  expect_a_leader();
  two.notify();
  EXPECT_TRUE(two.join());
  EXPECT_FALSE(is_led());
}

TEST_F(Wait_Test, LeadershipSurvivesAnyOrderOfLeaving) {
  for (int round = 0; round < 50; ++round) {
    std::vector<std::unique_ptr<Sleeper>> sleepers;
    for (int i = 0; i < 4; ++i) {
      // Some leave by themselves, at about the time when others are woken.
      const uint64_t deadline =
          i % 2 == 0 ? kNoDeadline : clock_.now_ns() + static_cast<uint64_t>(round) * 20'000;
      sleepers.push_back(std::make_unique<Sleeper>(stack_, deadline));
    }
    sleepers[static_cast<size_t>(round % 2) * 2]->notify();
    sleepers[static_cast<size_t>(1 - round % 2) * 2]->notify();
    EXPECT_TRUE(sleepers[0]->join());
    EXPECT_TRUE(sleepers[2]->join());
    (void)sleepers[1]->join();
    (void)sleepers[3]->join();
    EXPECT_FALSE(is_led());
  }
}

TEST_F(Wait_Test, CompletionsAreShownOutsideTheLock) {
  static Stack* inside = nullptr;
  static std::atomic<int> n_shown{0};
  inside = &stack_;
  n_shown = 0;
  WSAOVERLAPPED overlapped{};
  {
    const Stack::Guard guard(stack_);
    stack_.application.signal_event = [](HANDLE) {
      const Stack::Guard from_the_application(*inside);  // would not return under the lock
      ++n_shown;
    };
    mark_pending(overlapped);
    stack_.post({{.overlapped = &overlapped, .event = &overlapped}, {WsaError::kOk, 5, 0}, nullptr, {}});
    EXPECT_TRUE(is_pending(overlapped));
  }
  EXPECT_EQ(n_shown, 1);
  EXPECT_FALSE(is_pending(overlapped));
  EXPECT_EQ(outcome_of(overlapped).bytes, 5u);
}

class Wait_Sleep : public Wait_Test {
 protected:
  static Config sleepy() {
    Config config = Config::loopback();
    config.stack.idle = IdlePolicy::kSleep;
    config.stack.spin_us = 0;
    return config;
  }
  Wait_Sleep() : Wait_Test(sleepy()) {}
};

TEST_F(Wait_Sleep, ALeaderThatNapsIsWokenAsWell) {
  Sleeper leader(stack_);
  expect_a_leader();
  Sleeper follower(stack_);
  follower.notify();
  EXPECT_TRUE(follower.join());
  leader.notify();
  EXPECT_TRUE(leader.join());
}

/// A clock on which each look takes 10 us: a wait on it has as many turns as its deadline allows.
class BusyClock final : public Clock {
 public:
  uint64_t now_ns() const noexcept override { return now_ns_ += 10'000; }

 private:
  mutable uint64_t now_ns_ = 0;
};

class Yield_Test : public testing::Test {
 protected:
  Yield_Test()
      : pool_("yield", 1023, 2048, 0),
        loop_(Port::ring_loop("yield", pool_, 64)),
        stack_(Config::loopback(), clock_, pool_, *loop_, {}) {}
  ~Yield_Test() override { on_yield = nullptr; }

  /// Waits for nothing. @return how often the core was given away
  int yields_in(uint64_t ns) {
    int n = 0;
    const std::function<void()> count = [&n, this] {
      ++n;
      // Who gets the core may need the Stack: its lock is free, or this would never end.
      std::jthread([this] { const Stack::Guard guard(stack_); }).join();
    };
    const Stack::Guard guard(stack_);
    Waiter waiter;
    on_yield = &count;
    EXPECT_FALSE(stack_.wait(waiter, clock_.now_ns() + ns));
    on_yield = nullptr;
    return n;
  }

  BusyClock clock_;
  Pool pool_;
  std::unique_ptr<Port> loop_;
  Stack stack_;
};

TEST_F(Yield_Test, AStackThatSpinsInVainGivesTheCoreAwayNowAndThen) {
  EXPECT_EQ(yields_in(50'000), 0) << "what comes at once finds it spinning";
  const int n = yields_in(2'000'000);
  EXPECT_GE(n, 5);
  EXPECT_LE(n, 20) << "every 100 us, and not every turn";
}

}  // namespace
}  // namespace millrace
