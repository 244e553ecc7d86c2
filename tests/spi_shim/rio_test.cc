// SPDX-License-Identifier: BSD-3-Clause
// Registered I/O: the table, buffers, queues and their room, and every documented error.
#include <array>

#include "tests/spi_shim/rio_support.h"
#include "tests/support/pages.h"

namespace millrace::test {
namespace {

class Rio : public RioTest {};

TEST_F(Rio, Winsock_R206_TheTableComesByItsIdAndIsWhole) {
  static_assert(sizeof rio == 112);
  EXPECT_EQ(rio.cbSize, 112u);
  std::array<void*, 14> entries{};
  std::memcpy(entries.data(), &rio, sizeof rio);
  for (size_t i = 1; i < entries.size(); ++i) EXPECT_NE(entries[i], nullptr) << i;

  const SOCKET s = ws().datagram(family());
  const auto ask = [&](GUID id, DWORD id_bytes, void* to, DWORD bytes) {
    DWORD n = 0;
    INT error = 0;
    const int result =
        ws().table.lpWSPIoctl(s, SIO_GET_MULTIPLE_EXTENSION_FUNCTION_POINTER, &id, id_bytes, to,
                              bytes, &n, nullptr, nullptr, nullptr, &error);
    EXPECT_EQ(n, result == 0 ? 112u : 0u);
    return error;
  };
  RIO_EXTENSION_FUNCTION_TABLE table{};
  EXPECT_EQ(ask(WSAID_MULTIPLE_RIO, sizeof(GUID), &table, sizeof table), 0);
  EXPECT_EQ(ask(WSAID_ACCEPTEX, sizeof(GUID), &table, sizeof table), WSAEINVAL);
  EXPECT_EQ(ask(WSAID_MULTIPLE_RIO, sizeof(GUID) - 1, &table, sizeof table), WSAEFAULT);
  EXPECT_EQ(ask(WSAID_MULTIPLE_RIO, sizeof(GUID), &table, sizeof table - 1), WSAEFAULT);
  EXPECT_EQ(ask(WSAID_MULTIPLE_RIO, sizeof(GUID), nullptr, sizeof table), WSAEFAULT);
}

TEST_F(Rio, ABufferIsRegisteredWhereMemoryIs) {
  const Pages pages;
  const auto refuses = [&](char* memory, DWORD bytes, DWORD error) {
    SetLastError(0);
    EXPECT_EQ(rio.RIORegisterBuffer(memory, bytes), RIO_INVALID_BUFFERID);
    EXPECT_EQ(GetLastError(), error);
  };
  refuses(pages.before_the_edge(16), 0, WSAEINVAL);
  refuses(nullptr, 16, WSAEFAULT);
  refuses(pages.bad(), 16, WSAEFAULT);
  refuses(pages.across_the_edge(16), 16, WSAEFAULT);
  const RIO_BUFFERID a = rio.RIORegisterBuffer(pages.before_the_edge(16), 16);
  const RIO_BUFFERID b = rio.RIORegisterBuffer(pages.before_the_edge(16), 16);
  EXPECT_NE(a, RIO_INVALID_BUFFERID);
  EXPECT_NE(a, b) << "the same memory twice is two buffers";
  for (const RIO_BUFFERID id : {a, b, b, RIO_INVALID_BUFFERID, RIO_BUFFERID{nullptr}}) {
    rio.RIODeregisterBuffer(id);  // what names nothing is ignored
  }
}

TEST_F(Rio, ACompletionQueueHasASizeAndAWayToTell) {
  const auto refuses = [&](DWORD size, RIO_NOTIFICATION_COMPLETION* notification, DWORD error) {
    SetLastError(0);
    EXPECT_EQ(rio.RIOCreateCompletionQueue(size, notification), RIO_INVALID_CQ);
    EXPECT_EQ(GetLastError(), error);
  };
  refuses(0, nullptr, WSAEINVAL);
  refuses(RIO_MAX_CQ_SIZE + 1, nullptr, WSAEINVAL);
  RIO_NOTIFICATION_COMPLETION how{};
  refuses(1, &how, WSAEINVAL);
  how.Type = RIO_EVENT_COMPLETION;
  refuses(1, &how, WSAEINVAL);  // no event
  how.Type = RIO_IOCP_COMPLETION;
  how.Iocp = {as_context(4), nullptr, nullptr};
  refuses(1, &how, WSAEINVAL);  // no OVERLAPPED
  const Pages pages;
  refuses(1, pages.bad<RIO_NOTIFICATION_COMPLETION>(), WSAEFAULT);
  rio.RIOCloseCompletionQueue(completion_queue(RIO_MAX_CQ_SIZE));
  rio.RIOCloseCompletionQueue(RIO_INVALID_CQ);  // ignored
}

TEST_F(Rio, WhatIsNoCompletionQueueIsCorrupt) {
  const RIO_CQ queue = completion_queue();
  const SOCKET s = datagram();
  const RIO_RQ requests = request_queue(s, queue);
  RIORESULT result;
  const auto dequeue = [&](const void* handle, RIORESULT* to) {
    return rio.RIODequeueCompletion(static_cast<RIO_CQ>(const_cast<void*>(handle)), to, 1);
  };
  EXPECT_EQ(dequeue(queue, &result), 0u);
  EXPECT_EQ(dequeue(RIO_INVALID_CQ, &result), ULONG{RIO_CORRUPT_CQ});
  EXPECT_EQ(dequeue(requests, &result), ULONG{RIO_CORRUPT_CQ});
  const Pages pages;
  EXPECT_EQ(dequeue(queue, pages.bad<RIORESULT>()), ULONG{RIO_CORRUPT_CQ});
  EXPECT_EQ(rio.RIODequeueCompletion(queue, nullptr, 0), 0u);
  rio.RIOCloseCompletionQueue(queue);
  EXPECT_EQ(dequeue(queue, &result), ULONG{RIO_CORRUPT_CQ});
  EXPECT_EQ(rio.RIONotify(queue), WSAEINVAL);
  EXPECT_RIO_ERROR(rio.RIOResizeCompletionQueue(queue, 10), WSAEINVAL);
}

TEST_F(Rio, Winsock_R208_ARequestQueueIsRefusedWithItsReason) {
  const RIO_CQ queue = completion_queue(8);
  const SOCKET s = datagram();
  const auto refuses = [&](SOCKET socket, ULONG receives, ULONG receive_buffers, ULONG sends,
                           ULONG send_buffers, RIO_CQ receive_cq, RIO_CQ send_cq, DWORD error) {
    SetLastError(0);
    EXPECT_EQ(rio.RIOCreateRequestQueue(socket, receives, receive_buffers, sends, send_buffers,
                                        receive_cq, send_cq, nullptr),
              RIO_INVALID_RQ);
    EXPECT_EQ(GetLastError(), error);
  };
  refuses(s + 4096, 1, 1, 1, 1, queue, queue, WSAENOTSOCK);
  refuses(ws().datagram(family()), 1, 1, 1, 1, queue, queue,
          WSAEOPNOTSUPP);  // no WSA_FLAG_REGISTERED_IO
  refuses(s, 0, 1, 0, 1, queue, queue, WSAEINVAL);
  refuses(s, 1, 2, 1, 1, queue, queue, WSAEINVAL);
  refuses(s, 1, 0, 1, 1, queue, queue, WSAEINVAL);
  refuses(s, 1, 1, 1, 2, queue, queue, WSAEINVAL);
  refuses(s, 1, 1, 1, 1, RIO_INVALID_CQ, queue, WSAEINVAL);
  refuses(s, 1, 1, 1, 1, queue, RIO_INVALID_CQ, WSAEINVAL);
  refuses(s, 5, 1, 4, 1, queue, queue, WSAENOBUFS);  // 9 of 8
  EXPECT_NE(request_queue(s, queue, 4, 4),
            RIO_INVALID_RQ);  // what was refused has reserved nothing
  refuses(s, 1, 1, 1, 1, completion_queue(), completion_queue(), WSAEINVAL);  // it has one
}

TEST_F(Rio, Winsock_R208_ClosedSocketsGiveTheirRoomBack) {
  const RIO_CQ queue = completion_queue(8);
  const SOCKET a = datagram(), b = datagram();
  Registered memory(rio, 64);
  const RIO_RQ requests = request_queue(a, queue, 8, 0);
  for (uint64_t i = 0; i < 3; ++i) ASSERT_TRUE(receive(requests, memory.part(0, 8), i));
  const auto fits = [&](ULONG n) {
    return rio.RIOCreateRequestQueue(b, n, 1, 0, 1, queue, queue, nullptr) != RIO_INVALID_RQ;
  };
  EXPECT_FALSE(fits(1));
  ASSERT_EQ(ws().close(a), 0);
  EXPECT_FALSE(fits(6)) << "three completions are in the queue";
  EXPECT_EQ(take(queue, 1).front().RequestContext, 0u);
  EXPECT_FALSE(fits(7));
  EXPECT_TRUE(fits(6));
}

TEST_F(Rio, ACompletionQueueShrinksToWhatIsReserved) {
  const RIO_CQ queue = completion_queue(8);
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue, 4, 2);
  Registered memory(rio, 64);
  ASSERT_TRUE(send(requests, memory.put("x"), 1));
  EXPECT_RIO_ERROR(rio.RIOResizeCompletionQueue(queue, 5), WSAETOOMANYREFS);
  EXPECT_RIO_ERROR(rio.RIOResizeCompletionQueue(queue, RIO_MAX_CQ_SIZE + 1), WSAEINVAL);
  EXPECT_RIO_ERROR(rio.RIOResizeCompletionQueue(RIO_INVALID_CQ, 8), WSAEINVAL);
  EXPECT_TRUE(rio.RIOResizeCompletionQueue(queue, 6));
  EXPECT_RIO_ERROR(rio.RIOCreateRequestQueue(b, 1, 1, 0, 1, queue, queue, nullptr), WSAENOBUFS);
  EXPECT_TRUE(rio.RIOResizeCompletionQueue(queue, 100));
  EXPECT_NE(request_queue(b, queue, 94, 0), RIO_INVALID_RQ);
  EXPECT_EQ(take(queue).RequestContext, 1u) << "what it held is still there";
}

TEST_F(Rio, ARequestQueueGrowsAndShrinksToWhatIsOutstanding) {
  const RIO_CQ queue = completion_queue(10);
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue, 2, 2);
  Registered memory(rio, 64);
  const auto post = [&](uint64_t context) { return receive(requests, memory.part(0, 8), context); };
  EXPECT_TRUE(post(0) && post(1));
  EXPECT_RIO_ERROR(post(2), WSAENOBUFS);
  EXPECT_RIO_ERROR(rio.RIOResizeRequestQueue(requests, 1, 2), WSAETOOMANYREFS);
  EXPECT_RIO_ERROR(rio.RIOResizeRequestQueue(requests, 8, 3), WSAENOBUFS);  // 11 of 10
  EXPECT_RIO_ERROR(post(2), WSAENOBUFS);                                    // nothing has changed
  EXPECT_RIO_ERROR(rio.RIOResizeRequestQueue(requests, 0, 0), WSAEINVAL);
  EXPECT_RIO_ERROR(rio.RIOResizeRequestQueue(RIO_INVALID_RQ, 1, 1), WSAEINVAL);
  EXPECT_TRUE(rio.RIOResizeRequestQueue(requests, 5, 2));
  EXPECT_TRUE(post(2) && post(3) && post(4));
  EXPECT_RIO_ERROR(post(5), WSAENOBUFS);
  for (int i = 0; i < 4; ++i) ASSERT_EQ(ws().send(b, "x"), 1);
  const auto results = take(queue, 4);
  for (uint64_t i = 0; i < 4; ++i) EXPECT_EQ(results[i].RequestContext, i);
  EXPECT_TRUE(rio.RIOResizeRequestQueue(requests, 1, 2)) << "one is outstanding";
  EXPECT_RIO_ERROR(post(5), WSAENOBUFS);
  EXPECT_TRUE(rio.RIOResizeRequestQueue(requests, 8, 2));
  for (uint64_t i = 5; i < 12; ++i) EXPECT_TRUE(post(i));
  EXPECT_RIO_ERROR(post(12), WSAENOBUFS);
}

