// SPDX-License-Identifier: BSD-3-Clause
// What registered I/O moves: datagrams and streams over a DPDK port, deferred and at once, and what
// becomes of requests whose socket, thread or completion queue goes.
#include <cstring>
#include <numeric>
#include <thread>

#include "tests/spi_shim/rio_support.h"

namespace millrace::test {
namespace {

class RioTransfer : public RioFamilyTest {
 protected:
  void expect(const RIORESULT& result, LONG status, ULONG bytes, uint64_t context) {
    EXPECT_EQ(result.Status, status);
    EXPECT_EQ(result.BytesTransferred, bytes);
    EXPECT_EQ(result.RequestContext, context);
  }
};
MILLRACE_BOTH_SPI_FAMILIES(RioTransfer);

TEST_P(RioTransfer, DatagramsFillReceivesInTheirOrder) {
  const RIO_CQ queue = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue, 8, 8, 99);
  Registered memory(rio, 1024);
  ASSERT_TRUE(receive(requests, memory.part(0, 100), 1));
  ASSERT_TRUE(receive(requests, memory.part(100, 100), 2));
  ASSERT_EQ(ws().send(b, "first"), 5);
  ASSERT_EQ(ws().send(b, "second one"), 10);
  auto results = take(queue, 2);
  expect(results[0], 0, 5, 1);
  expect(results[1], 0, 10, 2);
  EXPECT_EQ(results[0].SocketContext, 99u);
  EXPECT_EQ(memory.text(0, 5), "first");
  EXPECT_EQ(memory.text(100, 10), "second one");
  // It has arrived before anybody asked for it.
  ASSERT_EQ(ws().send(b, ""), 0);
  ASSERT_EQ(ws().send(b, "late"), 4);
  ASSERT_TRUE(eventually([&] { return is_empty(queue) && ws().readable_bytes(a) == 4; }));
  ASSERT_TRUE(receive(requests, memory.part(200, 100), 3));
  ASSERT_TRUE(receive(requests, memory.part(300, 100), 4));
  results = take(queue, 2);
  expect(results[0], 0, 0, 3);
  expect(results[1], 0, 4, 4);
  EXPECT_EQ(memory.text(300, 4), "late");
}

TEST_P(RioTransfer, ALongDatagramIsCutAndSaysSo) {
  const RIO_CQ queue = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue);
  Registered memory(rio, 256);
  RIO_BUF data = memory.part(0, 4), flags = memory.part(64, sizeof(ULONG));
  *memory.at<ULONG>(64) = 0xdeadbeef;
  ASSERT_TRUE(
      rio.RIOReceiveEx(requests, &data, 1, nullptr, nullptr, nullptr, &flags, 0, as_context(1)));
  ASSERT_EQ(ws().send(b, "too long"), 8);
  expect(take(queue), WSAEMSGSIZE, 4, 1);
  EXPECT_EQ(memory.text(0, 4), "too ");
  EXPECT_EQ(*memory.at<ULONG>(64), ULONG{WS_MSG_TRUNC});
  ASSERT_TRUE(
      rio.RIOReceiveEx(requests, &data, 1, nullptr, nullptr, nullptr, &flags, 0, as_context(2)));
  ASSERT_EQ(ws().send(b, "fits"), 4);
  expect(take(queue), 0, 4, 2);
  EXPECT_EQ(*memory.at<ULONG>(64), 0u);
  // At once, too, it is the result that says so.
  ASSERT_EQ(ws().send(b, "too long"), 8);
  ASSERT_TRUE(eventually([&] { return is_empty(queue) && ws().readable_bytes(a) == 8; }));
  ASSERT_TRUE(receive(requests, memory.part(0, 4), 3));
  expect(take(queue), WSAEMSGSIZE, 4, 3);
}

TEST_P(RioTransfer, Winsock_R207_ADatagramIsReceivedWithoutItsPayload) {
  const RIO_CQ queue = completion_queue();
  const SOCKET a = datagram(), b = datagram();
  const RIO_RQ requests = request_queue(a, queue);
  Registered memory(rio, 256);
  RIO_BUF from = memory.part(0, sizeof(SOCKADDR_INET));
  ASSERT_TRUE(
      rio.RIOReceiveEx(requests, nullptr, 0, nullptr, &from, nullptr, nullptr, 0, as_context(1)));
  ASSERT_EQ(ws().send_to(b, "payload", ws().name_of(a)), 7);
  expect(take(queue), 0, 0, 1);
  Address sender;
  std::memcpy(sender.get(), memory.at<char>(0), sizeof(SOCKADDR_INET));
  EXPECT_EQ(sender, ws().name_of(b));
}

