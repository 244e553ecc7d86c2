// SPDX-License-Identifier: BSD-3-Clause
// Finds sockets by their descriptors, since the driver does not tell them. See xdp_sockets.h.
#include "dpdk_io/xdp_sockets.h"

#include <dirent.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>

namespace millrace {
namespace {

// Linux gives a queue free in deferred work (net/xdp/xsk_buff_pool.c, xp_release_deferred), and has
// no way to wait for that: a bind that comes too early fails with EBUSY.
constexpr std::chrono::milliseconds kRelease{100};

bool is_xdp_socket(int fd) noexcept {
  int domain = 0;
  socklen_t size = sizeof(domain);
  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_XDP;
}

std::vector<int> all_xdp_sockets() {
  std::vector<int> sockets;
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return sockets;
  while (const dirent* entry = readdir(directory)) {
    const int fd = std::atoi(entry->d_name);
    if (is_xdp_socket(fd)) sockets.push_back(fd);
  }
  closedir(directory);
  return sockets;
}

}  // namespace

XdpSockets::XdpSockets() : others_(all_xdp_sockets()) {}

void XdpSockets::learn() {
  own_ = all_xdp_sockets();
  std::erase_if(own_, [this](int fd) { return std::ranges::find(others_, fd) != others_.end(); });
}

void XdpSockets::close_left_open() noexcept {
  for (const int fd : own_) {
    if (is_xdp_socket(fd)) close(fd);
  }
  if (!own_.empty()) std::this_thread::sleep_for(kRelease);
  own_.clear();
}

}  // namespace millrace
