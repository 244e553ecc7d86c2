// SPDX-License-Identifier: BSD-3-Clause
// Ports made of rings: what goes in comes out, every drop is counted, and all mbufs come back.
#include "dpdk_io/port.h"

#include <gtest/gtest.h>

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

constexpr uint32_t kEntries = 64;

uint64_t dropped(const PortCounters& c) {
  return c.tx_dropped_full + c.tx_dropped_link_down + c.tx_dropped_too_long + c.tx_dropped_no_mbuf +
         c.tx_dropped_refused;
}

class Port_RingPair : public testing::Test {
 protected:
  Port_RingPair() : pool_a_("pair_a", 511, 2048, 0), pool_b_("pair_b", 511, 2048, 0) {
    std::tie(a_, b_) = Port::ring_pair("pair", pool_a_, pool_b_, kEntries);
  }
  void TearDown() override {
    a_.reset();
    b_.reset();
    EXPECT_EQ(pool_a_.in_use(), 0u);
    EXPECT_EQ(pool_b_.in_use(), 0u);
  }

  Pool pool_a_, pool_b_;
  std::unique_ptr<Port> a_, b_;
};

TEST_F(Port_RingPair, MovesFramesUnchangedBothWaysAndInOrder) {
  for (const auto& [from, to, pool] : {std::tie(a_, b_, pool_a_), std::tie(b_, a_, pool_b_)}) {
    Burst burst;
    for (uint8_t i = 0; i < kBurstMax; ++i) {
      ASSERT_TRUE(burst.push(make_frame(pool, make_bytes(60 + 40u * i, i))));
    }
    from->tx(0, burst);
    EXPECT_TRUE(burst.is_empty());
    const Burst got = receive(*to);
    ASSERT_EQ(got.size(), kBurstMax);
    for (uint8_t i = 0; i < kBurstMax; ++i) {
      EXPECT_EQ(bytes_of(got[i]), make_bytes(60 + 40u * i, i));
    }
    EXPECT_EQ(from->counters(0).tx_pkts, kBurstMax);
    EXPECT_EQ(from->counters(0).tx_bytes, to->counters(0).rx_bytes);
    EXPECT_EQ(to->counters(0).rx_pkts, kBurstMax);
  }
  EXPECT_EQ(receive(*a_).size(), 0);
}

TEST_F(Port_RingPair, TxTakesEverythingAndCountsWhatAFullRingDrops) {
  for (int i = 0; i < 4; ++i) {
    Burst burst;
    while (!burst.is_full()) ASSERT_TRUE(burst.push(make_frame(pool_a_, make_bytes(60))));
    a_->tx(0, burst);
    EXPECT_TRUE(burst.is_empty());
  }
  const PortCounters& counters = a_->counters(0);
  EXPECT_EQ(counters.tx_pkts, kEntries);
  EXPECT_EQ(counters.tx_bytes, 60u * kEntries);
  EXPECT_EQ(counters.tx_dropped_full, 4u * kBurstMax - kEntries);
  EXPECT_GT(counters.tx_retries, 0u);
  EXPECT_EQ(pool_a_.in_use(), kEntries);
}

TEST_F(Port_RingPair, ClosingOnePortGivesBackWhatItHadNotReceived) {
  Burst burst =
      burst_of({make_frame(pool_a_, make_bytes(60)), make_frame(pool_a_, make_bytes(60))});
  a_->tx(0, burst);
  EXPECT_EQ(pool_a_.in_use(), 2u);
  b_.reset();
  EXPECT_EQ(pool_a_.in_use(), 0u);
  burst = burst_of({make_frame(pool_a_, make_bytes(60))});
  a_->tx(0, burst);  // nobody listens any more; TearDown sees the frame come back
  EXPECT_EQ(a_->counters(0).tx_pkts, 3u);
}

TEST_F(Port_RingPair, PassesAChainOfExclusiveMbufsAsItIs) {
  const Bytes head = make_bytes(54), tail(1000, 7);
  Burst burst = burst_of({make_chain(pool_a_, {head, tail})});
  rte_mbuf* const sent = burst[0];
  a_->tx(0, burst);
  const Burst got = receive(*b_);
  ASSERT_EQ(got.size(), 1);
  EXPECT_EQ(got[0], sent);
  EXPECT_EQ(got[0]->nb_segs, 2);
  EXPECT_EQ(a_->counters(0).tx_copied, 0u);
}

