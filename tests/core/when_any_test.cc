// SPDX-License-Identifier: Apache-2.0
#include "core/when_any.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/event.h"
#include "core/shard.h"
#include "core/sleep.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

using Log = std::vector<std::string>;
using WhenAnyTest = SteppedTest;

Task<int> Later(int value, Nanos after, Log* log) {
  log->push_back(std::to_string(value) + " starts");
  const Woken woken = co_await Sleep(after);
  log->push_back(std::to_string(value) + (woken == Woken::kTimer ? " ends" : " cancelled"));
  co_return value;
}
Task<int> AtOnce(int value) { co_return value; }
Task<> Naps(Nanos duration) {
  const Woken woken = co_await Sleep(duration);
  (void)woken;
}
Task<std::unique_ptr<std::string>> Boxed(std::string text, Nanos after) {
  co_await Naps(after);
  co_return std::make_unique<std::string>(std::move(text));
}
Task<int> Throws(Nanos after, Log* log) {
  if (after > 0) {
    const Woken woken = co_await Sleep(after);
    log->push_back(woken == Woken::kTimer ? "throws" : "cancelled, and throws");
  }
  throw std::runtime_error("thrown");
}

Task<> Race(Nanos first, Nanos second, Nanos third, Log* log) {
  auto result = co_await WhenAny(Later(1, first, log), Boxed("a box", second), Naps(third));
  log->push_back("index " + std::to_string(result.index()));
  if (result.index() == 0) log->push_back(std::to_string(std::get<0>(result)));
  if (result.index() == 1) log->push_back(*std::get<1>(result));
}

TEST_F(WhenAnyTest, TheFirstThatEndsDecidesAndTheOthersAreCancelledAndJoined) {
  Log log;
  Run([&] { return Race(Millis(10), Millis(20), Millis(30), &log); });
  EXPECT_EQ(log, (Log{"1 starts", "1 ends", "index 0", "1"}));
  EXPECT_EQ(Elapsed(), Millis(10));
  log.clear();
  Run([&] { return Race(Millis(20), Millis(10), Millis(30), &log); });
  EXPECT_EQ(log, (Log{"1 starts", "1 cancelled", "index 1", "a box"}));
  EXPECT_EQ(Elapsed(), Millis(10));
  log.clear();
  Run([&] { return Race(Millis(20), Millis(30), Millis(10), &log); });
  EXPECT_EQ(log, (Log{"1 starts", "1 cancelled", "index 2"}));
  EXPECT_EQ(Elapsed(), Millis(10));
}

Task<> OneAtOnce(Log* log) {
  auto result = co_await WhenAny(Later(1, Millis(10), log), AtOnce(2), Later(3, Millis(10), log));
  log->push_back("index " + std::to_string(result.index()));
}

TEST_F(WhenAnyTest, BehindOneThatEndsAtOnceNoneStarts) {
  Log log;
  Run([&] { return OneAtOnce(&log); });
  EXPECT_EQ(log, (Log{"1 starts", "1 cancelled", "index 1"}));
  EXPECT_EQ(Elapsed(), 0);
}

