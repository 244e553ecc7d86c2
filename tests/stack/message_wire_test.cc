// SPDX-License-Identifier: BSD-3-Clause
// What WSARecvMsg tells of a datagram's headers, and what WSASendMsg puts there, on the wire.
#include <tuple>

#include "stack/control.h"
#include "stack/groups.h"
#include "tests/support/app.h"
#include "tests/support/messages.h"
#include "tests/support/stack_test.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000, kPeerPort = 6000;
constexpr uint8_t kTellsAll = kTellsPacketInfo | kTellsTtl | kTellsTos | kTellsEcn;

/// Over each family, with one Stack and with four; sockets are on the last of them.
class MessageTest : public StackTest,
                    public testing::WithParamInterface<std::tuple<int, uint32_t>> {
 protected:
  void SetUp() override {
    PortConfig& port = config.ports.front();
    port.addresses.push_back(*parse_own_address("10.0.0.12/24"));
    port.addresses.push_back(*parse_own_address("fd00::12/64"));
    config.stack.stacks = n_stacks();
    start();
  }
  uint8_t family() const { return static_cast<uint8_t>(std::get<0>(GetParam())); }
  uint32_t n_stacks() const { return std::get<1>(GetParam()); }
  Stack& last() { return stack(n_stacks() - 1); }
  IpAddress ours() const { return address_of(Host::kStack, family()); }
  IpAddress ours_too() const { return *parse_address(family() == 4 ? "10.0.0.12" : "fd00::12"); }
  IpAddress group() const { return *parse_address(family() == 4 ? "239.1.2.3" : "ff05::1:3"); }
  Endpoint at_peer() const { return {address_of(Host::kPeer, family()), kPeerPort}; }
  int level() const { return family() == 4 ? WS_IPPROTO_IP : WS_IPPROTO_IPV6; }

  std::unique_ptr<App> bound(uint8_t told = kTellsAll) {
    auto app = std::make_unique<App>(*this, Transport::kUdp, family(), n_stacks() - 1);
    app->options().reuse_address = true;
    EXPECT_EQ(app->bind(kPort), WsaError::kOk);
    tell(*app, told);
    return app;
  }
  void tell(App& app, uint8_t told) {
    app.options().tells = family() == 4 ? told : over_ip6(told);
    app.apply_options();
  }
  Frame frame(const Bytes& payload) const {
    Frame frame = udp_frame(family(), kPeerPort, kPort, payload);
    frame.ip->ttl = 37;
    frame.ip->tos = 0xb9;
    return frame;
  }
  Frame frame_to_group(std::string_view text) const {
    const IpAddress to = group();
    Frame f = frame(bytes_of(text));
    f.ip->target = to;
    f.to = family() == 4
               ? Mac{1, 0, 0x5e, static_cast<uint8_t>(to.bytes[1] & 0x7f), to.bytes[2], to.bytes[3]}
               : Mac{0x33, 0x33, to.bytes[12], to.bytes[13], to.bytes[14], to.bytes[15]};
    return f;
  }
  void arrives(const Frame& f) {
    peer().send(f);
    run();
  }
  Outcome receive(App& app, Message& into, uint32_t flags = 0) {
    into.reset();
    const Stack::Guard guard(last());
    return app.socket().receive({into.buffers, flags, FromAddress::of(into.msg), {}});
  }
  Outcome send(App& app, std::string_view text, const SendControl& control, Endpoint to) {
    const WSABUF buffer{static_cast<ULONG>(text.size()), const_cast<CHAR*>(text.data())};
    const Stack::Guard guard(last());
    return app.socket().send_message({std::span(&buffer, 1), 0, to, {}}, control);
  }
  std::optional<Frame> sent() {
    run();
    const auto arrival = peer().next([](const Frame& f) { return f.udp.has_value(); });
    return arrival ? std::optional(arrival->frame) : std::nullopt;
  }
  WsaError join(App& app) {
    const Stack::Guard guard(last());
    return app.socket().change_groups({GroupAction::kJoin, group(), {}, 0});
  }
  void expect_packet_info(const Message& message, const IpAddress& destination) {
    uint32_t index = 0;
    IpAddress told = IpAddress::any(family());
    if (family() == 4) {
      const auto info = message.object<WS_in_pktinfo>(level(), WS_IP_PKTINFO);
      ASSERT_TRUE(info);
      std::memcpy(told.bytes.data(), &info->ipi_addr, 4);
      index = info->ipi_ifindex;
    } else {
      const auto info = message.object<WS_in6_pktinfo>(level(), WS_IPV6_PKTINFO);
      ASSERT_TRUE(info);
      std::memcpy(told.bytes.data(), &info->ipi6_addr, 16);
      index = info->ipi6_ifindex;
    }
    EXPECT_EQ(told, destination);
    EXPECT_NE(index, 0u);
    EXPECT_EQ(index, last().interface_with(ours()));
  }
  void expect_hops(const Message& message, INT ttl, INT tos) {
    const bool is_4 = family() == 4;
    EXPECT_EQ(message.object<INT>(level(), is_4 ? WS_IP_TTL : WS_IPV6_HOPLIMIT), ttl);
    EXPECT_EQ(message.object<INT>(level(), is_4 ? WS_IP_TOS : WS_IPV6_TCLASS), tos);
    EXPECT_EQ(message.object<INT>(level(), is_4 ? IP_ECN : IPV6_ECN), tos & 3);
  }
};

