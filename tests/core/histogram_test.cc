// SPDX-License-Identifier: Apache-2.0
#include "core/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace mooring::core {
namespace {

constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
constexpr double kPercentiles[] = {0, 0.001, 1, 25, 50, 75, 90, 99, 99.9, 99.999, 100};

// Every order of magnitude is as likely.
std::vector<uint64_t> RandomValues(uint64_t seed, size_t count) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> values(count);
  for (uint64_t& value : values) value = random() >> (random() % 64);
  return values;
}

uint64_t PrintedSeed() {
  const uint64_t seed = std::random_device()();
  std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

TEST(Histogram, IsZeroWhenEmpty) {
  const Histogram histogram;
  EXPECT_EQ(histogram.Count(), 0u);
  EXPECT_EQ(histogram.Min(), 0u);
  EXPECT_EQ(histogram.Max(), 0u);
  EXPECT_EQ(histogram.Mean(), 0);
  for (const double percentile : kPercentiles) EXPECT_EQ(histogram.Percentile(percentile), 0u);
}

TEST(Histogram, OneValueIsEveryPercentile) {
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{1}, uint64_t{63}, uint64_t{64}, uint64_t{129}, uint64_t{1'000'000'007}, kMax - 1, kMax}) {
    Histogram histogram;
    histogram.Record(value);
    EXPECT_EQ(histogram.Count(), 1u);
    EXPECT_EQ(histogram.Min(), value);
    EXPECT_EQ(histogram.Max(), value);
    EXPECT_DOUBLE_EQ(histogram.Mean(), static_cast<double>(value));
    for (const double percentile : kPercentiles) EXPECT_EQ(histogram.Percentile(percentile), value);
  }
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (uint64_t value = 1; value <= 100; ++value) histogram.Record(value);
  for (int percentile = 1; percentile <= 100; ++percentile) {
    EXPECT_EQ(histogram.Percentile(percentile), static_cast<uint64_t>(percentile));
  }
  EXPECT_EQ(histogram.Percentile(0), 1u);
  EXPECT_DOUBLE_EQ(histogram.Mean(), 50.5);
}

TEST(Histogram, ErrorOfAnyValueIsAtMostASixtyFourth) {
  for (int bit = 0; bit < 64; ++bit) {
    for (const int64_t off : {-1, 0, 1, 12345}) {
      const uint64_t value = (uint64_t{1} << bit) + static_cast<uint64_t>(off);
      Histogram histogram;
      histogram.Record(value);
      histogram.RecordMany(kMax, 1);  // so that the maximum cannot hide the bucket's edge
      const uint64_t read = histogram.Percentile(50);
      ASSERT_GE(read, value);
      ASSERT_LE(read - value, value / 64) << value;
    }
  }
}

TEST(Histogram, PercentilesOfRandomValuesStayWithinTheBound) {
  std::vector<uint64_t> values = RandomValues(PrintedSeed(), 20'000);
  Histogram histogram;
  for (const uint64_t value : values) histogram.Record(value);
  std::sort(values.begin(), values.end());
  for (const double percentile : kPercentiles) {
    const size_t rank = static_cast<size_t>(std::ceil(percentile * static_cast<double>(values.size()) / 100));
    const uint64_t exact = values[std::max<size_t>(rank, 1) - 1];
    const uint64_t read = histogram.Percentile(percentile);
    EXPECT_GE(read, exact) << percentile;
    EXPECT_LE(read - exact, exact / 64) << percentile;
  }
  EXPECT_EQ(histogram.Count(), values.size());
  EXPECT_EQ(histogram.Min(), values.front());
  EXPECT_EQ(histogram.Max(), values.back());
}

TEST(Histogram, PercentileOutsideTheScaleIsTheNearerEnd) {
  Histogram histogram;
  for (const uint64_t value : {10, 20, 30}) histogram.Record(value);
  EXPECT_EQ(histogram.Percentile(-1), 10u);
  EXPECT_EQ(histogram.Percentile(std::nan("")), 10u);
  EXPECT_EQ(histogram.Percentile(101), 30u);
}

void ExpectSame(const Histogram& a, const Histogram& b) {
  EXPECT_EQ(a.Count(), b.Count());
  EXPECT_EQ(a.Min(), b.Min());
  EXPECT_EQ(a.Max(), b.Max());
  EXPECT_EQ(a.Mean(), b.Mean());
  for (double percentile = 0; percentile <= 100; percentile += 0.25) {
    EXPECT_EQ(a.Percentile(percentile), b.Percentile(percentile)) << percentile;
  }
}

TEST(Histogram, MergeEqualsUnion) {
  const uint64_t seed = PrintedSeed();
  Histogram all;
  Histogram merged;
  for (uint64_t shard = 0; shard < 4; ++shard) {
    Histogram part;
    for (const uint64_t value : RandomValues(seed + shard, 5000)) {
      part.Record(value);
      all.Record(value);
    }
    merged.Merge(part);
  }
  ExpectSame(merged, all);
  merged.Merge(Histogram());
  ExpectSame(merged, all);
  ExpectSame(Histogram(all), all);
}

TEST(Histogram, RecordManyEqualsManyRecords) {
  Histogram one, many;
  for (int i = 0; i < 1000; ++i) one.Record(777'777);
  many.RecordMany(777'777, 1000);
  many.RecordMany(1, 0);
  ExpectSame(one, many);
}

TEST(Histogram, SumOfTheLargestValuesDoesNotWrap) {
  Histogram histogram;
  histogram.RecordMany(kMax, 1000);
  for (int i = 0; i < 1000; ++i) histogram.Record(kMax);
  histogram.Merge(Histogram(histogram));
  EXPECT_DOUBLE_EQ(histogram.Mean(), static_cast<double>(kMax));
  EXPECT_EQ(histogram.Percentile(50), kMax);
}

TEST(Histogram, BucketsComeInOrderAndHoldAllThatWasRecorded) {
  Histogram histogram;
  histogram.ForEachBucket([](uint64_t, uint64_t) { ADD_FAILURE() << "it is empty"; });
  EXPECT_EQ(histogram.Sum(), 0);
  histogram.RecordMany(5, 3);
  histogram.Record(1'000'000);
  histogram.Record(999'999'999'999);
  std::vector<uint64_t> highest;
  uint64_t count = 0;
  histogram.ForEachBucket([&](uint64_t value, uint64_t n) {
    highest.push_back(value);
    count += n;
  });
  ASSERT_EQ(highest.size(), 3u);
  EXPECT_EQ(highest[0], 5u);
  EXPECT_GE(highest[1], 1'000'000u);
  EXPECT_LE(highest[1], 1'000'000u + 1'000'000u / 64);
  EXPECT_GE(highest[2], 999'999'999'999u);
  EXPECT_EQ(count, 5u);
  EXPECT_EQ(histogram.Sum(), 15.0 + 1'000'000.0 + 999'999'999'999.0);
}

TEST(Histogram, ClearForgetsEverything) {
  Histogram histogram;
  histogram.Record(1000);
  histogram.Clear();
  ExpectSame(histogram, Histogram());
  histogram.Record(50);
  EXPECT_EQ(histogram.Min(), 50u);
  EXPECT_EQ(histogram.Max(), 50u);
}

TEST(Histogram, AnotherThreadMayMergeWhileOneRecords) {
  Histogram histogram;
  std::atomic<bool> done = false;
  std::thread reader([&] {
    uint64_t last = 0;
    while (!done.load()) {
      const Histogram copy(histogram);
      EXPECT_GE(copy.Count(), last);
      EXPECT_LE(copy.Percentile(50), 9'999u);
      last = copy.Count();
    }
  });
  for (uint64_t i = 0; i < 100'000; ++i) histogram.Record(i % 10'000);
  done = true;
  reader.join();
  EXPECT_EQ(histogram.Count(), 100'000u);
}

}  // namespace
}  // namespace mooring::core
