// SPDX-License-Identifier: BSD-3-Clause
// Completion queues: their requests, their room, and the functions over them. RIONotify is
// rio_notify.cc.
#include <bit>
#include <mutex>
#include <utility>

#include "spi_shim/last_error.h"
#include "spi_shim/probe.h"
#include "spi_shim/rio.h"
#include "spi_shim/rio_handles.h"
#include "spi_shim/startup.h"

namespace millrace {

CompletionQueue::CompletionQueue(uint32_t size, const Notification* notification) noexcept
    : size_(size),
      has_notification_(notification != nullptr),
      notification_(notification == nullptr ? Notification{} : *notification) {}

bool CompletionQueue::reserve(uint32_t n) noexcept {
  const std::lock_guard guard(lock_);
  if (n > size_ - reserved_) return false;
  reserved_ += n;
  return true;
}

void CompletionQueue::release(uint32_t n) noexcept {
  const std::lock_guard guard(lock_);
  reserved_ -= n;
}

WsaError CompletionQueue::resize(uint32_t size) noexcept {
  const std::lock_guard guard(lock_);
  if (size < reserved_) return WsaError::kTooManyRefs;
  size_ = size;
  return WsaError::kOk;
}

void CompletionQueue::push(RioRequest& request, Stack* stack) noexcept {
  std::unique_ptr<RequestSlab> last;  // goes when the lock is left
  Notification how;
  {
    const std::lock_guard guard(lock_);
    if (is_closed()) {
      last.reset(send_home(request));
      return;
    }
    request.next = nullptr;
    *tail_ = &request;
    tail_ = &request.next;
    n_.store(n_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if ((request.flags & RIO_MSG_DONT_NOTIFY) != 0) return;
    ++n_worth_telling_;
    if (!std::exchange(is_armed_, false)) return;
    // The program may take the request, and close the queue, before it is told.
    how = notification_;
    if (stack != nullptr && n_telling_++ == 0) kept_ = shared_from_this();
  }
  if (stack == nullptr) {
    tell(how);
    return;
  }
  Completion news;
  news.tell.finisher = &teller_;
  stack->post(news);
}

uint32_t CompletionQueue::pop(std::span<RIORESULT> to) noexcept {
  if (n_.load(std::memory_order_relaxed) == 0) return 0;  // what comes just now comes later
  uint32_t n = 0;
  for (bool goes_on = true; goes_on;) {
    std::unique_ptr<RequestSlab> last;
    const std::lock_guard guard(lock_);
    while (last == nullptr && n < to.size() && head_ != nullptr) {
      RioRequest& request = *head_;
      head_ = request.next;
      if (head_ == nullptr) tail_ = &head_;
      n_.store(n_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
      n_worth_telling_ -= (request.flags & RIO_MSG_DONT_NOTIFY) == 0;
      to[n++] = request.result;
      last.reset(send_home(request));
    }
    goes_on = last != nullptr;
  }
  return n;
}

void CompletionQueue::close() noexcept {
  for (bool goes_on = true; goes_on;) {
    std::unique_ptr<RequestSlab> last;
    const std::lock_guard guard(lock_);
    is_closed_.store(true, std::memory_order_relaxed);
    is_armed_ = false;
    while (last == nullptr && head_ != nullptr) {
      last.reset(send_home(*std::exchange(head_, head_->next)));
    }
    goes_on = last != nullptr;
    if (head_ == nullptr) tail_ = &head_;
    n_ = n_worth_telling_ = 0;
  }
}

/// With the lock. @return its slab, if that was the last block that it waited for; the caller's to
/// delete
RequestSlab* CompletionQueue::send_home(RioRequest& request) noexcept {
  RequestSlab& slab = request.slab;
  if (slab.is_abandoned_) {
    --reserved_;
    return --slab.n_awaited_ == 0 ? &slab : nullptr;
  }
  request.next = slab.returned_;
  slab.returned_ = &request;
  ++slab.n_returned_;
  return nullptr;
}

// Fed by one Stack: that one; else whichever this thread turns, and those that nobody turns.
void CompletionQueue::turn() noexcept {
  const auto stacks = running_stacks();
  const uint32_t feeding = stacks_.load(std::memory_order_relaxed);
  const auto first = static_cast<size_t>(std::countr_zero(feeding));
  Stack* const stack =
      std::has_single_bit(feeding) && first < stacks.size() ? stacks[first] : home_stack();
  if (stack == nullptr) return;
  const Stack::Guard guard(*stack);
  (void)stack->spin();
}

namespace {

using CompletionQueues = RioHandles<std::shared_ptr<CompletionQueue>, 2>;

CompletionQueues& completion_queues() {
  static CompletionQueues& all = *new CompletionQueues;  // never destroyed, as the buffers
  return all;
}

RIO_CQ refuse(WsaError error) noexcept {
  fail_with(static_cast<DWORD>(error));
  return RIO_INVALID_CQ;
}

/// @errors kFault: not in memory; kInval: of no type, or without what the type needs
WsaError check(const Notification* notification) noexcept {
  if (notification == nullptr) return WsaError::kOk;
  if (!can_read(notification)) return WsaError::kFault;
  const bool is_event =
      notification->Type == RIO_EVENT_COMPLETION && notification->Event.EventHandle != nullptr;
  const bool is_port = notification->Type == RIO_IOCP_COMPLETION &&
                       notification->Iocp.IocpHandle != nullptr &&
                       notification->Iocp.Overlapped != nullptr;
  return is_event || is_port ? WsaError::kOk : WsaError::kInval;
}

}  // namespace

CompletionQueue* find_completion_queue(RIO_CQ handle) noexcept {
  const auto* const queue = completion_queues().find(reinterpret_cast<uint64_t>(handle));
  return queue == nullptr ? nullptr : queue->get();
}

std::shared_ptr<CompletionQueue> share_completion_queue(RIO_CQ handle) noexcept {
  const auto* const queue = completion_queues().find(reinterpret_cast<uint64_t>(handle));
  return queue == nullptr ? nullptr : *queue;
}

RIO_CQ PASCAL rio_create_completion_queue(
    DWORD QueueSize, PRIO_NOTIFICATION_COMPLETION NotificationCompletion) noexcept {
  if (!is_running()) return refuse(WsaError::kNotInitialised);
  if (QueueSize < 1 || QueueSize > RIO_MAX_CQ_SIZE) return refuse(WsaError::kInval);
  const WsaError error = check(NotificationCompletion);
  if (error != WsaError::kOk) return refuse(error);
  const uint64_t handle = completion_queues().insert(
      std::make_shared<CompletionQueue>(QueueSize, NotificationCompletion));
  return handle == 0 ? refuse(WsaError::kNoBufs) : reinterpret_cast<RIO_CQ>(handle);
}

VOID PASCAL rio_close_completion_queue(RIO_CQ CQ) noexcept {
  const auto queue = completion_queues().remove(reinterpret_cast<uint64_t>(CQ));
  if (queue != nullptr) queue->close();
}

BOOL PASCAL rio_resize_completion_queue(RIO_CQ CQ, DWORD QueueSize) noexcept {
  CompletionQueue* const queue = find_completion_queue(CQ);
  if (queue == nullptr || QueueSize < 1 || QueueSize > RIO_MAX_CQ_SIZE) return fail_with(WSAEINVAL);
  const WsaError error = queue->resize(QueueSize);
  return error == WsaError::kOk ? TRUE : fail_with(static_cast<DWORD>(error));
}

// Who polls turns: a program that does nothing else needs no other thread.
ULONG PASCAL rio_dequeue_completion(RIO_CQ CQ, PRIORESULT Array, ULONG ArraySize) noexcept {
  const auto corrupt = [](DWORD error) {
    fail_with(error);
    return ULONG{RIO_CORRUPT_CQ};
  };
  INT error = 0;
  if (stacks_for_call(&error).empty()) return corrupt(static_cast<DWORD>(error));
  CompletionQueue* const queue = find_completion_queue(CQ);
  if (queue == nullptr) return corrupt(WSAEINVAL);
  if (!can_write_objects(Array, ArraySize)) return corrupt(WSAEFAULT);
  const std::span results(Array, ArraySize);
  const uint32_t n = queue->pop(results);
  if (n != 0 || ArraySize == 0) return n;
  queue->turn();
  return queue->pop(results);
}

void forget_completion_queues() noexcept {
  for (const auto& queue : completion_queues().remove_all()) queue->close();
}

}  // namespace millrace
