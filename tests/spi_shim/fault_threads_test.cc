// SPDX-License-Identifier: BSD-3-Clause
// Probes of several threads fault at the same time, while others receive: each call gets its own
// answer, and no byte is lost.
#include <thread>
#include <vector>

#include "tests/support/pages.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

class Spi_FaultThreads : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_FaultThreads);

TEST_P(Spi_FaultThreads, EachOfManyThreadsGetsItsOwnAnswer) {
  constexpr int kThreads = 4, kRounds = 200;
  std::vector<std::pair<SOCKET, SOCKET>> pairs;
  for (int i = 0; i < kThreads; ++i) pairs.push_back(ws().pair(family()));
  const Pages none;
  std::vector<std::thread> threads;
  for (const auto& [client, server] : pairs) {
    threads.emplace_back([&none, &table = ws().table, client = client, server = server] {
      Winsock mine(table);
      WSABUF bad{8, none.across_the_edge(8)};
      for (int round = 0; round < kRounds; ++round) {
        DWORD n = 0, flags = 0;
        EXPECT_EQ(mine.send(client, "8 bytes."), 8);
        EXPECT_EQ(
            table.lpWSPRecv(server, &bad, 1, &n, &flags, nullptr, nullptr, nullptr, &mine.error),
            SOCKET_ERROR);
        EXPECT_EQ(mine.error, WSAEFAULT);
        EXPECT_EQ(mine.recv_all(server, 8), "8 bytes.");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace millrace::test
