// SPDX-License-Identifier: BSD-3-Clause
// WSASendMsg: where a datagram goes, and what control data asks for.
#include "tests/spi_shim/messages_fixture.h"

namespace millrace::test {
namespace {

class SendMsg : public MessagesTest {};
MILLRACE_BOTH_SPI_FAMILIES(SendMsg);

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
