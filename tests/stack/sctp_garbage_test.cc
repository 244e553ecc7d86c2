// SPDX-License-Identifier: BSD-3-Clause
// What a wire can bring that is no SCTP, or SCTP of somebody who means harm. Beside each packet of it there
// is an association that behaves well: it has to go on, and every mbuf has to come back.
#include <algorithm>
#include <random>

#include "tests/support/sctp_test.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

constexpr size_t kHeaderBytes = 12, kChunkHeaderBytes = 4;  // RFC 9260 3.1, 3.2

class Sctp_Garbage : public SctpPeerTest {
 protected:
  void TearDown() override {
    expect_alive();
    lose_victim();
    SctpPeerTest::TearDown();
  }

  /// The well-behaved association of the fixture carries messages both ways.
  void expect_alive() {
    peer().forget();
    remote->say(bytes_of("alive"));
    run();
    ASSERT_EQ(app->text(), "alive");
    ASSERT_EQ(app->send("so am I").error, WsaError::kOk);
    run();
    ASSERT_EQ(remote->take_bytes(), bytes_of("so am I"));
    remote->acknowledge();
    run();
  }

  /// An association that may be broken; a new one where the last one was.
  Association& victim() {
    if (victim_app_ != nullptr && victim_app_->socket().is_connected()) return *victim_;
    lose_victim();
    peer().forget();
    victim_ = std::make_unique<Association>(*this, family(), next_port_++, kSctpPort);
    victim_->connect();
    victim_app_ = listener->accept();
    return *victim_;
  }
  void lose_victim() {
    if (victim_app_ != nullptr) victim_app_->options().linger = true;
    victim_app_.reset();
    run();
  }

  /// One good packet of each kind, as the victim's peer might send it.
  std::vector<Bytes> good_packets(Association& of) {
    Bytes sack, abort_cause, tlv;
    for (const uint32_t word : {of.last_tsn(), 100000u, 0x00010001u, 0x00020003u, of.last_tsn() + 1}) put32(sack, word);
    for (const uint32_t word : {0x000c0008u, 0x62796521u}) put32(abort_cause, word);  // user-initiated
    for (const uint32_t word : {0x00010008u, 0x7469636bu}) put32(tlv, word);
    const std::vector<Chunk> chunks = {of.data(pattern(20)), of.init(tlv), {Chunk::kInitAck, 0, of.init(tlv).value},
                                       {Chunk::kSack, 0, sack}, {Chunk::kHeartbeat, 0, tlv},
                                       {Chunk::kHeartbeatAck, 0, tlv}, {Chunk::kError, 0, abort_cause},
                                       {Chunk::kCookieEcho, 0, pattern(100)}, {Chunk::kCookieAck, 0, {}},
                                       {Chunk::kAbort, 0, abort_cause}};
    std::vector<Bytes> packets;
    for (const Chunk& chunk : chunks) packets.push_back(of.packet_of(chunk, of.tag()));
    return packets;
  }
  void send(Bytes packet) {
    Association::sum_up(packet);
    remote->send_raw(std::move(packet));
    run();
    peer().forget();
  }

  std::mt19937 random{20261126};

 private:
  uint16_t next_port_ = 41000;
  std::unique_ptr<Association> victim_;
  std::unique_ptr<App> victim_app_;
};
MILLRACE_BOTH_FAMILIES(Sctp_Garbage);

// ---- no SCTP ----

TEST_P(Sctp_Garbage, PacketsCutShortAtEveryByte) {
  const size_t n_kinds = good_packets(victim()).size();
  for (size_t kind = 0; kind < n_kinds; ++kind) {
    const size_t n_bytes = good_packets(victim())[kind].size();
    for (size_t n = kHeaderBytes; n <= n_bytes; ++n) {
      Bytes packet = good_packets(victim())[kind];
      packet.resize(n);
      send(packet);
    }
  }
  expect_alive();
}

TEST_P(Sctp_Garbage, EveryChunkTypeWithEveryLengthThatItMayClaim) {
  constexpr uint8_t kTypes[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 64, 128, 130, 192, 193, 255};
  constexpr uint16_t kLengths[] = {0, 1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17, 19, 20, 21, 24, 255, 1500, 65535};
  for (const uint8_t type : kTypes) {
    for (const uint16_t length : kLengths) {
      Association& of = victim();
      Bytes packet = of.packet_of({type, 0, Bytes(16, 0)}, of.tag());
      set16(packet, kHeaderBytes + 2, length);
      send(packet);
    }
  }
}

