// SPDX-License-Identifier: BSD-3-Clause
// What a setting cannot know by itself: addresses of a port that no host can have, or that
// contradict the port's other addresses or another port. Knows nothing of TOML.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/config.h"

namespace millrace {

/// What is wrong with a value, and which: the index-th element of a list, or the whole setting.
struct Complaint {
  std::string_view key;
  size_t index;
  std::string cause;
  std::string remedy;
};

/// Checks a port whose settings are each well-formed, against the ports that stand before it.
/// @return  the first thing that is wrong, if any
std::optional<Complaint> complaint_about(const PortConfig& port,
                                         const std::vector<PortConfig>& earlier);
/// The same for one of its VLANs, against those before it too.
std::optional<Complaint> complaint_about_vlan(const PortConfig& port, size_t index,
                                              const std::vector<PortConfig>& earlier);
/// Whether all of them together are more than a Stack can hold.
std::optional<Complaint> complaint_about_sum(const PortConfig& port,
                                             const std::vector<PortConfig>& earlier);

}  // namespace millrace
