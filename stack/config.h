// SPDX-License-Identifier: BSD-3-Clause
// The configuration: one TOML file, every setting one line of config.def.
//
//   [eal]    args = ["--no-pci", "--vdev=net_tap0,iface=mill0"]
//   [[port]] device = "net_tap0"
//            addresses = ["10.0.0.2/24", "fd00::2/64"]
//            gateway = "10.0.0.1"
//   [[port.vlan]] id = 100
//            addresses = ["10.1.0.2/24"]
//   [tcp]    nodelay = true
//
// Invariant: a Config that these functions return is checked, so nobody after them checks again.
// What is wrong with a file is a StartupError of one line: "FILE:LINE: CAUSE; REMEDY".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "stack/address.h"

namespace millrace {

enum class ChecksumPolicy : uint8_t { kAuto, kOn, kOff };
enum class IdlePolicy : uint8_t { kSpin, kSleep };
enum class Placement : uint8_t { kThread, kTurns };
enum class CongestionControl : uint8_t { kCubic, kNewReno };

/// An lwIP netif holds one IPv4 address, so there is one for each; and 8 of IPv6 beside its own
/// link-local one. A Stack has at most 254 netifs, numbered in 8 bits.
inline constexpr size_t kMaxIpv4Addresses = 120;  ///< of all ports
inline constexpr size_t kMaxLinks = 120;          ///< ports and VLANs
inline constexpr size_t kMaxIpv6AddressesPerLink = 8;
inline constexpr uint16_t kMinIpv6Mtu = 1280;  // RFC 8200 5

#define MILLRACE_MEMBER(key, type, unit, allowed, initial, sentence) type key = initial;

struct VlanConfig {
#define VLAN_SETTING MILLRACE_MEMBER
#include "stack/config.def"
  friend bool operator==(const VlanConfig&, const VlanConfig&) = default;
};

struct PortConfig {
#define PORT_SETTING MILLRACE_MEMBER
#include "stack/config.def"
  std::vector<VlanConfig> vlans;
  friend bool operator==(const PortConfig&, const PortConfig&) = default;
};

/// What has one tag on a port, or none: addresses that share neighbors, routers and groups.
struct LinkConfig {
  uint16_t vlan = 0;  ///< 0: untagged
  std::vector<OwnAddress> addresses;
  std::vector<IpAddress> gateway;
  std::vector<StaticRoute> routes;
  std::vector<Neighbor> neighbors;
};

/// The untagged link, if it has addresses, and then the VLANs.
std::vector<LinkConfig> links_of(const PortConfig& port);
LinkConfig untagged_of(const PortConfig& port);
LinkConfig link_of(const VlanConfig& vlan);

struct TcpConfig {
#define TCP_SETTING MILLRACE_MEMBER
#include "stack/config.def"
  friend bool operator==(const TcpConfig&, const TcpConfig&) = default;
};

struct UdpConfig {
#define UDP_SETTING MILLRACE_MEMBER
#include "stack/config.def"
  friend bool operator==(const UdpConfig&, const UdpConfig&) = default;
};

struct StackConfig {
#define STACK_SETTING MILLRACE_MEMBER
#include "stack/config.def"
  friend bool operator==(const StackConfig&, const StackConfig&) = default;
};

#undef MILLRACE_MEMBER

struct CommandLine;

struct Config {
#define EAL_SETTING(key, type, unit, allowed, initial, sentence) type eal_##key = initial;
#include "stack/config.def"
  std::vector<PortConfig> ports;
  TcpConfig tcp;
  UdpConfig udp;
  StackConfig stack;

  /// Loads the TOML file at path.
  /// @errors  throws StartupError: unreadable file, syntax, unknown key, type, range, address
  static Config load(const std::string& path);

  /// Parses TOML text; errors name it as `name`.
  static Config from_text(std::string_view toml, std::string_view name);

  /// Loads the file that MILLRACE_CONFIG names; unset or empty: loopback().
  static Config from_environment();

  /// No ports: sockets reach each other in this process. Needs no root, hugepages or devices.
  static Config loopback();

  /// Splits `prog EAL-ARGS -- OWN-ARGS`; without a `--` all arguments are the program's own.
  ///
  /// EAL-ARGS are appended to eal_args. `--config FILE` or `--config=FILE` is taken out of OWN-ARGS
  /// and loaded, else the environment decides.
  /// @errors  throws StartupError: as load(), or --config without a file or given twice
  static CommandLine from_command_line(int argc, const char* const* argv);

  friend bool operator==(const Config&, const Config&) = default;
};

struct CommandLine {
  Config config;
  std::vector<std::string> rest;  ///< OWN-ARGS without --config
};

/// The table of all settings, for `--help-config`.
std::string config_reference();

}  // namespace millrace
