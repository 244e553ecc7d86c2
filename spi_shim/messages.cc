// SPDX-License-Identifier: BSD-3-Clause
// The two are WSPRecvFrom and WSPSendTo with one structure for everything. A receive that is
// pending fills in the caller's WSAMSG when it completes; only its WSABUFs are captured before.
#include "spi_shim/messages.h"

#include <cstring>

#include "spi_shim/buffers.h"
#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "stack/control.h"

namespace millrace {
namespace {

bool can_fill(char* to, size_t n) noexcept { return can_write(static_cast<void*>(to), n); }
bool can_take(const char* from, size_t n) noexcept {
  return can_read(static_cast<const void*>(from), n);
}

/// Memory and length fit together: null means none.
bool is_consistent(const void* memory, int64_t length) noexcept {
  return memory != nullptr ? length >= 0 : length == 0;
}

/// All that the structure names is in memory. @param can_use  fills or takes
template <typename Probe>
bool names_memory(const WSAMSG& message, Probe can_use) noexcept {
  return is_consistent(message.name, message.namelen) &&
         is_consistent(message.Control.buf, message.Control.len) &&
         can_use(reinterpret_cast<char*>(message.name), static_cast<size_t>(message.namelen)) &&
         can_use(message.Control.buf, message.Control.len) &&
         are_there(message.lpBuffers, message.dwBufferCount, can_use);
}

int fail(WsaError error) noexcept {
  (void)fail_with(static_cast<DWORD>(error));
  return SOCKET_ERROR;
}

WsaError receive_refusal(const Socket& socket, const WSAMSG& message) noexcept {
  if (socket.transport() != Transport::kUdp) return WsaError::kOpNotSupp;
  if ((message.dwFlags & ~ULONG{WS_MSG_PEEK}) != 0) return WsaError::kOpNotSupp;
  const INT needed = socket.family() == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
  const bool is_short = message.name != nullptr && message.namelen < needed;
  return is_short ? WsaError::kFault : WsaError::kOk;  // winsock-rules 116
}

/// One object of control data. @return false: not as long as its type, or out of range
template <typename T>
bool read(const char* data, size_t bytes, T& value) noexcept {
  if (bytes < sizeof value) return false;
  std::memcpy(&value, data, sizeof value);
  return true;
}

bool read_byte(const char* data, size_t bytes, INT most, std::optional<uint8_t>& into) noexcept {
  constexpr INT kUsual = -1;  // IP_UNSPECIFIED_HOP_LIMIT, IP_UNSPECIFIED_TYPE_OF_SERVICE
  INT value;
  if (!read(data, bytes, value) || value < kUsual || value > most) return false;
  if (value != kUsual) into = static_cast<uint8_t>(value);
  return true;
}

/// The unspecified address leaves the choice to the route.
void read_source(uint8_t family, const void* address, SendControl& into) noexcept {
  IpAddress source = IpAddress::any(family);
  std::memcpy(source.bytes.data(), address, family == 4 ? 4 : 16);
  if (!is_any(source)) into.source = source;
}

bool read_object4(int type, const char* data, size_t bytes, SendControl& into) noexcept {
  WS_in_pktinfo info;
  switch (type) {
    case WS_IP_PKTINFO:
      if (!read(data, bytes, info)) return false;
      read_source(4, &info.ipi_addr, into);
      into.interface = info.ipi_ifindex;
      return true;
    case WS_IP_TTL:
    case IP_HOPLIMIT:
      return read_byte(data, bytes, UINT8_MAX, into.ttl);
    case WS_IP_TOS:
      return read_byte(data, bytes, UINT8_MAX, into.tos);
    case IP_ECN:
      return read_byte(data, bytes, kEcnBits, into.ecn);
    default:
      return false;
  }
}

bool read_object6(int type, const char* data, size_t bytes, SendControl& into) noexcept {
  WS_in6_pktinfo info;
  switch (type) {
    case WS_IPV6_PKTINFO:
      if (!read(data, bytes, info)) return false;
      read_source(6, &info.ipi6_addr, into);
      if (into.source && is_link_local(*into.source)) into.source->zone = info.ipi6_ifindex;
      into.interface = info.ipi6_ifindex;
      return true;
    case WS_IPV6_HOPLIMIT:
      return read_byte(data, bytes, UINT8_MAX, into.ttl);
    case WS_IPV6_TCLASS:
      return read_byte(data, bytes, UINT8_MAX, into.tos);
    case IPV6_ECN:
      return read_byte(data, bytes, kEcnBits, into.ecn);
    default:
      return false;
  }
}

/// Control data of a datagram to an address of this family; on a dual-mode socket there may be some
/// for the other. What does not parse is an error: nobody shall believe that it was heeded.
bool read_control(const WSABUF& control, uint8_t family, bool is_dual, SendControl& into) noexcept {
  constexpr int kLevels[] = {WS_IPPROTO_IP, WS_IPPROTO_IPV6};
  const int own_level = family == 4 ? WS_IPPROTO_IP : WS_IPPROTO_IPV6;
  for (size_t at = 0; at < control.len;) {
    const size_t left = control.len - at;
    WSACMSGHDR header;
    if (!read(control.buf + at, left, header)) return false;
    if (header.cmsg_len < sizeof header || header.cmsg_len > left) return false;
    const char* const data = control.buf + at + sizeof header;
    const size_t bytes = header.cmsg_len - sizeof header;
    SendControl unused;
    const bool is_own = header.cmsg_level == own_level;
    if (!is_own && !(is_dual && header.cmsg_level == kLevels[family == 4])) return false;
    SendControl& to = is_own ? into : unused;
    const bool is_read = header.cmsg_level == WS_IPPROTO_IP
                             ? read_object4(header.cmsg_type, data, bytes, to)
                             : read_object6(header.cmsg_type, data, bytes, to);
    if (!is_read) return false;
    at += WSA_CMSGHDR_ALIGN(header.cmsg_len);
  }
  return true;
}

}  // namespace

Outcome send_message(Socket& socket, const WSAMSG& message, SendCall& call) noexcept {
  if (socket.transport() != Transport::kUdp) return {WsaError::kOpNotSupp};
  if (message.name != nullptr) {
    WsaError error = WsaError::kOk;
    call.to = destination_for(socket, message.name, message.namelen, error);
    if (!call.to) return {error};
  }
  if (message.Control.len == 0) return socket.send(call);
  const std::optional<Endpoint> to = call.to ? call.to : socket.peer();
  if (!to) return {WsaError::kNotConn};
  SendControl control;
  const bool is_read =
      read_control(message.Control, to->address.family, socket.options.dual_mode, control);
  if (!is_read) return {WsaError::kInval};
  return socket.send_message(call, control);
}

INT PASCAL recv_msg(SOCKET s, LPWSAMSG lpMsg, LPDWORD lpdwNumberOfBytesRecvd,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  const OverlappedArguments arguments{lpOverlapped, lpCompletionRoutine};
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const bool is_memory = is_running() && can_write(lpMsg) && names_memory(*lpMsg, can_fill) &&
                         can_count(lpdwNumberOfBytesRecvd);
  INT error = 0;
  const Call call(s, &error);
  if (!call) return fail(static_cast<WsaError>(error));
  Socket& socket = call.socket();
  const Overlapped tell = overlapped_of(socket, arguments, thread);
  if (!is_memory || !has_count(lpdwNumberOfBytesRecvd, tell)) return fail(WsaError::kFault);
  WsaError refused = refusal(socket, arguments, tell, thread);
  if (refused == WsaError::kOk) refused = receive_refusal(socket, *lpMsg);
  if (refused != WsaError::kOk) return fail(refused);
  const Outcome outcome = socket.receive(
      {{lpMsg->lpBuffers, lpMsg->dwBufferCount}, lpMsg->dwFlags, FromAddress::of(*lpMsg), tell});
  // A truncated message was received, too (winsock-rules 105).
  const bool has_bytes = outcome.error == WsaError::kOk || outcome.error == WsaError::kMsgSize;
  if (has_bytes && lpdwNumberOfBytesRecvd != nullptr) *lpdwNumberOfBytesRecvd = outcome.bytes;
  return outcome.error == WsaError::kOk ? 0 : fail(outcome.error);
}

INT PASCAL send_msg(SOCKET s, LPWSAMSG lpMsg, DWORD dwFlags, LPDWORD lpNumberOfBytesSent,
                    LPWSAOVERLAPPED lpOverlapped,
                    LPWSAOVERLAPPED_COMPLETION_ROUTINE lpCompletionRoutine) noexcept {
  const OverlappedArguments arguments{lpOverlapped, lpCompletionRoutine};
  reset_event(arguments);
  const std::optional<WSATHREADID> thread = thread_of(arguments);
  const bool is_memory = is_running() && can_read(lpMsg) && names_memory(*lpMsg, can_take) &&
                         can_count(lpNumberOfBytesSent);
  INT error = 0;
  const Call call(s, &error);
  if (!call) return fail(static_cast<WsaError>(error));
  const Overlapped tell = overlapped_of(call.socket(), arguments, thread);
  if (!is_memory || !has_count(lpNumberOfBytesSent, tell)) return fail(WsaError::kFault);
  const WsaError refused = refusal(call.socket(), arguments, tell, thread);
  if (refused != WsaError::kOk) return fail(refused);
  SendCall send{{lpMsg->lpBuffers, lpMsg->dwBufferCount}, dwFlags, std::nullopt, tell};
  const Outcome outcome = send_message(call.socket(), *lpMsg, send);
  if (outcome.error != WsaError::kOk) return fail(outcome.error);
  if (lpNumberOfBytesSent != nullptr) *lpNumberOfBytesSent = outcome.bytes;
  return 0;
}

}  // namespace millrace
