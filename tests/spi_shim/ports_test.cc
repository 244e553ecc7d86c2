// SPDX-License-Identifier: BSD-3-Clause
// Completion ports: which operations of sockets queue packets, what those say, and who gets them.
#include <thread>

#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

class PortTest : public SpiTest {
 protected:
  /// A connection whose server end has the port, with key 7.
  void connect() {
    std::tie(client, server) = ws().pair(WS_AF_INET);
    ASSERT_TRUE(port.add(server, 7));
  }
  void send(std::string_view text) {
    ASSERT_EQ(ws().send(client, text), static_cast<int>(text.size()));
  }
  void let_arrive() { ASSERT_TRUE(ws().is_ready(server, 'r', kPatienceMs)); }

  PortOfTest port;
  SOCKET client = INVALID_SOCKET, server = INVALID_SOCKET;
};

using Winsock_R61 = PortTest;
using Winsock_R63 = PortTest;
using Winsock_R64 = PortTest;
using Winsock_R65 = PortTest;
using Winsock_R66 = PortTest;
using Winsock_R67 = PortTest;
using Winsock_R68 = PortTest;
using Winsock_R70 = PortTest;
using Winsock_R72 = PortTest;
using Winsock_R73 = PortTest;
using Winsock_R74 = PortTest;
using Winsock_R51 = PortTest;
using Ports = PortTest;

TEST_F(Winsock_R63, APendingReceiveQueuesOnePacket) {
  connect();
  Overlap pending(16);
  ASSERT_EQ(ws().post_recv(server, pending), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_TRUE(port.is_empty());
  send("hello");
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.key, 7u);
  EXPECT_EQ(packet.bytes, 5u);
  EXPECT_EQ(packet.overlapped, pending.get());
  EXPECT_EQ(std::string(pending.memory.data(), 5), "hello");
  EXPECT_TRUE(pending.is_signalled()) << "the event as well";
  EXPECT_TRUE(port.is_empty());
}

TEST_F(Winsock_R63, AReceiveThatIsDoneAtOnceQueuesOnePacket) {
  connect();
  send("hello");
  let_arrive();
  Overlap done(16);
  EXPECT_EQ(ws().post_recv(server, done), 0);
  const Packet packet = port.take(0);
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.bytes, 5u);
  EXPECT_EQ(packet.overlapped, done.get());
  EXPECT_TRUE(port.is_empty());
}

TEST_F(Winsock_R63, ACallThatFailsQueuesNothing) {
  const SOCKET s = ws().stream(WS_AF_INET);
  ASSERT_TRUE(port.add(s, 1));
  Overlap refused(16);
  EXPECT_EQ(ws().post_recv(s, refused), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENOTCONN);
  EXPECT_TRUE(port.is_empty());
}

TEST_F(Winsock_R63, SendsQueuePacketsToo) {
  connect();
  ASSERT_TRUE(port.add(client, 8));
  Overlap sent;
  WSABUF buffer{5, const_cast<CHAR*>("hello")};
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPSend(client, &buffer, 1, nullptr, 0, sent.get(), nullptr, nullptr,
                                 &error),
            0);
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.key, 8u);
  EXPECT_EQ(packet.bytes, 5u);
  EXPECT_EQ(ws().recv(server), "hello");
}

TEST_F(Winsock_R63, PacketsComeInTheOrderOfCompletionAndDatagramsHaveThemToo) {
  const SOCKET s = ws().datagram(WS_AF_INET), from = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().bind(s, Address::loopback(WS_AF_INET)), 0);
  ASSERT_TRUE(port.add(s, 3));
  Overlap first(16), second(16);
  ws().post_recv(s, first);
  ws().post_recv(s, second);
  ASSERT_EQ(ws().send_to(from, "one", ws().name_of(s)), 3);
  ASSERT_EQ(ws().send_to(from, "three", ws().name_of(s)), 5);
  Packet packet = port.take();
  EXPECT_EQ(packet.overlapped, first.get());
  EXPECT_EQ(packet.bytes, 3u);
  packet = port.take();
  EXPECT_EQ(packet.overlapped, second.get());
  EXPECT_EQ(packet.bytes, 5u);
}

TEST_F(Winsock_R64, NonoverlappedCallsQueueNothing) {
  connect();
  send("hello");
  EXPECT_EQ(ws().recv(server), "hello");
  EXPECT_EQ(ws().send(server, "back"), 4);
  EXPECT_EQ(ws().recv(client), "back");
  EXPECT_TRUE(port.is_empty());
}

