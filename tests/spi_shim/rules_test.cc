// SPDX-License-Identifier: BSD-3-Clause
// Rules of Winsock's behaviour, by number, that no other suite is about: names, ports that are
// shared, options' lengths, shutdown, datagrams, and what a caller's memory and last error see.
#include <algorithm>
#include <cstring>
#include <string>

#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

class RuleTest : public SpiFamilyTest {
 protected:
  /// A connection whose receiver has the data already.
  std::pair<SOCKET, SOCKET> pair_with(std::string_view text) {
    const auto pair = ws().pair(family());
    EXPECT_EQ(ws().send(pair.first, text), static_cast<int>(text.size()));
    EXPECT_TRUE(ws().is_ready(pair.second, 'r', kPatienceMs));
    return pair;
  }
  /// WSPRecvFrom into one buffer. @return what it returned; n and from are what it wrote
  int recv_from(SOCKET s, std::string& memory, DWORD& n, Address& from, INT& length,
                DWORD flags = 0) {
    WSABUF buffer{static_cast<ULONG>(memory.size()), memory.data()};
    ws().error = 0;
    return ws().table.lpWSPRecvFrom(s, &buffer, 1, &n, &flags, from.get(), &length, nullptr,
                                    nullptr, nullptr, &ws().error);
  }
  std::pair<SOCKET, Address> bound_datagram() {
    const SOCKET s = ws().datagram(family());
    EXPECT_EQ(ws().bind(s, Address::loopback(family())), 0);
    return {s, ws().name_of(s)};
  }
};

#define MILLRACE_RULE(number)                   \
  class Winsock_R##number : public RuleTest {}; \
  MILLRACE_BOTH_SPI_FAMILIES(Winsock_R##number)

MILLRACE_RULE(8);
MILLRACE_RULE(39);
MILLRACE_RULE(71);
MILLRACE_RULE(80);
MILLRACE_RULE(102);
MILLRACE_RULE(105);
MILLRACE_RULE(116);
MILLRACE_RULE(117);
MILLRACE_RULE(131);
MILLRACE_RULE(143);
MILLRACE_RULE(167);
MILLRACE_RULE(179);
MILLRACE_RULE(181);
MILLRACE_RULE(198);

TEST_P(Winsock_R8, AnErrorIsTheCallsAndNotTheThreads) {
  const SOCKET s = ws().stream(family());
  SetLastError(4711);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAENOTCONN);
  EXPECT_EQ(ws().send(s, "x"), SOCKET_ERROR);
  EXPECT_EQ(ws().bind(s, Address()), SOCKET_ERROR);
  EXPECT_EQ(ws().close(0x1234), SOCKET_ERROR);
  EXPECT_EQ(GetLastError(), 4711u);
}

TEST_P(Winsock_R39, AStreamTellsNoSourceAndLeavesItsPlaceAlone) {
  const auto [client, server] = pair_with("abc");
  std::string memory(8, '.');
  DWORD n = 0;
  Address from;
  std::memset(static_cast<void*>(from.get()), 0x5A, sizeof(WS_sockaddr));
  INT length = 77;
  ASSERT_EQ(recv_from(server, memory, n, from, length), 0) << ws().error;
  EXPECT_EQ(n, 3u);
  EXPECT_EQ(length, 77);
  EXPECT_EQ(from.get()->sa_family, 0x5A5A);
}

