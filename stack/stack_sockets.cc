// SPDX-License-Identifier: BSD-3-Clause
// A Stack's sockets: their requests, their handles, and the local ports that they hold.
#include <rte_random.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "stack/demux.h"
#include "stack/lwip/slab.h"
#include "stack/lwip_glue.h"
#include "stack/netif.h"
#include "stack/recovery.h"
#include "stack/sctp_engine.h"
#include "stack/siblings.h"
#include "stack/stack.h"
#include "stack/tcp.h"
#include "stack/udp.h"

namespace millrace {
namespace {

constexpr uint16_t kDhcpClientPort = 68;

}  // namespace

Request* Stack::new_request() {
  if (free_requests_.empty()) return new Request;
  Request* const request = free_requests_.back().release();
  free_requests_.pop_back();
  return request;
}

void Stack::free_request(Request& request) noexcept {
  request = Request{};
  free_requests_.emplace_back(&request);
}

Socket* Stack::open(Transport transport, uint8_t family) {
  if (transport == Transport::kSctp && (index_ != 0 || !has_sctp())) return nullptr;
  const uint64_t most = config_.stack.max_process_sockets;
  if (n_sockets_ >= config_.stack.max_sockets) return nullptr;
  if (siblings_.n_sockets.fetch_add(1, std::memory_order_relaxed) >= most && most != 0) {
    siblings_.n_sockets.fetch_sub(1, std::memory_order_relaxed);
    return nullptr;
  }
  if (transport == Transport::kTcp) return new TcpSocket(*this, family);
  if (transport == Transport::kSctp) return new_sctp_socket(*this, family);
  return new UdpSocket(*this, family);
}

SOCKET Stack::insert(Socket& socket) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.push_back({nullptr, static_cast<uint32_t>(rte_rand()) | 1});
  }
  const uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  slots_[index].socket = &socket;
  socket.ref();
  ++socket.n_handles_;
  return handle_of(index);
}

SOCKET Stack::handle_of(uint64_t slot) const noexcept {
  return uint64_t{slots_[slot].generation} << kGenerationShift | uint64_t{index_} << kIndexShift |
         slot << kSlotShift | kMark;
}

std::vector<LoanHolder> Stack::loan_holders() const {
  std::vector<LoanHolder> holders;
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].socket == nullptr) continue;
    const LoanAccount& account = slots_[i].socket->loans;
    const auto is_listed = [&](const LoanHolder& holder) {  // by another descriptor
      return find(holder.socket) == slots_[i].socket;
    };
    if (account.n_mbufs == 0 || std::any_of(holders.begin(), holders.end(), is_listed)) continue;
    const uint64_t age_ns = now_ns() - oldest_since_ns(account);
    holders.push_back({handle_of(i), account.n_mbufs, account.bytes, age_ns / 1'000'000});
  }
  return holders;
}

uint64_t Stack::bytes_per_connection() const noexcept {
  constexpr uint64_t kHandleBytes = 32;  // a slot of the table of handles, and one of the shim's
  return slab_bytes(sizeof(tcp_pcb)) + slab_bytes(sizeof(TcpSocket)) + slab_bytes(sizeof(Recovery)) +
         Demux::kBytesPerConnection + kHandleBytes;
}

WsaError Stack::take_back(std::span<WSABUF> loaned, size_t& n_taken, bool is_last) noexcept {
  n_taken += loans.give_back(loaned);
  if (!is_last || n_taken == loaned.size()) return WsaError::kOk;
  counters.loans_unknown += loaned.size() - n_taken;
  return WsaError::kInval;
}

Socket* Stack::replace(SOCKET handle, Socket& by) noexcept {
  by.ref();
  ++by.n_handles_;
  Socket* const old = std::exchange(slots_[handle >> kSlotShift & kSlotMask].socket, &by);
  --old->n_handles_;
  return old;
}

SOCKET Stack::other_handle_of(const Socket& socket, SOCKET but) const noexcept {
  for (size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].socket == &socket && handle_of(i) != but) return handle_of(i);
  }
  return INVALID_SOCKET;
}

void Stack::erase(SOCKET handle) noexcept {
  Socket* const socket = find(handle);
  if (socket == nullptr) return;
  const auto index = static_cast<uint32_t>(handle >> kSlotShift & kSlotMask);
  slots_[index].socket = nullptr;
  ++slots_[index].generation;
  free_slots_.push_back(index);
  --socket->n_handles_;
  socket->unref();
}

bool Stack::is_own(const IpAddress& address) const noexcept {
  if (is_any(address) || is_loopback(address)) return true;
  const ip_addr_t ip = to_lwip(address);
  return std::any_of(netifs_.begin(), netifs_.end(),
                     [&](const auto& n) { return n->has_address(ip); });
}

WsaError Stack::claim(Socket& socket, Endpoint& wanted) {
  if (!is_own(wanted.address)) return WsaError::kAddrNotAvail;  // groups are joined, not bound to
  const bool is_dhcp_clients =
      has_dhcp_ && socket.transport() == Transport::kUdp && wanted.port == kDhcpClientPort;
  if (is_dhcp_clients) return WsaError::kAddrInUse;
  PortTable& ports = siblings_.ports;
  if (wanted.port != 0) return ports.claim(socket, wanted);
  wanted.port = ports.claim_any(socket, wanted.address, false, [](uint16_t) { return true; });
  return wanted.port == 0 ? WsaError::kNoBufs : WsaError::kOk;
}

// Of several Stacks each takes ports whose replies will come to it. A connection to ourselves stays
// here whatever its port: there the ports are dealt out, so that no two Stacks make the same one.
WsaError Stack::claim_for(Socket& socket, Endpoint& local, const Endpoint& peer) {
  const ip_addr_t here = to_lwip(local.address), there = to_lwip(peer.address);
  const auto n = static_cast<uint32_t>(siblings_.stacks().size());
  const Steering* const steering = siblings_.steering();
  const bool is_to_ourselves = is_own(peer.address);
  local.port = siblings_.ports.claim_any(socket, local.address, true, [&](uint16_t port) {
    if (steering != nullptr) {
      const uint32_t owner = is_to_ourselves
                                 ? port % n
                                 : steering->hashed_owner({{local.address, port}, peer});
      if (owner != index_) return false;
    }
    return !demux_->has(here, port, there, peer.port);
  });
  return local.port == 0 ? WsaError::kNoBufs : WsaError::kOk;
}

WsaError Stack::pin(const FourTuple& tuple) {
  Steering* const steering = siblings_.steering();
  if (steering == nullptr || steering->hashed_owner(tuple) == index_) return WsaError::kOk;
  if (!steering->pin(tuple, index_)) return WsaError::kAddrInUse;
  pins_.push_back(tuple);
  return WsaError::kOk;
}

// In TIME_WAIT it still is a connection, though no socket's.
void Stack::unpin_what_is_gone() noexcept {
  std::erase_if(pins_, [this](const FourTuple& tuple) {
    const ip_addr_t here = to_lwip(tuple.local.address), there = to_lwip(tuple.peer.address);
    if (demux_->has(here, tuple.local.port, there, tuple.peer.port)) return false;
    siblings_.steering()->unpin(tuple);
    return true;
  });
}

void Stack::unclaim(Socket& socket) noexcept { siblings_.ports.release(socket); }

}  // namespace millrace
