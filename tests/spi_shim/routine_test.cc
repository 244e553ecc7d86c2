// SPDX-License-Identifier: BSD-3-Clause
// Completion routines: when they run, on which thread, with what, and what becomes of them when the
// thread or the socket goes.
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "tests/support/spi.h"
#include "winsock2.h"

namespace millrace::test {
namespace {

/// One receive with a completion routine. The WSAOVERLAPPED comes first: the routine finds the rest.
struct Receive {
  explicit Receive(size_t room = 64) : memory(room) {}

  /// @return what WSPRecv returned; ws.error is WSA_IO_PENDING when it started
  int post(Winsock& ws, SOCKET s, LPWSATHREADID thread = nullptr) {
    WSABUF buffer{static_cast<ULONG>(memory.size()), memory.data()};
    overlapped.hEvent = reinterpret_cast<HANDLE>(0x1234);  // the caller's own (contract: B18)
    bytes = 0xdead;
    flags = 0;
    ws.error = 0;
    const int result = ws.table.lpWSPRecv(s, &buffer, 1, &bytes, &flags, &overlapped, on_done,
                                          thread, &ws.error);
    buffer = {};  // captured (contract: B8)
    if (thread != nullptr) *thread = {};
    return result;
  }

  static void CALLBACK on_done(DWORD error, DWORD n, LPWSAOVERLAPPED overlapped, DWORD) {
    auto& self = *reinterpret_cast<Receive*>(overlapped);
    ++self.n_runs;
    self.ran_on = std::this_thread::get_id();
    self.error = error;
    self.text.assign(self.memory.data(), n);
    self.order = ++n_done;
    if (self.then) self.then();
  }

