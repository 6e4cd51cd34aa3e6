// SPDX-License-Identifier: Apache-2.0
#include "core/placement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <string>
#include <vector>

namespace mooring::core {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string ErrorOf(const PlacementOptions& options, const std::vector<int>& allowed) {
  const auto placement = Place(options, allowed);
  return placement.ok() ? "" : std::string(placement.status().message());
}

TEST(Placement, DefaultIsOneShardPerAllowedCpu) {
  const auto placement = Place({}, {5, 2, 3});
  EXPECT_THAT(placement->cpu_of_shard, ElementsAre(2, 3, 5));
  EXPECT_THAT(placement->notes, IsEmpty());
}

TEST(Placement, CpusChoosesAmongTheAllowed) {
  const auto placement = Place({.cpus = "2,4-5", .shards = 0}, {0, 1, 2, 3, 4, 5});
  EXPECT_THAT(placement->cpu_of_shard, ElementsAre(2, 4, 5));
  EXPECT_THAT(placement->notes, IsEmpty());
}

TEST(Placement, MoreShardsThanCpusTakeTurnsAndSaySo) {
  const auto placement = Place({.cpus = "", .shards = 5}, {0, 1});
  EXPECT_THAT(placement->cpu_of_shard, ElementsAre(0, 1, 0, 1, 0));
  EXPECT_THAT(placement->notes, ElementsAre(HasSubstr("5 shards on 2 CPUs: more shards than CPUs")));
}

TEST(Placement, FewerShardsThanCpusNameTheIdleOnes) {
  const auto placement = Place({.cpus = "", .shards = 1}, {0, 1, 2, 7});
  EXPECT_THAT(placement->cpu_of_shard, ElementsAre(0));
  EXPECT_THAT(placement->notes, ElementsAre("1 shard on 4 CPUs: CPU 1-2,7 will run no shard"));
}

TEST(Placement, MoreShardsThanTheQuotaAreSaid) {
  EXPECT_THAT(Place({.cpus = "", .shards = 2, .quota = 1.5}, {0, 1})->notes,
              ElementsAre(AllOf(HasSubstr("2 shards on a CPU quota of 1.5"), HasSubstr("--shards=1 fits"))));
  EXPECT_THAT(Place({.cpus = "", .shards = 1, .quota = 0.1}, {0})->notes, ElementsAre(HasSubstr("--shards=1 fits")));
  EXPECT_THAT(Place({.cpus = "", .shards = 2, .quota = 2}, {0, 1})->notes, IsEmpty());
  EXPECT_THAT(Place({.cpus = "", .shards = 2, .quota = 0}, {0, 1})->notes, IsEmpty());
}

TEST(Placement, RefusesCpusThatAreNotAllowedByName) {
  const std::string error = ErrorOf({.cpus = "1-4,9", .shards = 0}, {0, 1, 2});
  EXPECT_THAT(error, HasSubstr("--cpus=1-4,9"));
  EXPECT_THAT(error, HasSubstr("CPU 3-4,9 is not allowed"));
  EXPECT_THAT(error, HasSubstr("allowed: 0-2"));
}

TEST(Placement, PassesOnWhatIsWrongWithTheList) {
  EXPECT_THAT(ErrorOf({.cpus = "0,x", .shards = 0}, {0}), HasSubstr("--cpus: CPU list \"0,x\": \"x\""));
}

TEST(Placement, RefusesImpossibleNumbersOfShards) {
  EXPECT_THAT(ErrorOf({.cpus = "", .shards = -1}, {0}), HasSubstr("--shards=-1"));
  EXPECT_THAT(ErrorOf({.cpus = "", .shards = 1024}, {0}), HasSubstr("1 to 1023"));
  EXPECT_EQ(Place({.cpus = "", .shards = 1023}, {0})->cpu_of_shard.size(), 1023u);
  EXPECT_FALSE(Place({}, {}).ok());
}

TEST(Placement, HugeMachineGetsAsManyShardsAsThereCanBe) {
  std::vector<int> allowed(2000);
  std::iota(allowed.begin(), allowed.end(), 0);
  const auto placement = Place({}, allowed);
  EXPECT_EQ(placement->cpu_of_shard.size(), 1023u);
  EXPECT_THAT(placement->notes, ElementsAre(HasSubstr("CPU 1023-1999 will run no shard")));
}

}  // namespace
}  // namespace mooring::core