TEST_P(RioTransfer, DatagramsCarryAddresses) {
  const RIO_CQ queue = completion_queue();
  const SOCKET a = datagram(), b = datagram();
  const RIO_RQ at_a = request_queue(a, queue), at_b = request_queue(b, queue);
  Registered memory(rio, 1024);
  constexpr ULONG kLocal = 100, kRemote = 200, kControl = 300, kTo = 400;
  RIO_BUF data = memory.part(0, 64), local = memory.part(kLocal, sizeof(SOCKADDR_INET)),
          remote = memory.part(kRemote, sizeof(SOCKADDR_INET)), control = memory.part(kControl, 64);
  ASSERT_TRUE(
      rio.RIOReceiveEx(at_a, &data, 1, &local, &remote, &control, nullptr, 0, as_context(1)));
  std::memcpy(memory.at<char>(kTo), ws().name_of(a).get(), sizeof(SOCKADDR_INET));
  RIO_BUF to = memory.part(kTo, sizeof(SOCKADDR_INET)), text = memory.put("hello", 500);
  ASSERT_TRUE(rio.RIOSendEx(at_b, &text, 1, nullptr, &to, nullptr, nullptr, 0, as_context(2)));
  auto results = take(queue, 2);
  expect(results[0], 0, 5, 2);
  expect(results[1], 0, 5, 1);
  Address there, here;
  std::memcpy(there.get(), memory.at<char>(kRemote), sizeof(SOCKADDR_INET));
  std::memcpy(here.get(), memory.at<char>(kLocal), sizeof(SOCKADDR_INET));
  EXPECT_EQ(there, ws().name_of(b));
  EXPECT_EQ(here, ws().name_of(a));
  EXPECT_EQ(memory.at<RIO_CMSG_BUFFER>(kControl)->TotalLength, RIO_CMSG_BASE_SIZE)
      << "an empty list";
  // Nowhere to; and what names no address.
  ASSERT_TRUE(send(at_b, text, 3));
  expect(take(queue), WSAENOTCONN, 0, 3);
  std::memset(memory.at<char>(kTo), 0xff, sizeof(SOCKADDR_INET));
  ASSERT_TRUE(rio.RIOSendEx(at_b, &text, 1, nullptr, &to, nullptr, nullptr, 0, as_context(4)));
  expect(take(queue), WSAEAFNOSUPPORT, 0, 4);
  ASSERT_TRUE(
      rio.RIOSendEx(at_b, nullptr, 0, nullptr, nullptr, nullptr, nullptr, 0, as_context(5)));
  expect(take(queue), WSAENOTCONN, 0, 5);
}

