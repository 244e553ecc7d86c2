// SPDX-License-Identifier: BSD-3-Clause
// Sockets of both families (IPV6_V6ONLY 0) as a program uses them: mapped addresses go in and come
// out, and ports are shared or not as winsock-rules 197 to 199 have it.
#include <cstring>

#define MILLRACE_USE_WS_PREFIX
#include "mswsock.h"
#include "tests/support/messages.h"
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

Address mapped(const std::string& v4, uint16_t port) { return Address::of("::ffff:" + v4, port); }

class DualModeTest : public SpiTest {
 protected:
  SOCKET dual(int type) {
    const SOCKET s = ws().socket(WS_AF_INET6, type);
    EXPECT_EQ(ws().set_option(s, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, 0), 0) << ws().error;
    return s;
  }
  SOCKET dual_at(int type, uint16_t port = 0) {
    const SOCKET s = dual(type);
    EXPECT_EQ(ws().bind(s, Address::any(WS_AF_INET6, port)), 0) << ws().error;
    return s;
  }
  uint16_t port_of(SOCKET s) { return ws().name_of(s).port(); }
  /// @return 0, or the error
  INT bind(SOCKET s, const Address& to) { return ws().bind(s, to) == 0 ? 0 : ws().error; }
};

using DualMode_Options = DualModeTest;
using DualMode_Stream = DualModeTest;
using DualMode_Datagram = DualModeTest;
using Winsock_R197 = DualModeTest;
using Winsock_R198 = DualModeTest;
using Winsock_R199 = DualModeTest;

TEST_F(DualMode_Options, ASocketIsOfIPv6AloneUntilItIsToldOtherwise) {
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    const SOCKET s = ws().socket(WS_AF_INET6, type);
    EXPECT_EQ(ws().option(s, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY), 1);
    EXPECT_EQ(ws().set_option(s, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, 0), 0);
    EXPECT_EQ(ws().option(s, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY), 0);
    ASSERT_EQ(ws().bind(s, Address::any(WS_AF_INET6)), 0);
    EXPECT_EQ(ws().set_option(s, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, 1), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEINVAL) << "it is settled before bind";
    EXPECT_EQ(ws().option(s, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY), 0);
    const SOCKET v4 = ws().socket(WS_AF_INET, type);
    EXPECT_EQ(ws().set_option(v4, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, 0), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAENOPROTOOPT);
  }
}

TEST_F(DualMode_Options, ItHasTheOptionsOfBothFamilies) {
  const SOCKET s = dual(WS_SOCK_DGRAM), only = ws().datagram(WS_AF_INET6);
  EXPECT_EQ(ws().set_option(s, WS_IPPROTO_IP, WS_IP_PKTINFO, 1), 0);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_IP, WS_IP_PKTINFO), 1);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_IPV6, WS_IPV6_PKTINFO), 0) << "each family has its own";
  EXPECT_EQ(ws().set_option(only, WS_IPPROTO_IP, WS_IP_PKTINFO, 1), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
}

