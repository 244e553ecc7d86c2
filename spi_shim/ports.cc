// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/ports.h"

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "spi_shim/stages.h"
#include "spi_shim/startup.h"
#include "spi_shim/threads.h"
#include "stack/wait.h"

namespace millrace {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct Packet {
  OVERLAPPED_ENTRY entry;
  Sampled sampled;
};

/// First in, first out; it grows and keeps its memory.
class Packets {
 public:
  bool empty() const { return n_ == 0; }
  void push(const Packet& packet) {
    if (n_ == ring_.size()) grow();
    ring_[(first_ + n_++) & (ring_.size() - 1)] = packet;
  }
  Packet pop() {
    const Packet packet = ring_[first_];
    first_ = (first_ + 1) & (ring_.size() - 1);
    --n_;
    return packet;
  }
  void clear() { n_ = first_ = 0; }

 private:
  void grow() {
    std::vector<Packet> larger(ring_.empty() ? 16 : 2 * ring_.size());
    for (size_t i = 0; i < n_; ++i) larger[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_.swap(larger);
    first_ = 0;
  }
  std::vector<Packet> ring_;  // a power of two
  size_t first_ = 0, n_ = 0;
};

/// One thread in port_take().
struct Waiting {
  Waiter waiter;
  Waiting* below = nullptr;  ///< came earlier
  bool is_listed = false;
};

/// A slot of the table; another port has it with the next generation.
struct Slot {
  std::mutex mutex;
  uint64_t generation = 0;
  bool is_open = false;
  Packets packets;
  Waiting* top = nullptr;  ///< came last, and is woken first

  void list(Waiting& waiting) {
    if (waiting.is_listed) return;
    waiting.below = top;
    top = &waiting;
    waiting.is_listed = true;
  }
  void unlist(Waiting& waiting) {
    if (!waiting.is_listed) return;
    Waiting** link = &top;
    while (*link != &waiting) link = &(*link)->below;
    *link = waiting.below;
    waiting.is_listed = false;
  }
  /// For a packet that nobody was woken for.
  void wake_one() {
    if (top == nullptr) return;
    Waiting& waiting = *top;
    unlist(waiting);
    waiting.waiter.poke();
  }
};

// A handle looks like an event's and has a slot that no event has (upcalls.cc):
// | generation (40) | 1 | slot (21) | 0 | 0 |
constexpr unsigned kSlotShift = 2, kGenerationShift = 24;
constexpr uint64_t kPortMark = uint64_t{1} << 21, kSlotMask = kPortMark - 1;
constexpr uint64_t kMostPorts = 4096;

struct Ports {
  std::mutex mutex;  // of the two lists
  std::vector<uint32_t> free_slots;
  uint32_t n_used = 0;
  std::array<std::atomic<Slot*>, kMostPorts> slots{};
};

Ports& ports() {
  static Ports& table = *new Ports;  // never destroyed: threads end after static objects do
  return table;
}

struct PortRef {
  Slot* slot = nullptr;
  uint64_t generation = 0;
  uint32_t index = 0;

  /// With the slot's mutex held.
  bool is_live() const { return slot->is_open && slot->generation == generation; }
};

PortRef resolve(HANDLE port) noexcept {
  const auto handle = reinterpret_cast<uint64_t>(port);
  const uint64_t index = handle >> kSlotShift & kSlotMask;
  const bool is_marked = (handle >> kSlotShift & kPortMark) != 0 && (handle & 3) == 0;
  if (!is_marked || index >= kMostPorts) return {};
  return {ports().slots[index].load(std::memory_order_acquire), handle >> kGenerationShift,
          static_cast<uint32_t>(index)};
}

/// Time left until a deadline; 0: it has passed.
uint64_t ns_until(SteadyClock::time_point deadline) noexcept {
  const auto left = deadline - SteadyClock::now();
  return left.count() > 0 ? static_cast<uint64_t>(std::chrono::nanoseconds(left).count()) : 0;
}

using Deadline = std::optional<SteadyClock::time_point>;

/// Turns until the waiter is poked or the time is over; sleeps while there is no Stack to turn.
void turn_or_sleep(Waiter& waiter, const Deadline& deadline, bool only_looks) noexcept {
  {
    const Inside inside;
    if (Stack* const stack = home_stack(); stack != nullptr) {
      const Stack::Guard guard(*stack);
      if (only_looks) {
        (void)stack->spin();  // who polls turns
        return;
      }
      const uint64_t end =
          deadline ? stack->now_ns() + ns_until(*deadline) : kNoDeadline;
      (void)stack->wait(waiter, end);
      return;
    }
  }
  if (only_looks) return;
  waiter.sleep([&](auto& wake) { deadline ? (void)wake.try_acquire_until(*deadline) : wake.acquire(); });
}

/// An alertable wait of this thread, or none.
class Alertable {
 public:
  Alertable(Waiter& waiter, bool is_alertable) noexcept : waiter_(is_alertable ? &waiter : nullptr) {
    if (waiter_ != nullptr) begin_alertable_wait(*waiter_);
  }
  ~Alertable() {
    if (waiter_ != nullptr) end_alertable_wait(*waiter_);
  }
  Alertable(const Alertable&) = delete;
  Alertable& operator=(const Alertable&) = delete;

