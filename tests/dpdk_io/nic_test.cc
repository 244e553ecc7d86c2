// SPDX-License-Identifier: BSD-3-Clause
// A NIC with its real driver, and on its wire a Linux host. The host's kernel is the judge: it
// answers an ARP question, an echo request, and a datagram to a closed port, the last two only if
// their checksums are right, whether we computed them or the NIC did.
//
//   io_nic_test --nic=0000:00:04.0 --own=10.80.0.2 --peer=10.80.0.1 [gtest flags] -- EAL words
//
// Without --nic nothing is tested, and the exit status is 77.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <rte_arp.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <thread>

#include "dpdk_io/eal.h"
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

std::string nic;
in_addr own_address, peer_address;

constexpr size_t kEthernet = sizeof(rte_ether_hdr);
constexpr size_t kIp = sizeof(rte_ipv4_hdr);
constexpr size_t kUdp = sizeof(rte_udp_hdr);
constexpr size_t kIcmp = sizeof(rte_icmp_hdr);

uint8_t* at(Bytes& frame, size_t offset) { return frame.data() + offset; }

class Port_Nic : public testing::Test {
 protected:
  void SetUp() override { open_port(); }

  void open_port(uint16_t mtu = 1500) {
    port_.reset();
    PortOptions options;
    options.device = nic;
    options.mtu = mtu;
    options.n_rx_desc = options.n_tx_desc = 512;
    port_ = std::make_unique<Port>(options, pool_);
    // Negotiation takes seconds on some NICs; the peer's end of the cable may take longer.
    for (int i = 0; i < 1000 && !port_->link_up(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      port_->poll_link();
    }
    ASSERT_TRUE(port_->link_up());
  }

  // Sends up to 20 times, 200 ms apart, until a frame fits: the kernel limits its ICMP errors.
  Bytes ask(const std::function<rte_mbuf*()>& question, const std::function<bool(Bytes&)>& fits) {
    for (int i = 0; i < 20; ++i) {
      Burst burst = burst_of({question()});
      port_->tx(0, burst);
      for (int k = 0; k < 200; ++k) {
        const Burst got = receive(*port_);
        for (uint16_t n = 0; n < got.size(); ++n) {
          Bytes bytes = bytes_of(got[n]);
          if (fits(bytes)) return bytes;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    }
    ADD_FAILURE() << "the peer did not answer";
    return {};
  }

  void set_ethernet(Bytes& frame, uint16_t type) const {
    auto* ether = reinterpret_cast<rte_ether_hdr*>(at(frame, 0));
    ether->dst_addr = peer_mac_;
    const auto mac = port_->mac();
    std::copy(mac.begin(), mac.end(), ether->src_addr.addr_bytes);
    ether->ether_type = htons(type);
  }

  void find_peer() {
    std::fill_n(peer_mac_.addr_bytes, 6, uint8_t{0xff});
    Bytes question(60);
    set_ethernet(question, RTE_ETHER_TYPE_ARP);
    auto* arp = reinterpret_cast<rte_arp_hdr*>(at(question, kEthernet));
    arp->arp_hardware = htons(RTE_ARP_HRD_ETHER);
    arp->arp_protocol = htons(RTE_ETHER_TYPE_IPV4);
    arp->arp_hlen = 6;
    arp->arp_plen = 4;
    arp->arp_opcode = htons(RTE_ARP_OP_REQUEST);
    arp->arp_data.arp_sha = reinterpret_cast<rte_ether_hdr*>(at(question, 0))->src_addr;
    arp->arp_data.arp_sip = own_address.s_addr;
    arp->arp_data.arp_tip = peer_address.s_addr;
    Bytes answer = ask([&] { return make_frame(pool_, question); },
                       [](Bytes& frame) {
                         const auto* reply =
                             reinterpret_cast<const rte_arp_hdr*>(at(frame, kEthernet));
                         return frame.size() >= 42 && frame[12] == 8 && frame[13] == 6 &&
                                reply->arp_opcode == htons(RTE_ARP_OP_REPLY) &&
                                reply->arp_data.arp_sip == peer_address.s_addr;
                       });
    ASSERT_GE(answer.size(), 42u);
    peer_mac_ = reinterpret_cast<rte_arp_hdr*>(at(answer, kEthernet))->arp_data.arp_sha;
  }

  // An IPv4 packet with room for `payload_bytes`; its header checksum is set.
  Bytes make_packet(uint8_t protocol, size_t payload_bytes) const {
    Bytes frame(kEthernet + kIp + payload_bytes, 0x42);
    set_ethernet(frame, RTE_ETHER_TYPE_IPV4);
    auto* ip = reinterpret_cast<rte_ipv4_hdr*>(at(frame, kEthernet));
    *ip = {};
    ip->version_ihl = RTE_IPV4_VHL_DEF;
    ip->total_length = htons(static_cast<uint16_t>(kIp + payload_bytes));
    ip->time_to_live = 64;
    ip->next_proto_id = protocol;
    ip->src_addr = own_address.s_addr;
    ip->dst_addr = peer_address.s_addr;
    ip->hdr_checksum = rte_ipv4_cksum(ip);
    return frame;
  }

  static bool is_icmp(Bytes& frame, uint8_t type) {
    return frame.size() >= kEthernet + kIp + kIcmp && frame[12] == 8 && frame[13] == 0 &&
           frame[kEthernet + 9] == IPPROTO_ICMP && frame[kEthernet + kIp] == type;
  }

  void exchange_echo(size_t payload_bytes, size_t n_segments) {
    Bytes request = make_packet(IPPROTO_ICMP, kIcmp + payload_bytes);
    auto* icmp = reinterpret_cast<rte_icmp_hdr*>(at(request, kEthernet + kIp));
    *icmp = {RTE_IP_ICMP_ECHO_REQUEST, 0, 0, htons(7), htons(1)};
    icmp->icmp_cksum = static_cast<uint16_t>(~rte_raw_cksum(icmp, kIcmp + payload_bytes));
    std::vector<Bytes> parts;
    const size_t part_bytes = (request.size() + n_segments - 1) / n_segments;
    for (size_t begin = 0; begin < request.size(); begin += part_bytes) {
      const size_t end = std::min(begin + part_bytes, request.size());
      parts.emplace_back(request.begin() + static_cast<ptrdiff_t>(begin),
                         request.begin() + static_cast<ptrdiff_t>(end));
    }
    const Bytes reply = ask([&] { return make_chain(pool_, parts); },
                            [](Bytes& frame) { return is_icmp(frame, 0); });
    ASSERT_GE(reply.size(), request.size());
    EXPECT_TRUE(std::equal(request.begin() + kEthernet + kIp + kIcmp, request.end(),
                           reply.begin() + kEthernet + kIp + kIcmp));
  }

  Pool pool_{"nic", 4095, 2048, 0};
  std::unique_ptr<Port> port_;
  rte_ether_addr peer_mac_{};
};

TEST_F(Port_Nic, SaysWhatItIs) {
  const PortCaps& caps = port_->caps();
  std::printf("%s: rx ip %d tcp %d udp %d, tx ip %d tcp %d udp %d, chains %d, max queues %d\n",
              port_->driver().c_str(), caps.rx_checksum_ip4, caps.rx_checksum_tcp,
              caps.rx_checksum_udp, caps.tx_checksum_ip4, caps.tx_checksum_tcp,
              caps.tx_checksum_udp, caps.tx_multi_segment, caps.max_queues);
  EXPECT_EQ(caps.mtu, 1500);
  EXPECT_TRUE(caps.tx_by_reference);
  EXPECT_TRUE(caps.tx_multi_segment);
  EXPECT_NE(port_->mac(), (std::array<uint8_t, 6>{}));
}

TEST_F(Port_Nic, ExchangesFramesOfOneAndOfSeveralSegments) {
  find_peer();
  exchange_echo(56, 1);
  exchange_echo(1472, 1);
  exchange_echo(1472, 3);
  EXPECT_EQ(port_->losses().rx_errors, 0u);
}

TEST_F(Port_Nic, HasTheNicComputeAChecksum) {
  if (!port_->caps().tx_checksum_udp) GTEST_SKIP() << "this NIC does not";
  find_peer();
  Bytes datagram = make_packet(IPPROTO_UDP, kUdp + 100);
  auto* udp = reinterpret_cast<rte_udp_hdr*>(at(datagram, kEthernet + kIp));
  *udp = {htons(4000), htons(4001), htons(kUdp + 100), 0};
  const auto question = [&] {
    rte_mbuf* m = make_frame(pool_, datagram);
    m->l2_len = kEthernet;
    m->l3_len = kIp;
    m->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
    if (port_->caps().tx_checksum_ip4) {
      m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
      rte_pktmbuf_mtod_offset(m, rte_ipv4_hdr*, kEthernet)->hdr_checksum = 0;
    }
    return m;
  };
  ask(question, [](Bytes& frame) { return is_icmp(frame, 3); });
  EXPECT_EQ(port_->total().tx_dropped_refused, 0u);
}

TEST_F(Port_Nic, DropsAndCountsWhatTheDriverRefuses) {
  if (port_->driver() != "net_vmxnet3") GTEST_SKIP() << "of these drivers only vmxnet3 refuses";
  rte_mbuf* bad = make_frame(pool_, make_packet(IPPROTO_UDP, 100));
  bad->ol_flags |= RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
  bad->l2_len = kEthernet;
  bad->l3_len = kIp;
  Burst burst = burst_of({make_frame(pool_, make_packet(IPPROTO_UDP, 100)), bad,
                          make_frame(pool_, make_packet(IPPROTO_UDP, 100))});
  port_->tx(0, burst);
  EXPECT_EQ(port_->total().tx_dropped_refused, 1u);
  EXPECT_EQ(port_->total().tx_pkts, 2u);
}

TEST_F(Port_Nic, CanBeClosedAndOpenedAgain) {
  for (int round = 0; round < 3; ++round) {
    open_port();
    find_peer();
    exchange_echo(56, 1);
  }
  port_.reset();
  EXPECT_EQ(pool_.in_use(), 0u);
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  std::vector<std::string> eal_words;
  bool is_own = true;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const std::string value = word.substr(word.find('=') + 1);
    if (!is_own) eal_words.push_back(word);
    if (word == "--") is_own = false;
    if (is_own && word.starts_with("--nic=")) millrace::nic = value;
    if (is_own && word.starts_with("--own=")) inet_aton(value.c_str(), &millrace::own_address);
    if (is_own && word.starts_with("--peer=")) inet_aton(value.c_str(), &millrace::peer_address);
  }
  if (millrace::nic.empty()) {
    std::puts("SKIPPED: needs --nic=, --own= and --peer=");
    return 77;
  }
  eal_words.insert(eal_words.end(), {"-a", millrace::nic});
  millrace::eal_start(eal_words);
  return RUN_ALL_TESTS();
}
