// SPDX-License-Identifier: BSD-3-Clause
// Socket options by rule (winsock-rules 178 to 186), and those that servers set.
#include <cstring>
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "mswsock.h"
#include "tests/support/network_events.h"

namespace millrace::test {
namespace {

class OptionTest : public SpiTest {
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
  void expect_refused(SOCKET s, int level, int name, DWORD value, INT why) {
    EXPECT_EQ(ws().set_option(s, level, name, value), SOCKET_ERROR) << level << " " << name;
    EXPECT_EQ(ws().error, why) << level << " " << name;
  }
  void expect_kept(SOCKET s, int level, int name, DWORD value) {
    EXPECT_EQ(ws().set_option(s, level, name, value), 0) << level << " " << name << " " << ws().error;
    EXPECT_EQ(ws().option(s, level, name), value) << level << " " << name;
  }
};

using Winsock_R178 = OptionTest;
using Winsock_R179 = OptionTest;
using Winsock_R180 = OptionTest;
using Winsock_R181 = OptionTest;
using Winsock_R182 = OptionTest;
using Winsock_R183 = OptionTest;
using Winsock_R184 = OptionTest;
using Winsock_R185 = OptionTest;
using Winsock_R186 = OptionTest;
using Spi_Settings = OptionTest;

TEST_F(Winsock_R178, ABufferOfNothingStillReceivesByPostedBuffers) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  expect_kept(server, WS_SOL_SOCKET, WS_SO_RCVBUF, 0);
  Overlap receive(16);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "posted"), 6);
  EXPECT_EQ(ws().finish(server, receive), "posted");
}

// How much of four bytes a getsockopt with so much room uses, and how much it says.
struct Told {
  uint32_t value;
  INT length;
};

TEST_F(Winsock_R179, BooleansReadBackAs0Or1InTheLengthThatIsThere) {
  const SOCKET s = ws().stream(WS_AF_INET), d = ws().datagram(WS_AF_INET);
  struct {
    SOCKET s;
    int level, name;
  } const booleans[] = {{s, WS_SOL_SOCKET, WS_SO_DEBUG},       {s, WS_SOL_SOCKET, WS_SO_DONTROUTE},
                        {s, WS_SOL_SOCKET, SO_USELOOPBACK},    {s, WS_SOL_SOCKET, SO_RANDOMIZE_PORT},
                        {s, WS_SOL_SOCKET, SO_PORT_SCALABILITY},
                        {s, WS_SOL_SOCKET, SO_REUSE_UNICASTPORT},
                        {d, WS_IPPROTO_IP, IP_DONTFRAGMENT},
                        {d, WS_IPPROTO_IP, IP_RECEIVE_BROADCAST}};
  for (const auto& [of, level, name] : booleans) {
    const uint32_t many = 0x7f;
    EXPECT_EQ(set(of, level, name, &many, 1), 0) << name;
    EXPECT_EQ(ws().option(of, level, name), 1) << name;
    uint32_t value = 0xffffffff;
    INT length = 1;
    EXPECT_EQ(get(of, level, name, &value, length), 0) << name;
    EXPECT_EQ(length, 1);
    EXPECT_EQ(value, 0xffffff01u) << name;
    expect_kept(of, level, name, 0);
  }
}