TEST_F(DualMode_Options, AnIPv6SocketTakesNoMappedAddress) {
  const uint16_t port = port_of(ws().listener(WS_AF_INET).first);
  const SOCKET stream = ws().stream(WS_AF_INET6), datagram = ws().datagram(WS_AF_INET6);
  EXPECT_EQ(ws().connect(stream, mapped("127.0.0.1", port)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(bind(stream, mapped("127.0.0.1", 0)), WSAEADDRNOTAVAIL);
  EXPECT_EQ(ws().send_to(datagram, "x", mapped("127.0.0.1", port)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
}

TEST_F(DualMode_Stream, AListenerAcceptsBothFamilies) {
  const SOCKET listener = dual_at(WS_SOCK_STREAM);
  ASSERT_EQ(ws().listen(listener), 0) << ws().error;
  const uint16_t port = port_of(listener);
  EXPECT_EQ(ws().name_of(listener), Address::any(WS_AF_INET6, port));
  for (const int family : {WS_AF_INET, WS_AF_INET6}) {
    const SOCKET client = ws().stream(family);
    ASSERT_EQ(ws().connect(client, Address::loopback(family, port)), 0) << ws().error;
    Address from;
    const SOCKET server = ws().accept(listener, &from);
    ASSERT_NE(server, INVALID_SOCKET) << ws().error;
    const uint16_t theirs = port_of(client);
    const bool is_4 = family == WS_AF_INET;
    EXPECT_EQ(from, is_4 ? mapped("127.0.0.1", theirs) : Address::of("::1", theirs));
    EXPECT_EQ(ws().peer_of(server), from);
    EXPECT_EQ(ws().name_of(server), is_4 ? mapped("127.0.0.1", port) : Address::of("::1", port));
    EXPECT_EQ(ws().option(server, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY), 0) << "it is inherited";
    EXPECT_EQ(ws().send(client, "hello"), 5);
    EXPECT_EQ(ws().recv(server), "hello");
    EXPECT_EQ(ws().send(server, "back"), 4);
    EXPECT_EQ(ws().recv(client), "back");
  }
}

TEST_F(DualMode_Stream, ASocketConnectsToBothFamilies) {
  for (const int family : {WS_AF_INET, WS_AF_INET6}) {
    const auto [listener, address] = ws().listener(family);
    const bool is_4 = family == WS_AF_INET;
    const Address to = is_4 ? mapped("127.0.0.1", address.port()) : address;
    for (const bool is_bound : {false, true}) {
      const SOCKET client = is_bound ? dual_at(WS_SOCK_STREAM) : dual(WS_SOCK_STREAM);
      ASSERT_EQ(ws().connect(client, to), 0) << ws().error;
      Address from;
      const SOCKET server = ws().accept(listener, &from);
      EXPECT_EQ(ws().peer_of(client), to);
      EXPECT_EQ(ws().name_of(client), is_4 ? mapped("127.0.0.1", from.port()) : from);
      EXPECT_EQ(ws().send(client, "hello"), 5);
      EXPECT_EQ(ws().recv(server), "hello");
    }
  }
}

TEST_F(DualMode_Stream, ARefusedConnectionMayBeFollowedByOneOfTheOtherFamily) {
  const SOCKET client = dual(WS_SOCK_STREAM);
  const auto [listener, address] = ws().listener(WS_AF_INET6);
  const uint16_t nobody = port_of(dual_at(WS_SOCK_DGRAM));  // of UDP: no listener is there
  EXPECT_EQ(ws().connect(client, mapped("127.0.0.1", nobody)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
  EXPECT_EQ(ws().connect(client, address), 0) << ws().error;
  EXPECT_EQ(ws().peer_of(client), address);
}

TEST_F(DualMode_Stream, OneBoundToAMappedAddressHasIPv4Alone) {
  const SOCKET s = dual(WS_SOCK_STREAM);
  ASSERT_EQ(ws().bind(s, mapped("127.0.0.1", 0)), 0) << ws().error;
  EXPECT_EQ(ws().name_of(s), mapped("127.0.0.1", port_of(s)));
  EXPECT_EQ(ws().connect(s, Address::loopback(WS_AF_INET6, 80)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  ASSERT_EQ(ws().listen(s), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, Address::loopback(WS_AF_INET, port_of(s))), 0);
  Address from;
  EXPECT_NE(ws().accept(s, &from), INVALID_SOCKET);
  EXPECT_EQ(from, mapped("127.0.0.1", port_of(client)));
}

TEST_F(DualMode_Stream, AcceptExTellsMappedAddresses) {
  constexpr DWORD kBytes = sizeof(WS_sockaddr_in6) + 16;
  const SOCKET listener = dual_at(WS_SOCK_STREAM);
  ASSERT_EQ(ws().listen(listener), 0);
  LPFN_ACCEPTEX accept_ex = nullptr;
  ws().fetch(listener, WSAID_ACCEPTEX, accept_ex);
  DWORD n = 0;
  const SOCKET server = ws().stream(WS_AF_INET6);
  Overlap overlap(2 * kBytes);
  (void)accept_ex(listener, server, overlap.memory.data(), 0, kBytes, kBytes, &n, overlap.get());
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, Address::loopback(WS_AF_INET, port_of(listener))), 0);
  ASSERT_EQ(ws().result(listener, overlap, true), 0) << ws().error;
  Address local, remote;
  std::memcpy(local.get(), overlap.memory.data(), sizeof(WS_sockaddr_in6));
  std::memcpy(remote.get(), overlap.memory.data() + kBytes, sizeof(WS_sockaddr_in6));
  EXPECT_EQ(local, mapped("127.0.0.1", port_of(listener)));
  EXPECT_EQ(remote, mapped("127.0.0.1", port_of(client)));
}

TEST_F(DualMode_Datagram, ASocketTalksToBothFamilies) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  const uint16_t port = port_of(s);
  for (const int family : {WS_AF_INET, WS_AF_INET6}) {
    const SOCKET other = ws().datagram(family);
    ASSERT_EQ(ws().send_to(other, "hello", Address::loopback(family, port)), 5) << ws().error;
    Address from;
    EXPECT_EQ(ws().recv_from(s, from), "hello");
    const uint16_t theirs = port_of(other);
    EXPECT_EQ(from,
              family == WS_AF_INET ? mapped("127.0.0.1", theirs) : Address::of("::1", theirs));
    ASSERT_EQ(ws().send_to(s, "back", from), 4) << ws().error;
    Address back;
    EXPECT_EQ(ws().recv_from(other, back), "back");
    EXPECT_EQ(back, Address::loopback(family, port));
  }
}

TEST_F(DualMode_Datagram, APendingReceiveIsTheSame) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  Overlap overlap(16);
  ASSERT_EQ(ws().post_recv(s, overlap), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  const SOCKET other = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().send_to(other, "hello", Address::loopback(WS_AF_INET, port_of(s))), 5);
  EXPECT_EQ(ws().finish(s, overlap), "hello");
}

TEST_F(DualMode_Datagram, ItsPeerMayBeOfOneFamilyAndThenOfTheOther) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  const uint16_t port = port_of(s);
  ASSERT_EQ(ws().set_nonblocking(s), 0);
  for (const int family : {WS_AF_INET, WS_AF_INET6, WS_AF_INET}) {
    const SOCKET other = ws().datagram(family), stranger = ws().datagram(family);
    ASSERT_EQ(ws().bind(other, Address::loopback(family)), 0);
    const uint16_t theirs = port_of(other);
    const bool is_4 = family == WS_AF_INET;
    const Address to = is_4 ? mapped("127.0.0.1", theirs) : Address::of("::1", theirs);
    ASSERT_EQ(ws().connect(s, to), 0) << ws().error;
    EXPECT_EQ(ws().peer_of(s), to);
    EXPECT_EQ(ws().name_of(s), is_4 ? mapped("127.0.0.1", port) : Address::of("::1", port));
    EXPECT_EQ(ws().send(s, "hello"), 5) << ws().error;
    EXPECT_EQ(ws().recv(other), "hello");
    EXPECT_EQ(ws().send_to(stranger, "no", Address::loopback(family, port)), 2);
    EXPECT_EQ(ws().send_to(other, "yes", Address::loopback(family, port)), 3);
    std::string got;
    EXPECT_TRUE(eventually([&] { return !(got = ws().recv(s)).empty(); }));
    EXPECT_EQ(got, "yes");
  }
}

TEST_F(DualMode_Datagram, OneBoundToOneFamilySendsToNoOther) {
  const SOCKET four = dual(WS_SOCK_DGRAM), six = dual(WS_SOCK_DGRAM);
  ASSERT_EQ(ws().bind(four, mapped("127.0.0.1", 0)), 0) << ws().error;
  ASSERT_EQ(ws().bind(six, Address::of("::1", 0)), 0);
  EXPECT_EQ(ws().send_to(four, "x", Address::of("::1", 9)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(ws().send_to(six, "x", mapped("127.0.0.1", 9)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(ws().send_to(four, "four", mapped("127.0.0.1", port_of(four))), 4) << ws().error;
  Address from;
  EXPECT_EQ(ws().recv_from(four, from), "four");
  EXPECT_EQ(from, mapped("127.0.0.1", port_of(four)));
}

TEST_F(DualMode_Datagram, EachFamilyTellsItsPacketsInItsOwnWay) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  LPFN_WSARECVMSG recv_msg = nullptr;
  ws().fetch(s, WSAID_WSARECVMSG, recv_msg);
  DWORD n = 0;
  ASSERT_EQ(ws().set_option(s, WS_IPPROTO_IP, WS_IP_PKTINFO, 1), 0);
  for (const bool wants_6 : {false, true}) {
    ASSERT_EQ(ws().set_option(s, WS_IPPROTO_IPV6, WS_IPV6_PKTINFO, wants_6), 0);
    for (const int family : {WS_AF_INET, WS_AF_INET6}) {
      const SOCKET other = ws().datagram(family);
      ASSERT_EQ(ws().send_to(other, "hello", Address::loopback(family, port_of(s))), 5);
      Message message;
      ASSERT_EQ(recv_msg(s, message.get(), &n, nullptr, nullptr), 0) << GetLastError();
      const bool is_4 = family == WS_AF_INET;
      EXPECT_EQ(message.msg.namelen, INT{sizeof(WS_sockaddr_in6)});
      EXPECT_EQ(message.n_objects(), is_4 || wants_6 ? 1u : 0u);
      EXPECT_EQ(message.object<WS_in_pktinfo>(WS_IPPROTO_IP, WS_IP_PKTINFO).has_value(), is_4);
    }
  }
}

TEST_F(DualMode_Datagram, SendMsgTakesTheSourceOfTheDestinationsFamily) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  LPFN_WSASENDMSG send_msg = nullptr;
  ws().fetch(s, WSAID_WSASENDMSG, send_msg);
  DWORD n = 0;
  const SOCKET other = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().bind(other, Address::loopback(WS_AF_INET)), 0);
  Address to = mapped("127.0.0.1", port_of(other));
  Message message("hello");
  message.msg.name = to.get();
  message.msg.namelen = to.length;
  WS_in_pktinfo four{};
  four.ipi_addr.S_un.S_un_b = {127, 0, 0, 9};
  WS_in6_pktinfo six{};
  six.ipi6_addr.u.Byte[15] = 1;
  message.add(WS_IPPROTO_IPV6, WS_IPV6_PKTINFO, six);
  message.add(WS_IPPROTO_IP, WS_IP_PKTINFO, four);
  ASSERT_EQ(send_msg(s, message.get(), 0, &n, nullptr, nullptr), 0) << GetLastError();
  Address from;
  EXPECT_EQ(ws().recv_from(other, from), "hello");
  EXPECT_EQ(from, Address::of("127.0.0.9", port_of(s)));
}

TEST_F(DualMode_Datagram, ItJoinsGroupsOfBothFamilies) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  const uint16_t port = port_of(s);
  WS_ip_mreq four{};
  four.imr_multiaddr.S_un.S_un_b = {239, 1, 2, 3};
  ASSERT_EQ(
      ws().table.lpWSPSetSockOpt(s, WS_IPPROTO_IP, WS_IP_ADD_MEMBERSHIP,
                                 reinterpret_cast<const CHAR*>(&four), sizeof four, &ws().error),
      0)
      << ws().error;
  WS_ipv6_mreq six{};
  six.ipv6mr_multiaddr.u.Byte[0] = 0xff;
  six.ipv6mr_multiaddr.u.Byte[1] = 0x05;
  six.ipv6mr_multiaddr.u.Byte[15] = 9;
  ASSERT_EQ(
      ws().table.lpWSPSetSockOpt(s, WS_IPPROTO_IPV6, WS_IPV6_ADD_MEMBERSHIP,
                                 reinterpret_cast<const CHAR*>(&six), sizeof six, &ws().error),
      0)
      << ws().error;
  for (const char* group : {"::ffff:239.1.2.3", "ff05::9"}) {
    EXPECT_EQ(ws().send_to(s, "all", Address::of(group, port)), 3) << group << " " << ws().error;
    Address from;
    EXPECT_EQ(ws().recv_from(s, from), "all");
    EXPECT_EQ(from.get()->sa_family, WS_AF_INET6);
    EXPECT_EQ(from.port(), port);
  }
}

TEST_F(Winsock_R197, TheWildcardOfBothFamiliesIsThatOfEach) {
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    const SOCKET s = dual_at(type);
    const uint16_t port = port_of(s);
    EXPECT_EQ(bind(ws().socket(WS_AF_INET, type), Address::any(WS_AF_INET, port)), WSAEADDRINUSE);
    EXPECT_EQ(bind(ws().socket(WS_AF_INET6, type), Address::any(WS_AF_INET6, port)), WSAEADDRINUSE);
    ASSERT_EQ(ws().close(s), 0);
    const SOCKET v4 = ws().socket(WS_AF_INET, type), v6 = ws().socket(WS_AF_INET6, type);
    EXPECT_EQ(bind(v4, Address::any(WS_AF_INET, port)), 0) << "of one family each they do not meet";
    EXPECT_EQ(bind(v6, Address::any(WS_AF_INET6, port)), 0);
    ASSERT_EQ(ws().close(v6), 0);
    EXPECT_EQ(bind(dual(type), Address::any(WS_AF_INET6, port)), WSAEADDRINUSE);
    EXPECT_EQ(bind(dual(type), mapped("0.0.0.0", port)), WSAEADDRINUSE);
  }
}

TEST_F(Winsock_R198, SharingIsAskedForByBoth) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  const uint16_t port = port_of(s);
  const SOCKET second = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().set_option(second, WS_SOL_SOCKET, WS_SO_REUSEADDR, 1), 0);
  EXPECT_EQ(bind(second, Address::any(WS_AF_INET, port)), WSAEACCES);
  ASSERT_EQ(ws().close(s), 0);
  ASSERT_EQ(bind(second, Address::any(WS_AF_INET, port)), 0);
  const SOCKET third = dual(WS_SOCK_DGRAM);
  ASSERT_EQ(ws().set_option(third, WS_SOL_SOCKET, WS_SO_REUSEADDR, 1), 0);
  EXPECT_EQ(bind(third, Address::any(WS_AF_INET6, port)), 0);
}

TEST_F(Winsock_R199, ASpecificAddressGetsItsTraffic) {
  const SOCKET s = dual_at(WS_SOCK_DGRAM);
  const uint16_t port = port_of(s);
  const SOCKET four = ws().datagram(WS_AF_INET);
  ASSERT_EQ(bind(four, Address::loopback(WS_AF_INET, port)), 0);
  const SOCKET sender4 = ws().datagram(WS_AF_INET), sender6 = ws().datagram(WS_AF_INET6);
  EXPECT_EQ(ws().send_to(sender4, "four", Address::loopback(WS_AF_INET, port)), 4);
  EXPECT_EQ(ws().recv(four), "four");
  EXPECT_EQ(ws().send_to(sender6, "six", Address::loopback(WS_AF_INET6, port)), 3);
  EXPECT_EQ(ws().recv(s), "six");
  const SOCKET exclusive = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().set_option(exclusive, WS_SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1), 0);
  EXPECT_EQ(bind(exclusive, Address::any(WS_AF_INET, port)), WSAEADDRINUSE);
  EXPECT_EQ(bind(exclusive, Address::of("127.0.0.2", port)), 0) << "a specific address of its own";
}

}  // namespace
}  // namespace millrace::test
