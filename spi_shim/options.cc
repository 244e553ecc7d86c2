// SPDX-License-Identifier: BSD-3-Clause
// WSPSetSockOpt, WSPGetSockOpt, WSPIoctl: each option is one row of a table.
//
// An option is read and written as the type Windows gives it: BOOL options take 1 or more bytes and
// become 0 or 1, DWORD options take 4 (winsock-rules 178 to 186).
#include <algorithm>
#include <cstring>
#include <span>

#include "spi_shim/call.h"
#include "spi_shim/connect_ex.h"
#include "spi_shim/extensions.h"
#include "spi_shim/ioctl_settings.h"
#include "spi_shim/multicast.h"
#include "spi_shim/procedures.h"

namespace millrace {
namespace {

struct Option {
  int level;
  int name;
  bool is_bool;
  uint32_t (*get)(const Socket&);
  WsaError (*set)(Socket&, uint32_t value);  // null: read only
};

template <bool SocketOptions::*Member>
constexpr Option bool_option(int level, int name) {
  return {level, name, true, [](const Socket& s) -> uint32_t { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            s.options.*Member = value != 0;
            return WsaError::kOk;
          }};
}

template <uint32_t SocketOptions::*Member>
constexpr Option dword_option(int level, int name) {
  return {level, name, false, [](const Socket& s) { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            s.options.*Member = value;
            return WsaError::kOk;
          }};
}

// Sharing and exclusive use exclude each other, and are settled before bind (winsock-rules 200).
template <bool SocketOptions::*Wanted, bool SocketOptions::*Opposite>
WsaError set_sharing(Socket& s, uint32_t value) {
  if (value != 0 && s.options.*Opposite) return WsaError::kInval;
  s.options.*Wanted = value != 0;
  return WsaError::kOk;
}

constexpr uint32_t kMostSeconds = 0x7fffffff / 1000;
constexpr uint32_t kMostProbes = 255;

// TCP_KEEPIDLE and TCP_KEEPINTVL count seconds; SIO_KEEPALIVE_VALS counts milliseconds.
template <uint32_t SocketOptions::*Member>
constexpr Option seconds_option(int name) {
  return {WS_IPPROTO_TCP, name, false, [](const Socket& s) { return s.options.*Member / 1000; },
          [](Socket& s, uint32_t value) {
            if (value == 0 || value > kMostSeconds) return WsaError::kInval;
            s.options.*Member = value * 1000;
            return WsaError::kOk;
          }};
}

WsaError set_keep_alive_probes(Socket& s, uint32_t value) {
  if (value == 0 || value > kMostProbes) return WsaError::kInval;
  s.options.keep_alive_probes = value;
  return WsaError::kOk;
}

// A DWORD on Windows, and one byte in programs that come from elsewhere: any length will do.
template <uint8_t SocketOptions::*Member>
constexpr Option hops_option(int level, int name) {
  return {level, name, true, [](const Socket& s) -> uint32_t { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            if (value > UINT8_MAX) return WsaError::kInval;
            s.options.*Member = static_cast<uint8_t>(value);
            return WsaError::kOk;
          }};
}

uint32_t multicast_interface(const Socket& s) { return s.options.multicast_interface_as_set; }

constexpr Option kOptions[] = {
    hops_option<&SocketOptions::ttl>(WS_IPPROTO_IP, WS_IP_TTL),
    hops_option<&SocketOptions::ttl>(WS_IPPROTO_IPV6, WS_IPV6_UNICAST_HOPS),
    hops_option<&SocketOptions::multicast_ttl>(WS_IPPROTO_IP, WS_IP_MULTICAST_TTL),
    hops_option<&SocketOptions::multicast_ttl>(WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_HOPS),
    bool_option<&SocketOptions::multicast_loop>(WS_IPPROTO_IP, WS_IP_MULTICAST_LOOP),
    bool_option<&SocketOptions::multicast_loop>(WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_LOOP),
    // Set in multicast.cc.
    {WS_IPPROTO_IP, WS_IP_MULTICAST_IF, false, multicast_interface, nullptr},
    {WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_IF, false, multicast_interface, nullptr},
    {WS_SOL_SOCKET, WS_SO_REUSEADDR, true,
     [](const Socket& s) -> uint32_t { return s.options.reuse_address; },
     set_sharing<&SocketOptions::reuse_address, &SocketOptions::exclusive>},
    {WS_SOL_SOCKET, SO_EXCLUSIVEADDRUSE, true,
     [](const Socket& s) -> uint32_t { return s.options.exclusive; },
     set_sharing<&SocketOptions::exclusive, &SocketOptions::reuse_address>},
    bool_option<&SocketOptions::broadcast>(WS_SOL_SOCKET, WS_SO_BROADCAST),
    bool_option<&SocketOptions::oob_inline>(WS_SOL_SOCKET, WS_SO_OOBINLINE),
    bool_option<&SocketOptions::keep_alive>(WS_SOL_SOCKET, WS_SO_KEEPALIVE),
    bool_option<&SocketOptions::no_delay>(WS_IPPROTO_TCP, WS_TCP_NODELAY),
    bool_option<&SocketOptions::fail_connect_on_icmp>(WS_IPPROTO_TCP,
                                                      TCP_FAIL_CONNECT_ON_ICMP_ERROR),
    seconds_option<&SocketOptions::keep_alive_time_ms>(WS_TCP_KEEPIDLE),
    seconds_option<&SocketOptions::keep_alive_interval_ms>(WS_TCP_KEEPINTVL),
    {WS_IPPROTO_TCP, WS_TCP_KEEPCNT, false,
     [](const Socket& s) { return s.options.keep_alive_probes; }, set_keep_alive_probes},
    dword_option<&SocketOptions::receive_buffer_bytes>(WS_SOL_SOCKET, WS_SO_RCVBUF),
    dword_option<&SocketOptions::send_buffer_bytes>(WS_SOL_SOCKET, WS_SO_SNDBUF),
    dword_option<&SocketOptions::receive_timeout_ms>(WS_SOL_SOCKET, WS_SO_RCVTIMEO),
    dword_option<&SocketOptions::send_timeout_ms>(WS_SOL_SOCKET, WS_SO_SNDTIMEO),
    {WS_SOL_SOCKET, WS_SO_ERROR, false,
     [](const Socket& s) { return static_cast<uint32_t>(s.last_error()); }, nullptr},
    {WS_SOL_SOCKET, WS_SO_TYPE, false,
     [](const Socket& s) -> uint32_t {
       return s.transport() == Transport::kTcp ? WS_SOCK_STREAM : WS_SOCK_DGRAM;
     },
     nullptr},
    {WS_SOL_SOCKET, WS_SO_ACCEPTCONN, true,
     [](const Socket& s) -> uint32_t { return s.is_listening(); }, nullptr},
    {WS_SOL_SOCKET, SO_DONTLINGER, true,
     [](const Socket& s) -> uint32_t { return !s.options.linger; },
     [](Socket& s, uint32_t value) {
       s.options.linger = value == 0;
       return WsaError::kOk;
     }},
};

const Option* find_option(int level, int name) {
  const auto* const end = std::end(kOptions);
  const auto* const it = std::find_if(std::begin(kOptions), end, [&](const Option& o) {
    return o.level == level && o.name == name;
  });
  return it == end ? nullptr : it;
}

WsaError unknown(int level) {
  const int known[] = {WS_SOL_SOCKET, WS_IPPROTO_TCP, WS_IPPROTO_IP, WS_IPPROTO_IPV6,
                       WS_IPPROTO_UDP};
  const bool is_level = std::find(std::begin(known), std::end(known), level) != std::end(known);
  return is_level ? WsaError::kNoProtoOpt : WsaError::kInval;
}

bool is_linger(int level, int name) { return level == WS_SOL_SOCKET && name == WS_SO_LINGER; }

int WSPAPI wsp_set_sock_opt(SOCKET s, int level, int optname, const CHAR* optval, int optlen,
                            LPINT lpErrno) noexcept {
  if (level == WS_SOL_SOCKET && is_context_option(optname)) {
    return update_context(s, optname, optval, optlen, lpErrno);
  }
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (optlen < 1 || !can_read(optval, static_cast<size_t>(optlen))) {
    return call.fail(WsaError::kFault);
  }
  Socket& socket = call.socket();
  if (is_linger(level, optname)) {
    WS_linger linger;
    if (optlen < static_cast<int>(sizeof linger)) return call.fail(WsaError::kFault);
    std::memcpy(&linger, optval, sizeof linger);
    socket.options.linger = linger.l_onoff != 0;
    socket.options.linger_s = linger.l_linger;
    return 0;
  }
  if (const auto error = set_multicast_option(socket, level, optname, optval, optlen)) {
    return call.done(*error);
  }
  const Option* const option = find_option(level, optname);
  if (option == nullptr) return call.fail(unknown(level));
  if (option->set == nullptr) return call.fail(WsaError::kNoProtoOpt);
  uint32_t value = 0;
  if (!option->is_bool && optlen < static_cast<int>(sizeof value)) {
    return call.fail(WsaError::kFault);
  }
  std::memcpy(&value, optval, std::min<size_t>(static_cast<size_t>(optlen), sizeof value));
  const WsaError error = option->set(socket, value);
  if (error == WsaError::kOk) socket.apply_options();
  return call.done(error);
}

int WSPAPI wsp_get_sock_opt(SOCKET s, int level, int optname, CHAR* optval, LPINT optlen,
                            LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (!can_write(optlen) || *optlen < 1 || !can_write(optval, static_cast<size_t>(*optlen))) {
    return call.fail(WsaError::kFault);
  }
  const Socket& socket = call.socket();
  if (is_linger(level, optname)) {
    const WS_linger linger{socket.options.linger, socket.options.linger_s};
    if (*optlen < static_cast<int>(sizeof linger)) return call.fail(WsaError::kFault);
    std::memcpy(optval, &linger, sizeof linger);
    *optlen = sizeof linger;
    return 0;
  }
  const Option* const option = find_option(level, optname);
  if (option == nullptr) return call.fail(unknown(level));
  const uint32_t value = option->get(socket);
  const int size = std::min<int>(*optlen, sizeof value);
  if (!option->is_bool && size < static_cast<int>(sizeof value)) {
    return call.fail(WsaError::kFault);
  }
  std::memcpy(optval, &value, static_cast<size_t>(size));
  *optlen = size;
  return 0;
}

/// Hands out what an ioctl asked for.
int answer(const Call& call, WS_u_long value, LPVOID out, DWORD out_bytes, DWORD& n_bytes) noexcept {
  if (out_bytes < sizeof value || !can_write(out, sizeof value)) return call.fail(WsaError::kFault);
  std::memcpy(out, &value, sizeof value);
  n_bytes = sizeof value;
  return 0;
}

int WSPAPI wsp_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
                     LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
                     LPWSAOVERLAPPED, LPWSAOVERLAPPED_COMPLETION_ROUTINE, LPWSATHREADID,
                     LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (!can_write(lpcbBytesReturned)) return call.fail(WsaError::kFault);
  *lpcbBytesReturned = 0;
  switch (dwIoControlCode) {
    case WS_FIONBIO: {
      WS_u_long on;
      if (cbInBuffer < sizeof on || !can_read(lpvInBuffer, sizeof on)) {
        return call.fail(WsaError::kFault);
      }
      std::memcpy(&on, lpvInBuffer, sizeof on);
      call.socket().options.is_nonblocking = on != 0;
      return 0;
    }
    case WS_FIONREAD: {
      const uint64_t n = std::min<uint64_t>(call.socket().readable_bytes(), UINT32_MAX);
      return answer(call, static_cast<WS_u_long>(n), lpvOutBuffer, cbOutBuffer, *lpcbBytesReturned);
    }
    case WS_SIOCATMARK:
      if (call.socket().transport() == Transport::kUdp) return call.fail(WsaError::kOpNotSupp);
      return answer(call, call.socket().is_at_mark() ? TRUE : FALSE, lpvOutBuffer, cbOutBuffer,
                    *lpcbBytesReturned);
    case SIO_GET_EXTENSION_FUNCTION_POINTER:
      return call.done(get_extension(lpvInBuffer, cbInBuffer, lpvOutBuffer, cbOutBuffer,
                                     *lpcbBytesReturned));
    default:
      return call.done(set_by_ioctl(call.socket(), dwIoControlCode, lpvInBuffer, cbInBuffer));
  }
}

}  // namespace

void add_option_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPSetSockOpt = wsp_set_sock_opt;
  table.lpWSPGetSockOpt = wsp_get_sock_opt;
  table.lpWSPIoctl = wsp_ioctl;
}

}  // namespace millrace
