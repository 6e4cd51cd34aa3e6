// SPDX-License-Identifier: Apache-2.0
#include "core/turn_times.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/shard.h"
#include "tests/core/test_port.h"

namespace mooring::core {
namespace {

std::string_view NameOfTen(void*, uint32_t listener) {
  constexpr std::string_view kNames[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  return listener < 10 ? kNames[listener] : std::string_view();
}

class TurnTimesTest : public testing::Test {
 protected:
  TurnTimesTest() { turns_.SetNames(&NameOfTen, nullptr); }
  void Turn(Nanos took) {
    turns_.Begin(now_);
    now_ += took;
    turns_.End(now_);
    now_ += kNanosPerMs;  // the wait
  }
  std::vector<Nanos> Longest() const {
    std::vector<Nanos> took;
    for (const TurnTimes::Record& record : turns_.Longest()) took.push_back(record.took);
    return took;
  }
  std::string WhatOf(std::vector<uint32_t> works) {
    turns_.Begin(now_);
    for (const uint32_t work : works) turns_.Doing(work);
    now_ += ++longer_ * kNanosPerSecond;
    turns_.End(now_);
    return turns_.Longest().front().what;
  }

  Nanos now_ = 0;
  Nanos longer_ = 0;
  TurnTimes turns_;
};

TEST_F(TurnTimesTest, MeasuresWorkAndNoWaits) {
  Turn(10);
  Turn(30);
  EXPECT_EQ(turns_.durations().Count(), 2u);
  EXPECT_EQ(turns_.durations().Min(), 10u);
  EXPECT_EQ(turns_.durations().Max(), 30u);
}

TEST_F(TurnTimesTest, ATurnThatDoesNotWaitEndsWhereTheNextBegins) {
  turns_.Begin(100);
  turns_.Begin(107);
  turns_.End(118);
  turns_.End(130);  // in none
  EXPECT_EQ(turns_.durations().Count(), 2u);
  EXPECT_EQ(turns_.durations().Min(), 7u);
  EXPECT_EQ(turns_.durations().Max(), 11u);
}

TEST_F(TurnTimesTest, KeepsTheLongestTurns) {
  for (Nanos i = 1; i <= 100; ++i) Turn(i * 37 % 101);  // each of 1 to 100 once, in no order
  std::vector<Nanos> expected;
  for (Nanos i = 100; expected.size() < TurnTimes::kLongest; --i) expected.push_back(i);
  EXPECT_EQ(Longest(), expected);
}

TEST_F(TurnTimesTest, KnowsWhenTheyBegan) {
  now_ = 12345;
  Turn(10);
  ASSERT_EQ(turns_.Longest().size(), 1u);
  EXPECT_EQ(turns_.Longest().front().began, 12345);
}

TEST_F(TurnTimesTest, ForgetsOldOnesWhenOthersCome) {
  for (size_t i = 0; i < TurnTimes::kLongest; ++i) Turn(1000);
  now_ += TurnTimes::kRememberedFor / 2;
  Turn(2000);
  now_ += TurnTimes::kRememberedFor / 2;
  Turn(5);
  Turn(3);
  EXPECT_EQ(Longest(), (std::vector<Nanos>{2000, 5, 3}));
}

TEST_F(TurnTimesTest, NamesAllThatRan) {
  EXPECT_EQ(WhatOf({}), "");
  EXPECT_EQ(WhatOf({kService + 2}), "two");
  EXPECT_EQ(WhatOf({kTasks, kService + 1, kMail, kService + 1, kService + 0}), "zero, one, mail, tasks");
  EXPECT_EQ(WhatOf({kAnswers, kTimers}), "answers, timers");
  EXPECT_EQ(WhatOf({kFlush}), "");
  EXPECT_EQ(WhatOf({kService + 77, kService + 5000}), "other services");
  EXPECT_EQ(WhatOf({kService + 12}), "");  // gone meanwhile
  EXPECT_EQ(WhatOf({kService + 54}), "");
}

TEST_F(TurnTimesTest, LeavesOutWhatHasNoRoom) {
  std::vector<uint32_t> all;
  for (uint32_t i = 0; i < 10; ++i) all.push_back(kService + i);
  EXPECT_EQ(WhatOf(all), "zero, one, two, three, four, five, six, seven");
}

TEST_F(TurnTimesTest, WhatWasOnlyTriedDidNotRun) {
  turns_.Begin(now_);
  turns_.Trying(kTimers);
  turns_.Doing(kService + 1);
  turns_.Trying(kTimers);
  turns_.End(now_ += 5);
  EXPECT_EQ(turns_.Longest().front().what, "one");
}

TEST_F(TurnTimesTest, ATurnForgetsWhatRanInTheOneBefore) {
  turns_.Begin(now_);
  turns_.Doing(kService + 1);
  turns_.Begin(now_ += 5);
  turns_.Doing(kService + 1);
  turns_.Begin(now_ += 50);
  turns_.End(now_ += 500);
  ASSERT_EQ(turns_.Longest().size(), 3u);
  EXPECT_EQ(turns_.Longest()[0].what, "");
  EXPECT_EQ(turns_.Longest()[1].what, "one");
}

TEST_F(TurnTimesTest, CountsTurnsOfTheLimitAndShowsTheLast) {
  Turn(Millis(500));
  EXPECT_EQ(turns_.stalls(), 0u);
  turns_.SetLimit(Millis(100));
  EXPECT_FALSE(turns_.LastStall().has_value());
  Turn(Millis(100) - 1);
  EXPECT_EQ(turns_.stalls(), 0u);
  Turn(Millis(300));
  const Nanos began = now_;
  Turn(Millis(100));
  EXPECT_EQ(turns_.stalls(), 2u);
  ASSERT_TRUE(turns_.LastStall().has_value());
  EXPECT_EQ(turns_.LastStall()->took, Millis(100));
  EXPECT_EQ(turns_.LastStall()->began, began);
  turns_.SetLimit(TurnTimes::kNoLimit);
  Turn(Millis(1000));
  EXPECT_EQ(turns_.stalls(), 2u);
}

// What a program loads before it serves keeps nobody waiting.
TEST_F(TurnTimesTest, StartingIsNoStall) {
  turns_.SetLimit(Millis(100));
  turns_.Begin(now_);
  turns_.Doing(kMail);
  turns_.Doing(kStart);
  turns_.End(now_ += Seconds(20));
  EXPECT_EQ(turns_.stalls(), 0u);
  EXPECT_EQ(turns_.Longest().front().what, "mail, start hooks");
}

TEST_F(TurnTimesTest, ShowsThePresentTurn) {
  EXPECT_FALSE(turns_.Now().working);
  turns_.Begin(70);
  const TurnTimes::Running first = turns_.Now();
  EXPECT_TRUE(first.working);
  EXPECT_EQ(first.began, 70);
  EXPECT_EQ(first.work, kNothing);
  turns_.Doing(kService + 3);
  EXPECT_EQ(turns_.Now().work, kService + 3u);
  EXPECT_EQ(turns_.Now().turn, first.turn);
  turns_.Begin(80);
  EXPECT_TRUE(turns_.Now().working);
  EXPECT_NE(turns_.Now().turn, first.turn);
  turns_.End(90);
  EXPECT_FALSE(turns_.Now().working);
}

// Each record has one letter, and durations and times that go with it.
TEST_F(TurnTimesTest, ARecordIsReadAsAWholeWhileOthersAreWritten) {
  std::atomic<bool> stop = false;
  std::atomic<uint64_t> seen = 0, wrong = 0;
  turns_.SetNames([](void*, uint32_t listener) -> std::string_view {
    return std::string_view(listener % 2 == 0 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                              : "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
  }, nullptr);
  turns_.SetLimit(1);
  std::thread reader([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      std::vector<TurnTimes::Record> records = turns_.Longest();
      if (auto last = turns_.LastStall()) records.push_back(*std::move(last));
      for (const TurnTimes::Record& record : records) {
        const char letter = record.took % 2 == 0 ? 'a' : 'b';
        const bool whole = record.what == std::string(48, letter) && record.began % 2 == record.took % 2;
        (whole ? seen : wrong).fetch_add(1, std::memory_order_relaxed);
      }
    }
  });
  for (Nanos i = 2; i < 50'000 || seen.load(std::memory_order_relaxed) < 1000; ++i) {
    turns_.Begin(i % 2);
    turns_.Doing(kService + static_cast<uint32_t>(i % 2));
    turns_.End(i % 2 + i);
  }
  stop.store(true, std::memory_order_relaxed);
  reader.join();
  EXPECT_EQ(wrong.load(), 0u);
}

// In a shard.

struct Named final : Shard::TurnEnd {
  bool OnTurnEnd() override { return more; }
  void OnServiceDone(CancelScope*, std::exception_ptr) override {}
  void OnCancelWait(void*, const CancelScope*) override {}
  bool OnTrim() override { return false; }
  std::string_view ListenerName(uint32_t listener) const override { return listener == 1 ? "named" : ""; }
  bool more = false;
};

TEST(ShardTurnTimes, ATurnIsWhatLiesBetweenTwoWaits) {
  SteppedShard stepped;
  Named above;
  stepped.shard.SetTurnEnd(&above);
  stepped.port.deliver = [&] { stepped.clock.Advance(Millis(3)); };  // delivering is work
  stepped.shard.RunTurn(Millis(50));                                 // from its wait on
  ASSERT_TRUE(stepped.shard.Post([&] { stepped.clock.Advance(Millis(4)); }));
  stepped.shard.RunTurn(Millis(50));
  EXPECT_EQ(stepped.shard.turns().durations().Count(), 1u);
  EXPECT_EQ(stepped.shard.turns().durations().Max(), static_cast<uint64_t>(Millis(7)));

  above.more = true;  // no wait: no end yet
  stepped.shard.RunTurn(Millis(50));
  EXPECT_EQ(stepped.shard.turns().durations().Count(), 2u);
  EXPECT_EQ(stepped.port.waits.back(), 0);
  stepped.shard.SetTurnEnd(nullptr);
}

TEST(ShardTurnTimes, ReadsTheClockOnceMoreForATurnThatWaitsAndNotForOneThatDoesNot) {
  struct Counting final : Clock {
    Nanos Now() override { return ++reads; }
    Nanos reads = 0;
  } clock;
  ManualClock still;
  FakePort port(&still);
  Shard shard({.clock = &clock});
  Named above;
  shard.SetPort(&port);
  shard.SetTurnEnd(&above);
  shard.RunTurn(0);
  const Nanos before = clock.reads;
  shard.RunTurn(Millis(1));
  EXPECT_EQ(clock.reads - before, 2);
  above.more = true;
  shard.RunTurn(Millis(1));
  EXPECT_EQ(clock.reads - before, 3);
  shard.SetTurnEnd(nullptr);
}

TEST(ShardTurnTimes, KnowsWhatRan) {
  SteppedShard stepped;
  Shard& shard = stepped.shard;
  Named above;
  shard.SetTurnEnd(&above);
  const auto what = [&] {
    shard.turns().SetLimit(1);
    shard.RunTurn(Millis(1));  // from its wait on the next begins
    return shard.turns().LastStall().has_value() ? shard.turns().LastStall()->what : "none";
  };
  const auto spend = [](void* clock) { static_cast<ManualClock*>(clock)->Advance(Millis(1)); };
  shard.RunTurn(Millis(1));
  EXPECT_EQ(what(), "none");
  ASSERT_TRUE(shard.Post([&] { spend(&stepped.clock); }));
  EXPECT_EQ(what(), "mail");
  shard.MakeRunnable(spend, &stepped.clock);
  EXPECT_EQ(what(), "tasks");
  CallTimer timer;
  timer.call = spend;
  timer.argument = &stepped.clock;
  shard.wheel().Arm(&timer, TimerKind::kFunction, shard.now_ms());
  EXPECT_EQ(what(), "timers");
  ASSERT_TRUE(shard.Post([&] {
    shard.turns().Doing(kService + 1);
    spend(&stepped.clock);
  }));
  EXPECT_EQ(what(), "named, mail");
  shard.SetTurnEnd(nullptr);
}

// Whoever watches it must not take a shard that has ended for one that hangs.
TEST(ShardTurnTimes, AShardThatHasStoppedIsInNoTurn) {
  SteppedShard stepped;
  stepped.port.deliver = [&] { stepped.shard.Stop(); };
  stepped.shard.Run();
  EXPECT_EQ(stepped.shard.counters().Read(ShardCount::kTurns), 1u);
  EXPECT_FALSE(stepped.shard.turns().Now().working);
}

}  // namespace
}  // namespace mooring::core
