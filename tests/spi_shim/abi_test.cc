// SPDX-License-Identifier: BSD-3-Clause
// Size and alignment of every structure, and the offset of each field. abi_expect.h says where the
// numbers are from.
//
// Left out with the structures themselves: WSADATA, WSAPOLLFD, WSAPOLLDATA, WSACOMPLETION,
// CSADDR_INFO, BLOB, addrinfo, hostent and registered I/O. No call here takes them.
#include "abi_expect.h"
#include "mstcpip.h"
#include "mswsock.h"
#include "ws2spi.h"
#include "ws2tcpip.h"

// clang-format off
// --- Primitive types ----------------------------------------------------------------------------
PRIMITIVE(CHAR, 1, true)
PRIMITIVE(SHORT, 2, true)
PRIMITIVE(INT, 4, true)
PRIMITIVE(LONG, 4, true)
PRIMITIVE(LONGLONG, 8, true)
PRIMITIVE(PVOID, 8, false)
PRIMITIVE(WCHAR, 2, false)
PRIMITIVE(SOCKET, 8, false)
PRIMITIVE(HANDLE, 8, false)
PRIMITIVE(DWORD, 4, false)
PRIMITIVE(ULONG, 4, false)
PRIMITIVE(LONG, 4, true)
PRIMITIVE(WORD, 2, false)
PRIMITIVE(BOOL, 4, true)
PRIMITIVE(BOOLEAN, 1, false)
PRIMITIVE(DWORD_PTR, 8, false)
PRIMITIVE(u_long, 4, false)
PRIMITIVE(u_short, 2, false)
PRIMITIVE(u_int, 4, false)
PRIMITIVE(GROUP, 4, false)
PRIMITIVE(WSAEVENT, 8, false)
PRIMITIVE(LPARAM, 8, true)
PRIMITIVE(WPARAM, 8, false)
PRIMITIVE(HWND, 8, false)
PRIMITIVE(LARGE_INTEGER, 8, false)
PRIMITIVE(socklen_t, 4, true)

// --- Structures ---------------------------------------------------------------------------------

LAYOUT(WSABUF, 16, 8)
FIELD(WSABUF, len, 0, 4)
FIELD(WSABUF, buf, 8, 8)

LAYOUT(OVERLAPPED, 32, 8)
FIELD(OVERLAPPED, Internal, 0, 8)
FIELD(OVERLAPPED, InternalHigh, 8, 8)
FIELD(OVERLAPPED, Offset, 16, 4)
FIELD(OVERLAPPED, OffsetHigh, 20, 4)
FIELD(OVERLAPPED, Pointer, 16, 8)
FIELD(OVERLAPPED, hEvent, 24, 8)

LAYOUT(WSATHREADID, 16, 8)
FIELD(WSATHREADID, ThreadHandle, 0, 8)
FIELD(WSATHREADID, Reserved, 8, 8)

LAYOUT(GUID, 16, 4)
FIELD(GUID, Data1, 0, 4)
FIELD(GUID, Data2, 4, 2)
FIELD(GUID, Data3, 6, 2)
FIELD(GUID, Data4, 8, 8)

LAYOUT(WSAPROTOCOLCHAIN, 32, 4)
FIELD(WSAPROTOCOLCHAIN, ChainLen, 0, 4)
FIELD(WSAPROTOCOLCHAIN, ChainEntries, 4, 28)

LAYOUT(WSAPROTOCOL_INFOA, 372, 4)
FIELD(WSAPROTOCOL_INFOA, dwServiceFlags1, 0, 4)
FIELD(WSAPROTOCOL_INFOA, dwServiceFlags2, 4, 4)
FIELD(WSAPROTOCOL_INFOA, dwServiceFlags3, 8, 4)
FIELD(WSAPROTOCOL_INFOA, dwServiceFlags4, 12, 4)
FIELD(WSAPROTOCOL_INFOA, dwProviderFlags, 16, 4)
FIELD(WSAPROTOCOL_INFOA, ProviderId, 20, 16)
FIELD(WSAPROTOCOL_INFOA, dwCatalogEntryId, 36, 4)
FIELD(WSAPROTOCOL_INFOA, ProtocolChain, 40, 32)
FIELD(WSAPROTOCOL_INFOA, iVersion, 72, 4)
FIELD(WSAPROTOCOL_INFOA, iAddressFamily, 76, 4)
FIELD(WSAPROTOCOL_INFOA, iMaxSockAddr, 80, 4)
FIELD(WSAPROTOCOL_INFOA, iMinSockAddr, 84, 4)
FIELD(WSAPROTOCOL_INFOA, iSocketType, 88, 4)
FIELD(WSAPROTOCOL_INFOA, iProtocol, 92, 4)
FIELD(WSAPROTOCOL_INFOA, iProtocolMaxOffset, 96, 4)
FIELD(WSAPROTOCOL_INFOA, iNetworkByteOrder, 100, 4)
FIELD(WSAPROTOCOL_INFOA, iSecurityScheme, 104, 4)
FIELD(WSAPROTOCOL_INFOA, dwMessageSize, 108, 4)
FIELD(WSAPROTOCOL_INFOA, dwProviderReserved, 112, 4)
FIELD(WSAPROTOCOL_INFOA, szProtocol, 116, 256)

