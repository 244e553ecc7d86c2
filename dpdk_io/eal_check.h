// SPDX-License-Identifier: BSD-3-Clause
// What can be known about EAL's words before EAL sees them. rte_eal_init answers a mistake with a
// page of usage on stdout, or with one of a dozen log lines, and sometimes cannot be called again;
// a check that comes first gives one line with a remedy. Internal to dpdk_io.
#pragma once

#include <string>
#include <vector>

namespace millrace {

/// One option of EAL's command line, without its dashes; value is empty if it has none.
struct EalOption {
  std::string name;
  std::string value;
};

/// Splits EAL's words as getopt_long would, so that "--vdev=x", "--vdev x" and "-m256" are one
/// option. Abbreviated long names are completed.
/// @errors  StartupError: an option EAL 22.11 does not have, a missing value, a stray word. With
///          other versions of DPDK unknown options pass, and EAL itself decides.
std::vector<EalOption> parse_eal_args(const std::vector<std::string>& args);

/// @errors  StartupError: options that exclude each other, no hugepages and no --no-huge, a virtual
///          device on a network interface that does not exist, a permission that is missing
void check_eal_options(const std::vector<EalOption>& options);

bool has_option(const std::vector<EalOption>& options, const std::string& name);

/// The part of a device's words before the first comma: "net_memif0,role=server" -> "net_memif0".
std::string device_name(const std::string& device_words);

}  // namespace millrace