// As Wine's test_set_getsockopt found it on Windows; no_room is what less than four bytes answer.
TEST_F(Winsock_R179, EachOptionHasWindowsLengths) {
  constexpr Told kOfSocket[] = {{0xdeadbe01, 1}, {0xdead0001, 1}, {1, 4}};
  constexpr Told kOfProtocol[] = {{0xdeadbe01, 1}, {0xdeadbe01, 1}, {1, 4}};
  constexpr Told kByte[] = {{0xdeadbe01, 1}, {0xdeadbe01, 1}, {0xdeadbe01, 1}};
  constexpr Told kNumber[] = {{0xdeadbeef, 0}, {0xdeadbeef, 0}, {1, 4}};
  const SOCKET s = ws().stream(WS_AF_INET), d = ws().datagram(WS_AF_INET),
               s6 = ws().stream(WS_AF_INET6), d6 = ws().datagram(WS_AF_INET6);
  const SOCKET other = ws().stream(WS_AF_INET);
  struct {
    SOCKET s;
    int level, name;
    const Told (&told)[3];
  } const options[] = {
      {d, WS_SOL_SOCKET, WS_SO_BROADCAST, kOfSocket},
      {s, WS_SOL_SOCKET, SO_DONTLINGER, kOfSocket},
      {s, WS_SOL_SOCKET, WS_SO_OOBINLINE, kOfSocket},
      {s, WS_SOL_SOCKET, WS_SO_REUSEADDR, kOfSocket},
      {other, WS_SOL_SOCKET, SO_EXCLUSIVEADDRUSE, kOfSocket},
      {s, WS_SOL_SOCKET, WS_SO_KEEPALIVE, kByte},
      {s, WS_SOL_SOCKET, WS_SO_DONTROUTE, kByte},
      {s, WS_IPPROTO_TCP, WS_TCP_NODELAY, kByte},
      {s, WS_IPPROTO_TCP, WS_TCP_KEEPIDLE, kNumber},
      {s, WS_IPPROTO_TCP, WS_TCP_KEEPCNT, kNumber},
      {s, WS_IPPROTO_TCP, WS_TCP_KEEPINTVL, kNumber},
      {d, WS_IPPROTO_IP, WS_IP_MULTICAST_LOOP, kOfProtocol},
      {d, WS_IPPROTO_IP, WS_IP_MULTICAST_TTL, kOfProtocol},
      {d, WS_IPPROTO_IP, WS_IP_TOS, kOfProtocol},
      {d, WS_IPPROTO_IP, WS_IP_TTL, kOfProtocol},
      {d, WS_IPPROTO_IP, WS_IP_PKTINFO, kNumber},
      {d, WS_IPPROTO_IP, WS_IP_RECVTOS, kNumber},
      {d, WS_IPPROTO_IP, WS_IP_RECVTTL, kNumber},
      {s6, WS_IPPROTO_IPV6, WS_IPV6_DONTFRAG, kOfProtocol},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_HOPS, kOfProtocol},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_MULTICAST_LOOP, kOfProtocol},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_UNICAST_HOPS, kOfProtocol},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_HOPLIMIT, kNumber},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_PKTINFO, kNumber},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_RECVTCLASS, kNumber},
      {d6, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, kByte},
  };
  for (const auto& [of, level, name, told] : options) {
    for (size_t i = 0; i < std::size(told); ++i) {
      SCOPED_TRACE(testing::Message() << level << " " << name << ", room " << (1 << i));
      const int expected = told[i].length == 0 ? SOCKET_ERROR : 0;
      const uint32_t one = 1;
      EXPECT_EQ(set(of, level, name, &one, 1 << i), expected);
      uint32_t value = 0xdeadbeef;
      INT length = 1 << i;
      EXPECT_EQ(get(of, level, name, &value, length), expected);
      EXPECT_EQ(ws().error, expected == 0 ? 0 : WSAEFAULT);
      EXPECT_EQ(value, told[i].value);
      EXPECT_EQ(length, told[i].length);
    }
    const bool takes_nothing = &told == &kOfSocket;
    EXPECT_EQ(set(of, level, name, &told, 0), takes_nothing ? 0 : SOCKET_ERROR) << name;
    EXPECT_EQ(set(of, level, name, nullptr, 0), SOCKET_ERROR) << name;
    EXPECT_EQ(ws().error, WSAEFAULT) << name;
  }
  EXPECT_EQ(ws().option(d, WS_SOL_SOCKET, WS_SO_BROADCAST), 1) << "no bytes changed it";
}

TEST_F(Winsock_R180, LingerTakesItsFourBytes) {
  const SOCKET s = ws().stream(WS_AF_INET);
  WS_linger linger{1, 3};
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_LINGER, &linger, 3), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(set(s, WS_SOL_SOCKET, WS_SO_LINGER, &linger, 4), 0);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, SO_DONTLINGER), 0);
}

TEST_F(Winsock_R181, WhatIsOnlyToldCannotBeSet) {
  const SOCKET s = ws().stream(WS_AF_INET), d = ws().datagram(WS_AF_INET);
  for (const int name : {WS_SO_ACCEPTCONN, WS_SO_TYPE, SO_CONNECT_TIME, SO_GROUP_ID, SO_BSP_STATE,
                         SO_PROTOCOL_INFOW, SO_PROTOCOL_INFOA, WS_SO_RCVLOWAT, WS_SO_SNDLOWAT}) {
    expect_refused(s, WS_SOL_SOCKET, name, 1, WSAENOPROTOOPT);
  }
  expect_refused(d, WS_SOL_SOCKET, SO_MAX_MSG_SIZE, 1, WSAENOPROTOOPT);
  expect_refused(s, WS_IPPROTO_TCP, WS_TCP_MAXSEG, 1000, WSAENOPROTOOPT);
  expect_refused(d, WS_IPPROTO_IP, WS_IP_MTU, 1000, WSAENOPROTOOPT);
}

