// SPDX-License-Identifier: Apache-2.0
#include "core/scope.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/shard.h"
#include "core/sleep.h"
#include "tests/core/stepped_test.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

using ScopeTest = SteppedTest;
using Log = std::vector<std::string>;

Task<> Waits(Nanos duration, std::string name, Log* log) {
  log->push_back(name + " starts");
  const Woken woken = co_await Sleep(duration);
  log->push_back(name + (woken == Woken::kTimer ? " ends" : " cancelled"));
}
Task<> AtOnce(int* count) {
  ++*count;
  co_return;
}
Task<> Throws(Nanos after, std::string what) {
  if (after > 0) {
    const Woken woken = co_await Sleep(after);
    (void)woken;
  }
  throw std::runtime_error(what);
}
Task<> YieldsOnAndOn(int times, int* turns) {
  for (int i = 0; i < times; ++i) {
    co_await Yield();
    ++*turns;
  }
}

// Spawn and Join.

Task<> SpawnsTwo(Log* log) {
  Scope scope;
  EXPECT_TRUE(scope.empty());
  EXPECT_TRUE(scope.Spawn(Waits(Millis(20), "a", log)));
  EXPECT_TRUE(scope.Spawn(Waits(Millis(10), "b", log)));
  log->push_back("spawned");
  EXPECT_EQ(scope.size(), 2u);
  co_await scope.Join();
  EXPECT_TRUE(scope.empty());
  log->push_back("joined");
}

TEST_F(ScopeTest, ChildrenStartAtOnceRunBesideEachOtherAndAreJoined) {
  Log log;
  Run([&] { return SpawnsTwo(&log); });
  EXPECT_EQ(log, (Log{"a starts", "b starts", "spawned", "b ends", "a ends", "joined"}));
  EXPECT_EQ(Elapsed(), Millis(20));
}

Task<> SpawnsChildrenThatEndAtOnce(int children, int* count) {
  Scope scope;
  for (int i = 0; i < children; ++i) {
    const bool spawned = scope.Spawn(AtOnce(count));
    EXPECT_TRUE(spawned);
    EXPECT_TRUE(scope.empty());
    co_await scope.Join();
  }
}

TEST_F(ScopeTest, AMillionChildrenThatEndAtOnceNeedNoTurnAndNoStack) {
  int count = 0;
  Start([&] { return SpawnsChildrenThatEndAtOnce(1'000'000, &count); });
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(count, 1'000'000);
}

Task<> SpawnsMany(int children, int* turns) {
  Scope scope;
  for (int i = 0; i < children; ++i) {
    EXPECT_TRUE(scope.Spawn(YieldsOnAndOn(i % 7, turns)));
  }
  co_await scope.Join();
  EXPECT_EQ(Shard::Current()->frames().live(), 1u);
}

