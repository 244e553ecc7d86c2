// SPDX-License-Identifier: BSD-3-Clause
// SCTP's multi-homing (RFC 9260 5.1.2, 5.4, 6.4, 8.2, 8.3): the Stack has two addresses in two networks, and so
// has the peer, which is driven by hand; and associations that only their addresses tell apart.
#include "tests/support/sctp_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

constexpr uint16_t kPeerPort = 40000;

class SctpPathsTest : public SctpFixture {
 protected:
  void SetUp() override {
    config.ports.front().addresses = {*parse_own_address("10.0.0.2/24"), *parse_own_address("10.9.0.2/24"),
                                      *parse_own_address("fd00::2/64"), *parse_own_address("fd09::2/64")};
    FamilyTest::SetUp();
    peer().filter = [this](const Frame& frame) { return frame.ip && is_cut && frame.ip->target == is_cut; };
    remote = std::make_unique<Association>(*this, family(), kPeerPort, kSctpPort);
    remote->listed = {first, second};
  }
  void TearDown() override {
    is_cut.reset();
    if (app != nullptr) app->socket().options.linger = true;  // {1, 0}: the peer's script is over
    app.reset();
    listener.reset();
    run();
    remote.reset();
    FamilyTest::TearDown();
  }

  static IpAddress ip(const char* v4, const char* v6, int family) { return *parse_address(family == 4 ? v4 : v6); }

  void accept() {
    listen();
    remote->connect();
    app = listener->accept();
    ASSERT_NE(app, nullptr);
  }
  void connect() {
    app = sctp_app();
    ASSERT_EQ(app->connect({first, kPeerPort}), WsaError::kWouldBlock);
    run();
    remote->accept();
    run();
    ASSERT_TRUE(app->socket().is_connected());
  }
  /// Answers the HEARTBEATs that have come, each from where it came to. @return to which addresses they did
  std::vector<IpAddress> answer_heartbeats() {
    std::vector<IpAddress> asked;
    const IpAddress usual_from = remote->from, usual_to = remote->to;
    while (const auto heartbeat = remote->next(Chunk::kHeartbeat)) {
      asked.push_back(heartbeat->to);
      remote->from = heartbeat->to;
      remote->to = heartbeat->from;
      remote->send({Chunk::kHeartbeatAck, 0, heartbeat->value});
    }
    remote->from = usual_from;
    remote->to = usual_to;
    run();
    return asked;
  }
  /// Both paths carry data from now on.
  void confirm() {
    advance(200);
    EXPECT_EQ(answer_heartbeats().size(), 2u);
  }
  /// What is sent again, RFC 9260 6.3.3 later.
  std::optional<Chunk> wait_for_data() {
    for (int i = 0; i < 60; ++i) {
      advance(100);
      if (auto data = remote->next(Chunk::kData)) return data;
    }
    return std::nullopt;
  }
  /// The first path is dead from now on; what was sent by it comes by the second, where the peer answers.
  void lose_the_first() {
    is_cut = first;
    EXPECT_EQ(app->send("lost by the first").error, WsaError::kOk);
    const auto again = wait_for_data();
    ASSERT_TRUE(again);
    EXPECT_EQ(again->to, second);
    EXPECT_EQ(again->from, own_second);
    remote->from = second;
    remote->to = own_second;
    remote->acknowledge();
    run();
  }
  /// Where the next message goes, which is acknowledged.
  IpAddress way_of(const char* message) {
    EXPECT_EQ(app->send(message).error, WsaError::kOk);
    run();
    const auto data = remote->next(Chunk::kData);
    EXPECT_TRUE(data) << message;
    remote->acknowledge();
    run();
    return data ? data->to : IpAddress{};
  }

  const IpAddress first = ip("10.0.0.1", "fd00::1", family()), second = ip("10.9.0.1", "fd09::1", family());
  const IpAddress own_first = ip("10.0.0.2", "fd00::2", family()), own_second = ip("10.9.0.2", "fd09::2", family());
  std::optional<IpAddress> is_cut;  ///< nothing arrives there
  std::unique_ptr<Association> remote;
  std::unique_ptr<App> app;
};

class SctpPaths : public SctpPathsTest {};
MILLRACE_BOTH_FAMILIES(SctpPaths);

std::vector<IpAddress> listed_in(const Chunk& init, uint8_t family) {
  std::vector<IpAddress> found;
  const size_t n = family == 4 ? 4 : 16;
  for (size_t at = 16; at + 4 <= init.value.size();) {
    const size_t bytes = get16(init.value, at + 2);
    if (bytes < 4) break;
    if (get16(init.value, at) == (family == 4 ? 5 : 6) && bytes == 4 + n) {
      IpAddress address = IpAddress::any(family);
      std::copy_n(init.value.begin() + static_cast<ptrdiff_t>(at + 4), n, address.bytes.begin());
      found.push_back(address);
    }
    at += (bytes + 3) / 4 * 4;
  }
  return found;
}

