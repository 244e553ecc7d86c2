// SPDX-License-Identifier: BSD-3-Clause
// Urgent data, MSG_WAITALL and the two halves of a disconnect as a program meets them: flags in and
// out, select, ioctls and options, calls that wait.
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "windows.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

class Spi_Urgent : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    std::tie(client, server) = ws().pair(family());
  }
  void send_urgent(std::string_view text) {
    ASSERT_EQ(ws().send(client, text, WS_MSG_OOB), static_cast<int>(text.size())) << ws().error;
  }
  std::string urgent() { return ws().recv(server, 10, WS_MSG_OOB); }

  SOCKET client = INVALID_SOCKET, server = INVALID_SOCKET;
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Urgent);

TEST_P(Spi_Urgent, ABlockingReceiveWaitsForItAndTheFlagComesOut) {  // winsock-rules 126
  std::thread sender([this] {
    wait_until_somebody_waits();
    Winsock other(ws().table);
    EXPECT_EQ(other.send(client, "normal"), 6);
    EXPECT_EQ(other.send(client, "!", WS_MSG_OOB), 1);
  });
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(ws().received_flags, DWORD{WS_MSG_OOB});
  sender.join();
  EXPECT_EQ(ws().recv(server), "normal");
  EXPECT_EQ(ws().received_flags, 0u);
}

TEST_P(Spi_Urgent, ReceiveTimeoutEndsTheWait) {
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 20), 0);
  EXPECT_EQ(urgent(), "");
  EXPECT_EQ(ws().error, WSAETIMEDOUT);
}

TEST_P(Spi_Urgent, SelectTellsOfItAmongTheExceptions) {  // winsock-rules 163
  EXPECT_FALSE(ws().is_ready(server, 'x'));
  send_urgent("!");
  EXPECT_TRUE(ws().is_ready(server, 'x', 10'000));
  EXPECT_FALSE(ws().is_ready(server, 'r'));
  EXPECT_EQ(urgent(), "!");
  EXPECT_FALSE(ws().is_ready(server, 'x'));
}

TEST_P(Spi_Urgent, InlineItIsOrdinaryData) {  // winsock-rules 125
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_OOBINLINE, TRUE), 0);
  EXPECT_EQ(ws().option(server, WS_SOL_SOCKET, WS_SO_OOBINLINE), 1);
  send_urgent("!");
  EXPECT_TRUE(ws().is_ready(server, 'r', 10'000));
  EXPECT_FALSE(ws().is_ready(server, 'x'));
  EXPECT_EQ(ws().is_at_mark(server), TRUE);
  EXPECT_EQ(urgent(), "");
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ws().recv(server), "!");
}

TEST_P(Spi_Urgent, InlineIsInherited) {  // winsock-rules 186
  const auto [l, address] = ws().listener(family());
  ASSERT_EQ(ws().set_option(l, WS_SOL_SOCKET, WS_SO_OOBINLINE, TRUE), 0);
  const SOCKET s = ws().stream(family());
  ASSERT_EQ(ws().connect(s, address), 0);
  EXPECT_EQ(ws().option(ws().accept(l), WS_SOL_SOCKET, WS_SO_OOBINLINE), 1);
}

TEST_P(Spi_Urgent, TheMarkIoctl) {  // winsock-rules 170
  EXPECT_EQ(ws().is_at_mark(server), TRUE);
  ASSERT_EQ(ws().send(client, "data"), 4);
  send_urgent("!");
  EXPECT_TRUE(ws().is_ready(server, 'x', 10'000));
  EXPECT_EQ(ws().readable_bytes(server), 4);
  EXPECT_EQ(ws().is_at_mark(server), FALSE);
  EXPECT_EQ(ws().recv(server), "data");
  EXPECT_EQ(ws().is_at_mark(server), FALSE);
  EXPECT_EQ(urgent(), "!");
  EXPECT_EQ(ws().is_at_mark(server), TRUE);
  EXPECT_EQ(ws().is_at_mark(ws().stream(family())), TRUE);
  EXPECT_EQ(ws().is_at_mark(ws().datagram(family())), -1);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  char small[3];
  DWORD n = 0;
  EXPECT_EQ(ws().table.lpWSPIoctl(server, WS_SIOCATMARK, nullptr, 0, small, sizeof small, &n,
                                  nullptr, nullptr, nullptr, &ws().error),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

TEST_P(Spi_Urgent, AnOverlappedReceiveHasTheFlagInItsResult) {  // contract: B14
  Overlap overlap(10);
  EXPECT_EQ(ws().post_recv(server, overlap, WS_MSG_OOB), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  send_urgent("abc!");
  EXPECT_EQ(ws().finish(server, overlap), "!");
  EXPECT_EQ(overlap.flags, DWORD{WS_MSG_OOB});
  EXPECT_EQ(overlap.overlapped.Internal, uint64_t{STATUS_RECEIVE_EXPEDITED});
  EXPECT_EQ(ws().recv(server), "abc");
}

struct Shown {
  DWORD error = 0, n_bytes = 0, flags = 0;
  int n_calls = 0;
};
thread_local Shown shown;

void CALLBACK on_shown(DWORD error, DWORD n_bytes, LPWSAOVERLAPPED, DWORD flags) {
  shown = {error, n_bytes, flags, shown.n_calls + 1};
}

TEST_P(Spi_Urgent, ARoutineHasTheFlag) {  // contract: B14 B20
  shown = {};
  char byte = 0;
  WSABUF buffer{1, &byte};
  DWORD n = 0, flags = WS_MSG_OOB;
  WSAOVERLAPPED overlapped{};
  EXPECT_EQ(ws().table.lpWSPRecv(server, &buffer, 1, &n, &flags, &overlapped, on_shown, nullptr,
                                 &ws().error),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  send_urgent("!");
  EXPECT_EQ(SleepEx(10'000, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(shown.n_calls, 1);
  EXPECT_EQ(shown.error, 0u);
  EXPECT_EQ(shown.n_bytes, 1u);
  EXPECT_EQ(shown.flags, DWORD{WS_MSG_OOB});
  EXPECT_EQ(byte, '!');
}

// ---- MSG_WAITALL ----

class Spi_WaitAll : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_WaitAll);

TEST_P(Spi_WaitAll, ABlockingReceiveWaitsUntilItIsFull) {  // winsock-rules 128
  const auto [client, server] = ws().pair(family());
  const std::string text(300'000, 'w');
  std::thread sender([this, to = client, &text] {
    Winsock other(ws().table);
    for (size_t at = 0; at < text.size(); at += 1000) {
      EXPECT_EQ(other.send(to, std::string_view(text).substr(at, 1000)), 1000);
    }
  });
  EXPECT_EQ(ws().recv(server, text.size(), WS_MSG_WAITALL), text);
  sender.join();
}

TEST_P(Spi_WaitAll, AnEndOrATimeoutGivesWhatCame) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "abc"), 3);
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 50), 0);
  EXPECT_EQ(ws().recv(server, 10, WS_MSG_WAITALL), "abc");
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 0), 0);
  ASSERT_EQ(ws().send(client, "de"), 2);
  ASSERT_EQ(ws().close(client), 0);
  EXPECT_EQ(ws().recv(server, 10, WS_MSG_WAITALL), "de");
}

TEST_P(Spi_WaitAll, IsRefusedOnNonblockingSocketsAndForDatagrams) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().set_nonblocking(server), 0);
  EXPECT_EQ(ws().recv(server, 10, WS_MSG_WAITALL), "");
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  const SOCKET udp = ws().datagram(family());
  ASSERT_EQ(ws().bind(udp, Address::loopback(family())), 0);
  EXPECT_EQ(ws().recv(udp, 10, WS_MSG_WAITALL), "");
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  EXPECT_EQ(ws().recv(udp, 10, WS_MSG_OOB), "");  // contract: E8
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
}

