// SPDX-License-Identifier: BSD-3-Clause
// Where lwIP shows us each TCP segment: coming in, once it knows the connection or listener that the
// segment is for (in host byte order by then), and going out.
#include "lwip/ip.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"
#include "stack/demux.h"
#include "stack/duplicates.h"
#include "stack/gate.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/lwip/out_of_order.h"
#include "stack/lwip/port.h"
#include "stack/lwip/simultaneous_open.h"
#include "stack/recovery.h"
#include "stack/syn_cookies.h"
#include "stack/tcp_options.h"

namespace millrace {
namespace {

// lwIP believes an MSS in any segment, and lowers it to what the route carries only in these two
// states: a SYN that comes twice would make a connection send what no frame can carry.
bool is_handshake(const tcp_pcb& pcb, const tcp_hdr& header) {
  return (TCPH_FLAGS(&header) & TCP_SYN) != 0 && (pcb.state == LISTEN || pcb.state == SYN_SENT);
}

// What of the options lwIP may see.
void tame(tcp_pcb& pcb, tcp_hdr& header, uint16_t opt_len) {
  auto* const options = reinterpret_cast<uint8_t*>(&header + 1);
  const bool is_syn = (TCPH_FLAGS(&header) & TCP_SYN) != 0;
  if (!is_syn && are_timestamps_alone(options, opt_len)) return;
  tame_options(options, opt_len, is_syn, is_handshake(pcb, header));
}

/// What the gate lets through; the rest is counted, and answered where it must be.
bool passes(tcp_pcb& pcb, const tcp_hdr& header, pbuf* p) {
  const Verdict verdict = engine.gate->tcp(pcb, header);
  if (verdict != Verdict::kPass) {
    ++engine.counters->rx_bad_segment;
    const bool answers = verdict == Verdict::kChallenge;
    if (answers && engine.gate->may_challenge(engine.clock->now_ns())) tcp_send_empty_ack(&pcb);
    return false;
  }
  if (pcb.state != LISTEN && p->tot_len != 0) {
    if (may_be_duplicate(pcb, header) && answer_duplicate(pcb, header, p->tot_len)) return false;
    // RFC 5681 4.2: what fills a hole is acknowledged at once. lwIP delays only the first of two.
    if (pcb.ooseq != nullptr) tcp_set_flags(&pcb, TF_ACK_DELAY);
  }
  if (!is_too_early(pcb, header, *p)) return true;
  ++engine.counters->rx_out_of_order_refused;
  tcp_send_empty_ack(&pcb);  // so that the peer learns what is missing
  return false;
}

// The segment as it was before lwIP looked at it, once more. Its header was turned to host order in
// place. @return what tells lwIP that p has been seen to
err_t input_again(tcp_hdr& header, pbuf* p) {
  header.src = lwip_htons(header.src);
  header.dest = lwip_htons(header.dest);
  header.seqno = lwip_htonl(header.seqno);
  header.ackno = lwip_htonl(header.ackno);
  header.wnd = lwip_htons(header.wnd);
  if (pbuf_add_header_force(p, TCPH_HDRLEN_BYTES(&header)) == 0) {
    pbuf_ref(p);  // one for tcp_input, one for our caller
    engine.demux->tcp_in_again(p, ip_current_input_netif());
  }
  return ERR_ABRT;
}

/// What of a segment is new to lwIP. @return ERR_OK: all of it
err_t pass_news(tcp_pcb& pcb, tcp_hdr& header, pbuf* p) {
  uint16_t n_known = 0;
  switch (news_in(pcb, header, *p, n_known)) {
    case News::kAll:
      return ERR_OK;
    case News::kNothing:
      ++engine.counters->rx_out_of_order_known;
      tcp_send_empty_ack(&pcb);  // what is missing is something else
      return ERR_VAL;
    case News::kRest:
      return input_again(trim_front(header, *p, n_known), p);
  }
  return ERR_OK;
}

// RFC 9293 3.10.7.4, RFC 6191: a client that comes back from the same port, with numbers or timestamps
// above the old ones, need not wait for the end of TIME_WAIT. lwIP would reset it.
bool begins_anew(const tcp_pcb& pcb, const tcp_hdr& header, size_t options_bytes) {
  if (pcb.state != TIME_WAIT) return false;
  if ((TCPH_FLAGS(&header) & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN) return false;
  Timestamps timestamps;
  const auto* const options = reinterpret_cast<const uint8_t*>(&header + 1);
  if ((pcb.flags & TF_TIMESTAMP) != 0 && read_timestamps(options, options_bytes, timestamps) &&
      timestamps.value != pcb.ts_recent) {
    return TCP_SEQ_GT(timestamps.value, pcb.ts_recent);
  }
  return TCP_SEQ_GT(header.seqno, pcb.rcv_nxt);
}

/// PAWS (RFC 7323 5): a segment of an earlier time of this connection. It is counted and answered.
bool is_too_old(tcp_pcb& pcb, const tcp_hdr& header, uint16_t opt_len) {
  if (pcb.state == LISTEN || (pcb.flags & TF_TIMESTAMP) == 0) return false;
  if (!is_of_the_past(pcb, header, opt_len)) return false;
  ++engine.counters->rx_old_timestamp;
  if (engine.gate->may_challenge(engine.clock->now_ns())) tcp_send_empty_ack(&pcb);
  return true;
}

void end_time_wait(tcp_pcb& pcb) {
  // Its socket may not have noticed yet that all is over.
  if (pcb.callback_arg != nullptr && pcb.errf != nullptr) pcb.errf(pcb.callback_arg, ERR_CLSD);
  engine.demux->abort(pcb);  // in TIME_WAIT: frees it, without a word to anyone
}

/// A segment for a listener. A SYN that finds no room, and the ACK that comes back to such a one, are
/// the cookies' (syn_cookies.h).
err_t admit(tcp_pcb_listen& listener, tcp_hdr& header, uint16_t opt_len, pbuf* p) {
  if (engine.replayed_isn != nullptr) return ERR_OK;
  SynCookies& cookies = *engine.syn_cookies;
  const unsigned flags = TCPH_FLAGS(&header) & (TCP_SYN | TCP_ACK | TCP_RST);
  const uint64_t now_ns = engine.clock->now_ns();
  if (flags == TCP_SYN && listener.accepts_pending >= listener.backlog) {
    const auto* const options = reinterpret_cast<const uint8_t*>(&header + 1);
    cookies.answer(header, SynOffer::of(options, opt_len), now_ns);
    return ERR_VAL;
  }
  if (flags != TCP_ACK || !cookies.are_out(now_ns)) return ERR_OK;
  const auto offer = cookies.recall(header, now_ns);
  if (!offer) return ERR_OK;  // lwIP resets it
  if (!cookies.replay(header, *offer, listener)) return ERR_VAL;  // no memory: the peer repeats itself
  return input_again(header, p);
}

}  // namespace
}  // namespace millrace

using millrace::engine;

extern "C" {

err_t millrace_tcp_in(tcp_pcb* pcb, tcp_hdr* header, uint16_t opt_len, uint16_t opt1_len,
                      uint8_t* opt2, pbuf* p) {
  using namespace millrace;
  if (begins_anew(*pcb, *header, opt1_len)) {
    end_time_wait(*pcb);
    return input_again(*header, p);
  }
  if (is_answer_to_simultaneous_open(*pcb, *header)) return input_again(*header, p);
  if (!passes(*pcb, *header, p)) return ERR_VAL;
  if (opt1_len < opt_len && opt2 != nullptr) {
    ++engine.counters->rx_split_options;
    return ERR_VAL;  // options across two buffers: no sender does that, and nobody can check it
  }
  if (opt_len != 0) {
    tame(*pcb, *header, opt_len);
    if (is_too_old(*pcb, *header, opt_len)) return ERR_VAL;
  }
  if (pcb->state == LISTEN) {
    const err_t error = admit(*reinterpret_cast<tcp_pcb_listen*>(pcb), *header, opt_len, p);
    if (error != ERR_OK) return error;
  }
  if (const err_t error = pass_news(*pcb, *header, p); error != ERR_OK) return error;
  const unsigned syn = TCPH_FLAGS(header) & (TCP_SYN | TCP_ACK | TCP_RST);
  if (pcb->state == SYN_SENT && syn == TCP_SYN) open_simultaneously(*pcb, *header);
  if ((TCPH_FLAGS(header) & TCP_URG) != 0) millrace_tcp_urgent_in(pcb, header);
  Recovery::on_header(*pcb, *header, opt_len, p->tot_len);
  return ERR_OK;
}

uint32_t* millrace_tcp_out(pbuf* p, tcp_hdr* header, const tcp_pcb* pcb, uint32_t* options) {
  if (pcb == nullptr) return options;
  millrace::Recovery::on_output(*pcb, *p, *header);
  if (millrace_window_probe != nullptr) millrace_fill_window_probe(p, header, options);
  return millrace_sends_urgent != 0 ? millrace_tcp_urgent_out(pcb, header, options) : options;
}
}
