// SPDX-License-Identifier: BSD-3-Clause
// The Linux kernel as the peer, through the SPI: an independent TCP that does what ours only
// expects. One binary, one kind of port and number of Stacks per run: kernel_test af_xdp 2. Exits with 77
// where that cannot be had.

#include <cerrno>
#include <cstdio>

#define MILLRACE_USE_WS_PREFIX
#include "mstcpip.h"
#include "tests/support/kernel.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

KernelHost* kernel = nullptr;
/// DPDK's af_packet driver has the kernel put IPv4 fragments together (PACKET_FANOUT_FLAG_DEFRAG in
/// rte_eth_af_packet.c), and cuts off what is longer than one of its frames.
bool cuts_long_datagrams = false;
constexpr size_t kLongestFrame = 1900;
constexpr int kMostStacks = 4;  // of a run

constexpr size_t kMegabyte = size_t{1} << 20;

/// Bytes of which no stretch looks like another.
std::string noise(size_t n, uint64_t seed) {
  std::string bytes(n, '\0');
  for (size_t i = 0; i < n; ++i) {
    if (i % 8 == 0) seed = seed * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = static_cast<char>(seed >> (8 * (i % 8)));
  }
  return bytes;
}

class Kernel : public SpiFamilyTest {
 protected:
  const char* kernel_address() const {
    return family() == WS_AF_INET ? kKernelAddress4 : kKernelAddress6;
  }
  const char* stack_address() const {
    return family() == WS_AF_INET ? kStackAddress4 : kStackAddress6;
  }

  /// A connection that the Stack opened, and the kernel's end of it.
  std::pair<SOCKET, KernelSocket> connect_to_kernel() {
    KernelSocket listener =
        kernel->run([this] { return KernelSocket::listener(kernel_address()); });
    const SOCKET s = ws().stream(family());
    EXPECT_EQ(ws().connect(s, Address::of(kernel_address(), listener.port())), 0) << ws().error;
    return {s, listener.accept()};
  }
  /// A connection that the kernel opened, and its end of it.
  std::pair<SOCKET, KernelSocket> connect_to_stack() {
    const SOCKET l = ws().stream(family());
    EXPECT_EQ(ws().bind(l, Address::of(stack_address(), 0)), 0) << ws().error;
    EXPECT_EQ(ws().listen(l), 0);
    const uint16_t port = ws().name_of(l).port();
    auto pending =
        kernel->start([this, port] { return KernelSocket::connected(stack_address(), port); });
    const SOCKET s = ws().accept(l);
    EXPECT_NE(s, INVALID_SOCKET) << ws().error;
    KernelSocket peer = pending.get();
    EXPECT_EQ(peer.error, 0);
    EXPECT_EQ(ws().close(l), 0);
    return {s, std::move(peer)};
  }

  /// n bytes to the kernel while it sends as many to us; both checked.
  void exchange(SOCKET s, KernelSocket& peer, size_t n) {
    const std::string to_kernel = noise(n, 1), to_stack = noise(n, 2);
    auto echo = kernel->start([&] {
      const std::string got = peer.recv_all(n);
      EXPECT_TRUE(got == to_kernel) << got.size() << " of " << n << " bytes at the kernel";
      return peer.send_all(to_stack);
    });
    for (size_t at = 0; at < n;) {
      const int sent = ws().send(s, std::string_view(to_kernel).substr(at, kMegabyte));
      ASSERT_GT(sent, 0) << ws().error;
      at += static_cast<size_t>(sent);
    }
    const std::string got = ws().recv_all(s, n);
    EXPECT_TRUE(got == to_stack) << got.size() << " of " << n << " bytes at the Stack";
    EXPECT_TRUE(echo.get()) << peer.error;
  }
};
MILLRACE_BOTH_SPI_FAMILIES(Kernel);

TEST_P(Kernel, PingIsAnswered) {
  for (const size_t n : {0u, 56u, 1400u}) {
    EXPECT_EQ(kernel->run([&] { return ping(stack_address(), 3, n); }), 3) << n << " bytes";
  }
}