Task<int> TidiesUp(int turns, Log* log) {
  const Woken woken = co_await Sleep(Millis(1'000));
  EXPECT_EQ(woken, Woken::kCancelled);
  for (int i = 0; i < turns; ++i) co_await Yield();
  log->push_back("tidy");
  co_return 3;  // dropped
}
Task<> WithASlowLoser(Log* log) {
  auto result = co_await WhenAny(TidiesUp(10, log), Later(2, Millis(5), log));
  log->push_back("index " + std::to_string(result.index()));
  EXPECT_EQ(Shard::Current()->frames().live(), 1u);
}

TEST_F(WhenAnyTest, ALoserIsWaitedForAndWhatItReturnsIsDropped) {
  Log log;
  Run([&] { return WithASlowLoser(&log); });
  EXPECT_EQ(log, (Log{"2 starts", "2 ends", "tidy", "index 1"}));
}

Task<> Same(Log* log) {  // both end in one turn
  auto result = co_await WhenAny(Later(1, Millis(5), log), Later(2, Millis(5), log));
  log->push_back("index " + std::to_string(result.index()));
}

TEST_F(WhenAnyTest, OfTwoThatEndInOneTurnTheFirstInTheQueueDecides) {
  Log log;
  Run([&] { return Same(&log); });
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 ends", "2 ends", "index 0"}));
}

// Exceptions.

Task<> OneThrows(Nanos throws_after, Nanos other_after, Log* log) {
  auto result = co_await WhenAny(Throws(throws_after, log), Later(2, other_after, log));
  log->push_back("index " + std::to_string(result.index()));
}

TEST_F(WhenAnyTest, AnExceptionDecidesToo) {
  Log log;
  Run([&] { return OneThrows(Millis(5), Millis(50), &log); });
  EXPECT_EQ(Thrown(), "thrown");
  EXPECT_EQ(log, (Log{"2 starts", "throws", "2 cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(5));
  log.clear();
  Run([&] { return OneThrows(0, Millis(50), &log); });
  EXPECT_EQ(Thrown(), "thrown");
  EXPECT_EQ(log, Log{});
}

TEST_F(WhenAnyTest, WhatALoserThrowsIsDropped) {
  Log log;
  Run([&] { return OneThrows(Millis(50), Millis(5), &log); });
  EXPECT_EQ(Thrown(), "");
  EXPECT_EQ(log, (Log{"2 starts", "2 ends", "cancelled, and throws", "index 1"}));
}

// Cancellation.

Task<> TwoThenSleep(Log* log) {
  auto result = co_await WhenAny(Later(1, Millis(100), log), Later(2, Millis(200), log));
  log->push_back("index " + std::to_string(result.index()));
  const Woken woken = co_await Sleep(Millis(100));
  log->push_back(woken == Woken::kTimer ? "slept" : "cancelled");
}

TEST_F(WhenAnyTest, CancellingReachesAll) {
  Log log;
  Start([&] { return TwoThenSleep(&log); });
  CancelRootAfter(Millis(50));
  Finish();
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 cancelled", "2 cancelled", "index 0", "cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(50));
}

TEST_F(WhenAnyTest, AfterItTheTaskWaitsForWhatComesNext) {
  Log log;
  Start([&] { return TwoThenSleep(&log); });
  CancelRootAfter(Millis(150));
  Finish();
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 ends", "2 cancelled", "index 0", "cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(150));
}

Task<> AroundIt(Log* log, bool* expired) {
  auto result = co_await WithDeadline(Millis(30), WhenAny(Later(1, Millis(80), log), Later(2, Millis(50), log)));
  *expired = result.expired();
}

TEST_F(WhenAnyTest, ADeadlineAroundItReachesAll) {
  Log log;
  bool expired = false;
  Run([&] { return AroundIt(&log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 cancelled", "2 cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(30));
}

// The vector, and loops.

Task<> AVector(int tasks, int fastest, size_t* index, int* value, Log* log) {
  std::vector<Task<int>> all;
  for (int i = 0; i < tasks; ++i) all.push_back(Later(i, i == fastest ? Millis(5) : Millis(50), log));
  FirstDone<int> first = co_await WhenAny(std::move(all));
  *index = first.index;
  *value = first.value;
}
Task<> AVectorOfVoid(size_t* index) {
  std::vector<Task<>> all;
  for (int i = 0; i < 5; ++i) all.push_back(Naps(Millis(50 - i)));
  FirstDone<void> first = co_await WhenAny(std::move(all));
  *index = first.index;
}

TEST_F(WhenAnyTest, AVectorOfAnySize) {
  for (const int tasks : {1, 2, 1'000}) {
    size_t index = 0;
    int value = 0;
    Log log;
    Run([&] { return AVector(tasks, tasks - 1, &index, &value, &log); });
    EXPECT_EQ(index, static_cast<size_t>(tasks - 1));
    EXPECT_EQ(value, tasks - 1);
    EXPECT_EQ(Elapsed(), Millis(5));
  }
  size_t index = 0;
  Run([&] { return AVectorOfVoid(&index); });
  EXPECT_EQ(index, 4u);
}

Task<> AgainAndAgain(int times, Log* log, int64_t* sum) {
  for (int i = 0; i < times; ++i) {
    auto result = co_await WhenAny(AtOnce(i), Later(1, Millis(1), log));
    *sum += std::get<0>(result);
  }
}

TEST_F(WhenAnyTest, AMillionThatEndAtOnceNeedNoTurnAndNoStack) {
  int64_t sum = 0;
  Log log;
  Start([&] { return AgainAndAgain(1'000'000, &log, &sum); });
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(sum, int64_t{1'000'000} * 999'999 / 2);
}

Task<bool> IsSet(Event* event) {
  const bool set = co_await event->Wait();
  co_return set;
}
Task<> WaitsForEither(Event* a, Event* b, int times, int* firsts) {
  for (int i = 0; i < times; ++i) {
    auto result = co_await WhenAny(IsSet(a), IsSet(b));
    if (result.index() == 0) ++*firsts;
    a->Reset();
  }
}

TEST_F(WhenAnyTest, TheLinesOfWhatTheLosersWaitedForAreEmptyAgain) {
  Event a;
  Event b;  // never set: its list asserts that nobody is left in it
  int firsts = 0;
  Start([&] { return WaitsForEither(&a, &b, 100, &firsts); });
  for (int i = 0; i < 300; ++i) {
    Shard::Enter enter(&stepped_.shard);
    a.Set();
    Turn();
  }
  Finish();
  EXPECT_EQ(firsts, 100);
}

Task<> WithAMissingFrame(Log* log, bool* caught) {
  try {
    co_await WhenAny(Later(1, Millis(10), log), Task<int>());
  } catch (const std::bad_alloc&) {
    *caught = true;
  }
}

TEST_F(WhenAnyTest, WithoutMemoryForOneNoneStarts) {
  Log log;
  bool caught = false;
  Start([&] { return WithAMissingFrame(&log, &caught); });
  EXPECT_TRUE(caught);
  EXPECT_EQ(log, Log{});
}

}  // namespace
}  // namespace mooring::core
