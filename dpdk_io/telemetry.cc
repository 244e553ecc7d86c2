// SPDX-License-Identifier: BSD-3-Clause
// The commands run on DPDK's telemetry thread. They hold the lock while they read a Port, and
// telemetry_remove takes it too: a Port is never read after it has left the list.
#include "dpdk_io/telemetry.h"

#include <rte_telemetry.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <mutex>
#include <vector>

#include "dpdk_io/port.h"

namespace millrace {
namespace {

std::mutex mutex;
std::vector<const Port*> ports;

int list_ports(rte_tel_data* reply) {
  rte_tel_data_start_array(reply, RTE_TEL_INT_VAL);
  for (const Port* port : ports) rte_tel_data_add_array_int(reply, port->id());
  return 0;
}

int describe(const Port& port, rte_tel_data* reply) {
  rte_tel_data_start_dict(reply);
  rte_tel_data_add_dict_string(reply, "name", port.name().c_str());
  rte_tel_data_add_dict_string(reply, "driver", port.driver().c_str());
  rte_tel_data_add_dict_int(reply, "link_up", port.link_up() ? 1 : 0);
  rte_tel_data_add_dict_int(reply, "queues", port.n_queues());
  const auto add = [reply](const char* name, uint64_t value, const char* /*sentence*/) {
    rte_tel_data_add_dict_u64(reply, name, value);
  };
  port.total().for_each(add);
  const DeviceLosses losses = port.losses();
  rte_tel_data_add_dict_u64(reply, "device_rx_missed", losses.rx_missed);
  rte_tel_data_add_dict_u64(reply, "device_rx_no_mbuf", losses.rx_no_mbuf);
  rte_tel_data_add_dict_u64(reply, "device_rx_errors", losses.rx_errors);
  rte_tel_data_add_dict_u64(reply, "device_tx_errors", losses.tx_errors);
  return 0;
}

// DPDK rte_telemetry.h telemetry_cb; params is what follows the comma, or null.
int answer(const char* /*command*/, const char* params, rte_tel_data* reply) {
  const std::lock_guard lock(mutex);
  if (params == nullptr || *params == '\0') return list_ports(reply);
  uint16_t id = 0;
  const char* const end = params + std::strlen(params);
  if (std::from_chars(params, end, id).ptr != end) return -EINVAL;
  const auto found =
      std::find_if(ports.begin(), ports.end(), [id](const Port* port) { return port->id() == id; });
  return found == ports.end() ? -ENODEV : describe(**found, reply);
}

}  // namespace

void telemetry_add(const Port& port) {
  static const int registered = rte_telemetry_register_cmd(
      "/millrace/port", answer, "Ids of millrace's ports; with an id: that port's counters");
  static_cast<void>(registered);  // a process without telemetry does without
  const std::lock_guard lock(mutex);
  ports.push_back(&port);
}

void telemetry_remove(const Port& port) noexcept {
  const std::lock_guard lock(mutex);
  std::erase(ports, &port);
}

}  // namespace millrace
