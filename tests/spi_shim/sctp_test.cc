// SPDX-License-Identifier: BSD-3-Clause
// SCTP as a program sees it: SOCK_SEQPACKET of IPPROTO_SCTP, and the catalog's second entry without
// MSG_PARTIAL.
#include <thread>

#include "mswsock.h"
#include "spi_shim/catalog.h"
#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

WSAPROTOCOL_INFOW whole_messages(int family) { return *catalog_entry(family == WS_AF_INET ? 1007 : 1008); }

class SpiSctp : public SpiFamilyTest {
 protected:
  SOCKET sctp() { return ws().socket(family(), WS_SOCK_SEQPACKET); }
  /// Both ends of a connection; its sockets are made by make().
  template <typename Make>
  std::pair<SOCKET, SOCKET> connected(Make make) {
    const SOCKET listener = make();
    EXPECT_EQ(ws().bind(listener, Address::loopback(family())), 0) << ws().error;
    EXPECT_EQ(ws().listen(listener), 0) << ws().error;
    const SOCKET client = make();
    EXPECT_EQ(ws().connect(client, ws().name_of(listener)), 0) << ws().error;
    const SOCKET server = ws().accept(listener);
    EXPECT_NE(server, INVALID_SOCKET) << ws().error;
    return {client, server};
  }
  std::pair<SOCKET, SOCKET> connected() {
    return connected([this] { return sctp(); });
  }
};
MILLRACE_BOTH_SPI_FAMILIES(SpiSctp);

TEST_P(SpiSctp, MessagesGoBothWays) {
  const auto [client, server] = connected();
  EXPECT_EQ(ws().peer_of(client), ws().name_of(server));
  EXPECT_EQ(ws().send(client, "question"), 8);
  EXPECT_EQ(ws().send(client, "another"), 7);
  EXPECT_EQ(ws().recv(server), "question");
  EXPECT_EQ(ws().recv(server), "another");
  EXPECT_EQ(ws().send(server, "answer"), 6);
  EXPECT_EQ(ws().recv(client), "answer");
}

TEST_P(SpiSctp, SaysWhatItIs) {
  const auto [client, server] = connected();
  for (const SOCKET s : {client, server}) {
    EXPECT_EQ(ws().option(s, WS_SOL_SOCKET, WS_SO_TYPE), WS_SOCK_SEQPACKET);
    WSAPROTOCOL_INFOW info{};
    INT length = sizeof info;
    ASSERT_EQ(ws().table.lpWSPGetSockOpt(s, WS_SOL_SOCKET, SO_PROTOCOL_INFOW, reinterpret_cast<CHAR*>(&info),
                                         &length, &ws().error),
              0);
    EXPECT_EQ(info.iProtocol, WS_IPPROTO_SCTP);
    EXPECT_EQ(info.dwServiceFlags1,
              DWORD{XP1_MESSAGE_ORIENTED | XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER |
                    XP1_GRACEFUL_CLOSE | XP1_PARTIAL_MESSAGE});
  }
}

TEST_P(SpiSctp, TheFlagsTellOfTheRest) {
  const auto [client, server] = connected();
  EXPECT_EQ(ws().send(client, "longer than the room"), 20);
  EXPECT_EQ(ws().recv(server, 6), "longer");
  EXPECT_EQ(ws().received_flags, DWORD{MSG_PARTIAL});
  EXPECT_EQ(ws().recv(server), " than the room");
  EXPECT_EQ(ws().received_flags, 0u);
}

TEST_P(SpiSctp, TheOtherEntryKeepsMessagesWhole) {
  const auto [client, server] = connected([this] { return ws().socket_of(whole_messages(family())); });
  EXPECT_EQ(ws().send(client, "longer than the room"), 20);
  EXPECT_EQ(ws().recv(server, 6), "");
  EXPECT_EQ(ws().error, WSAEMSGSIZE);
  EXPECT_EQ(ws().recv(server), "longer than the room");
  EXPECT_EQ(ws().send(client, "part", MSG_PARTIAL), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEOPNOTSUPP);
}

