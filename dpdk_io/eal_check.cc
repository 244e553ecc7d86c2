// SPDX-License-Identifier: BSD-3-Clause
// Checks of EAL's words. See eal_check.h. Only files and interface names are looked at: nothing is
// created, mounted or changed.
#include "dpdk_io/eal_check.h"

#include <net/if.h>
#include <rte_version.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>

#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

constexpr const char* kWhere = "[eal] args";

enum class Value { kNone, kRequired, kOptional };

struct KnownOption {
  std::string_view name;
  Value value;
};

// DPDK 22.11 lib/eal/common/eal_common_options.c: eal_short_options and eal_long_options.
constexpr KnownOption kKnownOptions[] = {
    {"a", Value::kRequired},
    {"b", Value::kRequired},
    {"c", Value::kRequired},
    {"d", Value::kRequired},
    {"h", Value::kNone},
    {"l", Value::kRequired},
    {"m", Value::kRequired},
    {"n", Value::kRequired},
    {"r", Value::kRequired},
    {"s", Value::kRequired},
    {"S", Value::kRequired},
    {"v", Value::kNone},
    {"allow", Value::kRequired},
    {"base-virtaddr", Value::kRequired},
    {"block", Value::kRequired},
    {"create-uio-dev", Value::kNone},
    {"file-prefix", Value::kRequired},
    {"force-max-simd-bitwidth", Value::kRequired},
    {"help", Value::kNone},
    {"huge-dir", Value::kRequired},
    {"huge-unlink", Value::kOptional},
    {"huge-worker-stack", Value::kOptional},
    {"in-memory", Value::kNone},
    {"iova-mode", Value::kRequired},
    {"lcores", Value::kRequired},
    {"legacy-mem", Value::kNone},
    {"log-level", Value::kRequired},
    {"main-lcore", Value::kRequired},
    {"match-allocations", Value::kNone},
    {"mbuf-pool-ops-name", Value::kRequired},
    {"no-hpet", Value::kNone},
    {"no-huge", Value::kNone},
    {"no-pci", Value::kNone},
    {"no-shconf", Value::kNone},
    {"no-telemetry", Value::kNone},
    {"proc-type", Value::kRequired},
    {"single-file-segments", Value::kNone},
    {"socket-limit", Value::kRequired},
    {"socket-mem", Value::kRequired},
    {"syslog", Value::kRequired},
    {"telemetry", Value::kNone},
    {"trace", Value::kRequired},
    {"trace-bufsz", Value::kRequired},
    {"trace-dir", Value::kRequired},
    {"trace-mode", Value::kRequired},
    {"vdev", Value::kRequired},
    {"vfio-intr", Value::kRequired},
    {"vfio-vf-token", Value::kRequired},
    {"vmware-tsc-map", Value::kNone},
};
constexpr bool kTableIsOfThisDpdk = RTE_VER_YEAR == 22 && RTE_VER_MONTH == 11;

const KnownOption* find_option(std::string_view name, bool is_long) {
  const KnownOption* found = nullptr;
  for (const KnownOption& option : kKnownOptions) {
    if ((option.name.size() > 1) != is_long) continue;
    if (option.name == name) return &option;
    if (!is_long || !option.name.starts_with(name)) continue;
    if (found != nullptr) return nullptr;  // ambiguous, as for getopt_long
    found = &option;
  }
  return found;
}

[[noreturn]] void refuse_unknown(const std::string& word) {
  throw StartupError(kWhere, "EAL has no option '" + word + "'",
                     "remove it, or see the EAL parameters in DPDK's guide \"Getting Started\"");
}

// Splits one word that begins with a dash; what value it carries is in it, or empty.
EalOption split_word(const std::string& word, Value& value) {
  const bool is_long = word.starts_with("--");
  EalOption option;
  if (is_long) {
    const size_t equals = word.find('=');
    option.name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
    if (equals != std::string::npos) option.value = word.substr(equals + 1);
  } else {
    option.name = word.substr(1, 1);
    option.value = word.substr(2);
  }
  const KnownOption* known = find_option(option.name, is_long);
  if (known != nullptr) {
    option.name = known->name;
    value = known->value;
  } else if (kTableIsOfThisDpdk) {
    refuse_unknown(word);
  } else {
    value = Value::kOptional;
  }
  return option;
}

uint64_t read_number(const std::filesystem::path& file) {
  uint64_t number = 0;
  std::ifstream(file) >> number;
  return number;
}

void check_hugepages(const std::vector<EalOption>& options) {
  namespace fs = std::filesystem;
  uint64_t total = 0, free = 0;
  std::error_code no_such_directory;
  for (const auto& size : fs::directory_iterator("/sys/kernel/mm/hugepages", no_such_directory)) {
    total += read_number(size.path() / "nr_hugepages");
    free += read_number(size.path() / "free_hugepages");
  }
  if (free == 0) {
    throw StartupError(
        kWhere,
        total == 0 ? "the system has no hugepages"
                   : "no hugepage is free, other processes hold all " + std::to_string(total),
        "`echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages` as root, or put "
        "--no-huge and -m 256 into [eal] args");
  }
  if (has_option(options, "in-memory") || has_option(options, "huge-dir")) return;
  std::ifstream mounts("/proc/mounts");
  for (std::string device, directory, type, rest;
       mounts >> device >> directory >> type && std::getline(mounts, rest);) {
    if (type == "hugetlbfs" && access(directory.c_str(), W_OK) == 0) return;
  }
  throw StartupError(kWhere, "there are hugepages, but no hugetlbfs this user may write to",
                     "`mount -t hugetlbfs none /dev/hugepages` and give it to this user, or put "
                     "--in-memory or --no-huge into [eal] args");
}

