# SPDX-License-Identifier: BSD-3-Clause
# Builds upstream lwIP 2.2.1, unmodified, with our options: object library `lwip`.
# The sources come from MILLRACE_LWIP_DIR, or once from Debian's source archive into the build tree.
if(MILLRACE_LWIP_DIR)
  set(LWIP_DIR ${MILLRACE_LWIP_DIR})
else()
  set(LWIP_DIR ${CMAKE_BINARY_DIR}/lwip-2.2.1)
  if(NOT EXISTS ${LWIP_DIR}/src/Filelists.cmake)
    message(STATUS "Fetching lwIP 2.2.1 from Debian's source archive")
    execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/fetch ${LWIP_DIR}
      RESULT_VARIABLE fetched ERROR_VARIABLE why OUTPUT_QUIET)
    if(NOT fetched EQUAL 0)
      message(FATAL_ERROR "${why}")
    endif()
  endif()
endif()
if(NOT EXISTS ${LWIP_DIR}/src/Filelists.cmake)
  message(FATAL_ERROR "no lwIP in ${LWIP_DIR}; MILLRACE_LWIP_DIR must name an unpacked lwIP 2.2.1")
endif()
include(${LWIP_DIR}/src/Filelists.cmake)
if(NOT LWIP_VERSION_STRING STREQUAL "2.2.1")
  message(FATAL_ERROR "${LWIP_DIR} holds lwIP ${LWIP_VERSION_STRING}; millrace is built on 2.2.1")
endif()

add_library(lwip OBJECT
  ${lwipcore_SRCS} ${lwipcore4_SRCS} ${lwipcore6_SRCS} ${LWIP_DIR}/src/netif/ethernet.c)
target_include_directories(lwip SYSTEM PUBLIC
  ${LWIP_DIR}/src/include ${CMAKE_CURRENT_LIST_DIR})
# Its shifts of bytes into the sign are what C11 leaves undefined and every compiler does alike.
target_compile_options(lwip PRIVATE -fno-strict-aliasing -fno-sanitize=shift -w)
# A PBUF_RAM lives in an mbuf: pbuf.c, and nothing else, allocates from the Stack's pool.
set_source_files_properties(${LWIP_DIR}/src/core/pbuf.c PROPERTIES COMPILE_DEFINITIONS
  "mem_malloc=millrace_pbuf_malloc;mem_free=millrace_pbuf_free;mem_trim=millrace_pbuf_trim")
# Control blocks and segments come from free lists (slab.cc).
set_source_files_properties(${LWIP_DIR}/src/core/memp.c PROPERTIES COMPILE_DEFINITIONS
  "mem_malloc=millrace_slab_malloc;mem_free=millrace_slab_free")
# With fragments put together and addresses checked, IP hands on to us: ICMP messages pass by our sockets
# before lwIP sees them, which ignores errors (icmp_errors.cc); for TCP and UDP lwIP gets the lists that
# the packet is for (demux.h), and what a segment told of losses is acted upon when lwIP is done with it
# (recovery.cc). A protocol that lwIP does not know is SCTP (sctp_wire.cc).
set_source_files_properties(${LWIP_DIR}/src/core/ipv4/ip4.c PROPERTIES COMPILE_DEFINITIONS
  "icmp_input=millrace_icmp4_in;icmp_dest_unreach=millrace_icmp4_unreachable;tcp_input=millrace_tcp_segment_in;udp_input=millrace_udp_in")
set_source_files_properties(${LWIP_DIR}/src/core/ipv6/ip6.c PROPERTIES COMPILE_DEFINITIONS
  "icmp6_input=millrace_icmp6_in;icmp6_param_problem=millrace_icmp6_problem;tcp_input=millrace_tcp_segment_in;udp_input=millrace_udp_in;nd6_get_destination_mtu=millrace_destination_mtu6")
# How long packets to there may be is in a table that is not searched (path_mtu.cc).
set_source_files_properties(${LWIP_DIR}/src/core/ipv6/ip6_frag.c PROPERTIES COMPILE_DEFINITIONS
  "nd6_get_destination_mtu=millrace_destination_mtu6")
# What a SYN offers is a setting, and timestamps are in keep-alive and window probes, too (tcp_options.cc).
set_source_files_properties(${LWIP_DIR}/src/core/tcp.c PROPERTIES COMPILE_DEFINITIONS
  "tcp_enqueue_flags=millrace_tcp_enqueue_flags;tcp_keepalive=millrace_tcp_keepalive;tcp_zero_window_probe=millrace_tcp_window_probe;nd6_get_destination_mtu=millrace_destination_mtu6")
set_source_files_properties(${LWIP_DIR}/src/core/tcp_out.c PROPERTIES COMPILE_DEFINITIONS
  "sys_now=millrace_tcp_timestamp")
# What an acknowledgement lets go leaves without a walk through all that is in flight (send_queue.cc); a
# connection begins with the MSS that its path is known to carry (path_mtu.cc); what comes behind a hole is
# acknowledged once for a burst (tcp_recv.cc).
set_source_files_properties(${LWIP_DIR}/src/core/tcp_in.c PROPERTIES COMPILE_DEFINITIONS
  "tcp_output=millrace_tcp_output;tcp_eff_send_mss_netif=millrace_eff_send_mss;tcp_send_empty_ack=millrace_acknowledge")
# What a DHCP server gives is applied by us, once no list of lwIP's is lent out (dhcp.cc).
set_source_files_properties(${LWIP_DIR}/src/core/ipv4/dhcp.c PROPERTIES COMPILE_DEFINITIONS
  "netif_set_addr=millrace_dhcp_set_addr")
# init.c only checks options, at compile time, where a variable is no number.
set_source_files_properties(${LWIP_DIR}/src/core/init.c PROPERTIES COMPILE_DEFINITIONS
  "TCP_WND=524288;TCP_SYNMAXRTX=5;IP_REASS_MAX_PBUFS=1024")
