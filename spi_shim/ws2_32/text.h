// SPDX-License-Identifier: BSD-3-Clause
// UTF-16, which Windows' ...W calls take, to the UTF-8 that stands for Windows' ANSI code page here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "millrace/winsock_types.h"

namespace millrace {

/// @return what is no valid text comes out as U+FFFD
std::string to_utf8(std::basic_string_view<WCHAR> text);
std::basic_string<WCHAR> to_utf16(std::string_view text);

/// A C string of the other width; nothing for null.
std::optional<std::string> narrow(const WCHAR* text);
std::optional<std::basic_string<WCHAR>> widen(const char* text);

/// Copies with the final zero. @param room  characters. @return false: too little; nothing is written
bool copy_text(std::string_view text, char* to, size_t room);
bool copy_text(std::string_view text, WCHAR* to, size_t room);

/// A catalog entry in the other width.
WSAPROTOCOL_INFOA narrow(const WSAPROTOCOL_INFOW& info);
WSAPROTOCOL_INFOW widen(const WSAPROTOCOL_INFOA& info);

}  // namespace millrace
