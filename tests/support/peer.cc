// SPDX-License-Identifier: BSD-3-Clause
#include "tests/support/peer.h"

#include <gtest/gtest.h>
#include <rte_mbuf.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>
#include <sanitizer/asan_interface.h>

#include <algorithm>
#include <cstring>

#include "dpdk_io/mbuf.h"

namespace millrace::test {
namespace {

constexpr uint8_t kSolicitation = 135;
constexpr uint8_t kAdvertisement = 136;
constexpr uint8_t kListenerReport1 = 131;
constexpr uint8_t kListenerReport2 = 143;
constexpr size_t kTargetAt = 4;  // in the body of either message (RFC 4861 4.3, 4.4)

Bytes bytes_of(const rte_mbuf* m) {
  Bytes bytes;
  for (; m != nullptr; m = m->next) {
    const auto* const data = rte_pktmbuf_mtod(m, const uint8_t*);
    bytes.insert(bytes.end(), data, data + m->data_len);
  }
  return bytes;
}

// With AddressSanitizer, what lies around a frame in its mbuf is out of bounds: whoever reads past
// a frame that was cut short is caught, although it is all one pool to malloc.
void fence(const rte_mbuf* m) {
  const auto* const begin = static_cast<const char*>(m->buf_addr);
  ASAN_POISON_MEMORY_REGION(begin, m->data_off);
  ASAN_POISON_MEMORY_REGION(begin + m->data_off + m->data_len,
                            static_cast<size_t>(m->buf_len - m->data_off - m->data_len));
}

void write_stamp(rte_mbuf* m, uint64_t ticks) {
  int field = 0;
  uint64_t flag = 0;
  ASSERT_EQ(rte_mbuf_dyn_rx_timestamp_register(&field, &flag), 0);
  *RTE_MBUF_DYNFIELD(m, field, rte_mbuf_timestamp_t*) = ticks;
  m->ol_flags |= flag;
}

void unfence(const rte_mbuf* m) { ASAN_UNPOISON_MEMORY_REGION(m->buf_addr, m->buf_len); }

}  // namespace

Peer::~Peer() {
  // The memory is another pool's next.
  rte_mempool_obj_iter(
      pool_.get(),
      [](rte_mempool*, void*, void* m, unsigned) { unfence(static_cast<const rte_mbuf*>(m)); },
      nullptr);
}

IpAddress address_of(Host host, uint8_t family) {
  IpAddress address = *parse_address(family == 4 ? "10.0.0.0" : "fd00::");
  address.bytes[family == 4 ? 3 : 15] = static_cast<uint8_t>(host);
  return address;
}

void Peer::send(Frame frame) {
  if (frame.to == Mac{}) frame.to = stack_mac_;
  if (frame.from == Mac{}) frame.from = mac();
  send(build(frame));
}

void Peer::send_chain(const std::vector<Bytes>& parts) {
  MbufPtr chain;
  for (const Bytes& part : parts) {
    MbufPtr m(rte_pktmbuf_alloc(pool_.get()));
    ASSERT_NE(m, nullptr) << "the peer's pool is empty";
    unfence(m.get());
    char* const to = rte_pktmbuf_append(m.get(), static_cast<uint16_t>(part.size()));
    ASSERT_NE(to, nullptr) << "a part of " << part.size() << " bytes does not fit into an mbuf";
    if (!part.empty()) std::memcpy(to, part.data(), part.size());
    if (fences_frames) fence(m.get());
    if (chain == nullptr) {
      chain = std::move(m);
    } else {
      ASSERT_EQ(rte_pktmbuf_chain(chain.get(), m.release()), 0);
    }
  }
  if (stamp) write_stamp(chain.get(), *stamp);
  Burst burst;
  ASSERT_TRUE(burst.push(chain.release()));
  port_.tx(0, burst);
  ++n_sent_;
}

size_t Peer::take(uint64_t now_ms) {
  size_t total = 0;
  for (;;) {
    Burst burst;
    burst.set_size(port_.rx(0, burst.room()));
    if (burst.is_empty()) return total;
    total += burst.size();
    for (uint16_t i = 0; i < burst.size(); ++i) arrive(bytes_of(burst[i]), now_ms);
  }
}

void Peer::arrive(const Bytes& bytes, uint64_t now_ms) {
  std::string why;
  const std::optional<Frame> frame = parse(bytes, why);
  if (!frame) {
    ADD_FAILURE() << "the Stack sent a malformed frame of " << bytes.size() << " bytes: " << why;
    return;
  }
  EXPECT_EQ(frame->from, stack_mac_) << text(*frame);
  if (is_neighbor_talk(*frame)) return;
  if (filter && filter(*frame)) return;
  arrived_.push_back({*frame, now_ms});
}

std::optional<Arrival> Peer::next(const std::function<bool(const Frame&)>& fits) {
  const auto it = std::find_if(arrived_.begin(), arrived_.end(),
                               [&](const Arrival& arrival) { return fits(arrival.frame); });
  if (it == arrived_.end()) return std::nullopt;
  Arrival found = std::move(*it);
  arrived_.erase(it);
  return found;
}

bool Peer::is_neighbor_talk(const Frame& frame) {
  if (frame.arp && frame.arp->operation == 1) {
    if (frame.arp->sender == frame.arp->target) return true;  // gratuitous
    ++n_questions_;
    last_asked_for_ = frame.arp->target;
    if (answers_neighbors) answer_arp(frame);
    return true;
  }
  if (!frame.icmp || !frame.ip || frame.ip->source.family != 6) return false;
  const uint8_t type = frame.icmp->type;
  if (type == kListenerReport1 || type == kListenerReport2) return hides_reports;
  if (type != kSolicitation || frame.icmp->body.size() < kTargetAt + 16) return false;
  ++n_questions_;
  last_asked_for_ = IpAddress::any(6);
  std::copy_n(frame.icmp->body.begin() + kTargetAt, 16, last_asked_for_.bytes.begin());
  if (answers_neighbors) answer_solicitation(frame);
  return true;
}

void Peer::answer_arp(const Frame& frame) {
  const Arp& question = *frame.arp;
  if (question.target == address_of(Host::kStack, 4)) return;
  Frame answer;
  answer.vlan = frame.vlan;
  answer.arp = Arp{2, mac(), question.target, question.sender_mac, question.sender};
  send(answer);
}

void Peer::answer_solicitation(const Frame& frame) {
  Icmp advertisement{kAdvertisement, 0, {0x60, 0, 0, 0}};  // solicited, override
  Bytes& body = advertisement.body;
  IpAddress target = IpAddress::any(6);
  std::copy_n(frame.icmp->body.begin() + kTargetAt, 16, target.bytes.begin());
  if (target == address_of(Host::kStack, 6)) return;
  body.insert(body.end(), target.bytes.begin(), target.bytes.end());
  const Mac own = mac();
  body.insert(body.end(), {2, 1});  // target's link-layer address
  body.insert(body.end(), own.begin(), own.end());
  Frame answer;
  answer.vlan = frame.vlan;
  answer.ip = Ip{target, frame.ip->source, kIcmp6, 255, std::nullopt};
  answer.icmp = advertisement;
  send(answer);
}

Frame ip_frame(uint8_t family, Host from, Host to) {
  Frame frame;
  frame.ip = Ip{address_of(from, family), address_of(to, family), 0, 64, std::nullopt};
  return frame;
}

Frame udp_frame(uint8_t family, uint16_t from_port, uint16_t to_port, Bytes payload, Host from) {
  Frame frame = ip_frame(family, from);
  frame.udp = Datagram{from_port, to_port, std::move(payload)};
  return frame;
}

Frame icmp_error(Icmps what, const Frame& about, size_t quoted_bytes) {
  const uint8_t family = about.ip->source.family;
  const auto code_of = [what](uint8_t port, uint8_t host, uint8_t net) {
    if (what == Icmps::kPortUnreachable) return port;
    return what == Icmps::kHostUnreachable  ? host
           : what == Icmps::kNetUnreachable ? net
                                            : uint8_t{0};
  };
  const bool is_unreachable = what != Icmps::kTimeExceeded;
  Icmp error;
  error.type = static_cast<uint8_t>(family == 4      ? (is_unreachable ? 3 : 11)
                                    : is_unreachable ? 1
                                                     : 3);
  error.code = family == 4 ? code_of(3, 1, 0) : code_of(4, 3, 0);
  const Bytes packet = build(about);
  error.body.assign(4, 0);
  const size_t end = std::min(packet.size(), kEtherBytes + quoted_bytes);
  error.body.insert(error.body.end(), packet.begin() + kEtherBytes,
                    packet.begin() + static_cast<ptrdiff_t>(end));
  Frame frame = ip_frame(family);
  frame.icmp = error;
  return frame;
}

Frame too_big(const Frame& about, uint32_t mtu) {
  constexpr size_t kQuoted = 68;
  Frame frame = icmp_error(Icmps::kNetUnreachable, about, kQuoted);
  const bool is_6 = about.ip->source.family == 6;
  frame.icmp->type = is_6 ? 2 : 3;
  frame.icmp->code = is_6 ? 0 : 4;
  for (size_t i = 0; i < 4; ++i) frame.icmp->body[i] = static_cast<uint8_t>(mtu >> (24 - 8 * i));
  return frame;
}

Frame echo_request(uint8_t family, uint16_t id, uint16_t number, const Bytes& payload) {
  Frame frame = ip_frame(family);
  Icmp echo{static_cast<uint8_t>(family == 4 ? 8 : 128), 0, {}};
  for (const uint16_t word : {id, number}) {
    echo.body.push_back(static_cast<uint8_t>(word >> 8));
    echo.body.push_back(static_cast<uint8_t>(word));
  }
  echo.body.insert(echo.body.end(), payload.begin(), payload.end());
  frame.icmp = echo;
  return frame;
}

}  // namespace millrace::test
