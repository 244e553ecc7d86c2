// SPDX-License-Identifier: BSD-3-Clause
// Groups: what the network is told (IGMPv2, MLDv1), who hears what, and what is sent.
#include "dpdk_io/multicast_filter.h"
#include "stack/groups.h"
#include "tests/support/app.h"
#include "tests/support/stack_test.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;
constexpr uint8_t kReport = 0x16, kLeave = 0x17, kQuery = 0x11;  // RFC 2236 2.1
constexpr uint8_t kReport6 = 131, kDone6 = 132;                  // RFC 2710 3.1

IpAddress ip(const char* text) { return *parse_address(text); }

Mac mac_of(const IpAddress& group) {
  if (group.family == 6) {
    return {0x33, 0x33, group.bytes[12], group.bytes[13], group.bytes[14], group.bytes[15]};
  }
  return {1, 0, 0x5e, static_cast<uint8_t>(group.bytes[1] & 0x7f), group.bytes[2], group.bytes[3]};
}

class Multicast : public FamilyTest {
 protected:
  IpAddress group() const { return ip(family() == 4 ? "239.1.2.3" : "ff05::1:3"); }
  IpAddress other_group() const { return ip(family() == 4 ? "239.9.9.9" : "ff05::9"); }

  Frame datagram(const IpAddress& to, std::string_view text, Host from = Host::kPeer) const {
    Frame frame = udp_frame(family(), kPeerPort, kPort, bytes_of(text), from);
    frame.ip->target = to;
    frame.to = mac_of(to);
    return frame;
  }
  std::unique_ptr<App> bound(bool reuses = true) {
    auto app = std::make_unique<App>(*this, Transport::kUdp, family());
    app->options().reuse_address = reuses;
    EXPECT_EQ(app->bind(kPort), WsaError::kOk);
    return app;
  }
  WsaError change(App& app, GroupAction action, const IpAddress& to, Host source = Host::kPeer) {
    const Stack::Guard guard(stack());
    return app.socket().change_groups({action, to, address_of(source, family()), 0});
  }
  WsaError join(App& app) { return change(app, GroupAction::kJoin, group()); }

  /// The next report of the group, or farewell to it. @return its type; 0: there is none
  uint8_t next_word_about(const IpAddress& about) {
    run();
    const auto arrival = peer().next([&](const Frame& f) {
      if (!f.ip) return false;
      if (family() == 4) {
        return f.ip->protocol == kIgmp && f.payload.size() >= 8 &&
               std::equal(f.payload.begin() + 4, f.payload.begin() + 8, about.bytes.begin());
      }
      return f.icmp && (f.icmp->type == kReport6 || f.icmp->type == kDone6) &&
             f.icmp->body.size() >= 20 &&
             std::equal(about.bytes.begin(), about.bytes.end(), f.icmp->body.begin() + 4);
    });
    if (!arrival) return 0;
    EXPECT_EQ(arrival->frame.ip->ttl, 1);
    return family() == 4 ? arrival->frame.payload[0] : arrival->frame.icmp->type;
  }
  uint8_t report() const { return family() == 4 ? kReport : kReport6; }
  uint8_t leave() const { return family() == 4 ? kLeave : kDone6; }
};
MILLRACE_BOTH_FAMILIES(Multicast);

