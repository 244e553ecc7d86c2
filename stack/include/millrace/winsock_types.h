// SPDX-License-Identifier: BSD-3-Clause
// Winsock's types, laid out as on Windows x64 (LLP64), for C++20 programs on Linux x86-64 (LP64).
//
// Invariant: every structure has the size and the field offsets of Windows' own, so that a struct
// can be written down from a Windows page and a dump can be read with a Windows table. The proof is
// tests/spi_shim/abi_test.cc.
//
// - LONG, ULONG, DWORD are 32 bits as there; glibc's long and u_long have 64 and are not used here.
// - WCHAR is char16_t: literals are u"...", since Linux' wchar_t has 32 bits. With -fshort-wchar it is
//   wchar_t, and L"..." fits; the C library's wide functions do not then.
// - Names that glibc also defines (sockaddr, fd_set, timeval, ...) carry the prefix WS_, so that it
//   does not matter which comes first. winsock2.h gives programs the plain names back.
//
// Not here: registered I/O. Name resolution, WSADATA and WSAPOLLFD: winsock_names.h.
#ifndef MILLRACE_WINSOCK_TYPES_H_
#define MILLRACE_WINSOCK_TYPES_H_

#include <cstddef>
#include <cstdint>

// Windows' calling conventions: x86-64 Linux has one, so they say nothing here.
#define WSPAPI
#define WSAAPI
#define CALLBACK
#define WINAPI
#define APIENTRY
#define PASCAL
#define FAR

// --- Integers and pointers ---------------------------------------------------------------------
using VOID = void;
using PVOID = void*;
using LPVOID = void*;
using LPCVOID = const void*;
using CHAR = char;
using UCHAR = unsigned char;
using BYTE = unsigned char;
using BOOLEAN = unsigned char;
using SHORT = std::int16_t;
using USHORT = std::uint16_t;
using WORD = std::uint16_t;
using INT = int;
using UINT = unsigned int;
using BOOL = int;
using LONG = std::int32_t;
using LPLONG = LONG*;
using ULONG = std::uint32_t;
using DWORD = std::uint32_t;
using UINT32 = std::uint32_t;
using INT64 = std::int64_t;
using UINT64 = std::uint64_t;
using ULONG64 = std::uint64_t;
using LONGLONG = std::int64_t;
using ULONGLONG = std::uint64_t;
using DWORD_PTR = std::uint64_t;
using ULONG_PTR = std::uint64_t;
using LONG_PTR = std::int64_t;
using UINT_PTR = std::uint64_t;
using SIZE_T = std::uint64_t;
using WPARAM = std::uint64_t;
using LPARAM = std::int64_t;
#if __SIZEOF_WCHAR_T__ == 2
using WCHAR = wchar_t;
#else
using WCHAR = char16_t;
#endif

using LPSTR = CHAR*;
using PCHAR = CHAR*;
using LPCSTR = const CHAR*;
using PSTR = CHAR*;
using PCSTR = const CHAR*;
using LPWSTR = WCHAR*;
using LPCWSTR = const WCHAR*;
using PWSTR = WCHAR*;
using PCWSTR = const WCHAR*;
using LPBYTE = BYTE*;
using LPINT = INT*;
using PULONG = ULONG*;
using LPDWORD = DWORD*;
using PDWORD = DWORD*;
using LPBOOL = BOOL*;
using PBOOL = BOOL*;
using PDWORD_PTR = DWORD_PTR*;
using PULONG_PTR = ULONG_PTR*;

/// WS_u_long is Windows' u_long: 32 bits, where glibc's has 64. FIONBIO and FIONREAD take one.
using WS_u_long = ULONG;
using WS_socklen_t = INT;

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

using HANDLE = void*;
using LPHANDLE = HANDLE*;
struct WS_HWND;  // never defined: a window is only a name to post messages to
using HWND = WS_HWND*;
using SOCKET = UINT_PTR;
using WSAEVENT = HANDLE;
using LPWSAEVENT = WSAEVENT*;
using GROUP = UINT;
using ADDRESS_FAMILY = USHORT;

#define INVALID_SOCKET (~SOCKET{0})
#define SOCKET_ERROR (-1)
#define INVALID_HANDLE_VALUE (reinterpret_cast<HANDLE>(~ULONG_PTR{0}))
#define WSA_INVALID_EVENT (WSAEVENT{})

union LARGE_INTEGER {
  __extension__ struct {
    DWORD LowPart;
    LONG HighPart;
  };
  LONGLONG QuadPart;
};

struct GUID {
  ULONG Data1;
  USHORT Data2;
  USHORT Data3;
  UCHAR Data4[8];

  friend constexpr bool operator==(const GUID&, const GUID&) = default;
};
using LPGUID = GUID*;

// --- Addresses ---------------------------------------------------------------------------------
struct WS_sockaddr {
  ADDRESS_FAMILY sa_family;
  CHAR sa_data[14];
};

