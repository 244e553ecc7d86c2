// SPDX-License-Identifier: BSD-3-Clause
// Requests per second of 64 bytes, there and back over TCP on the embedded loopback: one thread on one
// Stack, two threads that share one Stack, two threads with a Stack each. A thread is client and server of
// its own connection, so that on two cores nobody waits for anybody but for the lock.
//
// The three alternate, and the best of the rounds counts: what else the machine does falls on all of them.
// lock-waits: how often a thread found a Stack's lock taken, per thousand requests.
// usage: stacks_cost [SECONDS [ROUNDS]] > JSON
#include <arpa/inet.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "millrace/counters.h"
#include "winsock2.h"
#include "ws2spi.h"

namespace {

constexpr ULONG kBytes = 64;
WSPPROC_TABLE spi;

void check(bool ok, const char* what, INT error) {
  if (ok) return;
  std::fprintf(stderr, "stacks_cost: %s failed with %d\n", what, error);
  std::exit(1);
}

SOCKET socket_or_exit() {
  INT error = 0;
  const SOCKET s = spi.lpWSPSocket(AF_INET, SOCK_STREAM, 0, nullptr, 0, 0, &error);
  check(s != INVALID_SOCKET, "WSPSocket", error);
  return s;
}

void set(SOCKET s, int level, int name) {
  const DWORD on = 1;
  INT error = 0;
  check(spi.lpWSPSetSockOpt(s, level, name, reinterpret_cast<const char*>(&on), sizeof on, &error) == 0,
        "WSPSetSockOpt", error);
}

/// Both ends of a connection of this thread.
std::array<SOCKET, 2> pair_of_sockets() {
  INT error = 0;
  const SOCKET listener = socket_or_exit(), client = socket_or_exit();
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(0x7f000001);
  auto* const name = reinterpret_cast<sockaddr*>(&address);
  INT length = sizeof address;
  check(spi.lpWSPBind(listener, name, length, &error) == 0, "WSPBind", error);
  check(spi.lpWSPListen(listener, 5, &error) == 0, "WSPListen", error);
  check(spi.lpWSPGetSockName(listener, name, &length, &error) == 0, "WSPGetSockName", error);
  check(spi.lpWSPConnect(client, name, length, nullptr, nullptr, nullptr, nullptr, &error) == 0,
        "WSPConnect", error);
  const SOCKET server = spi.lpWSPAccept(listener, nullptr, nullptr, nullptr, 0, &error);
  check(server != INVALID_SOCKET, "WSPAccept", error);
  check(spi.lpWSPCloseSocket(listener, &error) == 0, "WSPCloseSocket", error);
  set(client, IPPROTO_TCP, TCP_NODELAY);
  set(server, IPPROTO_TCP, TCP_NODELAY);
  return {client, server};
}

void move(SOCKET from, SOCKET to) {
  char bytes[kBytes] = {};
  WSABUF buffer{kBytes, bytes};
  DWORD n = 0, flags = 0;
  INT error = 0;
  check(spi.lpWSPSend(from, &buffer, 1, &n, 0, nullptr, nullptr, nullptr, &error) == 0 && n == kBytes,
        "WSPSend", error);
  check(spi.lpWSPRecv(to, &buffer, 1, &n, &flags, nullptr, nullptr, nullptr, &error) == 0 && n == kBytes,
        "WSPRecv", error);
}

uint64_t lock_waits() {
  uint64_t waits = 0;
  millrace_counters(
      [](void* to, const char* name, unsigned long long value) {
        if (std::strcmp(name, "lock_waits") == 0) *static_cast<uint64_t*>(to) = value;
      },
      &waits);
  return waits;
}

struct Result {
  double requests_per_s = 0;
  double lock_waits_per_1000 = 0;
};

Result measure(unsigned n_threads, double seconds) {
  std::atomic<unsigned> n_ready{0};
  std::atomic<bool> is_over{false};
  std::atomic<uint64_t> n_requests{0};
  const auto work = [&] {
    const auto [client, server] = pair_of_sockets();
    for (int i = 0; i < 1000; ++i) move(client, server), move(server, client);
    n_ready.fetch_add(1);
    while (n_ready.load() != n_threads) std::this_thread::yield();
    uint64_t n = 0;
    for (; !is_over.load(std::memory_order_relaxed); ++n) move(client, server), move(server, client);
    n_requests.fetch_add(n);
    INT error = 0;
    spi.lpWSPCloseSocket(client, &error);
    spi.lpWSPCloseSocket(server, &error);
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < n_threads; ++i) threads.emplace_back(work);
  while (n_ready.load() != n_threads) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const uint64_t waits_before = lock_waits();
  const auto begin = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  const auto n = static_cast<double>(n_requests.load());
  return {n / took.count(), static_cast<double>(lock_waits() - waits_before) * 1000 / n};
}

struct Case {
  unsigned n_stacks, n_threads;
  Result best;
};

void run(Case& one, double seconds) {
  const std::string path = "/tmp/millrace_stacks_" + std::to_string(getpid()) + ".toml";
  std::FILE* const file = std::fopen(path.c_str(), "w");
  check(file != nullptr, "writing a configuration", 0);
  std::fprintf(file, "[stack]\nstacks = %u\n", one.n_stacks);
  std::fclose(file);
  setenv("MILLRACE_CONFIG", path.c_str(), 1);
  WSPDATA data;
  const INT error = WSPStartup(MAKEWORD(2, 2), &data, nullptr, WSPUPCALLTABLE{}, &spi);
  unlink(path.c_str());
  check(error == 0, "WSPStartup", error);
  const Result result = measure(one.n_threads, seconds);
  if (result.requests_per_s > one.best.requests_per_s) one.best = result;
  INT ignored = 0;
  spi.lpWSPCleanup(&ignored);
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  Case cases[] = {{1, 1, {}}, {1, 2, {}}, {2, 2, {}}};
  for (int round = 0; round < rounds; ++round) {
    for (Case& one : cases) run(one, seconds);
  }
  const char* separator = "[";
  for (const Case& one : cases) {
    std::printf("%s{\"stacks\":%u,\"threads\":%u,\"requests_per_s\":%.0f,\"lock_waits_per_1000\":%.2f,"
                "\"ratio\":%.2f}",
                separator, one.n_stacks, one.n_threads, one.best.requests_per_s,
                one.best.lock_waits_per_1000,
                one.best.requests_per_s / cases[0].best.requests_per_s);
    separator = ",\n ";
  }
  std::printf("]\n");
}
