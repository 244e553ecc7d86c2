// SPDX-License-Identifier: BSD-3-Clause
// Ports on a network interface of this machine, with the Linux kernel as the peer: it asks for our
// address by ARP, sends us a datagram, and receives ours. The device's end has the address .2.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "dpdk_io/port.h"
#include "tests/dpdk_io/frames.h"

namespace millrace {
namespace {

using test::burst_of;
using test::Bytes;
using test::bytes_of;
using test::make_chain;
using test::make_frame;
using test::receive;

constexpr uint16_t kUdpPort = 7777;

struct Device {
  const char* name;
  const char* driver;
  int pair;  // the number of its veth pair in kernel_main.cc
  bool multi_segment;
};

class Port_Kernel : public testing::TestWithParam<Device> {
 protected:
  void SetUp() override {
    make_kernel_forget_us();
    open_port();
    socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    const timeval patience = {10, 0};
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    const sockaddr_in own = address(1);
    ASSERT_EQ(bind(socket_, reinterpret_cast<const sockaddr*>(&own), sizeof(own)), 0);
  }
  void TearDown() override { close(socket_); }

  void open_port() {
    PortOptions options;
    options.device = GetParam().name;
    port_.reset();
    // A new pool each time: AF_XDP does not give back the mbufs it offers to the kernel.
    pool_.reset();
    pool_ = std::make_unique<Pool>("kernel", 8191, 2048, 0);
    port_ = std::make_unique<Port>(options, *pool_);
  }

  // The next datagram of the kernel then begins with a question for our address.
  static void make_kernel_forget_us() {
    const std::string flush = "ip neigh flush dev k" + std::to_string(GetParam().pair);
    ASSERT_EQ(std::system(flush.c_str()), 0);
  }

  uint32_t host_address(uint8_t host) const {
    return RTE_IPV4(10, 77, static_cast<uint8_t>(GetParam().pair), host);
  }
  sockaddr_in address(uint8_t host) const {
    sockaddr_in result{};
    result.sin_family = AF_INET;
    result.sin_port = htons(kUdpPort);
    result.sin_addr.s_addr = htonl(host_address(host));
    return result;
  }