struct WS_in_addr {
  union {
    struct {
      UCHAR s_b1, s_b2, s_b3, s_b4;
    } S_un_b;
    struct {
      USHORT s_w1, s_w2;
    } S_un_w;
    ULONG S_addr;  // network byte order
  } S_un;
};

struct WS_sockaddr_in {
  ADDRESS_FAMILY sin_family;
  USHORT sin_port;  // network byte order
  WS_in_addr sin_addr;
  CHAR sin_zero[8];
};

struct WS_in6_addr {
  union {
    UCHAR Byte[16];
    USHORT Word[8];
  } u;
};

struct WS_sockaddr_in6 {
  ADDRESS_FAMILY sin6_family;
  USHORT sin6_port;  // network byte order
  ULONG sin6_flowinfo;
  WS_in6_addr sin6_addr;
  ULONG sin6_scope_id;
};

struct WS_sockaddr_storage {
  ADDRESS_FAMILY ss_family;
  CHAR ss_pad1[6];
  LONGLONG ss_align;
  CHAR ss_pad2[112];
};

struct WS_linger {
  USHORT l_onoff;
  USHORT l_linger;  // seconds
};

struct WS_timeval {
  LONG tv_sec;
  LONG tv_usec;
};

using SOCKADDR = WS_sockaddr;
using PSOCKADDR = WS_sockaddr*;
using LPSOCKADDR = WS_sockaddr*;
using SOCKADDR_IN = WS_sockaddr_in;
using PSOCKADDR_IN = WS_sockaddr_in*;
using LPSOCKADDR_IN = WS_sockaddr_in*;
using SOCKADDR_IN6 = WS_sockaddr_in6;
using PSOCKADDR_IN6 = WS_sockaddr_in6*;
using LPSOCKADDR_IN6 = WS_sockaddr_in6*;
using SOCKADDR_STORAGE = WS_sockaddr_storage;
using PSOCKADDR_STORAGE = WS_sockaddr_storage*;
using LPSOCKADDR_STORAGE = WS_sockaddr_storage*;
using IN_ADDR = WS_in_addr;
using PIN_ADDR = WS_in_addr*;
using LPIN_ADDR = WS_in_addr*;
using IN6_ADDR = WS_in6_addr;
using PIN6_ADDR = WS_in6_addr*;
using LPIN6_ADDR = WS_in6_addr*;
using LINGER = WS_linger;
using LPLINGER = WS_linger*;
using TIMEVAL = WS_timeval;
using PTIMEVAL = WS_timeval*;
using LPTIMEVAL = WS_timeval*;

struct SOCKET_ADDRESS {
  LPSOCKADDR lpSockaddr;
  INT iSockaddrLength;
};
using LPSOCKET_ADDRESS = SOCKET_ADDRESS*;

struct SOCKET_ADDRESS_LIST {
  INT iAddressCount;
  SOCKET_ADDRESS Address[1];  // iAddressCount of them
};
using LPSOCKET_ADDRESS_LIST = SOCKET_ADDRESS_LIST*;

struct WS_ip_mreq {
  WS_in_addr imr_multiaddr;
  WS_in_addr imr_interface;
};

struct WS_ip_mreq_source {
  WS_in_addr imr_multiaddr;
  WS_in_addr imr_sourceaddr;
  WS_in_addr imr_interface;
};

struct WS_ipv6_mreq {
  WS_in6_addr ipv6mr_multiaddr;
  ULONG ipv6mr_interface;
};

struct WS_group_req {
  ULONG gr_interface;
  WS_sockaddr_storage gr_group;
};

struct WS_group_source_req {
  ULONG gsr_interface;
  WS_sockaddr_storage gsr_group;
  WS_sockaddr_storage gsr_source;
};

struct WS_in_pktinfo {
  WS_in_addr ipi_addr;
  ULONG ipi_ifindex;
};

struct WS_in6_pktinfo {
  WS_in6_addr ipi6_addr;
  ULONG ipi6_ifindex;
};

// --- select ------------------------------------------------------------------------------------
// A set is a list of sockets, not a bit map. A program that wants more than 64 defines
// WS_FD_SETSIZE before the first Winsock header, the same in all its files; the provider looks at
// fd_count only.
#ifndef WS_FD_SETSIZE
#define WS_FD_SETSIZE 64
#endif

struct WS_fd_set {
  UINT fd_count;
  SOCKET fd_array[WS_FD_SETSIZE];
};
using LPFD_SET = WS_fd_set*;

// --- Transfers ---------------------------------------------------------------------------------
struct WSABUF {
  ULONG len;
  CHAR* buf;
};
using LPWSABUF = WSABUF*;

struct OVERLAPPED {
  ULONG_PTR Internal;      // NTSTATUS; STATUS_PENDING (0x103) until the operation is complete
  ULONG_PTR InternalHigh;  // bytes transferred
  union {
    __extension__ struct {
      DWORD Offset;
      DWORD OffsetHigh;
    };
    PVOID Pointer;
  };
  HANDLE hEvent;
};
using LPOVERLAPPED = OVERLAPPED*;
using WSAOVERLAPPED = OVERLAPPED;
using LPWSAOVERLAPPED = OVERLAPPED*;

