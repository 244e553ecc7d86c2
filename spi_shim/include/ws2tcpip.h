// SPDX-License-Identifier: BSD-3-Clause
// Interface lists, questions about IPv6 addresses, and more names for the calls of name resolution.
// Those themselves, multicast and packet-information structures are in winsock2.h already.
//
// Invariant: as winsock2.h, which it includes: plain names mean Windows' unless
// MILLRACE_USE_WS_PREFIX is defined.
#ifndef MILLRACE_WS2TCPIP_H_
#define MILLRACE_WS2TCPIP_H_

#include "winsock2.h"
#include "ws2ipdef.h"

// --- The calls in the width that UNICODE chooses
#define GetAddrInfoA WS_getaddrinfo
#define FreeAddrInfoA WS_freeaddrinfo
#define GetNameInfoA WS_getnameinfo
#define InetPtonA WS_inet_pton
#define InetNtopA WS_inet_ntop
#define gai_strerrorA WS_gai_strerror
#ifdef UNICODE
#define GetAddrInfo GetAddrInfoW
#define FreeAddrInfo FreeAddrInfoW
#define GetNameInfo GetNameInfoW
#define InetPton InetPtonW
#define InetNtop InetNtopW
#else
#define GetAddrInfo WS_getaddrinfo
#define FreeAddrInfo WS_freeaddrinfo
#define GetNameInfo WS_getnameinfo
#define InetPton WS_inet_pton
#define InetNtop WS_inet_ntop
#endif

#define WS_INET_ADDRSTRLEN 22   // Windows counts a port in, Linux does not (16)
#define WS_INET6_ADDRSTRLEN 65  // and a scope (46)

// IPv6 addresses as the very first IPv6 draft had them, without a scope. INTERFACE_INFO keeps it.
struct sockaddr_in6_old {
  SHORT sin6_family;
  USHORT sin6_port;
  ULONG sin6_flowinfo;
  WS_in6_addr sin6_addr;
};

union sockaddr_gen {
  WS_sockaddr Address;
  WS_sockaddr_in AddressIn;
  sockaddr_in6_old AddressIn6;
};

/// INTERFACE_INFO is one element of what SIO_GET_INTERFACE_LIST returns.
struct INTERFACE_INFO {
  ULONG iiFlags;  // IFF_*
  sockaddr_gen iiAddress;
  sockaddr_gen iiBroadcastAddress;
  sockaddr_gen iiNetmask;
};
using LPINTERFACE_INFO = INTERFACE_INFO*;

inline constexpr WS_in6_addr WS_in6addr_any = {{{0}}};
inline constexpr WS_in6_addr WS_in6addr_loopback = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};

#ifndef MILLRACE_USE_WS_PREFIX
#undef INET_ADDRSTRLEN
#define INET_ADDRSTRLEN WS_INET_ADDRSTRLEN
#undef INET6_ADDRSTRLEN
#define INET6_ADDRSTRLEN WS_INET6_ADDRSTRLEN
#define in6addr_any WS_in6addr_any
#define in6addr_loopback WS_in6addr_loopback

// The C library's macros of these names know its own in6_addr only.
#undef IN6_IS_ADDR_UNSPECIFIED
#undef IN6_IS_ADDR_LOOPBACK
#undef IN6_IS_ADDR_MULTICAST
#undef IN6_IS_ADDR_LINKLOCAL
#undef IN6_IS_ADDR_V4MAPPED

constexpr bool IN6_IS_ADDR_UNSPECIFIED(const WS_in6_addr* a) {
  for (const UCHAR byte : a->u.Byte) {
    if (byte != 0) return false;
  }
  return true;
}

constexpr bool IN6_IS_ADDR_LOOPBACK(const WS_in6_addr* a) {
  for (int i = 0; i < 15; ++i) {
    if (a->u.Byte[i] != 0) return false;
  }
  return a->u.Byte[15] == 1;
}

constexpr bool IN6_IS_ADDR_MULTICAST(const WS_in6_addr* a) { return a->u.Byte[0] == 0xFF; }

constexpr bool IN6_IS_ADDR_LINKLOCAL(const WS_in6_addr* a) {
  return a->u.Byte[0] == 0xFE && (a->u.Byte[1] & 0xC0) == 0x80;
}

constexpr bool IN6_IS_ADDR_V4MAPPED(const WS_in6_addr* a) {
  for (int i = 0; i < 10; ++i) {
    if (a->u.Byte[i] != 0) return false;
  }
  return a->u.Byte[10] == 0xFF && a->u.Byte[11] == 0xFF;
}
#endif

#endif  // MILLRACE_WS2TCPIP_H_
