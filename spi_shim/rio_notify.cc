// SPDX-License-Identifier: BSD-3-Clause
// RIONotify: a completion queue tells once that it is not empty, by its event or by a packet.
#include <mutex>

#include "spi_shim/ports.h"
#include "spi_shim/rio.h"
#include "spi_shim/startup.h"

namespace millrace {

WsaError CompletionQueue::notify() noexcept {
  {
    const std::lock_guard guard(lock_);
    if (!has_notification_ || is_closed()) return WsaError::kInval;
    if (is_armed_) return WsaError::kAlready;
  }
  // Before it is armed, so that no signal is undone; without the lock, since the event is the
  // application's.
  if (notification_.Type == RIO_EVENT_COMPLETION && notification_.Event.NotifyReset != FALSE) {
    INT ignored = 0;
    (void)upcalls().lpWPUResetEvent(notification_.Event.EventHandle, &ignored);
  }
  {
    const std::lock_guard guard(lock_);
    is_armed_ = n_worth_telling_ == 0;
    if (is_armed_) return WsaError::kOk;
  }
  tell(notification_);
  return WsaError::kOk;
}

bool CompletionQueue::on_tell(Finisher& self, Completion&) noexcept {
  CompletionQueue& queue = static_cast<Teller&>(self).queue;
  std::shared_ptr<CompletionQueue> last;  // goes when the lock is left
  const Notification how = queue.notification_;
  {
    const std::lock_guard guard(queue.lock_);
    if (--queue.n_telling_ == 0) last.swap(queue.kept_);
    if (queue.is_closed()) return true;
  }
  tell(how);
  return true;
}

// What ends with the provider tells nobody, as events and ports are not told either (winsock-rules
// 6).
void tell(const Notification& how) noexcept {
  if (!is_running()) return;
  if (how.Type == RIO_EVENT_COMPLETION) {
    INT ignored = 0;
    (void)upcalls().lpWPUSetEvent(how.Event.EventHandle, &ignored);
    return;
  }
  (void)port_post(how.Iocp.IocpHandle, {reinterpret_cast<ULONG_PTR>(how.Iocp.CompletionKey),
                                        static_cast<LPOVERLAPPED>(how.Iocp.Overlapped), 0, 0});
}

INT PASCAL rio_notify(RIO_CQ CQ) noexcept {
  CompletionQueue* const queue = find_completion_queue(CQ);
  return static_cast<INT>(queue == nullptr ? WsaError::kInval : queue->notify());
}

}  // namespace millrace