TEST_P(RioTransfer, ControlDataTellsWhereADatagramWentAndSaysHowOneIsSent) {
  const bool is_4 = family() == WS_AF_INET;
  const INT level = is_4 ? WS_IPPROTO_IP : WS_IPPROTO_IPV6;
  const INT hops = is_4 ? WS_IP_TTL : WS_IPV6_HOPLIMIT;
  const RIO_CQ queue = completion_queue();
  const SOCKET a = datagram(), b = datagram();
  ASSERT_EQ(ws().set_option(a, level, is_4 ? WS_IP_RECVTTL : WS_IPV6_HOPLIMIT, 1), 0);
  const RIO_RQ at_a = request_queue(a, queue), at_b = request_queue(b, queue);
  Registered memory(rio, 1024);
  constexpr ULONG kControl = 304, kFlags = 400, kTo = 408, kSent = 504;
  constexpr ULONG kLength = RIO_CMSG_BASE_SIZE + WSA_CMSG_SPACE(sizeof(INT));
  RIO_BUF data = memory.part(0, 64), flags = memory.part(kFlags, 4), text = memory.put("hello", 600),
          to = memory.part(kTo, sizeof(SOCKADDR_INET)), sent = memory.part(kSent, 64);
  std::memcpy(memory.at<char>(kTo), ws().name_of(a).get(), sizeof(SOCKADDR_INET));
  memory.at<RIO_CMSG_BUFFER>(kSent)->TotalLength = kLength;
  auto* const wish = memory.at<WSACMSGHDR>(kSent + RIO_CMSG_BASE_SIZE);
  *wish = {WSA_CMSG_LEN(sizeof(INT)), level, hops};
  *reinterpret_cast<INT*>(wish + 1) = 77;
  // With room for it, and without.
  RIO_BUF control = memory.part(kControl, 64);
  ASSERT_TRUE(rio.RIOReceiveEx(at_a, &data, 1, nullptr, nullptr, &control, &flags, 0, as_context(1)));
  ASSERT_TRUE(rio.RIOSendEx(at_b, &text, 1, nullptr, &to, &sent, nullptr, 0, as_context(2)));
  auto results = take(queue, 2);
  expect(results[0], 0, 5, 2);
  expect(results[1], 0, 5, 1);
  EXPECT_EQ(memory.at<RIO_CMSG_BUFFER>(kControl)->TotalLength, kLength);
  const auto* const told = memory.at<WSACMSGHDR>(kControl + RIO_CMSG_BASE_SIZE);
  EXPECT_EQ(told->cmsg_level, level);
  EXPECT_EQ(told->cmsg_type, hops);
  EXPECT_EQ(*reinterpret_cast<const INT*>(told + 1), 77);
  EXPECT_EQ(*memory.at<ULONG>(kFlags), 0u);
  control.Length = RIO_CMSG_BASE_SIZE + 4;
  ASSERT_TRUE(rio.RIOReceiveEx(at_a, &data, 1, nullptr, nullptr, &control, &flags, 0, as_context(3)));
  ASSERT_TRUE(rio.RIOSendEx(at_b, &text, 1, nullptr, &to, nullptr, nullptr, 0, as_context(4)));
  results = take(queue, 2);
  expect(results[1], WSAEMSGSIZE, 5, 3);
  EXPECT_EQ(*memory.at<ULONG>(kFlags), ULONG{WS_MSG_CTRUNC});
  // What nobody understands is not sent.
  wish->cmsg_type = 12345;
  ASSERT_TRUE(rio.RIOSendEx(at_b, &text, 1, nullptr, &to, &sent, nullptr, 0, as_context(5)));
  expect(take(queue), WSAEINVAL, 0, 5);
  memory.at<RIO_CMSG_BUFFER>(kSent)->TotalLength = 65;
  EXPECT_RIO_ERROR(rio.RIOSendEx(at_b, &text, 1, nullptr, &to, &sent, nullptr, 0, nullptr), WSAEINVAL);
}

TEST_P(RioTransfer, AConnectionCarriesBytesBothWays) {
  const RIO_CQ receives = completion_queue(), sends = completion_queue();
  const auto [client, server] = streams();
  const RIO_RQ requests =
      rio.RIOCreateRequestQueue(server, 4, 1, 4, 1, receives, sends, as_context(5));
  ASSERT_NE(requests, RIO_INVALID_RQ) << "an accepted socket is registered as its listener is";
  Registered memory(rio, 1024);
  RIO_BUF data = memory.part(0, 100), remote = memory.part(200, sizeof(SOCKADDR_INET));
  ASSERT_TRUE(
      rio.RIOReceiveEx(requests, &data, 1, nullptr, &remote, nullptr, nullptr, 0, as_context(1)));
  ASSERT_EQ(ws().send(client, "ping"), 4);
  expect(take(receives), 0, 4, 1);
  EXPECT_EQ(memory.text(0, 4), "ping");
  Address there;
  std::memcpy(there.get(), memory.at<char>(200), sizeof(SOCKADDR_INET));
  EXPECT_EQ(there, ws().name_of(client));
  ASSERT_TRUE(send(requests, memory.put("pong", 300), 2));
  expect(take(sends), 0, 4, 2);
  EXPECT_EQ(ws().recv_all(client, 4), "pong");
  EXPECT_RIO_ERROR(rio.RIOReceive(requests, nullptr, 0, 0, nullptr), WSAEINVAL);
  EXPECT_RIO_ERROR(rio.RIOSend(requests, nullptr, 0, 0, nullptr), WSAEINVAL);
  EXPECT_RIO_ERROR(send(requests, data, 0, RIO_MSG_WAITALL), WSAEINVAL);
  // Calls of the usual kind go on beside.
  ASSERT_EQ(ws().send(server, "plain"), 5);
  EXPECT_EQ(ws().recv_all(client, 5), "plain");
}

