// SPDX-License-Identifier: BSD-3-Clause
// Rules 22, 201, 202: pointers that lead nowhere, duplicates, objects to wait for.
#include "tests/wine/probe.h"

namespace probe {
namespace {

/// An address that no process may touch.
template <typename Pointer>
Pointer wild() {
  return reinterpret_cast<Pointer>(8);
}

void sending() {
  const Pair pair = connected();
  WSABUF buffer{4, wild<char*>()};
  DWORD n = 0;
  say("R22.send", guarded([&] { return rc(send(pair.a, wild<const char*>(), 4, 0)); }));
  say("R22.WSASend_buffer",
      guarded([&] { return rc(WSASend(pair.a, &buffer, 1, &n, 0, nullptr, nullptr)); }));
  say("R22.WSASend_array",
      guarded([&] { return rc(WSASend(pair.a, wild<LPWSABUF>(), 1, &n, 0, nullptr, nullptr)); }));
  say("R22.WSASend_null_array",
      guarded([&] { return rc(WSASend(pair.a, nullptr, 1, &n, 0, nullptr, nullptr)); }));
  char byte = 'x';
  WSABUF good{1, &byte};
  say("R23.WSASend_no_buffers",
      guarded([&] { return rc(WSASend(pair.a, &good, 0, &n, 0, nullptr, nullptr)); }));
  say("R22.WSASend_null_count",
      guarded([&] { return rc(WSASend(pair.a, &good, 1, nullptr, 0, nullptr, nullptr)); }));
  nonblocking(pair.b);
  settle();
  while (recv(pair.b, &byte, 1, 0) > 0) continue;
  put(pair.a, "abcd");
  is_ready(pair.b, 'r');
  say("R22.recv", guarded([&] { return rc(recv(pair.b, wild<char*>(), 4, 0)); }));
  say("R22.recv_then", got(pair.b));
  const SOCKET datagram = bound(udp());
  const Address to = name_of(bound(udp()));
  say("R22.sendto_data", guarded([&] {
        return rc(sendto(datagram, wild<const char*>(), 4, 0,
                         reinterpret_cast<const sockaddr*>(&to.storage), to.length));
      }));
  say("R22.sendto_address",
      guarded([&] { return rc(sendto(datagram, "x", 1, 0, wild<const sockaddr*>(), to.length)); }));
}

void naming() {
  const SOCKET s = tcp();
  int length = sizeof(sockaddr_storage);
  Address name;
  say("R22.bind_null", guarded([&] { return rc(bind(s, nullptr, local().length)); }));
  say("R22.bind", guarded([&] { return rc(bind(s, wild<const sockaddr*>(), local().length)); }));
  say("R22.connect_null", guarded([&] { return rc(connect(s, nullptr, local().length)); }));
  say("R22.connect",
      guarded([&] { return rc(connect(s, wild<const sockaddr*>(), local().length)); }));
  bound(s);
  say("R22.getsockname_null", guarded([&] { return rc(getsockname(s, nullptr, &length)); }));
  say("R22.getsockname_null_length",
      guarded([&] { return rc(getsockname(s, name.get(), nullptr)); }));
  say("R22.getsockname", guarded([&] { return rc(getsockname(s, wild<sockaddr*>(), &length)); }));
  const Pair pair = connected();
  say("R22.getpeername_null", guarded([&] { return rc(getpeername(pair.a, nullptr, &length)); }));
  say("R22.getpeername_null_length",
      guarded([&] { return rc(getpeername(pair.a, name.get(), nullptr)); }));
  int value = 0;
  length = 4;
  say("R22.getsockopt_null",
      guarded([&] { return rc(getsockopt(s, SOL_SOCKET, SO_TYPE, nullptr, &length)); }));
  say("R22.getsockopt_null_length", guarded([&] {
        return rc(getsockopt(s, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&value), nullptr));
      }));
  say("R22.getsockopt",
      guarded([&] { return rc(getsockopt(s, SOL_SOCKET, SO_TYPE, wild<char*>(), &length)); }));
  say("R22.setsockopt_null",
      guarded([&] { return rc(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, nullptr, 4)); }));
  say("R22.setsockopt",
      guarded([&] { return rc(setsockopt(s, SOL_SOCKET, SO_KEEPALIVE, wild<const char*>(), 4)); }));
  say("R22.ioctlsocket_null",
      guarded([&] { return rc(ioctlsocket(s, static_cast<LONG>(FIONBIO), nullptr)); }));
}

}  // namespace

void pointers() {
  sending();
  naming();
}

