// SPDX-License-Identifier: BSD-3-Clause
// One TCP connection as the hand-driven peer sees it, so that a test reads as a packet exchange:
//
//   Flow flow(*this, family(), 40000, 80);
//   flow.send(tcp().syn().seq(0).mss(1460));
//   flow.expect(tcp().syn().seq(0).ack(1));
//
// Numbers are relative, as in tcpdump: seq counts from the sender's first number, ack from the
// receiver's. What a test leaves out is the next number that continues the connection.
#pragma once

#include <source_location>
#include <utility>
#include <vector>

#include "tests/support/stack_test.h"

namespace millrace::test {

class Flow {
 public:
  using Where = std::source_location;

  Flow(StackTest& world, uint8_t family, uint16_t own_port, uint16_t stack_port,
       Host host = Host::kPeer);

  /// Our first number; before anything is sent.
  void begin_at(uint32_t isn) { own_isn_ = isn; }
  /// Sends one segment. Left out: seq continues, ack() is what we have seen, the window is ours.
  void send(const Segment& segment);
  /// The frame that send() would put on the wire, for a test that damages it first.
  Bytes frame_of(const Segment& segment);
  /// The test has sent such a frame with so many bytes: what follows continues behind them.
  void sent(size_t n_bytes) { own_next_ += static_cast<uint32_t>(n_bytes); }

  /// The Stack's next segment of this connection, after run(); relative.
  std::optional<Segment> next();
  /// The next segment has these flags, numbers and payload, and no other segment is before it.
  void expect(const Segment& expected, Where where = Where::current());
  void expect_nothing(Where where = Where::current());

  /// The three-way handshake, begun by us. @param scale  our window scale; none: not offered
  void connect(uint16_t mss = 1460, std::optional<uint8_t> scale = std::nullopt,
               Where where = Where::current());
  /// The Stack's SYN is on its way: takes the port it came from, and completes the handshake.
  void accept(uint16_t mss = 1460, Where where = Where::current());
  /// Sends bytes in segments of at most `size`, running the Stack after each.
  void stream(const Bytes& bytes, size_t size = 1460);
  /// Takes at least n bytes from the Stack in order, acknowledging each segment.
  Bytes collect(size_t n, Where where = Where::current());

  /// A SACK option (RFC 2018) of ranges [first, second) of the Stack's numbers.
  Bytes sack(const std::vector<std::pair<uint32_t, uint32_t>>& ranges) const;

  uint16_t window = 0xffff;  ///< what our segments advertise, unscaled
  bool offers_sack = false;  ///< in the SYN of connect()
  /// Our timestamp (RFC 7323): set, each segment carries it and echoes the Stack's newest one.
  std::optional<uint32_t> clock;
  /// The Stack's newest timestamp, and what it echoed with it; none: its last segment had none.
  std::optional<std::pair<uint32_t, uint32_t>> their_timestamps;
  std::optional<uint32_t> echo;  ///< sent instead of the newest one
  uint32_t own_next() const { return own_next_; }
  uint32_t their_next() const { return their_next_; }
  uint16_t stack_port() const { return stack_port_; }
  /// The Stack has sent its FIN.
  bool has_fin() const { return has_fin_; }
  /// When the segment of the last next() or expect() came.
  uint64_t arrived_at_ms() const { return arrived_at_ms_; }

 private:
  bool is_mine(const Frame& frame) const;
  void note_timestamps(const Segment& segment);

  StackTest& world_;
  uint8_t family_;
  Host host_;
  uint16_t own_port_;
  uint16_t stack_port_;
  uint32_t own_isn_ = 0xfffffff0;  // so that numbers wrap early in each test
  std::optional<uint32_t> their_isn_;
  uint32_t own_next_ = 0;
  uint32_t their_next_ = 0;
  bool has_fin_ = false;
  uint64_t arrived_at_ms_ = 0;
};

}  // namespace millrace::test
