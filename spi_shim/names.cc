// SPDX-License-Identifier: BSD-3-Clause
// Addresses as text and back. The C library writes and reads the digits of an IPv6 address; the
// rest, and all of IPv4, is here, since Windows reads more forms of it than inet_pton does.
//
// Grammar:  v4 = part [ "." part [ "." part [ "." part ] ] ] [ ":" port ]
//           v6 = address [ "%" scope ]  |  "[" address [ "%" scope ] "]" [ ":" port ]
//           part, port = decimal | "0" octal | "0x" hexadecimal;  scope = decimal
#include "spi_shim/names.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>

#include "millrace/winsock_codes.h"
#include "spi_shim/catalog.h"
#include "spi_shim/probe.h"

namespace millrace {
namespace {

// "[", 45 of IPv6, "%" and 10 digits, "]:" and 5 digits: 65 at most are written; more may be read,
// since leading zeros are allowed.
constexpr std::size_t kMaxTextBytes = 128;

/// Text is a short ASCII string on the stack.
class Text {
 public:
  void append(std::string_view s) {
    std::copy(s.begin(), s.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(size_));
    size_ += s.size();
  }
  void append_number(std::uint32_t value) {
    std::array<char, 10> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    append({digits.begin(), end});
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kMaxTextBytes> bytes_;
  std::size_t size_ = 0;
};

INT fail(WsaError error, LPINT lpErrno) {
  tell(lpErrno, static_cast<INT>(error));
  return SOCKET_ERROR;
}

bool is_ours(const WSAPROTOCOL_INFOW* info) {
  return info == nullptr || catalog_entry(info->dwCatalogEntryId) != nullptr;
}

// --- Writing -------------------------------------------------------------------------------------

void append_port(Text& text, USHORT port_be) {
  text.append(":");
  text.append_number(ntohs(port_be));
}

Text text_of(const WS_sockaddr_in& a) {
  std::array<char, INET_ADDRSTRLEN> digits;
  Text text;
  text.append(inet_ntop(AF_INET, &a.sin_addr, digits.data(), digits.size()));
  if (a.sin_port != 0) append_port(text, a.sin_port);
  return text;
}

Text text_of(const WS_sockaddr_in6& a) {
  std::array<char, INET6_ADDRSTRLEN> digits;
  Text text;
  if (a.sin6_port != 0) text.append("[");
  text.append(inet_ntop(AF_INET6, &a.sin6_addr, digits.data(), digits.size()));
  if (a.sin6_scope_id != 0) {
    text.append("%");
    text.append_number(a.sin6_scope_id);
  }
  if (a.sin6_port != 0) {
    text.append("]");
    append_port(text, a.sin6_port);
  }
  return text;
}

// The caller's bytes as an address of the family they name; they need not be aligned.
std::optional<Text> text_of(const WS_sockaddr* address, std::size_t length_bytes) {
  ADDRESS_FAMILY family = WS_AF_UNSPEC;
  if (address == nullptr || length_bytes < sizeof family) return std::nullopt;
  std::memcpy(&family, address, sizeof family);
  if (family == WS_AF_INET && length_bytes >= sizeof(WS_sockaddr_in)) {
    WS_sockaddr_in a;
    std::memcpy(&a, address, sizeof a);
    return text_of(a);
  }
  if (family == WS_AF_INET6 && length_bytes >= sizeof(WS_sockaddr_in6)) {
    WS_sockaddr_in6 a;
    std::memcpy(&a, address, sizeof a);
    return text_of(a);
  }
  return std::nullopt;
}

// --- Reading -------------------------------------------------------------------------------------

// Takes a number off the front of text: decimal, octal after 0, hexadecimal after 0x.
std::optional<std::uint64_t> take_number(std::string_view& text) {
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with('0')) {
    base = 8;
  }
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return value;
}

// All that is left must be ":port", or nothing. 0 is no port; in network byte order.
std::optional<USHORT> parse_optional_port(std::string_view rest) {
  if (rest.empty()) return USHORT{0};
  if (!rest.starts_with(':')) return std::nullopt;
  rest.remove_prefix(1);
  const auto port = take_number(rest);
  if (!port || *port == 0 || *port > 0xFFFF || !rest.empty()) return std::nullopt;
  return htons(static_cast<USHORT>(*port));
}

// One to four parts; the last one fills the bytes that are left. A sole part is cut to 32 bits.
std::optional<std::uint32_t> take_ipv4(std::string_view& text) {
  std::uint32_t address = 0;
  for (int n_bytes_left = 4;; --n_bytes_left) {
    const auto part = take_number(text);
    if (!part) return std::nullopt;
    if (!text.starts_with('.')) {
      if (n_bytes_left < 4 && *part >> (8 * n_bytes_left) != 0) return std::nullopt;
      return address | static_cast<std::uint32_t>(*part);
    }
    if (*part > 0xFF || n_bytes_left == 1) return std::nullopt;
    text.remove_prefix(1);
    address |= static_cast<std::uint32_t>(*part) << (8 * (n_bytes_left - 1));
  }
}

std::optional<WS_sockaddr_in> parse_ipv4(std::string_view text) {
  const auto address = take_ipv4(text);
  if (!address) return std::nullopt;
  const auto port_be = parse_optional_port(text);
  if (!port_be) return std::nullopt;
  WS_sockaddr_in a{};
  a.sin_family = WS_AF_INET;
  a.sin_port = *port_be;
  a.sin_addr.S_un.S_addr = htonl(*address);
  return a;
}

// "%3" off the end of an IPv6 address.
std::optional<ULONG> take_scope(std::string_view& text) {
  const auto percent = text.find('%');
  if (percent == std::string_view::npos) return ULONG{0};
  const std::string_view digits = text.substr(percent + 1);
  text = text.substr(0, percent);
  ULONG scope = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), scope);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return scope;
}

