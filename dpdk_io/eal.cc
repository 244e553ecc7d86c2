// SPDX-License-Identifier: BSD-3-Clause
// Starts EAL once. What rte_eal_init logs is held back until it is known how it ended: a failure
// becomes one StartupError, a success passes the warnings on. rte_eal_init pins the calling thread
// to its lcore; threads made later would inherit that, so the affinity is put back.
#include "dpdk_io/eal.h"

#include <pthread.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <mutex>
#include <optional>
#include <string_view>

#include "dpdk_io/eal_check.h"
#include "dpdk_io/startup_error.h"

namespace millrace {
namespace {

constexpr const char* kWhere = "[eal] args";

class AffinityKeeper {
 public:
  AffinityKeeper() {
    is_known_ = pthread_getaffinity_np(pthread_self(), sizeof(cpus_), &cpus_) == 0;
  }
  ~AffinityKeeper() {
    if (is_known_) pthread_setaffinity_np(pthread_self(), sizeof(cpus_), &cpus_);
  }
  AffinityKeeper(const AffinityKeeper&) = delete;
  AffinityKeeper& operator=(const AffinityKeeper&) = delete;

  int first_cpu() const {
    for (int cpu = 0; is_known_ && cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &cpus_)) return cpu;
    }
    return 0;
  }

 private:
  cpu_set_t cpus_;
  bool is_known_;
};

// Holds back what DPDK logs. The stream is never closed: one of EAL's own threads may have got hold
// of it just before it was replaced.
class HeldLog {
 public:
  HeldLog() : before_(rte_log_get_stream()), held_(open_memstream(&text_, &size_)) {
    if (held_ != nullptr) rte_openlog_stream(held_);
  }
  HeldLog(const HeldLog&) = delete;
  HeldLog& operator=(const HeldLog&) = delete;

  // Returns what was logged and lets DPDK log where it did before.
  std::string finish() {
    if (held_ == nullptr) return {};
    rte_openlog_stream(before_ == stderr ? nullptr : before_);  // nullptr: stderr and syslog
    fflush(held_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  size_t size_ = 0;
  FILE* before_;
  FILE* held_;
};

// "EAL: first\nEAL: second\n" -> "first, second", at most 400 characters.
std::string one_line(std::string_view log) {
  std::string line;
  while (!log.empty()) {
    const size_t end = std::min(log.find('\n'), log.size());
    std::string_view part = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    if (part.starts_with("EAL: ")) part.remove_prefix(5);
    if (part.empty()) continue;
    if (!line.empty()) line += ", ";
    line += part;
  }
  constexpr size_t kMost = 400;
  if (line.size() > kMost) line = line.substr(0, kMost) + "...";
  return line;
}

[[noreturn]] void throw_init_failure(int error, const std::string& log) {
  struct {
    std::string_view sign;
    const char* remedy;
  } constexpr kRemedies[] = {
      {"Unable to parse device", "name a driver that DPDK's guide \"NIC Drivers\" lists"},
      {"ermission denied", "run as root, or give this user the files named, or use --no-huge"},
      {"runtime directory", "set XDG_RUNTIME_DIR to a directory this user may write to"},
      {"primary process", "another DPDK process runs: give this one its own --file-prefix=NAME"},
      {"hugepage", "free or add hugepages, or put --no-huge and -m 256 into [eal] args"},
      {"memory", "ask for less (-m), add hugepages, or use --no-huge"},
      {"lcore", "name CPUs this process may use, or leave -l, -c and --lcores out"},
      {"IOVA", "--iova-mode=va, or run as root"},
  };
  const std::string line = one_line(log);
  const char* remedy = "correct the option; DPDK's guide \"Getting Started\" explains them";
  for (const auto& [sign, text] : kRemedies) {
    if (line.find(sign) == std::string::npos) continue;
    remedy = text;
    break;
  }
  const std::string reason = line.empty() ? rte_strerror(error) : line;
  throw StartupError(kWhere, "EAL did not start: " + reason, remedy);
}

// A virtual device that cannot be made does not stop rte_eal_init: DPDK rte_bus_probe returns 0.
void check_devices(const std::vector<EalOption>& options, const std::string& log) {
  for (const EalOption& option : options) {
    const std::string name = device_name(option.value);
    const bool is_net = name.starts_with("net_") || name.starts_with("eth_");
    uint16_t port_id = 0;
    if (option.name != "vdev" || !is_net) continue;
    if (rte_eth_dev_get_port_by_name(name.c_str(), &port_id) == 0) continue;
    throw StartupError(std::string(kWhere) + " --vdev=" + option.value,
                       "DPDK could not make the device: " + one_line(log),
                       "correct its words: its driver's page in DPDK's guide \"NIC Drivers\" "
                       "lists them");
  }
}

std::vector<std::string> complete_args(const std::vector<std::string>& args,
                                       const std::vector<EalOption>& options, int cpu) {
  std::vector<std::string> words = {"millrace"};
  words.insert(words.end(), args.begin(), args.end());
  if (!has_option(options, "log-level")) {
    // Telemetry warns that something is missing that nobody uses any more. For types registered
    // after the words were read, as that one is, the first word that matches holds.
    for (const char* level :
         {"lib.telemetry:error", "lib.*:warning", "bus.*:warning", "pmd.*:warning"}) {
      words.push_back(std::string("--log-level=") + level);
    }
  }
  if (!has_option(options, "l") && !has_option(options, "c") && !has_option(options, "lcores")) {
    words.push_back("--lcores=0@" + std::to_string(cpu));
  }
  // EAL takes physical IO addresses where it may read them. Without PCI nobody needs them, without
  // hugepages they are not even fixed; virtual ones let a Pool lie in one piece.
  const bool needs_no_physical = has_option(options, "no-huge") || has_option(options, "no-pci");
  if (needs_no_physical && !has_option(options, "iova-mode")) {
    words.push_back("--iova-mode=va");
  }
  return words;
}

// Calls rte_eal_init; returns what it logged.
std::string init(const std::vector<std::string>& args, const std::vector<EalOption>& options) {
  const AffinityKeeper affinity;
  // EAL keeps pointers into its arguments.
  static std::vector<std::string> words;
  static std::vector<char*> argv;
  words = complete_args(args, options, affinity.first_cpu());
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  static HeldLog held_log;
  const int result = rte_eal_init(static_cast<int>(words.size()), argv.data());
  const int error = rte_errno;
  std::string log = held_log.finish();
  if (result < 0 && error != EALREADY) throw_init_failure(error, log);
  return log;
}

}  // namespace

void eal_start(const std::vector<std::string>& args) {
  static std::mutex mutex;
  static bool is_started = false;
  static std::optional<StartupError> failure;  // how the only possible rte_eal_init ended
  const std::lock_guard lock(mutex);
  if (failure) throw StartupError(*failure);
  // The TSC's frequency is found late in rte_eal_init: if it is known, the application called it.
  if (is_started || rte_get_tsc_hz() != 0) return;

  const std::vector<EalOption> options = parse_eal_args(args);
  check_eal_options(options);
  std::string log;
  try {
    log = init(args, options);
  } catch (const StartupError& error) {
    failure = error;
    throw;
  }
  is_started = true;
  check_devices(options, log);
  if (!log.empty()) rte_log(RTE_LOG_WARNING, RTE_LOGTYPE_EAL, "%s", log.c_str());
}

bool eal_has_hugepages() { return rte_eal_has_hugepages() != 0; }

}  // namespace millrace
