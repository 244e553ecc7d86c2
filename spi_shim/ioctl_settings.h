// SPDX-License-Identifier: BSD-3-Clause
// Ioctls that are settings: what goes in is stored, nothing comes out.
#pragma once

#include <cstdint>

#include "stack/socket.h"

namespace millrace {

/// Sets what the ioctl says. `in` may be null.
///
/// @errors  kFault: `in` is shorter than the code's type; kOpNotSupp: no such setting, or not one
///          of this socket's transport
WsaError set_by_ioctl(Socket& socket, uint32_t code, const void* in, uint32_t in_bytes) noexcept;

}  // namespace millrace
