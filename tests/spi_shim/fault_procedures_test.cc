// SPDX-License-Identifier: BSD-3-Clause
// Memory that is not there, given to the procedures that move no bytes: a row per pointer, and
// every kind of bad pointer for each row. Transfers are in fault_test.cc.
#include <functional>
#include <string>

#include "tests/support/pages.h"
#include "tests/support/spi.h"

#define MILLRACE_USE_WS_PREFIX
#include "mstcpip.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

enum class Kind { kInput, kOutput };
enum class Null { kIsAFault, kIsAllowed };

/// One pointer of a procedure whose other arguments are good.
struct Row {
  const char* name;
  size_t bytes;
  Kind kind;
  Null null;
  std::function<int64_t(void* bad, INT* error)> call;
};

class Spi_Fault : public SpiFamilyTest {
 protected:
  void expect_faults(const std::vector<Row>& rows) {
    for (const Row& row : rows) {
      std::vector<void*> pointers = wild_outputs(none_, read_only_, row.bytes);
      if (row.kind == Kind::kInput) pointers.erase(pointers.begin() + 5, pointers.begin() + 7);
      if (row.null == Null::kIsAFault) pointers.push_back(nullptr);
      for (void* const bad : pointers) {
        INT error = 0;
        EXPECT_EQ(static_cast<int>(row.call(bad, &error)), SOCKET_ERROR) << row.name << " " << bad;
        EXPECT_EQ(error, WSAEFAULT) << row.name << " " << bad;
      }
      for (INT* const nowhere : wild<INT>(none_)) {  // an error with no place to say it
        EXPECT_EQ(static_cast<int>(row.call(none_.bad(), nowhere)), SOCKET_ERROR) << row.name;
      }
    }
  }
  WS_sockaddr* sockaddr(void* bad) { return static_cast<WS_sockaddr*>(bad); }
  size_t name_bytes() const {
    return family() == WS_AF_INET ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
  }

  const Pages none_;
  const Pages read_only_{PROT_READ};
};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Fault);

TEST_P(Spi_Fault, NamesOfSockets) {
  const WSPPROC_TABLE& t = ws().table;
  const auto [client, server] = ws().pair(family());
  const auto [l, address] = ws().listener(family());
  const SOCKET waiting = ws().stream(family());
  ASSERT_EQ(ws().connect(waiting, address), 0);
  const SOCKET fresh = ws().stream(family()), udp = ws().datagram(family());
  const int room = static_cast<int>(name_bytes());
  Address good;
  INT length = room;
  const std::vector<Row> rows = {
      {"Bind", name_bytes(), Kind::kInput, Null::kIsAFault,
       [&](void* bad, INT* e) { return t.lpWSPBind(fresh, sockaddr(bad), room, e); }},
      {"Connect", name_bytes(), Kind::kInput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPConnect(fresh, sockaddr(bad), room, nullptr, nullptr, nullptr, nullptr, e);
       }},
      {"Connect UDP", name_bytes(), Kind::kInput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPConnect(udp, sockaddr(bad), room, nullptr, nullptr, nullptr, nullptr, e);
       }},
      {"Accept", name_bytes(), Kind::kOutput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         return static_cast<int64_t>(t.lpWSPAccept(l, sockaddr(bad), &length, nullptr, 0, e));
       }},
      {"Accept length", sizeof(INT), Kind::kOutput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         return static_cast<int64_t>(
             t.lpWSPAccept(l, good.get(), static_cast<INT*>(bad), nullptr, 0, e));
       }},
      {"GetSockName", name_bytes(), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) { return t.lpWSPGetSockName(client, sockaddr(bad), &length, e); }},
      {"GetSockName length", sizeof(INT), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPGetSockName(client, good.get(), static_cast<INT*>(bad), e);
       }},
      {"GetPeerName", name_bytes(), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) { return t.lpWSPGetPeerName(client, sockaddr(bad), &length, e); }},
      {"GetPeerName length", sizeof(INT), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPGetPeerName(client, good.get(), static_cast<INT*>(bad), e);
       }},
  };
  expect_faults(rows);
  EXPECT_EQ(length, room);
  EXPECT_NE(ws().accept(l), INVALID_SOCKET) << "the connection is still queued";
  EXPECT_EQ(ws().bind(fresh, Address::loopback(family())), 0) << "nothing was bound";
  (void)server;
}

