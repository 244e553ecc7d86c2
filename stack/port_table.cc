// SPDX-License-Identifier: BSD-3-Clause
#include "stack/port_table.h"

#include <sodium.h>

#include <algorithm>

#include "stack/socket.h"

namespace millrace {

uint32_t PortTable::random_below(uint32_t n) noexcept { return randombytes_uniform(n); }

WsaError PortTable::conflict(const Socket& socket, const Endpoint& endpoint,
                             bool is_outgoing) const {
  const auto [begin, end] = holders(socket.transport(), endpoint.port);
  for (auto it = begin; it != end; ++it) {
    const Socket& other = *it->second.socket;
    if (other.family() != socket.family()) continue;
    if (is_outgoing && it->second.is_outgoing) continue;
    const bool same = other.local().address == endpoint.address;
    const bool one_is_any = is_any(other.local().address) != is_any(endpoint.address);
    if (!same && !one_is_any) continue;
    if (is_outgoing) return WsaError::kAddrInUse;
    if (other.options.reuse_address && socket.options.reuse_address) continue;
    // A wildcard and a specific address live together unless one asked for exclusive use.
    if (one_is_any && !other.options.exclusive && !socket.options.exclusive) continue;
    return socket.options.reuse_address ? WsaError::kAcces : WsaError::kAddrInUse;
  }
  return WsaError::kOk;
}

bool PortTable::is_untouched(const Socket& socket, uint16_t port) const {
  return claims_.count(key_of(socket.transport(), port)) == 0;
}

void PortTable::add(Socket& socket, uint16_t port, bool is_outgoing) {
  claims_.emplace(key_of(socket.transport(), port), Claim{&socket, is_outgoing});
}

WsaError PortTable::claim(Socket& socket, const Endpoint& endpoint) {
  if (const WsaError error = conflict(socket, endpoint, false); error != WsaError::kOk) return error;
  add(socket, endpoint.port, false);
  return WsaError::kOk;
}

void PortTable::release(Socket& socket) noexcept {
  const auto [begin, end] = holders(socket.transport(), socket.local().port);
  const auto it =
      std::find_if(begin, end, [&](const auto& e) { return e.second.socket == &socket; });
  if (it != end) claims_.erase(it);
}

}  // namespace millrace
