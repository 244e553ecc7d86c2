// SPDX-License-Identifier: BSD-3-Clause
// The configuration: what a file may say and what it gets, where the file comes from, and that the
// reference tells the truth. What is refused is in config_refusal_test.cc.
#include "stack/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "dpdk_io/startup_error.h"
#include "stack/config_settings.h"

namespace millrace {
namespace {

/// What the StartupError says that `action` throws.
template <typename Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const StartupError& error) {
    return error.what();
  }
  return "(nothing was thrown)";
}

constexpr std::string_view kPort =
    "[[port]]\ndevice = \"net_ring0\"\naddresses = [\"10.0.0.2/24\", \"fd00::2/64\"]\n";

// Every setting has a value here that is not its default.
constexpr std::string_view kFull = R"(
[eal]
args = ["--no-huge", "-m", "64"]
[[port]]
device = "net_tap0"
addresses = ["10.0.0.2/24", "fd00::2/64"]
gateway = ["10.0.0.1", "fe80::1"]
queues = 2
mtu = 9000
rx_descriptors = 2048
tx_descriptors = 512
checksum = "off"
promiscuous = true
timestamps = true
capture = "/tmp/f.pcapng"
link_down_ms = 0
neighbors = ["10.0.0.1 02:00:00:00:0a:FF", "fd00::1  02:00:00:00:00:01"]
routes = ["10.1.0.0/16 via 10.0.0.9", "fd00::/20 via fd00::9"]
dhcp_timeout_ms = 5
[[port.vlan]]
id = 100
addresses = ["dhcp", "10.9.0.2/16", "fd09::2/126"]
gateway = "10.9.0.1"
routes = ["10.10.0.0/16 via 10.9.0.9"]
neighbors = "10.9.0.1 02:00:00:00:00:01"
[tcp]
receive_window_bytes = 65536
send_buffer_bytes = 32768
max_send_buffer_bytes = 65536
delayed_ack_ms = 40
nodelay = true
keepalive_time_ms = 60000
keepalive_interval_ms = 500
max_retransmissions = 3
congestion_control = "newreno"
timestamps = true
window_scaling = false
path_mtu_discovery = false
listen_backlog = 7
time_wait_ms = 1000
[udp]
receive_buffer_bytes = 4096
[stack]
stacks = 3
placement = "turns"
mbufs = 2048
idle = "sleep"
spin_us = 0
max_sockets = 10
max_process_sockets = 20
max_requests_per_socket = 5
max_inbox_mbufs_per_socket = 8
max_loans_per_socket = 6
stages_sample = 9
loans_percent = 7
)";

TEST(Config, EverySettingReachesItsMember) {
  const Config config = Config::from_text(kFull, "f.toml");
  EXPECT_EQ(config.eal_args, (std::vector<std::string>{"--no-huge", "-m", "64"}));
  ASSERT_EQ(config.ports.size(), 1u);
  const PortConfig& port = config.ports[0];
  EXPECT_EQ(port.device, "net_tap0");
  EXPECT_EQ(port.addresses,
            (std::vector<OwnAddress>{*parse_prefix("10.0.0.2/24"), *parse_prefix("fd00::2/64")}));
  EXPECT_EQ(port.gateway,
            (std::vector<IpAddress>{*parse_address("10.0.0.1"), *parse_address("fe80::1")}));
  EXPECT_EQ(port.queues, 2);
  EXPECT_EQ(port.mtu, 9000);
  EXPECT_EQ(port.rx_descriptors, 2048);
  EXPECT_EQ(port.tx_descriptors, 512);
  EXPECT_EQ(port.checksum, ChecksumPolicy::kOff);
  EXPECT_TRUE(port.promiscuous);
  EXPECT_TRUE(port.timestamps);
  EXPECT_EQ(port.capture, "/tmp/f.pcapng");
  EXPECT_EQ(port.link_down_ms, 0u);
  const Neighbor router{*parse_address("10.0.0.1"), {2, 0, 0, 0, 0x0a, 0xff}};
  const Neighbor host{*parse_address("fd00::1"), {2, 0, 0, 0, 0, 1}};
  EXPECT_EQ(port.neighbors, (std::vector<Neighbor>{router, host}));
  EXPECT_EQ(port.routes, (std::vector<StaticRoute>{*parse_route("10.1.0.0/16 via 10.0.0.9"),
                                                   *parse_route("fd00::/20 via fd00::9")}));
  EXPECT_EQ(port.dhcp_timeout_ms, 5u);
  const VlanConfig vlan{100,
                        {OwnAddress::dhcp(), *parse_prefix("10.9.0.2/16"), *parse_prefix("fd09::2/126")},
                        {*parse_address("10.9.0.1")},
                        {*parse_route("10.10.0.0/16 via 10.9.0.9")},
                        {*parse_neighbor("10.9.0.1 02:00:00:00:00:01")}};
  EXPECT_EQ(port.vlans, std::vector<VlanConfig>{vlan});
  EXPECT_EQ(config.tcp,
            (TcpConfig{65536, 32768, 65536, 40, true, 60000, 500, 3, CongestionControl::kNewReno, true,
                       false, false, 7, 1000}));
  EXPECT_EQ(config.udp, UdpConfig{4096});
  EXPECT_EQ(config.stack, (StackConfig{3, Placement::kTurns, 2048, IdlePolicy::kSleep, 0, 10, 20, 5, 8, 6, 9, 7}));
}

