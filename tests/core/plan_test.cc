// SPDX-License-Identifier: Apache-2.0
#include "core/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace mooring::core {
namespace {

TEST(Plan, DescriptorsCountPerShard) {
  const Plan plan = MakePlan({.shards = 4, .descriptors_soft = 20'000, .max_connections = 0});
  EXPECT_EQ(plan.direct_slots_per_shard, 20'000u);
  EXPECT_EQ(plan.connections_possible, 80'000u);
  EXPECT_EQ(plan.binding_limit, "RLIMIT_NOFILE 20000 per shard");
}

TEST(Plan, RingsHoldAMillionEachWhateverTheLimit) {
  const Plan plan = MakePlan({.shards = 2, .descriptors_soft = uint64_t{1} << 30, .max_connections = 0});
  EXPECT_EQ(plan.direct_slots_per_shard, 1u << 20);
  EXPECT_EQ(plan.connections_possible, uint64_t{2} << 20);
  EXPECT_EQ(plan.binding_limit, "2^20 slots a ring");
}

TEST(Plan, CapGivesEachShardTwiceItsShareAndSome) {
  const Plan plan = MakePlan({.shards = 3, .descriptors_soft = 100'000, .max_connections = 5000});
  EXPECT_EQ(plan.direct_slots_per_shard, 2 * 1667 + 1024u);
  EXPECT_EQ(plan.connections_possible, 5000u);
  EXPECT_EQ(plan.binding_limit, "--max-connections 5000");
}

TEST(Plan, CapThatTheLimitCannotReachIsNotTheBindingOne) {
  const Plan plan = MakePlan({.shards = 2, .descriptors_soft = 1024, .max_connections = 5000});
  EXPECT_EQ(plan.direct_slots_per_shard, 1024u);
  EXPECT_EQ(plan.connections_possible, 2048u);
  EXPECT_EQ(plan.binding_limit, "RLIMIT_NOFILE 1024 per shard");
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 1024, .max_connections = 2048}).binding_limit,
            "--max-connections 2048");
}

TEST(Plan, LargestNumbersDoNotWrap) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const Plan plan = MakePlan({.shards = 1023, .descriptors_soft = kMax, .max_connections = kMax});
  EXPECT_EQ(plan.direct_slots_per_shard, 1u << 20);
  EXPECT_EQ(plan.connections_possible, uint64_t{1023} << 20);
  EXPECT_EQ(plan.binding_limit, "2^20 slots a ring");
  EXPECT_EQ(MakePlan({.shards = 1, .descriptors_soft = kMax, .max_connections = kMax}).direct_slots_per_shard,
            1u << 20);
}

TEST(Plan, ReadsWell) {
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 20'000, .max_connections = 5000}).ToString(),
            "up to 5000 connections on 2 shards\n  limited by --max-connections 5000; 6024 direct slots per shard");
  EXPECT_THAT(MakePlan({.shards = 1, .descriptors_soft = 64, .max_connections = 0}).ToString(),
              ::testing::HasSubstr("on 1 shard\n"));
}

}  // namespace
}  // namespace mooring::core
