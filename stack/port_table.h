// SPDX-License-Identifier: BSD-3-Clause
// PortTable: which local ports our sockets hold, and who may share one (winsock-rules 197 to 200).
//
// lwIP's own check sees one bucket of pcbs and knows nothing of exclusive use, so it is switched off
// (SOF_REUSEADDR on every pcb). Accepted connections hold no claim. Outgoing ones without a bind share
// ports among themselves: two of them differ in their peer.
//
// One for all Stacks of a process, with a lock of its own, which is always the last one taken. A claim
// keeps a copy of what others ask about it, so that nobody looks at a socket of another Stack.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "millrace/winsock_codes.h"
#include "stack/address.h"

namespace millrace {

class Socket;
enum class Transport : uint8_t;

class PortTable {
 public:
  PortTable();

  /// @errors kAddrInUse, kAcces
  WsaError claim(Socket& socket, const Endpoint& endpoint);
  /// Claims a random port of the dynamic range (RFC 6056 3.3.1) that is_free(port) also agrees to.
  /// @return 0: there is none
  template <typename IsFree>
  uint16_t claim_any(Socket& socket, const IpAddress& address, bool is_outgoing, IsFree is_free);
  void release(Socket& socket) noexcept;
  /// Calls visit(socket) for the claims of one Stack to a port.
  template <typename Visitor>
  void for_each_of(uint32_t stack, Transport transport, uint16_t port, Visitor visit) const;

  /// Bit i: Stack i has a UDP socket on this port. Without the lock.
  uint32_t udp_stacks(uint16_t port) const noexcept {
    return udp_stacks_[port].load(std::memory_order_acquire);
  }
  /// The same for a datagram to this address: a group's members, or the one whose socket fits best.
  uint32_t udp_stacks(const Endpoint& destination) const noexcept;

 private:
  struct Claim {
    Socket* socket;
    uint32_t stack;
    IpAddress address;
    bool is_outgoing;  ///< chosen for a connection, not bound by the application
    bool reuses;       ///< SO_REUSEADDR
    bool is_exclusive;
    bool is_dual;  ///< the wildcard of both families

    bool has(uint8_t family) const noexcept { return is_dual || address.family == family; }
  };
  static constexpr uint32_t kFirst = 49152;  // RFC 6335 6
  static constexpr uint32_t kCount = 65536 - kFirst;

  static uint32_t key_of(Transport transport, uint16_t port) noexcept {
    return static_cast<uint32_t>(transport) << 16 | port;
  }
  static uint32_t random_below(uint32_t n) noexcept;
  static Claim claim_of(Socket& socket, const IpAddress& address, bool is_outgoing) noexcept;
  auto holders(Transport transport, uint16_t port) const {
    return claims_.equal_range(key_of(transport, port));
  }
  static WsaError next_to(const Claim& first, const Claim& second) noexcept;
  static WsaError on_top_of(const Claim& first, const Claim& second) noexcept;
  WsaError conflict(Transport transport, uint16_t port, const Claim& claim) const;
  bool try_any(const Socket& socket, uint16_t port, const Claim& claim);
  void add(Transport transport, uint16_t port, const Claim& claim);
  void note_udp(uint16_t port) noexcept;

  mutable std::mutex mutex_;
  std::unordered_multimap<uint32_t, Claim> claims_;
  std::unique_ptr<std::atomic<uint32_t>[]> udp_stacks_;  ///< by port
};

template <typename IsFree>
uint16_t PortTable::claim_any(Socket& socket, const IpAddress& address, bool is_outgoing,
                              IsFree is_free) {
  const Claim claim = claim_of(socket, address, is_outgoing);
  const uint32_t start = random_below(kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    const auto port = static_cast<uint16_t>(kFirst + (start + i) % kCount);
    if (is_free(port) && try_any(socket, port, claim)) return port;
  }
  return 0;
}

template <typename Visitor>
void PortTable::for_each_of(uint32_t stack, Transport transport, uint16_t port,
                            Visitor visit) const {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = holders(transport, port);
  for (auto it = begin; it != end; ++it) {
    if (it->second.stack == stack) visit(*it->second.socket);
  }
}

}  // namespace millrace