TEST_F(Port_RingPair, CopiesAChainThatTheSenderStillRefersTo) {
  const Bytes head = make_bytes(54), tail(1000, 7);
  const MbufPtr kept(make_frame(pool_a_, tail));
  rte_mbuf_refcnt_update(kept.get(), 1);
  rte_mbuf* chain = make_frame(pool_a_, head);
  ASSERT_EQ(rte_pktmbuf_chain(chain, kept.get()), 0);
  Burst burst = burst_of({chain});
  a_->tx(0, burst);
  EXPECT_EQ(rte_mbuf_refcnt_read(kept.get()), 1);
  EXPECT_EQ(bytes_of(kept.get()), tail);
  EXPECT_EQ(a_->counters(0).tx_copied, 1u);
  const Burst got = receive(*b_);
  ASSERT_EQ(got.size(), 1);
  Bytes whole = head;
  whole.insert(whole.end(), tail.begin(), tail.end());
  EXPECT_EQ(bytes_of(got[0]), whole);
  EXPECT_EQ(rte_mbuf_refcnt_read(got[0]), 1);
}

TEST_F(Port_RingPair, DropsASharedFrameWhenNoMbufIsLeftForItsCopy) {
  const MbufPtr kept(make_frame(pool_a_, make_bytes(60)));
  std::vector<MbufPtr> rest;
  while (rte_mbuf* m = rte_pktmbuf_alloc(pool_a_.get())) rest.emplace_back(m);
  rte_mbuf_refcnt_update(kept.get(), 1);
  Burst burst = burst_of({kept.get()});
  a_->tx(0, burst);
  EXPECT_EQ(a_->counters(0).tx_dropped_no_mbuf, 1u);
  EXPECT_EQ(a_->counters(0).tx_pkts, 0u);
  EXPECT_EQ(rte_mbuf_refcnt_read(kept.get()), 1);
}

TEST_F(Port_RingPair, SkipsReleasedSlots) {
  Burst burst = burst_of({make_frame(pool_a_, make_bytes(60)), make_frame(pool_a_, make_bytes(61)),
                          make_frame(pool_a_, make_bytes(62))});
  const MbufPtr kept(burst.release(1));
  a_->tx(0, burst);
  const Burst got = receive(*b_);
  ASSERT_EQ(got.size(), 2);
  EXPECT_EQ(got[0]->pkt_len, 60u);
  EXPECT_EQ(got[1]->pkt_len, 62u);
}

TEST_F(Port_RingPair, ReceivedFramesCarryTheReceiversMetadata) {
  rte_mbuf* m = make_frame(pool_a_, make_bytes(60));
  m->ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_TX_IP_CKSUM;
  m->packet_type = RTE_PTYPE_L2_ETHER;
  Burst burst = burst_of({m});
  a_->tx(0, burst);
  const Burst got = receive(*b_);
  ASSERT_EQ(got.size(), 1);
  EXPECT_EQ(got[0]->ol_flags, 0u);
  EXPECT_EQ(got[0]->packet_type, 0u);
  EXPECT_EQ(got[0]->port, b_->id());
}

TEST_F(Port_RingPair, HasAddressesLinkAndCapsOfItsOwn) {
  EXPECT_NE(a_->mac(), b_->mac());
  EXPECT_EQ(a_->mac()[0], 0x02);  // locally administered, unicast
  EXPECT_TRUE(a_->link_up());
  EXPECT_EQ(a_->driver(), "net_ring");
  EXPECT_EQ(a_->caps().mtu, 1500);
  EXPECT_EQ(a_->caps().max_queues, 1);
  EXPECT_FALSE(a_->caps().tx_by_reference);
  EXPECT_TRUE(a_->caps().tx_multi_segment);
  EXPECT_FALSE(a_->caps().rx_checksum_ip4 || a_->caps().rx_checksum_tcp);
  EXPECT_FALSE(a_->caps().tx_checksum_tcp || a_->caps().tx_checksum_udp);
  EXPECT_EQ(a_->losses().rx_missed, 0u);
}

TEST_F(Port_RingPair, EveryCounterHasANameAndASentence) {
  Burst burst = burst_of({make_frame(pool_a_, make_bytes(60))});
  a_->tx(0, burst);
  size_t n = 0;
  uint64_t tx_pkts = 0;
  a_->total().for_each([&](std::string_view name, uint64_t value, std::string_view sentence) {
    ++n;
    EXPECT_GT(sentence.size(), 10u) << name;
    if (name == "tx_pkts") tx_pkts = value;
  });
  EXPECT_GE(n, 14u);
  EXPECT_EQ(tx_pkts, 1u);
  EXPECT_EQ(dropped(a_->total()), 0u);
}

