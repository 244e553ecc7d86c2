// SPDX-License-Identifier: BSD-3-Clause
// A client's connection, closed when its scope ends.
#pragma once

#include <chrono>
#include <stdexcept>
#include <thread>

#include "apps/lat_options.h"

namespace millrace::lat {

/// Tries until it works: the server may still be starting, or the link coming up.
inline Handle connect(Transport& transport, const Options& options) {
  const uint64_t end = now_ns() + 5'000'000'000;
  for (;;) {
    try {
      return transport.connect(options.protocol, options.address);
    } catch (const std::runtime_error&) {
      if (now_ns() > end || is_stopping) throw;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
}

class Connected {
 public:
  Connected(Transport& transport, const Options& options)
      : transport_(transport), handle_(connect(transport, options)) {}
  ~Connected() { transport_.close(handle_); }
  Connected(const Connected&) = delete;
  Connected& operator=(const Connected&) = delete;
  Handle handle() const noexcept { return handle_; }

 private:
  Transport& transport_;
  Handle handle_;
};

}  // namespace millrace::lat
