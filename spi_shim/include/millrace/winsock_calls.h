// SPDX-License-Identifier: BSD-3-Clause
// The Winsock 2 calls: what Ws2_32.lib has on Windows, in the library millrace_ws2_32.
//
// Said once, for every call below that does not say otherwise:
// - It returns 0, or SOCKET_ERROR and the code is in WSAGetLastError(). One that returns a SOCKET fails
//   as INVALID_SOCKET, one that returns BOOL as FALSE. What a call does is said at the procedure of
//   ws2spi.h behind it (WSARecv: LPWSPRECV).
// - Before WSAStartup and after the last WSACleanup: WSANOTINITIALISED.
// - Pointers are borrowed until the call returns; those of an overlapped operation until it is complete.
//
// A call whose name the C library has, too, is declared with the prefix WS_, and its symbol is
// millrace_ws2_NAME: a process may use the C library's socket() and this one side by side.
#ifndef MILLRACE_WINSOCK_CALLS_H_
#define MILLRACE_WINSOCK_CALLS_H_

#include "millrace/winsock_names.h"
#include "millrace/winsock_types.h"

/// The symbol of a call that the C library has a namesake of.
#define MILLRACE_SYMBOL(name) asm("millrace_ws2_" #name)

#pragma GCC visibility push(default)
extern "C" {

// --- Start, end, errors --------------------------------------------------------------------------

/// WSAStartup starts Winsock for the process, or counts one more user.
///
/// @param[in]  wVersionRequested  highest version the caller speaks; wVersion has what it gets
/// @return  0, or the error itself
/// @errors  WSAVERNOTSUPPORTED below 1.0; WSAEFAULT; WSASYSNOTREADY, and one line on stderr says why
int WSAAPI WSAStartup(WORD wVersionRequested, LPWSADATA lpWSAData) noexcept;

/// WSACleanup takes one WSAStartup back; the last one closes all sockets.
int WSAAPI WSACleanup() noexcept;

int WSAAPI WSAGetLastError() noexcept;  // the same word as GetLastError()
void WSAAPI WSASetLastError(int iError) noexcept;

// --- Sockets -------------------------------------------------------------------------------------
SOCKET WSAAPI WSASocketW(int af, int type, int protocol, LPWSAPROTOCOL_INFOW lpProtocolInfo,
                         GROUP g, DWORD dwFlags) noexcept;
SOCKET WSAAPI WSASocketA(int af, int type, int protocol, LPWSAPROTOCOL_INFOA lpProtocolInfo,
                         GROUP g, DWORD dwFlags) noexcept;
SOCKET WSAAPI WSAAccept(SOCKET s, WS_sockaddr* addr, LPINT addrlen, LPCONDITIONPROC lpfnCondition,
                        DWORD_PTR dwCallbackData) noexcept;
int WSAAPI WSAConnect(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF lpCallerData,
                      LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS) noexcept;
SOCKET WSAAPI WSAJoinLeaf(SOCKET s, const WS_sockaddr* name, int namelen, LPWSABUF lpCallerData,
                          LPWSABUF lpCalleeData, LPQOS lpSQOS, LPQOS lpGQOS,
                          DWORD dwFlags) noexcept;
int WSAAPI WSADuplicateSocketW(SOCKET s, DWORD dwProcessId,
                               LPWSAPROTOCOL_INFOW lpProtocolInfo) noexcept;
int WSAAPI WSADuplicateSocketA(SOCKET s, DWORD dwProcessId,
                               LPWSAPROTOCOL_INFOA lpProtocolInfo) noexcept;
int WSAAPI closesocket(SOCKET s) noexcept;
int WSAAPI ioctlsocket(SOCKET s, LONG cmd, WS_u_long* argp) noexcept;
int WSAAPI WSAIoctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
                    LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
BOOL WSAAPI WSAGetQOSByName(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS) noexcept;

SOCKET WSAAPI WS_socket(int af, int type, int protocol) noexcept MILLRACE_SYMBOL(socket);
int WSAAPI WS_bind(SOCKET s, const WS_sockaddr* name, int namelen) noexcept MILLRACE_SYMBOL(bind);
int WSAAPI WS_listen(SOCKET s, int backlog) noexcept MILLRACE_SYMBOL(listen);
SOCKET WSAAPI WS_accept(SOCKET s, WS_sockaddr* addr, int* addrlen) noexcept MILLRACE_SYMBOL(accept);
int WSAAPI WS_connect(SOCKET s, const WS_sockaddr* name, int namelen) noexcept
    MILLRACE_SYMBOL(connect);
int WSAAPI WS_shutdown(SOCKET s, int how) noexcept MILLRACE_SYMBOL(shutdown);
int WSAAPI WS_getsockname(SOCKET s, WS_sockaddr* name, int* namelen) noexcept
    MILLRACE_SYMBOL(getsockname);
int WSAAPI WS_getpeername(SOCKET s, WS_sockaddr* name, int* namelen) noexcept
    MILLRACE_SYMBOL(getpeername);
int WSAAPI WS_getsockopt(SOCKET s, int level, int optname, CHAR* optval, int* optlen) noexcept
    MILLRACE_SYMBOL(getsockopt);
int WSAAPI WS_setsockopt(SOCKET s, int level, int optname, const CHAR* optval, int optlen) noexcept
    MILLRACE_SYMBOL(setsockopt);

// --- Transfers -----------------------------------------------------------------------------------
int WSAAPI WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
                   LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                       LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, WS_sockaddr* lpFrom,
                       LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData) noexcept;
