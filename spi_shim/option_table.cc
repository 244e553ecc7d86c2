// SPDX-License-Identifier: BSD-3-Clause
// The rows (winsock-rules 178 to 186; Microsoft's pages SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6 and
// IPPROTO_TCP socket options). Three kinds do more than a member of SocketOptions says:
//
//   kept    a setting that Windows' own provider ignores, too, or that only states what is done anyway
//   fixed   one value is possible; setting another is refused with WSAENOPROTOOPT, and never ignored
//   told    read only: setting it is WSAENOPROTOOPT
#include "spi_shim/option_table.h"

#include <arpa/inet.h>

#include <algorithm>
#include <iterator>

#include "stack/control.h"

namespace millrace {
namespace {

template <bool SocketOptions::*Member>
constexpr Option bool_option(int level, int name, OptionOf of = OptionOf::kAll) {
  return {level, name, true, [](const Socket& s) -> uint32_t { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            s.options.*Member = value != 0;
            return WsaError::kOk;
          },
          of};
}

constexpr Option one_byte(Option option) {
  option.is_byte = true;
  return option;
}

template <uint32_t SocketOptions::*Member>
constexpr Option dword_option(int level, int name, OptionOf of = OptionOf::kAll) {
  return {level, name, false, [](const Socket& s) { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            s.options.*Member = value;
            return WsaError::kOk;
          },
          of};
}

/// Settled before the socket has its port.
template <bool SocketOptions::*Member>
constexpr Option port_option(int name) {
  return {WS_SOL_SOCKET, name, true,
          [](const Socket& s) -> uint32_t { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            if (s.is_bound()) return WsaError::kInval;
            s.options.*Member = value != 0;
            return WsaError::kOk;
          }};
}

template <uint32_t Value>
constexpr Option fixed(int level, int name, OptionOf of = OptionOf::kAll) {
  return {level, name, true, [](const Socket&) { return Value; },
          [](Socket&, uint32_t value) {
            return (value != 0) == (Value != 0) ? WsaError::kOk : WsaError::kNoProtoOpt;
          },
          of};
}

// Sharing and exclusive use exclude each other, and are settled before bind (winsock-rules 200).
template <bool SocketOptions::*Wanted, bool SocketOptions::*Opposite>
WsaError set_sharing(Socket& s, uint32_t value) {
  if (value != 0 && s.options.*Opposite) return WsaError::kInval;
  s.options.*Wanted = value != 0;
  return WsaError::kOk;
}

WsaError set_conditional_accept(Socket& s, uint32_t value) {
  if (s.is_listening()) return WsaError::kInval;  // decided before listen
  s.options.conditional_accept = value != 0;
  return WsaError::kOk;
}

constexpr int kSctpNoDelay = 3;  // SCTP_NODELAY as Linux and BSD have it; Windows has no SCTP
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
          },
          OptionOf::kStream};
}

WsaError set_keep_alive_probes(Socket& s, uint32_t value) {
  if (value == 0 || value > kMostProbes) return WsaError::kInval;
  s.options.keep_alive_probes = value;
  return WsaError::kOk;
}

// A DWORD on Windows, and one byte in programs that come from elsewhere: any length will do.
template <uint8_t SocketOptions::*Member>
constexpr Option byte_option(int level, int name, OptionOf of = OptionOf::kAll) {
  return {level, name, true, [](const Socket& s) -> uint32_t { return s.options.*Member; },
          [](Socket& s, uint32_t value) {
            if (value > UINT8_MAX) return WsaError::kInval;
            s.options.*Member = static_cast<uint8_t>(value);
            return WsaError::kOk;
          },
          of};
}

/// What WSARecvMsg tells (stack/control.h).
template <uint8_t Bit>
constexpr Option control_option(int level, int name, OptionOf of) {
  return {level, name, false,
          [](const Socket& s) -> uint32_t { return (s.options.tells & Bit) != 0; },
          [](Socket& s, uint32_t value) {
            uint8_t& told = s.options.tells;
            told = static_cast<uint8_t>(value != 0 ? told | Bit : told & ~Bit);
            return WsaError::kOk;
          },
          of};
}
template <uint8_t Bit>
constexpr Option control4(int name) {
  return control_option<Bit>(WS_IPPROTO_IP, name, OptionOf::kDatagram4);
}
template <uint8_t Bit>
constexpr Option control6(int name) {
  return control_option<over_ip6(Bit)>(WS_IPPROTO_IPV6, name, OptionOf::kDatagram6);
}

// Settled before the socket has its port.
WsaError set_v6_only(Socket& s, uint32_t value) {
  if (s.is_bound()) return WsaError::kInval;
  s.options.dual_mode = value == 0;
  return WsaError::kOk;
}

uint32_t multicast_interface(const Socket& s) { return s.options.multicast_interface_as_set; }

