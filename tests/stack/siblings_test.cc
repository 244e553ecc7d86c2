// SPDX-License-Identifier: BSD-3-Clause
// Several Stacks on one queue of one port: each frame finds its own, whoever received it. The peer
// sends, one of the Stacks receives the burst, and the socket may live on any of them.
#include "stack/siblings.h"

#include <rte_byteorder.h>
#include <rte_thash.h>

#include <array>
#include <memory>
#include <vector>

#include "tests/support/app.h"
#include "tests/support/flow.h"

namespace millrace::test {
namespace {

constexpr uint32_t kStacks = 3;
constexpr uint16_t kPeerPort = 40'000, kStackPort = 7000;

class Siblings_Test : public FamilyTest {
 protected:
  void SetUp() override {
    config.stack.stacks = kStacks;
    config.tcp.time_wait_ms = 2000;
    start();
  }
  const Steering& steering() { return *stack().siblings().steering(); }
  uint32_t owner_of(uint16_t peer_port, uint16_t stack_port) {
    return steering().hashed_owner({at_stack(stack_port), at_peer(peer_port)});
  }
  std::unique_ptr<App> bound(uint32_t on, Transport transport, uint16_t port = kStackPort) {
    auto app = std::make_unique<App>(*this, transport, family(), on);
    EXPECT_EQ(app->bind(at_stack(port)), WsaError::kOk);
    return app;
  }
  void send_udp(const Bytes& payload, uint16_t to_port = kStackPort) {
    peer().send(udp_frame(family(), kPeerPort, to_port, payload));
    run();
  }
};
MILLRACE_BOTH_FAMILIES(Siblings_Test);

// DPDK's own slow hash over the tuple in the order of Microsoft's RSS.
TEST_P(Siblings_Test, AConnectionIsWhereRssWouldPutIt) {
  const size_t n = family() == 4 ? 4 : 16;
  std::array<uint32_t, kStacks> found{};
  for (uint16_t port = 1; port < 2000; ++port) {
    const FourTuple tuple{at_stack(80), at_peer(port)};
    Bytes bytes(tuple.peer.address.bytes.begin(), tuple.peer.address.bytes.begin() + n);
    bytes.insert(bytes.end(), tuple.local.address.bytes.begin(),
                 tuple.local.address.bytes.begin() + n);
    for (const uint16_t p : {port, uint16_t{80}}) {
      bytes.push_back(static_cast<uint8_t>(p >> 8));
      bytes.push_back(static_cast<uint8_t>(p));
    }
    std::vector<uint32_t> words(bytes.size() / 4);
    for (size_t i = 0; i < words.size(); ++i) {
      words[i] = uint32_t{bytes[4 * i]} << 24 | uint32_t{bytes[4 * i + 1]} << 16 |
                 uint32_t{bytes[4 * i + 2]} << 8 | bytes[4 * i + 3];
    }
    const uint32_t hash = rte_softrss(words.data(), static_cast<uint32_t>(words.size()),
                                      steering().key().data());
    const uint32_t owner = hash % 128 % kStacks;
    ASSERT_EQ(steering().hashed_owner(tuple), owner) << port;
    ++found[owner];
  }
  for (const uint32_t n_found : found) EXPECT_GT(n_found, 400u) << "spread badly";
}

TEST_P(Siblings_Test, ADatagramReachesItsSocketOnEachStack) {
  for (uint32_t on = 0; on < kStacks; ++on) {
    const auto app = bound(on, Transport::kUdp);
    send_udp(bytes_of("hello"));
    EXPECT_EQ(app->text(), "hello") << "on Stack " << on;
    EXPECT_EQ(app->send(bytes_of("back"), at_peer(kPeerPort)).error, WsaError::kOk);
    run();
    const auto reply = peer().next();
    ASSERT_TRUE(reply.has_value());
    EXPECT_EQ(reply->frame.udp->payload, bytes_of("back"));
  }
  EXPECT_GT(all_counters().rx_handed_over, 0u);
}

// Fragments have no ports: whoever receives them puts them together and hands the whole over.
TEST_P(Siblings_Test, ADatagramInFragmentsReachesItsSocketOnEachStack) {
  Bytes payload(4000);
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<uint8_t>(i * 7);
  for (uint32_t on = 0; on < kStacks; ++on) {
    const auto app = bound(on, Transport::kUdp);
    for (const Frame& fragment :
         fragments_of(udp_frame(family(), kPeerPort, kStackPort, payload), 1000)) {
      peer().send(fragment);
    }
    run();
    const Received got = app->receive();
    EXPECT_EQ(got.error, WsaError::kOk);
    EXPECT_TRUE(same(got.bytes, payload)) << "on Stack " << on;
    EXPECT_EQ(got.from, at_peer(kPeerPort));
  }
}

// Two Stacks that take turns at one queue must not each keep half of a datagram.
TEST_P(Siblings_Test, FragmentsThatDifferentStacksReceiveComeTogether) {
  const auto app = bound(2, Transport::kUdp);
  const Bytes payload(4000, 'x');
  uint32_t receiver = 0;
  for (const Frame& fragment :
       fragments_of(udp_frame(family(), kPeerPort, kStackPort, payload), 1000)) {
    peer().send(fragment);
    Stack& next = stack(receiver++ % kStacks);
    const Stack::Guard guard(next);
    (void)next.spin();
  }
  run();
  EXPECT_EQ(app->receive().bytes.size(), payload.size());
}

TEST_P(Siblings_Test, TheSocketWithTheAddressIsPreferredToTheWildcard) {
  const auto wildcard = std::make_unique<App>(*this, Transport::kUdp, family(), 0);
  ASSERT_EQ(wildcard->bind(kStackPort), WsaError::kOk);
  const auto exact = bound(2, Transport::kUdp);
  send_udp(bytes_of("to the address"));
  EXPECT_EQ(exact->text(), "to the address");
  EXPECT_EQ(wildcard->receive().error, WsaError::kWouldBlock);
}

// The peer's answer to each has to come to the Stack that asked.
TEST_P(Siblings_Test, AConnectionIsMadeFromAPortThatBringsTheAnswersBack) {
  for (uint32_t on = 0; on < kStacks; ++on) {
    App app(*this, Transport::kTcp, family(), on);
    EXPECT_EQ(app.connect(at_peer(80)), WsaError::kWouldBlock);
    run();
    Flow flow(*this, family(), 80, app.socket().local().port);
    EXPECT_EQ(owner_of(80, app.socket().local().port), on);
    flow.accept();
    flow.stream(bytes_of("welcome"));
    EXPECT_EQ(app.text(), "welcome");
  }
}

// A port of the caller's choice hashes to one Stack; from the two others it has to be pinned.
TEST_P(Siblings_Test, AConnectionFromAChosenPortStaysWithItsSocket) {
  for (uint32_t on = 0; on < kStacks; ++on) {
    const auto port = static_cast<uint16_t>(kStackPort + on);
    const auto app = bound(on, Transport::kTcp, port);
    EXPECT_EQ(app->connect(at_peer(80)), WsaError::kWouldBlock);
    run();
    Flow flow(*this, family(), 80, port);
    flow.accept();
    flow.stream(bytes_of("welcome"));
    EXPECT_EQ(app->text(), "welcome") << "on Stack " << on;
  }
}

// The last ACK of a connection that we closed first is answered by whoever has it in TIME_WAIT.
TEST_P(Siblings_Test, AChosenPortStaysPinnedThroughTimeWait) {
  const uint32_t other = (owner_of(80, kStackPort) + 1) % kStacks;
  Flow flow(*this, family(), 80, kStackPort);
  {
    const auto app = bound(other, Transport::kTcp);
    EXPECT_EQ(app->connect(at_peer(80)), WsaError::kWouldBlock);
    run();
    flow.accept();
  }
  run();
  flow.expect(tcp().fin().seq(1).ack(1));
  flow.send(tcp().fin().seq(1).ack(2));
  flow.expect(tcp().seq(2).ack(2));
  flow.send(tcp().fin().seq(1).ack(2));  // the ACK was lost
  flow.expect(tcp().seq(2).ack(2));
  EXPECT_EQ(steering().owner_of_tcp({at_stack(kStackPort), at_peer(80)}).owner, other);
  advance(5000);
  EXPECT_EQ(steering().owner_of_tcp({at_stack(kStackPort), at_peer(80)}).owner,
            owner_of(80, kStackPort))
      << "still pinned";
}

// The neighbor's answer is for whoever asked; each Stack has a table of its own.
TEST_P(Siblings_Test, EachStackHearsItsNeighborsAnswers) {
  for (uint32_t on = 0; on < kStacks; ++on) {
    const auto app = bound(on, Transport::kUdp, static_cast<uint16_t>(kStackPort + on));
    EXPECT_EQ(app->send(bytes_of("who are you"), at_peer(9)).error, WsaError::kOk);
    run();
    EXPECT_TRUE(peer().next().has_value()) << "on Stack " << on;
  }
}

TEST_P(Siblings_Test, AnIcmpErrorReachesTheSocketThatItIsAbout) {
  for (uint32_t on = 0; on < kStacks; ++on) {
    const auto app = bound(on, Transport::kUdp);
    EXPECT_EQ(app->send(bytes_of("anybody?"), at_peer(9)).error, WsaError::kOk);
    run();
    const auto sent = peer().next();
    ASSERT_TRUE(sent.has_value());
    peer().send(icmp_error(Icmps::kPortUnreachable, sent->frame));
    run();
    EXPECT_EQ(app->receive().error, WsaError::kConnReset) << "on Stack " << on;
  }
}

TEST_P(Siblings_Test, DatagramsToOurselvesCrossFromStackToStack) {
  const auto receiver = bound(0, Transport::kUdp);
  for (uint32_t on = 0; on < kStacks; ++on) {
    App sender(*this, Transport::kUdp, family(), on);
    EXPECT_EQ(sender.send(Bytes(3000, 'x'), at_stack(kStackPort)).error, WsaError::kOk);
    EXPECT_EQ(sender.send(bytes_of("short"), at_stack(kStackPort)).error, WsaError::kOk);
    run();
    EXPECT_EQ(receiver->receive().bytes.size(), 3000u) << "from Stack " << on;
    EXPECT_EQ(receiver->receive().bytes.size(), 5u);
  }
}

TEST_P(Siblings_Test, APortIsInUseOnAllStacks) {
  const auto first = bound(0, Transport::kUdp);
  App second(*this, Transport::kUdp, family(), 1);
  EXPECT_EQ(second.bind(at_stack(kStackPort)), WsaError::kAddrInUse);
  EXPECT_EQ(first->close(), WsaError::kOk);
  EXPECT_EQ(second.bind(at_stack(kStackPort)), WsaError::kOk);
}

TEST_P(Siblings_Test, SocketsOfAllStacksTogetherAreCapped) {
  config.stack.max_process_sockets = 4;
  stop();
  start();
  std::vector<std::unique_ptr<App>> apps;
  for (uint32_t i = 0; i < 4; ++i) {
    apps.push_back(std::make_unique<App>(*this, Transport::kUdp, family(), i % kStacks));
  }
  for (uint32_t on = 0; on < kStacks; ++on) {
    EXPECT_EQ(stack(on).open(Transport::kTcp, family()), nullptr) << "on Stack " << on;
  }
  apps.pop_back();
  const App again(*this, Transport::kTcp, family(), 2);
  EXPECT_EQ(stack(1).open(Transport::kUdp, family()), nullptr);
}

// One mbuf often enough fills the ring; then the next frame has no room, and its drop is counted.
TEST_P(Siblings_Test, AFrameForAStackWhoseRingIsFullIsDroppedAndCounted) {
  constexpr uint16_t kRingEntries = 4095;
  const auto app = bound(2, Transport::kUdp);
  auto& there = *const_cast<Steering*>(&steering());
  MbufPtr filler = std::move(exhaust_pool(0).front());
  rte_mbuf_refcnt_update(filler.get(), kRingEntries + 1);
  stack(2).lock().lock();  // it does not take them meanwhile
  for (int i = 0; i < kRingEntries; ++i) ASSERT_TRUE(there.hand_over(2, filler.get())) << i;
  EXPECT_FALSE(there.hand_over(2, filler.get()));
  rte_mbuf_refcnt_update(filler.get(), -1);  // what it did not take is ours
  peer().send(udp_frame(family(), kPeerPort, kStackPort, bytes_of("no room")));
  {
    const Stack::Guard guard(stack(0));
    (void)stack(0).spin();
  }
  EXPECT_EQ(all_counters().rx_handover_dropped, 1u);
  std::array<rte_mbuf*, 32> out;
  while (const uint16_t n = there.take_over(2, out)) {
    for (uint16_t i = 0; i < n; ++i) rte_pktmbuf_free(out[i]);
  }
  stack(2).lock().unlock();
  send_udp(bytes_of("room again"));
  EXPECT_EQ(app->text(), "room again");
}

}  // namespace
}  // namespace millrace::test
