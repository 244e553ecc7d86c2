// SPDX-License-Identifier: BSD-3-Clause
// Header prediction (V. Jacobson, "4BSD Header Prediction", 1990): nearly every segment of a connection
// is the next one in order, of a peer that acknowledges what was sent in order; nearly every datagram is
// for the one socket of its port. These need no more than what is here. Everything else is lwIP's, which
// sees such a frame as it came.
//
// What is done here is what lwIP's tcp_input() and udp_input() would do (tcp_in.c, udp.c of 2.2.1) with
// these frames, but for two things: who is owed an acknowledgement, or may send more, does so when its
// socket is settled at the end of the turn, once for a burst; and lwIP's own estimate of the round trip
// is not kept, since Recovery has a better one.
#define MILLRACE_DEMUX_ITSELF
#include <rte_jhash.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "lwip/prot/tcp.h"
#include "lwip/prot/udp.h"
#include "stack/demux.h"
#include "stack/gate.h"
#include "stack/lwip/port.h"
#include "stack/recovery.h"
#include "stack/routes.h"
#include "stack/scoreboard.h"
#include "stack/segment.h"
#include "stack/tcp_options.h"
#include "stack/udp.h"

namespace millrace {
namespace {

constexpr uint16_t kUnusual = TF_RXCLOSED | TF_CLOSEPEND | TF_FIN | TF_INFR | TF_RTO;

bool is_address(const ip_addr_t& address, const uint8_t* bytes, bool is_v6) noexcept {
  if (is_v6) {
    return IP_IS_V6_VAL(address) && ip6_addr_zone(ip_2_ip6(&address)) == IP6_NO_ZONE &&
           std::memcmp(ip_2_ip6(&address)->addr, bytes, 16) == 0;
  }
  uint32_t word;
  std::memcpy(&word, bytes, sizeof word);
  return IP_IS_V4_VAL(address) && ip_2_ip4(&address)->addr == word;
}

bool is_its(const tcp_pcb& pcb, const Segment& segment) noexcept {
  return pcb.remote_port == segment.source_port() && pcb.local_port == segment.destination_port() &&
         is_address(pcb.remote_ip, segment.source(), segment.is_v6) &&
         is_address(pcb.local_ip, segment.destination(), segment.is_v6);
}

/// What of a TCP header decides.
struct TcpNews {
  uint32_t number;
  uint32_t ack;
  uint32_t n_acked;  ///< that were not before
  uint32_t payload_bytes;
  uint32_t header_bytes;
  uint16_t window;
};

bool takes_as_it_comes(const tcp_pcb& pcb) noexcept {
  return pcb.state == ESTABLISHED && (pcb.flags & kUnusual) == 0 && pcb.ooseq == nullptr &&
         pcb.refused_data == nullptr && pcb.persist_backoff == 0 && pcb.callback_arg != nullptr &&
         pcb.recv != nullptr && pcb.sent != nullptr && !LWIP_TCP_SACK_VALID(&pcb, 0);
}

/// All of what was sent up to a byte, all of it once, and none of it waits to be sent again.
bool is_predicted_ack(const tcp_pcb& pcb, const TcpNews& news) noexcept {
  const Recovery* const recovery = Recovery::of(pcb);
  if (recovery != nullptr && recovery->is_amiss()) return false;
  if (recovery == nullptr && pcb.unacked != nullptr) return false;  // lwIP's own timer is on
  if (news.n_acked == 0) return news.payload_bytes != 0;
  if (recovery == nullptr || news.n_acked > pcb.snd_nxt - pcb.lastack) return false;
  return pcb.unsent == nullptr || TCP_SEQ_LEQ(news.ack, begin_of(*pcb.unsent));
}

/// @return false: no timestamps where they were agreed upon, or others than these, or old ones (PAWS)
bool is_predicted_time(const tcp_pcb& pcb, const uint8_t* options, uint32_t length) noexcept {
  if ((pcb.flags & TF_TIMESTAMP) == 0) return length == 0;
  return are_timestamps_alone(options, length) && TCP_SEQ_GEQ(load_be32(options + 4), pcb.ts_recent);
}

bool predict(const tcp_pcb& pcb, const Segment& segment, TcpNews& news) noexcept {
  const uint8_t* const header = segment.transport;
  news.header_bytes = (header[12] >> 4) * 4u;
  if (news.header_bytes > segment.bytes) return false;
  news.number = load_be32(header + 4);
  news.ack = load_be32(header + 8);
  news.window = load_be16(header + 14);
  news.payload_bytes = segment.bytes - news.header_bytes;
  news.n_acked = news.ack - pcb.lastack;
  return news.number == pcb.rcv_nxt && news.payload_bytes <= pcb.rcv_wnd && takes_as_it_comes(pcb) &&
         is_predicted_time(pcb, header + TCP_HLEN, news.header_bytes - TCP_HLEN) &&
         is_predicted_ack(pcb, news);
}

void note_time(tcp_pcb& pcb, uint32_t time, const TcpNews& news) noexcept {
  const uint32_t end = news.number + news.payload_bytes;
  if (TCP_SEQ_BETWEEN(pcb.ts_lastacksent, news.number, end)) pcb.ts_recent = time;
}

void update_window(tcp_pcb& pcb, const TcpNews& news) noexcept {
  const tcpwnd_size_t window = SND_WND_SCALE(&pcb, tcpwnd_size_t{news.window});
  const bool is_news = TCP_SEQ_LT(pcb.snd_wl1, news.number) ||
                       (pcb.snd_wl1 == news.number && TCP_SEQ_LT(pcb.snd_wl2, news.ack)) ||
                       (pcb.snd_wl2 == news.ack && window > pcb.snd_wnd);
  if (!is_news) return;
  pcb.snd_wnd = window;
  pcb.snd_wnd_max = std::max(pcb.snd_wnd_max, window);
  pcb.snd_wl1 = news.number;
  pcb.snd_wl2 = news.ack;
}

/// @return bytes of data that are acknowledged by it
uint32_t free_acknowledged(tcp_pcb& pcb, uint32_t ack) noexcept {
  uint32_t bytes = 0;
  while (pcb.unacked != nullptr && TCP_SEQ_LEQ(end_of(*pcb.unacked), ack)) {
    tcp_seg* const segment = pcb.unacked;
    pcb.unacked = segment->next;
    pcb.snd_queuelen = static_cast<uint16_t>(pcb.snd_queuelen - pbuf_clen(segment->p));
    bytes += segment->len;
    tcp_seg_free(segment);
  }
  return bytes;
}

void acknowledge(tcp_pcb& pcb, const TcpNews& news) noexcept {
  Recovery::of(pcb)->advance(news.ack);
  pcb.nrtx = 0;
  pcb.dupacks = 0;
  pcb.rttest = 0;
  pcb.polltmr = 0;
  pcb.lastack = news.ack;
  const uint32_t bytes = free_acknowledged(pcb, news.ack);
  if (pcb.unsent == nullptr) pcb.unsent_oversize = 0;
  pcb.snd_buf += bytes;
  for (uint32_t left = bytes; left != 0;) {
    const auto n = static_cast<u16_t>(std::min<uint32_t>(left, UINT16_MAX));
    pcb.sent(pcb.callback_arg, &pcb, n);
    left -= n;
  }
}

void deliver(tcp_pcb& pcb, const Segment& segment, const TcpNews& news) noexcept {
  pcb.rcv_nxt += news.payload_bytes;
  pcb.rcv_wnd -= news.payload_bytes;
  tcp_update_rcv_ann_wnd(&pcb);
  tcp_ack(&pcb);
  pbuf* const p = segment.take(news.header_bytes);
  if (pcb.recv(pcb.callback_arg, &pcb, p, ERR_OK) != ERR_OK) pcb.refused_data = p;
}

/// Its own, and the addresses', which stand before it (RFC 9293 3.1, RFC 768).
bool has_right_sum(const Segment& segment) noexcept {
  const uint32_t addresses = 2 * segment.address_bytes();
  uint32_t sum = millrace_lwip_checksum(segment.addresses(), static_cast<int>(addresses + segment.bytes));
  sum += lwip_htons(segment.protocol()) + lwip_htons(static_cast<uint16_t>(segment.bytes));
  sum = (sum & 0xffff) + (sum >> 16);
  return (sum & 0xffff) + (sum >> 16) == 0xffff;
}

bool has_right_sums(const Segment& segment, const Arrival& arrival) noexcept {
  const bool wants_ip = arrival.ip_unverified && !segment.is_v6;
  if (wants_ip && millrace_lwip_checksum(segment.ip, IP_HLEN) != 0xffff) return false;
  return !arrival.transport_unverified || has_right_sum(segment);
}

/// A connection among our own addresses has its segments from nowhere but the loopback.
bool claims_to_be_us(const Segment& segment) noexcept {
  if (segment.is_v6) {
    ip6_addr_t source{};
    std::memcpy(source.addr, segment.source(), 16);
    return engine.routes->is_own(source);
  }
  ip4_addr_t source;
  std::memcpy(&source.addr, segment.source(), 4);
  return engine.routes->is_own(source);
}

bool has_zone(const uint8_t* address6) noexcept { return address6[0] == 0xfe || address6[0] == 0xff; }

bool is_for(const netif& in, const Segment& segment) noexcept {
  if (!segment.is_v6) return is_address(*netif_ip_addr4(&in), segment.destination(), false);
  if (has_zone(segment.source()) || has_zone(segment.destination())) return false;
  for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; ++i) {
    const bool is_valid = ip6_addr_isvalid(netif_ip6_addr_state(&in, i)) != 0;
    if (is_valid && is_address(*netif_ip_addr6(&in, i), segment.destination(), true)) return true;
  }
  return false;
}

bool takes(const udp_pcb& pcb, const Segment& segment) noexcept {
  if (pcb.next != nullptr || !UdpSocket::wants_no_more(pcb) || pcb.netif_idx != NETIF_NO_INDEX) return false;
  if (!ip_addr_isany(&pcb.local_ip)) return is_address(pcb.local_ip, segment.destination(), segment.is_v6);
  return (IP_IS_V6_VAL(pcb.local_ip) != 0) == segment.is_v6;
}

}  // namespace

