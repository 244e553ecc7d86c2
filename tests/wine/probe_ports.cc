// SPDX-License-Identifier: BSD-3-Clause
// Rules 61 to 74 and 132 to 143: completion ports; cancelling, closing, the end of a thread.
#include <memory>

#include "tests/wine/probe.h"

namespace probe {
namespace {

HANDLE as_handle(SOCKET s) { return reinterpret_cast<HANDLE>(s); }

/// A completion port, and its packets as text.
struct Port {
  Port() : handle(CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0)) {}
  ~Port() { CloseHandle(handle); }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  std::string add(SOCKET s, ULONG_PTR key) {
    return CreateIoCompletionPort(as_handle(s), handle, key, 0) == handle
               ? "added"
               : error_name(GetLastError());
  }
  /// "TRUE key 1 bytes 4", or the error of a failed operation, or "WAIT_TIMEOUT".
  std::string packet(DWORD timeout_ms = 2000, const Operation* expected = nullptr) {
    DWORD bytes = 0xdead;
    ULONG_PTR key = 0xdead;
    OVERLAPPED* done = nullptr;
    const BOOL ok = GetQueuedCompletionStatus(handle, &bytes, &key, &done, timeout_ms);
    std::string text = rc_bool(ok);
    if (done == nullptr && !ok)
      return text + (bytes == 0xdead && key == 0xdead ? "" : " and wrote");
    text += " key " + std::to_string(key) + " bytes " + std::to_string(bytes);
    if (expected != nullptr && done != &expected->overlapped) text += " of another";
    return text;
  }
  std::string silence() {
    settle();
    return packet(0);
  }

  HANDLE handle;
};

void packets() {
  const Pair pair = connected();
  Port port;
  say("R63.add", port.add(pair.b, 125));
  say("R66.timeout", port.packet(0));
  Operation operation;
  say("R63.pending", rc(operation.recv(pair.b)));
  say("R63.nothing_yet", port.packet(0));
  put(pair.a, "abcd");
  say("R63.late", port.packet(2000, &operation));
  say("R63.event", signal_of(operation.overlapped.hEvent, 1000));
  say("R63.once", port.silence());
  put(pair.a, "ef");
  is_ready(pair.b, 'r');
  say("R63.at_once", rc(operation.recv(pair.b)));
  say("R63.at_once_packet", port.packet(2000, &operation));
  Operation send;
  say("R63.send", rc(send.send(pair.b, "hello")));
  say("R63.send_packet", port.packet(2000, &send));
  put(pair.a, "gh");
  say("R64.plain_recv", got(pair.b));
  say("R64.no_packet", port.silence());
  say("R61.routine", rc(operation.recv(pair.b, 16, [](DWORD, DWORD, LPWSAOVERLAPPED, DWORD) {})));
  Operation low_bit;
  HANDLE const event = low_bit.overlapped.hEvent;
  low_bit.overlapped.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(event) | 1);
  low_bit.recv(pair.b);
  put(pair.a, "i");
  say("R51.low_bit_event", signal_of(event, 2000));
  say("R51.low_bit_no_packet", port.silence());
  low_bit.overlapped.hEvent = event;
  Port second;
  say("R70.second_port", second.add(pair.b, 1));
  say("R70.same_port_again", port.add(pair.b, 126));
  const SOCKET unconnected = tcp();
  port.add(unconnected, 7);
  Operation refused;
  say("R17.refused", rc(refused.recv(unconnected)));
  say("R17.no_packet", port.silence());
  Operation posted_before;
  const Pair late = connected();
  posted_before.recv(late.b);
  say("R74.port_afterwards", port.add(late.b, 9));
  put(late.a, "j");
  say("R74.packet", port.packet(2000, &posted_before));
  u_long n = 0;
  Operation ioctl;
  say("R171.ioctl",
      rc(WSAIoctl(pair.b, FIONREAD, nullptr, 0, &n, 4, &ioctl.bytes, &ioctl.overlapped, nullptr)));
  say("R171.ioctl_packet", port.packet(2000, &ioctl));
}

