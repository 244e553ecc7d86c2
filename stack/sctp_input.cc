// SPDX-License-Identifier: BSD-3-Clause
// Packets between lwIP and libusrsctp: whose they are, which path they take, and what the set-up of an
// association says of addresses, which libusrsctp knows nothing of.
//
//   INIT out        + our addresses                      INIT in       the peer's addresses: into the tail
//   INIT ACK out    + our addresses, + cookie's tail     INIT ACK in   the peer's addresses: kept
//   COOKIE ECHO in  - cookie's tail: the association     COOKIE ACK in its paths are probed from now on
#include <sodium.h>
#include <usrsctp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "stack/sctp.h"
#include "stack/sctp_engine.h"
#include "stack/stack.h"

namespace millrace {
namespace {

constexpr uint8_t kTtl = 64;
constexpr uint64_t kLookNs = 100'000'000;  // between two looks at whose heartbeat is due
constexpr size_t kMostListed = SctpAssociation::kMostPaths - 1;

uint32_t n_accepted() {
  sctpstat all;
  usrsctp_get_stat(&all);
  return all.sctps_passiveestab;
}

bool is_told_to_others(const IpAddress& address) {
  return !is_any(address) && !is_loopback(address) && !is_multicast(address) && address.zone == 0;
}

}  // namespace

/// What the peer keeps for us behind libusrsctp's cookie.
struct SctpEngine::CookieTail {
  uint64_t mac = 0;
  uint64_t number = 0;
  uint32_t peer_tag = 0;
  uint32_t n_listed = 0;
  std::array<std::array<uint8_t, 16>, kMostListed> listed{};
};

// ---- in ----

void SctpEngine::input(const SctpPath& path, SctpBytes packet, uint8_t ecn) noexcept {
  in_hand_.flow = {path, sctp_target_port(packet), sctp_source_port(packet)};
  in_hand_.association = associations_.find(in_hand_.flow);
  const SctpAssociation* const association = in_hand_.association;
  const SctpChunk first = first_chunk_of(packet);
  if (first == SctpChunk::kCookieEcho) {
    input_cookie(packet, ecn);
  } else {
    in_hand_.number = association != nullptr
                          ? association->number()
                          : associations_.free_number(in_hand_.flow.local_port, in_hand_.flow.peer_port, false);
    note(first, packet);
    std::vector<uint8_t> rest;
    if (association != nullptr && association->has_several_paths() && in_hand_.association->note(packet, stack_.now_ns())) {
      stack_.counters.sctp_failovers += in_hand_.association->take_changes();
      rest = without_heartbeats(packet);
      packet = rest;
    }
    if (!packet.empty()) usrsctp_conninput(reinterpret_cast<void*>(in_hand_.number), packet.data(), packet.size(), ecn);
  }
  in_hand_.number = 0;
}

/// What the set-up says of addresses.
void SctpEngine::note(SctpChunk first, SctpBytes packet) noexcept {
  SctpAssociation* const association = in_hand_.association;
  const SctpPath& path = in_hand_.flow.path;
  if (first == SctpChunk::kInit) {
    in_hand_.peer_tag = initiate_tag_of(packet);
    in_hand_.listed = fit(addresses_in(packet, path.remote.family, 2 * kMostListed), path);
  }
  if (association == nullptr || sctp_tag(packet) != association->own_tag) return;
  if (first == SctpChunk::kInitAck) {
    association->peer_tag = initiate_tag_of(packet);
    association->listed = fit(addresses_in(packet, path.remote.family, 2 * kMostListed), association->flow().path);
    add_flows(*association);
  }
  if (first == SctpChunk::kCookieAck && !association->has_several_paths()) open_paths(*association);
}

void SctpEngine::input_cookie(SctpBytes packet, uint8_t ecn) noexcept {
  std::vector<uint8_t> echo(packet.begin(), packet.end());
  CookieTail tail;
  const SctpFlow& flow = in_hand_.flow;
  const bool is_ours = cut_cookie(echo, {reinterpret_cast<uint8_t*>(&tail), sizeof tail}) &&
                       tail.mac == mac_of(tail, flow, sctp_tag(packet));
  // The number may be another's by now, whose peer has the same port.
  const SctpAssociation* const of_number = associations_.find(tail.number, flow.local_port, flow.peer_port);
  if (!is_ours || of_number != in_hand_.association) {
    ++stack_.counters.rx_sctp_bad;
    return;
  }
  in_hand_.number = tail.number;
  register_numbers(tail.number);
  set_link_mtu(flow);
  const uint32_t n_before = n_accepted();
  usrsctp_conninput(reinterpret_cast<void*>(tail.number), echo.data(), echo.size(), ecn);
  if (n_accepted() != n_before) accept(tail, sctp_tag(packet));
}

/// An association has come about, which take_connections() will hand to its listener.
void SctpEngine::accept(const CookieTail& tail, uint32_t own_tag) {
  const SctpFlow& flow = in_hand_.flow;
  SctpAssociation& association =
      in_hand_.association != nullptr ? *in_hand_.association : associations_.add(flow, tail.number, false);
  association.begin(own_tag, tail.peer_tag);
  association.own_addresses = addresses_told_by_listener(flow);
  for (size_t i = 0; i < std::min<size_t>(tail.n_listed, kMostListed); ++i) {
    association.listed.push_back({flow.path.remote.family, tail.listed[i], 0});
  }
  if (association.n_holders == 0) {
    association.idle_since_ns = stack_.now_ns();
    idle_.push_back({tail.number, flow.local_port, flow.peer_port});
  }
  add_flows(association);
  open_paths(association);
}

uint64_t SctpEngine::mac_of(const CookieTail& tail, const SctpFlow& flow, uint32_t own_tag) const noexcept {
  std::array<uint8_t, sizeof(uint64_t) + sizeof own_tag + sizeof tail> bytes{};
  const uint64_t of_flow = hash_of(flow, key_);
  std::memcpy(bytes.data(), &of_flow, sizeof of_flow);
  std::memcpy(&bytes[sizeof of_flow], &own_tag, sizeof own_tag);
  std::memcpy(&bytes[sizeof of_flow + sizeof own_tag], &tail, sizeof tail);
  std::memset(&bytes[sizeof of_flow + sizeof own_tag + offsetof(CookieTail, mac)], 0, sizeof tail.mac);
  uint64_t mac;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&mac), bytes.data(), bytes.size(), key_.data());
  return mac;
}