TEST_P(Multicast, JoiningTellsTheNetworkTwiceAndLeavingOnce) {
  const auto app = bound();
  peer().hides_reports = false;
  ASSERT_EQ(join(*app), WsaError::kOk);
  EXPECT_EQ(next_word_about(group()), report());
  advance(12'000);  // once more after a random time (RFC 2236 3, RFC 2710 4)
  EXPECT_EQ(next_word_about(group()), report());
  EXPECT_EQ(next_word_about(group()), 0);
  EXPECT_EQ(change(*app, GroupAction::kLeave, group()), WsaError::kOk);
  EXPECT_EQ(next_word_about(group()), leave());
}

TEST_P(Multicast, TheMembershipEndsWithTheSocket) {
  auto app = bound();
  peer().hides_reports = false;
  ASSERT_EQ(join(*app), WsaError::kOk);
  EXPECT_EQ(next_word_about(group()), report());
  app.reset();
  EXPECT_EQ(next_word_about(group()), leave());
}

TEST_P(Multicast, TheNetworkHearsOfTheLastMemberOnly) {
  auto a = bound();
  const auto b = bound();
  peer().hides_reports = false;
  ASSERT_EQ(join(*a), WsaError::kOk);
  ASSERT_EQ(join(*b), WsaError::kOk);
  EXPECT_EQ(next_word_about(group()), report());
  EXPECT_EQ(next_word_about(group()), 0);
  a.reset();
  EXPECT_EQ(next_word_about(group()), 0);
  EXPECT_EQ(change(*b, GroupAction::kLeave, group()), WsaError::kOk);
  EXPECT_EQ(next_word_about(group()), leave());
}

TEST_P(Multicast, MembersHearTheirGroupAndOthersDoNot) {
  const auto member = bound(), stranger = bound();
  ASSERT_EQ(join(*member), WsaError::kOk);
  peer().send(datagram(group(), "to the group"));
  peer().send(datagram(other_group(), "to another"));
  run();
  EXPECT_EQ(member->text(), "to the group");
  EXPECT_EQ(member->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(stranger->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_group_copies, 0u);
}

TEST_P(Multicast, AfterLeavingNothingIsHeard) {
  const auto app = bound(), stays = bound();
  ASSERT_EQ(join(*app), WsaError::kOk);
  ASSERT_EQ(join(*stays), WsaError::kOk);
  ASSERT_EQ(change(*app, GroupAction::kLeave, group()), WsaError::kOk);
  peer().send(datagram(group(), "x"));
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(stays->text(), "x");
}

TEST_P(Multicast, EachMemberOfAPortGetsACopyOfItsOwn) {
  const auto a = bound(), b = bound(), c = bound();
  for (App* app : {a.get(), b.get(), c.get()}) ASSERT_EQ(join(*app), WsaError::kOk);
  peer().send(datagram(group(), "for all"));
  run();
  for (App* app : {a.get(), b.get(), c.get()}) {
    const Received received = app->receive();
    EXPECT_EQ(received.bytes, bytes_of("for all"));
    EXPECT_EQ(received.from, at_peer(kPeerPort));
    EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  }
  EXPECT_EQ(counters().rx_group_copies, 2u);
}

TEST_P(Multicast, InFragmentsIsHeardByAll) {
  const auto a = bound(), b = bound();
  ASSERT_EQ(join(*a), WsaError::kOk);
  ASSERT_EQ(join(*b), WsaError::kOk);
  Frame frame = datagram(group(), "");
  frame.udp->payload = pattern(4000);
  for (const Frame& part : fragments_of(frame, 1400)) peer().send(part);
  run();
  EXPECT_TRUE(same(a->receive().bytes, pattern(4000)));
  EXPECT_TRUE(same(b->receive().bytes, pattern(4000)));
}

TEST_P(Multicast, WithAWrongChecksumIsHeardByNobody) {
  const auto app = bound();
  ASSERT_EQ(join(*app), WsaError::kOk);
  Frame frame = datagram(group(), "damaged");
  frame.from = peer().mac();
  Bytes bytes = build(frame);
  bytes.back() ^= 1;
  peer().send(bytes);
  run();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_bad_checksum_for_all, 1u);
}

TEST_P(Multicast, AJoinedSourceIsHeardAndOthersAreNot) {
  const auto app = bound();
  ASSERT_EQ(change(*app, GroupAction::kJoinSource, group(), Host::kStranger), WsaError::kOk);
  peer().send(datagram(group(), "from the peer"));
  peer().send(datagram(group(), "from the stranger", Host::kStranger));
  run();
  EXPECT_EQ(app->text(), "from the stranger");
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_group_unwanted, 1u);
}

