// SPDX-License-Identifier: BSD-3-Clause
#include "stack/inbox.h"

#include <rte_memcpy.h>

#include <algorithm>
#include <utility>

#include "lwip/pbuf.h"
#include "stack/lwip/port.h"
#include "stack/stack.h"
#include "stack/take.h"

namespace millrace {
namespace {

uint32_t length_of(const pbuf* chain) {
  uint32_t sum = 0;
  for (; chain != nullptr; chain = chain->next) sum += chain->len;
  return sum;
}

/// A sampled parcel carries its time in a field that is for transmitting only (DPDK rte_mbuf_core.h),
/// and what a socket has received is not sent on. @return the marks with kStamped
[[gnu::cold, gnu::noinline]] uint8_t stamp(pbuf* parcel, uint8_t marks, uint64_t delivered_ns) {
  mbuf_of(parcel)->tx_offload = delivered_ns;
  return marks | Inbox::kStamped;
}

pbuf* drop_head(pbuf* head) {
  pbuf* const rest = cut_head(head);
  pbuf_free(head);
  return rest;
}

}  // namespace

uint32_t scatter(pbuf*& from, BufferCursor& to) noexcept {
  uint32_t copied = 0;
  while (from != nullptr) {
    if (from->len == 0) {
      from = drop_head(from);
      continue;
    }
    if (to.at_end()) break;
    const uint32_t n = std::min<uint32_t>(from->len, to.contiguous());
    rte_memcpy(to.data(), from->payload, n);
    to.advance(n);
    from->payload = static_cast<char*>(from->payload) + n;
    from->len = static_cast<uint16_t>(from->len - n);
    copied += n;
  }
  return copied;
}

uint32_t scatter_peek(const pbuf* from, BufferCursor& to) noexcept {
  uint32_t copied = 0;
  for (; from != nullptr; from = from->next) {
    uint32_t offset = 0;
    while (offset < from->len && !to.at_end()) {
      const uint32_t n = std::min(from->len - offset, to.contiguous());
      rte_memcpy(to.data(), static_cast<const char*>(from->payload) + offset, n);
      to.advance(n);
      offset += n;
      copied += n;
    }
  }
  return copied;
}

void Inbox::push(pbuf* parcel, uint8_t marks, uint64_t delivered_ns) noexcept {
  if (delivered_ns != 0) [[unlikely]] marks = stamp(parcel, marks, delivered_ns);
  parcel_of(parcel).next = nullptr;
  parcel_of(parcel).marks = marks;
  if (tail_ == nullptr) {
    head_ = parcel;
  } else {
    parcel_of(tail_).next = parcel;
  }
  tail_ = parcel;
  bytes_ += length_of(parcel);
  ++parcels_;
}

bool Inbox::merge(pbuf* parcel) noexcept {
  if (tail_ == nullptr || tail_->next != nullptr) return false;
  if ((parcel_of(tail_).marks & ~kStamped) != 0) return false;
  const rte_mbuf& mbuf = *mbuf_of(tail_);
  if (rte_mbuf_refcnt_read(&mbuf) != 1 || !RTE_MBUF_DIRECT(&mbuf)) return false;
  char* const end = static_cast<char*>(tail_->payload) + tail_->len;
  const uint16_t n = parcel->tot_len;
  if (static_cast<char*>(mbuf.buf_addr) + mbuf.buf_len - end < n) return false;
  pbuf_copy_partial(parcel, end, n, 0);
  pbuf_free(parcel);
  tail_->len = static_cast<uint16_t>(tail_->len + n);
  tail_->tot_len = tail_->len;
  bytes_ += n;
  return true;
}

bool Inbox::ends_well_filled() const noexcept {
  constexpr uint16_t kMuch = 1024;
  return tail_ != nullptr && tail_->tot_len >= kMuch;
}

void Inbox::mark_last(uint8_t marks) noexcept {
  Parcel& last = parcel_of(tail_);
  last.marks = static_cast<uint8_t>(last.marks | marks);
}

bool Inbox::begin_sampled(pbuf* parcel, bool has_room) noexcept {
  if (!has_room) return false;
  Parcel& stamped = parcel_of(parcel);
  stamped.marks = static_cast<uint8_t>(stamped.marks & ~kStamped);  // the rest has waited enough
  engine.stack->stages.begin_copy(mbuf_of(parcel)->tx_offload);
  return true;
}

void Inbox::end_sampled() noexcept { engine.stack->stages.end_copy(); }

uint32_t Inbox::lend(LoanCursor& to) noexcept {
  return consume(to, [&](pbuf*& parcel) { return millrace::lend(parcel, to); });
}

uint32_t Inbox::peek(BufferCursor& to) const noexcept {
  uint32_t total = 0;
  for (pbuf* p = head_; p != nullptr && !to.at_end(); p = parcel_of(p).next) {
    total += scatter_peek(p, to);
    if ((parcel_of(p).marks & kEnds) != 0) break;
  }
  return total;
}

uint32_t Inbox::mbufs_of_first_message() const noexcept {
  uint32_t n = 0;
  for (pbuf* p = head_; p != nullptr; p = parcel_of(p).next) {
    n += pbuf_clen(p);
    if ((parcel_of(p).marks & kEnds) != 0) break;
  }
  return n;
}

Inbox::Message Inbox::first_message() const noexcept {
  Message message{0, false};
  for (pbuf* p = head_; p != nullptr && !message.is_whole; p = parcel_of(p).next) {
    message.bytes += length_of(p);
    message.is_whole = (parcel_of(p).marks & kEnds) != 0;
  }
  return message;
}

bool Inbox::has_whole_message() const noexcept {
  pbuf* p = head_;
  while (p != nullptr && (parcel_of(p).marks & kEnds) == 0) p = parcel_of(p).next;
  return p != nullptr;
}

void Inbox::drop_message() noexcept {
  bool is_over = false;
  while (head_ != nullptr && !is_over) {
    is_over = (parcel_of(head_).marks & kEnds) != 0;
    pbuf_free(pop());
  }
}

bool Inbox::has_urgent_ahead() const noexcept {
  pbuf* p = head_ == nullptr ? nullptr : parcel_of(head_).next;
  while (p != nullptr && (parcel_of(p).marks & kUrgent) == 0) p = parcel_of(p).next;
  return p != nullptr;
}

pbuf* Inbox::pop() noexcept {
  pbuf* const parcel = head_;
  head_ = parcel_of(parcel).next;
  if (head_ == nullptr) tail_ = nullptr;
  bytes_ -= length_of(parcel);
  --parcels_;
  return parcel;
}

void Inbox::clear() noexcept {
  while (head_ != nullptr) pbuf_free(pop());
}

}  // namespace millrace
