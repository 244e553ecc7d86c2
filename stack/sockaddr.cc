// SPDX-License-Identifier: BSD-3-Clause
#include "stack/sockaddr.h"

#include <arpa/inet.h>

#include <cstring>

namespace millrace {

bool store_endpoint(const Endpoint& endpoint, WS_sockaddr* to, INT* length) noexcept {
  WS_sockaddr_in6 v6{};
  WS_sockaddr_in v4{};
  const void* from = &v4;
  size_t size = sizeof v4;
  if (endpoint.address.family == 4) {
    v4.sin_family = WS_AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes.data(), 4);
  } else {
    v6.sin6_family = WS_AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), 16);
    v6.sin6_scope_id = endpoint.address.zone;
    from = &v6;
    size = sizeof v6;
  }
  const bool fits = *length >= static_cast<INT>(size);
  if (fits) std::memcpy(to, from, size);
  *length = static_cast<INT>(size);
  return fits;
}

}  // namespace millrace
