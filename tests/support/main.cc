// SPDX-License-Identifier: BSD-3-Clause
// main() of the test binaries that need EAL: on plain memory, so that they run as any user, with
// and without hugepages, beside each other.
#include <gtest/gtest.h>

#include "dpdk_io/eal.h"
#include "stack/config.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  millrace::eal_start(millrace::Config::loopback().eal_args);
  return RUN_ALL_TESTS();
}
