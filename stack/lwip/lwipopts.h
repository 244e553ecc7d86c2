/* SPDX-License-Identifier: BSD-3-Clause */
/* How millrace builds lwIP 2.2.1.
 *
 * No operating system layer, no lwIP timers, no lwIP pools: the Stack turns the timers itself,
 * control blocks come from the heap, and every PBUF_RAM lives in an mbuf (port.cc), so that what
 * TCP queues is what the NIC sends. Values that a user may set are variables, filled from the
 * configuration before the first packet; lwIP reads them where it would read a constant.
 */
#ifndef MILLRACE_LWIPOPTS_H
#define MILLRACE_LWIPOPTS_H

#define NO_SYS 1
#define SYS_LIGHTWEIGHT_PROT 0
#define LWIP_TIMERS 0
#define LWIP_NETCONN 0
#define LWIP_SOCKET 0

/* ---- memory ---- */
#define MEM_ALIGNMENT 8
#define MEM_LIBC_MALLOC 1
#define MEMP_MEM_MALLOC 1
#define LWIP_SUPPORT_CUSTOM_PBUF 1
/* The pbuf of an mbuf stands in the mbuf's private area (64 bytes); payload starts behind it. */
#define PBUF_LINK_ENCAPSULATION_HLEN 64
/* One segment is one mbuf: no chains on the way out. */
#define LWIP_NETIF_TX_SINGLE_PBUF 1
#define PBUF_POOL_FREE_OOSEQ 0

/* ---- interfaces ---- */
#define LWIP_NETIF_LOOPBACK 0
#define LWIP_HAVE_LOOPIF 0
#define LWIP_NETIF_HWADDRHINT 1
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1
#define ETH_PAD_SIZE 0
#define ETHARP_SUPPORT_STATIC_ENTRIES 1
#define ETHARP_TABLE_MATCH_NETIF 1
#define ARP_TABLE_SIZE 127
#define ARP_QUEUEING 1
#define ARP_QUEUE_LEN 32

/* ---- IP ---- */
#define LWIP_IPV4 1
#define LWIP_IPV6 1
#define IP_SOF_BROADCAST 1
#define IP_SOF_BROADCAST_RECV 0
#define IP_FORWARD 0
#define IP_REASSEMBLY 1
#define IP_FRAG 1
#ifndef IP_REASS_MAX_PBUFS /* init.c checks a constant: the build gives it one */
#define IP_REASS_MAX_PBUFS millrace_reass_max_pbufs
#endif
#define IPV6_FRAG_COPYHEADER 1
#define LWIP_ICMP 1
#define LWIP_ICMP6 1
#define LWIP_RAW 0
#define LWIP_DNS 0
#define LWIP_DHCP 1
#define LWIP_DHCP_DOES_ACD_CHECK 0
#define LWIP_DHCP_GET_NTP_SRV 0
#define LWIP_AUTOIP 0
#define LWIP_ACD 0
#define LWIP_IGMP 1
#define LWIP_IPV6_MLD 1
#define LWIP_IPV6_AUTOCONFIG 0
#define LWIP_IPV6_DHCP6 0
#define LWIP_IPV6_SEND_ROUTER_SOLICIT 0
#define LWIP_IPV6_DUP_DETECT_ATTEMPTS 0
#define LWIP_IPV6_NUM_ADDRESSES 9 /* 8 and a link-local one */
#define LWIP_IPV6_ADDRESS_LIFETIMES 1 /* so that an address need not be a /64 */
#define LWIP_ND6_NUM_NEIGHBORS 64
#define LWIP_ND6_NUM_DESTINATIONS 64
#define MEMP_NUM_ND6_QUEUE 64
#define LWIP_ND6_QUEUEING 1
#define LWIP_ND6_TCP_REACHABILITY_HINTS 0 /* a search per segment; a neighbor is asked every 35 s instead */

