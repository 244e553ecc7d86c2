// SPDX-License-Identifier: BSD-3-Clause
// The entries, the choice among them, and WSCEnumProtocols. Flags and sizes are those that Windows
// publishes for its own TCP/IP, but for XP1_IFS_HANDLES.
#include "spi_shim/catalog.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "spi_shim/probe.h"
#include "stack/delivery.h"
#include "stack/socket.h"
#include "ws2spi.h"

namespace millrace {
namespace {

static_assert(kTcpServiceFlags == 0x66 && kUdpServiceFlags == 0x609);

constexpr DWORD kAnyMessageBytes = 0xffffffff;  // WSAPROTOCOL_INFO: no limit
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

constexpr WSAPROTOCOL_INFOW sctp_entry(DWORD id, int af, DWORD service_flags, std::u16string_view name) {
  WSAPROTOCOL_INFOW e = entry(id, af, WS_SOCK_SEQPACKET, WS_IPPROTO_SCTP, name);
  e.dwServiceFlags1 = service_flags;
  e.dwMessageSize = kAnyMessageBytes;
  if (service_flags != kSctpServiceFlags) e.dwProviderFlags = 0;  // only who asks for it gets it
  return e;
}

constexpr std::array<WSAPROTOCOL_INFOW, 8> kEntries = {
    entry(1001, WS_AF_INET, WS_SOCK_STREAM, WS_IPPROTO_TCP, u"millrace TCP/IP"),
    entry(1002, WS_AF_INET6, WS_SOCK_STREAM, WS_IPPROTO_TCP, u"millrace TCP/IPv6"),
    entry(1003, WS_AF_INET, WS_SOCK_DGRAM, WS_IPPROTO_UDP, u"millrace UDP/IP"),
    entry(1004, WS_AF_INET6, WS_SOCK_DGRAM, WS_IPPROTO_UDP, u"millrace UDP/IPv6"),
    sctp_entry(1005, WS_AF_INET, kSctpServiceFlags, u"millrace SCTP/IP"),
    sctp_entry(1006, WS_AF_INET6, kSctpServiceFlags, u"millrace SCTP/IPv6"),
    sctp_entry(1007, WS_AF_INET, kWholeSctpServiceFlags, u"millrace SCTP/IP, whole messages"),
    sctp_entry(1008, WS_AF_INET6, kWholeSctpServiceFlags, u"millrace SCTP/IPv6, whole messages"),
};
constexpr auto kCatalog = std::span(kEntries).first(MILLRACE_SCTP ? kEntries.size() : 4);

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

const WSAPROTOCOL_INFOW& catalog_entry_of(const Socket& socket) noexcept {
  const size_t first = socket.transport() == Transport::kTcp   ? 0
                       : socket.transport() == Transport::kUdp ? 2
                       : socket.options.whole_messages         ? 6
                                                               : 4;
  return kCatalog[first + (socket.family() == 6)];
}

CatalogMatch catalog_find(int af, int type, int protocol, const WSAPROTOCOL_INFOW* info) noexcept {
  if (info != nullptr) {
    af = chosen(af, info->iAddressFamily);
    type = chosen(type, info->iSocketType);
    protocol = chosen(protocol, info->iProtocol);
    if (af == 0) return {nullptr, WsaError::kAfNoSupport};
  }
  if (af == 0 && protocol == 0) return {nullptr, WsaError::kInval};

  const WSAPROTOCOL_INFOW* const named = info == nullptr ? nullptr : catalog_entry(info->dwCatalogEntryId);
  bool family_known = false;
  bool type_known = false;
  for (const WSAPROTOCOL_INFOW& e : kCatalog) {
    if (af != 0 && af != e.iAddressFamily) continue;
    family_known = true;
    if (type != 0 && type != e.iSocketType) continue;
    type_known = true;
    const bool matches_zero = protocol == 0 && (e.dwProviderFlags & PFL_MATCHES_PROTOCOL_ZERO) != 0;
    if (!matches_zero && protocol != e.iProtocol) continue;
    const bool is_same_kind = named != nullptr && named->iAddressFamily == e.iAddressFamily &&
                              named->iSocketType == e.iSocketType && named->iProtocol == e.iProtocol;
    return {is_same_kind ? named : &e, WsaError::kOk};
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