TEST_P(RioTransfer, WaitAllFillsItsBufferOrEndsWithTheStream) {
  const RIO_CQ queue = completion_queue();
  const auto [client, server] = streams();
  const RIO_RQ requests = request_queue(server, queue);
  Registered memory(rio, 64);
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 1, RIO_MSG_WAITALL));
  ASSERT_TRUE(receive(requests, memory.part(8, 8), 2, RIO_MSG_WAITALL));
  ASSERT_TRUE(receive(requests, memory.part(16, 8), 3));
  ASSERT_EQ(ws().send(client, "half"), 4);
  ASSERT_TRUE(eventually([&] { return is_empty(queue) && memory.text(0, 4) == "half"; }));
  EXPECT_TRUE(is_empty(queue));
  ASSERT_EQ(ws().send(client, "half2nd"), 7);
  expect(take(queue), 0, 8, 1);
  EXPECT_EQ(memory.text(0, 11), "halfhalf2nd");
  ASSERT_EQ(ws().shutdown(client, SD_SEND), 0);
  const auto results = take(queue, 2);
  expect(results[0], 0, 3, 2);
  expect(results[1], 0, 0, 3);  // closed gracefully
}

TEST_P(RioTransfer, AResetIsTheResultOfWhatIsPendingAndOfWhatComesLater) {
  const RIO_CQ queue = completion_queue();
  const auto [client, server] = streams();
  const RIO_RQ requests = request_queue(server, queue);
  Registered memory(rio, 64);
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 1));
  const WS_linger hard{1, 0};
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                                       reinterpret_cast<const CHAR*>(&hard), sizeof hard, &error),
            0);
  ASSERT_EQ(ws().close(client), 0);
  expect(take(queue), WSAECONNRESET, 0, 1);
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 2));
  ASSERT_TRUE(send(requests, memory.part(0, 8), 3));
  const auto results = take(queue, 2);
  expect(results[0], WSAECONNRESET, 0, 2);
  expect(results[1], WSAECONNRESET, 0, 3);
}

TEST_P(RioTransfer, ALongSendCompletesOnceWhenAllOfItIsOnItsWay) {
  constexpr ULONG kBytes = 4u << 20;
  const RIO_CQ queue = completion_queue();
  const auto [client, server] = streams();
  const RIO_RQ requests = request_queue(server, queue);
  Registered memory(rio, kBytes);
  std::iota(memory.memory.begin(), memory.memory.end(), char{0});
  ASSERT_TRUE(send(requests, memory.part(0, kBytes), 1));
  EXPECT_TRUE(is_empty(queue)) << "the peer takes nothing";
  const std::string received = ws().recv_all(client, kBytes);
  EXPECT_TRUE(received == memory.text(0, kBytes));
  expect(take(queue), 0, kBytes, 1);
  EXPECT_TRUE(is_empty(queue));
}

TEST_P(RioTransfer, DeferredRequestsWaitForACommitAndKeepTheirOrder) {
  const RIO_CQ queue = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ at_a = request_queue(a, queue, 3, 3), at_b = request_queue(b, queue, 4, 4);
  Registered memory(rio, 1024);
  for (uint64_t i = 0; i < 3; ++i) {
    const auto offset = static_cast<ULONG>(i * 10);
    ASSERT_TRUE(send(at_a, memory.put(std::string(1, static_cast<char>('a' + i)), offset), i,
                     RIO_MSG_DEFER));
    ASSERT_TRUE(receive(at_b, memory.part(500 + offset, 10), 10 + i, RIO_MSG_DEFER));
  }
  EXPECT_RIO_ERROR(send(at_a, memory.part(0, 1), 3, RIO_MSG_DEFER), WSAENOBUFS);  // they count
  EXPECT_TRUE(is_empty(queue));
  EXPECT_EQ(ws().readable_bytes(b), 0);
  ASSERT_TRUE(rio.RIOSend(at_a, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr));
  auto results = take(queue, 3);
  for (uint64_t i = 0; i < 3; ++i) expect(results[i], 0, 1, i);
  ASSERT_TRUE(eventually([&] { return is_empty(queue) && ws().readable_bytes(b) == 3; }))
      << "no receive has started";
  ASSERT_TRUE(receive(at_b, memory.part(530, 10), 13));  // starts those before it
  results = take(queue, 3);
  for (uint64_t i = 0; i < 3; ++i) {
    expect(results[i], 0, 1, 10 + i);
    EXPECT_EQ(memory.memory[500 + i * 10], static_cast<char>('a' + i));
  }
  ASSERT_TRUE(send(at_a, memory.part(0, 1), 4));
  results = take(queue, 2);
  expect(results[1], 0, 1, 13);
  ASSERT_TRUE(rio.RIOReceive(at_b, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr))
      << "nothing to commit";
}

