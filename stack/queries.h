// SPDX-License-Identifier: BSD-3-Clause
// What ioctls ask a Stack and its connections about, as plain values.
#pragma once

#include <cstdint>

#include "stack/address.h"

namespace millrace {

/// An address of ours, with the interface that has it.
struct LocalInterface {
  uint32_t index = 0;
  Prefix address;
  bool is_up = false;
  bool is_loopback = false;
};

/// A connection as SIO_TCP_INFO tells of it.
struct TcpInfo {
  uint32_t state = 0;  ///< RFC 9293 3.3.2, from CLOSED = 0 to TIME-WAIT = 10
  uint32_t mss_bytes = 0;
  uint64_t connected_ms = 0;
  bool has_timestamps = false;
  uint32_t rtt_us = 0;  ///< smoothed; 0: nothing was measured yet
  uint32_t least_rtt_us = 0;
  uint32_t in_flight_bytes = 0;
  uint32_t congestion_window_bytes = 0;
  uint32_t send_window_bytes = 0;
  uint32_t receive_window_bytes = 0;
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
  uint32_t resent_bytes = 0;
  uint32_t resent_fast = 0;  ///< segments sent again before a timeout
  uint32_t timeouts = 0;
  uint32_t send_buffer_bytes = 0;  ///< what keeps the path full
};

}  // namespace millrace
