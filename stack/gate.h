// SPDX-License-Identifier: BSD-3-Clause
// The gate: what a wire can bring and lwIP 2.2.1 would let through. Each layer's check stands where
// its header has been made whole: IP's in Netif, TCP's and UDP's behind reassembly. Neighbors are in
// neighbors.h, SYN floods in syn_cookies.h.
// Whatever is refused is counted, by reason (counters.def: "refused").
#pragma once

#include <cstdint>

#include "stack/counters.h"

struct netif;
struct pbuf;
struct tcp_hdr;
struct tcp_pcb;

namespace millrace {

enum class Verdict : uint8_t {
  kPass,
  kDrop,
  kChallenge,  ///< dropped, and answered with an ACK that only the true peer sees (RFC 5961)
};

class Gate {
 public:
  explicit Gate(Counters& counters) noexcept : counters_(counters) {}

  /// The source can be a host's, and no route is prescribed (RFC 1122 3.2.1.3, RFC 7126 4.3).
  /// @param header  whole, options included
  bool ip4(const uint8_t* header, const netif& in) noexcept;
  bool ip6(const uint8_t* header, const netif& in) noexcept;
  bool ip(const uint8_t* header, bool is_v6, const netif& in) noexcept {
    return is_v6 ? ip6(header, in) : ip4(header, in);
  }
  /// Lengths and checksum; cuts off what lies behind the datagram (RFC 768, RFC 8200 8.1).
  bool udp(pbuf& datagram, const netif& in) noexcept;
  /// A segment of an existing connection (RFC 9293 3.10.7.4, RFC 5961).
  Verdict tcp(const tcp_pcb& pcb, const tcp_hdr& header) const noexcept;
  /// Challenge ACKs are limited, so that forged segments do not make us send (RFC 5961 7).
  bool may_challenge(uint64_t now_ns) noexcept;

 private:
  Counters& counters_;
  uint64_t challenges_since_ns_ = 0;
  uint32_t n_challenges_left_ = 500;
};

}  // namespace millrace
