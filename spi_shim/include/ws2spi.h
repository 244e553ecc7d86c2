// SPDX-License-Identifier: BSD-3-Clause
// The Winsock 2 Service Provider Interface: millrace's front door. A program calls WSPStartup once
// and reaches everything else through the 30 pointers of the table that it filled.
//
// Invariant: order, offsets and arguments of both tables are those of Windows x64
// (tests/spi_shim/abi_tables_test.cc).
//
// Said once, for every procedure below that does not say otherwise:
// - It returns 0, or SOCKET_ERROR with a WSAE* code in *lpErrno. One that returns a SOCKET fails as
//   INVALID_SOCKET, one that returns BOOL as FALSE. On success *lpErrno is left alone.
// - There is no last error per thread. lpErrno must point somewhere.
// - Pointers are borrowed until the call returns. What an overlapped request uses (lpOverlapped,
//   the bytes of its buffers, lpFrom, lpFromlen) stays borrowed until its completion has been
//   indicated; the WSABUF array itself and *lpThreadId are copied.
// - A call may be made from any thread.
//
// The names carry the prefix WS_ where glibc has the same ones, so this header goes with any other.
// A program that prefers plain `sockaddr` includes winsock2.h as well, before or after.
#ifndef MILLRACE_WS2SPI_H_
#define MILLRACE_WS2SPI_H_

#include "millrace/winsock_codes.h"
#include "millrace/winsock_types.h"
#include "windows.h"

// --- Procedures of the provider, in the order of the table --------------------------------------

// Takes a connection from a listener's queue; lpfnCondition, where given, decides about it first.
using LPWSPACCEPT = SOCKET(WSPAPI*)(SOCKET s, WS_sockaddr* addr, LPINT addrlen,
                                    LPCONDITIONPROC lpfnCondition, DWORD_PTR dwCallbackData,
                                    LPINT lpErrno);

// Writes an address as text; *lpdwAddressStringLength counts WCHARs, the final zero included.
using LPWSPADDRESSTOSTRING = INT(WSPAPI*)(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                                          LPWSAPROTOCOL_INFOW lpProtocolInfo,
                                          LPWSTR lpszAddressString, LPDWORD lpdwAddressStringLength,
                                          LPINT lpErrno);

// Reports network events as window messages, through the upcall WPUPostMessage.
using LPWSPASYNCSELECT = int(WSPAPI*)(SOCKET s, HWND hWnd, unsigned int wMsg, LONG lEvent,
                                      LPINT lpErrno);

// Gives a socket its local address.
using LPWSPBIND = int(WSPAPI*)(SOCKET s, const WS_sockaddr* name, int namelen, LPINT lpErrno);

// Ends the blocking call that is in progress: it returns with WSAEINTR.
using LPWSPCANCELBLOCKINGCALL = int(WSPAPI*)(LPINT lpErrno);

// Takes back one WSPStartup; the last one closes all sockets without indicating completions.
using LPWSPCLEANUP = int(WSPAPI*)(LPINT lpErrno);

// Closes a socket; its outstanding requests complete with WSA_OPERATION_ABORTED.
using LPWSPCLOSESOCKET = int(WSPAPI*)(SOCKET s, LPINT lpErrno);

// Connects a stream, or fixes the peer of a datagram socket.
using LPWSPCONNECT = int(WSPAPI*)(SOCKET s, const WS_sockaddr* name, int namelen,
                                  LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
                                  LPQOS lpGQOS, LPINT lpErrno);

// Describes a socket so that another descriptor for it can be made from the description.
using LPWSPDUPLICATESOCKET = int(WSPAPI*)(SOCKET s, DWORD dwProcessId,
                                          LPWSAPROTOCOL_INFOW lpProtocolInfo, LPINT lpErrno);

// Copies and clears the recorded network events and resets the event object, in one step.
using LPWSPENUMNETWORKEVENTS = int(WSPAPI*)(SOCKET s, WSAEVENT hEventObject,
                                            LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno);

// Ties network events (FD_*) to an event object, and makes the socket nonblocking.
using LPWSPEVENTSELECT = int(WSPAPI*)(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents,
                                      LPINT lpErrno);

// Tells how an overlapped request ended; WSA_IO_INCOMPLETE while it has not and fWait is FALSE.
using LPWSPGETOVERLAPPEDRESULT = BOOL(WSPAPI*)(SOCKET s, LPWSAOVERLAPPED lpOverlapped,
                                               LPDWORD lpcbTransfer, BOOL fWait, LPDWORD lpdwFlags,
                                               LPINT lpErrno);

