// SPDX-License-Identifier: BSD-3-Clause
// The calls of Winsock 1 that look up hosts, services and protocols, and addresses as text.
//
// Each thread has one result of each kind, which its next call of that kind overwrites. Its strings
// stay in the C library's buffer; only the structure around them is Windows'.
#include <netdb.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"
#include "spi_shim/ws2_32/resolver.h"
#include "spi_shim/ws2_32/text.h"

using namespace millrace;
using namespace millrace::ws2;

namespace {

constexpr size_t kFirstRoom = 1024;
constexpr size_t kMostRoom = 65536;

/// Calls one of the C library's ..._r functions with ever more room for its strings.
/// @return null: not found
template <typename Entry, typename Ask>
Entry* ask_with_room(Entry& entry, std::vector<char>& room, Ask ask) noexcept {
  Entry* found = nullptr;
  for (room.resize(std::max(room.size(), kFirstRoom));; room.resize(room.size() * 2)) {
    const int error = ask(&entry, room.data(), room.size(), &found);
    if (error != ERANGE || room.size() >= kMostRoom) return error == 0 ? found : nullptr;
  }
}

DWORD error_from_h_errno(int error) noexcept {
  switch (error) {
    case TRY_AGAIN:
      return WSATRY_AGAIN;
    case NO_RECOVERY:
      return WSANO_RECOVERY;
    case NO_DATA:
      return WSANO_DATA;
    default:
      return WSAHOST_NOT_FOUND;
  }
}

struct Hosts {
  ::hostent libc{};
  std::vector<char> room;
  WS_hostent windows{};
};
struct Services {
  ::servent libc{};
  std::vector<char> room;
  WS_servent windows{};
};
struct Protocols {
  ::protoent libc{};
  std::vector<char> room;
  WS_protoent windows{};
};

template <typename Ask>
WS_hostent* host(Ask ask) noexcept {
  thread_local Hosts own;
  int error = HOST_NOT_FOUND;
  const ::hostent* const found =
      ask_with_room(own.libc, own.room,
                    [&](::hostent* entry, char* room, size_t bytes, ::hostent** result) {
                      return ask(entry, room, bytes, result, &error);
                    });
  if (found == nullptr) {
    SetLastError(error_from_h_errno(error));
    return nullptr;
  }
  const int family = found->h_addrtype == AF_INET6 ? WS_AF_INET6 : WS_AF_INET;
  own.windows = {found->h_name, found->h_aliases, static_cast<SHORT>(family),
                 static_cast<SHORT>(found->h_length), found->h_addr_list};
  return &own.windows;
}

template <typename Ask>
WS_servent* service(Ask ask) noexcept {
  if (provider() == nullptr) {
    SetLastError(WSANOTINITIALISED);
    return nullptr;
  }
  thread_local Services own;
  const ::servent* const found = ask_with_room(own.libc, own.room, ask);
  if (found == nullptr) {
    SetLastError(WSANO_DATA);
    return nullptr;
  }
  own.windows = {found->s_name, found->s_aliases, found->s_proto,
                 static_cast<SHORT>(found->s_port)};
  return &own.windows;
}

template <typename Ask>
WS_protoent* protocol(Ask ask) noexcept {
  if (provider() == nullptr) {
    SetLastError(WSANOTINITIALISED);
    return nullptr;
  }
  thread_local Protocols own;
  const ::protoent* const found = ask_with_room(own.libc, own.room, ask);
  if (found == nullptr) {
    SetLastError(WSANO_DATA);
    return nullptr;
  }
  own.windows = {found->p_name, found->p_aliases, static_cast<SHORT>(found->p_proto)};
  return &own.windows;
}

}  // namespace

int WSAAPI WS_gethostname(CHAR* name, int namelen) noexcept {
  if (provider() == nullptr) return fail(WSANOTINITIALISED);
  std::array<char, 256> own{};
  (void)::gethostname(own.data(), own.size() - 1);
  const size_t bytes = std::strlen(own.data()) + 1;
  if (namelen < 0 || static_cast<size_t>(namelen) < bytes || !can_write(name, bytes)) {
    return fail(WSAEFAULT);
  }
  std::memcpy(name, own.data(), bytes);
  return 0;
}

