// SPDX-License-Identifier: BSD-3-Clause
// Keeps EAL's interrupt thread and a port's bursts apart. When a memif peer goes, that thread
// unmaps the shared rings, at any moment, also while a burst reads them: a crash of the survivor,
// about once in 200 exits on two cores. The driver has no lock, so the gate makes one around it:
//
//   interrupt thread:  | our callback: sleep | locks on: epoll, all other callbacks | our callback
//   ... a queue's thread:     burst  burst  burst    (rx: nothing, tx: wait)                burst
//   burst
//
// Our callback stands on a descriptor that is always readable, so each lap of the thread's loop
// goes through it, and nothing else runs on that thread except between two visits. Internal to
// dpdk_io.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

struct rte_intr_handle;

namespace millrace {

/// Held by a queue's thread during a burst, or by the interrupt thread during a lap.
class alignas(64) BurstLock {
 public:
  bool try_lock() noexcept { return !is_held_.exchange(true, std::memory_order_acquire); }
  void lock() noexcept;
  void unlock() noexcept { is_held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> is_held_{false};
};

/// One for the process, alive while a port needs it.
class InterruptGate {
 public:
  /// @errors  StartupError: EAL takes no further interrupt source
  static std::shared_ptr<InterruptGate> get();
  InterruptGate();
  ~InterruptGate();
  InterruptGate(const InterruptGate&) = delete;
  InterruptGate& operator=(const InterruptGate&) = delete;

  /// From now on the interrupt thread holds these locks during its laps; until remove.
  void add(std::vector<BurstLock>& locks);
  void remove(std::vector<BurstLock>& locks) noexcept;

  /// While it is held, the interrupt thread does nothing: for closing a device it works on.
  std::mutex& standstill() noexcept { return lap_; }

 private:
  static void visit(void* gate);
  void set_all(bool held) noexcept;

  int always_readable_ = -1;
  rte_intr_handle* handle_ = nullptr;
  std::atomic<bool> has_been_visited_{false};
  std::atomic<bool> is_ending_{false};
  std::atomic<bool> has_ended_{false};
  bool is_in_lap_ = false;  // the interrupt thread's own
  std::mutex lap_;          // held by the interrupt thread during a lap; guards locks_
  std::vector<std::vector<BurstLock>*> locks_;
};

}  // namespace millrace
