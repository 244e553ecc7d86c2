// SPDX-License-Identifier: BSD-3-Clause
// Random operations on several connections and a datagram socket, with frames lost in both
// directions. Every byte says by its value where in its stream it stands, so each one that arrives
// on either side is checked; the fixture checks what is left behind. A seed repeats its run
// exactly.
#include <array>

#include "tests/support/app.h"
#include "tests/support/flow.h"
#include "tests/support/random.h"

namespace millrace::test {
namespace {

constexpr int kOperations = 2000;
constexpr size_t kConnections = 6;
constexpr uint16_t kUdpPort = 5000;

/// Both ends of one connection, and what each has sent and seen.
struct Connection {
  std::unique_ptr<App> app;
  std::unique_ptr<Flow> flow;
  size_t peer_sent = 0;  ///< bytes; those that were lost included
  size_t app_sent = 0;
  size_t app_got = 0;
  uint32_t peer_acked = 1;  ///< what the Stack has acknowledged, relative
  uint32_t peer_got = 1;    ///< what the peer has seen without a gap, relative
  bool peer_has_closed = false;
  bool app_has_shut = false;
  std::vector<Posted*> posted;
  size_t n_collected = 0;
};

class Soak : public StackTest, public testing::WithParamInterface<int> {
 protected:
  Soak() : random_(static_cast<uint64_t>(GetParam())) {}

  void SetUp() override {
    StackTest::SetUp();
    for (const uint8_t family : std::initializer_list<uint8_t>{4, 6}) {
      auto& listener = listeners_[family == 4 ? 0 : 1];
      listener = std::make_unique<App>(*this, Transport::kTcp, family);
      ASSERT_EQ(listener->bind(80), WsaError::kOk);
      ASSERT_EQ(listener->listen(), WsaError::kOk);
    }
    udp_ = std::make_unique<App>(*this, Transport::kUdp, uint8_t{4});
    ASSERT_EQ(udp_->bind(kUdpPort), WsaError::kOk);
  }
  void TearDown() override {
    for (Connection& c : connections_) c.app.reset();
    for (auto& listener : listeners_) listener.reset();
    udp_.reset();
    StackTest::TearDown();
  }

