// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/ws2_32/resolver.h"

#include <cerrno>
#include <cstring>

#include "spi_shim/ws2_32/call.h"

namespace millrace::ws2 {

INT error_from_eai(int eai) noexcept {
  switch (eai) {
    case 0:
      return 0;
    case EAI_AGAIN:
      return WSATRY_AGAIN;
    case EAI_BADFLAGS:
      return WSAEINVAL;
    case EAI_FAMILY:
    case EAI_ADDRFAMILY:
      return eai == EAI_FAMILY ? WSAEAFNOSUPPORT : WSAHOST_NOT_FOUND;
    case EAI_MEMORY:
      return WSA_NOT_ENOUGH_MEMORY;
    case EAI_NONAME:
      return WSAHOST_NOT_FOUND;
    case EAI_NODATA:
      return WSANO_DATA;
    case EAI_SERVICE:
      return WSATYPE_NOT_FOUND;
    case EAI_SOCKTYPE:
      return WSAESOCKTNOSUPPORT;
    case EAI_OVERFLOW:
      return ERROR_INSUFFICIENT_BUFFER;
    default:
      return WSANO_RECOVERY;
  }
}

INT from_libc(const ::sockaddr& address, WS_sockaddr_storage& out) noexcept {
  out = {};
  if (address.sa_family == AF_INET) {  // the same but for the family's number
    static_assert(sizeof(WS_sockaddr_in) == sizeof(::sockaddr_in));
    std::memcpy(&out, &address, sizeof(WS_sockaddr_in));
    out.ss_family = WS_AF_INET;
    return sizeof(WS_sockaddr_in);
  }
  if (address.sa_family == AF_INET6) {
    static_assert(sizeof(WS_sockaddr_in6) == sizeof(::sockaddr_in6));
    std::memcpy(&out, &address, sizeof(WS_sockaddr_in6));
    out.ss_family = WS_AF_INET6;
    return sizeof(WS_sockaddr_in6);
  }
  return 0;
}

::socklen_t to_libc(const WS_sockaddr* address, INT length, ::sockaddr_storage& out) noexcept {
  out = {};
  ADDRESS_FAMILY family = WS_AF_UNSPEC;
  if (length < static_cast<INT>(sizeof family)) return 0;
  std::memcpy(&family, address, sizeof family);
  const ::socklen_t needed = family == WS_AF_INET    ? sizeof(::sockaddr_in)
                             : family == WS_AF_INET6 ? sizeof(::sockaddr_in6)
                                                     : 0;
  if (needed == 0 || static_cast<::socklen_t>(length) < needed) return 0;
  std::memcpy(&out, address, needed);
  out.ss_family = static_cast<::sa_family_t>(family_to_libc(family));
  return needed;
}

int family_to_libc(int family) noexcept {
  switch (family) {
    case WS_AF_UNSPEC:
      return AF_UNSPEC;
    case WS_AF_INET:
      return AF_INET;
    case WS_AF_INET6:
      return AF_INET6;
    default:
      return -1;
  }
}

}  // namespace millrace::ws2
