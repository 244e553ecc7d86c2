// SPDX-License-Identifier: BSD-3-Clause
// CancelIo, CancelIoEx, GetOverlappedResult and its Ex.
#include <atomic>
#include <thread>

#include "tests/spi_shim/ports_support.h"

namespace millrace::test {
namespace {

class Winsock_R137 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R137);
class Winsock_R138 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R138);
class Winsock_R139 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R139);
class Winsock_R141 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R141);
class Winsock_R142 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R142);
class Winsock_R81 : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R81);
class Results : public SpiFamilyTest {};
MILLRACE_BOTH_SPI_FAMILIES(Results);

TEST_P(Winsock_R137, CancelIoExEndsOneReceiveAndLeavesOthers) {
  const auto [client, server] = ws().pair(family());
  Overlap first(16), second(16);
  ws().post_recv(server, first);
  ws().post_recv(server, second);
  EXPECT_TRUE(CancelIoEx(as_handle(server), first.get()));
  EXPECT_TRUE(first.is_signalled());
  EXPECT_EQ(first.overlapped.Internal, STATUS_CANCELLED);
  EXPECT_EQ(first.overlapped.InternalHigh, 0u);
  EXPECT_EQ(ws().result(server, first, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSA_OPERATION_ABORTED);
  EXPECT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().finish(server, second), "hello");
}

TEST_P(Winsock_R138, CancelIoExFindsNothing) {
  const auto [client, server] = ws().pair(family());
  Overlap never(16);
  EXPECT_FALSE(CancelIoEx(as_handle(server), never.get()));
  EXPECT_EQ(GetLastError(), ERROR_NOT_FOUND);
  EXPECT_FALSE(CancelIoEx(as_handle(server), nullptr));
  EXPECT_EQ(GetLastError(), ERROR_NOT_FOUND);
  EXPECT_FALSE(CancelIoEx(nullptr, nullptr));
  EXPECT_EQ(GetLastError(), ERROR_INVALID_HANDLE);
}

TEST_P(Winsock_R139, CancelIoEndsWhatTheCallingThreadStarted) {
  const auto [client, server] = ws().pair(family());
  EXPECT_TRUE(CancelIo(as_handle(server))) << "even if there is nothing";
  Overlap mine(16), theirs(16);
  std::atomic<bool> is_done{false};
  std::thread other([&, table = ws().table, s = server] {
    Winsock winsock(table);
    winsock.post_recv(s, theirs);
    is_done = true;
    while (is_done) std::this_thread::yield();  // a thread that ends cancels what it started
  });
  EXPECT_TRUE(eventually([&] { return is_done.load(); }));
  ws().post_recv(server, mine);
  EXPECT_TRUE(CancelIo(as_handle(server)));
  EXPECT_EQ(mine.overlapped.Internal, STATUS_CANCELLED);
  EXPECT_EQ(theirs.overlapped.Internal, STATUS_PENDING);
  EXPECT_EQ(ws().send(client, "hello"), 5);
  EXPECT_EQ(ws().finish(server, theirs), "hello");
  is_done = false;
  other.join();
}

TEST_P(Winsock_R139, ACancelledReceiveCallsItsRoutine) {
  const auto [client, server] = ws().pair(family());
  static DWORD error_told;
  error_told = 0;
  Overlap pending(16);
  WSABUF buffer{16, pending.memory.data()};
  DWORD flags = 0;
  INT error = 0;
  ws().table.lpWSPRecv(server, &buffer, 1, nullptr, &flags, pending.get(),
                       [](DWORD told, DWORD, LPWSAOVERLAPPED, DWORD) { error_told = told; }, nullptr,
                       &error);
  EXPECT_TRUE(CancelIo(as_handle(server)));
  EXPECT_EQ(SleepEx(0, TRUE), static_cast<DWORD>(WAIT_IO_COMPLETION));
  EXPECT_EQ(error_told, static_cast<DWORD>(WSA_OPERATION_ABORTED));
}

