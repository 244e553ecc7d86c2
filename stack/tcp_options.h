// SPDX-License-Identifier: BSD-3-Clause
// The options of TCP segments, before lwIP reads them and after it wrote them: none that it would
// misread, none that the configuration does not want, and timestamps (RFC 7323), of which lwIP
// knows how to send and echo them and nothing else.
#pragma once

#include <cstddef>
#include <cstdint>

#include "stack/lwip/port.h"

struct tcp_hdr;
struct tcp_pcb;

namespace millrace {

/// Of connections to come (config.def: [tcp]).
struct TcpOffers {
  bool timestamps = false;
  bool window_scaling = true;
};
extern TcpOffers tcp_offers;

struct Timestamps {
  uint32_t value = 0;
  uint32_t echo = 0;
};

inline uint32_t load_be32(const uint8_t* from) noexcept {
  return uint32_t{from[0]} << 24 | uint32_t{from[1]} << 16 | uint32_t{from[2]} << 8 | from[3];
}

/// What our own timestamps say at that time: milliseconds, from a number that nobody can guess.
inline uint32_t timestamp_at(uint64_t ns) noexcept {
  return static_cast<uint32_t>(ns / 1'000'000) + engine.timestamp_offset;
}

/// The form that everybody sends (RFC 7323, appendix A): two NOPs, then the option, and no other.
inline bool are_timestamps_alone(const uint8_t* options, size_t length) noexcept {
  return length == 12 && options[0] == 1 && options[1] == 1 && options[2] == 8 && options[3] == 10;
}

/// @return false: there are none
bool read_timestamps(const uint8_t* options, size_t length, Timestamps& timestamps) noexcept;

/// Puts NOPs in place of what lwIP must not see. @param is_handshake  a SYN that a connection is
/// made of: in another one lwIP would heed options, too
void tame_options(uint8_t* options, size_t length, bool is_syn, bool is_handshake) noexcept;

/// PAWS: sent before what has arrived, so it is a stray of the past (RFC 7323 5.3).
bool is_of_the_past(const tcp_pcb& pcb, const tcp_hdr& header, size_t options_bytes) noexcept;

}  // namespace millrace
