// SPDX-License-Identifier: BSD-3-Clause
// Addresses: text and back, what is malformed, and which kind an address is.
#include "stack/address.h"

#include <gtest/gtest.h>

#include <unordered_set>

namespace millrace {
namespace {

IpAddress ip(std::string_view text) { return parse_address(text).value(); }
Prefix prefix(std::string_view text) { return parse_prefix(text).value(); }

TEST(Address, TextGoesThereAndBack) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "255.255.255.255", "::", "::1", "fd00::2",
                           "fe80::1%4294967295", "::ffff:10.0.0.1", "2001:db8:1:2:3:4:5:6"}) {
    EXPECT_EQ(ip(text).text(), text);
  }
  EXPECT_EQ(ip("FD00:0:0::2").text(), "fd00::2");
}

TEST(Address, BytesStandInNetworkOrderAndTheRestIsZero) {
  const IpAddress v4 = ip("10.1.2.3");
  EXPECT_EQ(v4.family, 4);
  EXPECT_EQ(v4.bytes, (std::array<uint8_t, 16>{10, 1, 2, 3}));
  const IpAddress v6 = ip("fd00::2%3");
  EXPECT_EQ(v6.family, 6);
  EXPECT_EQ(v6.bytes, (std::array<uint8_t, 16>{0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2}));
  EXPECT_EQ(v6.zone, 3u);
}

TEST(Address, MalformedAddressesAreRefused) {
  using namespace std::string_view_literals;
  for (const std::string_view text :
       {""sv, "10.0.0"sv, "10.0.0.256"sv, "10.0.0.1 "sv, " 10.0.0.1"sv, "010.0.0.1"sv,
        "0x0a.0.0.1"sv, "10.0.0.1%1"sv, "fe80::1%"sv, "fe80::1%0"sv, "fe80::1%01"sv,
        "fe80::1%eth0"sv, "fe80::1%4294967296"sv, ":::"sv, "1:2:3:4:5:6:7:8:9"sv, "[::1]"sv,
        "10.0.0.1\0x"sv, "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0001"sv}) {
    EXPECT_EQ(parse_address(text), std::nullopt) << text;
  }
}

TEST(Address, AViewNeedNotEndInNul) {
  EXPECT_EQ(parse_address(std::string_view("10.0.0.12345").substr(0, 9)), ip("10.0.0.12"));
}

TEST(Address, KindsAreToldApart) {
  EXPECT_TRUE(is_any(ip("0.0.0.0")) && is_any(ip("::")) && !is_any(ip("0.0.0.1")));
  EXPECT_TRUE(is_loopback(ip("127.0.0.1")) && is_loopback(ip("127.255.0.9")));
  EXPECT_TRUE(is_loopback(ip("::1")) && !is_loopback(ip("::2")) && !is_loopback(ip("128.0.0.1")));
  EXPECT_TRUE(is_multicast(ip("224.0.0.1")) && is_multicast(ip("239.255.255.255")));
  EXPECT_TRUE(is_multicast(ip("ff02::1")));
  EXPECT_FALSE(is_multicast(ip("240.0.0.1")) || is_multicast(ip("223.0.0.1")));
  EXPECT_FALSE(is_multicast(ip("fe80::1")));
  EXPECT_TRUE(is_limited_broadcast(ip("255.255.255.255")));
  EXPECT_FALSE(is_limited_broadcast(ip("255.255.255.254")));
  EXPECT_FALSE(is_limited_broadcast(ip("ffff:ffff::")));
  EXPECT_TRUE(is_link_local(ip("169.254.1.1")) && is_link_local(ip("fe80::1")));
  EXPECT_TRUE(is_link_local(ip("febf::1")) && !is_link_local(ip("fec0::1")));
  EXPECT_FALSE(is_link_local(ip("169.253.1.1")));
  EXPECT_TRUE(is_v4_mapped(ip("::ffff:10.0.0.1")));
  EXPECT_FALSE(is_v4_mapped(ip("::fffe:10.0.0.1")) || is_v4_mapped(ip("1::ffff:10.0.0.1")));
  EXPECT_FALSE(is_v4_mapped(ip("10.0.0.1")));
  EXPECT_EQ(mapped_of(ip("10.0.0.1")), ip("::ffff:10.0.0.1"));
  EXPECT_EQ(unmapped_of(ip("::ffff:10.0.0.1")), ip("10.0.0.1"));
}