  void open(Connection& c) {
    const uint8_t family = random_.chance(50) ? 4 : 6;
    c = Connection{};
    c.flow = std::make_unique<Flow>(*this, family, next_port_++, 80);
    c.flow->connect(static_cast<uint16_t>(500 + random_.below(1000)));
    run();
    c.app = listeners_[family == 4 ? 0 : 1]->accept();
    if (random_.chance(30)) c.app->options().no_delay = true;
    if (random_.chance(30)) {
      c.app->options().receive_buffer_bytes = static_cast<uint32_t>(random_.below(100'000));
    }
    c.app->apply_options();
  }

  // A segment somewhere at or behind what the Stack has acknowledged: new, again, or out of order.
  void send_from_peer(Connection& c) {
    const size_t from = c.peer_acked - 1 + (random_.chance(80) ? 0 : random_.below(3000));
    const size_t n = 1 + random_.below(1400);
    if (c.peer_has_closed && from + n > c.peer_sent) return;
    if (from + n > c.peer_acked + 40'000u) return;  // never beyond any window
    if (random_.chance(90)) {
      c.flow->send(
          tcp().psh().seq(static_cast<uint32_t>(from + 1)).ack(c.peer_got).data(pattern(n, from)));
    }
    c.peer_sent = std::max(c.peer_sent, from + n);
  }

  void close_from_peer(Connection& c) {
    c.peer_has_closed = true;
    c.flow->send(tcp().fin().seq(static_cast<uint32_t>(c.peer_sent + 1)).ack(c.peer_got));
  }

  // What the Stack sent: checked byte by byte, acknowledged most of the time.
  void take_at_peer(Connection& c) {
    while (const auto segment = c.flow->next()) {
      if (segment->ack && static_cast<int32_t>(*segment->ack - c.peer_acked) > 0) {
        c.peer_acked = *segment->ack;
      }
      if (segment->payload.empty()) continue;
      const uint32_t seq = *segment->seq;
      ASSERT_TRUE(same(segment->payload, pattern(segment->payload.size(), seq - 1)));
      const uint32_t end = seq + static_cast<uint32_t>(segment->payload.size());
      if (seq <= c.peer_got && end > c.peer_got) c.peer_got = end;
    }
    if (random_.chance(70)) c.flow->send(tcp().seq(c.peer_acked).ack(c.peer_got));
  }

  void take_at_app(Connection& c, const Bytes& bytes) {
    ASSERT_TRUE(same(bytes, pattern(bytes.size(), c.app_got)));
    c.app_got += bytes.size();
  }
  void collect(Connection& c) {
    for (; c.n_collected < c.posted.size(); ++c.n_collected) {
      const Posted& receive = *c.posted[c.n_collected];
      if (receive.is_pending()) return;
      if (receive.started == WsaError::kOk || receive.started == WsaError::kIoPending) {
        if (receive.error() == WsaError::kOk) take_at_app(c, receive.bytes());
      }
    }
  }

  void act(Connection& c) {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
        return send_from_peer(c);
      case 3: {
        const Received received = c.app->receive(random_.below(4000));
        if (received.error == WsaError::kOk) take_at_app(c, received.bytes);
        return;
      }
      case 4:
      case 5: {
        std::vector<size_t> rooms;
        for (size_t i = 1 + random_.below(5); i != 0; --i) rooms.push_back(random_.below(900));
        c.posted.push_back(&c.app->post_receive(rooms));
        return;
      }
      case 6: {
        const size_t n = random_.below(5000);
        const Outcome outcome = c.app->send(pattern(n, c.app_sent));
        if (outcome.error == WsaError::kOk) c.app_sent += outcome.bytes;
        return;
      }
      case 7:
      case 8:
      case 9:
        return take_at_peer(c);
      case 10:
        return end(c);
      default:
        return datagrams();
    }
  }

  // Rarely, and each in its own way.
  void end(Connection& c) {
    switch (random_.below(20)) {
      case 0:
        return close_from_peer(c);
      case 1:
        c.flow->send(tcp().rst().seq(c.peer_acked));
        return;
      case 2:
        (void)c.app->shutdown(SD_SEND);
        return;
      case 3:
      case 4:
        if (random_.chance(30)) c.app->options().linger = true;
        c = Connection{};
        return;
      default:
        return;
    }
  }

  void datagrams() {
    const size_t n = random_.below(3000);
    const Frame datagram = udp_frame(4, 6000, kUdpPort, pattern(n, n));
    for (const Frame& part : fragments_of(datagram, 1400, next_port_++)) {
      if (random_.chance(95)) peer().send(part);
    }
    run();
    const Received received = udp_->receive();
    if (received.error == WsaError::kOk) {
      ASSERT_TRUE(same(received.bytes, pattern(received.bytes.size(), received.bytes.size())));
      (void)udp_->send(received.bytes, received.from);
    }
  }

  Random random_;
  std::array<std::unique_ptr<App>, 2> listeners_;
  std::unique_ptr<App> udp_;
  std::array<Connection, kConnections> connections_;
  uint16_t next_port_ = 10'000;
};

TEST_P(Soak, RandomOperationsLoseAndChangeNothing) {
  for (int i = 0; i < kOperations && !HasFailure(); ++i) {
    Connection& c = connections_[random_.below(kConnections)];
    peer().filter = nullptr;  // a handshake is not what this is about
    if (c.app == nullptr) open(c);
    ASSERT_NE(c.app, nullptr);
    peer().filter = [this](const Frame&) { return random_.chance(5); };
    act(c);
    run();
    if (random_.chance(10)) advance(random_.below(500));
    for (Connection& each : connections_) collect(each);
    if (i % 100 == 0) peer().forget();
  }
}

INSTANTIATE_TEST_SUITE_P(Seed, Soak, testing::Range(1, 9));

}  // namespace
}  // namespace millrace::test
