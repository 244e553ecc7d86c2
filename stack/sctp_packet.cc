// SPDX-License-Identifier: BSD-3-Clause
#include "stack/sctp_packet.h"

#include <algorithm>
#include <cstring>

namespace millrace {
namespace {

constexpr size_t kHeader = kSctpHeaderBytes;
constexpr size_t kChunkHeader = 4;   // 3.2
constexpr size_t kInitFixed = 20;    // 3.3.2: chunk header, tag, window, streams, TSN
constexpr size_t kTagAt = kHeader + kChunkHeader;
constexpr uint16_t kHeartbeatInfo = 1, kIp4 = 5, kIp6 = 6, kStateCookie = 7;
constexpr size_t kNumberAt = kChunkHeader + 4;
constexpr size_t kHeartbeatBytes = kNumberAt + sizeof(uint64_t);

uint16_t get16(SctpBytes bytes, size_t at) noexcept { return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]); }
uint32_t get32(SctpBytes bytes, size_t at) noexcept {
  return uint32_t{get16(bytes, at)} << 16 | get16(bytes, at + 2);
}

void put16(std::vector<uint8_t>& to, size_t at, size_t value) {
  to[at] = static_cast<uint8_t>(value >> 8);
  to[at + 1] = static_cast<uint8_t>(value);
}
void append16(std::vector<uint8_t>& to, size_t value) {
  to.resize(to.size() + 2);
  put16(to, to.size() - 2, value);
}
void append32(std::vector<uint8_t>& to, uint32_t value) {
  append16(to, value >> 16);
  append16(to, value & 0xffff);
}

constexpr size_t padded(size_t bytes) { return (bytes + 3) & ~size_t{3}; }

bool is_init(SctpBytes packet) noexcept {
  const SctpChunk type = first_chunk_of(packet);
  if (type != SctpChunk::kInit && type != SctpChunk::kInitAck) return false;
  return sctp_item_at(packet, kHeader).size() >= kInitFixed;
}

/// The parameter of an INIT or INIT ACK. @return where in the packet, or 0
size_t find_parameter(SctpBytes packet, uint16_t type) noexcept {
  const size_t end = kHeader + sctp_item_at(packet, kHeader).size();
  const SctpBytes whole = packet.first(end);
  for (size_t at = kHeader + kInitFixed; at < end;) {
    const SctpBytes parameter = sctp_item_at(whole, at);
    if (parameter.empty()) return 0;
    if (get16(parameter, 0) == type) return at;
    at += padded(parameter.size());
  }
  return 0;
}

/// The chunk that the packet is grows by what is appended to it.
template <typename Append>
void grow(std::vector<uint8_t>& packet, Append append) {
  packet.resize(padded(packet.size()));
  append();
  put16(packet, kHeader + 2, packet.size() - kHeader);
  packet.resize(padded(packet.size()));
}

}  // namespace

SctpBytes sctp_item_at(SctpBytes bytes, size_t at) noexcept {
  if (at + kChunkHeader > bytes.size()) return {};
  const size_t length = get16(bytes, at + 2);
  if (length < kChunkHeader || at + length > bytes.size()) return {};
  return bytes.subspan(at, length);
}

uint16_t sctp_source_port(SctpBytes packet) noexcept { return get16(packet, 0); }
uint16_t sctp_target_port(SctpBytes packet) noexcept { return get16(packet, 2); }
uint32_t sctp_tag(SctpBytes packet) noexcept { return get32(packet, 4); }

SctpChunk first_chunk_of(SctpBytes packet) noexcept {
  return packet.size() < kHeader + kChunkHeader ? SctpChunk::kNone : static_cast<SctpChunk>(packet[kHeader]);
}

uint32_t initiate_tag_of(SctpBytes packet) noexcept { return is_init(packet) ? get32(packet, kTagAt) : 0; }

std::vector<IpAddress> addresses_in(SctpBytes packet, uint8_t family, size_t most) {
  std::vector<IpAddress> found;
  if (!is_init(packet)) return found;
  const SctpBytes whole = packet.first(kHeader + sctp_item_at(packet, kHeader).size());
  const size_t address_bytes = family == 4 ? 4 : 16;
  for (size_t at = kHeader + kInitFixed; at < whole.size() && found.size() < most;) {
    const SctpBytes parameter = sctp_item_at(whole, at);
    if (parameter.empty()) break;
    const bool is_address = get16(parameter, 0) == (family == 4 ? kIp4 : kIp6);
    if (is_address && parameter.size() == kChunkHeader + address_bytes) {
      IpAddress address = IpAddress::any(family);
      std::copy_n(&parameter[kChunkHeader], address_bytes, address.bytes.begin());
      found.push_back(address);
    }
    at += padded(parameter.size());
  }
  return found;
}

