// SPDX-License-Identifier: BSD-3-Clause
// Protocols, addresses as text, and byte order. The ...A calls convert and ask the ...W ones.
#include <algorithm>
#include <vector>

#include "spi_shim/probe.h"
#include "spi_shim/ws2_32/call.h"
#include "spi_shim/ws2_32/text.h"

using namespace millrace;
using namespace millrace::ws2;
using Table = WSPPROC_TABLE;

int WSAAPI WSAEnumProtocolsW(LPINT lpiProtocols, LPWSAPROTOCOL_INFOW lpProtocolBuffer,
                             LPDWORD lpdwBufferLength) noexcept {
  if (provider() == nullptr) return fail(WSANOTINITIALISED);
  INT error = 0;
  const int n = WSCEnumProtocols(lpiProtocols, lpProtocolBuffer, lpdwBufferLength, &error);
  return n == SOCKET_ERROR ? fail(static_cast<DWORD>(error)) : n;
}

int WSAAPI WSAEnumProtocolsA(LPINT lpiProtocols, LPWSAPROTOCOL_INFOA lpProtocolBuffer,
                             LPDWORD lpdwBufferLength) noexcept {
  DWORD wide_bytes = 0;
  if (WSAEnumProtocolsW(lpiProtocols, nullptr, &wide_bytes) == SOCKET_ERROR &&
      GetLastError() != WSAENOBUFS) {
    return SOCKET_ERROR;
  }
  std::vector<WSAPROTOCOL_INFOW> wide(wide_bytes / sizeof(WSAPROTOCOL_INFOW));
  if (!can_write(lpdwBufferLength)) return fail(WSAEFAULT);
  const auto needed_bytes = static_cast<DWORD>(wide.size() * sizeof(WSAPROTOCOL_INFOA));
  const DWORD room_bytes = *lpdwBufferLength;
  *lpdwBufferLength = needed_bytes;
  if (lpProtocolBuffer == nullptr || room_bytes < needed_bytes) return fail(WSAENOBUFS);
  if (!can_write_objects(lpProtocolBuffer, wide.size())) return fail(WSAEFAULT);
  const int n = WSAEnumProtocolsW(lpiProtocols, wide.data(), &wide_bytes);
  std::transform(wide.begin(), wide.end(), lpProtocolBuffer,
                 [](const WSAPROTOCOL_INFOW& info) { return narrow(info); });
  return n;
}

INT WSAAPI WSAAddressToStringW(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                               LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
                               LPDWORD lpdwAddressStringLength) noexcept {
  return call<&Table::lpWSPAddressToString>(lpsaAddress, dwAddressLength, lpProtocolInfo,
                                            lpszAddressString, lpdwAddressStringLength);
}

// Only digits and punctuation: as many bytes as WCHARs.
INT WSAAPI WSAAddressToStringA(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                               LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSTR lpszAddressString,
                               LPDWORD lpdwAddressStringLength) noexcept {
  if (provider() == nullptr) return fail(WSANOTINITIALISED);
  if (!can_write(lpdwAddressStringLength)) return fail(WSAEFAULT);
  WSAPROTOCOL_INFOW info;
  if (lpProtocolInfo != nullptr) info = widen(*lpProtocolInfo);
  WCHAR wide[WS_NI_MAXSERV + 64];
  DWORD length = sizeof wide / sizeof *wide;
  if (WSAAddressToStringW(lpsaAddress, dwAddressLength, lpProtocolInfo == nullptr ? nullptr : &info,
                          wide, &length) != 0) {
    return SOCKET_ERROR;
  }
  const DWORD room = *lpdwAddressStringLength;
  *lpdwAddressStringLength = length;
  if (room < length || !can_write(lpszAddressString, length)) return fail(WSAEFAULT);
  std::transform(wide, wide + length, lpszAddressString,
                 [](WCHAR c) { return static_cast<CHAR>(c); });
  return 0;
}

INT WSAAPI WSAStringToAddressW(LPWSTR AddressString, INT AddressFamily,
                               LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
                               LPINT lpAddressLength) noexcept {
  return call<&Table::lpWSPStringToAddress>(AddressString, AddressFamily, lpProtocolInfo, lpAddress,
                                            lpAddressLength);
}

INT WSAAPI WSAStringToAddressA(LPSTR AddressString, INT AddressFamily,
                               LPWSAPROTOCOL_INFOA lpProtocolInfo, LPSOCKADDR lpAddress,
                               LPINT lpAddressLength) noexcept {
  if (provider() == nullptr) return fail(WSANOTINITIALISED);
  WSAPROTOCOL_INFOW info;
  if (lpProtocolInfo != nullptr) info = widen(*lpProtocolInfo);
  auto wide = widen(AddressString);
  return WSAStringToAddressW(wide ? wide->data() : nullptr, AddressFamily,
                             lpProtocolInfo == nullptr ? nullptr : &info, lpAddress,
                             lpAddressLength);
}

namespace {

// The byte order of a socket's protocol is that of the network for all that there are; only whether
// there is such a socket has to be asked.
template <typename T>
int in_order_of(SOCKET s, T value, T* result) noexcept {
  int type = 0;
  int length = sizeof type;
  if (WS_getsockopt(s, WS_SOL_SOCKET, WS_SO_TYPE, reinterpret_cast<CHAR*>(&type), &length) != 0) {
    return SOCKET_ERROR;
  }
  if (!can_write(result)) return fail(WSAEFAULT);
  *result = value;
  return 0;
}

}  // namespace

int WSAAPI WSAHtonl(SOCKET s, WS_u_long hostlong, WS_u_long* lpnetlong) noexcept {
  return in_order_of(s, WS_u_long{htonl(hostlong)}, lpnetlong);
}

int WSAAPI WSAHtons(SOCKET s, USHORT hostshort, USHORT* lpnetshort) noexcept {
  return in_order_of(s, USHORT{htons(hostshort)}, lpnetshort);
}

int WSAAPI WSANtohl(SOCKET s, WS_u_long netlong, WS_u_long* lphostlong) noexcept {
  return in_order_of(s, WS_u_long{ntohl(netlong)}, lphostlong);
}

int WSAAPI WSANtohs(SOCKET s, USHORT netshort, USHORT* lphostshort) noexcept {
  return in_order_of(s, USHORT{ntohs(netshort)}, lphostshort);
}
