// SPDX-License-Identifier: BSD-3-Clause
// WSPEventSelect as a test uses it: an event, what comes to it, what WSPEnumNetworkEvents takes.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <array>

#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {

class Event {
 public:
  Event() : handle_(WSACreateEvent()) {}
  ~Event() { WSACloseEvent(handle_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  WSAEVENT handle() const { return handle_; }
  /// Without waiting, after a turn of every Stack that this thread turns.
  bool is_signalled() const { return waits(0); }
  /// Waits until it is signalled; false only if something is wrong.
  bool comes() const { return waits(20'000); }

 private:
  bool waits(DWORD ms) const {
    return WSAWaitForMultipleEvents(1, &handle_, FALSE, ms, FALSE) == WSA_WAIT_EVENT_0;
  }
  WSAEVENT handle_;
};

class NetworkEventsTest : public SpiTest {
 protected:
  WSAEVENT event() const { return event_.handle(); }
  bool is_signalled() const { return event_.is_signalled(); }
  bool comes() const { return event_.comes(); }

  int select(SOCKET s, LONG mask) { return select(s, mask, event()); }
  int select(SOCKET s, LONG mask, WSAEVENT event) {
    ws().error = 0;
    return ws().table.lpWSPEventSelect(s, event, mask, &ws().error);
  }
  int enumerate(SOCKET s, WSAEVENT event, WSANETWORKEVENTS* events) {
    ws().error = 0;
    return ws().table.lpWSPEnumNetworkEvents(s, event, events, &ws().error);
  }
  /// Takes what is recorded, and resets the event.
  LONG taken(SOCKET s) { return taken(s, event()); }
  LONG taken(SOCKET s, WSAEVENT event) {
    last_ = {};
    EXPECT_EQ(enumerate(s, event, &last_), 0) << ws().error;
    return last_.lNetworkEvents;
  }
  /// What the last taken() said of this event.
  INT error_of(int bit) const { return last_.iErrorCode[bit]; }

  void reset(SOCKET s) {
    const WS_linger linger{1, 0};
    ASSERT_EQ(ws().table.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_LINGER,
                                         reinterpret_cast<const CHAR*>(&linger), sizeof linger,
                                         &ws().error),
              0);
    ASSERT_EQ(ws().close(s), 0);
  }
  static uint64_t n_waiting() { return counters()["connections_accepted"]; }

  SOCKET duplicate(SOCKET s) {
    ws().error = 0;
    WSAPROTOCOL_INFOW info{};
    EXPECT_EQ(ws().table.lpWSPDuplicateSocket(s, static_cast<DWORD>(getpid()), &info, &ws().error),
              0)
        << ws().error;
    return ws().socket_of(info);
  }

 private:
  Event event_;
  WSANETWORKEVENTS last_{};
};

}  // namespace millrace::test
