// SPDX-License-Identifier: BSD-3-Clause
// Frames as values: what a test sends is built from a Frame, what it receives is parsed into one.
//
//   build(Frame) -> bytes, all checksums right        parse(bytes) -> Frame, all checksums verified
//
// Nothing of lwIP, DPDK or the code under test is used here: a mistake there must not be mirrored
// by the same mistake in the tests. Malformed frames are made by damaging built bytes; repair()
// then makes their checksums right again, so that the damage itself is what is tested.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/address.h"

namespace millrace::test {

using Bytes = std::vector<uint8_t>;
using Mac = std::array<uint8_t, 6>;

inline constexpr Mac kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline constexpr uint16_t kEtherIp4 = 0x0800;
inline constexpr uint16_t kEtherArp = 0x0806;
inline constexpr uint16_t kEtherVlan = 0x8100;
inline constexpr uint16_t kEtherIp6 = 0x86dd;

inline constexpr uint8_t kIcmp4 = 1;
inline constexpr uint8_t kIgmp = 2;
inline constexpr uint8_t kTcp = 6;
inline constexpr uint8_t kUdp = 17;
inline constexpr uint8_t kIcmp6 = 58;

inline constexpr size_t kEtherBytes = 14;
inline constexpr size_t kIp4Bytes = 20;
inline constexpr size_t kIp6Bytes = 40;
inline constexpr size_t kTcpBytes = 20;
inline constexpr size_t kUdpBytes = 8;

struct Arp {
  uint16_t operation = 1;  ///< 1 request, 2 reply
  Mac sender_mac{};
  IpAddress sender;
  Mac target_mac{};
  IpAddress target;
};

/// Where a fragment lies in its datagram.
struct FragmentOf {
  uint32_t id = 0;
  uint16_t offset = 0;  ///< bytes, a multiple of 8
  bool more = false;
};

struct Ip {
  IpAddress source;
  IpAddress target;
  uint8_t protocol = 0;  ///< the upper layer's, behind all extension headers
  uint8_t ttl = 64;
  std::optional<FragmentOf> fragment;
  bool dont_fragment = false;  ///< received: IPv4's flag
  uint8_t tos = 0;  ///< IPv4's type of service, IPv6's traffic class
};

/// A TCP segment. Sent: what is unset gets its usual value. Expected: what is unset matches
/// anything.
struct Segment {
  static constexpr uint8_t kFin = 1, kSyn = 2, kRst = 4, kPsh = 8, kAck = 16, kUrg = 32;

  std::optional<uint16_t> source_port, target_port;
  uint8_t flags = 0;
  std::optional<uint32_t> seq, ack;
  std::optional<uint16_t> window;  ///< as in the header, unscaled
  std::optional<uint16_t> urgent;  ///< the pointer; received: set where the flag is
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  Bytes more_options;  ///< behind the ones above, padded with NOPs to 4 bytes
  Bytes payload;

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

struct Datagram {
  uint16_t source_port = 0;
  uint16_t target_port = 0;
  Bytes payload;
};

/// ICMP or ICMPv6: the body is everything behind the checksum.
struct Icmp {
  uint8_t type = 0;
  uint8_t code = 0;
  Bytes body;
};

/// One Ethernet frame. At most one of the upper layers is set; a fragment, and a protocol that is
/// not known here, leave their bytes in payload.
struct Frame {
  Mac to{};
  Mac from{};
  std::optional<uint16_t> vlan;  ///< 802.1Q tag: priority and VLAN ID
  uint16_t ether_type = 0;  ///< build(): 0 is chosen from what is set
  std::optional<Arp> arp;
  std::optional<Ip> ip;
  std::optional<Segment> tcp;
  std::optional<Datagram> udp;
  std::optional<Icmp> icmp;
  Bytes payload;
};

Bytes build(const Frame& frame);

/// @param[out] why  set when the result is empty: too short, a wrong length, a wrong checksum
std::optional<Frame> parse(const Bytes& bytes, std::string& why);

/// Makes the checksums of a frame right again: IPv4's header and the upper layer's. Lengths in the
/// headers are believed where they fit.
void repair(Bytes& frame);

/// Cuts an IP frame into fragments of at most payload_bytes (a multiple of 8) each.
std::vector<Frame> fragments_of(const Frame& frame, size_t payload_bytes, uint32_t id = 1);
/// Puts the fragments of one datagram together. @return nothing: some are missing
std::optional<Frame> join(const std::vector<Frame>& fragments, std::string& why);

/// One line, as tcpdump would write it.
std::string text(const Frame& frame);
std::string text(const Segment& segment);

Bytes bytes_of(std::string_view text);
/// n bytes that tell by their value where in the stream they stand.
Bytes pattern(size_t n, size_t stream_offset = 0);

/// Writes a Segment: tcp().syn().seq(0).mss(1460), tcp().ack(1).seq(1).data("hello").
class TcpWriter {
 public:
  TcpWriter& syn() { return flag(Segment::kSyn); }
  TcpWriter& fin() { return flag(Segment::kFin); }
  TcpWriter& rst() { return flag(Segment::kRst); }
  TcpWriter& psh() { return flag(Segment::kPsh); }
  TcpWriter& seq(uint32_t n) { return segment_.seq = n, *this; }
  /// Sets the flag, too.
  TcpWriter& ack(uint32_t n) { return segment_.ack = n, flag(Segment::kAck); }
  /// The flag alone: any number where it is expected.
  TcpWriter& ack() { return flag(Segment::kAck); }
  TcpWriter& window(uint16_t n) { return segment_.window = n, *this; }
  /// Sets the flag, too.
  TcpWriter& urg(uint16_t pointer) { return segment_.urgent = pointer, flag(Segment::kUrg); }
  TcpWriter& mss(uint16_t n) { return segment_.mss = n, *this; }
  TcpWriter& window_scale(uint8_t n) { return segment_.window_scale = n, *this; }
  TcpWriter& sack_permitted() { return segment_.sack_permitted = true, *this; }
  TcpWriter& options(Bytes raw) { return segment_.more_options = std::move(raw), *this; }
  TcpWriter& data(std::string_view text) { return segment_.payload = bytes_of(text), *this; }
  TcpWriter& data(Bytes bytes) { return segment_.payload = std::move(bytes), *this; }

  operator const Segment&() const { return segment_; }

 private:
  TcpWriter& flag(uint8_t flag) {
    segment_.flags = static_cast<uint8_t>(segment_.flags | flag);
    return *this;
  }

  Segment segment_;
};

inline TcpWriter tcp() { return {}; }

}  // namespace millrace::test
