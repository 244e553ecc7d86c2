// SPDX-License-Identifier: BSD-3-Clause
#include "stack/capacity.h"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr uint64_t kBytes = 1234;  // per connection

TEST(Capacity, IsWhatMaxSocketsAllowsWhereThereIsMemoryForMore) {
  Config config = Config::loopback();
  config.stack.max_sockets = 1000;
  const Capacity capacity = capacity_of(config, uint64_t{1} << 34, kBytes);
  EXPECT_EQ(capacity.n_connections, 1000u);
  EXPECT_FALSE(capacity.is_short);
  EXPECT_EQ(capacity.line,
            "1 stack, 32768 mbufs, room for 1000 connections (1000 sockets allowed, 1234 bytes per idle one)");
}

TEST(Capacity, IsWhatFitsWhereMaxSocketsAllowsMore) {
  Config config = Config::loopback();
  config.stack.max_sockets = 1'000'000;
  const Capacity capacity = capacity_of(config, 100'000 * kBytes, kBytes);
  EXPECT_EQ(capacity.n_connections, 100'000u);
  EXPECT_TRUE(capacity.is_short);
}

TEST(Capacity, IsThatOfAllStacks) {
  Config config = Config::loopback();
  config.stack.max_sockets = 1'000'000;
  config.stack.stacks = 4;
  const Capacity capacity = capacity_of(config, 100'000 * kBytes, kBytes);
  EXPECT_EQ(capacity.n_connections, 100'000u);
  EXPECT_NE(capacity.line.find("4 stacks, "), std::string::npos) << capacity.line;
}

TEST(Capacity, IsNoMoreThanTheProcessMayHave) {
  Config config = Config::loopback();
  config.stack.max_sockets = 1000;
  config.stack.stacks = 4;
  EXPECT_EQ(capacity_of(config, uint64_t{1} << 34, kBytes).n_connections, 4000u);
  config.stack.max_process_sockets = 500;
  EXPECT_EQ(capacity_of(config, uint64_t{1} << 34, kBytes).n_connections, 500u);
}

}  // namespace
}  // namespace millrace