int WSAAPI WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
                   DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
int WSAAPI WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
                     DWORD dwFlags, const WS_sockaddr* lpTo, int iTolen,
                     LPWSAOVERLAPPED lpOverlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData) noexcept;

/// WSARecvMsg and WSASendMsg call the extension function of their name.
/// @errors WSAEOPNOTSUPP where the provider has none
int WSAAPI WSARecvMsg(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
                      LPWSAOVERLAPPED lpOverlapped,
                      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;
int WSAAPI WSASendMsg(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags, LPDWORD lpNumberOfBytesSent,
                      LPWSAOVERLAPPED lpOverlapped,
                      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept;

int WSAAPI WS_recv(SOCKET s, CHAR* buf, int len, int flags) noexcept MILLRACE_SYMBOL(recv);
int WSAAPI WS_recvfrom(SOCKET s, CHAR* buf, int len, int flags, WS_sockaddr* from,
                       int* fromlen) noexcept MILLRACE_SYMBOL(recvfrom);
int WSAAPI WS_send(SOCKET s, const CHAR* buf, int len, int flags) noexcept MILLRACE_SYMBOL(send);
int WSAAPI WS_sendto(SOCKET s, const CHAR* buf, int len, int flags, const WS_sockaddr* to,
                     int tolen) noexcept MILLRACE_SYMBOL(sendto);

// --- Results and events --------------------------------------------------------------------------
BOOL WSAAPI WSAGetOverlappedResult(SOCKET s, LPWSAOVERLAPPED lpOverlapped, LPDWORD lpcbTransfer,
                                   BOOL fWait, LPDWORD lpdwFlags) noexcept;
int WSAAPI WSAEventSelect(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents) noexcept;
int WSAAPI WSAEnumNetworkEvents(SOCKET s, WSAEVENT hEventObject,
                                LPWSANETWORKEVENTS lpNetworkEvents) noexcept;
int WSAAPI WSAAsyncSelect(SOCKET s, HWND hWnd, unsigned int wMsg, LONG lEvent) noexcept;
int WSAAPI WS_select(int nfds, WS_fd_set* readfds, WS_fd_set* writefds, WS_fd_set* exceptfds,
                     const WS_timeval* timeout) noexcept MILLRACE_SYMBOL(select);
int WSAAPI __WSAFDIsSet(SOCKET s, WS_fd_set* set) noexcept;  // FD_ISSET as a function

/// WSAPoll waits until one of nfds sockets is in a state that its entry asks about.
///
/// @param[in,out] fdArray  an entry whose fd is INVALID_SOCKET is skipped, its revents set to 0
/// @param[in] timeout      milliseconds; below 0: for ever
/// @return  how many entries have revents; a bad socket among good ones has POLLNVAL
/// @errors  WSAEINVAL POLLPRI or an unknown flag asked for, or nfds is 0; WSAENOTSOCK no socket is
///          good; WSAEFAULT
int WSAAPI WSAPoll(LPWSAPOLLFD fdArray, ULONG fds, INT timeout) noexcept;

// --- Catalog, addresses as text, byte order ------------------------------------------------------
int WSAAPI WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
                             LPDWORD lpdwBufferLength) noexcept;
int WSAAPI WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer,
                             LPDWORD lpdwBufferLength) noexcept;
INT WSAAPI WSAAddressToStringW(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                               LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
                               LPDWORD lpdwAddressStringLength) noexcept;
INT WSAAPI WSAAddressToStringA(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                               LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSTR lpszAddressString,
                               LPDWORD lpdwAddressStringLength) noexcept;
INT WSAAPI WSAStringToAddressW(LPWSTR AddressString, INT AddressFamily,
                               LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
                               LPINT lpAddressLength) noexcept;
INT WSAAPI WSAStringToAddressA(LPSTR AddressString, INT AddressFamily,
                               LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSOCKADDR lpAddress,
                               LPINT lpAddressLength) noexcept;
int WSAAPI WSAHtonl(SOCKET s, WS_u_long hostlong, WS_u_long* lpnetlong) noexcept;
int WSAAPI WSAHtons(SOCKET s, USHORT hostshort, USHORT* lpnetshort) noexcept;
int WSAAPI WSANtohl(SOCKET s, WS_u_long netlong, WS_u_long* lphostlong) noexcept;
int WSAAPI WSANtohs(SOCKET s, USHORT netshort, USHORT* lphostshort) noexcept;