TEST_P(Multicast, ABlockedSourceIsNotHeardUntilItIsUnblocked) {
  const auto app = bound();
  ASSERT_EQ(join(*app), WsaError::kOk);
  ASSERT_EQ(change(*app, GroupAction::kBlock, group()), WsaError::kOk);
  peer().send(datagram(group(), "blocked"));
  peer().send(datagram(group(), "other", Host::kStranger));
  run();
  EXPECT_EQ(app->text(), "other");
  ASSERT_EQ(change(*app, GroupAction::kUnblock, group()), WsaError::kOk);
  peer().send(datagram(group(), "again"));
  run();
  EXPECT_EQ(app->text(), "again");
}

// Microsoft's page "Multicast Socket Option Behavior", row by row.
TEST_P(Multicast, ContradictionsAreRefusedAsWindowsDoes) {
  using enum GroupAction;
  const auto app = bound();
  EXPECT_EQ(change(*app, kLeave, group()), WsaError::kInval);
  EXPECT_EQ(change(*app, kBlock, group()), WsaError::kInval);
  ASSERT_EQ(join(*app), WsaError::kOk);
  EXPECT_EQ(change(*app, kJoin, group()), WsaError::kAddrNotAvail);
  EXPECT_EQ(change(*app, kJoinSource, group()), WsaError::kAddrNotAvail);
  EXPECT_EQ(change(*app, kLeaveSource, group()), WsaError::kInval);
  EXPECT_EQ(change(*app, kUnblock, group()), WsaError::kInval);
  ASSERT_EQ(change(*app, kBlock, group()), WsaError::kOk);
  EXPECT_EQ(change(*app, kBlock, group()), WsaError::kAddrNotAvail);
  EXPECT_EQ(change(*app, kJoinSource, group()), WsaError::kInval);
  EXPECT_EQ(change(*app, kJoin, group()), WsaError::kInval);
  ASSERT_EQ(change(*app, kLeave, group()), WsaError::kOk);
  EXPECT_EQ(change(*app, kLeave, group()), WsaError::kInval);
  ASSERT_EQ(change(*app, kJoinSource, group()), WsaError::kOk);
  EXPECT_EQ(change(*app, kJoin, group()), WsaError::kAddrNotAvail);
  EXPECT_EQ(change(*app, kJoinSource, group()), WsaError::kAddrNotAvail);
  EXPECT_EQ(change(*app, kUnblock, group()), WsaError::kInval);
  EXPECT_EQ(change(*app, kLeaveSource, group(), Host::kStranger), WsaError::kAddrNotAvail);
  EXPECT_EQ(change(*app, kLeaveSource, group()), WsaError::kOk);
  EXPECT_EQ(change(*app, kLeaveSource, group()),
            WsaError::kInval);  // the last one was the membership
}

TEST_P(Multicast, WhatIsNoGroupCannotBeJoined) {
  const auto app = bound();
  EXPECT_EQ(change(*app, GroupAction::kJoin, address_of(Host::kPeer, family())), WsaError::kInval);
  const Stack::Guard guard(stack());
  EXPECT_EQ(app->socket().change_groups({GroupAction::kJoin, group(), {}, 99}),
            WsaError::kAddrNotAvail);
}

TEST_P(Multicast, AGroupIsJoinedAndNotBoundTo) {
  App app(*this, Transport::kUdp, family());
  EXPECT_EQ(app.bind({group(), kPort}), WsaError::kAddrNotAvail);
}

TEST_P(Multicast, StreamsHaveNoGroups) {
  App app(*this, Transport::kTcp, family());
  EXPECT_EQ(join(app), WsaError::kNoProtoOpt);
}

