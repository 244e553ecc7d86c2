// SPDX-License-Identifier: BSD-3-Clause
#include "stack/lwip/out_of_order.h"

#include <rte_mempool.h>

#include <algorithm>
#include <cstring>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/lwip/port.h"

namespace millrace {

News news_in(const tcp_pcb& pcb, const tcp_hdr& header, const pbuf& segment,
             uint16_t& n_known) noexcept {
  if (pcb.state < ESTABLISHED || pcb.state == TIME_WAIT || pcb.ooseq == nullptr ||
      segment.tot_len == 0 || !TCP_SEQ_GT(header.seqno, pcb.rcv_nxt)) {
    return News::kAll;
  }
  uint32_t begin = header.seqno;
  for (const tcp_seg* held = pcb.ooseq; held != nullptr; held = held->next) {
    if (TCP_SEQ_GT(held->tcphdr->seqno, begin)) break;
    const uint32_t end = held->tcphdr->seqno + held->len;
    if (TCP_SEQ_GT(end, begin)) begin = end;
  }
  const uint32_t n = begin - header.seqno;
  if (n == 0) return News::kAll;
  const bool has_fin = (TCPH_FLAGS(&header) & TCP_FIN) != 0;
  if (n >= segment.tot_len && !has_fin) return News::kNothing;
  if (n > segment.tot_len) return News::kAll;  // a FIN in what is held: lwIP knows
  n_known = static_cast<uint16_t>(n);
  return News::kRest;
}

tcp_hdr& trim_front(tcp_hdr& header, pbuf& segment, uint16_t n_bytes) noexcept {
  auto* const from = reinterpret_cast<uint8_t*>(&header);
  const uint16_t distance = std::min(n_bytes, segment.len);
  uint16_t left = n_bytes;
  for (pbuf* p = &segment; left != 0; p = p->next) {
    const uint16_t here = std::min(left, p->len);
    p->payload = static_cast<uint8_t*>(p->payload) + here;
    p->len = static_cast<uint16_t>(p->len - here);
    p->tot_len = static_cast<uint16_t>(p->tot_len - left);
    left = static_cast<uint16_t>(left - here);
  }
  std::memmove(from + distance, from, TCPH_HDRLEN_BYTES(&header));
  auto& moved = *reinterpret_cast<tcp_hdr*>(from + distance);
  moved.seqno += n_bytes;
  return moved;
}

bool is_too_early(const tcp_pcb& pcb, const tcp_hdr& header, pbuf& segment) noexcept {
  if (pcb.state < ESTABLISHED || segment.tot_len == 0 || !TCP_SEQ_GT(header.seqno, pcb.rcv_nxt)) {
    return false;
  }
  const rte_mempool& pool = *mbuf_of(&segment)->pool;
  return rte_mempool_avail_count(&pool) < pool.size / 2;
}

}  // namespace millrace