// --- Names: the C library's resolver answers, through the kernel's network; numbers need neither -

/// WSAConnectByName connects to the first address of a name that takes the connection.
///
/// @param[in]  timeout   for all attempts together; null: as long as each takes
/// @param[out] LocalAddress, RemoteAddress  null, or room for *...Length bytes
BOOL WSAAPI WSAConnectByNameW(SOCKET s, LPWSTR nodename, LPWSTR servicename,
                              LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                              LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                              const WS_timeval* timeout, LPWSAOVERLAPPED Reserved) noexcept;
BOOL WSAAPI WSAConnectByNameA(SOCKET s, LPCSTR nodename, LPCSTR servicename,
                              LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                              LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                              const WS_timeval* timeout, LPWSAOVERLAPPED Reserved) noexcept;
BOOL WSAAPI WSAConnectByList(SOCKET s, LPSOCKET_ADDRESS_LIST SocketAddress,
                             LPDWORD LocalAddressLength, LPSOCKADDR LocalAddress,
                             LPDWORD RemoteAddressLength, LPSOCKADDR RemoteAddress,
                             const WS_timeval* timeout, LPWSAOVERLAPPED Reserved) noexcept;

/// @return 0, or the error itself, which WSAGetLastError() has, too
/// @owner  the caller: freeaddrinfo, FreeAddrInfoW
INT WSAAPI WS_getaddrinfo(PCSTR pNodeName, PCSTR pServiceName, const WS_addrinfo* pHints,
                          WS_addrinfo** ppResult) noexcept MILLRACE_SYMBOL(getaddrinfo);
VOID WSAAPI WS_freeaddrinfo(WS_addrinfo* pAddrInfo) noexcept MILLRACE_SYMBOL(freeaddrinfo);
INT WSAAPI GetAddrInfoW(PCWSTR pNodeName, PCWSTR pServiceName, const ADDRINFOW* pHints,
                        PADDRINFOW* ppResult) noexcept;
VOID WSAAPI FreeAddrInfoW(PADDRINFOW pAddrInfo) noexcept;
INT WSAAPI WS_getnameinfo(const SOCKADDR* pSockaddr, WS_socklen_t SockaddrLength, CHAR* pNodeBuffer,
                          DWORD NodeBufferSize, CHAR* pServiceBuffer, DWORD ServiceBufferSize,
                          INT Flags) noexcept MILLRACE_SYMBOL(getnameinfo);
INT WSAAPI GetNameInfoW(const SOCKADDR* pSockaddr, WS_socklen_t SockaddrLength, WCHAR* pNodeBuffer,
                        DWORD NodeBufferSize, WCHAR* pServiceBuffer, DWORD ServiceBufferSize,
                        INT Flags) noexcept;
CHAR* WSAAPI WS_gai_strerror(int ecode) noexcept MILLRACE_SYMBOL(gai_strerror);
WCHAR* WSAAPI gai_strerrorW(int ecode) noexcept;

// What these return is the thread's until its next call of the same kind.
int WSAAPI WS_gethostname(CHAR* name, int namelen) noexcept MILLRACE_SYMBOL(gethostname);
int WSAAPI GetHostNameW(PWSTR name, int namelen) noexcept;
WS_hostent* WSAAPI WS_gethostbyname(const CHAR* name) noexcept MILLRACE_SYMBOL(gethostbyname);
WS_hostent* WSAAPI WS_gethostbyaddr(const CHAR* addr, int len, int type) noexcept
    MILLRACE_SYMBOL(gethostbyaddr);
WS_servent* WSAAPI WS_getservbyname(const CHAR* name, const CHAR* proto) noexcept
    MILLRACE_SYMBOL(getservbyname);
WS_servent* WSAAPI WS_getservbyport(int port, const CHAR* proto) noexcept
    MILLRACE_SYMBOL(getservbyport);
WS_protoent* WSAAPI WS_getprotobyname(const CHAR* name) noexcept MILLRACE_SYMBOL(getprotobyname);
WS_protoent* WSAAPI WS_getprotobynumber(int number) noexcept MILLRACE_SYMBOL(getprotobynumber);
CHAR* WSAAPI WS_inet_ntoa(WS_in_addr in) noexcept MILLRACE_SYMBOL(inet_ntoa);
INT WSAAPI InetPtonW(INT Family, PCWSTR pszAddrString, PVOID pAddrBuf) noexcept;
PCWSTR WSAAPI InetNtopW(INT Family, const VOID* pAddr, PWSTR pStringBuf,
                        SIZE_T StringBufSize) noexcept;

}  // extern "C"
#pragma GCC visibility pop

#endif  // MILLRACE_WINSOCK_CALLS_H_