TEST_P(Spi_Fault, Options) {
  const WSPPROC_TABLE& t = ws().table;
  const SOCKET s = ws().stream(family());
  ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_RCVBUF, 4711), 0);
  DWORD good = 0;
  INT four = 4;
  const std::vector<Row> rows = {
      {"SetSockOpt", 4, Kind::kInput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, static_cast<CHAR*>(bad), 4, e);
       }},
      {"GetSockOpt", 4, Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPGetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, static_cast<CHAR*>(bad), &four,
                                  e);
       }},
      {"GetSockOpt length", sizeof(INT), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPGetSockOpt(s, WS_SOL_SOCKET, WS_SO_RCVBUF, reinterpret_cast<CHAR*>(&good),
                                  static_cast<INT*>(bad), e);
       }},
  };
  expect_faults(rows);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, WS_SO_RCVBUF), 4711);
}

TEST_P(Spi_Fault, Ioctls) {
  const WSPPROC_TABLE& t = ws().table;
  const SOCKET tcp = ws().stream(family()), udp = ws().datagram(family());
  DWORD n = 0, word = 0;
  const auto input = [&](const char* name, SOCKET s, DWORD code, DWORD bytes) {
    return Row{
        name, bytes, Kind::kInput, Null::kIsAFault, [&t, &n, s, code, bytes](void* bad, INT* e) {
          return t.lpWSPIoctl(s, code, bad, bytes, nullptr, 0, &n, nullptr, nullptr, nullptr, e);
        }};
  };
  const std::vector<Row> rows = {
      input("FIONBIO", tcp, WS_FIONBIO, 4),
      input("SIO_KEEPALIVE_VALS", tcp, SIO_KEEPALIVE_VALS, sizeof(tcp_keepalive)),
      input("SIO_UDP_CONNRESET", udp, SIO_UDP_CONNRESET, sizeof(BOOL)),
      input("SIO_UDP_NETRESET", udp, SIO_UDP_NETRESET, sizeof(BOOL)),
      {"FIONREAD", 4, Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPIoctl(tcp, WS_FIONREAD, nullptr, 0, bad, 4, &n, nullptr, nullptr, nullptr,
                             e);
       }},
      {"Ioctl bytes returned", sizeof(DWORD), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return t.lpWSPIoctl(tcp, WS_FIONREAD, nullptr, 0, &word, 4, static_cast<DWORD*>(bad),
                             nullptr, nullptr, nullptr, e);
       }},
  };
  expect_faults(rows);
}

TEST_P(Spi_Fault, SelectAndSocket) {
  const WSPPROC_TABLE& t = ws().table;
  const SOCKET s = ws().datagram(family());
  WS_fd_set good{};
  const auto fresh = [&] {
    WS_FD_ZERO(&good);
    WS_FD_SET(s, &good);
    return &good;
  };
  const auto set = [](void* bad) { return static_cast<WS_fd_set*>(bad); };
  constexpr size_t kHead = offsetof(WS_fd_set, fd_array);
  const std::vector<Row> rows = {
      {"Select read", kHead, Kind::kOutput, Null::kIsAllowed,
       [&](void* bad, INT* e) { return t.lpWSPSelect(0, set(bad), fresh(), nullptr, nullptr, e); }},
      {"Select write", kHead, Kind::kOutput, Null::kIsAllowed,
       [&](void* bad, INT* e) { return t.lpWSPSelect(0, fresh(), set(bad), nullptr, nullptr, e); }},
      {"Select except", kHead, Kind::kOutput, Null::kIsAllowed,
       [&](void* bad, INT* e) { return t.lpWSPSelect(0, fresh(), nullptr, set(bad), nullptr, e); }},
      {"Select timeout", sizeof(WS_timeval), Kind::kInput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         return t.lpWSPSelect(0, fresh(), nullptr, nullptr, static_cast<WS_timeval*>(bad), e);
       }},
      {"Socket", sizeof(WSAPROTOCOL_INFOW), Kind::kInput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         return static_cast<int64_t>(
             t.lpWSPSocket(family(), 0, 0, static_cast<WSAPROTOCOL_INFOW*>(bad), 0, 0, e));
       }},
  };
  expect_faults(rows);
  EXPECT_EQ(good.fd_count, 1u) << "a failed call leaves its sets alone";
  // The count reaches over the edge; up to the edge it is fine (winsock-rules 162).
  auto* const edge = none_.before_the_edge<WS_fd_set>(kHead + 2 * sizeof(SOCKET));
  edge->fd_count = 3;
  EXPECT_EQ(t.lpWSPSelect(0, nullptr, edge, nullptr, nullptr, &ws().error), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  edge->fd_count = 2;
  SOCKET* const sockets = edge->fd_array;
  sockets[0] = sockets[1] = s;
  EXPECT_EQ(t.lpWSPSelect(0, nullptr, edge, nullptr, nullptr, &ws().error), 1);
}

