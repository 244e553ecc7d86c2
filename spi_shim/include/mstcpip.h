// SPDX-License-Identifier: BSD-3-Clause
// What Microsoft's TCP/IP ioctls take and return: SIO_KEEPALIVE_VALS, SIO_TCP_INFO,
// SIO_TCP_INITIAL_RTO, SIO_TCP_SET_ACK_FREQUENCY, SIO_RCVALL_IF.
//
// Invariant: layouts are those of Windows x64. The SIO_ codes themselves are in winsock_options.h;
// an ioctl that millrace does not implement is answered with WSAEOPNOTSUPP.
#ifndef MILLRACE_MSTCPIP_H_
#define MILLRACE_MSTCPIP_H_

#include "millrace/winsock_options.h"
#include "millrace/winsock_types.h"

/// tcp_keepalive is the input of SIO_KEEPALIVE_VALS.
struct tcp_keepalive {
  ULONG onoff;
  ULONG keepalivetime;      // milliseconds of silence before the first probe
  ULONG keepaliveinterval;  // milliseconds between unanswered probes
};

enum RCVALL_VALUE {
  RCVALL_OFF = 0,
  RCVALL_ON = 1,
  RCVALL_SOCKETLEVELONLY = 2,
  RCVALL_IPLEVEL = 3,
};
#define RCVALL_MAX RCVALL_IPLEVEL

struct RCVALL_IF {
  RCVALL_VALUE Mode;
  ULONG Interface;
};

enum TCPSTATE {
  TCPSTATE_CLOSED,
  TCPSTATE_LISTEN,
  TCPSTATE_SYN_SENT,
  TCPSTATE_SYN_RCVD,
  TCPSTATE_ESTABLISHED,
  TCPSTATE_FIN_WAIT_1,
  TCPSTATE_FIN_WAIT_2,
  TCPSTATE_CLOSE_WAIT,
  TCPSTATE_CLOSING,
  TCPSTATE_LAST_ACK,
  TCPSTATE_TIME_WAIT,
  TCPSTATE_MAX,
};

/// TCP_INFO_v0 is the output of SIO_TCP_INFO when the input is the version number 0.
struct TCP_INFO_v0 {
  TCPSTATE State;
  ULONG Mss;
  ULONG64 ConnectionTimeMs;
  BOOLEAN TimestampsEnabled;
  ULONG RttUs;
  ULONG MinRttUs;
  ULONG BytesInFlight;
  ULONG Cwnd;
  ULONG SndWnd;
  ULONG RcvWnd;
  ULONG RcvBuf;
  ULONG64 BytesOut;
  ULONG64 BytesIn;
  ULONG BytesReordered;
  ULONG BytesRetrans;
  ULONG FastRetrans;
  ULONG DupAcksIn;
  ULONG TimeoutEpisodes;
  UCHAR SynRetrans;
};

struct TCP_INITIAL_RTO_PARAMETERS {
  USHORT Rtt;  // milliseconds
  UCHAR MaxSynRetransmissions;
};
#define TCP_INITIAL_RTO_DEFAULT_RTT 0
#define TCP_INITIAL_RTO_DEFAULT_MAX_SYN_RETRANSMISSIONS 0
#define TCP_INITIAL_RTO_UNSPECIFIED_RTT (USHORT{0xFFFF})
#define TCP_INITIAL_RTO_UNSPECIFIED_MAX_SYN_RETRANSMISSIONS (UCHAR{0xFF})
#define TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS (UCHAR{0xFE})

struct TCP_ACK_FREQUENCY_PARAMETERS {
  UCHAR TcpDelayedAckFrequency;  // segments per acknowledgement
};

#endif  // MILLRACE_MSTCPIP_H_
