// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/poll_sockets.h"

#include <algorithm>

#include "spi_shim/handles.h"
#include "spi_shim/poll_list.h"
#include "spi_shim/probe.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

constexpr SHORT kMayBeAsked = WS_POLLRDNORM | WS_POLLRDBAND | WS_POLLWRNORM;
constexpr SHORT kToldUnasked = WS_POLLERR | WS_POLLHUP | WS_POLLNVAL;

void list_all(std::span<WSAPOLLFD> entries, PollList& list) {
  uint32_t place = 0;
  for (WSAPOLLFD& entry : entries) {
    entry.revents = 0;
    PollEntry one;
    one.handle = inner_handle(entry.fd);
    one.asks = static_cast<SHORT>(entry.events | kToldUnasked);
    one.place = place++;
    list.add(one);
  }
}

void tell_unknown(const PollList& list, std::span<WSAPOLLFD> entries) noexcept {
  for (const PollEntry& one : list.entries()) {
    if (one.socket == nullptr) entries[one.place].revents = WS_POLLNVAL;
  }
}

// Who is skipped may have anything in events.
bool asks_too_much(const WSAPOLLFD& entry) noexcept {
  return entry.fd != INVALID_SOCKET && (entry.events & ~kMayBeAsked) != 0;
}

uint64_t ns_of(INT timeout_ms) noexcept {
  return timeout_ms < 0 ? kNoDeadline : static_cast<uint64_t>(timeout_ms) * 1'000'000;
}

}  // namespace

int poll_sockets(std::span<WSAPOLLFD> entries, INT timeout_ms, LPINT lpErrno) noexcept {
  const auto fail = [&](INT error) {
    tell(lpErrno, error);
    return SOCKET_ERROR;
  };
  const Inside inside;
  if (stacks_for_call(lpErrno).empty()) return SOCKET_ERROR;
  PollList list(entries.size());
  list_all(entries, list);
  const bool only_looks = timeout_ms == 0;
  const PollList::Looked looked = list.look(only_looks);
  if (looked.n_unknown == entries.size()) {
    tell_unknown(list, entries);
    return fail(WSAENOTSOCK);
  }
  if (std::any_of(entries.begin(), entries.end(), asks_too_much)) return fail(WSAEINVAL);
  if (looked.n_unknown != 0) {
    tell_unknown(list, entries);
    list.drop_unknown();
  }
  uint32_t n_answered = looked.n_answered;
  if (n_answered == 0 && !only_looks) {
    const WsaError error = list.wait(ns_of(timeout_ms), n_answered);
    if (error != WsaError::kOk) return fail(static_cast<INT>(error));
  }
  // A listener and its twins on other Stacks have one place.
  for (const PollEntry& one : list.entries()) entries[one.place].revents |= one.found;
  const auto has_something = [](const WSAPOLLFD& entry) { return entry.revents != 0; };
  return static_cast<int>(std::count_if(entries.begin(), entries.end(), has_something)) -
         static_cast<int>(looked.n_unknown);
}

}  // namespace millrace
