// SPDX-License-Identifier: BSD-3-Clause
// WSPSetSockOpt and WSPGetSockOpt; the options are in option_table.cc, option_structs.cc and
// multicast.cc.
#include <algorithm>
#include <cstring>

#include "spi_shim/call.h"
#include "spi_shim/connect_ex.h"
#include "spi_shim/extensions.h"
#include "spi_shim/ioctl_settings.h"
#include "spi_shim/multicast.h"
#include "spi_shim/option_structs.h"
#include "spi_shim/option_table.h"
#include "spi_shim/procedures.h"

namespace millrace {
namespace {

constexpr INT kNumber = sizeof(uint32_t);

/// As much as Windows says that it has written: a number, or with less room one byte (winsock-rules 179).
INT size_of(const Option& option, INT room) noexcept {
  return option.is_byte || room < kNumber ? 1 : kNumber;
}

/// As much as it has written: of booleans of SOL_SOCKET all bytes that there is room for.
INT written_of(const Option& option, INT room) noexcept {
  const bool fills_room = option.level == WS_SOL_SOCKET && !option.is_byte;
  return fills_room ? std::min(room, kNumber) : size_of(option, room);
}

/// A value of no bytes: booleans of SOL_SOCKET take it on Windows, and here keep the one that they had.
WsaError set_nothing(const Option* option) noexcept {
  const bool takes_it = option != nullptr && option->level == WS_SOL_SOCKET && !option->is_byte &&
                        option->takes_any_length && option->set != nullptr;
  return takes_it ? WsaError::kOk : WsaError::kFault;
}

/// Windows reads a length without its sign. So a negative one is more than enough for an option of SOL_SOCKET, unless
/// that is a byte; elsewhere it is WSAENOBUFS (Wine's test of set and getsockopt, as Windows 10 21H1 and later pass it).
bool takes_negative_length(const Option* option, int level) noexcept {
  return level == WS_SOL_SOCKET && (option == nullptr || !option->is_byte);
}

/// Too little room for a number: beyond SOL_SOCKET none of it was used, Windows says.
WsaError refuse_room(int level, INT& length) noexcept {
  if (level != WS_SOL_SOCKET) length = 0;
  return WsaError::kFault;
}

// How a thread's sockets are to be opened is the thread's, whatever socket is named (winsock-rules 185).
constinit thread_local uint32_t open_type = 0;

bool is_short_of_open_type(INT length) noexcept {
  return length >= 0 && length < static_cast<INT>(sizeof open_type);  // negative: takes_negative_length()
}

bool is_open_type(int level, int name) noexcept {
  return level == WS_SOL_SOCKET && name == SO_OPENTYPE;
}

int fail(INT error, LPINT lpErrno) noexcept {
  tell(lpErrno, error);
  return SOCKET_ERROR;
}

int set_open_type(const CHAR* value, int length, LPINT lpErrno) noexcept {
  if (stacks_for_call(lpErrno).empty()) return SOCKET_ERROR;
  if (is_short_of_open_type(length) || !can_read(value, sizeof open_type)) {
    return fail(WSAEFAULT, lpErrno);
  }
  std::memcpy(&open_type, value, sizeof open_type);
  return 0;
}

int get_open_type(CHAR* value, LPINT length, LPINT lpErrno) noexcept {
  if (stacks_for_call(lpErrno).empty()) return SOCKET_ERROR;
  if (!can_write(length) || is_short_of_open_type(*length) || !can_write(value, sizeof open_type)) {
    return fail(WSAEFAULT, lpErrno);
  }
  std::memcpy(value, &open_type, sizeof open_type);
  *length = sizeof open_type;
  return 0;
}

int WSPAPI wsp_set_sock_opt(SOCKET s, int level, int optname, const CHAR* optval, int optlen,
                            LPINT lpErrno) noexcept {
  if (is_open_type(level, optname)) return set_open_type(optval, optlen, lpErrno);
  if (level == WS_SOL_SOCKET && is_context_option(optname)) {
    return update_context(s, optname, optval, optlen, lpErrno);
  }
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  Socket& socket = call.socket();
  if (optlen < 0) {
    const Option* const option = find_option(socket, level, optname);
    if (!takes_negative_length(option, level)) return call.fail(WsaError::kNoBufs);
    optlen = kNumber;
  }
  if (!can_read(optval, std::max<size_t>(static_cast<size_t>(optlen), 1))) {
    return call.fail(WsaError::kFault);
  }
  if (optlen == 0) return call.done(set_nothing(find_option(socket, level, optname)));
  if (const auto error = set_struct_option(socket, level, optname, optval, optlen)) {
    return call.done(*error);
  }
  if (const auto error = set_multicast_option(socket, level, optname, optval, optlen)) {
    return call.done(*error);
  }
  const Option* const option = find_option(socket, level, optname);
  if (option == nullptr) return call.fail(unknown_option(level));
  if (option->set == nullptr) return call.fail(WsaError::kNoProtoOpt);
  uint32_t value = 0;
  if (!option->takes_any_length && optlen < kNumber) return call.fail(WsaError::kFault);
  const size_t given = std::min<size_t>(static_cast<size_t>(optlen), sizeof value);
  std::memcpy(&value, optval, option->is_byte ? 1 : given);
  const WsaError error = option->set(socket, value);
  if (error == WsaError::kOk) socket.apply_options();
  return call.done(error);
}

int WSPAPI wsp_get_sock_opt(SOCKET s, int level, int optname, CHAR* optval, LPINT optlen,
                            LPINT lpErrno) noexcept {
  if (is_open_type(level, optname)) return get_open_type(optval, optlen, lpErrno);
  const Call call(s, lpErrno);
  if (!call) return SOCKET_ERROR;
  if (!can_write(optlen) || *optlen < 1 || !can_write(optval, static_cast<size_t>(*optlen))) {
    return call.fail(WsaError::kFault);
  }
  const Socket& socket = call.socket();
  if (const auto error = get_struct_option(socket, level, optname, optval, *optlen)) {
    return call.done(*error);
  }
  const Option* const option = find_option(socket, level, optname);
  if (option == nullptr) return call.fail(unknown_option(level));
  const WsaError refusal = option->can_get == nullptr ? WsaError::kOk : option->can_get(socket);
  if (refusal != WsaError::kOk) return call.fail(refusal);
  if (!option->takes_any_length && *optlen < kNumber) {
    return call.fail(refuse_room(level, *optlen));
  }
  const uint32_t value = option->get(socket);
  std::memcpy(optval, &value, static_cast<size_t>(written_of(*option, *optlen)));
  *optlen = size_of(*option, *optlen);
  return 0;
}

}  // namespace

void add_option_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPSetSockOpt = wsp_set_sock_opt;
  table.lpWSPGetSockOpt = wsp_get_sock_opt;
}

}  // namespace millrace
