// SPDX-License-Identifier: BSD-3-Clause
// Two sockets of this process on the embedded loopback, whose frames pass through a DPDK ring port, and
// the ways in which one of them receives what the other one sends: shared by what counts (receive_cost.cc)
// and what times (loop_suite.cc, loan_bulk.cc).
//
// Each side sends, the other receives: in a ping-pong the acknowledgement rides on the answer, so one
// receive is one frame.
#pragma once

#include <array>
#include <span>

#include "millrace/loan.h"
#include "mswsock.h"
#include "windows.h"
#include "ws2spi.h"

namespace millrace::loop {

inline constexpr ULONG kBytes = 64;

extern WSPPROC_TABLE spi;
extern INT error;
extern LPFN_MILLRACE_RECVLOAN recv_loan;
extern LPFN_MILLRACE_RETURNLOAN return_loan;

/// Ends the process with this word, and Winsock's error, if a call did not do what it should.
void check(bool ok, const char* what);

/// WSPStartup on the embedded loopback, or what MILLRACE_CONFIG names; and the extension functions.
void start();

/// A connection, or two connected datagram sockets; what is to come with it (completion port, request
/// queues) is made when a kind needs it.
struct Pair {
  SOCKET client, server;
};

struct Protocol {
  const char* name;
  bool is_udp, is_v6;
};
inline constexpr std::array kProtocols = {Protocol{"tcp", false, false}, Protocol{"udp", true, false},
                                          Protocol{"tcp6", false, true}, Protocol{"udp6", true, true}};

/// @param port  the server's; the next one is the client's; nobody else may have them
Pair open_pair(const Protocol& protocol, uint16_t port);
/// Without TIME_WAIT.
void close_pair(const Pair& pair);

/// What a receiver does before the frame is sent, and after; `open` comes once per pair.
///
/// blocking: WSPRecv waits for the frame; at-once: it has arrived already; peek: the same, looked at first;
/// event, routine, port: WSPRecv is pending when it arrives, and how its end is awaited
/// (WSPGetOverlappedResult, SleepEx, GetQueuedCompletionStatus); rio: RIOReceive is pending,
/// RIODequeueCompletion polls; loan, loan-at-once: lent instead of copied, and given back;
/// send: as blocking, and what is counted is the send.
struct Kind {
  const char* name;
  void (*before)(SOCKET s);
  void (*arrive)(SOCKET s);  ///< not counted
  void (*after)(SOCKET s);
  void (*open)(const Pair& pair) = nullptr;
  bool counts_send = false;
};
std::span<const Kind> kinds();

/// Called as the part that counts begins and as it ends.
struct Count {
  void (*toggle)() = [] {};
};

/// 64 bytes there and back: two sends and two receives.
void ping_pong(const Pair& pair, const Kind& kind, const Count& count);

}  // namespace millrace::loop
