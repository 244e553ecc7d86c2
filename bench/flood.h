// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>

namespace millrace {

class Twins;

/// Prints one JSON object: latencies of a good connection with and without a flood of SYNs.
void run_flood(uint32_t syns_per_s, Twins& twins);
/// Nothing but SYNs, for counting instructions. Prints one JSON object.
void run_syns(size_t n);

}  // namespace millrace
