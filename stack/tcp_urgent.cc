// SPDX-License-Identifier: BSD-3-Clause
// Urgent data (RFC 9293 3.8.5, RFC 6093), which lwIP ignores in both directions.
//
//   sequence numbers   | a b c | ! | d e f |      pointer one past the urgent byte, as Windows and
//   Linux Inbox                a b c |             read stops at the mark urgent_ ! read by
//   MSG_OOB; with SO_OOBINLINE it stays between the two Inbox                          d e f the
//   next read goes on here
//
// Received: lwIP's input hook shows each header before lwIP looks at it. What its pointer names is
// kept in Urgent::announced, by sequence number, until on_receive() is given that byte, whatever order
// segments come in. The bytes around it are not copied: where a mark divides an mbuf, an indirect
// mbuf holds the second part. Several urgent bytes wait in turn, as on Windows (winsock-rules 126,
// 127).
//
// Sent: the flag and the pointer stand in the header of the queued segment that ends with the
// urgent byte, so a retransmission carries them, too. Contract: B13.
#include <rte_mbuf.h>

#include <algorithm>
#include <utility>

#include "lwip/priv/tcp_priv.h"
#include "stack/lwip/lwip_hooks.h"
#include "stack/lwip/port.h"
#include "stack/take.h"
#include "stack/tcp.h"

namespace millrace {
namespace {

// Each pins an mbuf or two. What comes beyond stays in the stream as ordinary data.
constexpr size_t kMostUrgentBytes = 64;

/// A second mbuf for the bytes of p from this offset on. @return null: no mbuf is free
pbuf* share(pbuf* p, uint16_t offset) {
  rte_mbuf* const second = rte_pktmbuf_alloc(engine.pool);
  if (second == nullptr) {
    ++engine.counters->mbuf_alloc_failed;
    return nullptr;
  }
  rte_pktmbuf_attach(second, mbuf_of(p));
  const char* const begin = static_cast<char*>(p->payload) + offset;
  second->data_off = static_cast<uint16_t>(begin - static_cast<char*>(second->buf_addr));
  second->data_len = static_cast<uint16_t>(p->len - offset);
  second->pkt_len = second->data_len;
  return pbuf_from(second);
}

/// Lets a pbuf of the chain begin at this offset. @return false: no mbuf is free
bool divide(pbuf* chain, uint32_t offset) {
  for (; chain != nullptr && offset >= chain->len; chain = chain->next) offset -= chain->len;
  if (chain == nullptr || offset == 0) return true;
  pbuf* const second = share(chain, static_cast<uint16_t>(offset));
  if (second == nullptr) return false;
  second->next = chain->next;
  second->tot_len = static_cast<uint16_t>(chain->tot_len - offset);
  chain->next = second;
  chain->len = static_cast<uint16_t>(offset);
  return true;
}

/// Leaves the first bytes, up to where a pbuf begins, in the chain. @return the others; either may
/// be null
pbuf* split(pbuf*& chain, uint32_t bytes) {
  pbuf** link = &chain;
  for (; bytes != 0; link = &(*link)->next) bytes -= (*link)->len;
  return std::exchange(*link, nullptr);
}

}  // namespace

// ---- what arrives ----

void TcpSocket::on_urgent(tcp_pcb& pcb, uint32_t number) noexcept {
  if (pcb.callback_arg == nullptr) return;
  auto& self = *static_cast<TcpSocket*>(pcb.callback_arg);
  if (self.pcb_ == &pcb) return self.announce(pcb, number);
  self.listening->early_urgent = {&pcb, number};  // a listener's; on_accept comes with this very segment
}

// Not what was received before, and nothing beyond the window: the segment that brings that byte
// announces it again.
void TcpSocket::announce(const tcp_pcb& pcb, uint32_t number) noexcept {
  if (number - pcb.rcv_nxt >= pcb.rcv_wnd) return;
  if (urgent_ == nullptr) urgent_ = std::make_unique<Urgent>();
  std::vector<uint32_t>& announced = urgent_->announced;
  if (announced.empty()) urgent_->next_number = pcb.rcv_nxt;
  const auto at = std::find_if(announced.begin(), announced.end(),
                               [=](uint32_t other) { return TCP_SEQ_GEQ(other, number); });
  if (at != announced.end() && *at == number) return;
  if (announced.size() + urgent_->inbox.parcels() >= kMostUrgentBytes) {
    ++stack_.counters.rx_urgent_ignored;
    return;
  }
  announced.insert(at, number);
}

// Dividing first: if there is no mbuf for it, the whole stays with lwIP, which offers it again at
// its next fast timer.
err_t TcpSocket::deliver_marked(pbuf* p) noexcept {
  const uint32_t length = p->tot_len;
  std::vector<uint32_t>& announced = urgent_->announced;
  uint32_t& next_number = urgent_->next_number;
  for (const uint32_t number : announced) {
    const uint32_t offset = number - next_number;
    if (offset >= length) break;
    if (!divide(p, offset) || !divide(p, offset + 1)) return ERR_MEM;
  }
  const uint32_t end = next_number + length;
  while (!announced.empty() && TCP_SEQ_LT(announced.front(), end)) {
    const uint32_t before = announced.front() - next_number;
    announced.erase(announced.begin());
    pbuf* byte = split(p, before);
    pbuf* const rest = split(byte, 1);
    if (p != nullptr) deliver(p);
    deliver_urgent(byte);
    p = rest;
    next_number += before + 1;
  }
  next_number = end;
  if (p != nullptr) deliver(p);
  return ERR_OK;
}

void TcpSocket::deliver_urgent(pbuf* byte) noexcept {
  end_receive(Inbox::kEnds);
  if (options.oob_inline) {
    deliver(byte);
    end_receive(Inbox::kEnds | Inbox::kUrgent);
    return;
  }
  Inbox& waiting = urgent_->inbox;
  waiting.push(byte, Inbox::kEnds);
  note_arrival(FD_OOB);
  while (!urgent_receives_.empty() && !waiting.empty()) {
    Request& request = *urgent_receives_.front();
    request.bytes = waiting.read(request.cursor);
    request.outcome.flags = WS_MSG_OOB;
    to_credit_ += request.bytes;
    stack_.counters.bytes_copied += request.bytes;
    stack_.counters.bytes_delivered += request.bytes;
    ++stack_.counters.recv_direct;
    finish(urgent_receives_, request, WsaError::kOk);
  }
}

// No receive goes on behind this point, waiting or to come.
void TcpSocket::end_receive(uint8_t marks) noexcept {
  if (inbox_.empty()) {
    end_filling();
  } else {
    inbox_.mark_last(marks);
  }
}

// SO_OOBINLINE was set: what waits for MSG_OOB is ordinary receives' now.
void TcpSocket::bring_inline() noexcept {
  while (has_urgent() && !receives_.empty()) {
    deliver(urgent_->inbox.pop());
    end_receive(Inbox::kEnds | Inbox::kUrgent);
    stack_.mark_dirty(*this);
  }
}

bool TcpSocket::is_at_mark() const noexcept {
  return !has_urgent() && !inbox_.has_urgent_ahead();
}

uint64_t TcpSocket::readable_bytes() const noexcept {
  return inbox_.bytes() + (options.oob_inline && has_urgent() ? urgent_->inbox.bytes() : 0);
}

// ---- what is sent ----

// Nothing may join the segment behind the urgent byte: a header has room for one pointer. And it
// goes out at once, whatever Nagle says: this flag makes the next tcp_output() send all that fits.
void TcpSocket::mark_urgent() noexcept {
  tcp_seg* last = pcb_->unsent;
  while (last->next != nullptr) last = last->next;
  TCPH_SET_FLAG(last->tcphdr, TCP_URG);
  last->tcphdr->urgp = lwip_htons(last->len);
  pcb_->unsent_oversize = 0;
  tcp_set_flags(pcb_, TF_NAGLEMEMERR);
  millrace_sends_urgent = 1;
}

}  // namespace millrace

