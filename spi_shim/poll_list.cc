// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/poll_list.h"

#include <algorithm>

#include "spi_shim/listeners.h"
#include "spi_shim/startup.h"
#include "stack/socket.h"

namespace millrace {
namespace {

bool is_before(const PollEntry& a, const PollEntry& b) noexcept {
  return Stack::index_in(a.handle) < Stack::index_in(b.handle);
}

/// One Stack's sockets side by side; else in the order in which they were given.
void sort(std::span<PollEntry> entries) {
  if (running_stacks().size() > 1) std::stable_sort(entries.begin(), entries.end(), is_before);
}

/// Calls visit(stack, its entries) with each Stack's lock; not for handles of no Stack.
template <typename Visitor>
void for_each_stack(std::span<PollEntry> entries, Visitor visit) {
  while (!entries.empty()) {
    const uint32_t index = Stack::index_in(entries.front().handle);
    const auto end = std::find_if(entries.begin(), entries.end(), [index](const PollEntry& entry) {
      return Stack::index_in(entry.handle) != index;
    });
    const auto n = static_cast<size_t>(end - entries.begin());
    if (Stack* const stack = stack_of(entries.front().handle); stack != nullptr) {
      const Stack::Guard guard(*stack);
      visit(*stack, entries.first(n));
    }
    entries = entries.subspan(n);
  }
}

bool is_unknown(const PollEntry& entry) noexcept { return entry.socket == nullptr; }

/// Readable, where that was asked (winsock-rules 165); no socket, where WSAPoll asks.
void tell_closed(PollEntry& entry) noexcept {
  entry.is_closed = true;
  entry.reads = entry.wants_read;
  entry.found = static_cast<SHORT>(entry.asks & WS_POLLNVAL);
}

uint32_t find_and_look(Stack& stack, std::span<PollEntry> some) noexcept {
  uint32_t n = 0;
  for (PollEntry& entry : some) {
    entry.socket = stack.find(entry.handle);
    n += entry.socket != nullptr && look(entry) ? 1 : 0;
  }
  return n;
}

void list_twins(std::span<const PollEntry> some, std::pmr::vector<PollEntry>& twins) {
  for (const PollEntry& entry : some) {
    if (is_unknown(entry)) continue;
    for (const SOCKET twin : entry.socket->twins()) {
      twins.push_back(entry);
      twins.back().handle = twin;
    }
  }
}

}  // namespace

PollList::Looked PollList::look_at(std::span<PollEntry> entries, bool only_looks,
                                   std::pmr::vector<PollEntry>* twins) {
  Looked looked;
  for_each_stack(entries, [&](Stack& stack, std::span<PollEntry> some) {
    uint32_t n = find_and_look(stack, some);
    if (twins != nullptr) list_twins(some, *twins);
    if (n == 0 && only_looks) {
      (void)stack.spin();
      n = find_and_look(stack, some);
    }
    looked.n_answered += n;
  });
  looked.n_unknown = static_cast<uint32_t>(std::count_if(entries.begin(), entries.end(), is_unknown));
  return looked;
}

PollList::Looked PollList::look(bool only_looks) {
  sort(entries_);
  std::pmr::vector<PollEntry> twins(&memory_);
  Looked looked = look_at(entries_, only_looks, running_stacks().size() > 1 ? &twins : nullptr);
  if (twins.empty()) return looked;
  sort(twins);
  looked.n_answered += look_at(twins, only_looks, nullptr).n_answered;
  entries_.insert(entries_.end(), twins.begin(), twins.end());
  sort(entries_);
  return looked;
}

void PollList::drop_unknown() { std::erase_if(entries_, is_unknown); }

/// @return how many are closed meanwhile
uint32_t PollList::keep_sockets() {
  uint32_t n_closed = 0;
  for_each_stack(entries_, [&](Stack& stack, std::span<PollEntry> some) {
    for (PollEntry& entry : some) {
      entry.socket = stack.find(entry.handle);
      if (entry.socket != nullptr) {
        entry.socket->ref();
      } else {
        ++n_closed;
        tell_closed(entry);
      }
    }
  });
  return n_closed;
}

void PollList::release() noexcept {
  for_each_stack(entries_, [](Stack&, std::span<PollEntry> some) {
    for (const PollEntry& entry : some) {
      if (entry.socket != nullptr) entry.socket->unref();
    }
  });
}

WsaError PollList::wait(uint64_t timeout_ns, uint32_t& n_answered) {
  n_answered = keep_sockets();
  WsaError error = WsaError::kOk;
  if (n_answered == 0) {
    // With one Stack for all of them, that one; else whichever this thread turns.
    Stack& first = entries_.front().socket->stack();
    Stack* const own = &first == &entries_.back().socket->stack() ? nullptr : home_stack();
    Stack& home = own == nullptr ? first : *own;
    const uint64_t deadline = timeout_ns == kNoDeadline ? kNoDeadline : home.now_ns() + timeout_ns;
    error = poll(home, entries_, deadline, n_answered);
  }
  release();
  return error;
}

}  // namespace millrace
