// SPDX-License-Identifier: BSD-3-Clause
// AcceptEx, GetAcceptExSockaddrs, ConnectEx, DisconnectEx, and the contexts of their sockets.
#include <cstring>
#include <memory>
#include <set>

#include "tests/spi_shim/extensions_support.h"

namespace millrace::test {
namespace {

class Winsock_R158 : public ExtensionTest {};
class Winsock_R188 : public ExtensionTest {};
class Winsock_R189 : public ExtensionTest {};
class Winsock_R190 : public ExtensionTest {};
class Winsock_R191 : public ExtensionTest {};
class Winsock_R192 : public ExtensionTest {};
class Winsock_R193 : public ExtensionTest {};
class Winsock_R196 : public ExtensionTest {};
class Winsock_R140 : public ExtensionTest {};
class AcceptEx : public ExtensionTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R158);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R188);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R189);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R190);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R191);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R192);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R193);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R196);
MILLRACE_ALL_SPI_CONNECTIONS(Winsock_R140);
MILLRACE_ALL_SPI_CONNECTIONS(AcceptEx);

/// FD_ACCEPT of the listener, told by the event of an Overlap.
class AcceptNews {
 public:
  AcceptNews(Winsock& ws, SOCKET listener) : ws_(ws), listener_(listener) {
    EXPECT_EQ(ws_.table.lpWSPEventSelect(listener_, event(), FD_ACCEPT, &ws_.error), 0);
  }
  bool is_signalled() const { return news_.is_signalled(); }
  /// @return FD_ACCEPT if it was recorded
  LONG taken() {
    WSANETWORKEVENTS events{};
    EXPECT_EQ(ws_.table.lpWSPEnumNetworkEvents(listener_, event(), &events, &ws_.error), 0);
    return events.lNetworkEvents;
  }

 private:
  HANDLE event() const { return news_.overlapped.hEvent; }
  Winsock& ws_;
  SOCKET listener_;
  Overlap news_;
};

// Enough connections that each of several Stacks gets some.
TEST_P(Winsock_R158, WhatAPendingAcceptExTakesIsNoEventOnAnyStack) {
  constexpr size_t kMany = 8;
  AcceptNews news(ws(), listener);
  std::vector<std::unique_ptr<Accepting>> all;
  for (size_t i = 0; i < kMany; ++i) {
    all.push_back(std::make_unique<Accepting>(ws(), kind()));
    ASSERT_EQ(accept(*all.back()), static_cast<DWORD>(WSA_IO_PENDING));
  }
  for (const auto& a : all) {
    (void)connect();
    EXPECT_EQ(ws().result(listener, a->overlap, true), 0) << ws().error;
    EXPECT_FALSE(news.is_signalled());
    EXPECT_EQ(news.taken(), 0);
    EXPECT_FALSE(ws().is_ready(listener, 'r'));
  }
  for (size_t i = 0; i < kMany; ++i) {  // nobody is left to take these
    const SOCKET client = connect();
    EXPECT_TRUE(eventually([&] { return ws().is_ready(listener, 'r') && news.is_signalled(); }));
    EXPECT_EQ(news.taken(), FD_ACCEPT);
    const SOCKET server = ws().accept(listener);
    EXPECT_EQ(ws().peer_of(server), ws().name_of(client));
    EXPECT_EQ(news.taken(), 0);
    EXPECT_FALSE(ws().is_ready(listener, 'r'));
  }
}

TEST_P(Winsock_R158, ACancelledAcceptExTakesNothing) {
  AcceptNews news(ws(), listener);
  Accepting cancelled(ws(), kind()), late(ws(), kind());
  ASSERT_EQ(accept(cancelled), static_cast<DWORD>(WSA_IO_PENDING));
  ASSERT_TRUE(CancelIoEx(as_handle(listener), cancelled.overlap.get()));
  (void)connect();
  EXPECT_TRUE(eventually([&] { return ws().is_ready(listener, 'r') && news.is_signalled(); }));
  EXPECT_EQ(news.taken(), FD_ACCEPT);
  ASSERT_EQ(accept(late), static_cast<DWORD>(WSA_IO_PENDING)) << "takes what was told, nevertheless";
  EXPECT_EQ(ws().result(listener, late.overlap, true), 0);
  EXPECT_EQ(ws().accept(listener), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
}

TEST_P(Winsock_R188, ArgumentsAreChecked) {
  Accepting a(ws(), kind());
  EXPECT_FALSE(accept_ex(listener, a.socket, a.overlap.memory.data(), 0, kAddressBytes,
                         kAddressBytes, nullptr, nullptr));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  const SOCKET used = connect();
  const SOCKET server = ws().accept(listener);
  const SOCKET udp = ws().datagram(family());
  std::vector<SOCKET> unfit = {used, server, udp, bound(), listener};
  for (const ConnectionKind& other : connection_kinds()) {
    if (other.type != kind().type) unfit.push_back(ws().socket(other));
  }
  for (const SOCKET s : unfit) EXPECT_EQ(accept_on(listener, a, s), static_cast<DWORD>(WSAEINVAL));
  EXPECT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING));
  Accepting again(ws(), kind());
  EXPECT_EQ(accept_on(listener, again, a.socket), static_cast<DWORD>(WSAEINVAL)) << "it is taken";
  EXPECT_EQ(accept_on(bound(), again, again.socket), static_cast<DWORD>(WSAEINVAL)) << "no listener";
  EXPECT_EQ(accept_on(ws().socket(kind()), again, INVALID_SOCKET), static_cast<DWORD>(WSAEINVAL));
  EXPECT_EQ(accept_on(listener, again, INVALID_SOCKET), static_cast<DWORD>(WSAENOTSOCK));
  EXPECT_TRUE(CancelIoEx(as_handle(listener), nullptr));
}

