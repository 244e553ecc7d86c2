// SPDX-License-Identifier: BSD-3-Clause
// Win32's functions around completion ports: see ioapiset.h.
#include "spi_shim/call.h"
#include "spi_shim/last_error.h"
#include "spi_shim/ports.h"
#include "spi_shim/probe.h"

using namespace millrace;

namespace {

/// @return an error, 0: the socket's packets go to the port from now on
DWORD associate(HANDLE file, HANDLE port, ULONG_PTR key) noexcept {
  INT ignored = 0;
  const Call call(reinterpret_cast<SOCKET>(file), &ignored);
  if (!call) return ERROR_INVALID_HANDLE;
  Socket& socket = call.socket();
  const bool has_one = socket.port_link.target.port != nullptr;  // winsock-rules 70
  if (has_one || !socket.options.is_overlapped) return ERROR_INVALID_PARAMETER;
  socket.port_link.target = {port, key};
  return 0;
}

/// @return 0: there are packets
DWORD error_of(PortEnd end) noexcept {
  switch (end) {
    case PortEnd::kPackets:
      return 0;
    case PortEnd::kTimedOut:
      return WAIT_TIMEOUT;
    case PortEnd::kApc:
      return WAIT_IO_COMPLETION;
    case PortEnd::kClosed:
      return ERROR_ABANDONED_WAIT_0;
    case PortEnd::kNoPort:
      break;
  }
  return ERROR_INVALID_HANDLE;
}

}  // namespace

extern "C" {

HANDLE CreateIoCompletionPort(HANDLE FileHandle, HANDLE ExistingCompletionPort,
                              ULONG_PTR CompletionKey, DWORD) noexcept {
  const auto fail = [](DWORD error) {
    fail_with(error);
    return HANDLE{nullptr};
  };
  const bool has_file = FileHandle != INVALID_HANDLE_VALUE;
  const bool is_new = ExistingCompletionPort == nullptr;
  if (!has_file && !is_new) return fail(ERROR_INVALID_PARAMETER);
  if (!is_new && !is_port(ExistingCompletionPort)) return fail(ERROR_INVALID_HANDLE);
  HANDLE const port = is_new ? port_create() : ExistingCompletionPort;
  if (port == nullptr) return fail(ERROR_NOT_ENOUGH_MEMORY);
  const DWORD error = has_file ? associate(FileHandle, port, CompletionKey) : 0;
  if (error == 0) return port;
  if (is_new) close_port(port);
  return fail(error);
}

BOOL GetQueuedCompletionStatus(HANDLE CompletionPort, LPDWORD lpNumberOfBytesTransferred,
                               PULONG_PTR lpCompletionKey, LPOVERLAPPED* lpOverlapped,
                               DWORD dwMilliseconds) noexcept {
  if (lpNumberOfBytesTransferred == nullptr || lpCompletionKey == nullptr ||
      lpOverlapped == nullptr) {
    return fail_with(ERROR_INVALID_PARAMETER);
  }
  OVERLAPPED_ENTRY packet;
  const PortAnswer answer = port_take(CompletionPort, {&packet, 1}, dwMilliseconds, false);
  if (answer.end != PortEnd::kPackets) {
    *lpOverlapped = nullptr;  // and nothing else (winsock-rules 66)
    return fail_with(error_of(answer.end));
  }
  *lpNumberOfBytesTransferred = packet.dwNumberOfBytesTransferred;
  *lpCompletionKey = packet.lpCompletionKey;
  *lpOverlapped = packet.lpOverlapped;
  if (is_success(packet.Internal)) return TRUE;
  return fail_with(win32_error_of(packet.Internal));  // winsock-rules 65
}

BOOL GetQueuedCompletionStatusEx(HANDLE CompletionPort, LPOVERLAPPED_ENTRY lpCompletionPortEntries,
                                 ULONG ulCount, PULONG ulNumEntriesRemoved, DWORD dwMilliseconds,
                                 BOOL fAlertable) noexcept {
  if (ulCount == 0 || lpCompletionPortEntries == nullptr || ulNumEntriesRemoved == nullptr) {
    return fail_with(ERROR_INVALID_PARAMETER);
  }
  const PortAnswer answer = port_take(CompletionPort, {lpCompletionPortEntries, ulCount},
                                      dwMilliseconds, fAlertable != FALSE);
  *ulNumEntriesRemoved = answer.n_packets;
  return answer.end == PortEnd::kPackets ? TRUE : fail_with(error_of(answer.end));
}

BOOL PostQueuedCompletionStatus(HANDLE CompletionPort, DWORD dwNumberOfBytesTransferred,
                                ULONG_PTR dwCompletionKey, LPOVERLAPPED lpOverlapped) noexcept {
  const OVERLAPPED_ENTRY packet{dwCompletionKey, lpOverlapped, STATUS_SUCCESS,
                                dwNumberOfBytesTransferred};
  return port_post(CompletionPort, packet) ? TRUE : fail_with(ERROR_INVALID_HANDLE);
}

// The socket's own signal, which FILE_SKIP_SET_EVENT_ON_HANDLE is about, is not there at all.
BOOL SetFileCompletionNotificationModes(HANDLE FileHandle, UCHAR Flags) noexcept {
  constexpr UCHAR kKnown = FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE;
  if ((Flags & ~kKnown) != 0) return fail_with(ERROR_INVALID_PARAMETER);
  INT ignored = 0;
  const Call call(reinterpret_cast<SOCKET>(FileHandle), &ignored);
  if (!call) return fail_with(ERROR_INVALID_HANDLE);
  if ((Flags & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS) != 0) {
    call.socket().port_link.skips_success = true;
  }
  return TRUE;
}

}  // extern "C"
