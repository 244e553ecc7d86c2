// SPDX-License-Identifier: BSD-3-Clause
// What a capture file holds, read back byte by byte and, where it is installed, by tcpdump.
#include "dpdk_io/capture.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "dpdk_io/port.h"
#include "dpdk_io/startup_error.h"
#include "tests/dpdk_io/frames.h"

namespace millrace {
namespace {

using test::burst_of;
using test::Bytes;
using test::bytes_of;
using test::make_bytes;
using test::make_chain;
using test::make_frame;
using test::receive;

constexpr uint32_t kEnhancedPacketBlock = 6;  // pcapng, draft-ietf-opsawg-pcapng 4.3

struct Packet {
  uint32_t original_length;
  Bytes data;
};

// Walks the blocks: type, total length, body, total length again.
std::vector<Packet> packets_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Packet> packets;
  std::array<uint32_t, 2> head{};
  while (file.read(reinterpret_cast<char*>(head.data()), sizeof(head))) {
    const auto [type, length] = head;
    std::vector<char> body(length - 12);
    uint32_t length_again = 0;
    file.read(body.data(), static_cast<std::streamsize>(body.size()));
    file.read(reinterpret_cast<char*>(&length_again), sizeof(length_again));
    EXPECT_TRUE(file) << "the last block is cut off";
    EXPECT_EQ(length, length_again);
    if (type != kEnhancedPacketBlock) continue;
    std::array<uint32_t, 5> fields{};  // interface, time high, time low, captured, original
    std::memcpy(fields.data(), body.data(), sizeof(fields));
    const auto* data = reinterpret_cast<const uint8_t*>(body.data()) + sizeof(fields);
    packets.push_back({fields[4], Bytes(data, data + fields[3])});
  }
  return packets;
}

class Capture_File : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove(path_); }

  std::string path_ = std::filesystem::temp_directory_path() /
                      ("millrace_capture_" + std::to_string(getpid()) + ".pcapng");
  Pool pool_{"capture_test", 511, 2048, 0};
};

TEST_F(Capture_File, HoldsBothDirectionsOfAPort) {
  auto [a, b] = Port::ring_pair("cap", pool_, pool_, 64);
  a->capture_to(path_);
  Burst burst = burst_of(
      {make_frame(pool_, make_bytes(61)), make_chain(pool_, {make_bytes(54), Bytes(1000, 7)})});
  a->tx(0, burst);
  burst = burst_of({make_frame(pool_, make_bytes(100, 9))});
  b->tx(0, burst);
  EXPECT_EQ(receive(*a).size(), 1);

  const std::vector<Packet> packets = packets_of(path_);  // on disk while the port lives
  ASSERT_EQ(packets.size(), 3u);
  EXPECT_EQ(packets[0].data, make_bytes(61));
  EXPECT_EQ(packets[1].original_length, 1054u);
  EXPECT_EQ(packets[1].data.size(), 1054u);
  EXPECT_EQ(packets[1].data.back(), 7);
  EXPECT_EQ(packets[2].data, make_bytes(100, 9));
  EXPECT_EQ(a->counters(0).capture_pkts, 3u);
  EXPECT_EQ(a->counters(0).capture_dropped, 0u);
}

TEST_F(Capture_File, GrowsByFullBurstsWithoutUsingUpItsPool) {
  auto [a, b] = Port::ring_pair("cap", pool_, pool_, 64);
  a->capture_to(path_);
  for (int i = 0; i < 20; ++i) {
    Burst burst;
    while (!burst.is_full()) ASSERT_TRUE(burst.push(make_frame(pool_, make_bytes(1514))));
    a->tx(0, burst);
    EXPECT_EQ(receive(*b).size(), kBurstMax);
  }
  EXPECT_EQ(a->counters(0).capture_pkts, 20u * kBurstMax);
  EXPECT_EQ(packets_of(path_).size(), 20u * kBurstMax);
}

TEST_F(Capture_File, CutsFramesLongerThanItWasMadeFor) {
  const auto port = Port::ring_loop("cap", pool_, 64);
  Capture capture(path_, port->id(), 100);
  const MbufPtr frame(make_frame(pool_, make_bytes(500)));
  rte_mbuf* const frames[] = {frame.get()};
  EXPECT_EQ(capture.write(0, frames, Direction::kReceived), 1);
  const std::vector<Packet> packets = packets_of(path_);
  ASSERT_EQ(packets.size(), 1u);
  EXPECT_EQ(packets[0].original_length, 500u);
  EXPECT_EQ(packets[0].data, make_bytes(100));
}

TEST_F(Capture_File, CountsWhatAFullDiskLoses) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
  const auto port = Port::ring_loop("cap", pool_, 64);
  EXPECT_THROW(port->capture_to("/dev/full"), StartupError);
  EXPECT_THROW(port->capture_to("/nosuchdirectory/x.pcapng"), StartupError);

  // A pipe takes the header; closed at its far end it refuses the frames.
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  std::signal(SIGPIPE, SIG_IGN);
  port->capture_to("/proc/self/fd/" + std::to_string(ends[1]));
  close(ends[0]);
  for (int i = 0; i < 2; ++i) {
    Burst burst = burst_of({make_frame(pool_, make_bytes(60))});
    port->tx(0, burst);
    EXPECT_EQ(receive(*port).size(), 1);
  }
  std::signal(SIGPIPE, SIG_DFL);
  close(ends[1]);
  EXPECT_EQ(port->counters(0).tx_pkts, 2u);
  EXPECT_EQ(port->counters(0).capture_pkts, 0u);
  EXPECT_EQ(port->counters(0).capture_dropped, 4u);
}

TEST_F(Capture_File, IsReadableByTcpdump) {
  if (std::system("tcpdump --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "no tcpdump";
  const auto port = Port::ring_loop("cap", pool_, 64);
  port->capture_to(path_);
  Burst burst = burst_of({make_frame(pool_, make_bytes(60)), make_frame(pool_, make_bytes(77))});
  port->tx(0, burst);
  FILE* output = popen(("tcpdump -e -n -r " + path_ + " 2>&1").c_str(), "r");
  ASSERT_NE(output, nullptr);
  std::string text;
  std::array<char, 512> line{};
  while (std::fgets(line.data(), line.size(), output) != nullptr) text += line.data();
  EXPECT_EQ(pclose(output), 0) << text;
  EXPECT_NE(text.find("02:00:00:00:00:01 > ff:ff:ff:ff:ff:ff"), std::string::npos) << text;
  EXPECT_NE(text.find("length 60"), std::string::npos) << text;
  EXPECT_NE(text.find("length 77"), std::string::npos) << text;
}

}  // namespace
}  // namespace millrace
