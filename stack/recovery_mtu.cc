// SPDX-License-Identifier: BSD-3-Clause
// A path that carries less than the segments that were made for it: the MSS falls, what waits and
// what is in flight is cut, and what a router has thrown away is sent again at once, without any
// blame on the network's load (RFC 1191 6.4). It rises again when the path MTU's time is over.
#include <algorithm>

#include "lwip/memp.h"
#include "lwip/prot/tcp.h"
#include "stack/lwip/port.h"
#include "stack/path_mtu.h"
#include "stack/recovery.h"

namespace millrace {
namespace {

constexpr uint16_t kBlackHoleMss = 1024;  // Linux: tcp_base_mss

/// Flags that belong to the end of what a segment carries.
constexpr uint8_t kOfTheEnd = TCP_FIN | TCP_PSH | TCP_URG;

void fill_header(tcp_seg& rest, const tcp_seg& from, uint16_t kept) noexcept {
  tcp_hdr& to = *rest.tcphdr;
  to = *from.tcphdr;
  to.seqno = lwip_htonl(begin_of(from) + kept);
  if ((TCPH_FLAGS(&to) & TCP_URG) == 0) return;
  to.urgp = lwip_htons(static_cast<uint16_t>(lwip_ntohs(to.urgp) - kept));
}

/// Leaves the first bytes in the segment. @return what follows, linked behind it; null: the segment
/// still waits for its neighbor's address, or there is no memory
tcp_seg* split(tcp_pcb& pcb, tcp_seg& segment, uint16_t kept) noexcept {
  if (segment.p->ref != 1) return nullptr;
  const auto n_rest = static_cast<uint16_t>(segment.len - kept);
  const auto n_options = static_cast<uint16_t>(TCPH_HDRLEN_BYTES(segment.tcphdr) - TCP_HLEN);
  pbuf* const p = pbuf_alloc(PBUF_TRANSPORT, static_cast<uint16_t>(n_options + n_rest), PBUF_RAM);
  if (p == nullptr) return nullptr;
  auto* const rest = static_cast<tcp_seg*>(memp_malloc(MEMP_TCP_SEG));
  if (rest == nullptr) {
    pbuf_free(p);
    return nullptr;
  }
  const auto from = static_cast<uint16_t>(segment.p->tot_len - n_rest);
  (void)pbuf_copy_partial(segment.p, static_cast<uint8_t*>(p->payload) + n_options, n_rest, from);
  (void)pbuf_add_header(p, TCP_HLEN);
  *rest = segment;
  rest->p = p;
  rest->len = n_rest;
  rest->tcphdr = static_cast<tcp_hdr*>(p->payload);
  fill_header(*rest, segment, kept);
  sent_of(*rest) = sent_of(segment);
  TCPH_UNSET_FLAG(segment.tcphdr, kOfTheEnd);
  segment.tcphdr->urgp = 0;
  pbuf_realloc(segment.p, from);
  segment.len = kept;
  segment.next = rest;
  ++pcb.snd_queuelen;
  return rest;
}

}  // namespace

bool Recovery::on_path_mtu(uint16_t mss) noexcept {
  if (mss > pcb_.mss) return false;
  ++engine.counters->tcp_path_mtus;
  const uint64_t now_ns = engine.clock->now_ns();
  lower_mss(mss);
  full_size_at_ns_ = now_ns + PathMtus::kLifeNs;
  if (board_ == nullptr || board_->lost_bytes == 0) return true;
  // What is lost is sent again as after a timeout, within a window that stays.
  state_ = State::kTimeout;
  repair_end_ = sent_end_;
  may_undo_ = false;
  is_probing_ = false;
  n_timeouts_ = n_duplicates_ = 0;
  if (!has_sack()) board_->sacked_bytes = 0;
  transmit();
  arm(now_ns);
  return true;
}

// RFC 8899 4.3, and what Linux does with tcp_mtu_probing: where routers do not tell, timeout after
// timeout of a full segment does.
void Recovery::suspect_black_hole() noexcept {
  if (!engine.finds_path_mtu || n_timeouts_ < kBlackHoleTimeouts) return;
  const bool is_6 = IP_IS_V6_VAL(pcb_.remote_ip);
  const uint16_t least = mss_of(is_6 ? kLeastMtu6 : kLeastMtu4, is_6);
  const auto half = static_cast<uint16_t>(std::min<unsigned>(pcb_.mss / 2, kBlackHoleMss));
  const uint16_t mss = std::max(least, half);
  if (mss >= pcb_.mss || pcb_.unacked->len + (pcb_.mss - tcp_mss(&pcb_)) <= mss) return;
  ++engine.counters->tcp_black_holes;
  lower_mss(mss);
  full_size_at_ns_ = UINT64_MAX;  // to try again would cost as many timeouts
}

void Recovery::lower_mss(uint16_t mss) noexcept {
  if (full_size_at_ns_ == 0) full_mss_ = pcb_.mss;
  pcb_.mss = mss;
  const auto most = static_cast<uint16_t>(tcp_mss(&pcb_));
  congestion_.set_mss(most);
  ends_ = {};
  pcb_.unsent_oversize = 0;
  for (tcp_seg* s = pcb_.unsent; s != nullptr; s = s->next) {
    if (s->len > most && split(pcb_, *s, most) == nullptr) break;
  }
  if (pcb_.unacked != nullptr) board().lose_longer_than(most);
  for (tcp_seg* s = pcb_.unacked; s != nullptr; s = s->next) {
    if (s->len <= most || (sent_of(*s).marks & kSacked) != 0) continue;
    tcp_seg* const rest = split(pcb_, *s, most);
    if (rest == nullptr) break;
    board().on_split(*s, *rest);
  }
}

void Recovery::restore_mss() noexcept {
  full_size_at_ns_ = 0;
  pcb_.mss = full_mss_;
  congestion_.set_mss(static_cast<uint16_t>(tcp_mss(&pcb_)));
}

}  // namespace millrace
