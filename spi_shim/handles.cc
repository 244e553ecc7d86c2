// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/handles.h"

#include "spi_shim/startup.h"

namespace millrace {

SOCKET inner_handle(SOCKET s) noexcept {
  const auto query = upcalls().lpWPUQuerySocketHandleContext;
  if (query == nullptr) return s;
  DWORD_PTR context = 0;
  INT error = 0;
  return query(s, &context, &error) == 0 ? static_cast<SOCKET>(context) : INVALID_SOCKET;
}

SOCKET publish(SOCKET inner, DWORD catalog_entry, INT& error) noexcept {
  const auto create = upcalls().lpWPUCreateSocketHandle;
  return create == nullptr ? inner : create(catalog_entry, inner, &error);
}

void retire(SOCKET s) noexcept {
  INT ignored = 0;
  if (upcalls().lpWPUCloseSocketHandle != nullptr) upcalls().lpWPUCloseSocketHandle(s, &ignored);
}

}  // namespace millrace
