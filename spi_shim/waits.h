// SPDX-License-Identifier: BSD-3-Clause
// The one wait behind WSAWaitForMultipleEvents, WaitForSingleObject and its kin, and SleepEx.
#pragma once

#include <span>

#include "winsock2.h"

namespace millrace {

/// Waits for one or all of the objects, and turns the Stack meanwhile, if the provider runs.
///
/// @param needs_provider  the wait fails without a provider, or when that ends
/// @return WAIT_OBJECT_0 + index, WAIT_ABANDONED_0 + index, WAIT_TIMEOUT, WAIT_IO_COMPLETION, WAIT_FAILED: see
///         needs_provider, or an object that was closed meanwhile
DWORD wait_for(std::span<const HANDLE> objects, bool wait_all, DWORD timeout_ms, bool is_alertable,
               bool needs_provider) noexcept;

}  // namespace millrace
