// SPDX-License-Identifier: BSD-3-Clause
// Rules 140 and 188 to 196: AcceptEx, ConnectEx, DisconnectEx.
#include <cstring>

#include "tests/wine/probe.h"

namespace probe {
namespace {

constexpr DWORD kName = sizeof(sockaddr_storage) + 16;

struct Accept {
  Accept() : listener(listening()), function(extension<LPFN_ACCEPTEX>(listener, WSAID_ACCEPTEX)) {}

  std::string call(SOCKET s, DWORD data = 0, DWORD local_room = kName, DWORD remote_room = kName) {
    operation.bytes = 0xdead;
    return rc_bool(function(listener, s, memory, data, local_room, remote_room, &operation.bytes,
                            &operation.overlapped));
  }
  SOCKET connect_to() const {
    const SOCKET s = tcp();
    Address to = name_of(listener);
    connect(s, to.get(), to.length);
    return s;
  }

  SOCKET listener;
  LPFN_ACCEPTEX function;
  Operation operation;
  char memory[1024]{};
};

void arguments() {
  Accept accept;
  say("R188.null_overlapped", rc_bool(accept.function(accept.listener, tcp(), accept.memory, 0,
                                                      kName, kName, nullptr, nullptr)));
  say("R188.no_listener", rc_bool(accept.function(0x1234, tcp(), accept.memory, 0, kName, kName,
                                                  nullptr, &accept.operation.overlapped)));
  say("R188.no_accepting_socket", accept.call(0x1234));
  say("R188.not_listening", rc_bool(accept.function(bound(tcp()), tcp(), accept.memory, 0, kName,
                                                    kName, nullptr, &accept.operation.overlapped)));
  say("R188.remote_length_zero", accept.call(tcp(), 0, kName, 0));
  say("R188.bound", accept.call(bound(tcp())));
  say("R188.connected", accept.call(connected().a));
  say("R188.datagram", accept.call(udp()));
}

void names_of_accepted(Accept& accept, SOCKET s) {
  Address name;
  say("R191.getpeername_before", rc(getpeername(s, name.get(), &name.length)));
  name = Address();
  say("R191.getsockname_before", rc(getsockname(s, name.get(), &name.length)));
  say("R191.update",
      set_option(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &accept.listener, sizeof(SOCKET)));
  name = Address();
  say("R191.getpeername", rc(getpeername(s, name.get(), &name.length)));
  name = Address();
  say("R191.getsockname", rc(getsockname(s, name.get(), &name.length)));
  say("R191.update_again",
      set_option(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &accept.listener, sizeof(SOCKET)));
  const SOCKET none = 0x1234;
  say("R191.update_by_no_socket",
      set_option(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &none, sizeof none));
  say("R191.update_short",
      set_option(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, &accept.listener, 2));
}

void accepting() {
  Accept accept;
  SOCKET s = tcp();
  say("R190.without_data", accept.call(s));
  say("R188.used_already", [&] {
    Operation other;
    return rc_bool(accept.function(accept.listener, s, accept.memory, 0, kName, kName, nullptr,
                                   &other.overlapped));
  }());
  say("R190.pending", accept.operation.result(accept.listener));
  SOCKET client = accept.connect_to();
  say("R190.completes", accept.operation.finished(accept.listener));
  say("R190.event", signal_of(accept.operation.overlapped.hEvent, 1000));
  names_of_accepted(accept, s);
  put(client, "hello");
  say("R190.recv", got(s));
  say("R190.send", rc(put(s, "back")));
  say("R190.the_client_hears", got(client));
  s = tcp();
  say("R190.with_data", accept.call(s, 100));
  client = accept.connect_to();
  settle();
  say("R190.waits_for_data", accept.operation.result(accept.listener));
  put(client, "first");
  say("R190.data", accept.operation.finished(accept.listener));
  say("R190.data_text", std::string(accept.memory, 5));
  sockaddr* local_name = nullptr;
  sockaddr* remote_name = nullptr;
  int local_length = 0;
  int remote_length = 0;
  const auto names =
      extension<LPFN_GETACCEPTEXSOCKADDRS>(accept.listener, WSAID_GETACCEPTEXSOCKADDRS);
  names(accept.memory, 100, kName, kName, &local_name, &local_length, &remote_name, &remote_length);
  say("R189.local_length", local_length);
  say("R189.remote_length", remote_length);
  say("R189.remote_is_the_client",
      remote_name != nullptr &&
          reinterpret_cast<sockaddr_in*>(remote_name)->sin_port == htons(name_of(client).port()));
  s = tcp();
  say("R190.with_data_that_never_comes", accept.call(s, 100));
  client = accept.connect_to();
  settle();
  shutdown(client, SD_SEND);
  say("R190.the_end_instead", accept.operation.finished(accept.listener));
}

void giving_up() {
  Accept accept;
  SOCKET s = tcp();
  accept.call(s);
  say("R140.cancel_on_accepting_socket", rc_bool(CancelIo(reinterpret_cast<HANDLE>(s))));
  say("R140.is_pending_still", accept.operation.result(accept.listener));
  say("R140.cancel_on_listener", rc_bool(CancelIo(reinterpret_cast<HANDLE>(accept.listener))));
  say("R140.cancelled", accept.operation.finished(accept.listener));
  s = tcp();
  accept.call(s);
  closesocket(s);
  say("R192.accepting_socket_closed", accept.operation.finished(accept.listener));
  accept.call(tcp());
  closesocket(accept.listener);
  say("R192.listener_closed", signal_of(accept.operation.overlapped.hEvent, 2000));
  say("R192.listener_closed_status", hex(accept.operation.status()));
}

}  // namespace

void accept_ex() {
  arguments();
  accepting();
  giving_up();
}

namespace {

void connecting() {
  const SOCKET listener = listening();
  Address to = name_of(listener);
  SOCKET s = tcp();
  const auto connect_it = extension<LPFN_CONNECTEX>(s, WSAID_CONNECTEX);
  Operation operation;
  say("R193.unbound",
      rc_bool(connect_it(s, to.get(), to.length, nullptr, 0, nullptr, &operation.overlapped)));
  bound(s);
  say("R193.null_overlapped",
      rc_bool(connect_it(s, to.get(), to.length, nullptr, 0, nullptr, nullptr)));
  say("R193.no_socket",
      rc_bool(connect_it(0x1234, to.get(), to.length, nullptr, 0, nullptr, &operation.overlapped)));
  char text[] = "hello";
  const BOOL at_once =
      connect_it(s, to.get(), to.length, text, 5, &operation.bytes, &operation.overlapped);
  say("R193.connect",
      at_once ? "ERROR_IO_PENDING or TRUE"
              : (GetLastError() == ERROR_IO_PENDING ? "ERROR_IO_PENDING or TRUE" : rc_bool(FALSE)));
  say("R193.result", operation.finished(s));
  say("R193.update", set_option(s, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0));
  Address name;
  say("R193.getpeername", rc(getpeername(s, name.get(), &name.length)));
  const SOCKET server = keep(accept(listener, nullptr, nullptr));
  say("R193.data", got(server));
  say("R193.connected_already",
      rc_bool(connect_it(s, to.get(), to.length, nullptr, 0, nullptr, &operation.overlapped)));
  put(server, "back");
  say("R193.recv", got(s));
  s = bound(tcp());
  Address away = nobody();
  connect_it(s, away.get(), away.length, nullptr, 0, nullptr, &operation.overlapped);
  soon([&operation] { return !operation.is_pending(); });
  say("R193.refused", operation.finished(s));
  say("R193.refused_win32", [&] {
    DWORD n = 0;
    return rc_bool(
        GetOverlappedResult(reinterpret_cast<HANDLE>(s), &operation.overlapped, &n, FALSE));
  }());
  const SOCKET datagram = bound(udp());
  say("R193.datagram", rc_bool(connect_it(datagram, to.get(), to.length, nullptr, 0, nullptr,
                                          &operation.overlapped)));
  say("R193.listener", rc_bool(connect_it(listener, to.get(), to.length, nullptr, 0, nullptr,
                                          &operation.overlapped)));
}

void disconnecting() {
  Pair pair = connected();
  const auto disconnect = extension<LPFN_DISCONNECTEX>(pair.a, WSAID_DISCONNECTEX);
  say("R196.no_socket", rc_bool(disconnect(0x1234, nullptr, 0, 0)));
  say("R196.unconnected", rc_bool(disconnect(tcp(), nullptr, 0, 0)));
  say("R196.datagram", rc_bool(disconnect(bound(udp()), nullptr, 0, 0)));
  say("R196.reserved", rc_bool(disconnect(pair.a, nullptr, 0, 1)));
  pair = connected();
  say("R196.disconnect", rc_bool(disconnect(pair.a, nullptr, 0, 0)));
  say("R196.the_peer_hears_the_end", got(pair.b));
  say("R196.send", rc(put(pair.a, "x")));
  put(pair.b, "late");
  say("R196.recv", got(pair.a));
  Address to = name_of(listening());
  say("R196.connect_again", rc(connect(pair.a, to.get(), to.length)));
  pair = connected();
  Operation operation;
  say("R196.overlapped", rc_bool(disconnect(pair.a, &operation.overlapped, 0, 0)));
  say("R196.overlapped_result", operation.finished(pair.a));
  say("R196.overlapped_event", signal_of(operation.overlapped.hEvent, 1000));
}

void transmitting() {
  const Pair pair = connected();
  const auto transmit = extension<LPFN_TRANSMITFILE>(pair.a, WSAID_TRANSMITFILE);
  char head[] = "head";
  char tail[] = "tail";
  TRANSMIT_FILE_BUFFERS buffers{head, 4, tail, 4};
  say("R63.TransmitFile_of_nothing", rc_bool(transmit(pair.a, nullptr, 0, 0, nullptr, nullptr, 0)));
  say("R63.TransmitFile", rc_bool(transmit(pair.a, nullptr, 0, 0, nullptr, &buffers, 0)));
  settle();
  say("R63.TransmitFile_arrives", got(pair.b));
  Operation operation;
  const BOOL at_once = transmit(pair.a, nullptr, 0, 0, &operation.overlapped, &buffers, 0);
  say("R63.TransmitFile_overlapped",
      at_once || GetLastError() == ERROR_IO_PENDING ? "started" : rc_bool(FALSE));
  say("R63.TransmitFile_result", operation.finished(pair.a));
  say("R63.TransmitFile_no_socket", rc_bool(transmit(0x1234, nullptr, 0, 0, nullptr, &buffers, 0)));
  say("R63.TransmitFile_unconnected",
      rc_bool(transmit(tcp(), nullptr, 0, 0, nullptr, &buffers, 0)));
  say("R63.TransmitFile_datagram",
      rc_bool(transmit(bound(udp()), nullptr, 0, 0, nullptr, &buffers, 0)));
  say("R63.TransmitFile_disconnect",
      rc_bool(transmit(pair.a, nullptr, 0, 0, nullptr, nullptr, TF_DISCONNECT)));
}

}  // namespace

void connect_ex() {
  connecting();
  disconnecting();
  transmitting();
}

}  // namespace probe