TEST_P(Kernel, TransfersOfAllSizesOverAConnectionThatWeOpened) {
  auto [s, peer] = connect_to_kernel();
  for (const size_t n : {size_t{1}, size_t{1460}, 64 * size_t{1024}, kMegabyte}) {
    exchange(s, peer, n);
  }
  EXPECT_EQ(ws().close(s), 0);
  EXPECT_EQ(kernel->run([&p = peer] { return p.recv_all(1); }), "");
  EXPECT_EQ(peer.error, 0);
}

TEST_P(Kernel, TransfersOfAllSizesOverAConnectionThatItOpened) {
  auto [s, peer] = connect_to_stack();
  for (const size_t n : {size_t{1}, size_t{1460}, 64 * size_t{1024}, kMegabyte}) {
    exchange(s, peer, n);
  }
  peer = KernelSocket();
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, 0);
}

TEST_P(Kernel, SixtyFourMegabytesBothWays) {
  auto [s, peer] = connect_to_kernel();
  exchange(s, peer, 64 * kMegabyte);
  auto now = counters();
  EXPECT_EQ(now["bytes_copied"], 64 * kMegabyte);  // contract: Z1
  EXPECT_EQ(now["bytes_delivered"], 64 * kMegabyte);
}

TEST_P(Kernel, HalfCloseByUs) {
  auto [s, peer] = connect_to_kernel();
  EXPECT_EQ(ws().send(s, "question"), 8);
  EXPECT_EQ(ws().shutdown(s, SD_SEND), 0);
  auto answer = kernel->start([&p = peer] {
    const std::string question = p.recv_all(100);  // to its end
    EXPECT_EQ(question, "question");
    const bool is_sent = p.send_all(noise(300'000, 3));
    p = KernelSocket();
    return is_sent;
  });
  EXPECT_TRUE(ws().recv_all(s, 300'000) == noise(300'000, 3));
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, 0);
  EXPECT_TRUE(answer.get());
}

TEST_P(Kernel, HalfCloseByIt) {
  auto [s, peer] = connect_to_stack();
  kernel->run([&p = peer] {
    EXPECT_TRUE(p.send_all("question"));
    p.shutdown_sending();
  });
  EXPECT_EQ(ws().recv_all(s, 100), "question");
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, 0);
  auto answer = kernel->start([&p = peer] { return p.recv_all(1'000'000); });
  EXPECT_EQ(ws().send(s, noise(300'000, 4)), 300'000);
  EXPECT_EQ(ws().close(s), 0);
  EXPECT_TRUE(answer.get() == noise(300'000, 4));
}

TEST_P(Kernel, ItsResetIsWsaeconnreset) {  // contract: E14
  auto [s, peer] = connect_to_kernel();
  Overlap pending(10);
  ASSERT_EQ(ws().post_recv(s, pending), SOCKET_ERROR);
  ASSERT_EQ(ws().error, WSA_IO_PENDING);
  peer.reset();
  EXPECT_EQ(ws().result(s, pending, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNRESET);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAECONNRESET);
}

TEST_P(Kernel, ItsFinCompletesAReceiveWithNoBytes) {  // contract: B12
  auto [s, peer] = connect_to_stack();
  Overlap pending(10);
  ASSERT_EQ(ws().post_recv(s, pending), SOCKET_ERROR);
  peer = KernelSocket();
  EXPECT_EQ(ws().result(s, pending, true), 0);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, 0);
}

TEST_P(Kernel, APeerThatVanishesIsWsaenetreset) {  // contract: E5
  const bool is_4 = family() == WS_AF_INET;
  const std::string address = is_4 ? "10.77.0.9" : "fd77::9";
  const std::string where = address + (is_4 ? "/24 dev k0" : "/64 dev k0");
  ASSERT_TRUE(kernel->run([&] { return shell("ip addr add " + where + (is_4 ? "" : " nodad")); }));
  KernelSocket listener = kernel->run([&] { return KernelSocket::listener(address); });
  const SOCKET s = ws().stream(family());
  ASSERT_EQ(ws().connect(s, Address::of(address, listener.port())), 0) << ws().error;
  KernelSocket peer = listener.accept();
  tcp_keepalive keep{1, 200, 100};
  DWORD n = 0;
  ASSERT_EQ(ws().table.lpWSPIoctl(s, SIO_KEEPALIVE_VALS, &keep, sizeof keep, nullptr, 0, &n,
                                  nullptr, nullptr, nullptr, &ws().error),
            0);
  Overlap pending(10);
  ASSERT_EQ(ws().post_recv(s, pending), SOCKET_ERROR);
  ASSERT_TRUE(kernel->run([&] { return shell("ip addr del " + where); }));
  EXPECT_EQ(ws().result(s, pending, true), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAENETRESET);
  EXPECT_EQ(ws().recv(s), "");
  EXPECT_EQ(ws().error, WSAENOTCONN);
}

TEST_P(Kernel, ALinkThatStaysDownIsWsaenetdown) {  // contract: E1
  auto [s, peer] = connect_to_kernel();
  const SOCKET udp = ws().datagram(family());
  ASSERT_EQ(ws().bind(udp, Address::of(stack_address(), 0)), 0);
  Overlap stream(10), datagram(10);
  ASSERT_EQ(ws().post_recv(s, stream), SOCKET_ERROR);
  ASSERT_EQ(ws().post_recv(udp, datagram), SOCKET_ERROR);
  ASSERT_TRUE(kernel->run([] { return shell("ip link set k0 down"); }));
  for (const auto& [socket, pending] : {std::pair(s, &stream), std::pair(udp, &datagram)}) {
    EXPECT_EQ(ws().result(socket, *pending, true), SOCKET_ERROR);
    EXPECT_EQ(ws().error, WSAENETDOWN);
    EXPECT_EQ(ws().recv(socket), "");
    EXPECT_EQ(ws().error, WSAENETDOWN);
  }
  ASSERT_TRUE(kernel->run([] {  // an interface that goes down loses its IPv6 addresses
    return shell("ip link set k0 up") &&
           shell(std::string("ip -6 addr add ") + kKernelAddress6 + "/64 dev k0 nodad");
  }));
  ASSERT_EQ(ws().set_nonblocking(udp), 0);
  EXPECT_TRUE(eventually([&] {
    (void)ws().recv(udp);
    return ws().error == WSAEWOULDBLOCK;
  }));
  // Each Stack looks at the link by itself.
  for (int n_up = 0; n_up < kMostStacks;) {
    const SOCKET probe = ws().stream(family());
    (void)ws().connect(probe, Address::of(kernel_address(), 9));
    n_up = ws().error == WSAENETDOWN || ws().error == WSAENETUNREACH ? 0 : n_up + 1;
    EXPECT_EQ(ws().close(probe), 0);
  }
  auto again = connect_to_kernel();
  exchange(again.first, again.second, 1000);
}

TEST_P(Kernel, ItsPortUnreachableIsWsaeconnreset) {  // winsock-rules 114
  const Address nobody = Address::of(kernel_address(), 9);
  for (const bool is_connected : {false, true}) {
    const SOCKET s = ws().datagram(family());
    ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 20'000), 0);
    if (is_connected) {
      ASSERT_EQ(ws().connect(s, nobody), 0);
    }
    ASSERT_EQ(ws().send_to(s, "anybody there?", nobody), 14) << ws().error;
    EXPECT_EQ(ws().recv(s), "");
    EXPECT_EQ(ws().error, WSAECONNRESET);
  }
}

TEST_P(Kernel, OurResetIsItsEconnreset) {
  auto [s, peer] = connect_to_kernel();
  const WS_linger reset{1, 0};
  ASSERT_EQ(
      ws().table.lpWSPSetSockOpt(s, WS_SOL_SOCKET, WS_SO_LINGER,
                                 reinterpret_cast<const CHAR*>(&reset), sizeof reset, &ws().error),
      0);
  EXPECT_EQ(ws().close(s), 0);
  EXPECT_EQ(kernel->run([&p = peer] { return p.recv_all(1); }), "");
  EXPECT_EQ(peer.error, ECONNRESET);
}

TEST_P(Kernel, ClosedPortsRefuse) {
  const SOCKET s = ws().stream(family());
  EXPECT_EQ(ws().connect(s, Address::of(kernel_address(), 1)), SOCKET_ERROR);
  EXPECT_EQ(ws().error, WSAECONNREFUSED);
  const int error =
      kernel->run([this] { return KernelSocket::connected(stack_address(), 1).error; });
  EXPECT_EQ(error, ECONNREFUSED);
}

TEST_P(Kernel, FiveHundredConnectionsOfOurs) {
  KernelSocket listener = kernel->run([this] { return KernelSocket::listener(kernel_address()); });
  const Address to = Address::of(kernel_address(), listener.port());
  auto served = kernel->start([&] {
    int n = 0;
    for (int i = 0; i < 500; ++i) {
      KernelSocket s = listener.accept();
      if (s.recv_all(4) == "ping" && s.send_all("pong")) ++n;
    }
    return n;
  });
  for (int i = 0; i < 500; ++i) {
    const SOCKET s = ws().stream(family());
    ASSERT_EQ(ws().connect(s, to), 0) << i << ": " << ws().error;
    ASSERT_EQ(ws().send(s, "ping"), 4);
    ASSERT_EQ(ws().recv_all(s, 4), "pong");
    ASSERT_EQ(ws().close(s), 0);
  }
  EXPECT_EQ(served.get(), 500);
}

TEST_P(Kernel, FiveHundredConnectionsOfIts) {
  const SOCKET l = ws().stream(family());
  ASSERT_EQ(ws().bind(l, Address::of(stack_address(), 0)), 0);
  ASSERT_EQ(ws().listen(l), 0);
  auto made = kernel->start([this, port = ws().name_of(l).port()] {
    int n = 0;
    for (int i = 0; i < 500; ++i) {
      KernelSocket s = KernelSocket::connected(stack_address(), port);
      if (s.send_all("ping") && s.recv_all(4) == "pong") ++n;
    }
    return n;
  });
  for (int i = 0; i < 500; ++i) {
    const SOCKET s = ws().accept(l);
    ASSERT_NE(s, INVALID_SOCKET) << i << ": " << ws().error;
    ASSERT_EQ(ws().recv_all(s, 4), "ping");
    ASSERT_EQ(ws().send(s, "pong"), 4);
    ASSERT_EQ(ws().recv(s), "");  // the kernel closes first
    ASSERT_EQ(ws().close(s), 0);
  }
  EXPECT_EQ(made.get(), 500);
}

TEST_P(Kernel, DatagramsOfAllSizesBothWays) {
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::of(stack_address(), 0)), 0);
  const uint16_t port = ws().name_of(s).port();
  KernelSocket peer = kernel->run([this] { return KernelSocket::datagram(kernel_address()); });
  const Address to = Address::of(kernel_address(), peer.port());
  for (const size_t n : {1u, 1200u, 1452u, 1473u, 4000u, 20'000u, 60'000u}) {
    const std::string there = noise(n, n), back = noise(n, n + 1);
    auto answered = kernel->start([&] {
      EXPECT_TRUE(peer.recv() == there) << n << " bytes at the kernel";
      return peer.send_to(back, stack_address(), port);
    });
    ASSERT_EQ(ws().send_to(s, there, to), static_cast<int>(n)) << ws().error;
    EXPECT_TRUE(answered.get());
    if (n > kLongestFrame && cuts_long_datagrams && family() == WS_AF_INET) continue;
    Address from;
    ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 20'000), 0);
    EXPECT_TRUE(ws().recv_from(s, from) == back) << n << " bytes at the Stack: " << ws().error;
    EXPECT_EQ(from, to);
  }
}

TEST_P(Kernel, ItsUrgentDataComesOutOfTheStream) {  // contract: B13
  auto [s, peer] = connect_to_stack();
  EXPECT_TRUE(kernel->run([&p = peer] {
    return p.send_all("abc") && p.send_urgent("de!") && p.send_all("fgh");
  }));
  EXPECT_EQ(ws().recv(s, 10, WS_MSG_OOB), "!");
  EXPECT_EQ(ws().received_flags, DWORD{WS_MSG_OOB});
  EXPECT_EQ(ws().recv_all(s, 8), "abcdefgh");
  // Each is read before the next is sent: Linux keeps one.
  for (const char byte : std::string("?#")) {
    EXPECT_TRUE(kernel->run([&p = peer, byte] { return p.send_urgent({byte}); }));
    EXPECT_TRUE(ws().is_ready(s, 'x', 20'000));
    EXPECT_EQ(ws().is_at_mark(s), 0);
    EXPECT_EQ(ws().recv(s, 10, WS_MSG_OOB), std::string(1, byte));
    EXPECT_EQ(ws().is_at_mark(s), 1);
  }
}

TEST_P(Kernel, OurUrgentDataIsItsUrgentData) {  // contract: B13
  auto [s, peer] = connect_to_kernel();
  EXPECT_EQ(ws().send(s, "abc"), 3);
  EXPECT_EQ(ws().send(s, "de!", WS_MSG_OOB), 3);
  EXPECT_EQ(ws().send(s, "fgh"), 3);
  EXPECT_EQ(kernel->run([&p = peer] { return p.recv_urgent(); }), "!");
  EXPECT_EQ(kernel->run([&p = peer] { return p.recv_all(8); }), "abcdefgh");
  const std::string text = noise(100'000, 9);
  auto urgent = kernel->start([&p = peer, &text] {
    const std::string before = p.recv_all(text.size() - 1);
    return before == text.substr(0, text.size() - 1) ? p.recv_urgent() : "not the stream";
  });
  EXPECT_EQ(ws().send(s, text, WS_MSG_OOB), 100'000);
  EXPECT_EQ(urgent.get(), text.substr(text.size() - 1));
}

TEST_P(Kernel, SmallPiecesBothWaysAtOnce) {
  auto [s, peer] = connect_to_kernel();
  constexpr size_t kBytes = 500'000;
  const std::string to_stack = noise(kBytes, 8);
  auto sent = kernel->start([&p = peer, &to_stack] {
    for (size_t at = 0; at < kBytes; at += 777) {
      if (!p.send_all(to_stack.substr(at, 777))) return false;
    }
    return true;
  });
  std::string got;
  while (got.size() < kBytes) {
    const std::string part = ws().recv(s, 333);
    ASSERT_FALSE(part.empty()) << ws().error;
    got += part;
  }
  EXPECT_TRUE(got == to_stack);
  EXPECT_TRUE(sent.get());
}

int run(const std::string& vdev, const std::string& n_stacks) {
  cuts_long_datagrams = vdev.starts_with("af_packet");
  const std::string settings = std::string("addresses = [\"") + kStackAddress4 + "/24\", \"" +
                               kStackAddress6 + "/64\"]\nlink_down_ms = 1000\n[stack]\nstacks = " +
                               n_stacks + "\nplacement = \"turns\"\n";
  return run_on_kernel_port(vdev, settings, [](KernelHost& host, const std::string&) {
    kernel = &host;
    return true;
  });
}

}  // namespace
}  // namespace millrace::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2 && argc != 3) {
    std::fprintf(stderr, "usage: %s af_packet|af_xdp [Stacks] [gtest flags]\n", argv[0]);
    return 2;
  }
  return millrace::test::run(argv[1], argc == 3 ? argv[2] : "1");
}