TEST_P(Sctp_Garbage, ManyChunksOfNothingInOnePacket) {
  for (const uint8_t type : std::initializer_list<uint8_t>{0, 3, 4, 6, 9, 10, 11, 192}) {
    Association& of = victim();
    Bytes packet = of.packet_of({type, 0, {}}, of.tag());
    while (packet.size() + kChunkHeaderBytes <= 1400) put(packet, Bytes{type, 0, 0, 4});
    send(packet);
  }
}

// From real packets by chance: bits, bytes, lengths, cuts, the order of chunks.
TEST_P(Sctp_Garbage, MutatedPacketsHarmNobody) {
  for (int i = 0; i < 3000; ++i) {
    const std::vector<Bytes> good = good_packets(victim());
    Bytes packet = good[random() % good.size()];
    if (random() % 3 == 0) {  // two chunks
      const Bytes& other = good[random() % good.size()];
      packet.insert(packet.end(), other.begin() + kHeaderBytes, other.end());
    }
    for (size_t n = 1 + random() % 4; n != 0; --n) {
      const size_t at = kHeaderBytes + random() % (packet.size() - kHeaderBytes);
      packet[at] = random() % 2 == 0 ? static_cast<uint8_t>(random()) : uint8_t(packet[at] ^ 1u << random() % 8);
    }
    if (random() % 4 == 0) set16(packet, kHeaderBytes + 2, static_cast<uint16_t>(random() % 64));
    if (random() % 8 == 0) packet.resize(kHeaderBytes + random() % (packet.size() - kHeaderBytes));
    send(packet);
    if (i % 500 == 0) {
      advance(1000);
      expect_alive();
    }
  }
}

TEST_P(Sctp_Garbage, AWrongChecksumIsDroppedAndCountedWhateverIsInThePacket) {
  Association& of = victim();
  uint64_t n_bad = 0;
  for (Bytes packet : good_packets(of)) {
    packet[8 + n_bad % 4] ^= 0x10;
    of.send_raw(packet);
    ++n_bad;
  }
  run();
  EXPECT_EQ(counters().rx_sctp_bad, n_bad);
  EXPECT_EQ(peer().n_waiting(), 0u) << "it was not the peer's, and is not answered";
}

TEST_P(Sctp_Garbage, FragmentsAreOnePacketAndWithoutTheirChecksumNone) {
  const Bytes first = remote->packet_of(remote->data(pattern(1000)), remote->tag());
  const Bytes second = remote->packet_of(remote->data(pattern(1000, 9)), remote->tag());
  for (const bool is_right : {true, false}) {
    Frame frame = ip_frame(family());
    frame.ip->protocol = kSctp;
    frame.payload = is_right ? first : second;
    if (!is_right) frame.payload[100] ^= 1;
    std::vector<Frame> fragments = fragments_of(frame, 400, is_right ? 7 : 8);
    std::swap(fragments.front(), fragments.back());
    for (const Frame& fragment : fragments) peer().send(fragment);
    run();
    const Received received = app->receive();
    EXPECT_EQ(received.error, is_right ? WsaError::kOk : WsaError::kWouldBlock);
    EXPECT_EQ(received.bytes.size(), is_right ? 1000u : 0u);
  }
  EXPECT_EQ(counters().rx_sctp_bad, 1u);
  remote->send_raw(second);  // what was lost with it comes again
  run();
  EXPECT_EQ(app->receive().bytes, pattern(1000, 9));
}

// ---- SCTP that asks for more than there is ----

TEST_P(Sctp_Garbage, AnUnknownChunkIsSkippedOrEndsThePacketAsItsTypeSays) {  // RFC 9260 3.2
  struct Case {
    uint8_t type;
    bool goes_on, is_reported;
  };
  for (const auto& [type, goes_on, is_reported] :
       {Case{0x3e, false, false}, Case{0x7e, false, true}, Case{0xbe, true, false}, Case{0xfe, true, true}}) {
    const Chunk data = remote->data(bytes_of("behind it"));
    Bytes packet = remote->packet_of({type, 0, Bytes(8, 1)}, remote->tag());
    const Bytes behind = remote->packet_of(data, remote->tag());
    packet.insert(packet.end(), behind.begin() + kHeaderBytes, behind.end());
    Association::sum_up(packet);
    remote->send_raw(packet);
    run();
    EXPECT_EQ(app->receive().bytes.size(), goes_on ? 9u : 0u) << int{type};
    EXPECT_EQ(remote->next(Chunk::kError).has_value(), is_reported) << int{type};
    if (goes_on) continue;
    remote->send(data);
    run();
    EXPECT_EQ(app->text(), "behind it");
  }
}