// The peer's address.
using LPWSPGETPEERNAME = int(WSPAPI*)(SOCKET s, WS_sockaddr* name, LPINT namelen, LPINT lpErrno);

// The local address.
using LPWSPGETSOCKNAME = int(WSPAPI*)(SOCKET s, WS_sockaddr* name, LPINT namelen, LPINT lpErrno);

// Reads a socket option.
using LPWSPGETSOCKOPT = int(WSPAPI*)(SOCKET s, int level, int optname, CHAR* optval, LPINT optlen,
                                     LPINT lpErrno);

// Looks up a named quality-of-service template.
using LPWSPGETQOSBYNAME = BOOL(WSPAPI*)(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS, LPINT lpErrno);

// Controls a socket (FIONBIO, SIO_*), and hands out the extension functions.
using LPWSPIOCTL = int(WSPAPI*)(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer,
                                DWORD cbInBuffer, LPVOID lpvOutBuffer, DWORD cbOutBuffer,
                                LPDWORD lpcbBytesReturned, LPWSAOVERLAPPED lpOverlapped,
                                LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                                LPWSATHREADID lpThreadId, LPINT lpErrno);

// Joins a multipoint session.
using LPWSPJOINLEAF = SOCKET(WSPAPI*)(SOCKET s, const WS_sockaddr* name, int namelen,
                                      LPWSABUF lpCallerData, LPWSABUF lpCalleeData, LPQOS lpSQOS,
                                      LPQOS lpGQOS, DWORD dwFlags, LPINT lpErrno);

// Makes a bound stream socket a listener.
using LPWSPLISTEN = int(WSPAPI*)(SOCKET s, int backlog, LPINT lpErrno);

// Receives into dwBufferCount buffers, at once or as an overlapped request.
using LPWSPRECV = int(WSPAPI*)(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                               LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
                               LPWSAOVERLAPPED lpOverlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                               LPWSATHREADID lpThreadId, LPINT lpErrno);

// Ends reception on a connection and collects disconnect data.
using LPWSPRECVDISCONNECT = int(WSPAPI*)(SOCKET s, LPWSABUF lpInboundDisconnectData, LPINT lpErrno);

// Receives, and tells from whom.
using LPWSPRECVFROM = int(WSPAPI*)(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                                   LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags,
                                   WS_sockaddr* lpFrom, LPINT lpFromlen,
                                   LPWSAOVERLAPPED lpOverlapped,
                                   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                                   LPWSATHREADID lpThreadId, LPINT lpErrno);

// Waits until a socket of the sets is ready; returns how many are, 0 after the time is over.
using LPWSPSELECT = int(WSPAPI*)(int nfds, WS_fd_set* readfds, WS_fd_set* writefds,
                                 WS_fd_set* exceptfds, const PTIMEVAL timeout, LPINT lpErrno);

// Sends dwBufferCount buffers, at once or as an overlapped request.
using LPWSPSEND = int(WSPAPI*)(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                               LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
                               LPWSAOVERLAPPED lpOverlapped,
                               LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                               LPWSATHREADID lpThreadId, LPINT lpErrno);

// Ends sending on a connection, with disconnect data where the protocol has it.
using LPWSPSENDDISCONNECT = int(WSPAPI*)(SOCKET s, LPWSABUF lpOutboundDisconnectData,
                                         LPINT lpErrno);

// Sends a datagram to an address.
using LPWSPSENDTO = int(WSPAPI*)(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                                 LPDWORD lpNumberOfBytesSent, DWORD dwFlags,
                                 const WS_sockaddr* lpTo, int iTolen, LPWSAOVERLAPPED lpOverlapped,
                                 LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                                 LPWSATHREADID lpThreadId, LPINT lpErrno);

// Sets a socket option.
using LPWSPSETSOCKOPT = int(WSPAPI*)(SOCKET s, int level, int optname, const CHAR* optval,
                                     int optlen, LPINT lpErrno);

// Ends sending (SD_SEND), receiving (SD_RECEIVE) or both (SD_BOTH); the socket stays open.
using LPWSPSHUTDOWN = int(WSPAPI*)(SOCKET s, int how, LPINT lpErrno);

// Makes a socket; 0 and FROM_PROTOCOL_INFO leave a choice to the catalog.
using LPWSPSOCKET = SOCKET(WSPAPI*)(int af, int type, int protocol,
                                    LPWSAPROTOCOL_INFOW lpProtocolInfo, GROUP g, DWORD dwFlags,
                                    LPINT lpErrno);

