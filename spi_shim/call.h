// SPDX-License-Identifier: BSD-3-Clause
// One call of an entry point: takes the Stack's lock, finds the socket, and undoes both on the way
// out.
//
//   Call call(s, lpErrno);
//   if (!call) return SOCKET_ERROR;      // *lpErrno says WSANOTINITIALISED, WSAENOTSOCK ...
//   return call.done(call.socket().bind(endpoint));
//
// While a Call lives the socket cannot go away, even if another thread closes it.
#pragma once

#include <optional>

#include "spi_shim/handles.h"
#include "spi_shim/probe.h"
#include "spi_shim/startup.h"
#include "stack/socket.h"

namespace millrace {

class Call {
 public:
  [[gnu::always_inline]] Call(SOCKET s, LPINT lpErrno) noexcept : error_(lpErrno) {
    const auto stacks = stacks_for_call(lpErrno);
    if (stacks.empty()) return;
    inner_ = inner_handle(s);
    const uint32_t index = Stack::index_in(inner_);
    if (index < stacks.size()) {
      guard_.emplace(*stacks[index]);
      socket_ = stacks[index]->find(inner_);
    }
    if (socket_ == nullptr) {
      tell(error_, WSAENOTSOCK);
      return;
    }
    socket_->ref();
  }
  ~Call() {
    if (socket_ != nullptr) socket_->unref();
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  explicit operator bool() const noexcept { return socket_ != nullptr; }
  Socket& socket() const noexcept { return *socket_; }
  SOCKET inner() const noexcept { return inner_; }

  int fail(WsaError error) const noexcept {
    tell(error_, static_cast<INT>(error));
    return SOCKET_ERROR;
  }
  int done(WsaError error) const noexcept { return error == WsaError::kOk ? 0 : fail(error); }

 private:
  LPINT error_;
  SOCKET inner_ = INVALID_SOCKET;
  std::optional<Stack::Guard> guard_;  // left last: shows completions
  Socket* socket_ = nullptr;
};

/// An address argument. @return nothing and the error: kFault short or null, kAfNoSupport
std::optional<Endpoint> endpoint_from(const WS_sockaddr* name, int length, uint8_t family,
                                      WsaError& error) noexcept;
/// The same of a socket's family, with mapped addresses as what they mean.
/// @errors kAddrNotAvail as well: a mapped address, and the socket has IPv6 only
std::optional<Endpoint> endpoint_for(const Socket& socket, const WS_sockaddr* name, int length,
                                     WsaError& error) noexcept;
/// The same for a datagram's destination.
/// @errors kAddrNotAvail as well: the socket is bound to an address of the other family
std::optional<Endpoint> destination_for(const Socket& socket, const WS_sockaddr* name, int length,
                                        WsaError& error) noexcept;

}  // namespace millrace