TEST_F(Winsock_R65, AnOperationThatFailsHasItsPacketAndWin32sCode) {
  const SOCKET s = ws().datagram(WS_AF_INET), from = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().bind(s, Address::loopback(WS_AF_INET)), 0);
  ASSERT_TRUE(port.add(s, 3));
  Overlap small(4);
  ws().post_recv(s, small);
  ASSERT_EQ(ws().send_to(from, "too long", ws().name_of(s)), 8);
  const Packet packet = port.take();
  EXPECT_FALSE(packet.ok);
  EXPECT_EQ(packet.error, ERROR_MORE_DATA);
  EXPECT_EQ(packet.overlapped, small.get());
  EXPECT_EQ(packet.bytes, 4u);
  EXPECT_EQ(packet.key, 3u);
}

TEST_F(Winsock_R66, ATimeoutLeavesBytesAndKeyAlone) {
  const Packet packet = port.take(1);
  EXPECT_FALSE(packet.ok);
  EXPECT_EQ(packet.error, WAIT_TIMEOUT);
  EXPECT_EQ(packet.overlapped, nullptr);
  EXPECT_EQ(packet.bytes, 0xdeadbeef);
  EXPECT_EQ(packet.key, 0xdeadbeef);
}

TEST_F(Winsock_R67, SuccessAtOnceCanBeLeftOutAndNothingElse) {
  connect();
  ASSERT_TRUE(SetFileCompletionNotificationModes(as_handle(server),
                                                 FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
  ASSERT_TRUE(SetFileCompletionNotificationModes(as_handle(server), 0));  // cannot be unset
  Overlap pending(16), at_once(16), cancelled(16);
  ws().post_recv(server, pending);
  send("one");
  EXPECT_EQ(port.take().overlapped, pending.get());
  send("two");
  let_arrive();
  EXPECT_EQ(ws().post_recv(server, at_once), 0);
  EXPECT_TRUE(port.is_empty());
  ws().post_recv(server, cancelled);
  EXPECT_TRUE(CancelIoEx(as_handle(server), cancelled.get()));
  EXPECT_EQ(port.take().error, ERROR_OPERATION_ABORTED);
}

TEST_F(Winsock_R68, TheEventOfAnOperationIsSetWhateverModesSay) {
  connect();
  ASSERT_TRUE(SetFileCompletionNotificationModes(
      as_handle(server), FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE));
  send("two");
  let_arrive();
  Overlap at_once(16);
  EXPECT_EQ(ws().post_recv(server, at_once), 0);
  EXPECT_TRUE(at_once.is_signalled());
  EXPECT_FALSE(SetFileCompletionNotificationModes(as_handle(server), 4));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  EXPECT_FALSE(SetFileCompletionNotificationModes(nullptr, 1));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
}

TEST_F(Winsock_R70, ASocketHasOnePortForItsLife) {
  connect();
  PortOfTest other;
  EXPECT_FALSE(other.add(server, 9));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  EXPECT_FALSE(port.add(server, 9)) << "not even the same one again";
  Overlap pending(16);
  ws().post_recv(server, pending);
  send("hello");
  EXPECT_EQ(port.take().key, 7u);
}

TEST_F(Winsock_R72, AGracefulCloseIsASuccessOfZeroBytes) {
  connect();
  Overlap pending(16);
  ws().post_recv(server, pending);
  EXPECT_EQ(ws().shutdown(client, SD_SEND), 0);
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.bytes, 0u);
  EXPECT_EQ(packet.overlapped, pending.get());
}

TEST_F(Winsock_R73, AResetIsNetnameDeleted) {
  connect();
  Overlap pending(16);
  ws().post_recv(server, pending);
  const WS_linger reset{1, 0};
  INT error = 0;
  ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                             reinterpret_cast<const CHAR*>(&reset), sizeof reset, &error);
  ASSERT_EQ(ws().close(client), 0);
  const Packet packet = port.take();
  EXPECT_FALSE(packet.ok);
  EXPECT_EQ(packet.error, ERROR_NETNAME_DELETED);
  EXPECT_EQ(packet.bytes, 0u);
  EXPECT_EQ(pending.overlapped.Internal, STATUS_CONNECTION_RESET);
  EXPECT_EQ(ws().result(server, pending, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNRESET) << "Winsock's code of the same operation";
}

TEST_F(Winsock_R74, APortThatComesAfterTheReceiveHearsOfIt) {
  std::tie(client, server) = ws().pair(WS_AF_INET);
  Overlap pending(16);
  ws().post_recv(server, pending);
  ASSERT_TRUE(port.add(server, 7));
  send("hello");
  EXPECT_EQ(port.take().overlapped, pending.get());
}

TEST_F(Winsock_R51, TheLowBitOfTheEventKeepsThePacketAway) {
  connect();
  Overlap pending(16), next(16);
  const HANDLE event = pending.overlapped.hEvent;
  pending.overlapped.hEvent = reinterpret_cast<HANDLE>(reinterpret_cast<ULONG_PTR>(event) | 1);
  ws().post_recv(server, pending);
  ws().post_recv(server, next);
  send("hello");
  EXPECT_EQ(WSAWaitForMultipleEvents(1, &event, FALSE, kPatienceMs, FALSE), WSA_WAIT_EVENT_0);
  send("again");
  EXPECT_EQ(port.take().overlapped, next.get());
  pending.overlapped.hEvent = event;
}

TEST_F(Winsock_R61, ARoutineIsRefusedOnASocketThatHasAPort) {
  connect();
  static bool has_run;
  has_run = false;
  const auto routine = [](DWORD, DWORD, LPWSAOVERLAPPED, DWORD) { has_run = true; };
  Overlap pending(16);
  WSABUF buffer{16, pending.memory.data()};
  DWORD flags = 0;
  INT error = 0;
  EXPECT_EQ(ws().table.lpWSPRecv(server, &buffer, 1, nullptr, &flags, pending.get(), routine,
                                 nullptr, &error),
            SOCKET_ERROR);
  EXPECT_EQ(error, WSAEINVAL);
  send("hello");
  let_arrive();
  EXPECT_EQ(SleepEx(0, TRUE), 0u);
  EXPECT_FALSE(has_run);
}

TEST_F(Ports, CloseEndsPendingReceivesWithPackets) {
  connect();
  Overlap first(16), second(16);
  ws().post_recv(server, first);
  ws().post_recv(server, second);
  ASSERT_EQ(ws().close(server), 0);
  for (const Overlap* expected : {&first, &second}) {
    const Packet packet = port.take();
    EXPECT_FALSE(packet.ok);
    EXPECT_EQ(packet.error, ERROR_OPERATION_ABORTED);
    EXPECT_EQ(packet.overlapped, &expected->overlapped);
  }
  EXPECT_TRUE(port.is_empty());
}

TEST_F(Ports, ArgumentsAreChecked) {
  const SOCKET plain = ws().socket(WS_AF_INET, WS_SOCK_STREAM, 0);
  EXPECT_FALSE(port.add(plain, 1)) << "not overlapped";
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  EXPECT_EQ(CreateIoCompletionPort(INVALID_HANDLE_VALUE, port.handle, 0, 0), nullptr);
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  const SOCKET s = ws().stream(WS_AF_INET);
  EXPECT_EQ(CreateIoCompletionPort(as_handle(s), as_handle(s), 0, 0), nullptr);
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
  EXPECT_EQ(CreateIoCompletionPort(port.handle, port.handle, 0, 0), nullptr) << "not a socket";
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
  const WSAEVENT event = WSACreateEvent();
  EXPECT_FALSE(PostQueuedCompletionStatus(event, 0, 0, nullptr)) << "not a port";
  EXPECT_FALSE(WSASetEvent(port.handle)) << "not an event";
  WSACloseEvent(event);
  DWORD n = 0;
  EXPECT_FALSE(GetQueuedCompletionStatus(port.handle, &n, nullptr, nullptr, 0));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
  ULONG removed = 0;
  OVERLAPPED_ENTRY entry;
  EXPECT_FALSE(GetQueuedCompletionStatusEx(port.handle, &entry, 0, &removed, 0, FALSE));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

TEST_F(Ports, APortIsMadeTogetherWithItsFirstSocket) {
  std::tie(client, server) = ws().pair(WS_AF_INET);
  port.close();
  port.handle = CreateIoCompletionPort(as_handle(server), nullptr, 7, 0);
  ASSERT_NE(port.handle, nullptr);
  Overlap pending(16);
  ws().post_recv(server, pending);
  send("hello");
  EXPECT_EQ(port.take().key, 7u);
}

TEST_F(Ports, PostedPacketsComeAsTheyWereGivenFirstInFirstOut) {
  for (ULONG_PTR i = 0; i < 100; ++i) {
    ASSERT_TRUE(PostQueuedCompletionStatus(port.handle, static_cast<DWORD>(i), i + 1,
                                           reinterpret_cast<OVERLAPPED*>(8 * i)));
  }
  for (ULONG_PTR i = 0; i < 100; ++i) {
    const Packet packet = port.take(0);
    ASSERT_TRUE(packet.ok);
    EXPECT_EQ(packet.bytes, i);
    EXPECT_EQ(packet.key, i + 1);
    EXPECT_EQ(packet.overlapped, reinterpret_cast<OVERLAPPED*>(8 * i));
  }
  EXPECT_TRUE(port.is_empty());
}

TEST_F(Ports, ExTakesSeveralAtOnceFailedOnesAmongThem) {
  connect();
  Overlap cancelled(16);
  ws().post_recv(server, cancelled);
  ASSERT_TRUE(CancelIoEx(as_handle(server), nullptr));
  for (int i = 0; i < 3; ++i) PostQueuedCompletionStatus(port.handle, 1, 2, nullptr);
  OVERLAPPED_ENTRY entries[3];
  ULONG n = 0;
  ASSERT_TRUE(GetQueuedCompletionStatusEx(port.handle, entries, 3, &n, kPatienceMs, FALSE));
  ASSERT_EQ(n, 3u);
  EXPECT_EQ(entries[0].Internal, STATUS_CANCELLED);
  EXPECT_EQ(entries[0].lpOverlapped, cancelled.get());
  EXPECT_EQ(entries[0].lpCompletionKey, 7u);
  EXPECT_EQ(entries[1].Internal, STATUS_SUCCESS);
  ASSERT_TRUE(GetQueuedCompletionStatusEx(port.handle, entries, 3, &n, 0, FALSE));
  EXPECT_EQ(n, 1u);
  EXPECT_FALSE(GetQueuedCompletionStatusEx(port.handle, entries, 3, &n, 0, FALSE));
  EXPECT_EQ(GetLastError(), WAIT_TIMEOUT);
  EXPECT_EQ(n, 0u);
}

TEST_F(Ports, AnAlertableWaitRunsRoutines) {
  const auto [a, b] = ws().pair(WS_AF_INET);
  static DWORD received;
  received = 0;
  Overlap pending(16);
  WSABUF buffer{16, pending.memory.data()};
  DWORD flags = 0;
  INT error = 0;
  ws().table.lpWSPRecv(b, &buffer, 1, nullptr, &flags, pending.get(),
                       [](DWORD, DWORD n, LPWSAOVERLAPPED, DWORD) { received = n; }, nullptr,
                       &error);
  ASSERT_EQ(ws().send(a, "hello"), 5);
  EXPECT_TRUE(eventually([&] { return pending.overlapped.Internal != STATUS_PENDING; }));
  EXPECT_TRUE(port.is_empty()) << "not alertable";
  EXPECT_EQ(received, 0u);
  OVERLAPPED_ENTRY entry;
  ULONG n = 0;
  ASSERT_TRUE(PostQueuedCompletionStatus(port.handle, 1, 2, nullptr));
  EXPECT_TRUE(GetQueuedCompletionStatusEx(port.handle, &entry, 1, &n, kPatienceMs, TRUE));
  EXPECT_EQ(received, 0u) << "there was nothing to wait for";
  EXPECT_FALSE(GetQueuedCompletionStatusEx(port.handle, &entry, 1, &n, kPatienceMs, TRUE));
  EXPECT_EQ(GetLastError(), WAIT_IO_COMPLETION);
  EXPECT_EQ(received, 5u);
}

TEST_F(Ports, AClosedPortEndsWaitsAndRefusesCalls) {
  std::thread waiter([&] {
    const Packet packet = port.take(INFINITE);
    EXPECT_FALSE(packet.ok);
    EXPECT_EQ(packet.error, ERROR_ABANDONED_WAIT_0);
    EXPECT_EQ(packet.overlapped, nullptr);
  });
  wait_until_somebody_waits();
  const HANDLE handle = port.handle;
  EXPECT_TRUE(CloseHandle(handle));
  waiter.join();
  EXPECT_FALSE(CloseHandle(handle));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
  EXPECT_EQ(port.take(0).error, ERROR_INVALID_HANDLE);
  EXPECT_FALSE(PostQueuedCompletionStatus(handle, 0, 0, nullptr));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
  port.handle = nullptr;
}

TEST_F(Ports, APacketForAPortThatIsClosedIsGone) {
  connect();
  Overlap pending(16);
  ws().post_recv(server, pending);
  port.close();
  PortOfTest next;  // in the same slot of the table
  send("hello");
  EXPECT_EQ(ws().finish(server, pending), "hello");
  EXPECT_TRUE(next.is_empty());
}

TEST_F(Ports, AThreadWaitsOnWhileTheProviderEndsAndStartsAgain) {
  std::thread waiter([&] { EXPECT_EQ(port.take(INFINITE).key, 77u); });
  wait_until_somebody_waits();
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPCleanup(&error), 0);
  start();
  wait_until_somebody_waits();
  ASSERT_EQ(ws().table.lpWSPCleanup(&error), 0);
  EXPECT_TRUE(PostQueuedCompletionStatus(port.handle, 0, 77, nullptr)) << "without the provider";
  waiter.join();
  start();
}

}  // namespace
}  // namespace millrace::test