TEST_P(Winsock_R141, WhatCancellingInterruptsIsNotLost) {
  const auto [client, server] = ws().pair(family());
  Overlap all(8);
  ws().post_recv(server, all, WS_MSG_WAITALL);
  EXPECT_EQ(ws().send(client, "abc"), 3);
  Overlap look(1);
  EXPECT_FALSE(ws().is_ready(server, 'r', 0));
  EXPECT_TRUE(CancelIoEx(as_handle(server), all.get()));
  const std::string got = ws().finish(server, all);
  EXPECT_EQ(got + (got.size() == 3 ? "" : ws().recv_all(server, 3 - got.size())), "abc");
}

TEST_P(Winsock_R142, APortsReceiveOutlivesItsThreadAndAnEventsDoesNot) {
  const auto [client, server] = ws().pair(family());
  PortOfTest port;
  ASSERT_TRUE(port.add(server, 7));
  Overlap with_event(16), with_packet(16);
  const HANDLE event = with_packet.overlapped.hEvent;
  with_packet.overlapped.hEvent = nullptr;
  std::thread([&, table = ws().table, s = server] {
    Winsock winsock(table);
    winsock.post_recv(s, with_event);
    winsock.post_recv(s, with_packet);
  }).join();
  Packet packet = port.take();
  EXPECT_EQ(packet.overlapped, with_event.get());
  EXPECT_EQ(packet.error, ERROR_OPERATION_ABORTED);
  EXPECT_EQ(ws().send(client, "hello"), 5);
  packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.overlapped, with_packet.get());
  EXPECT_EQ(packet.bytes, 5u);
  with_packet.overlapped.hEvent = event;
}

TEST_P(Winsock_R81, GetOverlappedResultHasWin32sCode) {
  const auto [client, server] = ws().pair(family());
  Overlap pending(16);
  ws().post_recv(server, pending);
  DWORD n = 0xdeadbeef;
  EXPECT_FALSE(GetOverlappedResult(as_handle(server), pending.get(), &n, FALSE));
  EXPECT_EQ(GetLastError(), ERROR_IO_INCOMPLETE);
  EXPECT_EQ(n, 0xdeadbeef);
  EXPECT_FALSE(HasOverlappedIoCompleted(pending.get()));
  const WS_linger reset{1, 0};
  INT error = 0;
  ws().table.lpWSPSetSockOpt(client, WS_SOL_SOCKET, WS_SO_LINGER,
                             reinterpret_cast<const CHAR*>(&reset), sizeof reset, &error);
  ASSERT_EQ(ws().close(client), 0);
  EXPECT_FALSE(GetOverlappedResult(as_handle(server), pending.get(), &n, TRUE));
  EXPECT_EQ(GetLastError(), ERROR_NETNAME_DELETED);
  EXPECT_TRUE(HasOverlappedIoCompleted(pending.get()));
}

TEST_P(Results, ExWaitsForATimeOrARoutine) {
  const auto [client, server] = ws().pair(family());
  Overlap pending(16);
  ws().post_recv(server, pending);
  DWORD n = 0;
  EXPECT_FALSE(GetOverlappedResultEx(as_handle(server), pending.get(), &n, 1, FALSE));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WAIT_TIMEOUT));
  EXPECT_FALSE(GetOverlappedResultEx(as_handle(server), pending.get(), &n, 0, FALSE));
  EXPECT_EQ(GetLastError(), ERROR_IO_INCOMPLETE);
  static bool has_run;
  has_run = false;
  Overlap other(16);
  WSABUF buffer{16, other.memory.data()};
  DWORD flags = 0;
  INT error = 0;
  ws().table.lpWSPRecv(client, &buffer, 1, nullptr, &flags, other.get(),
                       [](DWORD, DWORD, LPWSAOVERLAPPED, DWORD) { has_run = true; }, nullptr,
                       &error);
  EXPECT_EQ(ws().send(server, "x"), 1);
  EXPECT_FALSE(GetOverlappedResultEx(as_handle(server), pending.get(), &n, INFINITE, TRUE));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WAIT_IO_COMPLETION));
  EXPECT_TRUE(has_run);
  EXPECT_EQ(ws().send(client, "hello"), 5);
  EXPECT_TRUE(GetOverlappedResultEx(as_handle(server), pending.get(), &n, kPatienceMs, FALSE));
  EXPECT_EQ(n, 5u);
}


}  // namespace
}  // namespace millrace::test
