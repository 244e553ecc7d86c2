// SPDX-License-Identifier: BSD-3-Clause
#include "stack/delivery.h"

namespace millrace {
namespace {

uint32_t take_bytes(Inbox& inbox, BufferCursor& to, uint32_t flags) {
  if ((flags & WS_MSG_PEEK) != 0) return inbox.peek(to);
  uint32_t n = inbox.read(to);
  if ((flags & WS_MSG_WAITALL) != 0) {
    while (!to.at_end() && !inbox.empty()) n += inbox.read(to);
  }
  return n;
}

Outcome take_message(Inbox& inbox, BufferCursor& to, uint32_t service_flags, bool is_peek) {
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

}  // namespace

Outcome take_from(Inbox& inbox, BufferCursor& to, uint32_t service_flags, uint32_t flags) noexcept {
  if (!has_messages(service_flags)) return {WsaError::kOk, take_bytes(inbox, to, flags), 0};
  return take_message(inbox, to, service_flags, (flags & WS_MSG_PEEK) != 0);
}

}  // namespace millrace