TEST_P(Sctp_Garbage, AnInitWithUnknownParametersIsAnsweredAsTheySay) {  // RFC 9260 3.2.1
  constexpr uint16_t kUnrecognized = 8;
  for (const uint16_t type : std::initializer_list<uint16_t>{0x3e00, 0x7e00, 0xbe00, 0xfe00}) {
    Association stranger(*this, family(), static_cast<uint16_t>(50000 + (type >> 8)), kSctpPort);
    Bytes parameter;
    put16(parameter, type);
    put16(parameter, 8);
    put(parameter, bytes_of("what"));
    stranger.send(stranger.init(parameter), 0);
    run();
    const auto answer = stranger.next(Chunk::kInitAck);
    ASSERT_TRUE(answer) << type;
    bool is_reported = false;
    for (size_t at = 16; at + 4 <= answer->value.size();) {
      is_reported |= get16(answer->value, at) == kUnrecognized;
      at += (std::max<size_t>(4, get16(answer->value, at + 2)) + 3) / 4 * 4;
    }
    EXPECT_EQ(is_reported, (type & 0x4000) != 0) << type;
  }
  EXPECT_EQ(counters().connections_accepted, 1u);
}

TEST_P(Sctp_Garbage, AnInitThatCannotBeIsNoConnection) {  // RFC 9260 3.3.2, 5.1.2, 8.5.1
  const auto send_init = [this](uint32_t tag, uint16_t n_out, uint16_t n_in, uint32_t header_tag) {
    Association stranger(*this, family(), 50001, kSctpPort);
    Chunk init = stranger.init();
    Bytes head;
    put32(head, tag);
    put32(head, 100000);
    put16(head, n_out);
    put16(head, n_in);
    std::copy(head.begin(), head.end(), init.value.begin());
    stranger.send(init, header_tag);
    run();
    return !stranger.next(Chunk::kInitAck);
  };
  EXPECT_TRUE(send_init(0, 1, 1, 0)) << "no tag";
  EXPECT_TRUE(send_init(1, 0, 1, 0)) << "no stream out";
  EXPECT_TRUE(send_init(1, 1, 0, 0)) << "none in";
  EXPECT_TRUE(send_init(1, 1, 1, 7)) << "a tag before there is one";
  EXPECT_FALSE(send_init(1, 1, 1, 0)) << "else as ever";
}

TEST_P(Sctp_Garbage, DataThatCannotBeIsNotDelivered) {
  Association& of = victim();
  Chunk nothing = of.data({});  // RFC 9260 6.2: no user data
  send(of.packet_of(nothing, of.tag()));
  Chunk far = victim().data(bytes_of("far"));
  far.value[0] ^= 0x40;  // its number
  send(victim().packet_of(far, victim().tag()));
  Chunk elsewhere = victim().data(bytes_of("elsewhere"));
  set16(elsewhere.value, 4, 999);  // its stream
  send(victim().packet_of(elsewhere, victim().tag()));
  Bytes of_the_future;
  for (const uint32_t word : {victim().last_tsn() + 1000, 100000u, 0u}) put32(of_the_future, word);
  send(victim().packet_of({Chunk::kSack, 0, of_the_future}, victim().tag()));
  EXPECT_EQ(counters().bytes_delivered, 0u);
}

// ---- SCTP of somebody else ----

TEST_P(Sctp_Garbage, AFloodOfInitsHoldsNothing) {  // RFC 9260 5.1.3: the cookie has it all
  const uint64_t n_sockets = stack().n_sockets();
  for (uint32_t i = 0; i < 20'000; ++i) {
    Association stranger(*this, family(), static_cast<uint16_t>(1024 + i), kSctpPort,
                         i % 2 == 0 ? Host::kPeer : Host::kStranger);
    stranger.send(stranger.init(), 0);
    if (i % 16 == 0) run();
    if (i % 1000 == 0) peer().forget();
  }
  run();
  EXPECT_EQ(stack().n_sockets(), n_sockets);
  EXPECT_EQ(counters().connections_accepted, 1u);
  EXPECT_EQ(counters().connections_refused, 0u);
  expect_alive();
  Association late(*this, family(), 500, kSctpPort);
  late.connect();
  const auto accepted = listener->accept();
  ASSERT_NE(accepted, nullptr);
  accepted->options().linger = true;
}

