// SPDX-License-Identifier: BSD-3-Clause
// Writes the frames that pass a port into a pcapng file, in this process and with its own small
// pool, so that a capture neither needs a second process nor starves the port of mbufs. Frames are
// on disk when the call returns: a crash loses nothing that was counted.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "dpdk_io/pool.h"

struct rte_mbuf;
struct rte_pcapng;

namespace millrace {

enum class Direction { kReceived, kSent };

class Capture {
 public:
  /// @param path         created, or emptied if it exists
  /// @param port_id      the DPDK port the frames belong to
  /// @param frame_bytes  length of the longest frame; what is longer is cut off in the file
  /// @errors  StartupError
  Capture(const std::string& path, uint16_t port_id, uint32_t frame_bytes);
  virtual ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  /// Copies and writes at most 32 frames; any thread may call it. After a failed write (a full
  /// disk) nothing more is written, since the file ends in half a frame.
  ///
  /// @return  frames written, 0 .. frames.size(); the others found no mbuf or no room on disk
  /// @owner   borrows the frames
  /// Virtual: rte_pcapng has one lock per process, and this code may be there more than once.
  virtual uint16_t write(uint16_t queue, std::span<rte_mbuf* const> frames, Direction direction) noexcept;

 private:
  Pool pool_;
  uint32_t frame_bytes_;
  uint16_t port_id_;
  bool has_failed_ = false;
  rte_pcapng* file_ = nullptr;
};

}  // namespace millrace
