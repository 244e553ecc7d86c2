// SPDX-License-Identifier: BSD-3-Clause
// The server's part of sockperf 3.7's protocol, for millrace-echo --sockperf.
//
//   0        8       10        14
//   +--------+--------+---------+---------
//   | u64 no | u16    | u32     | payload        big-endian; length counts the header, too
//   |        | flags  | length  |
//   +--------+--------+---------+---------
//
// Flag bit 0: from the client; bit 1: a reply is wanted. A reply is the message with bit 0 off.
#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace millrace {

/// Takes the whole messages out of `bytes`, which a stream may have cut anywhere.
///
/// @param[in,out] bytes  what arrived and has no reply; what stays is the start of a message
/// @return  the replies, in order
inline std::vector<char> sockperf_replies(std::vector<char>& bytes) {
  constexpr size_t kHeaderBytes = 14;
  constexpr size_t kMostBytes = 65536;
  constexpr int kFromClient = 1;
  constexpr int kWantsReply = 2;
  std::vector<char> replies;
  size_t at = 0;
  while (bytes.size() - at >= kHeaderBytes) {
    char* const message = bytes.data() + at;
    uint32_t length_be;
    std::memcpy(&length_be, message + 10, sizeof length_be);
    // A length that cannot be is a peer that is not sockperf: whatever it gets back will do.
    const size_t length = std::clamp<size_t>(ntohl(length_be), kHeaderBytes, kMostBytes);
    if (bytes.size() - at < length) break;
    char& flags = message[9];
    flags = static_cast<char>(flags & ~kFromClient);
    if ((flags & kWantsReply) != 0) replies.insert(replies.end(), message, message + length);
    at += length;
  }
  bytes.erase(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(at));
  return replies;
}

}  // namespace millrace
