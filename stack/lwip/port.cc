// SPDX-License-Identifier: BSD-3-Clause
// lwIP's platform: time, randomness, checksums, memory for outgoing pbufs, and the hooks.
#include "stack/lwip/port.h"

#include <rte_random.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "stack/demux.h"
#include "stack/duplicates.h"
#include "stack/gate.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/netif.h"
#include "stack/recovery.h"
#include "stack/siblings.h"
#include "stack/tcp_options.h"

extern "C" {
unsigned int millrace_tcp_wnd = 524288;
unsigned int millrace_tcp_snd_buf = 262144;
unsigned int millrace_tcp_msl_ms = 15000;
unsigned int millrace_tcp_max_rtx = 12;
}

namespace millrace {

Engine engine;

namespace {

void free_mbuf_of(pbuf* p) { rte_pktmbuf_free_seg(mbuf_of(p)); }

bool is_own(const ip4_addr_t& address) {
  for (const netif* n = netif_list; n != nullptr; n = n->next) {
    if (ip4_addr_eq(netif_ip4_addr(n), &address)) return true;
  }
  return false;
}

bool is_own(const ip6_addr_t& address) {
  for (netif* n = netif_list; n != nullptr; n = n->next) {
    if (netif_get_ip6_addr_match(n, &address) >= 0) return true;
  }
  return false;
}

// What arrives out of order pins an mbuf each, on as many connections as a sender likes to open. With
// half of the mbufs in use, only what is in order gets in; the rest will be sent again.
bool is_too_early(const tcp_pcb& pcb, const tcp_hdr& header, pbuf* p) {
  if (pcb.state < ESTABLISHED || p->tot_len == 0 || !TCP_SEQ_GT(header.seqno, pcb.rcv_nxt)) {
    return false;
  }
  const rte_mempool& pool = *mbuf_of(p)->pool;
  return rte_mempool_avail_count(&pool) < pool.size / 2;
}

// RFC 9293 3.10.7.4, RFC 6191: a client that comes back from the same port, with numbers or timestamps
// above the old ones, need not wait for the end of TIME_WAIT. lwIP would reset it.
bool begins_anew(const tcp_pcb& pcb, const tcp_hdr& header, size_t options_bytes) {
  if ((TCPH_FLAGS(&header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) return false;
  Timestamps timestamps;
  const auto* const options = reinterpret_cast<const uint8_t*>(&header + 1);
  if ((pcb.flags & TF_TIMESTAMP) != 0 && read_timestamps(options, options_bytes, timestamps) &&
      timestamps.value != pcb.ts_recent) {
    return TCP_SEQ_GT(timestamps.value, pcb.ts_recent);
  }
  return TCP_SEQ_GT(header.seqno, pcb.rcv_nxt);
}

void end_time_wait(tcp_pcb& pcb) {
  // Its socket may not have noticed yet that all is over.
  if (pcb.callback_arg != nullptr && pcb.errf != nullptr) pcb.errf(pcb.callback_arg, ERR_CLSD);
  engine.demux->abort(pcb);  // in TIME_WAIT: frees it, without a word to anyone
}

// The segment as it was before lwIP looked at it, once more. Its checksum has been verified, and its
// header was turned to host order in place.
void input_again(tcp_hdr& header, pbuf* p) {
  header.src = lwip_htons(header.src);
  header.dest = lwip_htons(header.dest);
  header.seqno = lwip_htonl(header.seqno);
  header.ackno = lwip_htonl(header.ackno);
  header.wnd = lwip_htons(header.wnd);
  netif* const from = ip_current_input_netif();
  if (pbuf_add_header_force(p, TCPH_HDRLEN_BYTES(&header)) != 0) return;
  const uint16_t flags = from->chksum_flags;
  from->chksum_flags = static_cast<uint16_t>(flags & ~NETIF_CHECKSUM_CHECK_TCP);
  pbuf_ref(p);  // one for tcp_input, one for our caller
  engine.demux->tcp_in_again(p, from);
  from->chksum_flags = flags;
}

}  // namespace

netif* route_to(const ip_addr_t& source, const ip_addr_t& destination) noexcept {
  netif* const route = ip_route(&source, &destination);
  if (route != engine.loop) return route;
  const ip4_addr_t& v4 = *ip_2_ip4(&destination);
  const bool is_ours = IP_IS_V6_VAL(destination) ? is_own(*ip_2_ip6(&destination))
                                                 : ip4_addr_isloopback(&v4) || is_own(v4);
  return is_ours ? route : nullptr;
}

pbuf* pbuf_from(rte_mbuf* m) noexcept {
  pbuf* head = nullptr;
  pbuf** link = &head;
  uint32_t left = m->pkt_len;
  for (rte_mbuf* segment = m; segment != nullptr;) {
    rte_mbuf* const following = segment->next;
    pbuf_custom& custom = private_area(segment)->custom;
    custom.custom_free_function = free_mbuf_of;
    pbuf& p = custom.pbuf;
    p.next = nullptr;
    p.payload = rte_pktmbuf_mtod(segment, void*);
    p.len = segment->data_len;
    p.tot_len = static_cast<uint16_t>(left);
    // Contiguous: headers in front of the payload may be reached back to, down to the private area.
    p.type_internal = PBUF_TYPE_FLAG_STRUCT_DATA_CONTIGUOUS | PBUF_TYPE_ALLOC_SRC_MASK_APP_MIN;
    p.flags = PBUF_FLAG_IS_CUSTOM;
    p.ref = 1;
    p.if_idx = NETIF_NO_INDEX;
    *link = &p;
    link = &p.next;
    left -= segment->data_len;
    segment->next = nullptr;
    segment->nb_segs = 1;
    segment = following;
  }
  return head;
}

}  // namespace millrace

using millrace::engine;
using millrace::Verdict;

namespace {
// Of several Stacks' only; the mark is theirs.
bool was_in_fragments(const pbuf& p) {
  return (p.flags & millrace::Netif::kHadNoPorts) != 0 &&
         engine.stack->siblings().steering() != nullptr;
}
}  // namespace

extern "C" {

u32_t sys_now(void) { return static_cast<u32_t>(engine.clock->now_ns() / 1'000'000); }

// Interface of lwIP's timers that we turn ourselves: nothing to arm (LWIP_TIMERS 0).

unsigned int millrace_lwip_rand(void) { return static_cast<unsigned int>(rte_rand()); }

void millrace_lwip_assert(const char* message, const char* file, int line) {
  std::fprintf(stderr, "millrace: lwIP assertion failed: %s (%s:%d)\n", message, file, line);
  std::abort();
}

/// One's complement sum, folded, not inverted (inet_chksum.c: lwip_standard_chksum).
uint16_t millrace_lwip_checksum(const void* data, int len) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  auto left = static_cast<size_t>(len);
  uint64_t sum = 0;
  uint64_t carry = 0;
  while (left >= 32) {
    uint64_t word[4];
    std::memcpy(word, bytes, sizeof word);
    for (const uint64_t w : word) {
      sum += w & 0xffffffff;
      carry += w >> 32;
    }
    bytes += 32;
    left -= 32;
  }
  while (left >= 4) {
    uint32_t word;
    std::memcpy(&word, bytes, sizeof word);
    sum += word;
    bytes += 4;
    left -= 4;
  }
  if (left != 0) {
    uint32_t word = 0;
    std::memcpy(&word, bytes, left);
    sum += word;
  }
  sum += carry;
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

/// pbuf.c's mem_malloc: the memory of a PBUF_RAM is an mbuf's private area and data room.
void* millrace_pbuf_malloc(size_t size) {
  rte_mbuf* const m = rte_pktmbuf_alloc(engine.pool);
  if (m == nullptr) {
    ++engine.counters->mbuf_alloc_failed;
    return nullptr;
  }
  if (size > static_cast<size_t>(m->buf_len) + millrace::kPrivateBytes) {
    rte_pktmbuf_free(m);
    return nullptr;
  }
  return m + 1;
}

void millrace_pbuf_free(void* memory) {
  rte_pktmbuf_free_seg(static_cast<rte_mbuf*>(memory) - 1);
}

void* millrace_pbuf_trim(void* memory, size_t) { return memory; }

netif* millrace_route4(const ip4_addr_t*, const ip4_addr_t* destination) {
  if (ip4_addr_isloopback(destination) || millrace::is_own(*destination)) return engine.loop;
  return nullptr;
}

netif* millrace_route6(const ip6_addr_t*, const ip6_addr_t* destination) {
  if (ip6_addr_isloopback(destination) || millrace::is_own(*destination)) return engine.loop;
  return nullptr;
}

void millrace_tcp_segment_in(pbuf* p, netif* from) {
  if (was_in_fragments(*p) && millrace::Netif::hand_over_late(p, from, true)) return;
  engine.demux->tcp_in(p, from);
}

void millrace_udp_in(pbuf* p, netif* from) {
  if (was_in_fragments(*p) && millrace::Netif::hand_over_late(p, from, false)) return;
  if (engine.gate->udp(*p, *from)) return engine.demux->udp_in(p, from);
  pbuf_free(p);
}

err_t millrace_tcp_in(tcp_pcb* pcb, tcp_hdr* header, uint16_t opt_len, uint16_t opt1_len,
                      uint8_t* opt2, pbuf* p) {
  if (pcb->state == TIME_WAIT && millrace::begins_anew(*pcb, *header, opt1_len)) {
    millrace::end_time_wait(*pcb);
    millrace::input_again(*header, p);
    return ERR_ABRT;  // p has been seen to
  }
  if (const Verdict verdict = engine.gate->tcp(*pcb, *header); verdict != Verdict::kPass) {
    ++engine.counters->rx_bad_segment;
    const bool answers = verdict == Verdict::kChallenge;
    if (answers && engine.gate->may_challenge(engine.clock->now_ns())) tcp_send_empty_ack(pcb);
    return ERR_VAL;
  }
  if (pcb->state != LISTEN && p->tot_len != 0) {
    if (millrace::may_be_duplicate(*pcb, *header) &&
        millrace::answer_duplicate(*pcb, *header, p->tot_len)) {
      return ERR_VAL;
    }
    // RFC 5681 4.2: what fills a hole is acknowledged at once. lwIP delays only the first of two.
    if (pcb->ooseq != nullptr) tcp_set_flags(pcb, TF_ACK_DELAY);
  }
  if (millrace::is_too_early(*pcb, *header, p)) {
    ++engine.counters->rx_out_of_order_refused;
    tcp_send_empty_ack(pcb);  // so that the peer learns what is missing
    return ERR_VAL;
  }
  if (pcb->state == LISTEN && (TCPH_FLAGS(header) & TCP_SYN) != 0) {
    engine.demux->make_room(*reinterpret_cast<tcp_pcb_listen*>(pcb));
  }
  if ((TCPH_FLAGS(header) & TCP_URG) != 0) millrace_tcp_urgent_in(pcb, header);
  if (opt_len == 0) {
    millrace::Recovery::on_header(*pcb, *header, 0, p->tot_len);
    return ERR_OK;
  }
  if (opt1_len < opt_len && opt2 != nullptr) {
    ++engine.counters->rx_split_options;
    return ERR_VAL;  // options across two buffers: no sender does that, and nobody can check it
  }
  // lwIP believes an MSS in any segment, and lowers it to what the route carries only in these
  // two states: a SYN that comes twice would make a connection send what no frame can carry.
  const bool is_syn = (TCPH_FLAGS(header) & TCP_SYN) != 0;
  const bool is_handshake = is_syn && (pcb->state == LISTEN || pcb->state == SYN_SENT);
  auto* const options = reinterpret_cast<uint8_t*>(header + 1);
  if (is_syn || !millrace::are_timestamps_alone(options, opt_len)) {
    millrace::tame_options(options, opt_len, is_syn, is_handshake);
  }
  const bool has_timestamps = pcb->state != LISTEN && (pcb->flags & TF_TIMESTAMP) != 0;
  if (has_timestamps && millrace::is_of_the_past(*pcb, *header, opt_len)) {
    ++engine.counters->rx_old_timestamp;
    if (engine.gate->may_challenge(engine.clock->now_ns())) tcp_send_empty_ack(pcb);
    return ERR_VAL;
  }
  millrace::Recovery::on_header(*pcb, *header, opt_len, p->tot_len);
  return ERR_OK;
}

uint32_t* millrace_tcp_out(pbuf* p, tcp_hdr* header, const tcp_pcb* pcb, uint32_t* options) {
  if (pcb == nullptr) return options;
  millrace::Recovery::on_output(*pcb, *p, *header);
  if (millrace_window_probe != nullptr) millrace_fill_window_probe(p, header, options);
  return millrace_sends_urgent != 0 ? millrace_tcp_urgent_out(pcb, header, options) : options;
}
}
