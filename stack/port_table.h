// SPDX-License-Identifier: BSD-3-Clause
// PortTable: which local ports our sockets hold, and who may share one (winsock-rules 197 to 200).
//
// lwIP's own check sees one bucket of pcbs and knows nothing of exclusive use, so it is switched off
// (SOF_REUSEADDR on every pcb). Accepted connections hold no claim. Outgoing ones without a bind share
// ports among themselves: two of them differ in their peer.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "millrace/winsock_codes.h"
#include "stack/address.h"

namespace millrace {

class Socket;
enum class Transport : uint8_t;

class PortTable {
 public:
  struct Claim {
    Socket* socket;
    bool is_outgoing;  ///< chosen for a connection, not bound by the application
  };

  /// @errors kAddrInUse, kAcces
  WsaError claim(Socket& socket, const Endpoint& endpoint);
  /// Claims a random port of the dynamic range (RFC 6056 3.3.1) that is_free(port) also agrees to.
  /// @return 0: there is none
  template <typename IsFree>
  uint16_t claim_any(Socket& socket, const IpAddress& address, bool is_outgoing, IsFree is_free);
  void release(Socket& socket) noexcept;
  auto holders(Transport transport, uint16_t port) const {
    return claims_.equal_range(key_of(transport, port));
  }

 private:
  static constexpr uint32_t kFirst = 49152;  // RFC 6335 6
  static constexpr uint32_t kCount = 65536 - kFirst;

  static uint32_t key_of(Transport transport, uint16_t port) noexcept {
    return static_cast<uint32_t>(transport) << 16 | port;
  }
  static uint32_t random_below(uint32_t n) noexcept;
  WsaError conflict(const Socket& socket, const Endpoint& endpoint, bool is_outgoing) const;
  void add(Socket& socket, uint16_t port, bool is_outgoing);
  bool is_untouched(const Socket& socket, uint16_t port) const;

  std::unordered_multimap<uint32_t, Claim> claims_;
};

template <typename IsFree>
uint16_t PortTable::claim_any(Socket& socket, const IpAddress& address, bool is_outgoing,
                              IsFree is_free) {
  const uint32_t start = random_below(kCount);
  for (uint32_t i = 0; i < kCount; ++i) {
    const auto port = static_cast<uint16_t>(kFirst + (start + i) % kCount);
    // A port that the system chooses is shared with nobody who chose it himself.
    if (!is_outgoing && !is_untouched(socket, port)) continue;
    if (conflict(socket, {address, port}, is_outgoing) != WsaError::kOk || !is_free(port)) continue;
    add(socket, port, is_outgoing);
    return port;
  }
  return 0;
}

}  // namespace millrace