TEST_P(Winsock_R189, AddressesNeedSixteenBytesMore) {
  Accepting a(ws(), kind());
  const DWORD short_by_one = (family() == WS_AF_INET ? 16 : 28) + 15;
  EXPECT_FALSE(accept_ex(listener, a.socket, a.overlap.memory.data(), 0, kAddressBytes,
                         short_by_one, nullptr, a.overlap.get()));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT));
  EXPECT_FALSE(accept_ex(listener, a.socket, a.overlap.memory.data(), 0, short_by_one,
                         kAddressBytes, nullptr, a.overlap.get()));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT));
  EXPECT_FALSE(accept_ex(listener, a.socket, a.overlap.memory.data(), 0, kAddressBytes, 0, nullptr,
                         a.overlap.get()));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT));
  EXPECT_TRUE(accept_ex(listener, a.socket, a.overlap.memory.data(), 0, kAddressBytes,
                        kAddressBytes, nullptr, a.overlap.get()) ||
              GetLastError() == WSA_IO_PENDING);
  EXPECT_TRUE(CancelIoEx(as_handle(listener), nullptr));
}

TEST_P(Winsock_R190, WithoutDataItEndsWithTheConnection) {
  Accepting a(ws(), kind());
  ASSERT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(ws().result(listener, a.overlap, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE);
  const SOCKET client = connect();
  EXPECT_EQ(ws().result(listener, a.overlap, true), 0) << ws().error;
  WS_sockaddr *local = nullptr, *remote = nullptr;
  INT local_bytes = 0, remote_bytes = 0;
  get_sockaddrs(a.overlap.memory.data(), 0, kAddressBytes, kAddressBytes, &local, &local_bytes,
                &remote, &remote_bytes);
  EXPECT_EQ(local_bytes, family() == WS_AF_INET ? 16 : 28);
  EXPECT_EQ(remote_bytes, local_bytes);
  Address there;
  std::memcpy(there.get(), remote, static_cast<size_t>(remote_bytes));
  EXPECT_EQ(there, ws().name_of(client));
  std::memcpy(there.get(), local, static_cast<size_t>(local_bytes));
  EXPECT_EQ(there, address);
  EXPECT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().recv(a.socket), "hello");
  EXPECT_EQ(ws().send(a.socket, "back"), 4);
  EXPECT_EQ(ws().recv(client), "back");
}

TEST_P(Winsock_R190, WithDataItEndsWithTheFirstBytesOrTheEnd) {
  Accepting first(ws(), kind(), 64), second(ws(), kind(), 64);
  ASSERT_EQ(accept(first), static_cast<DWORD>(WSA_IO_PENDING));
  const SOCKET client = connect();
  EXPECT_EQ(ws().result(listener, first.overlap, false), SOCKET_ERROR) << "no data yet";
  EXPECT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().finish(listener, first.overlap), "hello");
  WS_sockaddr *local = nullptr, *remote = nullptr;
  INT local_bytes = 0, remote_bytes = 0;
  get_sockaddrs(first.overlap.memory.data(), 64, kAddressBytes, kAddressBytes, &local, &local_bytes,
                &remote, &remote_bytes);
  Address there;
  std::memcpy(there.get(), remote, static_cast<size_t>(remote_bytes));
  EXPECT_EQ(there, ws().name_of(client));
  ASSERT_EQ(accept(second), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(ws().close(connect()), 0);
  EXPECT_EQ(ws().result(listener, second.overlap, true), has_messages() ? SOCKET_ERROR : 0);
  EXPECT_EQ(ws().error, graceful_end());
}

