// SPDX-License-Identifier: BSD-3-Clause
// getaddrinfo, getnameinfo and their wide forms.
//
// Windows lists each address once, with the socket type and protocol of the hints, be they 0; the C
// library lists it once per socket type. So it is asked for streams where the caller named no type.
#include <cstdlib>
#include <cstring>
#include <memory>
#include <type_traits>

#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"
#include "spi_shim/ws2_32/resolver.h"
#include "spi_shim/ws2_32/text.h"

using namespace millrace;
using namespace millrace::ws2;

namespace {

INT fail_as(INT error) noexcept {
  if (error != 0) SetLastError(static_cast<DWORD>(error));
  return error;
}

template <typename Info>
void free_list(Info* info) noexcept {
  while (info != nullptr) {
    Info* const next = info->ai_next;
    std::free(info->ai_canonname);
    std::free(info->ai_addr);
    std::free(info);
    info = next;
  }
}

/// The hints as the C library takes them. @return 0, or the error
INT hints_to_libc(int flags, int family, int socktype, int protocol, ::addrinfo& out) noexcept {
  constexpr int kFlags[][2] = {
      {WS_AI_PASSIVE, AI_PASSIVE},         {WS_AI_CANONNAME, AI_CANONNAME},
      {WS_AI_NUMERICHOST, AI_NUMERICHOST}, {WS_AI_NUMERICSERV, AI_NUMERICSERV},
      {WS_AI_ALL, AI_ALL},                 {WS_AI_ADDRCONFIG, AI_ADDRCONFIG},
      {WS_AI_V4MAPPED, AI_V4MAPPED}};
  out = {};
  for (const auto& [windows, libc] : kFlags) {
    if ((flags & windows) != 0) out.ai_flags |= libc;
  }
  out.ai_family = family_to_libc(family);
  if (out.ai_family < 0) return WSAEAFNOSUPPORT;
  if (socktype < 0 || socktype > WS_SOCK_SEQPACKET) return WSAESOCKTNOSUPPORT;
  const bool is_udp = socktype == WS_SOCK_DGRAM || (socktype == 0 && protocol == WS_IPPROTO_UDP);
  out.ai_socktype = is_udp ? SOCK_DGRAM : SOCK_STREAM;
  if (socktype == WS_SOCK_RAW) out.ai_socktype = SOCK_RAW;
  return 0;
}

/// One entry of the list: addrinfo or ADDRINFOW. @return null: no memory, or an address of another family
template <typename Info>
Info* entry_of(const ::addrinfo& from, int socktype, int protocol) noexcept {
  WS_sockaddr_storage address;
  const INT length = from_libc(*from.ai_addr, address);
  if (length == 0) return nullptr;
  void* const memory = std::calloc(1, sizeof(Info));
  auto* const entry = static_cast<Info*>(memory);
  if (entry == nullptr) return nullptr;
  entry->ai_family = address.ss_family;
  entry->ai_socktype = socktype;
  entry->ai_protocol = protocol;
  entry->ai_addrlen = static_cast<SIZE_T>(length);
  entry->ai_addr = static_cast<WS_sockaddr*>(std::malloc(static_cast<size_t>(length)));
  if (entry->ai_addr != nullptr) std::memcpy(entry->ai_addr, &address, static_cast<size_t>(length));
  if (from.ai_canonname != nullptr) {
    const size_t room = std::strlen(from.ai_canonname) + 1;  // UTF-16 needs no more units
    using Char = std::remove_pointer_t<decltype(entry->ai_canonname)>;
    entry->ai_canonname = static_cast<Char*>(std::malloc(room * sizeof(Char)));
    if (entry->ai_canonname != nullptr) copy_text(from.ai_canonname, entry->ai_canonname, room);
  }
  return entry;
}

template <typename Info>
INT look_up(const char* node, const char* service, const Info* hints,
            Info** result) {
  if (provider() == nullptr) return fail_as(WSANOTINITIALISED);
  if (!can_write(result) || (hints != nullptr && !can_read(hints))) return fail_as(WSAEFAULT);
  *result = nullptr;
  if (node == nullptr && service == nullptr) return fail_as(WSAHOST_NOT_FOUND);
  const int flags = hints == nullptr ? 0 : hints->ai_flags;
  const int socktype = hints == nullptr ? 0 : hints->ai_socktype;
  const int protocol = hints == nullptr ? 0 : hints->ai_protocol;
  ::addrinfo wanted;
  if (const INT error = hints_to_libc(flags, hints == nullptr ? WS_AF_UNSPEC : hints->ai_family,
                                      socktype, protocol, wanted);
      error != 0) {
    return fail_as(error);
  }
  if ((flags & WS_AI_CANONNAME) != 0 && node == nullptr) return fail_as(WSAEINVAL);
  CHAR own_name[WS_NI_MAXHOST];
  if (node != nullptr && *node == 0) {  // "" is this host (getaddrinfo, Remarks)
    if (WS_gethostname(own_name, sizeof own_name) != 0) return WSAGetLastError();
    node = own_name;
  }
  ::addrinfo* found = nullptr;
  const int eai = ::getaddrinfo(node, service, &wanted, &found);
  if (eai != 0) return fail_as(error_from_eai(eai));
  const std::unique_ptr<::addrinfo, void (*)(::addrinfo*)> owner(found, ::freeaddrinfo);
  Info** link = result;
  for (const ::addrinfo* each = found; each != nullptr; each = each->ai_next) {
    *link = entry_of<Info>(*each, socktype, protocol);
    if (*link != nullptr) link = &(*link)->ai_next;
  }
  return *result == nullptr ? fail_as(WSANO_DATA) : 0;
}

int name_flags_to_libc(INT flags) noexcept {
  constexpr int kFlags[][2] = {{WS_NI_NOFQDN, NI_NOFQDN},
                               {WS_NI_NUMERICHOST, NI_NUMERICHOST},
                               {WS_NI_NAMEREQD, NI_NAMEREQD},
                               {WS_NI_NUMERICSERV, NI_NUMERICSERV},
                               {WS_NI_DGRAM, NI_DGRAM}};
  int out = 0;
  for (const auto& [windows, libc] : kFlags) {
    if ((flags & windows) != 0) out |= libc;
  }
  return out;
}

template <typename Char>
INT name_of(const SOCKADDR* address, INT length, Char* node, DWORD node_room, Char* service,
            DWORD service_room, INT flags) noexcept {
  if (provider() == nullptr) return fail_as(WSANOTINITIALISED);
  if (length < static_cast<INT>(sizeof(ADDRESS_FAMILY)) ||
      !can_read(static_cast<const void*>(address), static_cast<size_t>(length))) {
    return fail_as(WSAEFAULT);
  }
  ::sockaddr_storage libc;
  const ::socklen_t libc_length = to_libc(address, length, libc);
  if (libc_length == 0) {
    ADDRESS_FAMILY family;
    std::memcpy(&family, address, sizeof family);
    const bool is_known = family == WS_AF_INET || family == WS_AF_INET6;
    return fail_as(is_known ? WSAEFAULT : WSAEAFNOSUPPORT);
  }
  const bool wants_node = node != nullptr && node_room != 0;
  const bool wants_service = service != nullptr && service_room != 0;
  if (!wants_node && !wants_service) return fail_as(WSAHOST_NOT_FOUND);
  char host[WS_NI_MAXHOST] = {};
  char port[WS_NI_MAXSERV] = {};
  const int eai = ::getnameinfo(reinterpret_cast<const ::sockaddr*>(&libc), libc_length,
                                wants_node ? host : nullptr, wants_node ? sizeof host : 0,
                                wants_service ? port : nullptr, wants_service ? sizeof port : 0,
                                name_flags_to_libc(flags));
  if (eai != 0) return fail_as(error_from_eai(eai));
  if ((wants_node && !copy_text(host, node, node_room)) ||
      (wants_service && !copy_text(port, service, service_room))) {
    return fail_as(ERROR_INSUFFICIENT_BUFFER);
  }
  return 0;
}

}  // namespace

