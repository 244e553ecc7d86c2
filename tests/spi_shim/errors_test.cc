// SPDX-License-Identifier: BSD-3-Clause
// What each procedure answers to arguments and states that it cannot work with. Each row of a table
// is one mistake.
#include <functional>
#include <random>

#include "tests/support/spi.h"

namespace millrace::test {
namespace {

/// A procedure called on a socket with arguments that are otherwise good.
struct OnSocket {
  const char* name;
  std::function<int64_t(Winsock&, SOCKET)> call;
};

char scratch[64];

std::vector<OnSocket> procedures_on_sockets() {
  const auto wsabuf = [] { return WSABUF{sizeof scratch, scratch}; };
  return {
      {"Accept", [](Winsock& w, SOCKET s) { return static_cast<int64_t>(w.accept(s)); }},
      {"Bind", [](Winsock& w, SOCKET s) { return w.bind(s, Address::loopback(WS_AF_INET)); }},
      {"Connect",
       [](Winsock& w, SOCKET s) { return w.connect(s, Address::loopback(WS_AF_INET, 9)); }},
      {"Listen", [](Winsock& w, SOCKET s) { return w.listen(s); }},
      {"Shutdown", [](Winsock& w, SOCKET s) { return w.shutdown(s, SD_BOTH); }},
      {"GetSockName", [](Winsock& w, SOCKET s) { return w.name_of(s), w.error == 0 ? 0 : -1; }},
      {"GetPeerName", [](Winsock& w, SOCKET s) { return w.peer_of(s), w.error == 0 ? 0 : -1; }},
      {"GetSockOpt", [](Winsock& w, SOCKET s) { return w.option(s, WS_SOL_SOCKET, WS_SO_TYPE); }},
      {"SetSockOpt",
       [](Winsock& w, SOCKET s) { return w.set_option(s, WS_SOL_SOCKET, WS_SO_RCVBUF, 1000); }},
      {"Ioctl", [](Winsock& w, SOCKET s) { return w.readable_bytes(s); }},
      {"Recv", [](Winsock& w, SOCKET s) { return w.recv(s).empty() && w.error != 0 ? -1 : 0; }},
      {"RecvFrom",
       [](Winsock& w, SOCKET s) {
         Address from;
         return w.recv_from(s, from).empty() && w.error != 0 ? -1 : 0;
       }},
      {"Send", [](Winsock& w, SOCKET s) { return w.send(s, "x"); }},
      {"SendTo",
       [](Winsock& w, SOCKET s) { return w.send_to(s, "x", Address::loopback(WS_AF_INET, 9)); }},
      {"RecvOverlapped",
       [wsabuf](Winsock& w, SOCKET s) {
         WSABUF buffer = wsabuf();
         WSAOVERLAPPED overlapped{};
         DWORD flags = 0;
         return w.table.lpWSPRecv(s, &buffer, 1, nullptr, &flags, &overlapped, nullptr, nullptr,
                                  &w.error);
       }},
      {"GetOverlappedResult",
       [](Winsock& w, SOCKET s) {
         Overlap overlap;
         return w.result(s, overlap, false);
       }},
      {"Select", [](Winsock& w, SOCKET s) { return w.is_ready(s, 'r') ? 0 : -1; }},
      {"CloseSocket", [](Winsock& w, SOCKET s) { return w.close(s); }},
  };
}

// ---- contract: E7 ----

class Recv_E7 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E7);

TEST_P(Recv_E7, EveryProcedureRefusesWhatIsNoSocket) {  // winsock-rules 18
  const SOCKET closed = ws().socket(kind());
  ASSERT_EQ(ws().close(closed), 0);
  const SOCKET alive = ws().socket(kind());
  std::vector<SOCKET> handles = {INVALID_SOCKET,
                                 0,
                                 1,
                                 4,
                                 closed,
                                 alive + 1,
                                 alive + 4,
                                 alive ^ 8,
                                 alive | 3,
                                 alive ^ (1ull << 32),
                                 ~alive,
                                 SOCKET{1} << 63};
  std::mt19937_64 random(1);
  for (int i = 0; i < 100; ++i) handles.push_back(random());
  for (const OnSocket& procedure : procedures_on_sockets()) {
    for (const SOCKET s : handles) {
      EXPECT_EQ(procedure.call(ws(), s), -1) << procedure.name << " " << std::hex << s;
      EXPECT_EQ(ws().error, WSAENOTSOCK) << procedure.name << " " << std::hex << s;
    }
  }
  EXPECT_EQ(ws().close(alive), 0);
}

TEST_P(Recv_E7, AClosedHandleStaysClosedWhenItsSlotIsUsedAgain) {  // winsock-rules 135
  std::vector<SOCKET> stale;
  for (int i = 0; i < 1000; ++i) {
    const SOCKET s = ws().socket(kind());
    ASSERT_NE(s, INVALID_SOCKET);
    ASSERT_EQ(s % 4, 0u);
    ASSERT_EQ(ws().close(s), 0);
    stale.push_back(s);
  }
  const SOCKET alive = ws().socket(kind());
  for (const SOCKET s : stale) {
    EXPECT_NE(s, alive);
    EXPECT_EQ(ws().close(s), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAENOTSOCK);
  }
  EXPECT_EQ(ws().close(alive), 0);
}

TEST_P(Recv_E7, EvenAResultThatIsThereIsNotGivenForAClosedSocket) {  // winsock-rules 79
  const auto [client, server] = ws().pair(kind());
  Overlap receive(10);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "x"), 1);
  ASSERT_EQ(ws().finish(server, receive), "x");
  ASSERT_EQ(ws().close(server), 0);
  EXPECT_EQ(ws().result(server, receive, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTSOCK);
}