TEST_P(Winsock_R191, UntilItsContextIsUpdatedASocketHasNoNames) {
  Accepting a(ws(), kind());
  EXPECT_NE(update(a.socket), 0) << "not connected";
  ASSERT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING));
  const SOCKET client = connect();
  ASSERT_EQ(ws().result(listener, a.overlap, true), 0);
  (void)ws().peer_of(a.socket);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  (void)ws().name_of(a.socket);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ws().shutdown(a.socket, SD_SEND), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  ASSERT_EQ(ws().set_option(listener, WS_SOL_SOCKET, WS_SO_KEEPALIVE, 1), 0);
  EXPECT_EQ(ws().option(a.socket, WS_SOL_SOCKET, WS_SO_KEEPALIVE), 0);
  ASSERT_EQ(update(a.socket), 0);
  EXPECT_EQ(ws().option(a.socket, WS_SOL_SOCKET, WS_SO_KEEPALIVE), 1);
  EXPECT_EQ(ws().peer_of(a.socket), ws().name_of(client));
  EXPECT_EQ(ws().name_of(a.socket), address);
  EXPECT_EQ(ws().shutdown(a.socket, SD_SEND), 0);
}

TEST_P(Winsock_R192, ClosingEitherSocketEndsIt) {
  Accepting first(ws(), kind()), second(ws(), kind()), third(ws(), kind());
  for (Accepting* a : {&first, &second, &third}) {
    ASSERT_EQ(accept(*a), static_cast<DWORD>(WSA_IO_PENDING));
  }
  EXPECT_EQ(ws().close(first.socket), 0);
  EXPECT_TRUE(first.overlap.is_signalled());
  EXPECT_EQ(first.overlap.overlapped.Internal, STATUS_CANCELLED);
  EXPECT_EQ(second.overlap.overlapped.Internal, STATUS_PENDING);
  const SOCKET client = connect();
  EXPECT_EQ(ws().result(listener, second.overlap, true), 0);
  EXPECT_EQ(ws().send(client, "to the second"), 13);
  EXPECT_EQ(ws().recv(second.socket), "to the second");
  EXPECT_EQ(ws().close(listener), 0);
  EXPECT_EQ(third.overlap.overlapped.Internal, STATUS_CANCELLED);
}

TEST_P(Winsock_R140, CancellingOnTheAcceptingSocketFindsNothing) {
  Accepting a(ws(), kind());
  ASSERT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_FALSE(CancelIoEx(as_handle(a.socket), nullptr));
  EXPECT_EQ(GetLastError(), ERROR_NOT_FOUND);
  EXPECT_TRUE(CancelIoEx(as_handle(listener), a.overlap.get()));
  EXPECT_EQ(a.overlap.overlapped.Internal, STATUS_CANCELLED);
  EXPECT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING)) << "the socket is free again";
  EXPECT_TRUE(CancelIo(as_handle(listener)));
  EXPECT_EQ(a.overlap.overlapped.Internal, STATUS_CANCELLED);
}

TEST_P(AcceptEx, ManyPendingOnesTakeConnectionsThroughThePortOfTheListener) {
  constexpr size_t kMany = 24;
  PortOfTest port;
  ASSERT_TRUE(port.add(listener, 5));
  std::vector<std::unique_ptr<Accepting>> all;
  for (size_t i = 0; i < kMany; ++i) {
    all.push_back(std::make_unique<Accepting>(ws(), kind(), i % 2 == 0 ? 0 : 8));
    ASSERT_TRUE(port.add(all.back()->socket, 6));
    ASSERT_EQ(accept(*all.back()), static_cast<DWORD>(WSA_IO_PENDING));
  }
  std::vector<SOCKET> clients;
  for (size_t i = 0; i < kMany; ++i) {
    clients.push_back(connect());
    ASSERT_EQ(ws().send(clients.back(), "x"), 1);
  }
  std::set<OVERLAPPED*> seen;
  for (size_t i = 0; i < kMany; ++i) {
    const Packet packet = port.take();
    ASSERT_TRUE(packet.ok) << packet.error;
    EXPECT_EQ(packet.key, 5u) << "the listener's, whoever received";
    EXPECT_TRUE(seen.insert(packet.overlapped).second) << "shown twice";
  }
  EXPECT_TRUE(port.is_empty());
  for (const auto& a : all) {
    Overlap next(4);
    if (a->data_bytes == 0) {
      EXPECT_EQ(ws().recv(a->socket), "x");
    }
    ws().post_recv(a->socket, next);
    EXPECT_TRUE(CancelIoEx(as_handle(a->socket), next.get()));
    EXPECT_EQ(port.take().key, 6u) << "the socket keeps its own port";
  }
}

