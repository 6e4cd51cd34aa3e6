// SPDX-License-Identifier: Apache-2.0
#include "core/clock.h"

#include <gtest/gtest.h>

namespace mooring::core {
namespace {

TEST(MonotonicClock, ReadsTheKernelsMonotonicClockInNanoseconds) {
  MonotonicClock clock;
  timespec before{}, after{};
  clock_gettime(CLOCK_MONOTONIC, &before);
  const Nanos now = clock.Now();
  clock_gettime(CLOCK_MONOTONIC, &after);
  EXPECT_GE(now, before.tv_sec * kNanosPerSecond + before.tv_nsec);
  EXPECT_LE(now, after.tv_sec * kNanosPerSecond + after.tv_nsec);
}

TEST(ManualClock, MovesOnlyWhenTold) {
  ManualClock clock(5);
  EXPECT_EQ(clock.Now(), 5);
  EXPECT_EQ(clock.Now(), 5);
  clock.Advance(3 * kNanosPerMs);
  EXPECT_EQ(clock.Now(), 3'000'005);
  clock.Set(7 * kNanosPerSecond);
  EXPECT_EQ(clock.Now(), 7'000'000'000);
}

}  // namespace
}  // namespace mooring::core
