// SPDX-License-Identifier: BSD-3-Clause
#include "apps/rio_receiver.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>

namespace millrace {
namespace {

constexpr DWORD kPatienceMs = 100;  // how late the end, or a report, may be noticed
constexpr DWORD kSockets = 2;
constexpr ULONG kBatch = 64;

[[noreturn]] void fail(const std::string& what, int error = WSAGetLastError()) {
  std::cerr << "millrace-rio: " << what << ": Winsock error " << error << '\n';
  std::exit(EXIT_FAILURE);
}

}  // namespace

RioReceiver::RioReceiver(const RioOptions& options)
    : options_(options), memory_(size_t{kSockets} * options.receives * options.bytes) {
  const SOCKET any =
      WSASocketW(AF_INET, SOCK_DGRAM, IPPROTO_UDP, nullptr, 0, WSA_FLAG_REGISTERED_IO);
  if (any == INVALID_SOCKET) fail("a socket");
  GUID id = WSAID_MULTIPLE_RIO;
  DWORD n = 0;
  if (WSAIoctl(any, SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &rio_, sizeof rio_,
               &n, nullptr, nullptr) != 0) {
    fail("registered I/O");
  }
  closesocket(any);
  buffer_ = rio_.RIORegisterBuffer(memory_.data(), static_cast<DWORD>(memory_.size()));
  if (buffer_ == RIO_INVALID_BUFFERID) fail("RIORegisterBuffer");
  open_queue();
  open_line(AF_INET, 0);
  open_line(AF_INET6, 1);
}

void RioReceiver::open_queue() {
  RIO_NOTIFICATION_COMPLETION how{};
  if (options_.wait == RioWait::kEvent) {
    event_ = WSACreateEvent();
    how.Type = RIO_EVENT_COMPLETION;
    how.Event.EventHandle = event_;
    how.Event.NotifyReset = TRUE;
  } else {
    port_ = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
    how.Type = RIO_IOCP_COMPLETION;
    how.Iocp.IocpHandle = port_;
    how.Iocp.Overlapped = &overlapped_;
  }
  const bool polls = options_.wait == RioWait::kPoll;
  completions_ =
      rio_.RIOCreateCompletionQueue(kSockets * options_.receives, polls ? nullptr : &how);
  if (completions_ == RIO_INVALID_CQ) fail("RIOCreateCompletionQueue");
}

void RioReceiver::open_line(int family, DWORD index) {
  sockaddr_in6 name{};  // with only family and port set it is a sockaddr_in, too
  name.sin6_family = static_cast<ADDRESS_FAMILY>(family);
  name.sin6_port = htons(options_.port);
  Line line{};
  line.socket = WSASocketW(family, SOCK_DGRAM, IPPROTO_UDP, nullptr, 0, WSA_FLAG_REGISTERED_IO);
  if (line.socket == INVALID_SOCKET ||
      bind(line.socket, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0) {
    fail("port " + std::to_string(options_.port));
  }
  line.requests = rio_.RIOCreateRequestQueue(
      line.socket, options_.receives, 1, 0, 1, completions_, completions_,
      reinterpret_cast<void*>(static_cast<ULONG_PTR>(index)));
  if (line.requests == RIO_INVALID_RQ) fail("RIOCreateRequestQueue");
  for (DWORD i = 0; i < options_.receives; ++i) {
    const bool is_last = i + 1 == options_.receives;
    post(line, index * options_.receives + i, is_last ? 0 : RIO_MSG_DEFER);
  }
  line.has_deferred = false;
  lines_.push_back(line);
}

RioReceiver::~RioReceiver() {
  for (const Line& line : lines_) closesocket(line.socket);
  rio_.RIOCloseCompletionQueue(completions_);
  rio_.RIODeregisterBuffer(buffer_);
  if (event_ != nullptr) WSACloseEvent(event_);
  if (port_ != nullptr) CloseHandle(port_);
}

void RioReceiver::post(Line& line, DWORD slot, DWORD flags) {
  RIO_BUF part{buffer_, slot * options_.bytes, options_.bytes};
  void* const context = reinterpret_cast<void*>(static_cast<ULONG_PTR>(slot));
  if (!rio_.RIOReceive(line.requests, &part, 1, flags, context)) fail("RIOReceive");
  line.has_deferred = true;
}

void RioReceiver::count(const RIORESULT& result) {
  const bool is_cut = result.Status == WSAEMSGSIZE;
  if (result.Status != 0 && !is_cut) {
    ++totals_.n_failed;
    return;
  }
  ++totals_.datagrams;
  totals_.bytes += result.BytesTransferred;
  totals_.n_cut += is_cut ? 1 : 0;
  if (!options_.has_sequence || result.BytesTransferred < 8) return;
  const char* const payload = memory_.data() + result.RequestContext * options_.bytes;
  uint64_t number = 0;
  for (int i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(payload[i]);
  sequence_.add(number);
}

// Receives are posted again one by one, and handed over together.
void RioReceiver::take() {
  RIORESULT results[kBatch];
  const ULONG n = rio_.RIODequeueCompletion(completions_, results, kBatch);
  if (n == RIO_CORRUPT_CQ) fail("RIODequeueCompletion");
  for (ULONG i = 0; i < n; ++i) {
    count(results[i]);
    post(lines_[results[i].SocketContext], static_cast<DWORD>(results[i].RequestContext),
         RIO_MSG_DEFER);
  }
  for (Line& line : lines_) {
    if (!line.has_deferred) continue;
    if (!rio_.RIOReceive(line.requests, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr))
      fail("RIOReceive");
    line.has_deferred = false;
  }
  if (n == 0) wait();
}

// After a wait that was in vain the notification is still due, and a further call says so.
void RioReceiver::wait() {
  if (options_.wait == RioWait::kPoll) return;
  const INT error = rio_.RIONotify(completions_);
  if (error != ERROR_SUCCESS && error != WSAEALREADY) fail("RIONotify", error);
  if (options_.wait == RioWait::kEvent) {
    (void)WSAWaitForMultipleEvents(1, &event_, FALSE, kPatienceMs, FALSE);
    return;
  }
  DWORD n_bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED* overlapped = nullptr;
  (void)GetQueuedCompletionStatus(port_, &n_bytes, &key, &overlapped, kPatienceMs);
}

}  // namespace millrace
