// SPDX-License-Identifier: BSD-3-Clause
// NTSTATUS values, which are what a program finds in OVERLAPPED::Internal, and the two mappings
// between them and Winsock's codes. There is one of each in the project, here.
//
// Invariant: wsa_error_of(ntstatus_of(e)) == e for every Winsock error e. Exceptions are
// WSA_IO_PENDING (read back as WSA_IO_INCOMPLETE, as on Windows) and the plain Win32 codes 6, 8 and
// 87, which no operation completes with. An error for which Windows has no status (WSAENETRESET,
// say) travels as NTSTATUS_FROM_WIN32(e), 0xC0070000 + e, Windows' own form for that purpose.
//
// STATUS_RECEIVE_PARTIAL and its kin are successes (bit 31 clear), STATUS_BUFFER_OVERFLOW is a
// warning.
#ifndef MILLRACE_WINSOCK_NTSTATUS_H_
#define MILLRACE_WINSOCK_NTSTATUS_H_

#include <cstdint>

#include "millrace/winsock_errors.h"

// Unsigned, unlike Windows' NTSTATUS: they compare with the low half of Internal as they are.
#define STATUS_SUCCESS 0x0U
#define STATUS_USER_APC 0xC0U
#define STATUS_TIMEOUT 0x102U
#define STATUS_PENDING 0x103U
#define STATUS_RECEIVE_PARTIAL 0x4000000FU
#define STATUS_RECEIVE_EXPEDITED 0x40000010U
#define STATUS_RECEIVE_PARTIAL_EXPEDITED 0x40000011U
#define STATUS_BUFFER_OVERFLOW 0x80000005U
#define STATUS_HANDLES_CLOSED 0x8000000AU
#define STATUS_NOT_IMPLEMENTED 0xC0000002U
#define STATUS_ACCESS_VIOLATION 0xC0000005U
#define STATUS_PAGEFILE_QUOTA 0xC0000007U
#define STATUS_INVALID_HANDLE 0xC0000008U
#define STATUS_INVALID_PARAMETER 0xC000000DU
#define STATUS_NO_SUCH_DEVICE 0xC000000EU
#define STATUS_NO_SUCH_FILE 0xC000000FU
#define STATUS_INVALID_DEVICE_REQUEST 0xC0000010U
#define STATUS_MORE_PROCESSING_REQUIRED 0xC0000016U
#define STATUS_NO_MEMORY 0xC0000017U
#define STATUS_CONFLICTING_ADDRESSES 0xC0000018U
#define STATUS_ACCESS_DENIED 0xC0000022U
#define STATUS_BUFFER_TOO_SMALL 0xC0000023U
#define STATUS_OBJECT_TYPE_MISMATCH 0xC0000024U
#define STATUS_OBJECT_NAME_NOT_FOUND 0xC0000034U
#define STATUS_OBJECT_PATH_NOT_FOUND 0xC000003AU
#define STATUS_SHARING_VIOLATION 0xC0000043U
#define STATUS_QUOTA_EXCEEDED 0xC0000044U
#define STATUS_TOO_MANY_PAGING_FILES 0xC0000097U
#define STATUS_INSUFFICIENT_RESOURCES 0xC000009AU
#define STATUS_WORKING_SET_QUOTA 0xC00000A1U
#define STATUS_DEVICE_NOT_READY 0xC00000A3U
#define STATUS_PIPE_DISCONNECTED 0xC00000B0U
#define STATUS_IO_TIMEOUT 0xC00000B5U
#define STATUS_NOT_SUPPORTED 0xC00000BBU
#define STATUS_REMOTE_NOT_LISTENING 0xC00000BCU
#define STATUS_BAD_NETWORK_PATH 0xC00000BEU
#define STATUS_NETWORK_BUSY 0xC00000BFU
#define STATUS_INVALID_NETWORK_RESPONSE 0xC00000C3U
#define STATUS_UNEXPECTED_NETWORK_ERROR 0xC00000C4U
#define STATUS_REQUEST_NOT_ACCEPTED 0xC00000D0U
#define STATUS_CANCELLED 0xC0000120U
#define STATUS_COMMITMENT_LIMIT 0xC000012DU
#define STATUS_LOCAL_DISCONNECT 0xC000013BU
#define STATUS_REMOTE_DISCONNECT 0xC000013CU
#define STATUS_REMOTE_RESOURCES 0xC000013DU
#define STATUS_LINK_FAILED 0xC000013EU
#define STATUS_LINK_TIMEOUT 0xC000013FU
#define STATUS_INVALID_CONNECTION 0xC0000140U
#define STATUS_INVALID_ADDRESS 0xC0000141U
#define STATUS_INVALID_DEVICE_STATE 0xC0000184U
#define STATUS_INVALID_BUFFER_SIZE 0xC0000206U
#define STATUS_INVALID_ADDRESS_COMPONENT 0xC0000207U
#define STATUS_INVALID_ADDRESS_WILDCARD 0xC0000208U
#define STATUS_TOO_MANY_ADDRESSES 0xC0000209U
#define STATUS_ADDRESS_ALREADY_EXISTS 0xC000020AU
#define STATUS_CONNECTION_DISCONNECTED 0xC000020CU
#define STATUS_CONNECTION_RESET 0xC000020DU
#define STATUS_TRANSACTION_ABORTED 0xC000020FU
#define STATUS_CONNECTION_REFUSED 0xC0000236U
#define STATUS_GRACEFUL_DISCONNECT 0xC0000237U
#define STATUS_ADDRESS_ALREADY_ASSOCIATED 0xC0000238U
#define STATUS_CONNECTION_INVALID 0xC000023AU
#define STATUS_CONNECTION_ACTIVE 0xC000023BU
#define STATUS_NETWORK_UNREACHABLE 0xC000023CU
#define STATUS_HOST_UNREACHABLE 0xC000023DU
#define STATUS_PROTOCOL_UNREACHABLE 0xC000023EU
#define STATUS_PORT_UNREACHABLE 0xC000023FU
#define STATUS_REQUEST_ABORTED 0xC0000240U
#define STATUS_CONNECTION_ABORTED 0xC0000241U
#define STATUS_NO_MATCH 0xC0000272U
#define STATUS_DATATYPE_MISALIGNMENT_ERROR 0xC00002C5U
#define STATUS_HOST_DOWN 0xC0000350U

