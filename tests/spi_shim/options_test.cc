// SPDX-License-Identifier: BSD-3-Clause
// Options and ioctls: what is set is read back, in the width that Windows gives it, and does what
// it says.
#include <cstring>

#include "tests/support/spi.h"

namespace millrace::test {
namespace {

class Spi_Options : public SpiFamilyTest {
 protected:
  int set(SOCKET s, int level, int name, const void* value, int length) {
    ws().error = 0;
    return ws().table.lpWSPSetSockOpt(s, level, name, static_cast<const CHAR*>(value), length,
                                      &ws().error);
  }
  int get(SOCKET s, int level, int name, void* value, INT& length) {
    ws().error = 0;
    return ws().table.lpWSPGetSockOpt(s, level, name, static_cast<CHAR*>(value), &length,
                                      &ws().error);
  }
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Options);

TEST_P(Spi_Options, BufferSizesReadBackExactly) {  // winsock-rules 178
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    const SOCKET s = ws().socket(family(), type);
    for (const int name : {WS_SO_RCVBUF, WS_SO_SNDBUF}) {
      EXPECT_GT(ws().option(s, WS_SOL_SOCKET, name), 0);
      for (const DWORD value : {4096u, 0u, 3000u, 1'000'000u}) {
        EXPECT_EQ(ws().set_option(s, WS_SOL_SOCKET, name, value), 0);
        EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, name), value);
      }
    }
  }
}

TEST_P(Spi_Options, TimeoutsReadBack) {
  const SOCKET s = ws().stream(family());
  for (const int name : {WS_SO_RCVTIMEO, WS_SO_SNDTIMEO}) {
    EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, name), 0);
    EXPECT_EQ(ws().set_option(s, WS_SOL_SOCKET, name, 1234), 0);
    EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, name), 1234);
  }
}

TEST_P(Spi_Options, BooleansTakeAnyLengthAndBecome0Or1) {  // winsock-rules 179
  const SOCKET s = ws().stream(family());
  struct {
    int level, name;
  } const booleans[] = {{WS_SOL_SOCKET, WS_SO_KEEPALIVE},
                        {WS_SOL_SOCKET, WS_SO_BROADCAST},
                        {WS_SOL_SOCKET, WS_SO_REUSEADDR},
                        {WS_IPPROTO_TCP, WS_TCP_NODELAY}};
  for (const auto& [level, name] : booleans) {
    const DWORD many = 0x7f;
    for (const int length : {1, 2, 4}) {
      EXPECT_EQ(set(s, level, name, &many, length), 0) << name;
      EXPECT_EQ(ws().option(s, level, name), 1) << name;
      const DWORD zero = 0;
      EXPECT_EQ(set(s, level, name, &zero, length), 0) << name;
      EXPECT_EQ(ws().option(s, level, name), 0) << name;
    }
    DWORD value = 0xffffffff;
    INT length = 1;
    EXPECT_EQ(get(s, level, name, &value, length), 0) << name;
    EXPECT_EQ(length, 1);
    EXPECT_EQ(value, 0xffffff00u);
  }
}

TEST_P(Spi_Options, ShortNumbersAreFaults) {
  const SOCKET s = ws().stream(family());
  DWORD value = 1000;
  for (const int length : {0, 1, 3}) {
    EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_RCVBUF, &value, length), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT) << length;
    INT room = length;
    EXPECT_EQ(get(s, WS_SOL_SOCKET, WS_SO_RCVBUF, &value, room), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT) << length;
  }
}

// Wine's test of set and getsockopt, as Windows 10 21H1 and later pass it: five cases of a negative length.

TEST_P(Spi_Options, ANegativeLengthIsEnoughForWhatSolSocketHasInNumbers) {
  const SOCKET s = ws().stream(family());
  const DWORD value = 5000;
  for (const int name : {WS_SO_RCVBUF, WS_SO_SNDBUF, WS_SO_RCVTIMEO, WS_SO_SNDTIMEO}) {
    EXPECT_EQ(set(s, WS_SOL_SOCKET, name, &value, -1), 0) << name << " " << ws().error;
    EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, name), 5000) << name;
  }
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_OOBINLINE, &value, INT_MIN), 0);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, WS_SO_OOBINLINE), 1);
  const WS_linger on{1, 7};
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_LINGER, &on, -1), 0);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, SO_DONTLINGER), 0);
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_RCVBUF, nullptr, -1), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

