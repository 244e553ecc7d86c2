// SPDX-License-Identifier: BSD-3-Clause
// millrace-echo: sends back what it receives, on TCP and UDP. The first file to read: a program for
// millrace is calls through the table that WSPStartup fills, and here are nine of the thirty.
//
//   millrace-echo [--config FILE] [--port N] [--sockperf]
//
// Not here: a peer that never reads what it gets back makes WSPSendTo, and so everybody, wait.
#define WS_FD_SETSIZE 1024  // sockets in a set; before the first Winsock header, as on Windows
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <map>
#include <span>

#include "apps/sockperf.h"
#include "winsock2.h"
#include "ws2spi.h"

static WSPPROC_TABLE spi;
static INT error;  // where the procedures say why; there is no last error
static uint16_t port = 7777;
static bool is_sockperf = false;
static volatile std::sig_atomic_t is_stopping = 0;

static void add_options(CLI::App& app) {
  const auto use = [](const std::string& file) { setenv("MILLRACE_CONFIG", file.c_str(), 1); };
  app.add_option_function<std::string>("--config", use, "millrace's configuration");
  app.add_option("--port", port, "default 7777")->check(CLI::Range(1, 65535));
  app.add_flag("--sockperf", is_sockperf, "answer stock sockperf clients");
}

static SOCKET open_port(int type) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_port = htons(port);
  const SOCKET s = spi.lpWSPSocket(AF_INET, type, 0, nullptr, 0, 0, &error);
  if (spi.lpWSPBind(s, reinterpret_cast<sockaddr*>(&name), sizeof name, &error) == 0 &&
      (type == SOCK_DGRAM || spi.lpWSPListen(s, SOMAXCONN, &error) == 0)) {
    return s;
  }
  std::cerr << "millrace-echo: port " << port << ": Winsock error " << error << '\n';
  std::exit(EXIT_FAILURE);
}

// One receive, one send. unanswered: the start of a sockperf message whose rest is on its way.
static bool echo(SOCKET s, std::vector<char>& unanswered) {
  static char bytes[65536];
  std::vector<char> replies;
  WSABUF buffer{sizeof bytes, bytes};
  sockaddr from;
  INT from_bytes = sizeof from;
  DWORD n = 0, flags = 0;
  spi.lpWSPRecvFrom(s, &buffer, 1, &n, &flags, &from, &from_bytes, nullptr, nullptr, nullptr,
                    &error);
  if (n == 0) return false;  // the connection has ended, or failed
  buffer.len = n;
  if (is_sockperf) {
    unanswered.insert(unanswered.end(), bytes, bytes + n);
    replies = millrace::sockperf_replies(unanswered);
    buffer = {static_cast<ULONG>(replies.size()), replies.data()};
  }
  return buffer.len == 0 || spi.lpWSPSendTo(s, &buffer, 1, &n, 0, &from, from_bytes, nullptr,
                                            nullptr, nullptr, &error) == 0;
}

// [readme-begin]
int main(int argc, char** argv) {
  CLI::App app("Sends back what it receives, on TCP and UDP.");
  add_options(app);
  CLI11_PARSE(app, argc, argv);
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { is_stopping = 1; });
  WSAPROTOCOL_INFOW protocols[8];
  DWORD protocols_bytes = sizeof protocols;
  WSPDATA data;
  WSCEnumProtocols(nullptr, protocols, &protocols_bytes, &error);
  if (WSPStartup(MAKEWORD(2, 2), &data, protocols, WSPUPCALLTABLE{}, &spi) != 0) return 1;
  const SOCKET listener = open_port(SOCK_STREAM), datagrams = open_port(SOCK_DGRAM);
  std::cout << "listening on port " << port << ", TCP and UDP" << std::endl;
  std::map<SOCKET, std::vector<char>> unanswered;
  fd_set all{2, {listener, datagrams}};
  while (!is_stopping) {
    unanswered.erase(datagrams);  // only a stream continues
    fd_set readable = all;
    if (all.fd_count == FD_SETSIZE) FD_CLR(listener, &readable);  // wait until somebody leaves
    timeval patience{0, 200'000};  // how late a signal may be noticed
    if (spi.lpWSPSelect(0, &readable, nullptr, nullptr, &patience, &error) < 0) break;
    for (const SOCKET s : std::span(readable.fd_array, readable.fd_count)) {
      if (s == listener) {
        const SOCKET connection = spi.lpWSPAccept(s, nullptr, nullptr, nullptr, 0, &error);
        if (connection != INVALID_SOCKET) FD_SET(connection, &all);
      } else if (!echo(s, unanswered[s]) && s != datagrams) {
        FD_CLR(s, &all);
        unanswered.erase(s);
        spi.lpWSPCloseSocket(s, &error);
      }
    }
  }
  return spi.lpWSPCleanup(&error);
}
// [readme-end]
