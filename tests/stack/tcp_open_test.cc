// SPDX-License-Identifier: BSD-3-Clause
// Connections that both ends begin (RFC 9293 3.5), and the numbers and ports that we choose for ours.
#include <set>

#include "tests/support/app.h"
#include "tests/support/flow.h"

namespace millrace::test {
namespace {

class Tcp_Simultaneous : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    app = std::make_unique<App>(*this, Transport::kTcp, family());
    ASSERT_EQ(app->bind(4000), WsaError::kOk);
    ASSERT_EQ(app->connect(at_peer(80)), WsaError::kWouldBlock);
    flow = std::make_unique<Flow>(*this, family(), 80, 4000);
    flow->expect(tcp().syn().seq(0));
  }
  void TearDown() override {
    app.reset();
    flow.reset();
    FamilyTest::TearDown();
  }
  void expect_open() {
    EXPECT_TRUE(app->socket().is_writable());
    flow->send(tcp().ack().data("hello"));
    run();
    EXPECT_EQ(app->text(), "hello");
    EXPECT_EQ(app->send("to you").error, WsaError::kOk);
    flow->expect(tcp().seq(1).data("to you").ack());
    flow->send(tcp().ack());
    run();
  }

  std::unique_ptr<App> app;
  std::unique_ptr<Flow> flow;
};
MILLRACE_BOTH_FAMILIES(Tcp_Simultaneous);

TEST_P(Tcp_Simultaneous, TheSynsCross) {  // RFC 9293 figure 8
  flow->send(tcp().syn().seq(0).mss(1200));
  flow->expect(tcp().syn().seq(0).ack(1));
  flow->send(tcp().syn().seq(0).ack(1).mss(1200));
  run();
  expect_open();
}

TEST_P(Tcp_Simultaneous, AnAckAloneCompletesItToo) {
  flow->send(tcp().syn().seq(0).mss(1200));
  flow->expect(tcp().syn().seq(0).ack(1));
  flow->send(tcp().seq(1).ack(1));
  run();
  expect_open();
}

TEST_P(Tcp_Simultaneous, ThePeersOptionsHold) {
  flow->window = 20;  // scaled: 2560
  flow->send(tcp().syn().seq(0).mss(1200).window_scale(7).window(20));
  flow->expect(tcp().syn().seq(0).ack(1));
  flow->send(tcp().seq(1).ack(1));
  run();
  EXPECT_EQ(app->send(pattern(5000)).error, WsaError::kOk);
  for (int i = 0; i < 2; ++i) {
    const auto segment = flow->next();
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->payload.size(), 1200u);
  }
  flow->expect_nothing();
}

TEST_P(Tcp_Simultaneous, AnAnswerThatIsLostIsRepeated) {
  flow->send(tcp().syn().seq(0).mss(1200));
  flow->expect(tcp().syn().seq(0).ack(1));
  advance(4000);
  flow->expect(tcp().syn().seq(0).ack(1));
  peer().forget();
  flow->send(tcp().seq(1).ack(1));
  run();
  expect_open();
}

TEST_P(Tcp_Simultaneous, AResetIsARefusal) {
  flow->send(tcp().syn().seq(0).mss(1200));
  flow->expect(tcp().syn().seq(0).ack(1));
  flow->send(tcp().rst().seq(1));
  run();
  EXPECT_TRUE(app->socket().has_exception());
}

TEST_P(Tcp_Simultaneous, AWrongAckIsResetAndTheConnectionStillComes) {
  flow->send(tcp().syn().seq(0).mss(1200));
  flow->expect(tcp().syn().seq(0).ack(1));
  flow->send(tcp().seq(1).ack(77));
  flow->expect(tcp().rst().seq(77).ack());
  flow->send(tcp().seq(1).ack(1).data("hello"));
  run();
  EXPECT_EQ(app->text(), "hello");
}

TEST_P(Tcp_Simultaneous, ASocketMayTalkToItself) {
  App self(*this, Transport::kTcp, family());
  ASSERT_EQ(self.bind(Endpoint{address_of(Host::kStack, family()), 7000}), WsaError::kOk);
  ASSERT_EQ(self.connect(at_stack(7000)), WsaError::kWouldBlock);
  run();
  ASSERT_EQ(self.send("mirror").error, WsaError::kOk);
  run();
  EXPECT_EQ(self.text(), "mirror");
}

