// SPDX-License-Identifier: BSD-3-Clause
// UDP on the wire: whole messages in, whole messages out, and what happens to those that do not
// fit.
#include <numeric>

#include "tests/support/app.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPort = 5000;
constexpr uint16_t kPeerPort = 6000;

class UdpTest : public FamilyTest {
 protected:
  void SetUp() override {
    FamilyTest::SetUp();
    app = std::make_unique<App>(*this, Transport::kUdp, family());
    ASSERT_EQ(app->bind(kPort), WsaError::kOk);
  }
  void TearDown() override {
    app.reset();
    FamilyTest::TearDown();
  }

  void arrives(const Bytes& payload, uint16_t from_port = kPeerPort, Host from = Host::kPeer) {
    peer().send(udp_frame(family(), from_port, kPort, payload, from));
  }
  void arrives(std::string_view text) { arrives(bytes_of(text)); }

  /// The next datagram that the Stack sent, put together if it came in fragments.
  std::optional<Frame> next_datagram() {
    run();
    auto arrival = peer().next();
    if (!arrival) return std::nullopt;
    if (!arrival->frame.ip->fragment) return arrival->frame;
    std::vector<Frame> fragments = {arrival->frame};
    while (auto more = peer().next()) fragments.push_back(more->frame);
    std::string why;
    auto whole = join(fragments, why);
    EXPECT_TRUE(whole) << why;
    return whole;
  }

  std::unique_ptr<App> app;
};

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

class Udp_Receive : public UdpTest {};
MILLRACE_BOTH_FAMILIES(Udp_Receive);

