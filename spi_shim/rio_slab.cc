// SPDX-License-Identifier: BSD-3-Clause
// The blocks of a request queue: who may have one, how they come home, and how the last one takes
// its slab along.
#include <mutex>
#include <new>
#include <utility>

#include "spi_shim/rio.h"

namespace millrace {

WsaError RequestSlab::resize(uint32_t limit) noexcept {
  collect();
  if (limit < n_outstanding()) return WsaError::kTooManyRefs;
  if (limit <= limit_) {
    completions_->release(limit_ - limit);
    limit_ = limit;
    return WsaError::kOk;
  }
  // Memory for all of them at once; what was left of the last piece is forgotten.
  const uint32_t n_needed = limit > n_made_ ? limit - n_made_ : 0;
  std::unique_ptr<Storage[]> chunk;
  if (n_needed > n_left_in_chunk_) {
    chunk.reset(new (std::nothrow) Storage[n_needed]);
    if (chunk == nullptr) return WsaError::kNoBufs;
  }
  if (!completions_->reserve(limit - limit_)) return WsaError::kNoBufs;
  if (chunk != nullptr) {
    chunks_.push_back(std::move(chunk));
    n_left_in_chunk_ = n_needed;
  }
  limit_ = limit;
  return WsaError::kOk;
}

RioRequest* RequestSlab::take() noexcept {
  if (n_outstanding() >= limit_ || free_ == nullptr) collect();
  if (n_outstanding() >= limit_) return nullptr;
  if (free_ == nullptr) make();
  --n_free_;
  return std::exchange(free_, free_->next);
}

void RequestSlab::put_back(RioRequest& request) noexcept {
  request.next = std::exchange(free_, &request);
  ++n_free_;
}

void RequestSlab::make() noexcept {
  Storage& place = chunks_.back()[--n_left_in_chunk_];
  ++n_made_;
  put_back(*new (place.bytes) RioRequest(*this));
}

/// What has come home since the last time.
void RequestSlab::collect() noexcept {
  RioRequest* returned;
  {
    const std::lock_guard guard(completions_->lock_);
    returned = std::exchange(returned_, nullptr);
    n_returned_ = 0;
  }
  while (returned != nullptr) put_back(*std::exchange(returned, returned->next));
}

void RequestSlab::defer(RioRequest& request) noexcept {
  request.next = deferred_.load(std::memory_order_relaxed);
  while (!deferred_.compare_exchange_weak(request.next, &request, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
}

RioRequest* RequestSlab::take_deferred() noexcept {
  if (deferred_.load(std::memory_order_relaxed) == nullptr) return nullptr;
  RioRequest* last = deferred_.exchange(nullptr, std::memory_order_acquire);
  RioRequest* first = nullptr;
  while (last != nullptr) {
    RioRequest* const before = std::exchange(last->next, first);
    first = std::exchange(last, before);
  }
  return first;
}

void RequestSlab::abandon(std::unique_ptr<RequestSlab> slab) noexcept {
  for (RioRequest* request = slab->take_deferred(); request != nullptr;) {
    RioRequest& aborted = *std::exchange(request, request->next);
    aborted.result.Status = WSA_OPERATION_ABORTED;
    slab->completions().push(aborted, nullptr);
  }
  slab->collect();
  const std::lock_guard guard(slab->completions_->lock_);
  slab->is_abandoned_ = true;
  slab->n_awaited_ = slab->n_outstanding() - slab->n_returned_;
  slab->completions_->reserved_ -= slab->limit_ - slab->n_awaited_;
  if (slab->n_awaited_ != 0) (void)slab.release();  // it goes with the last of them
}

}  // namespace millrace