TEST_P(AcceptEx, AConnectionThatWaitsIsTakenAtOnce) {
  const SOCKET client = connect();
  ASSERT_TRUE(ws().is_ready(listener, 'r', kPatienceMs));
  Accepting a(ws(), kind());
  ASSERT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(ws().result(listener, a.overlap, true), 0);
  EXPECT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().recv(a.socket), "hello");
  EXPECT_EQ(ws().close(a.socket), 0);
  EXPECT_EQ(ws().close(a.socket), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
}

TEST_P(Winsock_R193, ConnectExNeedsABoundSocketAndAnOverlapped) {
  Overlap overlap;
  const SOCKET unbound = ws().socket(kind());
  EXPECT_EQ(connect(unbound, address, overlap), static_cast<DWORD>(WSAEINVAL));
  EXPECT_FALSE(connect_ex(bound(), address.get(), address.length, nullptr, 0, nullptr, nullptr));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

TEST_P(Winsock_R193, ConnectExSendsWhatItIsGivenAndCountsIt) {
  Overlap overlap;
  const SOCKET client = bound();
  ASSERT_EQ(connect(client, address, overlap, "hello"), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(ws().result(client, overlap, true), 5);
  const SOCKET server = ws().accept(listener);
  EXPECT_EQ(ws().recv(server), "hello");
  (void)ws().peer_of(client);
  EXPECT_EQ(ws().error, WSAENOTCONN) << "winsock-rules 191";
  INT error = 0;
  EXPECT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0,
                                       &error),
            0);
  EXPECT_EQ(ws().peer_of(client), address);
  Overlap again;
  EXPECT_EQ(connect(client, address, again), static_cast<DWORD>(WSAEISCONN));
}

TEST_P(Winsock_R193, ARefusedConnectExHasItsPacket) {
  PortOfTest port;
  const SOCKET client = bound();
  ASSERT_TRUE(port.add(client, 9));
  ASSERT_EQ(ws().close(listener), 0);
  Overlap overlap;
  ASSERT_EQ(connect(client, address, overlap, "hello"), static_cast<DWORD>(WSA_IO_PENDING));
  const Packet packet = port.take();
  EXPECT_FALSE(packet.ok);
  EXPECT_EQ(packet.error, ERROR_CONNECTION_REFUSED);
  EXPECT_EQ(packet.key, 9u);
  EXPECT_EQ(packet.bytes, 0u);
  EXPECT_EQ(ws().result(client, overlap, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
}

// Of a stream; SCTP has no half-closed state.
TEST_P(Winsock_R196, DisconnectExEndsTheStreamAndReceivesGoOn) {
  const auto [client, server] = ws().pair(family());
  Overlap overlap;
  ASSERT_FALSE(disconnect_ex(client, overlap.get(), 0, 0));
  ASSERT_EQ(GetLastError(), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(ws().result(client, overlap, true), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, 0);
  EXPECT_EQ(ws().send(server, "still"), 5);
  EXPECT_EQ(ws().recv(client), "still");
  EXPECT_EQ(ws().connect(client, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEISCONN);
  EXPECT_FALSE(disconnect_ex(ws().stream(family()), nullptr, 0, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAENOTCONN));
  EXPECT_FALSE(disconnect_ex(server, nullptr, 4, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEINVAL));
  EXPECT_TRUE(disconnect_ex(server, nullptr, 0, 0)) << "blocking";
}

TEST_P(Winsock_R196, AReusedSocketAcceptsAgain) {
  PortOfTest port;
  Accepting a(ws(), kind());
  ASSERT_TRUE(port.add(a.socket, 6));
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(accept(a), static_cast<DWORD>(WSA_IO_PENDING)) << round;
    const SOCKET client = connect();
    ASSERT_EQ(ws().result(listener, a.overlap, true), 0);
    ASSERT_EQ(ws().send(client, "hello"), 5);
    EXPECT_EQ(ws().recv(a.socket), "hello");
    Overlap disconnected;
    ASSERT_FALSE(disconnect_ex(a.socket, disconnected.get(), TF_REUSE_SOCKET, 0));
    ASSERT_EQ(GetLastError(), static_cast<DWORD>(WSA_IO_PENDING));
    EXPECT_EQ(ws().recv(client), "");
    ASSERT_EQ(ws().close(client), 0);
    const Packet packet = port.take();
    EXPECT_TRUE(packet.ok);
    EXPECT_EQ(packet.overlapped, disconnected.get());
  }
}

}  // namespace
}  // namespace millrace::test
