// SPDX-License-Identifier: Apache-2.0
#include "server/watch/faults.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/watch/watch_bed.h"

namespace mooring::server::watch {
namespace {

using core::Seconds;

TEST(FaultPace, SpeaksAtOnceThenOnceInTenSecondsWithHowManyMore) {
  FaultPace pace;
  EXPECT_EQ(pace.Due(0, 0), 0u);
  EXPECT_EQ(pace.Due(1, Seconds(5)), 1u);
  EXPECT_EQ(pace.Due(1, Seconds(6)), 0u);
  EXPECT_EQ(pace.Due(4, Seconds(7)), 0u);
  EXPECT_EQ(pace.Due(9, Seconds(14)), 0u);
  EXPECT_EQ(pace.Due(9, Seconds(15)), 8u);
  EXPECT_EQ(pace.Due(9, Seconds(25)), 0u);
  EXPECT_EQ(pace.Due(10, Seconds(25)), 1u);  // ten seconds have passed without a line
  EXPECT_EQ(pace.Due(11, Seconds(26)), 0u);
}

// Whoever counted is gone, as with a listener that a reload has taken away.
TEST(FaultPace, StartsAnewWhereACountHasFallen) {
  FaultPace pace;
  EXPECT_EQ(pace.Due(100, 0), 100u);
  EXPECT_EQ(pace.Due(3, Seconds(20)), 0u);
  EXPECT_EQ(pace.Due(5, Seconds(21)), 2u);
}

TEST(Faults, EachHasItsOwnNameAndSaysWhatToDo) {
  std::set<std::string_view> causes;
  for (const Fault& fault : Faults()) {
    EXPECT_TRUE(causes.insert(fault.cause).second) << fault.cause;
    EXPECT_EQ(fault.cause.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos) << fault.cause;
    EXPECT_GE(fault.message.size(), 10u) << fault.cause;
    EXPECT_GE(fault.mend.size(), 10u) << fault.cause;
    EXPECT_NE(fault.total, nullptr) << fault.cause;
    EXPECT_GE(fault.level, Log::Level::kWarning) << fault.cause;
  }
}

class FaultLinesTest : public WatchBed {
 protected:
  // The causes of the lines that a look brings.
  std::vector<std::string> Look() {
    lines_.Look(Totals(control_.shards()), now_);
    std::vector<std::string> causes;
    for (const std::string& line : TakeLines()) {
      const size_t begin = line.find("|cause=") + 7;
      causes.push_back(line.substr(begin, line.find('|', begin) - begin));
      last_ = line;
    }
    return causes;
  }

  FaultLines lines_{&control_.log()};
  core::Nanos now_ = Seconds(1);
  std::string last_;
};

TEST_F(FaultLinesTest, SaysNothingOfEverydayWork) {
  const net::ConnId id = shards_[0]->Accept();
  shards_[0]->Receive(id, "x");
  shards_[0]->transport.counts = {{"receive_starved", 5}, {"enters", 7}, {"pool_empty", 9}};
  shards_[0]->shard.RunTurn(0);
  EXPECT_EQ(Look(), Lines());
}

TEST_F(FaultLinesTest, ALineHasWhatItMeansHowManyAndWhatToDo) {
  shards_[0]->FailAccept(EMFILE);
  shards_[1]->FailAccept(EMFILE);
  lines_.Look(Totals(control_.shards()), now_);
  EXPECT_EQ(TakeLines(), Lines{"error cannot accept: this process may open no more files|cause=emfile|count=2|total=2|do=raise "
                               "LimitNOFILE (ulimit -n) or lower max_connections"});
}

TEST_F(FaultLinesTest, EachCauseHasItsOwnPace) {
  shards_[0]->FailAccept(EMFILE);
  EXPECT_EQ(Look(), Lines{"emfile"});
  shards_[1]->FailAccept(EMFILE);
  shards_[1]->FailAccept(ENOMEM);
  now_ += Seconds(1);
  EXPECT_EQ(Look(), Lines{"enomem"});
  for (int i = 0; i < 8; ++i) {
    now_ += Seconds(1);
    shards_[0]->FailAccept(EMFILE);
    EXPECT_EQ(Look(), Lines());
  }
  now_ += Seconds(1);
  EXPECT_EQ(Look(), Lines{"emfile"});
  EXPECT_NE(last_.find("|count=9|total=10|"), std::string::npos) << last_;
}

TEST_F(FaultLinesTest, KnowsWhyAcceptingFails) {
  const std::pair<int, std::string> failures[] = {
      {ENFILE, "enfile"}, {ENOBUFS, "enobufs"}, {ENOMEM, "enomem"}, {EINVAL, "accept_failed"}};
  for (const auto& [error, cause] : failures) {
    shards_[0]->FailAccept(error);
    EXPECT_EQ(Look(), Lines{cause});
  }
}

TEST_F(FaultLinesTest, KnowsWhyPeersAreReset) {
  for (int i = 0; i < 8; ++i) shards_[0]->Accept();
  EXPECT_EQ(Look(), Lines());
  EXPECT_EQ(shards_[0]->Accept().generation, 0u);
  EXPECT_EQ(Look(), Lines{"slab_full"});
  {
    core::Shard::Enter enter(&shards_[1]->shard);
    shards_[1]->engine.SetMemoryPressure(1);
  }
  EXPECT_EQ(shards_[1]->Accept().generation, 0u);
  EXPECT_EQ(Look(), Lines{"memory"});
}

TEST_F(FaultLinesTest, KnowsOfServicesThatThrow) {
  shards_[0]->handler.on_data = [] { throw 1; };
  shards_[0]->Receive(shards_[0]->Accept(), "x");
  shards_[0]->shard.RunTurn(0);
  shards_[0]->shard.RunTurn(0);
  EXPECT_EQ(Look(), Lines{"service_failed"});
}

TEST_F(FaultLinesTest, ReadsWhatTransportsCount) {
  shards_[0]->transport.counts = {{"cq_overflow", 2}};
  shards_[1]->transport.counts = {{"cq_overflow", 3}, {"accept_table_full", 1}};
  EXPECT_EQ(Look(), (Lines{"accept_table_full", "cq_overflow"}));
  EXPECT_NE(last_.find("|count=5|"), std::string::npos) << last_;
}

TEST_F(FaultLinesTest, SaysHowManyLinesTheLogItselfHasLost) {
  control_.log_now.dropped_now = 5;
  EXPECT_EQ(Look(), Lines{"log_dropped"});
  EXPECT_NE(last_.find("|count=5|total=5|"), std::string::npos) << last_;
  EXPECT_EQ(Look(), Lines());
}

// An access log is the same on all shards; what a route threw is not.
TEST_F(FaultLinesTest, ReadsWhatServicesCountOnceOrOnEachShard) {
  for (const auto& each : shards_) each->handler.counts = {{"access_log_dropped", 7}, {"http_handler_failed", 7}};
  const std::vector<std::string> causes = Look();
  EXPECT_EQ(causes, (Lines{"http_handler_failed", "access_log_dropped"}));
  EXPECT_NE(last_.find("|count=7|"), std::string::npos) << last_;
  const Totals totals(control_.shards());
  EXPECT_EQ(totals.SumOfServices("http_handler_failed"), 14u);
}

}  // namespace
}  // namespace mooring::server::watch
