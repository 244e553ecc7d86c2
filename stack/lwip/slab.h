// SPDX-License-Identifier: BSD-3-Clause
// Memory of one Stack's control blocks and sockets; with its lock held.
#pragma once

#include <cstddef>

extern "C" {
/// @return 8-byte aligned memory, or null
void* millrace_slab_malloc(size_t size);
void millrace_slab_free(void* memory);
}
