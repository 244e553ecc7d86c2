// SPDX-License-Identifier: BSD-3-Clause
// WSPEventSelect, WSPEnumNetworkEvents, WSPAsyncSelect. What is recorded and when: stack/network_events.h.
//
// A listener with twins (listeners.h) is selected with all of them, and what any of them has recorded is
// the listener's.
#include <algorithm>
#include <bit>

#include "spi_shim/call.h"
#include "spi_shim/listeners.h"
#include "spi_shim/procedures.h"
#include "spi_shim/upcalls.h"

namespace millrace {
namespace {

/// Calls visit(socket) with the lock of each socket's Stack. Without any.
template <typename Visitor>
void for_each(const std::vector<SOCKET>& inner_handles, Visitor visit) noexcept {
  for (const SOCKET inner : inner_handles) {
    Stack* const stack = stack_of(inner);
    if (stack == nullptr) return;
    const Stack::Guard guard(*stack);
    Socket* const socket = stack->find(inner);
    if (socket == nullptr) continue;
    socket->ref();
    visit(*socket);
    socket->unref();
  }
}

bool is_event(HANDLE event) noexcept {
  if (event == nullptr) return false;
  return !are_own(upcalls()) || event_state(event) >= 0;
}

int select(SOCKET s, const EventSelection& wanted, WsaError refusal, LPINT lpErrno) noexcept {
  const Inside inside;
  std::vector<SOCKET> twins;
  {
    const Call call(s, lpErrno);
    if (!call) return SOCKET_ERROR;
    if (refusal != WsaError::kOk) return call.fail(refusal);
    call.socket().select_events(wanted);
    const auto now = call.socket().twins();
    twins.assign(now.begin(), now.end());
  }
  for_each(twins, [&](Socket& twin) { twin.select_events(wanted); });
  return 0;
}

// Bits beyond Windows' ten mean nothing, as there.
int WSPAPI wsp_event_select(SOCKET s, WSAEVENT hEventObject, LONG lNetworkEvents,
                            LPINT lpErrno) noexcept {
  EventSelection wanted;
  wanted.mask = static_cast<uint32_t>(lNetworkEvents) & FD_ALL_EVENTS;
  wanted.event = hEventObject;
  wanted.name = s;
  const bool is_bad = lNetworkEvents != 0 && !is_event(hEventObject);  // winsock-rules 159
  return select(s, wanted, is_bad ? WsaError::kInval : WsaError::kOk, lpErrno);
}

// Windows' window is somebody else's here: without WPUPostMessage nobody can be told.
int WSPAPI wsp_async_select(SOCKET s, HWND hWnd, unsigned int wMsg, LONG lEvent,
                            LPINT lpErrno) noexcept {
  EventSelection wanted;
  wanted.mask = static_cast<uint32_t>(lEvent) & FD_ALL_EVENTS;
  wanted.posts_messages = true;
  wanted.window = hWnd;
  wanted.message = wMsg;
  wanted.name = s;
  const bool has_nobody = lEvent != 0 && upcalls().lpWPUPostMessage == nullptr;
  return select(s, wanted, has_nobody ? WsaError::kOpNotSupp : WsaError::kOk, lpErrno);
}

bool reset(WSAEVENT event) noexcept {
  INT ignored = 0;
  return event == nullptr || upcalls().lpWPUResetEvent(event, &ignored) != FALSE;
}

// To copy, clear and reset is one step for the caller (winsock-rules 155), though no upcall is made under
// a lock: what was recorded between the copy and the second reset signals once more.
int WSPAPI wsp_enum_network_events(SOCKET s, WSAEVENT hEventObject,
                                   LPWSANETWORKEVENTS lpNetworkEvents, LPINT lpErrno) noexcept {
  const Inside inside;
  std::vector<SOCKET> sockets;
  {
    const Call call(s, lpErrno);
    if (!call) return SOCKET_ERROR;
    if (!can_write(lpNetworkEvents)) return call.fail(WsaError::kFault);
    const auto twins = call.socket().twins();
    sockets.assign(twins.begin(), twins.end());
    sockets.push_back(call.inner());
  }
  if (!reset(hEventObject)) {
    tell(lpErrno, WSAEINVAL);
    return SOCKET_ERROR;
  }
  uint32_t happened = 0;
  for_each(sockets, [&](Socket& socket) {
    std::array<INT, FD_MAX_EVENTS> errors{};
    const uint32_t taken = socket.take_events(errors);
    happened |= taken;
    for (uint32_t left = taken; left != 0; left &= left - 1) {
      const auto bit = static_cast<size_t>(std::countr_zero(left));
      lpNetworkEvents->iErrorCode[bit] = errors[bit];
    }
  });
  lpNetworkEvents->lNetworkEvents = static_cast<LONG>(happened);
  if (hEventObject == nullptr) return 0;
  (void)reset(hEventObject);
  for_each(sockets, [](Socket& socket) { socket.repeat_signal(); });
  return 0;
}

}  // namespace

void add_event_procedures(WSPPROC_TABLE& table) noexcept {
  table.lpWSPEventSelect = wsp_event_select;
  table.lpWSPEnumNetworkEvents = wsp_enum_network_events;
  table.lpWSPAsyncSelect = wsp_async_select;
}

}  // namespace millrace
