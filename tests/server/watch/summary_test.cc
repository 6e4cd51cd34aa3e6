// SPDX-License-Identifier: Apache-2.0
#include "server/watch/summary.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/server/watch/watch_bed.h"

namespace mooring::server::watch {
namespace {

using core::Millis;
using core::Seconds;

class SummaryTest : public WatchBed {
 protected:
  void Look(core::Nanos after = Seconds(1)) { summary_.Look(Totals(control_.shards()), now_ += after); }

  core::Nanos now_ = Seconds(50);
  Summary summary_{&control_, Seconds(50)};
};

TEST_F(SummaryTest, IsALineEveryTenSecondsAlsoWhenNothingHappens) {
  for (int i = 0; i < 9; ++i) Look();
  EXPECT_EQ(TakeLines(), Lines());
  for (int i = 0; i < 11; ++i) Look();
  const std::string idle =
      "info summary|state=serving|active=0|total=0|peak=0|accepts_per_s=0|closes_per_s=0|bytes_in_per_s=0|bytes_out_per_s=0|"
      "messages_per_s=0";
  EXPECT_EQ(TakeLines(), (Lines{idle, idle}));
}

TEST_F(SummaryTest, HasWhatAllShardsServeAndTheRatesSinceTheLineBefore) {
  Look(Seconds(10));
  TakeLines();
  for (int i = 0; i < 3; ++i) shards_[0]->Accept();
  const net::ConnId id = shards_[1]->Accept();
  shards_[1]->Receive(id, std::string(249, 'x'));
  shards_[1]->Receive(id, "y");
  Look(Seconds(1));
  {
    core::Shard::Enter enter(&shards_[0]->shard);
    shards_[0]->engine.CutAll();
  }
  shards_[0]->shard.RunTurn(0);
  shards_[0]->shard.RunTurn(0);
  control_.state_now = ServerState::kDraining;
  Look(Seconds(9));
  EXPECT_EQ(TakeLines(), Lines{"info summary|state=draining|active=1|total=4|peak=4|accepts_per_s=0.4|closes_per_s=0.3|"
                               "bytes_in_per_s=25|bytes_out_per_s=0|messages_per_s=0.2"});
  Look(Seconds(10));
  EXPECT_EQ(TakeLines(), Lines{"info summary|state=draining|active=1|total=4|peak=4|accepts_per_s=0|closes_per_s=0|"
                               "bytes_in_per_s=0|bytes_out_per_s=0|messages_per_s=0"});
}

TEST_F(SummaryTest, ComesAsOftenAsTheSettingsSayNow) {
  control_.settings_now.log.summary_s = 0;
  for (int i = 0; i < 100; ++i) Look();
  EXPECT_EQ(TakeLines(), Lines());
  control_.settings_now.log.summary_s = 3;
  for (int i = 0; i < 9; ++i) Look();
  EXPECT_EQ(TakeLines().size(), 3u);
}

TEST_F(SummaryTest, ATickThatComesALittleEarlyIsNotWaitedASecondFor) {
  Look(Millis(9'990));
  EXPECT_EQ(TakeLines().size(), 1u);
  for (int i = 0; i < 9; ++i) Look(Millis(1'001));
  EXPECT_EQ(TakeLines().size(), 0u);
  Look(Millis(990));
  EXPECT_EQ(TakeLines().size(), 1u);
}

}  // namespace
}  // namespace mooring::server::watch
