// SPDX-License-Identifier: BSD-3-Clause
// Where the time of received packets went, as the stack sampled it (stack/STAGES.md).
#pragma once

#include "apps/lat_options.h"

namespace millrace::lat {

/// Prints the table, if the options ask for it: a line per stage, in nanoseconds, with its share of the time
/// in all of them. The kernel's sockets have none.
void show_stages(const Options& options, const Counters& counters);

/// The same as json["stages"], in nanoseconds; nothing where nothing was sampled.
template <typename Json>
void add_stages(Json& json, const std::vector<StageTimes>& stages) {
  for (const StageTimes& stage : stages) {
    if (stage.count == 0) continue;
    json["stages"][stage.name] = {{"count", stage.count},   {"p50", stage.p50_ns}, {"p99", stage.p99_ns},
                                  {"p99.9", stage.p999_ns}, {"max", stage.max_ns}, {"sum", stage.sum_ns}};
  }
}

}  // namespace millrace::lat
