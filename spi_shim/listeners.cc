// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/listeners.h"

#include <algorithm>

#include "spi_shim/startup.h"
#include "stack/poll.h"

namespace millrace {
namespace {

/// What accepting takes over from the application's socket.
struct Original {
  SocketOptions options;
  EventSelection selection;
  Endpoint endpoint;
  uint8_t family = 4;
  bool is_there = false;
};

Original look_at(SOCKET listener) noexcept {
  Stack* const stack = stack_of(listener);
  if (stack == nullptr) return {};
  const Stack::Guard guard(*stack);
  const Socket* const socket = stack->find(listener);
  if (socket == nullptr || !socket->is_listening()) return {};
  return {socket->options, socket->selection(), socket->local(), socket->family(), true};
}

SOCKET add_twin(Stack& stack, const Original& original, int backlog, WsaError& error) noexcept {
  const Stack::Guard guard(stack);
  Socket* const twin = stack.open(Transport::kTcp, original.family);
  if (twin == nullptr) {
    error = WsaError::kNoBufs;
    return INVALID_SOCKET;
  }
  twin->options = original.options;
  if (original.selection.mask != 0) twin->select_events(original.selection);
  error = twin->listen_as_twin(original.endpoint, backlog);
  const SOCKET handle = error == WsaError::kOk ? stack.insert(*twin) : INVALID_SOCKET;
  if (handle == INVALID_SOCKET) twin->reset();
  twin->unref();
  return handle;
}

/// One attempt on one of them. @return with neither socket nor error: nothing waits there
Accepted try_accept(SOCKET one, const Original& original) noexcept {
  Stack* const stack = stack_of(one);
  if (stack == nullptr) return {};
  const Stack::Guard guard(*stack);
  Socket* const listener = stack->find(one);
  if (listener == nullptr) return {};
  Accepted accepted = take_from(*listener, one, false);
  if (accepted.error == WsaError::kWouldBlock) accepted.error = WsaError::kOk;
  if (accepted.inner == INVALID_SOCKET) return accepted;
  Socket& socket = *stack->find(accepted.inner);
  socket.options = original.options;
  socket.apply_options();
  return accepted;
}

/// The calling thread's own, which there is no more when the provider has ended meanwhile.
Stack& home_of(std::span<const PollEntry> entries) noexcept {
  Stack* const home = home_stack();
  return home != nullptr ? *home : entries.front().socket->stack();
}

/// Until one of them has something. @errors kIntr: cancelled, or the listener was closed
WsaError wait_for_any(std::span<const SOCKET> all) noexcept {
  std::vector<PollEntry> entries;
  for (const SOCKET one : all) {
    Stack* const stack = stack_of(one);
    if (stack == nullptr) break;
    const Stack::Guard guard(*stack);
    PollEntry entry;
    entry.socket = stack->find(one);
    entry.wants_read = true;
    if (entry.socket == nullptr) continue;
    entry.socket->ref();
    entries.push_back(entry);
  }
  uint32_t n_answered = 0;
  const bool is_closed = entries.size() != all.size();
  const WsaError error = is_closed ? WsaError::kIntr
                                   : poll(home_of(entries), entries, kNoDeadline, n_answered);
  for (const PollEntry& entry : entries) {
    const Stack::Guard guard(entry.socket->stack());
    entry.socket->unref();
  }
  return error;
}

}  // namespace

Accepted take_from(Socket& listener, SOCKET handle, bool may_wait) noexcept {
  Accepted accepted;
  Socket* const socket = listener.take_pending(accepted.error, may_wait);
  if (socket == nullptr) return accepted;
  accepted.listener = handle;
  accepted.local = socket->shown(socket->local());
  accepted.peer = socket->shown(*socket->peer());
  accepted.inner = listener.stack().insert(*socket);
  socket->unref();
  return accepted;
}

Stack* stack_of(SOCKET inner) noexcept {
  const auto stacks = running_stacks();
  const uint32_t index = Stack::index_in(inner);
  return index < stacks.size() ? stacks[index] : nullptr;
}

WsaError add_twins(SOCKET listener, int backlog) noexcept {
  const Original original = look_at(listener);
  Stack* const own = stack_of(listener);
  if (!original.is_there) return WsaError::kNotSock;  // closed meanwhile
  std::vector<SOCKET> twins;
  WsaError error = WsaError::kOk;
  for (Stack* const stack : running_stacks()) {
    if (stack == own || error != WsaError::kOk) continue;
    const SOCKET twin = add_twin(*stack, original, backlog, error);
    if (twin != INVALID_SOCKET) twins.push_back(twin);
  }
  if (error == WsaError::kOk) {
    const Stack::Guard guard(*own);
    Socket* const socket = own->find(listener);
    if (socket != nullptr && socket->listening != nullptr && socket->twins().empty()) {
      socket->listening->twins = std::move(twins);
      return WsaError::kOk;
    }
  }
  end_twins(twins);
  return error;
}

void end_twins(const std::vector<SOCKET>& twins) noexcept {
  for (const SOCKET twin : twins) {
    Stack* const stack = stack_of(twin);
    if (stack == nullptr) return;
    const Stack::Guard guard(*stack);
    Socket* const socket = stack->find(twin);
    if (socket == nullptr) continue;
    socket->reset();
    stack->erase(twin);
  }
}

Accepted accept_from_any(SOCKET listener, const std::vector<SOCKET>& twins) noexcept {
  std::vector<SOCKET> all = twins;
  all.push_back(listener);
  const Stack* const own = home_stack();
  if (own == nullptr) return {INVALID_SOCKET, INVALID_SOCKET, {}, {}, WsaError::kIntr};
  const uint32_t home = own->index();
  std::stable_partition(all.begin(), all.end(),
                        [home](SOCKET s) { return Stack::index_in(s) == home; });
  for (bool has_spun = false;;) {
    const Original original = look_at(listener);
    Accepted accepted;
    if (!original.is_there) accepted.error = WsaError::kIntr;  // closed by another thread
    for (size_t i = 0; i < all.size() && accepted.error == WsaError::kOk; ++i) {
      accepted = try_accept(all[i], original);
      if (accepted.inner != INVALID_SOCKET) return accepted;
    }
    if (accepted.error != WsaError::kOk) return accepted;
    if (!original.options.is_nonblocking) {
      accepted.error = wait_for_any(all);
      if (accepted.error != WsaError::kOk) return accepted;
    } else if (has_spun) {
      accepted.error = WsaError::kWouldBlock;
      return accepted;
    } else {
      for (Stack* const stack : running_stacks()) {
        const Stack::Guard guard(*stack);
        (void)stack->spin();
      }
      has_spun = true;
    }
  }
}

}  // namespace millrace