Demux::Bucket& Demux::bucket_of(const Segment& segment) const noexcept {
  const uint32_t ports = uint32_t{segment.destination_port()} << 16 | segment.source_port();
  std::array<uint32_t, 9> words;
  if (segment.is_v6) {
    std::memcpy(words.data(), segment.destination(), 16);
    std::memcpy(words.data() + 4, segment.source(), 16);
    words[8] = ports;
    return buckets_[rte_jhash_32b(words.data(), 9, key_) & mask_];
  }
  std::memcpy(words.data(), segment.addresses(), 8);
  return buckets_[rte_jhash_3words(words[1], words[0], ports, key_) & mask_];
}

bool Demux::tcp_in_predicted(const Segment& segment, const Arrival& arrival) noexcept {
  const uint8_t* const header = segment.transport;
  if (segment.bytes < TCP_HLEN || (header[13] & (TCP_FLAGS & ~TCP_PSH)) != TCP_ACK) return false;
  Bucket& bucket = bucket_of(segment);
  tcp_pcb* pcb = bucket.active;
  while (pcb != nullptr && !is_its(*pcb, segment)) pcb = pcb->next;
  TcpNews news;
  if (pcb == nullptr || !predict(*pcb, segment, news)) return false;
  if (!arrival.is_loop && claims_to_be_us(segment)) return false;
  if (!has_right_sums(segment, arrival)) return false;
  ++counters_.rx_pkts;
  ++counters_.rx_predicted;
  pcb->tmr = tick_;
  pcb->keep_cnt_sent = 0;
  pcb->persist_probe = 0;
  pcb->rtime = -1;
  if (news.header_bytes != TCP_HLEN) note_time(*pcb, load_be32(header + TCP_HLEN + 4), news);
  update_window(*pcb, news);
  if (news.n_acked != 0) acknowledge(*pcb, news);
  news.payload_bytes != 0 ? deliver(*pcb, segment, news) : rte_pktmbuf_free(segment.mbuf);
  arm(*pcb, bucket);
  return true;
}

