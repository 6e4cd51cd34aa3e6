// SPDX-License-Identifier: Apache-2.0
#include "core/every.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "core/shard.h"
#include "tests/core/stepped_test.h"

namespace mooring::core {
namespace {

class EveryTest : public SteppedTest {
 protected:
  Nanos begin_ = stepped_.clock.Now();
};

// The work of the n-th tick takes work[n], then none.
Task<> Ticks(Nanos interval, std::vector<Nanos> work, size_t times, std::vector<Nanos>* at) {
  Every tick(interval);
  while (co_await tick.Next()) {
    at->push_back(Shard::Current()->now());
    if (at->size() == times) co_return;
    if (at->size() <= work.size() && work[at->size() - 1] > 0) co_await Sleep(work[at->size() - 1]);
  }
}

TEST_F(EveryTest, TheFirstTickComesAfterOneIntervalAndThenAtAFixedRate) {
  std::vector<Nanos> at;
  Run([&] { return Ticks(Millis(100), {Millis(30), Millis(99), 0, Millis(1)}, 5, &at); });
  for (Nanos& tick : at) tick -= begin_;
  EXPECT_EQ(at, (std::vector<Nanos>{Millis(100), Millis(200), Millis(300), Millis(400), Millis(500)}));
}

TEST_F(EveryTest, MissedTicksAreSkipped) {
  std::vector<Nanos> at;
  Run([&] { return Ticks(Millis(100), {Millis(250), Millis(100), Millis(199)}, 5, &at); });
  for (Nanos& tick : at) tick -= begin_;
  // 100 + 250 = 350: 200 and 300 are missed. 400 + 100 = 500 is missed as it comes.
  EXPECT_EQ(at, (std::vector<Nanos>{Millis(100), Millis(400), Millis(600), Millis(800), Millis(900)}));
}

TEST_F(EveryTest, AnIntervalOfNoWholeMillisecondsKeepsItsRate) {
  std::vector<Nanos> at;
  Run([&] { return Ticks(Millis(5) / 2, {}, 1'000, &at); });
  EXPECT_EQ(at[0] - begin_, Millis(3));  // never early: the wheel rounds up
  EXPECT_EQ(at[1] - begin_, Millis(5));
  EXPECT_EQ(at[999] - begin_, Millis(2'500));
}

TEST_F(EveryTest, AnIntervalOfNothingIsAMillisecond) {
  for (const Nanos interval : {Nanos{0}, Nanos{1}, Nanos{-5}, std::numeric_limits<Nanos>::min()}) {
    std::vector<Nanos> at;
    Run([&] { return Ticks(interval, {}, 10, &at); });
    EXPECT_EQ(Elapsed(), Millis(10));
  }
}

TEST_F(EveryTest, CancelEndsItInTheMiddleOfAnInterval) {
  std::vector<Nanos> at;
  Start([&] { return Ticks(Millis(100), {}, 1'000, &at); });
  CancelRootAfter(Millis(250));
  Finish();
  EXPECT_EQ(at.size(), 2u);
  EXPECT_EQ(Elapsed(), Millis(250));
  Run([&] { return Ticks(Millis(100), {}, 1'000, &at); });  // cancelled before
  EXPECT_EQ(at.size(), 2u);
}

TEST_F(EveryTest, ForEverIsNotThePast) {
  std::vector<Nanos> at;
  Start([&] { return Ticks(std::numeric_limits<Nanos>::max(), {}, 1, &at); });
  stepped_.shard.RunTurn(Millis(10));
  EXPECT_TRUE(at.empty());
  CancelRoot();
  Finish();
}

Task<> TicksUnderADeadline(std::vector<Nanos>* at, bool* expired) {
  const Deadlined<void> result = co_await WithDeadline(Millis(35), Ticks(Millis(10), {}, 1'000, at));
  *expired = result.expired();
}

TEST_F(EveryTest, ADeadlineEndsIt) {
  std::vector<Nanos> at;
  bool expired = false;
  Run([&] { return TicksUnderADeadline(&at, &expired); });
  EXPECT_TRUE(expired);
  EXPECT_EQ(at.size(), 3u);
  EXPECT_EQ(Elapsed(), Millis(35));
}

}  // namespace
}  // namespace mooring::core
