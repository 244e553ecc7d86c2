// SPDX-License-Identifier: BSD-3-Clause
// Socket options that are more than one number: SO_LINGER, SO_PROTOCOL_INFOW and A, SO_BSP_STATE.
#pragma once

#include <optional>

#include "stack/socket.h"

namespace millrace {

/// @return nothing: the option is not one of these
std::optional<WsaError> set_struct_option(Socket& socket, int level, int name, const CHAR* value,
                                          int length) noexcept;
/// @param[in,out] length  room at `value`; afterwards what the option takes, with kFault too
/// @return nothing: the option is not one of these
std::optional<WsaError> get_struct_option(const Socket& socket, int level, int name, CHAR* value,
                                          INT& length) noexcept;

}  // namespace millrace
