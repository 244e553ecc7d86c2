// SPDX-License-Identifier: BSD-3-Clause
// The histogram against data whose statistics are known, and its text read back.
#include "apps/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace millrace {
namespace {

Histogram histogram_of(const std::vector<uint64_t>& values) {
  Histogram histogram;
  for (const uint64_t value : values) histogram.record(value);
  return histogram;
}

std::vector<uint64_t> numbers(uint64_t first, uint64_t last) {
  std::vector<uint64_t> values;
  for (uint64_t value = first; value <= last; ++value) values.push_back(value);
  return values;
}

TEST(Histogram, IsExactBelow2048) {
  const Histogram histogram = histogram_of(numbers(1, 1000));
  EXPECT_EQ(histogram.count(), 1000u);
  EXPECT_EQ(histogram.min(), 1u);
  EXPECT_EQ(histogram.max(), 1000u);
  EXPECT_EQ(histogram.percentile(0), 1u);
  EXPECT_EQ(histogram.percentile(50), 500u);
  EXPECT_EQ(histogram.percentile(90), 900u);
  EXPECT_EQ(histogram.percentile(99), 990u);
  EXPECT_EQ(histogram.percentile(99.9), 999u);
  EXPECT_EQ(histogram.percentile(99.95), 1000u);
  EXPECT_EQ(histogram.percentile(100), 1000u);
  EXPECT_DOUBLE_EQ(histogram.mean(), 500.5);
  EXPECT_NEAR(histogram.standard_deviation(), std::sqrt((1000.0 * 1000.0 - 1) / 12), 1e-9);
}

TEST(Histogram, OfOneValueHasItEverywhere) {
  const Histogram histogram = histogram_of({123'456'789});
  for (const double percent : {0.0, 50.0, 99.999, 100.0}) {
    EXPECT_EQ(histogram.percentile(percent), 123'456'789u) << percent;
  }
  EXPECT_EQ(histogram.min(), 123'456'789u);
  EXPECT_EQ(histogram.max(), 123'456'789u);
  EXPECT_EQ(histogram.standard_deviation(), 0);
}

TEST(Histogram, OfNothingIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0u);
  EXPECT_EQ(histogram.min(), 0u);
  EXPECT_EQ(histogram.max(), 0u);
  EXPECT_EQ(histogram.percentile(99), 0u);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_EQ(histogram.standard_deviation(), 0);
}

// Each power of two, its neighbours, and the ends of the range, where slots change their width.
TEST(Histogram, KeepsThreeDigitsUpToSixtySeconds) {
  std::vector<uint64_t> edges = {0, Histogram::kHighest - 1, Histogram::kHighest};
  for (uint64_t power = 1; power <= Histogram::kHighest; power *= 2) {
    edges.insert(edges.end(), {power - 1, power, power + 1});
  }
  for (const uint64_t edge : edges) {
    // The larger value keeps percentile(50) from being cut to the maximum.
    const Histogram histogram = histogram_of({edge, Histogram::kHighest});
    const uint64_t got = histogram.percentile(50);
    EXPECT_GE(got, edge);
    EXPECT_LE(got - edge, edge / 1000) << edge;
    EXPECT_EQ(histogram.n_clamped(), 0u);
  }
}

TEST(Histogram, CountsWhatIsAboveItsRangeAsItsHighest) {
  const Histogram histogram = histogram_of({5, Histogram::kHighest + 1, UINT64_MAX});
  EXPECT_EQ(histogram.n_clamped(), 2u);
  EXPECT_EQ(histogram.count(), 3u);
  EXPECT_EQ(histogram.max(), Histogram::kHighest);
}

