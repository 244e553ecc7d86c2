// SPDX-License-Identifier: BSD-3-Clause
// millrace-echo: sends back what it receives, on TCP, UDP and SCTP. The first file to read: a program for
// millrace is calls through the table that WSPStartup fills, and here are eight of the thirty.
//
//   millrace-echo [--config FILE] [--port N] [--sockperf]
// A peer that never reads what it gets back makes WSPSendTo, and so everybody, wait.
#define WS_FD_SETSIZE 1024  // sockets in a set; before the first Winsock header, as on Windows
#include <CLI/CLI.hpp>
#include <csignal>
#include <iostream>
#include <map>
#include <set>
#include <span>

#include "apps/sockperf.h"
#include "winsock2.h"
#include "ws2spi.h"

static WSPPROC_TABLE spi;
static INT error;  // where the procedures say why; there is no last error
static uint16_t port = 7777;
static bool is_sockperf = false;
static volatile std::sig_atomic_t is_stopping = 0;

static std::set<SOCKET> listeners, datagrams;
static fd_set all;

static void open_port(int family, int type) {
  sockaddr_in6 name{};  // with only family and port set it is a sockaddr_in, too
  name.sin6_family = static_cast<ADDRESS_FAMILY>(family);
  name.sin6_port = htons(port);
  const SOCKET s = spi.lpWSPSocket(family, type, 0, nullptr, 0, 0, &error);
  if (s == INVALID_SOCKET && error == WSAESOCKTNOSUPPORT) return;  // SCTP, in a build without it
  if (spi.lpWSPBind(s, reinterpret_cast<sockaddr*>(&name), sizeof name, &error) != 0 ||
      (type != SOCK_DGRAM && spi.lpWSPListen(s, SOMAXCONN, &error) != 0)) {
    std::cerr << "millrace-echo: port " << port << ": Winsock error " << error << '\n';
    std::exit(EXIT_FAILURE);
  }
  (type == SOCK_DGRAM ? datagrams : listeners).insert(s);
  FD_SET(s, &all);
}

// One receive, one send. unanswered: the start of a sockperf message whose rest is on its way.
static bool echo(SOCKET s, std::vector<char>& unanswered) {
  static char bytes[65536];
  std::vector<char> replies;
  WSABUF buffer{sizeof bytes, bytes};
  sockaddr_in6 address;
  auto* const from = reinterpret_cast<sockaddr*>(&address);
  INT from_bytes = sizeof address;
  DWORD n = 0, flags = 0;
  spi.lpWSPRecvFrom(s, &buffer, 1, &n, &flags, from, &from_bytes, nullptr, nullptr, nullptr,
                    &error);
  if (n == 0) return false;  // the connection has ended, or failed
  buffer.len = n;
  if (is_sockperf) {
    unanswered.insert(unanswered.end(), bytes, bytes + n);
    replies = millrace::sockperf_replies(unanswered);
    buffer = {static_cast<ULONG>(replies.size()), replies.data()};
  }
  return buffer.len == 0 || spi.lpWSPSendTo(s, &buffer, 1, &n, flags, from, from_bytes, nullptr,
                                            nullptr, nullptr, &error) == 0;
}

int main(int argc, char** argv) {
  CLI::App app("Sends back what it receives, on TCP, UDP and SCTP.");
  app.add_option("--config", "millrace's configuration")->each([](const std::string& file) {
    setenv("MILLRACE_CONFIG", file.c_str(), 1);
  });
  app.add_option("--port", port, "default 7777")->check(CLI::Range(1, 65535));
  app.add_flag("--sockperf", is_sockperf, "answer stock sockperf clients");
  CLI11_PARSE(app, argc, argv);
  for (const int number : {SIGINT, SIGTERM}) std::signal(number, [](int) { is_stopping = 1; });
  // [readme-begin]
  WSPDATA data;
  if (WSPStartup(MAKEWORD(2, 2), &data, nullptr, WSPUPCALLTABLE{}, &spi) != 0) return 1;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const int type : {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET}) open_port(family, type);
  }
  std::cout << "listening on port " << port << std::endl;
  std::map<SOCKET, std::vector<char>> unanswered;
  while (!is_stopping) {
    fd_set readable = all;
    timeval patience{0, 200'000};  // how late a signal may be noticed
    if (spi.lpWSPSelect(0, &readable, nullptr, nullptr, &patience, &error) < 0) break;
    for (const SOCKET s : std::span(readable.fd_array, readable.fd_count)) {
      if (listeners.contains(s)) {
        const SOCKET connection = spi.lpWSPAccept(s, nullptr, nullptr, nullptr, 0, &error);
        if (connection != INVALID_SOCKET) FD_SET(connection, &all);
      } else if (datagrams.contains(s)) {
        echo(s, unanswered[s] = {});
      } else if (!echo(s, unanswered[s])) {
        FD_CLR(s, &all);
        unanswered.erase(s);
        spi.lpWSPCloseSocket(s, &error);
      }
    }
  }
  return spi.lpWSPCleanup(&error);
  // [readme-end]
}
