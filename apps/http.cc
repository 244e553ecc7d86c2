// SPDX-License-Identifier: BSD-3-Clause
// millrace-http: serves a folder and a plain-text route over HTTP/1.1, on a completion port. Apart from
// the files, which are Linux's, it is written as it would be for Windows.
//
//   millrace-http [--config FILE] [--port N] [--root FOLDER] [--threads N]
//
// GET and HEAD, keep-alive and pipelining; no ranges, no conditional requests, no time limits.
#include <fcntl.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <list>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "apps/http_connection.h"
#include "millrace/counters.h"

namespace millrace::http {
namespace {

constexpr int kBacklog = 4096;  // clients that come all at once

struct CommandLine {
  uint16_t port = 8080;
  std::string root;
  unsigned n_threads = std::thread::hardware_concurrency();
};

[[noreturn]] void fail(const std::string& what, int error) {
  std::cerr << "millrace-http: " << what << ": Winsock error " << error << '\n';
  std::exit(EXIT_FAILURE);
}

template <typename Function>
Function extension(SOCKET s, GUID id) {
  Function function = nullptr;
  DWORD n = 0;
  if (WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function, sizeof function, &n, nullptr,
               nullptr) != 0) {
    fail("an extension function", WSAGetLastError());
  }
  return function;
}

void listen_on(std::list<Listener>& listeners, Site& site, int family, uint16_t port) {
  sockaddr_in6 name{};  // with only family and port set it is a sockaddr_in, too
  name.sin6_family = static_cast<ADDRESS_FAMILY>(family);
  name.sin6_port = htons(port);
  const SOCKET s = WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED);
  if (s == INVALID_SOCKET || bind(s, reinterpret_cast<sockaddr*>(&name), sizeof name) != 0 ||
      listen(s, kBacklog) != 0) {
    fail("port " + std::to_string(port), WSAGetLastError());
  }
  site.accept_ex = extension<LPFN_ACCEPTEX>(s, WSAID_ACCEPTEX);
  site.transmit_file = extension<LPFN_TRANSMITFILE>(s, WSAID_TRANSMITFILE);
  if (CreateIoCompletionPort(reinterpret_cast<HANDLE>(s), site.port, 0, 0) == nullptr) {
    fail("CreateIoCompletionPort", static_cast<int>(GetLastError()));
  }
  Listener& listener = listeners.emplace_back(site, s, family);
  if (const int error = Connection::accept(listener); error != 0) fail("AcceptEx", error);
}

/// @param port  a packet without OVERLAPPED ends it
void work(HANDLE port) {
  for (;;) {
    DWORD n_bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED* overlapped = nullptr;
    const BOOL is_ok = GetQueuedCompletionStatus(port, &n_bytes, &key, &overlapped, INFINITE);
    if (overlapped == nullptr) return;
    Connection::complete(overlapped, is_ok != FALSE, n_bytes);
  }
}

/// How often each byte that was received was copied.
double copies() {
  double bytes[2] = {};  // copied, delivered
  millrace_counters(
      [](void* to, const char* name, unsigned long long value) {
        auto* const pair = static_cast<double*>(to);
        if (std::string_view(name) == "bytes_copied") pair[0] = static_cast<double>(value);
        if (std::string_view(name) == "bytes_delivered") pair[1] = static_cast<double>(value);
      },
      bytes);
  return bytes[1] == 0 ? 0 : bytes[0] / bytes[1];
}

int serve(const CommandLine& line) {
  sigset_t ends;
  sigemptyset(&ends);
  for (const int number : {SIGINT, SIGTERM}) sigaddset(&ends, number);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);  // in all threads that are made from here on

  WSADATA data;
  if (const int error = WSAStartup(MAKEWORD(2, 2), &data); error != 0) fail("WSAStartup", error);
  Site site;
  if (!line.root.empty()) site.root_fd = open(line.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  site.port = CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, line.n_threads);
  std::list<Listener> listeners;
  for (const int family : {AF_INET, AF_INET6}) listen_on(listeners, site, family, line.port);
  std::vector<std::thread> workers;
  for (unsigned i = 0; i < line.n_threads; ++i) workers.emplace_back(work, site.port);
  std::cout << "listening on port " << line.port << std::endl;

  int number = 0;
  sigwait(&ends, &number);
  for (size_t i = 0; i < workers.size(); ++i) PostQueuedCompletionStatus(site.port, 0, 0, nullptr);
  for (std::thread& worker : workers) worker.join();
  std::cout << std::fixed << std::setprecision(2) << "copied/delivered " << copies() << std::endl;
  const int result = WSACleanup();
  listeners.clear();
  return result;
}

}  // namespace
}  // namespace millrace::http

int main(int argc, char** argv) {
  millrace::http::CommandLine line;
  CLI::App app("Serves a folder over HTTP/1.1.");
  app.add_option("--config", "millrace's configuration")->each([](const std::string& file) {
    setenv("MILLRACE_CONFIG", file.c_str(), 1);
  });
  app.add_option("--port", line.port, "default 8080")->check(CLI::Range(1, 65535));
  app.add_option("--root", line.root, "the folder; without one there is /plaintext only")
      ->check(CLI::ExistingDirectory);
  app.add_option("--threads", line.n_threads, "workers; default: one for each core")
      ->check(CLI::Range(1, 64));
  CLI11_PARSE(app, argc, argv);
  return millrace::http::serve(line);
}
