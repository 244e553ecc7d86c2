// SPDX-License-Identifier: BSD-3-Clause
// Control data of WSARecvMsg and WSASendMsg: how to walk it, and how much room it takes.
//
//   WSAMSG.Control.buf ->  | WSACMSGHDR (16) | data | to a multiple of 8 | WSACMSGHDR | data ...
//
// cmsg_len counts header and data, without what follows to the multiple of 8. What Windows has as
// macros are functions here; in constant expressions they serve the same.
#ifndef MILLRACE_WINSOCK_CMSG_H_
#define MILLRACE_WINSOCK_CMSG_H_

#include "millrace/winsock_types.h"

using PWSACMSGHDR = WSACMSGHDR*;
using CMSGHDR = WSACMSGHDR;
using PCMSGHDR = WSACMSGHDR*;
using IN_PKTINFO = WS_in_pktinfo;
using PIN_PKTINFO = WS_in_pktinfo*;
using IN6_PKTINFO = WS_in6_pktinfo;
using PIN6_PKTINFO = WS_in6_pktinfo*;

constexpr SIZE_T WSA_CMSGHDR_ALIGN(SIZE_T length) {
  return (length + alignof(WSACMSGHDR) - 1) & ~(SIZE_T{alignof(WSACMSGHDR)} - 1);
}

constexpr SIZE_T WSA_CMSGDATA_ALIGN(SIZE_T length) {
  constexpr SIZE_T kMostAligned = 8;  // any type of Windows x64
  return (length + kMostAligned - 1) & ~(kMostAligned - 1);
}

/// What cmsg_len says of an object with so much data.
constexpr SIZE_T WSA_CMSG_LEN(SIZE_T length) {
  return WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)) + length;
}

/// The room that it takes in the buffer.
constexpr SIZE_T WSA_CMSG_SPACE(SIZE_T length) {
  return WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR) + WSA_CMSGHDR_ALIGN(length));
}

inline UCHAR* WSA_CMSG_DATA(const WSACMSGHDR* object) {
  const auto* const begin = reinterpret_cast<const UCHAR*>(object);
  return const_cast<UCHAR*>(begin + WSA_CMSGDATA_ALIGN(sizeof(WSACMSGHDR)));
}

/// The first object. @return null: there is no room for one
inline WSACMSGHDR* WSA_CMSG_FIRSTHDR(const WSAMSG* message) {
  const bool has_one = message->Control.len >= sizeof(WSACMSGHDR);
  return has_one ? reinterpret_cast<WSACMSGHDR*>(message->Control.buf) : nullptr;
}

/// The one behind it; behind null the first one. @return null: there is none
inline WSACMSGHDR* WSA_CMSG_NXTHDR(const WSAMSG* message, const WSACMSGHDR* object) {
  if (object == nullptr) return WSA_CMSG_FIRSTHDR(message);
  const auto* const at = reinterpret_cast<const CHAR*>(object);
  const auto used = static_cast<SIZE_T>(at - message->Control.buf);
  const SIZE_T next = used + WSA_CMSGHDR_ALIGN(object->cmsg_len);
  if (next + sizeof(WSACMSGHDR) > message->Control.len) return nullptr;
  return reinterpret_cast<WSACMSGHDR*>(message->Control.buf + next);
}

#endif  // MILLRACE_WINSOCK_CMSG_H_
