// SPDX-License-Identifier: BSD-3-Clause
// Segments that come before their turn. lwIP 2.2.1 loses what it has where they overlap: of a segment
// that it holds, all behind the beginning of a new one goes, even if the new one is shorter; and of a new
// one that begins as its last one does, what is longer. Both may have been SACKed. So it gets only what
// it has not.
#pragma once

#include "lwip/tcp.h"

struct pbuf;
struct tcp_hdr;

namespace millrace {

enum class News : uint8_t {
  kAll,      ///< nothing is known, or lwIP is to judge
  kNothing,  ///< the segment is held already
  kRest,     ///< its first bytes are
};

/// @param segment  behind its header @param[out] n_known  with kRest: that many bytes at its beginning
News news_in(const tcp_pcb& pcb, const tcp_hdr& header, const pbuf& segment,
             uint16_t& n_known) noexcept;

/// Takes bytes off the beginning; of the mbufs the first is left, and holds the header.
/// @return the header, which has moved
tcp_hdr& trim_front(tcp_hdr& header, pbuf& segment, uint16_t n_bytes) noexcept;

/// What comes out of order pins an mbuf each, on as many connections as a sender likes to open. With
/// half of the mbufs in use, only what is in order gets in; the rest will be sent again.
bool is_too_early(const tcp_pcb& pcb, const tcp_hdr& header, pbuf& segment) noexcept;

}  // namespace millrace