LAYOUT(WSPDATA, 516, 2)
FIELD(WSPDATA, wVersion, 0, 2)
FIELD(WSPDATA, wHighVersion, 2, 2)
FIELD(WSPDATA, szDescription, 4, 512)

LAYOUT(WSANETWORKEVENTS, 44, 4)
FIELD(WSANETWORKEVENTS, lNetworkEvents, 0, 4)
FIELD(WSANETWORKEVENTS, iErrorCode, 4, 40)

LAYOUT(fd_set, 520, 8)
FIELD(fd_set, fd_count, 0, 4)
FIELD(fd_set, fd_array, 8, 512)

LAYOUT(timeval, 8, 4)
FIELD(timeval, tv_sec, 0, 4)
FIELD(timeval, tv_usec, 4, 4)

LAYOUT(sockaddr, 16, 2)
FIELD(sockaddr, sa_family, 0, 2)
FIELD(sockaddr, sa_data, 2, 14)

LAYOUT(sockaddr_in, 16, 4)
FIELD(sockaddr_in, sin_family, 0, 2)
FIELD(sockaddr_in, sin_port, 2, 2)
FIELD(sockaddr_in, sin_addr, 4, 4)
FIELD(sockaddr_in, sin_zero, 8, 8)

LAYOUT(sockaddr_in6, 28, 4)
FIELD(sockaddr_in6, sin6_family, 0, 2)
FIELD(sockaddr_in6, sin6_port, 2, 2)
FIELD(sockaddr_in6, sin6_flowinfo, 4, 4)
FIELD(sockaddr_in6, sin6_addr, 8, 16)
FIELD(sockaddr_in6, sin6_scope_id, 24, 4)

LAYOUT(sockaddr_storage, 128, 8)
FIELD(sockaddr_storage, ss_family, 0, 2)
FIELD(sockaddr_storage, ss_align, 8, 8)

LAYOUT(in_addr, 4, 4)
FIELD(in_addr, S_un, 0, 4)

LAYOUT(in6_addr, 16, 2)
FIELD(in6_addr, u, 0, 16)

LAYOUT(linger, 4, 2)
FIELD(linger, l_onoff, 0, 2)
FIELD(linger, l_linger, 2, 2)

LAYOUT(WSAMSG, 56, 8)
FIELD(WSAMSG, name, 0, 8)
FIELD(WSAMSG, namelen, 8, 4)
FIELD(WSAMSG, lpBuffers, 16, 8)
FIELD(WSAMSG, dwBufferCount, 24, 4)
FIELD(WSAMSG, Control, 32, 16)
FIELD(WSAMSG, dwFlags, 48, 4)

LAYOUT(WSACMSGHDR, 16, 8)
FIELD(WSACMSGHDR, cmsg_len, 0, 8)
FIELD(WSACMSGHDR, cmsg_level, 8, 4)
FIELD(WSACMSGHDR, cmsg_type, 12, 4)

LAYOUT(QOS, 80, 8)
FIELD(QOS, SendingFlowspec, 0, 32)
FIELD(QOS, ReceivingFlowspec, 32, 32)
FIELD(QOS, ProviderSpecific, 64, 16)

LAYOUT(FLOWSPEC, 32, 4)
FIELD(FLOWSPEC, TokenRate, 0, 4)
FIELD(FLOWSPEC, TokenBucketSize, 4, 4)
FIELD(FLOWSPEC, PeakBandwidth, 8, 4)
FIELD(FLOWSPEC, Latency, 12, 4)
FIELD(FLOWSPEC, DelayVariation, 16, 4)
FIELD(FLOWSPEC, ServiceType, 20, 4)
FIELD(FLOWSPEC, MaxSduSize, 24, 4)
FIELD(FLOWSPEC, MinimumPolicedSize, 28, 4)

