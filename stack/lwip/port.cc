// SPDX-License-Identifier: BSD-3-Clause
// lwIP's platform: time, randomness, checksums, memory for outgoing pbufs, and its hooks but
// TCP's (tcp_hooks.cc).
#include "stack/lwip/port.h"

#include <rte_random.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lwip/ip.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "stack/demux.h"
#include "stack/duplicates.h"
#include "stack/gate.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/netif.h"
#include "stack/siblings.h"

extern "C" {
unsigned int millrace_tcp_wnd = 524288;
unsigned int millrace_tcp_snd_buf = 262144;
unsigned int millrace_tcp_msl_ms = 15000;
unsigned int millrace_tcp_max_rtx = 12;
unsigned int millrace_reass_max_pbufs = 1024;
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
}