 private:
  Waiter* waiter_;
};

/// What is there, else the waiter is listed. @return nothing: it has to wait
std::optional<PortAnswer> look(const PortRef& port, Waiting& waiting,
                               std::span<OVERLAPPED_ENTRY> to, bool may_wait) noexcept {
  Slot& slot = *port.slot;
  const std::lock_guard guard(slot.mutex);
  if (!port.is_live()) return PortAnswer{PortEnd::kClosed};
  ULONG n = 0;
  while (n < to.size() && !slot.packets.empty()) {
    const Packet packet = slot.packets.pop();
    to[n++] = packet.entry;
    note_taken(packet.sampled);
  }
  if (n == 0 && may_wait) {
    slot.list(waiting);
    return std::nullopt;
  }
  slot.unlist(waiting);
  return PortAnswer{n == 0 ? PortEnd::kTimedOut : PortEnd::kPackets, n};
}

/// An APC ended the wait: a packet that this thread was woken for is another one's.
void leave(const PortRef& port, Waiting& waiting) noexcept {
  const std::lock_guard guard(port.slot->mutex);
  if (!port.is_live()) return;
  port.slot->unlist(waiting);
  if (!port.slot->packets.empty()) port.slot->wake_one();
}

}  // namespace

HANDLE port_create() noexcept {
  Ports& table = ports();
  const std::lock_guard guard(table.mutex);
  uint32_t index = table.n_used;
  if (!table.free_slots.empty()) {
    index = table.free_slots.back();
    table.free_slots.pop_back();
  } else if (table.n_used == kMostPorts) {
    return nullptr;
  } else {
    ++table.n_used;
    table.slots[index].store(new Slot, std::memory_order_release);
  }
  Slot& slot = *table.slots[index].load(std::memory_order_relaxed);
  const std::lock_guard slot_guard(slot.mutex);
  slot.is_open = true;
  const uint64_t generation = ++slot.generation;
  return reinterpret_cast<HANDLE>(generation << kGenerationShift |
                                  (kPortMark | uint64_t{index}) << kSlotShift);
}

bool close_port(HANDLE handle) noexcept {
  const PortRef port = resolve(handle);
  if (port.slot == nullptr) return false;
  {
    const std::lock_guard guard(port.slot->mutex);
    if (!port.is_live()) return false;
    port.slot->is_open = false;
    port.slot->packets.clear();
    while (port.slot->top != nullptr) port.slot->wake_one();
  }
  const std::lock_guard guard(ports().mutex);
  ports().free_slots.push_back(port.index);
  return true;
}

bool is_port(HANDLE handle) noexcept {
  const PortRef port = resolve(handle);
  if (port.slot == nullptr) return false;
  const std::lock_guard guard(port.slot->mutex);
  return port.is_live();
}

bool port_post(HANDLE handle, const OVERLAPPED_ENTRY& packet, const Sampled& sampled) noexcept {
  const PortRef port = resolve(handle);
  if (port.slot == nullptr) return false;
  const std::lock_guard guard(port.slot->mutex);
  if (!port.is_live()) return false;
  port.slot->packets.push({packet, sampled});
  port.slot->wake_one();
  return true;
}

// Packets before APCs, as on Windows: an APC runs only when there is something to wait for.
PortAnswer port_take(HANDLE handle, std::span<OVERLAPPED_ENTRY> to, DWORD timeout_ms,
                     bool is_alertable) noexcept {
  const PortRef port = resolve(handle);
  if (port.slot == nullptr || !is_port(handle)) return {PortEnd::kNoPort};
  Waiting waiting;
  const Alertable alertable(waiting.waiter, is_alertable);
  Deadline deadline;
  if (timeout_ms != INFINITE && timeout_ms != 0) {
    deadline = SteadyClock::now() + std::chrono::milliseconds(timeout_ms);
  }
  for (bool in_time = true;;) {
    if (const auto answer = look(port, waiting, to, in_time)) return *answer;
    if (is_alertable && run_apcs()) {
      leave(port, waiting);
      return {PortEnd::kApc};
    }
    turn_or_sleep(waiting.waiter, deadline, timeout_ms == 0);
    waiting.waiter.is_poked = false;
    in_time = timeout_ms != 0 && (!deadline || ns_until(*deadline) != 0);
  }
}

uint32_t n_waiting(HANDLE handle) noexcept {
  const PortRef port = resolve(handle);
  if (port.slot == nullptr) return 0;
  const std::lock_guard guard(port.slot->mutex);
  uint32_t n = 0;
  for (const Waiting* w = port.is_live() ? port.slot->top : nullptr; w != nullptr; w = w->below) ++n;
  return n;
}

void poke_port_waiters() noexcept {
  for (std::atomic<Slot*>& entry : ports().slots) {
    Slot* const slot = entry.load(std::memory_order_acquire);
    if (slot == nullptr) return;  // they are used in order
    const std::lock_guard guard(slot->mutex);
    for (Waiting* w = slot->top; w != nullptr; w = w->below) w->waiter.poke();
  }
}

}  // namespace millrace
