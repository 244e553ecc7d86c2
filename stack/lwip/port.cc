// SPDX-License-Identifier: BSD-3-Clause
// lwIP's platform: time, randomness, checksums, memory for outgoing pbufs, and the hooks.
#include "stack/lwip/port.h"

#include <rte_random.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/iana.h"
#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "stack/demux.h"
#include "stack/gate.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/recovery.h"
#include "stack/routes.h"
#include "stack/stack.h"

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

// The smallest MSS a peer may dictate: below it a 1-byte-payload peer costs us a header per byte,
// and lwIP's tcp_out.c asserts when an option shrinks the MSS under what is already queued.
constexpr uint16_t kLeastMss = 216;

// Walks the options; an MSS outside a SYN becomes NOPs, one inside is raised to kLeastMss.
void tame_options(uint8_t* option, size_t length, bool syn) {
  size_t at = 0;
  while (at < length) {
    const uint8_t kind = option[at];
    if (kind == LWIP_TCP_OPT_EOL) return;
    if (kind == LWIP_TCP_OPT_NOP) {
      ++at;
      continue;
    }
    if (at + 1 >= length || option[at + 1] < 2 || at + option[at + 1] > length) {
      std::memset(option + at, LWIP_TCP_OPT_NOP, length - at);  // malformed: lwIP shall not see it
      return;
    }
    const uint8_t size = option[at + 1];
    if (kind == LWIP_TCP_OPT_MSS && !syn) {
      std::memset(option + at, LWIP_TCP_OPT_NOP, size);
    } else if (kind == LWIP_TCP_OPT_MSS && size == LWIP_TCP_OPT_LEN_MSS) {
      const auto mss = static_cast<uint16_t>((option[at + 2] << 8) | option[at + 3]);
      if (mss < kLeastMss) {
        option[at + 2] = static_cast<uint8_t>(kLeastMss >> 8);
        option[at + 3] = static_cast<uint8_t>(kLeastMss & 0xff);
      }
    }
    at += size;
  }
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

// RFC 9293 3.10.7.4, RFC 6191: a client that comes back from the same port, with numbers above the
// old ones, need not wait for the end of TIME_WAIT. lwIP would reset it.
bool begins_anew(const tcp_pcb& pcb, const tcp_hdr& header) {
  return (TCPH_FLAGS(&header) & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN &&
         TCP_SEQ_GT(header.seqno, pcb.rcv_nxt);
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

// Of the frame's address the IP address is not yet known to say the same; and lwIP's own DHCP client
// hears broadcasts like any unicast.
bool is_for_many(const pbuf& datagram) {
  if (datagram.len < UDP_HLEN) return false;  // lwIP drops it
  if (ip_addr_ismulticast(ip_current_dest_addr())) return true;
  if (ip_current_is_v6()) return false;
  const auto& header = *static_cast<const udp_hdr*>(datagram.payload);
  if (header.dest == PP_HTONS(LWIP_IANA_PORT_DHCP_CLIENT)) return false;
  return ip4_addr_isbroadcast(ip4_current_dest_addr(), ip_current_netif()) != 0;
}

}  // namespace

netif* route_to(const ip_addr_t& source, const ip_addr_t& destination) noexcept {
  netif* const route = ip_route(&source, &destination);
  if (route != engine.loop) return route;
  const Routes& routes = *engine.routes;
  const bool is_ours = IP_IS_V6_VAL(destination) ? routes.is_own(*ip_2_ip6(&destination))
                                                 : routes.is_own(*ip_2_ip4(&destination));
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

netif* millrace_route4(const ip4_addr_t* source, const ip4_addr_t* destination) {
  return engine.routes->find(source, *destination);
}

netif* millrace_route6(const ip6_addr_t* source, const ip6_addr_t* destination) {
  return engine.routes->find(source, *destination);
}

const ip6_addr_t* millrace_next_hop6(const netif* out, const ip6_addr_t* destination) {
  return engine.routes->next_hop(*out, *destination);
}

void millrace_tcp_segment_in(pbuf* p, netif* from) { engine.demux->tcp_in(p, from); }

void millrace_udp_in(pbuf* p, netif* from) {
  if (!engine.gate->udp(*p, *from)) {
    pbuf_free(p);
    return;
  }
  constexpr uint8_t kForMany = PBUF_FLAG_LLBCAST | PBUF_FLAG_LLMCAST;
  if ((p->flags & kForMany) != 0 && millrace::is_for_many(*p)) {
    return engine.stack->deliver_to_all(p, *from);
  }
  engine.demux->udp_in(p, from);
}

err_t millrace_tcp_in(tcp_pcb* pcb, tcp_hdr* header, uint16_t opt_len, uint16_t opt1_len,
                      uint8_t* opt2, pbuf* p) {
  if (pcb->state == TIME_WAIT && millrace::begins_anew(*pcb, *header)) {
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
  const bool is_handshake = (TCPH_FLAGS(header) & TCP_SYN) != 0 &&
                            (pcb->state == LISTEN || pcb->state == SYN_SENT);
  millrace::tame_options(reinterpret_cast<uint8_t*>(header + 1), opt_len, is_handshake);
  millrace::Recovery::on_header(*pcb, *header, opt_len, p->tot_len);
  return ERR_OK;
}

uint32_t* millrace_tcp_out(pbuf* p, tcp_hdr* header, const tcp_pcb* pcb, uint32_t* options) {
  if (pcb == nullptr) return options;
  millrace::Recovery::on_output(*pcb, *p, *header);
  return millrace_sends_urgent != 0 ? millrace_tcp_urgent_out(pcb, header, options) : options;
}
}
