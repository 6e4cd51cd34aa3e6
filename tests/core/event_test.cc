// SPDX-License-Identifier: Apache-2.0
#include "core/event.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/scope.h"
#include "core/shard.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

using Log = std::vector<std::string>;
using EventTest = SteppedTest;

Task<> Waits(Event* event, std::string name, Log* log) {
  const bool set = co_await event->Wait();
  log->push_back(name + (set ? " set" : " cancelled"));
}

TEST_F(EventTest, SetWakesAllInOrderThroughTheRunQueue) {
  Event event;
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope scope;
  for (const char* name : {"a", "b", "c"}) {
    ASSERT_TRUE(scope.Spawn(Waits(&event, name, &log)));
  }
  Turn();
  EXPECT_EQ(log, Log{});
  event.Set();
  event.Set();
  EXPECT_EQ(log, Log{});
  ASSERT_TRUE(scope.Spawn(Waits(&event, "late", &log)));  // does not wait
  EXPECT_EQ(log, (Log{"late set"}));
  Turn();
  EXPECT_EQ(log, (Log{"late set", "a set", "b set", "c set"}));
}

TEST_F(EventTest, ResetHoldsOnlyThoseWhoComeLater) {
  Event event;
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope scope;
  ASSERT_TRUE(scope.Spawn(Waits(&event, "before", &log)));
  event.Set();
  event.Reset();
  EXPECT_FALSE(event.set());
  ASSERT_TRUE(scope.Spawn(Waits(&event, "after", &log)));
  Turn();
  EXPECT_EQ(log, (Log{"before set"}));
  event.Set();
  Turn();
  EXPECT_EQ(log, (Log{"before set", "after set"}));
}

TEST_F(EventTest, CancelTakesOneOutOfTheMiddleOfTheLine) {
  Event event;
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope first;
  Scope second;
  ASSERT_TRUE(first.Spawn(Waits(&event, "a", &log)));
  ASSERT_TRUE(second.Spawn(Waits(&event, "b", &log)));
  ASSERT_TRUE(first.Spawn(Waits(&event, "c", &log)));
  second.Cancel();
  EXPECT_EQ(log, Log{});  // never inline
  Turn();
  EXPECT_EQ(log, (Log{"b cancelled"}));
  event.Set();
  Turn();
  EXPECT_EQ(log, (Log{"b cancelled", "a set", "c set"}));
}

TEST_F(EventTest, WhatCameFirstStands) {
  Event event;
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope set_first;
  Scope cancelled_first;
  ASSERT_TRUE(set_first.Spawn(Waits(&event, "a", &log)));
  event.Set();
  set_first.Cancel();
  event.Reset();
  ASSERT_TRUE(cancelled_first.Spawn(Waits(&event, "b", &log)));
  cancelled_first.Cancel();
  event.Set();
  Turn();
  EXPECT_EQ(log, (Log{"a set", "b cancelled"}));
}

Task<> WaitsOnAndOn(Event* event, int times, int* cancelled) {
  for (int i = 0; i < times; ++i) {
    const bool set = co_await event->Wait();
    if (!set) ++*cancelled;
  }
}

TEST_F(EventTest, EachWaitInACancelledTaskTakesATurnEvenIfItIsSet) {
  Event event;
  event.Set();
  int cancelled = 0;
  root_.scope.Cancel();
  Start([&] { return WaitsOnAndOn(&event, 5, &cancelled); });
  for (int turn = 0; turn < 5; ++turn) {
    EXPECT_EQ(cancelled, turn);
    Turn();
  }
  Finish();
  EXPECT_EQ(cancelled, 5);
}

TEST_F(EventTest, AMillionWaitsForWhatIsSetNeedNoTurnAndNoStack) {
  Event event;
  event.Set();
  int cancelled = 0;
  Start([&] { return WaitsOnAndOn(&event, 1'000'000, &cancelled); });
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(cancelled, 0);
}

Task<> WaitsThenYields(Event* event, Log* log) {
  co_await Waits(event, "a", log);
  co_await Yield();  // a wait that no scope knows
}

TEST_F(EventTest, CancelAfterItsEndReachesNothing) {  // ASan knows that the frame's memory is free
  Event event;
  Log log;
  Start([&] { return WaitsThenYields(&event, &log); });
  {
    Shard::Enter enter(&stepped_.shard);
    event.Set();
  }
  Turn();
  EXPECT_EQ(log, (Log{"a set"}));
  CancelRoot();
  Finish();
}

Task<> WaitsUnderADeadline(Event* event, Log* log, bool* expired) {
  const Deadlined<void> result = co_await WithDeadline(Millis(20), Waits(event, "a", log));
  *expired = result.expired();
  const Woken woken = co_await Sleep(Millis(5));
  EXPECT_EQ(woken, Woken::kTimer);
}

TEST_F(EventTest, ADeadlineEndsTheWait) {
  Event event;
  Log log;
  bool expired = false;
  Run([&] { return WaitsUnderADeadline(&event, &log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log, (Log{"a cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(25));
}

}  // namespace
}  // namespace mooring::core
