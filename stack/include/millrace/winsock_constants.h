// SPDX-License-Identifier: BSD-3-Clause
// The constants that Winsock's calls take and the catalog publishes. Socket options and ioctls have
// a header of their own, included here; errors are in winsock_errors.h.
//
// Invariant: as winsock_codes.h says. Left out, since no call here takes them: name resolution
// (AI_, EAI_, NI_, LUP_, NS_, RES_), registered I/O (RIO_), layered providers (LSP_).
#ifndef MILLRACE_WINSOCK_CONSTANTS_H_
#define MILLRACE_WINSOCK_CONSTANTS_H_

#include "millrace/winsock_options.h"

// --- Address families ---------------------------------------------------------------------------
#define WS_AF_UNSPEC 0
#define WS_AF_UNIX 1
#define WS_AF_INET 2
#define AF_IMPLINK 3
#define AF_PUP 4
#define AF_CHAOS 5
#define WS_AF_IPX 6
#define AF_NS 6
#define AF_ISO 7
#define AF_OSI 7
#define AF_ECMA 8
#define AF_DATAKIT 9
#define AF_CCITT 10
#define WS_AF_SNA 11
#define WS_AF_DECnet 12
#define AF_DLI 13
#define AF_LAT 14
#define AF_HYLINK 15
#define WS_AF_APPLETALK 16
#define AF_NETBIOS 17
#define AF_VOICEVIEW 18
#define AF_FIREFOX 19
#define AF_UNKNOWN1 20
#define AF_BAN 21
#define AF_ATM 22
#define WS_AF_INET6 23
#define AF_CLUSTER 24
#define AF_12844 25
#define WS_AF_IRDA 26
#define AF_NETDES 28
#define AF_TCNPROCESS 29
#define AF_TCNMESSAGE 30
#define AF_ICLFXBM 31
#define AF_BTH 32
#define WS_AF_MAX 33
#define AF_HYPERV 34

// --- The same under their protocol family names -------------------------------------------------
#define WS_PF_UNSPEC WS_AF_UNSPEC
#define WS_PF_UNIX WS_AF_UNIX
#define WS_PF_INET WS_AF_INET
#define PF_IMPLINK AF_IMPLINK
#define PF_PUP AF_PUP
#define PF_CHAOS AF_CHAOS
#define WS_PF_IPX WS_AF_IPX
#define PF_NS AF_NS
#define PF_ISO AF_ISO
#define PF_OSI AF_OSI
#define PF_ECMA AF_ECMA
#define PF_DATAKIT AF_DATAKIT
#define PF_CCITT AF_CCITT
#define WS_PF_SNA WS_AF_SNA
#define WS_PF_DECnet WS_AF_DECnet
#define PF_DLI AF_DLI
#define PF_LAT AF_LAT
#define PF_HYLINK AF_HYLINK
#define WS_PF_APPLETALK WS_AF_APPLETALK
#define PF_VOICEVIEW AF_VOICEVIEW
#define PF_FIREFOX AF_FIREFOX
#define PF_UNKNOWN1 AF_UNKNOWN1
#define PF_BAN AF_BAN
#define PF_ATM AF_ATM
#define WS_PF_INET6 WS_AF_INET6
#define PF_BTH AF_BTH
#define WS_PF_MAX WS_AF_MAX

// --- Socket types and groups --------------------------------------------------------------------
#define WS_SOCK_STREAM 1
#define SG_UNCONSTRAINED_GROUP 1
#define WS_SOCK_DGRAM 2
#define SG_CONSTRAINED_GROUP 2
#define WS_SOCK_RAW 3
#define WS_SOCK_RDM 4
#define WS_SOCK_SEQPACKET 5

