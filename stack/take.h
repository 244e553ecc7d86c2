// SPDX-License-Identifier: BSD-3-Clause
// Taking from an Inbox, for the transports' receives: in a header, so that each has it without a call.
#pragma once

#include "stack/delivery.h"
#include "stack/inbox.h"
#include "stack/lwip/port.h"

namespace millrace {

/// Hands parcel after parcel to take(pbuf*& chain), until it leaves something or used up a mark.
template <typename Cursor, typename Take>
[[gnu::always_inline]] inline uint32_t Inbox::consume(const Cursor& to, Take take) noexcept {
  uint32_t total = 0;
  bool is_sampled = false;
  while (head_ != nullptr) {
    pbuf* const next = parcel_of(head_).next;
    const bool ends = (parcel_of(head_).marks & kEnds) != 0;
    const bool was_last = head_ == tail_;
    if ((parcel_of(head_).marks & kStamped) != 0) [[unlikely]] {
      is_sampled |= begin_sampled(head_, !to.at_end());
    }
    total += take(head_);
    if (head_ != nullptr) {
      if (was_last) tail_ = head_;  // the head pbuf of the last parcel may have changed
      break;
    }
    --parcels_;
    head_ = next;
    if (head_ == nullptr) tail_ = nullptr;
    if (ends) break;
  }
  if (is_sampled) [[unlikely]] end_sampled();
  bytes_ -= total;
  return total;
}

[[gnu::always_inline]] inline uint32_t Inbox::read(BufferCursor& to) noexcept {
  return consume(to, [&](pbuf*& parcel) { return scatter(parcel, to); });
}

inline uint32_t take_bytes(Inbox& inbox, BufferCursor& to, uint32_t flags) {
  if ((flags & WS_MSG_PEEK) != 0) return inbox.peek(to);
  const bool takes_all = (flags & WS_MSG_WAITALL) != 0;
  uint32_t n = 0;
  do {
    n += inbox.read(to);
  } while (takes_all && !to.at_end() && !inbox.empty());
  return n;
}

inline Outcome take_message(Inbox& inbox, BufferCursor& to, uint32_t service_flags, bool is_peek) {
  const Inbox::Message message = inbox.first_message();
  const bool fits = message.is_whole && message.bytes <= to.remaining();
  const Excess excess = excess_of(service_flags);
  const bool takes_nothing = is_peek || (!fits && excess == Excess::kMessageRemains);
  const uint32_t n = takes_nothing ? inbox.peek(to) : inbox.read(to);
  if (fits) return {WsaError::kOk, n, 0};
  if (excess == Excess::kComesLater) return {WsaError::kOk, n, MSG_PARTIAL};
  if (!takes_nothing) inbox.drop_message();
  return {WsaError::kMsgSize, n, 0};
}

/// Answers a receive from an Inbox that has_enough(): at most up to the end of a message or the
/// next mark, but for MSG_WAITALL, which goes on until it is full or nothing is left.
///
/// @param[in,out] to     advanced by what was copied
/// @param         flags  of the call: MSG_PEEK, MSG_WAITALL
/// @errors kMsgSize with the bytes that were copied, see Excess
/// @source LPWSPRECV Remarks; contract B10
inline Outcome take_from(Inbox& inbox, BufferCursor& to, uint32_t service_flags, uint32_t flags) noexcept {
  if (!has_messages(service_flags)) return {WsaError::kOk, take_bytes(inbox, to, flags), 0};
  return take_message(inbox, to, service_flags, (flags & WS_MSG_PEEK) != 0);
}

}  // namespace millrace
