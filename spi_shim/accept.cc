// SPDX-License-Identifier: BSD-3-Clause
// WSPAccept, with and without a condition function.
//
// The function judges a connection that is whole already: lwIP has answered the SYN. So CF_REJECT resets
// it, where Windows with SO_CONDITIONAL_ACCEPT would not have let it begin. While the function runs no
// lock is held, and the connection is nobody else's: it has left the listener's queue.
#include "spi_shim/call.h"
#include "spi_shim/catalog.h"
#include "spi_shim/listeners.h"
#include "spi_shim/probe.h"
#include "spi_shim/procedures.h"
#include "stack/sockaddr.h"

namespace millrace {
namespace {

SOCKET fail(INT error, LPINT lpErrno) noexcept {
  tell(lpErrno, error);
  return INVALID_SOCKET;
}

/// What an accept knows of its listener before it waits.
struct Listener {
  SOCKET inner = INVALID_SOCKET;
  std::vector<SOCKET> twins;
  DWORD catalog_entry = 0;
  EventSelection selection;  ///< connections inherit it (winsock-rules 157)
};

/// Blocks. @return nothing, and *lpErrno says why
std::optional<Accepted> take(SOCKET s, WS_sockaddr* addr, LPINT addrlen, Listener& listener,
                             LPINT lpErrno) noexcept {
  Accepted accepted;
  {
    const Call call(s, lpErrno);
    if (!call) return std::nullopt;
    const Socket& socket = call.socket();
    if (addr != nullptr && addrlen != nullptr) {
      const INT needed = socket.family() == 4 ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
      if (!can_write(addrlen) || *addrlen < needed ||
          !can_write(addr, static_cast<size_t>(needed))) {
        tell(lpErrno, WSAEFAULT);
        return std::nullopt;
      }
    }
    const auto twins = socket.twins();
    listener = {call.inner(), {twins.begin(), twins.end()},
                catalog_entry_of(socket).dwCatalogEntryId,
                socket.selection()};
    if (listener.twins.empty()) accepted = take_from(call.socket(), call.inner(), true);
  }
  if (!listener.twins.empty()) accepted = accept_from_any(listener.inner, listener.twins);
  if (accepted.error == WsaError::kOk) return accepted;
  tell(lpErrno, static_cast<INT>(accepted.error));
  return std::nullopt;
}

WSABUF id_of(const Endpoint& endpoint, WS_sockaddr_storage& storage) noexcept {
  INT length = sizeof storage;
  auto* const address = reinterpret_cast<WS_sockaddr*>(&storage);
  store_endpoint(endpoint, address, &length);
  return {static_cast<ULONG>(length), reinterpret_cast<CHAR*>(address)};
}

// TCP carries no data with a connection's beginning, and there is no quality of service: null. Data for
// the caller has no room either.
int ask(LPCONDITIONPROC condition, DWORD_PTR context, const Accepted& pending) noexcept {
  WS_sockaddr_storage caller{}, callee{};
  WSABUF caller_id = id_of(pending.peer, caller), callee_id = id_of(pending.local, callee);
  WSABUF callee_data{0, nullptr};
  return condition(&caller_id, nullptr, nullptr, nullptr, &callee_id, &callee_data, nullptr, context);
}

/// Does what the function decided. @errors kTryAgain: it is the first in the queue again; kConnRefused:
/// it was reset; kIntr: listener or provider have ended meanwhile
WsaError carry_out(int verdict, const Accepted& pending) noexcept {
  Stack* const stack = stack_of(pending.inner);
  if (stack == nullptr) return WsaError::kIntr;
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(pending.inner);
  Socket* const listener = stack->find(pending.listener);
  if (socket == nullptr || listener == nullptr) verdict = CF_REJECT;
  if (verdict == CF_DEFER) {
    listener->give_back(*socket, true);
    stack->erase(pending.inner);
    return WsaError::kTryAgain;
  }
  if (verdict == CF_ACCEPT) return WsaError::kOk;
  if (socket != nullptr) socket->reset();
  stack->erase(pending.inner);
  return listener == nullptr ? WsaError::kIntr : WsaError::kConnRefused;
}

// Every accept does, but for one that answers WSATRY_AGAIN (winsock-rules 146).
void allow_accepts(const Listener& listener) noexcept {
  if ((listener.selection.mask & FD_ACCEPT) == 0) return;
  std::vector<SOCKET> all = listener.twins;
  all.push_back(listener.inner);
  for (const SOCKET one : all) {
    Stack* const stack = stack_of(one);
    if (stack == nullptr) return;
    const Stack::Guard guard(*stack);
    Socket* const socket = stack->find(one);
    if (socket != nullptr) socket->allow_events(FD_ACCEPT);
  }
}

// The message's wParam is the connection's own descriptor, so this comes after that was made.
void inherit_selection(SOCKET s, SOCKET inner, EventSelection selection) noexcept {
  Stack* const stack = stack_of(inner);
  if (stack == nullptr || selection.mask == 0) return;
  const Stack::Guard guard(*stack);
  Socket* const socket = stack->find(inner);
  if (socket == nullptr) return;
  selection.name = s;
  socket->select_events(selection);
}

SOCKET WSPAPI wsp_accept(SOCKET s, WS_sockaddr* addr, LPINT addrlen, LPCONDITIONPROC lpfnCondition,
                         DWORD_PTR dwCallbackData, LPINT lpErrno) noexcept {
  const Inside inside;
  Listener listener;
  const auto accepted = take(s, addr, addrlen, listener, lpErrno);
  WsaError error = WsaError::kOk;
  if (accepted && lpfnCondition != nullptr) {
    error = carry_out(ask(lpfnCondition, dwCallbackData, *accepted), *accepted);
  }
  if (error != WsaError::kTryAgain) allow_accepts(listener);
  if (!accepted) return INVALID_SOCKET;
  if (error != WsaError::kOk) return fail(static_cast<INT>(error), lpErrno);
  if (addr != nullptr && addrlen != nullptr) store_endpoint(accepted->peer, addr, addrlen);
  const SOCKET made = publish_or_close(accepted->inner, listener.catalog_entry, lpErrno);
  if (made != INVALID_SOCKET) inherit_selection(made, accepted->inner, listener.selection);
  return made;
}

}  // namespace

void add_accept_procedure(WSPPROC_TABLE& table) noexcept { table.lpWSPAccept = wsp_accept; }

}  // namespace millrace
