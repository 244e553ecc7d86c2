// SPDX-License-Identifier: BSD-3-Clause
// WSPIoctl: settings (ioctl_settings.h), questions (ioctl_queries.h), extension functions, and what waits
// for a change.
//
// With lpOverlapped an ioctl that is done completes as well, with 0 bytes (winsock-rules 171), and one
// that does not exist completes with WSAEOPNOTSUPP (172).
#include <algorithm>
#include <cstring>

#include "spi_shim/call.h"
#include "spi_shim/extensions.h"
#include "spi_shim/ioctl_queries.h"
#include "spi_shim/ioctl_settings.h"
#include "spi_shim/overlapped.h"
#include "spi_shim/procedures.h"

namespace millrace {
namespace {

WsaError set_nonblocking(const IoctlCall& call) noexcept {
  WS_u_long on;
  if (call.in_bytes < sizeof on || !can_read(call.in, sizeof on)) return WsaError::kFault;
  std::memcpy(&on, call.in, sizeof on);
  // Not while something is selected (winsock-rules 144).
  if (on == 0 && call.socket.selection().mask != 0) return WsaError::kInval;
  call.socket.options.is_nonblocking = on != 0;
  return WsaError::kOk;
}

WsaError carry_out(const IoctlCall& call, uint32_t code) noexcept {
  if (code == WS_FIONBIO) return set_nonblocking(call);
  if (code == SIO_GET_EXTENSION_FUNCTION_POINTER) {
    return get_extension(call.in, call.in_bytes, call.out, call.out_bytes, call.returned_bytes);
  }
  if (code == SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER) {
    return get_extensions(call.in, call.in_bytes, call.out, call.out_bytes, call.returned_bytes);
  }
  const WsaError error = answer_ioctl(call, code);
  return error != WsaError::kOpNotSupp ? error
                                       : set_by_ioctl(call.socket, code, call.in, call.in_bytes);
}

/// The event that tells of the same. @return 0: the ioctl waits for no change
uint32_t awaited_by(uint32_t code) noexcept {
  if (code == SIO_ADDRESS_LIST_CHANGE) return FD_ADDRESS_LIST_CHANGE;
  return code == SIO_ROUTING_INTERFACE_CHANGE ? FD_ROUTING_INTERFACE_CHANGE : 0;
}

// A route is asked about by the address that it leads to.
WsaError await_change(const IoctlCall& call, uint32_t event, const Overlapped& tell) noexcept {
  IpAddress to;
  if (event == FD_ROUTING_INTERFACE_CHANGE) {
    WsaError error = WsaError::kOk;
    const auto length = static_cast<int>(std::min<DWORD>(call.in_bytes, INT32_MAX));
    const auto remote =
        endpoint_for(call.socket, static_cast<const WS_sockaddr*>(call.in), length, error);
    if (!remote) return error;
    to = remote->address;
  }
  return call.socket.await_change(tell, event, to).error;
}

int WSPAPI wsp_ioctl(SOCKET s, DWORD dwIoControlCode, LPVOID lpvInBuffer, DWORD cbInBuffer,
                     LPVOID lpvOutBuffer, DWORD cbOutBuffer, LPDWORD lpcbBytesReturned,
                     LPWSAOVERLAPPED lpOverlapped,
                     LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine,
                     LPWSATHREADID lpThreadId, LPINT lpErrno) noexcept {
  const OverlappedArguments arguments{lpOverlapped, lpCompletionRoutine, lpThreadId};
  const auto thread = is_running() ? thread_of(arguments) : std::nullopt;
  if (is_running()) reset_event(arguments);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  Socket& socket = call.socket();
  const Overlapped tell = overlapped_of(socket, arguments, thread);
  const WsaError refused = refusal(socket, arguments, tell, thread);
  if (refused != WsaError::kOk) return call.fail(refused);
  DWORD ignored_bytes = 0;
  const bool has_count = lpcbBytesReturned != nullptr || lpOverlapped == nullptr;
  if (has_count && !can_write(lpcbBytesReturned)) return call.fail(WsaError::kFault);
  DWORD& returned = lpcbBytesReturned == nullptr ? ignored_bytes : *lpcbBytesReturned;
  returned = 0;
  const IoctlCall ioctl{socket,       s,           lpvInBuffer, cbInBuffer,
                        lpvOutBuffer, cbOutBuffer, returned};
  const uint32_t event = awaited_by(dwIoControlCode);
  if (event != 0) return call.done(await_change(ioctl, event, tell));
  const WsaError error = carry_out(ioctl, dwIoControlCode);
  const bool is_unknown = error == WsaError::kOpNotSupp;
  if (tell.overlapped != nullptr && (error == WsaError::kOk || is_unknown)) {
    socket.complete_ioctl(tell, error);
    return is_unknown ? call.fail(WsaError::kIoPending) : 0;
  }
  return call.done(error);
}

}  // namespace

void add_ioctl_procedure(WSPPROC_TABLE& table) noexcept { table.lpWSPIoctl = wsp_ioctl; }

}  // namespace millrace
