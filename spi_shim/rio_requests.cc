// SPDX-License-Identifier: BSD-3-Clause
// RIOReceive, RIOSend and their Ex: from the arguments to a receive or a send of the Socket, and
// from its end to the completion queue.
//
// FALSE means bad arguments or no room. What the socket itself says, even at once, is told as the
// request's result: programs look for it there, and a deferred request has no other place.
#include <cstring>
#include <utility>

#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "spi_shim/listeners.h"
#include "spi_shim/messages.h"
#include "spi_shim/rio.h"
#include "stack/sockaddr.h"

namespace millrace {
namespace {

struct Arguments {
  const RIO_BUF* data;
  ULONG n_data;
  const RIO_BUF* local;
  const RIO_BUF* remote;
  const RIO_BUF* control;
  const RIO_BUF* flags_out;
  DWORD flags;
  void* context;

  bool is_commit_only() const noexcept {
    return flags == RIO_MSG_COMMIT_ONLY && data == nullptr && n_data == 0 && local == nullptr &&
           remote == nullptr && control == nullptr && flags_out == nullptr && context == nullptr;
  }
};

/// Control data as long as the message says.
void store_control_length(const WSAMSG& message) noexcept {
  const RIO_CMSG_BUFFER head{static_cast<ULONG>(RIO_CMSG_BASE_SIZE + message.Control.len)};
  std::memcpy(message.Control.buf - RIO_CMSG_BASE_SIZE, &head, sizeof head);
}

/// The end of an operation, by any thread, under the Stack's lock.
void on_rio_end(Finisher& self, const Completion& completion) noexcept {
  auto& request = static_cast<RioRequest&>(self);
  const Outcome& outcome = completion.outcome;
  const bool is_cut = outcome.error == WsaError::kMsgSize;
  // Nobody wanted the payload: then none is missing.
  const bool is_fine = is_cut && request.data.buf == nullptr;
  request.result.Status = is_fine ? 0 : static_cast<LONG>(outcome.error);
  request.result.BytesTransferred = outcome.bytes;
  const bool has_control = request.message.Control.buf != nullptr && !request.slab.sends();
  if (has_control) {
    const bool is_told = completion.socket->transport() == Transport::kUdp;
    if (!is_told || (outcome.error != WsaError::kOk && !is_cut)) request.message.Control.len = 0;
    store_control_length(request.message);
  }
  if (request.flags_out != nullptr) {
    // With control data the flags say which of both was cut.
    const ULONG flags = outcome.flags | (is_cut && !has_control ? WS_MSG_TRUNC : 0u);
    std::memcpy(request.flags_out, &flags, sizeof flags);
  }
  request.slab.completions().push(request, &completion.socket->stack());
}

void store(const Endpoint& endpoint, WS_sockaddr* to) noexcept {
  INT bytes = sizeof(SOCKADDR_INET);
  if (to != nullptr) (void)store_endpoint(endpoint, to, &bytes);
}

Outcome receive(Socket& socket, RioRequest& request, const Overlapped& tell) {
  ReceiveCall call{{&request.data, 1}, 0, {}, tell};
  if ((request.flags & RIO_MSG_WAITALL) != 0) call.flags = WS_MSG_WAITALL;
  WSAMSG& message = request.message;
  if (socket.transport() == Transport::kUdp) {
    if (message.Control.buf != nullptr || request.local != nullptr) {
      call.from = FromAddress::of(message, request.local);
    } else if (message.name != nullptr) {
      call.from = {message.name, &message.namelen};
    }
  } else if (const auto peer = socket.peer(); peer.has_value()) {
    store(socket.shown(*peer), message.name);
    store(socket.shown(socket.local()), request.local);
  }
  return socket.receive(call);
}

Outcome send(Socket& socket, const RioRequest& request, const Overlapped& tell) {
  SendCall call{{&request.data, 1}, 0, std::nullopt, tell};
  const bool is_datagram = socket.transport() == Transport::kUdp;
  return is_datagram ? send_message(socket, request.message, call) : socket.send(call);
}

/// With the Stack's lock. What does not become pending has completed.
void start(Socket& socket, RioRequest& request) {
  Overlapped tell;
  tell.overlapped = &request.overlapped;
  tell.has_packet = false;
  tell.is_limited = false;  // the slab limits
  tell.finisher = &request;
  const Outcome outcome =
      request.slab.sends() ? send(socket, request, tell) : receive(socket, request, tell);
  if (outcome.error == WsaError::kOk || outcome.error == WsaError::kIoPending) return;
  socket.stack().post({tell, outcome, &socket, {}});
}

/// All requests from here on, in order.
void start_all(Socket& socket, RioRequest* requests) {
  while (requests != nullptr) start(socket, *std::exchange(requests, requests->next));
}

/// @return false: the handle names no socket
bool commit_by(SOCKET first, RequestSlab& slab, RioRequest* request) noexcept {
  const SOCKET inner = moved_handle(first);
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) return false;
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  if (socket == nullptr) return false;
  start_all(*socket, slab.take_deferred());
  if (request != nullptr) start(*socket, *request);
  return true;
}

/// Starts what was deferred, and then this one. @param request  null: no more than that
void commit(const RioSocket& queue, RequestSlab& slab, RioRequest* request) noexcept {
  SOCKET first = queue.inner;
  while (!commit_by(first, slab, request)) {
    // A descriptor was closed, and the queue has passed to another one; or it was the last.
    if (const SOCKET before = std::exchange(first, queue.inner); first != before) continue;
    if (request == nullptr) return;
    request->result.Status = WSA_OPERATION_ABORTED;
    slab.completions().push(*request, nullptr);
    return;
  }
}

WsaError find_address(const RIO_BUF* slice, bool is_written, WS_sockaddr*& address) noexcept {
  if (slice == nullptr) return WsaError::kOk;
  WSABUF memory{};
  const WsaError error = find_memory(slice, is_written, sizeof(SOCKADDR_INET), memory);
  address = reinterpret_cast<WS_sockaddr*>(memory.buf);
  return error;
}

/// What a receive gives besides the data, and a send takes or gives.
WsaError find_extras(const Arguments& arguments, RioRequest& request) noexcept {
  const bool sends = request.slab.sends();
  if (sends && arguments.local != nullptr) return WsaError::kInval;  // reserved
  WsaError error = find_address(arguments.local, true, request.local);
  if (error == WsaError::kOk) error = find_address(arguments.remote, !sends, request.message.name);
  if (error != WsaError::kOk) return error;
  WSABUF memory{};
  if (arguments.flags_out != nullptr) {
    error = find_memory(arguments.flags_out, true, sizeof(ULONG), memory);
    if (error != WsaError::kOk) return error;
    request.flags_out = memory.buf;
  }
  if (arguments.control == nullptr) return WsaError::kOk;
  error = find_memory(arguments.control, !sends, RIO_CMSG_BASE_SIZE, memory);
  if (error != WsaError::kOk) return error;
  ULONG bytes = memory.len;
  if (sends) {
    RIO_CMSG_BUFFER given;
    std::memcpy(&given, memory.buf, sizeof given);
    if (given.TotalLength < RIO_CMSG_BASE_SIZE || given.TotalLength > bytes) return WsaError::kInval;
    bytes = given.TotalLength;
  }
  request.message.Control = {static_cast<ULONG>(bytes - RIO_CMSG_BASE_SIZE),
                             memory.buf + RIO_CMSG_BASE_SIZE};
  return WsaError::kOk;
}

/// @errors kInval: flags, counts or the length of control data; else those of find_memory
WsaError fill(RioRequest& request, const Arguments& arguments, Transport transport) noexcept {
  const bool sends = request.slab.sends(), is_tcp = transport == Transport::kTcp;
  const DWORD known =
      RIO_MSG_DEFER | RIO_MSG_DONT_NOTIFY | (is_tcp && !sends ? RIO_MSG_WAITALL : 0u);
  const bool has_data = arguments.data != nullptr;
  if ((arguments.flags & ~known) != 0 || arguments.n_data != (has_data ? 1u : 0u) ||
      (!has_data && is_tcp)) {
    return WsaError::kInval;  // winsock-rules 207
  }
  request.data = {};
  request.message = {};
  request.message.namelen = sizeof(SOCKADDR_INET);
  request.local = nullptr;
  request.flags_out = nullptr;
  request.flags = arguments.flags;
  request.result = {0, 0, reinterpret_cast<ULONGLONG>(request.slab.socket_context()),
                    reinterpret_cast<ULONGLONG>(arguments.context)};
  if (has_data) {
    const WsaError error = find_memory(arguments.data, !sends, 0, request.data);
    if (error != WsaError::kOk) return error;
  }
  return find_extras(arguments, request);
}

WsaError submit(RIO_RQ handle, bool sends, const Arguments& arguments) noexcept {
  INT started = 0;
  if (stacks_for_call(&started).empty()) return static_cast<WsaError>(started);
  RioSocket* const queue = find_rio_socket(handle);
  if (queue == nullptr) return WsaError::kInval;
  RequestSlab& slab = sends ? *queue->sends : *queue->receives;
  if (arguments.is_commit_only()) {
    commit(*queue, slab, nullptr);
    return WsaError::kOk;
  }
  if (slab.completions().is_closed()) return WsaError::kInval;
  RioRequest* const request = slab.take();
  if (request == nullptr) return WsaError::kNoBufs;
  const WsaError error = fill(*request, arguments, queue->transport);
  if (error != WsaError::kOk) {
    slab.put_back(*request);
  } else if ((arguments.flags & RIO_MSG_DEFER) != 0) {
    slab.defer(*request);
  } else {
    commit(*queue, slab, request);
  }
  return error;
}

BOOL answer(WsaError error) noexcept {
  return error == WsaError::kOk ? TRUE : fail_with(static_cast<DWORD>(error));
}

}  // namespace