TEST_P(Multicast, IsSentToTheGroupsMacWithItsOwnTtl) {
  App app(*this, Transport::kUdp, family());
  const uint64_t n_questions = peer().n_neighbor_questions();
  ASSERT_EQ(app.send(bytes_of("one hop"), Endpoint{group(), kPeerPort}).error, WsaError::kOk);
  app.options().multicast_ttl = 9;
  ASSERT_EQ(app.send(bytes_of("nine"), Endpoint{group(), kPeerPort}).error, WsaError::kOk);
  ASSERT_EQ(app.send(bytes_of("unicast"), at_peer(kPeerPort)).error, WsaError::kOk);
  run();
  for (const int ttl : {1, 9}) {
    const auto sent = peer().next();
    ASSERT_TRUE(sent && sent->frame.udp);
    EXPECT_EQ(sent->frame.ip->ttl, ttl);
    EXPECT_EQ(sent->frame.to, mac_of(group()));
    EXPECT_EQ(sent->frame.ip->source, address_of(Host::kStack, family()));
  }
  const auto unicast = peer().next();
  ASSERT_TRUE(unicast);
  EXPECT_EQ(unicast->frame.ip->ttl, 128);
  EXPECT_EQ(peer().n_neighbor_questions(), n_questions + 1);
}

TEST_P(Multicast, ASenderThatIsAMemberHearsItselfUnlessItDoesNotWantTo) {
  const auto sender = bound(), other = bound(), deaf = bound();
  for (App* app : {sender.get(), other.get(), deaf.get()}) ASSERT_EQ(join(*app), WsaError::kOk);
  deaf->options().multicast_loop = false;
  ASSERT_EQ(sender->send(bytes_of("hello all"), Endpoint{group(), kPort}).error, WsaError::kOk);
  run();
  for (App* app : {sender.get(), other.get()}) {
    const Received received = app->receive();
    EXPECT_EQ(received.bytes, bytes_of("hello all"));
    EXPECT_EQ(received.from, at_stack(kPort));
  }
  EXPECT_EQ(deaf->receive().error, WsaError::kWouldBlock);
  const auto on_wire = peer().next([](const Frame& f) { return f.udp.has_value(); });
  ASSERT_TRUE(on_wire);
  EXPECT_EQ(on_wire->frame.udp->payload, bytes_of("hello all"));
}

TEST_P(Multicast, ThatNobodyHereHearsIsSentWithoutACopy) {
  const auto app = bound();
  ASSERT_EQ(app->send(bytes_of("out"), Endpoint{group(), kPort}).error, WsaError::kOk);
  run();
  EXPECT_EQ(counters().rx_group_copies, 0u);
}

TEST_P(Multicast, ALongDatagramIsHeardWholeByItsSender) {
  const auto app = bound();
  ASSERT_EQ(join(*app), WsaError::kOk);
  ASSERT_EQ(app->send(pattern(5000), Endpoint{group(), kPort}).error, WsaError::kOk);
  run();
  EXPECT_TRUE(same(app->receive().bytes, pattern(5000)));
}

TEST_P(Multicast, LoansOfCopiesAreGivenBackOneByOne) {
  const auto a = bound(), b = bound();
  ASSERT_EQ(join(*a), WsaError::kOk);
  ASSERT_EQ(join(*b), WsaError::kOk);
  peer().send(datagram(group(), "lent twice"));
  run();
  Lent one = a->borrow(), two = b->borrow();
  ASSERT_EQ(one.error, WsaError::kOk);
  ASSERT_EQ(two.error, WsaError::kOk);
  EXPECT_NE(one.buffers[0].buf, two.buffers[0].buf);
  EXPECT_EQ(give_back(stack(), one.buffers), WsaError::kOk);
  EXPECT_EQ(two.text(), "lent twice");
  EXPECT_EQ(give_back(stack(), two.buffers), WsaError::kOk);
}

