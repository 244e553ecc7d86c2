// SPDX-License-Identifier: BSD-3-Clause
#include "stack/sctp_association.h"

#include <sodium.h>

#include <algorithm>
#include <cstring>

namespace millrace {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kHeartbeatNs = 30 * kSecondNs;  // RFC 9260 16: HB.interval
constexpr uint64_t kMostWaitNs = 60 * kSecondNs;   // RTO.Max
constexpr uint8_t kMostErrors = 6;                 // beyond it waiting grows no longer

bool is_before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

uint64_t ports_key(uint64_t number, uint16_t local_port, uint16_t peer_port) {
  return number << 32 | uint64_t{local_port} << 16 | peer_port;
}

uint64_t random64() {
  uint64_t number;
  randombytes_buf(&number, sizeof number);
  return number;
}

/// Of what libusrsctp sends.
struct Content {
  bool has_data = false;
  uint32_t first_tsn = 0, last_tsn = 0;
  bool has_heartbeat = false;
  bool ends = false;  ///< SHUTDOWN or its acknowledgement
};

Content content_of(SctpBytes packet) {
  constexpr size_t kTsnAt = 4, kDataBytes = 16;
  Content content;
  for_each_chunk(packet, [&](SctpChunk type, SctpBytes chunk) {
    content.has_heartbeat |= type == SctpChunk::kHeartbeat;
    content.ends |= type == SctpChunk::kShutdown || type == SctpChunk::kShutdownAck;
    if (type != SctpChunk::kData || chunk.size() < kDataBytes) return;
    uint32_t tsn;
    std::memcpy(&tsn, &chunk[kTsnAt], sizeof tsn);
    tsn = __builtin_bswap32(tsn);
    if (!content.has_data) content.first_tsn = tsn;
    content.last_tsn = tsn;
    content.has_data = true;
  });
  return content;
}

}  // namespace

uint64_t hash_of(const SctpFlow& flow, const SctpKey& key) noexcept {
  static_assert(crypto_shorthash_KEYBYTES == sizeof key && crypto_shorthash_BYTES == sizeof(uint64_t));
  std::array<uint8_t, 2 * (1 + 16 + 4 + 2)> bytes;
  uint8_t* at = bytes.data();
  for (const auto& [address, port] : {std::pair(&flow.path.local, flow.local_port), {&flow.path.remote, flow.peer_port}}) {
    *at++ = address->family;
    at = std::copy(address->bytes.begin(), address->bytes.end(), at);
    std::memcpy(at, &address->zone, 4);
    std::memcpy(at + 4, &port, 2);
    at += 6;
  }
  uint64_t hash;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&hash), bytes.data(), bytes.size(), key.data());
  return hash;
}

// ---- paths ----

void SctpAssociation::begin(uint32_t own, uint32_t peer) noexcept {
  own_tag = own;
  peer_tag = peer;
  paths_.assign(1, Path{flow_.path});
  listed.clear();
  in_use_ = 0;
  highest_tsn_.reset();
  awaits_heartbeat_ = false;
}

std::vector<SctpPath> SctpAssociation::paths() const {
  std::vector<SctpPath> all;
  for (const Path& each : paths_) all.push_back(each.path);
  return all;
}

SctpPath SctpAssociation::route(SctpBytes packet, Occasion occasion, const SctpPath& came_by, uint64_t now_ns) noexcept {
  const Content content = content_of(packet);
  const bool is_again = content.has_data && highest_tsn_ && !is_before(*highest_tsn_, content.first_tsn);
  if (content.has_data && !(highest_tsn_ && is_before(content.last_tsn, *highest_tsn_))) highest_tsn_ = content.last_tsn;
  const bool is_unheard = content.has_heartbeat && std::exchange(awaits_heartbeat_, true);
  if (occasion == Occasion::kTimer && (is_again || content.ends || is_unheard)) note_timeout(now_ns);
  if (occasion == Occasion::kAnswer && !content.has_data) return came_by;
  return paths_[in_use_].path;
}

/// What one timer sends is lost once, however many packets it is.
void SctpAssociation::note_timeout(uint64_t now_ns) noexcept {
  if (std::exchange(timeout_at_ns_, now_ns) == now_ns) return;
  Path& path = paths_[in_use_];
  if (path.n_errors < kMostErrors) ++path.n_errors;
  path.due_ns = path.is_probed ? path.due_ns : now_ns;
  choose();
}

