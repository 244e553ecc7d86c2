// SPDX-License-Identifier: BSD-3-Clause
#include "stack/tcp_options.h"

#include <algorithm>
#include <cstring>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/demux.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/tcp.h"

namespace millrace {
namespace {

// The smallest MSS a peer may dictate: below it a 1-byte-payload peer costs us a header per byte,
// and lwIP's tcp_out.c asserts when an option shrinks the MSS under what is already queued.
constexpr uint16_t kLeastMss = 216;

// RFC 7323 5.5: by then the peer's clock may have gone half its way round.
constexpr uint64_t kMostSilentMs = uint64_t{24} * 24 * 3600 * 1000;

void raise_mss(uint8_t* value) noexcept {
  const auto mss = static_cast<uint16_t>(value[0] << 8 | value[1]);
  if (mss >= kLeastMss) return;
  value[0] = static_cast<uint8_t>(kLeastMss >> 8);
  value[1] = static_cast<uint8_t>(kLeastMss & 0xff);
}

/// lwIP switches on what a SYN offers, whether we want it or not.
bool is_wanted(uint8_t kind, bool is_syn, bool is_handshake) noexcept {
  if (kind == LWIP_TCP_OPT_MSS) return is_handshake;
  if (!is_syn) return true;
  if (kind == LWIP_TCP_OPT_TS) return is_handshake && tcp_offers.timestamps;
  return kind != LWIP_TCP_OPT_WS || tcp_offers.window_scaling;
}

}  // namespace

TcpOffers tcp_offers;

bool read_timestamps(const uint8_t* options, size_t length, Timestamps& timestamps) noexcept {
  for (size_t at = 0; at < length && options[at] != LWIP_TCP_OPT_EOL;) {
    if (options[at] == LWIP_TCP_OPT_NOP) {
      ++at;
      continue;
    }
    if (at + 1 >= length || options[at + 1] < 2 || at + options[at + 1] > length) return false;
    if (options[at] == LWIP_TCP_OPT_TS && options[at + 1] == LWIP_TCP_OPT_LEN_TS) {
      timestamps = {load_be32(options + at + 2), load_be32(options + at + 6)};
      return true;
    }
    at += options[at + 1];
  }
  return false;
}

void tame_options(uint8_t* options, size_t length, bool is_syn, bool is_handshake) noexcept {
  for (size_t at = 0; at < length && options[at] != LWIP_TCP_OPT_EOL;) {
    uint8_t* const option = options + at;
    if (option[0] == LWIP_TCP_OPT_NOP) {
      ++at;
      continue;
    }
    if (at + 1 >= length || option[1] < 2 || at + option[1] > length) {
      std::memset(option, LWIP_TCP_OPT_NOP, length - at);  // malformed: lwIP shall not see it
      return;
    }
    const uint8_t size = option[1];
    if (!is_wanted(option[0], is_syn, is_handshake)) {
      std::memset(option, LWIP_TCP_OPT_NOP, size);
    } else if (option[0] == LWIP_TCP_OPT_MSS && size == LWIP_TCP_OPT_LEN_MSS) {
      raise_mss(option + 2);
    }
    at += size;
  }
}

bool is_of_the_past(const tcp_pcb& pcb, const tcp_hdr& header, size_t options_bytes) noexcept {
  Timestamps timestamps;
  const auto* const options = reinterpret_cast<const uint8_t*>(&header + 1);
  if ((TCPH_FLAGS(&header) & (TCP_RST | TCP_SYN)) != 0) return false;
  if (!read_timestamps(options, options_bytes, timestamps)) return false;
  if (!TCP_SEQ_LT(timestamps.value, pcb.ts_recent)) return false;
  return engine.demux->silent_ms(pcb) < kMostSilentMs;
}

}  // namespace millrace

using millrace::engine;
using millrace::tcp_offers;

extern "C" {

/// For lwIP's tcp_out.c, which asks for the time only to send it.
u32_t millrace_tcp_timestamp(void) { return millrace::timestamp_at(engine.clock->now_ns()); }

// For lwIP's tcp_connect(). A SYN offers all that lwIP was built with; a SYN,ACK what the flags of
// its connection say. So a SYN is made like one of those.
err_t millrace_tcp_enqueue_flags(tcp_pcb* pcb, u8_t flags) {
  if ((flags & TCP_SYN) == 0) return tcp_enqueue_flags(pcb, flags);
  constexpr unsigned kOffers = TF_SACK | TF_WND_SCALE | TF_TIMESTAMP;
  const tcp_state state = pcb->state;
  pcb->state = SYN_RCVD;
  tcp_set_flags(pcb, TF_SACK);
  if (tcp_offers.window_scaling) tcp_set_flags(pcb, TF_WND_SCALE);
  const auto* const socket = static_cast<const millrace::TcpSocket*>(pcb->callback_arg);
  const bool is_wanted = socket == nullptr || socket->options.timestamps;
  if (tcp_offers.timestamps && is_wanted) tcp_set_flags(pcb, TF_TIMESTAMP);
  const err_t error = tcp_enqueue_flags(pcb, flags);
  pcb->state = state;
  tcp_clear_flags(pcb, kOffers);
  return error;
}

// Once agreed upon, timestamps are in every segment (RFC 7323 3.2), and some peers drop those
// without. lwIP forgets them in the two that it makes without a queue; its empty acknowledgement
// has them.

err_t millrace_tcp_keepalive(tcp_pcb* pcb) {
  if ((pcb->flags & TF_TIMESTAMP) == 0) return tcp_keepalive(pcb);
  --pcb->snd_nxt;
  const err_t error = tcp_send_empty_ack(pcb);
  ++pcb->snd_nxt;
  return error;
}

const tcp_seg* millrace_window_probe = nullptr;

err_t millrace_tcp_window_probe(tcp_pcb* pcb) {
  if ((pcb->flags & TF_TIMESTAMP) == 0 || pcb->unsent == nullptr) return tcp_zero_window_probe(pcb);
  if (pcb->persist_probe < UINT8_MAX) ++pcb->persist_probe;
  const uint32_t number = lwip_ntohl(pcb->unsent->tcphdr->seqno);
  const uint32_t next = pcb->snd_nxt;
  pcb->snd_nxt = number;
  millrace_window_probe = pcb->unsent;
  const err_t error = tcp_send_empty_ack(pcb);
  millrace_window_probe = nullptr;
  pcb->snd_nxt = TCP_SEQ_LT(next, number + 1) ? number + 1 : next;
  return error;
}

// Behind the options of the acknowledgement that became a probe: the first byte, or the FIN.
void millrace_fill_window_probe(pbuf* p, tcp_hdr* header, void* behind_options) {
  const tcp_seg& first = *millrace_window_probe;
  if (first.len == 0) {
    TCPH_SET_FLAG(header, TCP_FIN);
    return;
  }
  const auto headers = static_cast<u16_t>(first.p->tot_len - first.len);
  (void)pbuf_copy_partial(first.p, behind_options, 1, headers);  // the mbuf has room
  ++p->len;
  ++p->tot_len;
}
}
