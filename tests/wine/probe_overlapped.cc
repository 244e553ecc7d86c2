// SPDX-License-Identifier: BSD-3-Clause
// Rules 40 to 62 and 75 to 84: overlapped receives, events, completion routines, results.
#include <cstring>
#include <vector>

#include "tests/wine/probe.h"

namespace probe {
namespace {

std::string win32_result(SOCKET s, Operation& operation) {
  DWORD n = 0;
  return GetOverlappedResult(reinterpret_cast<HANDLE>(s), &operation.overlapped, &n, FALSE)
             ? std::to_string(n)
             : error_name(GetLastError());
}

void pending() {
  const Pair pair = connected();
  nonblocking(pair.b);
  Operation operation;
  WSASetEvent(operation.overlapped.hEvent);
  operation.overlapped.InternalHigh = 77;
  operation.overlapped.Offset = 11;
  operation.overlapped.OffsetHigh = 12;
  say("R40.started", rc(operation.recv(pair.b)));
  say("R40.count_untouched", operation.bytes == 0xdeadbeef);
  say("R41.status", hex(operation.status()));
  say("R41.internal_high", static_cast<long long>(operation.overlapped.InternalHigh));
  say("R41.event_is_reset", signal_of(operation.overlapped.hEvent));
  say("R75.incomplete", operation.result(pair.b));
  DWORD n = 0xdead;
  DWORD flags = 0;
  WSAGetOverlappedResult(pair.b, &operation.overlapped, &n, FALSE, &flags);
  say("R75.count_untouched", n == 0xdead);
  say("R81.win32_incomplete", win32_result(pair.b, operation));
  say("R84.a_plain_receive_behind_it", got(pair.b));
  put(pair.a, "abcd");
  say("R48.event", signal_of(operation.overlapped.hEvent, 2000));
  say("R76.result", operation.result(pair.b));
  say("R76.win32_result", win32_result(pair.b, operation));
  say("R40.text", operation.text(4));
  say("R41.status_then", hex(operation.status()));
  say("R41.internal_high_then", static_cast<long long>(operation.overlapped.InternalHigh));
  say("R44.offsets", std::to_string(operation.overlapped.Offset) + " " +
                         std::to_string(operation.overlapped.OffsetHigh));
  say("R50.event_stays", signal_of(operation.overlapped.hEvent));
  say("R84.nothing_is_left", got(pair.b));
}

void at_once() {
  const Pair pair = connected();
  put(pair.a, "abcd");
  is_ready(pair.b, 'r');
  Operation operation;
  operation.flags = 0;
  say("R42.at_once", rc(operation.recv(pair.b)));
  say("R42.count", operation.bytes);
  say("R42.flags", hex(operation.flags));
  say("R42.event", signal_of(operation.overlapped.hEvent, 2000));
  say("R42.result", operation.result(pair.b));
  Operation send;
  say("R42.send", rc(send.send(pair.b, "hello")));
  say("R42.send_count", send.bytes);
  say("R42.send_event", signal_of(send.overlapped.hEvent, 2000));
  say("R42.send_result", send.finished(pair.b));
  Operation without_event(false);
  say("R49.without_event", rc(without_event.recv(pair.b)));
  put(pair.a, "xyz");
  say("R49.result", without_event.finished(pair.b));
  Operation low_bit;
  HANDLE const event = low_bit.overlapped.hEvent;
  low_bit.overlapped.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(event) | 1);
  say("R51.low_bit", rc(low_bit.recv(pair.b)));
  put(pair.a, "1");
  say("R51.event", signal_of(event, 2000));
  low_bit.overlapped.hEvent = event;
  Operation waited;
  waited.recv(pair.b);
  Thread later([&pair] {
    Sleep(40);
    put(pair.a, "12");
  });
  DWORD n = 0;
  DWORD flags = 0;
  say("R80.wait", rc_bool(WSAGetOverlappedResult(pair.b, &waited.overlapped, &n, TRUE, &flags)));
  say("R80.count", n);
}

void many() {
  const Pair pair = connected();
  Operation first;
  Operation second;
  Operation third;
  first.recv(pair.b, 16);
  second.recv(pair.b, 16);
  third.recv(pair.b, 16);
  put(pair.a, "0123456789abcdefghij");
  say("R82.first", first.finished(pair.b));
  say("R82.second", second.finished(pair.b));
  say("R82.second_text", second.text(4));
  say("R83.third", third.result(pair.b));
  put(pair.a, "end");
  say("R83.third_then", third.finished(pair.b));
  Operation captured;
  std::vector<WSABUF> array(2);
  array[0] = {1, captured.memory};
  array[1] = {15, captured.memory + 1};
  WSARecv(pair.b, array.data(), 2, nullptr, &captured.flags, &captured.overlapped, nullptr);
  std::memset(static_cast<void*>(array.data()), 0xCC, 2 * sizeof(WSABUF));
  put(pair.a, "keep");
  say("R43.captured", captured.finished(pair.b));
  say("R43.text", captured.text(4));
}

void results() {
  const Pair pair = connected();
  Operation operation;
  put(pair.a, "abc");
  is_ready(pair.b, 'r');
  operation.recv(pair.b);
  DWORD n = 0;
  DWORD flags = 7;
  say("R76.flags",
      rc_bool(WSAGetOverlappedResult(pair.b, &operation.overlapped, &n, FALSE, &flags)));
  say("R76.flags_value", flags);
  say("R79.no_socket",
      rc_bool(WSAGetOverlappedResult(0x1234, &operation.overlapped, &n, FALSE, &flags)));
  say("R79.null_count", guarded([&] {
        return rc_bool(
            WSAGetOverlappedResult(pair.b, &operation.overlapped, nullptr, FALSE, &flags));
      }));
  say("R79.null_flags", guarded([&] {
        return rc_bool(WSAGetOverlappedResult(pair.b, &operation.overlapped, &n, FALSE, nullptr));
      }));
  say("R79.null_overlapped",
      guarded([&] { return rc_bool(WSAGetOverlappedResult(pair.b, nullptr, &n, FALSE, &flags)); }));
  closesocket(pair.b);
  say("R79.closed",
      rc_bool(WSAGetOverlappedResult(pair.b, &operation.overlapped, &n, FALSE, &flags)));
  const struct {
    const char* name;
    ULONG_PTR status;
  } rows[] = {{"success", 0},
              {"pending", 0x103},
              {"buffer_overflow", 0x80000005},
              {"connection_reset", 0xC000020D},
              {"connection_aborted", 0xC0000241},
              {"connection_refused", 0xC0000236},
              {"cancelled", 0xC0000120},
              {"io_timeout", 0xC00000B5},
              {"port_unreachable", 0xC000023F},
              {"host_unreachable", 0xC000023D},
              {"network_unreachable", 0xC000023C},
              {"access_violation", 0xC0000005},
              {"invalid_handle", 0xC0000008},
              {"invalid_parameter", 0xC000000D},
              {"insufficient_resources", 0xC000009A},
              {"not_supported", 0xC00000BB},
              {"local_disconnect", 0xC000013B},
              {"remote_disconnect", 0xC000013C},
              {"address_already_exists", 0xC000020A},
              {"pipe_disconnected", 0xC00000B0},
              {"nobodys", 0xC0ABCDEF}};
  const Pair other = connected();
  for (const auto& row : rows) {
    Operation made(false);
    made.overlapped.Internal = row.status;
    made.overlapped.InternalHigh = 9;
    say((std::string("R78.") + row.name).c_str(), made.result(other.b));
  }
}

}  // namespace