TEST_P(RioTransfer, Winsock_R207_ClosingTheSocketAbortsWhatIsOutstanding) {
  const RIO_CQ queue = completion_queue();
  for (const SOCKET s : {datagram(), streams().second}) {
    const RIO_RQ requests = request_queue(s, queue, 4, 4, 42);
    Registered memory(rio, 64);
    ASSERT_TRUE(receive(requests, memory.part(0, 8), 1));
    ASSERT_TRUE(receive(requests, memory.part(8, 8), 2));
    ASSERT_TRUE(receive(requests, memory.part(16, 8), 3, RIO_MSG_DEFER));
    ASSERT_TRUE(send(requests, memory.part(16, 8), 4, RIO_MSG_DEFER));
    ASSERT_EQ(ws().close(s), 0);
    const auto results = take(queue, 4);
    for (uint64_t i = 0; i < 4; ++i) {
      expect(results[i], WSA_OPERATION_ABORTED, 0, i + 1);
      EXPECT_EQ(results[i].SocketContext, 42u);
    }
    EXPECT_RIO_ERROR(receive(requests, memory.part(0, 8)), WSAEINVAL);
    EXPECT_RIO_ERROR(rio.RIOResizeRequestQueue(requests, 1, 1), WSAEINVAL);
    EXPECT_RIO_ERROR(rio.RIOReceive(requests, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr), WSAEINVAL);
  }
}

TEST_P(RioTransfer, ACompletionQueueThatIsClosedDropsWhatStillComes) {
  const RIO_CQ receives = completion_queue(), sends = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ requests = rio.RIOCreateRequestQueue(a, 4, 1, 4, 1, receives, sends, nullptr);
  Registered memory(rio, 64);
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 1));
  ASSERT_TRUE(receive(requests, memory.part(8, 8), 2));
  ASSERT_EQ(ws().send(b, "one"), 3);
  ASSERT_TRUE(eventually([&] { return is_empty(sends) && memory.text(0, 3) == "one"; }));
  rio.RIOCloseCompletionQueue(receives);
  ASSERT_EQ(ws().send(b, "two"), 3);
  ASSERT_TRUE(eventually([&] { return is_empty(sends) && memory.text(8, 3) == "two"; }));
  EXPECT_RIO_ERROR(receive(requests, memory.part(0, 8), 3), WSAEINVAL);
  ASSERT_TRUE(send(requests, memory.part(0, 3), 4)) << "the other queue is open";
  expect(take(sends), 0, 3, 4);
  rio.RIOCloseCompletionQueue(receives);  // ignored
}

TEST_P(RioTransfer, RequestsOutliveTheThreadThatMadeThem) {
  const RIO_CQ queue = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue);
  Registered memory(rio, 64);
  std::thread([&] { EXPECT_TRUE(receive(requests, memory.part(0, 8), 1)); }).join();
  ASSERT_EQ(ws().send(b, "still"), 5);
  expect(take(queue), 0, 5, 1);
}

TEST_P(RioTransfer, CancelIoExAbortsRequests) {
  const RIO_CQ queue = completion_queue();
  const SOCKET s = datagram();
  const RIO_RQ requests = request_queue(s, queue);
  Registered memory(rio, 64);
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 1));
  EXPECT_TRUE(CancelIoEx(as_handle(s), nullptr));
  expect(take(queue), WSA_OPERATION_ABORTED, 0, 1);
}

TEST_P(RioTransfer, TheSocketsOwnPortHearsNothingOfThem) {
  const RIO_CQ queue = completion_queue();
  const SOCKET s =
      ws().socket(family(), WS_SOCK_DGRAM, WSA_FLAG_REGISTERED_IO | WSA_FLAG_OVERLAPPED);
  ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
  PortOfTest port;
  ASSERT_TRUE(port.add(s, 1));
  const RIO_RQ requests = request_queue(s, queue);
  Registered memory(rio, 64);
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 1));
  const SOCKET sender = ws().datagram(family());
  ASSERT_EQ(ws().send_to(sender, "x", ws().name_of(s)), 1);
  expect(take(queue), 0, 1, 1);
  EXPECT_TRUE(port.is_empty());
}

