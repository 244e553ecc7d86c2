// SPDX-License-Identifier: BSD-3-Clause
// What options and ioctls of a socket set, and a connection inherits from its listener.
#pragma once

#include <cstdint>
#include <optional>

#include "millrace/winsock_options.h"

namespace millrace {

/// Those that each receive and send looks at come first.
struct SocketOptions {
  bool is_nonblocking = false;
  bool is_overlapped = false;
  bool oob_inline = false;
  bool no_delay = false;
  uint32_t receive_buffer_bytes = 0;
  uint32_t send_buffer_bytes = 0;
  uint32_t receive_timeout_ms = 0;  ///< 0: none
  uint32_t send_timeout_ms = 0;     ///< 0: none
  bool whole_messages = false;  ///< SCTP without MSG_PARTIAL
  bool is_registered = false;  ///< WSA_FLAG_REGISTERED_IO
  bool reuse_address = false;
  bool exclusive = false;
  bool broadcast = false;
  bool keep_alive = false;
  bool linger = false;
  bool conditional_accept = false;  ///< kept; WSPAccept's condition judges what is connected already
  bool debug = false;               ///< kept, as the next two: Windows ignores them, too
  bool dont_route = false;
  bool use_loopback = false;
  bool randomize_port = false;       ///< kept, as the next two: ports are always drawn at random,
  bool port_scalability = false;     ///< and for a connection, when its peer is known
  bool reuse_unicast_port = false;
  bool loopback_fast_path = false;   ///< kept: the loopback inside the process has no slower one
  bool receive_broadcast = true;
  bool dont_fragment = false;
  bool dual_mode = false;      ///< IPV6_V6ONLY is off: IPv4 as well, in mapped addresses
  uint8_t tells = 0;           ///< WSARecvMsg's control data: kTells... of control.h
  bool timestamps = false;     ///< to be offered when it connects
  uint8_t tos = 0;
  uint8_t mtu_discover = 0;  ///< IP_PMTUDISC_*
  std::optional<uint8_t> max_syn_retransmissions;  ///< SIO_TCP_INITIAL_RTO, as the next
  uint16_t initial_rto_ms = 0;                     ///< 0: 1 s (RFC 6298 2.1)
  uint32_t max_retransmission_s = 0;               ///< TCP_MAXRT; 0: as configured, UINT32_MAX: for ever
  uint32_t protection_level = PROTECTION_LEVEL_DEFAULT;  ///< kept: there is no NAT traversal
  uint32_t unicast_interface = 0;                        ///< index; 0: where the route leads

  /// IP_PMTUDISC_DO and _PROBE say the same as IP_DONTFRAGMENT.
  bool forbids_fragments() const noexcept { return dont_fragment || mtu_discover % 2 == 1; }
  uint16_t linger_s = 0;
  uint32_t keep_alive_time_ms = 0;
  uint32_t keep_alive_interval_ms = 0;
  uint32_t keep_alive_probes = 10;  ///< unanswered ones that end a connection, as on Windows
  bool fail_connect_on_icmp = true;
  bool udp_conn_reset = true;  ///< SIO_UDP_CONNRESET: "port unreachable" fails a receive
  bool udp_net_reset = true;   ///< SIO_UDP_NETRESET: the same for "time to live exceeded"
  uint8_t ttl = 128;
  uint8_t multicast_ttl = 1;
  bool multicast_loop = true;  ///< hears what this Stack sends to its groups
  uint32_t multicast_interface = 0;         ///< index; 0: where the route leads
  uint32_t multicast_interface_as_set = 0;  ///< an IPv4 address in network order, or an index
};

}  // namespace millrace
