// SPDX-License-Identifier: BSD-3-Clause
// The locks of a Stack and of the queues that Stacks share: one atomic exchange to take, one store to
// leave, and a way to be polite.
//
// A thread that turns a Stack takes and leaves the lock without pause; a std::mutex would let it win
// against everyone else for milliseconds. Whoever waits says so, and the turner gives way.
#pragma once

#include <sched.h>

#include <atomic>
#include <cstdint>

#include "dpdk_io/lcore.h"

namespace millrace {

class PoliteLock {
 public:
  bool try_lock() noexcept { return !held_.exchange(true, std::memory_order_acquire); }

  void lock() noexcept {
    if (!try_lock()) lock_contended();
  }

  void unlock() noexcept { held_.store(false, std::memory_order_release); }

  /// Whether another thread waits for the lock; a hint, true or false may be stale.
  bool is_wanted() const noexcept { return n_waiting_.load(std::memory_order_relaxed) != 0; }

  /// How often somebody found it taken. Call with the lock held.
  uint64_t n_waits() const noexcept { return n_waits_; }

  /// Leaves the lock to whoever waits, and takes it back. Call with the lock held.
  void give_way() noexcept {
    unlock();
    for (int i = 0; i < kSpins && !held_.load(std::memory_order_relaxed); ++i) pause(i);
    lock();
  }

 private:
  static constexpr int kSpins = 256;

  static void pause(int spins) noexcept {
    if (spins % 64 == 63) {
      sched_yield();  // more threads than cores: the holder may be waiting for this one
    } else {
      __builtin_ia32_pause();
    }
  }

  void lock_contended() noexcept {
    n_waiting_.fetch_add(1, std::memory_order_relaxed);
    for (int i = 0;; ++i) {
      if (!held_.load(std::memory_order_relaxed) && try_lock()) break;
      pause(i);
    }
    n_waiting_.fetch_sub(1, std::memory_order_relaxed);
    ++n_waits_;
  }

  std::atomic<bool> held_{false};
  std::atomic<uint32_t> n_waiting_{0};
  uint64_t n_waits_ = 0;
};

/// Whoever holds it is the Stack's lcore: mbufs come from a cache of its own.
class StackLock {
 public:
  bool try_lock() noexcept {
    const bool is_taken = lock_.try_lock();
    if (is_taken) lcore_.enter();
    return is_taken;
  }
  void lock() noexcept {
    lock_.lock();
    lcore_.enter();
  }
  void unlock() noexcept {
    lcore_.leave();
    lock_.unlock();
  }
  void give_way() noexcept {
    lcore_.leave();
    lock_.give_way();
    lcore_.enter();
  }
  bool is_wanted() const noexcept { return lock_.is_wanted(); }
  uint64_t n_waits() const noexcept { return lock_.n_waits(); }

 private:
  PoliteLock lock_;
  Lcore lcore_;
};

}  // namespace millrace
