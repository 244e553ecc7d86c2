// SPDX-License-Identifier: BSD-3-Clause
// The link of a kernel's interface. DPDK 22.11's net_af_packet and net_af_xdp say "up" from their
// start to their end (their eth_link_update does nothing), so the Port asks the kernel instead.
#pragma once

namespace millrace {

class KernelLink {
 public:
  enum class State { kUp, kDown, kGone };

  /// @param if_index  in the network namespace of the calling thread
  explicit KernelLink(unsigned if_index) noexcept;
  ~KernelLink();
  KernelLink(const KernelLink&) = delete;
  KernelLink& operator=(const KernelLink&) = delete;

  /// Two system calls. kUp where the kernel cannot be asked.
  State state() const noexcept;

 private:
  unsigned if_index_;
  int socket_;  // knows the namespace, whichever thread asks later
};

}  // namespace millrace