LAYOUT(tcp_keepalive, 12, 4)
FIELD(tcp_keepalive, onoff, 0, 4)
FIELD(tcp_keepalive, keepalivetime, 4, 4)
FIELD(tcp_keepalive, keepaliveinterval, 8, 4)

LAYOUT(SOCKET_ADDRESS, 16, 8)
FIELD(SOCKET_ADDRESS, lpSockaddr, 0, 8)
FIELD(SOCKET_ADDRESS, iSockaddrLength, 8, 4)

LAYOUT(SOCKET_ADDRESS_LIST, 24, 8)
FIELD(SOCKET_ADDRESS_LIST, iAddressCount, 0, 4)
FIELD(SOCKET_ADDRESS_LIST, Address, 8, 16)

LAYOUT(ip_mreq, 8, 4)
FIELD(ip_mreq, imr_multiaddr, 0, 4)
FIELD(ip_mreq, imr_interface, 4, 4)

LAYOUT(ipv6_mreq, 20, 4)
FIELD(ipv6_mreq, ipv6mr_multiaddr, 0, 16)
FIELD(ipv6_mreq, ipv6mr_interface, 16, 4)

LAYOUT(ip_mreq_source, 12, 4)
FIELD(ip_mreq_source, imr_multiaddr, 0, 4)
FIELD(ip_mreq_source, imr_sourceaddr, 4, 4)
FIELD(ip_mreq_source, imr_interface, 8, 4)

LAYOUT(in_pktinfo, 8, 4)
FIELD(in_pktinfo, ipi_addr, 0, 4)
FIELD(in_pktinfo, ipi_ifindex, 4, 4)

LAYOUT(in6_pktinfo, 20, 4)
FIELD(in6_pktinfo, ipi6_addr, 0, 16)
FIELD(in6_pktinfo, ipi6_ifindex, 16, 4)

LAYOUT(group_req, 136, 8)
FIELD(group_req, gr_interface, 0, 4)
FIELD(group_req, gr_group, 8, 128)

LAYOUT(INTERFACE_INFO, 76, 4)
FIELD(INTERFACE_INFO, iiFlags, 0, 4)
FIELD(INTERFACE_INFO, iiAddress, 4, 24)
FIELD(INTERFACE_INFO, iiBroadcastAddress, 28, 24)
FIELD(INTERFACE_INFO, iiNetmask, 52, 24)

LAYOUT(TRANSMIT_FILE_BUFFERS, 32, 8)
FIELD(TRANSMIT_FILE_BUFFERS, Head, 0, 8)
FIELD(TRANSMIT_FILE_BUFFERS, HeadLength, 8, 4)
FIELD(TRANSMIT_FILE_BUFFERS, Tail, 16, 8)
FIELD(TRANSMIT_FILE_BUFFERS, TailLength, 24, 4)

LAYOUT(TRANSMIT_PACKETS_ELEMENT, 24, 8)
FIELD(TRANSMIT_PACKETS_ELEMENT, dwElFlags, 0, 4)
FIELD(TRANSMIT_PACKETS_ELEMENT, cLength, 4, 4)
FIELD(TRANSMIT_PACKETS_ELEMENT, nFileOffset, 8, 8)
FIELD(TRANSMIT_PACKETS_ELEMENT, hFile, 16, 8)
FIELD(TRANSMIT_PACKETS_ELEMENT, pBuffer, 8, 8)

LAYOUT(RCVALL_IF, 8, 4)
FIELD(RCVALL_IF, Mode, 0, 4)
FIELD(RCVALL_IF, Interface, 4, 4)

LAYOUT(WSASENDMSG, 40, 8)
FIELD(WSASENDMSG, lpMsg, 0, 8)
FIELD(WSASENDMSG, dwFlags, 8, 4)
FIELD(WSASENDMSG, lpNumberOfBytesSent, 16, 8)
FIELD(WSASENDMSG, lpOverlapped, 24, 8)
FIELD(WSASENDMSG, lpCompletionRoutine, 32, 8)

