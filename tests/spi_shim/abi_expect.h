// SPDX-License-Identifier: BSD-3-Clause
// How the abi_*_test.cc files state a fact about Windows' ABI: one line, checked by the compiler.
//
// Invariant: the numbers in those files are not from our headers. A program compiled for Windows
// x64 with mingw-w64's headers printed them; what those lack is from Microsoft's SDK. They are kept
// by hand: what is added to the headers is added there. winsock2.h is included, so that the plain
// names are checked, and with them the macros that turn them into Windows' own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "winsock2.h"

#define PRIMITIVE(type, size_bytes, is_signed) \
  static_assert(sizeof(type) == (size_bytes)); \
  static_assert(std::is_signed_v<type> == (is_signed));

#define LAYOUT(type, size_bytes, align_bytes)    \
  static_assert(sizeof(type) == (size_bytes));   \
  static_assert(alignof(type) == (align_bytes)); \
  static_assert(std::is_standard_layout_v<type>);

#define FIELD(type, member, offset_bytes, size_bytes)      \
  static_assert(offsetof(type, member) == (offset_bytes)); \
  static_assert(sizeof(type::member) == (size_bytes));

// Constants are compared as Windows' 32 bits; -1 and 0xFFFFFFFF are the same there.
#define VALUE(name, value_u32) \
  static_assert(static_cast<std::uint32_t>(name) == static_cast<std::uint32_t>(value_u32));

#define SIGNATURE(pointer, ...) \
  static_assert(std::is_same_v<pointer, std::add_pointer_t<__VA_ARGS__>>);