std::optional<WS_sockaddr_in6> parse_ipv6(std::string_view text) {
  WS_sockaddr_in6 a{};
  a.sin6_family = WS_AF_INET6;
  if (text.starts_with('[')) {
    const auto bracket = text.find(']');
    if (bracket == std::string_view::npos) return std::nullopt;
    const auto port_be = parse_optional_port(text.substr(bracket + 1));
    if (!port_be) return std::nullopt;
    a.sin6_port = *port_be;
    text = text.substr(1, bracket - 1);
  }
  const auto scope = take_scope(text);
  if (!scope) return std::nullopt;
  a.sin6_scope_id = *scope;
  std::array<char, kMaxTextBytes + 1> digits{};  // inet_pton wants a final zero
  std::copy(text.begin(), text.end(), digits.begin());
  if (inet_pton(AF_INET6, digits.data(), &a.sin6_addr) != 1) return std::nullopt;
  return a;
}

bool is_there(const WSAPROTOCOL_INFOW* info) { return info == nullptr || can_read(info); }

// Up to its final zero, or as far as ascii_of reads.
bool is_text(const WCHAR* wide) {
  for (std::size_t i = 0; can_read(wide + i); ++i) {
    if (wide[i] == 0 || i == kMaxTextBytes) return true;
  }
  return false;
}

// The caller's UTF-16 as ASCII; nothing when it has other characters or is too long.
std::optional<Text> ascii_of(const WCHAR* wide) {
  Text text;
  for (; *wide != 0; ++wide) {
    if (*wide > 0x7F || text.view().size() == kMaxTextBytes) return std::nullopt;
    const auto c = static_cast<char>(*wide);
    text.append({&c, 1});
  }
  return text;
}

template <typename Sockaddr>
INT give(const Sockaddr& address, LPSOCKADDR to, LPINT length_bytes, LPINT lpErrno) {
  const INT room_bytes = *length_bytes;
  *length_bytes = sizeof address;
  if (room_bytes < *length_bytes) return fail(WsaError::kFault, lpErrno);
  std::memcpy(to, &address, sizeof address);
  return 0;
}

