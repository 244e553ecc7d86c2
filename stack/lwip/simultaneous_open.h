// SPDX-License-Identifier: BSD-3-Clause
// Simultaneous open (RFC 9293 3.5): both ends send a SYN, and neither listens. lwIP 2.2.1 ignores the
// other's SYN; what it does when a SYN comes twice is what is needed here, so the connection is made
// one that a SYN has begun, with a listener that nobody else has.
#pragma once

#include "lwip/tcp.h"

struct tcp_hdr;

namespace millrace {

/// A SYN without ACK for a connection that we begin: from here on it awaits the ACK of its own.
/// lwIP reads the SYN's options next, and sends ours again, now with an ACK.
void open_simultaneously(tcp_pcb& pcb, const tcp_hdr& syn) noexcept;

/// The peer's SYN+ACK for such a connection: its ACK is what counts, the SYN has been seen.
/// @return true: it is one, and now is an ACK alone
bool is_answer_to_simultaneous_open(const tcp_pcb& pcb, tcp_hdr& header) noexcept;

}  // namespace millrace
