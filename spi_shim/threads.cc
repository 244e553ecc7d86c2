// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/threads.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "spi_shim/counted.h"
#include "spi_shim/routines.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

// A handle carries generation and slot, as an event's does: | generation (48) | slot (14) | 0 | 0 |.
constexpr unsigned kSlotShift = 2;
constexpr unsigned kGenerationShift = 16;
constexpr size_t kMostThreads = size_t{1} << (kGenerationShift - kSlotShift);

struct Apc {
  LPWSAUSERAPC routine;
  DWORD_PTR context;
};

/// A slot of the table; it outlives its thread, and serves another one with the next generation.
struct ThreadSlot {
  std::mutex mutex;
  uint64_t generation = 1;
  bool is_alive = false;
  std::vector<Apc> queue;
  size_t n_run = 0;  ///< of the queue's front
  Waiter* waiter = nullptr;
};

struct Threads {
  std::mutex mutex;  // of the two lists
  std::vector<uint32_t> free_slots;
  uint32_t n_used = 0;
  std::unique_ptr<std::array<ThreadSlot, kMostThreads>> slots{
      new std::array<ThreadSlot, kMostThreads>};
};

// Never destroyed: threads end after static objects do.
Threads& threads() {
  static Threads& table = *new Threads;
  return table;
}

constexpr uint32_t kNoSlot = UINT32_MAX;
constinit thread_local uint32_t own_number = 0;
constinit thread_local uint32_t own_slot = kNoSlot;

void leave_slot() noexcept {
  if (own_slot == kNoSlot) return;
  ThreadSlot& slot = (*threads().slots)[own_slot];
  {
    const std::lock_guard guard(slot.mutex);
    slot.is_alive = false;
    ++slot.generation;
    for (size_t i = slot.n_run; i < slot.queue.size(); ++i) drop_routine(slot.queue[i].routine, slot.queue[i].context);
    slot.queue.clear();
    slot.n_run = 0;
  }
  const std::lock_guard guard(threads().mutex);
  threads().free_slots.push_back(own_slot);
  own_slot = kNoSlot;
}

/// Its destructor is the end of the thread.
struct Exit {
  bool is_watched = false;
  void (*routine)(void*) = nullptr;
  void* context = nullptr;
  ~Exit() {
    if (!is_watched) return;
    end_requests_of(own_number);
    abandon_mutexes_of(own_number);
    leave_slot();
    if (routine != nullptr) routine(context);
  }
};
thread_local Exit at_exit;

ThreadSlot* slot_of(const WSATHREADID& id) noexcept {
  const auto handle = reinterpret_cast<uint64_t>(id.ThreadHandle);
  if (handle == 0 || (handle & ((1u << kSlotShift) - 1)) != 0) return nullptr;
  return &(*threads().slots)[handle >> kSlotShift & (kMostThreads - 1)];
}

/// With the slot's mutex held.
bool is_live(const ThreadSlot& slot, const WSATHREADID& id) noexcept {
  return slot.is_alive &&
         slot.generation == reinterpret_cast<uint64_t>(id.ThreadHandle) >> kGenerationShift;
}

bool take_slot() noexcept {
  Threads& table = threads();
  const std::lock_guard guard(table.mutex);
  if (!table.free_slots.empty()) {
    own_slot = table.free_slots.back();
    table.free_slots.pop_back();
  } else if (table.n_used < kMostThreads) {
    own_slot = table.n_used++;
  } else {
    return false;
  }
  ThreadSlot& slot = (*table.slots)[own_slot];
  const std::lock_guard slot_guard(slot.mutex);
  slot.is_alive = true;
  return true;
}

}  // namespace

uint32_t this_thread() noexcept {
  static std::atomic<uint32_t> n_threads{0};
  if (own_number == 0) {
    own_number = ++n_threads;
    at_exit.is_watched = true;
  }
  return own_number;
}

void at_thread_end(void (*routine)(void* context), void* context) noexcept {
  (void)this_thread();
  at_exit.routine = routine;
  at_exit.context = context;
}

bool open_this_thread(WSATHREADID& id) noexcept {
  (void)this_thread();
  if (own_slot == kNoSlot && !take_slot()) return false;
  const uint64_t generation = (*threads().slots)[own_slot].generation;
  id.ThreadHandle = reinterpret_cast<HANDLE>(generation << kGenerationShift |
                                             uint64_t{own_slot} << kSlotShift);
  id.Reserved = 0;
  return true;
}

bool is_thread(const WSATHREADID& id) noexcept {
  ThreadSlot* const slot = slot_of(id);
  if (slot == nullptr) return false;
  const std::lock_guard guard(slot->mutex);
  return is_live(*slot, id);
}

bool queue_apc(const WSATHREADID& id, LPWSAUSERAPC routine, DWORD_PTR context) noexcept {
  ThreadSlot* const slot = slot_of(id);
  if (slot == nullptr) return false;
  const std::lock_guard guard(slot->mutex);
  if (!is_live(*slot, id)) return false;
  slot->queue.push_back({routine, context});
  if (slot->waiter != nullptr) slot->waiter->poke();
  return true;
}

void cancel_apc(const WSATHREADID& id, LPWSAUSERAPC routine, DWORD_PTR context) noexcept {
  ThreadSlot* const slot = slot_of(id);
  if (slot == nullptr) return;
  const std::lock_guard guard(slot->mutex);
  if (!is_live(*slot, id)) return;
  const auto waiting = slot->queue.begin() + static_cast<std::ptrdiff_t>(slot->n_run);
  const auto end = std::remove_if(waiting, slot->queue.end(), [&](const Apc& apc) {
    return apc.routine == routine && apc.context == context;
  });
  slot->queue.erase(end, slot->queue.end());
}

bool run_apcs() noexcept {
  if (own_slot == kNoSlot) return false;
  ThreadSlot& slot = (*threads().slots)[own_slot];
  for (bool has_run = false;; has_run = true) {
    Apc next;
    {
      const std::lock_guard guard(slot.mutex);
      if (slot.n_run == slot.queue.size()) {
        slot.queue.clear();  // keeps its memory
        slot.n_run = 0;
        return has_run;
      }
      next = slot.queue[slot.n_run++];
    }
    next.routine(next.context);
  }
}

void begin_alertable_wait(Waiter& waiter) noexcept {
  if (own_slot == kNoSlot) return;
  ThreadSlot& slot = (*threads().slots)[own_slot];
  const std::lock_guard guard(slot.mutex);
  waiter.outer = slot.waiter;
  slot.waiter = &waiter;
  if (slot.n_run != slot.queue.size()) waiter.poke();
}

void end_alertable_wait(Waiter& waiter) noexcept {
  if (own_slot == kNoSlot) return;
  ThreadSlot& slot = (*threads().slots)[own_slot];
  const std::lock_guard guard(slot.mutex);
  if (slot.waiter == &waiter) slot.waiter = waiter.outer;
}

}  // namespace millrace
