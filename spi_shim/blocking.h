// SPDX-License-Identifier: BSD-3-Clause
// The blocking hook of a thread: see blocking.cc.
#pragma once

#include "stack/application.h"

namespace millrace {

/// True while the calling thread runs its blocking hook.
bool is_in_hook() noexcept;

/// Asks WPUQueryBlockingCallback for the calling thread's hook; null: it has none.
BlockingHook blocking_hook() noexcept;

}  // namespace millrace
