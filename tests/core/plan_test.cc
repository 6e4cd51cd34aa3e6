// SPDX-License-Identifier: Apache-2.0
#include "core/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

namespace mooring::core {
namespace {

TEST(Plan, DescriptorsCountPerShard) {
  const Plan plan = MakePlan({.shards = 4, .descriptors_soft = 20'000, .max_connections = 0});
  EXPECT_EQ(plan.slots_per_shard, 20'000u);
  EXPECT_EQ(plan.connections_possible, 80'000u);
  EXPECT_EQ(plan.binding_limit, "RLIMIT_NOFILE 20000 per shard");
}

TEST(Plan, RingsHoldAMillionEachWhateverTheLimit) {
  const Plan plan = MakePlan({.shards = 2, .descriptors_soft = uint64_t{1} << 30, .max_connections = 0});
  EXPECT_EQ(plan.slots_per_shard, 1u << 20);
  EXPECT_EQ(plan.connections_possible, uint64_t{2} << 20);
  EXPECT_EQ(plan.binding_limit, "2^20 slots a ring");
}

TEST(Plan, CapGivesEachShardTwiceItsShareAndSome) {
  const Plan plan = MakePlan({.shards = 3, .descriptors_soft = 100'000, .max_connections = 5000});
  EXPECT_EQ(plan.slots_per_shard, 2 * 1667 + 1024u);
  EXPECT_EQ(plan.connections_possible, 5000u);
  EXPECT_EQ(plan.binding_limit, "--max-connections 5000");
}

TEST(Plan, CapThatTheLimitCannotReachIsNotTheBindingOne) {
  const Plan plan = MakePlan({.shards = 2, .descriptors_soft = 1024, .max_connections = 5000});
  EXPECT_EQ(plan.slots_per_shard, 1024u);
  EXPECT_EQ(plan.connections_possible, 2048u);
  EXPECT_EQ(plan.binding_limit, "RLIMIT_NOFILE 1024 per shard");
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 1024, .max_connections = 2048}).binding_limit,
            "--max-connections 2048");
}

TEST(Plan, LargestNumbersDoNotWrap) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const Plan plan = MakePlan({.shards = 1023, .descriptors_soft = kMax, .max_connections = kMax});
  EXPECT_EQ(plan.slots_per_shard, 1u << 20);
  EXPECT_EQ(plan.connections_possible, uint64_t{1023} << 20);
  EXPECT_EQ(plan.binding_limit, "2^20 slots a ring");
  EXPECT_EQ(MakePlan({.shards = 1, .descriptors_soft = kMax, .max_connections = kMax}).slots_per_shard,
            1u << 20);
}

// On the other transports.

Plan OfEpoll(PlanInput input) {
  input.descriptor_taker = "epoll";
  return MakePlan(input);
}

TEST(Plan, DescriptorsCountForTheWholeProcessWhereEachConnectionTakesOne) {
  for (int shards : {1, 4}) {
    const Plan plan = OfEpoll({.shards = shards, .descriptors_soft = 20'000, .max_connections = 0, .listeners = 2});
    EXPECT_EQ(plan.connections_possible, 20'000u - 256);
    EXPECT_EQ(plan.credit, 20'000u - 256) << "kept exactly, whichever shards they come to";
    EXPECT_EQ(plan.slots_per_shard, 20'000u - 256 + 1024) << "all may come to one shard";
    EXPECT_EQ(plan.descriptors, 20'000u);
    EXPECT_EQ(plan.binding_limit, "RLIMIT_NOFILE 20000 for the whole process");
  }
}

TEST(Plan, CapBelowTheDescriptorsIsTheBindingOneAndSizesTheTable) {
  const Plan plan = OfEpoll({.shards = 3, .descriptors_soft = 20'000, .max_connections = 5000});
  EXPECT_EQ(plan.connections_possible, 5000u);
  EXPECT_EQ(plan.credit, 5000u);
  EXPECT_EQ(plan.slots_per_shard, 6024u);
  EXPECT_EQ(plan.descriptors, 5256u);
  EXPECT_EQ(plan.binding_limit, "--max-connections 5000");
  EXPECT_EQ(OfEpoll({.shards = 3, .descriptors_soft = 20'000, .max_connections = 19'744}).binding_limit,
            "--max-connections 19744");
  EXPECT_EQ(OfEpoll({.shards = 3, .descriptors_soft = 20'000, .max_connections = 19'745}).binding_limit,
            "RLIMIT_NOFILE 20000 for the whole process");
}

TEST(Plan, LimitThatNobodyMeansIsNotTakenAtItsWord) {
  constexpr uint64_t kContainers = uint64_t{1} << 30;
  const Plan plan = OfEpoll({.shards = 2, .descriptors_soft = kContainers, .max_connections = 0});
  EXPECT_EQ(plan.connections_possible, 1u << 20);
  EXPECT_EQ(plan.descriptors, (1u << 20) + 256);
  EXPECT_EQ(plan.binding_limit, "2^20, because --max-connections does not say more");
  // One that is meant is.
  const Plan more = OfEpoll({.shards = 2, .descriptors_soft = kContainers, .max_connections = 2'000'000});
  EXPECT_EQ(more.connections_possible, 2'000'000u);
  EXPECT_EQ(more.slots_per_shard, 1u << 20);
  EXPECT_EQ(more.binding_limit, "--max-connections 2000000");
  EXPECT_EQ(OfEpoll({.shards = 2, .descriptors_soft = kContainers, .max_connections = 3'000'000}).binding_limit,
            "2^20 connections a shard");
}

TEST(Plan, ManyShardsAndListenersKeepWhatTheyNeed) {
  const Plan plan = OfEpoll({.shards = 127, .descriptors_soft = 20'000, .max_connections = 0, .listeners = 3});
  EXPECT_EQ(plan.connections_possible, 20'000u - 64 - 128 * (4 + 3));
}

TEST(Plan, SmallLimitsLeaveAQuarterForConnections) {
  EXPECT_EQ(OfEpoll({.shards = 1, .descriptors_soft = 400, .max_connections = 0}).connections_possible, 144u);
  EXPECT_EQ(OfEpoll({.shards = 1, .descriptors_soft = 256, .max_connections = 0}).connections_possible, 64u);
  EXPECT_EQ(OfEpoll({.shards = 1, .descriptors_soft = 20, .max_connections = 0}).connections_possible, 5u);
  EXPECT_EQ(OfEpoll({.shards = 1, .descriptors_soft = 0, .max_connections = 0}).connections_possible, 1u);
}

TEST(Plan, LargestNumbersDoNotWrapWithDescriptors) {
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  const Plan plan = OfEpoll({.shards = 1023, .descriptors_soft = kMax, .max_connections = kMax});
  EXPECT_EQ(plan.slots_per_shard, 1u << 20);
  EXPECT_EQ(plan.connections_possible, uint64_t{1023} << 20);
  EXPECT_GT(static_cast<int64_t>(plan.credit), 0);
}

TEST(Plan, CreditIsThereWhereTheSlotsOfAllShardsMayBeTooMany) {
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 20'000, .max_connections = 0}).credit, 0u);
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 20'000, .max_connections = 5000}).credit, 5000u);
  // Never more than there is, so that no cap turns negative.
  constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 20'000, .max_connections = kMax}).credit, 40'000u);
}

TEST(Plan, TableOfDescriptorsStaysSmallWhereConnectionsAreNotInIt) {
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 1 << 20, .max_connections = 0}).descriptors, 1024u);
}

TEST(Plan, ReadsWell) {
  EXPECT_EQ(OfEpoll({.shards = 2, .descriptors_soft = 20'000, .max_connections = 0}).ToString(),
            "up to 19744 connections on 2 shards\n  limited by RLIMIT_NOFILE 20000 for the whole process; each connection "
            "takes a descriptor (the epoll transport), 256 are kept for the rest");
  EXPECT_EQ(MakePlan({.shards = 2, .descriptors_soft = 20'000, .max_connections = 5000}).ToString(),
            "up to 5000 connections on 2 shards\n  limited by --max-connections 5000; 6024 direct slots per shard");
  EXPECT_THAT(MakePlan({.shards = 1, .descriptors_soft = 64, .max_connections = 0}).ToString(),
              ::testing::HasSubstr("on 1 shard\n"));
}

}  // namespace
}  // namespace mooring::core
