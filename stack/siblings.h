// SPDX-License-Identifier: BSD-3-Clause
// What the Stacks of a process have in common: each other, the table of ports, and how frames find
// the right one.
//
// Made before the first of them and gone after the last; a Stack on its own has one for itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "stack/port_table.h"
#include "stack/steering.h"

namespace millrace {

class Stack;

class Siblings {
 public:
  /// @errors StartupError: no memory for the rings between several
  explicit Siblings(uint32_t n_stacks = 1) : stacks_(n_stacks) {
    if (n_stacks > 1) steering_ = std::make_unique<Steering>(n_stacks, ports);
  }

  /// By index; null before it is made.
  std::span<Stack* const> stacks() const noexcept { return stacks_; }
  void set(uint32_t index, Stack* stack) noexcept { stacks_[index] = stack; }
  /// @return null: there is one Stack only, and everything is for it
  Steering* steering() const noexcept { return steering_.get(); }

  PortTable ports;
  std::atomic<uint64_t> n_sockets{0};  ///< on all Stacks

  /// What DHCP servers gave: the first Stack, which asks, says so; each Stack looks when it turns.
  class Leases {
   public:
    void note(uint8_t link, const std::optional<Lease>& lease) {
      const std::lock_guard lock(mutex_);
      by_link_[link] = lease;
      n_changes_.fetch_add(1, std::memory_order_release);
    }
    /// Calls visit(link, lease) for all, if there is news. @param[in,out] n_seen  the caller's
    template <typename Visitor>
    void visit_news(uint32_t& n_seen, Visitor visit) {
      if (n_changes_.load(std::memory_order_acquire) == n_seen) return;
      const std::lock_guard lock(mutex_);
      n_seen = n_changes_.load(std::memory_order_relaxed);
      for (const auto& [link, lease] : by_link_) visit(link, lease);
    }

   private:
    std::mutex mutex_;
    std::map<uint8_t, std::optional<Lease>> by_link_;
    std::atomic<uint32_t> n_changes_{0};
  };
  Leases leases;

 private:
  std::vector<Stack*> stacks_;
  std::unique_ptr<Steering> steering_;
};

}  // namespace millrace