TEST_P(Spi_Options, ANegativeLengthIsRefusedByWhatIsOneByte) {
  const SOCKET s = ws().stream(family());
  const DWORD on = 1;
  for (const int name : {WS_SO_KEEPALIVE, WS_SO_DONTROUTE}) {
    EXPECT_EQ(set(s, WS_SOL_SOCKET, name, &on, -1), SOCKET_ERROR) << name;
    EXPECT_EQ(ws().error, WSAENOBUFS) << name;
    EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, name), 0) << name;
  }
}

TEST_P(Spi_Options, ANegativeLengthIsRefusedBeyondSolSocket) {
  const SOCKET s = ws().stream(family());
  const DWORD value = 1;
  const int level = family() == WS_AF_INET ? WS_IPPROTO_IP : WS_IPPROTO_IPV6;
  const int hops = family() == WS_AF_INET ? WS_IP_TTL : WS_IPV6_UNICAST_HOPS;
  EXPECT_EQ(set(s, WS_IPPROTO_TCP, WS_TCP_NODELAY, &value, -1), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOBUFS);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, WS_TCP_NODELAY), 0);
  EXPECT_EQ(set(s, level, hops, &value, -1), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOBUFS);
  EXPECT_NE(ws().option(s, level, hops), 1);
}

TEST_P(Spi_Options, ANegativeRoomIsAFaultAndStaysWhatItWas) {
  const SOCKET s = ws().stream(family());
  const struct {
    int level, name;
  } options[] = {{WS_SOL_SOCKET, WS_SO_RCVBUF}, {WS_SOL_SOCKET, WS_SO_KEEPALIVE},
                 {WS_SOL_SOCKET, WS_SO_LINGER}, {WS_IPPROTO_TCP, WS_TCP_NODELAY}};
  for (const auto& [level, name] : options) {
    DWORD value = 0xdeadbeef;
    INT room = -1;
    EXPECT_EQ(get(s, level, name, &value, room), SOCKET_ERROR) << name;
    EXPECT_EQ(ws().error, WSAEFAULT) << name;
    EXPECT_EQ(room, -1) << name;
    EXPECT_EQ(value, 0xdeadbeefu) << name;
  }
}

TEST_P(Spi_Options, ANegativeLengthIsEnoughForTheOpenType) {
  const SOCKET s = ws().stream(family());
  const DWORD type = SO_SYNCHRONOUS_NONALERT, before = 0;
  EXPECT_EQ(set(s, WS_SOL_SOCKET, SO_OPENTYPE, &type, -1), 0);
  DWORD value = 0;
  INT room = -1;
  EXPECT_EQ(get(s, WS_SOL_SOCKET, SO_OPENTYPE, &value, room), 0);
  EXPECT_EQ(value, type);
  EXPECT_EQ(room, 4);
  EXPECT_EQ(set(s, WS_SOL_SOCKET, SO_OPENTYPE, &before, 4), 0);
}

TEST_P(Spi_Options, LingerAndDontLingerAreOne) {  // winsock-rules 180
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, SO_DONTLINGER), 1);
  const WS_linger on{1, 7};
  ASSERT_EQ(set(s, WS_SOL_SOCKET, WS_SO_LINGER, &on, sizeof on), 0);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, SO_DONTLINGER), 0);
  WS_linger read{};
  INT length = sizeof read;
  ASSERT_EQ(get(s, WS_SOL_SOCKET, WS_SO_LINGER, &read, length), 0);
  EXPECT_EQ(read.l_onoff, 1);
  EXPECT_EQ(read.l_linger, 7);
  EXPECT_EQ(length, 4);
  ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, SO_DONTLINGER, 1), 0);
  length = sizeof read;
  ASSERT_EQ(get(s, WS_SOL_SOCKET, WS_SO_LINGER, &read, length), 0);
  EXPECT_EQ(read.l_onoff, 0);
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_LINGER, &on, 3), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

