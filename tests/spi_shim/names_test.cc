// SPDX-License-Identifier: BSD-3-Clause
// Addresses as text and back, by the answers that WSAAddressToString and WSAStringToAddress give on
// Windows.
//
// Invariant: the functions have the SPI's signatures, and neither writes past the room it was
// given.
#include "spi_shim/names.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <string_view>

#include "spi_shim/catalog.h"
#include "ws2spi.h"

namespace millrace {
namespace {

// They go into the table as they are.
constexpr LPWSPADDRESSTOSTRING kToString = wsp_address_to_string;
constexpr LPWSPSTRINGTOADDRESS kToAddress = wsp_string_to_address;

std::string narrow(std::u16string_view wide) { return {wide.begin(), wide.end()}; }
std::u16string widen(std::string_view text) { return {text.begin(), text.end()}; }

WS_sockaddr_in v4(std::uint32_t address, USHORT port = 0) {
  WS_sockaddr_in a{};
  a.sin_family = WS_AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.S_un.S_addr = htonl(address);
  return a;
}

WS_sockaddr_in6 v6(const char* address, USHORT port = 0, ULONG scope = 0) {
  WS_sockaddr_in6 a{};
  a.sin6_family = WS_AF_INET6;
  a.sin6_port = htons(port);
  a.sin6_scope_id = scope;
  EXPECT_EQ(inet_pton(AF_INET6, address, &a.sin6_addr), 1) << address;
  return a;
}

template <typename Sockaddr>
std::string text_of(Sockaddr a) {
  WCHAR text[80];
  DWORD length = 80;
  INT error = 0;
  if (kToString(reinterpret_cast<LPSOCKADDR>(&a), sizeof a, nullptr, text, &length, &error) != 0) {
    return "error " + std::to_string(error);
  }
  EXPECT_EQ(length, std::u16string_view(text).size() + 1);
  return narrow(text);
}

struct Read {
  INT error = 0;
  INT length = 0;
  union {
    WS_sockaddr any;
    WS_sockaddr_in in;
    WS_sockaddr_in6 in6;
    unsigned char bytes[sizeof(WS_sockaddr_in6) + 8];
  };
};

Read read(std::u16string text, INT family, INT room = sizeof(WS_sockaddr_in6) + 8) {
  Read r;
  std::memset(r.bytes, 0xAB, sizeof r.bytes);
  r.length = room;
  INT error = 0;
  const INT result = kToAddress(text.data(), family, nullptr, &r.any, &r.length, &error);
  EXPECT_EQ(result, error == 0 ? 0 : SOCKET_ERROR);
  r.error = error;
  return r;
}

Read read(std::string_view text, INT family) { return read(widen(text), family); }

// --- Writing -------------------------------------------------------------------------------------

TEST(AddressToString, WritesIpv4) {
  EXPECT_EQ(text_of(v4(0)), "0.0.0.0");
  EXPECT_EQ(text_of(v4(0x01020304, 80)), "1.2.3.4:80");
  EXPECT_EQ(text_of(v4(0xFFFFFFFF, 65535)), "255.255.255.255:65535");
}

TEST(AddressToString, WritesIpv6WithBracketsOnlyForAPort) {
  EXPECT_EQ(text_of(v6("::")), "::");
  EXPECT_EQ(text_of(v6("2001:DB8::7")), "2001:db8::7");
  EXPECT_EQ(text_of(v6("2001:db8::7", 33274)), "[2001:db8::7]:33274");
  EXPECT_EQ(text_of(v6("fe80::1", 0, 3)), "fe80::1%3");
  EXPECT_EQ(text_of(v6("fe80::1", 80, 3)), "[fe80::1%3]:80");
  EXPECT_EQ(text_of(v6("::ffff:1.2.3.4", 80)), "[::ffff:1.2.3.4]:80");
  EXPECT_EQ(text_of(v6("1111:2222:3333:4444:5555:6666:7777:8888", 65535, 0xFFFFFFFF)),
            "[1111:2222:3333:4444:5555:6666:7777:8888%4294967295]:65535");
}

TEST(AddressToString, SaysHowMuchRoomItNeeds) {
  WS_sockaddr_in a = v4(0x01020304, 80);
  const auto address = reinterpret_cast<LPSOCKADDR>(&a);
  for (DWORD room = 0; room < 11; ++room) {
    WCHAR text[16] = {u'#'};
    DWORD length = room;
    INT error = 0;
    EXPECT_EQ(kToString(address, sizeof a, nullptr, text, &length, &error), SOCKET_ERROR);
    EXPECT_EQ(error, WSAEFAULT);
    EXPECT_EQ(length, 11U);
    EXPECT_EQ(text[0], u'#') << "a failed call must not write";
  }
  WCHAR text[12];
  text[11] = u'#';
  DWORD length = 11;
  INT error = 4711;
  EXPECT_EQ(kToString(address, sizeof a, nullptr, text, &length, &error), 0);
  EXPECT_EQ(std::u16string(text), u"1.2.3.4:80");
  EXPECT_EQ(text[11], u'#');
  EXPECT_EQ(error, 4711);
}

TEST(AddressToString, NeedsABufferEvenWhenTheLengthWouldDo) {
  WS_sockaddr_in a = v4(0);
  DWORD length = 100;
  INT error = 0;
  EXPECT_EQ(
      kToString(reinterpret_cast<LPSOCKADDR>(&a), sizeof a, nullptr, nullptr, &length, &error),
      SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  EXPECT_EQ(length, 8U);
}

TEST(AddressToString, RefusesWhatIsNoAddress) {
  WCHAR text[80];
  const auto error_of = [&text](LPSOCKADDR address, DWORD bytes, LPDWORD length) {
    INT error = 0;
    EXPECT_EQ(kToString(address, bytes, nullptr, text, length, &error), SOCKET_ERROR);
    return error;
  };
  DWORD length = 80;
  WS_sockaddr_in a = v4(1);
  const auto in = reinterpret_cast<LPSOCKADDR>(&a);
  EXPECT_EQ(error_of(nullptr, sizeof a, &length), WSAEINVAL);
  EXPECT_EQ(error_of(in, sizeof a, nullptr), WSAEINVAL);
  for (const DWORD bytes : {0U, 1U, 2U, 15U}) EXPECT_EQ(error_of(in, bytes, &length), WSAEINVAL);
  WS_sockaddr_in6 b = v6("::1");
  EXPECT_EQ(error_of(reinterpret_cast<LPSOCKADDR>(&b), 27, &length), WSAEINVAL);
  for (const ADDRESS_FAMILY family : std::initializer_list<ADDRESS_FAMILY>{0, 1, 10, 0xFFFF}) {
    b.sin6_family = family;
    EXPECT_EQ(error_of(reinterpret_cast<LPSOCKADDR>(&b), sizeof b, &length), WSAEINVAL);
  }
  EXPECT_EQ(length, 80U);
}

// --- Reading -------------------------------------------------------------------------------------

struct Ipv4Case {
  const char* text;
  std::uint32_t address;
  USHORT port = 0;
};

TEST(StringToAddress, ReadsEveryFormOfIpv4) {
  const Ipv4Case cases[] = {
      {"1.2.3.4", 0x01020304},
      {"1.2.3.4:80", 0x01020304, 80},
      {"255.255.255.255:65535", 0xFFFFFFFF, 65535},
      {"10.1", 0x0A000001},
      {"10.2.3", 0x0A020003},
      {"10.2.515", 0x0A020203},
      {"10.65536:9", 0x0A010000, 9},
      {"7", 7},
      {"2130706433", 0x7F000001},
      {"0x7f000001", 0x7F000001},
      {"017700000001", 0x7F000001},
      {"0x7F.0.0.0X1", 0x7F000001},
      {"1.1.1.010", 0x01010108},
      {"1.1.1.00", 0x01010100},
      {"0x987654321", 0x87654321},  // Windows cuts a sole part to 32 bits
      {"1.2.3.4:0x50", 0x01020304, 80},
      {"1.2.3.4:0120", 0x01020304, 80},
  };
  for (const Ipv4Case& c : cases) {
    const Read r = read(c.text, WS_AF_INET);
    EXPECT_EQ(r.error, 0) << c.text;
    EXPECT_EQ(r.length, 16) << c.text;
    EXPECT_EQ(r.in.sin_family, WS_AF_INET) << c.text;
    EXPECT_EQ(ntohl(r.in.sin_addr.S_un.S_addr), c.address) << c.text;
    EXPECT_EQ(ntohs(r.in.sin_port), c.port) << c.text;
    EXPECT_EQ(r.bytes[16], 0xAB) << c.text;
  }
}

// clang-format off
constexpr const char* kBadIpv4[] = {
    "", " ", "a", ".", "1.2.3.", "1..2", "1.2.3.4.5", "256.1.1.1", "1.256.1.1", "1.2.3.256",
    "1.2.65536", "1.16777216", "1.2.3.08", "1.2.3.0x", "1.2.3.0x100", "1.2.3.-4", "1.2.3.+4",
    "-1", " 1.2.3.4", "1.2.3.4 ", "1. 2.3.4", "\t1.2.3.4", "[1.2.3.4]", "1.2.3.4:", "1.2.3.4:0",
    "1.2.3.4:-1", "1.2.3.4:+1", "1.2.3.4: 80", "1.2.3.4:80 ", "1.2.3.4:65536", "1.2.3.4:08",
    "1.2.3.4:0x", "1.2.3.4:0x10000", "1.2.3.4::80", "1.2.3.4:http", "::1",
    "1.2.3.4:18446744073709551617", "localhost", "0x1g", "x1",
};
// clang-format on

TEST(StringToAddress, RefusesBadIpv4) {
  for (const char* text : kBadIpv4) {
    const Read r = read(text, WS_AF_INET);
    EXPECT_EQ(r.error, WSAEINVAL) << text;
    EXPECT_EQ(r.length, INT{sizeof r.bytes}) << text;
    EXPECT_EQ(r.in.sin_family, 0) << text;
    EXPECT_EQ(r.in.sin_port, 0) << text;
    EXPECT_EQ(r.bytes[16], 0xAB) << text;
  }
}

struct Ipv6Case {
  const char* text;
  const char* address;
  USHORT port = 0;
  ULONG scope = 0;
};

TEST(StringToAddress, ReadsIpv6) {
  const Ipv6Case cases[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"[::1]", "::1"},
      {"[::1]:65535", "::1", 65535},
      {"2001:0DB8::0007", "2001:db8::7"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
      {"fe80::1%3", "fe80::1", 0, 3},
      {"[fe80::1%3]:80", "fe80::1", 80, 3},
      {"[fe80::1%4294967295]", "fe80::1", 0, 0xFFFFFFFF},
      {"fe80::1%0", "fe80::1"},
      {"[::1]:0x50", "::1", 80},
      {"[::1]:010", "::1", 8},
  };
  for (const Ipv6Case& c : cases) {
    const Read r = read(c.text, WS_AF_INET6);
    const WS_sockaddr_in6 want = v6(c.address, c.port, c.scope);
    EXPECT_EQ(r.error, 0) << c.text;
    EXPECT_EQ(r.length, 28) << c.text;
    EXPECT_EQ(std::memcmp(&r.in6, &want, sizeof want), 0) << c.text;
    EXPECT_EQ(r.bytes[28], 0xAB) << c.text;
  }
}

// clang-format off
constexpr const char* kBadIpv6[] = {
    "", ":", ":::", "1", "1.2.3.4", "1:2:3:", "1:2:3:4:5:6:7:8:9", "::g", "12345::", "[::1",
    "::1]", "[]", "[::1]80", "[::1]:", "[::1]:0", "[::1]:65536", "[::1]:80x", "[::1] :80",
    "::1]:80", "[[::1]]", "fe80::1%", "fe80::1%eth0", "fe80::1%-1", "fe80::1%+1",
    "fe80::1%4294967296", "fe80::1%3%4", "[fe80::1]%3", "fe80::1%3]", " ::1", "::1 ",
};
// clang-format on

TEST(StringToAddress, RefusesBadIpv6) {
  for (const char* text : kBadIpv6) {
    const Read r = read(text, WS_AF_INET6);
    EXPECT_EQ(r.error, WSAEINVAL) << text;
    EXPECT_EQ(r.length, INT{sizeof r.bytes}) << text;
    EXPECT_EQ(r.in6.sin6_family, 0) << text;
  }
}

TEST(StringToAddress, RefusesTextThatIsNotAsciiOrNeverEnds) {
  EXPECT_EQ(read(u"1.2.3.\u0664", WS_AF_INET).error, WSAEINVAL);
  EXPECT_EQ(read(u"1.2.3.\u0134", WS_AF_INET).error, WSAEINVAL);  // its low byte is '4'
  EXPECT_EQ(read(std::u16string(100'000, u'1'), WS_AF_INET).error, WSAEINVAL);
  EXPECT_EQ(read(std::u16string(128, u':'), WS_AF_INET6).error, WSAEINVAL);
  EXPECT_EQ(read(std::u16string(120, u'0') + u"7", WS_AF_INET).error, 0);
}

TEST(StringToAddress, GuessesAnUnspecifiedFamily) {
  EXPECT_EQ(read("1.2.3.4:80", WS_AF_UNSPEC).in.sin_family, WS_AF_INET);
  EXPECT_EQ(read("[::1]:80", WS_AF_UNSPEC).in6.sin6_family, WS_AF_INET6);
  EXPECT_EQ(read("localhost", WS_AF_UNSPEC).error, WSAEINVAL);
  const Read r = read(u"::1", WS_AF_UNSPEC, 16);
  EXPECT_EQ(r.error, WSAEFAULT);
  EXPECT_EQ(r.length, 28);
  EXPECT_EQ(r.bytes[0], 0xAB);
}

TEST(StringToAddress, RefusesOtherFamilies) {
  for (const INT family : {1, 10, -1, 0xFFFF}) {
    EXPECT_EQ(read("1.2.3.4", family).error, WSAEINVAL);
    EXPECT_EQ(read("::1", family).error, WSAEINVAL);
  }
}

TEST(StringToAddress, ChecksTheRoomBeforeTheText) {
  const Read in = read(u"nonsense", WS_AF_INET, 15);
  EXPECT_EQ(in.error, WSAEFAULT);
  EXPECT_EQ(in.length, 16);
  EXPECT_EQ(in.bytes[0], 0xAB);
  const Read in6 = read(u"nonsense", WS_AF_INET6, 27);
  EXPECT_EQ(in6.error, WSAEFAULT);
  EXPECT_EQ(in6.length, 28);
  EXPECT_EQ(read(u"1.2.3.4", WS_AF_INET, -1).error, WSAEFAULT);
  EXPECT_EQ(read(u"1.2.3.4", WS_AF_INET, 16).error, 0);
}

TEST(StringToAddress, RefusesNullPointers) {
  std::u16string text = u"1.2.3.4";
  WS_sockaddr_in a{};
  const auto address = reinterpret_cast<LPSOCKADDR>(&a);
  INT length = sizeof a;
  INT error = 0;
  EXPECT_EQ(kToAddress(nullptr, WS_AF_INET, nullptr, address, &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEINVAL);
  EXPECT_EQ(kToAddress(text.data(), WS_AF_INET, nullptr, nullptr, &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
  error = 0;
  EXPECT_EQ(kToAddress(text.data(), WS_AF_INET, nullptr, address, nullptr, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEFAULT);
}

// --- Both ----------------------------------------------------------------------------------------

TEST(Names, AcceptOnlyProtocolInfosOfOurs) {
  WSAPROTOCOL_INFOW ours = *catalog_entry(1004);
  WSAPROTOCOL_INFOW foreign = ours;
  foreign.dwCatalogEntryId = 1;
  std::u16string text = u"1.2.3.4";
  WS_sockaddr_in a{};
  const auto address = reinterpret_cast<LPSOCKADDR>(&a);
  INT bytes = sizeof a;
  INT error = 0;
  EXPECT_EQ(kToAddress(text.data(), WS_AF_INET, &ours, address, &bytes, &error), 0);
  EXPECT_EQ(kToAddress(text.data(), WS_AF_INET, &foreign, address, &bytes, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEINVAL);
  WCHAR out[80];
  DWORD length = 80;
  error = 0;
  EXPECT_EQ(kToString(address, sizeof a, &ours, out, &length, &error), 0);
  EXPECT_EQ(kToString(address, sizeof a, &foreign, out, &length, &error), SOCKET_ERROR);
  EXPECT_EQ(error, WSAEINVAL);
}

TEST(Names, ReadBackWhatTheyWrote) {
  std::minstd_rand engine(1);
  const auto random16 = [&engine] { return static_cast<USHORT>(engine()); };
  const auto random_or_zero = [&] { return engine() % 3 == 0 ? USHORT{0} : random16(); };
  for (int i = 0; i < 2000; ++i) {
    const auto address = static_cast<std::uint32_t>(random_or_zero() << 16 | random_or_zero());
    const WS_sockaddr_in a = v4(address, random_or_zero());
    const Read r = read(text_of(a), i % 2 == 0 ? WS_AF_INET : WS_AF_UNSPEC);
    ASSERT_EQ(r.error, 0) << text_of(a);
    ASSERT_EQ(std::memcmp(&r.in, &a, sizeof a), 0) << text_of(a);

    WS_sockaddr_in6 b = v6("::", random_or_zero(), random_or_zero());
    for (USHORT& word : b.sin6_addr.u.Word) word = random_or_zero();
    const Read r6 = read(text_of(b), i % 2 == 0 ? WS_AF_INET6 : WS_AF_UNSPEC);
    ASSERT_EQ(r6.error, 0) << text_of(b);
    ASSERT_EQ(std::memcmp(&r6.in6, &b, sizeof b), 0) << text_of(b);
  }
}

}  // namespace
}  // namespace millrace
