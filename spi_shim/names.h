// SPDX-License-Identifier: BSD-3-Clause
// Addresses as text and back: WSPAddressToString and WSPStringToAddress, ready for the table.
//
// Invariant: text is UTF-16 with a final zero, and numeric: no name is looked up, no interface name
// is understood. What the first writes, the second reads back to the same address.
//
//   1.2.3.4     1.2.3.4:80     fe80::1     fe80::1%3     [fe80::1]:80     [fe80::1%3]:80
#pragma once

#include "millrace/winsock_types.h"

namespace millrace {

/// wsp_address_to_string writes an address; port 0 and scope 0 are left out.
///
/// @param[in]     lpsaAddress              sockaddr_in or sockaddr_in6
/// @param[in]     dwAddressLength          its bytes, 16 or 28 at least
/// @param[in]     lpProtocolInfo           null, or an entry of millrace's catalog
/// @param[out]    lpszAddressString        room for *lpdwAddressStringLength WCHARs
/// @param[in,out] lpdwAddressStringLength  WCHARs, the final zero included; set on success and on
///                                         WSAEFAULT. The SPI's page says bytes; Windows counts
///                                         WCHARs
/// @errors  WSAEFAULT too little room, or no buffer; WSAEINVAL no address, too short a one, another
///          family, no length, or an lpProtocolInfo that is not ours
/// @source  LPWSPADDRESSTOSTRING; WSAAddressToString for null pointers
INT wsp_address_to_string(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                          LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
                          LPDWORD lpdwAddressStringLength, LPINT lpErrno) noexcept;

/// wsp_string_to_address reads an address. As on Windows an IPv4 address may have one to four
/// parts, each of them and the port decimal, octal (010) or hexadecimal (0x8), and a port is never
/// 0.
///
/// @param[in]     AddressFamily    AF_INET, AF_INET6, or AF_UNSPEC to take what the text looks like
/// @param[in]     lpProtocolInfo   null, or an entry of millrace's catalog
/// @param[out]    lpAddress        set; all zeros when the text is bad and the family was given
/// @param[in,out] lpAddressLength  room in bytes; set on success, and to the bytes needed on
/// WSAEFAULT
/// @errors  WSAEFAULT too little room, lpAddress or lpAddressLength null; WSAEINVAL bad text,
/// another
///          family, or an lpProtocolInfo that is not ours
/// @source  LPWSPSTRINGTOADDRESS; WSAStringToAddress on Windows for the grammar
INT wsp_string_to_address(LPWSTR AddressString, INT AddressFamily,
                          LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
                          LPINT lpAddressLength, LPINT lpErrno) noexcept;

}  // namespace millrace
