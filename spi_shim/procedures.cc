// SPDX-License-Identifier: BSD-3-Clause
// The table, and the procedures that are not there yet: they answer WSAEOPNOTSUPP, all of them
// here.
#include "spi_shim/procedures.h"

#include <tuple>
#include <type_traits>

#include "spi_shim/multicast.h"
#include "spi_shim/names.h"
#include "spi_shim/probe.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

/// A procedure of any prototype that ends in LPINT lpErrno, and fails.
template <typename Procedure>
struct NotThere;

template <typename Result, typename... Arguments>
struct NotThere<Result (*)(Arguments...)> {
  static Result call(Arguments... arguments) noexcept {
    tell(std::get<sizeof...(Arguments) - 1>(std::tuple(arguments...)),
         !is_running() ? WSANOTINITIALISED : WSAEOPNOTSUPP);
    if constexpr (std::is_same_v<Result, SOCKET>) return INVALID_SOCKET;
    return static_cast<Result>(SOCKET_ERROR);
  }
};

template <typename Procedure>
void refuse(Procedure& entry) noexcept {
  entry = NotThere<Procedure>::call;
}

BOOL WSPAPI no_qos(SOCKET, LPWSABUF, LPQOS, LPINT lpErrno) noexcept {
  tell(lpErrno, !is_running() ? WSANOTINITIALISED : WSAEOPNOTSUPP);
  return FALSE;
}

}  // namespace

WSPPROC_TABLE procedures() noexcept {
  WSPPROC_TABLE table{};
  refuse(table.lpWSPAsyncSelect);
  refuse(table.lpWSPDuplicateSocket);
  refuse(table.lpWSPEnumNetworkEvents);
  refuse(table.lpWSPEventSelect);
  table.lpWSPGetQOSByName = no_qos;
  table.lpWSPCleanup = wsp_cleanup;
  table.lpWSPJoinLeaf = wsp_join_leaf;
  table.lpWSPAddressToString = wsp_address_to_string;
  table.lpWSPStringToAddress = wsp_string_to_address;
  add_blocking_procedures(table);
  add_socket_procedures(table);
  add_transfer_procedures(table);
  add_result_procedures(table);
  add_option_procedures(table);
  return table;
}

}  // namespace millrace
