// SPDX-License-Identifier: BSD-3-Clause
// The procedures that move bytes: WSPRecv, WSPRecvFrom, WSPSend, WSPSendTo.
#include "spi_shim/call.h"
#include "spi_shim/procedures.h"
#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"

namespace millrace {
namespace {

constexpr ULONG_PTR kSuppressPort = 1;  // low bit of hEvent: no port packet, the event as usual

/// The parameters that make a call overlapped.
struct OverlappedArguments {
  LPWSAOVERLAPPED overlapped;
  LPWSAOVERLAPPED_COMPLETION_ROUTINE routine;
  LPWSATHREADID thread;
};

/// What they ask for. On a socket made without WSA_FLAG_OVERLAPPED they are ignored (contract: B5);
/// with a routine and no lpOverlapped the call is synchronous (rule 35). The low bit of hEvent keeps
/// the packet from a port; with a routine hEvent is the caller's own (contract: B18).
Overlapped overlapped_of(const Socket& socket, const OverlappedArguments& arguments,
                         const std::optional<WSATHREADID>& thread) noexcept {
  if (arguments.overlapped == nullptr || !socket.options.is_overlapped) return {};
  Overlapped tell;
  tell.overlapped = arguments.overlapped;
  tell.routine = arguments.routine;
  tell.owner = this_thread();
  if (arguments.routine != nullptr) {
    tell.thread = thread.value_or(WSATHREADID{});
  } else {
    const auto event = reinterpret_cast<ULONG_PTR>(arguments.overlapped->hEvent) & ~kSuppressPort;
    tell.event = reinterpret_cast<HANDLE>(event);
  }
  return tell;
}

/// The thread that the routine is to run on. Ws2_32 always names it; a program that has none may leave
/// it out and means the calling thread. @return nothing: there is no such thread (rule 60)
std::optional<WSATHREADID> thread_of(const OverlappedArguments& arguments) noexcept {
  if (arguments.overlapped == nullptr || arguments.routine == nullptr) return std::nullopt;
  WSATHREADID thread{};
  if (arguments.thread != nullptr) {
    thread = *arguments.thread;
    return !are_own(upcalls()) || is_thread(thread) ? std::optional(thread) : std::nullopt;
  }
  const bool is_own = are_own(upcalls()) && open_this_thread(thread);
  return is_own ? std::optional(thread) : std::nullopt;
}

// hEvent is nonsignalled from the start of the operation (winsock-rules 41); before the lock, since
// the event is the application's.
void reset_event(const OverlappedArguments& arguments) noexcept {
  if (arguments.overlapped == nullptr || arguments.routine != nullptr) return;
  if (arguments.overlapped->hEvent == nullptr) return;
  INT ignored;
  const auto event = reinterpret_cast<ULONG_PTR>(arguments.overlapped->hEvent) & ~kSuppressPort;
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
            LPDWORD lpFlags, const FromAddress& from, const OverlappedArguments& arguments,
            LPINT lpErrno) noexcept {
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const Overlapped tell = overlapped_of(call.socket(), arguments, thread);
  if (are_bad(lpBuffers, dwBufferCount) || lpFlags == nullptr ||
      (lpNumberOfBytesRecvd == nullptr && tell.overlapped == nullptr) ||
      (from.address != nullptr && from.length == nullptr) ||
      (tell.routine != nullptr && !thread.has_value())) {
    return call.fail(WsaError::kFault);
  }
  const Outcome outcome = call.socket().receive({{lpBuffers, dwBufferCount}, *lpFlags, from, tell});
  return report(call, outcome, lpNumberOfBytesRecvd, lpFlags);
}

int send(SOCKET s, LPWSABUF lpBuffers, DWORD dwBufferCount, LPDWORD lpNumberOfBytesSent,
         DWORD dwFlags, const WS_sockaddr* lpTo, int iTolen,
         const OverlappedArguments& arguments, LPINT lpErrno) noexcept {
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  const Overlapped tell = overlapped_of(call.socket(), arguments, thread);
  if (are_bad(lpBuffers, dwBufferCount) ||
      (lpNumberOfBytesSent == nullptr && tell.overlapped == nullptr) ||
      (tell.routine != nullptr && !thread.has_value())) {
    return call.fail(WsaError::kFault);
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
  return receive(s, lpBuffers, dwBufferCount, lpNumberOfBytesRecvd, lpFlags, {lpFrom, lpFromlen},
                 {lpOverlapped, lpCompletionRoutine, lpThreadId}, lpErrno);
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

void add_transfer_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPRecv = wsp_recv;
  table.lpWSPRecvFrom = wsp_recv_from;
  table.lpWSPSend = wsp_send;
  table.lpWSPSendTo = wsp_send_to;
}

}  // namespace millrace
