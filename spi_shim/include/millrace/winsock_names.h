// SPDX-License-Identifier: BSD-3-Clause
// What the Winsock 2 calls take beyond the SPI's own types: WSADATA, WSAPoll's entries, and the
// structures and flags of name resolution.
//
// Invariant: layouts and values are those of Windows x64 (tests/ws2_32/abi_test.cc). Names that the C
// library has, too, carry the prefix WS_.
#ifndef MILLRACE_WINSOCK_NAMES_H_
#define MILLRACE_WINSOCK_NAMES_H_

#include "millrace/winsock_constants.h"
#include "millrace/winsock_types.h"

// --- WSAStartup ----------------------------------------------------------------------------------
#define WSADESCRIPTION_LEN 256
#define WSASYS_STATUS_LEN 128

struct WSAData {
  WORD wVersion;
  WORD wHighVersion;
  USHORT iMaxSockets;  // 0 since 2.0, as are the next two
  USHORT iMaxUdpDg;
  CHAR* lpVendorInfo;
  CHAR szDescription[WSADESCRIPTION_LEN + 1];
  CHAR szSystemStatus[WSASYS_STATUS_LEN + 1];
};
using WSADATA = WSAData;
using LPWSADATA = WSAData*;

// --- WSAPoll -------------------------------------------------------------------------------------
struct WS_pollfd {
  SOCKET fd;
  SHORT events;
  SHORT revents;
};
using WSAPOLLFD = WS_pollfd;
using PWSAPOLLFD = WS_pollfd*;
using LPWSAPOLLFD = WS_pollfd*;

// --- Hosts, services and protocols ---------------------------------------------------------------
struct WS_hostent {
  CHAR* h_name;
  CHAR** h_aliases;
  SHORT h_addrtype;
  SHORT h_length;
  CHAR** h_addr_list;
};
using HOSTENT = WS_hostent;
using PHOSTENT = WS_hostent*;
using LPHOSTENT = WS_hostent*;

struct WS_servent {  // s_proto before s_port on 64-bit Windows
  CHAR* s_name;
  CHAR** s_aliases;
  CHAR* s_proto;
  SHORT s_port;
};
using SERVENT = WS_servent;
using PSERVENT = WS_servent*;
using LPSERVENT = WS_servent*;

struct WS_protoent {
  CHAR* p_name;
  CHAR** p_aliases;
  SHORT p_proto;
};
using PROTOENT = WS_protoent;
using PPROTOENT = WS_protoent*;
using LPPROTOENT = WS_protoent*;

// --- getaddrinfo, getnameinfo --------------------------------------------------------------------
struct WS_addrinfo {
  int ai_flags;
  int ai_family;
  int ai_socktype;
  int ai_protocol;
  SIZE_T ai_addrlen;
  CHAR* ai_canonname;
  WS_sockaddr* ai_addr;
  WS_addrinfo* ai_next;
};
using ADDRINFOA = WS_addrinfo;
using ADDRINFO = WS_addrinfo;
using LPADDRINFO = WS_addrinfo*;
using PADDRINFOA = WS_addrinfo*;

struct WS_addrinfoW {
  int ai_flags;
  int ai_family;
  int ai_socktype;
  int ai_protocol;
  SIZE_T ai_addrlen;
  WCHAR* ai_canonname;
  WS_sockaddr* ai_addr;
  WS_addrinfoW* ai_next;
};
using ADDRINFOW = WS_addrinfoW;
using PADDRINFOW = WS_addrinfoW*;
#ifdef UNICODE
using ADDRINFOT = ADDRINFOW;
using PADDRINFOT = PADDRINFOW;
#else
using ADDRINFOT = ADDRINFOA;
using PADDRINFOT = PADDRINFOA;
#endif

#define WS_AI_PASSIVE 0x1
#define WS_AI_CANONNAME 0x2
#define WS_AI_NUMERICHOST 0x4
#define WS_AI_NUMERICSERV 0x8
#define WS_AI_ALL 0x100
#define WS_AI_ADDRCONFIG 0x400
#define WS_AI_V4MAPPED 0x800

#define WS_NI_NOFQDN 0x1
#define WS_NI_NUMERICHOST 0x2
#define WS_NI_NAMEREQD 0x4
#define WS_NI_NUMERICSERV 0x8
#define WS_NI_DGRAM 0x10
#define WS_NI_MAXHOST 1025
#define WS_NI_MAXSERV 32

// The errors of name resolution are Winsock's own.
#define WS_EAI_AGAIN 11002
#define WS_EAI_BADFLAGS 10022
#define WS_EAI_FAIL 11003
#define WS_EAI_FAMILY 10047
#define WS_EAI_MEMORY 8
#define WS_EAI_NODATA 11004
#define WS_EAI_NONAME 11001
#define WS_EAI_SERVICE 10109
#define WS_EAI_SOCKTYPE 10044

#endif  // MILLRACE_WINSOCK_NAMES_H_