TEST(Config, TheFullFileAboveHasEverySettingOfConfigDef) {
  settings::for_each_default([&](const settings::Setting& setting, const auto&) {
    EXPECT_NE(kFull.find('\n' + std::string(setting.key) + " = "), std::string_view::npos)
        << setting.name();
  });
}

TEST(Config, WhatAFileLeavesOutHasItsDefault) {
  const Config config = Config::from_text(kPort, "f.toml");
  ASSERT_EQ(config.ports.size(), 1u);
  PortConfig expected;
  expected.device = "net_ring0";
  expected.addresses = {*parse_prefix("10.0.0.2/24"), *parse_prefix("fd00::2/64")};
  EXPECT_EQ(config.ports[0], expected);
  EXPECT_EQ(config.eal_args, std::vector<std::string>{});
  EXPECT_EQ(config.tcp, TcpConfig{});
  EXPECT_EQ(config.udp, UdpConfig{});
  EXPECT_EQ(config.stack, StackConfig{});
  EXPECT_EQ(config.tcp.receive_window_bytes, 524288u);
  EXPECT_EQ(config.stack.idle, IdlePolicy::kSpin);
  EXPECT_EQ(expected.checksum, ChecksumPolicy::kAuto);
}

TEST(Config, APortMayHaveNothingButVlans) {
  const Config config = Config::from_text(
      "[[port]]\ndevice = 'a'\n[[port.vlan]]\nid = 7\naddresses = '10.0.0.2/24'\n"
      "[[port]]\ndevice = 'b'\naddresses = '10.0.1.2/24'\n[[port.vlan]]\nid = 7\n"
      "addresses = '10.0.2.2/24'\n",
      "f.toml");
  ASSERT_EQ(config.ports.size(), 2u);
  ASSERT_EQ(links_of(config.ports[0]).size(), 1u);
  EXPECT_EQ(links_of(config.ports[0])[0].vlan, 7);
  ASSERT_EQ(links_of(config.ports[1]).size(), 2u);
  EXPECT_EQ(links_of(config.ports[1])[0].vlan, 0);
  EXPECT_EQ(links_of(config.ports[1])[1].addresses[0].text(), "10.0.2.2/24");
}

TEST(Config, EachPortIsATableOfItsOwn) {
  const Config config = Config::from_text(
      "[[port]]\ndevice = 'a'\naddresses = '10.0.0.2/24'\nmtu = 9000\n"
      "[[port]]\ndevice = 'b'\naddresses = ['10.0.1.2/31']\ngateway = '10.0.1.3'\n",
      "f.toml");
  ASSERT_EQ(config.ports.size(), 2u);
  EXPECT_EQ(config.ports[0].mtu, 9000);
  EXPECT_EQ(config.ports[1].mtu, 1500);
  EXPECT_EQ(config.ports[1].addresses, std::vector<OwnAddress>{*parse_prefix("10.0.1.2/31")});
  EXPECT_EQ(config.ports[1].gateway, std::vector<IpAddress>{*parse_address("10.0.1.3")});
}

TEST(Config, AFileWithoutPortsSetsTheEmbeddedLoopback) {
  const Config config = Config::from_text("[tcp]\nnodelay = true\n", "f.toml");
  EXPECT_TRUE(config.tcp.nodelay);
  EXPECT_EQ(config.eal_args, Config::loopback().eal_args);
  EXPECT_EQ(Config::from_text("", "f.toml"), Config::loopback());
  EXPECT_EQ(Config::from_text("[eal]\nargs = []", "f.toml").eal_args, std::vector<std::string>{});
}