TEST_P(SpiSctp, AnOverlappedReceiveHasTheFlagsInItsResult) {
  const auto [client, server] = connected();
  Overlap first(6), second(100);
  EXPECT_EQ(ws().post_recv(server, first), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_EQ(ws().post_recv(server, second), SOCKET_ERROR);
  EXPECT_EQ(ws().send(client, "longer than the room"), 20);
  EXPECT_EQ(ws().finish(server, first), "longer");
  EXPECT_EQ(first.flags, DWORD{MSG_PARTIAL});
  EXPECT_EQ(ws().finish(server, second), " than the room");
  EXPECT_EQ(second.flags, 0u);
}

TEST_P(SpiSctp, AGracefulEndIsWsaedisconAndSelectSeesIt) {
  const auto [client, server] = connected();
  EXPECT_EQ(ws().send(client, "last"), 4);
  EXPECT_EQ(ws().close(client), 0);
  EXPECT_EQ(ws().recv(server), "last");
  EXPECT_TRUE(ws().is_ready(server, 'r', 5000));
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEDISCON);
}

TEST_P(SpiSctp, ABlockedReceiveIsServedByAnotherThread) {
  const auto [client, server] = connected();
  std::thread sender([&, from = client] {
    Winsock other(ws().table);
    wait_until_somebody_waits();
    other.send(from, "from afar");
  });
  EXPECT_EQ(ws().recv(server), "from afar");
  sender.join();
}

TEST_P(SpiSctp, TheOptionsOfMessagesAreThere) {
  const auto [client, server] = connected();
  constexpr int kSctpNoDelay = 3;
  EXPECT_EQ(ws().set_option(client, WS_IPPROTO_SCTP, kSctpNoDelay, 1), 0);
  EXPECT_EQ(ws().option(client, WS_IPPROTO_SCTP, kSctpNoDelay), 1);
  EXPECT_EQ(ws().option(client, WS_SOL_SOCKET, SO_MAX_MSG_SIZE), 0xffffffff);
  EXPECT_EQ(ws().set_option(client, WS_IPPROTO_TCP, WS_TCP_NODELAY, 1), SOCKET_ERROR);
  EXPECT_EQ(ws().set_option(client, WS_SOL_SOCKET, WS_SO_KEEPALIVE, 1), 0);
}

