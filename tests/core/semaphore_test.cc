// SPDX-License-Identifier: Apache-2.0
#include "core/semaphore.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/scope.h"
#include "core/shard.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

using Log = std::vector<std::string>;
using SemaphoreTest = SteppedTest;

Task<> Takes(Semaphore* semaphore, std::string name, Log* log) {
  const bool mine = co_await semaphore->Acquire();
  log->push_back(name + (mine ? " has it" : " cancelled"));
}

TEST_F(SemaphoreTest, PermitsGoInOrderThroughTheRunQueueAndNobodyGetsInFront) {
  Semaphore semaphore(2);
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope scope;
  for (const char* name : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(scope.Spawn(Takes(&semaphore, name, &log)));
  }
  EXPECT_EQ(log, (Log{"a has it", "b has it"}));
  EXPECT_FALSE(semaphore.TryAcquire());
  semaphore.Release();
  EXPECT_EQ(log.size(), 2u);
  EXPECT_FALSE(semaphore.TryAcquire()) << "c's before it has run";
  ASSERT_TRUE(scope.Spawn(Takes(&semaphore, "e", &log)));
  Turn();
  EXPECT_EQ(log, (Log{"a has it", "b has it", "c has it"}));
  semaphore.Release(3);
  EXPECT_EQ(semaphore.available(), 1u);
  Turn();
  EXPECT_EQ(log, (Log{"a has it", "b has it", "c has it", "d has it", "e has it"}));
  EXPECT_TRUE(semaphore.TryAcquire());
  EXPECT_FALSE(semaphore.TryAcquire());
}

TEST_F(SemaphoreTest, WhoIsCancelledInTheLineTakesNoPermit) {
  Semaphore semaphore(0);
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope stays;
  Scope goes;
  ASSERT_TRUE(goes.Spawn(Takes(&semaphore, "a", &log)));
  ASSERT_TRUE(stays.Spawn(Takes(&semaphore, "b", &log)));
  goes.Cancel();
  semaphore.Release();
  Turn();
  EXPECT_EQ(log, (Log{"a cancelled", "b has it"}));
  EXPECT_EQ(semaphore.available(), 0u);
}

TEST_F(SemaphoreTest, APermitThatWonTheRaceIsKept) {
  Semaphore semaphore(0);
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope scope;
  ASSERT_TRUE(scope.Spawn(Takes(&semaphore, "a", &log)));
  semaphore.Release();
  scope.Cancel();
  Turn();
  EXPECT_EQ(log, (Log{"a has it"}));
  ASSERT_TRUE(scope.Spawn(Takes(&semaphore, "late", &log)));
  semaphore.Release();
  Turn();
  EXPECT_EQ(log, (Log{"a has it", "late cancelled"}));
  EXPECT_EQ(semaphore.available(), 1u) << "a cancelled task takes nothing, even if there is some";
}

Task<> TakesFor(Semaphore* semaphore, Nanos limit, std::string name, Log* log) {
  const bool mine = co_await semaphore->AcquireFor(limit);
  log->push_back(name + (mine ? " has it" : " has not"));
  const Woken woken = co_await Sleep(Millis(10));  // the scope knows what is waited for now
  log->push_back(name + (woken == Woken::kTimer ? " slept" : " cancelled"));
}
Task<> ReleasesAfter(Semaphore* semaphore, Nanos after) {
  co_await Sleep(after);
  semaphore->Release();
}

TEST_F(SemaphoreTest, AcquireForEndsAtItsLimitAndLeavesNoTimerOtherwise) {
  Semaphore semaphore(1);
  Log log;
  Shard::Enter enter(&stepped_.shard);
  Scope scope;
  const Nanos begin = stepped_.clock.Now();
  ASSERT_TRUE(scope.Spawn(TakesFor(&semaphore, Millis(20), "a", &log)));
  ASSERT_TRUE(scope.Spawn(TakesFor(&semaphore, Millis(20), "b", &log)));
  ASSERT_TRUE(scope.Spawn(TakesFor(&semaphore, Millis(80), "c", &log)));
  ASSERT_TRUE(scope.Spawn(ReleasesAfter(&semaphore, Millis(50))));
  EXPECT_EQ(log, (Log{"a has it"}));
  stepped_.RunUntilIdle();
  EXPECT_EQ(log, (Log{"a has it", "a slept", "b has not", "b slept", "c has it", "c slept"}));
  EXPECT_EQ(stepped_.clock.Now() - begin, Millis(60));
}

TEST_F(SemaphoreTest, AcquireForIsCancelledLikeAnyWait) {
  Semaphore semaphore(0);
  Log log;
  Start([&] { return TakesFor(&semaphore, Millis(20), "a", &log); });
  Turn();
  CancelRoot();
  Finish();
  EXPECT_EQ(log, (Log{"a has not", "a cancelled"}));
  EXPECT_EQ(Elapsed(), 0);
  semaphore.Release();
  Run([&] { return TakesFor(&semaphore, Millis(20), "late", &log); });
  EXPECT_EQ(log, (Log{"a has not", "a cancelled", "late has not", "late cancelled"}));
  EXPECT_EQ(semaphore.available(), 1u);
}

Task<> TakesUnderADeadline(Semaphore* semaphore, Log* log, bool* expired) {
  const Deadlined<void> result = co_await WithDeadline(Millis(20), Takes(semaphore, "a", log));
  *expired = result.expired();
}

TEST_F(SemaphoreTest, ADeadlineEndsTheWait) {
  Semaphore semaphore(0);
  Log log;
  bool expired = false;
  Run([&] { return TakesUnderADeadline(&semaphore, &log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log, (Log{"a cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(20));
}

Task<> TakesAndGives(Semaphore* semaphore, int times) {
  for (int i = 0; i < times; ++i) {
    const bool mine = co_await semaphore->Acquire();
    EXPECT_TRUE(mine);
    semaphore->Release();
  }
}

TEST_F(SemaphoreTest, AMillionFreePermitsNeedNoTurnAndNoStack) {
  Semaphore semaphore(1);
  Start([&] { return TakesAndGives(&semaphore, 1'000'000); });
  EXPECT_EQ(root_.done_calls, 1);
}

// Never more than the permits at a time, and everybody comes.
struct Room {
  Semaphore semaphore{3};
  int in = 0;
  int most = 0;
  std::vector<int> visits;
};
Task<> Visits(Room* room, int who, int times) {
  for (int i = 0; i < times; ++i) {
    const bool mine = co_await room->semaphore.Acquire();
    EXPECT_TRUE(mine);
    room->most = std::max(room->most, ++room->in);
    ++room->visits[static_cast<size_t>(who)];
    co_await Yield();
    --room->in;
    room->semaphore.Release();
  }
}

TEST_F(SemaphoreTest, NobodyStarves) {
  Room room;
  room.visits.resize(10);
  Shard::Enter enter(&stepped_.shard);
  Scope scope;
  for (int who = 0; who < 10; ++who) {
    ASSERT_TRUE(scope.Spawn(Visits(&room, who, 1'000)));
  }
  for (int turn = 0; turn < 1'000; ++turn) {
    Turn();
    const auto [least, most] = std::minmax_element(room.visits.begin(), room.visits.end());
    EXPECT_LE(*most - *least, 1) << "turn " << turn;
  }
  stepped_.RunUntilIdle();
  EXPECT_EQ(room.most, 3);
  EXPECT_EQ(room.visits, std::vector<int>(10, 1'000));
}

}  // namespace
}  // namespace mooring::core