TEST_F(Winsock_R181, AnOptionOfAnotherKindOfSocketIsUnknown) {
  const SOCKET s = ws().stream(WS_AF_INET), d = ws().datagram(WS_AF_INET),
               d6 = ws().datagram(WS_AF_INET6);
  expect_refused(s, WS_IPPROTO_IP, WS_IP_PKTINFO, 1, WSAENOPROTOOPT);
  expect_refused(s, WS_IPPROTO_IP, IP_DONTFRAGMENT, 1, WSAENOPROTOOPT);
  expect_refused(d, WS_IPPROTO_TCP, TCP_MAXRT, 1, WSAENOPROTOOPT);
  expect_refused(d, WS_SOL_SOCKET, SO_CONDITIONAL_ACCEPT, 1, WSAENOPROTOOPT);
  expect_refused(d6, WS_IPPROTO_IP, WS_IP_PKTINFO, 1, WSAENOPROTOOPT);
  expect_refused(d, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, 1, WSAENOPROTOOPT);
  expect_refused(d, 0x1234, 1, 1, WSAEINVAL);
}

TEST_F(Winsock_R182, SoErrorCanBeSetAndIsKept) {
  const SOCKET s = ws().stream(WS_AF_INET);
  expect_kept(s, WS_SOL_SOCKET, WS_SO_ERROR, WSAECONNREFUSED);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, WS_SO_ERROR), WSAECONNREFUSED) << "reading cleared it";
}

TEST_F(Winsock_R183, ConnectTimeCountsSecondsOfAConnection) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  EXPECT_EQ(ws().option(client, WS_SOL_SOCKET, SO_CONNECT_TIME), 0);
  EXPECT_EQ(ws().option(server, WS_SOL_SOCKET, SO_CONNECT_TIME), 0);
  EXPECT_EQ(ws().option(ws().stream(WS_AF_INET), WS_SOL_SOCKET, SO_CONNECT_TIME), 0xffffffff);
  EXPECT_EQ(ws().option(ws().datagram(WS_AF_INET), WS_SOL_SOCKET, SO_CONNECT_TIME), 0xffffffff);
}

TEST_F(Winsock_R184, ProtocolInfoIsTheCatalogsEntry) {
  const SOCKET s = ws().datagram(WS_AF_INET6);
  WSAPROTOCOL_INFOW wide{};
  INT length = sizeof wide - 1;
  EXPECT_EQ(get(s, WS_SOL_SOCKET, SO_PROTOCOL_INFOW, &wide, length), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(length, 628);
  ASSERT_EQ(get(s, WS_SOL_SOCKET, SO_PROTOCOL_INFOW, &wide, length), 0);
  EXPECT_EQ(wide.iAddressFamily, WS_AF_INET6);
  EXPECT_EQ(wide.iProtocol, WS_IPPROTO_UDP);
  EXPECT_EQ(wide.dwServiceFlags1 & XP1_IFS_HANDLES, 0u) << "sockets are no file handles here";
  WSAPROTOCOL_INFOA narrow{};
  length = sizeof narrow;
  ASSERT_EQ(get(s, WS_SOL_SOCKET, SO_PROTOCOL_INFOA, &narrow, length), 0);
  EXPECT_EQ(narrow.dwCatalogEntryId, wide.dwCatalogEntryId);
  EXPECT_STREQ(narrow.szProtocol, "millrace UDP/IPv6");
}

TEST_F(Winsock_R185, TheLongestMessageAndTheThreadsOpenType) {
  EXPECT_EQ(ws().option(ws().datagram(WS_AF_INET), WS_SOL_SOCKET, SO_MAX_MSG_SIZE), 65507);
  EXPECT_EQ(ws().option(ws().stream(WS_AF_INET), WS_SOL_SOCKET, SO_MAX_MSG_SIZE), -1);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
  EXPECT_EQ(ws().set_option(INVALID_SOCKET, WS_SOL_SOCKET, SO_OPENTYPE, SO_SYNCHRONOUS_NONALERT), 0);
  EXPECT_EQ(ws().option(INVALID_SOCKET, WS_SOL_SOCKET, SO_OPENTYPE), SO_SYNCHRONOUS_NONALERT);
  std::thread([table = ws().table] {
    EXPECT_EQ(Winsock(table).option(INVALID_SOCKET, WS_SOL_SOCKET, SO_OPENTYPE), 0);
  }).join();
  EXPECT_EQ(ws().set_option(INVALID_SOCKET, WS_SOL_SOCKET, SO_OPENTYPE, 0), 0);
}

TEST_F(Winsock_R186, AcceptInheritsAndNonblockingAsItIsThen) {
  const auto [l, address] = ws().listener(WS_AF_INET);
  ASSERT_EQ(ws().set_option(l, WS_SOL_SOCKET, WS_SO_OOBINLINE, 1), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, address), 0);
  ASSERT_TRUE(ws().is_ready(l, 'r', 10'000));
  ASSERT_EQ(ws().set_nonblocking(l), 0);
  const SOCKET server = ws().accept(l);
  EXPECT_EQ(ws().option(server, WS_SOL_SOCKET, WS_SO_OOBINLINE), 1);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
}

TEST_F(Spi_Settings, PortOptionsAreSettledBeforeBind) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().bind(s, Address::loopback(WS_AF_INET)), 0);
  for (const int name : {SO_RANDOMIZE_PORT, SO_PORT_SCALABILITY, SO_REUSE_UNICASTPORT}) {
    expect_refused(s, WS_SOL_SOCKET, name, 1, WSAEINVAL);
  }
  expect_refused(s, WS_IPPROTO_IP, IP_PROTECTION_LEVEL, PROTECTION_LEVEL_RESTRICTED, WSAEINVAL);
}

