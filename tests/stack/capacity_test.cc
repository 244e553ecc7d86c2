// SPDX-License-Identifier: BSD-3-Clause
#include "stack/capacity.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

TEST(Capacity, IsWhatMaxSocketsAllowsWhereThereIsMemoryForMore) {
  Config config = Config::loopback();
  config.stack.max_sockets = 1000;
  const Capacity capacity = capacity_of(config, uint64_t{1} << 34);
  EXPECT_EQ(capacity.n_connections, 1000u);
  EXPECT_FALSE(capacity.is_short);
  EXPECT_EQ(capacity.line, "1 stack, 32768 mbufs, room for 1000 connections (max_sockets 1000, " +
                               std::to_string(bytes_per_connection()) + " bytes per idle one)");
}

TEST(Capacity, IsWhatFitsWhereMaxSocketsAllowsMore) {
  Config config = Config::loopback();
  config.stack.max_sockets = 1'000'000;
  const Capacity capacity = capacity_of(config, 100'000 * bytes_per_connection());
  EXPECT_EQ(capacity.n_connections, 100'000u);
  EXPECT_TRUE(capacity.is_short);
  EXPECT_EQ(capacity_of(config, 100'000 * bytes_per_connection(), 4).n_connections, 25'000u);
}

TEST(Capacity, AnIdleConnectionTakesLessThanOneAndAHalfKib) {
  EXPECT_LT(bytes_per_connection(), 1536u);
  EXPECT_GT(bytes_per_connection(), 512u);
}

}  // namespace
}  // namespace millrace