void overlapped() {
  pending();
  at_once();
  many();
  results();
}

namespace {

struct Seen {
  int runs = 0;
  DWORD error = 0;
  DWORD bytes = 0;
  DWORD flags = 0;
  DWORD thread = 0;
  LPWSAOVERLAPPED overlapped = nullptr;
  int depth = 0;
  int deepest = 0;
};
Seen seen;

void CALLBACK note(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
  ++seen.runs;
  seen.error = error;
  seen.bytes = bytes;
  seen.flags = flags;
  seen.thread = GetCurrentThreadId();
  seen.overlapped = overlapped;
}

SOCKET again_on;
Operation* again;
int again_result;

void CALLBACK receive_again(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
  note(error, bytes, overlapped, flags);
  again_result = again->recv(again_on, 16, note);
}

void CALLBACK sleep_inside(DWORD error, DWORD bytes, LPWSAOVERLAPPED overlapped, DWORD flags) {
  note(error, bytes, overlapped, flags);
  ++seen.depth;
  if (seen.depth > seen.deepest) seen.deepest = seen.depth;
  SleepEx(50, TRUE);
  --seen.depth;
}

void one_routine() {
  const Pair pair = connected();
  Operation operation;
  seen = {};
  say("R53.started", rc(operation.recv(pair.b, 16, note)));
  put(pair.a, "abcd");
  settle();
  say("R53.without_alertable_wait", seen.runs);
  Sleep(10);
  say("R53.after_sleep", seen.runs);
  say("R54.alertable", error_name(SleepEx(2000, TRUE)));
  say("R54.runs", seen.runs);
  say("R55.error", seen.error);
  say("R55.bytes", seen.bytes);
  say("R55.flags", seen.flags);
  say("R55.overlapped", seen.overlapped == &operation.overlapped);
  say("R53.thread", seen.thread == GetCurrentThreadId());
  say("R52.event", signal_of(operation.overlapped.hEvent, 20));
  put(pair.a, "ef");
  is_ready(pair.b, 'r');
  say("R56.at_once", rc(operation.recv(pair.b, 16, note)));
  say("R56.not_yet", seen.runs);
  say("R56.alertable", error_name(SleepEx(0, TRUE)));
  say("R56.then", seen.runs);
  say("R54.nothing_queued", SleepEx(0, TRUE));
  Operation context(false);
  context.overlapped.hEvent = reinterpret_cast<HANDLE>(0x1234);
  say("R52.any_event", rc(context.recv(pair.b, 16, note)));
  put(pair.a, "g");
  say("R52.alertable", error_name(SleepEx(2000, TRUE)));
  say("R52.event_is_kept", context.overlapped.hEvent == reinterpret_cast<HANDLE>(0x1234));
  context.overlapped.hEvent = nullptr;
  say("R52.result", context.result(pair.b));
}

void in_waits() {
  const Pair pair = connected();
  Operation operation;
  HANDLE const never = WSACreateEvent();
  seen = {};
  operation.recv(pair.b, 16, note);
  put(pair.a, "a");
  say("R53.WSAWaitForMultipleEvents",
      error_name(WSAWaitForMultipleEvents(1, &never, FALSE, 2000, TRUE)));
  say("R53.WSAWaitForMultipleEvents_runs", seen.runs);
  operation.recv(pair.b, 16, note);
  put(pair.a, "b");
  say("R53.not_alertable", error_name(WSAWaitForMultipleEvents(1, &never, FALSE, 50, FALSE)));
  say("R53.not_alertable_runs", seen.runs);
  say("R53.WaitForSingleObjectEx", error_name(WaitForSingleObjectEx(never, 2000, TRUE)));
  say("R53.WaitForSingleObjectEx_runs", seen.runs);
  WSACloseEvent(never);
  Operation first;
  Operation second;
  first.recv(pair.b, 2, note);
  second.recv(pair.b, 2, note);
  put(pair.a, "1234");
  soon([&second] { return !second.is_pending(); });
  say("R54.two_queued", error_name(SleepEx(2000, TRUE)));
  say("R54.two_ran", seen.runs);
  say("R59.first", first.text(2));
  say("R59.second", second.text(2));
}

void nesting() {
  const Pair pair = connected();
  Operation operation;
  Operation next;
  seen = {};
  again = &next;
  again_on = pair.b;
  operation.recv(pair.b, 16, receive_again);
  put(pair.a, "a");
  SleepEx(2000, TRUE);
  say("R57.receive_in_a_routine", rc(again_result));
  put(pair.a, "b");
  SleepEx(2000, TRUE);
  say("R57.its_routine", seen.runs);
  seen = {};
  Operation third;
  operation.recv(pair.b, 1, sleep_inside);
  third.recv(pair.b, 1, sleep_inside);
  put(pair.a, "xy");
  soon([&third] { return !third.is_pending(); });
  SleepEx(2000, TRUE);
  SleepEx(100, TRUE);
  say("R58.runs", seen.runs);
  say("R58.deepest", seen.deepest);
  seen = {};
  Operation reset_one;
  reset_one.recv(pair.b, 16, note);
  reset(pair.a);
  SleepEx(2000, TRUE);
  say("R90.routine_after_reset", error_name(seen.error));
  say("R90.routine_bytes", seen.bytes);
  const Pair messages = datagrams_pair();
  seen = {};
  Operation small;
  small.recv(messages.b, 2, note);
  put(messages.a, "abcd");
  SleepEx(2000, TRUE);
  say("R107.routine_of_truncation", error_name(seen.error));
  say("R107.bytes", seen.bytes);
}

}  // namespace

void routines() {
  one_routine();
  in_waits();
  nesting();
}

}  // namespace probe
