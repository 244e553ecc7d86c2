// SPDX-License-Identifier: BSD-3-Clause
// Receiving and sending through the SPI: blocking, nonblocking, overlapped with an event, and how a
// result is fetched. What needs a hand on every packet is in tests/stack/recv_wire_test.cc.
#include <algorithm>
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

std::string numbers(size_t n) {
  std::string text;
  for (size_t i = 0; text.size() < n; ++i) text += std::to_string(i) + ' ';
  text.resize(n);
  return text;
}

// ---- blocking ----

class Recv_B6 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B6);
class Recv_B6_Datagrams : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Recv_B6_Datagrams);

TEST_P(Recv_B6, ABlockingReceiveWaitsForOneByteOrOneMessage) {  // winsock-rules 29
  const auto [client, server] = ws().pair(kind());
  std::thread sender([table = ws().table, to = client] {
    Winsock mine(table);
    EXPECT_EQ(mine.send(to, "x"), 1);
  });
  EXPECT_EQ(ws().recv(server), "x");
  sender.join();
}

TEST_P(Recv_B6_Datagrams, ABlockingReceiveOfADatagramWaitsForAllOfIt) {
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const Address name = ws().name_of(s);
  std::thread sender([table = ws().table, name, this] {
    Winsock mine(table);
    const SOCKET from = mine.datagram(family());
    EXPECT_EQ(mine.send_to(from, numbers(30'000), name), 30'000);
    EXPECT_EQ(mine.close(from), 0);
  });
  EXPECT_EQ(ws().recv(s), numbers(30'000));
  sender.join();
}

TEST_P(Recv_B6, AMegabyteGoesBothWaysBetweenBlockingCalls) {
  const auto [client, server] = ws().pair(kind());
  const std::string data = numbers(1 << 20);
  std::thread echo([table = ws().table, s = server, &data] {
    Winsock mine(table);
    const std::string got = mine.recv_all(s, data.size());
    EXPECT_TRUE(got == data);
    EXPECT_EQ(mine.send(s, got), static_cast<int>(got.size()));
    EXPECT_EQ(mine.shutdown(s, SD_SEND), 0);
  });
  EXPECT_EQ(ws().send(client, data), static_cast<int>(data.size()));
  EXPECT_TRUE(ws().recv_all(client, data.size()) == data);
  EXPECT_EQ(ws().recv(client), "");
  EXPECT_EQ(ws().error, graceful_end());
  echo.join();
  auto now = counters();
  if (!has_messages()) {  // SCTP's copies are counted in tests/stack/recv_wire_test.cc
    EXPECT_EQ(now["bytes_copied"], now["bytes_delivered"]);
  }
  EXPECT_EQ(now["bytes_delivered"], 2 * data.size());
}

TEST_P(Recv_B6, ReceiveTimeoutEndsTheWait) {  // winsock-rules 33
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().set_option(server, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 30), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAETIMEDOUT);
  EXPECT_EQ(ws().recv(server, 10, WS_MSG_PEEK), "");
  EXPECT_EQ(ws().error, WSAETIMEDOUT);
  Overlap pending(10);  // not for overlapped ones
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_FALSE(ws().is_ready(server, 'x', 60));
  EXPECT_EQ(ws().result(server, pending, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE);
  EXPECT_EQ(ws().send(client, "late"), 4);
  EXPECT_EQ(ws().finish(server, pending), "late");
}

TEST_P(Recv_B6, APeekLeavesNothingButItsOwnFlag) {  // winsock-rules 123
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "ab"), 2);
  EXPECT_EQ(ws().recv(server, 2, WS_MSG_PEEK), "ab");
  EXPECT_EQ(ws().received_flags & ~DWORD{WS_MSG_PEEK}, 0u);
  EXPECT_EQ(ws().recv(server, 2), "ab");
}

TEST_P(Recv_B6, AHugeBufferIsTakenAsAnyOther) {  // winsock-rules 28
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "ab"), 2);
  EXPECT_EQ(ws().recv(server, 64 << 20), "ab");
}

