/* SPDX-License-Identifier: BSD-3-Clause */
/* The places where lwIP asks us (see "Hooks" in lwip/opt.h); the answers are in lwip/port.cc and,
 * for TCP, in lwip/tcp_hooks.cc. */
#ifndef MILLRACE_LWIP_HOOKS_H
#define MILLRACE_LWIP_HOOKS_H

#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"

#ifdef __cplusplus
extern "C" {
#endif
struct netif;
struct tcp_hdr;
struct tcp_pcb;
struct tcp_seg;

struct netif* millrace_route4(const ip4_addr_t* source, const ip4_addr_t* destination);
struct netif* millrace_route6(const ip6_addr_t* source, const ip6_addr_t* destination);
const ip6_addr_t* millrace_next_hop6(const struct netif* out, const ip6_addr_t* destination);
err_t millrace_tcp_in(struct tcp_pcb* pcb, struct tcp_hdr* header, uint16_t opt_len,
                      uint16_t opt1_len, uint8_t* opt2, struct pbuf* p);
/* isn.cc */
uint32_t millrace_tcp_isn(const ip_addr_t* local, uint16_t local_port, const ip_addr_t* peer,
                          uint16_t peer_port);
/* Each TCP segment on its way out, its options behind ours. */
uint32_t* millrace_tcp_out(struct pbuf* p, struct tcp_hdr* header, const struct tcp_pcb* pcb,
                           uint32_t* options);
/* tcp_urgent.cc */
void millrace_tcp_urgent_in(struct tcp_pcb* pcb, const struct tcp_hdr* header);
uint32_t* millrace_tcp_urgent_out(const struct tcp_pcb* pcb, struct tcp_hdr* header,
                                  uint32_t* options);
extern int millrace_sends_urgent; /* some connection of the process has */
/* tcp_options.cc */
extern const struct tcp_seg* millrace_window_probe; /* the acknowledgement in hand becomes one of it */
void millrace_fill_window_probe(struct pbuf* p, struct tcp_hdr* header, void* behind_options);
#ifdef __cplusplus
}
#endif

#endif
