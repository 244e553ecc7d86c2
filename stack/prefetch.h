// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <rte_prefetch.h>

#include <cstdint>

namespace millrace {

/// Asks the caches for each line from `begin` to `end`, and waits for none.
inline void fetch_lines(const void* begin, const void* end) noexcept {
  constexpr uintptr_t kLineBytes = 64;
  const auto last = reinterpret_cast<uintptr_t>(end);
  for (auto line = reinterpret_cast<uintptr_t>(begin) & ~(kLineBytes - 1); line < last; line += kLineBytes) {
    rte_prefetch0(reinterpret_cast<const void*>(line));
  }
}

}  // namespace millrace
