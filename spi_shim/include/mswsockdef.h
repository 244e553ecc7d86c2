// SPDX-License-Identifier: BSD-3-Clause
// What registered I/O is made of. Programs include mswsock.h, which has the functions, too.
//
// Invariant: layouts and values are those of Windows x64. The three handles point nowhere: they
// name things of the provider.
#ifndef MILLRACE_MSWSOCKDEF_H_
#define MILLRACE_MSWSOCKDEF_H_

#include "millrace/winsock_types.h"
#include "ws2ipdef.h"

using RIO_BUFFERID = struct RIO_BUFFERID_t*;
using PRIO_BUFFERID = RIO_BUFFERID*;
using RIO_CQ = struct RIO_CQ_t*;
using PRIO_CQ = RIO_CQ*;
using RIO_RQ = struct RIO_RQ_t*;
using PRIO_RQ = RIO_RQ*;

#define RIO_INVALID_BUFFERID ((RIO_BUFFERID)(ULONG_PTR)0xFFFFFFFF)
#define RIO_INVALID_CQ ((RIO_CQ)0)
#define RIO_INVALID_RQ ((RIO_RQ)0)
#define RIO_MAX_CQ_SIZE 0x8000000
#define RIO_CORRUPT_CQ 0xFFFFFFFF

#define RIO_MSG_DONT_NOTIFY 0x00000001
#define RIO_MSG_DEFER 0x00000002
#define RIO_MSG_WAITALL 0x00000004
#define RIO_MSG_COMMIT_ONLY 0x00000008

/// RIO_BUF is a part of a registered buffer.
struct RIO_BUF {
  RIO_BUFFERID BufferId;
  ULONG Offset;
  ULONG Length;
};
using PRIO_BUF = RIO_BUF*;

/// RIORESULT is how a request ended. Status is 0 or an error of Winsock.
struct RIORESULT {
  LONG Status;
  ULONG BytesTransferred;
  ULONGLONG SocketContext;
  ULONGLONG RequestContext;
};
using PRIORESULT = RIORESULT*;

/// RIO_CMSG_BUFFER stands in front of control data: WSACMSGHDRs, each aligned to 8 bytes.
struct RIO_CMSG_BUFFER {
  ULONG TotalLength;  // with this structure and its padding
};
using PRIO_CMSG_BUFFER = RIO_CMSG_BUFFER*;
#define RIO_CMSG_BASE_SIZE ((sizeof(RIO_CMSG_BUFFER) + 7) & ~(SIZE_T)7)

#endif  // MILLRACE_MSWSOCKDEF_H_
