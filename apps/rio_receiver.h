// SPDX-License-Identifier: BSD-3-Clause
// Receives datagrams by registered I/O, on a socket of each family: all receives are posted all the
// time, and what has completed is counted and posted again.
//
//   one registered buffer   | slot 0 | slot 1 | ...      one slot per receive
//   a request queue each ───► one completion queue ───► take()
#pragma once

#include <winsock2.h>

#include <cstdint>
#include <vector>

#include "apps/sequence.h"
// after winsock2.h
#include <mswsock.h>
#include <windows.h>

namespace millrace {

enum class RioWait { kPoll, kEvent, kPort };

struct RioOptions {
  uint16_t port = 9000;
  DWORD receives = 256;  ///< per socket
  DWORD bytes = 2048;    ///< of each one's buffer
  RioWait wait = RioWait::kPoll;
  bool has_sequence = false;  ///< each datagram starts with its number: 8 bytes, big-endian
};

struct RioTotals {
  uint64_t datagrams = 0;
  uint64_t bytes = 0;
  uint64_t n_cut = 0;     ///< longer than the buffer
  uint64_t n_failed = 0;  ///< receives that ended with another error
};

class RioReceiver {
 public:
  /// Ends the program with a message if something is refused.
  explicit RioReceiver(const RioOptions& options);
  ~RioReceiver();
  RioReceiver(const RioReceiver&) = delete;
  RioReceiver& operator=(const RioReceiver&) = delete;

  /// Takes what has completed; waits a while, or polls, when nothing has.
  void take();

  const RioTotals& totals() const { return totals_; }
  const Sequence& sequence() const { return sequence_; }

 private:
  struct Line {
    SOCKET socket;
    RIO_RQ requests;
    bool has_deferred;
  };

  void open_queue();
  void open_line(int family, DWORD index);
  void post(Line& line, DWORD slot, DWORD flags);
  void count(const RIORESULT& result);
  void wait();

  const RioOptions options_;
  RIO_EXTENSION_FUNCTION_TABLE rio_{};
  std::vector<char> memory_;
  RIO_BUFFERID buffer_ = RIO_INVALID_BUFFERID;
  RIO_CQ completions_ = RIO_INVALID_CQ;
  WSAEVENT event_ = nullptr;
  HANDLE port_ = nullptr;
  OVERLAPPED overlapped_{};
  std::vector<Line> lines_;
  RioTotals totals_;
  Sequence sequence_;
};

}  // namespace millrace
