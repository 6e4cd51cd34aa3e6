// SPDX-License-Identifier: Apache-2.0
#include "server/memory_guard.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace mooring::server {
namespace {

TEST(MemoryGuard, StepsAreEnteredAndLeftApart) {
  MemoryGuard guard(1'000'000);
  const struct {
    uint64_t resident;
    int step;
    bool near;
  } kLooks[] = {
      {0, 0, false},       {799'999, 0, false}, {800'000, 0, true},  {949'999, 0, true},  {950'000, 1, true},
      {940'000, 1, true},  {930'000, 1, true},  {929'999, 0, true},  {949'999, 0, true},  {980'000, 2, true},
      {965'000, 2, true},  {960'000, 2, true},  {959'999, 1, true},  {979'999, 1, true},  {2'000'000, 2, true},
      {940'000, 1, true},  {979'999, 1, true},  {980'000, 2, true},  {100'000, 0, false},
  };
  for (const auto& look : kLooks) {
    EXPECT_EQ(guard.Look(look.resident), look.step) << look.resident;
    EXPECT_EQ(guard.step(), look.step);
    EXPECT_EQ(guard.near(), look.near) << look.resident;
  }
}

TEST(MemoryGuard, NoCeilingIsNeverReached) {
  MemoryGuard guard(UINT64_MAX);
  EXPECT_EQ(guard.Look(uint64_t{1} << 50), 0);
  EXPECT_FALSE(guard.near());
}

}  // namespace
}  // namespace mooring::server