  WSAOVERLAPPED overlapped{};
  std::vector<char> memory;
  DWORD bytes = 0;
  DWORD flags = 0;
  std::atomic<int> n_runs{0};
  std::thread::id ran_on;
  DWORD error = 0;
  std::string text;
  int order = 0;
  std::function<void()> then;
  inline static std::atomic<int> n_done{0};
};

class Recv_B19 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B19);

// winsock-rules 45, 53, 54
TEST_P(Recv_B19, ARoutineRunsOnItsThreadInAnAlertableWaitAndNowhereElse) {
  const auto [client, server] = ws().pair(kind());
  Receive receive;
  ASSERT_EQ(receive.post(ws(), server), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  EXPECT_EQ(receive.bytes, 0xdeadu);  // contract: C5
  std::thread sender([table = ws().table, to = client] {
    Winsock mine(table);
    EXPECT_EQ(mine.send(to, "hello"), 5);
    EXPECT_EQ(SleepEx(20, TRUE), 0u) << "it belongs to another thread";
  });
  sender.join();
  EXPECT_EQ(SleepEx(20, FALSE), 0u);
  EXPECT_EQ(receive.n_runs, 0) << "nobody waited alertably";
  EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(receive.n_runs, 1);
  EXPECT_EQ(receive.ran_on, std::this_thread::get_id());
  EXPECT_EQ(receive.text, "hello");  // contract: B20
  EXPECT_EQ(receive.error, 0u);
  EXPECT_EQ(SleepEx(0, TRUE), 0u) << "once";
  EXPECT_EQ(receive.n_runs, 1);
}

TEST_P(Recv_B19, AnAlertableWaitForEventsRunsRoutines) {
  const auto [client, server] = ws().pair(kind());
  Receive receive;
  ASSERT_EQ(receive.post(ws(), server), SOCKET_ERROR);
  const WSAEVENT event = WSACreateEvent();
  ASSERT_EQ(ws().send(client, "now"), 3);
  EXPECT_EQ(WSAWaitForMultipleEvents(1, &event, FALSE, 20, FALSE), DWORD{WSA_WAIT_TIMEOUT});
  EXPECT_EQ(receive.n_runs, 0);
  EXPECT_EQ(WSAWaitForMultipleEvents(1, &event, FALSE, WSA_INFINITE, TRUE),
            DWORD{WSA_WAIT_IO_COMPLETION});
  EXPECT_EQ(receive.n_runs, 1);
  EXPECT_TRUE(WSASetEvent(event));
  EXPECT_EQ(WSAWaitForMultipleEvents(1, &event, FALSE, WSA_INFINITE, TRUE), 0u);
  EXPECT_TRUE(WSACloseEvent(event));
}

TEST_P(Recv_B19, ASleeperIsWokenByARoutineThatAnotherThreadCompletes) {
  const auto [client, server] = ws().pair(kind());
  std::atomic<bool> is_posted{false};
  std::thread sleeper([&, s = server] {
    Winsock mine(ws().table);
    Receive receive;
    EXPECT_EQ(receive.post(mine, s), SOCKET_ERROR);
    is_posted = true;
    EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
    EXPECT_EQ(receive.text, "wake up");
    EXPECT_EQ(receive.ran_on, std::this_thread::get_id());
  });
  EXPECT_TRUE(eventually([&] { return is_posted.load(); }));
  EXPECT_EQ(ws().send(client, "wake up"), 7);
  sleeper.join();
}

TEST_P(Recv_B19, ABlockingReceiveThatWaitsRunsRoutinesAndGoesOnWaiting) {  // winsock-rules 36
  const auto [client, server] = ws().pair(kind());
  const auto [other_client, other_server] = ws().pair(kind());
  Receive receive;
  ASSERT_EQ(receive.post(ws(), server), SOCKET_ERROR);
  receive.then = [&, to = other_client] { EXPECT_EQ(ws().send(to, "and now you"), 11); };
  ASSERT_EQ(ws().send(client, "first the routine"), 17);
  EXPECT_EQ(ws().recv(other_server), "and now you");
  EXPECT_EQ(receive.n_runs, 1);
}

TEST_P(Recv_B19, AThreadThatDoesNotExistIsRefused) {  // winsock-rules 60
  const auto [client, server] = ws().pair(kind());
  Receive receive;
  WSATHREADID nobody{reinterpret_cast<HANDLE>(0x7777770), 0};
  EXPECT_EQ(receive.post(ws(), server, &nobody), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEFAULT);
  EXPECT_EQ(ws().send(client, "still here"), 10);
  EXPECT_EQ(ws().recv(server), "still here");
  EXPECT_EQ(SleepEx(0, TRUE), 0u);
  EXPECT_EQ(receive.n_runs, 0);
}

class Recv_C2 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_C2);

TEST_P(Recv_C2, ARoutineIsQueuedBeforeAReceiveThatIsDoneAtOnceReturns) {  // winsock-rules 56
  const auto [client, server] = ws().pair(kind());
  ASSERT_EQ(ws().send(client, "there"), 5);
  EXPECT_EQ(ws().recv(server, 2), "th");  // the rest is in the inbox
  Receive receive;
  ASSERT_EQ(receive.post(ws(), server), 0) << ws().error;
  EXPECT_EQ(receive.bytes, 3u);
  EXPECT_EQ(receive.n_runs, 0);
  EXPECT_EQ(SleepEx(0, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(receive.n_runs, 1);
  EXPECT_EQ(receive.text, "ere");
}

class Recv_B15 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B15);

TEST_P(Recv_B15, ARoutineMayReceiveAgain) {  // winsock-rules 57
  const auto [client, server] = ws().pair(kind());
  Receive first(4);
  Receive second(4);
  first.then = [&, s = server] { (void)second.post(ws(), s); };
  ASSERT_EQ(first.post(ws(), server), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "onetwo"), 6);
  while (second.n_runs == 0) (void)SleepEx(INFINITE, TRUE);
  EXPECT_EQ(first.text, "onet");
  EXPECT_EQ(second.text, "wo");
}

TEST_P(Recv_B15, RoutinesOfOneSocketNeverNest) {  // winsock-rules 58
  const auto [client, server] = ws().pair(kind());
  const auto [other_client, other_server] = ws().pair(kind());
  Receive first(1), second(1), third(1), elsewhere(1);
  bool is_inside = false;
  int n_nested = 0;
  first.then = [&, to = other_client] {
    is_inside = true;
    EXPECT_EQ(ws().send(to, "x"), 1);
    while (elsewhere.n_runs == 0) (void)SleepEx(INFINITE, TRUE);  // another socket's may nest
    is_inside = false;
  };
  second.then = third.then = [&] { n_nested += is_inside; };
  for (Receive* receive : {&first, &second, &third}) {
    ASSERT_EQ(receive->post(ws(), server), SOCKET_ERROR);
  }
  ASSERT_EQ(elsewhere.post(ws(), other_server), SOCKET_ERROR);
  ASSERT_EQ(ws().send(client, "abc"), 3);
  while (third.n_runs == 0) (void)SleepEx(INFINITE, TRUE);
  EXPECT_EQ(n_nested, 0);
  EXPECT_EQ(first.text + second.text + third.text, "abc");
  EXPECT_LT(first.order, second.order);
  EXPECT_LT(second.order, third.order);
}

class Recv_B18 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B18);

// winsock-rules 52, 62
TEST_P(Recv_B18, WithARoutineTheEventIsTheCallersAndAWaitForTheResultIsRefused) {
  const auto [client, server] = ws().pair(kind());
  Receive receive;
  ASSERT_EQ(receive.post(ws(), server), SOCKET_ERROR);
  DWORD n = 0;
  DWORD flags = 0;
  EXPECT_FALSE(ws().table.lpWSPGetOverlappedResult(server, &receive.overlapped, &n, TRUE, &flags,
                                                   &ws().error));
  EXPECT_EQ(ws().error, WSAEINVAL);
  ASSERT_EQ(ws().send(client, "x"), 1);
  EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(receive.overlapped.hEvent, reinterpret_cast<HANDLE>(0x1234));
}

class Recv_E17 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E17);

