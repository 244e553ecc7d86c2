// SPDX-License-Identifier: BSD-3-Clause
// Microsoft's extension functions. They are not exported: a program gets a pointer to one from
// WSPIoctl(SIO_GET_EXTENSION_FUNCTION_POINTER) with its WSAID_, or WSAEINVAL where the provider has
// none. Here are the ids, the types of the pointers, and what they take.
//
// Invariant: ids and layouts are those of Windows x64. Unlike the procedures of the SPI an
// extension function has no lpErrno.
//
// Left out: WSAPOLLDATA of SIO_EXT_POLL.
#ifndef MILLRACE_MSWSOCK_H_
#define MILLRACE_MSWSOCK_H_

#include "millrace/winsock_cmsg.h"
#include "millrace/winsock_options.h"
#include "millrace/winsock_types.h"
#include "mswsockdef.h"
#include "windows.h"

/// CSADDR_INFO is what SO_BSP_STATE tells; the addresses stand behind it.
struct CSADDR_INFO {
  SOCKET_ADDRESS LocalAddr;
  SOCKET_ADDRESS RemoteAddr;
  INT iSocketType;
  INT iProtocol;
};
using LPCSADDR_INFO = CSADDR_INFO*;

/// WSA_COMPATIBILITY_MODE is the input of SIO_SET_COMPATIBILITY_MODE.
enum WSA_COMPATIBILITY_BEHAVIOR_ID : INT {
  WsaBehaviorAll = 0,
  WsaBehaviorReceiveBuffering = 1,
  WsaBehaviorAutoTuning = 2,
};
struct WSA_COMPATIBILITY_MODE {
  WSA_COMPATIBILITY_BEHAVIOR_ID BehaviorId;
  ULONG TargetOsVersion;
};

// --- AcceptEx, ConnectEx, DisconnectEx -----------------------------------------------------------
#define WSAID_ACCEPTEX                                                             \
  {                                                                                \
    0xB5367DF1, 0xCBAC, 0x11CF, { 0x95, 0xCA, 0x00, 0x80, 0x5F, 0x48, 0xA1, 0x92 } \
  }
#define WSAID_GETACCEPTEXSOCKADDRS                                                 \
  {                                                                                \
    0xB5367DF2, 0xCBAC, 0x11CF, { 0x95, 0xCA, 0x00, 0x80, 0x5F, 0x48, 0xA1, 0x92 } \
  }
#define WSAID_CONNECTEX                                                            \
  {                                                                                \
    0x25A207B9, 0xDDF3, 0x4660, { 0x8E, 0xE9, 0x76, 0xE5, 0x8C, 0x74, 0x06, 0x3E } \
  }
#define WSAID_DISCONNECTEX                                                         \
  {                                                                                \
    0x7FDA2E11, 0x8630, 0x436F, { 0xA0, 0x31, 0xF5, 0x36, 0xA6, 0xEE, 0xC1, 0x57 } \
  }

using LPFN_ACCEPTEX = BOOL(PASCAL*)(SOCKET sListenSocket, SOCKET sAcceptSocket,
                                    PVOID lpOutputBuffer, DWORD dwReceiveDataLength,
                                    DWORD dwLocalAddressLength, DWORD dwRemoteAddressLength,
                                    LPDWORD lpdwBytesReceived, LPOVERLAPPED lpOverlapped);
using LPFN_GETACCEPTEXSOCKADDRS = VOID(PASCAL*)(
    PVOID lpOutputBuffer, DWORD dwReceiveDataLength, DWORD dwLocalAddressLength,
    DWORD dwRemoteAddressLength, WS_sockaddr** LocalSockaddr, LPINT LocalSockaddrLength,
    WS_sockaddr** RemoteSockaddr, LPINT RemoteSockaddrLength);
using LPFN_CONNECTEX = BOOL(PASCAL*)(SOCKET s, const WS_sockaddr* name, int namelen,
                                     PVOID lpSendBuffer, DWORD dwSendDataLength,
                                     LPDWORD lpdwBytesSent, LPOVERLAPPED lpOverlapped);
using LPFN_DISCONNECTEX = BOOL(PASCAL*)(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags,
                                        DWORD dwReserved);

// --- Messages with control data ------------------------------------------------------------------
#define WSAID_WSARECVMSG                                                           \
  {                                                                                \
    0xF689D7C8, 0x6F1F, 0x436B, { 0x8A, 0x53, 0xE5, 0x4F, 0xE3, 0x51, 0xC3, 0x22 } \
  }