TEST_P(SctpPaths, AnInitListsOurAddresses) {
  app = sctp_app();
  ASSERT_EQ(app->connect({first, kPeerPort}), WsaError::kWouldBlock);
  run();
  const auto init = remote->next(Chunk::kInit);
  ASSERT_TRUE(init);
  EXPECT_EQ(listed_in(*init, family()), (std::vector<IpAddress>{own_first, own_second}));
}

TEST_P(SctpPaths, WhoIsBoundToOneAddressTellsOfNoOther) {
  app = sctp_app();
  ASSERT_EQ(app->socket().bind({own_first, 6000}), WsaError::kOk);
  ASSERT_EQ(app->connect({first, kPeerPort}), WsaError::kWouldBlock);
  run();
  const auto init = remote->next(Chunk::kInit);
  ASSERT_TRUE(init);
  EXPECT_TRUE(listed_in(*init, family()).empty());
}

TEST_P(SctpPaths, AnInitAckListsOurAddresses) {
  listen();
  Bytes body;
  put32(body, 0x11111111);
  put32(body, 100000);
  put16(body, 1);
  put16(body, 1);
  put32(body, 1000);
  remote->send({Chunk::kInit, 0, body}, 0);
  run();
  const auto answer = remote->next(Chunk::kInitAck);
  ASSERT_TRUE(answer);
  EXPECT_EQ(listed_in(*answer, family()), (std::vector<IpAddress>{own_first, own_second}));
}

TEST_P(SctpPaths, APathCarriesNothingUntilAHeartbeatHasComeBackByIt) {
  accept();
  is_cut = first;
  EXPECT_EQ(app->send("lost").error, WsaError::kOk);
  advance(5000);
  EXPECT_FALSE(remote->next(Chunk::kData)) << "sent to where nobody may be";
  advance(200);
  is_cut.reset();
}

TEST_P(SctpPaths, AnAcceptedConnectionGoesOnByTheSecondPathWhenTheFirstDies) {
  accept();
  confirm();
  EXPECT_EQ(way_of("by the first"), first);
  lose_the_first();
  EXPECT_EQ(counters().sctp_failovers, 1u);
  EXPECT_EQ(way_of("new data too"), second);
  remote->say(bytes_of("and what comes"));
  run();
  EXPECT_EQ(app->text(), "and what comes");
}

TEST_P(SctpPaths, AConnectionOfOursGoesOnByTheSecondPathAndComesBackToTheFirst) {
  connect();
  confirm();
  EXPECT_EQ(way_of("by the first"), first);
  lose_the_first();
  remote->take();
  (void)answer_heartbeats();
  EXPECT_EQ(way_of("by the second"), second);
  is_cut.reset();
  for (int s = 0; s < 65; ++s) {  // RFC 9260 8.3: it is asked after at least as often
    advance(1000);
    (void)answer_heartbeats();
  }
  EXPECT_EQ(way_of("by the first again"), first);
  EXPECT_EQ(counters().sctp_failovers, 2u);
}

TEST_P(SctpPaths, AnIdleConnectionLeavesAPathWhoseHeartbeatsStayUnanswered) {
  accept();
  confirm();
  is_cut = first;
  for (int i = 0; i < 60; ++i) {
    advance(1000);
    (void)answer_heartbeats();
  }
  EXPECT_EQ(way_of("without losing anything"), second);
}

TEST_P(SctpPaths, AnswersGoWhereTheQuestionCameFrom) {
  accept();
  confirm();
  remote->from = second;
  remote->to = own_second;
  remote->send({Chunk::kHeartbeat, 0, {0, 1, 0, 8, 't', 'i', 'c', 'k'}});
  run();
  const auto answer = remote->next(Chunk::kHeartbeatAck);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->to, second);
  EXPECT_EQ(answer->from, own_second);
  remote->say(bytes_of("one"));
  remote->say(bytes_of("two"));  // RFC 9260 6.2: every second packet is acknowledged at once
  run();
  const auto sack = remote->next(Chunk::kSack);
  ASSERT_TRUE(sack);
  EXPECT_EQ(sack->to, second);
  EXPECT_EQ(app->text(), "one");
  EXPECT_EQ(app->text(), "two");
}

TEST_P(SctpPaths, AHeartbeatsAnswerWithAForeignNumberConfirmsNothing) {
  accept();
  advance(200);
  const auto heartbeat = remote->next(Chunk::kHeartbeat);
  ASSERT_TRUE(heartbeat);
  for (const IpAddress& from : {first, second}) {
    Bytes info = heartbeat->value;
    info.back() ^= 1;
    remote->from = from;
    remote->to = from == first ? own_first : own_second;
    remote->send({Chunk::kHeartbeatAck, 0, info});
  }
  run();
  is_cut = first;
  EXPECT_EQ(app->send("to nobody").error, WsaError::kOk);
  advance(5000);
  EXPECT_FALSE(remote->next(Chunk::kData));
}

