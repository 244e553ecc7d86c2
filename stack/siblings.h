// SPDX-License-Identifier: BSD-3-Clause
// What the Stacks of a process have in common: each other, the table of ports, and how frames find
// the right one.
//
// Made before the first of them and gone after the last; a Stack on its own has one for itself.
#pragma once

#include <cstdint>
#include <memory>
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

 private:
  std::vector<Stack*> stacks_;
  std::unique_ptr<Steering> steering_;
};

}  // namespace millrace
