// SPDX-License-Identifier: BSD-3-Clause
// Writing: from a Frame to bytes, to fragments, and to a line of text.
#include "tests/support/wire.h"

#include <algorithm>
#include <utility>

#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

void write_checksum(const Ip& ip, Bytes& upper) {
  const auto at = checksum_offset(ip.protocol);
  if (!at || upper.size() < *at + 2) return;
  set16(upper, *at, 0);
  const auto checksum = static_cast<uint16_t>(~upper_sum(ip, upper));
  set16(upper, *at, ip.protocol == kUdp && checksum == 0 ? 0xffff : checksum);
}

Bytes options_of(const Segment& segment) {
  Bytes options;
  if (segment.mss) {
    put16(options, 0x0204);
    put16(options, *segment.mss);
  }
  if (segment.window_scale) {
    put16(options, 0x0303);
    put(options, *segment.window_scale);
  }
  if (segment.sack_permitted) put16(options, 0x0402);
  put(options, segment.more_options);
  while (options.size() % 4 != 0) put(options, uint8_t{1});
  return options;
}

Bytes upper_bytes(const Segment& segment) {
  const Bytes options = options_of(segment);
  Bytes out;
  put16(out, segment.source_port.value_or(0));
  put16(out, segment.target_port.value_or(0));
  put32(out, segment.seq.value_or(0));
  put32(out, segment.ack.value_or(0));
  put(out, static_cast<uint8_t>((kTcpBytes + options.size()) / 4 << 4));
  put(out, segment.flags);
  put16(out, segment.window.value_or(0xffff));
  put16(out, 0);  // checksum
  put16(out, segment.urgent.value_or(0));
  put(out, options);
  put(out, segment.payload);
  return out;
}

Bytes upper_bytes(const Datagram& datagram) {
  Bytes out;
  put16(out, datagram.source_port);
  put16(out, datagram.target_port);
  put16(out, static_cast<uint32_t>(kUdpBytes + datagram.payload.size()));
  put16(out, 0);
  put(out, datagram.payload);
  return out;
}

Bytes upper_bytes(const Icmp& icmp) {
  Bytes out = {icmp.type, icmp.code, 0, 0};
  put(out, icmp.body);
  return out;
}

/// The bytes behind the IP header, and their protocol.
Bytes upper_of(const Frame& frame, Ip& ip) {
  Bytes upper = frame.payload;
  if (frame.tcp) {
    ip.protocol = kTcp;
    upper = upper_bytes(*frame.tcp);
  } else if (frame.udp) {
    ip.protocol = kUdp;
    upper = upper_bytes(*frame.udp);
  } else if (frame.icmp) {
    ip.protocol = ip.source.family == 4 ? kIcmp4 : kIcmp6;
    upper = upper_bytes(*frame.icmp);
  } else {
    return upper;  // raw, or a fragment: its checksum is the first fragment's affair
  }
  write_checksum(ip, upper);
  return upper;
}

Bytes ip4_header(const Ip& ip, size_t upper_bytes) {
  Bytes header = {0x45, ip.tos};
  put16(header, static_cast<uint32_t>(kIp4Bytes + upper_bytes));
  const FragmentOf fragment = ip.fragment.value_or(FragmentOf{});
  put16(header, fragment.id & 0xffff);
  put16(header, fragment.offset / 8u | (fragment.more ? kMoreFragments : 0u));
  put(header, ip.ttl);
  put(header, ip.protocol);
  put16(header, 0);
  put(header, ip.source);
  put(header, ip.target);
  set16(header, 10, static_cast<uint16_t>(~sum(header)));
  return header;
}

Bytes ip6_header(const Ip& ip, size_t upper_bytes) {
  Bytes header = {static_cast<uint8_t>(0x60 | ip.tos >> 4), static_cast<uint8_t>(ip.tos << 4), 0, 0};
  put16(header, static_cast<uint32_t>(upper_bytes + (ip.fragment ? 8 : 0)));
  put(header, ip.fragment ? kFragmentHeader : ip.protocol);
  put(header, ip.ttl);
  put(header, ip.source);
  put(header, ip.target);
  if (ip.fragment) {
    put16(header, uint32_t{ip.protocol} << 8);
    put16(header, ip.fragment->offset | (ip.fragment->more ? 1u : 0u));
    put32(header, ip.fragment->id);
  }
  return header;
}

Bytes arp_bytes(const Arp& arp) {
  Bytes out = {0, 1, 8, 0, 6, 4};
  put16(out, arp.operation);
  put(out, arp.sender_mac);
  put(out, arp.sender);
  put(out, arp.target_mac);
  put(out, arp.target);
  return out;
}
uint16_t ether_type_of(const Frame& frame) {
  if (frame.ether_type != 0) return frame.ether_type;
  if (frame.arp) return kEtherArp;
  return frame.ip && frame.ip->source.family == 6 ? kEtherIp6 : kEtherIp4;
}

}  // namespace