TEST_P(Recv_E17, CloseEndsEachOutstandingReceiveOnceThroughItsRoutine) {
  const auto [client, server] = ws().pair(kind());
  Receive receives[3];
  for (Receive& receive : receives) ASSERT_EQ(receive.post(ws(), server), SOCKET_ERROR);
  ASSERT_EQ(ws().close(server), 0);
  while (SleepEx(0, TRUE) != 0) {
  }
  for (Receive& receive : receives) {
    EXPECT_EQ(receive.n_runs, 1);
    EXPECT_EQ(receive.error, DWORD{WSA_OPERATION_ABORTED});
    EXPECT_EQ(receive.text, "");
  }
}

class Recv_E14 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_E14);

TEST_P(Recv_E14, AResetReachesTheRoutine) {
  const auto [client, server] = ws().pair(kind());
  Receive receive;
  ASSERT_EQ(receive.post(ws(), server), SOCKET_ERROR);
  const WS_linger hard{1, 0};
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&hard), sizeof hard,
                                       &ws().error),
            0);
  ASSERT_EQ(ws().close(client), 0);
  EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(receive.error, DWORD{WSAECONNRESET});
}

class Send_B15 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Send_B15);

TEST_P(Send_B15, ASendHasARoutineTooAndAReceiveMayStandInIt) {
  const auto [client, server] = ws().pair(kind());
  Receive sent(4);  // its routine serves a send as well
  Receive answer;
  sent.then = [&, s = server] { (void)answer.post(ws(), s); };
  char text[] = "ping";
  WSABUF buffer{4, text};
  DWORD n = 0;
  EXPECT_EQ(ws().table.lpWSPSend(client, &buffer, 1, &n, 0, &sent.overlapped, Receive::on_done,
                                 nullptr, &ws().error),
            0);
  EXPECT_EQ(n, 4u);
  while (answer.n_runs == 0) (void)SleepEx(INFINITE, TRUE);
  EXPECT_EQ(sent.n_runs, 1);
  EXPECT_EQ(answer.text, "ping");
}

class Recv_B21 : public SpiFamilyTest {};
MILLRACE_ALL_SPI_CONNECTIONS(Recv_B21);

TEST_P(Recv_B21, TheEndOfAThreadCancelsWhatItStarted) {  // winsock-rules 142
  const auto [client, server] = ws().pair(kind());
  Overlap with_event(10);
  Overlap of_this_thread(10);
  Receive with_routine;
  std::thread starter([&, s = server] {
    Winsock mine(ws().table);
    EXPECT_EQ(mine.post_recv(s, with_event), SOCKET_ERROR);
    EXPECT_EQ(mine.error, WSA_IO_PENDING);
    EXPECT_EQ(with_routine.post(mine, s), SOCKET_ERROR);
    EXPECT_EQ(mine.error, WSA_IO_PENDING);
  });
  starter.join();
  EXPECT_TRUE(with_event.is_signalled());
  EXPECT_EQ(ws().result(server, with_event, false), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_OPERATION_ABORTED);
  EXPECT_EQ(with_routine.overlapped.Internal, 0xC0000120u);  // STATUS_CANCELLED
  EXPECT_EQ(with_routine.n_runs, 0) << "its thread is gone";
  // What this thread starts goes on, and the stream has lost nothing.
  ASSERT_EQ(ws().post_recv(server, of_this_thread), SOCKET_ERROR);
  EXPECT_EQ(ws().send(client, "all of it"), 9);
  EXPECT_EQ(ws().finish(server, of_this_thread), "all of it");
}

TEST_P(Recv_B21, ARoutineThatIsQueuedWhenItsThreadEndsIsDropped) {
  const auto [client, server] = ws().pair(kind());
  Receive receive;
  std::thread starter([&, s = server, c = client] {
    Winsock mine(ws().table);
    EXPECT_EQ(receive.post(mine, s), SOCKET_ERROR);
    EXPECT_EQ(mine.send(c, "x"), 1);
    DWORD n = 0, flags = 0;
    while (!mine.table.lpWSPGetOverlappedResult(s, &receive.overlapped, &n, FALSE, &flags,
                                                &mine.error)) {
    }
    EXPECT_EQ(n, 1u);
  });
  starter.join();
  EXPECT_EQ(SleepEx(10, TRUE), 0u);
  EXPECT_EQ(receive.n_runs, 0);
}

class Recv_B20 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Recv_B20);

TEST_P(Recv_B20, ATruncatedDatagramTellsErrorAndAmount) {  // winsock-rules 55, 107
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  const SOCKET from = ws().datagram(family());
  Receive receive(4);
  ASSERT_EQ(receive.post(ws(), s), SOCKET_ERROR);
  ASSERT_EQ(ws().send_to(from, "longer than four", ws().name_of(s)), 16);
  EXPECT_EQ(SleepEx(INFINITE, TRUE), DWORD{WAIT_IO_COMPLETION});
  EXPECT_EQ(receive.error, DWORD{WSAEMSGSIZE});
  EXPECT_EQ(receive.text, "long");
}

}  // namespace
}  // namespace millrace::test
