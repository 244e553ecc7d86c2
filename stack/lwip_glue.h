// SPDX-License-Identifier: BSD-3-Clause
// Between our words and lwIP's: addresses, and the one place where err_t becomes a Winsock code.
#pragma once

#include <cstring>

#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "millrace/winsock_codes.h"
#include "stack/address.h"

namespace millrace {

inline ip4_addr_t to_ip4(const IpAddress& address) {
  ip4_addr_t v4;
  std::memcpy(&v4.addr, address.bytes.data(), 4);
  return v4;
}

inline ip_addr_t to_lwip(const IpAddress& address) {
  ip_addr_t ip{};
  if (address.family == 4) {
    ip_addr_copy_from_ip4(ip, to_ip4(address));
    return ip;
  }
  IP_SET_TYPE_VAL(ip, IPADDR_TYPE_V6);
  std::memcpy(ip_2_ip6(&ip)->addr, address.bytes.data(), 16);
  ip6_addr_set_zone(ip_2_ip6(&ip), static_cast<u8_t>(address.zone));
  return ip;
}

/// What a pcb is bound to. @param of_both  the wildcard of IPv6 is that of IPv4, too
inline ip_addr_t to_bind(const IpAddress& address, bool of_both) {
  return of_both && address.family == 6 && is_any(address) ? *IP_ANY_TYPE : to_lwip(address);
}

inline IpAddress from_lwip(const ip_addr_t& ip) {
  IpAddress address{};
  if (IP_IS_V6_VAL(ip)) {
    address.family = 6;
    std::memcpy(address.bytes.data(), ip_2_ip6(&ip)->addr, 16);
    address.zone = ip6_addr_zone(ip_2_ip6(&ip));
  } else {
    address.family = 4;
    std::memcpy(address.bytes.data(), &ip_2_ip4(&ip)->addr, 4);
  }
  return address;
}

/// What an lwIP call's refusal means to a caller of the SPI.
constexpr WsaError wsa_error(err_t error) {
  switch (error) {
    case ERR_OK:
      return WsaError::kOk;
    case ERR_MEM:
    case ERR_BUF:
      return WsaError::kNoBufs;
    case ERR_TIMEOUT:
      return WsaError::kTimedOut;
    case ERR_RTE:
      return WsaError::kNetUnreach;
    case ERR_INPROGRESS:
    case ERR_ALREADY:
      return WsaError::kAlready;
    case ERR_VAL:
    case ERR_ARG:
      return WsaError::kInval;
    case ERR_WOULDBLOCK:
      return WsaError::kWouldBlock;
    case ERR_USE:
      return WsaError::kAddrInUse;
    case ERR_ISCONN:
      return WsaError::kIsConn;
    case ERR_CONN:
    case ERR_CLSD:
      return WsaError::kNotConn;
    case ERR_RST:
      return WsaError::kConnReset;
    case ERR_ABRT:
      return WsaError::kConnAborted;
    default:
      return WsaError::kNetDown;
  }
}

}  // namespace millrace