void add_addresses(std::vector<uint8_t>& packet, std::span<const IpAddress> addresses) {
  if (!is_init(packet) || addresses.empty()) return;
  grow(packet, [&] {
    for (const IpAddress& address : addresses) {
      const size_t bytes = address.family == 4 ? 4 : 16;
      append16(packet, address.family == 4 ? kIp4 : kIp6);
      append16(packet, kChunkHeader + bytes);
      packet.insert(packet.end(), address.bytes.begin(), address.bytes.begin() + static_cast<ptrdiff_t>(bytes));
    }
  });
}

bool extend_cookie(std::vector<uint8_t>& packet, SctpBytes tail) {
  if (!is_init(packet)) return false;
  const size_t at = find_parameter(packet, kStateCookie);
  if (at == 0) return false;
  // It becomes the last parameter, so that it may grow.
  const SctpBytes old = sctp_item_at(packet, at);
  std::vector<uint8_t> cookie(old.begin(), old.end());
  cookie.insert(cookie.end(), tail.begin(), tail.end());
  put16(cookie, 2, cookie.size());
  const size_t after = std::min(at + padded(old.size()), packet.size());
  packet.erase(packet.begin() + static_cast<ptrdiff_t>(at), packet.begin() + static_cast<ptrdiff_t>(after));
  grow(packet, [&] { packet.insert(packet.end(), cookie.begin(), cookie.end()); });
  return true;
}

bool cut_cookie(std::vector<uint8_t>& packet, std::span<uint8_t> tail) {
  if (first_chunk_of(packet) != SctpChunk::kCookieEcho) return false;
  const size_t bytes = sctp_item_at(packet, kHeader).size();
  if (bytes < kChunkHeader + tail.size()) return false;
  const auto end = packet.begin() + static_cast<ptrdiff_t>(kHeader + bytes);
  const auto begin = end - static_cast<ptrdiff_t>(tail.size());
  std::copy(begin, end, tail.begin());
  const auto after = packet.begin() + static_cast<ptrdiff_t>(std::min(kHeader + padded(bytes), packet.size()));
  const size_t left = bytes - tail.size();
  const auto rest = packet.erase(begin, after);
  packet.insert(rest, padded(left) - left, uint8_t{0});
  put16(packet, kHeader + 2, left);
  return true;
}

std::vector<uint8_t> heartbeat_packet(uint16_t source_port, uint16_t target_port, uint32_t tag, uint64_t number) {
  std::vector<uint8_t> packet;
  append16(packet, source_port);
  append16(packet, target_port);
  append32(packet, tag);
  append32(packet, 0);  // the checksum's place
  append16(packet, size_t{static_cast<uint8_t>(SctpChunk::kHeartbeat)} << 8);
  append16(packet, kHeartbeatBytes);
  append16(packet, kHeartbeatInfo);
  append16(packet, kHeartbeatBytes - kChunkHeader);
  append32(packet, static_cast<uint32_t>(number >> 32));
  append32(packet, static_cast<uint32_t>(number));
  return packet;
}

std::optional<uint64_t> number_in_heartbeat(SctpBytes chunk) noexcept {
  if (chunk.size() != kHeartbeatBytes || chunk[0] != static_cast<uint8_t>(SctpChunk::kHeartbeatAck)) return std::nullopt;
  return uint64_t{get32(chunk, kNumberAt)} << 32 | get32(chunk, kNumberAt + 4);
}

std::vector<uint8_t> without_heartbeats(SctpBytes packet) {
  std::vector<uint8_t> kept(packet.begin(), packet.begin() + kHeader);
  for_each_chunk(packet, [&](SctpChunk, SctpBytes chunk) {
    if (number_in_heartbeat(chunk)) return;
    kept.insert(kept.end(), chunk.begin(), chunk.end());
    kept.resize(padded(kept.size()));
  });
  if (kept.size() == kHeader) kept.clear();
  return kept;
}

}  // namespace millrace
