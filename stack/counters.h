// SPDX-License-Identifier: BSD-3-Clause
// A Stack's counters, one member per line of counters.def. Guarded by the Stack's lock; readers of
// a running Stack take a copy under it. Every frame and every byte is in one of them.
#pragma once

#include <cstdint>

namespace millrace {

struct Counters {
#define COUNTER(name, sentence) uint64_t name = 0;
#include "stack/counters.def"
#undef COUNTER

  Counters& operator+=(const Counters& other) noexcept {
#define COUNTER(name, sentence) name += other.name;
#include "stack/counters.def"
#undef COUNTER
    return *this;
  }

  /// Calls visit(name, value, sentence) for each counter, in the order of counters.def.
  template <typename Visitor>
  void for_each(Visitor&& visit) const {
#define COUNTER(name, sentence) visit(#name, name, sentence);
#include "stack/counters.def"
#undef COUNTER
  }
};

}  // namespace millrace
