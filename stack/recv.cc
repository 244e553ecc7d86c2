// SPDX-License-Identifier: BSD-3-Clause
// The one decision about a receive: done at once, pending, or refused, and with which code.
//
//   refused?            -> the code, and nothing follows                      (contract: C4)
//   first in line, and something to take?
//                       -> filled now; an overlapped call completes as well   (contract: C2)
//   overlapped          -> queued: WSA_IO_PENDING                             (contract: C3)
//   nonblocking         -> one turn, and if that brought nothing WSAEWOULDBLOCK (contract: E10)
//   else                -> wait until this request, in its turn, is served    (contract: B6)
#include "stack/socket.h"

namespace millrace {

Outcome Socket::receive(const ReceiveCall& call) {
  if (const WsaError refusal = receive_refusal(call); refusal != WsaError::kOk) return {refusal};
  if (const WsaError refusal = loan_refusal(call); refusal != WsaError::kOk) return {refusal};
  const bool is_overlapped = call.tell.overlapped != nullptr;
  const bool must_not_wait = !is_overlapped && options.is_nonblocking;
  // Who spins on a nonblocking socket turns the Stack by it.
  if (must_not_wait && receives_.empty() && !can_take()) (void)stack_.turn();
  if (receives_.empty() && can_take()) {
    const Outcome outcome = answer(call);
    complete_now(call.tell, outcome);
    return outcome;
  }
  if (must_not_wait) return {WsaError::kWouldBlock};
  if ((call.flags & WS_MSG_PEEK) != 0) return peek_blocking(call);
  if (is_overlapped) return start(receives_, call.buffers, 0, call.from, call.tell, call.loans);
  Request request;
  request.cursor = BufferCursor(call.buffers);
  request.from = &call.from;
  if (call.loans == nullptr) return wait_for(receives_, request, options.receive_timeout_ms);
  request.loans = *call.loans;
  const Outcome outcome = wait_for(receives_, request, options.receive_timeout_ms);
  *call.loans = request.loans;
  return outcome;
}

Outcome Socket::answer(const ReceiveCall& call) noexcept {
  if (call.loans != nullptr) return take_loans(*call.loans, call.from);
  BufferCursor to(call.buffers);
  return take(to, call.flags, call.from);
}

// Who holds too much hears of it even where nothing waits: with the window shut by what is held, a
// call that waited would wait for itself (contract: Z4). The end of a stream needs no memory.
WsaError Socket::loan_refusal(const ReceiveCall& call) noexcept {
  if (call.loans == nullptr) return WsaError::kOk;
  if ((call.flags & WS_MSG_PEEK) != 0) return WsaError::kOpNotSupp;
  if (loan_room() != 0 && !(inbox_.empty() && is_shut_by_loans())) return WsaError::kOk;
  if (inbox_.empty() && can_take()) return WsaError::kOk;
  ++stack_.counters.loans_refused;
  return WsaError::kNoBufs;
}

// A peek takes nothing, so it has no place in the line of requests: it waits for something to see.
Outcome Socket::peek_blocking(const ReceiveCall& call) {
  const WsaError error = block_until(deadline_after(options.receive_timeout_ms),
                                     [&] { return receives_.empty() && can_take(); });
  if (error != WsaError::kOk) return {error};
  BufferCursor to(call.buffers);
  return take(to, call.flags, call.from);
}

}  // namespace millrace