TEST(Histogram, AgreesWithSortedData) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(9, 1.5);
  std::vector<uint64_t> values(100'000);
  for (uint64_t& value : values) value = static_cast<uint64_t>(latency(random));
  const Histogram histogram = histogram_of(values);
  std::sort(values.begin(), values.end());
  for (const size_t rank : {1u, 1000u, 50'000u, 90'000u, 99'000u, 99'900u, 99'999u, 100'000u}) {
    const uint64_t exact = values[rank - 1];
    const uint64_t got = histogram.percentile(100.0 * static_cast<double>(rank) / 100'000);
    EXPECT_GE(got, exact) << rank;
    EXPECT_LE(got - exact, exact / 1000) << rank;
  }
}

// ---- the text, as HdrHistogram's own tools read it: four columns, then lines of "#[key = value"

struct Row {
  double value = 0;
  double percentile = 0;
  uint64_t total = 0;
  double inverse = 0;
  int columns = 0;
};

struct Text {
  std::string head;
  std::vector<Row> rows;
  double mean = 0, deviation = 0, max = 0;
  unsigned long long total = 0, buckets = 0, sub_buckets = 0;
};

Text text_of(const Histogram& histogram, double unit) {
  std::stringstream stream;
  histogram.write_distribution(stream, unit);
  Text text;
  std::getline(stream, text.head);
  std::string line;
  while (std::getline(stream, line)) {
    Row row;
    unsigned long long total = 0;
    row.columns = std::sscanf(line.c_str(), "%lf %lf %llu %lf", &row.value, &row.percentile, &total,
                              &row.inverse);
    row.total = total;
    if (row.columns >= 3) text.rows.push_back(row);
    std::sscanf(line.c_str(), "#[Mean = %lf, StdDeviation = %lf]", &text.mean, &text.deviation);
    std::sscanf(line.c_str(), "#[Max = %lf, Total count = %llu]", &text.max, &text.total);
    std::sscanf(line.c_str(), "#[Buckets = %llu, SubBuckets = %llu]", &text.buckets,
                &text.sub_buckets);
  }
  return text;
}

TEST(Histogram_Text, ReadsBackAsWhatWasRecorded) {
  const Histogram histogram = histogram_of(numbers(1, 1000));
  const Text text = text_of(histogram, 1);
  EXPECT_EQ(text.head, "       Value     Percentile TotalCount 1/(1-Percentile)");
  EXPECT_DOUBLE_EQ(text.mean, 500.5);
  EXPECT_NEAR(text.deviation, histogram.standard_deviation(), 0.0005);
  EXPECT_EQ(text.max, 1000);
  EXPECT_EQ(text.total, 1000u);
  EXPECT_EQ(text.buckets, 26u);
  EXPECT_EQ(text.sub_buckets, 2048u);
  ASSERT_GT(text.rows.size(), 10u);
  for (const Row& row : text.rows) {
    // The smallest value that reaches the percentile, and how many are not above it.
    EXPECT_EQ(row.value, std::max(1.0, std::ceil(row.percentile * 1000 - 1e-6)));
    EXPECT_EQ(static_cast<double>(row.total), row.value);
    if (row.columns == 4) {
      EXPECT_NEAR(row.inverse, 1 / (1 - row.percentile), 0.005);
    }
  }
}

TEST(Histogram_Text, HasFiveStepsForEachHalvingAndEndsWithAll) {
  const Text text = text_of(histogram_of(numbers(1, 1000)), 1);
  const std::vector<double> first = {0, .1, .2, .3, .4, .5, .55, .6, .65, .7, .75, .775};
  for (size_t i = 0; i < first.size(); ++i) EXPECT_NEAR(text.rows[i].percentile, first[i], 1e-12);
  const Row& last = text.rows.back();
  EXPECT_EQ(last.columns, 3);
  EXPECT_EQ(last.percentile, 1);
  EXPECT_EQ(last.total, 1000u);
  EXPECT_EQ(last.value, 1000);
  // No percentile of the same maximum twice before it.
  EXPECT_LT(text.rows[text.rows.size() - 2].percentile, 1);
}

TEST(Histogram_Text, IsScaledByItsUnit) {
  const Text text = text_of(histogram_of({1'000, 2'000, 3'000}), 1000);
  EXPECT_NEAR(text.rows.front().value, 1.0, 0.001);
  EXPECT_NEAR(text.max, 3.0, 0.003);
  EXPECT_EQ(text.total, 3u);
}

TEST(Histogram_Text, OfNothingHasNoRows) {
  const Text text = text_of(Histogram(), 1);
  EXPECT_TRUE(text.rows.empty());
  EXPECT_EQ(text.total, 0u);
}

}  // namespace
}  // namespace millrace
