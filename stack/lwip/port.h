// SPDX-License-Identifier: BSD-3-Clause
// What lwIP reaches through its port: the engine's pool, clock and loopback interface.
//
// lwIP keeps its state in globals, so there is one Engine per copy of lwIP, and one Stack owns it.
// Layout of an mbuf as lwIP sees it (DPDK rte_mbuf.h: the private area follows struct rte_mbuf):
//
//   | rte_mbuf (128) | private area (64)            | headroom | frame ...
//   |                | pbuf_custom (32) | Parcel 32 |          ^ pbuf.payload moves in here
//   |                |            or, lent, | Loan 32 |
//   |                |            or, sent, | Sent 16 |
//
// PBUF_RAM pbufs are allocated at the private area too, so mbuf_of() holds for every pbuf that
// carries payload, received or sent.
#pragma once

#include <rte_mbuf.h>

#include <cstddef>
#include <cstdint>

#include "dpdk_io/clock.h"
#include "lwip/netif.h"
#include "lwip/pbuf.h"
#include "stack/counters.h"

namespace millrace {

class Stack;
struct SocketOptions;

inline constexpr uint16_t kPrivateBytes = 64;

/// What the Stack keeps beside a received pbuf while it waits in an Inbox.
struct Parcel {
  pbuf* next;            ///< next parcel of the Inbox, head pbuf
  uint8_t source[16];    ///< peer's address, network byte order; IPv4 in the first 4 bytes
  uint16_t source_port;  ///< host byte order
  uint8_t family;        ///< 4 or 6
  uint8_t marks;         ///< Inbox::kEnds, kUrgent
  uint32_t zone;         ///< of a link-local source
};

class Demux;
class Gate;
class Neighbors;
class PathMtus;
class Routes;
class SctpEngine;
class Socket;
class SynCookies;

/// What stands there instead while a caller reads the payload in place (stack/loan.h).
struct Loan {
  Socket* owner;
  pbuf* older;  ///< of the same socket
  pbuf* newer;
  uint64_t since_ns;
};

/// What stands there in an mbuf that tcp_write() filled: how its segment fares (stack/scoreboard.h).
struct Sent {
  uint64_t at_ns;  ///< last time
  uint8_t marks;
};

struct PrivateArea {
  pbuf_custom custom;
  union {
    Parcel parcel;
    Loan loan;
    Sent sent;
  };
};
static_assert(sizeof(Parcel) == 32 && sizeof(Loan) == 32 && sizeof(Sent) <= 32);
static_assert(sizeof(pbuf_custom) == 32);
static_assert(sizeof(PrivateArea) <= kPrivateBytes);
static_assert(offsetof(PrivateArea, custom) == 0);
static_assert(PBUF_LINK_ENCAPSULATION_HLEN >= kPrivateBytes);

inline rte_mbuf* mbuf_of(pbuf* p) { return reinterpret_cast<rte_mbuf*>(p) - 1; }
inline PrivateArea* private_area(rte_mbuf* m) { return reinterpret_cast<PrivateArea*>(m + 1); }
inline Parcel& parcel_of(pbuf* p) { return reinterpret_cast<PrivateArea*>(p)->parcel; }
inline Sent& sent_of(pbuf* p) { return reinterpret_cast<PrivateArea*>(p)->sent; }
inline Loan& loan_of(pbuf* p) { return reinterpret_cast<PrivateArea*>(p)->loan; }

/// Takes the head off a chain. What the Stack knows of the parcel travels with the head pbuf, so the
/// next one takes it over. @return the rest, or null
inline pbuf* cut_head(pbuf* head) {
  pbuf* const rest = head->next;
  if (rest != nullptr) parcel_of(rest) = parcel_of(head);
  head->next = nullptr;
  return rest;
}

struct Engine {
  rte_mempool* pool = nullptr;
  const Clock* clock = nullptr;
  netif* loop = nullptr;
  Counters* counters = nullptr;
  Stack* stack = nullptr;
  Demux* demux = nullptr;
  Gate* gate = nullptr;
  Neighbors* neighbors = nullptr;
  PathMtus* path_mtus = nullptr;
  bool sends_by_system_call = false;  ///< a burst to some port is one: the fewer, the better
  bool finds_path_mtu = false;  ///< TCP: routers are to tell, not to cut
  Routes* routes = nullptr;
  SynCookies* syn_cookies = nullptr;
  SctpEngine* sctp = nullptr;  ///< null: nobody has asked for SCTP
  uint64_t last_sent_ns = 0;      ///< when the last TCP segment was; no two at the same time
  uint32_t timestamp_offset = 0;  ///< of the clock that peers see (RFC 7323 7.1)
  /// While a SYN is replayed (syn_cookies.h): the number that its connection has. Nothing is sent then.
  const uint32_t* replayed_isn = nullptr;
};
extern Engine engine;

/// The interface to a destination: what Routes says, and lwIP where a zone or a router that told of
/// itself decides. The loopback leads to ourselves and nowhere else. @return null: unreachable
netif* route_to(const ip_addr_t& source, const ip_addr_t& destination) noexcept;
/// The same for a socket that may have IP_UNICAST_IF; our own addresses are reached without a wire.
netif* route_of(const SocketOptions& options, const ip_addr_t& source,
                const ip_addr_t& destination) noexcept;

/// Makes the mbuf's pbuf: payload and length are the mbuf's data; segments become a chain.
/// @owner takes m; the pbuf's last reference frees it
pbuf* pbuf_from(rte_mbuf* m) noexcept;

}  // namespace millrace
