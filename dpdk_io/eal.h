// SPDX-License-Identifier: BSD-3-Clause
// DPDK's Environment Abstraction Layer: memory and devices.
// It starts once per process and stays until the process ends, because rte_eal_init cannot be
// repeated. The caller's CPU affinity is the same after eal_start as before it.
#pragma once

#include <string>
#include <vector>

namespace millrace {

/// Starts EAL. Later calls do nothing, whatever their arguments; so does the first one when the
/// application itself has called rte_eal_init.
///
/// @param args  EAL's words without argv[0], such as {"--no-huge", "-m", "256"}. Added unless they
///              are there: a log level (warnings and worse), one lcore (millrace runs nothing on
///              EAL's workers), and with --no-huge or --no-pci --iova-mode=va (pools without gaps).
/// @errors  StartupError: no hugepages, no permission, an unknown option, a device that cannot be
///          made. After a failure inside rte_eal_init a second attempt in this process fails too.
void eal_start(const std::vector<std::string>& args);

/// True if EAL's memory is on hugepages; false under --no-huge. EAL has been started.
bool eal_has_hugepages();

}  // namespace millrace