/* ---- UDP and TCP ---- */
#define LWIP_UDP 1
#define LWIP_UDPLITE 0
#define LWIP_TCP 1
#define SO_REUSE 1
#define SO_REUSE_RXTOALL 0
#define TCP_LISTEN_BACKLOG 1
#define LWIP_TCP_KEEPALIVE 1
#define LWIP_TCP_PCB_NUM_EXT_ARGS 2 /* the bucket where Demux keeps it, its Recovery */
#define LWIP_TCP_TIMESTAMPS 1 /* on connections that have agreed on them (tcp_options.h) */
#define LWIP_TCP_SACK_OUT 1
#define LWIP_WND_SCALE 1
#define TCP_RCV_SCALE 7
#define TCP_MSS 8960 /* the most a jumbo frame of 9000 carries; a port's MTU lowers it */
#define TCP_CALCULATE_EFF_SEND_MSS 1
#define TCP_OVERSIZE TCP_MSS
#define TCP_SND_QUEUELEN 16384
#define TCP_QUEUE_OOSEQ 1
#define TCP_OOSEQ_MAX_PBUFS 512 /* each pins an mbuf */

/* Fast tick 10 ms, slow tick 40 ms: shorter ones cause spurious retransmissions. */
#define TCP_TMR_INTERVAL 10
#define TCP_FAST_INTERVAL 10
#define TCP_SLOW_INTERVAL 40
#define LWIP_TCP_RTO_TIME 1000

/* Set from the configuration (lwip/port.cc). */
#ifdef __cplusplus
extern "C" {
#endif
extern unsigned int millrace_tcp_wnd;
extern unsigned int millrace_tcp_snd_buf;
extern unsigned int millrace_tcp_msl_ms;
extern unsigned int millrace_tcp_max_rtx;
extern unsigned int millrace_reass_max_pbufs; /* of each family */
struct tcp_pcb;
unsigned int millrace_syn_max_rtx(const struct tcp_pcb* pcb);
#ifdef __cplusplus
}
#endif
#ifndef TCP_WND /* init.c checks a constant: the build gives it one */
#define TCP_WND millrace_tcp_wnd
#endif
#define TCP_SND_BUF millrace_tcp_snd_buf
#define TCP_MSL millrace_tcp_msl_ms
#define TCP_MAXRTX millrace_tcp_max_rtx
#ifndef TCP_SYNMAXRTX /* 5, or SIO_TCP_INITIAL_RTO's; init.c checks a constant */
#define TCP_SYNMAXRTX millrace_syn_max_rtx(pcb)
#endif
#define TCP_SNDLOWAT 0
#define TCP_WND_UPDATE_THRESHOLD (millrace_tcp_wnd / 4)
#define LWIP_DISABLE_TCP_SANITY_CHECKS 1

/* ---- what it counts, hooks, diagnostics ---- */
#define LWIP_STATS 1
#define LWIP_STATS_LARGE 1
#define LWIP_STATS_DISPLAY 0
#define MEM_STATS 0
#define MEMP_STATS 0
#define SYS_STATS 0
#define LINK_STATS 1
#define LWIP_HOOK_FILENAME "lwip_hooks.h"
#define LWIP_HOOK_IP4_ROUTE_SRC(source, destination) millrace_route4(source, destination)
#define LWIP_HOOK_IP6_ROUTE(source, destination) millrace_route6(source, destination)
/* The next hop has been decided before (interfaces.cc), whatever mask and gateway the netif has. */
#define LWIP_HOOK_ETHARP_GET_GW(netif, destination) (destination)
#define LWIP_HOOK_ND6_GET_GW(netif, destination) millrace_next_hop6(netif, destination)
#define LWIP_HOOK_TCP_INPACKET_PCB(pcb, hdr, optlen, opt1len, opt2, p) \
  millrace_tcp_in((struct tcp_pcb*)(pcb), hdr, optlen, opt1len, opt2, p)
#define LWIP_HOOK_TCP_ISN millrace_tcp_isn
#define LWIP_HOOK_TCP_OUT_ADD_TCPOPTS(p, hdr, pcb, opts) millrace_tcp_out(p, hdr, pcb, opts)
#ifdef NDEBUG
#define LWIP_NOASSERT 1
#endif

#endif