  // The kernel's thread of events is its own: polls until a frame fits, gives up after 10 s.
  Bytes receive_frame(const std::function<bool(const Bytes&)>& fits) {
    for (int i = 0; i < 10'000; ++i) {
      const Burst got = receive(*port_);
      for (uint16_t k = 0; k < got.size(); ++k) {
        Bytes bytes = bytes_of(got[k]);
        if (fits(bytes)) return bytes;
      }
      if (got.is_empty()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ADD_FAILURE() << "no such frame within 10 s";
    return {};
  }

  void send_from_kernel(const Bytes& payload) {
    const sockaddr_in to = address(2);
    ASSERT_EQ(sendto(socket_, payload.data(), payload.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), sizeof(to)),
              static_cast<ssize_t>(payload.size()));
  }

  Bytes receive_in_kernel() {
    Bytes payload(2048);
    const ssize_t n = recv(socket_, payload.data(), payload.size(), 0);
    payload.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return payload;
  }

  rte_ether_addr own_mac() const {
    rte_ether_addr mac{};
    const auto bytes = port_->mac();
    std::copy(bytes.begin(), bytes.end(), mac.addr_bytes);
    return mac;
  }

  // Answers the kernel's "who has .2" and learns the kernel's address from it.
  void answer_arp() {
    const Bytes question = receive_frame([](const Bytes& frame) {
      const auto* ether = reinterpret_cast<const rte_ether_hdr*>(frame.data());
      return frame.size() >= 42 && ether->ether_type == htons(RTE_ETHER_TYPE_ARP);
    });
    ASSERT_GE(question.size(), 42u);
    Bytes answer(question.begin(), question.begin() + 42);
    auto* ether = reinterpret_cast<rte_ether_hdr*>(answer.data());
    auto* arp = reinterpret_cast<rte_arp_hdr*>(ether + 1);
    EXPECT_EQ(arp->arp_data.arp_tip, htonl(host_address(2)));
    kernel_mac_ = arp->arp_data.arp_sha;
    ether->dst_addr = kernel_mac_;
    ether->src_addr = own_mac();
    arp->arp_opcode = htons(RTE_ARP_OP_REPLY);
    arp->arp_data.arp_tha = kernel_mac_;
    arp->arp_data.arp_sha = own_mac();
    arp->arp_data.arp_tip = arp->arp_data.arp_sip;
    arp->arp_data.arp_sip = htonl(host_address(2));
    Burst burst = burst_of({make_frame(*pool_, answer)});
    port_->tx(0, burst);
  }

  // Ethernet, IPv4 and UDP headers of a datagram to the kernel; UDP without a checksum.
  Bytes headers_for(size_t payload_bytes) const {
    struct {
      rte_ether_hdr ether;
      rte_ipv4_hdr ip;
      rte_udp_hdr udp;
    } headers{};
    static_assert(sizeof(headers) == 42);
    headers.ether = {kernel_mac_, own_mac(), htons(RTE_ETHER_TYPE_IPV4)};
    headers.ip.version_ihl = RTE_IPV4_VHL_DEF;
    headers.ip.total_length = htons(static_cast<uint16_t>(28 + payload_bytes));
    headers.ip.time_to_live = 64;
    headers.ip.next_proto_id = IPPROTO_UDP;
    headers.ip.src_addr = htonl(host_address(2));
    headers.ip.dst_addr = htonl(host_address(1));
    rte_ipv4_hdr ip = headers.ip;
    headers.ip.hdr_checksum = rte_ipv4_cksum(&ip);
    headers.udp = {htons(kUdpPort), htons(kUdpPort),
                   htons(static_cast<uint16_t>(8 + payload_bytes)), 0};
    const auto* bytes = reinterpret_cast<const uint8_t*>(&headers);
    return Bytes(bytes, bytes + sizeof(headers));
  }

  void exchange_datagrams() {
    const Bytes to_us(700, 0x5a);
    send_from_kernel(to_us);
    answer_arp();
    const Bytes frame = receive_frame([](const Bytes& bytes) {
      return bytes.size() == 742 && bytes[23] == IPPROTO_UDP && bytes[36] == (kUdpPort >> 8);
    });
    ASSERT_EQ(frame.size(), 742u);
    EXPECT_EQ(Bytes(frame.begin() + 42, frame.end()), to_us);

    const Bytes to_kernel(800, 0xa5);
    Burst burst = burst_of({make_chain(*pool_, {headers_for(to_kernel.size()), to_kernel})});
    port_->tx(0, burst);
    EXPECT_EQ(receive_in_kernel(), to_kernel);
  }

  std::unique_ptr<Pool> pool_;
  std::unique_ptr<Port> port_;
  int socket_ = -1;
  rte_ether_addr kernel_mac_{};
};

TEST_P(Port_Kernel, SaysWhatItIs) {
  EXPECT_EQ(port_->driver(), GetParam().driver);
  EXPECT_EQ(port_->caps().mtu, 1500);
  EXPECT_EQ(port_->caps().tx_multi_segment, GetParam().multi_segment);
  EXPECT_TRUE(port_->caps().tx_by_reference);
  EXPECT_FALSE(port_->caps().rx_checksum_tcp);
  EXPECT_TRUE(port_->link_up());
  EXPECT_NE(port_->mac(), (std::array<uint8_t, 6>{}));
}

TEST_P(Port_Kernel, ExchangesDatagramsAndCountsThem) {
  exchange_datagrams();
  const PortCounters& counters = port_->counters(0);
  EXPECT_GE(counters.rx_pkts, 2u);
  EXPECT_EQ(counters.tx_pkts, 2u);
  EXPECT_EQ(counters.tx_bytes, 42u + 842u);
  EXPECT_EQ(counters.tx_linearized, GetParam().multi_segment ? 0u : 1u);
}

TEST_P(Port_Kernel, SendsTheSameDataTwiceWhileTheSenderKeepsIt) {
  send_from_kernel(Bytes(1, 0));
  answer_arp();
  const Bytes data(1000, 0x77);
  const MbufPtr kept(make_frame(*pool_, data));
  for (int i = 0; i < 2; ++i) {
    rte_mbuf_refcnt_update(kept.get(), 1);
    rte_mbuf* chain = make_frame(*pool_, headers_for(data.size()));
    ASSERT_EQ(rte_pktmbuf_chain(chain, kept.get()), 0);
    Burst burst = burst_of({chain});
    port_->tx(0, burst);
    EXPECT_EQ(receive_in_kernel(), data);
    EXPECT_EQ(bytes_of(kept.get()), data);
  }
  EXPECT_EQ(port_->counters(0).tx_pkts, 3u);
}

TEST_P(Port_Kernel, DropsAChainTooLongForOneSegment) {
  if (GetParam().multi_segment) GTEST_SKIP() << "this device sends chains";
  Burst burst = burst_of({make_chain(*pool_, {Bytes(2048, 1), Bytes(2048, 2)})});
  port_->tx(0, burst);
  EXPECT_EQ(port_->counters(0).tx_dropped_too_long, 1u);
  EXPECT_EQ(port_->counters(0).tx_pkts, 0u);
}

TEST_P(Port_Kernel, LinearizesAChainWhoseHeadIsShared) {
  if (GetParam().multi_segment) GTEST_SKIP() << "this device sends chains";
  send_from_kernel(Bytes(1, 0));
  answer_arp();
  const Bytes data(900, 0x33);
  const MbufPtr kept(make_chain(*pool_, {headers_for(data.size()), data}));
  rte_mbuf_refcnt_update(kept.get(), 1);
  rte_mbuf_refcnt_update(kept->next, 1);
  Burst burst = burst_of({kept.get()});
  port_->tx(0, burst);
  EXPECT_EQ(receive_in_kernel(), data);
  EXPECT_EQ(port_->counters(0).tx_linearized, 1u);
  EXPECT_EQ(kept->nb_segs, 2);
  EXPECT_EQ(rte_mbuf_refcnt_read(kept.get()), 1);
  EXPECT_EQ(rte_mbuf_refcnt_read(kept->next), 1);
}

// AF_XDP shows the kernel a part of memory: were it too small, the last mbuf's frame would be lost.
TEST_P(Port_Kernel, SendsFromTheFirstAndTheLastMbufOfThePool) {
  send_from_kernel(Bytes(1, 0));
  answer_arp();
  std::vector<MbufPtr> all;
  while (rte_mbuf* m = rte_pktmbuf_alloc(pool_->get())) all.emplace_back(m);
  const auto [first, last] = std::minmax_element(all.begin(), all.end());
  for (MbufPtr* m : {&*first, &*last}) {
    const Bytes data(500, m == &*first ? 1 : 2);
    Bytes frame = headers_for(data.size());
    frame.insert(frame.end(), data.begin(), data.end());
    std::memcpy(rte_pktmbuf_append(m->get(), static_cast<uint16_t>(frame.size())), frame.data(),
                frame.size());
    Burst burst = burst_of({m->release()});
    port_->tx(0, burst);
    EXPECT_EQ(receive_in_kernel(), data);
  }
}

TEST_P(Port_Kernel, CanBeClosedAndOpenedAgain) {
  for (int round = 0; round < 3; ++round) {
    make_kernel_forget_us();
    exchange_datagrams();
    open_port();
  }
}

INSTANTIATE_TEST_SUITE_P(Drivers, Port_Kernel,
                         testing::Values(Device{"net_af_packet0", "net_af_packet", 0, true},
                                         Device{"net_af_xdp0", "net_af_xdp", 1, false}),
                         [](const auto& test) { return std::string(test.param.driver); });

}  // namespace
}  // namespace millrace
