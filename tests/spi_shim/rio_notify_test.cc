// SPDX-License-Identifier: BSD-3-Clause
// RIONotify, by event and by completion port: told once per call, and only of what is worth
// telling.
#include <memory>

#include "tests/spi_shim/rio_support.h"

namespace millrace::test {
namespace {

class RioNotify : public RioTest {
 protected:
  void SetUp() override {
    RioTest::SetUp();
    event = WSACreateEvent();
    std::tie(a, b) = datagrams();
    memory = std::make_unique<Registered>(rio, 64);
  }
  void TearDown() override {
    memory.reset();
    WSACloseEvent(event);
    RioTest::TearDown();
  }
  RIO_NOTIFICATION_COMPLETION by_event(BOOL resets = FALSE) const {
    RIO_NOTIFICATION_COMPLETION how{};
    how.Type = RIO_EVENT_COMPLETION;
    how.Event = {event, resets};
    return how;
  }
  RIO_NOTIFICATION_COMPLETION by_port() {
    RIO_NOTIFICATION_COMPLETION how{};
    how.Type = RIO_IOCP_COMPLETION;
    how.Iocp = {port.handle, as_context(77), &overlapped};
    return how;
  }
  void open(RIO_NOTIFICATION_COMPLETION how) {
    queue = completion_queue(64, &how);
    requests = request_queue(a, queue);
  }
  bool waits_for_event(DWORD timeout_ms) {
    return WSAWaitForMultipleEvents(1, &event, FALSE, timeout_ms, FALSE) == WSA_WAIT_EVENT_0;
  }
  /// A datagram that completes the next receive, and nothing more has happened.
  void send_one() { ASSERT_EQ(ws().send(b, "x"), 1); }
  void post(uint64_t context, DWORD flags = 0) {
    ASSERT_TRUE(receive(requests, memory->part(0, 8), context, flags));
  }
  /// Until the datagrams so far are in their receives.
  void settle(uint64_t n_completions) {
    ASSERT_TRUE(eventually([&] {
      waits_for_event(0);  // turns
      return counters()["recv_direct"] >= n_completions;
    }));
  }

  WSAEVENT event = nullptr;
  PortOfTest port;
  OVERLAPPED overlapped{};
  SOCKET a = INVALID_SOCKET, b = INVALID_SOCKET;
  RIO_CQ queue = RIO_INVALID_CQ;
  RIO_RQ requests = RIO_INVALID_RQ;
  std::unique_ptr<Registered> memory;
};

TEST_F(RioNotify, Winsock_R209_TheEventIsSetOncePerCall) {
  open(by_event());
  post(1);
  post(2);
  send_one();
  settle(1);
  EXPECT_FALSE(waits_for_event(0)) << "nobody asked";
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_TRUE(waits_for_event(0)) << "it is not empty already";
  EXPECT_EQ(take(queue).RequestContext, 1u);
  ASSERT_TRUE(WSAResetEvent(event));
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_FALSE(waits_for_event(0));
  send_one();
  EXPECT_TRUE(waits_for_event(kPatienceMs)) << "who waits for the event turns";
  EXPECT_EQ(take(queue).RequestContext, 2u);
}

TEST_F(RioNotify, ASecondCallIsRefusedUntilTheFirstIsDone) {
  open(by_event());
  EXPECT_EQ(rio.RIONotify(RIO_INVALID_CQ), WSAEINVAL);
  EXPECT_EQ(rio.RIONotify(completion_queue()), WSAEINVAL) << "it has no way to tell";
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_EQ(rio.RIONotify(queue), WSAEALREADY);
  post(1);
  send_one();
  EXPECT_TRUE(waits_for_event(kPatienceMs));
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS) << "both were done at once";
}

TEST_F(RioNotify, NotifyResetResetsTheEventFirst) {
  open(by_event(TRUE));
  ASSERT_TRUE(WSASetEvent(event));
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_FALSE(waits_for_event(0));
  ASSERT_TRUE(WSASetEvent(event));
  EXPECT_EQ(rio.RIONotify(queue), WSAEALREADY);
  EXPECT_TRUE(waits_for_event(0)) << "a call that is refused does nothing";
  ASSERT_TRUE(WSAResetEvent(event));
  post(1);
  send_one();
  EXPECT_TRUE(waits_for_event(kPatienceMs));
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_TRUE(waits_for_event(0)) << "reset, and set again: the completion is still there";
}

TEST_F(RioNotify, WithoutResetTheEventStaysAsItIs) {
  open(by_event(FALSE));
  ASSERT_TRUE(WSASetEvent(event));
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_TRUE(waits_for_event(0));
}

TEST_F(RioNotify, Winsock_R209_APacketComesPerCall) {
  open(by_port());
  post(1);
  post(2);
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_TRUE(port.is_empty());
  EXPECT_EQ(rio.RIONotify(queue), WSAEALREADY);
  send_one();
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.key, 77u);
  EXPECT_EQ(packet.overlapped, &overlapped);
  send_one();
  EXPECT_EQ(take(queue, 2).back().RequestContext, 2u);
  EXPECT_TRUE(port.is_empty()) << "one call, one packet";
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_TRUE(port.is_empty());
}

TEST_F(RioNotify, WhatIsNotWorthTellingIsNotToldButIsThere) {
  open(by_event());
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  post(1, RIO_MSG_DONT_NOTIFY);
  send_one();
  settle(1);
  EXPECT_FALSE(waits_for_event(0));
  EXPECT_EQ(rio.RIONotify(queue), WSAEALREADY) << "still due";
  post(2);
  send_one();
  EXPECT_TRUE(waits_for_event(kPatienceMs));
  ASSERT_TRUE(WSAResetEvent(event));
  const auto results = take(queue, 2);
  EXPECT_EQ(results[0].RequestContext, 1u);
  EXPECT_EQ(results[1].RequestContext, 2u);
  post(3, RIO_MSG_DONT_NOTIFY);
  send_one();
  settle(3);
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  EXPECT_FALSE(waits_for_event(0)) << "for RIONotify the queue is empty";
  EXPECT_EQ(take(queue).RequestContext, 3u);
  ASSERT_TRUE(send(requests, memory->part(0, 1), 4, RIO_MSG_DONT_NOTIFY));
  EXPECT_FALSE(waits_for_event(0));
  ASSERT_TRUE(send(requests, memory->part(0, 1), 5));
  EXPECT_TRUE(waits_for_event(0)) << "sends tell, too";
}

TEST_F(RioNotify, AbortedRequestsTellAsOthersDo) {
  open(by_port());
  post(1);
  post(2, RIO_MSG_DEFER);
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  ASSERT_EQ(ws().close(a), 0);
  EXPECT_EQ(port.take(0).overlapped, &overlapped);
  EXPECT_EQ(take(queue, 2).back().Status, LONG{WSA_OPERATION_ABORTED});
}

TEST_F(RioNotify, AQueueThatIsClosedTellsNoMore) {
  open(by_port());
  post(1);
  EXPECT_EQ(rio.RIONotify(queue), ERROR_SUCCESS);
  rio.RIOCloseCompletionQueue(queue);
  send_one();
  settle(1);
  EXPECT_TRUE(port.is_empty());
}

}  // namespace
}  // namespace millrace::test