void duplicates() {
  const Pair pair = connected();
  const DWORD process = GetCurrentProcessId();
  WSAPROTOCOL_INFOW info{};
  say("R201.no_socket", rc(WSADuplicateSocketW(0x1234, process, &info)));
  say("R201.no_process", rc(WSADuplicateSocketW(pair.b, 0, &info)));
  say("R201.null_info", guarded([&] { return rc(WSADuplicateSocketW(pair.b, process, nullptr)); }));
  say("R201.duplicate", rc(WSADuplicateSocketW(pair.b, process, &info)));
  const SOCKET copy =
      keep(WSASocketW(FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, FROM_PROTOCOL_INFO, &info, 0, 0));
  say("R201.socket", rc_socket(copy));
  say("R201.another_handle", copy != pair.b);
  nonblocking(pair.b);
  say("R201.nonblocking_is_shared", got(copy));
  set_option(copy, SOL_SOCKET, SO_KEEPALIVE, 1);
  say("R201.options_are_shared", option(pair.b, SOL_SOCKET, SO_KEEPALIVE));
  put(pair.a, "abcd");
  is_ready(copy, 'r');
  say("R201.half", got(pair.b, 2));
  say("R201.other_half", got(copy, 2));
  HANDLE const port = CreateIoCompletionPort(reinterpret_cast<HANDLE>(pair.b), nullptr, 33, 0);
  Operation operation;
  say("R71.pending", rc(operation.recv(copy)));
  say("R71.close_one", rc(closesocket(pair.b)));
  say("R71.is_pending_still", operation.result(copy));
  put(pair.a, "xy");
  DWORD n = 0;
  ULONG_PTR key = 0;
  OVERLAPPED* done = nullptr;
  say("R71.packet", rc_bool(GetQueuedCompletionStatus(port, &n, &key, &done, 2000)));
  say("R71.key", static_cast<long long>(key));
  say("R201.send", rc(put(copy, "back")));
  say("R201.the_peer_hears", got(pair.a));
  operation.recv(copy);
  closesocket(copy);
  say("R71.closing_the_last_ends_it",
      rc_bool(GetQueuedCompletionStatus(port, &n, &key, &done, 2000)) != "TRUE");
  say("R71.it_was_that_operation", done == &operation.overlapped);
  say("R71.the_peer_hears_the_end", is_ready(pair.a, 'r'));
  CloseHandle(port);
  const Pair other = connected();
  WSADuplicateSocketW(other.b, process, &info);
  const SOCKET twin = keep(WSASocketW(family(), SOCK_STREAM, IPPROTO_TCP, &info, 0, 0));
  WSAEVENT const first = WSACreateEvent();
  WSAEVENT const second = WSACreateEvent();
  WSAEventSelect(other.b, first, FD_READ);
  WSAEventSelect(twin, second, FD_READ);
  put(other.a, "1");
  say("R202.second_replaces", signal_of(second, 2000));
  say("R202.first_is_silent", signal_of(first));
  WSACloseEvent(first);
  WSACloseEvent(second);
}

namespace {

void CALLBACK nothing(ULONG_PTR) {}

}  // namespace

void objects() {
  WSAEVENT const event = WSACreateEvent();
  say("R48.at_first", signal_of(event));
  say("R48.set", rc_bool(WSASetEvent(event)));
  say("R48.is_set", signal_of(event));
  say("R48.manual_reset", signal_of(event));
  say("R48.reset", rc_bool(WSAResetEvent(event)));
  say("R48.is_reset", signal_of(event));
  say("R48.wait", error_name(WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE)));
  WSAEVENT both[] = {WSACreateEvent(), event};
  WSASetEvent(event);
  say("R48.second_of_two", WSAWaitForMultipleEvents(2, both, FALSE, 0, FALSE));
  say("R48.all_of_two", error_name(WSAWaitForMultipleEvents(2, both, TRUE, 0, FALSE)));
  WSASetEvent(both[0]);
  say("R48.all_set", WSAWaitForMultipleEvents(2, both, TRUE, 0, FALSE));
  say("R48.first_of_two", WSAWaitForMultipleEvents(2, both, FALSE, 0, FALSE));
  say("R48.none", error_name(WSAWaitForMultipleEvents(0, both, FALSE, 0, FALSE)));
  say("R48.none_error", error_name(GetLastError()));
  say("R48.too_many", [event] {
    WSAEVENT many[65];
    for (WSAEVENT& one : many) one = event;
    return error_name(WSAWaitForMultipleEvents(65, many, FALSE, 0, FALSE));
  }());
  WSACloseEvent(both[0]);
  say("R48.close", rc_bool(WSACloseEvent(event)));
  say("R48.close_twice", rc_bool(WSACloseEvent(event)));
  say("R48.set_closed", rc_bool(WSASetEvent(event)));
  say("R48.reset_closed", rc_bool(WSAResetEvent(event)));
  say("R48.wait_closed", error_name(WaitForSingleObject(event, 0)));
  say("R48.wait_closed_error", error_name(GetLastError()));
  HANDLE const once = CreateEvent(nullptr, FALSE, TRUE, nullptr);
  say("R48.auto_reset", signal_of(once));
  say("R48.auto_reset_then", signal_of(once));
  CloseHandle(once);
  int runs = 0;
  HANDLE const thread = CreateThread(
      nullptr, 0,
      [](LPVOID counter) -> DWORD {
        ++*static_cast<int*>(counter);
        return 77;
      },
      &runs, 0, nullptr);
  say("R53.thread_is_signalled", signal_of(thread, 2000));
  say("R53.thread_ran", runs);
  DWORD code = 0;
  say("R53.exit_code", rc_bool(GetExitCodeThread(thread, &code)));
  say("R53.exit_code_value", code);
  CloseHandle(thread);
  say("R53.sleep", SleepEx(1, TRUE));
  QueueUserAPC(nothing, GetCurrentThread(), 0);
  say("R53.not_alertable", SleepEx(1, FALSE));
  say("R53.apc", error_name(SleepEx(0, TRUE)));
  say("R53.apc_once", SleepEx(0, TRUE));
}

}  // namespace probe
