// SPDX-License-Identifier: BSD-3-Clause
// WSAStartup and WSACleanup: versions, the reference count, the provider's table.
#include <atomic>
#include <cstdio>
#include <mutex>

#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"

namespace millrace::ws2 {
namespace {

struct Started {
  std::mutex mutex;
  int count = 0;
  WSPPROC_TABLE table{};
};

Started& started() {
  static Started& state = *new Started;  // never destroyed: threads end after static objects do
  return state;
}

constinit std::atomic<const WSPPROC_TABLE*> running{nullptr};

// 1.0, 1.1, 2.0, 2.1 and 2.2 are spoken; what lies between means the one below (WSAStartup, Remarks).
WORD version_for(WORD wanted) noexcept {
  const unsigned major = LOBYTE(wanted);
  const unsigned minor = HIBYTE(wanted);
  if (major == 1 && minor > 1) return MAKEWORD(1, 1);
  if (major > 2 || (major == 2 && minor > 2)) return MAKEWORD(2, 2);
  return wanted;
}

}  // namespace

const WSPPROC_TABLE* provider() noexcept { return running.load(std::memory_order_acquire); }

}  // namespace millrace::ws2

using namespace millrace;
using namespace millrace::ws2;

int WSAAPI WSAStartup(WORD wVersionRequested, LPWSADATA lpWSAData) noexcept {
  if (LOBYTE(wVersionRequested) == 0) return WSAVERNOTSUPPORTED;
  const FaultWatch watch;
  if (!can_write(lpWSAData)) return WSAEFAULT;
  Started& state = started();
  const std::lock_guard guard(state.mutex);
  WSPDATA data;
  const int error =
      WSPStartup(MAKEWORD(2, 2), &data, nullptr, WSPUPCALLTABLE{}, &state.table);
  if (error != 0) return error;
  ++state.count;
  running = &state.table;
  *lpWSAData = {};
  lpWSAData->wVersion = version_for(wVersionRequested);
  lpWSAData->wHighVersion = MAKEWORD(2, 2);
  if (LOBYTE(lpWSAData->wVersion) == 1) {  // what programs for Winsock 1.1 looked at
    lpWSAData->iMaxSockets = 32767;
    lpWSAData->iMaxUdpDg = 65467;
  }
  std::snprintf(lpWSAData->szDescription, sizeof lpWSAData->szDescription, "WinSock 2.0 (millrace)");
  std::snprintf(lpWSAData->szSystemStatus, sizeof lpWSAData->szSystemStatus, "Running");
  return 0;
}

int WSAAPI WSACleanup() noexcept {
  Started& state = started();
  const std::lock_guard guard(state.mutex);
  if (state.count == 0) return fail(WSANOTINITIALISED);
  const int result = call<&WSPPROC_TABLE::lpWSPCleanup>();
  if (result == 0 && --state.count == 0) running = nullptr;
  return result;
}

int WSAAPI WSAGetLastError() noexcept { return static_cast<int>(GetLastError()); }
void WSAAPI WSASetLastError(int iError) noexcept { SetLastError(static_cast<DWORD>(iError)); }
