// SPDX-License-Identifier: BSD-3-Clause
// Calls that tell how things stand: results, network events, select and WSAPoll.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"

using namespace millrace;
using namespace millrace::ws2;
using Table = WSPPROC_TABLE;

BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
                                   BOOL fWait, LPDWORD lpdwFlags) noexcept {
  return call<&Table::lpWSPGetOverlappedResult>(s, lpOverlapped, lpcbTransfer, fWait, lpdwFlags);
}

int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents) noexcept {
  return call<&Table::lpWSPEventSelect>(s, hEventObject, lNetworkEvents);
}

int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject,
                                LPWSANETWORKEVENTS lpNetworkEvents) noexcept {
  return call<&Table::lpWSPEnumNetworkEvents>(s, hEventObject, lpNetworkEvents);
}

int WSAAPI WSAAsyncSelect(SOCKET s, HWND hWnd, unsigned int wMsg, LONG lEvent) noexcept {
  return call<&Table::lpWSPAsyncSelect>(s, hWnd, wMsg, lEvent);
}

int WSAAPI WS_select(int nfds, WS_fd_set* readfds, WS_fd_set* writefds, WS_fd_set* exceptfds,
                     const WS_timeval* timeout) noexcept {
  WS_timeval* const borrowed = const_cast<WS_timeval*>(timeout);  // nobody writes it (rule 161)
  return call<&Table::lpWSPSelect>(nfds, readfds, writefds, exceptfds, borrowed);
}

int WSAAPI __WSAFDIsSet(SOCKET s, WS_fd_set* set) noexcept {
  const SOCKET* const first = set->fd_array;
  const SOCKET* const end = first + set->fd_count;
  return std::find(first, end, s) != end ? 1 : 0;
}

namespace {

/// A set of as many sockets as there are: WSPSelect looks at fd_count only.
class Set {
 public:
  explicit Set(size_t room) : memory_(1 + room) {}
  void add(SOCKET s) {
    memory_[1 + get()->fd_count] = s;
    ++get()->fd_count;
  }
  bool contains(SOCKET s) { return __WSAFDIsSet(s, get()) != 0; }
  WS_fd_set* get() { return reinterpret_cast<WS_fd_set*>(memory_.data()); }

 private:
  static_assert(offsetof(WS_fd_set, fd_array) == sizeof(SOCKET));
  std::vector<SOCKET> memory_;
};

constexpr SHORT kMayBeAsked = WS_POLLRDNORM | WS_POLLRDBAND | WS_POLLWRNORM | WS_POLLWRBAND;

// WSAPoll skips negative sockets. Handles use all 64 bits here, so that -1 is the only negative one.
bool is_skipped(const WSAPOLLFD& entry) noexcept { return entry.fd == INVALID_SOCKET; }

int option(SOCKET s, int name) noexcept {
  int value = 0;
  int length = sizeof value;
  return WS_getsockopt(s, WS_SOL_SOCKET, name, reinterpret_cast<CHAR*>(&value), &length) == 0
             ? value
             : -1;
}

// What a readable socket has: data, a connection to accept, or its end.
SHORT what_is_readable(SOCKET s) noexcept {
  if (option(s, WS_SO_ACCEPTCONN) > 0 || option(s, WS_SO_TYPE) != WS_SOCK_STREAM) {
    return WS_POLLRDNORM;
  }
  CHAR byte;
  const int n = WS_recv(s, &byte, 1, WS_MSG_PEEK);
  if (n > 0) return WS_POLLRDNORM;
  if (n == 0) return WS_POLLHUP;
  switch (GetLastError()) {
    case WSAESHUTDOWN:
      return WS_POLLHUP;
    case WSAEWOULDBLOCK:  // somebody else was faster
      return 0;
    default:
      return WS_POLLERR | WS_POLLHUP;
  }
}

// A failed connect, or urgent data.
SHORT what_is_exceptional(SOCKET s) noexcept {
  return option(s, WS_SO_ERROR) > 0 ? WS_POLLERR | WS_POLLHUP | WS_POLLWRNORM : WS_POLLRDBAND;
}

/// WSAPoll, once its arguments are found good. @return how many entries have revents
int poll_once(std::span<WSAPOLLFD> entries, const WS_timeval* timeout) {
  // Ends and errors are reported unasked, so everything is in all of the sets that could show them.
  Set reads(entries.size());
  Set writes(entries.size());
  Set exceptions(entries.size());
  for (WSAPOLLFD& entry : entries) {
    if (entry.revents != 0 || is_skipped(entry)) continue;
    reads.add(entry.fd);
    exceptions.add(entry.fd);
    if ((entry.events & WS_POLLWRNORM) != 0) writes.add(entry.fd);
  }
  const int ready = WS_select(0, reads.get(), writes.get(), exceptions.get(), timeout);
  if (ready < 0) return ready;
  int n = 0;
  for (WSAPOLLFD& entry : entries) {
    const auto asked = static_cast<SHORT>(entry.events | WS_POLLERR | WS_POLLHUP | WS_POLLNVAL);
    if (entry.revents == 0 && !is_skipped(entry)) {
      SHORT found = 0;
      if (writes.contains(entry.fd)) found |= WS_POLLWRNORM;
      if (reads.contains(entry.fd)) found |= what_is_readable(entry.fd);
      if (exceptions.contains(entry.fd)) found |= what_is_exceptional(entry.fd);
      entry.revents = static_cast<SHORT>(found & asked);
    }
    n += entry.revents != 0 ? 1 : 0;
  }
  return n;
}

/// How long one select may look: data that nobody asked about makes it return at once, for ever.
constexpr INT kMostMs = 1;

int poll_until(std::span<WSAPOLLFD> entries, INT timeout_ms) {
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    const auto past = std::chrono::steady_clock::now() - start;
    const bool is_last = timeout_ms >= 0 && past >= std::chrono::milliseconds(timeout_ms);
    const WS_timeval moment{0, is_last ? 0 : kMostMs * 1000};
    const int n = poll_once(entries, &moment);
    if (n != 0 || is_last) return n;
  }
}

}  // namespace

int WSAAPI WSAPoll(LPWSAPOLLFD fdArray, ULONG fds, INT timeout) noexcept {
  if (provider() == nullptr) return fail(WSANOTINITIALISED);
  if (fds == 0) return fail(WSAEINVAL);
  if (!can_write_objects(fdArray, fds)) return fail(WSAEFAULT);
  const std::span entries(fdArray, fds);
  ULONG n_good = 0;
  int n_bad = 0;
  for (WSAPOLLFD& entry : entries) {
    entry.revents = 0;
    if (is_skipped(entry)) continue;
    if ((entry.events & ~kMayBeAsked) != 0) return fail(WSAEINVAL);
    if (option(entry.fd, WS_SO_TYPE) < 0) {
      entry.revents = WS_POLLNVAL;
      ++n_bad;
    } else {
      ++n_good;
    }
  }
  if (n_good == 0) return fail(WSAENOTSOCK);
  return poll_until(entries, n_bad != 0 ? 0 : timeout);
}