/// The first good one, or else the one with the fewest errors.
void SctpAssociation::choose() noexcept {
  const auto best = std::min_element(paths_.begin(), paths_.end(), [](const Path& a, const Path& b) {
    return std::pair(!a.is_confirmed, a.n_errors) < std::pair(!b.is_confirmed, b.n_errors);
  });
  const auto chosen = static_cast<size_t>(best - paths_.begin());
  if (std::exchange(in_use_, chosen) != chosen) ++n_changes_;
}

bool SctpAssociation::note(SctpBytes packet, uint64_t now_ns) noexcept {
  bool is_news = false;
  if (sctp_tag(packet) != own_tag) return false;
  for_each_chunk(packet, [&](SctpChunk type, SctpBytes chunk) {
    if (type != SctpChunk::kHeartbeatAck) return;
    const auto number = number_in_heartbeat(chunk);
    if (!number) awaits_heartbeat_ = false;
    for (Path& path : paths_) {
      if (!number || !path.is_probed || path.number != *number) continue;
      path.is_confirmed = true;
      path.is_probed = false;
      path.n_errors = 0;
      path.due_ns = now_ns + kHeartbeatNs / 2 + random64() % kHeartbeatNs;  // RFC 9260 8.3: half of it either way
      is_news = true;
    }
  });
  if (is_news) choose();
  return is_news;
}

std::vector<SctpAssociation::Probe> SctpAssociation::due_probes(uint64_t now_ns) {
  std::vector<Probe> due;
  for (Path& path : paths_) {
    if (now_ns < path.due_ns) continue;
    if (path.is_probed && path.n_errors < kMostErrors) ++path.n_errors;
    path.is_probed = true;
    path.number = random64();
    path.due_ns = now_ns + std::min(kSecondNs << path.n_errors, kMostWaitNs);
    due.push_back({path.path, path.number});
  }
  choose();
  return due;
}

uint64_t SctpAssociation::next_probe_ns() const noexcept {
  return std::min_element(paths_.begin(), paths_.end(), [](const Path& a, const Path& b) {
           return a.due_ns < b.due_ns;
         })->due_ns;
}

// ---- the table ----

size_t SctpAssociations::Mixed::operator()(uint64_t ports) const noexcept {
  uint64_t secret;
  std::memcpy(&secret, key->data(), sizeof secret);
  constexpr uint64_t kOdd = 0x9e3779b97f4a7c15;
  const uint64_t product = (ports ^ secret) * kOdd;
  return static_cast<size_t>((product ^ product >> 32) * kOdd);
}

SctpAssociation* SctpAssociations::find(const SctpFlow& flow) noexcept {
  if (last_ != nullptr && flow == last_flow_) return last_;
  const auto it = by_flow_.find(flow);
  if (it == by_flow_.end()) return nullptr;
  last_flow_ = flow;
  return last_ = it->second;
}

SctpAssociation* SctpAssociations::find(uint64_t number, uint16_t local_port, uint16_t peer_port) noexcept {
  const auto it = by_number_.find(ports_key(number, local_port, peer_port));
  return it == by_number_.end() ? nullptr : it->second.association.get();
}

uint64_t SctpAssociations::free_number(uint16_t local_port, uint16_t peer_port, bool binds) const noexcept {
  for (uint64_t number = 1;; ++number) {
    const bool is_taken = by_number_.contains(ports_key(number, local_port, peer_port)) ||
                          (binds && bound_.contains({number, local_port}));
    if (!is_taken) return number;
  }
}

SctpAssociation& SctpAssociations::add(const SctpFlow& flow, uint64_t number, bool binds) {
  Owned& owned = by_number_[ports_key(number, flow.local_port, flow.peer_port)];
  owned = {std::make_unique<SctpAssociation>(flow, number), binds};
  if (binds) bound_.insert({number, flow.local_port});
  by_flow_[flow] = owned.association.get();
  last_ = nullptr;
  return *owned.association;
}

void SctpAssociations::add_flow(const SctpFlow& flow, SctpAssociation& association) {
  if (by_flow_.try_emplace(flow, &association).second) association.more_flows.push_back(flow);
}

void SctpAssociations::remove(SctpAssociation& association) {
  const SctpFlow& flow = association.flow();
  const uint64_t number = association.number();
  association.more_flows.push_back(flow);
  for (const SctpFlow& each : association.more_flows) {
    const auto entry = by_flow_.find(each);
    if (entry != by_flow_.end() && entry->second == &association) by_flow_.erase(entry);  // not its successor's
  }
  last_ = nullptr;
  const auto it = by_number_.find(ports_key(number, flow.local_port, flow.peer_port));
  if (it->second.binds) bound_.erase({number, flow.local_port});
  by_number_.erase(it);
}

}  // namespace millrace
