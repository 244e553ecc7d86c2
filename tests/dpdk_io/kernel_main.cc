// SPDX-License-Identifier: BSD-3-Clause
// Runs the tests whose peer is the Linux kernel. The process moves into a network namespace of its
// own, which ends with it, and makes there one veth pair per device: EAL's end "dN", the kernel's
// end "kN" with the address 10.77.N.1. Needs root; without it everything is skipped.
#include <gtest/gtest.h>
#include <rte_eal.h>
#include <sched.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "dpdk_io/eal.h"

namespace {

bool run(const std::string& command) { return std::system(command.c_str()) == 0; }

bool make_pair(int n) {
  const std::string id = std::to_string(n);
  return run("ip link add d" + id + " type veth peer name k" + id) &&
         run("ip link set d" + id + " up") && run("ip link set k" + id + " up") &&
         run("ip addr add 10.77." + id + ".1/24 dev k" + id) &&
         // partial checksums are the kernel's habit on veth; the tests look at whole frames
         run("ethtool -K k" + id + " tx off >/dev/null 2>&1 || true");
}

}  // namespace

// What libxdp allocates for a port is lost by the driver when the port is closed; see
// xdp_sockets.h.
extern "C" [[gnu::visibility("default")]] const char* __lsan_default_suppressions() {
  return "leak:xsk_umem__create\n";
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || !make_pair(0) || !make_pair(1)) {
    std::puts("SKIPPED: needs root, a network namespace and veth");
    return 77;
  }
  const std::string prefix = "millrace_kernel_test_" + std::to_string(getpid());
  millrace::eal_start({"--no-huge", "-m", "256", "--no-pci", "--no-telemetry",
                       "--file-prefix=" + prefix, "--vdev=net_af_packet0,iface=d0",
                       "--vdev=net_af_xdp0,iface=d1"});
  const int result = RUN_ALL_TESTS();
  std::filesystem::remove_all(rte_eal_get_runtime_dir());
  return result;
}