TEST_F(Spi_Settings, NumbersAreKept) {
  const SOCKET s = ws().stream(WS_AF_INET), s6 = ws().stream(WS_AF_INET6),
               d = ws().datagram(WS_AF_INET), d6 = ws().datagram(WS_AF_INET6);
  expect_kept(s, WS_IPPROTO_IP, WS_IP_TOS, 0x10);
  expect_kept(d6, WS_IPPROTO_IPV6, WS_IPV6_TCLASS, 0xb8);
  expect_refused(s, WS_IPPROTO_IP, WS_IP_TOS, 256, WSAEINVAL);
  expect_kept(s, WS_IPPROTO_TCP, TCP_MAXRT, 7);
  expect_kept(s, WS_IPPROTO_TCP, TCP_MAXRT, 0xffffffff);
  expect_kept(d, WS_IPPROTO_IP, WS_IP_MTU_DISCOVER, 2);
  expect_kept(d6, WS_IPPROTO_IPV6, WS_IPV6_MTU_DISCOVER, 3);
  expect_refused(d, WS_IPPROTO_IP, WS_IP_MTU_DISCOVER, 4, WSAEINVAL);
  expect_refused(s, WS_IPPROTO_IP, WS_IP_MTU_DISCOVER, 2, WSAENOPROTOOPT);
  expect_kept(s6, WS_IPPROTO_IPV6, IPV6_PROTECTION_LEVEL, PROTECTION_LEVEL_UNRESTRICTED);
  expect_refused(s6, WS_IPPROTO_IPV6, IPV6_PROTECTION_LEVEL, 11, WSAEINVAL);
  expect_kept(d6, WS_IPPROTO_IPV6, WS_IPV6_PKTINFO, 1);
  expect_kept(d6, WS_IPPROTO_IPV6, WS_IPV6_HOPLIMIT, 1);
  expect_kept(d6, WS_IPPROTO_IPV6, WS_IPV6_DONTFRAG, 1);
}

TEST_F(Spi_Settings, WhatHasOneValueRefusesOthers) {
  const SOCKET s = ws().stream(WS_AF_INET), d = ws().datagram(WS_AF_INET);
  struct {
    SOCKET s;
    int level, name;
    DWORD value;
  } const fixed[] = {{s, WS_IPPROTO_TCP, TCP_BSDURGENT, 1},
                     {s, WS_IPPROTO_TCP, TCP_EXPEDITED_1122, 0},
                     {s, WS_IPPROTO_TCP, WS_TCP_FASTOPEN, 0}, {d, WS_IPPROTO_UDP, UDP_NOCHECKSUM, 0},
                     {s, WS_SOL_SOCKET, SO_PAUSE_ACCEPT, 0}, {s, WS_SOL_SOCKET, SO_GROUP_PRIORITY, 0}};
  for (const auto& [of, level, name, value] : fixed) {
    expect_kept(of, level, name, value);
    expect_refused(of, level, name, 1 - value, WSAENOPROTOOPT);
    EXPECT_EQ(ws().option(of, level, name), value);
  }
  // [tcp] timestamps is off unless the configuration says more.
  expect_kept(s, WS_IPPROTO_TCP, TCP_TIMESTAMPS, 0);
  expect_refused(s, WS_IPPROTO_TCP, TCP_TIMESTAMPS, 1, WSAENOPROTOOPT);
}