// ---- out ----

int SctpEngine::transmit(void* address, void* packet, size_t bytes, uint8_t tos, uint8_t) {
  SctpEngine* const self = sctp_engine();
  if (self == nullptr) return EHOSTUNREACH;
  return self->send(reinterpret_cast<uint64_t>(address), {static_cast<const uint8_t*>(packet), bytes}, tos) ? 0 : ENOBUFS;
}

bool SctpEngine::send(uint64_t number, SctpBytes packet, uint8_t tos) noexcept {
  const bool is_answer = in_hand_.is_answered_by(number, packet);
  SctpAssociation* const association =
      is_answer ? in_hand_.association
                : associations_.find(number, sctp_source_port(packet), sctp_target_port(packet));
  if (association == nullptr && !is_answer) {
    ++stack_.counters.tx_sctp_dropped;
    return false;
  }
  if (initiate_tag_of(packet) != 0) return send_init(association, packet, tos);
  return send_sctp(route(association, is_answer, packet), packet, tos, kTtl);
}

SctpPath SctpEngine::route(SctpAssociation* association, bool is_answer, SctpBytes packet) noexcept {
  if (association == nullptr || !association->has_several_paths()) {
    return is_answer ? in_hand_.flow.path : association->flow().path;
  }
  using Occasion = SctpAssociation::Occasion;
  const Occasion occasion = is_answer ? Occasion::kAnswer : is_ticking_ ? Occasion::kTimer : Occasion::kCall;
  const SctpPath path = association->route(packet, occasion, in_hand_.flow.path, stack_.now_ns());
  stack_.counters.sctp_failovers += association->take_changes();
  return path;
}

bool SctpEngine::send_init(SctpAssociation* association, SctpBytes packet, uint8_t tos) {
  std::vector<uint8_t> init(packet.begin(), packet.end());
  const bool is_answer = first_chunk_of(packet) == SctpChunk::kInitAck;
  if (!is_answer) association->begin(initiate_tag_of(packet), 0);
  const auto told = is_answer ? addresses_told_by_listener(in_hand_.flow) : association->own_addresses;
  if (told.size() > 1) add_addresses(init, told);
  if (is_answer) put_tail(init);
  return send_sctp(is_answer ? in_hand_.flow.path : association->flow().path, init, tos, kTtl);
}

