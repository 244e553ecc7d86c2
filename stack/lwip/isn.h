// SPDX-License-Identifier: BSD-3-Clause
// The secret behind the numbers that nobody outside shall guess.
#pragma once

#include <cstdint>

#include "lwip/ip_addr.h"

namespace millrace {

struct TcpTuple {
  const ip_addr_t& local;
  uint16_t local_port;
  const ip_addr_t& peer;
  uint16_t peer_port;
};

/// A keyed hash (SipHash-2-4) of a connection and of a salt: whoever hashes for another purpose has
/// another salt. The key is another one in each process.
uint64_t secret_hash(const TcpTuple& connection, uint64_t salt) noexcept;

}  // namespace millrace
