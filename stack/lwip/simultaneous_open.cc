// SPDX-License-Identifier: BSD-3-Clause
#include "stack/lwip/simultaneous_open.h"

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

namespace millrace {
namespace {

// The ACK of our SYN has come: what an active open is told then (tcp_in.c, SYN_SENT).
err_t on_open(void* arg, tcp_pcb* pcb, err_t error) {
  pcb->listener = nullptr;
  pcb->mss = tcp_eff_send_mss(pcb->mss, &pcb->local_ip, &pcb->remote_ip);
  if (pcb->connected == nullptr) return ERR_OK;
  return pcb->connected(arg, pcb, error);
}

// lwIP asks a connection's listener, when it opens, for this function alone.
tcp_pcb_listen& nobody() noexcept {
  static tcp_pcb_listen listener = [] {
    tcp_pcb_listen l{};
    l.state = LISTEN;
    l.accept = on_open;
    return l;
  }();
  return listener;
}

}  // namespace

void open_simultaneously(tcp_pcb& pcb, const tcp_hdr& syn) noexcept {
  pcb.state = SYN_RCVD;
  pcb.listener = &nobody();
  pcb.rcv_nxt = syn.seqno + 1;
  pcb.rcv_ann_right_edge = pcb.rcv_nxt;
  pcb.snd_wnd = syn.wnd;
  pcb.snd_wnd_max = syn.wnd;
  pcb.snd_wl1 = syn.seqno - 1;  // so that the next segment's window is taken
}

bool is_answer_to_simultaneous_open(const tcp_pcb& pcb, tcp_hdr& header) noexcept {
  if (pcb.state != SYN_RCVD || pcb.listener != &nobody()) return false;
  if ((TCPH_FLAGS(&header) & (TCP_SYN | TCP_ACK | TCP_RST)) != (TCP_SYN | TCP_ACK)) return false;
  if (header.seqno != pcb.rcv_nxt - 1) return false;
  TCPH_UNSET_FLAG(&header, TCP_SYN);
  ++header.seqno;
  return true;
}

}  // namespace millrace