TEST_P(Spi_Fault, Results) {
  const WSPPROC_TABLE& t = ws().table;
  const auto [client, server] = ws().pair(family());
  Overlap receive(8);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  DWORD n = 0, flags = 0;
  const auto fails = [](BOOL ok) { return ok == FALSE ? SOCKET_ERROR : 0; };
  const std::vector<Row> rows = {
      {"overlapped", sizeof(WSAOVERLAPPED), Kind::kInput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         auto* const overlapped = static_cast<WSAOVERLAPPED*>(bad);
         return fails(t.lpWSPGetOverlappedResult(server, overlapped, &n, TRUE, &flags, e));
       }},
      {"bytes", sizeof(DWORD), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         auto* const bytes = static_cast<DWORD*>(bad);
         return fails(t.lpWSPGetOverlappedResult(server, receive.get(), bytes, TRUE, &flags, e));
       }},
      {"flags", sizeof(DWORD), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         auto* const word = static_cast<DWORD*>(bad);
         return fails(t.lpWSPGetOverlappedResult(server, receive.get(), &n, TRUE, word, e));
       }},
  };
  expect_faults(rows);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(ws().finish(server, receive), "x") << "the request is still there";
  const WSAEVENT event = WSACreateEvent();
  for (WSAEVENT* const bad : wild<WSAEVENT>(none_)) {
    EXPECT_EQ(WSAWaitForMultipleEvents(1, bad, FALSE, 0, FALSE), WSA_WAIT_FAILED);
  }
  auto* const last = none_.before_the_edge<WSAEVENT>();
  *last = event;
  EXPECT_EQ(WSAWaitForMultipleEvents(2, last, FALSE, 0, FALSE), WSA_WAIT_FAILED);
  EXPECT_EQ(WSAWaitForMultipleEvents(1, last, FALSE, 0, FALSE), WSA_WAIT_TIMEOUT);
  WSACloseEvent(event);
}

