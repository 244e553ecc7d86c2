// SPDX-License-Identifier: BSD-3-Clause
// Between libusrsctp and lwIP: SCTP packets as payload of IP, and messages as parcels of an Inbox.
//
//   Netif::poll -> ip4_input, ip6_input (lwIP: checks, reassembly) -> "no such protocol" -> SctpEngine::input
//   SctpEngine::transmit -> send_sctp -> ip_output_if (lwIP: routes, ARP and ND) -> Netif
//
// lwIP knows no SCTP. Where it is about to tell a peer so, by ICMP, it asks us first, so that TCP and
// UDP pay nothing for the third protocol. libusrsctp's header and lwIP's are never seen by one file.
#pragma once

#include <cstdint>
#include <span>

#include "stack/address.h"

struct pbuf;
struct socket;  // of libusrsctp

namespace millrace {

class BufferCursor;
class Inbox;
class SctpEngine;
struct Outcome;
using SctpEndpoint = struct ::socket;

/// The two addresses that packets of an association travel between.
struct SctpPath {
  IpAddress local;
  IpAddress remote;

  friend bool operator==(const SctpPath&, const SctpPath&) noexcept = default;
};

/// The engine of the Stack in hand. @return null: no SCTP socket was ever opened here
SctpEngine* sctp_engine() noexcept;
void set_sctp_engine(SctpEngine* engine) noexcept;

/// What IP carries that we send over: SCTP's common header, chunks, and where the checksum goes.
/// @param packet  at least 12 bytes; the checksum's field is 0
/// @return false: no route, no mbuf; counted
bool send_sctp(const SctpPath& path, std::span<const uint8_t> packet, uint8_t tos, uint8_t ttl) noexcept;

bool has_route(const SctpPath& path) noexcept;
/// Bytes of an SCTP packet that one frame carries to there.
uint16_t sctp_room(const SctpPath& path) noexcept;

/// CRC32c as SCTP has it (RFC 9260 Appendix A), of a packet whose field is 0.
uint32_t sctp_checksum(std::span<const uint8_t> packet) noexcept;

/// A parcel to fill: an mbuf of the Stack's pool. @return null: there is none
/// @owner gives: to Inbox::push, or pbuf_free
pbuf* new_parcel() noexcept;
std::span<char> room_of(pbuf& parcel) noexcept;
void shorten(pbuf& parcel, uint16_t bytes) noexcept;
void free_parcel(pbuf* parcel) noexcept;
/// take_from(), for files that may not see lwIP.
Outcome take_parcels(Inbox& inbox, BufferCursor& to, uint32_t service_flags, uint32_t flags) noexcept;

}  // namespace millrace