TEST_P(SctpPaths, ClosingGoesOnByTheSecondPathToo) {
  accept();
  confirm();
  is_cut = first;
  EXPECT_EQ(app->socket().shutdown(SD_SEND), WsaError::kOk);
  advance(4000);
  const auto shutdown = remote->next(Chunk::kShutdown);
  ASSERT_TRUE(shutdown);
  EXPECT_EQ(shutdown->to, second);
}

/// The second address is another port's, where nobody answers.
class SctpPorts : public SctpPathsTest {
 protected:
  void SetUp() override {
    SctpPathsTest::SetUp();
    stop();
    config.ports.front().addresses = {*parse_own_address("10.0.0.2/24"), *parse_own_address("fd00::2/64")};
    config.ports.push_back(config.ports.front());
    config.ports.back().device = "net_ring_wire2_a";
    config.ports.back().addresses = {*parse_own_address("10.9.0.2/24"), *parse_own_address("fd09::2/64")};
    start();
  }
  /// Beyond link_down_ms.
  void lose_first_port() {
    set_link(false);
    advance(12'000);
  }
};
MILLRACE_BOTH_FAMILIES(SctpPorts);

TEST_P(SctpPorts, APortThatIsLostEndsNoConnectionThatHasAnotherWay) {
  accept();
  lose_first_port();
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
  EXPECT_EQ(app->send("by the other").error, WsaError::kOk);
}

TEST_P(SctpPorts, APortThatIsLostEndsAConnectionThatHasNoOther) {
  remote->listed.clear();
  accept();
  lose_first_port();
  EXPECT_EQ(app->receive().error, WsaError::kNetDown);
}

TEST_P(SctpPaths, WhoIsNotListedIsAStranger) {  // RFC 9260 8.4
  accept();
  const Chunk data = remote->data(bytes_of("from elsewhere"));
  const IpAddress elsewhere = ip("10.0.0.77", "fd00::77", family());
  Association stranger(*this, family(), kPeerPort, kSctpPort);
  stranger.from = elsewhere;
  stranger.send(data, remote->tag());
  run();
  EXPECT_TRUE(stranger.next(Chunk::kAbort));
  EXPECT_EQ(app->receive().error, WsaError::kWouldBlock);
}

TEST_P(SctpPaths, PeersWithTheSamePortAreToldApart) {
  accept();
  std::vector<std::unique_ptr<Association>> others;
  std::vector<std::unique_ptr<App>> apps;
  for (int i = 0; i < 4; ++i) {
    others.push_back(std::make_unique<Association>(*this, family(), kPeerPort, kSctpPort));
    others.back()->from = ip("10.0.0.50", "fd00::50", family());
    others.back()->from.bytes[family() == 4 ? 3 : 15] += static_cast<uint8_t>(i);
    others.back()->connect();
    apps.push_back(listener->accept());
    ASSERT_NE(apps.back(), nullptr);
  }
  remote->say(bytes_of("the first"));
  for (int i = 0; i < 4; ++i) others[static_cast<size_t>(i)]->say(bytes_of("number " + std::to_string(i)));
  run();
  EXPECT_EQ(app->text(), "the first");
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(apps[i]->text(), "number " + std::to_string(i));
    EXPECT_EQ(apps[i]->send("answer").error, WsaError::kOk);
    run();
    EXPECT_EQ(others[i]->take_bytes(), bytes_of("answer"));
    apps[i]->socket().options.linger = true;
  }
}

TEST_P(SctpPaths, ACookieThatSomebodyHasChangedIsDropped) {
  listen();
  remote->damages_cookie = true;
  remote->ask();
  EXPECT_FALSE(remote->next(Chunk::kCookieAck));
  EXPECT_EQ(counters().rx_sctp_bad, 1u);
  EXPECT_EQ(counters().connections_accepted, 0u);
}

TEST_P(SctpPaths, AnAcceptedConnectionFillsWhatItsLinkCarries) {
  accept();
  size_t longest = 0;
  peer().filter = [&longest](const Frame& frame) {
    EXPECT_FALSE(frame.ip && frame.ip->fragment);
    if (frame.ip && frame.ip->protocol == kSctp) longest = std::max(longest, frame.payload.size());
    return false;
  };
  EXPECT_EQ(app->send(pattern(4000)).bytes, 4000u);
  run();
  EXPECT_EQ(longest, family() == 4 ? 1480u : 1460u);
  peer().filter = nullptr;
}

}  // namespace
}  // namespace millrace::test
