// SPDX-License-Identifier: BSD-3-Clause
// What the network reports, as a program sees it: "port unreachable" on datagram sockets, the
// ioctls that switch it off, and the settings of keep-alive. The peer is ourselves, over the
// loopback.
#include <algorithm>
#include <thread>

#include "mstcpip.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

class Spi_NetworkErrors : public SpiFamilyTest {
 protected:
  SOCKET bound_datagram() {
    const SOCKET s = ws().datagram(family());
    EXPECT_EQ(ws().bind(s, Address::loopback(family())), 0);
    return s;
  }
  /// An address where nobody is any more.
  Address closed_port() {
    const SOCKET s = bound_datagram();
    const Address name = ws().name_of(s);
    EXPECT_EQ(ws().close(s), 0);
    return name;
  }
  int ioctl(SOCKET s, DWORD code, const void* in, DWORD in_bytes) {
    ws().error = 0;
    DWORD n_out = 77;
    const int result = ws().table.lpWSPIoctl(s, code, const_cast<void*>(in), in_bytes, nullptr, 0,
                                             &n_out, nullptr, nullptr, nullptr, &ws().error);
    EXPECT_EQ(n_out, 0u);
    return result;
  }
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_NetworkErrors);

TEST_P(Spi_NetworkErrors, ADatagramToNobodyFailsTheNextReceive) {  // winsock-rules 114
  const SOCKET s = bound_datagram();
  ASSERT_EQ(ws().send_to(s, "hello?", closed_port()), 6);
  EXPECT_TRUE(ws().is_ready(s, 'r', 10'000));
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
  ASSERT_EQ(ws().send_to(s, "self", ws().name_of(s)), 4);
  EXPECT_EQ(ws().recv(s), "self");
}

TEST_P(Spi_NetworkErrors, AReceiveThatBlocksHearsOfIt) {
  const SOCKET s = bound_datagram();
  ASSERT_EQ(ws().connect(s, closed_port()), 0);
  std::thread sender([&] {
    Winsock mine(ws().table);
    wait_until_somebody_waits();
    EXPECT_EQ(mine.send(s, "hello?"), 6);
  });
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
  sender.join();
}

TEST_P(Spi_NetworkErrors, AnOverlappedReceiveCompletesWithIt) {
  const SOCKET s = bound_datagram();
  Overlap pending(10);
  ASSERT_EQ(ws().post_recv(s, pending), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  ASSERT_EQ(ws().send_to(s, "hello?", closed_port()), 6);
  EXPECT_EQ(ws().result(s, pending, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNRESET);
  EXPECT_TRUE(pending.is_signalled());
}

TEST_P(Spi_NetworkErrors, TheIoctlSwitchesItOff) {  // winsock-rules 115
  const SOCKET s = bound_datagram();
  const BOOL off = FALSE;
  ASSERT_EQ(ioctl(s, SIO_UDP_CONNRESET, &off, sizeof off), 0) << ws().error;
  ASSERT_EQ(ioctl(s, SIO_UDP_NETRESET, &off, sizeof off), 0) << ws().error;
  ASSERT_EQ(ws().send_to(s, "hello?", closed_port()), 6);
  EXPECT_TRUE(eventually([&] {
    (void)ws().is_ready(s, 'x');  // turns the Stack
    return counters()["icmp_errors_ignored"] == 1;
  }));
  EXPECT_FALSE(ws().is_ready(s, 'r'));
  const BOOL on = TRUE;
  ASSERT_EQ(ioctl(s, SIO_UDP_CONNRESET, &on, sizeof on), 0);
  ASSERT_EQ(ws().send_to(s, "hello?", closed_port()), 6);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
}

TEST_P(Spi_NetworkErrors, TheIoctlsCheckWhatTheyAreGiven) {
  const SOCKET udp = ws().datagram(family()), tcp = ws().stream(family());
  const BOOL on = TRUE;
  const tcp_keepalive keep{1, 1000, 100};
  for (const DWORD code : {SIO_UDP_CONNRESET, SIO_UDP_NETRESET}) {
    EXPECT_EQ(ioctl(udp, code, &on, 3), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
    EXPECT_EQ(ioctl(udp, code, nullptr, 4), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
    EXPECT_EQ(ioctl(tcp, code, &on, sizeof on), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  }
  EXPECT_EQ(ioctl(tcp, SIO_KEEPALIVE_VALS, &keep, 11), SOCKET_ERROR);  // winsock-rules 175
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ioctl(tcp, SIO_KEEPALIVE_VALS, nullptr, 12), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ioctl(udp, SIO_KEEPALIVE_VALS, &keep, sizeof keep), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  EXPECT_EQ(ws().option(tcp, WS_SOL_SOCKET, WS_SO_KEEPALIVE), 0);
}

TEST_P(Spi_NetworkErrors, KeepAliveValuesAreTheOptions) {  // winsock-rules 175
  const auto [client, server] = ws().pair(family());
  const tcp_keepalive on{1, 5'000, 2'000};
  ASSERT_EQ(ioctl(client, SIO_KEEPALIVE_VALS, &on, sizeof on), 0) << ws().error;
  EXPECT_EQ(ws().option(client, WS_SOL_SOCKET, WS_SO_KEEPALIVE), 1);
  EXPECT_EQ(ws().option(client, WS_IPPROTO_TCP, WS_TCP_KEEPIDLE), 5);
  EXPECT_EQ(ws().option(client, WS_IPPROTO_TCP, WS_TCP_KEEPINTVL), 2);
  const tcp_keepalive off{0, 0, 0};
  ASSERT_EQ(ioctl(client, SIO_KEEPALIVE_VALS, &off, sizeof off), 0);
  EXPECT_EQ(ws().option(client, WS_SOL_SOCKET, WS_SO_KEEPALIVE), 0);
  EXPECT_EQ(ws().option(client, WS_IPPROTO_TCP, WS_TCP_KEEPIDLE), 5);
}

TEST_P(Spi_NetworkErrors, KeepAliveOptionsHaveLimits) {
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, TCP_KEEPALIVE), 7200);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, WS_TCP_KEEPINTVL), 1);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, WS_TCP_KEEPCNT), 10);
  for (const int name : {WS_TCP_KEEPIDLE, WS_TCP_KEEPINTVL, WS_TCP_KEEPCNT}) {
    EXPECT_EQ(ws().set_option(s, WS_IPPROTO_TCP, name, 25), 0);
    EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, name), 25);
    for (const DWORD bad : {0u, name == WS_TCP_KEEPCNT ? 256u : 2'147'484u, 0xffffffffu}) {
      EXPECT_EQ(ws().set_option(s, WS_IPPROTO_TCP, name, bad), SOCKET_ERROR);
      EXPECT_EQ(ws().error, WSAEINVAL);
    }
    EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, name), 25);
  }
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR), 1);
  EXPECT_EQ(ws().set_option(s, WS_IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR, 0), 0);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR), 0);
}

class Spi_Linger : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Linger);

TEST_P(Spi_Linger, TimeThatRunsOutEndsInAReset) {  // winsock-rules 136
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().set_nonblocking(client), 0);
  size_t n_sent = 0;
  const std::string part(50'000, 'x');
  constexpr size_t kMoreThanTheWindow = 524'288 + 100'000;
  ASSERT_TRUE(eventually([&] {
    n_sent += static_cast<size_t>(std::max(ws().send(client, part), 0));
    return n_sent > kMoreThanTheWindow;
  }));
  ASSERT_EQ(ws().set_nonblocking(client, false), 0);
  const WS_linger one_second{1, 1};
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&one_second),
                                       sizeof one_second, &ws().error),
            0);
  EXPECT_EQ(ws().close(client), 0);
  EXPECT_LT(ws().recv_all(server, n_sent).size(), n_sent);  // what its window had let in
  EXPECT_EQ(ws().error, WSAECONNRESET);
}

}  // namespace
}  // namespace millrace::test
