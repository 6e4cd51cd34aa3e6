// SPDX-License-Identifier: Apache-2.0
#include "core/when_all.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "core/shard.h"
#include "core/sleep.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

using Log = std::vector<std::string>;
using WhenAllTest = SteppedTest;

Task<int> Later(int value, Nanos after, Log* log) {
  log->push_back(std::to_string(value) + " starts");
  const Woken woken = co_await Sleep(after);
  log->push_back(std::to_string(value) + (woken == Woken::kTimer ? " ends" : " cancelled"));
  co_return value;
}
Task<int> AtOnce(int value) { co_return value; }
Task<> Nothing() { co_return; }
Task<std::unique_ptr<std::string>> Boxed(std::string text) {
  co_await Yield();
  co_return std::make_unique<std::string>(std::move(text));
}
Task<int> Throws(std::string what, Nanos after, Log* log) {
  log->push_back(what + " starts");
  if (after > 0) {
    const Woken woken = co_await Sleep(after);
    log->push_back(what + (woken == Woken::kTimer ? " throws" : " cancelled, and throws"));
  }
  throw std::runtime_error(what);
}

Task<> Three(Log* log) {
  auto [a, b, c] = co_await WhenAll(Later(1, Millis(20), log), Boxed("a move-only result"), Later(3, Millis(10), log));
  log->push_back(std::to_string(a) + *b + std::to_string(c));
}

TEST_F(WhenAllTest, AllRunBesideEachOtherAndTheResultsKeepTheirPlaces) {
  Log log;
  Run([&] { return Three(&log); });
  EXPECT_EQ(log, (Log{"1 starts", "3 starts", "3 ends", "1 ends", "1a move-only result3"}));
  EXPECT_EQ(Elapsed(), Millis(20));
}

Task<> VoidAmongThem(int* out) {
  std::tuple<std::monostate, int> result = co_await WhenAll(Nothing(), AtOnce(4));
  *out = std::get<1>(result);
}
Task<> OneAlone(int* out) {
  std::tuple<int> result = co_await WhenAll(AtOnce(5));
  *out = std::get<0>(result);
}

TEST_F(WhenAllTest, VoidIsMonostateAndOneIsEnough) {
  int out = 0;
  Start([&] { return VoidAmongThem(&out); });
  EXPECT_EQ(root_.done_calls, 1) << "nothing had to wait";
  EXPECT_EQ(out, 4);
  Run([&] { return OneAlone(&out); });
  EXPECT_EQ(out, 5);
}

Task<> AVector(int tasks, std::vector<int>* out, Log* log) {
  std::vector<Task<int>> all;
  for (int i = 0; i < tasks; ++i) all.push_back(Later(i, Millis((i * 7) % 5), log));
  std::vector<int> values = co_await WhenAll(std::move(all));
  *out = std::move(values);
}
Task<> AVectorOfVoid(int tasks, int* turns) {
  auto yields = [](int times, int* turns) -> Task<> {
    for (int i = 0; i < times; ++i) {
      co_await Yield();
      ++*turns;
    }
  };
  std::vector<Task<>> all;
  for (int i = 0; i < tasks; ++i) all.push_back(yields(i % 3, turns));
  co_await WhenAll(std::move(all));
}

