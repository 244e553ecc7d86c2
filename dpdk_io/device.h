// SPDX-License-Identifier: BSD-3-Clause
// Devices by name, and the way back: closing an Ethernet device removes it from DPDK's list, so
// that a second Port on it would find nothing. close_device remembers bus and arguments, and
// find_device plugs the device in again. A device belongs to at most one Port. Internal to dpdk_io.
#pragma once

#include <cstdint>
#include <string>

namespace millrace {

/// @param name  as EAL knows it: "net_ring0", "0000:00:04.0"
/// @return  DPDK's port id, now in use until close_device
/// @errors  StartupError: the device does not exist (naming those that do), or a Port has it
uint16_t find_device(const std::string& name);

/// Stops, closes and unplugs a device.
///
/// @param is_ours  this process made the device for one Port (rings): forget how to plug it in
void close_device(uint16_t port_id, bool is_ours) noexcept;

}  // namespace millrace