uint32_t unicast_interface(const Socket& s) { return s.options.unicast_interface; }

WsaError set_unicast_interface(Socket& s, uint32_t index) {
  if (index != 0 && !s.stack().has_interface(index)) return WsaError::kAddrNotAvail;
  s.options.unicast_interface = index;
  return WsaError::kOk;
}

// Streams find their path's MTU or not as the configuration says.
WsaError set_mtu_discover(Socket& s, uint32_t value) {
  constexpr uint32_t kNotSet = 0, kDo = 1, kProbe = 3;
  if (value > kProbe) return WsaError::kInval;
  const bool is_refused = s.transport() == Transport::kTcp && value != kNotSet && value != kDo;
  if (is_refused) return WsaError::kNoProtoOpt;
  s.options.mtu_discover = static_cast<uint8_t>(value);
  return WsaError::kOk;
}

uint32_t path_mtu(const Socket& s) { return s.path_mtu().value_or(0); }

WsaError is_connected(const Socket& s) {
  return s.path_mtu() ? WsaError::kOk : WsaError::kNotConn;
}

WsaError set_protection_level(Socket& s, uint32_t value) {
  const bool is_level = value == PROTECTION_LEVEL_UNRESTRICTED ||
                        value == PROTECTION_LEVEL_EDGERESTRICTED ||
                        value == PROTECTION_LEVEL_RESTRICTED || value == PROTECTION_LEVEL_DEFAULT;
  if (!is_level || s.is_bound()) return WsaError::kInval;
  s.options.protection_level = value;
  return WsaError::kOk;
}

uint32_t protection_level(const Socket& s) { return s.options.protection_level; }

// A socket can be denied what the configuration offers, and not have more.
WsaError set_timestamps(Socket& s, uint32_t value) {
  if (s.is_connected()) return WsaError::kIsConn;
  if (value != 0 && !s.stack().config().tcp.timestamps) return WsaError::kNoProtoOpt;
  s.options.timestamps = value != 0;
  return WsaError::kOk;
}