TEST_F(Rio, Winsock_R207_BadRequestsAreRefusedAndCostNothing) {
  const RIO_CQ queue = completion_queue();
  const SOCKET s = datagram();
  const RIO_RQ requests = request_queue(s, queue, 1, 0);
  Registered memory(rio, 64);
  RIO_BUF good = memory.part(0, 8);
  const auto tries = [&](RIO_BUF* data, ULONG n, DWORD flags) {
    return rio.RIOReceive(requests, data, n, flags, as_context(1));
  };
  EXPECT_RIO_ERROR(rio.RIOReceive(RIO_INVALID_RQ, &good, 1, 0, nullptr), WSAEINVAL);
  EXPECT_RIO_ERROR(tries(&good, 0, 0), WSAEINVAL);
  EXPECT_RIO_ERROR(tries(&good, 2, 0), WSAEINVAL);
  EXPECT_RIO_ERROR(tries(nullptr, 1, 0), WSAEINVAL);
  EXPECT_RIO_ERROR(tries(&good, 1, 16), WSAEINVAL);
  EXPECT_RIO_ERROR(tries(&good, 1, RIO_MSG_WAITALL), WSAEINVAL);  // not for datagrams
  EXPECT_RIO_ERROR(tries(&good, 1, RIO_MSG_COMMIT_ONLY), WSAEINVAL);
  EXPECT_RIO_ERROR(tries(nullptr, 0, RIO_MSG_COMMIT_ONLY), WSAEINVAL);  // it has a context
  EXPECT_RIO_ERROR(
      rio.RIOReceive(requests, nullptr, 0, RIO_MSG_COMMIT_ONLY | RIO_MSG_DEFER, nullptr),
      WSAEINVAL);
  const Pages pages;
  EXPECT_RIO_ERROR(tries(pages.bad<RIO_BUF>(), 1, 0), WSAEFAULT);
  RIO_BUF beyond = memory.part(60, 8);
  EXPECT_RIO_ERROR(tries(&beyond, 1, 0), WSAEINVAL);
  beyond = {memory.id, 0xffffffff, 2};
  EXPECT_RIO_ERROR(tries(&beyond, 1, 0), WSAEINVAL);
  for (void* const foreign : {static_cast<void*>(queue), static_cast<void*>(requests),
                              static_cast<void*>(RIO_INVALID_BUFFERID), as_context(0)}) {
    RIO_BUF wrong{static_cast<RIO_BUFFERID>(foreign), 0, 8};
    EXPECT_RIO_ERROR(tries(&wrong, 1, 0), WSAEFAULT);
  }
  EXPECT_RIO_ERROR(rio.RIOSend(requests, &good, 1, 0, nullptr), WSAENOBUFS);  // it may have none
  EXPECT_TRUE(is_empty(queue)) << "no completion follows";
  EXPECT_TRUE(tries(&good, 1, 0)) << "the one that it may have is still free";
  EXPECT_RIO_ERROR(tries(&good, 1, 0), WSAENOBUFS);
}

