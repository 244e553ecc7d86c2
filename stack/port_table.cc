// SPDX-License-Identifier: BSD-3-Clause
#include "stack/port_table.h"

#include <sodium.h>

#include <algorithm>

#include "stack/socket.h"

namespace millrace {

PortTable::PortTable() : udp_stacks_(std::make_unique<std::atomic<uint32_t>[]>(65536)) {}

uint32_t PortTable::random_below(uint32_t n) noexcept { return randombytes_uniform(n); }

PortTable::Claim PortTable::claim_of(Socket& socket, const IpAddress& address,
                                     bool is_outgoing) noexcept {
  return {&socket,     socket.stack().index(),       address,
          is_outgoing, socket.options.reuse_address, socket.options.exclusive,
          socket.options.dual_mode && Socket::is_both(address)};
}

// Both are of Microsoft's page "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE", its table of Windows
// Server 2003 and later for binds of one user (winsock-rules 198).

// A wildcard and a specific address: they live together, unless the wildcard asked for exclusive
// use.
WsaError PortTable::next_to(const Claim& first, const Claim& second) noexcept {
  if (is_any(first.address)) return first.is_exclusive ? WsaError::kAcces : WsaError::kOk;
  return second.is_exclusive ? WsaError::kAddrInUse : WsaError::kOk;
}

// The same address: both have to have agreed to share it.
WsaError PortTable::on_top_of(const Claim& first, const Claim& second) noexcept {
  if (!second.reuses) return WsaError::kAddrInUse;
  return first.reuses ? WsaError::kOk : WsaError::kAcces;
}

WsaError PortTable::conflict(Transport transport, uint16_t port, const Claim& claim) const {
  const auto [begin, end] = holders(transport, port);
  for (auto it = begin; it != end; ++it) {
    const Claim& other = it->second;
    if (!other.has(claim.address.family) && !claim.has(other.address.family)) continue;
    if (claim.is_outgoing && other.is_outgoing) continue;
    const bool are_any = is_any(other.address) && is_any(claim.address);
    const bool same = are_any || other.address == claim.address;
    const bool one_is_any = is_any(other.address) != is_any(claim.address);
    if (!same && !one_is_any) continue;
    if (claim.is_outgoing) return WsaError::kAddrInUse;
    const WsaError error = one_is_any ? next_to(other, claim) : on_top_of(other, claim);
    if (error != WsaError::kOk) return error;
  }
  return WsaError::kOk;
}

void PortTable::add(Transport transport, uint16_t port, const Claim& claim) {
  claims_.emplace(key_of(transport, port), claim);
  if (transport == Transport::kUdp) note_udp(port);
}

void PortTable::note_udp(uint16_t port) noexcept {
  uint32_t stacks = 0;
  const auto [begin, end] = holders(Transport::kUdp, port);
  for (auto it = begin; it != end; ++it) stacks |= uint32_t{1} << it->second.stack;
  udp_stacks_[port].store(stacks, std::memory_order_release);
}

// A port that the system chooses is shared with nobody who chose it himself.
bool PortTable::try_any(const Socket& socket, uint16_t port, const Claim& claim) {
  const std::lock_guard lock(mutex_);
  const Transport transport = socket.transport();
  if (!claim.is_outgoing && claims_.count(key_of(transport, port)) != 0) return false;
  if (conflict(transport, port, claim) != WsaError::kOk) return false;
  add(transport, port, claim);
  return true;
}

WsaError PortTable::claim(Socket& socket, const Endpoint& endpoint) {
  const std::lock_guard lock(mutex_);
  const Claim claim = claim_of(socket, endpoint.address, false);
  const WsaError error = conflict(socket.transport(), endpoint.port, claim);
  if (error == WsaError::kOk) add(socket.transport(), endpoint.port, claim);
  return error;
}

void PortTable::release(Socket& socket) noexcept {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = holders(socket.transport(), socket.local().port);
  const auto it =
      std::find_if(begin, end, [&](const auto& e) { return e.second.socket == &socket; });
  if (it == end) return;
  claims_.erase(it);
  if (socket.transport() == Transport::kUdp) note_udp(socket.local().port);
}

uint32_t PortTable::udp_stacks(const Endpoint& destination) const noexcept {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = holders(Transport::kUdp, destination.port);
  uint32_t exact = 0, wild = 0;
  for (auto it = begin; it != end; ++it) {
    const Claim& claim = it->second;
    if (!claim.has(destination.address.family)) continue;
    const uint32_t bit = uint32_t{1} << claim.stack;
    if (claim.address.bytes == destination.address.bytes) exact |= bit;  // whatever the zone
    if (is_any(claim.address)) wild |= bit;
  }
  if (is_multicast(destination.address) || is_limited_broadcast(destination.address)) {
    return exact | wild;
  }
  const uint32_t fitting = exact != 0 ? exact : wild;
  return fitting & (~fitting + 1);  // the lowest: one socket gets it
}

}  // namespace millrace
