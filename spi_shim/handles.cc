// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/handles.h"

#include "spi_shim/listeners.h"
#include "spi_shim/probe.h"
#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>

#include "spi_shim/startup.h"

namespace millrace {

namespace {

/// Handles whose sockets are on another Stack than they say. Looked at only while there are some.
struct Moves {
  std::shared_mutex mutex;
  std::unordered_map<SOCKET, SOCKET> to;
};
constinit std::atomic<size_t> n_moves{0};

Moves& moves() {
  static Moves& all = *new Moves;  // never destroyed: threads end after static objects do
  return all;
}

}  // namespace

SOCKET first_handle(SOCKET s) noexcept {
  const auto query = upcalls().lpWPUQuerySocketHandleContext;
  if (query == nullptr) return s;
  DWORD_PTR context = 0;
  INT error = 0;
  return query(s, &context, &error) == 0 ? static_cast<SOCKET>(context) : INVALID_SOCKET;
}

SOCKET inner_handle(SOCKET s) noexcept { return moved_handle(first_handle(s)); }

SOCKET moved_handle(SOCKET inner) noexcept {
  if (n_moves.load(std::memory_order_acquire) == 0) return inner;
  const std::shared_lock guard(moves().mutex);
  const auto it = moves().to.find(inner);
  return it == moves().to.end() ? inner : it->second;
}

void move_handle(SOCKET from, SOCKET to) {
  const std::lock_guard guard(moves().mutex);
  // A socket that is used again and again moves more than once.
  for (auto& [first, last] : moves().to) {
    if (last == from) {
      last = to;
      return;
    }
  }
  moves().to[from] = to;
  n_moves = moves().to.size();
}

void forget_moves() noexcept {
  const std::lock_guard guard(moves().mutex);
  moves().to.clear();
  n_moves = 0;
}

SOCKET publish(SOCKET inner, DWORD catalog_entry, INT& error) noexcept {
  const auto create = upcalls().lpWPUCreateSocketHandle;
  return create == nullptr ? inner : create(catalog_entry, inner, &error);
}

SOCKET publish_or_close(SOCKET inner, DWORD catalog_entry, LPINT lpErrno) noexcept {
  INT error = 0;
  const SOCKET s = publish(inner, catalog_entry, error);
  if (s != INVALID_SOCKET) return s;
  tell(lpErrno, error);
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) return INVALID_SOCKET;  // the provider has ended
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  if (socket != nullptr && socket->n_handles() == 1) socket->reset();
  stack->erase(inner);
  return INVALID_SOCKET;
}

void retire(SOCKET s) noexcept {
  if (n_moves.load(std::memory_order_acquire) != 0) {
    const std::lock_guard guard(moves().mutex);
    moves().to.erase(first_handle(s));
    n_moves = moves().to.size();
  }
  INT ignored = 0;
  if (upcalls().lpWPUCloseSocketHandle != nullptr) upcalls().lpWPUCloseSocketHandle(s, &ignored);
}

}  // namespace millrace
