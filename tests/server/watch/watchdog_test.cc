// SPDX-License-Identifier: Apache-2.0
#include "server/watch/watchdog.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/watch/stalls.h"
#include "tests/server/watch/watch_bed.h"

namespace mooring::server::watch {
namespace {

using core::Millis;
using core::Nanos;
using core::Seconds;

// Says that it would abort.
class Patient final : public Watchdog {
 public:
  using Watchdog::Watchdog;
  std::vector<std::string> aborts;
  std::optional<ThreadCpu> cpu = {};

 protected:
  std::optional<ThreadCpu> CpuOf(const core::Shard&) override { return cpu; }
  void Abort(uint32_t shard, const std::string& work, uint32_t seconds) override {
    aborts.push_back("shard " + std::to_string(shard) + " " + work + " " + std::to_string(seconds));
  }
};

class WatchdogTest : public WatchBed {
 protected:
  void Look(Nanos after = Seconds(1)) {
    clock_.Advance(after);
    dog_.Look(clock_.Now());
  }
  // In a turn of shard `i` something takes `took`.
  void Delay(size_t i, Nanos took) {
    WatchedShard& each = *shards_[i];
    each.shard.RunTurn(Millis(1));  // the turn begins with the end of the wait
    each.handler.on_data = [&] { clock_.Advance(took); };
    each.Receive(each.Accept(), "x");
    each.shard.RunTurn(Millis(1));
    each.shard.turns().End(clock_.Now());  // and sleeps
  }
  // A turn of shard `i` begins, and a service that does not come back.
  void Hang(size_t i) {
    shards_[i]->shard.turns().Begin(clock_.Now());
    shards_[i]->shard.turns().Doing(core::kService + shards_[i]->web);
  }
  void GoOn(size_t i) { shards_[i]->shard.turns().End(clock_.Now()); }

