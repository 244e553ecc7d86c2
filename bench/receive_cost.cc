// SPDX-License-Identifier: BSD-3-Clause
// A loop whose WSPRecv calls each receive exactly one 64-byte segment or datagram, to be counted by
// callgrind (bench/instructions): from the receive burst to the return of WSPRecv.
//
// Client and server are two sockets of this process on the embedded loopback, whose frames pass
// through a DPDK ring port. Each side sends, the other receives: in a ping-pong the acknowledgement
// rides on the answer, so one receive is one frame.
//
// usage: receive_cost tcp|udp ROUNDS [blocking|at-once|event|routine|port|rio|loan|loan-at-once]
//   blocking  WSPRecv waits for the frame           at-once  it has arrived already
//   event     WSPRecv is pending when it arrives, WSPGetOverlappedResult waits for the end
//   routine   the same, a completion routine runs in SleepEx
//   port      the same, GetQueuedCompletionStatus waits for the packet
//   rio       RIOReceive is pending, RIODequeueCompletion polls for the end
//   loan, loan-at-once   like blocking and at-once, but lent instead of copied, and given back
#include <arpa/inet.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <map>

#include "millrace/loan.h"
#include "mswsock.h"
#include "windows.h"
#include "ws2spi.h"

namespace {

constexpr ULONG kBytes = 64;
WSPPROC_TABLE spi;
INT error;

void check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "receive_cost: %s failed with %d\n", what, error);
  std::exit(1);
}

WS_sockaddr_in at(uint16_t port) {
  WS_sockaddr_in address{};
  address.sin_family = WS_AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.S_un.S_addr = htonl(INADDR_LOOPBACK);
  return address;
}

SOCKET make(int type) {
  const SOCKET s =
      spi.lpWSPSocket(WS_AF_INET, type, 0, nullptr, 0,
                      WSA_FLAG_OVERLAPPED | WSA_FLAG_REGISTERED_IO, &error);
  check(s != INVALID_SOCKET, "WSPSocket");
  return s;
}

void bind_to(SOCKET s, uint16_t port) {
  const WS_sockaddr_in address = at(port);
  check(spi.lpWSPBind(s, reinterpret_cast<const WS_sockaddr*>(&address), sizeof address, &error) ==
            0,
        "WSPBind");
}

void connect_to(SOCKET s, uint16_t port) {
  const WS_sockaddr_in address = at(port);
  check(spi.lpWSPConnect(s, reinterpret_cast<const WS_sockaddr*>(&address), sizeof address, nullptr,
                         nullptr, nullptr, nullptr, &error) == 0,
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

LPFN_MILLRACE_RECVLOAN recv_loan;
LPFN_MILLRACE_RETURNLOAN return_loan;

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

void open_rio(std::initializer_list<SOCKET> sockets) {
  GUID id = WSAID_MULTIPLE_RIO;
  DWORD n = 0;
  check(spi.lpWSPIoctl(*sockets.begin(), SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER, &id, sizeof id,
                       &rio, sizeof rio, &n, nullptr, nullptr, nullptr, &error) == 0,
        "WSPIoctl");
  rio_done = rio.RIOCreateCompletionQueue(8, nullptr);
  rio_part.BufferId = rio.RIORegisterBuffer(pending_bytes, kBytes);
  for (const SOCKET s : sockets) {
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

/// What a receiver does before the frame is sent, and after.
struct Kind {
  const char* name;
  void (*before)(SOCKET s);
  void (*after)(SOCKET s);
};

constexpr auto kNothing = [](SOCKET) {};
const Kind kKinds[] = {
    {"blocking", kNothing, receive_on},
    {"at-once", kNothing,
     [](SOCKET s) {
       let_arrive(s);
       receive_on(s);
     }},
    {"loan", kNothing, borrow_on},
    {"loan-at-once", kNothing,
     [](SOCKET s) {
       let_arrive(s);
       borrow_on(s);
     }},
    {"event", [](SOCKET s) { post(s, nullptr); }, await_result},
    {"port", [](SOCKET s) { post(s, nullptr); }, await_packet},
    {"routine", [](SOCKET s) { post(s, on_done); }, await_routine},
    {"rio", post_rio, await_rio},
};

const Kind* find_kind(const char* name) {
  for (const Kind& kind : kKinds) {
    if (std::strcmp(kind.name, name) == 0) return &kind;
  }
  return nullptr;
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_udp = argc >= 3 && std::strcmp(argv[1], "udp") == 0;
  const int rounds = argc >= 3 ? std::atoi(argv[2]) : 0;
  const Kind* const kind = find_kind(argc == 4 ? argv[3] : "blocking");
  if (rounds <= 0 || (!is_udp && std::strcmp(argv[1], "tcp") != 0) || kind == nullptr) {
    std::fprintf(stderr,
                 "usage: receive_cost tcp|udp ROUNDS "
                 "[blocking|at-once|event|routine|port|rio|loan|loan-at-once]\n");
    return 2;
  }
  WSPDATA data;
  if (WSPStartup(MAKEWORD(2, 2), &data, nullptr, WSPUPCALLTABLE{}, &spi) != 0) return 1;
  SOCKET client = make(is_udp ? WS_SOCK_DGRAM : WS_SOCK_STREAM);
  SOCKET server = make(is_udp ? WS_SOCK_DGRAM : WS_SOCK_STREAM);
  fetch(client, WSAID_MILLRACE_RECVLOAN, recv_loan);
  fetch(client, WSAID_MILLRACE_RETURNLOAN, return_loan);
  bind_to(server, 7001);
  if (is_udp) {
    bind_to(client, 7002);
    connect_to(server, 7002);
    connect_to(client, 7001);
  } else {
    check(spi.lpWSPListen(server, 1, &error) == 0, "WSPListen");
    connect_to(client, 7001);
    server = spi.lpWSPAccept(server, nullptr, nullptr, nullptr, 0, &error);
    const INT on = 1;
    for (const SOCKET s : {client, server}) {
      spi.lpWSPSetSockOpt(s, WS_IPPROTO_TCP, WS_TCP_NODELAY, reinterpret_cast<const CHAR*>(&on),
                          sizeof on, &error);
    }
  }
  if (std::strcmp(kind->name, "port") == 0) {
    port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
    for (const SOCKET s : {client, server}) {
      check(CreateIoCompletionPort(reinterpret_cast<HANDLE>(s), port, 1, 0) == port,
            "CreateIoCompletionPort");
    }
  }
  if (std::strcmp(kind->name, "rio") == 0) open_rio({client, server});
  for (int i = 0; i < rounds; ++i) {
    kind->before(server);
    send_on(client);
    kind->after(server);
    kind->before(client);
    send_on(server);
    kind->after(client);
  }
  spi.lpWSPCleanup(&error);
}