TEST_P(Recv_B6, SendTimeoutEndsTheWaitAndTellsWhatWentOut) {
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().set_option(client, WS_SOL_SOCKET, WS_SO_SNDTIMEO, 30), 0);
  const std::string much(16 << 20, 'x');
  const int sent = ws().send(client, much);  // nobody reads
  ASSERT_GT(sent, 0);
  ASSERT_LT(static_cast<size_t>(sent), much.size());
  // What the peer takes meanwhile makes room for some more, until nothing goes any more.
  size_t total = static_cast<size_t>(sent);
  int more = 0;
  while ((more = ws().send(client, much)) > 0) total += static_cast<size_t>(more);
  EXPECT_EQ(ws().error, WSAETIMEDOUT);
  EXPECT_TRUE(ws().recv_all(server, total) == std::string(total, 'x'));
}

TEST_P(Recv_B6, AReceiveBehindAnOverlappedOneGetsWhatComesAfter) {
  const auto [client, server] = ws().pair(kind());
  Overlap first(3);
  ASSERT_EQ(ws().post_recv(server, first), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "abcdef"), 6);
  EXPECT_EQ(ws().recv(server), "def");
  EXPECT_EQ(ws().finish(server, first), "abc");
}

// ---- nonblocking ----

class Spi_Nonblocking : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Spi_Nonblocking);

TEST_P(Spi_Nonblocking, AProgramThatSpinsNeedsNoThread) {
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().set_nonblocking(server), 0);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  ASSERT_EQ(ws().send(client, "spin"), 4);
  std::string got;
  EXPECT_TRUE(eventually([&] { return !(got = ws().recv(server)).empty(); }));
  EXPECT_EQ(got, "spin");
}