TEST_F(Rio, Winsock_R207_BuffersThatAreGoneAreFaults) {
  const RIO_CQ queue = completion_queue();
  const auto [a, b] = datagrams();
  const RIO_RQ requests = request_queue(a, queue);
  const Pages none, read_only(PROT_READ);
  char* const memory = read_only.bad();
  RIO_BUF part{rio.RIORegisterBuffer(memory, kPage), 0, 8};
  EXPECT_RIO_ERROR(rio.RIOReceive(requests, &part, 1, 0, nullptr), WSAEFAULT);
  EXPECT_TRUE(rio.RIOSend(requests, &part, 1, 0, nullptr)) << "what is sent may be constant";
  EXPECT_EQ(take(queue).Status, 0);
  ASSERT_EQ(mprotect(memory, kPage, PROT_NONE), 0);
  EXPECT_RIO_ERROR(rio.RIOSend(requests, &part, 1, 0, nullptr), WSAEFAULT);
  ASSERT_EQ(mprotect(memory, kPage, PROT_READ | PROT_WRITE), 0);
  EXPECT_TRUE(rio.RIOReceive(requests, &part, 1, 0, as_context(7)));
  rio.RIODeregisterBuffer(part.BufferId);
  EXPECT_RIO_ERROR(rio.RIOReceive(requests, &part, 1, 0, nullptr), WSAEFAULT);
  EXPECT_RIO_ERROR(rio.RIOSend(requests, &part, 1, 0, nullptr), WSAEFAULT);
  ASSERT_EQ(ws().send(b, "here"), 4);
  EXPECT_EQ(take(queue).RequestContext, 7u) << "what was under way goes on";
  EXPECT_EQ(std::string_view(memory, 4), "here");
}

