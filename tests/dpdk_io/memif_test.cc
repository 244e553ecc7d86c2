// SPDX-License-Identifier: BSD-3-Clause
// A memif port: its link comes and goes with the peer, which is a process of its own.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>

#include "dpdk_io/port.h"
#include "tests/dpdk_io/frames.h"
#include "tests/dpdk_io/process.h"

namespace millrace {
namespace {

using test::burst_of;
using test::Bytes;
using test::bytes_of;
using test::make_bytes;
using test::make_frame;
using test::MemifEcho;
using test::receive;

// The handshake runs on EAL's own thread: tries until it is through, gives up after 10 s.
bool comes_true(const std::function<bool()>& condition) {
  for (int i = 0; i < 10'000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

class Port_Memif : public testing::Test {
 protected:
  Port_Memif() { open(pool_, 1500); }
  void open(Pool& pool, uint16_t mtu) {
    port_.reset();
    PortOptions options;
    options.device = "net_memif0";
    options.mtu = mtu;
    port_ = std::make_unique<Port>(options, pool);
  }
  void TearDown() override {
    port_.reset();
    EXPECT_EQ(pool_.in_use(), 0u);
  }

  bool link_becomes(bool up) {
    return comes_true([this, up] {
      port_->poll_link();
      return port_->link_up() == up;
    });
  }

  // Sends until the echo answers: the peer drops frames until it has offered buffers of its own.
  Burst exchange(const std::function<rte_mbuf*()>& make) {
    Burst got;
    comes_true([&] {
      Burst burst = burst_of({make()});
      port_->tx(0, burst);
      got = receive(*port_);
      return !got.is_empty();
    });
    return got;
  }

  Pool pool_{"memif", 4095, 2048, 0};
  std::unique_ptr<Port> port_;
};

TEST_F(Port_Memif, StartsWithoutAPeerAndDropsAtOnce) {
  EXPECT_FALSE(port_->link_up());
  Burst burst = burst_of({make_frame(pool_, make_bytes(60)), make_frame(pool_, make_bytes(60))});
  port_->tx(0, burst);
  EXPECT_EQ(port_->counters(0).tx_dropped_link_down, 2u);
  EXPECT_EQ(port_->counters(0).tx_retries, 0u);
  EXPECT_EQ(receive(*port_).size(), 0);
  EXPECT_EQ(pool_.in_use(), 0u);
}

TEST_F(Port_Memif, ExchangesFramesOnceThePeerIsThere) {
  const MemifEcho peer;
  ASSERT_TRUE(link_becomes(true));
  const Burst got = exchange([this] { return make_frame(pool_, make_bytes(1514)); });
  ASSERT_GE(got.size(), 1);
  EXPECT_EQ(bytes_of(got[0]), make_bytes(1514));
  EXPECT_TRUE(port_->caps().tx_by_reference);
}

// Its buffers have 2048 bytes here, and so have the peer's mbufs.
TEST_F(Port_Memif, CarriesJumboFramesInSeveralBuffers) {
  Pool large("jumbo", 1023, 9216, 0);
  open(large, 9000);
  EXPECT_EQ(port_->caps().mtu, 9000u);
  {
    const MemifEcho peer;
    ASSERT_TRUE(link_becomes(true));
    const Burst got = exchange([&] { return make_frame(large, make_bytes(9014)); });
    ASSERT_GE(got.size(), 1);
    EXPECT_EQ(bytes_of(got[0]), make_bytes(9014));
  }
  port_.reset();
  EXPECT_EQ(large.in_use(), 0u);
}

TEST_F(Port_Memif, SendsSharedChainsByReferenceAndFreesOneOfEach) {
  const MemifEcho peer;
  ASSERT_TRUE(link_becomes(true));
  const Bytes head = make_bytes(54), tail(1000, 7);
  const MbufPtr kept(make_frame(pool_, tail));
  const Burst got = exchange([&] {
    rte_mbuf_refcnt_update(kept.get(), 1);
    rte_mbuf* chain = make_frame(pool_, head);
    EXPECT_EQ(rte_pktmbuf_chain(chain, kept.get()), 0);
    return chain;
  });
  ASSERT_GE(got.size(), 1);
  Bytes whole = head;
  whole.insert(whole.end(), tail.begin(), tail.end());
  EXPECT_EQ(bytes_of(got[0]), whole);
  EXPECT_EQ(port_->counters(0).tx_copied, 0u);
  EXPECT_EQ(rte_mbuf_refcnt_read(kept.get()), 1);
}

// Under zero-copy=yes the peer finds data by the mbuf's place in the pool, so foreign memory, which
// an indirect mbuf has as well, must not be sent as it is.
TEST_F(Port_Memif, CopiesAnIndirectMbuf) {
  const MemifEcho peer;
  ASSERT_TRUE(link_becomes(true));
  const MbufPtr original(make_frame(pool_, make_bytes(200)));
  const Burst got = exchange([&] { return rte_pktmbuf_clone(original.get(), pool_.get()); });
  ASSERT_GE(got.size(), 1);
  EXPECT_EQ(bytes_of(got[0]), make_bytes(200));
  EXPECT_GE(port_->counters(0).tx_copied, 1u);
  EXPECT_EQ(rte_mbuf_refcnt_read(original.get()), 1);
}

// EAL's interrupt thread unmapped the rings while a burst read them; see interrupt_gate.h.
TEST_F(Port_Memif, SurvivesPeersThatGoUnderTraffic) {
  for (int round = 0; round < 5; ++round) {
    auto peer = std::make_unique<MemifEcho>();
    ASSERT_TRUE(link_becomes(true));
    EXPECT_GE(exchange([this] { return make_frame(pool_, make_bytes(60)); }).size(), 1);
    std::thread end([&peer] { peer.reset(); });
    EXPECT_TRUE(comes_true([this] {
      for (int i = 0; i < 1000; ++i) {
        Burst burst = burst_of({make_frame(pool_, make_bytes(1514))});
        port_->tx(0, burst);
        receive(*port_).clear();
      }
      port_->poll_link();
      return !port_->link_up();
    }));
    end.join();
  }
}

}  // namespace
}  // namespace millrace
