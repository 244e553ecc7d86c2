// SPDX-License-Identifier: BSD-3-Clause
// Rules 17 to 39 and 121 to 131: receives without overlapped, and flags.
#include <cstring>

#include "tests/wine/probe.h"

namespace probe {
namespace {

/// WSARecv without overlapped into one buffer: what it returned, the count, the flags.
std::string wsarecv(SOCKET s, ULONG room, DWORD flags = 0) {
  char memory[64];
  WSABUF one{room, memory};
  DWORD n = 0xdead;
  const int result = WSARecv(s, &one, 1, &n, &flags, nullptr, nullptr);
  return rc(result) + (n == 0xdead ? " untouched" : " bytes " + std::to_string(n)) + " flags " +
         hex(flags);
}

void refusals() {
  const SOCKET s = tcp();
  say("R19.unconnected", got(s));
  say("R19.unconnected_wsarecv", wsarecv(s, 8));
  Operation operation;
  say("R19.unconnected_overlapped", rc(operation.recv(s)));
  say("R17.count_of_a_failed_call", operation.bytes == 0xdeadbeef);
  say("R17.event_of_a_failed_call", signal_of(operation.overlapped.hEvent, 50));
  say("R19.bound", got(bound(tcp())));
  say("R19.unconnected_peek", got(s, 8, MSG_PEEK));
  say("R19.unconnected_send", rc(put(s, "x")));
  const SOCKET listener = listening();
  nonblocking(listener);
  say("R20.listener", got(listener));
  say("R20.listener_send", rc(put(listener, "x")));
  const SOCKET datagram = udp();
  nonblocking(datagram);
  say("R21.unbound_datagram", got(datagram));
  Operation other;
  say("R21.unbound_datagram_overlapped", rc(other.recv(datagram)));
  if (other.is_pending()) closesocket(datagram);
}

void faults() {
  const Pair pair = connected();
  put(pair.a, "abcd");
  is_ready(pair.b, 'r');
  char memory[8];
  WSABUF one{sizeof memory, memory};
  WSABUF wild{8, reinterpret_cast<char*>(8)};
  DWORD n = 0;
  DWORD flags = 0;
  say("R22.null_array",
      guarded([&] { return rc(WSARecv(pair.b, nullptr, 1, &n, &flags, nullptr, nullptr)); }));
  say("R22.wild_buffer",
      guarded([&] { return rc(WSARecv(pair.b, &wild, 1, &n, &flags, nullptr, nullptr)); }));
  say("R22.null_flags",
      guarded([&] { return rc(WSARecv(pair.b, &one, 1, &n, nullptr, nullptr, nullptr)); }));
  say("R23.no_buffers", rc(WSARecv(pair.b, &one, 0, &n, &flags, nullptr, nullptr)));
  Operation operation;
  say("R23.no_buffers_overlapped",
      rc(WSARecv(pair.b, &one, 0, &n, &flags, &operation.overlapped, nullptr)));
  say("R22.nothing_was_lost", got(pair.b));
  put(pair.a, "ef");
  is_ready(pair.b, 'r');
  Operation without_count;
  one.len = 8;
  say("R24.no_count_overlapped", guarded([&] {
        return rc(WSARecv(pair.b, &one, 1, nullptr, &flags, &without_count.overlapped, nullptr));
      }));
  say("R24.no_count_overlapped_result", without_count.finished(pair.b));
  say("R27.recv_null", guarded([&] { return rc(recv(pair.b, nullptr, 4, 0)); }));
  say("R27.recv_minus_one", guarded([&] { return rc(recv(pair.b, memory, -1, 0)); }));
  say("R27.send_null", guarded([&] { return rc(send(pair.b, nullptr, 4, 0)); }));
  say("R27.send_minus_one", guarded([&] { return rc(send(pair.b, memory, -1, 0)); }));
  say("R27.send_nothing", guarded([&] { return rc(send(pair.b, memory, 0, 0)); }));
}

void plain() {
  const Pair pair = connected();
  nonblocking(pair.b);
  say("R32.nonblocking", got(pair.b));
  say("R32.nonblocking_wsarecv", wsarecv(pair.b, 8));
  say("R38.no_room_no_data", got(pair.b, 0));
  put(pair.a, "abcdefgh");
  is_ready(pair.b, 'r');
  say("R37.no_room", got(pair.b, 0));
  say("R29.two", got(pair.b, 2));
  say("R31.flags", wsarecv(pair.b, 1));
  say("R29.the_rest", got(pair.b));
  say("R29.nothing_left", got(pair.b));
  char first[4] = {};
  char third[8] = {};
  WSABUF three[3] = {{4, first}, {0, nullptr}, {8, third}};
  DWORD n = 0;
  DWORD flags = 0;
  put(pair.a, "123456789");
  is_ready(pair.b, 'r');
  say("R30.scatter", rc(WSARecv(pair.b, three, 3, &n, &flags, nullptr, nullptr)));
  say("R30.count", n);
  say("R30.first", std::string(first, 4));
  say("R30.third", std::string(third, 5));
  nonblocking(pair.b, false);
  Thread later([&pair] {
    Sleep(30);
    put(pair.a, "x");
  });
  say("R29.one_byte_ends_a_wait", got(pair.b));
  later.join();
  set_option(pair.b, SOL_SOCKET, SO_RCVTIMEO, 80);
  say("R33.timeout", got(pair.b));
  say("R33.timeout_wsarecv", wsarecv(pair.b, 8));
  Operation operation;
  say("R33.overlapped_has_none", rc(operation.recv(pair.b)));
  Sleep(150);
  say("R33.overlapped_is_pending", operation.is_pending());
  put(pair.a, "late");
  say("R33.overlapped_result", operation.finished(pair.b));
  put(pair.a, "seen");
  say("R33.the_socket_works_on", got(pair.b));
  put(pair.a, "peer");
  Address from;
  char memory[8];
  const int room = from.length;
  say("R39.recvfrom", rc(recvfrom(pair.b, memory, 8, 0, from.get(), &from.length)));
  say("R39.address_is_untouched", from.storage.ss_family == 0);
  say("R39.length_is_untouched", from.length == room);
  Address to = name_of(pair.a);
  say("R39.sendto", rc(sendto(pair.a, "12", 2, 0, to.get(), to.length)));
  say("R39.sendto_arrives", got(pair.b));
}

VOID CALLBACK count_apc(ULONG_PTR counter) { ++*reinterpret_cast<int*>(counter); }

int routine_runs = 0;
void CALLBACK count_routine(DWORD, DWORD, LPWSAOVERLAPPED, DWORD) { ++routine_runs; }

void apcs() {
  const Pair pair = connected();
  int runs = 0;
  put(pair.a, "ab");
  is_ready(pair.b, 'r');
  QueueUserAPC(count_apc, GetCurrentThread(), reinterpret_cast<ULONG_PTR>(&runs));
  say("R36.recv_at_once", wsarecv(pair.b, 2));
  say("R36.apcs_then", runs);
  Thread later([&pair] {
    Sleep(50);
    put(pair.a, "cd");
  });
  say("R36.recv_that_waits", wsarecv(pair.b, 2));
  say("R36.apcs_after_a_wait", runs);
  later.join();
  SleepEx(0, TRUE);
  put(pair.a, "e");
  is_ready(pair.b, 'r');
  char memory[4];
  WSABUF one{4, memory};
  DWORD n = 0;
  DWORD flags = 0;
  say("R35.routine_alone", rc(WSARecv(pair.b, &one, 1, &n, &flags, nullptr, count_routine)));
  SleepEx(20, TRUE);
  say("R35.routine_runs", routine_runs);
}

void nonoverlapped() {
  const SOCKET listener = listening();
  Address to = name_of(listener);
  const SOCKET a = tcp();
  connect(a, to.get(), to.length);
  const SOCKET client = keep(WSASocketW(family(), SOCK_STREAM, 0, nullptr, 0, 0));
  say("R25.connect", rc(connect(client, to.get(), to.length)));
  const SOCKET first = keep(accept(listener, nullptr, nullptr));
  const SOCKET server = keep(accept(listener, nullptr, nullptr));
  put(first, "1");
  put(server, "data");
  is_ready(client, 'r');
  Operation operation;
  say("R25.overlapped_parameters", rc(operation.recv(client)));
  say("R25.bytes", operation.bytes);
  say("R25.text", operation.text(4));
}

}  // namespace

void receive() {
  refusals();
  faults();
  plain();
  apcs();
  nonoverlapped();
}

namespace {

void peeking() {
  const Pair pair = connected();
  nonblocking(pair.b);
  say("R121.nothing_there", got(pair.b, 8, MSG_PEEK));
  put(pair.a, "abcd");
  is_ready(pair.b, 'r');
  say("R121.peek", got(pair.b, 8, MSG_PEEK));
  say("R121.peek_again", got(pair.b, 2, MSG_PEEK));
  say("R121.recv", got(pair.b));
  put(pair.a, "ef");
  is_ready(pair.b, 'r');
  Operation operation;
  WSABUF one{8, operation.memory};
  operation.flags = MSG_PEEK;
  const int result =
      WSARecv(pair.b, &one, 1, &operation.bytes, &operation.flags, &operation.overlapped, nullptr);
  say("R122.overlapped_peek", rc(result));
  say("R122.data_is_there_still", got(pair.b));
}

void urgent() {
  const Pair pair = connected();
  nonblocking(pair.b);
  say("R125.nothing_urgent", got(pair.b, 8, MSG_OOB));
  put(pair.a, "ab");
  say("R126.send", rc(send(pair.a, "U", 1, MSG_OOB)));
  say("R126.is_exceptional", is_ready(pair.b, 'x'));
  settle();
  u_long at_mark = 7;
  ioctlsocket(pair.b, static_cast<LONG>(SIOCATMARK), &at_mark);
  say("R170.mark_with_urgent_data", at_mark);
  say("R126.normal", got(pair.b));
  say("R126.urgent", got(pair.b, 8, MSG_OOB));
  ioctlsocket(pair.b, static_cast<LONG>(SIOCATMARK), &at_mark);
  say("R170.mark_without_it", at_mark);
  say("R126.urgent_again", got(pair.b, 8, MSG_OOB));
  say("R126.normal_again", got(pair.b));
  send(pair.a, "1", 1, MSG_OOB);
  is_ready(pair.b, 'x');
  send(pair.a, "2", 1, MSG_OOB);
  settle();
  say("R127.first_of_two", got(pair.b, 1, MSG_OOB));
  say("R127.second_of_two", got(pair.b, 1, MSG_OOB));
  const Pair inlined = connected();
  nonblocking(inlined.b);
  set_option(inlined.b, SOL_SOCKET, SO_OOBINLINE, 1);
  send(inlined.a, "V", 1, MSG_OOB);
  is_ready(inlined.b, 'r');
  say("R125.inline", got(inlined.b, 8, MSG_OOB));
  say("R126.inline_is_normal", got(inlined.b));
  const Pair messages = datagrams_pair();
  nonblocking(messages.b);
  say("R124.recv_datagram", got(messages.b, 8, MSG_OOB));
  say("R124.send_datagram", rc(send(messages.a, "x", 1, MSG_OOB)));
}

/// The receiving side, with four bytes in it whatever was there before.
SOCKET fresh(const Pair& pair) {
  char memory[16];
  while (recv(pair.b, memory, sizeof memory, 0) > 0) continue;
  put(pair.a, "abcd");
  is_ready(pair.b, 'r');
  return pair.b;
}

void others() {
  const Pair pair = connected();
  put(pair.a, "abcd");
  is_ready(pair.b, 'r');
  say("R128.all_of_four", got(pair.b, 4, MSG_WAITALL));
  put(pair.a, "ef");
  is_ready(pair.b, 'r');
  Thread later([&pair] {
    Sleep(40);
    put(pair.a, "gh");
  });
  say("R128.waits_for_all", got(pair.b, 4, MSG_WAITALL));
  later.join();
  const Pair ended = connected();
  put(ended.a, "ij");
  shutdown(ended.a, SD_SEND);
  settle();
  say("R128.the_end_gives_what_came", got(ended.b, 4, MSG_WAITALL));
  const Pair other = connected();
  nonblocking(other.b);
  say("R128.nonblocking", got(fresh(other), 2, MSG_WAITALL));
  say("R128.with_peek", got(fresh(other), 2, MSG_WAITALL | MSG_PEEK));
  say("R130.unknown", got(fresh(other), 2, 0x40000));
  say("R129.partial", [&other] {
    char memory[8];
    WSABUF one{1, memory};
    DWORD n = 0;
    DWORD flags = MSG_PARTIAL;
    return rc(WSARecv(fresh(other), &one, 1, &n, &flags, nullptr, nullptr));
  }());
  say("R131.push_immediate", got(fresh(other), 1, 0x20));
  const Pair messages = datagrams_pair();
  nonblocking(messages.b);
  put(messages.a, "m");
  is_ready(messages.b, 'r');
  say("R128.datagram", got(messages.b, 2, MSG_WAITALL));
}

}  // namespace

void flags() {
  peeking();
  urgent();
  others();
}

}  // namespace probe
