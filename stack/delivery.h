// SPDX-License-Identifier: BSD-3-Clause
// Byte stream or message: what the service flags of a protocol make of its receives, decided here
// and nowhere else.
//
//   XP1_MESSAGE_ORIENTED  XP1_PSEUDO_STREAM  MSG_PARTIAL    acts as        (LPWSPRECV Remarks)
//   not set               *                  *              byte stream
//   *                     set                *              byte stream
//   set                   not set            set            byte stream
//   set                   not set            not set        message oriented
//
// MSG_PARTIAL counts only where the protocol has it (XP1_PARTIAL_MESSAGE): UDP has not. In the
// third row a receive does not wait for all of a message, but it still ends where the message ends.
// TCP and UDP are the first and the last row; SCTP, whose messages are reliable, is the third and the last.
#pragma once

#include <cstdint>

#include "millrace/winsock_codes.h"
#include "stack/inbox.h"

namespace millrace {

inline constexpr uint32_t kTcpServiceFlags =
    XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE | XP1_EXPEDITED_DATA;
inline constexpr uint32_t kUdpServiceFlags =
    XP1_CONNECTIONLESS | XP1_MESSAGE_ORIENTED | XP1_SUPPORT_BROADCAST | XP1_SUPPORT_MULTIPOINT;
/// SCTP's second entry in the catalog: whoever chooses it never sees a part of a message.
inline constexpr uint32_t kWholeSctpServiceFlags =
    XP1_MESSAGE_ORIENTED | XP1_GUARANTEED_DELIVERY | XP1_GUARANTEED_ORDER | XP1_GRACEFUL_CLOSE;
inline constexpr uint32_t kSctpServiceFlags = kWholeSctpServiceFlags | XP1_PARTIAL_MESSAGE;

enum class DeliveryMode : uint8_t { kByteStream, kMessage };

/// Whether messages have ends that a receive sees. A pseudo stream's have none.
constexpr bool has_messages(uint32_t service_flags) {
  return (service_flags & (XP1_MESSAGE_ORIENTED | XP1_PSEUDO_STREAM)) == XP1_MESSAGE_ORIENTED;
}

/// contract: B11. @param partial_flag  MSG_PARTIAL is among the flags of the receive
constexpr DeliveryMode delivery_of(uint32_t service_flags, bool partial_flag) {
  const bool takes_parts = partial_flag && (service_flags & XP1_PARTIAL_MESSAGE) != 0;
  return has_messages(service_flags) && !takes_parts ? DeliveryMode::kMessage
                                                     : DeliveryMode::kByteStream;
}

/// What becomes of the part of a message for which a receive has no room (contract: B10).
enum class Excess : uint8_t {
  kComesLater,      ///< (a) the receive succeeds with MSG_PARTIAL, later ones get the rest
  kMessageRemains,  ///< (b) WSAEMSGSIZE, and a receive with room gets the whole message
  kIsLost           ///< (c) WSAEMSGSIZE
};
constexpr Excess excess_of(uint32_t service_flags) {
  if ((service_flags & XP1_PARTIAL_MESSAGE) != 0) return Excess::kComesLater;
  return (service_flags & XP1_GUARANTEED_DELIVERY) != 0 ? Excess::kMessageRemains : Excess::kIsLost;
}

/// How a receive hears that the peer has closed: zero bytes, or an error where zero bytes may be a
/// message (contract: B12 E15).
constexpr WsaError graceful_end_of(uint32_t service_flags) {
  return has_messages(service_flags) ? WsaError::kDiscon : WsaError::kOk;
}

/// The way down: whether a send ends its message (contract: B13). It does, but for MSG_PARTIAL
/// where the protocol has it; where it has not, such a send is refused.
constexpr bool ends_message(uint32_t service_flags, uint32_t send_flags) {
  return has_messages(service_flags) && (send_flags & MSG_PARTIAL) == 0;
}

/// Whether a receive with these flags has something to take: bytes, or a whole message (contract:
/// B6).
inline bool has_enough(const Inbox& inbox, uint32_t service_flags, uint32_t flags) noexcept {
  return delivery_of(service_flags, (flags & MSG_PARTIAL) != 0) == DeliveryMode::kByteStream
             ? !inbox.empty()
             : inbox.has_whole_message();
}

}  // namespace millrace
