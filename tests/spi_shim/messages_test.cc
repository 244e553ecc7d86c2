// SPDX-License-Identifier: BSD-3-Clause
// WSARecvMsg and WSASendMsg as a program calls them: how a call ends, and with which code. What
// they tell of a packet's headers is in tests/stack/message_wire_test.cc.
#include <thread>

#define MILLRACE_USE_WS_PREFIX
#include "mswsock.h"
#include "tests/spi_shim/ports_support.h"
#include "tests/support/messages.h"

namespace millrace::test {
namespace {

constexpr DWORD kUntouched = 0xdeadbeef;

class MessagesTest : public SpiFamilyTest {
 protected:
  void SetUp() override {
    SpiFamilyTest::SetUp();
    s = ws().datagram(family());
    ASSERT_EQ(ws().bind(s, Address::loopback(family())), 0);
    address = ws().name_of(s);
    sender = ws().datagram(family());
    ASSERT_EQ(ws().bind(sender, Address::loopback(family())), 0);
    fetch(WSAID_WSARECVMSG, recv_msg);
    fetch(WSAID_WSASENDMSG, send_msg);
  }
  template <typename Function>
  void fetch(GUID id, Function& function) {
    DWORD n = 0;
    INT error = 0;
    ASSERT_EQ(
        ws().table.lpWSPIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &id, sizeof id, &function,
                              sizeof function, &n, nullptr, nullptr, nullptr, &error),
        0);
  }
  int level() const { return family() == WS_AF_INET ? WS_IPPROTO_IP : WS_IPPROTO_IPV6; }
  int pktinfo() const { return family() == WS_AF_INET ? WS_IP_PKTINFO : WS_IPV6_PKTINFO; }
  bool has_packet_info(const Message& message) const {
    return family() == WS_AF_INET ? message.object<WS_in_pktinfo>(level(), pktinfo()).has_value()
                                  : message.object<WS_in6_pktinfo>(level(), pktinfo()).has_value();
  }
  void ask_for_packet_info() {
    ASSERT_EQ(ws().set_option(s, level(), pktinfo(), 1), 0) << ws().error;
    ASSERT_EQ(ws().option(s, level(), pktinfo()), 1);
  }
  void arrives(std::string_view text) {
    ASSERT_EQ(ws().send_to(sender, text, address), static_cast<int>(text.size()));
  }
  /// @return 0, or the error. n_bytes is what the call wrote
  DWORD receive(SOCKET socket, Message& into, WSAOVERLAPPED* overlapped = nullptr,
                LPWSAOVERLAPPED_COMPLETION_ROUTINE routine = nullptr) {
    n_bytes = kUntouched;
    const INT result = recv_msg(socket, into.get(), &n_bytes, overlapped, routine);
    EXPECT_TRUE(result == 0 || result == SOCKET_ERROR);
    return result == 0 ? 0 : GetLastError();
  }
  DWORD receive(Message& into) { return receive(s, into); }
  DWORD send(SOCKET socket, Message& message, DWORD flags = 0,
             WSAOVERLAPPED* overlapped = nullptr) {
    n_bytes = kUntouched;
    return send_msg(socket, message.get(), flags, &n_bytes, overlapped, nullptr) == 0
               ? 0
               : GetLastError();
  }
  static void direct(Message& message, Address& to) {
    message.msg.name = to.get();
    message.msg.namelen = to.length;
  }

