// SPDX-License-Identifier: BSD-3-Clause
#include "stack/completion.h"

#include <atomic>

#include "stack/application.h"

namespace millrace {
namespace {

std::atomic_ref<ULONG_PTR> internal_of(const WSAOVERLAPPED& overlapped) {
  return std::atomic_ref(const_cast<WSAOVERLAPPED&>(overlapped).Internal);
}

constexpr uint32_t kStatusMask = 0xffffffff;

}  // namespace

uint32_t status_of(const Outcome& outcome) noexcept {
  if (outcome.error != WsaError::kOk) return ntstatus_of(outcome.error);
  const bool partial = (outcome.flags & MSG_PARTIAL) != 0;
  if ((outcome.flags & WS_MSG_OOB) != 0) {
    return partial ? kStatusReceivePartialExpedited : kStatusReceiveExpedited;
  }
  return partial ? kStatusReceivePartial : 0;
}

Outcome outcome_of(const WSAOVERLAPPED& overlapped) noexcept {
  const auto status = static_cast<uint32_t>(internal_of(overlapped).load() & kStatusMask);
  Outcome outcome{WsaError::kOk, static_cast<uint32_t>(overlapped.InternalHigh), 0};
  switch (status) {
    case 0:
      break;
    case kStatusReceivePartial:
      outcome.flags = MSG_PARTIAL;
      break;
    case kStatusReceiveExpedited:
      outcome.flags = WS_MSG_OOB;
      break;
    case kStatusReceivePartialExpedited:
      outcome.flags = MSG_PARTIAL | WS_MSG_OOB;
      break;
    default:
      outcome.error = wsa_error_of(status);
  }
  return outcome;
}

bool is_pending(const WSAOVERLAPPED& overlapped) noexcept {
  return internal_of(overlapped).load(std::memory_order_acquire) == WSS_OPERATION_IN_PROGRESS;
}

void mark_pending(WSAOVERLAPPED& overlapped) noexcept {
  internal_of(overlapped).store(WSS_OPERATION_IN_PROGRESS, std::memory_order_relaxed);
}

void Completion::show(const Application& application) noexcept {
  if (tell.finisher != nullptr && tell.finisher->call(*tell.finisher, *this)) return;
  if (tell.overlapped == nullptr) return;
  tell.overlapped->InternalHigh = outcome.bytes;
  internal_of(*tell.overlapped).store(status_of(outcome), std::memory_order_release);
  // From here on a caller without a routine may have freed the WSAOVERLAPPED.
  if (tell.routine != nullptr) {
    application.queue_routine(*this);
    return;
  }
  if (tell.event != nullptr) application.signal_event(tell.event);  // contract: B17
  if (packets.port != nullptr) application.queue_packet(*this);     // winsock-rules 63
}

}  // namespace millrace