TEST_P(Spi_Nonblocking, AcceptWouldBlock) {
  const auto [l, address] = ws().listener(kind());
  ASSERT_EQ(ws().set_nonblocking(l), 0);
  EXPECT_EQ(ws().accept(l), INVALID_SOCKET);
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  const SOCKET client = ws().socket(kind());
  ASSERT_EQ(ws().connect(client, address), 0);
  SOCKET server = INVALID_SOCKET;
  EXPECT_TRUE(eventually([&] { return (server = ws().accept(l)) != INVALID_SOCKET; }));
  EXPECT_EQ(ws().send(client, "x"), 1);
  EXPECT_TRUE(ws().is_ready(server, 'r', 10'000));
}

TEST_P(Spi_Nonblocking, ASendTakesWhatFits) {
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().set_nonblocking(client), 0);
  const std::string part = numbers(100'000);
  size_t sent = 0;
  for (;;) {
    const int n = ws().send(client, part);
    if (n < 0) break;
    sent += static_cast<size_t>(n);
    ASSERT_LT(sent, 100u << 20) << "it never fills up";
  }
  EXPECT_EQ(ws().error, WSAEWOULDBLOCK);
  EXPECT_EQ(ws().recv_all(server, sent).size(), sent);
  EXPECT_TRUE(ws().is_ready(client, 'w', 10'000));
}

// ---- overlapped with an event ----

class Recv_B17 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B17);
class Recv_B17_Datagrams : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Recv_B17_Datagrams);

TEST_P(Recv_B17, DataThatIsThereSignalsAsWell) {  // contract: C2
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "ready"), 5);
  ASSERT_TRUE(ws().is_ready(server, 'r', 10'000));
  char memory[100];
  WSABUF buffer{sizeof memory, memory};
  DWORD n = 0, flags = 0;
  Overlap receive;
  ASSERT_EQ(ws().table.lpWSPRecv(server, &buffer, 1, &n, &flags, receive.get(), nullptr, nullptr,
                                 &ws().error),
            0);
  EXPECT_EQ(n, 5u);
  EXPECT_EQ(flags, 0u);
  EXPECT_TRUE(receive.is_signalled());
  EXPECT_EQ(ws().result(server, receive, false), 5);
}

TEST_P(Recv_B17, APendingOneSignalsWhenItIsDone) {  // winsock-rules 48
  const auto [client, server] = ws().pair(kind());
  Overlap receive(100);
  WSASetEvent(receive.overlapped.hEvent);
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_FALSE(receive.is_signalled()) << "reset at the start";  // winsock-rules 41
  EXPECT_EQ(receive.overlapped.Internal, static_cast<ULONG_PTR>(WSS_OPERATION_IN_PROGRESS));
  EXPECT_EQ(ws().result(server, receive, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_INCOMPLETE);
  ASSERT_EQ(ws().send(client, "done"), 4);
  const WSAEVENT event = receive.overlapped.hEvent;
  EXPECT_EQ(WSAWaitForMultipleEvents(1, &event, TRUE, WSA_INFINITE, FALSE), WSA_WAIT_EVENT_0);
  EXPECT_EQ(ws().finish(server, receive), "done");
  EXPECT_TRUE(receive.is_signalled()) << "manual reset";  // winsock-rules 50
}

TEST_P(Recv_B17, WithoutAnEventTheResultIsThereAllTheSame) {  // winsock-rules 49
  const auto [client, server] = ws().pair(kind());
  char memory[100];
  WSABUF buffer{sizeof memory, memory};
  DWORD n = 0, flags = 0;
  WSAOVERLAPPED overlapped{};
  ASSERT_EQ(ws().table.lpWSPRecv(server, &buffer, 1, nullptr, &flags, &overlapped, nullptr, nullptr,
                                 &ws().error),
            SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  ASSERT_EQ(ws().send(client, "done"), 4);
  EXPECT_TRUE(
      ws().table.lpWSPGetOverlappedResult(server, &overlapped, &n, TRUE, &flags, &ws().error));
  EXPECT_EQ(n, 4u);
}

TEST_P(Recv_B17, OffsetsStayTheCallers) {  // winsock-rules 44
  const auto [client, server] = ws().pair(kind());
  Overlap receive(10);
  receive.overlapped.Offset = 11;
  receive.overlapped.OffsetHigh = 22;
  ASSERT_EQ(ws().post_recv(server, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(ws().finish(server, receive), "x");
  EXPECT_EQ(receive.overlapped.Offset, 11u);
  EXPECT_EQ(receive.overlapped.OffsetHigh, 22u);
}

TEST_P(Recv_B17_Datagrams, ATruncatedDatagramIsAFailureWithBytes) {  // winsock-rules 77, 106
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  Overlap receive(4);
  ASSERT_EQ(ws().post_recv(s, receive), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  const SOCKET sender = ws().datagram(family());
  ASSERT_EQ(ws().send_to(sender, "too long", ws().name_of(s)), 8);
  DWORD n = 0, flags = 0;
  EXPECT_FALSE(
      ws().table.lpWSPGetOverlappedResult(s, receive.get(), &n, TRUE, &flags, &ws().error));
  EXPECT_EQ(ws().error, WSAEMSGSIZE);
  EXPECT_EQ(n, 4u);
  EXPECT_EQ(receive.overlapped.Internal, 0x80000005u);  // STATUS_BUFFER_OVERFLOW
  EXPECT_EQ(std::string(receive.memory.begin(), receive.memory.end()), "too ");
}

TEST_P(Recv_B17_Datagrams, TheSourceIsStoredAtCompletion) {  // winsock-rules 116
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  Overlap receive(100);
  WSABUF buffer{100, receive.memory.data()};
  DWORD flags = 0;
  Address from;
  const INT room = from.length;
  ASSERT_EQ(ws().table.lpWSPRecvFrom(s, &buffer, 1, nullptr, &flags, from.get(), &from.length,
                                     receive.get(), nullptr, nullptr, &ws().error),
            SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_EQ(from.length, room);
  const SOCKET sender = ws().datagram(family());
  ASSERT_EQ(ws().bind(sender, Address::loopback(family())), 0);
  ASSERT_EQ(ws().send_to(sender, "hi", ws().name_of(s)), 2);
  EXPECT_EQ(ws().finish(s, receive), "hi");
  EXPECT_EQ(from, ws().name_of(sender));
  EXPECT_EQ(from.length, family() == WS_AF_INET ? 16 : 28);
  from.length = 15;
  EXPECT_EQ(ws().table.lpWSPRecvFrom(s, &buffer, 1, nullptr, &flags, from.get(), &from.length,
                                     receive.get(), nullptr, nullptr, &ws().error),
            SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
}

// winsock-rules 132
TEST_P(Recv_B17, CloseAbortsEachPendingReceive) {  // contract: E17
  const auto [client, server] = ws().pair(kind());
  std::vector<std::unique_ptr<Overlap>> receives;
  for (int i = 0; i < 10; ++i) {
    receives.push_back(std::make_unique<Overlap>(10));
    ASSERT_EQ(ws().post_recv(server, *receives.back()), SOCKET_ERROR);
    ASSERT_EQ(ws().error, WSA_IO_PENDING);
  }
  const auto before = counters()["completions"];
  EXPECT_EQ(ws().close(server), 0);
  for (const auto& receive : receives) {
    EXPECT_TRUE(eventually([&] { return receive->is_signalled(); }));
    EXPECT_EQ(receive->overlapped.InternalHigh, 0u);
    // Any socket of ours may fetch it: the one that it belonged to is gone.
    EXPECT_EQ(ws().result(client, *receive, false), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSA_OPERATION_ABORTED);
  }
  EXPECT_EQ(counters()["completions"], before + 10);
}

class Recv_B5 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B5);

TEST_P(Recv_B5, ANonoverlappedSocketIgnoresOverlappedArguments) {  // winsock-rules 25
  const auto [l, address] = ws().listener(kind());
  const SOCKET client = ws().socket(kind(), 0);
  ASSERT_EQ(ws().connect(client, address), 0);
  const SOCKET server = ws().accept(l);
  ASSERT_EQ(ws().send(server, "plain"), 5);
  char memory[100];
  WSABUF buffer{sizeof memory, memory};
  DWORD n = 0, flags = 0;
  WSATHREADID thread{};
  Overlap ignored;
  const auto never = [](DWORD, DWORD, LPWSAOVERLAPPED, DWORD) { FAIL() << "a routine was run"; };
  ASSERT_EQ(ws().table.lpWSPRecv(client, &buffer, 1, &n, &flags, ignored.get(), never, &thread,
                                 &ws().error),
            0);
  EXPECT_EQ(std::string(memory, n), "plain");
  EXPECT_FALSE(ignored.is_signalled());
}

class Recv_B4 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B4);

TEST_P(Recv_B4, AnOverlappedSocketTakesPlainCalls) {  // winsock-rules 34
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "plain"), 5);
  EXPECT_EQ(ws().recv(server), "plain");
}

TEST_P(Recv_B4, ARoutineWithoutAnOverlappedIsIgnored) {  // winsock-rules 35
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "plain"), 5);
  char memory[100];
  WSABUF buffer{sizeof memory, memory};
  DWORD n = 0, flags = 0;
  WSATHREADID thread{};
  const auto never = [](DWORD, DWORD, LPWSAOVERLAPPED, DWORD) { FAIL() << "a routine was run"; };
  ASSERT_EQ(
      ws().table.lpWSPRecv(server, &buffer, 1, &n, &flags, nullptr, never, &thread, &ws().error),
      0);
  EXPECT_EQ(std::string(memory, n), "plain");
}

// ---- ends ----

class Spi_Close : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Spi_Close);

TEST_P(Spi_Close, GracefulEndsTheConnection) {  // contract: B12 E15
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "bye"), 3);
  ASSERT_EQ(ws().close(client), 0);
  EXPECT_EQ(ws().recv(server), "bye");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(ws().recv(server), "");
    EXPECT_EQ(ws().error, graceful_end());
  }
}

