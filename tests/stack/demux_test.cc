// SPDX-License-Identifier: BSD-3-Clause
// Many connections at once: each is found, each has its timers, and none disturbs another. Every test
// runs with 16 buckets, where lists are long, and with many, where a connection is alone.
#include "stack/demux.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "lwip/netif.h"
#include "stack/lwip/port.h"
#include "stack/lwip_glue.h"
#include "tests/support/app.h"
#include "tests/support/flow.h"

namespace millrace::test {
namespace {

constexpr uint16_t kFirstPort = 20'000;

struct Connection {
  std::unique_ptr<Flow> flow;
  std::unique_ptr<App> app;
};

class Demux_Test : public StackTest,
                   public testing::WithParamInterface<std::tuple<int, uint32_t>> {
 protected:
  void SetUp() override {
    Demux::most_buckets = std::get<1>(GetParam());
    config.tcp.time_wait_ms = 2000;
    start();
  }
  void TearDown() override {
    StackTest::TearDown();
    Demux::most_buckets = Demux::kMostBuckets;
  }
  uint8_t family() const { return static_cast<uint8_t>(std::get<0>(GetParam())); }

  std::unique_ptr<App> listen_on(uint16_t port) {
    auto app = std::make_unique<App>(*this, Transport::kTcp, family());
    EXPECT_EQ(app->bind(port), WsaError::kOk);
    EXPECT_EQ(app->listen(200), WsaError::kOk);
    return app;
  }
  /// n connections of the peer, from consecutive ports.
  std::vector<Connection> connect(App& listener, uint16_t port, size_t n,
                                  size_t first_port = kFirstPort) {
    std::vector<Connection> all(n);
    for (size_t i = 0; i < n; ++i) {
      const auto from = static_cast<uint16_t>(first_port + i);
      all[i].flow = std::make_unique<Flow>(*this, family(), from, port);
      all[i].flow->connect();
      all[i].app = listener.accept();
    }
    return all;
  }
};
std::string case_name(const testing::TestParamInfo<std::tuple<int, uint32_t>>& tested) {
  const bool is_crowded = std::get<1>(tested.param) == 16;
  return "v" + std::to_string(std::get<0>(tested.param)) + (is_crowded ? "_crowded" : "_alone");
}
INSTANTIATE_TEST_SUITE_P(Buckets, Demux_Test,
                         testing::Combine(testing::Values(4, 6),
                                          testing::Values(16u, Demux::kMostBuckets)),
                         case_name);

TEST_P(Demux_Test, EachConnectionGetsItsOwnBytes) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 250);
  for (size_t i = 0; i < all.size(); ++i) all[i].flow->send(tcp().ack().data(std::to_string(i)));
  run();
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(all[i].app->text(), std::to_string(i));
}

TEST_P(Demux_Test, ListenersOfManyPortsEachGetTheirConnections) {
  std::vector<std::unique_ptr<App>> listeners;
  for (uint16_t port = 1000; port < 1100; ++port) listeners.push_back(listen_on(port));
  for (uint16_t port = 1000; port < 1100; ++port) {
    auto one = connect(*listeners[port - 1000], port, 1);
    one[0].flow->send(tcp().ack().data(std::to_string(port)));
    run();
    EXPECT_EQ(one[0].app->text(), std::to_string(port));
    one[0].app->close();
  }
  Flow nobody(*this, family(), 40'000, 1100);
  nobody.send(tcp().syn().seq(0));
  nobody.expect(tcp().rst().seq(0).ack(1));
}

TEST_P(Demux_Test, DatagramSocketsOfManyPortsEachGetTheirs) {
  std::vector<std::unique_ptr<App>> all;
  for (uint16_t port = 1000; port < 1100; ++port) {
    all.push_back(std::make_unique<App>(*this, Transport::kUdp, family()));
    ASSERT_EQ(all.back()->bind(port), WsaError::kOk);
  }
  for (uint16_t port = 1000; port < 1100; ++port) {
    peer().send(test::udp_frame(family(), 9, port, bytes_of(std::to_string(port))));
  }
  run();
  for (uint16_t port = 1000; port < 1100; ++port) {
    EXPECT_EQ(all[port - 1000]->text(), std::to_string(port));
  }
}

// ---- TIME_WAIT on our side ----

TEST_P(Demux_Test, ConnectionsInTimeWaitAnswerAndLeaveWhenItIsOver) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 100);
  for (Connection& c : all) {
    c.app->close();
    c.flow->expect(tcp().fin().seq(1).ack(1));
    c.flow->send(tcp().fin().ack());
    c.flow->expect(tcp().seq(2).ack(2));
  }
  advance(1000);
  for (Connection& c : all) {
    c.flow->send(tcp().fin().seq(1).ack(2));  // our ACK was lost: it is sent again
    c.flow->expect(tcp().seq(2).ack(2));
  }
  advance(2100);
  for (Connection& c : all) {
    c.flow->send(tcp().fin().seq(1).ack(2));  // nobody is there any more
    c.flow->expect(tcp().rst().seq(2).ack(2));
  }
}

