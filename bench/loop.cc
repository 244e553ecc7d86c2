// SPDX-License-Identifier: BSD-3-Clause
#include "bench/loop.h"

#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <map>

namespace millrace::loop {

WSPPROC_TABLE spi;
INT error;
LPFN_MILLRACE_RECVLOAN recv_loan;
LPFN_MILLRACE_RETURNLOAN return_loan;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "%s failed with %d\n", what, error);
  std::exit(1);
}

namespace {

/// An address of ours, of either family.
struct Address {
  Address(bool is_v6, uint16_t port) {
    if (is_v6) {
      v6.sin6_family = WS_AF_INET6;
      v6.sin6_port = htons(port);
      v6.sin6_addr.u.Byte[15] = 1;
    } else {
      v4.sin_family = WS_AF_INET;
      v4.sin_port = htons(port);
      v4.sin_addr.S_un.S_addr = htonl(INADDR_LOOPBACK);
    }
    bytes = is_v6 ? sizeof v6 : sizeof v4;
  }
  const WS_sockaddr* get() const { return reinterpret_cast<const WS_sockaddr*>(&v6); }

  union {
    WS_sockaddr_in6 v6{};
    WS_sockaddr_in v4;
  };
  int bytes;
};

SOCKET make(const Protocol& protocol) {
  const SOCKET s = spi.lpWSPSocket(protocol.is_v6 ? WS_AF_INET6 : WS_AF_INET,
                                   protocol.is_udp ? WS_SOCK_DGRAM : WS_SOCK_STREAM, 0, nullptr, 0,
                                   WSA_FLAG_OVERLAPPED | WSA_FLAG_REGISTERED_IO, &error);
  check(s != INVALID_SOCKET, "WSPSocket");
  return s;
}

void bind_to(SOCKET s, const Address& address) {
  check(spi.lpWSPBind(s, address.get(), address.bytes, &error) == 0, "WSPBind");
}

void connect_to(SOCKET s, const Address& address) {
  check(spi.lpWSPConnect(s, address.get(), address.bytes, nullptr, nullptr, nullptr, nullptr, &error) == 0,
        "WSPConnect");
}

void send_on(SOCKET s) {
  char bytes[kBytes] = {};
  WSABUF buffer{kBytes, bytes};
  DWORD n = 0;
  check(spi.lpWSPSend(s, &buffer, 1, &n, 0, nullptr, nullptr, nullptr, &error) == 0 && n == kBytes,
        "WSPSend");
}

void receive_on(SOCKET s) {
  char bytes[kBytes];
  WSABUF buffer{kBytes, bytes};
  DWORD n = 0;
  DWORD flags = 0;
  check(spi.lpWSPRecv(s, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, &error) == 0 &&
            n == kBytes,
        "WSPRecv");
}

template <typename Function>
void fetch(SOCKET s, GUID id, Function& function) {
  DWORD n = 0;
  check(spi.lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function,
                       sizeof function, &n, nullptr, nullptr, nullptr, &error) == 0,
        "WSPIoctl");
}

void borrow_on(SOCKET s) {
  WSABUF lent;
  DWORD count = 1;
  DWORD n = 0;
  DWORD flags = 0;
  check(recv_loan(s, &lent, &count, &n, &flags, nullptr, nullptr, nullptr, nullptr, nullptr,
                  &error) == 0 &&
            n == kBytes,
        "recv_loan");
  check(return_loan(&lent, 1, &error) == 0, "return_loan");
}

/// Turns until the frame is in the socket's inbox.
void let_arrive(SOCKET s) {
  WS_fd_set set{1, {s}};
  check(spi.lpWSPSelect(0, &set, nullptr, nullptr, nullptr, &error) == 1, "WSPSelect");
}

// The receive that is pending while a frame is under way; there is one at a time.
char pending_bytes[kBytes];
WSAOVERLAPPED pending;
DWORD pending_result;

void CALLBACK on_done(DWORD, DWORD n, LPWSAOVERLAPPED, DWORD) { pending_result = n; }

void post(SOCKET s, LPWSAOVERLAPPED_COMPLETION_ROUTINE routine) {
  WSABUF buffer{kBytes, pending_bytes};
  DWORD flags = 0;
  pending_result = 0;
  check(spi.lpWSPRecv(s, &buffer, 1, nullptr, &flags, &pending, routine, nullptr, &error) != 0 &&
            error == WSA_IO_PENDING,
        "WSPRecv");
}

void await_result(SOCKET s) {
  DWORD flags = 0;
  check(spi.lpWSPGetOverlappedResult(s, &pending, &pending_result, TRUE, &flags, &error) &&
            pending_result == kBytes,
        "WSPGetOverlappedResult");
}

void await_routine(SOCKET) {
  check(SleepEx(INFINITE, TRUE) == WAIT_IO_COMPLETION && pending_result == kBytes, "SleepEx");
}

HANDLE port;

void await_packet(SOCKET) {
  ULONG_PTR key = 0;
  LPOVERLAPPED done = nullptr;
  check(GetQueuedCompletionStatus(port, &pending_result, &key, &done, INFINITE) != FALSE &&
            done == &pending && pending_result == kBytes,
        "GetQueuedCompletionStatus");
}

RIO_EXTENSION_FUNCTION_TABLE rio;
RIO_CQ rio_done;
RIO_BUF rio_part{nullptr, 0, kBytes};
std::map<SOCKET, RIO_RQ> rio_queues;

