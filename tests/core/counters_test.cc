// SPDX-License-Identifier: Apache-2.0
#include "core/counters.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>

namespace mooring::core {
namespace {

enum class Cause { kEof, kReset, kDeadline, kCount };

TEST(Counter, AddsUp) {
  Counter counter;
  EXPECT_EQ(counter.Read(), 0u);
  counter.Add();
  counter.Add(41);
  EXPECT_EQ(counter.Read(), 42u);
}

TEST(Gauge, RisesAndFallsBelowZero) {
  Gauge gauge;
  gauge.Add(5);
  gauge.Add(-8);
  EXPECT_EQ(gauge.Read(), -3);
  gauge.Set(100);
  EXPECT_EQ(gauge.Read(), 100);
}

TEST(CounterSet, CountsEachEnumeratorApart) {
  CounterSet<Cause> counters;
  static_assert(CounterSet<Cause>::size == 3);
  counters.Add(Cause::kReset);
  counters.Add(Cause::kDeadline, 7);
  EXPECT_EQ(counters.Read(Cause::kEof), 0u);
  EXPECT_EQ(counters.Read(Cause::kReset), 1u);
  EXPECT_EQ(counters.Read(Cause::kDeadline), 7u);
}

TEST(CounterSet, SharesItsCacheLinesWithNobody) {
  static_assert(alignof(CounterSet<Cause>) == 64);
  static_assert(sizeof(CounterSet<Cause>) % 64 == 0);
  CounterSet<Cause> two[2];
  EXPECT_EQ(reinterpret_cast<uintptr_t>(&two[0]) % 64, 0u);
  EXPECT_GE(reinterpret_cast<uintptr_t>(&two[1]) - reinterpret_cast<uintptr_t>(&two[0]), 64u);
}

// Under --config=tsan this shows that reading needs no synchronisation.
TEST(CounterSet, IsReadableWhileItsThreadWrites) {
  constexpr uint64_t kAdds = 200'000;
  CounterSet<Cause> counters;
  Gauge gauge;
  std::thread writer([&] {
    for (uint64_t i = 0; i < kAdds; ++i) {
      counters.Add(Cause::kEof);
      gauge.Add(1);
    }
  });
  uint64_t last = 0;
  while (last < kAdds) {
    const uint64_t now = counters.Read(Cause::kEof);
    ASSERT_GE(now, last) << "a counter never falls";
    EXPECT_LE(gauge.Read(), static_cast<int64_t>(kAdds));
    last = now;
  }
  writer.join();
  EXPECT_EQ(counters.Read(Cause::kEof), kAdds);
  EXPECT_EQ(gauge.Read(), static_cast<int64_t>(kAdds));
}

}  // namespace
}  // namespace mooring::core
