// SPDX-License-Identifier: BSD-3-Clause
// SYNs that nobody means, and the connections of those who mean theirs meanwhile.
#include "stack/syn_cookies.h"
#include "stack/syn_queue.h"

#include "tests/support/connected_test.h"

namespace millrace::test {
namespace {

constexpr uint32_t kMostHalfOpen = 254;

class Syn_Flood : public ConnectedTest {
 protected:
  /// n SYNs of as many ports, none of which is ever heard of again.
  void flood(uint16_t n) {
    for (uint16_t i = 0; i < n; ++i) {
      Flow attacker(*this, family(), static_cast<uint16_t>(10'000 + i), 80);
      attacker.send(tcp().syn().seq(i).mss(1460));
      run();
      peer().forget();
    }
  }
  void send_syn(uint16_t i) {
    Flow attacker(*this, family(), static_cast<uint16_t>(20'000 + i), 80);
    attacker.send(tcp().syn().seq(i).mss(1460));
  }
  void turn() {
    const Stack::Guard guard(stack());
    (void)stack().turn();
  }
  void expect_served(Flow& customer) {
    run();
    const auto served = listener->accept();
    ASSERT_NE(served, nullptr);
    customer.send(tcp().ack().data("hello"));
    run();
    EXPECT_EQ(served->text(), "hello");
    ASSERT_EQ(served->send("welcome").error, WsaError::kOk);
    customer.expect(tcp().seq(1).ack().data("welcome"));
    customer.send(tcp().ack());
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Syn_Flood);

TEST_P(Syn_Flood, LeavesRoomForOneWhoMeansIt) {
  flood(5000);
  EXPECT_EQ(counters().tx_syn_cookies, 5000u - kMostHalfOpen);
  Flow customer(*this, family(), 50'000, 80);
  customer.connect();
  expect_served(customer);
  EXPECT_EQ(counters().rx_syn_cookies, 1u);
  flow->send(tcp().ack().data("alive"));
  run();
  EXPECT_EQ(app->text(5), "alive");
}

TEST_P(Syn_Flood, HundredsComeInByTheirCookies) {
  flood(300);
  for (uint16_t i = 0; i < 600; ++i) {
    Flow customer(*this, family(), static_cast<uint16_t>(20'000 + i), 80);
    customer.connect();
    expect_served(customer);
    peer().forget();
  }
  EXPECT_EQ(counters().rx_syn_cookies, 600u);
  EXPECT_EQ(counters().connections_refused, 0u);
}

TEST_P(Syn_Flood, ACookieRemembersMssAndWindowScale) {
  flood(300);
  Flow customer(*this, family(), 50'000, 80);
  customer.window = 25;  // scaled: 3200 bytes
  customer.connect(1400, 7);
  run();
  const auto served = listener->accept();
  ASSERT_NE(served, nullptr);
  ASSERT_EQ(served->send(pattern(8000)).error, WsaError::kOk);
  for (int i = 0; i < 2; ++i) {
    const auto segment = customer.next();
    ASSERT_TRUE(segment);
    EXPECT_EQ(segment->payload.size(), 1400u);
  }
  customer.expect_nothing();
}

TEST_P(Syn_Flood, TheAnswerOffersWhatTheSynOffered) {
  flood(300);
  Flow plain(*this, family(), 50'000, 80);
  plain.send(tcp().syn().seq(0));
  const auto answer = plain.next();
  ASSERT_TRUE(answer);
  EXPECT_FALSE(answer->window_scale);
  EXPECT_FALSE(answer->sack_permitted);
  Flow modern(*this, family(), 50'001, 80);
  modern.send(tcp().syn().seq(0).mss(1460).window_scale(2).sack_permitted());
  const auto more = modern.next();
  ASSERT_TRUE(more);
  EXPECT_EQ(more->window_scale, 7);
  EXPECT_TRUE(more->sack_permitted);
  EXPECT_EQ(more->mss, family() == 4 ? 1460 : 1440);
}

TEST_P(Syn_Flood, DataInTheAckThatBringsACookieIsDelivered) {
  flood(300);
  Flow customer(*this, family(), 50'000, 80);
  customer.send(tcp().syn().seq(0).mss(1460));
  customer.expect(tcp().syn().seq(0).ack(1));
  customer.send(tcp().ack().data("at once"));
  run();
  const auto served = listener->accept();
  ASSERT_NE(served, nullptr);
  EXPECT_EQ(served->text(), "at once");
  customer.send(tcp().rst());
}

TEST_P(Syn_Flood, AnAckThatBringsNoCookieIsReset) {
  flood(300);
  Flow thief(*this, family(), 50'000, 80);
  thief.send(tcp().syn().seq(0).mss(1460));
  thief.expect(tcp().syn().seq(0).ack(1));
  for (const uint32_t guess : {1u + 0x100u, 1u + 0x1000u, 1u + 0x80000000u}) {
    thief.send(tcp().seq(1).ack(guess));
    thief.expect(tcp().rst().seq(guess).ack());
  }
  thief.send(tcp().seq(2).ack(1));  // another first number of the peer's
  thief.expect(tcp().rst().seq(1).ack());
  EXPECT_EQ(counters().rx_bad_syn_cookie, 4u);
  EXPECT_EQ(listener->accept_error(), WsaError::kWouldBlock);
}

TEST_P(Syn_Flood, ACookieIsGoodForAMinuteAndForTwoAtMost) {
  flood(300);
  for (const auto& [wait_ms, is_good] : {std::pair{60'000u, true}, std::pair{129'000u, false}}) {
    Flow customer(*this, family(), static_cast<uint16_t>(50'000 + is_good), 80);
    customer.send(tcp().syn().seq(0).mss(1460));
    customer.expect(tcp().syn().seq(0).ack(1));
    advance(wait_ms);
    if (is_good) flood(300);  // the half-open have left
    peer().forget();
    customer.send(tcp().ack());
    run();
    EXPECT_EQ(counters().rx_syn_cookies, 1u);
    if (is_good) expect_served(customer);
  }
}

TEST_P(Syn_Flood, WithoutCookiesOutAnAckForAListenerIsReset) {
  Flow stray(*this, family(), 50'000, 80);
  stray.send(tcp().seq(1).ack(1));
  stray.expect(tcp().rst().seq(1).ack());
  EXPECT_EQ(counters().rx_bad_syn_cookie, 0u);
}

TEST_P(Syn_Flood, ALostPoolDelaysTheConnectionThatACookieBrings) {
  flood(300);
  Flow customer(*this, family(), 50'000, 80);
  customer.send(tcp().syn().seq(0).mss(1460));
  customer.expect(tcp().syn().seq(0).ack(1));
  auto taken = exhaust_pool();
  customer.send(tcp().ack().data("again"));
  run();
  EXPECT_EQ(listener->accept_error(), WsaError::kWouldBlock);
  taken.clear();
  customer.send(tcp().seq(1).ack().data("again"));
  run();
  const auto served = listener->accept();
  ASSERT_NE(served, nullptr);
  EXPECT_EQ(served->text(), "again");
}

TEST_P(Syn_Flood, WhoIsConnectedDoesNotWaitForSynsBeforeHisData) {
  flood(300);
  for (uint16_t i = 0; i < 10; ++i) send_syn(i);
  flow->send(tcp().ack().data("first"));
  turn();
  EXPECT_EQ(app->text(5), "first");
  const uint64_t n_before = counters().tx_syn_cookies;
  for (uint64_t i = 1; i <= 10; ++i) {  // one a turn, when nothing else comes
    turn();
    EXPECT_EQ(counters().tx_syn_cookies, n_before + i);
  }
}

TEST_P(Syn_Flood, ManySynsAreNotPutOffForever) {
  flood(300);
  for (uint16_t i = 0; i < 20; ++i) send_syn(i);
  const uint64_t n_before = counters().tx_syn_cookies;
  for (int i = 0; i < 20; ++i) {
    flow->send(tcp().ack().data("x"));
    turn();
  }
  EXPECT_EQ(counters().tx_syn_cookies, n_before + 20 - SynQueue::kFew);
}

TEST_P(Syn_Flood, SynsBeyondAThousandAreDroppedAndCounted) {
  flood(300);
  for (uint16_t i = 0; i < 1200; ++i) {
    send_syn(i);
    if (i % 32 == 31) turn();
  }
  run();
  EXPECT_GT(counters().rx_syn_dropped, 0u);
}

TEST_P(Syn_Flood, EveryOfferComesBackFromItsNumber) {
  ip_addr_t here = IPADDR4_INIT_BYTES(10, 0, 0, 2), there = IPADDR4_INIT_BYTES(10, 0, 0, 1);
  const TcpTuple connection{here, 80, there, 40'000}, other{here, 80, there, 40'001};
  size_t n_by_chance = 0;
  for (const int mss : {216, 536, 1220, 1360, 1400, 1440, 1460, 8940}) {
    for (uint8_t scale = 0; scale <= SynOffer::kNoScale; ++scale) {
      for (const bool sack : {false, true}) {
        const SynOffer offer{static_cast<uint16_t>(mss), scale, sack};
        const uint32_t cookie = SynCookies::number(connection, 77, offer, 5);
        EXPECT_EQ(SynCookies::offer_in(cookie, connection, 77, 5), offer);
        n_by_chance += SynCookies::offer_in(cookie, other, 77, 5).has_value();
        n_by_chance += SynCookies::offer_in(cookie, connection, 78, 5).has_value();
        n_by_chance += SynCookies::offer_in(cookie, connection, 77, 6).has_value();
      }
    }
  }
  EXPECT_LE(n_by_chance, 1u);  // one in 16 million each
}

// ---- the other queue: open, and not accepted yet ----

class Syn_Backlog : public Syn_Flood {
 protected:
  /// With this configuration and this argument of listen() so many connections wait, and no more.
  void expect_waiting(uint32_t configured, int backlog, uint32_t n) {
    app.reset();
    listener.reset();
    run();
    peer().forget();
    disband();
    stop();
    config.tcp.listen_backlog = configured;
    start();
    listener = std::make_unique<App>(*this, Transport::kTcp, family());
    ASSERT_EQ(listener->bind(80), WsaError::kOk);
    ASSERT_EQ(listener->listen(backlog), WsaError::kOk);
    for (uint32_t i = 0; i < n; ++i) {
      Flow customer(*this, family(), static_cast<uint16_t>(20'000 + i), 80);
      customer.connect();
      run();
    }
    EXPECT_EQ(counters().connections_accepted, n);
    Flow late(*this, family(), 30'000, 80);
    late.connect();
    late.expect(tcp().rst().seq(1).ack());
    EXPECT_EQ(counters().connections_refused, 1u);
    for (uint32_t i = 0; i < n; ++i) ASSERT_NE(listener->accept(), nullptr);
  }
};
MILLRACE_BOTH_FAMILIES(Syn_Backlog);

TEST_P(Syn_Backlog, ItMayBeLongerThanAByteCounts) { expect_waiting(600, 0x7fffffff, 600); }

TEST_P(Syn_Backlog, SomaxconnHintIsBoundedByWhatWindowsDoesAlone) { expect_waiting(7, -300, 300); }

TEST_P(Syn_Backlog, SomaxconnHintIsAtLeast200) { expect_waiting(7, -1, 200); }

}  // namespace
}  // namespace millrace::test
