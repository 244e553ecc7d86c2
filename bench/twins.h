// SPDX-License-Identifier: BSD-3-Clause
// Two processes that do the same at the same time, a core for each, so that one can tell its own time from
// what the machine took: a step took as long as in the quicker of the two. Interrupts, of the hypervisor,
// too, seldom meet both in one step; what the step itself does, both do.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace millrace {

class Twins {
 public:
  /// Forks, so it comes before threads and EAL. Exits with a message where there is one core only.
  Twins();
  /// The second process ends here; the first waits for it.
  ~Twins();
  Twins(const Twins&) = delete;
  Twins& operator=(const Twins&) = delete;

  /// The one that reports.
  bool is_first() const { return me_ == 0; }
  /// Waits for the other's step. @return the shorter of both times
  double quicker(double ns);

 private:
  struct Shared {
    std::array<std::atomic<uint64_t>, 2> n_steps;
    std::array<std::array<double, 2>, 2> ns;  ///< of steps with an even number, and with an odd one
  };

  Shared* shared_;
  int child_ = 0;
  size_t me_ = 0;
  uint64_t step_ = 0;
};

}  // namespace millrace