TEST_P(RioTransfer, MoreReceivesWaitThanOtherSocketsMayHave) {
  constexpr uint32_t kReceives = 3000;  // max_requests_per_socket is 1024
  const RIO_CQ queue = completion_queue(kReceives + 8);
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue, kReceives, 1);
  Registered memory(rio, kReceives * 4);
  for (uint32_t i = 0; i < kReceives; ++i) {
    ASSERT_TRUE(receive(requests, memory.part(i * 4, 4), i, i % 3 == 0 ? 0 : RIO_MSG_DEFER));
  }
  ASSERT_TRUE(rio.RIOReceive(requests, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr));
  EXPECT_RIO_ERROR(receive(requests, memory.part(0, 4)), WSAENOBUFS);
  for (uint32_t i = 0; i < kReceives; ++i) {
    ASSERT_EQ(ws().send(b, {reinterpret_cast<const char*>(&i), sizeof i}), 4);
    if (i % 100 != 99) continue;
    const auto results = take(queue, 100);
    for (uint32_t j = 0; j < 100; ++j) {
      const uint32_t number = i - 99 + j;
      expect(results[j], 0, 4, number);
      EXPECT_EQ(*memory.at<uint32_t>(number * 4), number);
    }
  }
}

TEST_P(RioTransfer, SocketsOfAllStacksFeedOneQueue) {
  constexpr uint64_t kSockets = 8;
  const RIO_CQ queue = completion_queue(kSockets * 2);
  Registered memory(rio, kSockets * 8);
  std::vector<SOCKET> sockets;
  std::vector<RIO_RQ> queues;
  for (uint64_t i = 0; i < kSockets; ++i) {
    sockets.push_back(datagram());
    queues.push_back(request_queue(sockets.back(), queue, 1, 1, i));
  }
  const SOCKET sender = ws().datagram(family());
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = 0; i < kSockets; ++i) {
      ASSERT_TRUE(receive(queues[i], memory.part(static_cast<ULONG>(i * 8), 8), i));
      const char letter = static_cast<char>('a' + i);
      ASSERT_EQ(ws().send_to(sender, {&letter, 1}, ws().name_of(sockets[i])), 1);
    }
    std::set<uint64_t> done;
    for (const RIORESULT& result : take(queue, kSockets)) {
      expect(result, 0, 1, result.SocketContext);
      EXPECT_EQ(memory.memory[result.SocketContext * 8],
                static_cast<char>('a' + result.SocketContext));
      done.insert(result.SocketContext);
    }
    EXPECT_EQ(done.size(), kSockets) << "each once";
  }
}

TEST_P(RioTransfer, WhoPollsTurnsAndNobodyElseHasTo) {
  const RIO_CQ queue = completion_queue();
  const SOCKET s = datagram();
  (void)request_queue(s, queue);
  const auto turns_of_callers = [] {
    auto now = counters();
    return now["turns"] - now["keeper_turns"];
  };
  const uint64_t before = turns_of_callers();
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(is_empty(queue));
  EXPECT_GE(turns_of_callers(), before + 1000);
}

TEST_P(RioTransfer, WhatIsLeftBehindEndsWithTheProvider) {
  const RIO_CQ queue = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue);
  Registered memory(rio, 64);
  for (uint64_t i = 0; i < 4; ++i) ASSERT_TRUE(receive(requests, memory.part(0, 8), i));
  ASSERT_TRUE(receive(requests, memory.part(0, 8), 4, RIO_MSG_DEFER));
  ASSERT_EQ(ws().send(b, "x"), 1);
  INT error = 0;
  ASSERT_EQ(ws().table.lpWSPCleanup(&error), 0);
  RIORESULT result;
  EXPECT_EQ(rio.RIODequeueCompletion(queue, &result, 1), ULONG{RIO_CORRUPT_CQ});
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSANOTINITIALISED));
  EXPECT_RIO_ERROR(receive(requests, memory.part(0, 8)), WSANOTINITIALISED);
  EXPECT_EQ(rio.RIORegisterBuffer(memory.at<char>(0), 8), RIO_INVALID_BUFFERID);
  EXPECT_EQ(rio.RIOCreateCompletionQueue(1, nullptr), RIO_INVALID_CQ);
  start();
  EXPECT_EQ(rio.RIODequeueCompletion(queue, &result, 1), ULONG{RIO_CORRUPT_CQ}) << "it is no more";
  EXPECT_RIO_ERROR(receive(requests, memory.part(0, 8)), WSAEINVAL);
}

}  // namespace
}  // namespace millrace::test
