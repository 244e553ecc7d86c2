// SPDX-License-Identifier: BSD-3-Clause
// Rules 115, 118 and 169 to 177: ioctls.
#include "tests/wine/probe.h"

namespace probe {
namespace {

/// WSAIoctl without overlapped: the result and the count of bytes.
std::string ioctl(SOCKET s, DWORD code, void* in, DWORD n_in, void* out, DWORD n_out) {
  DWORD n = 0xdeadbeef;
  const int result = WSAIoctl(s, code, in, n_in, out, n_out, &n, nullptr, nullptr);
  return rc(result) + " bytes " + (n == 0xdeadbeef ? "untouched" : std::to_string(n));
}

void fionbio() {
  const SOCKET s = tcp();
  u_long on = 1;
  say("R169.on", ioctl(s, FIONBIO, &on, 4, nullptr, 0));
  say("R169.with_output", ioctl(s, FIONBIO, &on, 4, &on, 4));
  say("R169.short", ioctl(s, FIONBIO, &on, 3, nullptr, 0));
  say("R169.nothing", ioctl(s, FIONBIO, &on, 0, nullptr, 0));
  say("R169.null", guarded([&] { return ioctl(s, FIONBIO, nullptr, 4, nullptr, 0); }));
  say("R169.eight_bytes", [s] {
    long long wide = 1;
    return ioctl(s, FIONBIO, &wide, 8, nullptr, 0);
  }());
  say("R169.no_count", guarded([&] {
        return rc(WSAIoctl(s, FIONBIO, &on, 4, nullptr, 0, nullptr, nullptr, nullptr));
      }));
}

void fionread() {
  const Pair pair = connected();
  u_long n = 0xdead;
  say("R170.empty", ioctl(pair.b, FIONREAD, nullptr, 0, &n, 4));
  say("R170.empty_value", n);
  put(pair.a, "hello");
  is_ready(pair.b, 'r');
  say("R170.five", ioctl(pair.b, FIONREAD, nullptr, 0, &n, 4));
  say("R170.five_value", n);
  say("R170.short", ioctl(pair.b, FIONREAD, nullptr, 0, &n, 3));
  say("R170.null", guarded([&] { return ioctl(pair.b, FIONREAD, nullptr, 0, nullptr, 0); }));
  say("R170.mark", ioctl(pair.b, SIOCATMARK, nullptr, 0, &n, 4));
  say("R170.mark_value", n);
  say("R170.unconnected", ioctl(tcp(), FIONREAD, nullptr, 0, &n, 4));
  say("R170.unconnected_value", n);
  say("R170.unconnected_mark", ioctl(tcp(), SIOCATMARK, nullptr, 0, &n, 4));
  say("R170.unconnected_mark_value", n);
  say("R170.datagram_mark", ioctl(bound(udp()), SIOCATMARK, nullptr, 0, &n, 4));
  say("R170.listener", ioctl(listening(), FIONREAD, nullptr, 0, &n, 4));
  const Pair messages = datagrams_pair();
  say("R118.empty", ioctl(messages.b, FIONREAD, nullptr, 0, &n, 4));
  put(messages.a, "12");
  is_ready(messages.b, 'r');
  ioctl(messages.b, FIONREAD, nullptr, 0, &n, 4);
  say("R118.one", n);
  put(messages.a, "3456");
  settle();
  ioctl(messages.b, FIONREAD, nullptr, 0, &n, 4);
  say("R118.two", n);
}

void keep_alive_and_handles() {
  const SOCKET s = tcp();
  tcp_keepalive values{1, 7200, 1000};
  say("R175.on", ioctl(s, SIO_KEEPALIVE_VALS, &values, sizeof values, nullptr, 0));
  say("R175.keep_alive_then", option(s, SOL_SOCKET, SO_KEEPALIVE));
  say("R175.short", ioctl(s, SIO_KEEPALIVE_VALS, &values, 11, nullptr, 0));
  say("R175.null",
      guarded([&] { return ioctl(s, SIO_KEEPALIVE_VALS, nullptr, sizeof values, nullptr, 0); }));
  values.onoff = 0;
  say("R175.off", ioctl(s, SIO_KEEPALIVE_VALS, &values, sizeof values, nullptr, 0));
  SOCKET base = 0;
  say("R174.base", ioctl(s, SIO_BASE_HANDLE, nullptr, 0, &base, sizeof base));
  say("R174.is_the_socket", base == s);
  say("R174.short", ioctl(s, SIO_BASE_HANDLE, nullptr, 0, &base, 7));
  say("R174.null", guarded([&] { return ioctl(s, SIO_BASE_HANDLE, nullptr, 0, nullptr, 0); }));
}

void unknown_codes() {
  const SOCKET s = tcp();
  char memory[8];
  say("R172.unknown", ioctl(s, 0x4567, nullptr, 0, memory, sizeof memory));
  say("R172.unknown_io_control", ioctl(s, 0x88001234, nullptr, 0, memory, sizeof memory));
  Operation operation;
  const int result = WSAIoctl(s, 0x88001234, nullptr, 0, memory, sizeof memory, &operation.bytes,
                              &operation.overlapped, nullptr);
  say("R172.overlapped", rc(result));
  say("R172.overlapped_result", operation.finished(s));
  say("R172.overlapped_event", signal_of(operation.overlapped.hEvent, 1000));
  GUID nobodys = {0x12345678, 0, 0, {1, 2, 3, 4, 5, 6, 7, 8}};
  void* function = nullptr;
  say("R173.unknown_id", ioctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &nobodys, sizeof nobodys,
                               &function, sizeof function));
  GUID accept_ex = WSAID_ACCEPTEX;
  say("R173.AcceptEx", ioctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &accept_ex, sizeof accept_ex,
                             &function, sizeof function));
  say("R173.AcceptEx_is_there", function != nullptr);
  GUID connect_ex = WSAID_CONNECTEX;
  say("R173.ConnectEx", ioctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &connect_ex, sizeof connect_ex,
                              &function, sizeof function));
  GUID disconnect_ex = WSAID_DISCONNECTEX;
  say("R173.DisconnectEx", ioctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &disconnect_ex,
                                 sizeof disconnect_ex, &function, sizeof function));
  GUID transmit_file = WSAID_TRANSMITFILE;
  say("R173.TransmitFile", ioctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &transmit_file,
                                 sizeof transmit_file, &function, sizeof function));
}