void open_rio(const Pair& pair) {
  GUID id = WSAID_MULTIPLE_RIO;
  DWORD n = 0;
  check(spi.lpWSPIoctl(pair.client, SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER, &id, sizeof id,
                       &rio, sizeof rio, &n, nullptr, nullptr, nullptr, &error) == 0,
        "WSPIoctl");
  rio_done = rio.RIOCreateCompletionQueue(8, nullptr);
  rio_part.BufferId = rio.RIORegisterBuffer(pending_bytes, kBytes);
  for (const SOCKET s : {pair.client, pair.server}) {
    rio_queues[s] = rio.RIOCreateRequestQueue(s, 1, 1, 1, 1, rio_done, rio_done, nullptr);
    check(rio_queues[s] != RIO_INVALID_RQ, "RIOCreateRequestQueue");
  }
}

void post_rio(SOCKET s) {
  check(rio.RIOReceive(rio_queues[s], &rio_part, 1, 0, nullptr) != FALSE, "RIOReceive");
}

void await_rio(SOCKET) {
  RIORESULT result;
  while (rio.RIODequeueCompletion(rio_done, &result, 1) == 0) {
  }
  check(result.Status == 0 && result.BytesTransferred == kBytes, "RIODequeueCompletion");
}

void open_port(const Pair& pair) {
  port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
  for (const SOCKET s : {pair.client, pair.server}) {
    check(CreateIoCompletionPort(reinterpret_cast<HANDLE>(s), port, 1, 0) == port,
          "CreateIoCompletionPort");
  }
}

void peek_on(SOCKET s) {
  char bytes[kBytes];
  WSABUF buffer{kBytes, bytes};
  DWORD n = 0;
  DWORD flags = WS_MSG_PEEK;
  check(spi.lpWSPRecv(s, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, &error) == 0 &&
            n == kBytes,
        "WSPRecv");
}

constexpr auto kNothing = [](SOCKET) {};
constexpr auto kPost = [](SOCKET s) { post(s, nullptr); };
constexpr auto kPeekAndReceive = [](SOCKET s) {
  peek_on(s);
  receive_on(s);
};

const Kind kKinds[] = {
    {"blocking", kNothing, kNothing, receive_on},
    {"at-once", kNothing, let_arrive, receive_on},
    {"peek", kNothing, let_arrive, kPeekAndReceive},
    {"event", kPost, kNothing, await_result},
    {"port", kPost, kNothing, await_packet, open_port},
    {"routine", [](SOCKET s) { post(s, on_done); }, kNothing, await_routine},
    {"rio", post_rio, kNothing, await_rio, open_rio},
    {"loan", kNothing, kNothing, borrow_on},
    {"loan-at-once", kNothing, let_arrive, borrow_on},
    {"send", kNothing, kNothing, receive_on, nullptr, true},
};

void one_way(SOCKET from, SOCKET to, const Kind& kind, const Count& count) {
  const Count none;
  const Count& of_receive = kind.counts_send ? none : count;
  const Count& of_send = kind.counts_send ? count : none;
  of_receive.toggle();
  kind.before(to);
  of_receive.toggle();
  of_send.toggle();
  send_on(from);
  of_send.toggle();
  kind.arrive(to);
  of_receive.toggle();
  kind.after(to);
  of_receive.toggle();
}

}  // namespace

void start() {
  WSPDATA data;
  check(WSPStartup(MAKEWORD(2, 2), &data, nullptr, WSPUPCALLTABLE{}, &spi) == 0, "WSPStartup");
  const SOCKET s = make(kProtocols.front());
  fetch(s, WSAID_MILLRACE_RECVLOAN, recv_loan);
  fetch(s, WSAID_MILLRACE_RETURNLOAN, return_loan);
  check(spi.lpWSPCloseSocket(s, &error) == 0, "WSPCloseSocket");
}

Pair open_pair(const Protocol& protocol, uint16_t port) {
  const Address servers(protocol.is_v6, port), clients(protocol.is_v6, static_cast<uint16_t>(port + 1));
  Pair pair{make(protocol), make(protocol)};
  bind_to(pair.server, servers);
  if (protocol.is_udp) {
    bind_to(pair.client, clients);
    connect_to(pair.server, clients);
    connect_to(pair.client, servers);
    return pair;
  }
  const SOCKET listener = pair.server;
  check(spi.lpWSPListen(listener, 1, &error) == 0, "WSPListen");
  connect_to(pair.client, servers);
  pair.server = spi.lpWSPAccept(listener, nullptr, nullptr, nullptr, 0, &error);
  check(pair.server != INVALID_SOCKET, "WSPAccept");
  spi.lpWSPCloseSocket(listener, &error);
  const INT on = 1;
  for (const SOCKET s : {pair.client, pair.server}) {
    spi.lpWSPSetSockOpt(s, WS_IPPROTO_TCP, WS_TCP_NODELAY, reinterpret_cast<const CHAR*>(&on),
                        sizeof on, &error);
  }
  return pair;
}

void close_pair(const Pair& pair) {
  const WS_linger reset{1, 0};
  for (const SOCKET s : {pair.client, pair.server}) {
    spi.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_LINGER, reinterpret_cast<const CHAR*>(&reset),
                        sizeof reset, &error);
    rio_queues.erase(s);
    check(spi.lpWSPCloseSocket(s, &error) == 0, "WSPCloseSocket");
  }
}

std::span<const Kind> kinds() { return kKinds; }

void ping_pong(const Pair& pair, const Kind& kind, const Count& count) {
  one_way(pair.client, pair.server, kind, count);
  one_way(pair.server, pair.client, kind, count);
}

}  // namespace millrace::loop