TEST_P(Multicast, JoiningALeafBindsAndLimitsWhatTheSocketDoes) {
  App sender(*this, Transport::kUdp, family()), receiver(*this, Transport::kUdp, family());
  {
    const Stack::Guard guard(stack());
    EXPECT_EQ(sender.socket().join_leaf({group(), kPort}, true, false), WsaError::kOk);
    EXPECT_EQ(receiver.socket().join_leaf({group(), kPort}, false, true), WsaError::kOk);
    EXPECT_EQ(receiver.socket().join_leaf({address_of(Host::kPeer, family()), 1}, true, true),
              WsaError::kAddrNotAvail);
  }
  EXPECT_TRUE(sender.socket().is_bound());
  EXPECT_EQ(sender.receive().error, WsaError::kOpNotSupp);  // contract: E8
  EXPECT_EQ(sender.send(bytes_of("x"), Endpoint{group(), kPort}).error, WsaError::kOk);
  EXPECT_EQ(receiver.send(bytes_of("x"), Endpoint{group(), kPort}).error, WsaError::kOpNotSupp);
  EXPECT_EQ(receiver.receive().error, WsaError::kWouldBlock);
}

TEST_P(Multicast, EveryMbufTakenLosesCopiesAndCountsThem) {
  const auto a = bound(), b = bound();
  ASSERT_EQ(join(*a), WsaError::kOk);
  ASSERT_EQ(join(*b), WsaError::kOk);
  run();
  {
    const auto taken = exhaust_pool();
    peer().send(datagram(group(), "scarce"));
    run();
    EXPECT_GE(counters().mbuf_alloc_failed, 1u);
  }
  const bool a_got = a->receive().error == WsaError::kOk;
  const bool b_got = b->receive().error == WsaError::kOk;
  EXPECT_NE(a_got, b_got);
}

class Igmp : public StackTest {};

TEST_F(Igmp, AQueryIsAnsweredForEachGroup) {
  App app(*this, Transport::kUdp, 4);
  ASSERT_EQ(app.bind(kPort), WsaError::kOk);
  {
    const Stack::Guard guard(stack());
    for (const char* group : {"239.1.1.1", "239.1.1.2"}) {
      ASSERT_EQ(app.socket().change_groups({GroupAction::kJoin, ip(group), {}, 0}), WsaError::kOk);
    }
  }
  advance(15'000);
  peer().forget();
  Frame query = ip_frame(4);
  query.to = mac_of(ip("224.0.0.1"));
  query.ip->target = ip("224.0.0.1");
  query.ip->protocol = kIgmp;
  query.ip->ttl = 1;
  query.payload = {kQuery, 100, 0xee, 0x9b, 0, 0, 0, 0};  // 10 s; RFC 2236 2
  peer().send(query);
  advance(11'000);
  int n = 0;
  while (const auto answer = peer().next()) {
    ASSERT_TRUE(answer->frame.ip);
    EXPECT_EQ(answer->frame.ip->protocol, kIgmp);
    EXPECT_EQ(answer->frame.payload[0], kReport);
    ++n;
  }
  EXPECT_EQ(n, 2);
}

class Broadcast : public StackTest {};

TEST_F(Broadcast, IsHeardByEverySocketOfThePort) {
  App a(*this, Transport::kUdp, 4), b(*this, Transport::kUdp, 4);
  for (App* app : {&a, &b}) {
    app->options().reuse_address = true;
    ASSERT_EQ(app->bind(kPort), WsaError::kOk);
  }
  for (const char* to : {"255.255.255.255", "10.0.0.255"}) {
    Frame frame = udp_frame(4, kPeerPort, kPort, bytes_of(to));
    frame.to = kBroadcastMac;
    frame.ip->target = ip(to);
    peer().send(frame);
    run();
    EXPECT_EQ(a.text(), to);
    EXPECT_EQ(b.text(), to);
  }
}

}  // namespace
}  // namespace millrace::test
