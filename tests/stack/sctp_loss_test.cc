// SPDX-License-Identifier: BSD-3-Clause
// Both ends of an SCTP association in one Stack, with a wire between them that loses, reorders and doubles:
// the peer sends each packet back under other addresses, which SCTP's checksum does not cover.
//
//   client 10.0.0.2 -> 10.0.0.1:5000    comes back as    10.0.0.3 -> 10.0.0.2:5000 server
//   server 10.0.0.2 -> 10.0.0.3         comes back as    10.0.0.1:5000 -> 10.0.0.2 client
#include <random>

#include "tests/support/sctp_test.h"

namespace millrace::test {
namespace {

class SctpLoss : public SctpFixture {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    peer().filter = [this](const Frame& frame) { return relay(frame); };
    listen();
    client = sctp_app();
    ASSERT_EQ(client->connect(at_peer(kSctpPort)), WsaError::kWouldBlock);
    for (int i = 0; i < 1000 && !client->socket().is_connected(); ++i) advance(10);
    ASSERT_TRUE(client->socket().is_connected());
    server = listener->accept();
    ASSERT_NE(server, nullptr);
  }
  void TearDown() override {
    client.reset();
    server.reset();
    advance(5000);
    peer().filter = nullptr;
    listener.reset();
    FamilyTest::TearDown();
  }

  bool relay(const Frame& frame) {
    if (!frame.ip || frame.ip->protocol != kSctp) return false;
    if (chance(loss_percent)) {
      ++n_lost;
      return true;
    }
    Frame back = ip_frame(family(), from_client(frame) ? Host::kStranger : Host::kPeer);
    back.ip->protocol = kSctp;
    back.payload = frame.payload;
    if (chance(reorder_percent) && !held) {
      held = std::move(back);
      return true;
    }
    peer().send(back);
    if (chance(double_percent)) peer().send(back);
    if (held) peer().send(*std::exchange(held, std::nullopt));
    return true;
  }
  bool from_client(const Frame& frame) const { return frame.ip->target == address_of(Host::kPeer, family()); }
  bool chance(uint32_t percent) { return random() % 100 < percent; }

  /// Messages of many lengths from one to the other, each compared.
  void transfer(App& from, App& to, int n) {
    for (int i = 0; i < n; ++i) {
      const size_t bytes = random() % 30000 + 1;
      Posted& receive = to.post_receive(30000);
      const Posted& sent = from.post_send(pattern(bytes, static_cast<size_t>(i)));
      for (int step = 0; step < 10000 && receive.is_pending(); ++step) advance(10);
      ASSERT_FALSE(receive.is_pending()) << "message " << i;
      ASSERT_FALSE(sent.is_pending());
      ASSERT_TRUE(same(receive.bytes(), pattern(bytes, static_cast<size_t>(i)))) << "message " << i;
    }
  }

  std::mt19937 random{20261126};
  uint32_t loss_percent = 0, reorder_percent = 0, double_percent = 0;
  uint32_t n_lost = 0;
  std::optional<Frame> held;
  std::unique_ptr<App> client, server;
};
MILLRACE_BOTH_FAMILIES(SctpLoss);

TEST_P(SctpLoss, NothingIsLostOfMessagesWhenPacketsAre) {
  loss_percent = 1;
  transfer(*client, *server, 100);
  transfer(*server, *client, 100);
  EXPECT_GT(n_lost, 10u);
}

TEST_P(SctpLoss, PacketsOutOfOrderAndDoubledChangeNothing) {
  reorder_percent = double_percent = 10;
  transfer(*client, *server, 60);
}

TEST_P(SctpLoss, ALongMessageArrivesThroughLoss) {
  loss_percent = 1;
  constexpr size_t kBytes = 2'000'000;
  Posted& receive = server->post_receive(kBytes);
  (void)client->post_send(pattern(kBytes));
  for (int step = 0; step < 60000 && receive.is_pending(); ++step) advance(10);
  ASSERT_FALSE(receive.is_pending());
  EXPECT_TRUE(same(receive.bytes(), pattern(kBytes)));
}

}  // namespace
}  // namespace millrace::test
