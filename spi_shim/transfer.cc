// SPDX-License-Identifier: BSD-3-Clause
// The procedures that move bytes: WSPRecv (contract: C1), WSPRecvFrom, WSPSend, WSPSendTo; and the
// two that lend them, which are extension functions.
#include "spi_shim/buffers.h"
#include "spi_shim/call.h"
#include "spi_shim/extensions.h"
#include "spi_shim/procedures.h"

namespace millrace {
namespace {

/// A length alone would mean a WSAMSG.
FromAddress from_of(WS_sockaddr* address, LPINT length) noexcept {
  return {address, address == nullptr ? nullptr : length};
}

bool can_say_from(const FromAddress& from) noexcept {
  if (from.address == nullptr) return true;
  return can_write(from.length) &&
         (*from.length <= 0 || can_write(static_cast<void*>(from.address),
                                         static_cast<size_t>(*from.length)));
}

/// Writes the results of a call that is done; a pending or failed one leaves them alone
/// (contract: C5).
int report(const Call& call, const Outcome& outcome, LPDWORD bytes, LPDWORD flags) noexcept {
  if (outcome.error != WsaError::kOk) return call.fail(outcome.error);
  if (bytes != nullptr) *bytes = outcome.bytes;
  if (flags != nullptr) *flags = outcome.flags;
  return 0;
}

int receive(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
            LPDWORD lpFlags, const FromAddress& from, const OverlappedArguments& arguments,
            LPINT lpErrno) noexcept {
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const auto can_fill = [](char* to, size_t n) { return can_write(static_cast<void*>(to), n); };
  const bool is_memory = are_there(lpBuffers, dwBufferCount, can_fill) && can_write(lpFlags) &&
                         can_count(lpNumberOfBytesRecvd) && can_say_from(from);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  ReceiveCall request{{lpBuffers, dwBufferCount}, 0, from, overlapped_of(call.socket(), arguments, thread)};
  if (!is_memory || !has_count(lpNumberOfBytesRecvd, request.tell)) return call.fail(WsaError::kFault);
  if (const WsaError error = refusal(call.socket(), arguments, request.tell, thread);
      error != WsaError::kOk) {
    return call.fail(error);
  }
  request.flags = *lpFlags;
  const Outcome outcome = call.socket().receive(request);
  return report(call, outcome, lpNumberOfBytesRecvd, lpFlags);
}

int send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
         DWORD dwFlags, const WS_sockaddr* lpTo, int iTolen,
         const OverlappedArguments& arguments, LPINT lpErrno) noexcept {
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const auto can_take = [](const char* from, size_t n) {
    return can_read(static_cast<const void*>(from), n);
  };
  const bool is_memory =
      are_there(lpBuffers, dwBufferCount, can_take) && can_count(lpNumberOfBytesSent);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  SendCall request{{lpBuffers, dwBufferCount}, dwFlags, std::nullopt,
                   overlapped_of(call.socket(), arguments, thread)};
  if (!is_memory || !has_count(lpNumberOfBytesSent, request.tell)) return call.fail(WsaError::kFault);
  if (const WsaError error = refusal(call.socket(), arguments, request.tell, thread);
      error != WsaError::kOk) {
    return call.fail(error);
  }
  // On a stream the address is ignored (WSPSendTo).
  if (lpTo != nullptr && call.socket().transport() == Transport::kUdp) {
    WsaError error = WsaError::kOk;
    request.to = destination_for(call.socket(), lpTo, iTolen, error);
    if (!request.to) return call.fail(error);
  }
  return report(call, call.socket().send(request), lpNumberOfBytesSent, nullptr);
}

int WSPAPI wsp_recv(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesRecvd,
                    LPDWORD lpFlags, LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                    LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  return receive(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, {},
                 {lpOverlapped, lpCompletionRoutine, lpThreadId}, lpErrno);
}

int WSPAPI wsp_recv_from(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                         LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, WS_sockaddr* lpFrom,
                         LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                         LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                         LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  return receive(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags,
                 from_of(lpFrom, lpFromlen), {lpOverlapped, lpCompletionRoutine, lpThreadId},
                 lpErrno);
}

int WSPAPI wsp_send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
                    DWORD dwFlags, LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                    LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  return send(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, nullptr, 0,
              {lpOverlapped, lpCompletionRoutine, lpThreadId}, lpErrno);
}

int WSPAPI wsp_send_to(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount,
                       LPDWORD lpNumberOfBytesSent, DWORD dwFlags, const WS_sockaddr* lpTo,
                       int iTolen, LPWSAOVERLAPPED lpOverlapped,
                       LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                       LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  return send(s, lpBuffers, dwBufferCount, lpNumberOfBytesSent, dwFlags, lpTo, iTolen,
              {lpOverlapped, lpCompletionRoutine, lpThreadId}, lpErrno);
}

}  // namespace

int WSPAPI recv_loan(SOCKET s, LPWSABUF lpBuffers, LPDWORD lpdwBufferCount,
                     LPDWORD lpNumberOfBytesRecvd, LPDWORD lpFlags, WS_sockaddr* lpFrom,
                     LPINT lpFromlen, LPWSAOVERLAPPED lpOverlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                     LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  const OverlappedArguments arguments{lpOverlapped, lpCompletionRoutine, lpThreadId};
  const FromAddress from = from_of(lpFrom, lpFromlen);
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const Overlapped tell = overlapped_of(call.socket(), arguments, thread);
  if (!can_write(lpdwBufferCount) || !can_write_objects(lpBuffers, *lpdwBufferCount) ||
      !can_write(lpFlags) || !can_count(lpNumberOfBytesRecvd) ||
      !has_count(lpNumberOfBytesRecvd, tell) || !can_say_from(from)) {
    return call.fail(WsaError::kFault);
  }
  if (const WsaError error = refusal(call.socket(), arguments, tell, thread);
      error != WsaError::kOk) {
    return call.fail(error);
  }
  const std::span array(lpBuffers, *lpdwBufferCount);
  LoanCursor to(call.socket(), array, tell.overlapped == nullptr ? nullptr : lpdwBufferCount);
  const Outcome outcome = call.socket().receive({array, *lpFlags, from, tell, &to});
  if (outcome.error == WsaError::kOk || outcome.error == WsaError::kMsgSize) {
    *lpdwBufferCount = to.count();
  }
  return report(call, outcome, lpNumberOfBytesRecvd, lpFlags);
}

int WSPAPI return_loan(LPWSABUF lpBuffers, DWORD dwBufferCount, LPINT lpErrno) noexcept {
  const Inside inside;
  const auto stacks = stacks_for_call(lpErrno);
  if (stacks.empty()) return SOCKET_ERROR;
  WsaError error = WsaError::kFault;
  if (can_write_objects(lpBuffers, dwBufferCount)) {
    size_t n_taken = 0;
    for (Stack* const stack : stacks) {
      const Stack::Guard guard(*stack);
      error = stack->take_back({lpBuffers, dwBufferCount}, n_taken, stack == stacks.back());
    }
  }
  if (error == WsaError::kOk) return 0;
  tell(lpErrno, static_cast<INT>(error));
  return SOCKET_ERROR;
}

void add_transfer_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPRecv = wsp_recv;
  table.lpWSPRecvFrom = wsp_recv_from;
  table.lpWSPSend = wsp_send;
  table.lpWSPSendTo = wsp_send_to;
}

}  // namespace millrace