// Reads an address from text; *lpAddressLength counts bytes.
using LPWSPSTRINGTOADDRESS = INT(WSPAPI*)(LPWSTR AddressString, INT AddressFamily,
                                          LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
                                          LPINT lpAddressLength, LPINT lpErrno);

struct WSPPROC_TABLE {
  LPWSPACCEPT lpWSPAccept;
  LPWSPADDRESSTOSTRING lpWSPAddressToString;
  LPWSPASYNCSELECT lpWSPAsyncSelect;
  LPWSPBIND lpWSPBind;
  LPWSPCANCELBLOCKINGCALL lpWSPCancelBlockingCall;
  LPWSPCLEANUP lpWSPCleanup;
  LPWSPCLOSESOCKET lpWSPCloseSocket;
  LPWSPCONNECT lpWSPConnect;
  LPWSPDUPLICATESOCKET lpWSPDuplicateSocket;
  LPWSPENUMNETWORKEVENTS lpWSPEnumNetworkEvents;
  LPWSPEVENTSELECT lpWSPEventSelect;
  LPWSPGETOVERLAPPEDRESULT lpWSPGetOverlappedResult;
  LPWSPGETPEERNAME lpWSPGetPeerName;
  LPWSPGETSOCKNAME lpWSPGetSockName;
  LPWSPGETSOCKOPT lpWSPGetSockOpt;
  LPWSPGETQOSBYNAME lpWSPGetQOSByName;
  LPWSPIOCTL lpWSPIoctl;
  LPWSPJOINLEAF lpWSPJoinLeaf;
  LPWSPLISTEN lpWSPListen;
  LPWSPRECV lpWSPRecv;
  LPWSPRECVDISCONNECT lpWSPRecvDisconnect;
  LPWSPRECVFROM lpWSPRecvFrom;
  LPWSPSELECT lpWSPSelect;
  LPWSPSEND lpWSPSend;
  LPWSPSENDDISCONNECT lpWSPSendDisconnect;
  LPWSPSENDTO lpWSPSendTo;
  LPWSPSETSOCKOPT lpWSPSetSockOpt;
  LPWSPSHUTDOWN lpWSPShutdown;
  LPWSPSOCKET lpWSPSocket;
  LPWSPSTRINGTOADDRESS lpWSPStringToAddress;
};
using LPWSPPROC_TABLE = WSPPROC_TABLE*;

// --- Upcalls: what a provider asks of whoever started it, in the order of the table --------------
using LPWPUCLOSEEVENT = BOOL(WSPAPI*)(WSAEVENT hEvent, LPINT lpErrno);
using LPWPUCLOSESOCKETHANDLE = int(WSPAPI*)(SOCKET s, LPINT lpErrno);
using LPWPUCREATEEVENT = WSAEVENT(WSPAPI*)(LPINT lpErrno);
using LPWPUCREATESOCKETHANDLE = SOCKET(WSPAPI*)(DWORD dwCatalogEntryId, DWORD_PTR dwContext,
                                                LPINT lpErrno);
using LPWPUFDISSET = int(WSPAPI*)(SOCKET s, WS_fd_set* fdset);
using LPWPUGETPROVIDERPATH = int(WSPAPI*)(LPGUID lpProviderId, WCHAR* lpszProviderDllPath,
                                          LPINT lpProviderDllPathLen, LPINT lpErrno);
using LPWPUMODIFYIFSHANDLE = SOCKET(WSPAPI*)(DWORD dwCatalogEntryId, SOCKET ProposedHandle,
                                             LPINT lpErrno);
using LPWPUPOSTMESSAGE = BOOL(WSPAPI*)(HWND hWnd, UINT Msg, WPARAM wParam, LPARAM lParam);
using LPWPUQUERYBLOCKINGCALLBACK = int(WSPAPI*)(DWORD dwCatalogEntryId,
                                                LPBLOCKINGCALLBACK* lplpfnCallback,
                                                PDWORD_PTR lpdwContext, LPINT lpErrno);
using LPWPUQUERYSOCKETHANDLECONTEXT = int(WSPAPI*)(SOCKET s, PDWORD_PTR lpContext, LPINT lpErrno);
using LPWPUQUEUEAPC = int(WSPAPI*)(LPWSATHREADID lpThreadId, LPWSAUSERAPC lpfnUserApc,
                                   DWORD_PTR dwContext, LPINT lpErrno);