TEST_P(Spi_Close, LingerOfZeroResetsThePeer) {  // winsock-rules 136, contract: E14
  const auto [client, server] = ws().pair(kind());
  Overlap pending(10);
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  const WS_linger reset{1, 0};
  ASSERT_EQ(
      ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                 reinterpret_cast<const CHAR*>(&reset), sizeof reset, &ws().error),
      0);
  ASSERT_EQ(ws().close(client), 0);
  EXPECT_EQ(ws().result(server, pending, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNRESET);
  EXPECT_EQ(ws().recv(server), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
  EXPECT_EQ(ws().send(server, "x"), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNRESET);
}

TEST_P(Spi_Close, LingerWaitsForThePeerToTakeTheData) {
  const auto [client, server] = ws().pair(kind());
  const WS_linger linger{1, 20};
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&linger), sizeof linger,
                                       &ws().error),
            0);
  const std::string data = numbers(100'000);
  ASSERT_EQ(ws().send(client, data), 100'000);
  EXPECT_EQ(ws().close(client), 0);
  EXPECT_TRUE(ws().recv_all(server, data.size()) == data);
}

// winsock-rules 6: a program that sends, closes and cleans up has sent.
TEST_P(Spi_Close, SendsWhatIsQueuedWhileTheOtherSideReadsSlowly) {
  const auto [client, server] = ws().pair(kind());
  const std::string data = numbers(400'000);
  ASSERT_EQ(ws().send(client, data), 400'000);
  ASSERT_EQ(ws().close(client), 0);
  std::string got;
  for (;;) {
    const std::string part = ws().recv(server, 1000);
    if (part.empty()) break;
    got += part;
  }
  EXPECT_EQ(ws().error, graceful_end());
  EXPECT_TRUE(got == data);
}

class Spi_Datagrams : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Spi_Datagrams);

TEST_P(Spi_Datagrams, ConnectedOnesTalkToTheirPeer) {
  const SOCKET a = ws().datagram(family()), b = ws().datagram(family());
  ASSERT_EQ(ws().bind(a, Address::loopback(family())), 0);
  ASSERT_EQ(ws().bind(b, Address::loopback(family())), 0);
  ASSERT_EQ(ws().connect(a, ws().name_of(b)), 0);
  EXPECT_EQ(ws().peer_of(a), ws().name_of(b));
  EXPECT_EQ(ws().send(a, "hello"), 5);
  Address from;
  EXPECT_EQ(ws().recv_from(b, from), "hello");
  EXPECT_EQ(from, ws().name_of(a));
  EXPECT_EQ(ws().send_to(b, "back", from), 4);
  EXPECT_EQ(ws().recv(a), "back");
  Address nobody;
  nobody.length = sizeof(ADDRESS_FAMILY);
  EXPECT_EQ(ws().connect(a, nobody), 0);  // AF_UNSPEC
  (void)ws().peer_of(a);
  EXPECT_EQ(ws().error, WSAENOTCONN);
}

TEST_P(Spi_Datagrams, BadTargetsAreRefused) {
  const SOCKET s = ws().datagram(family());
  EXPECT_EQ(ws().send(s, "x"), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  EXPECT_EQ(ws().send_to(s, "x", Address::loopback(family(), 0)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEADDRNOTAVAIL);
  Address shorter = Address::loopback(family(), 9);
  shorter.length -= 1;
  EXPECT_EQ(ws().send_to(s, "x", shorter), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  Address other = Address::loopback(family() == WS_AF_INET ? WS_AF_INET6 : WS_AF_INET, 9);
  other.length = 28;
  EXPECT_EQ(ws().send_to(s, "x", other), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEAFNOSUPPORT);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAEINVAL);  // not bound yet
}

}  // namespace
}  // namespace millrace::test
