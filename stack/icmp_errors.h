// SPDX-License-Identifier: BSD-3-Clause
// ICMP errors: what a router or a peer says about a packet that we sent.
//
//   | IP | ICMP: type, code, checksum, 4 bytes | IP as we sent it | first 8 bytes of UDP or TCP |
//                                                ^ what it is about, and to which socket it goes
//
// lwIP 2.2.1 throws these messages away, so ours come first: ip4.c and ip6.c are built to call the
// two functions at the end instead of lwIP's own, which get everything that is not an error.
//
// Invariant: an IcmpError was whole, had a right checksum where the interface verifies, was sent to
// the very address that the packet in it came from, and quotes UDP or TCP. Whether that packet was
// really ours only the socket can tell (Socket::fits). The packet's own checksums are not looked
// at: routers change its header, and the quotation is cut off.
#pragma once

#include <cstdint>

#include "stack/address.h"
#include "stack/stack.h"

struct netif;
struct pbuf;

namespace millrace {

enum class IcmpReason : uint8_t {
  kNetUnreachable,
  kHostUnreachable,
  kProtocolUnreachable,
  kPortUnreachable,
  kPacketTooBig,
  kTimeExceeded,  ///< in transit; not of a reassembly, which is an ordinary loss
};

struct IcmpError {
  IcmpReason reason = IcmpReason::kHostUnreachable;
  Transport transport = Transport::kUdp;
  Endpoint local;         ///< where the packet came from: us
  Endpoint remote;        ///< where it was to go
  uint32_t sequence = 0;  ///< TCP: its number, as it stood in the header
  uint32_t mtu = 0;       ///< kPacketTooBig: bytes that the next link carries; 0: it does not say
  uint16_t quoted_bytes = 0;  ///< IPv4: length of the packet
};

}  // namespace millrace

extern "C" {
// lwip/Lwip.cmake has ip4.c and ip6.c call these. They take the pbuf, as icmp_input does.
void millrace_icmp4_in(pbuf* p, netif* in);
void millrace_icmp6_in(pbuf* p, netif* in);
}