void overlapped_ioctls() {
  const Pair pair = connected();
  put(pair.a, "four");
  is_ready(pair.b, 'r');
  u_long n = 0;
  Operation operation;
  say("R171.overlapped", rc(WSAIoctl(pair.b, FIONREAD, nullptr, 0, &n, 4, &operation.bytes,
                                     &operation.overlapped, nullptr)));
  say("R171.value", n);
  say("R171.event", signal_of(operation.overlapped.hEvent, 1000));
  say("R171.result", operation.finished(pair.b));
  const SOCKET s = bound(udp());
  nonblocking(s);
  say("R177.nonblocking", ioctl(s, SIO_ADDRESS_LIST_CHANGE, nullptr, 0, nullptr, 0));
  Operation change;
  say("R177.overlapped", rc(WSAIoctl(s, SIO_ADDRESS_LIST_CHANGE, nullptr, 0, nullptr, 0,
                                     &change.bytes, &change.overlapped, nullptr)));
  say("R177.pending", change.result(s));
  say("R177.event", signal_of(change.overlapped.hEvent));
  say("R177.cancel", rc_bool(CancelIoEx(reinterpret_cast<HANDLE>(s), &change.overlapped)));
  say("R177.cancelled", change.finished(s));
  BOOL off = FALSE;
  say("R115.SIO_UDP_CONNRESET", ioctl(s, 0x9800000C, &off, sizeof off, nullptr, 0));
  say("R176.SIO_RCVALL_of_stream", ioctl(tcp(), 0x98000001, &off, sizeof off, nullptr, 0));
}

}  // namespace

void ioctls() {
  fionbio();
  fionread();
  keep_alive_and_handles();
  unknown_codes();
  overlapped_ioctls();
}

}  // namespace probe
