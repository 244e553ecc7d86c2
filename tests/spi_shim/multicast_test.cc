// SPDX-License-Identifier: BSD-3-Clause
// Multicast through the SPI: each option's shape, its errors, and WSPJoinLeaf. On the embedded
// loopback groups are joined in the process alone; what the network sees is in
// tests/stack/multicast_wire_test.cc.
#include <arpa/inet.h>

#include <cstring>

#include "tests/support/spi.h"

namespace millrace::test {
namespace {

class Spi_Multicast : public SpiFamilyTest {
 protected:
  const char* group() const { return family() == WS_AF_INET ? "239.1.2.3" : "ff05::1:3"; }
  int level() const { return family() == WS_AF_INET ? WS_IPPROTO_IP : WS_IPPROTO_IPV6; }
  const char* self() const { return family() == WS_AF_INET ? "127.0.0.1" : "::1"; }

  template <typename T>
  int set(SOCKET s, int name, const T& value, int length = sizeof(T)) {
    ws().error = 0;
    return ws().table.lpWSPSetSockOpt(s, level(), name, reinterpret_cast<const CHAR*>(&value),
                                      length, &ws().error);
  }
  int join(SOCKET s, bool joins = true) {
    if (family() == WS_AF_INET) {
      WS_ip_mreq request{};
      inet_pton(AF_INET, group(), &request.imr_multiaddr);
      return set(s, joins ? WS_IP_ADD_MEMBERSHIP : WS_IP_DROP_MEMBERSHIP, request);
    }
    WS_ipv6_mreq request{};
    inet_pton(AF_INET6, group(), &request.ipv6mr_multiaddr);
    return set(s, joins ? WS_IPV6_ADD_MEMBERSHIP : WS_IPV6_DROP_MEMBERSHIP, request);
  }
  static void store(WS_sockaddr_storage& to, const char* address, int family) {
    const Address from = Address::of(address, 0);
    std::memcpy(&to, from.get(),
                family == WS_AF_INET ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6));
  }
  WS_group_source_req request_for(const char* source) const {
    WS_group_source_req request{};
    store(request.gsr_group, group(), family());
    store(request.gsr_source, source, family());
    return request;
  }
  SOCKET bound() {
    const SOCKET s = ws().datagram(family());
    EXPECT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_REUSEADDR, 1), 0);
    EXPECT_EQ(ws().bind(s, Address::any(family(), port_)), 0) << ws().error;
    port_ = ws().name_of(s).port();
    EXPECT_EQ(ws().set_nonblocking(s), 0);
    return s;
  }
  uint16_t port_ = 0;
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Multicast);

