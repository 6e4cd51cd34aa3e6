// SPDX-License-Identifier: Apache-2.0
#include "tools/load/schedule.h"

#include "core/clock.h"
#include "gtest/gtest.h"

namespace mooring::tools::load {
namespace {

using core::kNanosPerMs;
using core::kNanosPerSecond;

constexpr core::Nanos kStart = 1'000'000'123'456'789;

TEST(Schedule, EveryMessageHasItsOwnExactTime) {
  const Schedule schedule({.start = kStart, .until = kStart + 3600 * kNanosPerSecond, .rate = 3000});
  EXPECT_EQ(schedule.TimeOf(0), kStart);
  EXPECT_EQ(schedule.TimeOf(1), kStart + 333'334);
  EXPECT_EQ(schedule.TimeOf(3), kStart + kNanosPerMs);
  EXPECT_EQ(schedule.TimeOf(3000 * 3600), kStart + 3600 * kNanosPerSecond) << "after an hour nothing has added up";
}

TEST(Schedule, AMessageIsDueFromItsTimeOn) {
  for (const double rate : {0.5, 7.0, 3000.0, 123'456.7, 5e6}) {
    for (const double offset : {0.0, 0.25, 63.0 / 64}) {
      const Schedule schedule(
          {.start = kStart, .until = kStart + 100 * kNanosPerSecond, .rate = rate, .offset = offset});
      for (const uint64_t k : {0, 1, 2, 3, 10, 49}) {
        EXPECT_EQ(schedule.DueBy(schedule.TimeOf(k) - 1), k) << rate << " " << offset;
        EXPECT_EQ(schedule.DueBy(schedule.TimeOf(k)), k + 1) << rate << " " << offset;
      }
    }
  }
}

// However the clock jumps, each message comes once, and not before its time.
TEST(Schedule, NothingIsSkippedByAClockThatJumps) {
  core::ManualClock clock(kStart - 5);
  const Schedule schedule({.start = kStart, .until = kStart + kNanosPerSecond, .rate = 100'000, .offset = 0.5});
  uint64_t issued = 0;
  for (const core::Nanos step : {5, 4'999, 1, 9'999, 1, 250'000'000, 3, 2'000'000'000}) {
    clock.Advance(step);
    for (const uint64_t due = schedule.DueBy(clock.Now()); issued < due; ++issued) {
      EXPECT_LE(schedule.TimeOf(issued), clock.Now());
    }
    if (clock.Now() < kStart + kNanosPerSecond) {
      EXPECT_GT(schedule.TimeOf(issued), clock.Now());
    }
  }
  EXPECT_EQ(issued, 100'000u) << "rate times seconds, to the message";
}

TEST(Schedule, NothingIsDueAtOrAfterTheEnd) {
  const Schedule schedule({.start = 0, .until = kNanosPerSecond, .rate = 10});
  EXPECT_EQ(schedule.DueBy(-1), 0u);
  EXPECT_EQ(schedule.DueBy(kNanosPerSecond), 10u);
  EXPECT_EQ(schedule.DueBy(50 * kNanosPerSecond), 10u);
}

TEST(Schedule, WithAGrainMessagesShareSlots) {
  const Schedule schedule(
      {.start = kStart, .until = kStart + kNanosPerSecond, .rate = 2500, .grain = kNanosPerMs});
  for (uint64_t k = 0; k < 2000; ++k) {
    const core::Nanos exact = kStart + static_cast<core::Nanos>(k) * 400'000;
    EXPECT_EQ(schedule.TimeOf(k) % kNanosPerMs, 0);
    EXPECT_GE(schedule.TimeOf(k), exact);
    EXPECT_LT(schedule.TimeOf(k), exact + kNanosPerMs);
    EXPECT_LE(schedule.DueBy(schedule.TimeOf(k) - 1), k);
    EXPECT_GT(schedule.DueBy(schedule.TimeOf(k)), k);
  }
}

TEST(Schedule, ShardsTakeTurns) {
  const auto of = [](double offset) { return Schedule({.start = 0, .until = 1, .rate = 1000, .offset = offset}); };
  EXPECT_EQ(of(0).TimeOf(1), 1'000'000);
  EXPECT_EQ(of(0.5).TimeOf(0), 500'000);
  EXPECT_EQ(of(0.5).TimeOf(1), 1'500'000);
}

}  // namespace
}  // namespace mooring::tools::load
