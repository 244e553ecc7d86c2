// SPDX-License-Identifier: BSD-3-Clause
#include "dpdk_io/kernel_link.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace millrace {

KernelLink::KernelLink(unsigned if_index) noexcept
    : if_index_(if_index), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

KernelLink::~KernelLink() {
  if (socket_ >= 0) close(socket_);
}

KernelLink::State KernelLink::state() const noexcept {
  if (socket_ < 0) return State::kUp;
  ifreq request{};
  request.ifr_ifindex = static_cast<int>(if_index_);  // its name may have changed
  if (ioctl(socket_, SIOCGIFNAME, &request) != 0) {
    return errno == ENODEV ? State::kGone : State::kUp;
  }
  // The carrier itself: IFF_RUNNING follows it up to a second later (net/core/link_watch.c).
  ethtool_value link{ETHTOOL_GLINK, 0};
  request.ifr_data = reinterpret_cast<char*>(&link);
  if (ioctl(socket_, SIOCETHTOOL, &request) != 0) return State::kUp;
  return link.data != 0 ? State::kUp : State::kDown;
}

}  // namespace millrace