// The value of Internal while an operation runs, under its Winsock name.
#define WSS_OPERATION_IN_PROGRESS STATUS_PENDING

namespace millrace {

/// kNtstatusWin32 is the facility of statuses that carry a Win32 or Winsock code in the low half.
inline constexpr std::uint32_t kNtstatusWin32 = 0xC0070000U;

/// wsa_error_of reads a completion status as WSAGetOverlappedResult does.
///
/// @return kOk for every success but STATUS_PENDING; kInval for a failure that has no entry
/// @source WSAGetOverlappedResult on Windows, status by status
constexpr WsaError wsa_error_of(std::uint32_t ntstatus) {
  switch (ntstatus) {
    case STATUS_PENDING:
      return WsaError::kIoIncomplete;
    case STATUS_BUFFER_OVERFLOW:
    case STATUS_INVALID_BUFFER_SIZE:
      return WsaError::kMsgSize;
    case STATUS_NOT_IMPLEMENTED:
    case STATUS_NOT_SUPPORTED:
      return WsaError::kOpNotSupp;
    case STATUS_ACCESS_VIOLATION:
    case STATUS_BUFFER_TOO_SMALL:
    case STATUS_DATATYPE_MISALIGNMENT_ERROR:
      return WsaError::kFault;
    case STATUS_PAGEFILE_QUOTA:
    case STATUS_NO_MEMORY:
    case STATUS_CONFLICTING_ADDRESSES:
    case STATUS_QUOTA_EXCEEDED:
    case STATUS_TOO_MANY_PAGING_FILES:
    case STATUS_INSUFFICIENT_RESOURCES:
    case STATUS_WORKING_SET_QUOTA:
    case STATUS_COMMITMENT_LIMIT:
    case STATUS_REMOTE_RESOURCES:
    case STATUS_TOO_MANY_ADDRESSES:
      return WsaError::kNoBufs;
    case STATUS_INVALID_HANDLE:
    case STATUS_OBJECT_TYPE_MISMATCH:
      return WsaError::kNotSock;
    case STATUS_NO_SUCH_DEVICE:
    case STATUS_NO_SUCH_FILE:
    case STATUS_OBJECT_NAME_NOT_FOUND:
    case STATUS_OBJECT_PATH_NOT_FOUND:
    case STATUS_NETWORK_BUSY:
    case STATUS_INVALID_NETWORK_RESPONSE:
    case STATUS_UNEXPECTED_NETWORK_ERROR:
      return WsaError::kNetDown;
    case STATUS_ACCESS_DENIED:
      return WsaError::kAcces;
    case STATUS_SHARING_VIOLATION:
    case STATUS_ADDRESS_ALREADY_EXISTS:
      return WsaError::kAddrInUse;
    case STATUS_DEVICE_NOT_READY:
    case STATUS_REQUEST_NOT_ACCEPTED:
      return WsaError::kWouldBlock;
    case STATUS_PIPE_DISCONNECTED:
      return WsaError::kShutdown;
    case STATUS_IO_TIMEOUT:
    case STATUS_LINK_TIMEOUT:
      return WsaError::kTimedOut;
    case STATUS_REMOTE_NOT_LISTENING:
    case STATUS_CONNECTION_REFUSED:
      return WsaError::kConnRefused;
    case STATUS_BAD_NETWORK_PATH:
    case STATUS_NETWORK_UNREACHABLE:
    case STATUS_PROTOCOL_UNREACHABLE:
      return WsaError::kNetUnreach;
    case STATUS_CANCELLED:
      return WsaError::kOperationAborted;
    case STATUS_LOCAL_DISCONNECT:
    case STATUS_TRANSACTION_ABORTED:
    case STATUS_CONNECTION_ABORTED:
      return WsaError::kConnAborted;
    case STATUS_REMOTE_DISCONNECT:
    case STATUS_LINK_FAILED:
    case STATUS_CONNECTION_DISCONNECTED:
    case STATUS_CONNECTION_RESET:
    case STATUS_PORT_UNREACHABLE:
      return WsaError::kConnReset;
    case STATUS_INVALID_CONNECTION:
      return WsaError::kNotConn;
    case STATUS_INVALID_ADDRESS:
    case STATUS_INVALID_ADDRESS_COMPONENT:
      return WsaError::kAddrNotAvail;
    case STATUS_GRACEFUL_DISCONNECT:
      return WsaError::kDiscon;
    case STATUS_CONNECTION_ACTIVE:
      return WsaError::kIsConn;
    case STATUS_HOST_UNREACHABLE:
      return WsaError::kHostUnreach;
    case STATUS_REQUEST_ABORTED:
      return WsaError::kIntr;
    case STATUS_HOST_DOWN:
      return WsaError::kHostDown;
    default:
      break;
  }
  const bool is_success = (ntstatus & 0x80000000U) == 0;
  if (is_success) return WsaError::kOk;
  const std::uint32_t facility = ntstatus & 0xFFFF0000U;
  const std::uint32_t code = ntstatus & 0xFFFFU;
  const bool carries_win32 =
      facility == kNtstatusWin32 || facility == 0xC0010000U || facility == 0x80070000U;
  if (carries_win32 && code == ERROR_IO_INCOMPLETE) return WsaError::kIoIncomplete;
  if (facility == kNtstatusWin32 && code > WSABASEERR && code <= WSA_QOS_RESERVED_PETYPE) {
    return static_cast<WsaError>(code);
  }
  return WsaError::kInval;
}

/// ntstatus_of gives the status that Windows leaves in Internal for an operation that ended so.
///
/// @source AFD's and TDI's own statuses: WSAECONNRESET is STATUS_CONNECTION_RESET, a cancelled
///         request STATUS_CANCELLED, a cut-off datagram STATUS_BUFFER_OVERFLOW
constexpr std::uint32_t ntstatus_of(WsaError error) {
  switch (error) {
    case WsaError::kOk:
      return STATUS_SUCCESS;
    case WsaError::kIoPending:
    case WsaError::kIoIncomplete:
      return STATUS_PENDING;
    case WsaError::kOperationAborted:
      return STATUS_CANCELLED;
    case WsaError::kInvalidHandle:
    case WsaError::kNotSock:
      return STATUS_INVALID_HANDLE;
    case WsaError::kNotEnoughMemory:
    case WsaError::kNoBufs:
      return STATUS_INSUFFICIENT_RESOURCES;
    case WsaError::kInvalidParameter:
    case WsaError::kInval:
      return STATUS_INVALID_PARAMETER;
    case WsaError::kIntr:
      return STATUS_REQUEST_ABORTED;
    case WsaError::kAcces:
      return STATUS_ACCESS_DENIED;
    case WsaError::kFault:
      return STATUS_ACCESS_VIOLATION;
    case WsaError::kWouldBlock:
      return STATUS_DEVICE_NOT_READY;
    case WsaError::kMsgSize:
      return STATUS_BUFFER_OVERFLOW;
    case WsaError::kOpNotSupp:
      return STATUS_NOT_SUPPORTED;
    case WsaError::kAddrInUse:
      return STATUS_ADDRESS_ALREADY_EXISTS;
    case WsaError::kAddrNotAvail:
      return STATUS_INVALID_ADDRESS_COMPONENT;
    case WsaError::kNetDown:
      return STATUS_UNEXPECTED_NETWORK_ERROR;
    case WsaError::kNetUnreach:
      return STATUS_NETWORK_UNREACHABLE;
    case WsaError::kConnAborted:
      return STATUS_CONNECTION_ABORTED;
    case WsaError::kConnReset:
      return STATUS_CONNECTION_RESET;
    case WsaError::kIsConn:
      return STATUS_CONNECTION_ACTIVE;
    case WsaError::kNotConn:
      return STATUS_INVALID_CONNECTION;
    case WsaError::kShutdown:
      return STATUS_PIPE_DISCONNECTED;
    case WsaError::kTimedOut:
      return STATUS_IO_TIMEOUT;
    case WsaError::kConnRefused:
      return STATUS_CONNECTION_REFUSED;
    case WsaError::kHostDown:
      return STATUS_HOST_DOWN;
    case WsaError::kHostUnreach:
      return STATUS_HOST_UNREACHABLE;
    case WsaError::kDiscon:
      return STATUS_GRACEFUL_DISCONNECT;
    default:
      return kNtstatusWin32 | static_cast<std::uint32_t>(error);
  }
}

}  // namespace millrace

#endif  // MILLRACE_WINSOCK_NTSTATUS_H_