TEST_F(Spi_Settings, InterfacesAreNamedByIndex) {
  const SOCKET d = ws().datagram(WS_AF_INET), d6 = ws().datagram(WS_AF_INET6);
  expect_refused(d, WS_IPPROTO_IP, WS_IP_UNICAST_IF, 0x63000000, WSAEADDRNOTAVAIL);
  expect_refused(d6, WS_IPPROTO_IPV6, WS_IPV6_UNICAST_IF, 99, WSAEADDRNOTAVAIL);
  expect_kept(d, WS_IPPROTO_IP, WS_IP_UNICAST_IF, 0);
  // The loopback's index, in network order, is read back in the host's.
  EXPECT_EQ(ws().set_option(d, WS_IPPROTO_IP, WS_IP_UNICAST_IF, 0x01000000), 0) << ws().error;
  EXPECT_EQ(ws().option(d, WS_IPPROTO_IP, WS_IP_UNICAST_IF), 1);
}

TEST_F(Spi_Settings, OfAConnectionTheSegmentAndTheMtuAreTold) {
  const auto [client, server] = ws().pair(WS_AF_INET6);
  const int64_t segment = ws().option(client, WS_IPPROTO_TCP, WS_TCP_MAXSEG);
  EXPECT_GE(segment, 1220);
  EXPECT_EQ(ws().option(client, WS_IPPROTO_IPV6, WS_IPV6_MTU), segment + 60);
  EXPECT_EQ(ws().option(client, WS_IPPROTO_TCP, TCP_ATMARK), 1);
  const SOCKET fresh = ws().stream(WS_AF_INET6);
  EXPECT_EQ(ws().option(fresh, WS_IPPROTO_TCP, WS_TCP_MAXSEG), -1);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  EXPECT_EQ(ws().option(ws().datagram(WS_AF_INET), WS_IPPROTO_IP, WS_IP_MTU), -1);
  EXPECT_EQ(ws().error, WSAENOTCONN);
}

TEST_F(Spi_Settings, TheStateOfASocketHasBothAddresses) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  alignas(CSADDR_INFO) CHAR memory[sizeof(CSADDR_INFO) + 2 * sizeof(WS_sockaddr_in)];
  INT length = sizeof memory - 1;
  EXPECT_EQ(get(client, WS_SOL_SOCKET, SO_BSP_STATE, memory, length), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  ASSERT_EQ(length, static_cast<INT>(sizeof memory));
  ASSERT_EQ(get(client, WS_SOL_SOCKET, SO_BSP_STATE, memory, length), 0);
  CSADDR_INFO state;
  std::memcpy(&state, memory, sizeof state);
  EXPECT_EQ(state.iProtocol, WS_IPPROTO_TCP);
  Address local, remote;
  std::memcpy(static_cast<void*>(local.get()), state.LocalAddr.lpSockaddr, sizeof(WS_sockaddr_in));
  std::memcpy(static_cast<void*>(remote.get()), state.RemoteAddr.lpSockaddr, sizeof(WS_sockaddr_in));
  EXPECT_EQ(local, ws().name_of(client));
  EXPECT_EQ(remote, ws().name_of(server));
}

TEST_F(Spi_Settings, ADatagramThatMayNotBeCutIsRefused) {
  const SOCKET from = ws().datagram(WS_AF_INET), to = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().bind(to, Address::loopback(WS_AF_INET)), 0);
  ASSERT_EQ(ws().connect(from, ws().name_of(to)), 0);
  const auto mtu = static_cast<size_t>(ws().option(from, WS_IPPROTO_IP, WS_IP_MTU));
  const std::string fits(mtu - 28, 'x'), long_one(mtu - 27, 'x');
  EXPECT_EQ(ws().send(from, long_one), static_cast<int>(long_one.size()));
  ASSERT_EQ(ws().set_option(from, WS_IPPROTO_IP, IP_DONTFRAGMENT, 1), 0);
  EXPECT_EQ(ws().send(from, long_one), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEMSGSIZE);
  EXPECT_EQ(ws().send(from, fits), static_cast<int>(fits.size()));
  EXPECT_EQ(ws().recv(to).size(), long_one.size());
  EXPECT_EQ(ws().recv(to).size(), fits.size());
}

}  // namespace
}  // namespace millrace::test
