// SPDX-License-Identifier: BSD-3-Clause
// Request queues: a socket's two slabs, from RIOCreateRequestQueue to the end of the socket. And
// the table of all functions.
#include <algorithm>
#include <atomic>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "spi_shim/rio.h"
#include "spi_shim/rio_handles.h"

namespace millrace {
namespace {

struct RioSockets {
  RioHandles<std::unique_ptr<RioSocket>, 3> queues;
  std::mutex mutex;  // of what follows
  std::unordered_map<SOCKET, uint64_t> by_socket;
  std::atomic<size_t> n{0};
};

RioSockets& rio_sockets() {
  static RioSockets& all = *new RioSockets;  // never destroyed, as the buffers
  return all;
}

RIO_RQ refuse(WsaError error) noexcept {
  fail_with(static_cast<DWORD>(error));
  return RIO_INVALID_RQ;
}

void abandon(std::unique_ptr<RioSocket> socket) noexcept {
  if (socket == nullptr) return;
  RequestSlab::abandon(std::move(socket->receives));
  RequestSlab::abandon(std::move(socket->sends));
}

/// By this descriptor or another one. With the Stack's lock, and the mutex.
bool has_queue(const RioSockets& all, SOCKET first, const Socket& socket) noexcept {
  if (all.by_socket.contains(first)) return true;
  if (socket.n_handles() == 1) return false;
  return std::any_of(all.by_socket.begin(), all.by_socket.end(), [&](const auto& entry) {
    return socket.stack().find(moved_handle(entry.first)) == &socket;
  });
}

/// @errors kInval: the socket has a request queue already; kNotSock: it was closed; kNoBufs: there are too many
WsaError enter(SOCKET s, std::unique_ptr<RioSocket>& socket, uint64_t& handle) {
  INT error = 0;
  const Call call(s, &error);
  if (!call) return static_cast<WsaError>(error);
  RioSockets& all = rio_sockets();
  const std::lock_guard guard(all.mutex);
  const SOCKET first = socket->inner;
  if (has_queue(all, first, call.socket())) return WsaError::kInval;
  handle = all.queues.insert(std::move(socket));
  if (handle == 0) return WsaError::kNoBufs;
  all.by_socket[first] = handle;
  all.n = all.by_socket.size();
  return WsaError::kOk;
}

}  // namespace

RioSocket* find_rio_socket(RIO_RQ handle) noexcept {
  const auto* const socket = rio_sockets().queues.find(reinterpret_cast<uint64_t>(handle));
  return socket == nullptr ? nullptr : socket->get();
}

RIO_RQ PASCAL rio_create_request_queue(SOCKET Socket, ULONG MaxOutstandingReceive,
                                       ULONG MaxReceiveDataBuffers, ULONG MaxOutstandingSend,
                                       ULONG MaxSendDataBuffers, RIO_CQ ReceiveCQ, RIO_CQ SendCQ,
                                       PVOID SocketContext) noexcept {
  auto socket = std::make_unique<RioSocket>();
  uint32_t stack_index = 0;
  {
    INT error = 0;
    const Call call(Socket, &error);
    if (!call) return refuse(static_cast<WsaError>(error));
    if (!call.socket().options.is_registered) return refuse(WsaError::kOpNotSupp);
    socket->inner = first_handle(Socket);
    socket->transport = call.socket().transport();
    stack_index = call.socket().stack().index();
  }
  const auto receive_queue = share_completion_queue(ReceiveCQ);
  const auto send_queue = share_completion_queue(SendCQ);
  const bool has_any = MaxOutstandingReceive != 0 || MaxOutstandingSend != 0;
  if (!has_any || MaxReceiveDataBuffers != 1 || MaxSendDataBuffers != 1 ||
      receive_queue == nullptr || send_queue == nullptr) {
    return refuse(WsaError::kInval);  // winsock-rules 208
  }
  receive_queue->add_stack(stack_index);
  send_queue->add_stack(stack_index);
  socket->receives = std::make_unique<RequestSlab>(receive_queue, false, SocketContext);
  socket->sends = std::make_unique<RequestSlab>(send_queue, true, SocketContext);
  WsaError error = socket->receives->resize(MaxOutstandingReceive);
  if (error == WsaError::kOk) error = socket->sends->resize(MaxOutstandingSend);
  uint64_t handle = 0;
  if (error == WsaError::kOk) error = enter(Socket, socket, handle);
  if (error == WsaError::kOk) return reinterpret_cast<RIO_RQ>(handle);
  abandon(std::move(socket));
  return refuse(error);
}

BOOL PASCAL rio_resize_request_queue(RIO_RQ RQ, DWORD MaxOutstandingReceive,
                                     DWORD MaxOutstandingSend) noexcept {
  RioSocket* const socket = find_rio_socket(RQ);
  if (socket == nullptr || (MaxOutstandingReceive == 0 && MaxOutstandingSend == 0)) {
    return fail_with(WSAEINVAL);
  }
  const uint32_t before = socket->receives->limit();
  WsaError error = socket->receives->resize(MaxOutstandingReceive);
  if (error != WsaError::kOk) return fail_with(static_cast<DWORD>(error));
  error = socket->sends->resize(MaxOutstandingSend);
  if (error == WsaError::kOk) return TRUE;
  (void)socket->receives->resize(before);
  return fail_with(static_cast<DWORD>(error));
}

void pass_rio_socket(SOCKET first, millrace::Socket& socket) noexcept {
  RioSockets& all = rio_sockets();
  if (all.n.load(std::memory_order_acquire) == 0) return;
  const std::lock_guard guard(all.mutex);
  const auto it = all.by_socket.find(first);
  if (it == all.by_socket.end()) return;
  auto entry = all.by_socket.extract(it);
  entry.key() = socket.stack().other_handle_of(socket, moved_handle(first));
  (*all.queues.find(entry.mapped()))->inner = entry.key();
  all.by_socket.insert(std::move(entry));
}

void end_rio_socket(SOCKET first) noexcept {
  RioSockets& all = rio_sockets();
  if (all.n.load(std::memory_order_acquire) == 0) return;
  std::unique_ptr<RioSocket> socket;
  {
    const std::lock_guard guard(all.mutex);
    const auto it = all.by_socket.find(first);
    if (it == all.by_socket.end()) return;
    socket = all.queues.remove(it->second);
    all.by_socket.erase(it);
    all.n = all.by_socket.size();
  }
  abandon(std::move(socket));
}

void end_registered_io() noexcept {
  RioSockets& all = rio_sockets();
  for (auto& socket : all.queues.remove_all()) abandon(std::move(socket));
  {
    const std::lock_guard guard(all.mutex);
    all.by_socket.clear();
    all.n = 0;
  }
  forget_completion_queues();
  forget_buffers();
}

const RIO_EXTENSION_FUNCTION_TABLE& rio_functions() noexcept {
  static constexpr RIO_EXTENSION_FUNCTION_TABLE kFunctions{
      .cbSize = sizeof(RIO_EXTENSION_FUNCTION_TABLE),
      .RIOReceive = rio_receive,
      .RIOReceiveEx = rio_receive_ex,
      .RIOSend = rio_send,
      .RIOSendEx = rio_send_ex,
      .RIOCloseCompletionQueue = rio_close_completion_queue,
      .RIOCreateCompletionQueue = rio_create_completion_queue,
      .RIOCreateRequestQueue = rio_create_request_queue,
      .RIODequeueCompletion = rio_dequeue_completion,
      .RIODeregisterBuffer = rio_deregister_buffer,
      .RIONotify = rio_notify,
      .RIORegisterBuffer = rio_register_buffer,
      .RIOResizeCompletionQueue = rio_resize_completion_queue,
      .RIOResizeRequestQueue = rio_resize_request_queue,
  };
  return kFunctions;
}

}  // namespace millrace