// --- Protocols ----------------------------------------------------------------------------------
#define WS_IPPROTO_HOPOPTS 0
#define WS_IPPROTO_IP 0
#define WS_IPPROTO_ICMP 1
#define WS_IPPROTO_IGMP 2
#define IPPROTO_GGP 3
#define IPPROTO_IPV4 4
#define IPPROTO_ST 5
#define WS_IPPROTO_TCP 6
#define IPPROTO_CBT 7
#define WS_IPPROTO_EGP 8
#define IPPROTO_IGP 9
#define WS_IPPROTO_PUP 12
#define WS_IPPROTO_UDP 17
#define WS_IPPROTO_IDP 22
#define IPPROTO_RDP 27
#define WS_IPPROTO_IPV6 41
#define WS_IPPROTO_ROUTING 43
#define WS_IPPROTO_FRAGMENT 44
#define WS_IPPROTO_ESP 50
#define WS_IPPROTO_AH 51
#define WS_IPPROTO_ICMPV6 58
#define WS_IPPROTO_NONE 59
#define WS_IPPROTO_DSTOPTS 60
#define IPPROTO_ND 77
#define IPPROTO_ICLFXBM 78
#define WS_IPPROTO_PIM 103
#define IPPROTO_PGM 113
#define IPPROTO_RM 113
#define WS_IPPROTO_L2TP 115
#define WS_IPPROTO_SCTP 132
#define WS_IPPROTO_RAW 255
#define WS_IPPROTO_MAX 256

// --- Well-known addresses, in host order --------------------------------------------------------
#define WS_INADDR_ANY 0U
#define WS_INADDR_LOOPBACK 0x7F000001U
#define WS_INADDR_BROADCAST 0xFFFFFFFFU
#define WS_INADDR_NONE 0xFFFFFFFFU

// --- Flags of send and receive ------------------------------------------------------------------
#define WS_MSG_OOB 0x1
#define WS_MSG_PEEK 0x2
#define WS_MSG_DONTROUTE 0x4
#define WS_MSG_WAITALL 0x8
#define MSG_INTERRUPT 0x10
#define MSG_MAXIOVLEN 0x10
#define MSG_PUSH_IMMEDIATE 0x20
#define WS_MSG_TRUNC 0x100
#define WS_MSG_CTRUNC 0x200
#define MSG_BCAST 0x400
#define MSG_MCAST 0x800
#define WS_MSG_ERRQUEUE 0x1000
#define MSG_PARTIAL 0x8000

// --- Shutdown, listen, condition function -------------------------------------------------------
#define SD_RECEIVE 0
#define SD_SEND 1
#define SD_BOTH 2
#define CF_ACCEPT 0
#define CF_REJECT 1
#define CF_DEFER 2
#define WS_SOMAXCONN 0x7FFFFFFF
#define WS_SOMAXCONN_HINT(b) (-(b))

// --- WSPSocket and WSPJoinLeaf ------------------------------------------------------------------
#define FROM_PROTOCOL_INFO (-1)
#define WSA_FLAG_OVERLAPPED 0x1
#define WSA_FLAG_MULTIPOINT_C_ROOT 0x2
#define WSA_FLAG_MULTIPOINT_C_LEAF 0x4
#define WSA_FLAG_MULTIPOINT_D_ROOT 0x8
#define WSA_FLAG_MULTIPOINT_D_LEAF 0x10
#define WSA_FLAG_ACCESS_SYSTEM_SECURITY 0x40
#define WSA_FLAG_NO_HANDLE_INHERIT 0x80
#define WSA_FLAG_REGISTERED_IO 0x100
#define JL_SENDER_ONLY 0x1
#define JL_RECEIVER_ONLY 0x2
#define JL_BOTH 0x4