  Patient dog_{&control_};
};

constexpr char kOver[] = "warn turns took too long: their shard served nobody else meanwhile|cause=turn_stalled";
constexpr char kMend[] = "|do=a service must not block: use core::Blocking, or co_await; /debug/stalls has more";
constexpr char kGoesOn[] = "warn a turn goes on: its shard serves nobody else meanwhile";
constexpr char kMendNow[] = "|do=a service must not block: use core::Blocking, or co_await";

TEST_F(WatchdogTest, ReportsATurnThatTookTooLongWithItsService) {
  Delay(1, Millis(300));
  Look();
  EXPECT_EQ(TakeLines(), Lines{std::string(kOver) + "|count=1|total=1|shard=1|ms=300|ran=web" + kMend});
  Look();
  EXPECT_EQ(TakeLines(), Lines());
}

TEST_F(WatchdogTest, ReportsAlsoWhatWasBeforeItsFirstLook) {
  Delay(0, Millis(300));
  EXPECT_EQ(shards_[0]->shard.turns().stalls(), 1u);
  dog_.Look(clock_.Now());
  EXPECT_EQ(TakeLines().size(), 1u);
}

TEST_F(WatchdogTest, ReportsTheLongestOfSeveralAndNoMoreThanALineInTenSeconds) {
  Delay(0, Millis(150));
  Look();
  EXPECT_EQ(TakeLines().size(), 1u);
  Delay(0, Millis(200));
  Delay(1, Millis(700));
  Look();
  EXPECT_EQ(TakeLines(), Lines());
  Look(Seconds(9));
  EXPECT_EQ(TakeLines(), Lines{std::string(kOver) + "|count=2|total=3|shard=1|ms=700|ran=web" + kMend});
}

TEST_F(WatchdogTest, SaysNothingOfShorterTurnsNorWhereItIsSwitchedOff) {
  Delay(0, Millis(99));
  Look();
  EXPECT_EQ(TakeLines(), Lines());
  control_.settings_now.runtime.watchdog_warn_ms = 0;
  Look();
  Delay(0, Millis(3000));
  Hang(1);
  Look();
  Look();
  EXPECT_EQ(TakeLines(), Lines());
  control_.settings_now.runtime.watchdog_warn_ms = 20;
  Look();
  TakeLines();
  Delay(0, Millis(30));
  Look();
  EXPECT_EQ(TakeLines().size(), 1u);
}

TEST_F(WatchdogTest, ReportsATurnWhileItGoesOnOnce) {
  Hang(0);
  Look();
  EXPECT_EQ(TakeLines(), Lines());
  Look();
  EXPECT_EQ(TakeLines(), Lines{std::string(kGoesOn) + "|shard=0|ms=2000|ran=web" + kMendNow});
  Look();
  EXPECT_EQ(TakeLines(), Lines());
}

TEST_F(WatchdogTest, AbortsAfterFiveSecondsInOneTurn) {
  Hang(1);
  Look();  // finds it in the turn
  for (int i = 0; i < 4; ++i) Look();
  EXPECT_EQ(dog_.aborts, Lines());
  Look();
  EXPECT_EQ(dog_.aborts, Lines{"shard 1 web 5"});
}

TEST_F(WatchdogTest, OfAThreadThatWaitsForACpuItsCpuTimeCounts) {
  dog_.cpu = {.runnable = true, .used = Seconds(100)};
  Look();
  Hang(0);
  Look();
  for (int i = 0; i < 400; ++i) {
    dog_.cpu->used += Millis(12);  // 4.8 s in all
    Look();
    EXPECT_EQ(TakeLines().size(), i == 8 ? 1u : 0u) << i;  // 108 ms
  }
  EXPECT_TRUE(dog_.aborts.empty());
  for (int i = 0; i < 20; ++i) {
    dog_.cpu->used += Millis(12);
    Look();
  }
  EXPECT_FALSE(dog_.aborts.empty());
}

TEST_F(WatchdogTest, AThreadThatRunsInACircleHangsAndSoDoesOneThatWaitsForSomethingElse) {
  for (const bool runnable : {true, false}) {
    dog_.aborts.clear();
    dog_.cpu = {.runnable = runnable, .used = 0};
    Hang(0);
    Look();
    for (int i = 0; i < 4; ++i) {
      if (runnable) dog_.cpu->used += Millis(900);
      Look();
    }
    EXPECT_TRUE(dog_.aborts.empty());
    for (int i = 0; i < 3; ++i) {
      if (runnable) dog_.cpu->used += Millis(900);
      Look();
    }
    EXPECT_FALSE(dog_.aborts.empty()) << runnable;
    GoOn(0);
    Look();
  }
}

TEST_F(WatchdogTest, DoesNotAbortWhereTurnsFollowEachOther) {
  for (int i = 0; i < 20; ++i) {
    Hang(1);
    Look();
    Look();
    GoOn(1);
    if (i % 2 == 0) Hang(1);  // no wait in between
    Look();
    GoOn(1);
  }
  EXPECT_EQ(dog_.aborts, Lines());
}

TEST_F(WatchdogTest, AShardThatSleepsHangsInNothing) {
  for (int i = 0; i < 20; ++i) Look();
  EXPECT_EQ(dog_.aborts, Lines());
  EXPECT_EQ(TakeLines(), Lines());
}

TEST_F(WatchdogTest, AProgramMayTakeItsTimeBeforeItServes) {
  shards_[0]->shard.turns().Begin(clock_.Now());
  shards_[0]->shard.turns().Doing(core::kStart);
  for (int i = 0; i < 100; ++i) Look();
  EXPECT_EQ(dog_.aborts, Lines());
  EXPECT_EQ(TakeLines(), Lines());
}

TEST_F(WatchdogTest, AbortsNeverWhereItIsSwitchedOff) {
  control_.settings_now.runtime.watchdog_abort_s = 0;
  Hang(0);
  for (int i = 0; i < 100; ++i) Look();
  EXPECT_EQ(dog_.aborts, Lines());
  control_.settings_now.runtime.watchdog_abort_s = 1000;
  Look();
  EXPECT_EQ(dog_.aborts, Lines());
}

// A process that was stopped, or a machine that was suspended: the clock has gone on, the looks have not.
TEST_F(WatchdogTest, CountsItsOwnLooksAndNotTheClock) {
  Hang(0);
  Look();
  Look(Seconds(3600));
  EXPECT_EQ(dog_.aborts, Lines());
}

// What a late ticker catches up is no time that has passed.
TEST_F(WatchdogTest, LooksInARowCountAsOne) {
  Hang(0);
  Look();
  for (int i = 0; i < 50; ++i) Look(Millis(5));
  EXPECT_EQ(dog_.aborts, Lines());
}

TEST_F(WatchdogTest, StallsAreTheLongestTurnsOfAllShardsAndThoseThatGoOn) {
  Delay(0, Millis(300));
  const Nanos began = clock_.Now();
  Delay(1, Millis(500));
  Hang(0);
  clock_.Advance(Millis(400));
  const int64_t wall_ms = 1'000'000'000'000;
  const std::vector<Stall> stalls = StallsOf(control_, clock_.Now(), wall_ms);
  ASSERT_GE(stalls.size(), 3u);
  EXPECT_EQ(stalls[0].shard, 1u);
  EXPECT_EQ(stalls[0].took, Millis(500));
  EXPECT_EQ(stalls[0].ran, "web");
  EXPECT_FALSE(stalls[0].goes_on);
  EXPECT_NEAR(static_cast<double>(stalls[0].began_wall_ms), static_cast<double>(wall_ms - (clock_.Now() - began) / 1'000'000), 2);
  EXPECT_EQ(stalls[1].shard, 0u);
  EXPECT_EQ(stalls[1].took, Millis(400));
  EXPECT_TRUE(stalls[1].goes_on);
  EXPECT_EQ(stalls[1].ran, "web");
  EXPECT_EQ(stalls[1].began_wall_ms, wall_ms - 400);
  EXPECT_EQ(stalls[2].took, Millis(300));
  for (size_t i = 1; i < stalls.size(); ++i) EXPECT_LE(stalls[i].took, stalls[i - 1].took);
}

TEST_F(WatchdogTest, NamesWhatATurnIsAt) {
  EXPECT_EQ(WorkName(control_, core::kMail), "mail");
  EXPECT_EQ(WorkName(control_, core::kNothing), "nothing yet");
  EXPECT_EQ(WorkName(control_, core::kService), "web");
  EXPECT_EQ(WorkName(control_, core::kService + 3), "listener 3");
  EXPECT_EQ(WorkName(control_, core::kService + net::Engine::kOwnedProfile), "outbound");
}

}  // namespace
}  // namespace mooring::server::watch
