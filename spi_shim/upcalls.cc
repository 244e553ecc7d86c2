// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/upcalls.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "spi_shim/counted.h"
#include "spi_shim/threads.h"

namespace millrace {
namespace {

// An event's word: | generation (59) | counted | no event | auto reset | in use | signalled |. A handle carries
// generation and slot: | generation (40) | slot (22) | 0 | 0 |, a multiple of 4 as Windows' handles are.
constexpr uint64_t kSignalled = 1;
constexpr uint64_t kInUse = 2;
constexpr uint64_t kAutoReset = 4;
constexpr uint64_t kNoEvent = 8;   // no program may set it itself
constexpr uint64_t kCounted = 16;  // what it is like is in counted.cc
constexpr uint64_t kGeneration = 32;
constexpr unsigned kSlotShift = 2;
constexpr unsigned kSlotBits = 22;
constexpr unsigned kGenerationShift = kSlotShift + kSlotBits;
constexpr size_t kMostEvents = size_t{1} << 16;

struct Events {
  std::mutex mutex;  // of the two lists; an event's word needs none
  std::vector<uint32_t> free_slots;
  uint32_t n_used = 0;
  std::mutex watch_mutex;  // of the list of watches
  EventWatch* watches = nullptr;
  std::atomic<uint32_t> n_watches{0};
  std::unique_ptr<std::atomic<uint64_t>[]> words{new std::atomic<uint64_t>[kMostEvents]()};
};

Events& events() {
  static Events& table = *new Events;  // never destroyed: threads end after static objects do
  return table;
}

struct EventRef {
  std::atomic<uint64_t>* word = nullptr;
  uint64_t generation = 0;
  uint32_t slot = 0;
};

EventRef resolve(WSAEVENT event) noexcept {
  const auto handle = reinterpret_cast<uint64_t>(event);
  const auto slot = static_cast<uint32_t>(handle >> kSlotShift & ((1u << kSlotBits) - 1));
  if (event == nullptr || (handle & 3) != 0 || slot >= kMostEvents) return {};
  return {&events().words[slot], handle >> kGenerationShift, slot};
}

bool is_live(uint64_t word, const EventRef& ref) noexcept {
  return (word & kInUse) != 0 && word / kGeneration == ref.generation;
}

/// Replaces the word of a live object by change(word). @return false: no such object
template <typename Change>
bool update(const EventRef& ref, Change change) noexcept {
  if (ref.word == nullptr) return false;
  uint64_t word = ref.word->load(std::memory_order_relaxed);
  do {
    if (!is_live(word, ref)) return false;
  } while (!ref.word->compare_exchange_weak(word, change(word), std::memory_order_seq_cst));
  return true;
}

uint64_t bits_of(ObjectKind kind) noexcept {
  switch (kind) {
    case ObjectKind::kManualReset:
      return 0;
    case ObjectKind::kAutoReset:
      return kAutoReset;
    case ObjectKind::kThread:
    case ObjectKind::kManualResetTimer:
      return kNoEvent;
    case ObjectKind::kAutoResetTimer:
      return kNoEvent | kAutoReset;
    case ObjectKind::kCounted:
      return kNoEvent | kCounted;
  }
  return 0;
}

bool has_bit(const EventRef& ref, uint64_t bit) noexcept {
  return ref.word != nullptr && (ref.word->load(std::memory_order_acquire) & bit) != 0;
}

BOOL answer(bool ok, LPINT lpErrno) noexcept {
  if (!ok) *lpErrno = WSA_INVALID_HANDLE;
  return ok ? TRUE : FALSE;
}

}  // namespace

WSAEVENT event_create(ObjectKind kind, bool is_signalled) noexcept {
  Events& table = events();
  const std::lock_guard guard(table.mutex);
  uint32_t slot = table.n_used;
  if (!table.free_slots.empty()) {
    slot = table.free_slots.back();
    table.free_slots.pop_back();
  } else if (table.n_used == kMostEvents) {
    return nullptr;
  } else {
    ++table.n_used;
  }
  const uint64_t generation = table.words[slot].load() / kGeneration + 1;
  table.words[slot].store(generation * kGeneration | kInUse | (is_signalled ? kSignalled : 0) |
                          bits_of(kind));
  return reinterpret_cast<WSAEVENT>(generation << kGenerationShift | uint64_t{slot} << kSlotShift);
}

bool event_close(WSAEVENT event) noexcept {
  const EventRef ref = resolve(event);
  const bool is_counted = has_bit(ref, kCounted);
  if (!update(ref, [](uint64_t word) { return word & ~(kGeneration - 1); })) return false;
  if (is_counted) counted_forget(event);
  const std::lock_guard guard(events().mutex);
  events().free_slots.push_back(ref.slot);
  return true;
}

// A watcher counts itself first and looks at the object then: one of the two sees the other.
void poke_watchers(HANDLE object) noexcept {
  if (events().n_watches.load() != 0) EventWatch::poke_all_of(object);
}

bool object_set(HANDLE object) noexcept {
  if (!update(resolve(object), [](uint64_t word) { return word | kSignalled; })) return false;
  poke_watchers(object);
  return true;
}

bool object_reset(HANDLE object) noexcept {
  return update(resolve(object), [](uint64_t word) { return word & ~kSignalled; });
}

bool event_set(WSAEVENT event) noexcept {
  return !has_bit(resolve(event), kNoEvent) && object_set(event);
}

bool is_event_object(HANDLE object) noexcept {
  return event_state(object) >= 0 && !has_bit(resolve(object), kNoEvent);
}

int event_take(WSAEVENT event) noexcept {
  const EventRef ref = resolve(event);
  if (has_bit(ref, kCounted)) return counted_take(event);
  int state = 0;
  const bool is_there = update(ref, [&](uint64_t word) {
    const bool takes = (word & kAutoReset) != 0;
    state = (word & kSignalled) == 0 ? 0 : takes ? 2 : 1;
    return takes ? word & ~kSignalled : word;
  });
  return is_there ? state : -1;
}

void event_give_back(WSAEVENT event, int state) noexcept {
  if (state < 2) return;
  if (has_bit(resolve(event), kCounted)) {
    counted_give_back(event, state == 3);
  } else {
    (void)object_set(event);
  }
}

void EventWatch::poke_all_of(WSAEVENT event) noexcept {
  const std::lock_guard guard(events().watch_mutex);
  for (const EventWatch* watch = events().watches; watch != nullptr; watch = watch->next_) {
    const auto end = watch->events_.end();
    if (std::find(watch->events_.begin(), end, event) != end) watch->waiter_.poke();
  }
}

EventWatch::EventWatch(std::span<const WSAEVENT> watched, Waiter& waiter) noexcept
    : events_(watched), waiter_(waiter) {
  const std::lock_guard guard(events().watch_mutex);
  next_ = events().watches;
  events().watches = this;
  events().n_watches.fetch_add(1);
}

EventWatch::~EventWatch() {
  const std::lock_guard guard(events().watch_mutex);
  EventWatch** link = &events().watches;
  while (*link != this) link = &(*link)->next_;
  *link = next_;
  events().n_watches.fetch_sub(1);
}

bool event_reset(WSAEVENT event) noexcept {
  return !has_bit(resolve(event), kNoEvent) && object_reset(event);
}

int event_state(WSAEVENT event) noexcept {
  const EventRef ref = resolve(event);
  if (ref.word == nullptr) return -1;
  if (has_bit(ref, kCounted)) return counted_state(event);
  const uint64_t word = ref.word->load(std::memory_order_acquire);
  if (!is_live(word, ref)) return -1;
  return (word & kSignalled) != 0 ? 1 : 0;
}

namespace {

int WSPAPI wpu_queue_apc(LPWSATHREADID lpThreadId, LPWSAUSERAPC lpfnUserApc, DWORD_PTR dwContext,
                         LPINT lpErrno) noexcept {
  if (lpThreadId != nullptr && lpfnUserApc != nullptr &&
      queue_apc(*lpThreadId, lpfnUserApc, dwContext)) {
    return 0;
  }
  *lpErrno = WSAEFAULT;
  return SOCKET_ERROR;
}

int WSPAPI wpu_open_current_thread(LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  if (lpThreadId != nullptr && open_this_thread(*lpThreadId)) return 0;
  *lpErrno = lpThreadId == nullptr ? WSAEFAULT : WSAENOBUFS;
  return SOCKET_ERROR;
}

// A thread's handle ends with the thread; closing it earlier releases nothing.
int WSPAPI wpu_close_thread(LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  if (lpThreadId != nullptr && is_thread(*lpThreadId)) return 0;
  *lpErrno = WSAEFAULT;
  return SOCKET_ERROR;
}

}  // namespace

bool are_own(const WSPUPCALLTABLE& table) noexcept { return table.lpWPUQueueApc == wpu_queue_apc; }

WSPUPCALLTABLE own_upcalls() noexcept {
  WSPUPCALLTABLE table{};
  table.lpWPUQueueApc = wpu_queue_apc;
  table.lpWPUOpenCurrentThread = wpu_open_current_thread;
  table.lpWPUCloseThread = wpu_close_thread;
  table.lpWPUCreateEvent = [](LPINT lpErrno) -> WSAEVENT {
    WSAEVENT const event = event_create();
    if (event == nullptr) *lpErrno = WSA_NOT_ENOUGH_MEMORY;
    return event;
  };
  table.lpWPUCloseEvent = [](WSAEVENT e, LPINT error) { return answer(event_close(e), error); };
  table.lpWPUSetEvent = [](WSAEVENT e, LPINT error) { return answer(event_set(e), error); };
  table.lpWPUResetEvent = [](WSAEVENT e, LPINT error) { return answer(event_reset(e), error); };
  return table;
}

}  // namespace millrace
