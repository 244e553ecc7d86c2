// SPDX-License-Identifier: BSD-3-Clause
// SOCKADDR_INET, an address of either family. The rest of Windows' file of this name is in
// winsock2.h and ws2tcpip.h already.
#ifndef MILLRACE_WS2IPDEF_H_
#define MILLRACE_WS2IPDEF_H_

#include "millrace/winsock_types.h"

union SOCKADDR_INET {
  WS_sockaddr_in Ipv4;
  WS_sockaddr_in6 Ipv6;
  ADDRESS_FAMILY si_family;
};
using PSOCKADDR_INET = SOCKADDR_INET*;

#endif  // MILLRACE_WS2IPDEF_H_