void SctpEngine::put_tail(std::vector<uint8_t>& init_ack) const {
  CookieTail tail;
  tail.number = in_hand_.number;
  tail.peer_tag = in_hand_.peer_tag;
  for (const IpAddress& address : in_hand_.listed) tail.listed[tail.n_listed++] = address.bytes;
  tail.mac = mac_of(tail, in_hand_.flow, initiate_tag_of(init_ack));
  (void)extend_cookie(init_ack, {reinterpret_cast<const uint8_t*>(&tail), sizeof tail});
}

// ---- addresses ----

/// Of ours, those that a peer at the end of the path is told: the path's own first (RFC 9260 5.1.2).
std::vector<IpAddress> SctpEngine::own_addresses(const SctpPath& path, bool tells_all) const {
  std::vector<IpAddress> told = {path.local};
  if (!tells_all || !is_told_to_others(path.local) || stack_.is_own(path.remote)) return told;
  for (const LocalInterface& interface : stack_.local_interfaces()) {
    const IpAddress& address = interface.address.address;
    const bool is_one = interface.is_up && address.family == path.local.family && is_told_to_others(address);
    if (is_one && address != path.local && told.size() < SctpAssociation::kMostPaths) told.push_back(address);
  }
  return told;
}

std::vector<IpAddress> SctpEngine::addresses_told_by_listener(const SctpFlow& flow) const {
  const auto it = listeners_.find(flow.local_port);
  const SctpSocket* const socket = it == listeners_.end() ? nullptr : listener_for(it->second, flow.path);
  return own_addresses(flow.path, socket != nullptr && is_any(socket->local().address));
}

/// What of a peer's list may become a path: what is not the one that it has.
std::vector<IpAddress> SctpEngine::fit(const std::vector<IpAddress>& listed, const SctpPath& path) const {
  std::vector<IpAddress> found;
  for (const IpAddress& address : listed) {
    const bool is_one = is_told_to_others(address) && address != path.remote && !stack_.is_own(address);
    const bool is_there = std::find(found.begin(), found.end(), address) != found.end();
    if (is_one && !is_there && found.size() < kMostListed) found.push_back(address);
  }
  return found;
}

/// A peer may send from any address of its own to any of ours.
void SctpEngine::add_flows(SctpAssociation& association) {
  const SctpFlow& flow = association.flow();
  std::vector<IpAddress> remotes = association.listed;
  remotes.push_back(flow.path.remote);
  for (const IpAddress& local : association.own_addresses) {
    for (const IpAddress& remote : remotes) {
      const SctpFlow more{{local, remote}, flow.local_port, flow.peer_port};
      if (more != flow) associations_.add_flow(more, association);
    }
  }
}

void SctpEngine::open_paths(SctpAssociation& association) {
  const auto& own = association.own_addresses;
  for (const IpAddress& remote : association.listed) {
    const auto source = own.size() > 1 ? stack_.source_toward(remote) : own.front();
    const bool is_told = source && std::find(own.begin(), own.end(), *source) != own.end();
    if (is_told && has_route({*source, remote})) association.add_path({*source, remote});
  }
  if (association.has_several_paths() && association.n_holders != 0) watch(association);
}

bool SctpEngine::has_way(const SctpFlow& flow) noexcept {
  const auto paths = associations_.find(flow)->paths();
  return paths.size() > 1 && std::any_of(paths.begin(), paths.end(), has_route);
}

void SctpEngine::watch(SctpAssociation& association) {
  if (!std::exchange(association.is_watched, true)) watched_.push_back(&association);
}

void SctpEngine::probe(uint64_t now_ns) noexcept {
  if (now_ns < next_probe_ns_) return;
  next_probe_ns_ = now_ns + kLookNs;
  std::erase_if(watched_, [](SctpAssociation* association) {
    const bool is_over = association->n_holders == 0;
    if (is_over) association->is_watched = false;
    return is_over;
  });
  for (SctpAssociation* const association : watched_) {
    if (now_ns < association->next_probe_ns()) continue;
    const SctpFlow& flow = association->flow();
    for (const SctpAssociation::Probe& each : association->due_probes(now_ns)) {
      (void)send_sctp(each.path, heartbeat_packet(flow.local_port, flow.peer_port, association->peer_tag, each.number), 0,
                      kTtl);
    }
    stack_.counters.sctp_failovers += association->take_changes();
  }
}

}  // namespace millrace
