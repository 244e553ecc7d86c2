// SPDX-License-Identifier: BSD-3-Clause
// Every extension function is one row of the table.
#include "spi_shim/extensions.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "millrace/loan.h"
#include "spi_shim/accept_ex.h"
#include "spi_shim/connect_ex.h"
#include "spi_shim/messages.h"
#include "spi_shim/probe.h"
#include "spi_shim/rio.h"
#include "spi_shim/transmit.h"

namespace millrace {
namespace {

using Function = void (*)();

struct Extension {
  GUID id;
  Function function;
};

/// @param function  of the type that the id promises
template <typename Promised>
Extension row(const GUID& id, Promised function) noexcept {
  return {id, reinterpret_cast<Function>(function)};
}

const Extension* find_extension(const GUID& id) noexcept {
  static const Extension kExtensions[] = {
      row<LPFN_MILLRACE_RECVLOAN>(WSAID_MILLRACE_RECVLOAN, recv_loan),
      row<LPFN_MILLRACE_RETURNLOAN>(WSAID_MILLRACE_RETURNLOAN, return_loan),
      row<LPFN_ACCEPTEX>(WSAID_ACCEPTEX, accept_ex),
      row<LPFN_GETACCEPTEXSOCKADDRS>(WSAID_GETACCEPTEXSOCKADDRS, get_accept_ex_sockaddrs),
      row<LPFN_CONNECTEX>(WSAID_CONNECTEX, connect_ex),
      row<LPFN_DISCONNECTEX>(WSAID_DISCONNECTEX, disconnect_ex),
      row<LPFN_WSARECVMSG>(WSAID_WSARECVMSG, recv_msg),
      row<LPFN_WSASENDMSG>(WSAID_WSASENDMSG, send_msg),
      row<LPFN_TRANSMITFILE>(WSAID_TRANSMITFILE, transmit_file),
      row<LPFN_TRANSMITPACKETS>(WSAID_TRANSMITPACKETS, transmit_packets),
  };
  const auto* const end = std::end(kExtensions);
  const auto* const it =
      std::find_if(std::begin(kExtensions), end, [&](const Extension& e) { return e.id == id; });
  return it == end ? nullptr : it;
}

}  // namespace

WsaError get_extension(const void* id, DWORD id_bytes, void* function, DWORD function_bytes,
                       DWORD& bytes_returned) noexcept {
  GUID wanted;
  if (id_bytes < sizeof wanted || !can_read(id, sizeof wanted) ||
      function_bytes < sizeof(Function) || !can_write(function, sizeof(Function))) {
    return WsaError::kFault;
  }
  std::memcpy(&wanted, id, sizeof wanted);
  const Extension* const extension = find_extension(wanted);
  if (extension == nullptr) return WsaError::kInval;
  std::memcpy(function, &extension->function, sizeof(Function));
  bytes_returned = sizeof(Function);
  return WsaError::kOk;
}

WsaError get_extensions(const void* id, DWORD id_bytes, void* table, DWORD table_bytes,
                        DWORD& bytes_returned) noexcept {
  constexpr GUID kRio = WSAID_MULTIPLE_RIO;
  constexpr DWORD kBytes = sizeof(RIO_EXTENSION_FUNCTION_TABLE);
  GUID wanted;
  if (id_bytes < sizeof wanted || !can_read(id, sizeof wanted) || table_bytes < kBytes ||
      !can_write(table, kBytes)) {
    return WsaError::kFault;
  }
  std::memcpy(&wanted, id, sizeof wanted);
  if (!(wanted == kRio)) return WsaError::kInval;
  std::memcpy(table, &rio_functions(), kBytes);
  bytes_returned = kBytes;
  return WsaError::kOk;
}

}  // namespace millrace
