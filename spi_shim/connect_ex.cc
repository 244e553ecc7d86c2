// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/connect_ex.h"

#include <cstring>
#include <memory>

#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "spi_shim/listeners.h"
#include "spi_shim/overlapped.h"

namespace millrace {
namespace {

BOOL answer(WsaError error) noexcept {
  return error == WsaError::kOk ? TRUE : fail_with(static_cast<DWORD>(error));
}

/// After TF_REUSE_SOCKET the handle names a fresh socket, bound as the old one was, which closes in the
/// background.
void renew(SOCKET inner) noexcept {
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) return;
  const Stack::Guard guard(*stack);
  Socket* const old = stack->find(inner);
  Socket* const fresh = old == nullptr ? nullptr : stack->open(old->transport(), old->family());
  if (fresh == nullptr) return;
  fresh->options = old->options;
  fresh->port_link = old->port_link;
  fresh->was_reused = true;
  const bool was_connected_by_us = old->is_bound();
  const Endpoint local = old->local();
  (void)stack->replace(inner, *fresh);
  (void)old->close();
  old->unref();
  if (was_connected_by_us) (void)fresh->bind(local);
  fresh->unref();
}

struct Reuse : Finisher {
  SOCKET inner;
  uint32_t bytes;  ///< that the operation has moved
};

bool on_disconnected(Finisher& self, Completion& completion) {
  const std::unique_ptr<Reuse> reuse(static_cast<Reuse*>(&self));
  const Inside inside;
  completion.outcome.bytes = reuse->bytes;
  if (completion.outcome.error == WsaError::kOk) renew(reuse->inner);
  return false;
}

}  // namespace

WsaError disconnect_for_reuse(Socket& socket, SOCKET inner, Overlapped tell,
                              uint32_t bytes) noexcept {
  auto reuse = std::make_unique<Reuse>();
  reuse->call = on_disconnected;
  reuse->inner = inner;
  reuse->bytes = bytes;
  tell.finisher = reuse.get();
  const WsaError error = socket.disconnect(tell, true).error;
  if (error == WsaError::kIoPending) (void)reuse.release();
  return error;
}

BOOL PASCAL connect_ex(SOCKET s, const WS_sockaddr* name, int namelen, PVOID lpSendBuffer,
                       DWORD dwSendDataLength, LPDWORD, LPOVERLAPPED lpOverlapped) noexcept {
  if (lpOverlapped == nullptr) return fail_with(ERROR_INVALID_PARAMETER);  // winsock-rules 193
  const OverlappedArguments arguments{lpOverlapped};
  reset_event(arguments);
  const bool sends = lpSendBuffer != nullptr && dwSendDataLength != 0;
  const bool is_memory =
      is_running() && (!sends || can_read(static_cast<const void*>(lpSendBuffer), dwSendDataLength));
  INT error = 0;
  const Call call(s, &error);
  if (!call) return fail_with(static_cast<DWORD>(error));
  if (!is_memory || !arguments.is_there) return answer(WsaError::kFault);
  WsaError refused = WsaError::kOk;
  const auto peer = endpoint_for(call.socket(), name, namelen, refused);
  if (!peer) return answer(refused);
  WSABUF buffer{dwSendDataLength, static_cast<CHAR*>(lpSendBuffer)};
  SendCall send;
  if (sends) send.buffers = {&buffer, 1};
  send.tell = overlapped_of(call.socket(), arguments, std::nullopt);
  if (send.tell.overlapped == nullptr) return answer(WsaError::kInval);  // not an overlapped socket
  return answer(call.socket().connect_ex(*peer, send).error);
}

BOOL PASCAL disconnect_ex(SOCKET s, LPOVERLAPPED lpOverlapped, DWORD dwFlags,
                          DWORD dwReserved) noexcept {
  if ((dwFlags & ~DWORD{TF_REUSE_SOCKET}) != 0 || dwReserved != 0) return answer(WsaError::kInval);
  const OverlappedArguments arguments{lpOverlapped};
  reset_event(arguments);
  const bool is_for_reuse = dwFlags != 0;
  const Inside inside;
  SOCKET inner;
  {
    INT error = 0;
    const Call call(s, &error);
    if (!call) return fail_with(static_cast<DWORD>(error));
    if (!arguments.is_there) return answer(WsaError::kFault);
    inner = call.inner();
    const Overlapped tell = overlapped_of(call.socket(), arguments, std::nullopt);
    const WsaError error_now = is_for_reuse && tell.overlapped != nullptr
                                   ? disconnect_for_reuse(call.socket(), inner, tell, 0)
                                   : call.socket().disconnect(tell, is_for_reuse).error;
    if (error_now != WsaError::kOk) return answer(error_now);
  }
  if (is_for_reuse) renew(inner);
  return TRUE;
}

int update_context(SOCKET s, int name, const CHAR* value, int bytes, LPINT lpErrno) noexcept {
  std::optional<SocketOptions> inherited;
  if (name == SO_UPDATE_ACCEPT_CONTEXT) {
    SOCKET listener;
    if (bytes < static_cast<int>(sizeof listener) || !is_running() ||
        !can_read(value, sizeof listener)) {
      const Call call(s, lpErrno);
      return call ? call.fail(WsaError::kFault) : SOCKET_ERROR;
    }
    std::memcpy(&listener, value, sizeof listener);
    const Call call(listener, lpErrno);
    if (!call) return SOCKET_ERROR;
    if (!call.socket().is_listening()) return call.fail(WsaError::kInval);
    inherited = call.socket().options;
  }
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  Socket& socket = call.socket();
  if (!socket.peer().has_value()) return call.fail(WsaError::kNotConn);
  socket.context = Context::kWhole;
  if (inherited) {
    inherited->is_overlapped = socket.options.is_overlapped;
    inherited->is_registered = socket.options.is_registered;
    inherited->is_nonblocking = socket.options.is_nonblocking;
    socket.options = *inherited;
    socket.apply_options();
  }
  return 0;
}

}  // namespace millrace