// A given family: room is checked before the text is looked at, and bad text leaves zeros.
template <typename Sockaddr, typename Parse>
INT read_as(Parse parse, const std::optional<Text>& text, LPSOCKADDR to, LPINT length_bytes,
            LPINT lpErrno) {
  if (*length_bytes < INT{sizeof(Sockaddr)}) {
    *length_bytes = sizeof(Sockaddr);
    return fail(WsaError::kFault, lpErrno);
  }
  std::memset(to, 0, sizeof(Sockaddr));
  const std::optional<Sockaddr> address = text ? parse(text->view()) : std::nullopt;
  return address ? give(*address, to, length_bytes, lpErrno) : fail(WsaError::kInval, lpErrno);
}

}  // namespace

INT wsp_address_to_string(LPSOCKADDR lpsaAddress, DWORD dwAddressLength,
                          LPWSAPROTOCOL_INFOW lpProtocolInfo, LPWSTR lpszAddressString,
                          LPDWORD lpdwAddressStringLength, LPINT lpErrno) noexcept {
  if (lpdwAddressStringLength == nullptr) return fail(WsaError::kInval, lpErrno);
  if (!can_write(lpdwAddressStringLength) || !is_there(lpProtocolInfo) ||
      (lpsaAddress != nullptr && !can_read(lpsaAddress, dwAddressLength))) {
    return fail(WsaError::kFault, lpErrno);
  }
  if (!is_ours(lpProtocolInfo)) return fail(WsaError::kInval, lpErrno);
  const auto text = text_of(lpsaAddress, dwAddressLength);
  if (!text) return fail(WsaError::kInval, lpErrno);

  const std::string_view ascii = text->view();
  const DWORD room = *lpdwAddressStringLength;
  *lpdwAddressStringLength = static_cast<DWORD>(ascii.size() + 1);
  if (room < *lpdwAddressStringLength ||
      !can_write_objects(lpszAddressString, *lpdwAddressStringLength)) {
    return fail(WsaError::kFault, lpErrno);
  }
  *std::copy(ascii.begin(), ascii.end(), lpszAddressString) = 0;
  return 0;
}

INT wsp_string_to_address(LPWSTR AddressString, INT AddressFamily,
                          LPWSAPROTOCOL_INFOW lpProtocolInfo, LPSOCKADDR lpAddress,
                          LPINT lpAddressLength, LPINT lpErrno) noexcept {
  if (!can_write(lpAddressLength) || lpAddress == nullptr || *lpAddressLength < 0 ||
      !can_write(lpAddress, static_cast<size_t>(*lpAddressLength))) {
    return fail(WsaError::kFault, lpErrno);
  }
  if (AddressString == nullptr) return fail(WsaError::kInval, lpErrno);
  if (!is_text(AddressString) || !is_there(lpProtocolInfo)) return fail(WsaError::kFault, lpErrno);
  if (!is_ours(lpProtocolInfo)) return fail(WsaError::kInval, lpErrno);

  const auto text = ascii_of(AddressString);
  if (AddressFamily == WS_AF_INET) {
    return read_as<WS_sockaddr_in>(parse_ipv4, text, lpAddress, lpAddressLength, lpErrno);
  }
  if (AddressFamily == WS_AF_INET6) {
    return read_as<WS_sockaddr_in6>(parse_ipv6, text, lpAddress, lpAddressLength, lpErrno);
  }
  if (AddressFamily == WS_AF_UNSPEC && text) {
    if (const auto a = parse_ipv4(text->view())) {
      return give(*a, lpAddress, lpAddressLength, lpErrno);
    }
    if (const auto a = parse_ipv6(text->view())) {
      return give(*a, lpAddress, lpAddressLength, lpErrno);
    }
  }
  return fail(WsaError::kInval, lpErrno);
}

}  // namespace millrace