TEST_P(Spi_Fault, AddressesAsText) {
  const WSPPROC_TABLE& t = ws().table;
  Address address = Address::loopback(family(), 80);
  const auto name_length = static_cast<DWORD>(name_bytes());
  WCHAR text[64] = u"::1";
  std::u16string digits = family() == WS_AF_INET ? u"127.0.0.1" : u"::1";
  DWORD room = 64;
  INT length = 0;
  Address to;
  const auto to_string = [&](WS_sockaddr* from, WSAPROTOCOL_INFOW* info, WCHAR* out, DWORD* n,
                             INT* e) {
    room = 64;
    return t.lpWSPAddressToString(from, name_length, info, out, n, e);
  };
  const auto to_address = [&](WCHAR* in, WSAPROTOCOL_INFOW* info, WS_sockaddr* out, INT* n,
                              INT* e) {
    length = static_cast<INT>(name_length);
    return t.lpWSPStringToAddress(in, family(), info, out, n, e);
  };
  const std::vector<Row> rows = {
      {"AddressToString address", name_bytes(), Kind::kInput, Null::kIsAllowed,
       [&](void* bad, INT* e) { return to_string(sockaddr(bad), nullptr, text, &room, e); }},
      {"AddressToString info", sizeof(WSAPROTOCOL_INFOW), Kind::kInput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         auto* const info = static_cast<WSAPROTOCOL_INFOW*>(bad);
         return to_string(address.get(), info, text, &room, e);
       }},
      {"AddressToString text", 2 * sizeof(WCHAR), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return to_string(address.get(), nullptr, static_cast<WCHAR*>(bad), &room, e);
       }},
      {"AddressToString length", sizeof(DWORD), Kind::kOutput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         return to_string(address.get(), nullptr, text, static_cast<DWORD*>(bad), e);
       }},
      {"StringToAddress text", sizeof(WCHAR), Kind::kInput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         return to_address(static_cast<WCHAR*>(bad), nullptr, to.get(), &length, e);
       }},
      {"StringToAddress info", sizeof(WSAPROTOCOL_INFOW), Kind::kInput, Null::kIsAllowed,
       [&](void* bad, INT* e) {
         auto* const info = static_cast<WSAPROTOCOL_INFOW*>(bad);
         return to_address(digits.data(), info, to.get(), &length, e);
       }},
      {"StringToAddress address", name_bytes(), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return to_address(digits.data(), nullptr, sockaddr(bad), &length, e);
       }},
      {"StringToAddress length", sizeof(INT), Kind::kOutput, Null::kIsAFault,
       [&](void* bad, INT* e) {
         return to_address(digits.data(), nullptr, to.get(), static_cast<INT*>(bad), e);
       }},
  };
  expect_faults(rows);
  // No final zero before the edge; with it, all is well.
  auto* const edge = none_.before_the_edge<WCHAR>((digits.size() + 1) * sizeof(WCHAR));
  std::copy(digits.begin(), digits.end(), edge + 1);
  INT error = 0;
  EXPECT_EQ(to_address(edge + 1, nullptr, to.get(), &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  std::copy(digits.begin(), digits.end() + 1, edge);
  EXPECT_EQ(to_address(edge, nullptr, to.get(), &length, &error), 0);
}

TEST_P(Spi_Fault, WSPStartupItself) {
  WSPDATA data{};
  WSPPROC_TABLE table{};
  WSAPROTOCOL_INFOW info{};
  for (void* const bad : wild_outputs(none_, read_only_, sizeof data)) {
    EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), static_cast<WSPDATA*>(bad), &info, {}, &table), WSAEFAULT);
  }
  for (void* const bad : wild_outputs(none_, read_only_, sizeof table)) {
    EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, {}, static_cast<WSPPROC_TABLE*>(bad)),
              WSAEFAULT);
  }
  EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), nullptr, &info, {}, &table), WSAEFAULT);
  EXPECT_EQ(WSPStartup(MAKEWORD(2, 2), &data, &info, {}, nullptr), WSAEFAULT);
}

/// Without WSPStartup: nobody but the call itself handles faults.
TEST(Spi_FaultCatalog, WSCEnumProtocolsNeedsNoStartup) {
  const Pages none;
  const Pages read_only(PROT_READ);
  WSAPROTOCOL_INFOW entries[8];
  DWORD length = sizeof entries;
  INT error = 0;
  for (void* const bad : wild_outputs(none, read_only, sizeof entries)) {
    auto* const buffer = static_cast<WSAPROTOCOL_INFOW*>(bad);
    EXPECT_EQ(WSCEnumProtocols(nullptr, buffer, &length, &error), SOCKET_ERROR);
    EXPECT_EQ(error, WSAEFAULT);
    EXPECT_EQ(length, sizeof entries);
  }
  for (DWORD* const bad : wild<DWORD>(none)) {
    EXPECT_EQ(WSCEnumProtocols(nullptr, entries, bad, &error), SOCKET_ERROR);
    EXPECT_EQ(error, WSAEFAULT);
  }
  for (INT* const bad : wild<INT>(none)) {
    EXPECT_EQ(WSCEnumProtocols(nullptr, nullptr, nullptr, bad), SOCKET_ERROR);
    if (bad == nullptr) continue;  // all protocols
    EXPECT_EQ(WSCEnumProtocols(bad, entries, &length, &error), SOCKET_ERROR);
    EXPECT_EQ(error, WSAEFAULT);
  }
  INT* const no_end = none.before_the_edge<INT>();
  *no_end = WS_IPPROTO_TCP;
  EXPECT_EQ(WSCEnumProtocols(no_end, entries, &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_GE(WSCEnumProtocols(nullptr, entries, &length, &error), 4);
}

}  // namespace
}  // namespace millrace::test
