// SPDX-License-Identifier: BSD-3-Clause
// Sending and receiving. A null lpThreadId means the calling thread (spi_shim/README.md).
#include "mswsock.h"
#include "spi_shim/ws2_32/call.h"

using namespace millrace;
using namespace millrace::ws2;
using Table = WSPPROC_TABLE;

namespace {

/// An extension function of the socket's provider. @return null and WSAEOPNOTSUPP: it has none
template <typename Function>
Function extension(SOCKET s, GUID id) noexcept {
  Function function = nullptr;
  DWORD bytes = 0;
  if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function,
               &bytes, nullptr, nullptr) == 0) {
    return function;
  }
  if (GetLastError() == WSAEINVAL) SetLastError(WSAEOPNOTSUPP);
  return nullptr;
}

WSABUF buffer(const CHAR* bytes, int length) noexcept {
  return {static_cast<ULONG>(length), const_cast<CHAR*>(bytes)};
}

}  // namespace

int WSAAPI WSARecv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
                   LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  return call<&Table::lpWSPRecv>(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags,
                                 lpOverlapped, lpCompletionRoutine, nullptr);
}

int WSAAPI WSARecvFrom(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                       LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, WS_sockaddr* lpFrom,
                       LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  return call<&Table::lpWSPRecvFrom>(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags,
                                     lpFrom, lpFromlen, lpOverlapped, lpCompletionRoutine, nullptr);
}

int WSAAPI WSARecvDisconnect(SOCKET s, LPWSABUF lpInboundDisconnectData) noexcept {
  return call<&Table::lpWSPRecvDisconnect>(s, lpInboundDisconnectData);
}

int WSAAPI WSASend(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
                   DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
                   LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  return call<&Table::lpWSPSend>(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags,
                                 lpOverlapped, lpCompletionRoutine, nullptr);
}

int WSAAPI WSASendTo(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
                     DWORD dwFlags, const WS_sockaddr* lpTo, int iTolen,
                     LPWSAOVERLAPPED lpOverlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  return call<&Table::lpWSPSendTo>(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpTo,
                                   iTolen, lpOverlapped, lpCompletionRoutine, nullptr);
}

int WSAAPI WSASendDisconnect(SOCKET s, LPWSABUF lpOutboundDisconnectData) noexcept {
  return call<&Table::lpWSPSendDisconnect>(s, lpOutboundDisconnectData);
}

int WSAAPI WSARecvMsg(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
                      LPWSAOVERLAPPED lpOverlapped,
                      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  const auto recv_msg = extension<LPFN_WSARECVMSG>(s, WSAID_WSARECVMSG);
  if (recv_msg == nullptr) return SOCKET_ERROR;
  return recv_msg(s, lpMsg, lpdwNumberOfBytesRecvd, lpOverlapped, lpCompletionRoutine);
}

int WSAAPI WSASendMsg(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags, LPDWORD lpNumberOfBytesSent,
                      LPWSAOVERLAPPED lpOverlapped,
                      LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  const auto send_msg = extension<LPFN_WSASENDMSG>(s, WSAID_WSASENDMSG);
  if (send_msg == nullptr) return SOCKET_ERROR;
  return send_msg(s, lpMsg, dwFlags, lpNumberOfBytesSent, lpOverlapped, lpCompletionRoutine);
}

// The BSD calls have one buffer; their result is the count of bytes.

int WSAAPI WS_recv(SOCKET s, CHAR* buf, int len, int flags) noexcept {
  WSABUF one = buffer(buf, len);
  DWORD bytes = 0;
  auto in_out = static_cast<DWORD>(flags);
  const int result = WSARecv(s, &one, 1, &bytes, &in_out, nullptr, nullptr);
  return result == 0 ? static_cast<int>(bytes) : result;
}

int WSAAPI WS_recvfrom(SOCKET s, CHAR* buf, int len, int flags, WS_sockaddr* from,
                       int* fromlen) noexcept {
  WSABUF one = buffer(buf, len);
  DWORD bytes = 0;
  auto in_out = static_cast<DWORD>(flags);
  const int result =
      WSARecvFrom(s, &one, 1, &bytes, &in_out, from, fromlen, nullptr, nullptr);
  return result == 0 ? static_cast<int>(bytes) : result;
}

int WSAAPI WS_send(SOCKET s, const CHAR* buf, int len, int flags) noexcept {
  WSABUF one = buffer(buf, len);
  DWORD bytes = 0;
  const int result =
      WSASend(s, &one, 1, &bytes, static_cast<DWORD>(flags), nullptr, nullptr);
  return result == 0 ? static_cast<int>(bytes) : result;
}

int WSAAPI WS_sendto(SOCKET s, const CHAR* buf, int len, int flags, const WS_sockaddr* to,
                     int tolen) noexcept {
  WSABUF one = buffer(buf, len);
  DWORD bytes = 0;
  const int result =
      WSASendTo(s, &one, 1, &bytes, static_cast<DWORD>(flags), to, tolen, nullptr, nullptr);
  return result == 0 ? static_cast<int>(bytes) : result;
}
