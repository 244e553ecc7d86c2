// SPDX-License-Identifier: BSD-3-Clause
// The procedures that move bytes: WSPRecv, WSPRecvFrom, WSPSend, WSPSendTo.
#include "spi_shim/call.h"
#include "spi_shim/procedures.h"

namespace millrace {
namespace {

constexpr ULONG_PTR kSuppressPort = 1;  // low bit of hEvent: no port packet, the event as usual

/// What the overlapped parameters ask for. On a socket made without WSA_FLAG_OVERLAPPED they are
/// ignored (contract: B5); with a routine and no lpOverlapped the call is synchronous (rule 35).
Overlapped overlapped_of(const Socket& socket, LPWSAOVERLAPPED lpOverlapped) noexcept {
  if (lpOverlapped == nullptr || !socket.options.is_overlapped) return {};
  const auto event = reinterpret_cast<ULONG_PTR>(lpOverlapped->hEvent) & ~kSuppressPort;
  return {lpOverlapped, reinterpret_cast<HANDLE>(event)};
}

// hEvent is nonsignalled from the start of the operation (winsock-rules 41); before the lock, since
// the event is the application's.
void reset_event(LPWSAOVERLAPPED lpOverlapped) noexcept {
  if (lpOverlapped == nullptr || lpOverlapped->hEvent == nullptr) return;
  INT ignored;
  const auto event = reinterpret_cast<ULONG_PTR>(lpOverlapped->hEvent) & ~kSuppressPort;
  upcalls().lpWPUResetEvent(reinterpret_cast<HANDLE>(event), &ignored);
}

bool are_bad(LPWSABUF buffers, DWORD count) noexcept {
  if (buffers == nullptr) return count != 0;
  for (DWORD i = 0; i < count; ++i) {
    if (buffers[i].buf == nullptr && buffers[i].len != 0) return true;
  }
  return false;
}

/// Writes the results of a call that is done; a pending or failed one leaves them alone (C5).
int report(const Call& call, const Outcome& outcome, LPDWORD bytes, LPDWORD flags) noexcept {
  if (outcome.error != WsaError::kOk) return call.fail(outcome.error);
  if (bytes != nullptr) *bytes = outcome.bytes;
  if (flags != nullptr) *flags = outcome.flags;
  return 0;
}

int receive(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
            LPDWORD lpFlags, const FromAddress& from, LPWSAOVERLAPPED lpOverlapped,
            LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine, LPINT lpErrno) noexcept {
  if (lpOverlapped != nullptr && lpCompletionRoutine == nullptr) reset_event(lpOverlapped);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const Overlapped tell = overlapped_of(call.socket(), lpOverlapped);
  if (are_bad(lpBuffers, dwBufferCount) || lpFlags == nullptr ||
      (lpNumberOfBytesRecvd == nullptr && tell.overlapped == nullptr) ||
      (from.address != nullptr && from.length == nullptr)) {
    return call.fail(WsaError::kFault);
  }
  if (tell.overlapped != nullptr && lpCompletionRoutine != nullptr) {
    return call.fail(WsaError::kOpNotSupp);  // completion routines are not there yet
  }
  const Outcome outcome = call.socket().receive({{lpBuffers, dwBufferCount}, *lpFlags, from, tell});
  return report(call, outcome, lpNumberOfBytesRecvd, lpFlags);
}

int send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
         DWORD dwFlags, const WS_sockaddr* lpTo, int iTolen, LPWSAOVERLAPPED lpOverlapped,
         LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine, LPINT lpErrno) noexcept {
  if (lpOverlapped != nullptr && lpCompletionRoutine == nullptr) reset_event(lpOverlapped);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const Overlapped tell = overlapped_of(call.socket(), lpOverlapped);
  if (are_bad(lpBuffers, dwBufferCount) ||
      (lpNumberOfBytesSent == nullptr && tell.overlapped == nullptr)) {
    return call.fail(WsaError::kFault);
  }
  if (tell.overlapped != nullptr && lpCompletionRoutine != nullptr) {
    return call.fail(WsaError::kOpNotSupp);  // completion routines are not there yet
  }
  SendCall request{{lpBuffers, dwBufferCount}, dwFlags, std::nullopt, tell};
  // On a stream the address is ignored (WSPSendTo).
  if (lpTo != nullptr && call.socket().transport() == Transport::kUdp) {
    WsaError error = WsaError::kOk;
    request.to = endpoint_from(lpTo, iTolen, call.socket().family(), error);
    if (!request.to) return call.fail(error);
  }
  return report(call, call.socket().send(request), lpNumberOfBytesSent, nullptr);
}

int WSPAPI wsp_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
                    LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine, LPWSATHREADID,
                    LPINT lpErrno) noexcept {
  return receive(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, {}, lpOverlapped,
                 lpCompletionRoutine, lpErrno);
}

int WSPAPI wsp_recv_from(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                         LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, WS_sockaddr* lpFrom,
                         LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                         LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine, LPWSATHREADID,
                         LPINT lpErrno) noexcept {
  return receive(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, {lpFrom, lpFromlen},
                 lpOverlapped, lpCompletionRoutine, lpErrno);
}

int WSPAPI wsp_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
                    DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine, LPWSATHREADID,
                    LPINT lpErrno) noexcept {
  return send(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, nullptr, 0, lpOverlapped,
              lpCompletionRoutine, lpErrno);
}

int WSPAPI wsp_send_to(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                       LPDWORD lpNumberOfBytesSent, DWORD dwFlags, const WS_sockaddr* lpTo,
                       int iTolen, LPWSAOVERLAPPED lpOverlapped,
                       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine, LPWSATHREADID,
                       LPINT lpErrno) noexcept {
  return send(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpTo, iTolen, lpOverlapped,
              lpCompletionRoutine, lpErrno);
}

}  // namespace

void add_transfer_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPRecv = wsp_recv;
  table.lpWSPRecvFrom = wsp_recv_from;
  table.lpWSPSend = wsp_send;
  table.lpWSPSendTo = wsp_send_to;
}

}  // namespace millrace