TEST(Address, EqualMeansFamilyBytesAndZone) {
  EXPECT_EQ(IpAddress::any(4), ip("0.0.0.0"));
  EXPECT_EQ(IpAddress::any(6), ip("::"));
  EXPECT_EQ(IpAddress::loopback(4), ip("127.0.0.1"));
  EXPECT_EQ(IpAddress::loopback(6), ip("::1"));
  EXPECT_NE(IpAddress::any(4), IpAddress::any(6));
  EXPECT_NE(ip("fe80::1%1"), ip("fe80::1%2"));
}

TEST(Address, HashesSpreadOverFamilyBytesZoneAndPort) {
  std::unordered_set<size_t> hashes;
  size_t n_endpoints = 0;
  for (const char* text :
       {"0.0.0.0", "::", "10.0.0.1", "10.0.0.2", "a00:1::", "::a00:1", "fe80::1%1", "fe80::1%2"}) {
    for (uint16_t port = 1; port < 1000; ++port, ++n_endpoints) {
      hashes.insert(std::hash<Endpoint>{}({ip(text), port}));
    }
  }
  EXPECT_EQ(hashes.size(), n_endpoints);
  EXPECT_EQ(std::hash<IpAddress>{}(ip("10.0.0.1")), std::hash<IpAddress>{}(ip("10.0.0.1")));
}

TEST(Endpoint, TextGoesThereAndBack) {
  for (const char* text : {"10.0.0.1:80", "[::1]:65535", "[fe80::1%2]:0"}) {
    EXPECT_EQ(parse_endpoint(text).value().text(), text);
  }
  EXPECT_EQ(parse_endpoint("10.0.0.1:80"), (Endpoint{ip("10.0.0.1"), 80}));
}

TEST(Endpoint, MalformedEndpointsAreRefused) {
  for (const char* text :
       {"", ":", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:-1", "10.0.0.1:+1",
        "10.0.0.1:080", "::1:80", "[10.0.0.1]:80", "[::1]", "[]:1", "[::1:80"}) {
    EXPECT_EQ(parse_endpoint(text), std::nullopt) << text;
  }
}

TEST(Prefix, TextGoesThereAndBack) {
  for (const char* text : {"10.0.0.2/24", "0.0.0.0/0", "10.0.0.2/32", "fd00::2/64", "::/128"}) {
    EXPECT_EQ(prefix(text).text(), text);
  }
}

TEST(Prefix, MalformedPrefixesAreRefused) {
  for (const char* text :
       {"", "/", "10.0.0.2", "10.0.0.2/", "10.0.0.2/33", "10.0.0.2/-1", "10.0.0.2/024",
        "10.0.0.2/24/24", "fd00::2/129", "fd00::2/256", "fe80::2%1/64", "/24"}) {
    EXPECT_EQ(parse_prefix(text), std::nullopt) << text;
  }
}