TEST_P(Spi_Multicast, MembersHearWhatIsSentToTheGroup) {
  const SOCKET a = bound(), b = bound(), stranger = bound();
  ASSERT_EQ(join(a), 0) << ws().error;
  ASSERT_EQ(join(b), 0) << ws().error;
  EXPECT_EQ(ws().send_to(a, "hello", Address::of(group(), port_)), 5) << ws().error;
  EXPECT_EQ(ws().recv(a), "hello");
  EXPECT_EQ(ws().recv(b), "hello");
  EXPECT_EQ(ws().recv(stranger), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
}

TEST_P(Spi_Multicast, MembershipsAreTakenBack) {
  const SOCKET s = bound();
  ASSERT_EQ(join(s), 0);
  EXPECT_EQ(join(s), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(join(s, false), 0);
  EXPECT_EQ(join(s, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ws().send_to(s, "x", Address::of(group(), port_)), 1);
  EXPECT_EQ(ws().recv(s), "");
}

TEST_P(Spi_Multicast, ProtocolIndependentOptionsFilterSources) {
  const SOCKET s = bound();
  const auto elsewhere = request_for(family() == WS_AF_INET ? "192.0.2.9" : "2001:db8::9");
  const auto here = request_for(self());
  ASSERT_EQ(set(s, WS_MCAST_JOIN_SOURCE_GROUP, elsewhere), 0) << ws().error;
  EXPECT_EQ(ws().send_to(s, "unwanted", Address::of(group(), port_)), 8);
  EXPECT_EQ(ws().recv(s), "");
  ASSERT_EQ(set(s, WS_MCAST_JOIN_SOURCE_GROUP, here), 0) << ws().error;
  EXPECT_EQ(ws().send_to(s, "wanted", Address::of(group(), port_)), 6);
  EXPECT_EQ(ws().recv(s), "wanted");
  EXPECT_EQ(set(s, WS_MCAST_LEAVE_SOURCE_GROUP, here), 0);
  EXPECT_EQ(set(s, WS_MCAST_LEAVE_SOURCE_GROUP, here), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(set(s, WS_MCAST_LEAVE_SOURCE_GROUP, elsewhere), 0);
  WS_group_req any{};
  store(any.gr_group, group(), family());
  ASSERT_EQ(set(s, WS_MCAST_JOIN_GROUP, any), 0) << ws().error;
  ASSERT_EQ(set(s, WS_MCAST_BLOCK_SOURCE, here), 0) << ws().error;
  EXPECT_EQ(ws().send_to(s, "blocked", Address::of(group(), port_)), 7);
  EXPECT_EQ(ws().recv(s), "");
  ASSERT_EQ(set(s, WS_MCAST_UNBLOCK_SOURCE, here), 0);
  EXPECT_EQ(ws().send_to(s, "unblocked", Address::of(group(), port_)), 9);
  EXPECT_EQ(ws().recv(s), "unblocked");
  EXPECT_EQ(set(s, WS_MCAST_LEAVE_GROUP, any), 0);
}

TEST_P(Spi_Multicast, LoopIsTheReceiversOption) {
  const SOCKET sender = bound(), deaf = bound();
  ASSERT_EQ(join(sender), 0);
  ASSERT_EQ(join(deaf), 0);
  const int loop = family() == WS_AF_INET ? WS_IP_MULTICAST_LOOP : WS_IPV6_MULTICAST_LOOP;
  EXPECT_EQ(ws().option(deaf, level(), loop), 1);
  EXPECT_EQ(ws().set_option(deaf, level(), loop, 0), 0);
  EXPECT_EQ(ws().option(deaf, level(), loop), 0);
  EXPECT_EQ(ws().send_to(sender, "x", Address::of(group(), port_)), 1);
  EXPECT_EQ(ws().recv(sender), "x");
  EXPECT_EQ(ws().recv(deaf), "");
}

TEST_P(Spi_Multicast, HopsReadBack) {
  const SOCKET s = ws().datagram(family());
  const int hops = family() == WS_AF_INET ? WS_IP_MULTICAST_TTL : WS_IPV6_MULTICAST_HOPS;
  EXPECT_EQ(ws().option(s, level(), hops), 1);
  EXPECT_EQ(ws().set_option(s, level(), hops, 7), 0);
  EXPECT_EQ(ws().option(s, level(), hops), 7);
  EXPECT_EQ(ws().set_option(s, level(), hops, 256), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  const int unicast = family() == WS_AF_INET ? WS_IP_TTL : WS_IPV6_UNICAST_HOPS;
  EXPECT_EQ(ws().option(s, level(), unicast), 128);
  EXPECT_EQ(ws().set_option(s, level(), unicast, 3), 0);
  EXPECT_EQ(ws().option(s, level(), unicast), 3);
}

TEST_P(Spi_Multicast, IoctlsSetTheSame) {
  const SOCKET s = ws().datagram(family());
  const auto ioctl = [&](DWORD code, DWORD value) {
    DWORD n = 0;
    return ws().table.lpWSPIoctl(s, code, &value, sizeof value, nullptr, 0, &n, nullptr, nullptr,
                                 nullptr, &ws().error);
  };
  const bool is_4 = family() == WS_AF_INET;
  EXPECT_EQ(ioctl(SIO_MULTICAST_SCOPE, 5), 0);
  EXPECT_EQ(ws().option(s, level(), is_4 ? WS_IP_MULTICAST_TTL : WS_IPV6_MULTICAST_HOPS), 5);
  EXPECT_EQ(ioctl(SIO_MULTICAST_SCOPE, 256), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ioctl(SIO_MULTIPOINT_LOOPBACK, 0), 0);
  EXPECT_EQ(ws().option(s, level(), is_4 ? WS_IP_MULTICAST_LOOP : WS_IPV6_MULTICAST_LOOP), 0);
}

TEST_P(Spi_Multicast, TheInterfaceIsOneOfOurs) {
  const SOCKET s = ws().datagram(family());
  const int name = family() == WS_AF_INET ? WS_IP_MULTICAST_IF : WS_IPV6_MULTICAST_IF;
  EXPECT_EQ(ws().option(s, level(), name), 0);
  const DWORD loopback_index = family() == WS_AF_INET ? htonl(1) : 1;
  EXPECT_EQ(ws().set_option(s, level(), name, loopback_index), 0) << ws().error;
  EXPECT_EQ(ws().option(s, level(), name), loopback_index);
  const DWORD none = family() == WS_AF_INET ? htonl(77) : 77;
  EXPECT_EQ(ws().set_option(s, level(), name, none), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  if (family() == WS_AF_INET) {
    EXPECT_EQ(ws().set_option(s, level(), name, htonl(0x7f000001)), 0) << ws().error;
    EXPECT_EQ(ws().set_option(s, level(), name, htonl(0xc0000201)), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  }
}

TEST_P(Spi_Multicast, ShortAndForeignRequestsAreRefused) {
  const SOCKET s = ws().datagram(family());
  const auto request = request_for(self());
  const int member = family() == WS_AF_INET ? WS_IP_ADD_MEMBERSHIP : WS_IPV6_ADD_MEMBERSHIP;
  EXPECT_EQ(set(s, member, request, 3), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(set(s, WS_MCAST_JOIN_GROUP, request, sizeof(WS_group_req) - 1), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  WS_group_req other{};
  store(other.gr_group, family() == WS_AF_INET ? "ff05::1:3" : "239.1.2.3",
        family() == WS_AF_INET ? WS_AF_INET6 : WS_AF_INET);
  EXPECT_EQ(set(s, WS_MCAST_JOIN_GROUP, other), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEAFNOSUPPORT);
  const SOCKET stream = ws().stream(family());
  EXPECT_EQ(join(stream), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOPROTOOPT);
}

TEST_P(Spi_Multicast, Recv_B1_JoiningALeafBindsTheSocket) {
  const SOCKET s = ws().datagram(family());
  Address to = Address::of(group(), 4000);
  INT error = 0;
  const auto leaf = [&](SOCKET socket, DWORD flags) {
    return ws().table.lpWSPJoinLeaf(socket, to.get(), to.length, nullptr, nullptr, nullptr, nullptr,
                                    flags, &error);
  };
  EXPECT_EQ(leaf(s, 0), INVALID_SOCKET);
  EXPECT_EQ(error, WSAEINVAL);
  ASSERT_EQ(leaf(s, JL_BOTH), s) << error;
  const uint16_t port = ws().name_of(s).port();
  EXPECT_NE(port, 0);
  EXPECT_EQ(ws().send_to(s, "leaf", Address::of(group(), port)), 4) << ws().error;
  EXPECT_EQ(ws().recv(s), "leaf");
  EXPECT_EQ(leaf(ws().stream(family()), JL_BOTH), INVALID_SOCKET);
  EXPECT_EQ(error, WSAEOPNOTSUPP);
  to = Address::of(self(), 4000);
  EXPECT_EQ(leaf(s, JL_BOTH), INVALID_SOCKET);
  EXPECT_EQ(error, WSAEADDRNOTAVAIL);
}

TEST_P(Spi_Multicast, Recv_E8_ASenderOnlyLeafDoesNotReceive) {
  const SOCKET s = ws().datagram(family());
  const Address to = Address::of(group(), 4000);
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPJoinLeaf(s, to.get(), to.length, nullptr, nullptr, nullptr, nullptr,
                                     JL_SENDER_ONLY, &error),
            s);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
}

}  // namespace
}  // namespace millrace::test
