// SPDX-License-Identifier: BSD-3-Clause
// What the user reads when a configuration is wrong: compared in full, since the text is the
// interface. One line each, with file, line, cause and remedy.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "dpdk_io/startup_error.h"
#include "stack/config.h"
#include "stack/config_settings.h"

namespace millrace {
namespace {

std::string refusal_of(std::string_view toml) {
  try {
    Config::from_text(toml, "f.toml");
  } catch (const StartupError& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

/// A port in lines 1 to 3, for the settings that follow it.
constexpr std::string_view kPort =
    "[[port]]\ndevice = \"net_ring0\"\naddresses = [\"10.0.0.2/24\", \"fd00::2/64\"]\n";

TEST(ConfigRange, BoundsOfARangeAreInsideAndTheNextNumbersAreNot) {
  settings::for_each_default([](const settings::Setting& setting, const auto& value) {
    if constexpr (settings::Integer<std::decay_t<decltype(value)>>) {
      const auto text = [&](int64_t number) {
        const std::string head =
            setting.section == "port" ? "[[port]]\ndevice = 'a'\naddresses = '10.0.0.2/24'\n"
            : setting.section == "port.vlan"
                ? "[[port]]\ndevice = 'a'\n[[port.vlan]] # addresses follow\n"
                : "\n\n" + setting.heading() + '\n';
        const std::string tail = setting.section == "port.vlan" ? "\naddresses = '10.0.0.2/24'" : "";
        return head + std::string(setting.key) + " = " + std::to_string(number) + tail;
      };
      const auto least = static_cast<int64_t>(setting.allowed.least);
      const auto most = static_cast<int64_t>(setting.allowed.most);
      EXPECT_NO_THROW(Config::from_text(text(least), "f.toml")) << setting.name();
      EXPECT_NO_THROW(Config::from_text(text(most), "f.toml")) << setting.name();
      for (const int64_t outside : {least - 1, most + 1, INT64_MIN, INT64_MAX}) {
        EXPECT_EQ(refusal_of(text(outside)),
                  "f.toml:4: " + setting.name() + " is " + std::to_string(outside) +
                      ", out of range; write an integer, " + std::to_string(least) + ".." +
                      std::to_string(most));
      }
    }
  });
}

struct Refusal {
  const char* name;
  std::string toml;
  std::string message;
};

void PrintTo(const Refusal& refusal, std::ostream* out) { *out << refusal.toml; }

class ConfigRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ConfigRefusal, IsOneLineWithPlaceCauseAndRemedy) {
  const std::string message = refusal_of(GetParam().toml);
  EXPECT_EQ(message, GetParam().message);
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

/// A refusal in the line after kPort.
Refusal in_port(const char* name, const std::string& line, const std::string& message) {
  return {name, std::string(kPort) + line, "f.toml:4: " + message};
}

/// A refusal of the addresses of a port that has no others.
Refusal of_addresses(const char* name, const std::string& list, const std::string& message) {
  return {name, "[[port]]\ndevice = 'a'\naddresses = " + list, "f.toml:3: " + message};
}

std::string name_of(const testing::TestParamInfo<Refusal>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Names, ConfigRefusal,
    testing::Values(
        Refusal{"MisspeltKey", "[stack]\n\nmbuf = 4096",
                "f.toml:3: [stack] has no setting \"mbuf\"; did you mean \"mbufs\"?"},
        Refusal{"SwappedLetters", "[udp]\nrecieve_buffer_bytes = 4096",
                "f.toml:2: [udp] has no setting \"recieve_buffer_bytes\"; did you mean "
                "\"receive_buffer_bytes\"?"},
        in_port("MisspeltKeyOfAPort", "gateways = []",
                "[[port]] has no setting \"gateways\"; did you mean \"gateway\"?"),
        Refusal{"UnknownKey", "[udp]\nttl = 3",
                "f.toml:2: [udp] has no setting \"ttl\"; known are receive_buffer_bytes"},
        Refusal{"KeyOfAnotherSection", "[stack]\nnodelay = true",
                "f.toml:2: [stack] has no setting \"nodelay\"; it belongs under [tcp]"},
        Refusal{"KeyWithAControlCharacter", "[udp]\n\"a\\nb\" = 3",
                "f.toml:2: [udp] has no setting \"a?b\"; known are receive_buffer_bytes"},
        Refusal{"MisspeltSection", "\n[stakc]\nmbufs = 4096",
                "f.toml:2: there is no section \"stakc\"; did you mean \"stack\"?"},
        Refusal{"UnknownSection", "[logging]",
                "f.toml:1: there is no section \"logging\"; known are eal, port, tcp, udp, stack"},
        Refusal{"KeyWithoutASection", "mtu = 1500",
                "f.toml:1: there is no section \"mtu\"; it belongs under [[port]]"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Types, ConfigRefusal,
    testing::Values(
        in_port("StringForAnInteger", "mtu = \"1500\"",
                "[[port]] mtu is a string; write an integer, 576..9000"),
        in_port("FloatForAnInteger", "mtu = 1500.0",
                "[[port]] mtu is a floating-point number; write an integer, 576..9000"),
        in_port("DateForAnInteger", "mtu = 2024-01-01",
                "[[port]] mtu is a date or a time; write an integer, 576..9000"),
        in_port("IntegerForABoolean", "promiscuous = 1",
                "[[port]] promiscuous is an integer; write true | false"),
        in_port("BooleanForAString", "capture = true",
                "[[port]] capture is a boolean; write a string"),
        in_port("NulInAString", "capture = \"a\\u0000b\"",
                "[[port]] capture is \"a?b\"; write a string without control characters"),
        in_port("BooleanForAChoice", "checksum = true",
                "[[port]] checksum is a boolean; write \"auto\" | \"on\" | \"off\""),
        in_port("UnknownChoice", "checksum = \"On\"",
                "[[port]] checksum is \"On\"; write \"auto\" | \"on\" | \"off\""),
        in_port("TableForAList", "gateway = { v4 = '10.0.0.1' }",
                "[[port]] gateway is a table; write an array of strings like \"10.0.0.1\" or "
                "\"fd00::1\""),
        Refusal{"StringForEalsWords", "[eal]\nargs = \"-m 256\"",
                "f.toml:2: [eal] args is a string; write an array of strings like \"--no-huge\""},
        Refusal{"IntegerAmongEalsWords", "[eal]\nargs = [\n  \"-m\",\n  256]",
                "f.toml:4: [eal] args has an integer in it; write an array of strings like "
                "\"--no-huge\""},
        Refusal{"EmptyWordForEal", "[eal]\nargs = [\"\"]",
                "f.toml:2: \"\" in [eal] args is malformed; write it like \"--no-huge\""},
        Refusal{"ValueForASection", "tcp = 5", "f.toml:1: tcp is an integer; write [tcp]"},
        Refusal{"ListForASection", "[[tcp]]", "f.toml:1: tcp is an array; write [tcp]"},
        Refusal{"TableForThePorts", "[port]\ndevice = 'a'",
                "f.toml:1: port is a table; write [[port]] above each port's settings"},
        Refusal{"StringsForThePorts", "port = ['a']",
                "f.toml:1: port is an array of other things than tables; write [[port]] above each "
                "port's settings"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Required, ConfigRefusal,
    testing::Values(Refusal{"NoDevice", "\n[[port]]\naddresses = '10.0.0.2/24'",
                            "f.toml:2: [[port]] device is missing; write a string"},
                    Refusal{"EmptyDevice", "[[port]]\ndevice = ''",
                            "f.toml:2: [[port]] device is empty; write a string"},
                    Refusal{
                        "NoAddresses", "[[port]]\ndevice = 'a'",
                        "f.toml:1: [[port]] addresses is missing; write an array of strings like "
                        "\"10.0.0.2/24\" or \"fd00::2/64\""},
                    of_addresses("EmptyAddresses", "[]",
                                 "[[port]] addresses is empty; write an array of strings like "
                                 "\"10.0.0.2/24\" or \"fd00::2/64\"")),
    name_of);

const char kWriteAPrefix[] =
    " in [[port]] addresses is malformed; write it like \"10.0.0.2/24\" or \"fd00::2/64\"";

INSTANTIATE_TEST_SUITE_P(
    Addresses, ConfigRefusal,
    testing::Values(
        of_addresses("NotAnAddress", "['10.0.0.300/24']",
                     "\"10.0.0.300/24\"" + std::string(kWriteAPrefix)),
        of_addresses("NoLength", "['10.0.0.2']", "\"10.0.0.2\"" + std::string(kWriteAPrefix)),
        of_addresses("LengthTooGreat", "['10.0.0.2/33']",
                     "\"10.0.0.2/33\"" + std::string(kWriteAPrefix)),
        of_addresses("Multicast", "['224.0.0.1/24']",
                     "224.0.0.1/24 is not an address that a host can have; write a unicast "
                     "address"),
        of_addresses("Loopback", "['::1/64']",
                     "::1/64 is not an address that a host can have; write a unicast address"),
        of_addresses("V4Mapped", "['::ffff:10.0.0.2/64']",
                     "::ffff:10.0.0.2/64 is not an address that a host can have; write a unicast "
                     "address"),
        of_addresses("LengthZero", "['10.0.0.2/0']",
                     "10.0.0.2/0 would put every address on this link; write the length of the "
                     "link's prefix, and a gateway for the rest"),
        of_addresses("NetworkAddress", "['10.0.0.0/24']",
                     "10.0.0.0/24 is its network's own or broadcast address; choose another host "
                     "in it"),
        of_addresses("BroadcastAddress", "['10.0.3.255/22']",
                     "10.0.3.255/22 is its network's own or broadcast address; choose another "
                     "host in it"),
        of_addresses("NinthOfIpv6",
                     "['fd00::1/64', 'fd00::2/64', 'fd00::3/64', 'fd00::4/64', 'fd00::5/64', "
                     "'fd00::6/64', 'fd00::7/64', 'fd00::8/64', 'fd00::9/64']",
                     "fd00::9/64 is one address too many; a port holds at most 8 of IPv6"),
        of_addresses("DhcpTwice", "['dhcp', 'dhcp']",
                     "dhcp is given twice; keep one: a server leases one address"),
        of_addresses("TwiceOnAPort", "['fd00::2/64', 'FD00:0::2/64']",
                     "fd00::2 is given twice, before on this port; give each address to one port, "
                     "once"),
        Refusal{"LineInsideAList",
                "[[port]]\ndevice = 'a'\naddresses = [\n  '10.0.0.2/24',\n  '10.0.0.2/24',\n]",
                "f.toml:5: 10.0.0.2 is given twice, before on this port; give each address to one "
                "port, once"},
        Refusal{"TwiceOnTwoPorts",
                std::string(kPort) + "[[port]]\ndevice = 'b'\naddresses = '10.0.0.2/16'",
                "f.toml:6: 10.0.0.2 is given twice, before on net_ring0; give each address to one "
                "port, once"},
        Refusal{"DeviceTwice",
                std::string(kPort) + "[[port]]\ndevice = 'net_ring0'\n"
                                     "addresses = '10.0.1.2/24'",
                "f.toml:5: \"net_ring0\" is given twice; keep one [[port]] for each device; more "
                "queues are its setting queues"},
        in_port("MtuTooSmallForIpv6", "mtu = 1279",
                "an mtu of 1279 is too small for IPv6; write 1280 or more, or no IPv6 address")),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Neighbors, ConfigRefusal,
    testing::Values(
        in_port("GatewayWithALength", "gateway = '10.0.0.1/24'",
                "\"10.0.0.1/24\" in [[port]] gateway is malformed; write it like \"10.0.0.1\" or "
                "\"fd00::1\""),
        in_port("GatewayWithAZone", "gateway = 'fe80::1%1'",
                "\"fe80::1%1\" in [[port]] gateway is malformed; write it like \"10.0.0.1\" or "
                "\"fd00::1\""),
        in_port("GatewayOffTheLink", "gateway = '10.0.1.1'",
                "10.0.1.1 is outside every prefix of this port's addresses; write a gateway on the "
                "link, or correct an address's prefix length"),
        Refusal{"LinkLocalGatewayWithoutIpv6",
                "[[port]]\ndevice = 'a'\naddresses = '10.0.0.2/24'\ngateway = 'fe80::1'",
                "f.toml:4: fe80::1 is outside every prefix of this port's addresses; write a "
                "gateway on the link, or correct an address's prefix length"},
        in_port("GatewayIsMulticast", "gateway = 'ff02::1'",
                "ff02::1 is not an address that a gateway can have; write the router's"),
        in_port("GatewayIsOurs", "gateway = ['10.0.0.2']",
                "10.0.0.2 is our own address; write the router's"),
        in_port("SecondGatewayInASubnet", "gateway = ['10.0.0.1', '10.0.0.3']",
                "10.0.0.3 is the second gateway in its subnet; keep one, and write routes for the "
                "other"),
        in_port("SecondGatewayOfIpv6", "gateway = ['fd00::1', 'fe80::1']",
                "fe80::1 is the second gateway of IPv6; keep one, and write routes for the other"),
        in_port("RouteWithoutARouter", "routes = ['10.1.0.0/16']",
                "\"10.1.0.0/16\" in [[port]] routes is malformed; write it like \"10.1.0.0/16 via "
                "10.0.0.9\""),
        in_port("RouteWithAHostPart", "routes = ['10.1.0.1/16 via 10.0.0.9']",
                "\"10.1.0.1/16 via 10.0.0.9\" in [[port]] routes is malformed; write it like "
                "\"10.1.0.0/16 via 10.0.0.9\""),
        in_port("RouteOfTwoFamilies", "routes = ['10.1.0.0/16 via fd00::9']",
                "\"10.1.0.0/16 via fd00::9\" in [[port]] routes is malformed; write it like "
                "\"10.1.0.0/16 via 10.0.0.9\""),
        in_port("RouteByARouterOffTheLink", "routes = ['10.1.0.0/16 via 10.2.0.9']",
                "\"10.1.0.0/16 via 10.2.0.9\" goes by a router outside every prefix of this port's "
                "addresses; write a router on the link, or correct an address's prefix length"),
        in_port("RouteThatIsADefault", "routes = ['0.0.0.0/0 via 10.0.0.9']",
                "\"0.0.0.0/0 via 10.0.0.9\" is a default route; write it as gateway"),
        in_port("RouteByOurselves", "routes = ['10.1.0.0/16 via 10.0.0.2']",
                "\"10.1.0.0/16 via 10.0.0.2\" goes by our own address; write the router's"),
        in_port("RouteTwice",
                "routes = ['10.1.0.0/16 via 10.0.0.8', '10.1.0.0/16 via 10.0.0.9']",
                "\"10.1.0.0/16 via 10.0.0.9\" is the second to its prefix; keep one"),
        in_port("NeighborWithoutAMac", "neighbors = ['10.0.0.1']",
                "\"10.0.0.1\" in [[port]] neighbors is malformed; write it like \"10.0.0.1 "
                "02:00:00:00:00:01\""),
        in_port("NeighborWithAMulticastMac", "neighbors = ['10.0.0.1 01:00:5e:00:00:01']",
                "10.0.0.1 01:00:5e:00:00:01 has a MAC address that no single station has; write "
                "the neighbor's own"),
        in_port("NeighborWithMacZero", "neighbors = ['10.0.0.1 00:00:00:00:00:00']",
                "10.0.0.1 00:00:00:00:00:00 has a MAC address that no single station has; write "
                "the neighbor's own"),
        in_port("NeighborOffTheLink", "neighbors = ['10.0.1.1 02:00:00:00:00:01']",
                "10.0.1.1 02:00:00:00:00:01 is outside every prefix of this port's addresses; "
                "write a neighbor on the link, or correct an address's prefix length"),
        in_port("NeighborIsOurs", "neighbors = ['fd00::2 02:00:00:00:00:01']",
                "fd00::2 02:00:00:00:00:01 has our own address; write a neighbor's"),
        in_port("NeighborTwice",
                "neighbors = ['10.0.0.1 02:00:00:00:00:01', '10.0.0.1 02:00:00:00:00:02']",
                "10.0.0.1 02:00:00:00:00:02 is the second entry for its address; keep one")),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Vlans, ConfigRefusal,
    testing::Values(
        in_port("VlanIsATable", "vlan = { id = 5 }",
                "vlan is a table; write [[port.vlan]] above each vlan's settings"),
        Refusal{"VlanWithoutAnId", std::string(kPort) + "[[port.vlan]]\naddresses = '10.1.0.2/24'",
                "f.toml:4: [[port.vlan]] id is missing; write an integer, 1..4094"},
        Refusal{"VlanIdOutOfRange", std::string(kPort) + "[[port.vlan]]\nid = 4095",
                "f.toml:5: [[port.vlan]] id is 4095, out of range; write an integer, 1..4094"},
        Refusal{"VlanWithoutAddresses", std::string(kPort) + "[[port.vlan]]\nid = 5",
                "f.toml:4: [[port.vlan]] addresses is missing; write an array of strings like "
                "\"10.0.0.2/24\" or \"fd00::2/64\""},
        Refusal{"VlanTwice",
                std::string(kPort) + "[[port.vlan]]\nid = 5\naddresses = '10.1.0.2/24'\n"
                                     "[[port.vlan]]\nid = 5\naddresses = '10.2.0.2/24'",
                "f.toml:8: VLAN 5 is given twice on this port; keep one [[port.vlan]] for each "
                "tag"},
        Refusal{"VlanHasThePortsAddress",
                std::string(kPort) + "[[port.vlan]]\nid = 5\naddresses = '10.0.0.2/24'",
                "f.toml:6: 10.0.0.2 is given twice, before on this port; give each address to one "
                "port, once"},
        Refusal{"VlanWithAGatewayElsewhere",
                std::string(kPort) + "[[port.vlan]]\nid = 5\naddresses = '10.1.0.2/24'\n"
                                     "gateway = '10.0.0.1'",
                "f.toml:7: 10.0.0.1 is outside every prefix of this VLAN's addresses; write a "
                "gateway on the link, or correct an address's prefix length"},
        Refusal{"UnknownKeyOfAVlan", std::string(kPort) + "[[port.vlan]]\nid = 5\naddress = 1",
                "f.toml:6: [[port.vlan]] has no setting \"address\"; did you mean \"addresses\"?"}),
    name_of);

INSTANTIATE_TEST_SUITE_P(
    Syntax, ConfigRefusal,
    testing::Values(
        Refusal{
            "NoValue", "[stack]\nmbufs = \n",
            "f.toml:2:9: Error while parsing key-value pair: expected value, saw '\\n'; correct "
            "the TOML there"},
        Refusal{"KeyTwice", "[tcp]\nnodelay = true\nnodelay = true\n",
                "f.toml:3:11: Error while parsing key-value pair: cannot redefine existing boolean "
                "'nodelay'; correct the TOML there"},
        Refusal{"SectionTwice", "[tcp]\n[tcp]\n",
                "f.toml:2:1: Error while parsing table header: cannot redefine existing table "
                "'tcp'; correct the TOML there"},
        Refusal{"LineBreakInsideAWord", "[tcp]\nnodelay = t\n",
                "f.toml:2:12: Error while parsing boolean: expected 'true', saw 't?'; correct the "
                "TOML there"},
        // An assertion of toml++ 3.3 used to end the process here.
        Refusal{"HeaderThatStartsAsNoKeyDoes", "[,]",
                "f.toml:1:2: Error while parsing key: expected bare key starting character or "
                "string delimiter, saw ','; correct the TOML there"}),
    name_of);

}  // namespace
}  // namespace millrace
