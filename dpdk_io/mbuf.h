// SPDX-License-Identifier: BSD-3-Clause
// Who owns an mbuf is said by its type: MbufPtr owns one chain, Burst owns up to 32 of them, and a
// plain rte_mbuf* is borrowed. To own means to hold one reference of each segment of the chain.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cassert>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

namespace millrace {

struct MbufFree {
  void operator()(rte_mbuf* m) const noexcept { rte_pktmbuf_free(m); }
};
using MbufPtr = std::unique_ptr<rte_mbuf, MbufFree>;

/// Frames moved by one call of Port::rx or Port::tx.
inline constexpr uint16_t kBurstMax = 32;

/// Up to kBurstMax chains in the order they are sent or were received. Move-only; the destructor
/// frees what is left. A slot that was released holds nullptr.
class Burst {
 public:
  Burst() = default;
  ~Burst() { clear(); }
  Burst(Burst&& other) noexcept { *this = std::move(other); }
  Burst& operator=(Burst&& other) noexcept {
    if (this != &other) {
      clear();
      mbufs_ = other.mbufs_;
      size_ = std::exchange(other.size_, uint16_t{0});
    }
    return *this;
  }
  Burst(const Burst&) = delete;
  Burst& operator=(const Burst&) = delete;

  uint16_t size() const noexcept { return size_; }
  bool is_empty() const noexcept { return size_ == 0; }
  bool is_full() const noexcept { return size_ == kBurstMax; }

  /// @return  false if the burst is full
  /// @owner   takes m when it returns true; otherwise m stays the caller's
  [[nodiscard]] bool push(rte_mbuf* m) noexcept {
    if (is_full()) return false;
    mbufs_[size_++] = m;
    return true;
  }

  /// Borrows chain i; nullptr after release(i).
  rte_mbuf* operator[](uint16_t i) const noexcept {
    assert(i < size_);
    return mbufs_[i];
  }

  /// Hands chain i to the caller and leaves nullptr in its slot; size() stays.
  [[nodiscard]] rte_mbuf* release(uint16_t i) noexcept {
    assert(i < size_);
    return std::exchange(mbufs_[i], nullptr);
  }

  /// Hands all chains to the caller: they are in the span until the burst is used again.
  [[nodiscard]] std::span<rte_mbuf*> take_all() noexcept {
    return {mbufs_.data(), std::exchange(size_, uint16_t{0})};
  }

  /// Room for Port::rx in an empty burst; set_size then says how much of it was filled:
  /// `burst.set_size(port.rx(queue, burst.room()))`.
  std::span<rte_mbuf*, kBurstMax> room() noexcept {
    assert(is_empty());
    return mbufs_;
  }
  void set_size(uint16_t n) noexcept {
    assert(n <= kBurstMax);
    size_ = n;
  }

  /// Frees all chains.
  void clear() noexcept {
    rte_pktmbuf_free_bulk(mbufs_.data(), size_);
    size_ = 0;
  }

 private:
  std::array<rte_mbuf*, kBurstMax> mbufs_;  // the first size_ are set
  uint16_t size_ = 0;
};

}  // namespace millrace
