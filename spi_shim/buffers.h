// SPDX-License-Identifier: BSD-3-Clause
// What procedures that move bytes ask about their arguments.
#pragma once

#include "spi_shim/overlapped.h"

namespace millrace {

/// The array and what it names are in memory: to be written, or to be read (contract: E6). Asked
/// before the lock is taken, since a page may have to be fetched, and the application may handle
/// SIGSEGV before the provider does; and not before WSPStartup, when nobody handles it.
template <typename Probe>
bool are_there(LPWSABUF buffers, DWORD count, Probe can_use) noexcept {
  if (!is_running() || !can_read_objects(buffers, count)) return false;
  for (DWORD i = 0; i < count; ++i) {
    if (!can_use(buffers[i].buf, buffers[i].len)) return false;
  }
  return true;
}

inline bool can_count(LPDWORD bytes) noexcept { return bytes == nullptr || can_write(bytes); }

/// A count may be missing only where the WSAOVERLAPPED will have it (rule 24).
inline bool has_count(LPDWORD bytes, const Overlapped& tell) noexcept {
  return bytes != nullptr || tell.overlapped != nullptr;
}

}  // namespace millrace