// ---- nested calls from callbacks ----

struct Raw {
  Demux& demux;
  tcp_pcb* first = nullptr;
  tcp_pcb* second = nullptr;
  int n_received = 0;
};

err_t on_raw_receive(void* arg, tcp_pcb* pcb, pbuf* p, err_t) {
  if (p == nullptr) return ERR_OK;
  auto& raw = *static_cast<Raw*>(arg);
  raw.demux.recved(*pcb, p->tot_len);
  pbuf_free(p);
  ++raw.n_received;
  if (pcb != raw.first || raw.second == nullptr) return ERR_OK;
  // In the middle of lwIP's work for one connection: end another, and write to itself.
  raw.demux.abort(*std::exchange(raw.second, nullptr));
  EXPECT_EQ(tcp_write(pcb, "yes", 3, TCP_WRITE_FLAG_COPY), ERR_OK);
  raw.demux.output(*pcb);
  return ERR_OK;
}

err_t on_raw_accept(void* arg, tcp_pcb* pcb, err_t) {
  auto& raw = *static_cast<Raw*>(arg);
  (raw.first == nullptr ? raw.first : raw.second) = pcb;
  tcp_recv(pcb, on_raw_receive);
  return ERR_OK;
}

TEST_P(Demux_Test, ACallbackMayEndAnotherConnection) {
  for (uint16_t other_port = 30'001; other_port < 30'041; ++other_port) {  // in some other bucket
    Demux& demux = stack().demux();
    Raw raw{demux};
    tcp_pcb* pcb = tcp_new_ip_type(family() == 4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_V6);
    const ip_addr_t any = to_lwip(IpAddress::any(family()));
    ASSERT_EQ(demux.bind(*pcb, any, 81), ERR_OK);
    err_t error = ERR_OK;
    pcb = demux.listen(*pcb, 10, error);
    ASSERT_NE(pcb, nullptr);
    tcp_arg(pcb, &raw);
    tcp_accept(pcb, on_raw_accept);
    Flow one(*this, family(), 30'000, 81), other(*this, family(), other_port, 81);
    one.connect();
    other.connect();
    one.send(tcp().ack().data("end it"));
    other.expect(tcp().rst().seq(1).ack(1));
    one.expect(tcp().psh().seq(1).ack(7).data("yes"));
    one.send(tcp().ack().data("still here"));
    run();
    EXPECT_EQ(raw.n_received, 2);
    demux.abort(*raw.first);
    demux.close(*pcb);
    EXPECT_TRUE(one.next()) << "a reset";
    peer().forget();
  }
}

// ---- closing a listener with half-open children ----

TEST_P(Demux_Test, HalfOpenConnectionsOutliveNoListener) {
  auto listener = listen_on(80);
  std::vector<std::unique_ptr<Flow>> half_open;
  for (uint16_t i = 0; i < 100; ++i) {
    half_open.push_back(std::make_unique<Flow>(*this, family(), kFirstPort + i, 80));
    half_open.back()->send(tcp().syn().seq(0));
    half_open.back()->expect(tcp().syn().seq(0).ack(1));
  }
  ASSERT_EQ(listener->close(), WsaError::kOk);
  listener = listen_on(80);  // perhaps where the old one was
  for (auto& flow : half_open) {
    flow->send(tcp().seq(1).ack(1));
    flow->expect(tcp().rst().seq(1).ack(1));
  }
  EXPECT_EQ(listener->accept_error(), WsaError::kWouldBlock);
}

// ---- address change ----

TEST_P(Demux_Test, WhatLwipDoesToAllConnectionsReachesAll) {
  if (family() == 6) GTEST_SKIP() << "lwIP keeps connections when an IPv6 address goes";
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 100);
  netif* const wire = netif_get_by_index(2);  // 1 is the loopback
  const ip4_addr_t old = *netif_ip4_addr(wire);
  ip4_addr_t other = old;
  other.addr ^= lwip_htonl(0x80);
  stack().demux().with_all([&] {
    netif_set_ipaddr(wire, &other);
    netif_set_ipaddr(wire, &old);
  });
  for (Connection& c : all) {
    EXPECT_EQ(c.app->receive().error, WsaError::kConnAborted);
    c.flow->expect(tcp().rst().seq(1).ack(1));
  }
  auto again = connect(*listener, 80, 50);  // the listener is found as before
  for (Connection& c : again) {
    c.flow->send(tcp().ack().data("again"));
    run();
    EXPECT_EQ(c.app->text(), "again");
  }
}

