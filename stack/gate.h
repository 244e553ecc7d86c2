// SPDX-License-Identifier: BSD-3-Clause
// The gate: what a wire can bring and lwIP 2.2.1 would let through. Each layer's check stands where
// its header has been made whole: IP's in Netif, TCP's, UDP's and ICMPv6's behind reassembly.
// Whatever is refused is counted, by reason (counters.def: "refused").
#pragma once

#include <array>
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
  /// An ARP reply, and a neighbor advertisement: only what was asked for. @param address  4 or 16 bytes
  bool answer(const uint8_t* address, uint32_t n_bytes, uint64_t now_ns) noexcept;
  /// We ask for this neighbor now.
  void asked(const uint8_t* address, uint32_t n_bytes, uint64_t now_ns) noexcept;
  /// Lengths and checksum; cuts off what lies behind the datagram (RFC 768, RFC 8200 8.1).
  bool udp(pbuf& datagram, const netif& in) noexcept;
  /// A segment of an existing connection (RFC 9293 3.10.7.4, RFC 5961).
  Verdict tcp(const tcp_pcb& pcb, const tcp_hdr& header) const noexcept;
  /// Challenge ACKs are limited, so that forged segments do not make us send (RFC 5961 7).
  bool may_challenge(uint64_t now_ns) noexcept;

 private:
  struct Question {
    std::array<uint8_t, 16> address{};
    uint64_t until_ns = 0;
  };
  static constexpr uint32_t kQuestions = 256;
  Question& question_of(const std::array<uint8_t, 16>& address) noexcept;

  Counters& counters_;
  std::array<Question, kQuestions> questions_{};
  uint64_t challenges_since_ns_ = 0;
  uint32_t n_challenges_ = 0;
};

}  // namespace millrace
