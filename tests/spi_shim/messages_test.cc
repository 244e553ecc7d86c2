// SPDX-License-Identifier: BSD-3-Clause
// WSARecvMsg: bytes, sender and control data of a datagram.
#include "tests/spi_shim/messages_fixture.h"

namespace millrace::test {
namespace {

class RecvMsg : public MessagesTest {};
class Winsock_R105 : public MessagesTest {};
class Winsock_R106 : public MessagesTest {};
class Winsock_R107 : public MessagesTest {};
class Winsock_R116 : public MessagesTest {};
class Winsock_R119 : public MessagesTest {};
class Winsock_R120 : public MessagesTest {};
MILLRACE_BOTH_SPI_FAMILIES(RecvMsg);
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R105);
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R106);
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R107);
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R116);
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R119);
MILLRACE_BOTH_SPI_FAMILIES(Winsock_R120);

TEST_P(RecvMsg, ScattersBytesAndNamesTheSender) {
  ask_for_packet_info();
  arrives("hello, world");
  Message message;
  char tail[20];
  message.buffers = {{5, message.memory.data()}, {0, nullptr}, {sizeof tail, tail}};
  message.reset();
  EXPECT_EQ(receive(message), 0u);
  EXPECT_EQ(n_bytes, 12u);
  EXPECT_EQ(message.text(5), "hello");
  EXPECT_EQ(std::string(tail, 7), ", world");
  Address from;
  std::memcpy(from.get(), &message.name, sizeof message.name);
  EXPECT_EQ(from, ws().name_of(sender));
  EXPECT_EQ(message.msg.namelen, family() == WS_AF_INET ? 16 : 28);
  EXPECT_TRUE(has_packet_info(message));
  EXPECT_EQ(message.msg.Control.len, WSA_CMSG_SPACE(family() == WS_AF_INET ? 8 : 20));
}

TEST_P(RecvMsg, WithoutNameAndControlItIsAPlainReceive) {
  arrives("hello");
  Message message;
  message.msg.name = nullptr;
  message.msg.namelen = 0;
  message.msg.Control = {};
  EXPECT_EQ(receive(message), 0u);
  EXPECT_EQ(message.text(n_bytes), "hello");
}

TEST_P(RecvMsg, WaitsUntilAMessageComes) {
  ask_for_packet_info();
  std::thread other([this] {
    wait_until_somebody_waits();
    arrives("late");
  });
  Message message;
  EXPECT_EQ(receive(message), 0u);
  other.join();
  EXPECT_EQ(message.text(n_bytes), "late");
  EXPECT_TRUE(has_packet_info(message));
}

TEST_P(RecvMsg, DoesNotWaitWhereItMayNot) {
  Message message;
  ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 20), 0);
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAETIMEDOUT));
  ASSERT_EQ(ws().set_nonblocking(s), 0);
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEWOULDBLOCK));
  EXPECT_EQ(n_bytes, kUntouched);
  arrives("x");
  EXPECT_EQ(receive(message), 0u);
}

TEST_P(RecvMsg, AnOverlappedOneSignalsItsEvent) {
  ask_for_packet_info();
  Message message;
  Overlap overlap;
  EXPECT_EQ(receive(s, message, overlap.get()), static_cast<DWORD>(WSA_IO_PENDING));
  EXPECT_EQ(n_bytes, kUntouched);
  message.buffers[0] = {0xffffffff, nullptr};  // captured (contract: B8)
  EXPECT_FALSE(overlap.is_signalled());
  arrives("later");
  EXPECT_EQ(ws().result(s, overlap, true), 5);
  EXPECT_TRUE(overlap.is_signalled());
  EXPECT_EQ(message.text(5), "later");
  EXPECT_TRUE(has_packet_info(message));
  EXPECT_EQ(message.msg.namelen, family() == WS_AF_INET ? 16 : 28);
}

TEST_P(RecvMsg, OneThatIsDoneAtOnceCompletesAsWell) {
  arrives("now");
  ASSERT_EQ(ws().recv(s, 10, WS_MSG_PEEK), "now") << "it is there";
  Message message;
  Overlap overlap;
  EXPECT_EQ(receive(s, message, overlap.get()), 0u);
  EXPECT_EQ(n_bytes, 3u);
  EXPECT_TRUE(overlap.is_signalled());
}

TEST_P(RecvMsg, SendsAPacketToItsPort) {
  PortOfTest port;
  ASSERT_TRUE(port.add(s, 7));
  Message message;
  WSAOVERLAPPED overlapped{};
  EXPECT_EQ(receive(s, message, &overlapped), static_cast<DWORD>(WSA_IO_PENDING));
  arrives("packet");
  const Packet packet = port.take();
  EXPECT_TRUE(packet.ok);
  EXPECT_EQ(packet.bytes, 6u);
  EXPECT_EQ(packet.key, 7u);
  EXPECT_EQ(packet.overlapped, &overlapped);
  EXPECT_EQ(message.text(6), "packet");
}

