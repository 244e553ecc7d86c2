// SPDX-License-Identifier: BSD-3-Clause
// Pools and the types that own what comes out of them.
#include "dpdk_io/pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "dpdk_io/startup_error.h"
#include "tests/dpdk_io/frames.h"

namespace millrace {
namespace {

using test::make_bytes;
using test::make_frame;

std::string error_of(const char* name, uint32_t n_mbufs, uint32_t cache) {
  try {
    const Pool pool(name, n_mbufs, 2048, cache);
    return "no error";
  } catch (const StartupError& error) {
    return error.what();
  }
}

TEST(Pool, GivesMbufsWithThePrivateAreaAndTheRoomAskedFor) {
  Pool pool("pool_shape", 63, 2048, 0);
  EXPECT_EQ(pool.size(), 63u);
  EXPECT_EQ(pool.data_room_bytes(), 2048);
  EXPECT_EQ(rte_pktmbuf_priv_size(pool.get()), kMbufPrivBytes);
  const MbufPtr m(rte_pktmbuf_alloc(pool.get()));
  ASSERT_NE(m, nullptr);
  EXPECT_EQ(rte_pktmbuf_tailroom(m.get()), 2048);
  EXPECT_EQ(rte_pktmbuf_headroom(m.get()), RTE_PKTMBUF_HEADROOM);
}

TEST(Pool, LaysItsMbufsSideBySideWithUsableIoAddresses) {
  Pool pool("pool_gapless", 4095, 2048, 0);
  EXPECT_TRUE(pool.is_gapless());
  std::vector<MbufPtr> all;
  while (rte_mbuf* m = rte_pktmbuf_alloc(pool.get())) all.emplace_back(m);
  ASSERT_EQ(all.size(), 4095u);
  std::sort(all.begin(), all.end());
  const auto distance = [](const MbufPtr& from, const MbufPtr& to) {
    return reinterpret_cast<uintptr_t>(to.get()) - reinterpret_cast<uintptr_t>(from.get());
  };
  for (size_t i = 1; i < all.size(); ++i) {
    ASSERT_EQ(distance(all[i - 1], all[i]), distance(all[0], all[1]));
    ASSERT_EQ(rte_mbuf_data_iova(all[i].get()),
              reinterpret_cast<rte_iova_t>(rte_pktmbuf_mtod(all[i].get(), char*)));
  }
}

TEST(Pool, GivesOutWhatCameBackLastSinceThatIsStillInACache) {
  Pool pool("pool_lifo", 63, 2048, 0);
  MbufPtr first(rte_pktmbuf_alloc(pool.get()));
  MbufPtr second(rte_pktmbuf_alloc(pool.get()));
  const rte_mbuf* const last = first.get();
  second.reset();
  first.reset();
  const MbufPtr again(rte_pktmbuf_alloc(pool.get()));
  EXPECT_EQ(again.get(), last);
}

TEST(Pool, CountsWhatIsInUseWithItsCache) {
  Pool pool("pool_count", 127, 2048, 32);
  MbufPtr one(rte_pktmbuf_alloc(pool.get()));
  const MbufPtr other(rte_pktmbuf_alloc(pool.get()));
  EXPECT_EQ(pool.in_use(), 2u);
  one.reset();
  EXPECT_EQ(pool.in_use(), 1u);
}

TEST(Pool, SaysWhatToDoWhenMemoryIsShort) {
  const std::string error = error_of("pool_huge", 10'000'000, 0);
  EXPECT_NE(error.find("mbuf pool 'pool_huge': EAL has no memory for 10000000 mbufs"),
            std::string::npos)
      << error;
  EXPECT_NE(error.find("; give it more (-m 256"), std::string::npos) << error;
}

TEST(Pool, RefusesANameThatIsTaken) {
  const Pool pool("pool_twice", 63, 2048, 0);
  EXPECT_NE(error_of("pool_twice", 63, 0).find("a pool of that name exists"), std::string::npos);
}

TEST(Pool, RefusesACacheOutOfProportion) {
  EXPECT_NE(error_of("pool_cache", 63, 512).find("cache at most 512"), std::string::npos);
}

TEST(Pool, FreesItsNameWhenItGoes) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(error_of("pool_again", 63, 0), "no error");
}

TEST(Burst, FreesWhatItStillOwns) {
  Pool pool("burst_free", 127, 2048, 0);
  rte_mbuf* kept = nullptr;
  {
    Burst burst =
        test::burst_of({make_frame(pool, make_bytes(60)), make_frame(pool, make_bytes(60)),
                        make_frame(pool, make_bytes(60))});
    kept = burst.release(1);
    EXPECT_EQ(burst.size(), 3);
    EXPECT_EQ(burst[1], nullptr);
    EXPECT_EQ(pool.in_use(), 3u);
  }
  EXPECT_EQ(pool.in_use(), 1u);
  rte_pktmbuf_free(kept);
}

TEST(Burst, TakesNoMoreThanItHolds) {
  Pool pool("burst_full", 127, 2048, 0);
  Burst burst;
  for (uint16_t i = 0; i < kBurstMax; ++i) {
    ASSERT_TRUE(burst.push(make_frame(pool, make_bytes(60))));
  }
  const MbufPtr extra(make_frame(pool, make_bytes(60)));
  EXPECT_FALSE(burst.push(extra.get()));
  EXPECT_TRUE(burst.is_full());
  burst.clear();
  EXPECT_TRUE(burst.is_empty());
  EXPECT_EQ(pool.in_use(), 1u);
}

TEST(Burst, MovesLeaveTheSourceEmptyAndFreeTheTarget) {
  Pool pool("burst_move", 127, 2048, 0);
  Burst from = test::burst_of({make_frame(pool, make_bytes(60))});
  Burst to = test::burst_of({make_frame(pool, make_bytes(60)), make_frame(pool, make_bytes(60))});
  to = std::move(from);
  EXPECT_EQ(to.size(), 1);
  EXPECT_TRUE(from.is_empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  EXPECT_EQ(pool.in_use(), 1u);
}

}  // namespace
}  // namespace millrace
