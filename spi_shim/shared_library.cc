// SPDX-License-Identifier: BSD-3-Clause
// libmillrace.so is made of libraries; this is the one source that CMake wants of its own.
#include "ws2spi.h"

static_assert(sizeof(WSPPROC_TABLE) == 30 * sizeof(void*));
