// SPDX-License-Identifier: BSD-3-Clause
// An lcore id, and with it a cache in every pool, that belongs to a lock instead of a thread.
//
// DPDK gives each registered thread a cache per pool. An application may have more threads than there
// are ids, and what sits in the caches of those that pause is lost to the rest. Whoever holds the lock
// borrows its id: there are as many caches as locks, and each is always the one in use.
#pragma once

namespace millrace {

class Lcore {
 public:
  /// Takes a free id. Where none is left of RTE_MAX_LCORE, all goes on without a cache: slower, and
  /// correct. EAL has been started.
  Lcore() noexcept;
  ~Lcore();
  Lcore(const Lcore&) = delete;
  Lcore& operator=(const Lcore&) = delete;

  /// The calling thread has this id until it leaves. One thread at a time, which the lock sees to.
  void enter() noexcept;
  void leave() noexcept;

 private:
  unsigned id_;
  unsigned thread_ = 0;  ///< the id that the thread had before
};

}  // namespace millrace
