// SPDX-License-Identifier: BSD-3-Clause
// Reading: from bytes to a Frame, with every length and checksum verified on the way.
#include <algorithm>
#include <utility>

#include "tests/support/wire.h"
#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

/// Fails a parse: `return complain(why, "...")`.
std::nullopt_t complain(std::string& why, std::string what) {
  why = std::move(what);
  return std::nullopt;
}

bool read_options(const Bytes& upper, size_t end, Segment& segment) {
  for (size_t at = kTcpBytes; at < end;) {
    const uint8_t kind = upper[at];
    if (kind == 0) return true;
    if (kind == 1) {
      ++at;
      continue;
    }
    if (at + 1 >= end || upper[at + 1] < 2 || at + upper[at + 1] > end) return false;
    const uint8_t size = upper[at + 1];
    if (kind == 2 && size == 4) segment.mss = get16(upper, at + 2);
    if (kind == 3 && size == 3) segment.window_scale = upper[at + 2];
    if (kind == 4) segment.sack_permitted = true;
    if (kind > 4) put(segment.more_options, cut(upper, at, at + size));
    at += size;
  }
  return true;
}

std::optional<Segment> read_tcp(const Bytes& upper, std::string& why) {
  if (upper.size() < kTcpBytes) return complain(why, "TCP header cut short");
  const size_t header = size_t{upper[12]} / 16 * 4;
  if (header < kTcpBytes || header > upper.size()) return complain(why, "TCP data offset");
  Segment segment;
  segment.source_port = get16(upper, 0);
  segment.target_port = get16(upper, 2);
  segment.seq = get32(upper, 4);
  segment.flags = upper[13] & 0x3f;
  if (segment.has(Segment::kAck)) segment.ack = get32(upper, 8);
  segment.window = get16(upper, 14);
  if (segment.has(Segment::kUrg)) segment.urgent = get16(upper, 18);
  if (!read_options(upper, header, segment)) return complain(why, "TCP options");
  segment.payload = cut(upper, header, upper.size());
  return segment;
}

bool read_upper(Frame& frame, const Bytes& upper, std::string& why) {
  const Ip& ip = *frame.ip;
  const auto checksum_at = checksum_offset(ip.protocol);
  if (!checksum_at || ip.fragment) {
    frame.payload = upper;
    return true;
  }
  if (upper.size() < kUdpBytes && ip.protocol != kIcmp4 && ip.protocol != kIcmp6) {
    return why = "header cut short", false;
  }
  const bool unsummed = ip.protocol == kUdp && ip.source.family == 4 && get16(upper, 6) == 0;
  if (upper.size() < 4 || (!unsummed && upper_sum(ip, upper) != 0xffff)) {
    return why = "checksum of protocol " + std::to_string(ip.protocol), false;
  }
  if (ip.protocol == kTcp) {
    frame.tcp = read_tcp(upper, why);
    return frame.tcp.has_value();
  }
  if (ip.protocol == kUdp) {
    if (get16(upper, 4) != upper.size()) return why = "UDP length", false;
    frame.udp = Datagram{get16(upper, 0), get16(upper, 2), cut(upper, kUdpBytes, upper.size())};
  } else {
    frame.icmp = Icmp{upper[0], upper[1], cut(upper, 4, upper.size())};
  }
  return true;
}

bool read_ip4(Frame& frame, const Bytes& bytes, std::string& why) {
  if (bytes.size() < kEtherBytes + kIp4Bytes) return why = "IPv4 header cut short", false;
  const size_t header = (bytes[kEtherBytes] & 0x0fu) * 4u;
  const size_t total = get16(bytes, kEtherBytes + 2);
  if (bytes[kEtherBytes] >> 4 != 4 || header < kIp4Bytes || total < header ||
      kEtherBytes + total > bytes.size()) {
    return why = "IPv4 lengths", false;
  }
  if (sum(cut(bytes, kEtherBytes, kEtherBytes + header)) != 0xffff) {
    return why = "IPv4 header checksum", false;
  }
  Ip ip;
  ip.ttl = bytes[kEtherBytes + 8];
  ip.tos = bytes[kEtherBytes + 1];
  ip.protocol = bytes[kEtherBytes + 9];
  ip.source = get_address(bytes, kEtherBytes + 12, 4);
  ip.target = get_address(bytes, kEtherBytes + 16, 4);
  const uint16_t where = get16(bytes, kEtherBytes + 6);
  ip.dont_fragment = (where & 0x4000) != 0;
  if ((where & 0x3fff) != 0) {
    ip.fragment =
        FragmentOf{get16(bytes, kEtherBytes + 4), static_cast<uint16_t>((where & 0x1fff) * 8),
                   (where & kMoreFragments) != 0};
  }
  frame.ip = ip;
  return read_upper(frame, cut(bytes, kEtherBytes + header, kEtherBytes + total), why);
}

