// SPDX-License-Identifier: BSD-3-Clause
// WSAConnectByName and WSAConnectByList: one address after the other until one takes the connection.
#include <chrono>
#include <cstring>
#include <memory>
#include <vector>

#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"
#include "spi_shim/ws2_32/text.h"

using namespace millrace;
using namespace millrace::ws2;

namespace {

using Clock = std::chrono::steady_clock;

struct Addresses {
  LPDWORD local_length;
  LPSOCKADDR local;
  LPDWORD remote_length;
  LPSOCKADDR remote;
};

/// How long all attempts together may take.
class Patience {
 public:
  explicit Patience(const WS_timeval* timeout) noexcept : is_limited_(timeout != nullptr) {
    if (is_limited_) {
      end_ = Clock::now() + std::chrono::seconds(timeout->tv_sec) +
             std::chrono::microseconds(timeout->tv_usec);
    }
  }
  bool is_limited() const noexcept { return is_limited_; }
  WS_timeval left() const noexcept {
    const auto us =
        std::chrono::duration_cast<std::chrono::microseconds>(end_ - Clock::now()).count();
    if (us <= 0) return {0, 0};
    return {static_cast<LONG>(us / 1'000'000), static_cast<LONG>(us % 1'000'000)};
  }

 private:
  bool is_limited_;
  Clock::time_point end_{};
};

/// Waits for a nonblocking connect. @return 0, or the error
DWORD wait_for_connect(SOCKET s, const Patience& patience) noexcept {
  WS_fd_set writes{};
  WS_fd_set failures{};
  WS_FD_SET(s, &writes);
  WS_FD_SET(s, &failures);
  const WS_timeval left = patience.left();
  const int n = WS_select(0, nullptr, &writes, &failures, &left);
  if (n < 0) return GetLastError();
  if (n == 0) return WSAETIMEDOUT;
  if (writes.fd_count != 0) return 0;
  int error = 0;
  int length = sizeof error;
  (void)WS_getsockopt(s, WS_SOL_SOCKET, WS_SO_ERROR, reinterpret_cast<CHAR*>(&error), &length);
  return error == 0 ? WSAECONNREFUSED : static_cast<DWORD>(error);
}

/// @return 0, or the error
DWORD connect_once(SOCKET s, const SOCKET_ADDRESS& to, const Patience& patience) noexcept {
  if (!patience.is_limited()) {
    return WS_connect(s, to.lpSockaddr, to.iSockaddrLength) == 0 ? 0 : GetLastError();
  }
  WS_u_long on = 1;
  WS_u_long off = 0;
  if (ioctlsocket(s, static_cast<LONG>(WS_FIONBIO), &on) != 0) return GetLastError();
  DWORD error = WS_connect(s, to.lpSockaddr, to.iSockaddrLength) == 0 ? 0 : GetLastError();
  if (error == WSAEWOULDBLOCK) error = wait_for_connect(s, patience);
  (void)ioctlsocket(s, static_cast<LONG>(WS_FIONBIO), &off);
  return error;
}

/// Stores an address where the caller wants it. @return false: too little room
bool store(LPDWORD length, LPSOCKADDR where, const WS_sockaddr* address, int bytes) noexcept {
  if (length == nullptr || where == nullptr) return true;
  if (*length < static_cast<DWORD>(bytes)) return false;
  std::memcpy(where, address, static_cast<size_t>(bytes));
  *length = static_cast<DWORD>(bytes);
  return true;
}

BOOL connect_to_first(SOCKET s, const std::vector<SOCKET_ADDRESS>& list, const Patience& patience,
                      const Addresses& tell) noexcept {
  DWORD error = WSAEINVAL;
  for (const SOCKET_ADDRESS& to : list) {
    error = connect_once(s, to, patience);
    if (error == 0) {
      WS_sockaddr_storage own{};
      auto* const local = reinterpret_cast<WS_sockaddr*>(&own);
      int bytes = sizeof own;
      if (WS_getsockname(s, local, &bytes) != 0) return FALSE;
      if (store(tell.local_length, tell.local, local, bytes) &&
          store(tell.remote_length, tell.remote, to.lpSockaddr, to.iSockaddrLength)) {
        return TRUE;
      }
      return fail_with(WSAEFAULT);
    }
    if (error == WSAENOTSOCK || error == WSAEISCONN || error == WSAETIMEDOUT) break;
  }
  return fail_with(error);
}

}  // namespace

BOOL WSAAPI WSAConnectByList(SOCKET s, LPSOCKET_ADDRESS_LIST SocketAddress,
                             LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                             LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                             const WS_timeval* timeout, LPWSAOVERLAPPED Reserved) noexcept {
  if (provider() == nullptr) return fail_with(WSANOTINITIALISED);
  if (!can_read(SocketAddress)) return fail_with(WSAEFAULT);
  if (Reserved != nullptr || SocketAddress->iAddressCount <= 0) return fail_with(WSAEINVAL);
  const SOCKET_ADDRESS* const first = SocketAddress->Address;
  const std::vector<SOCKET_ADDRESS> list(first, first + SocketAddress->iAddressCount);
  return connect_to_first(
      s, list, Patience(timeout),
      {LocalAddressLength, LocalAddress, RemoteAddressLength, RemoteAddress});
}

BOOL WSAAPI WSAConnectByNameA(SOCKET s, LPCSTR nodename, LPCSTR servicename,
                              LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                              LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                              const WS_timeval* timeout, LPWSAOVERLAPPED Reserved) noexcept {
  if (provider() == nullptr) return fail_with(WSANOTINITIALISED);
  if (Reserved != nullptr || nodename == nullptr || servicename == nullptr) {
    return fail_with(WSAEINVAL);
  }
  WS_addrinfo hints{};
  hints.ai_socktype = WS_SOCK_STREAM;
  WS_addrinfo* found = nullptr;
  if (WS_getaddrinfo(nodename, servicename, &hints, &found) != 0) return FALSE;
  const std::unique_ptr<WS_addrinfo, void (*)(WS_addrinfo*)> owner(found, WS_freeaddrinfo);
  std::vector<SOCKET_ADDRESS> list;
  for (const WS_addrinfo* each = found; each != nullptr; each = each->ai_next) {
    list.push_back({each->ai_addr, static_cast<INT>(each->ai_addrlen)});
  }
  return connect_to_first(
      s, list, Patience(timeout),
      {LocalAddressLength, LocalAddress, RemoteAddressLength, RemoteAddress});
}

BOOL WSAAPI WSAConnectByNameW(SOCKET s, LPWSTR nodename, LPWSTR servicename,
                              LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                              LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                              const WS_timeval* timeout, LPWSAOVERLAPPED Reserved) noexcept {
  const auto node = narrow(nodename);
  const auto service = narrow(servicename);
  return WSAConnectByNameA(s, node ? node->c_str() : nullptr, service ? service->c_str() : nullptr,
                           LocalAddressLength, LocalAddress, RemoteAddressLength, RemoteAddress,
                           timeout, Reserved);
}