TEST_P(Sctp_Garbage, AForgedCookieIsNoConnection) {  // RFC 9260 5.1.5
  Association stranger(*this, family(), 50001, kSctpPort);
  const Bytes cookie = stranger.ask_for_cookie();
  ASSERT_FALSE(cookie.empty());
  // Where libusrsctp's cookie has addresses there are zeros: it checks the signature over those of the packet.
  const auto is_address = [](size_t at) { return (at >= 52 && at < 60) || (at >= 72 && at < 80); };
  for (size_t at = 0; at < cookie.size(); at += 3) {
    if (is_address(at)) continue;
    Bytes forged = cookie;
    forged[at] ^= static_cast<uint8_t>(1u << at % 8);
    ASSERT_FALSE(stranger.echo(forged)) << "byte " << at;
    peer().forget();
  }
  EXPECT_FALSE(stranger.echo(Bytes(cookie.begin(), cookie.end() - 4)));
  EXPECT_FALSE(stranger.echo({}));
  EXPECT_EQ(counters().connections_accepted, 1u);
  EXPECT_TRUE(stranger.echo(cookie)) << "the true one is";
  const auto accepted = listener->accept();
  ASSERT_NE(accepted, nullptr);
  accepted->options().linger = true;
}

TEST_P(Sctp_Garbage, ACookieOfAnotherPeerOrOfLongAgoIsNoConnection) {
  Association owner(*this, family(), 50001, kSctpPort);
  const Bytes cookie = owner.ask_for_cookie();
  Association thief(*this, family(), 50001, kSctpPort, Host::kStranger);
  thief.steal_tag_of(owner);
  EXPECT_FALSE(thief.echo(cookie));
  EXPECT_EQ(counters().connections_accepted, 1u);
  advance(61'000);  // Valid.Cookie.Life, RFC 9260 16
  EXPECT_FALSE(owner.echo(cookie));
  EXPECT_EQ(counters().connections_accepted, 1u);
}

TEST_P(Sctp_Garbage, WithAWrongTagNothingEndsAConnection) {  // RFC 9260 8.5
  const Bytes shutdown = [this] {
    Bytes body;
    put32(body, remote->last_tsn());
    return body;
  }();
  for (const uint32_t tag : {0u, 0x11111111u, remote->tag() + 1, remote->tag() ^ 0x80000000u}) {
    for (const uint8_t flags : std::initializer_list<uint8_t>{0, 1}) {  // the T bit: reflected, and then it is the peer's own that counts
      if (flags == 1 && tag == 0x11111111u) continue;
      remote->send({Chunk::kAbort, flags, {}}, tag);
      remote->send({Chunk::kShutdownComplete, flags, {}}, tag);
    }
    remote->send({Chunk::kShutdown, 0, shutdown}, tag);
    remote->send({Chunk::kShutdownAck, 0, {}}, tag);
    remote->send({Chunk::kCookieAck, 0, {}}, tag);
    remote->send({Chunk::kError, 0, {}}, tag);
    run();
    EXPECT_TRUE(app->socket().is_connected()) << std::hex << tag;
  }
  expect_alive();
  remote->send({Chunk::kAbort, 0, {}}, remote->tag());
  run();
  EXPECT_EQ(app->receive().error, WsaError::kConnReset) << "with the right one it does";
  remote->forget();
  remote = std::make_unique<Association>(*this, family(), uint16_t{40001}, kSctpPort);
  remote->connect();
  app = listener->accept();
}

TEST_P(Sctp_Garbage, AnInitInTheNameOfThePeerDoesNotEndItsConnection) {  // RFC 9260 5.2.2
  Association impostor(*this, family(), 40000, kSctpPort);
  for (int i = 0; i < 10; ++i) (void)impostor.ask_for_cookie();
  EXPECT_TRUE(app->socket().is_connected());
  EXPECT_EQ(counters().sctp_restarts, 0u);
}

}  // namespace
}  // namespace millrace::test
