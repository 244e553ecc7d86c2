// SPDX-License-Identifier: BSD-3-Clause
// millrace-echo: sends back what it receives, on TCP and UDP. The first file to read: a program for
// millrace is calls through the table that WSPStartup fills, and here are ten of the thirty.
//
//   millrace-echo [--config FILE] [--port N] [--sockperf]
//
// Not here: a peer that never reads what it gets back makes WSPSendTo, and so everybody, wait.
#define WS_FD_SETSIZE 1024  // sockets in a set; before the first Winsock header, as on Windows
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "apps/sockperf.h"
#include "winsock2.h"
#include "ws2spi.h"

static WSPPROC_TABLE spi;
static bool is_sockperf = false;  // answer stock sockperf clients, see apps/sockperf.h
static std::map<SOCKET, std::vector<char>> unanswered;
static volatile std::sig_atomic_t is_stopping = 0;

static uint16_t parse(int argc, char** argv) {
  int port = 7777;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool has_value = i + 1 < argc;
    if (word == "--sockperf") {
      is_sockperf = true;
    } else if (word == "--port" && has_value && (port = std::atoi(argv[++i])) > 0 && port < 65536) {
    } else if (word == "--config" && has_value) {
      setenv("MILLRACE_CONFIG", argv[++i], 1);
    } else {
      std::fprintf(stderr, "usage: millrace-echo [--config FILE] [--port N] [--sockperf]\n");
      std::exit(EXIT_FAILURE);
    }
  }
  return static_cast<uint16_t>(port);
}

// [readme-begin]
static SOCKET open_port(int type, uint16_t port) {
  INT error = 0;
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  const SOCKET s = spi.lpWSPSocket(AF_INET, type, 0, nullptr, 0, 0, &error);
  if (spi.lpWSPBind(s, reinterpret_cast<sockaddr*>(&name), sizeof name, &error) == 0) return s;
  std::fprintf(stderr, "millrace-echo: port %d: Winsock error %d\n", port, error);
  std::exit(EXIT_FAILURE);
}

static bool echo(SOCKET s) {  // false: the connection is over
  static char bytes[65536];
  WSABUF buffer{sizeof bytes, bytes};
  sockaddr_storage from;
  auto* const name = reinterpret_cast<sockaddr*>(&from);
  INT name_bytes = sizeof from, error = 0;
  DWORD n = 0, flags = 0;
  if (spi.lpWSPRecvFrom(s, &buffer, 1, &n, &flags, name, &name_bytes, nullptr, nullptr, nullptr, &error) != 0 || n == 0) return false;
  buffer.len = n;
  std::vector<char> replies;
  if (is_sockperf) {
    unanswered[s].insert(unanswered[s].end(), bytes, bytes + n);
    replies = millrace::sockperf_replies(unanswered[s]);
    buffer = {static_cast<ULONG>(replies.size()), replies.data()};
  }
  return spi.lpWSPSendTo(s, &buffer, 1, &n, 0, name, name_bytes, nullptr, nullptr, nullptr, &error) == 0;
}

int main(int argc, char** argv) {
  const uint16_t port = parse(argc, argv);
  struct sigaction action {};
  action.sa_handler = [](int) { is_stopping = 1; };
  for (const int signal : {SIGINT, SIGTERM}) sigaction(signal, &action, nullptr);
  WSAPROTOCOL_INFOW protocols[8];
  DWORD room = sizeof protocols;
  WSPDATA data;
  INT error = 0;
  WSCEnumProtocols(nullptr, protocols, &room, &error);
  if (WSPStartup(MAKEWORD(2, 2), &data, protocols, WSPUPCALLTABLE{}, &spi) != 0) return 1;
  const SOCKET udp = open_port(SOCK_DGRAM, port);
  const SOCKET listener = open_port(SOCK_STREAM, port);
  spi.lpWSPListen(listener, SOMAXCONN, &error);
  ...
}
// [readme-end]