TEST_P(Winsock_R71, ADuplicateSharesThePortAndTheLastCloseEndsWhatIsPending) {
  const auto [client, server] = ws().pair(family());
  PortOfTest port;
  ASSERT_TRUE(port.add(server, 125));
  WSAPROTOCOL_INFOW info{};
  ASSERT_EQ(ws().table.lpWSPDuplicateSocket(server, GetCurrentProcessId(), &info, &ws().error), 0);
  const SOCKET twin = ws().socket_of(info);
  ASSERT_NE(twin, INVALID_SOCKET);
  Overlap overlap(16);
  ASSERT_EQ(ws().post_recv(twin, overlap), SOCKET_ERROR);
  ASSERT_EQ(ws().close(server), 0);
  EXPECT_TRUE(port.is_empty()) << "the first close cancelled";
  ASSERT_EQ(ws().send(client, "x"), 1);
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.key, 125u);
  EXPECT_EQ(packet.overlapped, overlap.get());
  ASSERT_EQ(ws().post_recv(twin, overlap), SOCKET_ERROR);
  ASSERT_EQ(ws().close(twin), 0);
  EXPECT_FALSE(port.take().ok);
}

TEST_P(Winsock_R80, WaitingForAResultNeedsAnEvent) {
  const auto [client, server] = ws().pair(family());
  Overlap overlap(16);
  ASSERT_EQ(ws().post_recv(server, overlap), SOCKET_ERROR);
  const HANDLE event = overlap.overlapped.hEvent;
  overlap.overlapped.hEvent = reinterpret_cast<HANDLE>(0x1234);
  EXPECT_EQ(ws().result(server, overlap, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_INVALID_HANDLE);
  overlap.overlapped.hEvent = event;
  ASSERT_EQ(ws().send(client, "xy"), 2);
  EXPECT_EQ(ws().result(server, overlap, true), 2);
}

TEST_P(Winsock_R102, ShutdownDoesNotWaitAndTheSocketStaysConnected) {
  const auto [client, server] = ws().pair(family());
  const WS_linger long_time{1, 1000};
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&long_time), sizeof long_time,
                                       &ws().error),
            0);
  ASSERT_EQ(ws().set_nonblocking(client), 0);
  const std::string much(65536, 'x');
  while (ws().send(client, much) > 0)
    continue;  // until the peer, which reads nothing, takes no more
  ASSERT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(ws().shutdown(client, SD_BOTH), 0) << "with everything unsent and a time to linger";
  EXPECT_EQ(ws().connect(client, ws().name_of(server)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEISCONN);
}

TEST_P(Winsock_R105, ATruncatedMessageTellsItsSourceAndNoCount) {
  const auto [receiver, address] = bound_datagram();
  const auto [sender, source] = bound_datagram();
  ASSERT_EQ(ws().send_to(sender, "123456", address), 6);
  std::string memory(4, '.');
  DWORD n = 0xdeadbeef;
  Address from;
  INT length = from.length;
  EXPECT_EQ(recv_from(receiver, memory, n, from, length), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEMSGSIZE);
  EXPECT_EQ(memory, "1234");
  EXPECT_EQ(from, source);
  EXPECT_EQ(n, 0xdeadbeefu) << "a failed call writes none; its overlapped form has it";
}

TEST_P(Winsock_R116, ABroadcastNeedsPermissionBeforeARoute) {
  if (family() != WS_AF_INET) GTEST_SKIP() << "IPv6 has no broadcasts";
  const SOCKET s = ws().datagram(family());
  EXPECT_EQ(ws().send_to(s, "x", Address::of("255.255.255.255", 9)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEACCES);
  ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_BROADCAST, 1), 0);
  if (ws().send_to(s, "x", Address::of("255.255.255.255", 9)) == SOCKET_ERROR) {
    EXPECT_EQ(ws().error, WSAENETUNREACH) << "the loopback leads nowhere";
  }
}

TEST_P(Winsock_R117, AConnectedSocketMayAskForTheSource) {
  const auto [receiver, address] = bound_datagram();
  const auto [sender, source] = bound_datagram();
  ASSERT_EQ(ws().connect(receiver, source), 0);
  ASSERT_EQ(ws().send_to(sender, "abc", address), 3);
  Address from;
  EXPECT_EQ(ws().recv_from(receiver, from), "abc");
  EXPECT_EQ(from, source);
}