int WSAAPI GetHostNameW(PWSTR name, int namelen) noexcept {
  CHAR own[256];
  if (WS_gethostname(own, sizeof own) != 0) return SOCKET_ERROR;
  if (name == nullptr || namelen < 0 || !copy_text(own, name, static_cast<size_t>(namelen))) {
    return fail(WSAEFAULT);
  }
  return 0;
}

WS_hostent* WSAAPI WS_gethostbyname(const CHAR* name) noexcept {
  if (provider() == nullptr) {
    SetLastError(WSANOTINITIALISED);
    return nullptr;
  }
  CHAR own[256];
  if (name == nullptr || *name == 0) {  // this host (gethostbyname, Remarks)
    if (WS_gethostname(own, sizeof own) != 0) return nullptr;
    name = own;
  }
  return host([name](::hostent* entry, char* room, size_t bytes, ::hostent** result, int* error) {
    return ::gethostbyname2_r(name, AF_INET, entry, room, bytes, result, error);
  });
}

WS_hostent* WSAAPI WS_gethostbyaddr(const CHAR* addr, int len, int type) noexcept {
  const int family = family_to_libc(type);
  const int needed = type == WS_AF_INET6 ? 16 : 4;
  DWORD error = 0;
  if (provider() == nullptr) {
    error = WSANOTINITIALISED;
  } else if (type != WS_AF_INET && type != WS_AF_INET6) {
    error = WSAEAFNOSUPPORT;
  } else if (len < needed || !can_read(addr, static_cast<size_t>(needed))) {
    error = WSAEFAULT;
  }
  if (error != 0) {
    SetLastError(error);
    return nullptr;
  }
  return host([=](::hostent* entry, char* room, size_t bytes, ::hostent** result, int* h_error) {
    return ::gethostbyaddr_r(addr, static_cast<::socklen_t>(needed), family, entry, room, bytes,
                             result, h_error);
  });
}

WS_servent* WSAAPI WS_getservbyname(const CHAR* name, const CHAR* proto) noexcept {
  return service([=](::servent* entry, char* room, size_t bytes, ::servent** result) {
    return ::getservbyname_r(name, proto, entry, room, bytes, result);
  });
}

WS_servent* WSAAPI WS_getservbyport(int port, const CHAR* proto) noexcept {
  return service([=](::servent* entry, char* room, size_t bytes, ::servent** result) {
    return ::getservbyport_r(port, proto, entry, room, bytes, result);
  });
}

WS_protoent* WSAAPI WS_getprotobyname(const CHAR* name) noexcept {
  return protocol([=](::protoent* entry, char* room, size_t bytes, ::protoent** result) {
    return ::getprotobyname_r(name, entry, room, bytes, result);
  });
}

WS_protoent* WSAAPI WS_getprotobynumber(int number) noexcept {
  return protocol([=](::protoent* entry, char* room, size_t bytes, ::protoent** result) {
    return ::getprotobynumber_r(number, entry, room, bytes, result);
  });
}

CHAR* WSAAPI WS_inet_ntoa(WS_in_addr in) noexcept {
  thread_local CHAR text[INET_ADDRSTRLEN];
  return const_cast<CHAR*>(WS_inet_ntop(WS_AF_INET, &in, text, sizeof text));
}

INT WSAAPI InetPtonW(INT Family, PCWSTR pszAddrString, PVOID pAddrBuf) noexcept {
  const auto text = narrow(pszAddrString);
  if (!text) return WSASetLastError(WSAEFAULT), -1;
  return WS_inet_pton(Family, text->c_str(), pAddrBuf);
}

PCWSTR WSAAPI InetNtopW(INT Family, const VOID* pAddr, PWSTR pStringBuf,
                        SIZE_T StringBufSize) noexcept {
  CHAR text[64];
  if (WS_inet_ntop(Family, pAddr, text, sizeof text) == nullptr) return nullptr;
  if (copy_text(text, pStringBuf, StringBufSize)) return pStringBuf;
  SetLastError(WSA_INVALID_PARAMETER);
  return nullptr;
}