// ---- the 8-bit timer counter ----

TEST_P(Demux_Test, RetransmissionsOfManyConnectionsAllHappen) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 200);
  // In each slow tick a timer is called per list: the counts come round to the same connection
  // at every distance, 256 among them.
  for (size_t n = 150; n < all.size(); ++n) {
    for (size_t i = 0; i < n; ++i) {
      ASSERT_EQ(all[i].app->send("x").bytes, 1u);
      const auto first = all[i].flow->next();
      ASSERT_TRUE(first);
    }
    advance(1600);
    for (size_t i = 0; i < n; ++i) {
      const auto again = all[i].flow->next();
      ASSERT_TRUE(again) << "connection " << i << " of " << n;
      EXPECT_EQ(again->payload, bytes_of("x"));
      while (all[i].flow->next()) continue;
      all[i].flow->send(tcp().ack());
    }
    run();
    n += 9;
  }
}

// ---- idle connections cost nothing ----

TEST_P(Demux_Test, NoTimerLooksAtIdleConnections) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 200);
  advance(3000);
  const uint64_t before = counters().timer_visits;
  advance(60'000);
  EXPECT_EQ(counters().timer_visits, before);
  all[7].flow->send(tcp().ack().data("x"));
  advance(2000);
  EXPECT_EQ(counters().timer_visits, before + 1) << "for the delayed ACK";
}

TEST_P(Demux_Test, KeepAliveFindsTheOneThatIsGoneAmongMany) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 50);
  for (Connection& c : all) {
    c.app->socket().options.keep_alive = true;
    c.app->socket().options.keep_alive_time_ms = 90'000;  // beyond one round of the wheel
    c.app->socket().options.keep_alive_interval_ms = 1000;
    c.app->socket().apply_options();
  }
  advance(89'000);
  for (Connection& c : all) c.flow->expect_nothing();
  advance(1500);
  for (size_t i = 0; i < all.size(); ++i) {
    const auto probe = all[i].flow->next();
    ASSERT_TRUE(probe) << i;
    if (i != 17) all[i].flow->send(tcp().ack());
  }
  advance(11'000);
  for (size_t i = 0; i < all.size(); ++i) {
    EXPECT_EQ(all[i].app->receive().error, i == 17 ? WsaError::kNotConn : WsaError::kWouldBlock);
  }
}

// ---- fragments ----

TEST_P(Demux_Test, ASegmentInFragmentsFindsItsConnection) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 20);
  for (size_t i = 0; i < all.size(); ++i) {
    const Bytes text = pattern(1000, i);
    const Bytes whole = all[i].flow->frame_of(tcp().ack().psh().data(text));
    std::string why;
    const auto frame = parse(whole, why);
    ASSERT_TRUE(frame) << why;
    for (const Frame& part : fragments_of(*frame, 400, static_cast<uint32_t>(100 + i))) {
      peer().send(part);
    }
    all[i].flow->sent(text.size());
    run();
    EXPECT_TRUE(same(all[i].app->drain(), text));
  }
}

// ---- ports ----

TEST_P(Demux_Test, APortInUseIsFoundWhereverItsConnectionsAre) {
  const auto listener = listen_on(80);
  auto all = connect(*listener, 80, 30);
  App second(*this, Transport::kTcp, family());
  EXPECT_EQ(second.bind(80), WsaError::kAddrInUse);
  listener->close();
  EXPECT_EQ(second.bind(80), WsaError::kOk) << "connections hold no port";
  EXPECT_EQ(second.listen(), WsaError::kOk);
  EXPECT_EQ(connect(second, 80, 1, kFirstPort + 100).size(), 1u);
}

}  // namespace
}  // namespace millrace::test