TEST(Prefix, ContainsWhatSharesItsLeadingBits) {
  EXPECT_TRUE(contains(prefix("10.0.0.2/24"), ip("10.0.0.255")));
  EXPECT_FALSE(contains(prefix("10.0.0.2/24"), ip("10.0.1.0")));
  EXPECT_TRUE(contains(prefix("10.0.4.2/22"), ip("10.0.7.1")));
  EXPECT_FALSE(contains(prefix("10.0.4.2/22"), ip("10.0.8.1")));
  EXPECT_TRUE(contains(prefix("10.0.0.2/32"), ip("10.0.0.2")));
  EXPECT_FALSE(contains(prefix("10.0.0.2/32"), ip("10.0.0.3")));
  EXPECT_TRUE(contains(prefix("0.0.0.0/0"), ip("1.2.3.4")));
  EXPECT_FALSE(contains(prefix("0.0.0.0/0"), ip("::")));
  EXPECT_TRUE(contains(prefix("fd00::2/64"), ip("fd00::ffff:0:0:1")));
  EXPECT_FALSE(contains(prefix("fd00::2/64"), ip("fd00:0:0:1::2")));
  EXPECT_TRUE(contains(prefix("fd00::2/128"), ip("fd00::2")));
}

TEST(Neighbor, TextGoesThereAndBack) {
  EXPECT_EQ(parse_neighbor("10.0.0.1 02:00:00:00:0a:ff").value().text(),
            "10.0.0.1 02:00:00:00:0a:ff");
  EXPECT_EQ(parse_neighbor("fd00::1   AA:bb:CC:dd:EE:ff").value().text(),
            "fd00::1 aa:bb:cc:dd:ee:ff");
}

TEST(Neighbor, MalformedNeighborsAreRefused) {
  for (const char* text :
       {"", " ", "10.0.0.1", "10.0.0.1 ", "10.0.0.1 02:00:00:00:00", "10.0.0.1 02:00:00:00:00:0g",
        "10.0.0.1 02-00-00-00-00-01", "10.0.0.1 02:00:00:00:00:01 ", "10.0.0.1 +2:00:00:00:00:01",
        "10.0.0.1 -2:00:00:00:00:01", "fe80::1%1 02:00:00:00:00:01", " 02:00:00:00:00:01"}) {
    EXPECT_EQ(parse_neighbor(text), std::nullopt) << text;
  }
}

TEST(Address, TheNetworkOfAPrefixHasNoHostPart) {
  const auto network = [](const char* text) { return network_of(*parse_prefix(text)).text(); };
  EXPECT_EQ(network("10.1.2.3/32"), "10.1.2.3");
  EXPECT_EQ(network("10.1.2.255/25"), "10.1.2.128");
  EXPECT_EQ(network("10.1.2.3/8"), "10.0.0.0");
  EXPECT_EQ(network("255.255.255.255/0"), "0.0.0.0");
  EXPECT_EQ(network("fd00:1:2:3ff::9/58"), "fd00:1:2:3c0::");
  EXPECT_EQ(network("fd00::7/127"), "fd00::6");
}

TEST(Address, RoutesAreReadAndWrittenAlike) {
  for (const char* text :
       {"10.1.0.0/16 via 10.0.0.9", "fd01::/20 via fd00::9", "0.0.0.0/0 via 10.0.0.1"}) {
    const auto route = parse_route(text);
    ASSERT_TRUE(route) << text;
    EXPECT_EQ(route->text(), text);
  }
  for (const char* text :
       {"10.1.0.0/16", "10.1.0.0 via 10.0.0.9", "10.1.0.1/16 via 10.0.0.9",
        "10.1.0.0/16 via fd00::1", "10.1.0.0/16 via", "fd01::/20 via fe80::1%2"}) {
    EXPECT_FALSE(parse_route(text)) << text;
  }
}

TEST(Address, OursIsAPrefixOrAskedFor) {
  EXPECT_TRUE(parse_own_address("dhcp")->is_dhcp);
  EXPECT_EQ(parse_own_address("dhcp")->text(), "dhcp");
  EXPECT_EQ(parse_own_address("10.0.0.2/24")->text(), "10.0.0.2/24");
  EXPECT_FALSE(parse_own_address("DHCP"));
  EXPECT_FALSE(parse_own_address("10.0.0.2"));
}

}  // namespace
}  // namespace millrace
