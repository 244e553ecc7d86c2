// SPDX-License-Identifier: BSD-3-Clause
// Ioctls that tell something: about the socket, its connection, our addresses and routes.
#pragma once

#include "stack/socket.h"

namespace millrace {

/// One call of WSPIoctl, behind its checks; neither buffer has been looked at.
struct IoctlCall {
  Socket& socket;
  SOCKET name;  ///< as the caller calls the socket
  const void* in;
  uint32_t in_bytes;
  void* out;
  uint32_t out_bytes;
  DWORD& returned_bytes;  ///< 0 until there is an answer
};

/// @errors kOpNotSupp: the code is none of these, or not for such a socket; kFault: a buffer is short or
///         not there, and, of a list, returned_bytes says how much it needs
WsaError answer_ioctl(const IoctlCall& call, uint32_t code) noexcept;

}  // namespace millrace