// ---- whose listener is gone ----

class Tcp_HalfOpen : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Tcp_HalfOpen);

// lwIP hands the listener's argument on to the connection until that is accepted. A burst is fetched ahead by it,
// and an urgent pointer is told to it, so what is left of it may not be the memory of a socket that is gone.
TEST_P(Tcp_HalfOpen, AHandshakeThatOutlivesItsListenerIsReset) {
  auto listener = std::make_unique<App>(*this, Transport::kTcp, family());
  ASSERT_EQ(listener->bind(80), WsaError::kOk);
  ASSERT_EQ(listener->listen(), WsaError::kOk);
  Flow flow(*this, family(), 40000, 80);
  flow.send(tcp().syn().seq(0).mss(1460));
  run();
  flow.expect(tcp().syn().seq(0).ack(1));
  listener.reset();
  constexpr int kWorthFetching = 8;
  for (int i = 0; i < kWorthFetching; ++i) flow.send(tcp().ack(1).urg(1).data("u"));
  run();
  flow.expect(tcp().rst().seq(1).ack(1));
}

// ---- what nobody outside can guess ----

class Tcp_Numbers : public FamilyTest {};
MILLRACE_BOTH_FAMILIES(Tcp_Numbers);

/// The differences of values that follow each other; from a counter they are few.
std::set<uint32_t> steps_of(const std::vector<uint32_t>& values) {
  std::set<uint32_t> steps;
  for (size_t i = 1; i < values.size(); ++i) steps.insert(values[i] - values[i - 1]);
  return steps;
}

TEST_P(Tcp_Numbers, SourcePortsOfStreamsAndDatagramsAreRandom) {  // RFC 6056
  std::vector<uint32_t> tcp_ports, udp_ports;
  std::vector<std::unique_ptr<App>> apps;
  for (int i = 0; i < 40; ++i) {
    apps.push_back(std::make_unique<App>(*this, Transport::kTcp, family()));
    ASSERT_EQ(apps.back()->connect(at_peer(80)), WsaError::kWouldBlock);
    apps.push_back(std::make_unique<App>(*this, Transport::kUdp, family()));
    ASSERT_EQ(apps.back()->send(bytes_of("x"), at_peer(53)).error, WsaError::kOk);
    run();
    while (const auto sent = peer().next()) {
      if (sent->frame.tcp) tcp_ports.push_back(*sent->frame.tcp->source_port);
      if (sent->frame.udp) udp_ports.push_back(sent->frame.udp->source_port);
    }
  }
  ASSERT_EQ(tcp_ports.size(), 40u);
  ASSERT_EQ(udp_ports.size(), 40u);
  EXPECT_GT(steps_of(tcp_ports).size(), 30u);
  EXPECT_GT(steps_of(udp_ports).size(), 30u);
}

TEST_P(Tcp_Numbers, InitialNumbersAreRandomFromConnectionToConnectionAndGrowForEach) {  // RFC 6528
  App listener(*this, Transport::kTcp, family());
  ASSERT_EQ(listener.bind(80), WsaError::kOk);
  ASSERT_EQ(listener.listen(), WsaError::kOk);
  const auto isn_for = [&](uint16_t port) {
    Flow flow(*this, family(), port, 80);
    flow.send(tcp().syn().seq(0));
    run();
    const auto answer = peer().next([](const Frame& frame) { return frame.tcp.has_value(); });
    flow.send(tcp().rst().seq(1));
    run();
    return answer ? *answer->frame.tcp->seq : 0;
  };
  std::vector<uint32_t> numbers;
  for (uint16_t port = 10'000; port < 10'040; ++port) numbers.push_back(isn_for(port));
  EXPECT_EQ(steps_of(numbers).size(), 39u);
  advance(1000);
  EXPECT_EQ(isn_for(10'000) - numbers.front(), 250'000u) << "4 us a number";
}

}  // namespace
}  // namespace millrace::test
