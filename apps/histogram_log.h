// SPDX-License-Identifier: BSD-3-Clause
// HdrHistogram's log of histograms (.hlog, version 1.3; each in the encoding V2), for its readers and plotters.
//
//   #[...]                                   comments
//   "StartTimestamp","Interval_Length",...   the columns
//   Tag=1000/s,0.000,1.000,0.123,HISTFAAA... seconds since the start, ms, base64 of zlib of the counts
//
// The zlib stream is of stored blocks: what is zero in a histogram takes no room anyway.
#pragma once

#include <iosfwd>
#include <string>

#include "apps/histogram.h"

namespace millrace {

/// The comments and the columns. @param start_s  seconds since the epoch
void write_log_head(std::ostream& out, double start_s);

/// One interval. @param tag  without commas and blanks; empty: none
void write_log_interval(std::ostream& out, const std::string& tag, double start_s, double length_s,
                        const Histogram& histogram);

}  // namespace millrace
