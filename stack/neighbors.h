// SPDX-License-Identifier: BSD-3-Clause
// Who may say where a neighbor is. lwIP's tables change by an answer to a question of ours, and by the
// first word of somebody unknown (RFC 826). What contradicts a known neighbor, be it an answer, a
// question or a gratuitous ARP, is refused, and the known one is asked, by unicast, whether it is still
// there: silent, it is forgotten, and the next packet asks everybody.
//
// lwIP's neighbor cache for IPv6 takes a new address from answers only (nd6.c), which leaves the question.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "stack/counters.h"

struct netif;

namespace millrace {

class Neighbors {
 public:
  explicit Neighbors(Counters& counters) noexcept : counters_(counters) {}

  /// We ask for this neighbor now. @param address  4 or 16 bytes
  void asked(const uint8_t* address, uint32_t n_bytes, uint64_t now_ns) noexcept;
  /// A neighbor advertisement's target. @return true: we asked
  bool may_answer6(const uint8_t* target, uint64_t now_ns) noexcept;
  /// An ARP packet. @param header  whole, 28 bytes @return true: lwIP may read it
  bool may_claim4(const uint8_t* header, netif& in, uint64_t now_ns) noexcept;
  /// Once a second: neighbors in doubt that did not answer.
  void tick(uint64_t now_ns) noexcept;

 private:
  struct Question {
    std::array<uint8_t, 16> address{};
    uint64_t until_ns = 0;
  };
  struct Doubt {
    uint32_t address_be = 0;
    uint64_t until_ns = 0;  ///< 0: none
    netif* in = nullptr;
  };
  /// lwIP has 127 + 64 entries that can wait for an answer, and takes the oldest first when it needs
  /// one: what is not among the last 256 questions waits no more.
  static constexpr size_t kQuestions = 256;
  static constexpr size_t kDoubts = 64;

  bool is_expected(const uint8_t* address, uint32_t n_bytes, uint64_t now_ns) const noexcept;
  bool refuse_claim(uint32_t address_be, netif& in, uint64_t now_ns) noexcept;
  void settle(uint32_t address_be) noexcept;

  Counters& counters_;
  std::array<Question, kQuestions> questions_{};
  std::array<Doubt, kDoubts> doubts_{};
};

}  // namespace millrace