bool Demux::udp_in_predicted(const Segment& segment, const Arrival& arrival) noexcept {
  udp_pcb* const pcb = datagrams_[segment.destination_port()];
  if (pcb == nullptr || load_be16(segment.transport + 4) != segment.bytes) return false;
  if (!takes(*pcb, segment) || !is_for(*arrival.in, segment)) return false;
  const bool has_sum = load_be16(segment.transport + 6) != 0;
  if (!has_sum && segment.is_v6 && !arrival.is_loop) return false;  // RFC 8200 8.1; nothing sums up on our loopback
  if (!arrival.is_loop && !engine.gate->ip(segment.ip, segment.is_v6, *arrival.in)) {
    rte_pktmbuf_free(segment.mbuf);
    return true;
  }
  if (!has_right_sums(segment, {arrival.in, arrival.is_loop, arrival.ip_unverified,
                                arrival.transport_unverified && has_sum})) {
    return false;
  }
  ++counters_.rx_pkts;
  ++counters_.rx_predicted;
  ip_addr_t source{};
  if (segment.is_v6) IP_SET_TYPE_VAL(source, IPADDR_TYPE_V6);
  std::memcpy(&source, segment.source(), segment.address_bytes());
  pcb->recv(pcb->recv_arg, pcb, segment.take(UDP_HLEN), &source, segment.source_port());
  return true;
}

}  // namespace millrace