using LPWPURESETEVENT = BOOL(WSPAPI*)(WSAEVENT hEvent, LPINT lpErrno);
using LPWPUSETEVENT = BOOL(WSPAPI*)(WSAEVENT hEvent, LPINT lpErrno);
using LPWPUOPENCURRENTTHREAD = int(WSPAPI*)(LPWSATHREADID lpThreadId, LPINT lpErrno);
using LPWPUCLOSETHREAD = int(WSPAPI*)(LPWSATHREADID lpThreadId, LPINT lpErrno);

struct WSPUPCALLTABLE {
  LPWPUCLOSEEVENT lpWPUCloseEvent;
  LPWPUCLOSESOCKETHANDLE lpWPUCloseSocketHandle;
  LPWPUCREATEEVENT lpWPUCreateEvent;
  LPWPUCREATESOCKETHANDLE lpWPUCreateSocketHandle;
  LPWPUFDISSET lpWPUFDIsSet;
  LPWPUGETPROVIDERPATH lpWPUGetProviderPath;
  LPWPUMODIFYIFSHANDLE lpWPUModifyIFSHandle;
  LPWPUPOSTMESSAGE lpWPUPostMessage;
  LPWPUQUERYBLOCKINGCALLBACK lpWPUQueryBlockingCallback;
  LPWPUQUERYSOCKETHANDLECONTEXT lpWPUQuerySocketHandleContext;
  LPWPUQUEUEAPC lpWPUQueueApc;
  LPWPURESETEVENT lpWPUResetEvent;
  LPWPUSETEVENT lpWPUSetEvent;
  LPWPUOPENCURRENTTHREAD lpWPUOpenCurrentThread;
  LPWPUCLOSETHREAD lpWPUCloseThread;
};
using LPWSPUPCALLTABLE = WSPUPCALLTABLE*;

using LPWSPSTARTUP = int(WSPAPI*)(WORD wVersionRequested, LPWSPDATA lpWSPData,
                                  LPWSAPROTOCOL_INFOW lpProtocolInfo, WSPUPCALLTABLE UpcallTable,
                                  LPWSPPROC_TABLE lpProcTable);

// --- What the library exports -------------------------------------------------------------------
#pragma GCC visibility push(default)
extern "C" {

/// WSPStartup starts the provider and fills the table of its procedures.
///
/// @param[in]  wVersionRequested  highest version the caller speaks: MAKEWORD(2, 2)
/// @param[out] lpWSPData          the version agreed on, and a description
/// @param[in]  lpProtocolInfo     an entry from WSCEnumProtocols
/// @param[in]  UpcallTable        by value, as on Windows. millrace's own convention: a table of
///                                zeros (`WSPUPCALLTABLE{}`) makes the provider bring its own
///                                upcalls, since Linux has no ws2_32 to supply them
/// @param[out] lpProcTable        the 30 procedures, all of them set
/// @return  0, or the error itself: there is no lpErrno here
/// @errors  WSASYSNOTREADY the configuration or the port is unusable (the log says what);
///          WSAVERNOTSUPPORTED below 2.2; WSAEPROCLIM; WSAEFAULT lpWSPData or lpProcTable is bad
/// @owner   counts: each success needs one WSPCleanup
/// @source  WSPStartup, Remarks
int WSPAPI WSPStartup(WORD wVersionRequested, LPWSPDATA lpWSPData,
                      LPWSAPROTOCOL_INFOW lpProtocolInfo, WSPUPCALLTABLE UpcallTable,
                      LPWSPPROC_TABLE lpProcTable) noexcept;

/// WSCEnumProtocols copies the protocols that millrace offers. It works before WSPStartup.
///
/// @param[in]     lpiProtocols      zero-terminated list of protocol numbers to report; null: all
/// @param[out]    lpProtocolBuffer  array of entries; may be null to ask for the length
/// @param[in,out] lpdwBufferLength  room in bytes; set to what all that was asked for needs
/// @return  number of entries copied, or SOCKET_ERROR
/// @errors  WSAENOBUFS too little room or no buffer; WSAEFAULT lpdwBufferLength is null
/// @source  WSCEnumProtocols
int WSPAPI WSCEnumProtocols(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
                            LPDWORD lpdwBufferLength, LPINT lpErrno) noexcept;

}  // extern "C"
#pragma GCC visibility pop

#endif  // MILLRACE_WS2SPI_H_