std::string param_name(const testing::TestParamInfo<std::tuple<int, uint32_t>>& info) {
  const uint32_t n = std::get<1>(info.param);
  return "v" + std::to_string(std::get<0>(info.param)) + "on" + std::to_string(n) +
         (n == 1 ? "Stack" : "Stacks");
}

#define MILLRACE_MESSAGES(suite) \
  INSTANTIATE_TEST_SUITE_P(      \
      Family, suite, testing::Combine(testing::Values(4, 6), testing::Values(1u, 4u)), param_name)

class RecvMsg_Wire : public MessageTest {};
class SendMsg_Wire : public MessageTest {};
MILLRACE_MESSAGES(RecvMsg_Wire);
MILLRACE_MESSAGES(SendMsg_Wire);

TEST_P(RecvMsg_Wire, TellsWhereADatagramWentAndWhatItsHeaderSaid) {
  const auto app = bound();
  arrives(frame(bytes_of("hello")));
  Message message;
  const Outcome outcome = receive(*app, message);
  EXPECT_EQ(outcome.error, WsaError::kOk);
  EXPECT_EQ(message.text(outcome.bytes), "hello");
  EXPECT_EQ(message.msg.namelen, family() == 4 ? 16 : 28);
  EXPECT_EQ(message.n_objects(), 4u);
  expect_packet_info(message, ours());
  expect_hops(message, 37, 0xb9);
  EXPECT_EQ(message.msg.dwFlags, 0u);
}

TEST_P(RecvMsg_Wire, TellsNothingThatNobodyAskedFor) {
  const auto app = bound(0);
  arrives(frame(bytes_of("hello")));
  Message message;
  EXPECT_EQ(receive(*app, message).error, WsaError::kOk);
  EXPECT_EQ(message.msg.Control.len, 0u);
  tell(*app, kTellsTtl);
  arrives(frame(bytes_of("hello")));
  EXPECT_EQ(receive(*app, message).error, WsaError::kOk);
  EXPECT_EQ(message.n_objects(), 1u);
}

TEST_P(RecvMsg_Wire, KnowsOnlyWhatWasAskedWhenADatagramArrived) {
  const auto app = bound(0);
  arrives(frame(bytes_of("before")));
  tell(*app, kTellsAll);
  arrives(frame(bytes_of("after")));
  Message message;
  EXPECT_EQ(receive(*app, message).bytes, 6u);
  EXPECT_EQ(message.n_objects(), 0u);
  EXPECT_EQ(receive(*app, message).bytes, 5u);
  EXPECT_EQ(message.n_objects(), 4u);
}