TEST_F(WhenAllTest, AVectorOfAnySize) {
  for (const int tasks : {0, 1, 2, 1'000}) {
    std::vector<int> out = {-1};
    Log log;
    Run([&] { return AVector(tasks, &out, &log); });
    ASSERT_EQ(out.size(), static_cast<size_t>(tasks));
    for (int i = 0; i < tasks; ++i) EXPECT_EQ(out[static_cast<size_t>(i)], i);
    int turns = 0;
    Run([&] { return AVectorOfVoid(tasks, &turns); });
    EXPECT_EQ(turns, tasks / 3 * 3 + (tasks % 3 == 2 ? 1 : 0));
  }
}

Task<> AgainAndAgain(int times, int64_t* sum) {
  for (int i = 0; i < times; ++i) {
    auto [a, b] = co_await WhenAll(AtOnce(i), AtOnce(1));
    *sum += a + b;
  }
}
Task<int> LaterPlain(int value) {
  co_await Yield();
  co_return value;
}
Task<> AgainAndAgainLater(int times, int64_t* sum, uintptr_t* lowest, uintptr_t* highest) {
  for (int i = 0; i < times; ++i) {
    auto [a, b] = co_await WhenAll(LaterPlain(i), AtOnce(1));
    *sum += a + b;
    const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
    *lowest = std::min(*lowest, here);
    *highest = std::max(*highest, here);
  }
}

TEST_F(WhenAllTest, AMillionThatEndAtOnceNeedNoTurnAndNoStack) {
  int64_t sum = 0;
  Start([&] { return AgainAndAgain(1'000'000, &sum); });
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(sum, int64_t{1'000'000} * 999'999 / 2 + 1'000'000);
}

TEST_F(WhenAllTest, ManyThatWaitRunOnAFlatStackToo) {
  int64_t sum = 0;
  uintptr_t lowest = UINTPTR_MAX;
  uintptr_t highest = 0;
  Run([&] { return AgainAndAgainLater(100'000, &sum, &lowest, &highest); });
  EXPECT_EQ(sum, int64_t{100'000} * 99'999 / 2 + 100'000);
  EXPECT_LT(highest - lowest, 8'192u);
}

// Exceptions.

Task<> FirstThrows(Nanos after, Log* log) {
  auto result =
      co_await WhenAll(Later(1, Millis(100), log), Throws("two", after, log), Throws("three", Millis(50), log));
  ADD_FAILURE() << std::get<0>(result);
}

TEST_F(WhenAllTest, TheFirstThatThrowsCancelsTheOthersAndIsThrownWhenAllAreDone) {
  Log log;
  Run([&] { return FirstThrows(Millis(10), &log); });
  EXPECT_EQ(Thrown(), "two");
  EXPECT_EQ(log, (Log{"1 starts", "two starts", "three starts", "two throws", "1 cancelled",
                      "three cancelled, and throws"}));
  EXPECT_EQ(Elapsed(), Millis(10));
}

TEST_F(WhenAllTest, BehindOneThatThrowsAtOnceNoneStarts) {
  Log log;
  Run([&] { return FirstThrows(0, &log); });
  EXPECT_EQ(Thrown(), "two");
  EXPECT_EQ(log, (Log{"1 starts", "two starts", "1 cancelled"}));
  EXPECT_EQ(Elapsed(), 0);
}

// Cancellation.

Task<> TwoThenSleep(Log* log) {
  auto [a, b] = co_await WhenAll(Later(1, Millis(100), log), Later(2, Millis(200), log));
  log->push_back("both " + std::to_string(a + b));
  const Woken woken = co_await Sleep(Millis(100));
  log->push_back(woken == Woken::kTimer ? "slept" : "cancelled");
}

TEST_F(WhenAllTest, CancellingReachesAllThatAreNotDone) {
  Log log;
  Start([&] { return TwoThenSleep(&log); });
  CancelRootAfter(Millis(150));
  Finish();
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 ends", "2 cancelled", "both 3", "cancelled"}));
  EXPECT_EQ(Elapsed(), Millis(150));
}

TEST_F(WhenAllTest, InACancelledTaskAllAreCancelledFromTheStart) {
  Log log;
  root_.scope.Cancel();
  Run([&] { return TwoThenSleep(&log); });
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 cancelled", "2 cancelled", "both 3", "cancelled"}));
  EXPECT_EQ(Elapsed(), 0);
}

TEST_F(WhenAllTest, AfterItTheTaskWaitsForWhatComesNext) {
  Log log;
  Start([&] { return TwoThenSleep(&log); });
  CancelRootAfter(Millis(250));
  Finish();
  EXPECT_EQ(log.back(), "cancelled");
  EXPECT_EQ(Elapsed(), Millis(250));
}

Task<> TwoThenYield(Log* log) {
  auto both = co_await WhenAll(LaterPlain(1), LaterPlain(2));
  log->push_back("both " + std::to_string(std::get<0>(both) + std::get<1>(both)));
  co_await Yield();  // a wait that no scope knows
}

TEST_F(WhenAllTest, CancelAfterItsEndReachesNothing) {  // ASan knows that the frame's memory is free
  Log log;
  Start([&] { return TwoThenYield(&log); });
  Turn();
  EXPECT_EQ(log, (Log{"both 3"}));
  CancelRoot();
  Finish();
}

Task<> Nested(int depth, Log* log) {
  if (depth == 0) {
    co_await Later(0, Millis(1'000), log);
    co_return;
  }
  co_await WhenAll(Nested(depth - 1, log), Nested(depth - 1, log));
}
Task<> NestedUnderADeadline(int depth, Log* log, bool* expired) {
  const Deadlined<void> result = co_await WithDeadline(Millis(30), Nested(depth, log));
  *expired = result.expired();
}

TEST_F(WhenAllTest, ADeadlineReachesThroughMany) {
  Log log;
  bool expired = false;
  Run([&] { return NestedUnderADeadline(6, &log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log.size(), 128u);
  EXPECT_EQ(log.back(), "0 cancelled");
  EXPECT_EQ(Elapsed(), Millis(30));
}

Task<> AroundIt(Log* log, bool* expired) {
  auto result = co_await WithDeadline(Millis(30), WhenAll(Later(1, Millis(10), log), Later(2, Millis(50), log)));
  *expired = result.expired();
  log->push_back(std::to_string(std::get<1>(*result)));
}

TEST_F(WhenAllTest, ItIsATaskLikeAnyOther) {
  Log log;
  bool expired = false;
  Run([&] { return AroundIt(&log, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(log, (Log{"1 starts", "2 starts", "1 ends", "2 cancelled", "2"}));
}

// No memory.

Task<> WithAMissingFrame(Log* log, bool* caught) {
  try {
    co_await WhenAll(Later(1, Millis(10), log), Task<int>(), Later(3, Millis(10), log));
  } catch (const std::bad_alloc&) {
    *caught = true;
  }
}

TEST_F(WhenAllTest, WithoutMemoryForOneNoneStarts) {
  Log log;
  bool caught = false;
  Start([&] { return WithAMissingFrame(&log, &caught); });
  EXPECT_TRUE(caught);
  EXPECT_EQ(log, Log{});
}

TEST_F(WhenAllTest, OneThatIsNeverAwaitedGivesAllBack) {
  Log log;
  Shard::Enter enter(&stepped_.shard);
  { auto task = WhenAll(Later(1, Millis(10), &log), Boxed("never")); }
  EXPECT_EQ(stepped_.shard.frames().live(), 0u);
  EXPECT_EQ(log, Log{});
}

}  // namespace
}  // namespace mooring::core
