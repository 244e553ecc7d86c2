// SPDX-License-Identifier: BSD-3-Clause
// Who waits for a change of addresses or routes hears of it: by leases that come and go, and by
// links.
#include "tests/support/app.h"
#include "tests/support/stack_test.h"

namespace millrace::test {
namespace {

IpAddress ip(const char* text) { return *parse_address(text); }

/// With one Stack and with four; sockets are on the last of them.
class ChangesTest : public StackTest, public testing::WithParamInterface<uint32_t> {
 protected:
  void SetUp() override {
    config.ports.front().addresses = {OwnAddress::dhcp(), *parse_prefix("fd00::2/64")};
    config.stack.stacks = GetParam();
    start();
  }
  std::unique_ptr<App> datagram(uint8_t family) {
    return std::make_unique<App>(*this, Transport::kUdp, family, GetParam() - 1);
  }
  /// As if a DHCP server had given it, or had let it end.
  void lease(std::optional<Lease> lease) {
    stack().siblings().leases.note(1, lease);
    advance(20);
  }
  void lease(const char* prefix) { lease(Lease{*parse_prefix(prefix), ip("10.0.0.1")}); }
  /// A call that does not wait. @return what it said
  WsaError ask(App& app, uint32_t event, const IpAddress& to = {}) {
    const Stack::Guard guard(app.socket().stack());
    return app.socket().await_change({}, event, to).error;
  }
  void select(App& app, uint32_t mask, Posted& event) {
    const Stack::Guard guard(app.socket().stack());
    app.socket().select_events({.mask = mask, .event = &event});
  }
  uint32_t taken(App& app) {
    const Stack::Guard guard(app.socket().stack());
    std::array<INT, FD_MAX_EVENTS> errors;
    return app.socket().take_events(errors);
  }
};

class Winsock_R177_Wire : public ChangesTest {};
INSTANTIATE_TEST_SUITE_P(Stacks, Winsock_R177_Wire, testing::Values(1u, 4u), [](const auto& test) {
  return std::to_string(test.param) + (test.param == 1 ? "Stack" : "Stacks");
});

TEST_P(Winsock_R177_Wire, ALeaseGainedOrLostChangesTheListOfItsFamily) {
  const auto four = datagram(4), six = datagram(6), both = datagram(6);
  both->options().dual_mode = true;
  Posted& other = six->post_change(FD_ADDRESS_LIST_CHANGE);
  for (const bool is_gained : {true, false}) {
    Posted& pending = four->post_change(FD_ADDRESS_LIST_CHANGE);
    Posted& pending_both = both->post_change(FD_ADDRESS_LIST_CHANGE);
    EXPECT_TRUE(pending.is_pending());
    is_gained ? lease("10.0.0.42/24") : lease(std::nullopt);
    ASSERT_FALSE(pending.is_pending()) << is_gained;
    EXPECT_EQ(pending.error(), WsaError::kOk);
    EXPECT_FALSE(pending_both.is_pending());
  }
  EXPECT_TRUE(other.is_pending()) << "no address of IPv6 has changed";
}

TEST_P(Winsock_R177_Wire, EachNoticeIsForOneChange) {
  const auto app = datagram(4);
  Posted& first = app->post_change(FD_ADDRESS_LIST_CHANGE);
  Posted& second = app->post_change(FD_ADDRESS_LIST_CHANGE);
  lease("10.0.0.42/24");
  EXPECT_FALSE(first.is_pending());
  EXPECT_FALSE(second.is_pending());
  lease("10.0.0.43/24");
  Posted& third = app->post_change(FD_ADDRESS_LIST_CHANGE);
  lease("10.0.0.43/24");
  EXPECT_TRUE(third.is_pending()) << "the same lease again is no change";
  lease("10.0.0.44/24");
  EXPECT_FALSE(third.is_pending());
}

TEST_P(Winsock_R177_Wire, ARouteIsWatchedByItsDestination) {
  const auto four = datagram(4), six = datagram(6);
  Posted& far = four->post_change(FD_ROUTING_INTERFACE_CHANGE, ip("192.0.2.1"));
  Posted& here = four->post_change(FD_ROUTING_INTERFACE_CHANGE, ip("127.0.0.1"));
  Posted& other = six->post_change(FD_ROUTING_INTERFACE_CHANGE, ip("fd00::77"));
  lease("10.0.0.42/24");
  EXPECT_FALSE(far.is_pending());
  EXPECT_EQ(far.error(), WsaError::kOk);
  EXPECT_TRUE(here.is_pending());
  EXPECT_TRUE(other.is_pending());
  Posted& again = four->post_change(FD_ROUTING_INTERFACE_CHANGE, ip("192.0.2.1"));
  lease(std::nullopt);
  EXPECT_FALSE(again.is_pending());
}

TEST_P(Winsock_R177_Wire, ALinkThatGoesTakesItsRoutes) {
  lease("10.0.0.42/24");
  const auto app = datagram(4);
  for (const bool is_up : {false, true}) {
    Posted& pending = app->post_change(FD_ROUTING_INTERFACE_CHANGE, ip("192.0.2.1"));
    Posted& list = app->post_change(FD_ADDRESS_LIST_CHANGE);
    advance(2000);
    EXPECT_TRUE(pending.is_pending());
    set_link(is_up);
    advance(2000);
    EXPECT_FALSE(pending.is_pending()) << is_up;
    EXPECT_TRUE(list.is_pending()) << "the address is still ours";
  }
}

TEST_P(Winsock_R177_Wire, WhoCannotWaitIsToldByANetworkEvent) {
  const auto app = datagram(4);
  Posted event({});
  event.started = WsaError::kOk;  // it is signalled once in the end
  select(*app, FD_ADDRESS_LIST_CHANGE | FD_ROUTING_INTERFACE_CHANGE, event);
  lease("10.0.0.42/24");
  EXPECT_EQ(taken(*app), 0u) << "nobody asked";
  EXPECT_EQ(ask(*app, FD_ADDRESS_LIST_CHANGE), WsaError::kWouldBlock);
  EXPECT_EQ(taken(*app), 0u);
  lease("10.0.0.43/24");
  EXPECT_EQ(taken(*app), uint32_t{FD_ADDRESS_LIST_CHANGE});
  EXPECT_EQ(event.n_signals, 1);
  lease("10.0.0.44/24");
  EXPECT_EQ(taken(*app), 0u) << "asking again re-enables it";
  EXPECT_EQ(ask(*app, FD_ADDRESS_LIST_CHANGE), WsaError::kWouldBlock);
  EXPECT_EQ(ask(*app, FD_ROUTING_INTERFACE_CHANGE, ip("192.0.2.1")), WsaError::kWouldBlock);
  lease(std::nullopt);
  EXPECT_EQ(taken(*app), uint32_t{FD_ADDRESS_LIST_CHANGE | FD_ROUTING_INTERFACE_CHANGE});
  event.n_signals = 1;
}

TEST_P(Winsock_R177_Wire, WhatHappenedBeforeItWasSelectedIsTold) {
  const auto app = datagram(4);
  EXPECT_EQ(ask(*app, FD_ADDRESS_LIST_CHANGE), WsaError::kWouldBlock);
  lease("10.0.0.42/24");
  Posted event({});
  event.started = WsaError::kOk;
  select(*app, FD_ADDRESS_LIST_CHANGE, event);
  EXPECT_EQ(taken(*app), uint32_t{FD_ADDRESS_LIST_CHANGE});
}

TEST_P(Winsock_R177_Wire, WhatWasCancelledIsForgotten) {
  const auto app = datagram(4);
  Posted& cancelled = app->post_change(FD_ADDRESS_LIST_CHANGE);
  Posted& kept = app->post_change(FD_ADDRESS_LIST_CHANGE);
  {
    const Stack::Guard guard(app->socket().stack());
    EXPECT_EQ(app->socket().cancel({.overlapped = &cancelled.overlapped}), 1u);
  }
  EXPECT_EQ(cancelled.error(), WsaError::kOperationAborted);
  lease("10.0.0.42/24");
  EXPECT_EQ(cancelled.error(), WsaError::kOperationAborted);
  EXPECT_EQ(kept.error(), WsaError::kOk);
}

}  // namespace
}  // namespace millrace::test
