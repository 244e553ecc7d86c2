// SPDX-License-Identifier: BSD-3-Clause
// The children of process.h.
#include "tests/dpdk_io/process.h"

#include <poll.h>
#include <rte_eal.h>
#include <unistd.h>

#include <array>
#include <filesystem>

#include "dpdk_io/eal.h"
#include "dpdk_io/mbuf.h"
#include "dpdk_io/port.h"
#include "dpdk_io/startup_error.h"

namespace millrace::test {

cpu_set_t affinity_before_eal;

namespace {

std::string child_command(const std::string& words) {
  return std::filesystem::read_symlink("/proc/self/exe").string() + " " + words;
}

bool start_as_application() {
  std::array<std::string, 6> words = {"app",      "--no-huge",   "-m64",
                                      "--no-pci", "--no-shconf", "--no-telemetry"};
  std::array<char*, 7> argv{};
  for (size_t i = 0; i < words.size(); ++i) argv[i] = words[i].data();
  return rte_eal_init(static_cast<int>(words.size()), argv.data()) >= 0;
}

int start_and_tell(const std::vector<std::string>& args) {
  try {
    eal_start(args);
    std::puts("\nstarted");
    return 0;
  } catch (const StartupError& error) {
    std::printf("\n%s\n", error.what());
    return 1;
  }
}

bool input_has_ended() {
  pollfd input = {STDIN_FILENO, POLLIN, 0};
  return poll(&input, 1, 0) != 0;  // nobody writes to it: what can happen is its end
}

int echo() {
  eal_start({"--no-huge", "-m", "64", "--no-pci", "--no-shconf", "--no-telemetry",
             "--vdev=net_memif0,role=client," + memif_meeting_point(getppid())});
  Pool pool("echo", 4095, 2048, 0);
  PortOptions options;
  options.device = "net_memif0";
  Port port(options, pool);
  while (!input_has_ended()) {
    Burst burst;
    burst.set_size(port.rx(0, burst.room()));
    if (!burst.is_empty()) port.tx(0, burst);
  }
  return 0;
}

}  // namespace

int child_main(const std::vector<std::string>& words) {
  if (words.empty()) return -1;
  const std::vector<std::string> args(words.begin() + 1, words.end());
  if (words[0] == kStartEal) return start_and_tell(args);
  if (words[0] == kForeignEal) return start_as_application() ? start_and_tell(args) : 2;
  if (words[0] == kMemifEcho) return echo();
  return -1;
}

std::string start_eal_in_child(const std::string& words, const char* part) {
  const std::string command = child_command(std::string(part) + " " + words + " 2>/dev/null");
  FILE* output = popen(command.c_str(), "r");
  if (output == nullptr) return "popen failed";
  std::array<char, 2048> line{};
  std::string last;
  while (std::fgets(line.data(), line.size(), output) != nullptr) last = line.data();
  pclose(output);
  if (last.ends_with('\n')) last.pop_back();
  return last;
}

// exec: the child's parent is this process and not a shell.
MemifEcho::MemifEcho() : input_(popen(("exec " + child_command(kMemifEcho)).c_str(), "w")) {}

MemifEcho::~MemifEcho() {
  if (input_ != nullptr) pclose(input_);
}

std::string memif_socket(int process_id) {
  return std::filesystem::temp_directory_path() /
         ("millrace_test_" + std::to_string(process_id) + ".memif");
}

std::string memif_meeting_point(int process_id) {
  return "id=0,socket-abstract=no,socket=" + memif_socket(process_id);
}

}  // namespace millrace::test