uint32_t connect_time_s(const Socket& s) {
  const auto since = s.connected_since_ns();
  if (!since) return UINT32_MAX;  // winsock-rules 183
  return static_cast<uint32_t>((s.stack().now_ns() - *since) / 1'000'000'000);
}

constexpr Option kOptions[] = {
    // ---- SOL_SOCKET ----
    {WS_SOL_SOCKET, WS_SO_REUSEADDR, true,
     [](const Socket& s) -> uint32_t { return s.options.reuse_address; },
     set_sharing<&SocketOptions::reuse_address, &SocketOptions::exclusive>},
    {WS_SOL_SOCKET, SO_EXCLUSIVEADDRUSE, true,
     [](const Socket& s) -> uint32_t { return s.options.exclusive; },
     set_sharing<&SocketOptions::exclusive, &SocketOptions::reuse_address>},
    {WS_SOL_SOCKET, SO_CONDITIONAL_ACCEPT, true,
     [](const Socket& s) -> uint32_t { return s.options.conditional_accept; },
     set_conditional_accept, OptionOf::kStream},
    {WS_SOL_SOCKET, SO_DONTLINGER, true,
     [](const Socket& s) -> uint32_t { return !s.options.linger; },
     [](Socket& s, uint32_t value) {
       s.options.linger = value == 0;
       return WsaError::kOk;
     },
     OptionOf::kStream},
    bool_option<&SocketOptions::broadcast>(WS_SOL_SOCKET, WS_SO_BROADCAST),
    bool_option<&SocketOptions::oob_inline>(WS_SOL_SOCKET, WS_SO_OOBINLINE),
    one_byte(bool_option<&SocketOptions::keep_alive>(WS_SOL_SOCKET, WS_SO_KEEPALIVE)),
    bool_option<&SocketOptions::debug>(WS_SOL_SOCKET, WS_SO_DEBUG),              // kept
    one_byte(bool_option<&SocketOptions::dont_route>(WS_SOL_SOCKET, WS_SO_DONTROUTE)),  // kept
    bool_option<&SocketOptions::use_loopback>(WS_SOL_SOCKET, SO_USELOOPBACK),    // kept
    port_option<&SocketOptions::randomize_port>(SO_RANDOMIZE_PORT),              // kept
    port_option<&SocketOptions::port_scalability>(SO_PORT_SCALABILITY),          // kept
    port_option<&SocketOptions::reuse_unicast_port>(SO_REUSE_UNICASTPORT),       // kept
    fixed<0>(WS_SOL_SOCKET, SO_PAUSE_ACCEPT, OptionOf::kStream),
    fixed<0>(WS_SOL_SOCKET, SO_GROUP_PRIORITY),
    dword_option<&SocketOptions::receive_buffer_bytes>(WS_SOL_SOCKET, WS_SO_RCVBUF),
    dword_option<&SocketOptions::send_buffer_bytes>(WS_SOL_SOCKET, WS_SO_SNDBUF),
    dword_option<&SocketOptions::receive_timeout_ms>(WS_SOL_SOCKET, WS_SO_RCVTIMEO),
    dword_option<&SocketOptions::send_timeout_ms>(WS_SOL_SOCKET, WS_SO_SNDTIMEO),
    {WS_SOL_SOCKET, WS_SO_ERROR, false,
     [](const Socket& s) { return static_cast<uint32_t>(s.last_error()); },
     [](Socket& s, uint32_t value) {  // winsock-rules 182
       s.set_last_error(static_cast<WsaError>(value));
       return WsaError::kOk;
     }},
    {WS_SOL_SOCKET, WS_SO_TYPE, false,
     [](const Socket& s) -> uint32_t {
       if (s.transport() == Transport::kSctp) return WS_SOCK_SEQPACKET;
       return s.transport() == Transport::kTcp ? WS_SOCK_STREAM : WS_SOCK_DGRAM;
     }},
    {WS_SOL_SOCKET, WS_SO_ACCEPTCONN, true,
     [](const Socket& s) -> uint32_t { return s.is_listening(); }},
    {WS_SOL_SOCKET, SO_CONNECT_TIME, false, connect_time_s},
    {WS_SOL_SOCKET, SO_MAX_MSG_SIZE, false,
     [](const Socket& s) { return s.max_message_bytes(); }, nullptr, OptionOf::kMessages},
    {WS_SOL_SOCKET, SO_GROUP_ID, false, [](const Socket&) { return 0u; }},

    // ---- IPPROTO_SCTP (RFC 6458 8.1.5) ----
    bool_option<&SocketOptions::no_delay>(WS_IPPROTO_SCTP, kSctpNoDelay, OptionOf::kSctp),

    // ---- IPPROTO_TCP ----
    one_byte(bool_option<&SocketOptions::no_delay>(WS_IPPROTO_TCP, WS_TCP_NODELAY, OptionOf::kStream)),
    bool_option<&SocketOptions::fail_connect_on_icmp>(
        WS_IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR, OptionOf::kStream),
    seconds_option<&SocketOptions::keep_alive_time_ms>(WS_TCP_KEEPIDLE),
    seconds_option<&SocketOptions::keep_alive_interval_ms>(WS_TCP_KEEPINTVL),
    {WS_IPPROTO_TCP, WS_TCP_KEEPCNT, false,
     [](const Socket& s) { return s.options.keep_alive_probes; }, set_keep_alive_probes,
     OptionOf::kStream},
    dword_option<&SocketOptions::max_retransmission_s>(WS_IPPROTO_TCP, TCP_MAXRT,
                                                       OptionOf::kStream),
    {WS_IPPROTO_TCP, TCP_TIMESTAMPS, true,
     [](const Socket& s) -> uint32_t { return s.options.timestamps; }, set_timestamps,
     OptionOf::kStream},
    {WS_IPPROTO_TCP, WS_TCP_MAXSEG, false,
     [](const Socket& s) { return s.info().value_or(TcpInfo{}).mss_bytes; }, nullptr,
     OptionOf::kStream, is_connected},
    {WS_IPPROTO_TCP, TCP_ATMARK, true,
     [](const Socket& s) -> uint32_t { return s.is_at_mark(); }, nullptr, OptionOf::kStream},
    fixed<1>(WS_IPPROTO_TCP, TCP_BSDURGENT, OptionOf::kStream),
    fixed<0>(WS_IPPROTO_TCP, TCP_EXPEDITED_1122, OptionOf::kStream),
    fixed<0>(WS_IPPROTO_TCP, WS_TCP_FASTOPEN, OptionOf::kStream),

    // ---- IPPROTO_UDP ----
    fixed<0>(WS_IPPROTO_UDP, UDP_NOCHECKSUM, OptionOf::kDatagram),

    // ---- IPPROTO_IP ----
    byte_option<&SocketOptions::ttl>(WS_IPPROTO_IP, WS_IP_TTL),
    byte_option<&SocketOptions::tos>(WS_IPPROTO_IP, WS_IP_TOS, OptionOf::k4),
    byte_option<&SocketOptions::multicast_ttl>(WS_IPPROTO_IP, WS_IP_MULTICAST_TTL),
    bool_option<&SocketOptions::multicast_loop>(WS_IPPROTO_IP, WS_IP_MULTICAST_LOOP),
    // Set in multicast.cc.
    {WS_IPPROTO_IP, WS_IP_MULTICAST_IF, false, multicast_interface},
    {WS_IPPROTO_IP, WS_IP_UNICAST_IF, false, unicast_interface,
     [](Socket& s, uint32_t value) { return set_unicast_interface(s, ntohl(value)); },
     OptionOf::k4},
    bool_option<&SocketOptions::dont_fragment>(WS_IPPROTO_IP, IP_DONTFRAGMENT, OptionOf::kDatagram4),
    {WS_IPPROTO_IP, WS_IP_MTU_DISCOVER, false,
     [](const Socket& s) -> uint32_t { return s.options.mtu_discover; }, set_mtu_discover,
     OptionOf::k4},
    {WS_IPPROTO_IP, WS_IP_MTU, false, path_mtu, nullptr, OptionOf::k4, is_connected},
    control4<kTellsPacketInfo>(WS_IP_PKTINFO),
    control4<kTellsTtl>(WS_IP_RECVTTL),
    control4<kTellsTos>(WS_IP_RECVTOS),
    control4<kTellsEcn>(IP_ECN),  // IP_RECVECN
    bool_option<&SocketOptions::receive_broadcast>(WS_IPPROTO_IP, IP_RECEIVE_BROADCAST,
                                                   OptionOf::kDatagram4),
    {WS_IPPROTO_IP, IP_PROTECTION_LEVEL, false, protection_level, set_protection_level,
     OptionOf::k4},

    // ---- IPPROTO_IPV6 ----
    byte_option<&SocketOptions::ttl>(WS_IPPROTO_IPV6, WS_IPV6_UNICAST_HOPS),
    byte_option<&SocketOptions::tos>(WS_IPPROTO_IPV6, WS_IPV6_TCLASS, OptionOf::k6),
    byte_option<&SocketOptions::multicast_ttl>(WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_HOPS),
    bool_option<&SocketOptions::multicast_loop>(WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_LOOP),
    {WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_IF, false, multicast_interface},
    {WS_IPPROTO_IPV6, WS_IPV6_UNICAST_IF, false, unicast_interface, set_unicast_interface,
     OptionOf::k6},
    bool_option<&SocketOptions::dont_fragment>(WS_IPPROTO_IPV6, WS_IPV6_DONTFRAG,
                                               OptionOf::k6),  // of streams: kept
    {WS_IPPROTO_IPV6, WS_IPV6_MTU_DISCOVER, false,
     [](const Socket& s) -> uint32_t { return s.options.mtu_discover; }, set_mtu_discover,
     OptionOf::k6},
    {WS_IPPROTO_IPV6, WS_IPV6_MTU, false, path_mtu, nullptr, OptionOf::k6, is_connected},
    control6<kTellsPacketInfo>(WS_IPV6_PKTINFO),
    control6<kTellsTtl>(WS_IPV6_HOPLIMIT),
    control6<kTellsTos>(WS_IPV6_RECVTCLASS),
    control6<kTellsEcn>(IPV6_ECN),
    {WS_IPPROTO_IPV6, IPV6_PROTECTION_LEVEL, false, protection_level, set_protection_level,
     OptionOf::k6},
    one_byte({WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, true,
              [](const Socket& s) -> uint32_t { return !s.options.dual_mode; }, set_v6_only,
              OptionOf::k6}),
};

bool has(const Socket& socket, OptionOf of) noexcept {
  const bool is_stream = socket.transport() == Transport::kTcp;
  const bool is_datagram = socket.transport() == Transport::kUdp;
  const bool is_6 = socket.family() == 6, is_4 = !is_6 || socket.options.dual_mode;
  switch (of) {
    case OptionOf::kAll:
      return true;
    case OptionOf::kStream:
      return is_stream;
    case OptionOf::kDatagram:
      return is_datagram;
    case OptionOf::kDatagram4:
      return is_datagram && is_4;
    case OptionOf::kDatagram6:
      return is_datagram && is_6;
    case OptionOf::kMessages:
      return !is_stream;
    case OptionOf::kSctp:
      return socket.transport() == Transport::kSctp;
    case OptionOf::k4:
      return is_4;
    case OptionOf::k6:
      return is_6;
  }
  return false;
}

}  // namespace

const Option* find_option(const Socket& socket, int level, int name) noexcept {
  const auto* const end = std::end(kOptions);
  const auto* const it = std::find_if(std::begin(kOptions), end, [&](const Option& o) {
    return o.level == level && o.name == name;
  });
  return it == end || !has(socket, it->of) ? nullptr : it;
}

WsaError unknown_option(int level) noexcept {
  const int known[] = {WS_SOL_SOCKET, WS_IPPROTO_TCP, WS_IPPROTO_IP, WS_IPPROTO_IPV6,
                       WS_IPPROTO_UDP, WS_IPPROTO_SCTP};
  const bool is_level = std::find(std::begin(known), std::end(known), level) != std::end(known);
  return is_level ? WsaError::kNoProtoOpt : WsaError::kInval;
}

}  // namespace millrace