// --- Network events -----------------------------------------------------------------------------
// A bit is the index into WSANETWORKEVENTS::iErrorCode.
#define FD_READ_BIT 0
#define FD_WRITE_BIT 1
#define FD_OOB_BIT 2
#define FD_ACCEPT_BIT 3
#define FD_CONNECT_BIT 4
#define FD_CLOSE_BIT 5
#define FD_QOS_BIT 6
#define FD_GROUP_QOS_BIT 7
#define FD_ROUTING_INTERFACE_CHANGE_BIT 8
#define FD_ADDRESS_LIST_CHANGE_BIT 9
#define FD_READ (1 << FD_READ_BIT)
#define FD_WRITE (1 << FD_WRITE_BIT)
#define FD_OOB (1 << FD_OOB_BIT)
#define FD_ACCEPT (1 << FD_ACCEPT_BIT)
#define FD_CONNECT (1 << FD_CONNECT_BIT)
#define FD_CLOSE (1 << FD_CLOSE_BIT)
#define FD_QOS (1 << FD_QOS_BIT)
#define FD_GROUP_QOS (1 << FD_GROUP_QOS_BIT)
#define FD_ROUTING_INTERFACE_CHANGE (1 << FD_ROUTING_INTERFACE_CHANGE_BIT)
#define FD_ADDRESS_LIST_CHANGE (1 << FD_ADDRESS_LIST_CHANGE_BIT)
#define FD_ALL_EVENTS ((1 << FD_MAX_EVENTS) - 1)

// --- Waiting for events -------------------------------------------------------------------------
#define WSA_WAIT_EVENT_0 0
#define WSA_WAIT_IO_COMPLETION 0xC0
#define WSA_WAIT_TIMEOUT 0x102
#define WSA_WAIT_FAILED 0xFFFFFFFFU
#define WSA_INFINITE 0xFFFFFFFFU
#define WSA_MAXIMUM_WAIT_EVENTS 64

// --- Catalog: dwServiceFlags1 -------------------------------------------------------------------
#define XP1_CONNECTIONLESS 0x1
#define XP1_GUARANTEED_DELIVERY 0x2
#define XP1_GUARANTEED_ORDER 0x4
#define XP1_MESSAGE_ORIENTED 0x8
#define XP1_PSEUDO_STREAM 0x10
#define XP1_GRACEFUL_CLOSE 0x20
#define XP1_EXPEDITED_DATA 0x40
#define XP1_CONNECT_DATA 0x80
#define XP1_DISCONNECT_DATA 0x100
#define XP1_SUPPORT_BROADCAST 0x200
#define XP1_SUPPORT_MULTIPOINT 0x400
#define XP1_MULTIPOINT_CONTROL_PLANE 0x800
#define XP1_MULTIPOINT_DATA_PLANE 0x1000
#define XP1_QOS_SUPPORTED 0x2000
#define XP1_INTERRUPT 0x4000
#define XP1_UNI_SEND 0x8000
#define XP1_UNI_RECV 0x10000
#define XP1_IFS_HANDLES 0x20000
#define XP1_PARTIAL_MESSAGE 0x40000
#define XP1_SAN_SUPPORT_SDP 0x80000

// --- Catalog: dwProviderFlags, chain length, byte order, security -------------------------------
#define PFL_MULTIPLE_PROTO_ENTRIES 0x1
#define PFL_RECOMMENDED_PROTO_ENTRY 0x2
#define PFL_HIDDEN 0x4
#define PFL_MATCHES_PROTOCOL_ZERO 0x8
#define PFL_NETWORKDIRECT_PROVIDER 0x10
#define LAYERED_PROTOCOL 0
#define BASE_PROTOCOL 0x1
#define BIGENDIAN 0
#define LITTLEENDIAN 0x1
#define SECURITY_PROTOCOL_NONE 0

// --- WSAPoll -------------------------------------------------------------------------------------
#define WS_POLLERR 0x1
#define WS_POLLHUP 0x2
#define WS_POLLNVAL 0x4
#define WS_POLLWRNORM 0x10
#define WS_POLLWRBAND 0x20
#define WS_POLLRDNORM 0x100
#define WS_POLLRDBAND 0x200
#define WS_POLLPRI 0x400
#define WS_POLLIN (WS_POLLRDNORM | WS_POLLRDBAND)
#define WS_POLLOUT WS_POLLWRNORM

// --- Flags of INTERFACE_INFO --------------------------------------------------------------------
#define WS_IFF_UP 0x1
#define WS_IFF_BROADCAST 0x2
#define WS_IFF_LOOPBACK 0x4
#define IFF_POINTTOPOINT 0x8
#define WS_IFF_MULTICAST 0x10

#endif  // MILLRACE_WINSOCK_CONSTANTS_H_