// ---- WSPSendDisconnect, WSPRecvDisconnect ----

class Spi_Disconnect : public SpiFamilyTest {
 protected:
  int send_disconnect(SOCKET s, LPWSABUF data = nullptr) {
    ws().error = 0;
    return ws().table.lpWSPSendDisconnect(s, data, &ws().error);
  }
  int recv_disconnect(SOCKET s, LPWSABUF data = nullptr) {
    ws().error = 0;
    return ws().table.lpWSPRecvDisconnect(s, data, &ws().error);
  }
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Disconnect);

TEST_P(Spi_Disconnect, OfSendingEndsTheStreamAndLeavesReceivingOpen) {  // winsock-rules 100
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().send(client, "last"), 4);
  EXPECT_EQ(send_disconnect(client), 0);
  EXPECT_EQ(ws().send(client, "x"), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAESHUTDOWN);
  EXPECT_EQ(ws().recv(server), "last");
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, 0);
  ASSERT_EQ(ws().send(server, "answer"), 6);
  EXPECT_EQ(ws().recv(client), "answer");
}

TEST_P(Spi_Disconnect, OfReceivingRefusesReceivesAndLeavesSendingOpen) {
  const auto [client, server] = ws().pair(family());
  EXPECT_EQ(recv_disconnect(server), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAESHUTDOWN);
  ASSERT_EQ(ws().send(server, "still"), 5);
  EXPECT_EQ(ws().recv(client), "still");
  const SOCKET udp = ws().datagram(family());
  ASSERT_EQ(ws().bind(udp, Address::loopback(family())), 0);
  EXPECT_EQ(recv_disconnect(udp), 0);
  EXPECT_EQ(ws().recv(udp), "");
  EXPECT_EQ(ws().error, WSAESHUTDOWN);
}

TEST_P(Spi_Disconnect, Refusals) {
  const auto [client, server] = ws().pair(family());
  char bytes[4] = "bye";
  WSABUF data{sizeof bytes, bytes};
  auto* const nowhere = reinterpret_cast<LPWSABUF>(8);
  for (const SOCKET s : {client, ws().datagram(family())}) {
    EXPECT_EQ(send_disconnect(s, &data), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAENOPROTOOPT);
    EXPECT_EQ(recv_disconnect(s, &data), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAENOPROTOOPT);
    EXPECT_EQ(send_disconnect(s, nowhere), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
    EXPECT_EQ(recv_disconnect(s, nowhere), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  }
  const SOCKET fresh = ws().stream(family());
  EXPECT_EQ(send_disconnect(fresh), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  EXPECT_EQ(recv_disconnect(fresh), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  EXPECT_EQ(send_disconnect(INVALID_SOCKET), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(recv_disconnect(INVALID_SOCKET), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
  EXPECT_EQ(ws().send(client, "unharmed"), 8);
  EXPECT_EQ(ws().recv(server), "unharmed");
}

}  // namespace
}  // namespace millrace::test
