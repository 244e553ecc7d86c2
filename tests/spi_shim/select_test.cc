// SPDX-License-Identifier: BSD-3-Clause
// WSPSelect (winsock-rules 161 to 166) and WSAWaitForMultipleEvents.
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

class Spi_Select : public SpiFamilyTest {
 protected:
  int select(WS_fd_set* reads, WS_fd_set* writes, WS_fd_set* exceptions, WS_timeval* timeout) {
    ws().error = 0;
    return ws().table.lpWSPSelect(0, reads, writes, exceptions, timeout, &ws().error);
  }
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Select);

TEST_P(Spi_Select, Refusals) {  // winsock-rules 161
  WS_timeval none{0, 0};
  WS_fd_set empty{};
  EXPECT_EQ(select(nullptr, nullptr, nullptr, &none), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(select(&empty, &empty, &empty, &none), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  const SOCKET s = ws().datagram(family());
  WS_fd_set set{2, {s, s + 8}};
  EXPECT_EQ(select(&set, nullptr, nullptr, &none), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(set.fd_count, 2u);
  EXPECT_EQ(set.fd_array[0], s);
  WS_timeval negative{-1, 0};
  set = {1, {s}};
  EXPECT_EQ(select(&set, nullptr, nullptr, &negative), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

TEST_P(Spi_Select, LeavesInEachSetWhatIsReady) {  // winsock-rules 163
  const auto [client, server] = ws().pair(family());
  const auto [quiet_client, quiet_server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  WS_fd_set reads{2, {quiet_server, server}}, writes{2, {client, server}},
      exceptions{2, {client, server}};
  WS_timeval timeout{5, 500};
  EXPECT_EQ(select(&reads, &writes, &exceptions, &timeout), 3);
  EXPECT_EQ(reads.fd_count, 1u);
  EXPECT_EQ(reads.fd_array[0], server);
  EXPECT_EQ(writes.fd_count, 2u);
  EXPECT_EQ(exceptions.fd_count, 0u);
  EXPECT_EQ(timeout.tv_sec, 5);
  EXPECT_EQ(timeout.tv_usec, 500);
}

TEST_P(Spi_Select, ATimeoutAnswersZeroAndEmptiesTheSets) {
  const auto [client, server] = ws().pair(family());
  for (const LONG ms : {0, 20}) {
    WS_fd_set reads{1, {server}};
    WS_timeval timeout{0, ms * 1000};
    EXPECT_EQ(select(&reads, nullptr, nullptr, &timeout), 0);
    EXPECT_EQ(reads.fd_count, 0u);
  }
}

TEST_P(Spi_Select, AnEndedStreamIsReadable) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().shutdown(client, SD_SEND), 0);
  EXPECT_TRUE(ws().is_ready(server, 'r', 10'000));
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_TRUE(ws().is_ready(server, 'r'));
}

TEST_P(Spi_Select, AListenerWithAConnectionIsReadable) {
  const auto [l, address] = ws().listener(family());
  EXPECT_FALSE(ws().is_ready(l, 'r'));
  const SOCKET client = ws().stream(family());
  ASSERT_EQ(ws().connect(client, address), 0);
  EXPECT_TRUE(ws().is_ready(l, 'r', 10'000));
  ASSERT_NE(ws().accept(l), INVALID_SOCKET);
  EXPECT_FALSE(ws().is_ready(l, 'r'));
}

TEST_P(Spi_Select, AFreshDatagramSocketIsWritable) {  // winsock-rules 166
  const SOCKET s = ws().datagram(family());
  EXPECT_TRUE(ws().is_ready(s, 'w'));
  EXPECT_FALSE(ws().is_ready(s, 'r'));
}

TEST_P(Spi_Select, TakesMoreSocketsThanAnFdSetHolds) {  // winsock-rules 162
  struct Long {
    UINT fd_count;
    SOCKET fd_array[300];
  } set{};
  static_assert(offsetof(Long, fd_array) == offsetof(WS_fd_set, fd_array));
  for (UINT i = 0; i < 300; ++i) set.fd_array[i] = ws().datagram(family());
  set.fd_count = 300;
  EXPECT_EQ(select(nullptr, reinterpret_cast<WS_fd_set*>(&set), nullptr, nullptr), 300);
  EXPECT_EQ(set.fd_count, 300u);
  const SOCKET last = set.fd_array[299];
  ASSERT_EQ(ws().bind(last, Address::loopback(family())), 0);
  ASSERT_EQ(ws().send_to(set.fd_array[0], "x", ws().name_of(last)), 1);
  WS_timeval timeout{20, 0};
  EXPECT_EQ(select(reinterpret_cast<WS_fd_set*>(&set), nullptr, nullptr, &timeout), 1);
  EXPECT_EQ(set.fd_count, 1u);
  EXPECT_EQ(set.fd_array[0], last);
}

TEST_P(Spi_Select, ASocketThatIsListedTwiceIsReportedOnce) {  // winsock-rules 162
  const SOCKET s = ws().datagram(family());
  WS_fd_set writes{3, {s, s, s}};
  EXPECT_EQ(select(nullptr, &writes, nullptr, nullptr), 1);
  EXPECT_EQ(writes.fd_count, 1u);
}

TEST_P(Spi_Select, WaitsForAnotherThread) {
  const auto [client, server] = ws().pair(family());
  std::thread sender([table = ws().table, to = client] {
    Winsock mine(table);
    EXPECT_EQ(mine.send(to, "x"), 1);
  });
  EXPECT_TRUE(ws().is_ready(server, 'r', 20'000));
  sender.join();
}

TEST_P(Spi_Select, ClosingASelectedSocketWakes) {  // winsock-rules 165
  for (const char what : {'r', 'x'}) {
    const auto [client, server] = ws().pair(family());
    std::thread closer([table = ws().table, s = server] {
      Winsock mine(table);
      wait_until_somebody_waits();
      EXPECT_EQ(mine.close(s), 0);
    });
    WS_fd_set set{1, {server}};
    const int n = what == 'r' ? select(&set, nullptr, nullptr, nullptr)
                              : select(nullptr, nullptr, &set, nullptr);
    closer.join();
    EXPECT_EQ(n, what == 'r' ? 1 : SOCKET_ERROR);
    EXPECT_EQ(ws().error, what == 'r' ? 0 : WSAENOTSOCK);
  }
}

class Spi_Events : public SpiTest {};

TEST_F(Spi_Events, AreSetResetAndRefusedWhenClosed) {
  const WSAEVENT event = WSACreateEvent();
  ASSERT_NE(event, WSA_INVALID_EVENT);
  const auto wait = [&] { return WSAWaitForMultipleEvents(1, &event, FALSE, 0, FALSE); };
  EXPECT_EQ(wait(), static_cast<DWORD>(WSA_WAIT_TIMEOUT));
  EXPECT_TRUE(WSASetEvent(event));
  EXPECT_EQ(wait(), static_cast<DWORD>(WSA_WAIT_EVENT_0));
  EXPECT_EQ(wait(), static_cast<DWORD>(WSA_WAIT_EVENT_0)) << "manual reset";
  EXPECT_TRUE(WSAResetEvent(event));
  EXPECT_EQ(wait(), static_cast<DWORD>(WSA_WAIT_TIMEOUT));
  EXPECT_TRUE(WSACloseEvent(event));
  EXPECT_FALSE(WSASetEvent(event));
  EXPECT_FALSE(WSAResetEvent(event));
  EXPECT_FALSE(WSACloseEvent(event));
  EXPECT_EQ(wait(), WSA_WAIT_FAILED);
  EXPECT_FALSE(WSASetEvent(nullptr));
}

TEST_F(Spi_Events, WaitForOneOrAll) {
  std::vector<WSAEVENT> events;
  for (int i = 0; i < 3; ++i) events.push_back(WSACreateEvent());
  const auto wait = [&](BOOL all, DWORD ms) {
    return WSAWaitForMultipleEvents(3, events.data(), all, ms, FALSE);
  };
  WSASetEvent(events[2]);
  EXPECT_EQ(wait(FALSE, 0), WSA_WAIT_EVENT_0 + 2u);
  EXPECT_EQ(wait(TRUE, 10), static_cast<DWORD>(WSA_WAIT_TIMEOUT));
  WSASetEvent(events[0]);
  EXPECT_EQ(wait(FALSE, 0), static_cast<DWORD>(WSA_WAIT_EVENT_0));
  std::thread setter([&] { WSASetEvent(events[1]); });
  EXPECT_EQ(wait(TRUE, WSA_INFINITE), static_cast<DWORD>(WSA_WAIT_EVENT_0));
  setter.join();
  EXPECT_EQ(WSAWaitForMultipleEvents(0, events.data(), FALSE, 0, FALSE), WSA_WAIT_FAILED);
  EXPECT_EQ(WSAWaitForMultipleEvents(3, nullptr, FALSE, 0, FALSE), WSA_WAIT_FAILED);
  EXPECT_EQ(WSAWaitForMultipleEvents(WSA_MAXIMUM_WAIT_EVENTS + 1, events.data(), FALSE, 0, FALSE),
            WSA_WAIT_FAILED);
  for (const WSAEVENT event : events) EXPECT_TRUE(WSACloseEvent(event));
}

}  // namespace
}  // namespace millrace::test
