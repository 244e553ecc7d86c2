// SPDX-License-Identifier: BSD-3-Clause
// Frames into a pcapng file. Three facts of DPDK 22.11's rte_pcapng.c shape this file: a copy must
// be one segment, since only the first one's length is recorded; rte_pcapng_write_packets does not
// free what it has written, whatever its comment says; and all files share one unlocked time base.
#define ALLOW_EXPERIMENTAL_API  // rte_pcapng.h is experimental throughout
#include "dpdk_io/capture.h"

#include <fcntl.h>
#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_pcapng.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "dpdk_io/mbuf.h"
#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

constexpr uint32_t kMostFrameBytes = 32768;  // so that a copy fits the 16 bits of an mbuf's length
constexpr uint32_t kMbufs = 2 * kBurstMax - 1;  // one burst at a time is copied

std::mutex rte_pcapng_mutex;

std::string pool_name(uint16_t port_id) { return "capture_" + std::to_string(port_id); }

}  // namespace

Capture::Capture(const std::string& path, uint16_t port_id, uint32_t frame_bytes)
    : pool_(pool_name(port_id).c_str(), kMbufs,
            static_cast<uint16_t>(rte_pcapng_mbuf_size(std::min(frame_bytes, kMostFrameBytes))), 0),
      frame_bytes_(std::min(frame_bytes, kMostFrameBytes)),
      port_id_(port_id) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    throw StartupError("capture file '" + path + "'", std::strerror(errno),
                       "a path this user may write to");
  }
  file_ = rte_pcapng_fdopen(fd, nullptr, nullptr, "millrace", nullptr);
  if (file_ == nullptr) {
    close(fd);
    throw StartupError("capture file '" + path + "'", "its header cannot be written",
                       "room on the disk");
  }
}

Capture::~Capture() { rte_pcapng_close(file_); }

uint16_t Capture::write(uint16_t queue, std::span<rte_mbuf* const> frames,
                        Direction direction) noexcept {
  const rte_pcapng_direction way =
      direction == Direction::kReceived ? RTE_PCAPNG_DIRECTION_IN : RTE_PCAPNG_DIRECTION_OUT;
  const std::lock_guard lock(rte_pcapng_mutex);
  if (has_failed_) return 0;
  const uint64_t now_ticks = rte_get_tsc_cycles();
  Burst copies;
  ssize_t bytes = 0;
  for (const rte_mbuf* frame : frames) {
    rte_mbuf* copy =
        rte_pcapng_copy(port_id_, queue, frame, pool_.get(), frame_bytes_, now_ticks, way);
    if (copy == nullptr) continue;
    bytes += copy->pkt_len;
    if (!copies.push(copy)) rte_pktmbuf_free(copy);
  }
  if (copies.is_empty()) return 0;
  const uint16_t n = copies.size();
  rte_mbuf* pkts[kBurstMax];
  for (uint16_t i = 0; i < n; ++i) pkts[i] = copies[i];
  has_failed_ = rte_pcapng_write_packets(file_, pkts, n) != bytes;
  return has_failed_ ? 0 : n;
}

}  // namespace millrace
