// SPDX-License-Identifier: BSD-3-Clause
// From the opaque handles of registered I/O to what they name: a slot and a generation, so that a
// stale handle, or one of another kind, is refused and never followed.
//
// Looking up takes no lock: a slot stays where it is. A thread that ends a thing while another one
// uses it breaks registered I/O's own rule.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace millrace {

/// @tparam kKind  1 .. 7, one for each kind of thing
template <typename T, uint64_t kKind>
class RioHandles {
 public:
  /// @return 0: too many
  uint64_t insert(T thing) {
    const std::lock_guard guard(mutex_);
    uint32_t index = n_used_;
    if (!free_.empty()) {
      index = free_.back();
      free_.pop_back();
    } else if (index == kSlots) {
      return 0;
    } else {
      if (index % kChunkSlots == 0) chunks_[index / kChunkSlots] = new Slot[kChunkSlots];
      ++n_used_;
    }
    Slot& slot = slot_at(index);
    slot.thing = std::move(thing);
    const uint32_t generation = slot.generation.load(std::memory_order_relaxed) + 1;
    slot.generation.store(generation, std::memory_order_release);
    return uint64_t{generation} << kGenerationShift | uint64_t{index} << kSlotShift | kKind;
  }

  /// @return null: it names nothing
  T* find(uint64_t handle) noexcept {
    const auto index = static_cast<uint32_t>(handle >> kSlotShift & (kSlots - 1));
    Slot* const chunk = chunks_[index / kChunkSlots].load(std::memory_order_acquire);
    if ((handle & kKindMask) != kKind || chunk == nullptr) return nullptr;
    Slot& slot = chunk[index % kChunkSlots];
    const uint32_t generation = slot.generation.load(std::memory_order_acquire);
    const bool is_used = generation % 2 == 1;
    return is_used && handle >> kGenerationShift == generation ? &slot.thing : nullptr;
  }

  /// @return T{}: it names nothing
  T remove(uint64_t handle) noexcept {
    const std::lock_guard guard(mutex_);
    T* const thing = find(handle);
    return thing == nullptr ? T{}
                            : vacate(static_cast<uint32_t>(handle >> kSlotShift & (kSlots - 1)));
  }

  std::vector<T> remove_all() {
    std::vector<T> things;
    const std::lock_guard guard(mutex_);
    for (uint32_t i = 0; i < n_used_; ++i) {
      const bool is_used = slot_at(i).generation.load(std::memory_order_relaxed) % 2 == 1;
      if (is_used) things.push_back(vacate(i));
    }
    return things;
  }

 private:
  // | generation (32), odd while it is used | 0 | slot (20) | 0 | kind (3) |
  static constexpr unsigned kSlotShift = 4, kGenerationShift = 32;
  static constexpr uint64_t kKindMask = 15;
  static constexpr uint32_t kSlots = 1u << 20, kChunkSlots = 1u << 10;
  static_assert(kKind >= 1 && kKind <= 7);

  struct Slot {
    std::atomic<uint32_t> generation{0};
    T thing{};
  };

  Slot& slot_at(uint32_t index) noexcept {
    return chunks_[index / kChunkSlots].load(std::memory_order_relaxed)[index % kChunkSlots];
  }
  T vacate(uint32_t index) noexcept {
    Slot& slot = slot_at(index);
    slot.generation.fetch_add(1, std::memory_order_release);
    free_.push_back(index);
    return std::exchange(slot.thing, T{});
  }

  std::mutex mutex_;  // of all but looking up
  std::vector<uint32_t> free_;
  uint32_t n_used_ = 0;
  std::array<std::atomic<Slot*>, kSlots / kChunkSlots> chunks_{};
};

}  // namespace millrace
