// SPDX-License-Identifier: BSD-3-Clause
// WSPIoctl by rule (winsock-rules 169 to 177).
#include <cstring>

#define MILLRACE_USE_WS_PREFIX
#include "mstcpip.h"
#include "mswsock.h"
#include "tests/support/network_events.h"
#include "ws2tcpip.h"

namespace millrace::test {
namespace {

class IoctlTest : public NetworkEventsTest {
 protected:
  int ioctl(SOCKET s, DWORD code, const void* in, DWORD in_bytes, void* out, DWORD out_bytes,
            LPWSAOVERLAPPED overlapped = nullptr) {
    ws().error = 0;
    returned = 0xdead;
    return ws().table.lpWSPIoctl(s, code, const_cast<void*>(in), in_bytes, out, out_bytes, &returned,
                                 overlapped, nullptr, nullptr, &ws().error);
  }
  template <typename T>
  int ask(SOCKET s, DWORD code, T& out) {
    return ioctl(s, code, nullptr, 0, &out, sizeof out);
  }
  template <typename T>
  int tell(SOCKET s, DWORD code, const T& in) {
    return ioctl(s, code, &in, sizeof in, nullptr, 0);
  }
  DWORD returned = 0;
};

using Winsock_R169 = IoctlTest;
using Winsock_R170 = IoctlTest;
using Winsock_R171 = IoctlTest;
using Winsock_R172 = IoctlTest;
using Winsock_R174 = IoctlTest;
using Winsock_R175 = IoctlTest;
using Winsock_R176 = IoctlTest;
using Winsock_R177 = IoctlTest;
using Spi_Queries = IoctlTest;

TEST_F(Winsock_R169, FionbioTakesFourBytesAndACountToWrite) {
  const SOCKET s = ws().stream(WS_AF_INET);
  const WS_u_long on = 1;
  EXPECT_EQ(ioctl(s, WS_FIONBIO, &on, 3, nullptr, 0), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ioctl(s, WS_FIONBIO, nullptr, 4, nullptr, 0), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  INT error = 0;
  EXPECT_EQ(ws().table.lpWSPIoctl(s, WS_FIONBIO, const_cast<WS_u_long*>(&on), 4, nullptr, 0, nullptr,
                                  nullptr, nullptr, nullptr, &error),
            SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(tell(s, WS_FIONBIO, on), 0);
  EXPECT_EQ(returned, 0u);
}

TEST_F(Winsock_R170, FionreadCountsWhatIsQueued) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  WS_u_long n = 7;
  EXPECT_EQ(ask(server, WS_FIONREAD, n), 0);
  EXPECT_EQ(n, 0u);
  ASSERT_EQ(ws().send(client, "12345"), 5);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  EXPECT_EQ(ask(server, WS_FIONREAD, n), 0);
  EXPECT_EQ(n, 5u);
  EXPECT_EQ(returned, 4u);
  EXPECT_EQ(ioctl(server, WS_FIONREAD, nullptr, 0, &n, 3), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ws().is_at_mark(server), 1);
}

TEST_F(Winsock_R171, AnOverlappedIoctlCompletesWithNoBytes) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(ws().send(client, "12345"), 5);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  Overlap overlap;
  WS_u_long n = 0;
  EXPECT_EQ(ioctl(server, WS_FIONREAD, nullptr, 0, &n, sizeof n, overlap.get()), 0);
  EXPECT_EQ(n, 5u);
  EXPECT_EQ(returned, 4u);
  EXPECT_TRUE(overlap.is_signalled());
  EXPECT_EQ(ws().result(server, overlap, false), 0);
}

int n_routines = 0;
DWORD routine_error = 0;
void CALLBACK count_routine(DWORD error, DWORD, LPWSAOVERLAPPED, DWORD) {
  ++n_routines;
  routine_error = error;
}

TEST_F(Winsock_R171, AnIoctlsRoutineRunsInAnAlertableWait) {
  const SOCKET s = ws().stream(WS_AF_INET);
  WSAOVERLAPPED overlapped{};
  WS_u_long n = 1;
  DWORD bytes = 0;
  n_routines = 0;
  ASSERT_EQ(ws().table.lpWSPIoctl(s, WS_FIONREAD, nullptr, 0, &n, sizeof n, &bytes, &overlapped,
                                  count_routine, nullptr, &ws().error),
            0);
  EXPECT_EQ(n_routines, 0);
  EXPECT_EQ(SleepEx(0, TRUE), static_cast<DWORD>(WAIT_IO_COMPLETION));
  EXPECT_EQ(n_routines, 1);
  EXPECT_EQ(routine_error, 0u);
}

TEST_F(Winsock_R172, AnUnknownCodeFailsAtOnceOrCompletesWithIt) {
  const SOCKET s = ws().stream(WS_AF_INET);
  EXPECT_EQ(ioctl(s, 0x12345678, nullptr, 0, nullptr, 0), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  EXPECT_EQ(returned, 0u);
  Overlap overlap;
  EXPECT_EQ(ioctl(s, 0x12345678, nullptr, 0, nullptr, 0, overlap.get()), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_EQ(ws().result(s, overlap, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
  EXPECT_TRUE(overlap.is_signalled());
}

TEST_F(Winsock_R174, ABaseHandleIsTheSocketItself) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  for (const DWORD code : {SIO_BASE_HANDLE, SIO_BSP_HANDLE, SIO_BSP_HANDLE_SELECT, SIO_BSP_HANDLE_POLL}) {
    SOCKET base = 0;
    EXPECT_EQ(ask(s, code, base), 0);
    EXPECT_EQ(base, s);
    EXPECT_EQ(returned, 8u);
    EXPECT_EQ(ioctl(s, code, nullptr, 0, &base, 7), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
    EXPECT_EQ(ioctl(s, code, nullptr, 0, nullptr, 8), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
  }
}

TEST_F(Winsock_R175, KeepAliveValuesAreThreeNumbers) {
  const SOCKET s = ws().stream(WS_AF_INET);
  const tcp_keepalive values{1, 5000, 2000};
  EXPECT_EQ(tell(s, SIO_KEEPALIVE_VALS, values), 0);
  EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, WS_SO_KEEPALIVE), 1);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, WS_TCP_KEEPIDLE), 5);
  EXPECT_EQ(ws().option(s, WS_IPPROTO_TCP, WS_TCP_KEEPINTVL), 2);
  EXPECT_EQ(ioctl(s, SIO_KEEPALIVE_VALS, &values, 11, nullptr, 0), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

TEST_F(Winsock_R176, ReceivingEverythingIsRefused) {
  const DWORD on = RCVALL_ON;
  for (const SOCKET s : {ws().stream(WS_AF_INET), ws().datagram(WS_AF_INET)}) {
    for (const DWORD code : {SIO_RCVALL, SIO_RCVALL_MCAST, SIO_RCVALL_IGMPMCAST}) {
      EXPECT_EQ(tell(s, code, on), SOCKET_ERROR);
      EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
    }
  }
}

TEST_F(Winsock_R177, AChangeOfAddressesIsAwaited) {
  for (const DWORD code : {SIO_ADDRESS_LIST_CHANGE, SIO_ROUTING_INTERFACE_CHANGE}) {
    const SOCKET s = ws().datagram(WS_AF_INET);
    Address to = Address::of("192.0.2.1", 0);
    const auto length = static_cast<DWORD>(to.length);
    Overlap overlap;
    EXPECT_EQ(ioctl(s, code, to.get(), length, nullptr, 0, overlap.get()), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSA_IO_PENDING);
    ASSERT_EQ(ws().set_nonblocking(s), 0);
    EXPECT_EQ(ioctl(s, code, to.get(), length, nullptr, 0), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
    EXPECT_EQ(ws().result(s, overlap, false), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE);
    ASSERT_EQ(ws().close(s), 0);
    EXPECT_TRUE(overlap.is_signalled());
    const SOCKET other = ws().datagram(WS_AF_INET);
    EXPECT_EQ(ws().result(other, overlap, false), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSA_OPERATION_ABORTED);
  }
}

TEST_F(Winsock_R177, ARouteIsAskedAboutByItsDestination) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().set_nonblocking(s), 0);
  EXPECT_EQ(ioctl(s, SIO_ROUTING_INTERFACE_CHANGE, nullptr, 0, nullptr, 0), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  Address other = Address::loopback(WS_AF_INET6);
  EXPECT_EQ(ioctl(s, SIO_ROUTING_INTERFACE_CHANGE, other.get(), static_cast<DWORD>(other.length),
                  nullptr, 0),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEAFNOSUPPORT);
}

TEST_F(Spi_Queries, InterfacesAndAddresses) {
  const SOCKET s = ws().datagram(WS_AF_INET), s6 = ws().datagram(WS_AF_INET6);
  INTERFACE_INFO info[4]{};
  ASSERT_EQ(ioctl(s, SIO_GET_INTERFACE_LIST, nullptr, 0, info, sizeof info), 0) << ws().error;
  ASSERT_EQ(returned, sizeof info[0]) << "the embedded loopback has one IPv4 address";
  EXPECT_EQ(info[0].iiFlags, ULONG{WS_IFF_UP | WS_IFF_LOOPBACK | WS_IFF_MULTICAST});
  EXPECT_EQ(info[0].iiAddress.AddressIn.sin_addr.S_un.S_addr, 0x0100007fu);
  EXPECT_EQ(info[0].iiNetmask.AddressIn.sin_addr.S_un.S_addr, 0x000000ffu);
  EXPECT_EQ(ioctl(s, SIO_GET_INTERFACE_LIST, nullptr, 0, info, 8), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  for (const SOCKET of : {s, s6}) {
    alignas(8) CHAR memory[256];
    EXPECT_EQ(ioctl(of, SIO_ADDRESS_LIST_QUERY, nullptr, 0, memory, 8), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAEFAULT);
    const DWORD needed = returned;
    ASSERT_EQ(ioctl(of, SIO_ADDRESS_LIST_QUERY, nullptr, 0, memory, needed), 0);
    EXPECT_EQ(returned, needed);
    SOCKET_ADDRESS_LIST list;
    std::memcpy(&list, memory, sizeof list);
    ASSERT_EQ(list.iAddressCount, 1);
    Address address;
    std::memcpy(static_cast<void*>(address.get()), list.Address[0].lpSockaddr,
                static_cast<size_t>(list.Address[0].iSockaddrLength));
    EXPECT_EQ(address, Address::loopback(of == s ? WS_AF_INET : WS_AF_INET6));
  }
  WS_sockaddr_in broadcast{};
  ASSERT_EQ(ask(s, SIO_GET_BROADCAST_ADDRESS, broadcast), 0);
  EXPECT_EQ(broadcast.sin_addr.S_un.S_addr, 0xffffffffu);
}

TEST_F(Spi_Queries, TheInterfaceTowardADestination) {
  const SOCKET s = ws().datagram(WS_AF_INET);
  const Address to = Address::of("127.0.0.9", 80), nowhere = Address::of("10.1.2.3", 80);
  Address from;
  ASSERT_EQ(ioctl(s, SIO_ROUTING_INTERFACE_QUERY, to.get(), static_cast<DWORD>(to.length), from.get(),
                  static_cast<DWORD>(from.length)),
            0)
      << ws().error;
  EXPECT_EQ(from, Address::of("127.0.0.9", 0));
  EXPECT_EQ(ioctl(s, SIO_ROUTING_INTERFACE_QUERY, nowhere.get(), static_cast<DWORD>(nowhere.length),
                  from.get(), static_cast<DWORD>(from.length)),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENETUNREACH);
  EXPECT_EQ(ioctl(s, SIO_ROUTING_INTERFACE_QUERY, to.get(), 4, from.get(), 16), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ioctl(s, SIO_ROUTING_INTERFACE_QUERY, to.get(), static_cast<DWORD>(to.length), from.get(),
                  15),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

TEST_F(Spi_Queries, TcpInfoCountsWhatWasSentAndReceived) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  ASSERT_EQ(ws().send(client, "12345"), 5);
  ASSERT_EQ(ws().recv(server), "12345");
  DWORD version = 0;
  TCP_INFO_v0 info{};
  ASSERT_EQ(ioctl(client, SIO_TCP_INFO, &version, sizeof version, &info, sizeof info), 0);
  EXPECT_EQ(returned, sizeof info);
  EXPECT_EQ(info.State, TCPSTATE_ESTABLISHED);
  EXPECT_EQ(info.BytesOut, 5u);
  EXPECT_EQ(info.BytesIn, 0u);
  EXPECT_EQ(info.Mss, ws().option(client, WS_IPPROTO_TCP, WS_TCP_MAXSEG));
  EXPECT_GT(info.Cwnd, 0u);
  EXPECT_EQ(info.BytesRetrans, 0u);
  ASSERT_EQ(ioctl(server, SIO_TCP_INFO, &version, sizeof version, &info, sizeof info), 0);
  EXPECT_EQ(info.BytesIn, 5u);
  version = 7;
  EXPECT_EQ(ioctl(client, SIO_TCP_INFO, &version, sizeof version, &info, sizeof info), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  version = 0;
  EXPECT_EQ(ioctl(client, SIO_TCP_INFO, &version, sizeof version, &info, 80), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ioctl(ws().stream(WS_AF_INET), SIO_TCP_INFO, &version, 4, &info, sizeof info),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  ULONG backlog = 0;
  ASSERT_EQ(ask(client, SIO_IDEAL_SEND_BACKLOG_QUERY, backlog), 0);
  EXPECT_GE(backlog, ws().option(client, WS_SOL_SOCKET, WS_SO_SNDBUF));
}

TEST_F(Spi_Queries, SettingsThatServersMake) {
  const SOCKET s = ws().stream(WS_AF_INET);
  const auto [client, server] = ws().pair(WS_AF_INET);
  const TCP_INITIAL_RTO_PARAMETERS rto{500, TCP_INITIAL_RTO_NO_SYN_RETRANSMISSIONS};
  EXPECT_EQ(tell(s, SIO_TCP_INITIAL_RTO, rto), 0);
  EXPECT_EQ(tell(client, SIO_TCP_INITIAL_RTO, rto), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  const BOOL on = TRUE;
  EXPECT_EQ(tell(s, SIO_LOOPBACK_FAST_PATH, on), 0);
  EXPECT_EQ(tell(client, SIO_LOOPBACK_FAST_PATH, on), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  const WSA_COMPATIBILITY_MODE mode{WsaBehaviorAutoTuning, 0};
  EXPECT_EQ(tell(s, SIO_SET_COMPATIBILITY_MODE, mode), 0);
  const WSA_COMPATIBILITY_MODE unknown{WsaBehaviorAll, 0};
  EXPECT_EQ(tell(s, SIO_SET_COMPATIBILITY_MODE, unknown), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEINVAL);
  for (const DWORD code : {SIO_GET_QOS, SIO_SET_QOS, SIO_GET_GROUP_QOS, SIO_SET_GROUP_QOS}) {
    EXPECT_EQ(ioctl(s, code, nullptr, 0, nullptr, 0), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAENOPROTOOPT);
  }
}

TEST_F(Spi_Queries, FlushEndsSendsThatHaveNotBegun) {
  const auto [client, server] = ws().pair(WS_AF_INET);
  const std::string much(8 << 20, 'x');
  const auto post = [&](Overlap& overlap) {
    WSABUF buffer{static_cast<ULONG>(much.size()), const_cast<CHAR*>(much.data())};
    DWORD n = 0;
    return ws().table.lpWSPSend(client, &buffer, 1, &n, 0, overlap.get(), nullptr, nullptr,
                                &ws().error);
  };
  Overlap first, second;
  ASSERT_EQ(post(first), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  ASSERT_EQ(post(second), SOCKET_ERROR);
  ASSERT_EQ(ioctl(client, SIO_FLUSH, nullptr, 0, nullptr, 0), 0);
  EXPECT_EQ(ws().result(client, second, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_OPERATION_ABORTED);
  EXPECT_EQ(ws().result(client, first, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE) << "a hole in the stream";
  reset(client);  // before what it sends from is gone
}

}  // namespace
}  // namespace millrace::test