#define WSAID_WSASENDMSG                                                           \
  {                                                                                \
    0xA441E712, 0x754F, 0x43CA, { 0x84, 0xA7, 0x0D, 0xEE, 0x44, 0xCF, 0x60, 0x6D } \
  }

using LPFN_WSARECVMSG = INT(PASCAL*)(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
                                     LPWSAOVERLAPPED lpOverlapped,
                                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);
using LPFN_WSASENDMSG = INT(PASCAL*)(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags,
                                     LPDWORD lpNumberOfBytesSent, LPWSAOVERLAPPED lpOverlapped,
                                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine);

/// WSASENDMSG is the input of SIO_EXT_SENDMSG.
struct WSASENDMSG {
  LPWSAMSG lpMsg;
  DWORD dwFlags;
  LPDWORD lpNumberOfBytesSent;
  LPWSAOVERLAPPED lpOverlapped;
  LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine;
};
using LPWSASENDMSG = WSASENDMSG*;

// --- TransmitFile, TransmitPackets ---------------------------------------------------------------
#define WSAID_TRANSMITFILE                                                         \
  {                                                                                \
    0xB5367DF0, 0xCBAC, 0x11CF, { 0x95, 0xCA, 0x00, 0x80, 0x5F, 0x48, 0xA1, 0x92 } \
  }
#define WSAID_TRANSMITPACKETS                                                      \
  {                                                                                \
    0xD9689DA0, 0x1F90, 0x11D3, { 0x99, 0x71, 0x00, 0xC0, 0x4F, 0x68, 0xC8, 0x76 } \
  }

#define TF_DISCONNECT 0x1
#define TF_REUSE_SOCKET 0x2
#define TF_WRITE_BEHIND 0x4
#define TF_USE_DEFAULT_WORKER 0
#define TF_USE_SYSTEM_THREAD 0x10
#define TF_USE_KERNEL_APC 0x20
#define DE_REUSE_SOCKET TF_REUSE_SOCKET  // the flag of DisconnectEx

#define TP_DISCONNECT TF_DISCONNECT
#define TP_REUSE_SOCKET TF_REUSE_SOCKET
#define TP_USE_DEFAULT_WORKER TF_USE_DEFAULT_WORKER
#define TP_USE_SYSTEM_THREAD TF_USE_SYSTEM_THREAD
#define TP_USE_KERNEL_APC TF_USE_KERNEL_APC
#define TP_ELEMENT_MEMORY 1
#define TP_ELEMENT_FILE 2
#define TP_ELEMENT_EOP 4

struct TRANSMIT_FILE_BUFFERS {
  LPVOID Head;
  DWORD HeadLength;
  LPVOID Tail;
  DWORD TailLength;
};
using LPTRANSMIT_FILE_BUFFERS = TRANSMIT_FILE_BUFFERS*;

struct TRANSMIT_PACKETS_ELEMENT {
  ULONG dwElFlags;
  ULONG cLength;
  union {
    __extension__ struct {
      LARGE_INTEGER nFileOffset;
      HANDLE hFile;
    };
    PVOID pBuffer;
  };
};
using LPTRANSMIT_PACKETS_ELEMENT = TRANSMIT_PACKETS_ELEMENT*;

using LPFN_TRANSMITFILE = BOOL(PASCAL*)(SOCKET hSocket, HANDLE hFile, DWORD nNumberOfBytesToWrite,
                                        DWORD nNumberOfBytesPerSend, LPOVERLAPPED lpOverlapped,
                                        LPTRANSMIT_FILE_BUFFERS lpTransmitBuffers,
                                        DWORD dwReserved);
using LPFN_TRANSMITPACKETS = BOOL(PASCAL*)(SOCKET hSocket, LPTRANSMIT_PACKETS_ELEMENT lpPacketArray,
                                           DWORD nElementCount, DWORD nSendSize,
                                           LPOVERLAPPED lpOverlapped, DWORD dwFlags);

// --- Registered I/O ------------------------------------------------------------------------------
// The functions come in one table, by SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER.
#define WSAID_MULTIPLE_RIO                                                         \
  {                                                                                \
    0x8509E081, 0x96DD, 0x4005, { 0xB1, 0x65, 0x9E, 0x2E, 0xE8, 0xC7, 0x9E, 0x3F } \
  }

enum RIO_NOTIFICATION_COMPLETION_TYPE : INT {
  RIO_EVENT_COMPLETION = 1,
  RIO_IOCP_COMPLETION = 2,
};
using PRIO_NOTIFICATION_COMPLETION_TYPE = RIO_NOTIFICATION_COMPLETION_TYPE*;