RioRequest::RioRequest(RequestSlab& home) noexcept : Finisher{nullptr, on_rio_end}, slab(home) {}

BOOL PASCAL rio_receive(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount, DWORD Flags,
                        PVOID RequestContext) noexcept {
  return answer(
      submit(SocketQueue, false,
             {pData, DataBufferCount, nullptr, nullptr, nullptr, nullptr, Flags, RequestContext}));
}

int PASCAL rio_receive_ex(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                          PRIO_BUF pLocalAddress, PRIO_BUF pRemoteAddress, PRIO_BUF pControlContext,
                          PRIO_BUF pFlags, DWORD Flags, PVOID RequestContext) noexcept {
  return answer(submit(SocketQueue, false,
                       {pData, DataBufferCount, pLocalAddress, pRemoteAddress, pControlContext,
                        pFlags, Flags, RequestContext}));
}

BOOL PASCAL rio_send(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount, DWORD Flags,
                     PVOID RequestContext) noexcept {
  return answer(
      submit(SocketQueue, true,
             {pData, DataBufferCount, nullptr, nullptr, nullptr, nullptr, Flags, RequestContext}));
}

BOOL PASCAL rio_send_ex(RIO_RQ SocketQueue, PRIO_BUF pData, ULONG DataBufferCount,
                        PRIO_BUF pLocalAddress, PRIO_BUF pRemoteAddress, PRIO_BUF pControlContext,
                        PRIO_BUF pFlags, DWORD Flags, PVOID RequestContext) noexcept {
  return answer(submit(SocketQueue, true,
                       {pData, DataBufferCount, pLocalAddress, pRemoteAddress, pControlContext,
                        pFlags, Flags, RequestContext}));
}

}  // namespace millrace