TEST_P(RecvMsg_Wire, ReadsTheHeaderOfAReassembledDatagram) {
  const auto app = bound();
  for (const Frame& fragment : fragments_of(frame(pattern(4000)), 1000)) peer().send(fragment);
  run();
  Message message(5000);
  const Outcome outcome = receive(*app, message);
  EXPECT_EQ(outcome.error, WsaError::kOk);
  EXPECT_EQ(outcome.bytes, 4000u);
  const Bytes got(message.memory.begin(), message.memory.begin() + 4000);
  EXPECT_TRUE(same(got, pattern(4000)));
  expect_packet_info(message, ours());
  expect_hops(message, 37, 0xb9);
}

TEST_P(RecvMsg_Wire, ReadsAHeaderThatHasAnMbufOfItsOwn) {
  const auto app = bound();
  Frame f = frame(pattern(300));
  f.to = peer().stack_mac();
  f.from = peer().mac();
  const Bytes bytes = build(f);
  const auto at = static_cast<ptrdiff_t>(bytes.size() - 300);
  peer().send_chain(
      {Bytes(bytes.begin(), bytes.begin() + at), Bytes(bytes.begin() + at, bytes.end())});
  run();
  Message message;
  const Outcome outcome = receive(*app, message);
  EXPECT_TRUE(same(Bytes(message.memory.begin(), message.memory.begin() + 300), pattern(300)));
  EXPECT_EQ(outcome.bytes, 300u);
  expect_packet_info(message, ours());
}

TEST_P(RecvMsg_Wire, AnEmptyDatagramTellsTheSame) {
  const auto app = bound();
  arrives(frame({}));
  Message message;
  const Outcome outcome = receive(*app, message);
  EXPECT_EQ(outcome.error, WsaError::kOk);
  EXPECT_EQ(outcome.bytes, 0u);
  expect_packet_info(message, ours());
}

TEST_P(RecvMsg_Wire, ASecondAddressOfOursIsTold) {
  const auto app = bound();
  Frame f = frame(bytes_of("x"));
  f.ip->target = ours_too();
  arrives(f);
  Message message;
  EXPECT_EQ(receive(*app, message).bytes, 1u);
  expect_packet_info(message, ours_too());
}

TEST_P(RecvMsg_Wire, EachMemberOfAGroupIsToldTheGroup) {
  const auto a = bound(), b = bound();
  ASSERT_EQ(join(*a), WsaError::kOk);
  ASSERT_EQ(join(*b), WsaError::kOk);
  arrives(frame_to_group("to all"));
  for (App* app : {a.get(), b.get()}) {
    Message message;
    const Outcome outcome = receive(*app, message);
    EXPECT_EQ(message.text(outcome.bytes), "to all");
    EXPECT_EQ(message.msg.dwFlags, DWORD{MSG_MCAST});
    expect_packet_info(message, group());
    expect_hops(message, 37, 0xb9);
  }
}

TEST_P(RecvMsg_Wire, WhatLoopsToAGroupTellsWhatTheWireWouldHave) {
  const auto app = bound();
  ASSERT_EQ(join(*app), WsaError::kOk);
  app->options().multicast_ttl = 9;
  app->options().tos = 0x2e;
  app->apply_options();
  EXPECT_EQ(app->send(bytes_of("us"), Endpoint{group(), kPort}).error, WsaError::kOk);
  Message message;
  const Outcome outcome = receive(*app, message);
  EXPECT_EQ(message.text(outcome.bytes), "us");
  EXPECT_EQ(message.msg.dwFlags, DWORD{MSG_MCAST});
  expect_packet_info(message, group());
  expect_hops(message, 9, 0x2e);
  const auto copy = sent();
  ASSERT_TRUE(copy);
  EXPECT_EQ(copy->ip->ttl, 9);
}

TEST_P(RecvMsg_Wire, ABroadcastIsMarked) {
  if (family() == 6) GTEST_SKIP() << "IPv6 has none";
  const auto app = bound();
  Frame f = frame(bytes_of("all"));
  f.to = kBroadcastMac;
  f.ip->target = *parse_address("10.0.0.255");
  arrives(f);
  Message message;
  EXPECT_EQ(receive(*app, message).bytes, 3u);
  EXPECT_EQ(message.msg.dwFlags, DWORD{MSG_BCAST});
  expect_packet_info(message, *parse_address("10.0.0.255"));
}

