// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/association.h"

#include <sys/time.h>

#include <algorithm>
#include <ctime>

#include "tests/support/wire_bytes.h"

namespace millrace::test {
namespace {

constexpr size_t kHeaderBytes = 12, kChunkHeaderBytes = 4, kDataHeaderBytes = 12;
constexpr uint16_t kStateCookie = 7;  // RFC 9260 3.3.3

// RFC 9260 Appendix A, bit by bit.
uint32_t crc32c(const Bytes& bytes) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78 : crc >> 1;
  }
  return ~crc;
}

bool is_right(const Bytes& packet) {
  Bytes again = packet;
  Association::sum_up(again);
  return again == packet;
}

Bytes cookie_in(const Bytes& init_ack) {
  for (size_t at = 16; at + 4 <= init_ack.size();) {
    const uint16_t type = get16(init_ack, at), bytes = get16(init_ack, at + 2);
    if (bytes < 4 || at + bytes > init_ack.size()) break;
    if (type == kStateCookie) return cut(init_ack, at + 4, at + bytes);
    at += (bytes + 3u) / 4 * 4;
  }
  return {};
}

}  // namespace

void Association::sum_up(Bytes& packet) {
  std::fill_n(packet.begin() + 8, 4, uint8_t{0});
  const uint32_t crc = crc32c(packet);
  for (size_t i = 0; i < 4; ++i) packet[8 + i] = static_cast<uint8_t>(crc >> (8 * i));
}

const StackTest* sctp_clock = nullptr;

Association::Association(StackTest& world, uint8_t family, uint16_t own_port, uint16_t stack_port, Host host)
    : from(address_of(host, family)),
      to(address_of(Host::kStack, family)),
      world_(world),
      family_(family),
      host_(host),
      own_port_(own_port),
      stack_port_(stack_port) {}

bool Association::is_listed(const IpAddress& address) const {
  return std::find(listed.begin(), listed.end(), address) != listed.end();
}

Bytes Association::init_body() const {
  Bytes body;
  put32(body, own_tag_);
  put32(body, window_bytes);
  put16(body, 1);  // streams out
  put16(body, 1);  // and in
  put32(body, own_tsn_);
  for (const IpAddress& address : listed) {
    const size_t n = family_ == 4 ? 4 : 16;
    put16(body, family_ == 4 ? 5 : 6);
    put16(body, static_cast<uint32_t>(4 + n));
    put(body, Bytes(address.bytes.begin(), address.bytes.begin() + static_cast<ptrdiff_t>(n)));
  }
  return body;
}

Chunk Association::init(const Bytes& parameters) const {
  Bytes body = init_body();
  put(body, parameters);
  return {Chunk::kInit, 0, body};
}

Bytes Association::ask_for_cookie() {
  send(init(), 0);
  world_.run();
  const auto answer = next(Chunk::kInitAck);
  if (!answer) return {};
  stack_tag_ = get32(answer->value, 0);
  last_tsn_ = get32(answer->value, 12) - 1;
  return cookie_in(answer->value);
}

bool Association::echo(const Bytes& cookie) {
  send({Chunk::kCookieEcho, 0, cookie});
  world_.run();
  return is_up = next(Chunk::kCookieAck).has_value();
}

void Association::connect() {
  const Bytes cookie = ask_for_cookie();
  ASSERT_FALSE(cookie.empty()) << "no INIT ACK";
  ASSERT_TRUE(echo(cookie)) << "no COOKIE ACK";
}

void Association::ask() {
  Bytes cookie = ask_for_cookie();
  ASSERT_FALSE(cookie.empty()) << "no INIT ACK";
  if (damages_cookie) cookie.back() ^= 1;
  send({Chunk::kCookieEcho, 0, cookie});
  world_.run();
}

void Association::accept() {
  const auto init = next(Chunk::kInit);
  ASSERT_TRUE(init) << "no INIT";
  stack_tag_ = get32(init->value, 0);
  last_tsn_ = get32(init->value, 12) - 1;
  Bytes body = init_body();
  put16(body, kStateCookie);
  put16(body, 8);
  put(body, bytes_of("cook"));
  send({Chunk::kInitAck, 0, body});
  world_.run();
  ASSERT_TRUE(next(Chunk::kCookieEcho)) << "no COOKIE ECHO";
  send({Chunk::kCookieAck, 0, {}});
  world_.run();
  is_up = true;
}