/// RIO_NOTIFICATION_COMPLETION is how RIONotify tells that a completion queue is not empty.
struct RIO_NOTIFICATION_COMPLETION {
  RIO_NOTIFICATION_COMPLETION_TYPE Type;
  union {
    struct {
      HANDLE EventHandle;
      BOOL NotifyReset;  // RIONotify resets the event first
    } Event;
    struct {
      HANDLE IocpHandle;
      PVOID CompletionKey;
      PVOID Overlapped;  // an OVERLAPPED; not null
    } Iocp;
  };
};
using PRIO_NOTIFICATION_COMPLETION = RIO_NOTIFICATION_COMPLETION*;

using LPFN_RIORECEIVE = BOOL(PASCAL*)(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                                      DWORD Flags, PVOID RequestContext);
using LPFN_RIORECEIVEEX = int(PASCAL*)(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                                       PRIO_BUF pLocalAddress, PRIO_BUF pRemoteAddress,
                                       PRIO_BUF pControlContext, PRIO_BUF pFlags, DWORD Flags,
                                       PVOID RequestContext);
using LPFN_RIOSEND = LPFN_RIORECEIVE;
using LPFN_RIOSENDEX = BOOL(PASCAL*)(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                                     PRIO_BUF pLocalAddress, PRIO_BUF pRemoteAddress,
                                     PRIO_BUF pControlContext, PRIO_BUF pFlags, DWORD Flags,
                                     PVOID RequestContext);
using LPFN_RIOCLOSECOMPLETIONQUEUE = VOID(PASCAL*)(RIO_CQ CQ);
using LPFN_RIOCREATECOMPLETIONQUEUE =
    RIO_CQ(PASCAL*)(DWORD QueueSize, PRIO_NOTIFICATION_COMPLETION NotificationCompletion);
using LPFN_RIOCREATEREQUESTQUEUE = RIO_RQ(PASCAL*)(SOCKET Socket, ULONG MaxOutstandingReceive,
                                                   ULONG MaxReceiveDataBuffers,
                                                   ULONG MaxOutstandingSend,
                                                   ULONG MaxSendDataBuffers, RIO_CQ ReceiveCQ,
                                                   RIO_CQ SendCQ, PVOID SocketContext);
using LPFN_RIODEQUEUECOMPLETION = ULONG(PASCAL*)(RIO_CQ CQ, PRIORESULT Array, ULONG ArraySize);
using LPFN_RIODEREGISTERBUFFER = VOID(PASCAL*)(RIO_BUFFERID BufferId);
using LPFN_RIONOTIFY = INT(PASCAL*)(RIO_CQ CQ);
using LPFN_RIOREGISTERBUFFER = RIO_BUFFERID(PASCAL*)(PCHAR DataBuffer, DWORD DataLength);
using LPFN_RIORESIZECOMPLETIONQUEUE = BOOL(PASCAL*)(RIO_CQ CQ, DWORD QueueSize);
using LPFN_RIORESIZEREQUESTQUEUE = BOOL(PASCAL*)(RIO_RQ RQ, DWORD MaxOutstandingReceive,
                                                 DWORD MaxOutstandingSend);

struct RIO_EXTENSION_FUNCTION_TABLE {
  DWORD cbSize;
  LPFN_RIORECEIVE RIOReceive;
  LPFN_RIORECEIVEEX RIOReceiveEx;
  LPFN_RIOSEND RIOSend;
  LPFN_RIOSENDEX RIOSendEx;
  LPFN_RIOCLOSECOMPLETIONQUEUE RIOCloseCompletionQueue;
  LPFN_RIOCREATECOMPLETIONQUEUE RIOCreateCompletionQueue;
  LPFN_RIOCREATEREQUESTQUEUE RIOCreateRequestQueue;
  LPFN_RIODEQUEUECOMPLETION RIODequeueCompletion;
  LPFN_RIODEREGISTERBUFFER RIODeregisterBuffer;
  LPFN_RIONOTIFY RIONotify;
  LPFN_RIOREGISTERBUFFER RIORegisterBuffer;
  LPFN_RIORESIZECOMPLETIONQUEUE RIOResizeCompletionQueue;
  LPFN_RIORESIZEREQUESTQUEUE RIOResizeRequestQueue;
};
using PRIO_EXTENSION_FUNCTION_TABLE = RIO_EXTENSION_FUNCTION_TABLE*;

#endif  // MILLRACE_MSWSOCK_H_
