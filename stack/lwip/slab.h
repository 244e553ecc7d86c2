// SPDX-License-Identifier: BSD-3-Clause
// Memory of one Stack's control blocks and sockets; with its lock held.
#pragma once

#include <cstddef>

extern "C" {
/// @return 8-byte aligned memory, or null
void* millrace_slab_malloc(size_t size);
void millrace_slab_free(void* memory);
}

namespace millrace {

inline constexpr size_t kSlabStep = 64, kSlabHeader = 8;

/// What an allocation of this size takes.
constexpr size_t slab_bytes(size_t size) {
  return (size + kSlabHeader + kSlabStep - 1) / kSlabStep * kSlabStep;
}

}  // namespace millrace
