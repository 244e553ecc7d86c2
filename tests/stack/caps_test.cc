// SPDX-License-Identifier: BSD-3-Clause
// At a cap the newest one is refused, and all the others go on.
#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

class Caps : public ConnectedTest {
 protected:
  void expect_alive() {
    flow->send(tcp().ack().data("alive"));
    run();
    EXPECT_EQ(app->text(5), "alive");
    ASSERT_EQ(app->send("yes").error, WsaError::kOk);
    flow->expect(tcp().ack().data("yes"));
    flow->send(tcp().ack());
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Caps);

TEST_P(Caps, ASocketBeyondMaxSocketsIsNotMadeUntilOneIsClosed) {
  config.stack.max_sockets = 4;  // a listener, a connection, and two more
  restart();
  App first(*this, Transport::kUdp, family());
  {
    App second(*this, Transport::kTcp, family());
    EXPECT_EQ(stack().open(Transport::kTcp, family()), nullptr);
    EXPECT_EQ(stack().open(Transport::kUdp, family()), nullptr);
    expect_alive();
  }
  App third(*this, Transport::kTcp, family());
  expect_alive();
}

TEST_P(Caps, AConnectionBeyondMaxSocketsIsReset) {
  config.stack.max_sockets = 3;
  restart();
  Flow second(*this, family(), 41'000, 80);
  second.connect();
  run();
  auto served = listener->accept();
  ASSERT_NE(served, nullptr);
  Flow third(*this, family(), 41'001, 80);
  third.connect();
  third.expect(tcp().rst().seq(1).ack());
  EXPECT_EQ(counters().connections_refused, 1u);
  expect_alive();
  served.reset();
  run();
  peer().forget();
  Flow fourth(*this, family(), 41'002, 80);
  fourth.connect();
  run();
  EXPECT_NE(listener->accept(), nullptr);
}

// Each may have 256 KiB in flight, some 180 mbufs: 40 of them would have the whole pool.
TEST_P(Caps, PeersThatAcknowledgeNothingLeaveMbufsToTheOthers) {
  std::vector<std::unique_ptr<App>> apps;
  uint64_t taken = 0;
  for (uint16_t i = 0; i < 40; ++i) {
    Flow deaf(*this, family(), static_cast<uint16_t>(41'000 + i), 80);
    deaf.connect();
    run();
    apps.push_back(listener->accept());
    ASSERT_NE(apps.back(), nullptr);
    const Outcome sent = apps.back()->send(pattern(262'144));
    if (sent.error == WsaError::kOk) taken += sent.bytes;
    advance(20);
    peer().forget();
  }
  EXPECT_GT(taken, 10u * 262'144);
  EXPECT_LT(taken, 24u * 262'144);
  EXPECT_EQ(counters().mbuf_alloc_failed, 0u);
  expect_alive();
}

// The first fragments of datagrams that never become whole.
TEST_P(Caps, AFloodOfFragmentsHoldsABoundedPartOfThePool) {
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  for (uint32_t id = 1; id <= 6000; ++id) {
    const Frame whole = test::udp_frame(family(), 6000, 5000, pattern(64));
    peer().send(fragments_of(whole, 16, id).front());
    run();
  }
  EXPECT_EQ(counters().mbuf_alloc_failed, 0u);
  const size_t n_free = exhaust_pool().size();
  EXPECT_GT(n_free, 3000u);  // of 4095
  expect_alive();
  const Bytes message = pattern(9000);
  for (const Frame& fragment :
       fragments_of(test::udp_frame(family(), 6000, 5000, message), 1400, 99'999)) {
    peer().send(fragment);
    run();
  }
  EXPECT_TRUE(same(udp.receive().bytes, message));
}

TEST_P(Caps, ADatagramOfSixtyThousandBytesIsPutTogetherInTheMidstOfThem) {
  App udp(*this, Transport::kUdp, family());
  ASSERT_EQ(udp.bind(5000), WsaError::kOk);
  const Bytes message = pattern(60'000);
  uint32_t id = 1;
  for (const Frame& fragment :
       fragments_of(test::udp_frame(family(), 6000, 5000, message), 1400, 99'999)) {
    peer().send(fragment);
    for (int i = 0; i < 3; ++i) {
      peer().send(fragments_of(test::udp_frame(family(), 6000, 5000, pattern(64)), 16, ++id).front());
    }
    run();
  }
  EXPECT_TRUE(same(udp.receive().bytes, message));
}

}  // namespace
}  // namespace millrace::test
