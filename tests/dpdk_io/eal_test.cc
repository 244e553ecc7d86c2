// SPDX-License-Identifier: BSD-3-Clause
// How EAL starts and fails to start. Failures of rte_eal_init itself happen in a child process.
#include "dpdk_io/eal.h"

#include <gtest/gtest.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <thread>
#include <vector>

#include "dpdk_io/eal_check.h"
#include "dpdk_io/lcore.h"
#include "dpdk_io/startup_error.h"
#include "tests/dpdk_io/frames.h"
#include "tests/dpdk_io/process.h"

namespace millrace {
namespace {

using test::start_eal_in_child;

// Words every child needs: nothing of it may depend on the machine.
constexpr const char* kAlone = "--no-huge --no-pci --no-shconf --no-telemetry -m 64 ";

std::string error_of(const std::vector<std::string>& args) {
  try {
    check_eal_options(parse_eal_args(args));
    return "no error";
  } catch (const StartupError& error) {
    return error.what();
  }
}

TEST(StartupError, IsOneLineOfWhereCauseAndRemedy) {
  const StartupError error("port x", "it is missing", "add it");
  EXPECT_STREQ(error.what(), "port x: it is missing; add it");
  EXPECT_EQ(error.where(), "port x");
  EXPECT_EQ(error.cause(), "it is missing");
  EXPECT_EQ(error.remedy(), "add it");
}

TEST(EalArgs, AreSplitAsGetoptWould) {
  const auto options = parse_eal_args(
      {"--vdev=net_ring0", "--vdev", "net_ring1,x=1", "-m256", "-l", "0,1", "--no-hug"});
  ASSERT_EQ(options.size(), 5u);
  EXPECT_EQ(options[0].value, "net_ring0");
  EXPECT_EQ(options[1].name, "vdev");
  EXPECT_EQ(device_name(options[1].value), "net_ring1");
  EXPECT_EQ(options[2].name, "m");
  EXPECT_EQ(options[2].value, "256");
  EXPECT_EQ(options[3].value, "0,1");
  EXPECT_TRUE(has_option(options, "no-huge"));
}

struct Mistake {
  std::vector<std::string> args;
  const char* error;
};

class EalArgs_Mistake : public testing::TestWithParam<Mistake> {};

TEST_P(EalArgs_Mistake, IsNamedWithItsRemedy) {
  EXPECT_EQ(error_of(GetParam().args).find(GetParam().error), 0u) << error_of(GetParam().args);
}

INSTANTIATE_TEST_SUITE_P(
    All, EalArgs_Mistake,
    testing::Values(
        Mistake{{"--no-hugepages"}, "[eal] args: EAL has no option '--no-hugepages'; remove it"},
        Mistake{{"-z"}, "[eal] args: EAL has no option '-z'; remove it"},
        Mistake{{"--no-huge", "-m"}, "[eal] args: '-m' lacks its value; write it after"},
        Mistake{{"256"}, "[eal] args: '256' is neither an option nor the value of one; remove it"},
        Mistake{{"--no-huge", "--huge-unlink"},
                "[eal] args: EAL refuses --no-huge together with --huge-unlink; remove one"},
        Mistake{{"--single-file-segments", "--huge-unlink=always"},
                "[eal] args: EAL refuses --single-file-segments together with --huge-unlink; "},
        Mistake{{"--no-huge", "--vdev=net_af_packet0,iface=nosuch0"},
                "[eal] args --vdev=net_af_packet0,iface=nosuch0: there is no network interface "
                "'nosuch0'; name one that `ip link` shows"},
        Mistake{{"--no-huge", "--vdev=net_af_xdp0"},
                "[eal] args --vdev=net_af_xdp0: the device names no network interface; add "
                "iface=NAME"}));

TEST(EalArgs, HugeUnlinkThatUnlinksNothingIsNoMistake) {
  EXPECT_EQ(error_of({"--no-huge", "--huge-unlink=never"}), "no error");
}

TEST(EalArgs, WithoutHugepagesSayHowToGetSome) {
  uint64_t total = 0;
  for (const auto& size : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages")) {
    uint64_t n = 0;
    std::ifstream(size.path() / "nr_hugepages") >> n;
    total += n;
  }
  if (total != 0) GTEST_SKIP() << "this machine has hugepages";
  EXPECT_EQ(error_of({"-m", "64"}),
            "[eal] args: the system has no hugepages; `echo 512 > "
            "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages` as root, or put --no-huge and "
            "-m 256 into [eal] args");
}

TEST(Eal, LaterStartsAreIgnored) {
  EXPECT_NO_THROW(eal_start({"--no-such-option"}));
  EXPECT_FALSE(eal_has_hugepages());
}

TEST(Eal, LeavesTheCallersAffinityAlone) {
  cpu_set_t now;
  ASSERT_EQ(sched_getaffinity(0, sizeof(now), &now), 0);
  EXPECT_TRUE(CPU_EQUAL(&now, &test::affinity_before_eal));
}

TEST(Eal, MakesNoWorkerThreadsUnlessAskedTo) { EXPECT_EQ(rte_lcore_count(), 1u); }

TEST(Eal, AnLcoreBringsWhoeverEntersAPoolsCacheAndGivesItsIdBack) {
  Pool pool("eal_lcores", 255, 2048, 32);
  const unsigned own = rte_lcore_id();
  for (int round = 0; round < 2 * RTE_MAX_LCORE; ++round) {
    Lcore lcore;
    const auto use = [&] {
      const unsigned before = rte_lcore_id();
      lcore.enter();
      EXPECT_NE(rte_lcore_id(), own);
      EXPECT_NE(rte_mempool_default_cache(pool.get(), rte_lcore_id()), nullptr);
      EXPECT_NE(MbufPtr(rte_pktmbuf_alloc(pool.get())), nullptr);
      lcore.leave();
      EXPECT_EQ(rte_lcore_id(), before);
    };
    use();
    std::thread(use).join();
  }
  EXPECT_EQ(pool.in_use(), 0u);
}

TEST(Eal, LcoresBeyondTheLastIdHaveNoCache) {
  std::vector<std::unique_ptr<Lcore>> lcores;
  for (int i = 0; i < RTE_MAX_LCORE; ++i) lcores.push_back(std::make_unique<Lcore>());
  lcores.back()->enter();
  EXPECT_EQ(rte_lcore_id(), static_cast<unsigned>(LCORE_ID_ANY));
  lcores.back()->leave();
  EXPECT_NE(rte_lcore_id(), static_cast<unsigned>(LCORE_ID_ANY));
}

TEST(Eal, GoesOnAfterAnApplicationThatStartedItItself) {
  EXPECT_EQ(start_eal_in_child("--whatever", test::kForeignEal), "started");
}

TEST(Eal, StartsWithoutPrivileges) { EXPECT_EQ(start_eal_in_child(kAlone), "started"); }

TEST(Eal, AnUnknownDriverIsAnError) {
  EXPECT_EQ(
      start_eal_in_child(std::string(kAlone) + "--vdev=net_nosuch0"),
      "[eal] args: EAL did not start: failed to parse device \"net_nosuch0\", Unable to parse "
      "device 'net_nosuch0'; name a driver that DPDK's guide \"NIC Drivers\" lists");
}

TEST(Eal, ADeviceWithBadWordsIsAnError) {
  const std::string error = start_eal_in_child(std::string(kAlone) + "--vdev=net_memif0,role=king");
  EXPECT_EQ(error.find("[eal] args --vdev=net_memif0,role=king: DPDK could not make"), 0u) << error;
}

TEST(Eal, AFailureOfEalItselfBecomesOneLine) {
  const std::string error = start_eal_in_child("--no-huge --no-pci --no-shconf -l 4000");
  EXPECT_EQ(error.find("[eal] args: EAL did not start: "), 0u) << error;
  EXPECT_NE(error.find("; name CPUs this process may use"), std::string::npos) << error;
}

TEST(Eal, MoreMemoryThanThereIsBecomesOneLine) {
  const std::string error = start_eal_in_child("--no-huge --no-pci --no-shconf -m 99000000");
  EXPECT_EQ(error.find("[eal] args: EAL did not start: "), 0u) << error;
}

}  // namespace
}  // namespace millrace
