// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/handles.h"

#include "spi_shim/listeners.h"
#include "spi_shim/probe.h"
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

SOCKET publish_or_close(SOCKET inner, DWORD catalog_entry, LPINT lpErrno) noexcept {
  INT error = 0;
  const SOCKET s = publish(inner, catalog_entry, error);
  if (s != INVALID_SOCKET) return s;
  tell(lpErrno, error);
  Stack* const stack = stack_of(inner);
  if (stack == nullptr) return INVALID_SOCKET;  // the provider has ended
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  if (socket != nullptr && socket->n_handles() == 1) socket->reset();
  stack->erase(inner);
  return INVALID_SOCKET;
}

void retire(SOCKET s) noexcept {
  INT ignored = 0;
  if (upcalls().lpWPUCloseSocketHandle != nullptr) upcalls().lpWPUCloseSocketHandle(s, &ignored);
}

}  // namespace millrace
