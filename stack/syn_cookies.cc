// SPDX-License-Identifier: BSD-3-Clause
#include "stack/syn_cookies.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "lwip/inet_chksum.h"
#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/demux.h"
#include "stack/lwip/port.h"

namespace millrace {
namespace {

// What three bits can say of an MSS: what Ethernet, jumbo frames, tunnels and old hosts announce, for
// either family. The largest that is not above the peer's is taken.
constexpr std::array<uint16_t, 8> kMss = {216, 536, 1220, 1360, 1400, 1440, 1460, 8940};

constexpr uint32_t kHashMask = 0xffffff00;

uint8_t packed(const SynOffer& offer) noexcept {
  const auto above = std::upper_bound(kMss.begin() + 1, kMss.end(), offer.mss);
  const auto index = static_cast<unsigned>(above - kMss.begin() - 1);
  return static_cast<uint8_t>(index << 5 | unsigned{offer.window_scale} << 1 | unsigned{offer.sack});
}

SynOffer unpacked(uint8_t bits) noexcept {
  return {kMss[bits >> 5], static_cast<uint8_t>(bits >> 1 & 0x0f), (bits & 1) != 0};
}

// The epoch is counted from 1, so that no salt is the initial numbers' own, which is 0.
uint64_t salted_hash(const TcpTuple& connection, uint32_t peer_number, uint32_t epoch) noexcept {
  return secret_hash(connection, uint64_t{epoch + 1} << 32 | peer_number);
}

/// Of the segment in hand, which is from the peer.
TcpTuple connection_of(const tcp_hdr& segment) noexcept {
  return {*ip_current_dest_addr(), segment.dest, *ip_current_src_addr(), segment.src};
}

struct Numbers {
  uint32_t seq, ack;
  uint16_t window;
  uint16_t flags;
};

/// A SYN with these options, in network byte order and without a checksum. @return null: no memory
pbuf* syn_segment(uint16_t source_port, uint16_t target_port, const Numbers& numbers,
                  const SynOffer& offer) noexcept {
  const bool scales = offer.window_scale != SynOffer::kNoScale;
  const auto words = static_cast<uint16_t>(1 + (scales ? 1 : 0) + (offer.sack ? 1 : 0));
  pbuf* const p = pbuf_alloc(PBUF_IP, static_cast<u16_t>(TCP_HLEN + 4 * words), PBUF_RAM);
  if (p == nullptr) return nullptr;
  auto& header = *static_cast<tcp_hdr*>(p->payload);
  header.src = lwip_htons(source_port);
  header.dest = lwip_htons(target_port);
  header.seqno = lwip_htonl(numbers.seq);
  header.ackno = lwip_htonl(numbers.ack);
  TCPH_HDRLEN_FLAGS_SET(&header, 5 + words, numbers.flags);
  header.wnd = lwip_htons(numbers.window);
  header.chksum = 0;
  header.urgp = 0;
  std::array<uint32_t, 3> options{TCP_BUILD_MSS_OPTION(offer.mss)};
  size_t n = 1;
  if (scales) options[n++] = lwip_htonl(0x01030300u | offer.window_scale);  // NOP, kind 3, length 3
  if (offer.sack) options[n++] = lwip_htonl(0x01010402u);                   // NOP, NOP, kind 4, length 2
  std::memcpy(&header + 1, options.data(), 4 * n);
  return p;
}

}  // namespace

SynOffer SynOffer::of(const uint8_t* options, size_t n_bytes) noexcept {
  SynOffer offer;
  for (size_t at = 0; at < n_bytes && options[at] != LWIP_TCP_OPT_EOL;) {
    if (options[at] == LWIP_TCP_OPT_NOP) {
      ++at;
      continue;
    }
    const uint8_t* const value = options + at + 2;
    const uint8_t size = options[at + 1];
    if (options[at] == LWIP_TCP_OPT_MSS && size == LWIP_TCP_OPT_LEN_MSS) {
      offer.mss = static_cast<uint16_t>(value[0] << 8 | value[1]);
    } else if (options[at] == LWIP_TCP_OPT_WS && size == LWIP_TCP_OPT_LEN_WS) {
      offer.window_scale = std::min<uint8_t>(value[0], 14);  // RFC 7323 2.3
    } else if (options[at] == LWIP_TCP_OPT_SACK_PERM && size == LWIP_TCP_OPT_LEN_SACK_PERM) {
      offer.sack = true;
    }
    at += size;
  }
  return offer;
}

uint32_t SynCookies::number(const TcpTuple& connection, uint32_t peer_number,
                            const SynOffer& offer, uint32_t epoch) noexcept {
  const uint64_t hash = salted_hash(connection, peer_number, epoch);
  const auto mask = static_cast<uint8_t>(hash >> 32);
  return (static_cast<uint32_t>(hash) & kHashMask) | (packed(offer) ^ mask);
}

std::optional<SynOffer> SynCookies::offer_in(uint32_t cookie, const TcpTuple& connection,
                                             uint32_t peer_number, uint32_t epoch) noexcept {
  const uint64_t hash = salted_hash(connection, peer_number, epoch);
  if (((cookie ^ static_cast<uint32_t>(hash)) & kHashMask) != 0) return std::nullopt;
  return unpacked(static_cast<uint8_t>(cookie ^ hash >> 32));
}

void SynCookies::answer(const tcp_hdr& syn, const SynOffer& offer, uint64_t now_ns) noexcept {
  const TcpTuple connection = connection_of(syn);
  netif* const route = ip_route(&connection.local, &connection.peer);
  if (route == nullptr) return;
  SynOffer ours = offer;
  ours.mss = tcp_eff_send_mss_netif(TCP_MSS, route, &connection.peer);
  if (offer.window_scale != SynOffer::kNoScale) ours.window_scale = TCP_RCV_SCALE;
  const Numbers numbers{number(connection, syn.seqno, offer, epoch_of(now_ns)), syn.seqno + 1,
                        static_cast<uint16_t>(std::min<uint32_t>(TCP_WND, UINT16_MAX)),
                        TCP_SYN | TCP_ACK};
  pbuf* const p = syn_segment(syn.dest, syn.src, numbers, ours);
  if (p == nullptr) return;  // counted
  if ((route->chksum_flags & NETIF_CHECKSUM_GEN_TCP) != 0) {
    static_cast<tcp_hdr*>(p->payload)->chksum =
        ip_chksum_pseudo(p, IP_PROTO_TCP, p->tot_len, &connection.local, &connection.peer);
  }
  (void)ip_output_if(p, &connection.local, &connection.peer, TCP_TTL, 0, IP_PROTO_TCP, route);
  pbuf_free(p);
  ++counters_.tx_syn_cookies;
  has_sent_ = true;
  last_sent_ns_ = now_ns;
}

std::optional<SynOffer> SynCookies::recall(const tcp_hdr& ack, uint64_t now_ns) noexcept {
  if ((TCPH_FLAGS(&ack) & (TCP_ACK | TCP_SYN | TCP_RST)) != TCP_ACK) return std::nullopt;
  const TcpTuple connection = connection_of(ack);
  const uint32_t now = epoch_of(now_ns);
  for (const uint32_t epoch : {now, now - 1}) {
    const auto offer = offer_in(ack.ackno - 1, connection, ack.seqno - 1, epoch);
    if (!offer) continue;
    ++counters_.rx_syn_cookies;
    return offer;
  }
  ++counters_.rx_bad_syn_cookie;
  return std::nullopt;
}

// The listener's count of half-open connections stands at its limit: it is put aside meanwhile.
bool SynCookies::replay(const tcp_hdr& ack, const SynOffer& offer,
                        tcp_pcb_listen& listener) noexcept {
  pbuf* const syn = syn_segment(ack.src, ack.dest, {ack.seqno - 1, 0, ack.wnd, TCP_SYN}, offer);
  if (syn == nullptr) return false;
  const uint32_t isn = ack.ackno - 1;
  const u8_t n_half_open = std::exchange(listener.accepts_pending, u8_t{0});
  engine.replayed_isn = &isn;
  engine.demux->tcp_in_again(syn, ip_current_input_netif());
  engine.replayed_isn = nullptr;
  const bool is_half_open = listener.accepts_pending != 0;
  listener.accepts_pending = static_cast<u8_t>(listener.accepts_pending + n_half_open);
  return is_half_open;
}

}  // namespace millrace
