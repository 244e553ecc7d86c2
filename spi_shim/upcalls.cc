// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/upcalls.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "spi_shim/threads.h"

namespace millrace {
namespace {

// An event's word: | generation (60) | thread | auto reset | in use | signalled |. A handle carries generation and slot:
// | generation (40) | slot (22) | 0 | 0 |, a multiple of 4 as Windows' handles are.
constexpr uint64_t kSignalled = 1;
constexpr uint64_t kInUse = 2;
constexpr uint64_t kAutoReset = 4;
constexpr uint64_t kThread = 8;
constexpr uint64_t kGeneration = 16;
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
                          (kind == ObjectKind::kAutoReset ? kAutoReset : 0) |
                          (kind == ObjectKind::kThread ? kThread : 0));
  return reinterpret_cast<WSAEVENT>(generation << kGenerationShift | uint64_t{slot} << kSlotShift);
}

bool event_close(WSAEVENT event) noexcept {
  const EventRef ref = resolve(event);
  if (!update(ref, [](uint64_t word) { return word & ~(kGeneration - 1); })) return false;
  const std::lock_guard guard(events().mutex);
  events().free_slots.push_back(ref.slot);
  return true;
}

namespace {

bool is_thread_word(const EventRef& ref) noexcept {
  return ref.word != nullptr && (ref.word->load(std::memory_order_relaxed) & kThread) != 0;
}

bool signal_object(WSAEVENT event) noexcept {
  if (!update(resolve(event), [](uint64_t word) { return word | kSignalled; })) return false;
  // A watcher counts itself first and looks at the event then: one of the two sees the other.
  if (events().n_watches.load() != 0) EventWatch::poke_all_of(event);
  return true;
}

}  // namespace

bool event_set(WSAEVENT event) noexcept {
  return !is_thread_word(resolve(event)) && signal_object(event);
}

bool thread_object_set(HANDLE object) noexcept { return signal_object(object); }

bool is_thread_object(HANDLE object) noexcept {
  const EventRef ref = resolve(object);
  return is_thread_word(ref) && is_live(ref.word->load(), ref);
}

int event_take(WSAEVENT event) noexcept {
  int state = 0;
  const bool is_there = update(resolve(event), [&](uint64_t word) {
    const bool takes = (word & kAutoReset) != 0;
    state = (word & kSignalled) == 0 ? 0 : takes ? 2 : 1;
    return takes ? word & ~kSignalled : word;
  });
  return is_there ? state : -1;
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
  const EventRef ref = resolve(event);
  return !is_thread_word(ref) && update(ref, [](uint64_t word) { return word & ~kSignalled; });
}

int event_state(WSAEVENT event) noexcept {
  const EventRef ref = resolve(event);
  if (ref.word == nullptr) return -1;
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