TEST_P(Spi_Options, UnknownOnesAndUnknownLevels) {  // winsock-rules 181
  const SOCKET s = ws().stream(family());
  DWORD value = 1;
  INT length = sizeof value;
  EXPECT_EQ(set(s, WS_SOL_SOCKET, 0x7777, &value, 4), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
  EXPECT_EQ(get(s, WS_IPPROTO_TCP, 0x7777, &value, length), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
  EXPECT_EQ(set(s, 0x1234, 1, &value, 4), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_ACCEPTCONN, &value, 4), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_TYPE, &value, 4), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
}

TEST_P(Spi_Options, TellWhatASocketIs) {
  const SOCKET udp = ws().datagram(family());
  EXPECT_EQ(ws().option(udp, WS_SOL_SOCKET, WS_SO_TYPE), WS_SOCK_DGRAM);
  EXPECT_EQ(ws().option(udp, WS_SOL_SOCKET, WS_SO_ERROR), 0);
  const auto [l, address] = ws().listener(family());
  EXPECT_EQ(ws().option(l, WS_SOL_SOCKET, WS_SO_ACCEPTCONN), 1);
  EXPECT_EQ(ws().option(udp, WS_SOL_SOCKET, WS_SO_ACCEPTCONN), 0);
}

TEST_P(Spi_Options, AreInheritedByAcceptedSockets) {  // winsock-rules 186
  const auto [l, address] = ws().listener(family());
  struct {
    int level, name;
    DWORD value;
  } const inherited[] = {
      {WS_SOL_SOCKET, WS_SO_KEEPALIVE, 1},   {WS_SOL_SOCKET, WS_SO_RCVBUF, 20'000},
      {WS_SOL_SOCKET, WS_SO_SNDBUF, 30'000}, {WS_SOL_SOCKET, WS_SO_RCVTIMEO, 5000},
      {WS_SOL_SOCKET, WS_SO_SNDTIMEO, 6000}, {WS_IPPROTO_TCP, WS_TCP_NODELAY, 1},
      {WS_SOL_SOCKET, SO_DONTLINGER, 0}};
  for (const auto& [level, name, value] : inherited) {
    ASSERT_EQ(ws().set_option(l, level, name, value), 0);
  }
  const SOCKET client = ws().stream(family());
  ASSERT_EQ(ws().connect(client, address), 0);
  const SOCKET server = ws().accept(l);
  for (const auto& [level, name, value] : inherited) {
    EXPECT_EQ(ws().option(server, level, name), value) << name;
  }
}

TEST_P(Spi_Options, BroadcastNeedsPermission) {
  if (family() != WS_AF_INET) GTEST_SKIP() << "IPv6 has no broadcast";
  const SOCKET s = ws().datagram(family());
  EXPECT_EQ(ws().send_to(s, "x", Address::of("127.255.255.255", 9)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEACCES);
}

class Spi_Ioctl : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Ioctl);

TEST_P(Spi_Ioctl, NonblockingIsSwitchedOnAndOff) {
  const auto [client, server] = ws().pair(family());
  ASSERT_EQ(ws().set_nonblocking(server), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  ASSERT_EQ(ws().set_nonblocking(server, false), 0);
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 20), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAETIMEDOUT);
}

TEST_P(Spi_Ioctl, ReadableBytesOfAStream) {  // winsock-rules 170
  const auto [client, server] = ws().pair(family());
  EXPECT_EQ(ws().readable_bytes(server), 0);
  ASSERT_EQ(ws().send(client, "12345"), 5);
  EXPECT_TRUE(ws().is_ready(server, 'r', 10'000));
  EXPECT_EQ(ws().readable_bytes(server), 5);
  EXPECT_EQ(ws().recv(server, 2), "12");
  EXPECT_EQ(ws().readable_bytes(server), 3);
  const SOCKET fresh = ws().stream(family());
  EXPECT_EQ(ws().readable_bytes(fresh), 0);
}

TEST_P(Spi_Ioctl, ReadableBytesOfDatagramsAreTheSum) {  // winsock-rules 118
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const SOCKET sender = ws().datagram(family());
  ASSERT_EQ(ws().send_to(sender, "12", ws().name_of(s)), 2);
  ASSERT_EQ(ws().send_to(sender, "3456", ws().name_of(s)), 4);
  EXPECT_TRUE(eventually([&] {
    (void)ws().is_ready(s, 'x');  // turns the Stack
    return ws().readable_bytes(s) == 6;
  }));
}

}  // namespace
}  // namespace millrace::test
