// SPDX-License-Identifier: BSD-3-Clause
// The peer's end of an SCTP association, driven by hand: packets are put together and taken apart here, with
// a CRC32c of our own, so that nothing of what is tested checks itself.
//
//   Association peer(*this, family(), 40000, 80);
//   peer.connect();                                     INIT, INIT ACK, COOKIE ECHO, COOKIE ACK
//   peer.say(bytes_of("hello"));                        a DATA chunk with a message of its own
//   const auto chunk = peer.next(Chunk::kData);         what the Stack has sent, acknowledged if wanted
#pragma once

#include <deque>
#include <optional>

#include "tests/support/stack_test.h"

namespace millrace::test {

inline constexpr uint8_t kSctp = 132;
/// Copies of a received byte that are counted (stack/SCTP.md, Cost).
inline constexpr uint64_t kSctpCopies = 2;

struct Chunk {
  static constexpr uint8_t kData = 0, kInit = 1, kInitAck = 2, kSack = 3, kHeartbeat = 4, kHeartbeatAck = 5,
                           kAbort = 6, kShutdown = 7, kShutdownAck = 8, kError = 9, kCookieEcho = 10,
                           kCookieAck = 11, kShutdownComplete = 14;
  static constexpr uint8_t kEnds = 1, kBegins = 2;  ///< flags of DATA

  uint8_t type = 0;
  uint8_t flags = 0;
  Bytes value;
  IpAddress from = {}, to = {};  ///< of one that came
};

/// Whose virtual time libusrsctp sees as the time of day, by which it judges how long ago it sent what.
extern const StackTest* sctp_clock;

class Association {
 public:
  Association(StackTest& world, uint8_t family, uint16_t own_port, uint16_t stack_port,
              Host host = Host::kPeer);

  /// To a listener of the Stack's; fails the test if it does not come about.
  void connect();
  /// The first half of connect(). @return the cookie, empty: the Stack has not answered
  Bytes ask_for_cookie();
  /// Its second half, which a test may do with another cookie. @return false: no COOKIE ACK
  bool echo(const Bytes& cookie);
  /// The INIT chunk that begins it. @param parameters  behind the ones that it must have
  Chunk init(const Bytes& parameters = {}) const;
  /// connect() up to the COOKIE ECHO, whatever comes then.
  void ask();
  /// Answers the INIT of a socket that connects to this port.
  void accept();
  /// SHUTDOWN, SHUTDOWN ACK, SHUTDOWN COMPLETE. Fails the test if the Stack does not answer.
  void shut_down();
  /// The numbers of a peer that knows nothing of what was before.
  void forget();

  /// @param flags  Chunk::kBegins, kEnds
  void say(const Bytes& message, uint8_t flags = Chunk::kBegins | Chunk::kEnds);
  Chunk data(const Bytes& message, uint8_t flags = Chunk::kBegins | Chunk::kEnds);
  void send(const Chunk& chunk) { send(chunk, stack_tag_); }
  void send(const Chunk& chunk, uint32_t tag);
  void send_raw(Bytes packet);
  static void sum_up(Bytes& packet);
  /// What the Stack expects in packets of ours.
  uint32_t tag() const { return stack_tag_; }
  /// To send in the name of another: what the Stack expects from that one.
  void steal_tag_of(const Association& other) { stack_tag_ = other.stack_tag_; }
  /// Of the Stack's DATA: the last number without a gap before it.
  uint32_t last_tsn() const { return last_tsn_; }
  /// The packet's bytes with a right checksum.
  Bytes packet_of(const Chunk& chunk, uint32_t tag) const;

  /// The oldest chunk of this type that came, others that came before it are dropped.
  std::optional<Chunk> next(uint8_t type);
  /// Tells of all DATA that next() or take() has seen.
  void acknowledge();
  /// The Stack has acknowledged all DATA of ours, by what came until now.
  bool is_acknowledged();
  /// Everything that came, to look for in next().
  void take();
  /// Of messages whose parts came in order: all their bytes.
  Bytes take_bytes();

  /// Between which addresses what is sent travels, and what INIT and INIT ACK list beside.
  IpAddress from, to;
  std::vector<IpAddress> listed;
  uint32_t window_bytes = 100000;
  bool damages_cookie = false;  ///< the last byte of it comes back as another one
  bool is_up = false;

 private:
  Bytes init_body() const;
  bool is_listed(const IpAddress& address) const;

  StackTest& world_;
  const uint8_t family_;
  const Host host_;
  const uint16_t own_port_;
  uint16_t stack_port_;
  uint32_t own_tag_ = 0x11111111;
  uint32_t own_tsn_ = 1000;
  uint16_t own_ssn_ = 0;
  uint32_t stack_tag_ = 0;
  uint32_t last_tsn_ = 0;  ///< of the Stack's, in order
  std::deque<Chunk> chunks_;
};

}  // namespace millrace::test