// ---- files, environment and command line ----

/// A file with `text` that is gone at the end of the test.
class TextFile {
 public:
  explicit TextFile(std::string_view text) : path_(testing::TempDir() + "millrace_config_XXXXXX") {
    const int fd = mkstemp(path_.data());
    if (fd < 0) throw std::runtime_error(path_);
    close(fd);
    std::ofstream(path_) << text;
  }
  ~TextFile() { std::remove(path_.c_str()); }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// MILLRACE_CONFIG is unset at the start and as before at the end.
class ConfigSource : public testing::Test {
 protected:
  ConfigSource() {
    if (const char* value = std::getenv("MILLRACE_CONFIG")) before_ = value;
    unsetenv("MILLRACE_CONFIG");
  }
  ~ConfigSource() override {
    unsetenv("MILLRACE_CONFIG");
    if (before_) setenv("MILLRACE_CONFIG", before_->c_str(), 1);
  }

  static CommandLine parse(std::vector<const char*> words) {
    words.insert(words.begin(), "prog");
    return Config::from_command_line(static_cast<int>(words.size()), words.data());
  }

 private:
  std::optional<std::string> before_;
};

using Words = std::vector<std::string>;

const char kNameAFile[] =
    "; name a readable TOML file with --config or MILLRACE_CONFIG, or none for the embedded "
    "loopback";

TEST_F(ConfigSource, LoadReadsTheFileAndNamesItInErrors) {
  const TextFile good(kFull);
  EXPECT_EQ(Config::load(good.path()), Config::from_text(kFull, "f.toml"));
  const TextFile bad("\n\n[udp]\nttl = 3\n");
  EXPECT_EQ(message_of([&] { Config::load(bad.path()); }),
            bad.path() + ":4: [udp] has no setting \"ttl\"; known are receive_buffer_bytes");
}

TEST_F(ConfigSource, FilesThatCannotBeReadAreRefused) {
  EXPECT_EQ(message_of([] { Config::load("/nonexistent/f.toml"); }),
            std::string("/nonexistent/f.toml: No such file or directory") + kNameAFile);
  EXPECT_EQ(message_of([] { Config::load("/"); }), std::string("/: Is a directory") + kNameAFile);
  // A superuser may read this one all the same.
  const TextFile closed("");
  ASSERT_EQ(chmod(closed.path().c_str(), 0), 0);
  if (access(closed.path().c_str(), R_OK) != 0) {
    EXPECT_EQ(message_of([&] { Config::load(closed.path()); }),
              closed.path() + ": Permission denied" + kNameAFile);
  }
}

TEST_F(ConfigSource, TheEnvironmentNamesTheFile) {
  EXPECT_EQ(Config::from_environment(), Config::loopback());
  setenv("MILLRACE_CONFIG", "", 1);
  EXPECT_EQ(Config::from_environment(), Config::loopback());
  const TextFile file(kFull);
  setenv("MILLRACE_CONFIG", file.path().c_str(), 1);
  EXPECT_EQ(Config::from_environment(), Config::from_text(kFull, "f.toml"));
  setenv("MILLRACE_CONFIG", "/nonexistent", 1);
  EXPECT_EQ(message_of([] { Config::from_environment(); }),
            std::string("/nonexistent: No such file or directory") + kNameAFile);
}

TEST_F(ConfigSource, TheLoopbackNeedsNoPortsAndNoHugepages) {
  const Config config = Config::loopback();
  EXPECT_TRUE(config.ports.empty());
  EXPECT_EQ(std::count(config.eal_args.begin(), config.eal_args.end(), "--no-huge"), 1);
  EXPECT_EQ(config.tcp, TcpConfig{});
}

TEST_F(ConfigSource, WithoutDashesAllArgumentsAreTheProgramsOwn) {
  const CommandLine line = parse({"-l", "1", "--verbose"});
  EXPECT_EQ(line.rest, (Words{"-l", "1", "--verbose"}));
  EXPECT_EQ(line.config, Config::loopback());
  EXPECT_EQ(parse({}).rest, Words{});
  EXPECT_EQ(Config::from_command_line(0, nullptr).config, Config::loopback());
}

TEST_F(ConfigSource, WhatStandsBeforeTheDashesIsAppendedToEalsArguments) {
  Words expected = Config::loopback().eal_args;
  expected.insert(expected.end(), {"-l", "1"});
  const CommandLine line = parse({"-l", "1", "--", "a", "--", "b"});
  EXPECT_EQ(line.config.eal_args, expected);
  EXPECT_EQ(line.rest, (Words{"a", "--", "b"}));

  const TextFile file(kFull);
  const CommandLine with_file =
      parse({"--config", "not ours", "--", "--config", file.path().c_str()});
  EXPECT_EQ(with_file.config.eal_args, (Words{"--no-huge", "-m", "64", "--config", "not ours"}));
  EXPECT_EQ(with_file.rest, Words{});
}

TEST_F(ConfigSource, ConfigIsTakenOutOfTheProgramsArguments) {
  const TextFile file(kFull);
  setenv("MILLRACE_CONFIG", "/nonexistent", 1);  // --config goes before it
  const Config expected = Config::from_text(kFull, "f.toml");
  const CommandLine separate = parse({"-v", "--config", file.path().c_str(), "x"});
  EXPECT_EQ(separate.config, expected);
  EXPECT_EQ(separate.rest, (Words{"-v", "x"}));
  const std::string joined = "--config=" + file.path();
  EXPECT_EQ(parse({"--", joined.c_str(), "--configure"}).config, expected);
  EXPECT_EQ(parse({"--", joined.c_str(), "--configure"}).rest, Words{"--configure"});
}

TEST_F(ConfigSource, ConfigWithoutAFileOrTwiceIsRefused) {
  const std::string no_file = "--config: no file follows; write --config FILE";
  EXPECT_EQ(message_of([] { parse({"--config"}); }), no_file);
  EXPECT_EQ(message_of([] { parse({"--config="}); }), no_file);
  EXPECT_EQ(message_of([] { parse({"--config", ""}); }), no_file);
  EXPECT_EQ(message_of([] {
              parse({"--config=a", "--config", "b"});
            }),
            "--config: it is given twice; name one file");
}

// ---- the reference ----

/// The lines below each heading of the reference.
std::map<std::string, std::vector<std::string>> reference_lines() {
  std::map<std::string, std::vector<std::string>> lines;
  std::istringstream text(config_reference());
  std::string heading;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with("[") && line.ends_with("]")) heading = line;
    if (line.starts_with("  ")) lines[heading].push_back(line);
  }
  return lines;
}