  SOCKET s = INVALID_SOCKET, sender = INVALID_SOCKET;
  Address address;
  LPFN_WSARECVMSG recv_msg = nullptr;
  LPFN_WSASENDMSG send_msg = nullptr;
  DWORD n_bytes = 0;
};

class RecvMsg : public MessagesTest {};
class SendMsg : public MessagesTest {};
class Winsock_R105 : public MessagesTest {};
class Winsock_R106 : public MessagesTest {};
class Winsock_R107 : public MessagesTest {};
class Winsock_R116 : public MessagesTest {};
class Winsock_R119 : public MessagesTest {};
class Winsock_R120 : public MessagesTest {};
MILLRACE_BOTH_SPI_FAMILIES(RecvMsg);
MILLRACE_BOTH_SPI_FAMILIES(SendMsg);
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

TEST_P(SendMsg, GathersBuffersAndGoesWhereItIsTold) {
  Message message("hello");
  char tail[] = ", world";
  message.buffers.push_back({7, tail});
  message.msg.lpBuffers = message.buffers.data();
  message.msg.dwBufferCount = 2;
  direct(message, address);
  EXPECT_EQ(send(sender, message), 0u);
  EXPECT_EQ(n_bytes, 12u);
  EXPECT_EQ(ws().recv(s), "hello, world");
}

TEST_P(SendMsg, AConnectedSocketNeedsNoName) {
  Message message("hello");
  EXPECT_EQ(send(sender, message), static_cast<DWORD>(WSAENOTCONN));
  message.add(level(), family() == WS_AF_INET ? WS_IP_TTL : WS_IPV6_HOPLIMIT, INT{7});
  EXPECT_EQ(send(sender, message), static_cast<DWORD>(WSAENOTCONN));
  ASSERT_EQ(ws().connect(sender, address), 0);
  EXPECT_EQ(send(sender, message), 0u);
  EXPECT_EQ(ws().recv(s), "hello");
}

TEST_P(SendMsg, TheReceiverIsToldWhatTheSenderSaid) {
  const bool is_4 = family() == WS_AF_INET;
  const int names[] = {is_4 ? WS_IP_RECVTTL : WS_IPV6_HOPLIMIT,
                       is_4 ? WS_IP_RECVTOS : WS_IPV6_RECVTCLASS, is_4 ? IP_RECVECN : IPV6_RECVECN};
  for (const int name : names) ASSERT_EQ(ws().set_option(s, level(), name, 1), 0) << name;
  Message message("hello");
  direct(message, address);
  message.add(level(), is_4 ? WS_IP_TTL : WS_IPV6_HOPLIMIT, INT{7});
  message.add(level(), is_4 ? WS_IP_TOS : WS_IPV6_TCLASS, INT{0x2d});
  message.add(level(), is_4 ? IP_ECN : IPV6_ECN, INT{2});
  EXPECT_EQ(send(sender, message), 0u);
  Message got;
  EXPECT_EQ(receive(got), 0u);
  EXPECT_EQ(got.object<INT>(level(), is_4 ? WS_IP_TTL : WS_IPV6_HOPLIMIT), 7);
  EXPECT_EQ(got.object<INT>(level(), is_4 ? WS_IP_TOS : WS_IPV6_TCLASS), 0x2e);
  EXPECT_EQ(got.object<INT>(level(), is_4 ? IP_ECN : IPV6_ECN), 2);
  EXPECT_EQ(got.n_objects(), 3u);
}

TEST_P(SendMsg, TheSourceIsAnAddressOfOurs) {
  const bool is_4 = family() == WS_AF_INET;
  const auto send_from = [&](const char* from, ULONG interface) {
    Message message("hello");
    direct(message, address);
    const Address source = Address::of(from, 0);
    if (is_4) {
      WS_in_pktinfo info{};
      std::memcpy(&info.ipi_addr, source.get()->sa_data + 2, 4);
      info.ipi_ifindex = interface;
      message.add(level(), WS_IP_PKTINFO, info);
    } else {
      WS_in6_pktinfo info{};
      std::memcpy(&info.ipi6_addr, source.get()->sa_data + 6, 16);
      info.ipi6_ifindex = interface;
      message.add(level(), WS_IPV6_PKTINFO, info);
    }
    return send(sender, message);
  };
  EXPECT_EQ(send_from(is_4 ? "127.0.0.9" : "::1", 0), 0u);
  Address from;
  EXPECT_EQ(ws().recv_from(s, from), "hello");
  EXPECT_EQ(from, Address::of(is_4 ? "127.0.0.9" : "::1", ws().name_of(sender).port()));
  EXPECT_EQ(send_from(is_4 ? "0.0.0.0" : "::", 1), 0u) << "the interface alone";
  EXPECT_EQ(ws().recv(s), "hello");
  EXPECT_EQ(send_from(is_4 ? "192.0.2.1" : "2001:db8::1", 0), static_cast<DWORD>(WSAEADDRNOTAVAIL));
  EXPECT_EQ(send_from(is_4 ? "0.0.0.0" : "::", 77), static_cast<DWORD>(WSAEADDRNOTAVAIL));
}

TEST_P(SendMsg, ControlDataThatIsNotUnderstoodIsRefused) {
  const bool is_4 = family() == WS_AF_INET;
  const int ttl = is_4 ? WS_IP_TTL : WS_IPV6_HOPLIMIT;
  const auto send_with = [&](auto add) {
    Message message("hello");
    direct(message, address);
    add(message);
    return send(sender, message);
  };
  const DWORD refused = WSAEINVAL;
  EXPECT_EQ(send_with([&](Message& m) { m.add(level(), 9999, INT{1}); }), refused);
  EXPECT_EQ(send_with([&](Message& m) { m.add(WS_SOL_SOCKET, ttl, INT{1}); }), refused);
  EXPECT_EQ(send_with([&](Message& m) { m.add(level(), ttl, INT{256}); }), refused);
  EXPECT_EQ(send_with([&](Message& m) { m.add(level(), ttl, INT{-2}); }), refused);
  EXPECT_EQ(send_with([&](Message& m) { m.add(level(), ttl, char{1}); }), refused) << "too short";
  EXPECT_EQ(send_with([&](Message& m) { m.add(level(), is_4 ? IP_ECN : IPV6_ECN, INT{4}); }),
            refused);
  EXPECT_EQ(
      send_with([&](Message& m) { m.add(is_4 ? WS_IPPROTO_IPV6 : WS_IPPROTO_IP, 21, INT{1}); }),
      refused)
      << "of the other family";
  EXPECT_EQ(send_with([&](Message& m) {
              m.add(level(), ttl, INT{1});
              m.msg.Control.len = 15;
            }),
            refused);
  EXPECT_EQ(send_with([&](Message& m) {
              m.add(level(), ttl, INT{1});
              m.msg.Control.len = 19;  // cmsg_len says 20
            }),
            refused);
  EXPECT_EQ(send_with([&](Message& m) {
              m.add(level(), ttl, INT{1});
              m.control[0] = 3;  // cmsg_len
            }),
            refused);
  EXPECT_EQ(send_with([&](Message& m) { m.add(level(), ttl, INT{-1}); }), 0u) << "as usual";
  EXPECT_EQ(ws().recv(s), "hello");
}

TEST_P(SendMsg, IsForDatagramSocketsAndKnownFlags) {
  Message message("hello");
  direct(message, address);
  EXPECT_EQ(send(ws().stream(family()), message), static_cast<DWORD>(WSAEOPNOTSUPP));
  EXPECT_EQ(send(INVALID_SOCKET, message), static_cast<DWORD>(WSAENOTSOCK));
  EXPECT_EQ(send(sender, message, WS_MSG_OOB), static_cast<DWORD>(WSAEOPNOTSUPP));
  EXPECT_EQ(send(sender, message, MSG_PARTIAL), static_cast<DWORD>(WSAEOPNOTSUPP));
  message.msg.dwFlags = WS_MSG_OOB;
  EXPECT_EQ(send(sender, message, WS_MSG_DONTROUTE), 0u) << "those of the message are ignored";
  ASSERT_EQ(ws().shutdown(sender, SD_SEND), 0);
  EXPECT_EQ(send(sender, message), static_cast<DWORD>(WSAESHUTDOWN));
  EXPECT_EQ(n_bytes, kUntouched);
}

TEST_P(SendMsg, PointersAreProbed) {
  const auto send_spoiled = [&](auto spoil) {
    Message message("hello");
    direct(message, address);
    spoil(message.msg);
    return send(sender, message) == static_cast<DWORD>(WSAEFAULT);
  };
  auto* const wild = reinterpret_cast<char*>(0x1000);
  EXPECT_TRUE(send_spoiled([](WSAMSG& m) { m.name = nullptr; }));
  EXPECT_TRUE(send_spoiled([](WSAMSG& m) { m.namelen = 3; }));
  EXPECT_TRUE(send_spoiled([](WSAMSG& m) { m.Control.len = 8; }));
  EXPECT_TRUE(send_spoiled([&](WSAMSG& m) { m.Control = {8, wild}; }));
  EXPECT_TRUE(send_spoiled([&](WSAMSG& m) { m.lpBuffers->buf = wild; }));
  EXPECT_EQ(send_msg(sender, nullptr, 0, &n_bytes, nullptr, nullptr), SOCKET_ERROR);
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT));
  Message message("hello");
  direct(message, address);
  EXPECT_EQ(send_msg(sender, message.get(), 0, nullptr, nullptr, nullptr), SOCKET_ERROR);
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEFAULT));
}

TEST_P(SendMsg, AnOverlappedOneCompletes) {
  Message message("hello");
  direct(message, address);
  message.add(level(), family() == WS_AF_INET ? WS_IP_TTL : WS_IPV6_HOPLIMIT, INT{7});
  Overlap overlap;
  EXPECT_EQ(send(sender, message, 0, overlap.get()), 0u);
  EXPECT_EQ(n_bytes, 5u);
  EXPECT_EQ(ws().result(sender, overlap, true), 5);
  EXPECT_TRUE(overlap.is_signalled());
  EXPECT_EQ(ws().recv(s), "hello");
}

TEST_P(SendMsg, AMessageThatIsTooLongIsRefused) {
  const std::string text(family() == WS_AF_INET ? 65508 : 65488, 'x');
  Message message{std::string_view(text)};
  direct(message, address);
  EXPECT_EQ(send(sender, message), static_cast<DWORD>(WSAEMSGSIZE));
}

}  // namespace
}  // namespace millrace::test
