// SPDX-License-Identifier: BSD-3-Clause
// SYNs wait here until the rest of their burst has been seen to. In a flood, one that makes SYN cookies
// go out, a turn takes one of them only, and none beside other frames while few wait: so it delays
// those who are connected by the time of one SYN, however many come.
//
// Invariant: at most kMost wait; they leave in the order in which they came.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstdint>

namespace millrace {

class SynQueue {
 public:
  /// Beyond, a SYN is dropped: its sender repeats it.
  static constexpr uint32_t kMost = 1024;
  static constexpr uint32_t kFew = 16;

  SynQueue() = default;
  ~SynQueue() {
    while (!is_empty()) rte_pktmbuf_free(pop());
  }
  SynQueue(const SynQueue&) = delete;
  SynQueue& operator=(const SynQueue&) = delete;

  /// How many a turn is to take. @param n_others  frames that it has had already
  uint32_t due(uint32_t n_others, bool is_flood) const noexcept {
    if (!is_flood) return n_;
    return n_ != 0 && (n_others == 0 || n_ > kFew) ? 1 : 0;
  }
  bool is_empty() const noexcept { return n_ == 0; }
  uint32_t size() const noexcept { return n_; }
  /// @return false: it is full  @owner takes m if it returns true
  bool push(rte_mbuf* m) noexcept {
    if (n_ == kMost) return false;
    waiting_[(first_ + n_++) % kMost] = m;
    return true;
  }
  /// The oldest; there has to be one. @owner the caller
  rte_mbuf* pop() noexcept {
    rte_mbuf* const m = waiting_[first_];
    first_ = (first_ + 1) % kMost;
    --n_;
    return m;
  }

 private:
  std::array<rte_mbuf*, kMost> waiting_;
  uint32_t first_ = 0;
  uint32_t n_ = 0;
};

}  // namespace millrace
