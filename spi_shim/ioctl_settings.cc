// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/ioctl_settings.h"

#include <cstring>

#include "mstcpip.h"
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

}  // namespace

WsaError set_by_ioctl(Socket& socket, uint32_t code, const void* in, uint32_t in_bytes) noexcept {
  const bool is_tcp = socket.transport() == Transport::kTcp;
  if (code == SIO_KEEPALIVE_VALS && is_tcp) {
    tcp_keepalive wanted;
    if (!read(wanted, in, in_bytes)) return WsaError::kFault;
    set_keep_alive(socket, wanted);
    return WsaError::kOk;
  }
  if ((code == SIO_UDP_CONNRESET || code == SIO_UDP_NETRESET) && !is_tcp) {
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
  return WsaError::kOpNotSupp;
}

}  // namespace millrace
