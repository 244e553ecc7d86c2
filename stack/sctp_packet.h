// SPDX-License-Identifier: BSD-3-Clause
// SCTP packets as they are on the wire, from the common header on: what the engine has to read of them, and
// the two things that it adds to libusrsctp's, which knows no addresses of ours (RFC 9260 3).
//
//   | ports, tag, checksum: 12 | chunk: type, flags, length, value | chunk ... |      chunks begin at multiples of 4
//
// Nothing here trusts a length: what does not fit its packet ends the reading.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "stack/address.h"

namespace millrace {

enum class SctpChunk : uint8_t {
  kData = 0,
  kInit = 1,
  kInitAck = 2,
  kSack = 3,
  kHeartbeat = 4,
  kHeartbeatAck = 5,
  kShutdown = 7,
  kShutdownAck = 8,
  kCookieEcho = 10,
  kCookieAck = 11,
  kNone = 255,  ///< of a packet without chunks
};

using SctpBytes = std::span<const uint8_t>;

uint16_t sctp_source_port(SctpBytes packet) noexcept;
uint16_t sctp_target_port(SctpBytes packet) noexcept;
uint32_t sctp_tag(SctpBytes packet) noexcept;
SctpChunk first_chunk_of(SctpBytes packet) noexcept;

inline constexpr size_t kSctpHeaderBytes = 12;  // RFC 9260 3.1
/// The chunk, or the parameter of one, that begins there. @return empty: it is not whole
SctpBytes sctp_item_at(SctpBytes bytes, size_t at) noexcept;
/// Calls visit(type, chunk) for each chunk that is whole, its header of 4 bytes included.
template <typename Visit>
void for_each_chunk(SctpBytes packet, Visit visit) {
  for (size_t at = kSctpHeaderBytes; at < packet.size();) {
    const SctpBytes chunk = sctp_item_at(packet, at);
    if (chunk.empty()) return;
    visit(static_cast<SctpChunk>(chunk[0]), chunk);
    at += (chunk.size() + 3) & ~size_t{3};
  }
}

/// Of a packet with INIT or INIT ACK: the sender's tag (RFC 9260 3.3.2). 0: there is none
uint32_t initiate_tag_of(SctpBytes packet) noexcept;
/// The addresses of one family that it lists, at most so many.
std::vector<IpAddress> addresses_in(SctpBytes packet, uint8_t family, size_t most);
/// Lists addresses in the INIT or INIT ACK that the packet is.
void add_addresses(std::vector<uint8_t>& packet, std::span<const IpAddress> addresses);

/// Puts a tail behind the State Cookie of the INIT ACK that the packet is. @return false: it has none
bool extend_cookie(std::vector<uint8_t>& packet, SctpBytes tail);
/// Takes the tail off the cookie of the COOKIE ECHO that the packet begins with. @return false: too short
bool cut_cookie(std::vector<uint8_t>& packet, std::span<uint8_t> tail);

/// A packet that is a HEARTBEAT with this number in it.
std::vector<uint8_t> heartbeat_packet(uint16_t source_port, uint16_t target_port, uint32_t tag, uint64_t number);
/// The number that a HEARTBEAT ACK brings back. @return nothing: it is of no heartbeat_packet()
std::optional<uint64_t> number_in_heartbeat(SctpBytes chunk) noexcept;
/// The packet without the chunks that are answers to heartbeat_packet(). @return empty: nothing is left
std::vector<uint8_t> without_heartbeats(SctpBytes packet);

}  // namespace millrace