LAYOUT(TCP_INFO_v0, 88, 8)
FIELD(TCP_INFO_v0, State, 0, 4)
FIELD(TCP_INFO_v0, Mss, 4, 4)
FIELD(TCP_INFO_v0, ConnectionTimeMs, 8, 8)
FIELD(TCP_INFO_v0, TimestampsEnabled, 16, 1)
FIELD(TCP_INFO_v0, RttUs, 20, 4)
FIELD(TCP_INFO_v0, MinRttUs, 24, 4)
FIELD(TCP_INFO_v0, BytesInFlight, 28, 4)
FIELD(TCP_INFO_v0, Cwnd, 32, 4)
FIELD(TCP_INFO_v0, SndWnd, 36, 4)
FIELD(TCP_INFO_v0, RcvWnd, 40, 4)
FIELD(TCP_INFO_v0, RcvBuf, 44, 4)
FIELD(TCP_INFO_v0, BytesOut, 48, 8)
FIELD(TCP_INFO_v0, BytesIn, 56, 8)
FIELD(TCP_INFO_v0, BytesReordered, 64, 4)
FIELD(TCP_INFO_v0, BytesRetrans, 68, 4)
FIELD(TCP_INFO_v0, FastRetrans, 72, 4)
FIELD(TCP_INFO_v0, DupAcksIn, 76, 4)
FIELD(TCP_INFO_v0, TimeoutEpisodes, 80, 4)
FIELD(TCP_INFO_v0, SynRetrans, 84, 1)

LAYOUT(TCP_INITIAL_RTO_PARAMETERS, 4, 2)
FIELD(TCP_INITIAL_RTO_PARAMETERS, Rtt, 0, 2)
FIELD(TCP_INITIAL_RTO_PARAMETERS, MaxSynRetransmissions, 2, 1)

LAYOUT(TCP_ACK_FREQUENCY_PARAMETERS, 1, 1)
FIELD(TCP_ACK_FREQUENCY_PARAMETERS, TcpDelayedAckFrequency, 0, 1)

LAYOUT(OVERLAPPED_ENTRY, 32, 8)
FIELD(OVERLAPPED_ENTRY, lpCompletionKey, 0, 8)
FIELD(OVERLAPPED_ENTRY, lpOverlapped, 8, 8)
FIELD(OVERLAPPED_ENTRY, Internal, 16, 8)
FIELD(OVERLAPPED_ENTRY, dwNumberOfBytesTransferred, 24, 4)

LAYOUT(WSAPROTOCOL_INFOW, 628, 4)
FIELD(WSAPROTOCOL_INFOW, dwServiceFlags1, 0, 4)
FIELD(WSAPROTOCOL_INFOW, dwServiceFlags2, 4, 4)
FIELD(WSAPROTOCOL_INFOW, dwServiceFlags3, 8, 4)
FIELD(WSAPROTOCOL_INFOW, dwServiceFlags4, 12, 4)
FIELD(WSAPROTOCOL_INFOW, dwProviderFlags, 16, 4)
FIELD(WSAPROTOCOL_INFOW, ProviderId, 20, 16)
FIELD(WSAPROTOCOL_INFOW, dwCatalogEntryId, 36, 4)
FIELD(WSAPROTOCOL_INFOW, ProtocolChain, 40, 32)
FIELD(WSAPROTOCOL_INFOW, iVersion, 72, 4)
FIELD(WSAPROTOCOL_INFOW, iAddressFamily, 76, 4)
FIELD(WSAPROTOCOL_INFOW, iMaxSockAddr, 80, 4)
FIELD(WSAPROTOCOL_INFOW, iMinSockAddr, 84, 4)
FIELD(WSAPROTOCOL_INFOW, iSocketType, 88, 4)
FIELD(WSAPROTOCOL_INFOW, iProtocol, 92, 4)
FIELD(WSAPROTOCOL_INFOW, iProtocolMaxOffset, 96, 4)
FIELD(WSAPROTOCOL_INFOW, iNetworkByteOrder, 100, 4)
FIELD(WSAPROTOCOL_INFOW, iSecurityScheme, 104, 4)
FIELD(WSAPROTOCOL_INFOW, dwMessageSize, 108, 4)
FIELD(WSAPROTOCOL_INFOW, dwProviderReserved, 112, 4)
FIELD(WSAPROTOCOL_INFOW, szProtocol, 116, 512)

// --- Two unions that the numbers above cannot tell apart from structures ------------------------
FIELD(TRANSMIT_PACKETS_ELEMENT, nFileOffset.LowPart, 8, 4)
FIELD(LARGE_INTEGER, HighPart, 4, 4)
FIELD(in_addr, s_addr, 0, 4)
FIELD(in6_addr, s6_addr, 0, 16)
FIELD(sockaddr_in6_old, sin6_addr, 8, 16)
// clang-format on