TEST_P(SpiSctp, OptionsOfOthersAreNotItsOwn) {
  const SOCKET s = sctp();
  EXPECT_EQ(ws().set_option(s, WS_IPPROTO_UDP, 0, 0), SOCKET_ERROR);
  EXPECT_EQ(ws().send(s, "nobody"), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
}

TEST_P(SpiSctp, TransmitFileIsTcps) {
  const auto [client, server] = connected();
  LPFN_TRANSMITFILE transmit = nullptr;
  ws().fetch(client, WSAID_TRANSMITFILE, transmit);
  EXPECT_FALSE(transmit(client, nullptr, 0, 0, nullptr, nullptr, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEOPNOTSUPP));
}

TEST_P(SpiSctp, DisconnectExEndsTheConnectionBehindWhatWasSent) {  // winsock-rules 196
  const auto [client, server] = connected();
  LPFN_DISCONNECTEX disconnect_ex = nullptr;
  ws().fetch(client, WSAID_DISCONNECTEX, disconnect_ex);
  Overlap overlap;
  ASSERT_EQ(ws().send(client, "last"), 4);
  ASSERT_FALSE(disconnect_ex(client, overlap.get(), 0, 0));
  ASSERT_EQ(GetLastError(), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(ws().result(client, overlap, true), 0) << ws().error;
  EXPECT_EQ(ws().recv(server), "last");
  for (const SOCKET end : {client, server}) {
    EXPECT_EQ(ws().recv(end), "");
    EXPECT_EQ(ws().error, WSAEDISCON);
  }
  EXPECT_EQ(ws().connect(client, Address::loopback(family(), 1)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEISCONN);
  EXPECT_FALSE(disconnect_ex(sctp(), nullptr, 0, 0));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAENOTCONN));
  EXPECT_TRUE(disconnect_ex(server, nullptr, 0, 0)) << "blocking, and over already";
}

class Recv_B20 : public SpiSctp {};
MILLRACE_BOTH_SPI_FAMILIES(Recv_B20);

TEST_P(Recv_B20, ARoutineHasTheFlagsOfItsPart) {  // contract: B14
  struct Part {
    WSAOVERLAPPED overlapped{};
    char memory[6];
    DWORD n = 0, flags = 77;
  } parts[2];
  const auto [client, server] = connected();
  for (Part& part : parts) {
    WSABUF buffer{sizeof part.memory, part.memory};
    DWORD flags = 0;
    const auto on_done = [](DWORD error, DWORD n_bytes, LPWSAOVERLAPPED overlapped, DWORD flags_of_it) {
      EXPECT_EQ(error, 0u);
      reinterpret_cast<Part*>(overlapped)->n = n_bytes;
      reinterpret_cast<Part*>(overlapped)->flags = flags_of_it;
    };
    ASSERT_EQ(ws().table.lpWSPRecv(server, &buffer, 1, nullptr, &flags, &part.overlapped, on_done, nullptr,
                                   &ws().error),
              SOCKET_ERROR);
    ASSERT_EQ(ws().error, WSA_IO_PENDING);
  }
  ASSERT_EQ(ws().send(client, "ten bytes."), 10);
  while (parts[1].n == 0) ASSERT_EQ(SleepEx(20'000, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(std::string(parts[0].memory, parts[0].n) + std::string(parts[1].memory, parts[1].n), "ten bytes.");
  EXPECT_EQ(parts[0].flags, DWORD{MSG_PARTIAL});
  EXPECT_EQ(parts[1].flags, 0u);
}

TEST_P(SpiSctp, AReceiveWithoutRoomForAWholeMessageEndsAndLeavesIt) {  // contract: B10 b
  const auto [client, server] = connected([this] { return ws().socket_of(whole_messages(family())); });
  Overlap narrow(4), wide(100);
  ws().post_recv(server, narrow);
  ws().post_recv(server, wide);
  ASSERT_EQ(ws().send(client, "ten bytes."), 10);
  EXPECT_EQ(ws().result(server, narrow, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEMSGSIZE);
  EXPECT_EQ(ws().finish(server, wide), "ten bytes.");
}

TEST_P(SpiSctp, APortHasAPacketForEachMessageAndForTheEnd) {
  const auto [client, server] = connected();
  PortOfTest port;
  ASSERT_TRUE(port.add(server, 7));
  Overlap first(100), second(100), third(100);
  for (Overlap* overlap : {&first, &second, &third}) {
    ASSERT_EQ(ws().post_recv(server, *overlap), SOCKET_ERROR);
    ASSERT_EQ(ws().error, WSA_IO_PENDING);
  }
  ASSERT_EQ(ws().send(client, "one"), 3);
  ASSERT_EQ(ws().send(client, "three"), 5);
  ASSERT_EQ(ws().shutdown(client, SD_SEND), 0);
  for (const auto& [overlap, n_bytes] : {std::pair(&first, 3u), std::pair(&second, 5u), std::pair(&third, 0u)}) {
    const Packet packet = port.take();
    EXPECT_EQ(packet.ok, n_bytes != 0 ? TRUE : FALSE);
    EXPECT_EQ(packet.overlapped, overlap->get());
    EXPECT_EQ(packet.bytes, n_bytes);
    EXPECT_EQ(packet.key, 7u);
  }
  EXPECT_EQ(ws().result(server, third, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEDISCON);
}

}  // namespace
}  // namespace millrace::test
