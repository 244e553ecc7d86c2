// SPDX-License-Identifier: BSD-3-Clause
// Timestamps of received frames against a device's clock that the test runs: fast or slow, wrapped, set, silent.
#include "dpdk_io/stamps.h"

#include <gtest/gtest.h>
#include <rte_mbuf_dyn.h>

#include <functional>
#include <utility>

#include "dpdk_io/startup_error.h"
#include "tests/dpdk_io/frames.h"

namespace millrace {
namespace {

using test::burst_of;
using test::make_bytes;
using test::make_frame;
using test::receive;

__extension__ typedef unsigned __int128 uint128;

constexpr uint64_t kMs = 1'000'000, kSecond = 1'000 * kMs;

/// What the test says that the device's clock shows; nothing: it does not say.
class TestDevice final : public DeviceClock {
 public:
  using Show = std::function<std::optional<uint64_t>()>;
  explicit TestDevice(Show show) : show_(std::move(show)) {}
  bool read(uint64_t& ticks) const noexcept override {
    const std::optional<uint64_t> shown = show_();
    ticks = shown.value_or(0);
    return shown.has_value();
  }

 private:
  Show show_;
};

/// A device with `hz` that a driver measured at `told_hz`, and our clock: both move where the test moves them.
struct Bench {
  explicit Bench(uint64_t real_hz, uint64_t told_hz = 0, uint64_t first_ticks = 12'345)
      : hz(real_hz), zero(first_ticks) {
    clock.advance_ns(1);
    stamps.hz = told_hz == 0 ? hz : told_hz;
  }
  uint64_t ticks() const { return zero + static_cast<uint64_t>(uint128{clock.now_ns()} * hz / kSecond); }
  std::optional<uint64_t> show() {
    if (!is_there) return std::nullopt;
    clock.advance_ns(to_device_ns);
    const uint64_t shown = ticks();
    clock.advance_ns(from_device_ns);
    return shown;
  }

  ManualClock clock;
  uint64_t hz, zero;
  bool is_there = true;
  uint64_t to_device_ns = 0, from_device_ns = 0;
  Stamps stamps{std::make_unique<TestDevice>([this] { return show(); })};
};

class Stamps_Of : public testing::TestWithParam<uint64_t> {};

TEST_P(Stamps_Of, AnAgeIsWhatHasPassedSinceTheStamp) {
  Bench bench(GetParam());
  StampAges ages(bench.stamps, bench.clock);
  const uint64_t tick_ns = 1 + kSecond / GetParam();
  for (const uint64_t passed_ns : {uint64_t{0}, uint64_t{700}, 3 * kMs, 2 * kSecond}) {
    const uint64_t stamp = bench.ticks();
    bench.clock.advance_ns(passed_ns);
    ASSERT_TRUE(ages.look());
    const auto age_ns = ages.age_ns(stamp);
    ASSERT_TRUE(age_ns.has_value());
    EXPECT_NEAR(static_cast<double>(*age_ns), static_cast<double>(passed_ns), static_cast<double>(tick_ns));
  }
}
INSTANTIATE_TEST_SUITE_P(Frequencies, Stamps_Of,
                         testing::Values(1'000'000, 25'000'000, 156'250'000, 1'000'000'000, 2'500'000'000));

TEST(Stamps_Ages, AClockThatWrapsMeanwhileMakesNoDifference) {
  Bench bench(1'000'000'000, 0, UINT64_MAX - 500);
  StampAges ages(bench.stamps, bench.clock);
  const uint64_t stamp = bench.ticks();
  bench.clock.advance_ns(2'000);
  ASSERT_LT(bench.ticks(), stamp);
  ASSERT_TRUE(ages.look());
  EXPECT_EQ(ages.age_ns(stamp), 2'000u);
  EXPECT_EQ(ages.age_ns(stamp + 2'100), 0u) << "ahead, and behind the end of the numbers";
}

TEST(Stamps_Ages, AStampAheadByDriftHasNoAgeYetAndOneFarAheadIsNone) {
  Bench bench(1'000'000'000);
  StampAges ages(bench.stamps, bench.clock);
  ASSERT_TRUE(ages.look());
  const uint64_t now = bench.ticks();
  EXPECT_EQ(ages.age_ns(now + 1), 0u);
  EXPECT_EQ(ages.age_ns(now + StampAges::kAheadNs), 0u);
  EXPECT_EQ(ages.age_ns(now + StampAges::kAheadNs + 1), std::nullopt);
  EXPECT_EQ(ages.age_ns(now + INT64_MAX), std::nullopt);
}

TEST(Stamps_Ages, AStampOlderThanAnythingInAPortIsNone) {
  Bench bench(1'000'000'000, 0, 100 * kSecond);
  StampAges ages(bench.stamps, bench.clock);
  ASSERT_TRUE(ages.look());
  const uint64_t now = bench.ticks();
  EXPECT_EQ(ages.age_ns(now - StampAges::kOldestNs), StampAges::kOldestNs);
  EXPECT_EQ(ages.age_ns(now - StampAges::kOldestNs - 1), std::nullopt);
  EXPECT_EQ(ages.age_ns(uint64_t{0}), std::nullopt);
}

TEST(Stamps_Ages, AClockThatDoesNotSayGivesNone) {
  Bench bench(1'000'000'000);
  StampAges ages(bench.stamps, bench.clock);
  bench.is_there = false;
  EXPECT_FALSE(ages.look());
}

TEST(Stamps_Ages, WhatReadingTheDeviceTakesIsNotInThem) {
  Bench bench(1'000'000'000);
  StampAges ages(bench.stamps, bench.clock);
  const uint64_t stamp = bench.ticks();
  bench.clock.advance_ns(5'000);
  bench.to_device_ns = bench.from_device_ns = 900;
  ASSERT_TRUE(ages.look());
  EXPECT_EQ(ages.age_ns(stamp), 5'000u);
  EXPECT_EQ(ages.age_ns(stamp + 5'500), 0u) << "it came while the clock was read";
}

// 400 ppm off, as a first measurement of 20 ms may be: 0.4 ms a second.
TEST(Stamps_Ages, TheFrequencyIsMeasuredAgainWhileTheDeviceRuns) {
  constexpr uint64_t kHz = 1'000'000'000;
  Bench bench(kHz, kHz + kHz / 2500);
  StampAges ages(bench.stamps, bench.clock);
  ASSERT_TRUE(ages.look());
  EXPECT_EQ(ages.hz(), kHz + kHz / 2500);
  bench.clock.advance_ns(StampAges::kMeasureNs);
  ASSERT_TRUE(ages.look());
  EXPECT_EQ(ages.hz(), kHz);
  bench.hz = kHz + kHz / 20'000;  // 50 ppm, as it warms up
  for (int i = 0; i < 3; ++i) {
    bench.clock.advance_ns(StampAges::kMeasureNs);
    ASSERT_TRUE(ages.look());
  }
  EXPECT_EQ(ages.hz(), bench.hz);
}

TEST(Stamps_Ages, AFirstMeasurementThatWasFarOffIsCorrectedByTwoThatAgree) {
  constexpr uint64_t kHz = 1'000'000'000;
  Bench bench(kHz, 3 * kHz);
  StampAges ages(bench.stamps, bench.clock);
  std::vector<uint64_t> found;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(ages.look());
    found.push_back(ages.hz());
    bench.clock.advance_ns(StampAges::kMeasureNs);
  }
  EXPECT_EQ(found, (std::vector<uint64_t>{3 * kHz, 3 * kHz, kHz}));
}

TEST(Stamps_Ages, AClockThatIsSetSpoilsNeitherFrequencyNorLaterAges) {
  constexpr uint64_t kHz = 1'000'000'000;
  for (const uint64_t jump : {uint64_t{0} - 50 * kSecond, 50 * kSecond}) {
    Bench bench(kHz, 0, 100 * kSecond);
    StampAges ages(bench.stamps, bench.clock);
    for (int i = 0; i < 5; ++i) {
      if (i == 2) bench.zero += jump;
      const uint64_t stamp = bench.ticks();
      bench.clock.advance_ns(4'000);
      ASSERT_TRUE(ages.look());
      EXPECT_EQ(ages.age_ns(stamp), 4'000u) << "look " << i;
      EXPECT_EQ(ages.hz(), kHz) << "look " << i;
      bench.clock.advance_ns(StampAges::kMeasureNs);
    }
  }
}

TEST(Stamps_Ages, AFrequencyIsBetweenTwoMomentsOfAClockThatRuns) {
  EXPECT_EQ(hz_between({100, 10}, {200, 10 + kSecond}), 0u) << "100 Hz: no device";
  EXPECT_EQ(hz_between({100, 10}, {100 + 25'000'000, 10 + kSecond}), 25'000'000u);
  EXPECT_EQ(hz_between({UINT64_MAX, 10}, {24'999'999, 10 + kSecond}), 25'000'000u) << "it wrapped";
  EXPECT_EQ(hz_between({100, 10}, {100, 10 + kSecond}), 0u) << "it stands";
  EXPECT_EQ(hz_between({200, 10}, {100, 10 + kSecond}), 0u) << "it was set back";
  EXPECT_EQ(hz_between({100, 10}, {200, 10}), 0u) << "no time passed";
  EXPECT_EQ(hz_between({0, 0}, {INT64_MAX, 1}), 0u) << "it was set";
}

TEST(Stamps_Measure, AClockThatCannotBeComparedIsRefusedWithTheReason) {
  const auto cause_of = [](TestDevice::Show show) -> std::string {
    Stamps stamps(std::make_unique<TestDevice>(std::move(show)));
    try {
      stamps.measure("net_nic0");
    } catch (const StartupError& error) {
      EXPECT_EQ(error.where(), "port net_nic0");
      EXPECT_EQ(error.remedy(), "leave timestamps out");
      return error.cause();
    }
    return "";
  };
  EXPECT_EQ(cause_of([] { return std::nullopt; }),
            "its driver stamps frames by a clock that cannot be read (rte_eth_read_clock)");
  EXPECT_EQ(cause_of([] { return 7; }), "the clock of its timestamps does not run");
  const TscClock tsc;
  EXPECT_EQ(cause_of([&] { return tsc.now_ns(); }), "");
}

TEST(Stamps_Measure, TheTimeOfDayIsInMicrosecondsAndNeedsNoMeasuring) {
  const auto stamps = wall_clock_stamps();
  stamps->measure("net_pcap0");
  EXPECT_EQ(stamps->hz, 1'000'000u);
  const TscClock tsc;
  StampAges ages(*stamps, tsc);
  uint64_t now = 0;
  ASSERT_TRUE(stamps->clock->read(now));
  EXPECT_NEAR(static_cast<double>(now) / 1e6, static_cast<double>(time(nullptr)), 60);
  ASSERT_TRUE(ages.look());
  EXPECT_TRUE(ages.age_ns(now).has_value());
}

TEST(Stamps_Port, ADeviceWithoutThemIsRefusedWithTheRemedy) {
  Pool pool("stamps", 2047, 2048, 0);
  PortOptions options;
  options.device = "net_ring0";
  options.timestamps = true;
  try {
    const Port port(options, pool);
    FAIL() << "net_ring0 has no timestamps";
  } catch (const StartupError& error) {
    EXPECT_STREQ(error.what(), "port net_ring0: the driver net_ring has no timestamps of received frames here; "
                               "leave timestamps out: the other stages do without them");
  }
  options.timestamps = false;
  const Port port(options, pool);
  EXPECT_EQ(port.stamps(), nullptr);
}

TEST(Stamps_Port, ARingHandsOnTheStampOfTheFramesThatHaveOne) {
  Pool pool("stamps", 511, 2048, 0);
  Bench bench(1'000'000'000);
  auto [a, b] = Port::ring_pair("stamps", pool, pool, 64);
  b->stamp_by(std::make_unique<TestDevice>([&] { return bench.show(); }), bench.hz);
  ASSERT_NE(b->stamps(), nullptr);
  const Stamps& stamps = *b->stamps();
  StampAges ages(stamps, bench.clock);
  rte_mbuf* const stamped = make_frame(pool, make_bytes(60));
  stamped->ol_flags |= stamps.flag;
  *RTE_MBUF_DYNFIELD(stamped, stamps.field, rte_mbuf_timestamp_t*) = bench.ticks();
  rte_mbuf* const plain = make_frame(pool, make_bytes(60));
  *RTE_MBUF_DYNFIELD(plain, stamps.field, rte_mbuf_timestamp_t*) = bench.ticks();
  Burst burst = burst_of({stamped, plain});
  a->tx(0, burst);
  bench.clock.advance_ns(300);
  const Burst got = receive(*b);
  ASSERT_EQ(got.size(), 2);
  ASSERT_TRUE(ages.look());
  EXPECT_EQ(ages.age_ns(*got[0]), 300u);
  EXPECT_EQ(ages.age_ns(*got[1]), std::nullopt) << "what is in the field is of an earlier frame";
}

}  // namespace
}  // namespace millrace
