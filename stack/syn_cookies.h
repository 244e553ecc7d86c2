// SPDX-License-Identifier: BSD-3-Clause
// SYN cookies: where a listener has no room for another half-open connection, a SYN is answered and
// forgotten. What its connection needs comes back with the peer's ACK, inside our initial number
// (RFC 4987 3.6):
//
//   | 24 bits of a keyed hash of the 4-tuple, the peer's number and the time | offer (8), masked |
//                                            offer: | MSS (3), by table | window scale (4) | SACK (1) |
//
// An ACK that brings such a number makes lwIP see the SYN once more, with the answer held back, so that
// a connection appears with the number that its peer knows; then lwIP sees the ACK.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "stack/counters.h"
#include "stack/lwip/isn.h"

struct netif;
struct pbuf;
struct tcp_hdr;
struct tcp_pcb_listen;

namespace millrace {

/// What a SYN's options offer.
struct SynOffer {
  static constexpr uint8_t kNoScale = 15;

  uint16_t mss = 536;  ///< bytes, RFC 9293 3.7.1
  uint8_t window_scale = kNoScale;
  bool sack = false;

  /// @param options  well formed, as tame_options() leaves them
  static SynOffer of(const uint8_t* options, size_t n_bytes) noexcept;
  friend bool operator==(const SynOffer&, const SynOffer&) = default;
};

class SynCookies {
 public:
  explicit SynCookies(Counters& counters) noexcept : counters_(counters) {}

  /// Answers a SYN by a SYN+ACK that carries a cookie. @param syn  in host byte order, as lwIP leaves it
  void answer(const tcp_hdr& syn, const SynOffer& offer, uint64_t now_ns) noexcept;
  /// True where an ACK for a listener may be such an answer's: there were some lately.
  bool are_out(uint64_t now_ns) const noexcept {
    return has_sent_ && now_ns - last_sent_ns_ < 2 * kEpochNs;
  }
  /// One went out a moment ago.
  bool is_flood(uint64_t now_ns) const noexcept {
    return has_sent_ && now_ns - last_sent_ns_ < kMomentNs;
  }
  /// @return what the SYN offered that this ACK goes back to, or nothing: it brings no cookie of ours
  std::optional<SynOffer> recall(const tcp_hdr& ack, uint64_t now_ns) noexcept;
  /// Shows lwIP the SYN once more. @return true: the connection is half-open now, and awaits the ACK
  bool replay(const tcp_hdr& ack, const SynOffer& offer, tcp_pcb_listen& listener) noexcept;

  /// The number itself. @param epoch  of the time, as epoch_of() counts it
  static uint32_t number(const TcpTuple& connection, uint32_t peer_number, const SynOffer& offer,
                         uint32_t epoch) noexcept;
  /// The other way round. @return nothing: it is no cookie of this connection and epoch
  static std::optional<SynOffer> offer_in(uint32_t cookie, const TcpTuple& connection,
                                          uint32_t peer_number, uint32_t epoch) noexcept;

 private:
  /// A cookie is good in its epoch and the next: longer than a peer repeats its SYN+ACK's answer.
  static constexpr uint64_t kEpochNs = 64'000'000'000;
  static constexpr uint64_t kMomentNs = 1'000'000;
  static uint32_t epoch_of(uint64_t now_ns) noexcept { return static_cast<uint32_t>(now_ns / kEpochNs); }

  Counters& counters_;
  bool has_sent_ = false;
  uint64_t last_sent_ns_ = 0;
};

}  // namespace millrace
