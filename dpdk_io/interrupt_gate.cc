// SPDX-License-Identifier: BSD-3-Clause
// The gate in front of EAL's interrupt thread. See interrupt_gate.h.
#define ALLOW_EXPERIMENTAL_API  // an interrupt source of one's own is experimental in DPDK 22.11
#include "dpdk_io/interrupt_gate.h"

#include <rte_interrupts.h>
#include <rte_pause.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

// Each of the dozen steps of memif's handshake takes up to that much longer.
constexpr std::chrono::milliseconds kBetweenLaps{5};

}  // namespace

void BurstLock::lock() noexcept {
  for (unsigned spins = 0; !try_lock(); ++spins) {
    if (spins % 64 == 63) std::this_thread::yield();  // the interrupt thread may need this CPU
    rte_pause();
  }
}

std::shared_ptr<InterruptGate> InterruptGate::get() {
  static std::mutex mutex;
  static std::weak_ptr<InterruptGate> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<InterruptGate> gate = current.lock();
  if (!gate) current = gate = std::make_shared<InterruptGate>();
  return gate;
}

InterruptGate::InterruptGate() {
  always_readable_ = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
  handle_ = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
  if (always_readable_ < 0 || handle_ == nullptr ||
      rte_intr_fd_set(handle_, always_readable_) != 0 ||
      rte_intr_type_set(handle_, RTE_INTR_HANDLE_EXT) != 0 ||
      rte_intr_callback_register(handle_, visit, this) != 0) {
    rte_intr_instance_free(handle_);
    close(always_readable_);
    throw StartupError("interrupt gate", "EAL takes no further interrupt source",
                       "raise the limit of open files (`ulimit -n`)");
  }
  has_been_visited_.wait(false);  // before that, a callback of others may be running
}

InterruptGate::~InterruptGate() {
  is_ending_.store(true);
  while (!has_ended_.load()) std::this_thread::sleep_for(kBetweenLaps);
  rte_intr_callback_unregister_sync(handle_, visit, this);
  rte_intr_instance_free(handle_);
  close(always_readable_);
}

void InterruptGate::add(std::vector<BurstLock>& locks) {
  const std::lock_guard standing(lap_);
  locks_.push_back(&locks);
}

void InterruptGate::remove(std::vector<BurstLock>& locks) noexcept {
  const std::lock_guard standing(lap_);
  std::erase(locks_, &locks);
}

void InterruptGate::visit(void* argument) {
  auto& gate = *static_cast<InterruptGate*>(argument);
  if (gate.is_in_lap_) {
    gate.set_all(false);
    gate.is_in_lap_ = false;
    gate.lap_.unlock();
  }
  gate.has_been_visited_.store(true);
  gate.has_been_visited_.notify_one();
  if (gate.is_ending_.load()) {
    eventfd_t one = 0;
    eventfd_read(gate.always_readable_, &one);  // so that this is the last visit
    gate.has_ended_.store(true);                // and this its last look at the gate
    return;
  }
  std::this_thread::sleep_for(kBetweenLaps);
  gate.lap_.lock();
  gate.is_in_lap_ = true;
  gate.set_all(true);
}

void InterruptGate::set_all(bool held) noexcept {
  for (std::vector<BurstLock>* locks : locks_) {
    for (BurstLock& lock : *locks) held ? lock.lock() : lock.unlock();
  }
}

}  // namespace millrace
