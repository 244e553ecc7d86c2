// SPDX-License-Identifier: BSD-3-Clause
// All of 127/8 is this process's own (RFC 1122 3.2.1.3).
#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "ws2tcpip.h"

namespace millrace::test {
namespace {

class Spi_Loopback : public SpiTest {
 protected:
  SOCKET bound_datagram(const Address& to) {
    const SOCKET s = ws().datagram(WS_AF_INET);
    EXPECT_EQ(ws().bind(s, to), 0) << ws().error;
    return s;
  }
  Address at(const char* host, SOCKET s) { return Address::of(host, ws().name_of(s).port()); }
};

TEST_F(Spi_Loopback, AWildcardSocketHearsWhatGoesToAnyLoopbackAddress) {
  const SOCKET wildcard = bound_datagram(Address::any(WS_AF_INET));
  for (const char* host : {"127.1.2.3", "127.0.0.1", "127.255.255.254"}) {
    SCOPED_TRACE(host);
    const SOCKET sender = bound_datagram(Address::of(host, 0));
    ASSERT_EQ(ws().send_to(sender, "there", at(host, wildcard)), 5);
    Address from;
    EXPECT_EQ(ws().recv_from(wildcard, from), "there");
    EXPECT_EQ(from, ws().name_of(sender));
    ASSERT_EQ(ws().send_to(wildcard, "and back", from), 8);
    EXPECT_EQ(ws().recv_from(sender, from), "and back");
    EXPECT_EQ(from, at(host, wildcard)) << "from where it was sent to";
  }
}

TEST_F(Spi_Loopback, EachSocketHearsWhatGoesToItsOwnAddress) {
  const SOCKET one = bound_datagram(Address::of("127.1.2.3", 0));
  const SOCKET other = bound_datagram(at("127.1.2.4", one));
  const SOCKET sender = bound_datagram(Address::of("127.9.9.9", 0));
  ASSERT_EQ(ws().send_to(sender, "other", ws().name_of(other)), 5);
  ASSERT_EQ(ws().send_to(sender, "one", ws().name_of(one)), 3);
  EXPECT_EQ(ws().recv(one), "one");
  EXPECT_EQ(ws().recv(other), "other");
}

TEST_F(Spi_Loopback, StreamsConnectToAnyLoopbackAddress) {
  const SOCKET listener = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().bind(listener, Address::any(WS_AF_INET)), 0);
  ASSERT_EQ(ws().listen(listener), 0);
  const SOCKET client = ws().stream(WS_AF_INET);
  ASSERT_EQ(ws().connect(client, at("127.1.2.3", listener)), 0) << ws().error;
  const SOCKET server = ws().accept(listener);
  ASSERT_NE(server, INVALID_SOCKET);
  EXPECT_EQ(ws().name_of(server), at("127.1.2.3", listener));
  EXPECT_EQ(ws().peer_of(server), ws().name_of(client));
  ASSERT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().recv(server), "hello");
}

TEST_F(Spi_Loopback, WhereNobodyListensTheSenderHearsOfIt) {  // winsock-rules 114
  const SOCKET gone = bound_datagram(Address::of("127.1.2.3", 0));
  const Address nobody = ws().name_of(gone);
  ASSERT_EQ(ws().close(gone), 0);
  const SOCKET sender = bound_datagram(Address::any(WS_AF_INET));
  ASSERT_EQ(ws().send_to(sender, "x", nobody), 1);
  EXPECT_EQ(ws().recv(sender), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
  const SOCKET client = ws().stream(WS_AF_INET);
  EXPECT_EQ(ws().connect(client, nobody), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
}

TEST_F(Spi_Loopback, TheInterfaceKeepsItsOneAddress) {
  const SOCKET s = bound_datagram(Address::of("127.1.2.3", 0));
  ASSERT_EQ(ws().send_to(s, "x", ws().name_of(s)), 1);
  ASSERT_EQ(ws().recv(s), "x");
  INTERFACE_INFO first{};
  DWORD n = 0;
  EXPECT_EQ(ws().table.lpWSPIoctl(s, SIO_GET_INTERFACE_LIST, nullptr, 0, &first, sizeof first, &n, nullptr,
                                  nullptr, nullptr, &ws().error),
            0)
      << ws().error;
  EXPECT_EQ(first.iiAddress.AddressIn.sin_addr.S_un.S_addr, htonl(WS_INADDR_LOOPBACK));
}

}  // namespace
}  // namespace millrace::test
