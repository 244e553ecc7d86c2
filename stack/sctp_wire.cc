// SPDX-License-Identifier: BSD-3-Clause
#include "stack/sctp_wire.h"

#include <rte_hash_crc.h>

#include <array>
#include <cstring>
#include <vector>

#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "lwip/ip.h"
#include "lwip/stats.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "stack/sctp_engine.h"
#include "stack/take.h"
#include "stack/tx_checksum.h"

namespace millrace {
namespace {

constexpr uint8_t kSctp = 132;  // IANA protocol numbers
constexpr size_t kCommonHeaderBytes = 12;
constexpr size_t kChecksumAt = 8;

bool has_right_checksum(std::span<uint8_t> packet) {
  uint32_t said;
  std::memcpy(&said, &packet[kChecksumAt], sizeof said);
  std::memset(&packet[kChecksumAt], 0, sizeof said);
  return sctp_checksum(packet) == said;
}

/// What lwIP has in hand, from SCTP's header on. @return false: nobody here speaks SCTP
bool input(pbuf& p, uint16_t header_bytes) {
  SctpEngine* const sctp = engine.sctp;
  if (sctp == nullptr) return false;
  Counters& counters = *engine.counters;
  if (p.tot_len < header_bytes + kCommonHeaderBytes) {
    ++counters.rx_sctp_bad;
    return true;
  }
  std::span<uint8_t> packet(static_cast<uint8_t*>(p.payload) + header_bytes, p.tot_len - size_t{header_bytes});
  std::vector<uint8_t> whole;
  if (p.next != nullptr) {  // reassembled, or a long frame in several buffers
    whole.resize(packet.size());
    pbuf_copy_partial(&p, whole.data(), static_cast<u16_t>(whole.size()), header_bytes);
    packet = whole;
  }
  // Verified by the device, or not at all: from ourselves, or on a port where [[port]] checksum says so.
  const bool verifies = (ip_current_input_netif()->chksum_flags & kCheckSctp) != 0;
  if (verifies && !has_right_checksum(packet)) {
    ++counters.rx_sctp_bad;
    return true;
  }
  ++counters.rx_sctp;
  const uint8_t tos = ip_current_is_v6() ? IP6H_TC(ip6_current_header()) : IPH_TOS(ip4_current_header());
  sctp->input({from_lwip(*ip_current_dest_addr()), from_lwip(*ip_current_src_addr())}, packet,
              static_cast<uint8_t>(tos & 3));
  return true;
}

/// The way to a peer. @return null: there is none
netif* route_along(const SctpPath& path) {
  return route_to(to_lwip(path.local), to_lwip(path.remote));
}

}  // namespace

SctpEngine* sctp_engine() noexcept { return engine.sctp; }
void set_sctp_engine(SctpEngine* sctp) noexcept { engine.sctp = sctp; }

// As rte_hash_crc(), which wants its words aligned.
uint32_t sctp_checksum(std::span<const uint8_t> packet) noexcept {
  uint32_t crc = 0xffffffff;
  for (; packet.size() >= sizeof(uint64_t); packet = packet.subspan(sizeof(uint64_t))) {
    uint64_t word;
    std::memcpy(&word, packet.data(), sizeof word);
    crc = rte_hash_crc_8byte(word, crc);
  }
  for (const uint8_t byte : packet) crc = rte_hash_crc_1byte(byte, crc);
  return ~crc;
}

bool send_sctp(const SctpPath& path, std::span<const uint8_t> packet, uint8_t tos, uint8_t ttl) noexcept {
  netif* const route = route_along(path);
  pbuf* const p =
      route == nullptr ? nullptr : pbuf_alloc(PBUF_IP, static_cast<u16_t>(packet.size()), PBUF_RAM);
  if (p == nullptr) {
    ++engine.counters->tx_sctp_dropped;
    return false;
  }
  auto* const bytes = static_cast<uint8_t*>(p->payload);
  std::memcpy(bytes, packet.data(), packet.size());
  // The device does it, but for what IP cuts to pieces; no one does on the loopback.
  const uint32_t whole = static_cast<uint32_t>(packet.size()) + (path.remote.family == 4 ? IP_HLEN : IP6_HLEN);
  const bool is_cut = route != engine.loop && whole > route->mtu;
  if (is_cut || (route->chksum_flags & kGenSctp) != 0) {
    const uint32_t sum = sctp_checksum(packet);
    std::memcpy(bytes + kChecksumAt, &sum, sizeof sum);
  }
  const ip_addr_t from = to_lwip(path.local), to = to_lwip(path.remote);
  const err_t error = ip_output_if_src(p, &from, &to, ttl, tos, kSctp, route);
  pbuf_free(p);
  ++(error == ERR_OK ? engine.counters->tx_sctp : engine.counters->tx_sctp_dropped);
  return error == ERR_OK;
}

bool has_route(const SctpPath& path) noexcept { return route_along(path) != nullptr; }

uint16_t sctp_room(const SctpPath& path) noexcept {
  constexpr uint16_t kLeast = 1280;  // what libusrsctp begins with
  const netif* const route = route_along(path);
  const uint16_t headers = path.remote.family == 4 ? IP_HLEN : IP6_HLEN;
  return route == nullptr ? kLeast : static_cast<uint16_t>(route->mtu - headers);
}

pbuf* new_parcel() noexcept {
  const auto bytes = static_cast<u16_t>(rte_pktmbuf_data_room_size(engine.pool) - RTE_PKTMBUF_HEADROOM);
  return pbuf_alloc(PBUF_RAW_TX, bytes, PBUF_RAM);  // behind the private area, where its Parcel is
}

std::span<char> room_of(pbuf& parcel) noexcept { return {static_cast<char*>(parcel.payload), parcel.len}; }

void shorten(pbuf& parcel, uint16_t bytes) noexcept { parcel.len = parcel.tot_len = bytes; }

void free_parcel(pbuf* parcel) noexcept { pbuf_free(parcel); }

Outcome take_parcels(Inbox& inbox, BufferCursor& to, uint32_t service_flags, uint32_t flags) noexcept {
  return take_from(inbox, to, service_flags, flags);
}

}  // namespace millrace

// lwIP's calls when it knows no protocol that a packet is of, with the IP header in front again.
extern "C" {

void millrace_icmp4_unreachable(pbuf* p, icmp_dur_type type) {
  const auto* const header = static_cast<const ip_hdr*>(p->payload);
  const bool is_sctp = type == ICMP_DUR_PROTO && IPH_PROTO(header) == millrace::kSctp;
  if (is_sctp && millrace::input(*p, IPH_HL_BYTES(header))) {
    --lwip_stats.ip.proterr;  // lwIP is about to count it as one
    --lwip_stats.ip.drop;
    return;
  }
  icmp_dest_unreach(p, type);
}

void millrace_icmp6_problem(pbuf* p, icmp6_pp_code code, const void* pointer) {
  const bool is_sctp = code == ICMP6_PP_HEADER && *static_cast<const uint8_t*>(pointer) == millrace::kSctp;
  if (is_sctp && millrace::input(*p, ip_current_header_tot_len())) {
    --lwip_stats.ip6.proterr;
    --lwip_stats.ip6.drop;
    return;
  }
  icmp6_param_problem(p, code, pointer);
}
}
