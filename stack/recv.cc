// SPDX-License-Identifier: BSD-3-Clause
// The one decision about a receive: done at once, pending, or refused, and with which code.
//
//   refused?            -> the code, and nothing follows                      (contract: C4)
//   first in line, and something to take?
//                       -> filled now; an overlapped call completes as well   (contract: C2)
//   overlapped          -> queued: WSA_IO_PENDING                             (contract: C3)
//   nonblocking         -> one turn, and if that brought nothing WSAEWOULDBLOCK (contract: E10)
//   else                -> one turn, then wait until this request, in its turn, is served (contract: B6)
//
// Receives with MSG_OOB have a line of their own. One with MSG_WAITALL that was filled in part takes
// the last two ways with the rest.
#include "stack/socket.h"

namespace millrace {

Outcome Socket::receive(const ReceiveCall& call) {
  const Receiving again(*this);
  if (const WsaError refusal = receive_refusal(call); refusal != WsaError::kOk) return {refusal};
  if (call.loans != nullptr) {
    if (const WsaError refusal = loan_refusal(call); refusal != WsaError::kOk) return {refusal};
  }
  RequestQueue& line = (call.flags & WS_MSG_OOB) != 0 ? urgent_receives_ : receives_;
  const bool is_overlapped = call.tell.overlapped != nullptr;
  const bool must_not_wait = !is_overlapped && options.is_nonblocking;
  BufferCursor to(call.buffers);
  uint32_t done_bytes = 0;
  bool is_there = line.empty() && can_take(call.flags);
  // Who spins on a nonblocking socket turns the Stack by it, and what the next burst brings needs no wait.
  if (!is_there && !is_overlapped && line.empty()) {
    (void)stack_.spin();
    is_there = can_take(call.flags);
  }
  if (is_there) {
    const Outcome outcome = answer(call, to);
    // With room left everything was taken, and only an end could still be had.
    const bool wants_more =
        (call.flags & WS_MSG_WAITALL) != 0 && !to.at_end() && !can_take(call.flags);
    if (!wants_more) {
      complete_now(call.tell, outcome);
      return outcome;
    }
    done_bytes = outcome.bytes;
  }
  if (must_not_wait) return {WsaError::kWouldBlock};
  if (!inbox_.empty()) stack_.mark_dirty(*this);  // part of a message may do for a request that waits (contract: B10 a)
  if ((call.flags & WS_MSG_PEEK) != 0) return peek_blocking(line, call);
  if (is_overlapped) {
    return start(line, call.tell,
                 {call.buffers, call.flags, done_bytes, call.from, call.loans});
  }
  Request request;
  request.flags = call.flags;
  request.bytes = done_bytes;
  request.cursor = to;
  request.from = &call.from;
  if (call.loans == nullptr) return wait_for(line, request, options.receive_timeout_ms);
  request.loans = *call.loans;
  const Outcome outcome = wait_for(line, request, options.receive_timeout_ms);
  *call.loans = request.loans;
  return outcome;
}

Outcome Socket::answer(const ReceiveCall& call, BufferCursor& to) noexcept {
  if (call.loans != nullptr) return take_loans(*call.loans, call.from);
  return take(to, call.flags, call.from);
}

// contract: B13
WsaError Socket::flags_refusal(const ReceiveCall& call, uint32_t known) const noexcept {
  constexpr uint32_t kNotWithWaitAll = WS_MSG_OOB | WS_MSG_PEEK | MSG_PARTIAL;
  const bool is_peek = (call.flags & WS_MSG_PEEK) != 0;
  const bool waits_for_all = (call.flags & WS_MSG_WAITALL) != 0;
  const bool is_refused =
      (call.flags & ~known) != 0 || (is_peek && call.tell.overlapped != nullptr) ||
      (waits_for_all && (options.is_nonblocking || (call.flags & kNotWithWaitAll) != 0));
  return is_refused ? WsaError::kOpNotSupp : WsaError::kOk;
}

// Who holds too much hears of it even where nothing waits: with the window shut by what is held, a
// call that waited would wait for itself (contract: Z4). The end of a stream needs no memory.
WsaError Socket::loan_refusal(const ReceiveCall& call) noexcept {
  constexpr uint32_t kCopying = WS_MSG_PEEK | WS_MSG_OOB | WS_MSG_WAITALL;
  if ((call.flags & kCopying) != 0) return WsaError::kOpNotSupp;
  if (loan_room() != 0 && !(inbox_.empty() && is_shut_by_loans())) return WsaError::kOk;
  if (inbox_.empty() && can_take(call.flags)) return WsaError::kOk;
  ++stack_.counters.loans_refused;
  return WsaError::kNoBufs;
}

// A peek takes nothing, so it has no place in the line of requests: it waits for something to see.
Outcome Socket::peek_blocking(RequestQueue& line, const ReceiveCall& call) {
  const WsaError error = block_until(deadline_after(options.receive_timeout_ms),
                                     [&] { return line.empty() && can_take(call.flags); });
  if (error != WsaError::kOk) return {error};
  BufferCursor to(call.buffers);
  return take(to, call.flags, call.from);
}

}  // namespace millrace
