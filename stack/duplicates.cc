// SPDX-License-Identifier: BSD-3-Clause
#include "stack/duplicates.h"

#include <algorithm>
#include <array>

#include "stack/demux.h"
#include "stack/lwip/port.h"

namespace millrace {
namespace {

using Range = tcp_sack_range;

/// It waits behind a hole, as far as lwIP remembers.
bool is_queued(const tcp_pcb& pcb, const Range& range) noexcept {
  return std::any_of(std::begin(pcb.rcv_sacks), std::end(pcb.rcv_sacks), [&](const Range& known) {
    return known.left != known.right && TCP_SEQ_GEQ(range.left, known.left) &&
           TCP_SEQ_LEQ(range.right, known.right);
  });
}

/// It was received in order. What is older than a window comes from another time.
bool is_behind(const tcp_pcb& pcb, const Range& range) noexcept {
  return TCP_SEQ_LEQ(range.right, pcb.rcv_nxt) &&
         TCP_SEQ_GEQ(range.left, pcb.rcv_nxt - TCP_WND_MAX(&pcb));
}

}  // namespace

bool answer_duplicate(tcp_pcb& pcb, const tcp_hdr& header, uint32_t payload_bytes) noexcept {
  if (pcb.state < ESTABLISHED || pcb.state == TIME_WAIT) return false;
  if ((TCPH_FLAGS(&header) & (TCP_SYN | TCP_FIN | TCP_RST)) != 0) return false;
  const Range range{header.seqno, header.seqno + payload_bytes};
  if (!is_behind(pcb, range) && !is_queued(pcb, range)) return false;
  if (TCP_SEQ_GT(header.ackno, pcb.lastack)) return false;  // lwIP has to read that
  ++engine.counters->rx_duplicates;
  engine.demux->restart_keep_alive(pcb);
  // RFC 2883 4: the first block is the duplicate's, those behind it are the usual ones.
  std::array<Range, LWIP_TCP_MAX_SACK_NUM> usual;
  std::copy(std::begin(pcb.rcv_sacks), std::end(pcb.rcv_sacks), usual.begin());
  std::copy(usual.begin(), usual.end() - 1, std::begin(pcb.rcv_sacks) + 1);
  pcb.rcv_sacks[0] = range;
  (void)tcp_send_empty_ack(&pcb);
  std::copy(usual.begin(), usual.end(), std::begin(pcb.rcv_sacks));
  return true;
}

}  // namespace millrace
