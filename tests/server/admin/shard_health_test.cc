// SPDX-License-Identifier: Apache-2.0
#include "server/admin/shard_health.h"

#include <gtest/gtest.h>

#include <vector>

#include "core/shards.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::server::admin {
namespace {

using core::Seconds;
using core::SteppedShard;
using core::Task;

class SilentShardsTest : public ::testing::Test {
 protected:
  ~SilentShardsTest() override {
    RunAll();  // late answers
    EXPECT_EQ(control_.shard.frames().live(), 0u);
    EXPECT_EQ(control_.shard.wheel().armed(), 0u);
  }
  void Ask() {
    core::Shard::Enter enter(&control_.shard);
    const auto ask = [](std::vector<uint32_t>* to) -> Task<> { *to = co_await SilentShards(2, Seconds(2)); };
    ASSERT_TRUE(ask(&silent_).Start(&root_));
  }
  void RunAll() {
    for (int i = 0; i < 10; ++i) {
      for (SteppedShard* each : {&control_, &first_, &second_}) each->shard.RunTurn(0);
    }
  }

  SteppedShard first_{{.id = 0}};
  SteppedShard second_{{.id = 1}};
  SteppedShard control_{{.id = 2}};
  core::Shards shards_{{&first_.shard, &second_.shard}};
  core::TestRoot root_;
  std::vector<uint32_t> silent_ = {99};

  void SetUp() override { control_.shard.SetShards(&shards_); }
};

TEST_F(SilentShardsTest, NoneWhereAllAnswer) {
  Ask();
  RunAll();
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(silent_, std::vector<uint32_t>{});
}

TEST_F(SilentShardsTest, NamesTheOneThatDoesNotRunAndOnlyAfterItsTime) {
  Ask();
  for (int i = 0; i < 10; ++i) {
    first_.shard.RunTurn(0);
    control_.shard.RunTurn(0);
  }
  EXPECT_EQ(root_.done_calls, 0) << "it may still answer";
  control_.clock.Advance(Seconds(2) - 1);
  control_.shard.RunTurn(0);
  control_.shard.RunTurn(0);
  EXPECT_EQ(root_.done_calls, 0);
  control_.clock.Advance(2 * core::kNanosPerMs);
  for (int i = 0; i < 10; ++i) control_.shard.RunTurn(0);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(silent_, std::vector<uint32_t>{1});
}

}  // namespace
}  // namespace mooring::server::admin