Bytes build(const Frame& frame) {
  Bytes out;
  put(out, frame.to);
  put(out, frame.from);
  if (frame.vlan) {
    put16(out, kEtherVlan);
    put16(out, *frame.vlan);
  }
  put16(out, ether_type_of(frame));
  if (frame.arp) {
    put(out, arp_bytes(*frame.arp));
  } else if (frame.ip) {
    Ip ip = *frame.ip;
    const Bytes upper = upper_of(frame, ip);
    put(out, ip.source.family == 4 ? ip4_header(ip, upper.size()) : ip6_header(ip, upper.size()));
    put(out, upper);
  } else {
    put(out, frame.payload);
  }
  return out;
}

void repair(Bytes& frame) {
  if (frame.size() < kEtherBytes + kIp4Bytes) return;
  const bool is_4 = get16(frame, 12) == kEtherIp4;
  if (!is_4 && (get16(frame, 12) != kEtherIp6 || frame.size() < kEtherBytes + kIp6Bytes)) return;
  Ip ip;
  size_t upper_at = kEtherBytes + kIp6Bytes;
  size_t end = upper_at + get16(frame, kEtherBytes + 4);
  if (is_4) {
    upper_at = std::min(frame.size(), kEtherBytes + (frame[kEtherBytes] & 0x0fu) * 4u);
    end = kEtherBytes + get16(frame, kEtherBytes + 2);
    set16(frame, kEtherBytes + 10, 0);
    set16(frame, kEtherBytes + 10, static_cast<uint16_t>(~sum(cut(frame, kEtherBytes, upper_at))));
  }
  end = std::max(upper_at, std::min(end, frame.size()));
  ip.protocol = frame[kEtherBytes + (is_4 ? 9 : 6)];
  ip.source = get_address(frame, kEtherBytes + (is_4 ? 12 : 8), is_4 ? 4 : 6);
  ip.target = get_address(frame, kEtherBytes + (is_4 ? 16 : 24), is_4 ? 4 : 6);
  Bytes upper = cut(frame, upper_at, end);
  write_checksum(ip, upper);
  std::copy(upper.begin(), upper.end(), frame.begin() + static_cast<ptrdiff_t>(upper_at));
}

std::vector<Frame> fragments_of(const Frame& frame, size_t payload_bytes, uint32_t id) {
  Ip ip = *frame.ip;
  const Bytes upper = upper_of(frame, ip);
  std::vector<Frame> out;
  for (size_t at = 0; at < upper.size(); at += payload_bytes) {
    const size_t end = std::min(upper.size(), at + payload_bytes);
    Frame part;
    part.to = frame.to;
    part.from = frame.from;
    part.ip = ip;
    part.ip->fragment = FragmentOf{id, static_cast<uint16_t>(at), end != upper.size()};
    part.payload = cut(upper, at, end);
    out.push_back(std::move(part));
  }
  return out;
}

std::string text(const Segment& segment) {
  std::string flags;
  constexpr std::pair<uint8_t, char> kLetters[] = {{Segment::kSyn, 'S'}, {Segment::kFin, 'F'},
                                                   {Segment::kRst, 'R'}, {Segment::kPsh, 'P'},
                                                   {Segment::kUrg, 'U'}, {Segment::kAck, '.'}};
  for (const auto& [flag, letter] : kLetters) {
    if (segment.has(flag)) flags += letter;
  }
  std::string line = "TCP [" + flags + "]";
  const auto add = [&](const char* name, auto value) {
    if (value) line += std::string(" ") + name + " " + std::to_string(*value);
  };
  add("seq", segment.seq);
  add("ack", segment.ack);
  add("win", segment.window);
  add("urg", segment.urgent);
  add("mss", segment.mss);
  add("wscale", segment.window_scale);
  return line + " length " + std::to_string(segment.payload.size());
}

std::string text(const Frame& frame) {
  if (frame.arp) {
    return (frame.arp->operation == 1 ? "ARP who has " : "ARP reply to ") +
           frame.arp->target.text() + " tell " + frame.arp->sender.text();
  }
  if (!frame.ip) return "type " + std::to_string(frame.ether_type);
  std::string line = frame.ip->source.text() + " > " + frame.ip->target.text() + ": ";
  if (frame.ip->fragment) {
    return line + "fragment at " + std::to_string(frame.ip->fragment->offset);
  }
  if (frame.tcp) return line + text(*frame.tcp);
  if (frame.udp) return line + "UDP length " + std::to_string(frame.udp->payload.size());
  if (frame.icmp) {
    return line + "ICMP " + std::to_string(frame.icmp->type) + "/" +
           std::to_string(frame.icmp->code);
  }
  return line + "protocol " + std::to_string(frame.ip->protocol);
}

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

Bytes pattern(size_t n, size_t stream_offset) {
  Bytes bytes(n);
  for (size_t i = 0; i < n; ++i) {
    const size_t at = stream_offset + i;
    bytes[i] = static_cast<uint8_t>(at ^ (at >> 8) * 31 ^ (at >> 16) * 97);
  }
  return bytes;
}

}  // namespace millrace::test
