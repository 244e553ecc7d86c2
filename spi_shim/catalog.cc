// SPDX-License-Identifier: BSD-3-Clause
// The entries, the choice among them, and WSCEnumProtocols. Flags and sizes are those that Windows
// publishes for its own TCP/IP, but for XP1_IFS_HANDLES.
#include "spi_shim/catalog.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "spi_shim/probe.h"
#include "stack/delivery.h"
#include "ws2spi.h"

namespace millrace {
namespace {

static_assert(kTcpServiceFlags == 0x66 && kUdpServiceFlags == 0x609);

constexpr DWORD kUdpMessageBytes = 65467;  // as Windows publishes; SO_MAX_MSG_SIZE says 65507

constexpr WSAPROTOCOL_INFOW entry(DWORD id, int af, int type, int protocol,
                                  std::u16string_view name) {
  WSAPROTOCOL_INFOW e{};
  const bool is_stream = type == WS_SOCK_STREAM;
  e.dwServiceFlags1 = is_stream ? kTcpServiceFlags : kUdpServiceFlags;
  e.dwProviderFlags = PFL_MATCHES_PROTOCOL_ZERO;
  e.ProviderId = kProviderId;
  e.dwCatalogEntryId = id;
  e.ProtocolChain.ChainLen = BASE_PROTOCOL;
  e.iVersion = 2;
  e.iAddressFamily = af;
  e.iMaxSockAddr = af == WS_AF_INET ? sizeof(WS_sockaddr_in) : sizeof(WS_sockaddr_in6);
  e.iMinSockAddr = e.iMaxSockAddr;
  e.iSocketType = type;
  e.iProtocol = protocol;
  e.iNetworkByteOrder = BIGENDIAN;
  e.iSecurityScheme = SECURITY_PROTOCOL_NONE;
  e.dwMessageSize = is_stream ? 0 : kUdpMessageBytes;
  std::copy(name.begin(), name.end(), e.szProtocol);
  return e;
}

constexpr std::array<WSAPROTOCOL_INFOW, 4> kCatalog = {
    entry(1001, WS_AF_INET, WS_SOCK_STREAM, WS_IPPROTO_TCP, u"millrace TCP/IP"),
    entry(1002, WS_AF_INET6, WS_SOCK_STREAM, WS_IPPROTO_TCP, u"millrace TCP/IPv6"),
    entry(1003, WS_AF_INET, WS_SOCK_DGRAM, WS_IPPROTO_UDP, u"millrace UDP/IP"),
    entry(1004, WS_AF_INET6, WS_SOCK_DGRAM, WS_IPPROTO_UDP, u"millrace UDP/IPv6"),
};

constexpr int chosen(int argument, int from_info) {
  return argument == 0 || argument == FROM_PROTOCOL_INFO ? from_info : argument;
}

// Whether the list can be read up to its 0; no list is fine.
bool is_list(const INT* protocols) {
  if (protocols == nullptr) return true;
  for (; can_read(protocols); ++protocols) {
    if (*protocols == 0) return true;
  }
  return false;
}

// Whether an entry is in a list that ends with 0; no list wants all.
bool is_wanted(const WSAPROTOCOL_INFOW& e, const INT* protocols) {
  if (protocols == nullptr) return true;
  for (; *protocols != 0; ++protocols) {
    if (*protocols == e.iProtocol) return true;
  }
  return false;
}

}  // namespace

std::span<const WSAPROTOCOL_INFOW> catalog() noexcept { return kCatalog; }

const WSAPROTOCOL_INFOW* catalog_entry(DWORD catalog_entry_id) noexcept {
  for (const WSAPROTOCOL_INFOW& e : kCatalog) {
    if (e.dwCatalogEntryId == catalog_entry_id) return &e;
  }
  return nullptr;
}

const WSAPROTOCOL_INFOW& catalog_entry_of(uint8_t family, bool is_tcp) noexcept {
  return *catalog_find(family == 4 ? WS_AF_INET : WS_AF_INET6, 0,
                       is_tcp ? WS_IPPROTO_TCP : WS_IPPROTO_UDP)
              .entry;
}

CatalogMatch catalog_find(int af, int type, int protocol, const WSAPROTOCOL_INFOW* info) noexcept {
  if (info != nullptr) {
    af = chosen(af, info->iAddressFamily);
    type = chosen(type, info->iSocketType);
    protocol = chosen(protocol, info->iProtocol);
    if (af == 0) return {nullptr, WsaError::kAfNoSupport};
  }
  if (af == 0 && protocol == 0) return {nullptr, WsaError::kInval};

  bool family_known = false;
  bool type_known = false;
  for (const WSAPROTOCOL_INFOW& e : kCatalog) {
    if (af != 0 && af != e.iAddressFamily) continue;
    family_known = true;
    if (type != 0 && type != e.iSocketType) continue;
    type_known = true;
    const bool matches_zero = protocol == 0 && (e.dwProviderFlags & PFL_MATCHES_PROTOCOL_ZERO) != 0;
    if (matches_zero || protocol == e.iProtocol) return {&e, WsaError::kOk};
  }
  if (!family_known) return {nullptr, WsaError::kAfNoSupport};
  return {nullptr, type_known ? WsaError::kProtoNoSupport : WsaError::kSocktNoSupport};
}

}  // namespace millrace

int WSPAPI WSCEnumProtocols(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
                            LPDWORD lpdwBufferLength, LPINT lpErrno) noexcept {
  using namespace millrace;
  const FaultWatch watch;  // it works without WSPStartup
  if (!can_write(lpdwBufferLength) || !is_list(lpiProtocols)) {
    tell(lpErrno, WSAEFAULT);
    return SOCKET_ERROR;
  }
  const auto is_asked_for = [lpiProtocols](const WSAPROTOCOL_INFOW& e) {
    return is_wanted(e, lpiProtocols);
  };
  const auto n = static_cast<int>(std::count_if(kCatalog.begin(), kCatalog.end(), is_asked_for));
  const DWORD needed_bytes = static_cast<DWORD>(n) * DWORD{sizeof(WSAPROTOCOL_INFOW)};
  const DWORD room_bytes = *lpdwBufferLength;
  if (lpProtocolBuffer != nullptr && room_bytes >= needed_bytes &&
      !can_write_objects(lpProtocolBuffer, static_cast<size_t>(n))) {
    tell(lpErrno, WSAEFAULT);
    return SOCKET_ERROR;
  }
  *lpdwBufferLength = needed_bytes;
  if (lpProtocolBuffer == nullptr || room_bytes < needed_bytes) {
    tell(lpErrno, WSAENOBUFS);
    return SOCKET_ERROR;
  }
  std::copy_if(kCatalog.begin(), kCatalog.end(), lpProtocolBuffer, is_asked_for);
  return n;
}
