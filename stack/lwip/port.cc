// SPDX-License-Identifier: BSD-3-Clause
// lwIP's platform: time, randomness, checksums, memory for outgoing pbufs, and its hooks but
// TCP's (tcp_hooks.cc).
#include "stack/lwip/port.h"

#include <immintrin.h>
#include <rte_random.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lwip/ip.h"
#include "lwip/prot/iana.h"
#include "lwip/prot/udp.h"
#include "lwip/sys.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"
#include "stack/demux.h"
#include "stack/duplicates.h"
#include "stack/gate.h"
#include "stack/groups.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/netif.h"
#include "stack/routes.h"
#include "stack/siblings.h"
#include "stack/socket.h"
#include "stack/stack.h"

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

netif* route_of(const SocketOptions& options, const ip_addr_t& source,
                const ip_addr_t& destination) noexcept {
  netif* const route = route_to(source, destination);
  if (options.unicast_interface == 0 || route == engine.loop) return route;
  return group_interface(options.unicast_interface);
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

constexpr size_t kWorthAvx2 = 256;  // bytes

/// The sum of 32-bit words. @param n  bytes, a multiple of 64
[[gnu::target("avx2")]] static uint64_t sum_by_avx2(const uint8_t* bytes, size_t n) {
  const __m256i low = _mm256_set1_epi64x(0xffffffff);
  __m256i sums[4] = {};
  for (; n != 0; bytes += 64, n -= 64) {
    const auto* const lanes = reinterpret_cast<const __m256i*>(bytes);
    const __m256i a = _mm256_loadu_si256(lanes), b = _mm256_loadu_si256(lanes + 1);
    sums[0] = _mm256_add_epi64(sums[0], _mm256_and_si256(a, low));
    sums[1] = _mm256_add_epi64(sums[1], _mm256_srli_epi64(a, 32));
    sums[2] = _mm256_add_epi64(sums[2], _mm256_and_si256(b, low));
    sums[3] = _mm256_add_epi64(sums[3], _mm256_srli_epi64(b, 32));
  }
  uint64_t parts[4];
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(parts), _mm256_add_epi64(_mm256_add_epi64(sums[0], sums[1]),
                                                                         _mm256_add_epi64(sums[2], sums[3])));
  return parts[0] + parts[1] + parts[2] + parts[3];
}

/// One's complement sum, folded, not inverted (inet_chksum.c: lwip_standard_chksum).
uint16_t millrace_lwip_checksum(const void* data, int len) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  auto left = static_cast<size_t>(len);
  uint64_t sum = 0;
  uint64_t carry = 0;
  if (left >= kWorthAvx2 && __builtin_cpu_supports("avx2")) {
    const size_t n = left & ~size_t{63};
    sum = sum_by_avx2(bytes, n);
    bytes += n;
    left -= n;
  }
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

void millrace_tcp_segment_in(pbuf* p, netif* from) {
  if (was_in_fragments(*p) && millrace::Netif::hand_over_late(p, from, true)) return;
  engine.demux->tcp_in(p, from);
}

void millrace_udp_in(pbuf* p, netif* from) {
  if (was_in_fragments(*p) && millrace::Netif::hand_over_late(p, from, false)) return;
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
}
