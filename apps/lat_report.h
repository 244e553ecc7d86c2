// SPDX-License-Identifier: BSD-3-Clause
// What millrace-lat prints and writes.
#pragma once

#include "apps/lat_client.h"
#include "apps/lat_load.h"

namespace millrace::lat {

/// Each prints to stdout and, where the options name files, writes them.
/// @throws std::runtime_error when a file cannot be written
void report(const Options& options, const PingPongResult& result, const Counters& counters);
void report(const Options& options, const BulkResult& result, const Counters& counters);
void report(const Options& options, const LoadResult& result, const Counters& counters);
void report(const Options& options, const SweepResult& result, const Counters& counters);
void report_server(const Options& options, const Counters& counters);

}  // namespace millrace::lat
