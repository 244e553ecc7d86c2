// SPDX-License-Identifier: BSD-3-Clause
// Completion ports as a test uses them: a port that closes itself, and a packet as a value.
#pragma once

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {

constexpr DWORD kPatienceMs = 20'000;

inline HANDLE as_handle(SOCKET s) { return reinterpret_cast<HANDLE>(s); }

struct Packet {
  BOOL ok = FALSE;
  DWORD error = 0;  ///< of a failed one
  DWORD bytes = 0xdeadbeef;
  ULONG_PTR key = 0xdeadbeef;
  OVERLAPPED* overlapped = reinterpret_cast<OVERLAPPED*>(0xdeadbeef);
};

/// Packets of one port. Closed at the end.
class PortOfTest {
 public:
  PortOfTest() : handle(CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0)) {}
  ~PortOfTest() { close(); }
  PortOfTest(const PortOfTest&) = delete;
  PortOfTest& operator=(const PortOfTest&) = delete;

  void close() {
    if (handle != nullptr) CloseHandle(handle);
    handle = nullptr;
  }
  bool add(SOCKET s, ULONG_PTR key) {
    return CreateIoCompletionPort(as_handle(s), handle, key, 0) == handle;
  }
  Packet take(DWORD timeout_ms = kPatienceMs) const {
    Packet packet;
    packet.ok = GetQueuedCompletionStatus(handle, &packet.bytes, &packet.key, &packet.overlapped,
                                          timeout_ms);
    if (packet.ok == FALSE) packet.error = GetLastError();
    return packet;
  }
  bool is_empty() const {
    const Packet packet = take(0);
    return packet.ok == FALSE && packet.error == WAIT_TIMEOUT && packet.overlapped == nullptr;
  }

  HANDLE handle;
};

}  // namespace millrace::test
