// SPDX-License-Identifier: BSD-3-Clause
// For programs written for Winsock: the plain names (sockaddr, AF_INET6, SO_REUSEADDR, fd_set ...)
// mean Windows' types and values, on Linux.
//
// How: the C library uses the same names for other layouts and numbers. So this header
//   1. includes the system headers that define them, which makes any later inclusion a no-op;
//   2. then turns each name into Windows' one by a macro: `#define sockaddr WS_sockaddr`,
//      `#undef AF_INET6`, `#define AF_INET6 WS_AF_INET6`.
// Define MILLRACE_USE_WS_PREFIX first to skip step 2 and write WS_sockaddr, WS_AF_INET6 yourself:
// right for a file that talks to Linux sockets, too.
//
// - C++ standard headers may come before or after this one. Any other header that uses the C
//   library's sockets and is not in the list below must come before.
// - htons and its kin, inet_addr and poll() are the C library's; inet_pton and inet_ntop accept Windows'
//   AF_INET6.
// - The calls (socket, WSARecv, getaddrinfo ...) are those of winsock_calls.h, in millrace_ws2_32. The C
//   library's socket() stays what it is, the Linux kernel's, and does not know millrace.
#ifndef MILLRACE_WINSOCK2_H_
#define MILLRACE_WINSOCK2_H_

#ifndef MILLRACE_USE_WS_PREFIX
#include "millrace/libc_calls_hide.h"
#endif

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#ifndef MILLRACE_USE_WS_PREFIX
#include "millrace/libc_calls_show.h"
#endif

#include "millrace/winsock_calls.h"
#include "millrace/winsock_cmsg.h"
#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"
#include "windows.h"

// --- Catalog entries and options in the width that UNICODE chooses -------------------------------
#ifdef UNICODE
using WSAPROTOCOL_INFO = WSAPROTOCOL_INFOW;
#define SO_PROTOCOL_INFO SO_PROTOCOL_INFOW
#else
using WSAPROTOCOL_INFO = WSAPROTOCOL_INFOA;
#define SO_PROTOCOL_INFO SO_PROTOCOL_INFOA
#endif
using LPWSAPROTOCOL_INFO = WSAPROTOCOL_INFO*;
#ifdef UNICODE
#define WSASocket WSASocketW
#define WSADuplicateSocket WSADuplicateSocketW
#define WSAEnumProtocols WSAEnumProtocolsW
#define WSAAddressToString WSAAddressToStringW
#define WSAStringToAddress WSAStringToAddressW
#define WSAConnectByName WSAConnectByNameW
#else
#define WSASocket WSASocketA
#define WSADuplicateSocket WSADuplicateSocketA
#define WSAEnumProtocols WSAEnumProtocolsA
#define WSAAddressToString WSAAddressToStringA
#define WSAStringToAddress WSAStringToAddressA
#define WSAConnectByName WSAConnectByNameA
#endif

// --- Sets of sockets -----------------------------------------------------------------------------
inline void WS_FD_ZERO(WS_fd_set* set) { set->fd_count = 0; }

inline int WS_FD_ISSET(SOCKET s, const WS_fd_set* set) {
  for (UINT i = 0; i < set->fd_count; ++i) {
    if (set->fd_array[i] == s) return 1;
  }
  return 0;
}

/// WS_FD_SET adds a socket once; a full set (WS_FD_SETSIZE) takes no more, silently, as on Windows.
inline void WS_FD_SET(SOCKET s, WS_fd_set* set) {
  if (set->fd_count < WS_FD_SETSIZE && WS_FD_ISSET(s, set) == 0) {
    set->fd_array[set->fd_count++] = s;
  }
}

/// WS_FD_CLR removes a socket; the others keep their order.
inline void WS_FD_CLR(SOCKET s, WS_fd_set* set) {
  UINT kept = 0;
  for (UINT i = 0; i < set->fd_count; ++i) {
    if (set->fd_array[i] != s) set->fd_array[kept++] = set->fd_array[i];
  }
  set->fd_count = kept;
}

// --- Addresses as text: the C library's work, with Windows' number for IPv6
// -----------------------
/// @return 1; 0: no address; -1 and WSAEAFNOSUPPORT: another family
inline INT WS_inet_pton(INT family, PCSTR text, PVOID address) {
  const INT result = family == WS_AF_INET    ? ::inet_pton(AF_INET, text, address)
                     : family == WS_AF_INET6 ? ::inet_pton(AF_INET6, text, address)
                                             : -1;
  if (result < 0) SetLastError(WSAEAFNOSUPPORT);
  return result;
}

/// @return text; null and WSAEAFNOSUPPORT, or WSA_INVALID_PARAMETER: too little room
inline PCSTR WS_inet_ntop(INT family, const VOID* address, PSTR text, SIZE_T room) {
  if (family != WS_AF_INET && family != WS_AF_INET6) {
    SetLastError(WSAEAFNOSUPPORT);
    return nullptr;
  }
  const PCSTR result = ::inet_ntop(family == WS_AF_INET6 ? AF_INET6 : AF_INET, address, text,
                                   static_cast<::socklen_t>(room));
  if (result == nullptr) SetLastError(WSA_INVALID_PARAMETER);
  return result;
}

// --- 64 bits in network byte order
constexpr ULONGLONG htonll(ULONGLONG value) { return __builtin_bswap64(value); }
constexpr ULONGLONG ntohll(ULONGLONG value) { return __builtin_bswap64(value); }

// --- Event objects -------------------------------------------------------------------------------
#pragma GCC visibility push(default)
extern "C" {

/// WSACreateEvent makes a manual-reset event object, not signalled.
///
/// @return WSA_INVALID_EVENT when memory is short
/// @owner  the caller: WSACloseEvent
WSAEVENT WSAAPI WSACreateEvent() noexcept;

/// WSACloseEvent gives an event object back; FALSE when hEvent is none.
BOOL WSAAPI WSACloseEvent(WSAEVENT hEvent) noexcept;

/// WSASetEvent signals an event object; FALSE when hEvent is none.
BOOL WSAAPI WSASetEvent(WSAEVENT hEvent) noexcept;

/// WSAResetEvent takes the signal back; FALSE when hEvent is none.
BOOL WSAAPI WSAResetEvent(WSAEVENT hEvent) noexcept;

/// WSAWaitForMultipleEvents waits for one or all of 1..WSA_MAXIMUM_WAIT_EVENTS event objects.
///
/// @param[in] dwTimeout   milliseconds; 0 tests, WSA_INFINITE waits for ever
/// @param[in] fAlertable  TRUE: completion routines of this thread run here
/// @return WSA_WAIT_EVENT_0 + index, WSA_WAIT_TIMEOUT, WSA_WAIT_IO_COMPLETION after routines ran,
///         WSA_WAIT_FAILED for bad arguments
DWORD WSAAPI WSAWaitForMultipleEvents(DWORD cEvents, const WSAEVENT* lphEvents, BOOL fWaitAll,
                                      DWORD dwTimeout, BOOL fAlertable) noexcept;

}  // extern "C"
#pragma GCC visibility pop

#ifndef MILLRACE_USE_WS_PREFIX
#include "millrace/winsock_plain_names.h"

#include "millrace/winsock_plain_calls.h"
#endif

#endif  // MILLRACE_WINSOCK2_H_