TEST(Port_RingLoop, ReceivesWhatItSendsAndCanBeMadeAgain) {
  Pool pool("loop", 511, 2048, 0);
  for (int round = 0; round < 3; ++round) {
    const auto port = Port::ring_loop("lo", pool, kEntries, 9000);
    EXPECT_EQ(port->caps().mtu, 9000);
    EXPECT_FALSE(port->caps().tx_by_reference);
    Burst burst = burst_of({make_frame(pool, make_bytes(100)), make_frame(pool, make_bytes(200))});
    port->tx(0, burst);
    const Burst got = receive(*port);
    ASSERT_EQ(got.size(), 2);
    EXPECT_EQ(bytes_of(got[1]), make_bytes(200));
    burst = burst_of({make_frame(pool, make_bytes(300))});
    port->tx(0, burst);  // left in the ring for ~Port
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Port_RingLoop, RefusesANameThatIsTakenAndKeepsTheFirstAlive) {
  Pool pool("loop_twice", 255, 2048, 0);
  const auto port = Port::ring_loop("twice", pool, kEntries);
  EXPECT_THROW(Port::ring_loop("twice", pool, kEntries), StartupError);
  Burst burst = burst_of({make_frame(pool, make_bytes(60))});
  port->tx(0, burst);
  EXPECT_EQ(receive(*port).size(), 1);
}

std::string error_of(const PortOptions& options, Pool& pool) {
  try {
    const Port port(options, pool);
    return "no error";
  } catch (const StartupError& error) {
    return error.what();
  }
}

PortOptions options_of(const char* device, uint16_t n_queues = 1, uint16_t mtu = 1500) {
  PortOptions options;
  options.device = device;
  options.n_queues = n_queues;
  options.mtu = mtu;
  return options;
}

TEST(Port, AnUnknownDeviceIsAnErrorThatNamesThoseThatExist) {
  Pool pool("port_unknown", 255, 2048, 0);
  const std::string error = error_of(options_of("net_tap7"), pool);
  EXPECT_EQ(error.find("port net_tap7: there is no such device (there is "), 0u) << error;
  EXPECT_NE(error.find("net_ring0"), std::string::npos) << error;
  EXPECT_NE(error.find("; add --vdev=net_tap7 to [eal] args, or name one of those"),
            std::string::npos)
      << error;
}

TEST(Port, AnUnknownNicIsAnErrorThatSaysHowToBindIt) {
  Pool pool("port_nic", 255, 2048, 0);
  const std::string error = error_of(options_of("0000:00:1f.6"), pool);
  EXPECT_NE(error.find("; add -a 0000:00:1f.6 to [eal] args, without --no-pci, and bind the NIC"),
            std::string::npos)
      << error;
}

TEST(Port, MoreQueuesThanTheDeviceHasAreAnError) {
  Pool pool("port_queues", 255, 2048, 0);
  EXPECT_EQ(error_of(options_of("net_ring0", 17), pool),
            "port net_ring0: 17 queues asked for, the device has 16; set queues to 1 .. 16, or "
            "give the device more (queue_count=, qpairs=, ...)");
  EXPECT_EQ(error_of(options_of("net_ring0", 2), pool), "no error");
}

TEST(Port, AnMtuTheDeviceCannotDoIsAnError) {
  Pool pool("port_mtu", 255, 2048, 0);
  EXPECT_EQ(error_of(options_of("net_memif0", 1, 16111), pool),
            "port net_memif0: an MTU of 16111 bytes; the device does 46 .. 16110");
}

TEST(Port, AFrameThatFitsNoMbufIsAnError) {
  Pool pool("port_room", 255, 512, 0);
  const std::string error = error_of(options_of("net_memif0"), pool);
  EXPECT_EQ(error,
            "port net_memif0: a frame of MTU 1500 does not fit an mbuf of 512 bytes; a lower MTU, "
            "or a pool of larger mbufs");
}

TEST(Port, ADeviceBelongsToOnePort) {
  Pool pool("port_once", 255, 2048, 0);
  const Port port(options_of("net_ring0"), pool);
  EXPECT_EQ(error_of(options_of("net_ring0"), pool),
            "port net_ring0: another port of this process has the device; name each device once");
}

TEST(Port, ADeviceOfTheCommandLineCanBeClosedAndOpenedAgain) {
  Pool pool("port_again", 511, 2048, 0);
  for (uint16_t round = 0; round < 3; ++round) {
    Port port(options_of("net_ring0", static_cast<uint16_t>(1 + round)), pool);
    for (uint16_t queue = 0; queue < port.n_queues(); ++queue) {
      Burst burst = burst_of({make_frame(pool, make_bytes(60)), make_frame(pool, make_bytes(61))});
      port.tx(queue, burst);
      const Burst got = receive(port, queue);
      ASSERT_EQ(got.size(), 2);
      EXPECT_EQ(bytes_of(got[0]), make_bytes(60));
      burst = burst_of({make_frame(pool, make_bytes(60))});
      port.tx(queue, burst);
      EXPECT_EQ(port.counters(queue).tx_pkts, 3u);
    }
    EXPECT_EQ(port.total().tx_pkts, 3u * port.n_queues());
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

}  // namespace
}  // namespace millrace