// DPDK 22.11 eal_check_common_options, the pairs a user is likely to write.
void check_pairs(const std::vector<EalOption>& options) {
  constexpr std::pair<const char*, const char*> kExclusive[] = {
      {"no-huge", "in-memory"},  {"no-huge", "huge-unlink"},
      {"no-huge", "socket-mem"}, {"single-file-segments", "huge-unlink"},
      {"m", "socket-mem"},       {"legacy-mem", "in-memory"},
  };
  const auto is_in_force = [&options](const std::string& name) {
    return std::any_of(options.begin(), options.end(), [&name](const EalOption& option) {
      // --huge-unlink=existing and =never unlink nothing that is in use
      return option.name == name && option.value != "existing" && option.value != "never";
    });
  };
  for (const auto& [one, other] : kExclusive) {
    if (!is_in_force(one) || !is_in_force(other)) continue;
    const auto dashed = [](const std::string& name) {
      return (name.size() == 1 ? "-" : "--") + name;
    };
    throw StartupError(kWhere, "EAL refuses " + dashed(one) + " together with " + dashed(other),
                       "remove one of them");
  }
}

// The value of `key` in "net_af_xdp0,iface=veth0,queue_count=1"; empty if it is not there.
std::string device_value(const std::string& device_words, const std::string& key) {
  const std::string needle = "," + key + "=";
  const size_t at = device_words.find(needle);
  if (at == std::string::npos) return {};
  const size_t begin = at + needle.size();
  const size_t end = device_words.find(',', begin);
  return device_words.substr(begin, end == std::string::npos ? end : end - begin);
}

void check_interface(const std::string& where, const std::string& interface) {
  if (interface.empty()) {
    throw StartupError(where, "the device names no network interface", "add iface=NAME to it");
  }
  if (if_nametoindex(interface.c_str()) == 0) {
    throw StartupError(where, "there is no network interface '" + interface + "'",
                       "name one that `ip link` shows in this network namespace, or make it: "
                       "`ip link add NAME type veth peer name PEER`");
  }
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
  if (fd >= 0) {
    close(fd);
  } else if (errno == EPERM || errno == EACCES) {
    throw StartupError(where, "no permission for raw sockets",
                       "run as root, or `setcap cap_net_raw,cap_net_admin,cap_bpf+ep PROGRAM`");
  }
}

void check_vdev(const std::string& device_words) {
  std::string where = kWhere;  // in steps: GCC 12 warns of one sum where headers are precompiled
  where += " --vdev=";
  where += device_words;
  const std::string name = device_name(device_words);
  const auto is_one_of = [&name](std::initializer_list<const char*> drivers) {
    return std::any_of(drivers.begin(), drivers.end(),
                       [&name](const char* driver) { return name.starts_with(driver); });
  };
  if (is_one_of({"net_af_xdp", "net_af_packet", "eth_af_packet"})) {
    check_interface(where, device_value(device_words, "iface"));
  } else if (is_one_of({"net_tap", "eth_tap"}) && access("/dev/net/tun", R_OK | W_OK) != 0) {
    throw StartupError(where, "no permission for /dev/net/tun, or no such file",
                       "run as root, and `modprobe tun` if the file is missing");
  }
}

}  // namespace

std::vector<EalOption> parse_eal_args(const std::vector<std::string>& args) {
  std::vector<EalOption> options;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word.size() < 2 || word[0] != '-') {
      throw StartupError(kWhere, "'" + word + "' is neither an option nor the value of one",
                         "remove it, or put the option before it");
    }
    if (word == "--") refuse_unknown(word);
    Value value = Value::kNone;
    EalOption option = split_word(word, value);
    const bool has_value = word.find('=') != std::string::npos || !option.value.empty();
    if (value == Value::kRequired && !has_value) {
      if (++i == args.size()) {
        throw StartupError(kWhere, "'" + word + "' lacks its value", "write it after the option");
      }
      option.value = args[i];
    }
    options.push_back(std::move(option));
  }
  return options;
}

void check_eal_options(const std::vector<EalOption>& options) {
  check_pairs(options);
  if (!has_option(options, "no-huge")) check_hugepages(options);
  for (const EalOption& option : options) {
    if (option.name == "vdev") check_vdev(option.value);
  }
}

bool has_option(const std::vector<EalOption>& options, const std::string& name) {
  return std::any_of(options.begin(), options.end(),
                     [&name](const EalOption& option) { return option.name == name; });
}

std::string device_name(const std::string& device_words) {
  return device_words.substr(0, device_words.find(','));
}

}  // namespace millrace