bool read_ip6(Frame& frame, const Bytes& bytes, std::string& why) {
  if (bytes.size() < kEtherBytes + kIp6Bytes) return why = "IPv6 header cut short", false;
  const size_t end = kEtherBytes + kIp6Bytes + get16(bytes, kEtherBytes + 4);
  if (bytes[kEtherBytes] >> 4 != 6 || end > bytes.size()) return why = "IPv6 lengths", false;
  Ip ip;
  ip.protocol = bytes[kEtherBytes + 6];
  ip.ttl = bytes[kEtherBytes + 7];
  ip.tos = static_cast<uint8_t>((bytes[kEtherBytes] & 0x0f) << 4 | bytes[kEtherBytes + 1] >> 4);
  ip.source = get_address(bytes, kEtherBytes + 8, 6);
  ip.target = get_address(bytes, kEtherBytes + 24, 6);
  size_t at = kEtherBytes + kIp6Bytes;
  while (ip.protocol == kHopByHop || ip.protocol == kDestinationOptions ||
         ip.protocol == kFragmentHeader) {
    if (at + 8 > end) return why = "IPv6 extension header cut short", false;
    if (ip.protocol == kFragmentHeader) {
      const uint16_t where = get16(bytes, at + 2);
      ip.fragment =
          FragmentOf{get32(bytes, at + 4), static_cast<uint16_t>(where & 0xfff8), (where & 1) != 0};
    }
    const size_t size = ip.protocol == kFragmentHeader ? 8 : 8 + size_t{bytes[at + 1]} * 8;
    ip.protocol = bytes[at];
    at += size;
  }
  if (at > end) return why = "IPv6 extension header cut short", false;
  frame.ip = ip;
  return read_upper(frame, cut(bytes, at, end), why);
}

bool read_arp(Frame& frame, const Bytes& bytes, std::string& why) {
  if (bytes.size() < kEtherBytes + 28) return why = "ARP cut short", false;
  frame.arp = Arp{get16(bytes, 20), get_mac(bytes, 22), get_address(bytes, 28, 4),
                  get_mac(bytes, 32), get_address(bytes, 38, 4)};
  return true;
}

}  // namespace

std::optional<Frame> parse(const Bytes& bytes, std::string& why) {
  if (bytes.size() < kEtherBytes) return complain(why, "Ethernet header cut short");
  Frame frame;
  if (get16(bytes, 12) == kEtherVlan && bytes.size() >= kEtherBytes + 4) {
    Bytes untagged = cut(bytes, 0, 12);
    put(untagged, cut(bytes, 16, bytes.size()));
    std::optional<Frame> inner = parse(untagged, why);
    if (inner) inner->vlan = get16(bytes, 14);
    return inner;
  }
  frame.to = get_mac(bytes, 0);
  frame.from = get_mac(bytes, 6);
  frame.ether_type = get16(bytes, 12);
  bool good = true;
  if (frame.ether_type == kEtherArp) {
    good = read_arp(frame, bytes, why);
  } else if (frame.ether_type == kEtherIp4) {
    good = read_ip4(frame, bytes, why);
  } else if (frame.ether_type == kEtherIp6) {
    good = read_ip6(frame, bytes, why);
  } else {
    frame.payload = cut(bytes, kEtherBytes, bytes.size());
  }
  return good ? std::optional(std::move(frame)) : std::nullopt;
}

std::optional<Frame> join(const std::vector<Frame>& fragments, std::string& why) {
  std::vector<Frame> sorted = fragments;
  std::sort(sorted.begin(), sorted.end(), [](const Frame& a, const Frame& b) {
    return a.ip->fragment->offset < b.ip->fragment->offset;
  });
  if (sorted.empty()) return complain(why, "no fragments");
  Frame whole = sorted.front();
  Bytes upper;
  for (const Frame& part : sorted) {
    if (part.ip->fragment->offset != upper.size()) return complain(why, "a hole or an overlap");
    if (part.ip->fragment->id != whole.ip->fragment->id) return complain(why, "different ids");
    put(upper, part.payload);
  }
  if (sorted.back().ip->fragment->more) return complain(why, "the last fragment is missing");
  whole.ip->fragment.reset();
  whole.payload.clear();
  if (!read_upper(whole, upper, why)) return std::nullopt;
  return whole;
}

}  // namespace millrace::test
