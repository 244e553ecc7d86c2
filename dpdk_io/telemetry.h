// SPDX-License-Identifier: BSD-3-Clause
// Shows live ports through DPDK's telemetry socket: `/millrace/port` lists their ids and
// `/millrace/port,ID` gives one port's counters summed over its queues, its link and its losses.
// Read them with dpdk-telemetry.py, with no support from the application.
#pragma once

namespace millrace {

class Port;

/// Makes a port visible from now until telemetry_remove. The first call registers the commands.
void telemetry_add(const Port& port);
/// Waits for a reader in progress; afterwards nobody reads the port.
void telemetry_remove(const Port& port) noexcept;

}  // namespace millrace