TEST_P(RecvMsg, ClosingEndsOneThatIsPending) {
  Message message;
  PortOfTest port;
  ASSERT_TRUE(port.add(s, 7));
  WSAOVERLAPPED overlapped{};
  EXPECT_EQ(receive(s, message, &overlapped), static_cast<DWORD>(WSA_IO_PENDING));
  ASSERT_EQ(ws().close(s), 0);
  const Packet packet = port.take();
  EXPECT_FALSE(packet.ok);
  EXPECT_EQ(packet.error, static_cast<DWORD>(ERROR_OPERATION_ABORTED));
}

TEST_P(RecvMsg, PeeksAndNothingElse) {
  ask_for_packet_info();
  arrives("peek");
  Message message;
  for (const ULONG flags : {ULONG{WS_MSG_PEEK}, ULONG{0}}) {
    message.reset();
    message.msg.dwFlags = flags;
    EXPECT_EQ(receive(message), 0u);
    EXPECT_EQ(message.text(n_bytes), "peek");
    EXPECT_TRUE(has_packet_info(message));
    EXPECT_EQ(message.msg.dwFlags, 0u);
  }
  for (const ULONG flags : {WS_MSG_OOB, MSG_PARTIAL, WS_MSG_WAITALL, WS_MSG_DONTROUTE}) {
    message.reset();
    message.msg.dwFlags = flags;
    EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEOPNOTSUPP)) << flags;
  }
  Overlap overlap;
  message.reset();
  message.msg.dwFlags = WS_MSG_PEEK;
  EXPECT_EQ(receive(s, message, overlap.get()), static_cast<DWORD>(WSAEOPNOTSUPP));
}

TEST_P(RecvMsg, IsForBoundDatagramSockets) {
  Message message;
  EXPECT_EQ(receive(ws().stream(family()), message), static_cast<DWORD>(WSAEOPNOTSUPP));
  EXPECT_EQ(receive(ws().datagram(family()), message), static_cast<DWORD>(WSAEINVAL));
  EXPECT_EQ(receive(INVALID_SOCKET, message), static_cast<DWORD>(WSAENOTSOCK));
  message.msg.dwBufferCount = 0;
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEINVAL));
  message.reset();
  ASSERT_EQ(ws().shutdown(s, SD_RECEIVE), 0);
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAESHUTDOWN));
}

TEST_P(RecvMsg, AConnectedSocketHearsItsPeerAlone) {
  ask_for_packet_info();
  ASSERT_EQ(ws().connect(s, ws().name_of(sender)), 0);
  const SOCKET stranger = ws().datagram(family());
  EXPECT_EQ(ws().send_to(stranger, "stranger", address), 8);
  arrives("peer");
  Message message;
  EXPECT_EQ(receive(message), 0u);
  EXPECT_EQ(message.text(n_bytes), "peer");
  EXPECT_TRUE(has_packet_info(message));
}

TEST_P(Winsock_R105, ATruncatedMessageWritesItsByteCountAndSender) {
  arrives("too long for that");
  Message message(4);
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEMSGSIZE));
  EXPECT_EQ(n_bytes, 4u);
  EXPECT_EQ(message.text(4), "too ");
  EXPECT_EQ(message.msg.dwFlags, DWORD{WS_MSG_TRUNC});
  EXPECT_EQ(message.msg.namelen, family() == WS_AF_INET ? 16 : 28);
  ASSERT_EQ(ws().set_nonblocking(s), 0);
  message.reset();
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEWOULDBLOCK)) << "the rest is gone";
}

TEST_P(Winsock_R106, APendingOneThatIsTruncatedEndsWithWhatFit) {
  Message message(4);
  Overlap overlap;
  EXPECT_EQ(receive(s, message, overlap.get()), static_cast<DWORD>(WSA_IO_PENDING));
  arrives("too long");
  DWORD n = 0, flags = 77;
  INT error = 0;
  EXPECT_FALSE(ws().table.lpWSPGetOverlappedResult(s, overlap.get(), &n, TRUE, &flags, &error));
  EXPECT_EQ(error, WSAEMSGSIZE);
  EXPECT_EQ(n, 4u);
  EXPECT_EQ(overlap.overlapped.Internal, 0x80000005u);
  EXPECT_EQ(message.msg.dwFlags, DWORD{WS_MSG_TRUNC});
}

struct Routine : Message {
  Routine() : Message(4) { overlapped.Pointer = this; }
  static void CALLBACK on_done(DWORD error, DWORD n, LPWSAOVERLAPPED overlapped, DWORD flags) {
    auto& self = *static_cast<Routine*>(overlapped->Pointer);
    self.error = error;
    self.n = n;
    self.flags = flags;
  }
  WSAOVERLAPPED overlapped{};
  DWORD error = 77, n = 77, flags = 77;
};

