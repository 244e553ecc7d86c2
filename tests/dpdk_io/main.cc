// SPDX-License-Identifier: BSD-3-Clause
// Runs the tests of dpdk_io that need neither root nor a kernel peer: EAL without hugepages and
// PCI, a net_ring device, and a memif device whose peer is a child of this process.
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <unistd.h>

#include <filesystem>

#include "dpdk_io/eal.h"
#include "tests/dpdk_io/process.h"

// ThreadSanitizer does not see the spinlock under which EAL's interrupt thread gives up a
// descriptor.
extern "C" [[gnu::visibility("default")]] const char* __tsan_default_suppressions() {
  return "race:millrace::InterruptGate::~InterruptGate\n";
}

int main(int argc, char** argv) {
  using namespace millrace;
  const int child_result = test::child_main(std::vector<std::string>(argv + 1, argv + argc));
  if (child_result >= 0) return child_result;

  testing::InitGoogleTest(&argc, argv);
  sched_getaffinity(0, sizeof(test::affinity_before_eal), &test::affinity_before_eal);
  const std::string prefix = "millrace_test_" + std::to_string(getpid());
  eal_start({"--no-huge", "-m", "256", "--no-pci", "--file-prefix=" + prefix, "--vdev=net_ring0",
             "--vdev", "net_memif0,role=server," + test::memif_meeting_point(getpid())});
  const int result = RUN_ALL_TESTS();
  std::filesystem::remove_all(rte_eal_get_runtime_dir());
  std::filesystem::remove(test::memif_socket(getpid()));  // there if no test has closed the device
  return result;
}
