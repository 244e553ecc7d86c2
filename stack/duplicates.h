// SPDX-License-Identifier: BSD-3-Clause
// Segments that have arrived before: the acknowledgement says which one came twice (RFC 2883), so
// that a sender learns what it repaired for nothing, and how far its path reorders. lwIP does not.
#pragma once

#include <cstdint>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/tcp.h"

namespace millrace {

/// Answers a segment all of whose bytes are here. @return true: it brought nothing else, and is
/// done
bool answer_duplicate(tcp_pcb& pcb, const tcp_hdr& header, uint32_t payload_bytes) noexcept;

/// What answer_duplicate() can look at; most segments are what comes next.
inline bool may_be_duplicate(const tcp_pcb& pcb, const tcp_hdr& header) noexcept {
  return header.seqno != pcb.rcv_nxt && (pcb.flags & TF_SACK) != 0;
}

}  // namespace millrace
