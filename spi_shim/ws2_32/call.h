// SPDX-License-Identifier: BSD-3-Clause
// How a Winsock 2 call goes to the provider: through the table that WSPStartup filled, with the error
// of a failure left in the thread's last error.
//
//   int WS_listen(SOCKET s, int backlog) { return call<&WSPPROC_TABLE::lpWSPListen>(s, backlog); }
//
// Invariant: nothing here but WSPStartup, the table, WSCEnumProtocols, and poll_sockets(), for which the
// table has no procedure, reaches the provider.
#pragma once

#define MILLRACE_USE_WS_PREFIX
#include <type_traits>

#include "spi_shim/last_error.h"
#include "winsock2.h"
#include "ws2spi.h"

namespace millrace::ws2 {

/// The provider's table; null before WSAStartup and after the last WSACleanup.
const WSPPROC_TABLE* provider() noexcept;

inline int fail(DWORD error) noexcept {
  SetLastError(error);
  return SOCKET_ERROR;
}

/// Calls one procedure; lpErrno comes last in all of them, and is written on failure only.
template <auto kProcedure, typename... Arguments>
auto call(Arguments... arguments) noexcept {
  const WSPPROC_TABLE* const table = provider();
  INT error = WSANOTINITIALISED;
  using Result = decltype((table->*kProcedure)(arguments..., &error));
  constexpr bool kAnswersBool =
      std::is_same_v<decltype(kProcedure), LPWSPGETOVERLAPPEDRESULT WSPPROC_TABLE::*> ||
      std::is_same_v<decltype(kProcedure), LPWSPGETQOSBYNAME WSPPROC_TABLE::*>;
  Result result = kAnswersBool ? Result{FALSE} : static_cast<Result>(SOCKET_ERROR);
  if (table != nullptr) {
    error = 0;
    result = (table->*kProcedure)(arguments..., &error);
  }
  if (error != 0) SetLastError(static_cast<DWORD>(error));
  return result;
}

}  // namespace millrace::ws2
