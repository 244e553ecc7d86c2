// SPDX-License-Identifier: BSD-3-Clause
// Calls that tell how things stand: results, network events, select and WSAPoll.
#include <algorithm>
#include <span>

#include "spi_shim/poll_sockets.h"
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

int WSAAPI WSAPoll(LPWSAPOLLFD fdArray, ULONG fds, INT timeout) noexcept {
  if (provider() == nullptr) return fail(WSANOTINITIALISED);
  if (fds == 0) return fail(WSAEINVAL);
  if (!can_write_objects(fdArray, fds)) return fail(WSAEFAULT);
  INT error = 0;
  const int n = poll_sockets(std::span(fdArray, fds), timeout, &error);
  return n == SOCKET_ERROR ? fail(static_cast<DWORD>(error)) : n;
}