TEST_P(Winsock_R131, PushImmediateIsAHint) {
  const auto [client, server] = pair_with("abcd");
  EXPECT_EQ(ws().recv(server, 2, MSG_PUSH_IMMEDIATE), "ab");
  EXPECT_EQ(ws().recv(server, 8, MSG_PUSH_IMMEDIATE), "cd");
}

TEST_P(Winsock_R143, AfterItsEndWasToldAReceivesMemoryIsTheCallersAlone) {
  const auto [client, server] = ws().pair(family());
  Overlap cancelled(16), next(16);
  ASSERT_EQ(ws().post_recv(server, cancelled), SOCKET_ERROR);
  ASSERT_TRUE(CancelIoEx(as_handle(server), cancelled.get()));
  ASSERT_TRUE(cancelled.is_signalled());
  const HANDLE event = cancelled.overlapped.hEvent;
  std::memset(static_cast<void*>(&cancelled.overlapped), 0x77, sizeof cancelled.overlapped);
  const std::string mine(16, 'm');
  cancelled.memory.assign(mine.begin(), mine.end());
  ASSERT_EQ(ws().post_recv(server, next), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "not for the first"), 17);
  EXPECT_EQ(ws().finish(server, next), "not for the firs");
  EXPECT_EQ(ws().recv(server), "t");
  ASSERT_EQ(ws().close(server), 0);
  EXPECT_EQ(std::string(cancelled.memory.begin(), cancelled.memory.end()), mine);
  const auto* const bytes = reinterpret_cast<const unsigned char*>(&cancelled.overlapped);
  for (size_t i = 0; i < sizeof cancelled.overlapped; ++i) ASSERT_EQ(bytes[i], 0x77) << i;
  cancelled.overlapped.hEvent = event;
}

void CALLBACK count(ULONG_PTR counter) { ++*reinterpret_cast<int*>(counter); }

TEST_P(Winsock_R167, ASelectThatWaitsRunsApcsAndOneThatNeedNotDoesNot) {
  const auto [client, server] = ws().pair(family());
  int runs = 0;
  ASSERT_NE(QueueUserAPC(count, GetCurrentThread(), reinterpret_cast<ULONG_PTR>(&runs)), 0u);
  EXPECT_TRUE(ws().is_ready(client, 'w', kPatienceMs));
  EXPECT_EQ(runs, 0);
  EXPECT_FALSE(ws().is_ready(server, 'r', 1)) << "an APC does not end the wait";
  EXPECT_EQ(runs, 1);
}

// Windows reads and writes one byte of some booleans; of the others it says four or one, and writes all
// bytes that there is room for.
TEST_P(Winsock_R179, BooleansAreOneByteOrFour) {
  const SOCKET s = ws().stream(family());
  struct {
    int level, name;
    INT most;  ///< of bytes
  } const booleans[] = {{WS_SOL_SOCKET, WS_SO_KEEPALIVE, 1}, {WS_SOL_SOCKET, WS_SO_DONTROUTE, 1},
                        {WS_IPPROTO_TCP, WS_TCP_NODELAY, 1}, {WS_SOL_SOCKET, WS_SO_REUSEADDR, 4},
                        {WS_SOL_SOCKET, WS_SO_OOBINLINE, 4}, {WS_SOL_SOCKET, WS_SO_BROADCAST, 4},
                        {WS_SOL_SOCKET, SO_DONTLINGER, 4}};
  for (const auto& [level, name, most] : booleans) {
    for (const INT room : {1, 2, 3, 4, 8}) {
      EXPECT_EQ(ws().set_option(s, level, name, 1), 0) << name;
      uint32_t value[2] = {0xEEEEEEEE, 0xEEEEEEEE};
      INT length = room;
      ASSERT_EQ(ws().table.lpWSPGetSockOpt(s, level, name, reinterpret_cast<CHAR*>(value), &length,
                                           &ws().error),
                0);
      const INT told = room < 4 ? 1 : most;
      EXPECT_EQ(length, told) << name << " " << room;
      const INT written = most == 1 ? 1 : std::min(room, 4);
      const uint32_t kept = written == 4 ? 0 : 0xEEEEEEEEu << (8 * written);
      EXPECT_EQ(value[0], kept | 1u) << name << " " << room;
    }
    EXPECT_EQ(ws().set_option(s, level, name, 0x100), 0) << name;
    EXPECT_EQ(ws().option(s, level, name), most == 1 ? 0 : 1) << name << ": its first byte is 0";
    EXPECT_EQ(ws().set_option(s, level, name, 0), 0) << name;
  }
}