// ---- contract: E6, as far as null pointers go ----

class Recv_E6 : public SpiTest {};

TEST_F(Recv_E6, NullPointersAreFaults) {  // winsock-rules 22, 24
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(ws().send(client, "data"), 4);
  const WSPPROC_TABLE& t = ws().table;
  WSABUF good{sizeof scratch, scratch}, bad{5, nullptr}, empty{0, nullptr};
  WSABUF second_is_bad[] = {good, bad};
  DWORD n = 0, flags = 0;
  INT error = 0;
  const auto recv = [&](WSABUF* buffers, DWORD count, DWORD* bytes, DWORD* flag_word) {
    error = 0;
    return t.lpWSPRecv(server, buffers, count, bytes, flag_word, nullptr, nullptr, nullptr, &error);
  };
  EXPECT_EQ(recv(nullptr, 1, &n, &flags), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(recv(&bad, 1, &n, &flags), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(recv(second_is_bad, 2, &n, &flags), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(recv(&good, 1, nullptr, &flags), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(recv(&good, 1, &n, nullptr), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(recv(&empty, 1, &n, &flags), 0);  // nothing is to be written there
  EXPECT_EQ(n, 0u);
  EXPECT_EQ(recv(&good, 0, &n, &flags), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEINVAL);  // winsock-rules 23
  const int sent = t.lpWSPSend(client, &bad, 1, &n, 0, nullptr, nullptr, nullptr, &error);
  EXPECT_EQ(sent, SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(t.lpWSPSend(client, &good, 1, nullptr, 0, nullptr, nullptr, nullptr, &error),
            SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(ws().recv(server), "data");
}

TEST_F(Recv_E6, NullPointersOfTheOtherProceduresAreFaults) {
  const SOCKET s = ws().stream(WS_AF_INET);
  const WSPPROC_TABLE& t = ws().table;
  Address address;
  DWORD n = 0, flags = 0;
  WSAOVERLAPPED overlapped{};
  const auto expect_fault = [&](const char* name, const std::function<int(INT*)>& call) {
    INT error = 0;
    EXPECT_EQ(call(&error), SOCKET_ERROR) << name;
    EXPECT_EQ(error, WSAEFAULT) << name;
  };
  expect_fault("Bind", [&](INT* e) { return t.lpWSPBind(s, nullptr, 16, e); });
  expect_fault("Connect", [&](INT* e) {
    return t.lpWSPConnect(s, nullptr, 16, nullptr, nullptr, nullptr, nullptr, e);
  });
  ASSERT_EQ(ws().bind(s, Address::loopback(WS_AF_INET)), 0);
  expect_fault("GetSockName",
               [&](INT* e) { return t.lpWSPGetSockName(s, nullptr, &address.length, e); });
  expect_fault("GetSockName",
               [&](INT* e) { return t.lpWSPGetSockName(s, address.get(), nullptr, e); });
  expect_fault("SetSockOpt", [&](INT* e) {
    return t.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, nullptr, 4, e);
  });
  INT length = 4;
  expect_fault("GetSockOpt", [&](INT* e) {
    return t.lpWSPGetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, nullptr, &length, e);
  });
  expect_fault("GetSockOpt", [&](INT* e) {
    return t.lpWSPGetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, scratch, nullptr, e);
  });
  WS_u_long on = 1;
  expect_fault("Ioctl", [&](INT* e) {  // winsock-rules 169
    return t.lpWSPIoctl(s, WS_FIONBIO, &on, 4, nullptr, 0, nullptr, nullptr, nullptr, nullptr, e);
  });
  expect_fault("Ioctl", [&](INT* e) {
    return t.lpWSPIoctl(s, WS_FIONBIO, &on, 3, nullptr, 0, &n, nullptr, nullptr, nullptr, e);
  });
  expect_fault("Ioctl", [&](INT* e) {
    return t.lpWSPIoctl(s, WS_FIONREAD, nullptr, 0, &on, 3, &n, nullptr, nullptr, nullptr, e);
  });
  expect_fault("GetOverlappedResult", [&](INT* e) {
    return t.lpWSPGetOverlappedResult(s, nullptr, &n, FALSE, &flags, e) ? 0 : SOCKET_ERROR;
  });
  expect_fault("GetOverlappedResult", [&](INT* e) {
    return t.lpWSPGetOverlappedResult(s, &overlapped, nullptr, FALSE, &flags, e) ? 0 : SOCKET_ERROR;
  });
  expect_fault("GetOverlappedResult", [&](INT* e) {
    return t.lpWSPGetOverlappedResult(s, &overlapped, &n, FALSE, nullptr, e) ? 0 : SOCKET_ERROR;
  });
}

// ---- sockets: making, naming, connecting ----

class Spi_Socket : public SpiTest {};

TEST_F(Spi_Socket, WildcardsAreFilledFromTheCatalog) {  // winsock-rules 13
  const auto make = [&](int family, int type, int protocol) {
    INT error = 0;
    const SOCKET s = ws().table.lpWSPSocket(family, type, protocol, nullptr, 0, 0, &error);
    const int64_t made = s == INVALID_SOCKET ? -error : ws().option(s, WS_SOL_SOCKET, WS_SO_TYPE);
    if (s != INVALID_SOCKET) {
      EXPECT_EQ(ws().close(s), 0);
    }
    return made;
  };
  EXPECT_EQ(make(WS_AF_INET, 0, 0), WS_SOCK_STREAM);
  EXPECT_EQ(make(WS_AF_INET6, 0, WS_IPPROTO_UDP), WS_SOCK_DGRAM);
  EXPECT_EQ(make(0, 0, WS_IPPROTO_TCP), WS_SOCK_STREAM);
  EXPECT_EQ(make(0, 0, 0), -WSAEINVAL);
  EXPECT_EQ(make(99, WS_SOCK_STREAM, 0), -WSAEAFNOSUPPORT);
  EXPECT_EQ(make(WS_AF_INET, 99, 0), -WSAESOCKTNOSUPPORT);
  EXPECT_EQ(make(WS_AF_INET, WS_SOCK_STREAM, 99), -WSAEPROTONOSUPPORT);
  EXPECT_EQ(make(WS_AF_INET, WS_SOCK_STREAM, WS_IPPROTO_UDP), -WSAEPROTONOSUPPORT);
}

class Spi_Bind : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Bind);

TEST_P(Spi_Bind, Refusals) {  // winsock-rules 197
  const SOCKET s = ws().stream(family());
  Address address = Address::loopback(family());
  address.length -= 1;
  EXPECT_EQ(ws().bind(s, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  address = Address::loopback(family() == WS_AF_INET ? WS_AF_INET6 : WS_AF_INET);
  address.length = 28;
  EXPECT_EQ(ws().bind(s, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEAFNOSUPPORT);
  EXPECT_EQ(ws().bind(s, Address::of(family() == WS_AF_INET ? "192.0.2.1" : "2001:db8::1", 80)),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  EXPECT_NE(ws().name_of(s).port(), 0);
  EXPECT_EQ(ws().bind(s, Address::loopback(family())), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
}

TEST_P(Spi_Bind, SharingAPort) {  // winsock-rules 198, 200
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    const auto shared = [&](int option) {
      const SOCKET s = ws().socket(family(), type);
      if (option != 0) {
        EXPECT_EQ(ws().set_option(s, WS_SOL_SOCKET, option, 1), 0);
      }
      return s;
    };
    const SOCKET first = shared(0);
    ASSERT_EQ(ws().bind(first, Address::loopback(family())), 0);
    const Address name = ws().name_of(first);
    EXPECT_EQ(ws().bind(shared(0), name), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEADDRINUSE);
    EXPECT_EQ(ws().bind(shared(WS_SO_REUSEADDR), name), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEACCES);
    ASSERT_EQ(ws().close(first), 0);
    EXPECT_EQ(ws().bind(shared(WS_SO_REUSEADDR), name), 0) << ws().error;
    EXPECT_EQ(ws().bind(shared(WS_SO_REUSEADDR), name), 0) << ws().error;
    EXPECT_EQ(ws().bind(shared(SO_EXCLUSIVEADDRUSE), name), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEADDRINUSE);
    const SOCKET both = shared(WS_SO_REUSEADDR);
    EXPECT_EQ(ws().set_option(both, WS_SOL_SOCKET, SO_EXCLUSIVEADDRUSE, 1), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEINVAL);
  }
}

TEST_P(Spi_Bind, AWildcardAndASpecificAddressLiveTogether) {  // winsock-rules 199
  const SOCKET wildcard = ws().datagram(family());
  ASSERT_EQ(ws().bind(wildcard, Address::any(family())), 0);
  const uint16_t port = ws().name_of(wildcard).port();
  const SOCKET specific = ws().datagram(family());
  ASSERT_EQ(ws().bind(specific, Address::loopback(family(), port)), 0) << ws().error;
  const SOCKET sender = ws().datagram(family());
  ASSERT_EQ(ws().send_to(sender, "to whom", Address::loopback(family(), port)), 7);
  EXPECT_EQ(ws().recv(specific), "to whom");
  ASSERT_EQ(ws().set_nonblocking(wildcard), 0);
  EXPECT_EQ(ws().recv(wildcard), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
}

class Spi_Connect : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Connect);

TEST_P(Spi_Connect, Refusals) {  // winsock-rules 194, 195
  const auto [l, address] = ws().listener(family());
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(ws().connect(s, Address::any(family(), 80)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(ws().connect(s, Address::loopback(family(), 0)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  EXPECT_EQ(ws().connect(l, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ws().connect(s, Address::loopback(family(), 1)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
  EXPECT_EQ(ws().connect(s, address), 0) << "a refused socket may try again: " << ws().error;
  EXPECT_EQ(ws().connect(s, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEISCONN);
  EXPECT_EQ(ws().listen(s), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEISCONN);
}

TEST_P(Spi_Connect, AnUnreachableNetwork) {
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(ws().connect(s, Address::of(family() == WS_AF_INET ? "192.0.2.1" : "2001:db8::1", 80)),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENETUNREACH);
}

TEST_P(Spi_Connect, NonblockingTellsByEventsAndErrors) {  // winsock-rules 164, 194
  const auto [l, address] = ws().listener(family());
  const SOCKET good = ws().stream(family());
  ASSERT_EQ(ws().set_nonblocking(good), 0);
  EXPECT_EQ(ws().connect(good, address), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_TRUE(ws().is_ready(good, 'w', 10'000));
  EXPECT_FALSE(ws().is_ready(good, 'x'));
  const SOCKET bad = ws().stream(family());
  ASSERT_EQ(ws().set_nonblocking(bad), 0);
  EXPECT_EQ(ws().connect(bad, Address::loopback(family(), 1)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_TRUE(ws().is_ready(bad, 'x', 10'000));
  EXPECT_FALSE(ws().is_ready(bad, 'w'));
  EXPECT_EQ(ws().option(bad, WS_SOL_SOCKET, WS_SO_ERROR), WSAECONNREFUSED);
}

class Spi_Listen : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Listen);

TEST_P(Spi_Listen, RefusalsOfListenAndAccept) {
  const SOCKET unbound = ws().stream(family());
  EXPECT_EQ(ws().listen(unbound), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  EXPECT_EQ(ws().accept(unbound), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEINVAL);
  const SOCKET udp = ws().datagram(family());
  ASSERT_EQ(ws().bind(udp, Address::loopback(family())), 0);
  EXPECT_EQ(ws().listen(udp), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  EXPECT_EQ(ws().accept(udp), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
}

TEST_P(Spi_Listen, AcceptWithAShortAddressIsAFaultAndKeepsTheConnection) {  // winsock-rules 187
  const auto [l, address] = ws().listener(family());
  const SOCKET client = ws().stream(family());
  ASSERT_EQ(ws().connect(client, address), 0);
  Address from;
  from.length = 15;
  EXPECT_EQ(ws().accept(l, &from), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(from.length, 15);
  from.length = sizeof(WS_sockaddr_storage);
  const SOCKET server = ws().accept(l, &from);
  ASSERT_NE(server, INVALID_SOCKET);
  EXPECT_EQ(from, ws().name_of(client));
  EXPECT_EQ(from.length, family() == WS_AF_INET ? 16 : 28);
  EXPECT_EQ(ws().peer_of(client), ws().name_of(server));
}

class Spi_Names : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Names);

TEST_P(Spi_Names, OfASocketThatHasNone) {
  for (const int type : {WS_SOCK_STREAM, WS_SOCK_DGRAM}) {
    const SOCKET s = ws().socket(family(), type);
    (void)ws().name_of(s);
    EXPECT_EQ(ws().error, WSAEINVAL);
    (void)ws().peer_of(s);
    EXPECT_EQ(ws().error, WSAENOTCONN);
  }
}

TEST_P(Spi_Names, ShortBuffersAreFaults) {
  const auto [client, server] = ws().pair(family());
  Address address;
  address.length = 15;
  INT error = 0;
  EXPECT_EQ(ws().table.lpWSPGetSockName(client, address.get(), &address.length, &error),
            SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  address.length = 0;
  EXPECT_EQ(ws().table.lpWSPGetPeerName(client, address.get(), &address.length, &error),
            SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
}

TEST_P(Spi_Names, StayWhenTheConnectionIsOver) {  // winsock-rules 103
  const auto [client, server] = ws().pair(family());
  const Address name = ws().name_of(server), peer = ws().peer_of(server);
  const WS_linger reset{1, 0};
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&reset), sizeof reset, &error),
            0);
  ASSERT_EQ(ws().close(client), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
  EXPECT_EQ(ws().peer_of(server), peer);
  EXPECT_EQ(ws().error, 0);
  EXPECT_EQ(ws().name_of(server), name);
  EXPECT_EQ(ws().error, 0);
}

class Spi_Shutdown : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Shutdown);

TEST_P(Spi_Shutdown, Refusals) {  // winsock-rules 101
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(ws().shutdown(s, SD_SEND), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  const auto [l, address] = ws().listener(family());
  EXPECT_EQ(ws().shutdown(l, SD_SEND), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  const auto [client, server] = ws().pair(family());
  for (const int how : {-1, 3, 99}) {
    EXPECT_EQ(ws().shutdown(client, how), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEINVAL);
  }
  const SOCKET udp = ws().datagram(family());
  EXPECT_EQ(ws().shutdown(udp, SD_BOTH), 0);
}

// ---- what is not there ----

class Spi_NotThere : public SpiTest {};

TEST_F(Spi_NotThere, SaysSo) {
  const SOCKET s = ws().stream(WS_AF_INET);
  const WSPPROC_TABLE& t = ws().table;
  const auto expect_not_supported = [](const char* name, const std::function<int64_t(INT*)>& call) {
    INT error = 0;
    EXPECT_EQ(call(&error), -1) << name;
    EXPECT_EQ(error, WSAEOPNOTSUPP) << name;
  };
  expect_not_supported("JoinLeaf", [&](INT* e) {
    return static_cast<int64_t>(
        t.lpWSPJoinLeaf(s, nullptr, 0, nullptr, nullptr, nullptr, nullptr, 0, e));
  });
  expect_not_supported("Ioctl", [&](INT* e) {  // winsock-rules 172
    DWORD n = 7;
    const int result =
        t.lpWSPIoctl(s, 0x12345678, nullptr, 0, nullptr, 0, &n, nullptr, nullptr, nullptr, e);
    EXPECT_EQ(n, 0u);
    return result;
  });
}

}  // namespace
}  // namespace millrace::test
