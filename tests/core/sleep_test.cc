// SPDX-License-Identifier: Apache-2.0
#include "core/sleep.h"

#include <gtest/gtest.h>

#include <limits>
#include <stdexcept>
#include <vector>

#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

struct Nap {
  bool over = false;
  Woken woken = Woken::kTimer;
  Nanos at = 0;
};

Task<> Sleeps(Nanos duration, Nap* nap) {
  nap->woken = co_await Sleep(duration);
  nap->at = Shard::Current()->now();
  nap->over = true;
}
Task<int> SleepsThenSays(Nanos duration, int value, Nap* nap) {
  nap->woken = co_await Sleep(duration);
  nap->at = Shard::Current()->now();
  nap->over = true;
  co_return value;
}

class SleepTest : public ::testing::Test {
 protected:
  ~SleepTest() override {
    EXPECT_EQ(stepped_.shard.frames().live(), 0u);
    EXPECT_EQ(stepped_.shard.wheel().armed(), 0u) << "a timer outlived its wait";
  }
  template <class Make>
  void Start(Make make, TestRoot* root) {
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(make().Start(root));
  }
  void Cancel(TestRoot* root) {
    Shard::Enter enter(&stepped_.shard);
    root->scope.Cancel();
  }

  SteppedShard stepped_;
  const Nanos begin_ = stepped_.clock.Now();
  TestRoot root_;
};

