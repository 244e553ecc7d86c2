// SPDX-License-Identifier: BSD-3-Clause
// The table.
#include "spi_shim/procedures.h"

#include "spi_shim/call.h"
#include "spi_shim/duplicates.h"
#include "spi_shim/multicast.h"
#include "spi_shim/names.h"
#include "spi_shim/probe.h"
#include "spi_shim/startup.h"

namespace millrace {
namespace {

// There are no templates of quality of service, so no name is one's; Windows has none either since
// RSVP is gone.
BOOL WSPAPI wsp_get_qos_by_name(SOCKET s, LPWSABUF lpQOSName, LPQOS lpQOS,
                                LPINT lpErrno) noexcept {
  const Call call(s, lpErrno);
  if (!call) return FALSE;
  const bool is_there = can_read(lpQOSName) && can_read(lpQOSName->buf, lpQOSName->len) &&
                        can_write(lpQOS);
  (void)call.fail(is_there ? WsaError::kInval : WsaError::kFault);
  return FALSE;
}

}  // namespace

WSPPROC_TABLE procedures() noexcept {
  WSPPROC_TABLE table{};
  table.lpWSPDuplicateSocket = wsp_duplicate_socket;
  table.lpWSPGetQOSByName = wsp_get_qos_by_name;
  table.lpWSPCleanup = wsp_cleanup;
  table.lpWSPJoinLeaf = wsp_join_leaf;
  table.lpWSPAddressToString = wsp_address_to_string;
  table.lpWSPStringToAddress = wsp_string_to_address;
  add_blocking_procedures(table);
  add_socket_procedures(table);
  add_transfer_procedures(table);
  add_accept_procedure(table);
  add_event_procedures(table);
  add_result_procedures(table);
  add_ioctl_procedure(table);
  add_option_procedures(table);
  return table;
}

}  // namespace millrace
