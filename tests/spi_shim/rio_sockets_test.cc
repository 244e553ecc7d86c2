// SPDX-License-Identifier: BSD-3-Clause
// Registered I/O on sockets that are more than one thing: bound to any address, of both families, or with
// several descriptors.
#include <unistd.h>

#include <cstring>

#include "tests/spi_shim/rio_support.h"

namespace millrace::test {
namespace {

constexpr ULONG kLocal = 64, kControl = 128, kControlBytes = 64;

class RioLocal : public RioFamilyTest {
 protected:
  SOCKET anywhere() {
    const SOCKET s = registered(WS_SOCK_DGRAM);
    EXPECT_EQ(ws().bind(s, Address::any(family())), 0) << ws().error;
    return s;
  }
  bool ask(RIO_RQ queue, const Registered& memory, bool with_control = false) {
    RIO_BUF data = memory.part(0, 32), local = memory.part(kLocal, sizeof(SOCKADDR_INET)),
            control = memory.part(kControl, kControlBytes);
    return rio.RIOReceiveEx(queue, &data, 1, &local, nullptr, with_control ? &control : nullptr,
                            nullptr, 0, nullptr) != FALSE;
  }
  static Address told(Registered& memory) {
    Address local;
    std::memcpy(local.get(), memory.at<char>(kLocal), sizeof(SOCKADDR_INET));
    return local;
  }
  int tell_packet_info(SOCKET s) {
    return family() == WS_AF_INET ? ws().set_option(s, WS_IPPROTO_IP, WS_IP_PKTINFO, 1)
                                  : ws().set_option(s, WS_IPPROTO_IPV6, WS_IPV6_PKTINFO, 1);
  }
};
MILLRACE_BOTH_SPI_FAMILIES(RioLocal);

TEST_P(RioLocal, ASocketOfAnyAddressTellsWhereADatagramWasSentTo) {
  const RIO_CQ done = completion_queue();
  const SOCKET a = anywhere(), b = datagram();
  const Address target = Address::loopback(family(), ws().name_of(a).port());
  const RIO_RQ queue = request_queue(a, done);
  Registered memory(rio, 256);
  ASSERT_TRUE(ask(queue, memory));
  ASSERT_EQ(ws().send_to(b, "awaited", target), 7);
  EXPECT_EQ(take(done).Status, 0);
  EXPECT_EQ(told(memory), target);
  // The next one is there before anybody asks for it.
  std::memset(memory.at<char>(kLocal), 0, sizeof(SOCKADDR_INET));
  ASSERT_EQ(ws().send_to(b, "early", target), 5);
  ASSERT_TRUE(eventually([&] { return is_empty(done) && ws().readable_bytes(a) == 5; }));
  ASSERT_TRUE(ask(queue, memory));
  EXPECT_EQ(take(done).BytesTransferred, 5u);
  EXPECT_EQ(told(memory), target);
}

TEST_P(RioLocal, WhatCameBeforeAnybodyAskedTellsItAsWell) {
  const RIO_CQ done = completion_queue();
  const SOCKET a = anywhere(), sender = ws().datagram(family());
  const RIO_RQ queue = request_queue(a, done);
  Registered memory(rio, 256);
  const Address one = Address::loopback(family(), ws().name_of(a).port());
  const Address other = family() == WS_AF_INET ? Address::of("127.1.2.3", one.port()) : one;
  const struct {
    Address to;
    size_t bytes;
    INT status;
  } sent[] = {{one, 1, 0}, {other, 2, 0}, {other, 5000, WSAEMSGSIZE}};  // the last in fragments
  int64_t bytes = 0;
  for (const auto& datagram : sent) {
    const auto n = static_cast<int>(datagram.bytes);
    ASSERT_EQ(ws().send_to(sender, std::string(datagram.bytes, 'x'), datagram.to), n);
    bytes += n;
    ASSERT_TRUE(eventually([&] { return is_empty(done) && ws().readable_bytes(a) == bytes; }));
  }
  for (const auto& datagram : sent) {
    std::memset(memory.at<char>(kLocal), 0, sizeof(SOCKADDR_INET));
    ASSERT_TRUE(ask(queue, memory));
    EXPECT_EQ(take(done).Status, datagram.status);
    EXPECT_EQ(told(memory), datagram.to);
  }
}

// The option asks for control data, and a request that brings no room for it wants none.
TEST_P(RioLocal, AskingForItIsNotAskingForControlData) {
  const RIO_CQ done = completion_queue();
  const SOCKET a = anywhere(), b = datagram();
  const Address target = Address::loopback(family(), ws().name_of(a).port());
  ASSERT_EQ(tell_packet_info(a), 0);
  const RIO_RQ queue = request_queue(a, done);
  Registered memory(rio, 256);
  ASSERT_TRUE(ask(queue, memory));
  ASSERT_EQ(ws().send_to(b, "without", target), 7);
  EXPECT_EQ(take(done).Status, 0);
  EXPECT_EQ(told(memory), target);
  ASSERT_TRUE(ask(queue, memory, true));
  ASSERT_EQ(ws().send_to(b, "with", target), 4);
  EXPECT_EQ(take(done).Status, 0);
  EXPECT_EQ(told(memory), target);
  EXPECT_GT(*memory.at<ULONG>(kControl), ULONG{RIO_CMSG_BASE_SIZE}) << "IP_PKTINFO";
}

class RioDual : public RioTest {
  int family() const override { return WS_AF_INET6; }
};

TEST_F(RioDual, AddressesOfIpv4AreMapped) {
  const RIO_CQ done = completion_queue();
  const SOCKET a = registered(WS_SOCK_DGRAM), b = ws().datagram(WS_AF_INET);
  ASSERT_EQ(ws().set_option(a, WS_IPPROTO_IPV6, WS_IPV6_V6ONLY, 0), 0);
  ASSERT_EQ(ws().bind(a, Address::any(WS_AF_INET6)), 0);
  const RIO_RQ queue = request_queue(a, done);
  Registered memory(rio, 256);
  RIO_BUF data = memory.part(0, 32), local = memory.part(kLocal, sizeof(SOCKADDR_INET));
  ASSERT_TRUE(rio.RIOReceiveEx(queue, &data, 1, &local, nullptr, nullptr, nullptr, 0, nullptr));
  const uint16_t port = ws().name_of(a).port();
  ASSERT_EQ(ws().send_to(b, "x", Address::loopback(WS_AF_INET, port)), 1);
  EXPECT_EQ(take(done).Status, 0);
  Address told;
  std::memcpy(told.get(), memory.at<char>(kLocal), sizeof(SOCKADDR_INET));
  EXPECT_EQ(told, Address::of("::ffff:127.0.0.1", port));
}

class RioShared : public RioFamilyTest {
 protected:
  SOCKET duplicate(SOCKET s) {
    WSAPROTOCOL_INFOW info{};
    EXPECT_EQ(ws().table.lpWSPDuplicateSocket(s, static_cast<DWORD>(getpid()), &info, &ws().error),
              0);
    return ws().socket_of(info);
  }
};
MILLRACE_BOTH_SPI_FAMILIES(RioShared);

TEST_P(RioShared, ARequestQueueLivesAsLongAsADescriptorOfItsSocket) {
  const RIO_CQ done = completion_queue();
  const auto [first, b] = datagrams();
  const RIO_RQ queue = request_queue(first, done);
  const SOCKET second = duplicate(first), third = duplicate(first);
  Registered memory(rio, 256);
  ASSERT_TRUE(receive(queue, memory.part(0, 32), 1));
  ASSERT_TRUE(receive(queue, memory.part(32, 32), 2, RIO_MSG_DEFER));
  ASSERT_EQ(ws().close(first), 0);
  ASSERT_EQ(ws().send(b, "pending"), 7);
  EXPECT_EQ(take(done).RequestContext, 1u);
  EXPECT_EQ(memory.text(0, 7), "pending");
  ASSERT_EQ(ws().close(third), 0) << "not the one that it has passed to";
  ASSERT_TRUE(rio.RIOReceive(queue, nullptr, 0, RIO_MSG_COMMIT_ONLY, nullptr));
  ASSERT_EQ(ws().send(b, "deferred"), 8);
  EXPECT_EQ(take(done).RequestContext, 2u);
  ASSERT_TRUE(send(queue, memory.put("back"), 3));
  EXPECT_EQ(take(done).Status, 0);
  EXPECT_EQ(ws().recv(b), "back");
  ASSERT_TRUE(receive(queue, memory.part(0, 32), 4));
  ASSERT_EQ(ws().close(second), 0);
  const RIORESULT last = take(done);
  EXPECT_EQ(last.RequestContext, 4u);
  EXPECT_EQ(last.Status, WSA_OPERATION_ABORTED);
  EXPECT_FALSE(receive(queue, memory.part(0, 32)));
  EXPECT_EQ(GetLastError(), static_cast<DWORD>(WSAEINVAL)) << "the queue is no more";
}

TEST_P(RioShared, ASocketHasOneRequestQueueWhateverItsDescriptors) {
  const RIO_CQ done = completion_queue();
  const SOCKET first = datagram(), second = duplicate(first);
  const auto refused = [&](SOCKET s) {
    EXPECT_EQ(rio.RIOCreateRequestQueue(s, 4, 1, 4, 1, done, done, nullptr), RIO_INVALID_RQ);
    return GetLastError();
  };
  EXPECT_NE(request_queue(second, done), RIO_INVALID_RQ);
  EXPECT_EQ(refused(first), static_cast<DWORD>(WSAEINVAL));
  EXPECT_EQ(refused(second), static_cast<DWORD>(WSAEINVAL));
  ASSERT_EQ(ws().close(second), 0);
  EXPECT_EQ(refused(first), static_cast<DWORD>(WSAEINVAL));
  EXPECT_NE(request_queue(datagram(), done), RIO_INVALID_RQ);
}

}  // namespace
}  // namespace millrace::test
