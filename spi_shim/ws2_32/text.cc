// SPDX-License-Identifier: BSD-3-Clause
#include "spi_shim/ws2_32/text.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace millrace {
namespace {

constexpr uint32_t kReplacement = 0xFFFD;

void append_utf8(std::string& out, uint32_t c) {
  const auto put = [&out](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
    return;
  }
  if (c < 0x800) {
    put(0xC0 | c >> 6);
  } else {
    if (c < 0x10000) {
      put(0xE0 | c >> 12);
    } else {
      put(0xF0 | c >> 18);
      put(0x80 | (c >> 12 & 0x3F));
    }
    put(0x80 | (c >> 6 & 0x3F));
  }
  put(0x80 | (c & 0x3F));
}

void append_utf16(std::basic_string<WCHAR>& out, uint32_t c) {
  if (c >= 0x10000) {
    out.push_back(static_cast<WCHAR>(0xD800 + ((c - 0x10000) >> 10)));
    out.push_back(static_cast<WCHAR>(0xDC00 + ((c - 0x10000) & 0x3FF)));
  } else {
    out.push_back(static_cast<WCHAR>(c));
  }
}

/// Takes a code point off the front of UTF-8 (RFC 3629).
uint32_t take_utf8(std::string_view& text) {
  const auto byte = [&text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t n = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  uint32_t c = n == 1 ? first : first & (0x7Fu >> n);
  bool is_good = n != 0 && n <= text.size();
  for (size_t i = 1; is_good && i < n; ++i) {
    is_good = byte(i) >> 6 == 2;
    c = c << 6 | (byte(i) & 0x3Fu);
  }
  constexpr uint32_t kLowest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (!is_good || c < kLowest[n] || c > 0x10FFFF || c >> 11 == 0x1B) {
    text.remove_prefix(1);
    return kReplacement;
  }
  text.remove_prefix(n);
  return c;
}

template <typename To, typename From, typename Convert>
void convert_entry(To& to, const From& from, Convert convert) {
  to.dwServiceFlags1 = from.dwServiceFlags1;
  to.dwServiceFlags2 = from.dwServiceFlags2;
  to.dwServiceFlags3 = from.dwServiceFlags3;
  to.dwServiceFlags4 = from.dwServiceFlags4;
  to.dwProviderFlags = from.dwProviderFlags;
  to.ProviderId = from.ProviderId;
  to.dwCatalogEntryId = from.dwCatalogEntryId;
  to.ProtocolChain = from.ProtocolChain;
  to.iVersion = from.iVersion;
  to.iAddressFamily = from.iAddressFamily;
  to.iMaxSockAddr = from.iMaxSockAddr;
  to.iMinSockAddr = from.iMinSockAddr;
  to.iSocketType = from.iSocketType;
  to.iProtocol = from.iProtocol;
  to.iProtocolMaxOffset = from.iProtocolMaxOffset;
  to.iNetworkByteOrder = from.iNetworkByteOrder;
  to.iSecurityScheme = from.iSecurityScheme;
  to.dwMessageSize = from.dwMessageSize;
  to.dwProviderReserved = from.dwProviderReserved;
  const auto* const end = std::find(from.szProtocol, from.szProtocol + WSAPROTOCOL_LEN, 0);
  const auto name = convert({from.szProtocol, static_cast<size_t>(end - from.szProtocol)});
  std::copy_n(name.begin(), std::min<size_t>(name.size(), WSAPROTOCOL_LEN), to.szProtocol);
}

}  // namespace

std::string to_utf8(std::basic_string_view<WCHAR> text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    uint32_t c = static_cast<uint16_t>(text[i]);
    if (c >> 10 == 0x36 && i + 1 < text.size() && static_cast<uint16_t>(text[i + 1]) >> 10 == 0x37) {
      c = 0x10000 + ((c & 0x3FF) << 10) + (static_cast<uint16_t>(text[++i]) & 0x3FFu);
    } else if (c >> 11 == 0x1B) {
      c = kReplacement;
    }
    append_utf8(out, c);
  }
  return out;
}

std::basic_string<WCHAR> to_utf16(std::string_view text) {
  std::basic_string<WCHAR> out;
  while (!text.empty()) append_utf16(out, take_utf8(text));
  return out;
}

std::optional<std::string> narrow(const WCHAR* text) {
  if (text == nullptr) return std::nullopt;
  return to_utf8(text);
}

std::optional<std::basic_string<WCHAR>> widen(const char* text) {
  if (text == nullptr) return std::nullopt;
  return to_utf16(text);
}

bool copy_text(std::string_view text, char* to, size_t room) {
  if (text.size() >= room) return false;
  std::memcpy(to, text.data(), text.size());
  to[text.size()] = 0;
  return true;
}

bool copy_text(std::string_view text, WCHAR* to, size_t room) {
  const auto wide = to_utf16(text);
  if (wide.size() >= room) return false;
  std::copy(wide.begin(), wide.end(), to);
  to[wide.size()] = 0;
  return true;
}

WSAPROTOCOL_INFOA narrow(const WSAPROTOCOL_INFOW& info) {
  WSAPROTOCOL_INFOA to{};
  convert_entry(to, info, to_utf8);
  return to;
}

WSAPROTOCOL_INFOW widen(const WSAPROTOCOL_INFOA& info) {
  WSAPROTOCOL_INFOW to{};
  convert_entry(to, info, to_utf16);
  return to;
}

}  // namespace millrace