TEST_P(Winsock_R107, ARoutineIsToldErrorBytesAndFlags) {
  Routine routine;
  EXPECT_EQ(receive(s, routine, &routine.overlapped, Routine::on_done),
            static_cast<DWORD>(WSA_IO_PENDING));
  arrives("too long");
  EXPECT_TRUE(eventually([&] { return SleepEx(0, TRUE) == WAIT_IO_COMPLETION; }));
  EXPECT_EQ(routine.error, static_cast<DWORD>(WSAEMSGSIZE));
  EXPECT_EQ(routine.n, 4u);
  EXPECT_EQ(routine.flags, DWORD{WS_MSG_TRUNC});
}

TEST_P(Winsock_R116, ANameThatIsTooShortIsRefused) {
  arrives("x");
  Message message;
  message.msg.namelen = family() == WS_AF_INET ? 15 : 27;
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEFAULT));
  message.reset();
  EXPECT_EQ(receive(message), 0u) << "nothing was taken";
}

TEST_P(Winsock_R119, AShortControlBufferTruncatesControlDataAlone) {
  ask_for_packet_info();
  for (const ULONG room : {0u, 1u, 16u, 23u}) {
    arrives("hello");
    Message message;
    message.msg.Control.len = room;
    EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEMSGSIZE)) << room;
    EXPECT_EQ(n_bytes, 5u);
    EXPECT_EQ(message.text(5), "hello");
    EXPECT_EQ(message.msg.dwFlags, DWORD{WS_MSG_CTRUNC});
    EXPECT_EQ(message.msg.Control.len, 0u);
    for (const char byte : message.control) ASSERT_EQ(byte, '\x7e') << "it was written to";
  }
  Message message;
  Overlap overlap;
  message.msg.Control.len = 1;
  EXPECT_EQ(receive(s, message, overlap.get()), static_cast<DWORD>(WSA_IO_PENDING));
  arrives("later");
  EXPECT_EQ(ws().result(s, overlap, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAEMSGSIZE);
  EXPECT_EQ(overlap.overlapped.InternalHigh, 5u);
  EXPECT_EQ(message.msg.dwFlags, DWORD{WS_MSG_CTRUNC});
}

TEST_P(Winsock_R119, WhatFitsWholeIsToldAllTheSame) {
  ask_for_packet_info();
  const int ttl = family() == WS_AF_INET ? WS_IP_RECVTTL : WS_IPV6_HOPLIMIT;
  ASSERT_EQ(ws().set_option(s, level(), ttl, 1), 0);
  arrives("hello");
  Message message;
  const SIZE_T first = WSA_CMSG_SPACE(family() == WS_AF_INET ? 8 : 20);
  message.msg.Control.len = static_cast<ULONG>(first + 23);
  EXPECT_EQ(receive(message), static_cast<DWORD>(WSAEMSGSIZE));
  EXPECT_EQ(message.msg.dwFlags, DWORD{WS_MSG_CTRUNC});
  EXPECT_EQ(message.msg.Control.len, first);
  EXPECT_TRUE(has_packet_info(message));
}

TEST_P(Winsock_R120, PointersAreProbed) {
  arrives("x");
  EXPECT_EQ(recv_msg(s, nullptr, &n_bytes, nullptr, nullptr), SOCKET_ERROR);
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT));
  auto* const wild = reinterpret_cast<char*>(0x1000);
  const auto is_refused = [&](auto spoil) {
    Message message;
    spoil(message.msg);
    return receive(message) == static_cast<DWORD>(WSAEFAULT);
  };
  EXPECT_TRUE(is_refused([](WSAMSG& m) { m.name = nullptr; })) << "a length without a name";
  EXPECT_TRUE(is_refused([](WSAMSG& m) { m.Control.buf = nullptr; }));
  EXPECT_TRUE(is_refused([](WSAMSG& m) { m.namelen = -1; }));
  EXPECT_TRUE(is_refused([&](WSAMSG& m) { m.name = reinterpret_cast<WS_sockaddr*>(wild); }));
  EXPECT_TRUE(is_refused([&](WSAMSG& m) { m.Control.buf = wild; }));
  EXPECT_TRUE(is_refused([&](WSAMSG& m) { m.lpBuffers = reinterpret_cast<WSABUF*>(wild); }));
  EXPECT_TRUE(is_refused([&](WSAMSG& m) { m.lpBuffers->buf = wild; }));
  Message message;
  EXPECT_EQ(recv_msg(s, message.get(), nullptr, nullptr, nullptr), SOCKET_ERROR);
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT)) << "neither count nor WSAOVERLAPPED";
  EXPECT_EQ(receive(s, message, reinterpret_cast<WSAOVERLAPPED*>(wild)),
            static_cast<DWORD>(WSAEFAULT));
  EXPECT_EQ(receive(message), 0u) << "nothing was taken";
}

}  // namespace
}  // namespace millrace::test
