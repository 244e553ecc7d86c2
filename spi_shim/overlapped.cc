// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/overlapped.h"

#include "spi_shim/threads.h"
#include "spi_shim/upcalls.h"

namespace millrace {
namespace {

constexpr ULONG_PTR kSuppressPort = 1;  // low bit of hEvent: no packet, the event as usual

HANDLE event_of(const WSAOVERLAPPED& overlapped) noexcept {
  return reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(overlapped.hEvent) & ~kSuppressPort);
}

}  // namespace

Overlapped told_overlapped(const OverlappedArguments& arguments,
                           const std::optional<WSATHREADID>& thread) noexcept {
  Overlapped tell;
  tell.overlapped = arguments.overlapped;
  tell.routine = arguments.routine;
  tell.owner = this_thread();
  if (!arguments.is_there) return tell;
  if (arguments.routine != nullptr) {
    tell.thread = thread.value_or(WSATHREADID{});
  } else {
    tell.event = event_of(*arguments.overlapped);
    tell.has_packet = tell.event == arguments.overlapped->hEvent;  // winsock-rules 51
  }
  return tell;
}

std::optional<WSATHREADID> thread_for_routine(const OverlappedArguments& arguments) noexcept {
  if (!arguments.is_there) return std::nullopt;
  WSATHREADID thread{};
  if (arguments.thread != nullptr) {
    if (!can_read(arguments.thread)) return std::nullopt;
    thread = *arguments.thread;
    return !are_own(upcalls()) || is_thread(thread) ? std::optional(thread) : std::nullopt;
  }
  const bool is_own = are_own(upcalls()) && open_this_thread(thread);
  return is_own ? std::optional(thread) : std::nullopt;
}

WsaError refusal(const Socket& socket, const OverlappedArguments& arguments, const Overlapped& tell,
                 const std::optional<WSATHREADID>& thread) noexcept {
  if (tell.overlapped == nullptr) return WsaError::kOk;
  if (!arguments.is_there) return WsaError::kFault;
  if (arguments.routine == nullptr) return WsaError::kOk;
  if (socket.port_link.target.port != nullptr) return WsaError::kInval;
  return thread.has_value() ? WsaError::kOk : WsaError::kFault;
}

void reset_event(const OverlappedArguments& arguments) noexcept {
  if (arguments.overlapped == nullptr || !arguments.is_there || arguments.routine != nullptr)
    return;
  if (arguments.overlapped->hEvent == nullptr) return;
  INT ignored;
  upcalls().lpWPUResetEvent(event_of(*arguments.overlapped), &ignored);
}

bool can_wait_for(const WSAOVERLAPPED& overlapped) noexcept {
  const HANDLE event = event_of(overlapped);
  return event == nullptr || !are_own(upcalls()) || event_state(event) >= 0;
}

}  // namespace millrace
