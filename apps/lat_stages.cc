// SPDX-License-Identifier: BSD-3-Clause
#include "apps/lat_stages.h"

#include <cinttypes>
#include <cstdio>

namespace millrace::lat {

void show_stages(const Options& options, const Counters& counters) {
  if (!options.shows_stages) return;
  uint64_t all_ns = 0;
  for (const StageTimes& stage : counters.stages) all_ns += stage.sum_ns;
  std::printf("%-10s %10s %10s %10s %10s %10s %6s  stage in ns, since the start\n", "stage", "count", "p50", "p99",
              "p99.9", "max", "share");
  for (const StageTimes& s : counters.stages) {
    const double share = all_ns == 0 ? 0 : 100 * static_cast<double>(s.sum_ns) / static_cast<double>(all_ns);
    std::printf("%-10s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " %5.1f%%  %s\n",
                s.name.c_str(), s.count, s.p50_ns, s.p99_ns, s.p999_ns, s.max_ns, share, s.sentence.c_str());
  }
  if (counters.stages.empty()) std::printf("no stages: these are not millrace's sockets\n");
}

}  // namespace millrace::lat
