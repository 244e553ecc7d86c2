// SPDX-License-Identifier: BSD-3-Clause
// 64 KiB that have arrived in 1460-byte segments: taken by one WSPRecv that copies, or by one
// loaned receive and its return. Only that is timed, not the arrival.
//
// Four ways, alternating in one run, so that what else the machine does falls on all of them: copy
// and loan, each alone and followed by reading every byte. And with three states of the caches:
// right after the segments arrived (warm), with their payload flushed as if a device had just
// written it (payload cold), and with everything pushed out (cold). usage: loan_bulk [ROUNDS]
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <vector>

#include "bench/loop.h"

namespace {

using namespace millrace;
using loop::check, loop::error, loop::spi;

constexpr ULONG kBytes = 64 << 10;
constexpr size_t kEvictBytes = 256 << 20;  // more than any cache has
std::vector<char> buffer(kBytes);
std::vector<uint64_t> evict(kEvictBytes / sizeof(uint64_t));
std::array<WSABUF, 64> lent;
DWORD n_lent;
// Every piece of payload that was lent: the pool hands the same mbufs out again and again, so these
// are the ones that the next copy is made from, too.
std::unordered_map<const char*, ULONG> payloads;
volatile uint64_t sink;  // what was read must not be left out

[[gnu::noinline]] void read_all(const char* bytes, size_t n) {
  uint64_t sum = 0;
  for (; n >= sizeof sum; n -= sizeof sum, bytes += sizeof sum) {
    uint64_t word;
    std::memcpy(&word, bytes, sizeof word);
    sum += word;
  }
  sink = sum;
}

void copy(SOCKET s, bool reads) {
  WSABUF to{kBytes, buffer.data()};
  DWORD n = 0, flags = 0;
  check(spi.lpWSPRecv(s, &to, 1, &n, &flags, nullptr, nullptr, nullptr, &error) == 0 && n == kBytes,
        "WSPRecv");
  if (reads) read_all(buffer.data(), kBytes);
}

void loan(SOCKET s, bool reads) {
  DWORD n = 0, flags = 0;
  n_lent = lent.size();
  check(loop::recv_loan(s, lent.data(), &n_lent, &n, &flags, nullptr, nullptr, nullptr, nullptr, nullptr,
                  &error) == 0 &&
            n == kBytes,
        "recv_loan");
  for (DWORD i = 0; reads && i < n_lent; ++i) read_all(lent[i].buf, lent[i].len);
  std::array<WSABUF, 64> to_return = lent;
  check(loop::return_loan(to_return.data(), n_lent, &error) == 0, "return_loan");
}

struct Way {
  const char* name;
  void (*take)(SOCKET s, bool reads);
  bool reads;
  std::vector<double> ns;
};

void let_arrive(SOCKET from, SOCKET to) {
  static std::vector<char> bytes(kBytes, 'b');
  WSABUF data{kBytes, bytes.data()};
  DWORD n = 0;
  check(spi.lpWSPSend(from, &data, 1, &n, 0, nullptr, nullptr, nullptr, &error) == 0 && n == kBytes,
        "WSPSend");
  for (WS_u_long there = 0; there != kBytes;) {
    WS_fd_set set{1, {from}};
    WS_timeval at_once{};
    spi.lpWSPSelect(0, nullptr, nullptr, &set, &at_once, &error);  // turns
    check(spi.lpWSPIoctl(to, WS_FIONREAD, nullptr, 0, &there, sizeof there, &n, nullptr, nullptr,
                         nullptr, &error) == 0,
          "WSPIoctl");
  }
}

double median(std::vector<double>& values) {
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(values.size() / 2),
                   values.end());
  return values[values.size() / 2];
}

enum class Caches { kWarm, kPayloadCold, kCold };
constexpr const char* kCacheNames[] = {"warm", "payload cold", "cold"};

void prepare(Caches caches) {
  if (caches == Caches::kPayloadCold) {
    for (const auto& [bytes, n] : payloads) {
      for (ULONG at = 0; at < n + 64; at += 64) _mm_clflush(bytes + at);
    }
    _mm_mfence();
  } else if (caches == Caches::kCold) {
    for (size_t i = 0; i < evict.size(); i += 8) ++evict[i];
  }
}

void measure(SOCKET from, SOCKET to, int rounds, Caches caches) {
  std::array<Way, 4> ways = {{{"copy", copy, false, {}},
                              {"loan", loan, false, {}},
                              {"copy, read", copy, true, {}},
                              {"loan, read", loan, true, {}}}};
  for (int i = 0; i < rounds; ++i) {
    for (Way& way : ways) {
      let_arrive(from, to);
      prepare(caches);
      const auto begin = std::chrono::steady_clock::now();
      way.take(to, way.reads);
      const std::chrono::duration<double, std::nano> time =
          std::chrono::steady_clock::now() - begin;
      way.ns.push_back(time.count());
      for (DWORD k = 0; k < n_lent; ++k) payloads[lent[k].buf] = lent[k].len;
    }
  }
  std::array<double, 4> ns;
  for (size_t i = 0; i < ways.size(); ++i) ns[i] = median(ways[i].ns);
  for (size_t i = 0; i < ways.size(); ++i) {
    std::printf("%-12s %-12s %8.0f ns %6.2f\n", ways[i].name,
                kCacheNames[static_cast<size_t>(caches)], ns[i], ns[i] / ns[i & ~size_t{1}]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc == 2 ? std::atoi(argv[1]) : 200;
  if (rounds <= 0) return 2;
  loop::start();
  const loop::Pair pair = loop::open_pair(loop::kProtocols.front(), 7001);
  std::printf("%-12s %-12s %11s %6s\n", "64 KiB", "caches", "median", "ratio");
  measure(pair.client, pair.server, rounds, Caches::kWarm);
  measure(pair.client, pair.server, rounds, Caches::kPayloadCold);
  measure(pair.client, pair.server, std::max(1, rounds / 10), Caches::kCold);
  loop::close_pair(pair);
  spi.lpWSPCleanup(&error);
}
