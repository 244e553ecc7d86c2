// SPDX-License-Identifier: BSD-3-Clause
// Finding, closing and plugging in again. See device.h. What is remembered is what EAL itself was
// told, so that `--vdev` and `-a` with their arguments hold for the life of the process.
#include "dpdk_io/device.h"

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_devargs.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>
#include <string_view>

#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

struct Plug {
  std::string bus;
  std::string device;
  std::string args;
};

std::mutex mutex;
std::map<std::string, Plug> closed_devices;  // by the Ethernet device's name
std::set<uint16_t> open_ports;

std::string port_name(uint16_t port_id) {
  std::array<char, RTE_ETH_NAME_MAX_LEN> name{};
  rte_eth_dev_get_name_by_port(port_id, name.data());
  return name.data();
}

std::string remedy_for(const std::string& name) {
  if (name.find(':') != std::string::npos) {
    return "add -a " + name +
           " to [eal] args, without --no-pci, and bind the NIC to a driver that " +
           "DPDK can use: `dpdk-devbind.py -b vfio-pci " + name + "`";
  }
  return "add --vdev=" + name + " to [eal] args, or name one of those";
}

[[noreturn]] void throw_not_found(const std::string& name) {
  std::string others;
  const auto add = [&others](const std::string& other) {
    others += (others.empty() ? "" : ", ") + other;
  };
  for (uint16_t port_id = 0; port_id < RTE_MAX_ETHPORTS; ++port_id) {
    if (rte_eth_dev_is_valid_port(port_id)) add(port_name(port_id));
  }
  for (const auto& [closed, plug] : closed_devices) add(closed);
  throw StartupError(
      "port " + name,
      "there is no such device (there is " + (others.empty() ? "none at all" : others) + ")",
      remedy_for(name));
}

// Makes a device that close_device has removed; returns its port id.
uint16_t plug_in_again(const std::string& name, const Plug& plug) {
  const int error = rte_eal_hotplug_add(plug.bus.c_str(), plug.device.c_str(), plug.args.c_str());
  uint16_t port_id = 0;
  if (error == 0 && rte_eth_dev_get_port_by_name(name.c_str(), &port_id) == 0) return port_id;
  throw StartupError(
      "port " + name,
      std::string("its driver cannot make the closed device again: ") + rte_strerror(-error),
      name.starts_with("net_memif")
          ? "give it socket-abstract=no: DPDK's memif leaves abstract sockets open"
          : "the lines DPDK has logged say why");
}

// The net_ring driver creates 16 rings for a --vdev, and frees only those of configured queues
// (DPDK 22.11 rte_eth_ring.c, eth_dev_close): the rest would stop the device from coming back.
void free_rings_of(const std::string& device) {
  for (unsigned i = 0; i < 16; ++i) {
    const std::string name = "ETH_RXTX" + std::to_string(i) + "_" + device;
    if (rte_ring* ring = rte_ring_lookup(name.c_str())) rte_ring_free(ring);
  }
}

bool has_other_ports(const rte_device* device) {
  return rte_eth_find_next_of(0, device) < RTE_MAX_ETHPORTS;
}

}  // namespace

uint16_t find_device(const std::string& name) {
  const std::lock_guard lock(mutex);
  uint16_t port_id = 0;
  if (rte_eth_dev_get_port_by_name(name.c_str(), &port_id) != 0) {
    const auto closed = closed_devices.find(name);
    if (closed == closed_devices.end()) throw_not_found(name);
    port_id = plug_in_again(name, closed->second);
    closed_devices.erase(closed);
  }
  if (!open_ports.insert(port_id).second) {
    throw StartupError("port " + name, "another port of this process has the device",
                       "name each device once");
  }
  return port_id;
}

void close_device(uint16_t port_id, bool is_ours) noexcept {
  const std::lock_guard lock(mutex);
  open_ports.erase(port_id);
  const std::string name = port_name(port_id);
  rte_eth_dev_info info{};
  const bool has_info = rte_eth_dev_info_get(port_id, &info) == 0;
  rte_device* device = has_info ? info.device : nullptr;
  const bool is_ring = has_info && info.driver_name == std::string_view("net_ring");
  if (device != nullptr && !is_ours) {
    const rte_devargs* words = rte_dev_devargs(device);
    const bool has_args = words != nullptr && words->args != nullptr;
    closed_devices[name] = {rte_bus_name(rte_dev_bus(device)), rte_dev_name(device),
                            has_args ? words->args : ""};
  }
  rte_eth_dev_stop(port_id);
  rte_eth_dev_close(port_id);
  if (is_ring && !is_ours) free_rings_of(name);
  if (device != nullptr && !has_other_ports(device)) rte_dev_remove(device);
}

}  // namespace millrace