void ends() {
  Pair pair = connected();
  Port port;
  port.add(pair.b, 1);
  Operation operation;
  operation.recv(pair.b);
  shutdown(pair.a, SD_SEND);
  say("R72.graceful", port.packet(2000, &operation));
  pair = connected();
  port.add(pair.b, 2);
  operation.recv(pair.b);
  reset(pair.a);
  say("R73.reset", port.packet(2000, &operation));
  say("R73.status", hex(operation.status()));
  say("R73.result", operation.result(pair.b));
  say("R94.send_after_reset", rc(put(pair.b, "x")));
  Operation send;
  say("R94.overlapped_send_after_reset", rc(send.send(pair.b, "x")));
  say("R94.no_packet", port.silence());
  const Pair messages = datagrams_pair();
  port.add(messages.b, 3);
  operation.recv(messages.b, 2);
  put(messages.a, "long");
  say("R106.truncated", port.packet(2000, &operation));
  pair = connected();
  port.add(pair.b, 4);
  operation.recv(pair.b);
  closesocket(pair.b);
  say("R132.closed_stream", port.packet(2000, &operation));
  const SOCKET datagram = bound(udp());
  port.add(datagram, 5);
  operation.recv(datagram);
  closesocket(datagram);
  say("R132.closed_datagram", port.packet(2000, &operation));
}

void modes() {
  const Pair pair = connected();
  Port port;
  port.add(pair.b, 1);
  say("R67.skip", rc_bool(SetFileCompletionNotificationModes(
                      as_handle(pair.b), FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)));
  put(pair.a, "a");
  is_ready(pair.b, 'r');
  Operation operation;
  say("R67.at_once", rc(operation.recv(pair.b)));
  say("R67.no_packet", port.silence());
  say("R68.event_all_the_same", signal_of(operation.overlapped.hEvent, 1000));
  say("R67.pending", rc(operation.recv(pair.b)));
  put(pair.a, "b");
  say("R67.packet", port.packet(2000, &operation));
  say("R67.cannot_be_unset", rc_bool(SetFileCompletionNotificationModes(as_handle(pair.b), 0)));
  put(pair.a, "c");
  is_ready(pair.b, 'r');
  operation.recv(pair.b);
  say("R67.still_no_packet", port.silence());
  say("R67.unknown_mode", rc_bool(SetFileCompletionNotificationModes(as_handle(pair.b), 0x80)));
}

void calls() {
  Port port;
  OVERLAPPED mine{};
  DWORD bytes = 0;
  ULONG_PTR key = 0;
  OVERLAPPED* done = nullptr;
  say("R63.post", rc_bool(PostQueuedCompletionStatus(port.handle, 11, 12, &mine)));
  say("R63.posted", port.packet());
  say("R63.post_null", rc_bool(PostQueuedCompletionStatus(port.handle, 1, 2, nullptr)));
  say("R63.posted_null", port.packet());
  for (DWORD i = 0; i < 3; ++i) PostQueuedCompletionStatus(port.handle, i, i, &mine);
  OVERLAPPED_ENTRY entries[4]{};
  ULONG n = 0;
  say("R63.ex", rc_bool(GetQueuedCompletionStatusEx(port.handle, entries, 2, &n, 0, FALSE)));
  say("R63.ex_count", n);
  say("R63.ex_order", std::to_string(entries[0].dwNumberOfBytesTransferred) + " " +
                          std::to_string(entries[1].dwNumberOfBytesTransferred));
  say("R63.ex_the_rest",
      rc_bool(GetQueuedCompletionStatusEx(port.handle, entries, 4, &n, 0, FALSE)));
  say("R63.ex_the_rest_count", n);
  say("R66.ex_timeout",
      rc_bool(GetQueuedCompletionStatusEx(port.handle, entries, 4, &n, 0, FALSE)));
  say("R63.bad_port",
      rc_bool(GetQueuedCompletionStatus(reinterpret_cast<HANDLE>(0x1234), &bytes, &key, &done, 0)));
  say("R63.post_bad_port",
      rc_bool(PostQueuedCompletionStatus(reinterpret_cast<HANDLE>(0x1234), 0, 0, nullptr)));
  say("R63.add_no_socket", port.add(0x1234, 1));
  say("R63.add_closed", [&port] {
    const SOCKET s = tcp();
    closesocket(s);
    return port.add(s, 1);
  }());
  auto shared = std::make_unique<Port>();
  std::string result;
  Thread waiting([&shared, &result] { result = shared->packet(5000); });
  Sleep(100);
  CloseHandle(shared->handle);
  say("R66.closing_the_port_ends_waits", waiting.ends());
  waiting.join();
  say("R66.closed", result);
  shared->handle = nullptr;
}

}  // namespace

void ports() {
  packets();
  ends();
  modes();
  calls();
}