INT WSAAPI WS_getaddrinfo(PCSTR pNodeName, PCSTR pServiceName, const WS_addrinfo* pHints,
                          WS_addrinfo** ppResult) noexcept {
  return look_up(pNodeName, pServiceName, pHints, ppResult);
}

VOID WSAAPI WS_freeaddrinfo(WS_addrinfo* pAddrInfo) noexcept { free_list(pAddrInfo); }

INT WSAAPI GetAddrInfoW(PCWSTR pNodeName, PCWSTR pServiceName, const ADDRINFOW* pHints,
                        PADDRINFOW* ppResult) noexcept {
  const auto node = narrow(pNodeName);
  const auto service = narrow(pServiceName);
  return look_up(node ? node->c_str() : nullptr, service ? service->c_str() : nullptr, pHints,
                 ppResult);
}

VOID WSAAPI FreeAddrInfoW(PADDRINFOW pAddrInfo) noexcept { free_list(pAddrInfo); }

INT WSAAPI WS_getnameinfo(const SOCKADDR* pSockaddr, WS_socklen_t SockaddrLength, CHAR* pNodeBuffer,
                          DWORD NodeBufferSize, CHAR* pServiceBuffer, DWORD ServiceBufferSize,
                          INT Flags) noexcept {
  return name_of(pSockaddr, SockaddrLength, pNodeBuffer, NodeBufferSize, pServiceBuffer,
                 ServiceBufferSize, Flags);
}

INT WSAAPI GetNameInfoW(const SOCKADDR* pSockaddr, WS_socklen_t SockaddrLength, WCHAR* pNodeBuffer,
                        DWORD NodeBufferSize, WCHAR* pServiceBuffer, DWORD ServiceBufferSize,
                        INT Flags) noexcept {
  return name_of(pSockaddr, SockaddrLength, pNodeBuffer, NodeBufferSize, pServiceBuffer,
                 ServiceBufferSize, Flags);
}

namespace {

int to_eai(int error) noexcept {
  for (const int eai : {EAI_AGAIN, EAI_BADFLAGS, EAI_FAIL, EAI_FAMILY, EAI_MEMORY, EAI_NODATA,
                        EAI_NONAME, EAI_SERVICE, EAI_SOCKTYPE}) {
    if (error_from_eai(eai) == error) return eai;
  }
  return EAI_FAIL;
}

}  // namespace

CHAR* WSAAPI WS_gai_strerror(int ecode) noexcept {
  return const_cast<CHAR*>(::gai_strerror(to_eai(ecode)));  // constant; the prototype is Windows'
}

WCHAR* WSAAPI gai_strerrorW(int ecode) noexcept {
  thread_local WCHAR text[128];
  copy_text(WS_gai_strerror(ecode), text, sizeof text / sizeof *text);
  return text;
}
