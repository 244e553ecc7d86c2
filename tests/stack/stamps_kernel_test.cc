// SPDX-License-Identifier: BSD-3-Clause
// Timestamps of received frames by a device that has them, with the Linux kernel on the wire: DPDK's net_pcap,
// whose frames say when the kernel had them. stamps_kernel_test pcap,phy_mac=1; exits with 77 where that cannot be had.
#include <cstdio>
#include <map>

#include "millrace/stages.h"
#define MILLRACE_USE_WS_PREFIX
#include "tests/support/kernel.h"
#include "tests/support/spi.h"

namespace millrace::test {
namespace {

KernelHost* kernel = nullptr;

constexpr uint64_t kMinuteNs = 60'000'000'000;

std::map<std::string, millrace_stage> stages() {
  std::map<std::string, millrace_stage> all;
  const int error = millrace_stages(
      [](void* context, const millrace_stage* stage) {
        (*static_cast<std::map<std::string, millrace_stage>*>(context))[stage->name] = *stage;
      },
      &all);
  EXPECT_EQ(error, 0);
  return all;
}

using Stamps_Kernel = SpiFamilyTest;
MILLRACE_BOTH_SPI_FAMILIES(Stamps_Kernel);

TEST_P(Stamps_Kernel, EachFrameHasATimeInThePortBetweenNoneAndWhatTheTestTook) {
  const bool is_4 = family() == WS_AF_INET;
  const char* const ours = is_4 ? kStackAddress4 : kStackAddress6;
  const char* const its = is_4 ? kKernelAddress4 : kKernelAddress6;
  const SOCKET s = ws().datagram(family());
  ASSERT_EQ(ws().bind(s, Address::of(ours, 0)), 0) << ws().error;
  ASSERT_EQ(ws().set_option(s, WS_SOL_SOCKET, WS_SO_RCVTIMEO, 20'000), 0);
  const uint16_t port = ws().name_of(s).port();
  KernelSocket peer = kernel->run([&] { return KernelSocket::datagram(its); });
  constexpr int kDatagrams = 200;
  for (int i = 0; i < kDatagrams; ++i) {
    const std::string text = "datagram " + std::to_string(i);
    ASSERT_TRUE(kernel->run([&] { return peer.send_to(text, ours, port); }));
    ASSERT_EQ(ws().recv(s), text) << ws().error;
  }
  const auto all = stages();
  const millrace_stage& in_port = all.at("port");
  EXPECT_GE(in_port.count, uint64_t{kDatagrams});
  EXPECT_EQ(in_port.count, all.at("burst").count) << "each frame of a sampled burst has a stamp";
  EXPECT_GT(in_port.sum_ns, 0u);
  EXPECT_LT(in_port.max_ns, kMinuteNs);
  EXPECT_LE(in_port.p50_ns, in_port.max_ns);
  std::printf("port: %llu frames, p50 %llu ns, p99 %llu ns, longest %llu ns\n", in_port.count, in_port.p50_ns,
              in_port.p99_ns, in_port.max_ns);
}

TEST_P(Stamps_Kernel, AStreamFromTheKernelIsStampedSegmentBySegment) {
  const bool is_4 = family() == WS_AF_INET;
  KernelSocket listener = kernel->run([&] { return KernelSocket::listener(is_4 ? kKernelAddress4 : kKernelAddress6); });
  const SOCKET s = ws().stream(family());
  ASSERT_EQ(ws().connect(s, Address::of(is_4 ? kKernelAddress4 : kKernelAddress6, listener.port())), 0) << ws().error;
  KernelSocket peer = listener.accept();
  const std::string text(1'000'000, 'x');
  auto sent = kernel->start([&] { return peer.send_all(text); });
  EXPECT_EQ(ws().recv_all(s, text.size()), text);
  EXPECT_TRUE(sent.get());
  const auto all = stages();
  EXPECT_GE(all.at("port").count, text.size() / 1500);
  EXPECT_EQ(all.at("port").count, all.at("burst").count);
}

}  // namespace
}  // namespace millrace::test

int main(int argc, char** argv) {
  using namespace millrace::test;
  testing::InitGoogleTest(&argc, argv);
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s pcap,phy_mac=1 [gtest flags]\n", argv[0]);
    return 2;
  }
  const std::string settings = std::string("timestamps = true\naddresses = [\"") + kStackAddress4 + "/24\", \"" +
                               kStackAddress6 + "/64\"]\n[stack]\nstages_sample = 1\n";
  return run_on_kernel_port(argv[1], settings, [](KernelHost& host, const std::string&) {
    kernel = &host;
    return true;
  });
}
