// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/option_structs.h"

#include <algorithm>
#include <cstring>

#include "mswsock.h"
#include "spi_shim/catalog.h"
#include "stack/sockaddr.h"

namespace millrace {
namespace {

static_assert(sizeof(CSADDR_INFO) == 40 && sizeof(WSAPROTOCOL_INFOW) == 628);

const WSAPROTOCOL_INFOW& entry_of(const Socket& socket) noexcept {
  return catalog_entry_of(socket);
}

template <typename T>
WsaError give(const T& answer, CHAR* value, INT& length) noexcept {
  const bool fits = length >= static_cast<INT>(sizeof answer);
  if (fits) std::memcpy(value, &answer, sizeof answer);
  length = sizeof answer;
  return fits ? WsaError::kOk : WsaError::kFault;  // winsock-rules 184
}

WSAPROTOCOL_INFOA narrow(const WSAPROTOCOL_INFOW& wide) noexcept {
  WSAPROTOCOL_INFOA info{};
  std::memcpy(static_cast<void*>(&info), &wide, offsetof(WSAPROTOCOL_INFOA, szProtocol));
  std::transform(std::begin(wide.szProtocol), std::end(wide.szProtocol),
                 std::begin(info.szProtocol), [](WCHAR c) { return static_cast<CHAR>(c); });
  return info;
}

// The structure, and behind it the two addresses that it points to.
WsaError give_state(const Socket& socket, CHAR* value, INT& length) noexcept {
  const INT one = entry_of(socket).iMaxSockAddr;
  const INT needed = static_cast<INT>(sizeof(CSADDR_INFO)) + 2 * one;
  const bool fits = length >= needed;
  length = needed;
  if (!fits) return WsaError::kFault;
  CSADDR_INFO state{};
  const auto place = [&](SOCKET_ADDRESS& address, const Endpoint& endpoint, INT offset) {
    auto* const at = reinterpret_cast<WS_sockaddr*>(value + sizeof state + offset);
    INT room = one;
    store_endpoint(socket.shown(endpoint), at, &room);
    address = {at, room};
  };
  place(state.LocalAddr, socket.local(), 0);
  if (const auto peer = socket.peer()) place(state.RemoteAddr, *peer, one);
  state.iSocketType = entry_of(socket).iSocketType;
  state.iProtocol = entry_of(socket).iProtocol;
  std::memcpy(value, &state, sizeof state);
  return WsaError::kOk;
}

}  // namespace

std::optional<WsaError> set_struct_option(Socket& socket, int level, int name, const CHAR* value,
                                          int length) noexcept {
  if (level != WS_SOL_SOCKET) return std::nullopt;
  switch (name) {
    case WS_SO_LINGER: {
      WS_linger linger;
      if (length < static_cast<int>(sizeof linger)) return WsaError::kFault;
      std::memcpy(&linger, value, sizeof linger);
      socket.options.linger = linger.l_onoff != 0;
      socket.options.linger_s = linger.l_linger;
      return WsaError::kOk;
    }
    case SO_PROTOCOL_INFOW:
    case SO_PROTOCOL_INFOA:
    case SO_BSP_STATE:
      return WsaError::kNoProtoOpt;
    default:
      return std::nullopt;
  }
}

std::optional<WsaError> get_struct_option(const Socket& socket, int level, int name, CHAR* value,
                                          INT& length) noexcept {
  if (level != WS_SOL_SOCKET) return std::nullopt;
  switch (name) {
    case WS_SO_LINGER:
      return give(WS_linger{socket.options.linger, socket.options.linger_s}, value, length);
    case SO_PROTOCOL_INFOW:
      return give(entry_of(socket), value, length);
    case SO_PROTOCOL_INFOA:
      return give(narrow(entry_of(socket)), value, length);
    case SO_BSP_STATE:
      return give_state(socket, value, length);
    default:
      return std::nullopt;
  }
}

}  // namespace millrace