TEST_F(SleepTest, RoundsUpToAWholeMillisecondAndIsNeverShort) {
  struct Case {
    Nanos offset, duration, woken_after;
  };
  // The wheel's milliseconds are the clock's, so a sleep begun inside one ends with one.
  for (const Case& c : {Case{0, 1, Millis(1)}, Case{0, Millis(1), Millis(1)}, Case{0, Millis(1) + 1, Millis(2)},
                        Case{1, Millis(1), Millis(2)}, Case{999'999, 1, Millis(1)}, Case{0, 0, 0}, Case{0, -5, 0}}) {
    SteppedShard stepped;
    const Nanos begin = stepped.clock.Now();
    stepped.clock.Advance(c.offset);
    stepped.shard.RunTurn();
    TestRoot root;
    Nap nap;
    {
      Shard::Enter enter(&stepped.shard);
      ASSERT_TRUE(Sleeps(c.duration, &nap).Start(&root));
    }
    EXPECT_FALSE(nap.over);
    stepped.RunUntilIdle();
    EXPECT_TRUE(nap.over);
    EXPECT_EQ(nap.woken, Woken::kTimer);
    EXPECT_EQ(nap.at - begin, c.woken_after) << c.offset << "+" << c.duration;
  }
}

TEST_F(SleepTest, ForEverIsNotThePast) {
  Nap nap;
  Start([&] { return Sleeps(std::numeric_limits<Nanos>::max(), &nap); }, &root_);
  stepped_.shard.RunTurn(Millis(10));
  stepped_.shard.RunTurn(Millis(10));
  EXPECT_FALSE(nap.over);
  Cancel(&root_);
  stepped_.shard.RunTurn(0);
  EXPECT_TRUE(nap.over);
}

TEST_F(SleepTest, CancelEndsItThroughTheRunQueueNeverInline) {
  Nap nap;
  Start([&] { return Sleeps(Millis(50), &nap); }, &root_);
  stepped_.shard.RunTurn(0);
  Cancel(&root_);
  EXPECT_FALSE(nap.over);
  Cancel(&root_);  // again: still one resumption
  stepped_.shard.RunTurn(0);
  EXPECT_TRUE(nap.over);
  EXPECT_EQ(nap.woken, Woken::kCancelled);
  EXPECT_EQ(nap.at, begin_);
  EXPECT_EQ(stepped_.shard.counters().Read(ShardCount::kResumed), 1u);
  EXPECT_EQ(root_.done_calls, 1);
}

TEST_F(SleepTest, CancelBetweenExpiryAndResumptionKeepsWhatWonTheRace) {
  Nap nap;
  CallTimer timer;
  timer.call = [](void* scope) { static_cast<CancelScope*>(scope)->Cancel(); };
  timer.argument = &root_.scope;
  Start([&] { return Sleeps(Millis(5), &nap); }, &root_);
  stepped_.shard.wheel().Arm(&timer, TimerKind::kFunction, (begin_ + Millis(5)) / kNanosPerMs);  // just after it
  stepped_.RunUntilIdle();
  EXPECT_TRUE(root_.scope.cancelled());
  EXPECT_EQ(nap.woken, Woken::kTimer);
  EXPECT_EQ(root_.done_calls, 1);
}

TEST_F(SleepTest, CancelBeforeExpiryInTheSameTurnIsOneResumption) {
  Nap nap;
  CallTimer timer;
  timer.call = [](void* scope) { static_cast<CancelScope*>(scope)->Cancel(); };
  timer.argument = &root_.scope;
  stepped_.shard.wheel().Arm(&timer, TimerKind::kFunction, (begin_ + Millis(5)) / kNanosPerMs);  // just before it
  Start([&] { return Sleeps(Millis(5), &nap); }, &root_);
  stepped_.RunUntilIdle();
  EXPECT_EQ(nap.woken, Woken::kCancelled);
  EXPECT_EQ(stepped_.shard.counters().Read(ShardCount::kResumed), 1u);
}

TEST_F(SleepTest, CancelAfterTheEndDoesNothing) {
  Nap nap;
  Start([&] { return Sleeps(Millis(1), &nap); }, &root_);
  stepped_.RunUntilIdle();
  ASSERT_TRUE(nap.over);
  Cancel(&root_);
  stepped_.RunUntilIdle();
  EXPECT_EQ(root_.done_calls, 1);
}

Task<> SleepsOnAndOn(int times, int* cancelled) {
  for (int i = 0; i < times; ++i) {
    const Woken woken = co_await Sleep(Millis(1'000));
    if (woken == Woken::kCancelled) ++*cancelled;
  }
}

TEST_F(SleepTest, EachSleepInACancelledScopeTakesOneTurnAndNoTime) {
  int cancelled = 0;
  root_.scope.Cancel();
  Start([&] { return SleepsOnAndOn(5, &cancelled); }, &root_);
  for (int turn = 0; turn < 5; ++turn) {
    EXPECT_EQ(cancelled, turn);  // a loop that ignores the result cannot freeze its shard
    stepped_.shard.RunTurn(0);
  }
  EXPECT_EQ(cancelled, 5);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(stepped_.clock.Now(), begin_);
}

// WithDeadline.

struct Outcome {
  bool over = false;
  bool expired = false;
  int value = 0;
  Nanos at = 0;
  bool cancelled_after = false;
};
Task<> Bound(Nanos limit, Nanos work, Nap* nap, Outcome* out) {
  auto result = co_await WithDeadline(limit, SleepsThenSays(work, 7, nap));
  *out = {true, result.expired(), *result, Shard::Current()->now(), false};
  EXPECT_EQ(result.ok(), !result.expired());
}
Task<> BoundVoid(Nanos limit, Nanos work, Nap* nap, Outcome* out) {
  const Deadlined<void> result = co_await WithDeadline(limit, Sleeps(work, nap));
  *out = {true, result.expired(), 0, Shard::Current()->now(), false};
}

TEST_F(SleepTest, WhatEndsInTimeIsUntouchedByItsDeadline) {
  Nap nap;
  Outcome out;
  Start([&] { return Bound(Millis(50), Millis(20), &nap, &out); }, &root_);
  stepped_.RunUntilIdle();
  ASSERT_TRUE(out.over);
  EXPECT_FALSE(out.expired);
  EXPECT_EQ(out.value, 7);
  EXPECT_EQ(nap.woken, Woken::kTimer);
  EXPECT_EQ(out.at - begin_, Millis(20));
  EXPECT_EQ(stepped_.clock.Now() - begin_, Millis(20));  // nobody waited for the deadline
}

TEST_F(SleepTest, TheDeadlineCancelsAndTheValueReturnedAllTheSameIsKept) {
  Nap nap;
  Outcome out;
  Start([&] { return Bound(Millis(20), Millis(50), &nap, &out); }, &root_);
  stepped_.RunUntilIdle();
  ASSERT_TRUE(out.over);
  EXPECT_TRUE(out.expired);
  EXPECT_EQ(out.value, 7);
  EXPECT_EQ(nap.woken, Woken::kCancelled);
  EXPECT_EQ(out.at - begin_, Millis(20));
}

TEST_F(SleepTest, VoidTasksAreBoundAlike) {
  for (const auto& [limit, work] : {std::pair{Millis(20), Millis(50)}, std::pair{Millis(50), Millis(20)}}) {
    Nap nap;
    Outcome out;
    TestRoot root;
    const Nanos begin = stepped_.clock.Now();
    Start([&, limit = limit, work = work] { return BoundVoid(limit, work, &nap, &out); }, &root);
    stepped_.RunUntilIdle();
    ASSERT_TRUE(out.over);
    EXPECT_EQ(out.expired, limit < work);
    EXPECT_EQ(nap.woken, limit < work ? Woken::kCancelled : Woken::kTimer);
    EXPECT_EQ(out.at - begin, Millis(20));
  }
}

Task<int> TidiesUp(Nap* nap, int* turns) {  // goes on for a while after it was told to stop
  nap->woken = co_await Sleep(Millis(1'000));
  for (int i = 0; i < 10; ++i) {
    co_await Yield();
    ++*turns;
  }
  nap->over = true;
  co_return 3;
}
Task<> BoundTidy(Nap* nap, int* turns, Outcome* out) {
  auto result = co_await WithDeadline(Millis(20), TidiesUp(nap, turns));
  *out = {true, result.expired(), *result, Shard::Current()->now(), nap->over};
}

TEST_F(SleepTest, TheDeadlineJoinsNothingRunsOnAfterIt) {
  Nap nap;
  int turns = 0;
  Outcome out;
  Start([&] { return BoundTidy(&nap, &turns, &out); }, &root_);
  stepped_.RunUntilIdle();
  ASSERT_TRUE(out.over);
  EXPECT_TRUE(out.expired);
  EXPECT_EQ(turns, 10);
  EXPECT_TRUE(out.cancelled_after);  // the task had ended when WithDeadline returned
  EXPECT_EQ(out.value, 3);
}

Task<> Nested(Nanos outer, Nanos inner, Nap* nap, Outcome* in, Outcome* out) {
  const Deadlined<void> result = co_await WithDeadline(outer, BoundVoid(inner, Millis(1'000), nap, in));
  *out = {true, result.expired(), 0, Shard::Current()->now(), false};
}

TEST_F(SleepTest, AnOuterDeadlineCancelsTheInnerOne) {
  Nap nap;
  Outcome in;
  Outcome out;
  Start([&] { return Nested(Millis(10), Millis(100), &nap, &in, &out); }, &root_);
  stepped_.RunUntilIdle();
  ASSERT_TRUE(out.over);
  EXPECT_TRUE(out.expired);
  EXPECT_FALSE(in.expired);  // its own time was not up
  EXPECT_EQ(nap.woken, Woken::kCancelled);
  EXPECT_EQ(out.at - begin_, Millis(10));
}

TEST_F(SleepTest, AnInnerDeadlineLeavesTheOuterOneAlone) {
  Nap nap;
  Outcome in;
  Outcome out;
  Start([&] { return Nested(Millis(100), Millis(10), &nap, &in, &out); }, &root_);
  stepped_.RunUntilIdle();
  EXPECT_TRUE(in.expired);
  EXPECT_FALSE(out.expired);
  EXPECT_EQ(out.at - begin_, Millis(10));
  EXPECT_FALSE(root_.scope.cancelled());
}

TEST_F(SleepTest, CancellingTheRootReachesThroughTwoDeadlines) {
  Nap nap;
  Outcome in;
  Outcome out;
  Start([&] { return Nested(Millis(100), Millis(200), &nap, &in, &out); }, &root_);
  stepped_.shard.RunTurn(0);
  Cancel(&root_);
  stepped_.RunUntilIdle();
  EXPECT_EQ(nap.woken, Woken::kCancelled);
  EXPECT_FALSE(in.expired);
  EXPECT_FALSE(out.expired);
  EXPECT_EQ(out.at, begin_);
}

TEST_F(SleepTest, ADeadlineInACancelledScopeIsCancelledFromTheStart) {
  Nap nap;
  Outcome out;
  root_.scope.Cancel();
  Start([&] { return BoundVoid(Millis(100), Millis(200), &nap, &out); }, &root_);
  stepped_.RunUntilIdle();
  EXPECT_EQ(nap.woken, Woken::kCancelled);
  EXPECT_FALSE(out.expired);
  EXPECT_EQ(out.at, begin_);
}

Task<> TwoBounds(Nap* first, Nap* second) {  // the scope's wait must be clear between and after them
  co_await WithDeadline(Millis(10), Sleeps(Millis(100), first));
  const Woken woken = co_await Sleep(Millis(100));
  second->woken = woken;
  second->over = true;
}

TEST_F(SleepTest, AfterADeadlineTheOuterScopeWaitsForWhatComesNext) {
  Nap first;
  Nap second;
  Start([&] { return TwoBounds(&first, &second); }, &root_);
  stepped_.shard.RunTurn();
  stepped_.shard.RunTurn(0);
  ASSERT_TRUE(first.over);
  ASSERT_FALSE(second.over);
  Cancel(&root_);
  stepped_.RunUntilIdle();
  EXPECT_TRUE(second.over);
  EXPECT_EQ(second.woken, Woken::kCancelled);
  EXPECT_EQ(stepped_.clock.Now() - begin_, Millis(10));
}

TEST_F(SleepTest, CancelAfterATaskThatEndedInADeadlineReachesNothing) {  // ASan knows the frame's memory is free
  Nap nap;
  Outcome out;
  Start([&] { return BoundVoid(Millis(10), Millis(5), &nap, &out); }, &root_);
  stepped_.RunUntilIdle();
  ASSERT_EQ(root_.done_calls, 1);
  Cancel(&root_);
  stepped_.RunUntilIdle();
  EXPECT_EQ(root_.done_calls, 1);
}

Task<int> AtOnce(int value) { co_return value; }
Task<> BoundAtOnce(int times, int64_t* sum) {
  for (int i = 0; i < times; ++i) {
    auto result = co_await WithDeadline(Millis(5), AtOnce(i));
    EXPECT_TRUE(result.ok());
    *sum += *result;
  }
}

TEST_F(SleepTest, AChildThatNeverSuspendsEndsAtOnceAndLeavesNoTimer) {
  int64_t sum = 0;
  Start([&] { return BoundAtOnce(100'000, &sum); }, &root_);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(sum, int64_t{100'000} * 99'999 / 2);
}

Task<int> Throws(Nanos after) {
  if (after > 0) {
    const Woken woken = co_await Sleep(after);
    (void)woken;
  }
  throw std::runtime_error("inside");
}
Task<> BoundThrows(Nanos after, bool* caught) {
  try {
    auto result = co_await WithDeadline(Millis(20), Throws(after));
    (void)result;
  } catch (const std::runtime_error&) {
    *caught = true;
  }
  const Woken woken = co_await Sleep(Millis(1));
  EXPECT_EQ(woken, Woken::kTimer);
}

TEST_F(SleepTest, AnExceptionPassesThroughADeadlineAndDisarmsIt) {
  for (Nanos after : {Nanos{0}, Millis(5), Millis(500)}) {
    bool caught = false;
    TestRoot root;
    Start([&] { return BoundThrows(after, &caught); }, &root);
    stepped_.RunUntilIdle();
    EXPECT_TRUE(caught);
    EXPECT_EQ(root.done_calls, 1);
    EXPECT_FALSE(root.error);
  }
}

Task<> BoundNothing(bool* caught) {
  try {
    co_await WithDeadline(Millis(5), Task<>());
  } catch (const std::bad_alloc&) {
    *caught = true;
  }
}

TEST_F(SleepTest, ADeadlineForATaskWithoutMemoryRaisesBadAlloc) {
  bool caught = false;
  Start([&] { return BoundNothing(&caught); }, &root_);
  EXPECT_TRUE(caught);
}

}  // namespace
}  // namespace mooring::core
