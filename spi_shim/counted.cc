// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/counted.h"

#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "millrace/winsock_errors.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"

namespace millrace {
namespace {

struct Counted {
  bool is_mutex;
  LONG n;     ///< of a semaphore: how often it can be taken; of a mutex: how often its owner has taken it
  LONG most;  ///< of a semaphore
  uint32_t owner = 0;  ///< of a mutex, while n is not 0
  bool was_abandoned = false;

  bool can_be_taken_by(uint32_t thread) const noexcept {
    return is_mutex ? n == 0 || owner == thread : n != 0;
  }
};

struct Table {
  std::mutex mutex;
  std::unordered_map<HANDLE, Counted> objects;
  std::atomic<size_t> n_mutexes{0};  ///< looked at by threads that end
};

Table& table() {
  static Table& all = *new Table;  // never destroyed: threads end after static objects do
  return all;
}

/// Calls use(object) with the lock. @return otherwise: there is no such object
template <typename Result, typename Use>
Result with(HANDLE handle, Result otherwise, Use use) noexcept {
  const std::lock_guard guard(table().mutex);
  const auto it = table().objects.find(handle);
  return it == table().objects.end() ? otherwise : use(it->second);
}

HANDLE create(const Counted& object) noexcept {
  HANDLE const handle = event_create(ObjectKind::kCounted);
  if (handle == nullptr) return nullptr;
  const std::lock_guard guard(table().mutex);
  table().objects.insert_or_assign(handle, object);
  if (object.is_mutex) ++table().n_mutexes;
  return handle;
}

}  // namespace

HANDLE semaphore_create(LONG n, LONG most) noexcept { return create({false, n, most}); }

HANDLE mutex_create(bool is_owned) noexcept {
  return create({true, is_owned ? 1 : 0, 0, this_thread()});
}

DWORD semaphore_release(HANDLE semaphore, LONG n, LONG* before) noexcept {
  const DWORD error = with(semaphore, DWORD{ERROR_INVALID_HANDLE}, [&](Counted& s) -> DWORD {
    if (s.is_mutex) return ERROR_INVALID_HANDLE;
    if (n > s.most - s.n) return ERROR_TOO_MANY_POSTS;
    if (before != nullptr) *before = s.n;
    s.n += n;
    return 0;
  });
  if (error == 0) poke_watchers(semaphore);
  return error;
}

DWORD mutex_release(HANDLE mutex) noexcept {
  bool is_free = false;
  const DWORD error = with(mutex, DWORD{ERROR_INVALID_HANDLE}, [&](Counted& m) -> DWORD {
    if (!m.is_mutex) return ERROR_INVALID_HANDLE;
    if (m.n == 0 || m.owner != this_thread()) return ERROR_NOT_OWNER;
    is_free = --m.n == 0;
    return 0;
  });
  if (is_free) poke_watchers(mutex);
  return error;
}

void abandon_mutexes_of(uint32_t thread) noexcept {
  if (table().n_mutexes.load() == 0) return;
  std::vector<HANDLE> abandoned;
  {
    const std::lock_guard guard(table().mutex);
    for (auto& [handle, object] : table().objects) {
      if (!object.is_mutex || object.n == 0 || object.owner != thread) continue;
      object.n = 0;
      object.was_abandoned = true;
      abandoned.push_back(handle);
    }
  }
  for (HANDLE const handle : abandoned) poke_watchers(handle);
}

int counted_state(HANDLE object) noexcept {
  return with(object, -1, [](const Counted& c) { return c.can_be_taken_by(this_thread()) ? 1 : 0; });
}

int counted_take(HANDLE object) noexcept {
  return with(object, -1, [](Counted& c) {
    if (!c.can_be_taken_by(this_thread())) return 0;
    if (!c.is_mutex) {
      --c.n;
      return 2;
    }
    ++c.n;
    c.owner = this_thread();
    return std::exchange(c.was_abandoned, false) ? 3 : 2;
  });
}

void counted_give_back(HANDLE object, bool was_abandoned) noexcept {
  (void)with(object, 0, [was_abandoned](Counted& c) {
    c.n += c.is_mutex ? -1 : 1;
    c.was_abandoned = was_abandoned;
    return 0;
  });
  poke_watchers(object);
}

void counted_forget(HANDLE object) noexcept {
  const std::lock_guard guard(table().mutex);
  const auto it = table().objects.find(object);
  if (it == table().objects.end()) return;
  if (it->second.is_mutex) --table().n_mutexes;
  table().objects.erase(it);
}

}  // namespace millrace