extern "C" {

int millrace_sends_urgent = 0;

void millrace_tcp_urgent_in(tcp_pcb* pcb, const tcp_hdr* header) {
  const bool is_data = pcb->state != LISTEN && pcb->state != TIME_WAIT &&
                       (TCPH_FLAGS(header) & (TCP_SYN | TCP_RST)) == 0;
  const uint16_t pointer = lwip_ntohs(header->urgp);
  if (is_data && pointer != 0) {
    millrace::TcpSocket::on_urgent(*pcb, header->seqno + pointer - 1);
  }
}

// A probe of a closed window, and an acknowledgement sent meanwhile, have a header of their own: it
// says the same as that of the segment whose place they take (RFC 9293 3.8.6.1).
uint32_t* millrace_tcp_urgent_out(const tcp_pcb* pcb, tcp_hdr* header, uint32_t* options) {
  if (pcb == nullptr || (TCPH_FLAGS(header) & TCP_RST) != 0) return options;
  const tcp_seg* const first = pcb->unacked != nullptr ? pcb->unacked : pcb->unsent;
  if (first == nullptr || first->tcphdr->seqno != header->seqno) return options;
  if ((TCPH_FLAGS(first->tcphdr) & TCP_URG) == 0) return options;
  TCPH_SET_FLAG(header, TCP_URG);
  header->urgp = first->tcphdr->urgp;
  return options;
}
}