TEST_P(Winsock_R181, WhatOnlyStreamsHaveIsUnknownToDatagrams) {
  const SOCKET s = ws().datagram(family());
  struct {
    int level, name;
  } const of_streams[] = {{WS_IPPROTO_TCP, WS_TCP_NODELAY},
                          {WS_IPPROTO_TCP, TCP_FAIL_CONNECT_ON_ICMP_ERROR},
                          {WS_SOL_SOCKET, SO_DONTLINGER}};
  for (const auto& [level, name] : of_streams) {
    EXPECT_EQ(ws().set_option(s, level, name, 1), SOCKET_ERROR) << name;
    EXPECT_EQ(ws().error, WSAENOPROTOOPT) << name;
    EXPECT_EQ(ws().option(s, level, name), -1) << name;
    EXPECT_EQ(ws().error, WSAENOPROTOOPT) << name;
  }
}

// The table of "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE" for binds of one user, row by row.
TEST_P(Winsock_R198, WhoMayShareAPort) {
  constexpr int kNone = 0, kReuse = WS_SO_REUSEADDR, kOwn = SO_EXCLUSIVEADDRUSE;
  constexpr INT kOk = 0, kInUse = WSAEADDRINUSE, kAccess = WSAEACCES;
  struct Row {
    int option;
    bool is_wildcard;
    INT second[6];  ///< none, reuse, exclusive: each to the wildcard, to a specific address
  } const table[] = {{kNone, true, {kInUse, kOk, kAccess, kOk, kInUse, kOk}},
                     {kNone, false, {kOk, kInUse, kOk, kAccess, kInUse, kInUse}},
                     {kReuse, true, {kInUse, kOk, kOk, kOk, kInUse, kOk}},
                     {kReuse, false, {kOk, kInUse, kOk, kOk, kInUse, kInUse}},
                     {kOwn, true, {kInUse, kAccess, kAccess, kAccess, kInUse, kAccess}},
                     {kOwn, false, {kOk, kInUse, kOk, kAccess, kInUse, kInUse}}};
  const auto bind = [this](int type, int option, bool is_wildcard, uint16_t port) {
    const SOCKET s = ws().socket(family(), type);
    if (option != 0) {
      EXPECT_EQ(ws().set_option(s, WS_SOL_SOCKET, option, 1), 0);
    }
    const bool is_bound = ws().bind(s, is_wildcard ? Address::any(family(), port)
                                                   : Address::loopback(family(), port)) == 0;
    return std::pair(s, is_bound ? 0 : ws().error);
  };
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    for (const Row& row : table) {
      for (int i = 0; i < 6; ++i) {
        const int option = i < 2 ? kNone : i < 4 ? kReuse : kOwn;
        const auto [first, none] = bind(type, row.option, row.is_wildcard, 0);
        ASSERT_EQ(none, 0);
        const auto [second, error] = bind(type, option, i % 2 == 0, ws().name_of(first).port());
        EXPECT_EQ(error, row.second[i])
            << "type " << type << ", first " << row.option
            << (row.is_wildcard ? " wildcard" : " specific") << ", second " << i;
        ws().close(first);
        ws().close(second);
      }
    }
  }
}

}  // namespace
}  // namespace millrace::test
