// SPDX-License-Identifier: BSD-3-Clause
// Rules 87 to 118: ends of streams, shutdown, datagrams.
#include <cstring>
#include <vector>

#include "tests/wine/probe.h"

namespace probe {
namespace {

void graceful() {
  Pair pair = connected();
  put(pair.a, "last");
  closesocket(pair.a);
  say("R88.data_first", got(pair.b));
  say("R87.the_end", got(pair.b));
  say("R87.the_end_again", got(pair.b));
  Operation operation;
  say("R87.overlapped", rc(operation.recv(pair.b)));
  say("R87.overlapped_result", operation.finished(pair.b));
  say("R87.peek", got(pair.b, 4, MSG_PEEK));
  pair = connected();
  operation.recv(pair.b);
  shutdown(pair.a, SD_SEND);
  say("R87.pending", operation.finished(pair.b));
  say("R87.pending_event", signal_of(operation.overlapped.hEvent, 1000));
  say("R100.send_back", rc(put(pair.b, "back")));
  say("R100.receive_after_sd_send", got(pair.a));
}

void abortive() {
  Pair pair = connected();
  Operation operation;
  operation.recv(pair.b);
  reset(pair.a);
  say("R90.pending", operation.finished(pair.b));
  say("R90.status", hex(operation.status()));
  say("R90.win32", [&] {
    DWORD n = 0;
    return rc_bool(
        GetOverlappedResult(reinterpret_cast<HANDLE>(pair.b), &operation.overlapped, &n, FALSE));
  }());
  say("R91.recv", got(pair.b));
  say("R91.recv_again", got(pair.b));
  say("R94.send", rc(put(pair.b, "x")));
  Address name;
  say("R103.getpeername_after_reset", rc(getpeername(pair.b, name.get(), &name.length)));
  say("R103.getsockname_after_reset", rc(getsockname(pair.b, name.get(), &name.length)));
  pair = connected();
  reset(pair.a);
  say("R91.blocking_recv", got(pair.b));
  say("R93.error", option(pair.b, SOL_SOCKET, SO_ERROR));
  pair = connected();
  closesocket(pair.b);
  settle();
  put(pair.a, "nobody");
  settle();
  say("R91.send_to_a_closed_socket", [&pair] {
    const int n = put(pair.a, "again");
    return n > 0 ? std::to_string(n) : rc(n);
  }());
  say("R91.recv_after_it", got(pair.a));
}

void shutting() {
  Pair pair = connected();
  say("R97.sd_receive", rc(shutdown(pair.b, SD_RECEIVE)));
  say("R97.recv", got(pair.b));
  Operation operation;
  say("R97.overlapped", rc(operation.recv(pair.b)));
  say("R97.peek", got(pair.b, 4, MSG_PEEK));
  say("R97.sending_goes_on", rc(put(pair.b, "x")));
  say("R97.the_peer_hears", got(pair.a));
  say("R99.the_peer_may_send", rc(put(pair.a, "12345")));
  say("R97.sd_receive_again", rc(shutdown(pair.b, SD_RECEIVE)));
  pair = connected();
  say("R100.sd_send", rc(shutdown(pair.a, SD_SEND)));
  say("R100.send", rc(put(pair.a, "x")));
  say("R100.send_nothing", rc(send(pair.a, "", 0, 0)));
  say("R100.overlapped_send", rc(operation.send(pair.a, "x")));
  say("R100.sd_send_again", rc(shutdown(pair.a, SD_SEND)));
  say("R100.the_peer_hears_the_end", got(pair.b));
  say("R100.the_peer_shuts", rc(shutdown(pair.b, SD_SEND)));
  say("R87.both_ended", got(pair.a));
  Address name;
  say("R103.getpeername", rc(getpeername(pair.a, name.get(), &name.length)));
  say("R102.connect_after_shutdown", rc(connect(pair.a, name.get(), name.length)));
  pair = connected();
  say("R97.sd_both", rc(shutdown(pair.b, SD_BOTH)));
  say("R97.recv_after_sd_both", got(pair.b));
  say("R97.send_after_sd_both", rc(put(pair.b, "x")));
  say("R97.the_peer_hears_the_end", got(pair.a));
  pair = connected();
  operation.recv(pair.b);
  shutdown(pair.b, SD_RECEIVE);
  say("R98.is_pending_still", operation.result(pair.b));
  put(pair.a, "data");
  say("R98.completes", operation.finished(pair.b));
  say("R101.unconnected", rc(shutdown(tcp(), SD_BOTH)));
  say("R101.bound", rc(shutdown(bound(tcp()), SD_SEND)));
  say("R101.listening", rc(shutdown(listening(), SD_SEND)));
  say("R101.bad_how", rc(shutdown(pair.b, 77)));
  say("R101.bad_how_negative", rc(shutdown(pair.b, -1)));
  say("R101.bad_how_unconnected", rc(shutdown(tcp(), 77)));
  const SOCKET datagram = bound(udp());
  say("R101.datagram", rc(shutdown(datagram, SD_RECEIVE)));
  say("R97.datagram_recv", got(datagram));
  say("R101.datagram_sd_send", rc(shutdown(datagram, SD_SEND)));
  say("R100.datagram_send", rc(put_to(datagram, "x", name_of(bound(udp())))));
  pair = connected();
  say("R102.WSASendDisconnect", rc(WSASendDisconnect(pair.a, nullptr)));
  say("R102.the_peer_hears", got(pair.b));
  say("R102.WSARecvDisconnect", rc(WSARecvDisconnect(pair.b, nullptr)));
  say("R102.recv_after_it", got(pair.b));
  say("R102.WSASendDisconnect_unconnected", rc(WSASendDisconnect(tcp(), nullptr)));
  say("R102.WSARecvDisconnect_unconnected", rc(WSARecvDisconnect(tcp(), nullptr)));
}

}  // namespace

void endings() {
  graceful();
  abortive();
  shutting();
}

namespace {

void truncation() {
  const Pair pair = datagrams_pair();
  nonblocking(pair.b);
  put(pair.a, "123456");
  is_ready(pair.b, 'r');
  char memory[8] = {};
  say("R104.recv", rc(recv(pair.b, memory, 4, 0)));
  say("R104.first_part", std::string(memory, 4));
  say("R104.the_rest_is_gone", got(pair.b));
  put(pair.a, "123456");
  is_ready(pair.b, 'r');
  Address from;
  say("R104.recvfrom", rc(recvfrom(pair.b, memory, 2, 0, from.get(), &from.length)));
  say("R105.source_is_told", from.is_local());
  put(pair.a, "123456");
  is_ready(pair.b, 'r');
  say("R104.peek", got(pair.b, 4, MSG_PEEK));
  say("R104.after_peek", got(pair.b));
  Operation operation;
  operation.recv(pair.b, 4);
  put(pair.a, "123456");
  say("R106.result", operation.finished(pair.b));
  say("R106.status", hex(operation.status()));
  say("R106.bytes", static_cast<long long>(operation.overlapped.InternalHigh));
  say("R106.event", signal_of(operation.overlapped.hEvent, 1000));
  DWORD n = 0xdead;
  DWORD flags = 0;
  WSAGetOverlappedResult(pair.b, &operation.overlapped, &n, FALSE, &flags);
  say("R77.count_of_a_failure", n);
  say("R108.no_partial_flag", flags & MSG_PARTIAL);
  put(pair.a, "123456");
  is_ready(pair.b, 'r');
  say("R106.at_once", rc(operation.recv(pair.b, 4)));
  operation.finished(pair.b);
  say("R109.send_nothing", rc(send(pair.a, "", 0, 0)));
  is_ready(pair.b, 'r');
  say("R109.empty_datagram", got(pair.b));
  put(pair.a, "7");
  is_ready(pair.b, 'r');
  say("R109.not_the_end", got(pair.b));
  put(pair.a, "89");
  is_ready(pair.b, 'r');
  say("R110.no_room", got(pair.b, 0));
  say("R110.consumed", got(pair.b));
  put(pair.a, "1");
  put(pair.a, "22");
  settle();
  say("R104.one_message_a_call", got(pair.b));
  say("R104.the_next", got(pair.b));
  const std::vector<char> large(65528,
                                'x');  // 65535 less UDP's header is the most of either family
  say("R108.too_large", rc(send(pair.a, large.data(), static_cast<int>(large.size()), 0)));
}

void peers() {
  const SOCKET a = bound(udp());
  const SOCKET b = bound(udp());
  const SOCKET stranger = bound(udp());
  nonblocking(a);
  Address to_b = name_of(b);
  say("R113.send_unconnected", rc(put(a, "x")));
  say("R113.getpeername_unconnected", [a] {
    Address name;
    return rc(getpeername(a, name.get(), &name.length));
  }());
  say("R111.connect", rc(connect(a, to_b.get(), to_b.length)));
  put_to(stranger, "stranger", name_of(a));
  settle();
  say("R111.a_stranger_is_not_heard", got(a));
  put_to(b, "peer", name_of(a));
  is_ready(a, 'r');
  say("R111.the_peer_is", got(a));
  Address from;
  char memory[16];
  put_to(b, "again", name_of(a));
  is_ready(a, 'r');
  say("R117.recvfrom_connected", rc(recvfrom(a, memory, 16, 0, from.get(), &from.length)));
  say("R117.source", from.port() == to_b.port());
  Address to_stranger = name_of(stranger);
  say("R117.sendto_connected", rc(sendto(a, "x", 1, 0, to_stranger.get(), to_stranger.length)));
  say("R113.connect_elsewhere", rc(connect(a, to_stranger.get(), to_stranger.length)));
  put_to(stranger, "now", name_of(a));
  is_ready(a, 'r');
  say("R111.the_new_peer_is_heard", got(a));
  Address none = wildcard();
  none.storage.ss_family = AF_UNSPEC;
  say("R113.unspecified", rc(connect(a, none.get(), none.length)));
  Address name;
  say("R113.getpeername", rc(getpeername(a, name.get(), &name.length)));
  say("R113.send", rc(put(a, "x")));
  put_to(b, "anybody", name_of(a));
  is_ready(a, 'r');
  say("R113.recvfrom", rc(recvfrom(a, memory, 16, 0, from.get(), &from.length)));
  connect(a, to_b.get(), to_b.length);
  put_to(b, "queued", name_of(a));
  is_ready(a, 'r');
  connect(a, to_stranger.get(), to_stranger.length);
  say("R112.queued_is_discarded", got(a));
}

void addresses() {
  const SOCKET a = bound(udp());
  const SOCKET b = bound(udp());
  put_to(b, "data", name_of(a));
  is_ready(a, 'r');
  Address from;
  char memory[16];
  from.length = 4;
  say("R116.short_room", rc(recvfrom(a, memory, 16, 0, from.get(), &from.length)));
  nonblocking(a);
  settle();
  while (recv(a, memory, 16, 0) > 0) continue;
  put_to(b, "data", name_of(a));
  is_ready(a, 'r');
  from.length = sizeof(sockaddr_storage);
  say("R116.recvfrom", rc(recvfrom(a, memory, 16, 0, from.get(), &from.length)));
  say("R116.length", from.length);
  put_to(b, "data", name_of(a));
  is_ready(a, 'r');
  say("R116.without_address", rc(recvfrom(a, memory, 16, 0, nullptr, nullptr)));
  Address to = name_of(a);
  say("R116.sendto_short", rc(sendto(b, "x", 1, 0, to.get(), 4)));
  say("R116.sendto_null", rc(sendto(b, "x", 1, 0, nullptr, 0)));
  Address other = to;
  other.storage.ss_family = 77;
  say("R116.sendto_unknown_family", rc(sendto(b, "x", 1, 0, other.get(), other.length)));
  to.set_port(0);
  say("R116.sendto_port_zero", rc(sendto(b, "x", 1, 0, to.get(), to.length)));
  const SOCKET fresh = udp();
  say("R116.sendto_binds", [&] {
    put_to(fresh, "x", name_of(a));
    return std::to_string(name_of(fresh).port() != 0);
  }());
  Operation operation;
  WSABUF one{16, operation.memory};
  from.length = sizeof(sockaddr_storage);
  from.storage.ss_family = 0;
  is_ready(a, 'r');
  while (recv(a, memory, 16, 0) > 0) continue;
  say("R116.overlapped", rc(WSARecvFrom(a, &one, 1, nullptr, &operation.flags, from.get(),
                                        &from.length, &operation.overlapped, nullptr)));
  say("R116.overlapped_not_yet", from.storage.ss_family == 0);
  put_to(b, "late", name_of(a));
  say("R116.overlapped_result", operation.finished(a));
  say("R116.overlapped_source", from.port() == name_of(b).port());
  if (family() == AF_INET) {
    Address everybody = local(9);
    reinterpret_cast<sockaddr_in*>(&everybody.storage)->sin_addr.s_addr = INADDR_BROADCAST;
    say("R116.broadcast_without_permission", rc(put_to(b, "x", everybody)));
  }
}

void unreachable() {
  const SOCKET a = bound(udp());
  nonblocking(a);
  const SOCKET gone = bound(udp());
  const Address to = name_of(gone);
  closesocket(gone);
  put_to(a, "x", to);
  is_ready(a, 'r', 500);
  say("R114.unconnected", got(a));
  say("R114.told_once", got(a));
  const SOCKET connected_one = bound(udp());
  nonblocking(connected_one);
  Address peer = to;
  connect(connected_one, peer.get(), peer.length);
  put(connected_one, "x");
  is_ready(connected_one, 'r', 500);
  say("R114.connected", got(connected_one));
  Operation operation;
  operation.recv(connected_one);
  put(connected_one, "x");
  say("R114.pending", operation.finished(connected_one));
  if (operation.is_pending()) {
    CancelIoEx(reinterpret_cast<HANDLE>(connected_one), nullptr);
    operation.finished(connected_one);
  }
  BOOL off = FALSE;
  DWORD n = 0;
  WSAIoctl(a, 0x9800000C, &off, sizeof off, nullptr, 0, &n, nullptr, nullptr);  // SIO_UDP_CONNRESET
  put_to(a, "x", to);
  settle();
  say("R115.off", got(a));
}

}  // namespace

void datagrams() {
  truncation();
  peers();
  addresses();
  unreachable();
}

}  // namespace probe