TEST(ConfigReference, HasOneLineForEverySetting) {
  auto lines = reference_lines();
  size_t n_settings = 0;
  settings::for_each_default([&](const settings::Setting& setting, const auto&) {
    ++n_settings;
    const auto& own = lines[setting.heading()];
    EXPECT_EQ(std::count_if(own.begin(), own.end(),
                            [&](const std::string& line) {
                              return line.starts_with("  " + std::string(setting.key) + ' ') &&
                                     line.ends_with("  " + std::string(setting.sentence));
                            }),
              1)
        << setting.name();
  });
  size_t n_lines = 0;
  for (const auto& [heading, own] : lines) n_lines += heading.empty() ? 0 : own.size();
  EXPECT_EQ(n_lines, n_settings);
}

TEST(ConfigReference, ItsDefaultsAreWhatAnEmptyFileGets) {
  auto lines = reference_lines();
  const std::string titles = lines[""].at(0);
  const size_t column = titles.find("default");
  ASSERT_NE(column, std::string::npos);
  std::string toml;
  for (const auto& [heading, own] : lines) {
    if (heading.empty() || heading == "[[port.vlan]]") continue;  // an empty file has no VLAN
    toml += heading + '\n';
    for (const std::string& line : own) {
      const std::string key = line.substr(2, line.find(' ', 2) - 2);
      std::string value = line.substr(column, line.find("  ", column) - column);
      if (value == "required") value = key == "device" ? "'net_ring0'" : "'10.0.0.2/24'";
      toml += key + " = " + value + '\n';
    }
  }
  const Config bare =
      Config::from_text("[[port]]\ndevice = 'net_ring0'\naddresses = '10.0.0.2/24'", "f.toml");
  EXPECT_EQ(Config::from_text(toml, "reference.toml"), bare) << toml;
}

}  // namespace
}  // namespace millrace