// RFC 9260 9.2
void Association::shut_down() {
  take();
  Bytes body;
  put32(body, last_tsn_);
  send({Chunk::kShutdown, 0, body});
  world_.run();
  ASSERT_TRUE(next(Chunk::kShutdownAck)) << "no SHUTDOWN ACK";
  send({Chunk::kShutdownComplete, 0, {}});
  world_.run();
}

bool Association::is_acknowledged() {
  std::optional<uint32_t> last;
  while (const auto sack = next(Chunk::kSack)) last = get32(sack->value, 0);
  return last == own_tsn_ - 1;
}

void Association::forget() {
  own_tag_ += 0x11111111;
  own_tsn_ += 100000;
  own_ssn_ = 0;
  chunks_.clear();
}

Chunk Association::data(const Bytes& message, uint8_t flags) {
  Bytes value;
  put32(value, own_tsn_++);
  put16(value, 0);
  put16(value, own_ssn_);
  put32(value, 0);
  put(value, message);
  if ((flags & Chunk::kEnds) != 0) ++own_ssn_;
  return {Chunk::kData, flags, value};
}

void Association::say(const Bytes& message, uint8_t flags) { send(data(message, flags)); }

Bytes Association::packet_of(const Chunk& chunk, uint32_t tag) const {
  Bytes packet;
  put16(packet, own_port_);
  put16(packet, stack_port_);
  put32(packet, tag);
  put32(packet, 0);
  put(packet, chunk.type);
  put(packet, chunk.flags);
  put16(packet, static_cast<uint32_t>(kChunkHeaderBytes + chunk.value.size()));
  put(packet, chunk.value);
  while (packet.size() % 4 != 0) put(packet, uint8_t{0});
  sum_up(packet);
  return packet;
}

void Association::send(const Chunk& chunk, uint32_t tag) { send_raw(packet_of(chunk, tag)); }

void Association::send_raw(Bytes packet) {
  Frame frame = ip_frame(family_, host_);
  frame.ip->source = from;
  frame.ip->target = to;
  frame.ip->protocol = kSctp;
  frame.payload = std::move(packet);
  world_.peer().send(std::move(frame));
}

void Association::take() {
  const auto is_mine = [this](const Frame& f) {
    const bool is_sctp = f.ip && f.ip->protocol == kSctp && f.payload.size() >= kHeaderBytes;
    return is_sctp && get16(f.payload, 2) == own_port_ && (f.ip->target == from || is_listed(f.ip->target));
  };
  while (const auto arrival = world_.peer().next(is_mine)) {
    const Bytes& packet = arrival->frame.payload;
    EXPECT_TRUE(is_right(packet)) << "a wrong CRC32c";
    stack_port_ = get16(packet, 0);
    for (size_t at = kHeaderBytes; at + kChunkHeaderBytes <= packet.size();) {
      const uint16_t bytes = get16(packet, at + 2);
      ASSERT_GE(bytes, kChunkHeaderBytes);
      Chunk chunk{packet[at], packet[at + 1], cut(packet, at + kChunkHeaderBytes, at + bytes),
                  arrival->frame.ip->source, arrival->frame.ip->target};
      if (chunk.type == Chunk::kData && get32(chunk.value, 0) == last_tsn_ + 1) ++last_tsn_;
      chunks_.push_back(std::move(chunk));
      at += (bytes + 3u) / 4 * 4;
    }
  }
}

std::optional<Chunk> Association::next(uint8_t type) {
  take();
  while (!chunks_.empty()) {
    Chunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    if (chunk.type == type) return chunk;
  }
  return std::nullopt;
}

Bytes Association::take_bytes() {
  Bytes all;
  while (const auto chunk = next(Chunk::kData)) {
    all.insert(all.end(), chunk->value.begin() + kDataHeaderBytes, chunk->value.end());
  }
  return all;
}

void Association::acknowledge() {
  take();
  Bytes body;
  put32(body, last_tsn_);
  put32(body, window_bytes);
  put32(body, 0);
  send({Chunk::kSack, 0, body});
}

}  // namespace millrace::test

// In place of the C library's, for libusrsctp as well.
extern "C" __attribute__((visibility("default"))) int gettimeofday(timeval* time, void*) noexcept {
  const millrace::test::StackTest* const world = millrace::test::sctp_clock;
  if (world == nullptr) {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    *time = {now.tv_sec, now.tv_nsec / 1000};
    return 0;
  }
  constexpr int64_t kStart_s = 1'000'000'000;
  const auto ms = static_cast<int64_t>(world->now_ms());
  *time = {kStart_s + ms / 1000, ms % 1000 * 1000};
  return 0;
}
