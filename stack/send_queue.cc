// SPDX-License-Identifier: BSD-3-Clause
// The ends of lwIP's send queues. tcp_output() walks pcb->unacked to append to it, and tcp_write()
// walks pcb->unsent, on each call: with a window of thousands of segments that is most of the work.
// Here either is shown a queue of one segment, the last, and the rest is put back in front of it.
//
// Invariant: both queues are in the order of their numbers, and a last segment is kept together
// with the number behind it. While a queue is not empty and still ends there, it is the same
// segment.
#include "lwip/priv/tcp_priv.h"
#include "stack/recovery.h"

namespace millrace {
namespace {

tcp_seg* last_of(tcp_seg* segment) noexcept {
  while (segment->next != nullptr) segment = segment->next;
  return segment;
}

}  // namespace

err_t Recovery::output(tcp_pcb& pcb) noexcept {
  Recovery* const self = of(pcb);
  tcp_seg* const first = pcb.unacked;
  if (pcb.unsent == nullptr || first == nullptr || first->next == nullptr || self == nullptr) {
    return tcp_output(&pcb);
  }
  Ends& ends = self->ends_;
  const bool is_known = ends.sent != nullptr && ends.sent_end == self->sent_end_;
  tcp_seg* const last = is_known ? ends.sent : last_of(first);
  if (TCP_SEQ_LT(begin_of(*pcb.unsent), end_of(*last))) return tcp_output(&pcb);  // it sorts it in
  pcb.unacked = last;
  const err_t error = tcp_output(&pcb);
  pcb.unacked = first;
  ends.sent = last_of(last);
  ends.sent_end = end_of(*ends.sent);
  return error;
}

err_t Recovery::write(tcp_pcb& pcb, const void* data, uint16_t bytes) noexcept {
  Recovery* const self = of(pcb);
  tcp_seg* const first = pcb.unsent;
  if (first == nullptr || first->next == nullptr || self == nullptr) {
    return tcp_write(&pcb, data, bytes, TCP_WRITE_FLAG_COPY);
  }
  Ends& ends = self->ends_;
  const bool is_known = ends.queued != nullptr && ends.queued_end == pcb.snd_lbb;
  tcp_seg* const last = is_known ? ends.queued : last_of(first);
  pcb.unsent = last;
  const err_t error = tcp_write(&pcb, data, bytes, TCP_WRITE_FLAG_COPY);
  pcb.unsent = first;
  ends.queued = last_of(last);
  ends.queued_end = pcb.snd_lbb;
  return error;
}

}  // namespace millrace

/// For lwIP's tcp_in.c, which sends at the end of each segment's input (lwip/Lwip.cmake).
extern "C" err_t millrace_tcp_output(tcp_pcb* pcb) { return millrace::Recovery::output(*pcb); }
