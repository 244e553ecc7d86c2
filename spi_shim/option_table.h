// SPDX-License-Identifier: BSD-3-Clause
// Every socket option that is one number is one row.
#pragma once

#include <cstdint>

#include "stack/socket.h"

namespace millrace {

/// Whose option it is; for others it is unknown.
enum class OptionOf : uint8_t { kAll, kStream, kDatagram, kDatagram4, kDatagram6, kMessages, kSctp, k4, k6 };

struct Option {
  int level;
  int name;
  bool takes_any_length;  ///< from 1 byte on (winsock-rules 179); else 4 bytes at least
  uint32_t (*get)(const Socket&);
  WsaError (*set)(Socket&, uint32_t value) = nullptr;  ///< null: read only
  OptionOf of = OptionOf::kAll;
  WsaError (*can_get)(const Socket&) = nullptr;  ///< null: always
  bool is_byte = false;  ///< only its first byte is ever read or written, as on Windows
};

/// @return null: there is no such option, or not for this socket
const Option* find_option(const Socket& socket, int level, int name) noexcept;

/// Why it was not found: kNoProtoOpt, or kInval for a level that does not exist (winsock-rules 181).
WsaError unknown_option(int level) noexcept;

}  // namespace millrace
