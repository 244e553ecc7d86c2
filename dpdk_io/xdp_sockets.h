// SPDX-License-Identifier: BSD-3-Clause
// Closes what DPDK's AF_XDP driver leaves open. In 22.11.4 and later 22.11 releases eth_dev_close
// compares its reference count wrongly, so the socket stays bound to its queue and no second port
// can be opened there; with several queues, earlier releases leave sockets open, too. Where the
// driver does close them, only the waiting is done. Internal to dpdk_io.
#pragma once

#include <vector>

namespace millrace {

/// The AF_XDP sockets of one port.
class XdpSockets {
 public:
  /// Notes what exists; call it before the driver makes its sockets.
  XdpSockets();
  /// Call it when the driver has made them: those that are new belong to the port.
  void learn();
  /// Call it when the driver has closed the port. Waits 100 ms for the kernel to let go of them.
  void close_left_open() noexcept;

 private:
  std::vector<int> others_;
  std::vector<int> own_;
};

}  // namespace millrace
