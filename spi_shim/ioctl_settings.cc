// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/ioctl_settings.h"

#include <cstring>

#include "mstcpip.h"
#include "mswsock.h"
#include "spi_shim/probe.h"

namespace millrace {
namespace {

template <typename T>
bool read(T& value, const void* in, uint32_t in_bytes) noexcept {
  if (in_bytes < sizeof value || !can_read(in, sizeof value)) return false;
  std::memcpy(&value, in, sizeof value);
  return true;
}

// winsock-rules 175. A time of 0 leaves the socket's own as it is: no page says what it means.
void set_keep_alive(Socket& socket, const tcp_keepalive& wanted) noexcept {
  SocketOptions& options = socket.options;
  options.keep_alive = wanted.onoff != 0;
  if (wanted.keepalivetime != 0) options.keep_alive_time_ms = wanted.keepalivetime;
  if (wanted.keepaliveinterval != 0) options.keep_alive_interval_ms = wanted.keepaliveinterval;
  socket.apply_options();
}

// Of connections to come. A value that is left open keeps what the socket had, 0 is the stack's own.
WsaError set_initial_rto(Socket& socket, const TCP_INITIAL_RTO_PARAMETERS& wanted) noexcept {
  constexpr uint16_t kMostMs = 60'000;  // RFC 6298 2.4
  constexpr uint8_t kMostRetransmissions = 12;
  if (socket.is_connected() || socket.is_listening()) return WsaError::kInval;
  SocketOptions& options = socket.options;
  const uint8_t n = wanted.MaxSynRetransmissions;
  const bool keeps_n = n == TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS;
  const bool is_none = n == TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS;
  const bool keeps_rtt = wanted.Rtt == TCP_INITIAL_RTO_UNSPECIFIED_RTT;
  if (!keeps_n && !is_none && n > kMostRetransmissions) return WsaError::kInval;
  if (!keeps_rtt && wanted.Rtt > kMostMs) return WsaError::kInval;
  if (!keeps_rtt) options.initial_rto_ms = wanted.Rtt;
  if (keeps_n) return WsaError::kOk;
  options.max_syn_retransmissions.reset();
  if (is_none) options.max_syn_retransmissions = uint8_t{0};
  if (!is_none && n != 0) options.max_syn_retransmissions = n;
  return WsaError::kOk;
}

// These ask for what older versions of Windows did with buffers; nothing here differs by version.
bool is_behavior(WSA_COMPATIBILITY_BEHAVIOR_ID id) noexcept {
  return id == WsaBehaviorReceiveBuffering || id == WsaBehaviorAutoTuning;
}

}  // namespace

WsaError set_by_ioctl(Socket& socket, uint32_t code, const void* in, uint32_t in_bytes) noexcept {
  const bool is_tcp = socket.transport() == Transport::kTcp;
  const bool is_udp = socket.transport() == Transport::kUdp;
  if (code == SIO_KEEPALIVE_VALS && is_tcp) {
    tcp_keepalive wanted;
    if (!read(wanted, in, in_bytes)) return WsaError::kFault;
    set_keep_alive(socket, wanted);
    return WsaError::kOk;
  }
  if ((code == SIO_UDP_CONNRESET || code == SIO_UDP_NETRESET) && is_udp) {
    BOOL is_on;
    if (!read(is_on, in, in_bytes)) return WsaError::kFault;
    (code == SIO_UDP_CONNRESET ? socket.options.udp_conn_reset : socket.options.udp_net_reset) =
        is_on != FALSE;
    return WsaError::kOk;
  }
  if (code == SIO_MULTICAST_SCOPE && !is_tcp) {
    uint32_t hops;
    if (!read(hops, in, in_bytes)) return WsaError::kFault;
    if (hops > UINT8_MAX) return WsaError::kInval;
    socket.options.multicast_ttl = static_cast<uint8_t>(hops);
    return WsaError::kOk;
  }
  if (code == SIO_MULTIPOINT_LOOPBACK && !is_tcp) {
    BOOL is_on;
    if (!read(is_on, in, in_bytes)) return WsaError::kFault;
    socket.options.multicast_loop = is_on != FALSE;
    return WsaError::kOk;
  }
  if (code == SIO_TCP_INITIAL_RTO && is_tcp) {
    TCP_INITIAL_RTO_PARAMETERS wanted;
    if (!read(wanted, in, in_bytes)) return WsaError::kFault;
    return set_initial_rto(socket, wanted);
  }
  if (code == SIO_LOOPBACK_FAST_PATH && is_tcp) {
    BOOL is_on;
    if (!read(is_on, in, in_bytes)) return WsaError::kFault;
    if (socket.is_connected() || socket.is_listening()) return WsaError::kInval;
    socket.options.loopback_fast_path = is_on != FALSE;
    return WsaError::kOk;
  }
  if (code == SIO_SET_COMPATIBILITY_MODE) {
    WSA_COMPATIBILITY_MODE mode;
    if (!read(mode, in, in_bytes)) return WsaError::kFault;
    return is_behavior(mode.BehaviorId) ? WsaError::kOk : WsaError::kInval;
  }
  return WsaError::kOpNotSupp;
}

}  // namespace millrace