TEST_F(Rio, ExtrasAreCheckedAsTheDataIs) {
  const RIO_CQ queue = completion_queue();
  const SOCKET s = datagram();
  const RIO_RQ requests = request_queue(s, queue, 1, 1);
  Registered memory(rio, 256);
  RIO_BUF data = memory.part(0, 8), address = memory.part(64, sizeof(SOCKADDR_INET)),
          short_address = memory.part(64, sizeof(SOCKADDR_INET) - 1), word = memory.part(128, 4),
          half = memory.part(128, 2), gone{RIO_INVALID_BUFFERID, 0, 64};
  const auto receives = [&](RIO_BUF* local, RIO_BUF* remote, RIO_BUF* control, RIO_BUF* flags) {
    return rio.RIOReceiveEx(requests, &data, 1, local, remote, control, flags, 0, nullptr);
  };
  EXPECT_RIO_ERROR(receives(&short_address, nullptr, nullptr, nullptr), WSAEINVAL);
  EXPECT_RIO_ERROR(receives(nullptr, &short_address, nullptr, nullptr), WSAEINVAL);
  EXPECT_RIO_ERROR(receives(nullptr, nullptr, &word, nullptr), WSAEINVAL);
  EXPECT_RIO_ERROR(receives(nullptr, nullptr, nullptr, &half), WSAEINVAL);
  EXPECT_RIO_ERROR(receives(&gone, nullptr, nullptr, nullptr), WSAEFAULT);
  EXPECT_RIO_ERROR(receives(nullptr, &gone, nullptr, nullptr), WSAEFAULT);
  EXPECT_RIO_ERROR(receives(nullptr, nullptr, &gone, nullptr), WSAEFAULT);
  EXPECT_RIO_ERROR(receives(nullptr, nullptr, nullptr, &gone), WSAEFAULT);
  const auto sends = [&](RIO_BUF* local, RIO_BUF* remote, RIO_BUF* control) {
    return rio.RIOSendEx(requests, &data, 1, local, remote, control, nullptr, 0, nullptr);
  };
  EXPECT_RIO_ERROR(sends(&address, &address, nullptr), WSAEINVAL);  // reserved
  EXPECT_RIO_ERROR(sends(nullptr, &short_address, nullptr), WSAEINVAL);
  RIO_BUF control = memory.part(192, 64);
  memory.at<RIO_CMSG_BUFFER>(192)->TotalLength = 65;
  EXPECT_RIO_ERROR(sends(nullptr, &address, &control), WSAEINVAL);
  EXPECT_TRUE(is_empty(queue));
}

}  // namespace
}  // namespace millrace::test