TEST_F(ScopeTest, ManyChildrenOfManyLengthsAreAllJoined) {
  int turns = 0;
  Run([&] { return SpawnsMany(70'000, &turns); });
  EXPECT_EQ(turns, 10'000 * (0 + 1 + 2 + 3 + 4 + 5 + 6));
}

Task<> SpawnsIntoItsOwn(Scope* scope, int depth, int* count) {
  co_await Yield();
  ++*count;
  if (depth == 0) co_return;
  EXPECT_TRUE(scope->Spawn(SpawnsIntoItsOwn(scope, depth - 1, count)));
  EXPECT_TRUE(scope->Spawn(SpawnsIntoItsOwn(scope, depth - 1, count)));
}
Task<> JoinsATree(int depth, int* count) {
  Scope scope;
  EXPECT_TRUE(scope.Spawn(SpawnsIntoItsOwn(&scope, depth, count)));
  co_await scope.Join();
}

TEST_F(ScopeTest, ChildrenSpawnChildrenWhileTheirScopeIsJoined) {
  int count = 0;
  Run([&] { return JoinsATree(9, &count); });
  EXPECT_EQ(count, 1023);
}

Task<> Joins(Scope* scope, bool* joined) {
  co_await scope->Join();
  *joined = true;
}

TEST_F(ScopeTest, WhoIsSpawnedBetweenTheLastEndAndTheWakingIsJoinedToo) {
  Scope scope;
  Log log;
  bool joined = false;
  {
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(scope.Spawn(Waits(Millis(1), "first", &log)));
    ASSERT_TRUE(Joins(&scope, &joined).Start(&root_));
    while (!scope.empty()) stepped_.shard.RunTurn();  // it has ended; the waking is in the run queue
    EXPECT_FALSE(joined);
    ASSERT_TRUE(scope.Spawn(Waits(Millis(5), "second", &log)));
    int count = 0;
    ASSERT_TRUE(scope.Spawn(AtOnce(&count)));
    stepped_.shard.RunTurn(0);
    EXPECT_FALSE(joined);
  }
  stepped_.RunUntilIdle();
  EXPECT_TRUE(joined);
  EXPECT_EQ(log.back(), "second ends");
}

TEST_F(ScopeTest, EmptiedTwiceBeforeTheWakingIsOneWaking) {
  Scope scope;
  bool joined = false;
  int count = 0;
  Log log;
  {
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(scope.Spawn(Waits(Millis(1), "first", &log)));
    ASSERT_TRUE(Joins(&scope, &joined).Start(&root_));
    while (!scope.empty()) stepped_.shard.RunTurn();
    ASSERT_TRUE(scope.Spawn(AtOnce(&count)));  // empty, full and empty again
    ASSERT_TRUE(scope.Spawn(AtOnce(&count)));
  }
  Finish();
  EXPECT_TRUE(joined);
}

// A function with its captures.

Task<> SpawnsALambda(Log* log) {
  Scope scope;
  {
    auto text = std::make_unique<std::string>("what it captured");
    auto body = [log, text = std::move(text)]() -> Task<> {
      co_await Yield();
      log->push_back(*text);
    };
    EXPECT_TRUE(scope.Spawn(std::move(body)));
  }
  co_await scope.Join();
}

TEST_F(ScopeTest, ASpawnedLambdaIsKeptUntilItsTaskIsDone) {
  Log log;
  Run([&] { return SpawnsALambda(&log); });
  EXPECT_EQ(log, (Log{"what it captured"}));
}

// Cancel.

Task<> SpawnsThenCancels(Log* log) {
  Scope scope;
  EXPECT_TRUE(scope.Spawn(Waits(Millis(100), "a", log)));
  EXPECT_TRUE(scope.Spawn(Waits(Millis(200), "b", log)));
  co_await Yield();
  scope.Cancel();
  log->push_back("cancel said");
  EXPECT_EQ(scope.size(), 2u);
  EXPECT_TRUE(scope.Spawn(Waits(Millis(300), "late", log)));
  scope.Cancel();
  log->push_back("said again");
  co_await scope.Join();
  log->push_back("joined");
}

TEST_F(ScopeTest, CancelEndsAllWaitsThroughTheRunQueueAndThoseSpawnedLater) {
  Log log;
  Run([&] { return SpawnsThenCancels(&log); });
  EXPECT_EQ(log, (Log{"a starts", "b starts", "cancel said", "late starts", "said again", "a cancelled", "b cancelled",
                      "late cancelled", "joined"}));
  EXPECT_EQ(Elapsed(), 0);
}

Task<> GoesOnAfterCancel(int* turns) {
  const Woken woken = co_await Sleep(Millis(100));
  EXPECT_EQ(woken, Woken::kCancelled);
  for (int i = 0; i < 10; ++i) {
    const Woken again = co_await Sleep(Millis(100));
    EXPECT_EQ(again, Woken::kCancelled);
    ++*turns;
  }
}
Task<> JoinsSlowly(int* turns, bool* joined) {
  Scope scope;
  EXPECT_TRUE(scope.Spawn(GoesOnAfterCancel(turns)));
  co_await scope.Join();
  *joined = *turns == 10;
}

TEST_F(ScopeTest, CancellingTheJoiningTaskCancelsTheChildrenAndWaitsForThem) {
  int turns = 0;
  bool joined = false;
  Start([&] { return JoinsSlowly(&turns, &joined); });
  stepped_.shard.RunTurn(0);
  CancelRoot();
  EXPECT_FALSE(joined);
  stepped_.RunUntilIdle();
  EXPECT_TRUE(joined);
  EXPECT_EQ(Elapsed(), 0);
}

TEST_F(ScopeTest, AJoinInACancelledTaskCancelsAtOnce) {
  int turns = 0;
  bool joined = false;
  root_.scope.Cancel();
  Run([&] { return JoinsSlowly(&turns, &joined); });
  EXPECT_TRUE(joined);
  EXPECT_EQ(Elapsed(), 0);
}

Task<> JoinThenSleep(int* turns, Woken* woken) {
  Scope scope;
  EXPECT_TRUE(scope.Spawn(YieldsOnAndOn(3, turns)));
  co_await scope.Join();
  *woken = co_await Sleep(Millis(100));
}

TEST_F(ScopeTest, AfterAJoinTheTaskWaitsForWhatComesNext) {
  int turns = 0;
  Woken woken = Woken::kTimer;
  Start([&] { return JoinThenSleep(&turns, &woken); });
  for (int i = 0; i < 6; ++i) stepped_.shard.RunTurn(0);
  EXPECT_EQ(turns, 3);
  CancelRoot();
  stepped_.RunUntilIdle();
  EXPECT_EQ(woken, Woken::kCancelled);
}

TEST_F(ScopeTest, CancelWhileTheJoinersWakingIsQueuedDoesNoHarm) {
  Scope scope;
  bool joined = false;
  Log log;
  {
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(scope.Spawn(Waits(Millis(1), "a", &log)));
    ASSERT_TRUE(Joins(&scope, &joined).Start(&root_));
    while (!scope.empty()) stepped_.shard.RunTurn();
    root_.scope.Cancel();
  }
  Finish();
  EXPECT_TRUE(joined);
}

Task<> JoinUnderADeadline(Log* log, bool* expired) {
  auto inner = [](Log* log) -> Task<> {
    Scope scope;
    EXPECT_TRUE(scope.Spawn(Waits(Millis(1'000), "child", log)));
    co_await scope.Join();
  };
  const Deadlined<void> result = co_await WithDeadline(Millis(30), inner(log));
  *expired = result.expired();
}

TEST_F(ScopeTest, ADeadlineAroundAJoinReachesTheChildren) {
  Log log;
  bool expired = false;
  Run([&] { return JoinUnderADeadline(&log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log, (Log{"child starts", "child cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(30));
}

// Nested scopes.

Task<> Nest(int depth, int* cancelled) {
  Scope scope;
  if (depth > 0) {
    EXPECT_TRUE(scope.Spawn(Nest(depth - 1, cancelled)));
    EXPECT_TRUE(scope.Spawn(Nest(depth - 1, cancelled)));
  } else {
    const Woken woken = co_await Sleep(Millis(1'000));
    if (woken == Woken::kCancelled) ++*cancelled;
  }
  co_await scope.Join();
}

TEST_F(ScopeTest, CancellationReachesThroughNestedScopes) {
  int cancelled = 0;
  Start([&] { return Nest(8, &cancelled); });
  stepped_.shard.RunTurn(0);
  CancelRoot();
  stepped_.RunUntilIdle();
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(cancelled, 256);
  EXPECT_EQ(Elapsed(), 0);
}

// Exceptions.

Task<> JoinsAThrower(Nanos after, Log* log) {
  Scope scope;
  EXPECT_TRUE(scope.Spawn(Waits(Millis(100), "sibling", log)));
  EXPECT_TRUE(scope.Spawn(Throws(after, "first")));
  EXPECT_TRUE(scope.Spawn(Throws(Millis(50), "second")));  // cancelled by the first, and throws all the same
  try {
    co_await scope.Join();
  } catch (const std::runtime_error& error) {
    log->push_back(error.what());
  }
  EXPECT_EQ(scope.failed(), 2u);
  EXPECT_TRUE(scope.cancelled());
  co_await scope.Join();  // thrown once
}

TEST_F(ScopeTest, AChildThatThrowsCancelsItsSiblingsAndTheFirstIsThrownByJoin) {
  for (const Nanos after : {Nanos{0}, Millis(10)}) {
    Log log;
    Run([&] { return JoinsAThrower(after, &log); });
    EXPECT_EQ(log, (Log{"sibling starts", "sibling cancelled", "first"}));
    EXPECT_EQ(Elapsed(), after);
    EXPECT_EQ(Thrown(), "");
  }
}

TEST_F(ScopeTest, TheShardsBackgroundGoesOnWithoutWhoThrows) {
  Log log;
  Scope& background = stepped_.shard.background();
  {
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(background.Spawn(Waits(Millis(50), "ticker", &log)));
    ASSERT_TRUE(background.Spawn(Throws(0, "at once")));
    ASSERT_TRUE(background.Spawn(Throws(Millis(10), "later")));
  }
  EXPECT_EQ(background.failed(), 1u);
  stepped_.RunUntilIdle();
  EXPECT_EQ(background.failed(), 2u);
  EXPECT_FALSE(background.cancelled());
  EXPECT_EQ(log, (Log{"ticker starts", "ticker ends"}));
  bool joined = false;
  Run([&] { return Joins(&background, &joined); });
  EXPECT_EQ(Thrown(), "");
}

TEST(Scope, AShardMayGoWithBackgroundTasksThatAreLeftBehind) {
  int turns = 0;
  SteppedShard stepped;
  stepped.shard.frames().LeaveLive();
  Shard::Enter enter(&stepped.shard);
  ASSERT_TRUE(stepped.shard.background().Spawn(YieldsOnAndOn(10, &turns)));
  EXPECT_EQ(stepped.shard.background().size(), 1u);
}

// OnEmpty.

TEST_F(ScopeTest, OnEmptyComesOnceThroughTheRunQueue) {
  Scope scope;
  Log log;
  int calls = 0;
  auto count = [](void* calls) { ++*static_cast<int*>(calls); };
  {
    Shard::Enter enter(&stepped_.shard);
    ASSERT_TRUE(scope.Spawn(Waits(Millis(5), "a", &log)));
    ASSERT_TRUE(scope.Spawn(Waits(Millis(9), "b", &log)));
    scope.OnEmpty(count, &calls);
    while (!scope.empty()) stepped_.shard.RunTurn();
    EXPECT_EQ(calls, 0);
    stepped_.shard.RunTurn(0);
    EXPECT_EQ(calls, 1);
    ASSERT_TRUE(scope.Spawn(Waits(Millis(5), "c", &log)));
    stepped_.RunUntilIdle();
    EXPECT_EQ(calls, 1);
    scope.OnEmpty(count, &calls);  // nobody is left as it is
    EXPECT_EQ(calls, 1);
    stepped_.shard.RunTurn(0);
    EXPECT_EQ(calls, 2);
  }
}

// No memory.

TEST_F(ScopeTest, SpawnSaysSoWhenThereIsNoMemoryForTheFrameOrTheChild) {
  SteppedShard stepped(Shard::Options{.frames_max = 8});
  Shard::Enter enter(&stepped.shard);
  Scope scope;
  int turns = 0;
  size_t spawned = 0;
  while (scope.Spawn(YieldsOnAndOn(1, &turns))) ++spawned;
  EXPECT_EQ(spawned, 8);
  EXPECT_EQ(scope.size(), 8u);
  EXPECT_FALSE(scope.Spawn(Task<>()));
  std::vector<Task<>> held;  // frames there are, but nothing is left for the child
  int count = 0;
  for (Task<> task = AtOnce(&count); task.has_frame(); task = AtOnce(&count)) held.push_back(std::move(task));
  if (!held.empty()) {
    EXPECT_FALSE(scope.Spawn(std::move(held.back())));
  }
  held.clear();
  EXPECT_EQ(count, 0);
  stepped.RunUntilIdle();
  EXPECT_EQ(turns, 8);
  EXPECT_TRUE(scope.empty());
  EXPECT_EQ(stepped.shard.frames().live(), 0u);
}

// Scoped.

Task<int> Body(Scope& scope, Log* log) {
  EXPECT_TRUE(scope.Spawn(Waits(Millis(20), "child", log)));
  co_await Yield();
  log->push_back("body ends");
  co_return 7;
}
Task<> AwaitsScoped(Log* log) {
  auto body = [log](Scope& scope) { return Body(scope, log); };
  const int value = co_await Scoped(body);
  EXPECT_EQ(value, 7);
  log->push_back("joined");
}

TEST_F(ScopeTest, ScopedGivesTheValueWhenTheChildrenAreDone) {
  Log log;
  Run([&] { return AwaitsScoped(&log); });
  EXPECT_EQ(log, (Log{"child starts", "body ends", "child ends", "joined"}));
  EXPECT_EQ(Elapsed(), Millis(20));
}

Task<> AwaitsACapturingLambda(std::string* out) {
  auto text = std::make_unique<std::string>("kept alive");
  auto body = [text = std::move(text)](Scope& scope) -> Task<std::unique_ptr<std::string>> {
    auto child = [&text]() -> Task<> {
      co_await Yield();
      *text += ", and seen by a child";
    };
    EXPECT_TRUE(scope.Spawn(child));
    co_await Yield();
    co_await Yield();
    co_await Yield();
    co_return std::make_unique<std::string>(*text);
  };
  std::unique_ptr<std::string> result = co_await Scoped(std::move(body));
  *out = *result;
}

TEST_F(ScopeTest, ScopedKeepsACapturingLambdaForTheWholeTime) {
  std::string out;
  Run([&] { return AwaitsACapturingLambda(&out); });
  EXPECT_EQ(out, "kept alive, and seen by a child");
}

Task<> BodyThrows(Scope& scope, Nanos after, Log* log) {
  EXPECT_TRUE(scope.Spawn(Waits(Millis(100), "child", log)));
  if (after > 0) {
    const Woken woken = co_await Sleep(after);
    (void)woken;
  }
  throw std::runtime_error("body");
}
Task<> AwaitsAThrowingBody(Nanos after, Log* log) {
  auto body = [after, log](Scope& scope) { return BodyThrows(scope, after, log); };
  co_await Scoped(body);
}
Task<> AwaitsAThrowingFunction(Log* log) {
  auto function = [log](Scope& scope) -> Task<> {  // no coroutine: it throws before there is a task
    EXPECT_TRUE(scope.Spawn(Waits(Millis(100), "child", log)));
    throw std::runtime_error("body");
  };
  co_await Scoped(function);
}

TEST_F(ScopeTest, ABodyThatThrowsCancelsAndJoinsTheChildrenFirst) {
  for (const Nanos after : {Nanos{0}, Millis(10)}) {
    Log log;
    Run([&] { return AwaitsAThrowingBody(after, &log); });
    EXPECT_EQ(log, (Log{"child starts", "child cancelled"}));
    EXPECT_EQ(Elapsed(), after);
    EXPECT_EQ(Thrown(), "body");
  }
}

TEST_F(ScopeTest, AFunctionThatThrowsBeforeThereIsATaskIsNoDifferent) {
  Log log;
  Run([&] { return AwaitsAThrowingFunction(&log); });
  EXPECT_EQ(log, (Log{"child starts", "child cancelled"}));
  EXPECT_EQ(Thrown(), "body");
}

Task<int> BodyWithAThrowingChild(Scope& scope, Nanos after, Log* log) {
  EXPECT_TRUE(scope.Spawn(Throws(after, "child")));
  const Woken woken = co_await Sleep(Millis(100));
  log->push_back(woken == Woken::kTimer ? "body slept" : "body cancelled");
  co_return 1;
}
Task<> AwaitsAThrowingChild(Nanos after, Log* log) {
  auto body = [after, log](Scope& scope) { return BodyWithAThrowingChild(scope, after, log); };
  const int value = co_await Scoped(body);
  ADD_FAILURE() << value;
}

TEST_F(ScopeTest, AChildThatThrowsCancelsTheBodyOfScopedToo) {
  for (const Nanos after : {Nanos{0}, Millis(10)}) {
    Log log;
    Run([&] { return AwaitsAThrowingChild(after, &log); });
    EXPECT_EQ(log, (Log{"body cancelled"}));
    EXPECT_EQ(Elapsed(), after);
    EXPECT_EQ(Thrown(), "child");
  }
}

Task<> BodyWaits(Scope& scope, Nanos body, Nanos child, Log* log) {
  EXPECT_TRUE(scope.Spawn(Waits(child, "child", log)));
  co_await Waits(body, "body", log);
}
Task<> AwaitsAWaitingBody(Nanos body, Nanos child, Log* log) {
  auto run = [=](Scope& scope) { return BodyWaits(scope, body, child, log); };
  co_await Scoped(run);
  log->push_back("joined");
}

TEST_F(ScopeTest, CancellingReachesBodyAndChildrenWhileTheBodyWaits) {
  Log log;
  Start([&] { return AwaitsAWaitingBody(Millis(100), Millis(200), &log); });
  stepped_.shard.RunTurn(0);
  CancelRoot();
  stepped_.RunUntilIdle();
  EXPECT_EQ(log, (Log{"child starts", "body starts", "body cancelled", "child cancelled", "joined"}));
  EXPECT_EQ(Elapsed(), 0);
}

TEST_F(ScopeTest, CancellingReachesTheChildrenWhenTheBodyIsDone) {
  Log log;
  CancelRootAfter(Millis(50));
  Run([&] { return AwaitsAWaitingBody(Millis(5), Millis(200), &log); });
  EXPECT_EQ(log, (Log{"child starts", "body starts", "body ends", "child cancelled", "joined"}));
  EXPECT_EQ(Elapsed(), Millis(50));
}

TEST_F(ScopeTest, ScopedInACancelledTaskIsCancelledFromTheStart) {
  Log log;
  root_.scope.Cancel();
  Run([&] { return AwaitsAWaitingBody(Millis(100), Millis(200), &log); });
  EXPECT_EQ(log, (Log{"child starts", "body starts", "child cancelled", "body cancelled", "joined"}));
  EXPECT_EQ(Elapsed(), 0);
}

Task<> BodyCancelsItsChildren(Scope& scope, Log* log) {
  EXPECT_TRUE(scope.Spawn(Waits(Millis(500), "child", log)));
  scope.Cancel();
  co_await Waits(Millis(10), "body", log);
}
Task<> AwaitsACancellingBody(Log* log) {
  auto body = [log](Scope& scope) { return BodyCancelsItsChildren(scope, log); };
  co_await Scoped(body);
}

TEST_F(ScopeTest, TheBodysOwnCancelLeavesTheBodyAlone) {
  Log log;
  Run([&] { return AwaitsACancellingBody(&log); });
  EXPECT_EQ(log, (Log{"child starts", "body starts", "child cancelled", "body ends"}));
  EXPECT_EQ(Elapsed(), Millis(10));
}

Task<> ScopedUnderADeadline(Log* log, bool* expired) {
  const Deadlined<void> result = co_await WithDeadline(Millis(30), AwaitsAWaitingBody(Millis(100), Millis(200), log));
  *expired = result.expired();
}

TEST_F(ScopeTest, ADeadlineAroundScopedReachesBodyAndChildren) {
  Log log;
  bool expired = false;
  Run([&] { return ScopedUnderADeadline(&log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log, (Log{"child starts", "body starts", "body cancelled", "child cancelled", "joined"}));
  EXPECT_EQ(Elapsed(), Millis(30));
}

Task<> ScopedAgainAndAgain(int times, int* count) {
  auto body = [count](Scope& scope) -> Task<> {
    EXPECT_TRUE(scope.Spawn(AtOnce(count)));
    co_return;
  };
  for (int i = 0; i < times; ++i) co_await Scoped(body);
}

TEST_F(ScopeTest, ALoopOfScopesThatEndAtOnceNeedsNoTurnAndNoStack) {
  int count = 0;
  Start([&] { return ScopedAgainAndAgain(300'000, &count); });
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(count, 300'000);
}

Task<> ScopedWithoutMemory(bool* caught) {
  auto body = [](Scope&) { return Task<>(); };
  try {
    co_await Scoped(body);
  } catch (const std::bad_alloc&) {
    *caught = true;
  }
}

TEST_F(ScopeTest, ABodyWithoutAFrameRaisesBadAlloc) {
  bool caught = false;
  Start([&] { return ScopedWithoutMemory(&caught); });
  EXPECT_TRUE(caught);
}

}  // namespace
}  // namespace mooring::core