TEST_P(RecvMsg_Wire, APeekTellsTheSameAndTakesNothing) {
  const auto app = bound();
  arrives(frame(bytes_of("look")));
  for (const uint32_t flags : {uint32_t{WS_MSG_PEEK}, 0u}) {
    Message message;
    EXPECT_EQ(receive(*app, message, flags).bytes, 4u);
    expect_packet_info(message, ours());
    expect_hops(message, 37, 0xb9);
  }
  Message message;
  EXPECT_EQ(receive(*app, message).error, WsaError::kWouldBlock);
}

TEST_P(SendMsg_Wire, OneDatagramHasAnotherSourceTtlAndClass) {
  const auto app = bound();
  SendControl control;
  control.source = ours_too();
  control.ttl = 3;
  control.tos = 0xb8;
  control.ecn = 2;
  EXPECT_EQ(send(*app, "special", control, at_peer()).bytes, 7u);
  const auto special = sent();
  ASSERT_TRUE(special);
  EXPECT_EQ(special->ip->source, ours_too());
  EXPECT_EQ(special->ip->ttl, 3);
  EXPECT_EQ(special->ip->tos, 0xba);
  EXPECT_EQ(special->udp->source_port, kPort);
  EXPECT_EQ(app->send(bytes_of("usual"), at_peer()).error, WsaError::kOk);
  const auto usual = sent();
  ASSERT_TRUE(usual);
  EXPECT_EQ(usual->ip->source, ours());
  EXPECT_EQ(usual->ip->ttl, 128);
  EXPECT_EQ(usual->ip->tos, 0);
}

TEST_P(SendMsg_Wire, AnInterfaceIsOursAndHasTheSource) {
  const auto app = bound();
  SendControl control;
  control.interface = last().interface_with(ours());
  ASSERT_NE(control.interface, 0u);
  control.source = ours();
  EXPECT_EQ(send(*app, "x", control, at_peer()).error, WsaError::kOk);
  EXPECT_TRUE(sent());
  control.interface = 77;
  EXPECT_EQ(send(*app, "x", control, at_peer()).error, WsaError::kAddrNotAvail);
  control.interface = 1;  // the loopback has another
  EXPECT_EQ(send(*app, "x", control, at_peer()).error, WsaError::kAddrNotAvail);
  control = {};
  control.source = IpAddress::loopback(family());
  EXPECT_EQ(send(*app, "x", control, at_peer()).error, WsaError::kAddrNotAvail) << "it would leave";
  control.source = address_of(Host::kPeer, family());
  EXPECT_EQ(send(*app, "x", control, at_peer()).error, WsaError::kAddrNotAvail);
  EXPECT_FALSE(sent());
}

TEST_P(SendMsg_Wire, ADatagramToAGroupHasItsOwnHops) {
  const auto app = bound();
  SendControl control;
  control.ttl = 5;
  control.source = ours_too();
  EXPECT_EQ(send(*app, "x", control, {group(), kPort}).error, WsaError::kOk);
  const auto datagram = sent();
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->ip->ttl, 5);
  EXPECT_EQ(datagram->ip->source, ours_too());
}

TEST_P(SendMsg_Wire, ASocketBindsItselfAsWithSendTo) {
  App app(*this, Transport::kUdp, family(), n_stacks() - 1);
  SendControl control;
  control.source = ours_too();
  EXPECT_EQ(send(app, "x", control, at_peer()).error, WsaError::kOk);
  EXPECT_NE(app.socket().local().port, 0);
  EXPECT_TRUE(is_any(app.socket().local().address));
  const auto datagram = sent();
  ASSERT_TRUE(datagram);
  EXPECT_EQ(datagram->ip->source, ours_too());
}

}  // namespace
}  // namespace millrace::test