struct WSATHREADID {
  HANDLE ThreadHandle;
  DWORD_PTR Reserved;
};
using LPWSATHREADID = WSATHREADID*;

using LPWSAOVERLAPPED_COMPLETION_ROUTINE = void(CALLBACK*)(DWORD dwError, DWORD cbTransferred,
                                                           LPWSAOVERLAPPED lpOverlapped,
                                                           DWORD dwFlags);
using LPWSAUSERAPC = void(CALLBACK*)(DWORD_PTR dwContext);
using LPBLOCKINGCALLBACK = BOOL(CALLBACK*)(DWORD_PTR dwContext);

struct WSAMSG {
  LPSOCKADDR name;
  INT namelen;
  LPWSABUF lpBuffers;
  ULONG dwBufferCount;
  WSABUF Control;
  ULONG dwFlags;
};
using PWSAMSG = WSAMSG*;
using LPWSAMSG = WSAMSG*;

struct WSACMSGHDR {
  SIZE_T cmsg_len;
  INT cmsg_level;
  INT cmsg_type;
};
using LPWSACMSGHDR = WSACMSGHDR*;

// --- Network events ----------------------------------------------------------------------------
#define FD_MAX_EVENTS 10

struct WSANETWORKEVENTS {
  LONG lNetworkEvents;
  INT iErrorCode[FD_MAX_EVENTS];
};
using LPWSANETWORKEVENTS = WSANETWORKEVENTS*;

// --- Quality of service ------------------------------------------------------------------------
using SERVICETYPE = ULONG;

struct FLOWSPEC {
  ULONG TokenRate;
  ULONG TokenBucketSize;
  ULONG PeakBandwidth;
  ULONG Latency;
  ULONG DelayVariation;
  SERVICETYPE ServiceType;
  ULONG MaxSduSize;
  ULONG MinimumPolicedSize;
};
using LPFLOWSPEC = FLOWSPEC*;

struct QOS {
  FLOWSPEC SendingFlowspec;
  FLOWSPEC ReceivingFlowspec;
  WSABUF ProviderSpecific;
};
using LPQOS = QOS*;

/// LPCONDITIONPROC is the caller's verdict on a connection that WSPAccept is about to take.
///
/// @return CF_ACCEPT, CF_REJECT or CF_DEFER
using LPCONDITIONPROC = int(CALLBACK*)(LPWSABUF lpCallerId, LPWSABUF lpCallerData, LPQOS lpSQOS,
                                       LPQOS lpGQOS, LPWSABUF lpCalleeId, LPWSABUF lpCalleeData,
                                       GROUP* g, DWORD_PTR dwCallbackData);

// --- Catalog -----------------------------------------------------------------------------------
#define MAX_PROTOCOL_CHAIN 7
#define WSAPROTOCOL_LEN 255
#define WSPDESCRIPTION_LEN 255

struct WSAPROTOCOLCHAIN {
  int ChainLen;  // 1: a base protocol, which is all that millrace publishes
  DWORD ChainEntries[MAX_PROTOCOL_CHAIN];
};
using LPWSAPROTOCOLCHAIN = WSAPROTOCOLCHAIN*;

/// WSAPROTOCOL_INFO_OF is the one layout behind WSAPROTOCOL_INFOA and WSAPROTOCOL_INFOW.
template <typename Char>
struct WSAPROTOCOL_INFO_OF {
  DWORD dwServiceFlags1;
  DWORD dwServiceFlags2;
  DWORD dwServiceFlags3;
  DWORD dwServiceFlags4;
  DWORD dwProviderFlags;
  GUID ProviderId;
  DWORD dwCatalogEntryId;
  WSAPROTOCOLCHAIN ProtocolChain;
  int iVersion;
  int iAddressFamily;
  int iMaxSockAddr;
  int iMinSockAddr;
  int iSocketType;
  int iProtocol;
  int iProtocolMaxOffset;
  int iNetworkByteOrder;
  int iSecurityScheme;
  DWORD dwMessageSize;
  DWORD dwProviderReserved;
  Char szProtocol[WSAPROTOCOL_LEN + 1];
};
using WSAPROTOCOL_INFOA = WSAPROTOCOL_INFO_OF<CHAR>;
using LPWSAPROTOCOL_INFOA = WSAPROTOCOL_INFOA*;
using WSAPROTOCOL_INFOW = WSAPROTOCOL_INFO_OF<WCHAR>;
using LPWSAPROTOCOL_INFOW = WSAPROTOCOL_INFOW*;

struct WSPDATA {
  WORD wVersion;
  WORD wHighVersion;
  WCHAR szDescription[WSPDESCRIPTION_LEN + 1];
};
using LPWSPDATA = WSPDATA*;

#endif  // MILLRACE_WINSOCK_TYPES_H_
