// SPDX-License-Identifier: BSD-3-Clause
#include "stack/gate.h"

#include <rte_random.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "lwip/ip.h"
#include "lwip/netif.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"
#include "lwip/udp.h"
#include "stack/lwip/port.h"
#include "stack/routes.h"

namespace millrace {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint32_t kMostChallenges = 1000;  // a second

bool is_no_host4(const uint8_t* address, const netif& in) {
  if (address[0] == 0 || address[0] == 127 || address[0] >= 224) return true;
  ip4_addr_t source;
  std::memcpy(&source.addr, address, 4);
  return engine.routes->is_own(source) || ip4_addr_isbroadcast(&source, &in) != 0;
}

bool has_source_route(const uint8_t* options, size_t n) {
  constexpr uint8_t kEnd = 0, kNop = 1, kLoose = 131, kStrict = 137;
  for (size_t at = 0; at < n && options[at] != kEnd;) {
    if (options[at] == kLoose || options[at] == kStrict) return true;
    const size_t length = options[at] == kNop ? 1 : at + 1 < n ? options[at + 1] : 0;
    if (length == 0) return false;
    at += length;
  }
  return false;
}

// An unspecified source is a host's that looks whether its address is free (RFC 4862 5.4).
bool is_no_host6(const uint8_t* address, const netif& in) {
  constexpr std::array<uint8_t, 16> kLoopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  if (address[0] == 0xff || std::equal(kLoopback.begin(), kLoopback.end(), address)) return true;
  for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; ++i) {
    if (ip6_addr_isinvalid(netif_ip6_addr_state(&in, i))) continue;
    if (std::memcmp(netif_ip6_addr(&in, i)->addr, address, 16) == 0) return true;
  }
  return false;
}

}  // namespace

bool Gate::ip4(const uint8_t* header, const netif& in) noexcept {
  const size_t options = size_t{header[0] & 0x0fu} * 4 - std::min<size_t>(IP_HLEN, (header[0] & 0x0fu) * 4);
  if (is_no_host4(header + 12, in) || header[16] == 127) {
    ++counters_.rx_martian;
    return false;
  }
  if (options != 0 && has_source_route(header + IP_HLEN, options)) {
    ++counters_.rx_source_route;
    return false;
  }
  return true;
}

bool Gate::ip6(const uint8_t* header, const netif& in) noexcept {
  if (!is_no_host6(header + 8, in)) return true;
  ++counters_.rx_martian;
  return false;
}

bool Gate::udp(pbuf& datagram, const netif& in) noexcept {
  if (datagram.len < UDP_HLEN) return true;  // lwIP drops it
  const auto& header = *static_cast<const udp_hdr*>(datagram.payload);
  const uint16_t length = lwip_ntohs(header.len);
  if (length < UDP_HLEN || length > datagram.tot_len) {
    ++counters_.rx_bad_udp_length;
    return false;
  }
  // On our own loopback nobody computes one.
  if (header.chksum == 0 && ip_current_is_v6() && &in != engine.loop) {
    ++counters_.rx_udp_no_checksum;
    return false;
  }
  if (length < datagram.tot_len) pbuf_realloc(&datagram, length);
  return true;
}

Verdict Gate::tcp(const tcp_pcb& pcb, const tcp_hdr& header) const noexcept {
  const uint8_t flags = TCPH_FLAGS(&header);
  const bool is_synchronized = pcb.state >= ESTABLISHED && pcb.state != TIME_WAIT;
  if ((flags & TCP_RST) != 0) {
    if (!is_synchronized || header.seqno == pcb.rcv_nxt) return Verdict::kPass;
    const bool is_in_window =
        TCP_SEQ_BETWEEN(header.seqno, pcb.rcv_nxt, pcb.rcv_nxt + pcb.rcv_wnd);
    return is_in_window ? Verdict::kChallenge : Verdict::kDrop;
  }
  if ((flags & TCP_SYN) != 0) return is_synchronized ? Verdict::kChallenge : Verdict::kPass;
  if (!is_synchronized && pcb.state != SYN_RCVD) return Verdict::kPass;
  if ((flags & TCP_ACK) == 0) return Verdict::kDrop;
  if (!is_synchronized) return Verdict::kPass;
  const bool is_plausible =
      TCP_SEQ_BETWEEN(header.ackno, pcb.lastack - pcb.snd_wnd_max, pcb.snd_nxt);
  return is_plausible ? Verdict::kPass : Verdict::kChallenge;
}

// How many there are differs from second to second: one that is known lets an attacker count, on a
// connection of its own, what a forged segment has used up on another's (CVE-2016-5696).
bool Gate::may_challenge(uint64_t now_ns) noexcept {
  if (now_ns - challenges_since_ns_ >= kSecondNs) {
    challenges_since_ns_ = now_ns;
    n_challenges_left_ = kMostChallenges / 2 + static_cast<uint32_t>(rte_rand_max(kMostChallenges / 2 + 1));
  }
  if (n_challenges_left_ == 0) return false;
  --n_challenges_left_;
  ++counters_.tx_challenge_acks;
  return true;
}

}  // namespace millrace