TEST_P(Udp_Receive, EachReceiveTakesOneMessageAndItsSource) {
  arrives("first");
  arrives(bytes_of("second"), 6001, Host::kStranger);
  run();
  const Received first = app->receive();
  EXPECT_EQ(text_of(first.bytes), "first");
  EXPECT_EQ(first.from, at_peer(kPeerPort));
  const Received second = app->receive();
  EXPECT_EQ(text_of(second.bytes), "second");
  EXPECT_EQ(second.from, (Endpoint{address_of(Host::kStranger, family()), 6001}));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(Udp_Receive, AZeroLengthMessageIsAMessage) {  // winsock-rules 109
  arrives("");
  arrives("after");
  run();
  const Received empty = app->receive();
  EXPECT_EQ(empty.error, WsaError::kOk);
  EXPECT_TRUE(empty.bytes.empty());
  EXPECT_EQ(empty.from, at_peer(kPeerPort));
  EXPECT_EQ(app->text(), "after");
  Posted& pending = app->post_receive(10);
  arrives("");
  run();
  ASSERT_FALSE(pending.is_pending());
  EXPECT_EQ(pending.error(), WsaError::kOk);
  EXPECT_EQ(pending.n_bytes(), 0u);
}

TEST_P(Udp_Receive, AZeroLengthMessageThatPaddingMakesLongerIsStillEmpty) {
  Frame frame = udp_frame(family(), kPeerPort, kPort, {});
  frame.to = peer().stack_mac();
  frame.from = peer().mac();
  Bytes bytes = build(frame);
  bytes.resize(std::max<size_t>(60, bytes.size() + 4), 0x55);
  peer().send(bytes);
  run();
  const Received received = app->receive();
  EXPECT_EQ(received.error, WsaError::kOk);
  EXPECT_TRUE(received.bytes.empty());
}

// winsock-rules 21
TEST_P(Udp_Receive, AReceiveOnAnUnboundSocketIsRefused) {  // contract: E12
  App unbound(*this, Transport::kUdp, family());
  EXPECT_EQ(unbound.receive().error, WsaError::kInval);
  EXPECT_EQ(unbound.post_receive(10).started, WsaError::kInval);
}

TEST_P(Udp_Receive, AMessageInSeveralMbufsArrivesWhole) {
  Frame frame = udp_frame(family(), kPeerPort, kPort, pattern(900));
  frame.to = peer().stack_mac();
  frame.from = peer().mac();
  const Bytes bytes = build(frame);
  const size_t headers = bytes.size() - 900;
  const auto part = [&](size_t from, size_t to) {
    return Bytes(bytes.begin() + static_cast<ptrdiff_t>(from),
                 bytes.begin() + static_cast<ptrdiff_t>(to));
  };
  for (int i = 0; i < 2; ++i) {
    peer().send_chain({part(0, headers), part(headers, headers + 3),
                       part(headers + 3, headers + 500), part(headers + 500, bytes.size())});
  }
  run();
  for (int i = 0; i < 2; ++i) {
    const Received received = app->receive();
    EXPECT_TRUE(same(received.bytes, pattern(900)));
    EXPECT_EQ(received.from, at_peer(kPeerPort));
  }
}

TEST_P(Udp_Receive, ScattersAMessageOverBuffersAndSkipsEmptyOnes) {  // contract: B7
  Posted& pending = app->post_receive({2, 0, 0, 3, 10});
  arrives("scatter");
  run();
  EXPECT_EQ(pending.text(), "scatter");
  EXPECT_EQ(pending.buffers[3], bytes_of("att"));
  EXPECT_EQ(pending.from_length, family() == 4 ? 16 : 28);
}

TEST_P(Udp_Receive, RequestsAreServedInTheOrderOfPosting) {  // contract: B16
  Posted& first = app->post_receive(10);
  Posted& second = app->post_receive(10);
  arrives("1");
  arrives("2");
  arrives("3");
  run();
  EXPECT_EQ(first.text(), "1");
  EXPECT_EQ(second.text(), "2");
  EXPECT_LT(first.signalled_as, second.signalled_as);
  EXPECT_EQ(app->text(), "3");
}

class Recv_E11 : public UdpTest {};
MILLRACE_BOTH_FAMILIES(Recv_E11);

// winsock-rules 104, 108
TEST_P(Recv_E11, TheFirstPartIsStoredAndTheRestIsGone) {  // contract: B10 c
  arrives("too long for it");
  arrives("next");
  run();
  const Received cut = app->receive(8);
  EXPECT_EQ(cut.error, WsaError::kMsgSize);
  EXPECT_EQ(text_of(cut.bytes), "too long");
  EXPECT_EQ(cut.from, at_peer(kPeerPort));
  EXPECT_EQ(app->text(), "next");
}

TEST_P(Recv_E11, APendingReceiveCompletesWithWhatItHolds) {  // winsock-rules 106
  Posted& pending = app->post_receive({3, 0, 1});
  arrives("too long");
  run();
  ASSERT_FALSE(pending.is_pending());
  EXPECT_EQ(pending.error(), WsaError::kMsgSize);
  EXPECT_EQ(pending.text(), "too ");
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(Recv_E11, AZeroLengthBufferConsumesTheMessage) {  // winsock-rules 110
  arrives("gone");
  run();
  EXPECT_EQ(app->receive(0).error, WsaError::kMsgSize);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(Recv_E11, APeekTellsThatItIsTooLongAndLeavesIt) {
  arrives("too long");
  run();
  for (int i = 0; i < 2; ++i) {
    const Received peeked = app->receive(3, WS_MSG_PEEK);
    EXPECT_EQ(peeked.error, WsaError::kMsgSize);
    EXPECT_EQ(text_of(peeked.bytes), "too");
  }
  EXPECT_EQ(app->text(), "too long");
}

class Recv_B2 : public UdpTest {};
MILLRACE_BOTH_FAMILIES(Recv_B2);

TEST_P(Recv_B2, AConnectedSocketHearsItsPeerOnly) {  // winsock-rules 111
  ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
  arrives(bytes_of("other port"), 6001);
  arrives(bytes_of("other host"), kPeerPort, Host::kStranger);
  arrives("peer");
  run();
  EXPECT_EQ(app->text(), "peer");
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(counters().rx_wrong_peer, 2u);
  EXPECT_FALSE(peer().next()) << "the others must hear nothing, not even an ICMP error";
}

TEST_P(Recv_B2, ConnectingElsewhereDiscardsWhatCameFromTheOldPeer) {  // winsock-rules 112
  ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
  arrives("old");
  run();
  ASSERT_EQ(app->connect(at_peer(6001)), WsaError::kOk);
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  arrives(bytes_of("new"), 6001);
  run();
  EXPECT_EQ(app->text(), "new");
}

TEST_P(Recv_B2, DisconnectingHearsEverybodyAgain) {  // winsock-rules 113
  ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
  ASSERT_EQ(app->connect({IpAddress::any(family()), 0}), WsaError::kOk);
  EXPECT_EQ(app->send("nobody").error, WsaError::kNotConn);
  arrives(bytes_of("anybody"), 6001, Host::kStranger);
  run();
  EXPECT_EQ(app->text(), "anybody");
}

class Udp_Send : public UdpTest {};
MILLRACE_BOTH_FAMILIES(Udp_Send);

TEST_P(Udp_Send, GoesOutAsOneDatagram) {
  const Bytes data = pattern(1000);
  EXPECT_EQ(app->send(data, at_peer(kPeerPort)).bytes, 1000u);
  const auto frame = next_datagram();
  ASSERT_TRUE(frame && frame->udp);
  EXPECT_EQ(frame->ip->source, address_of(Host::kStack, family()));
  EXPECT_EQ(frame->udp->source_port, kPort);
  EXPECT_EQ(frame->udp->target_port, kPeerPort);
  EXPECT_TRUE(same(frame->udp->payload, data));
}

TEST_P(Udp_Send, AnEmptyMessageGoesOut) {
  EXPECT_EQ(app->send(Bytes{}, at_peer(kPeerPort)).error, WsaError::kOk);
  const auto frame = next_datagram();
  ASSERT_TRUE(frame && frame->udp);
  EXPECT_TRUE(frame->udp->payload.empty());
}

TEST_P(Udp_Send, LongMessagesAreFragmentedAndWhole) {
  for (const size_t n : {1453u, 1472u, 1473u, 2048u, 4000u, 9000u, 65'000u}) {
    const Outcome outcome = app->send(pattern(n), at_peer(kPeerPort));
    ASSERT_EQ(outcome.error, WsaError::kOk) << n;
    const auto frame = next_datagram();
    ASSERT_TRUE(frame && frame->udp) << n;
    EXPECT_TRUE(same(frame->udp->payload, pattern(n)));
  }
}

TEST_P(Udp_Send, TheLongestMessageFitsAndALongerOneIsRefused) {
  // lwIP keeps fewer frames than this for a neighbor whose address it still has to ask for.
  ASSERT_EQ(app->send(bytes_of("first contact"), at_peer(kPeerPort)).error, WsaError::kOk);
  ASSERT_TRUE(next_datagram());
  // An IP packet has 65535 bytes; lwIP counts IPv6's header among them.
  const size_t longest = 65'535 - kUdpBytes - (family() == 4 ? kIp4Bytes : kIp6Bytes);
  ASSERT_EQ(app->send(pattern(longest), at_peer(kPeerPort)).error, WsaError::kOk);
  const auto frame = next_datagram();
  ASSERT_TRUE(frame && frame->udp);
  EXPECT_TRUE(same(frame->udp->payload, pattern(longest)));
  EXPECT_EQ(app->send(pattern(longest + 1), at_peer(kPeerPort)).error, WsaError::kMsgSize);
  EXPECT_EQ(app->send(Bytes(100'000), at_peer(kPeerPort)).error, WsaError::kMsgSize);
  EXPECT_FALSE(next_datagram());
}

TEST_P(Udp_Send, BindsTheSocketIfNobodyDid) {  // contract: B1
  App fresh(*this, Transport::kUdp, family());
  ASSERT_EQ(fresh.send(bytes_of("x"), at_peer(kPeerPort)).error, WsaError::kOk);
  const auto frame = next_datagram();
  ASSERT_TRUE(frame && frame->udp);
  EXPECT_GE(frame->udp->source_port, 49152);
  peer().send(udp_frame(family(), kPeerPort, frame->udp->source_port, bytes_of("answer")));
  run();
  EXPECT_EQ(fresh.text(), "answer");
}

TEST_P(Udp_Send, WithoutAPeerOrAnAddressIsRefused) {
  EXPECT_EQ(app->send("whereto").error, WsaError::kNotConn);
  ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
  EXPECT_EQ(app->send("there").error, WsaError::kOk);
  const auto frame = next_datagram();
  ASSERT_TRUE(frame && frame->udp);
  EXPECT_EQ(frame->udp->target_port, kPeerPort);
}

TEST_P(Udp_Send, AfterShutdownIsRefused) {
  ASSERT_EQ(app->shutdown(SD_BOTH), WsaError::kOk);
  EXPECT_EQ(app->send(bytes_of("x"), at_peer(kPeerPort)).error, WsaError::kShutdown);
  EXPECT_EQ(app->receive().error, WsaError::kShutdown);
}

TEST_P(Udp_Send, AnOverlappedSendIsDoneAtOnce) {
  ASSERT_EQ(app->connect(at_peer(kPeerPort)), WsaError::kOk);
  Posted& send = app->post_send(bytes_of("quick"));
  EXPECT_EQ(send.started, WsaError::kOk);
  EXPECT_EQ(send.n_bytes(), 5u);
  ASSERT_TRUE(next_datagram());
}

TEST_P(Udp_Send, AnEmptyPoolIsAnErrorAndNoCrash) {
  ASSERT_EQ(app->send(bytes_of("learn the neighbor"), at_peer(kPeerPort)).error, WsaError::kOk);
  ASSERT_TRUE(next_datagram());
  for (size_t free = 0; free < 12; ++free) {
    const auto taken = exhaust_pool(free);
    for (const size_t n : {10u, 1400u, 4000u}) {
      const Outcome outcome = app->send(pattern(n), at_peer(kPeerPort));
      if (free == 0) {
        EXPECT_EQ(outcome.error, WsaError::kNoBufs) << n;
      }
      run();
      peer().forget();
    }
  }
  ASSERT_EQ(app->send(pattern(4000), at_peer(kPeerPort)).error, WsaError::kOk);
  const auto frame = next_datagram();
  ASSERT_TRUE(frame && frame->udp);
  EXPECT_TRUE(same(frame->udp->payload, pattern(4000)));
}

class Udp_ReceiveBuffer : public UdpTest {};
MILLRACE_BOTH_FAMILIES(Udp_ReceiveBuffer);

TEST_P(Udp_ReceiveBuffer, DropsAndCountsWhatDoesNotFit) {
  app->options().receive_buffer_bytes = 5000;
  for (int i = 0; i < 10; ++i) arrives(pattern(1000, static_cast<size_t>(i) * 1000));
  run();
  EXPECT_EQ(counters().rx_no_socket_room, 5u);
  EXPECT_EQ(app->socket().readable_bytes(), 5000u);
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(same(app->receive().bytes, pattern(1000, i * 1000)));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  arrives("room again");
  run();
  EXPECT_EQ(app->text(), "room again");
}

TEST_P(Udp_ReceiveBuffer, TinyMessagesCannotPinThePool) {
  app->options().receive_buffer_bytes = 12'800;
  for (int i = 0; i < 200; ++i) arrives("");
  run();
  EXPECT_EQ(counters().rx_no_socket_room, 100u);
  int n = 0;
  while (app->receive().error == WsaError::kOk) ++n;
  EXPECT_EQ(n, 100);
}

TEST_P(Udp_ReceiveBuffer, OneMessageAlwaysFits) {  // winsock-rules 178: SO_RCVBUF may be 0
  app->options().receive_buffer_bytes = 0;
  arrives("first");
  arrives("second");
  run();
  EXPECT_EQ(app->text(), "first");
  EXPECT_EQ(counters().rx_no_socket_room, 1u);
}

TEST_P(Udp_ReceiveBuffer, ClosingGivesBackWhatNobodyRead) {
  for (int i = 0; i < 10; ++i) arrives(pattern(1000));
  Posted& never = app->post_receive(10);
  (void)never;
  run();
}

class Udp_Close : public UdpTest {};
MILLRACE_BOTH_FAMILIES(Udp_Close);

TEST_P(Udp_Close, AbortsEachRequestThatWaitsExactlyOnce) {  // contract: E17
  std::vector<Posted*> requests;
  for (int i = 0; i < 5; ++i) requests.push_back(&app->post_receive(100));
  app->close();
  for (const Posted* request : requests) {
    EXPECT_FALSE(request->is_pending());
    EXPECT_EQ(request->error(), WsaError::kOperationAborted);
    EXPECT_EQ(request->n_signals, 1);
  }
  arrives("too late");
  run();
}

}  // namespace
}  // namespace millrace::test