namespace {

void cancelling() {
  const Pair pair = connected();
  Operation first;
  Operation second;
  first.recv(pair.b, 4);
  second.recv(pair.b, 4);
  say("R137.one", rc_bool(CancelIoEx(as_handle(pair.b), &first.overlapped)));
  say("R137.result", first.finished(pair.b));
  say("R137.status", hex(first.status()));
  say("R137.internal_high", static_cast<long long>(first.overlapped.InternalHigh));
  say("R137.event", signal_of(first.overlapped.hEvent, 1000));
  say("R137.the_other", second.result(pair.b));
  put(pair.a, "data");
  say("R141.nothing_is_lost", second.finished(pair.b));
  say("R138.not_pending", rc_bool(CancelIoEx(as_handle(pair.b), &first.overlapped)));
  say("R138.nothing_at_all", rc_bool(CancelIoEx(as_handle(pair.b), nullptr)));
  say("R139.CancelIo_nothing", rc_bool(CancelIo(as_handle(pair.b))));
  say("R139.CancelIo_no_socket", rc_bool(CancelIo(as_handle(0x1234))));
  say("R138.CancelIoEx_no_socket", rc_bool(CancelIoEx(as_handle(0x1234), nullptr)));
  first.recv(pair.b);
  second.recv(pair.b);
  say("R137.all", rc_bool(CancelIoEx(as_handle(pair.b), nullptr)));
  say("R137.all_first", first.finished(pair.b));
  say("R137.all_second", second.finished(pair.b));
  first.recv(pair.b);
  Thread([&pair] { say("R139.CancelIo_of_another_thread", rc_bool(CancelIo(as_handle(pair.b)))); });
  say("R139.is_pending_still", first.result(pair.b));
  say("R139.CancelIo", rc_bool(CancelIo(as_handle(pair.b))));
  say("R139.CancelIo_result", first.finished(pair.b));
  say("R139.win32_result", [&] {
    DWORD n = 0;
    return rc_bool(GetOverlappedResult(as_handle(pair.b), &first.overlapped, &n, FALSE));
  }());
  put(pair.a, "more");
  say("R141.the_stream_goes_on", got(pair.b));
}

int routine_runs;
DWORD routine_error;
void CALLBACK note(DWORD error, DWORD, LPWSAOVERLAPPED, DWORD) {
  ++routine_runs;
  routine_error = error;
}

void closing() {
  Pair pair = connected();
  Operation operation;
  operation.recv(pair.b);
  say("R132.closesocket", rc(closesocket(pair.b)));
  say("R132.event", signal_of(operation.overlapped.hEvent, 2000));
  say("R132.is_complete", operation.is_pending() ? "no" : "yes");
  say("R79.result_after_close", operation.result(pair.b));
  pair = connected();
  operation.recv(pair.b, 16, note);
  closesocket(pair.b);
  say("R132.routine_alertable", error_name(SleepEx(2000, TRUE)));
  say("R132.routine_runs", routine_runs);
  say("R132.routine_failed", routine_error != 0);
  const SOCKET datagram = bound(udp());
  operation.recv(datagram);
  closesocket(datagram);
  say("R132.datagram_event", signal_of(operation.overlapped.hEvent, 2000));
  say("R132.datagram_status", hex(operation.status()));
  pair = connected();
  std::string result;
  Thread waiting([&pair, &result] { result = got(pair.b); });
  Sleep(100);
  closesocket(pair.b);
  say("R133.recv_ends", waiting.ends());
  waiting.join();
  say("R133.recv_failed", result.find('"') == std::string::npos);
  const SOCKET listener = listening();
  Thread accepting([listener, &result] { result = rc_socket(accept(listener, nullptr, nullptr)); });
  Sleep(100);
  closesocket(listener);
  say("R133.accept_ends", accepting.ends());
  accepting.join();
  say("R133.accept_failed", result != "socket");
  pair = connected();
  reset(pair.a);
  say("R136.linger_zero", got(pair.b));
  pair = connected();
  put(pair.a, "unread");
  say("R136.graceful_close", rc(closesocket(pair.a)));
  say("R136.data_comes", got(pair.b));
  say("R136.then_the_end", got(pair.b));
}

void ending_threads() {
  const Pair pair = connected();
  Operation with_event;
  Operation second;
  routine_runs = 0;
  Thread([&] {
    with_event.recv(pair.b);
    second.recv(pair.b, 16, note);
  });
  say("R142.event", signal_of(with_event.overlapped.hEvent, 2000));
  say("R142.result", with_event.finished(pair.b));
  say("R142.with_routine", second.finished(pair.b));
  SleepEx(20, TRUE);
  say("R142.routine_never_runs", routine_runs);
  const Pair other = connected();
  Port port;
  port.add(other.b, 1);
  Operation without_event(false);
  Thread([&] { without_event.recv(other.b); });
  settle();
  say("R142.with_port_lives_on", without_event.result(other.b));
  put(other.a, "x");
  say("R142.with_port_packet", port.packet(2000, &without_event));
}

}  // namespace

void cancel() {
  cancelling();
  closing();
  ending_threads();
}

}  // namespace probe
