// SPDX-License-Identifier: Apache-2.0
#include "core/timer_wheel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

namespace mooring::core {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();
constexpr size_t kAll = std::numeric_limits<size_t>::max();
constexpr int64_t kDayMs = 86'400'000;

// A wheel that notes the deadlines it fires and then calls what the test wants called.
class TimerWheelTest : public ::testing::Test {
 protected:
  explicit TimerWheelTest(int64_t now_ms = 1000) : wheel_(now_ms) {
    for (int kind = 0; kind < kTimerKinds; ++kind) {
      wheel_.SetExpire(
          static_cast<TimerKind>(kind),
          [](void* context, Timer* timer) {
            auto* self = static_cast<TimerWheelTest*>(context);
            EXPECT_FALSE(timer->armed());
            EXPECT_TRUE(self->wheel_.Validate());
            self->fired_.push_back(timer->deadline_ms());
            if (self->on_expire_) self->on_expire_(timer);
          },
          this);
    }
  }
  ~TimerWheelTest() override { EXPECT_TRUE(wheel_.Validate()); }

  void Arm(Timer* timer, int64_t deadline_ms) { wheel_.Arm(timer, TimerKind::kOther, deadline_ms); }

  TimerWheel wheel_;
  std::vector<int64_t> fired_;
  std::function<void(Timer*)> on_expire_;
};

using Deadlines = std::vector<int64_t>;

TEST_F(TimerWheelTest, FiresAtItsDeadlineAndNotBefore) {
  Timer timer;
  Arm(&timer, 1500);
  EXPECT_TRUE(timer.armed());
  EXPECT_EQ(timer.deadline_ms(), 1500);
  EXPECT_EQ(timer.kind(), TimerKind::kOther);
  EXPECT_EQ(wheel_.armed(), 1u);
  EXPECT_EQ(wheel_.NextMs(), 1500);
  EXPECT_EQ(wheel_.Advance(1499, kAll), 0u);
  EXPECT_EQ(wheel_.Advance(1500, kAll), 1u);
  EXPECT_EQ(fired_, Deadlines({1500}));
  EXPECT_EQ(wheel_.armed(), 0u);
  EXPECT_EQ(wheel_.NextMs(), kNever);
}

TEST_F(TimerWheelTest, EachKindHasItsOwnExpireAndContext) {
  int calls[kTimerKinds] = {};
  for (int kind = 0; kind < kTimerKinds; ++kind) {
    wheel_.SetExpire(
        static_cast<TimerKind>(kind), [](void* context, Timer*) { ++*static_cast<int*>(context); }, &calls[kind]);
  }
  Timer timers[kTimerKinds];
  for (int kind = 0; kind < kTimerKinds; ++kind) wheel_.Arm(&timers[kind], static_cast<TimerKind>(kind), 2000);
  wheel_.Advance(1999, kAll);
  for (const int n : calls) EXPECT_EQ(n, 0);
  wheel_.Advance(2000, kAll);
  for (const int n : calls) EXPECT_EQ(n, 1);
}

TEST_F(TimerWheelTest, ArmAgainMovesTheTimer) {
  Timer timer;
  Arm(&timer, 1010);
  Arm(&timer, 50'000);
  EXPECT_EQ(wheel_.armed(), 1u);
  EXPECT_EQ(wheel_.Advance(49'999, kAll), 0u);
  Arm(&timer, 50'001);
  EXPECT_EQ(wheel_.Advance(50'000, kAll), 0u);
  EXPECT_EQ(wheel_.Advance(50'001, kAll), 1u);
}

TEST_F(TimerWheelTest, PastDeadlineFiresAtTheNextAdvanceEvenAtTheSameTime) {
  Timer past, negative;
  Arm(&past, 10);
  Arm(&negative, -5);
  EXPECT_TRUE(fired_.empty());
  EXPECT_EQ(past.deadline_ms(), 1000);
  EXPECT_EQ(wheel_.NextMs(), 1000);
  EXPECT_TRUE(wheel_.Validate());
  EXPECT_EQ(wheel_.Advance(1000, kAll), 2u);
}

TEST_F(TimerWheelTest, TimeNeverMovesBackwards) {
  Timer timer;
  wheel_.Advance(5000, kAll);
  Arm(&timer, 4000);
  EXPECT_EQ(wheel_.Advance(10, kAll), 1u);
  EXPECT_EQ(wheel_.now_ms(), 5000);
}

TEST_F(TimerWheelTest, FiresInDeadlineOrderAcrossLevels) {
  const Deadlines deadlines = {1'000'000'000, 1001, 300'000, 1063, 1064, 5095, 1'000'000'001, 5096, 1024, 300'001};
  std::vector<Timer> timers(deadlines.size());
  for (size_t i = 0; i < timers.size(); ++i) Arm(&timers[i], deadlines[i]);
  EXPECT_TRUE(wheel_.Validate());
  EXPECT_EQ(wheel_.Advance(2'000'000'000, kAll), deadlines.size());
  Deadlines sorted = deadlines;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(fired_, sorted);
}

TEST_F(TimerWheelTest, EveryLevelFiresToTheMillisecond) {
  for (int bit = 0; bit < 44; ++bit) {
    for (const int64_t distance : {(int64_t{1} << bit) - 1, int64_t{1} << bit}) {
      TimerWheel wheel(63);
      wheel.SetExpire(
          TimerKind::kSleep, [](void*, Timer*) {}, nullptr);
      const int64_t deadline = std::min(63 + std::max<int64_t>(distance, 1), TimerWheel::kDeadlineMaxMs);
      Timer timer;
      wheel.Arm(&timer, TimerKind::kSleep, deadline);
      ASSERT_EQ(wheel.NextMs(), deadline);
      ASSERT_EQ(wheel.Advance(deadline - 1, kAll), 0u) << bit;
      ASSERT_EQ(wheel.NextMs(), deadline);
      ASSERT_TRUE(wheel.Validate());
      ASSERT_EQ(wheel.Advance(deadline, kAll), 1u) << bit;
    }
  }
}

TEST_F(TimerWheelTest, DeadlineBeyondReachIsTheLastOne) {
  Timer timer;
  Arm(&timer, kNever);
  EXPECT_EQ(timer.deadline_ms(), TimerWheel::kDeadlineMaxMs);
  EXPECT_EQ(wheel_.Advance(TimerWheel::kDeadlineMaxMs - 1, kAll), 0u);
  EXPECT_EQ(wheel_.Advance(kNever, kAll), 1u);
}

TEST_F(TimerWheelTest, ClockJumpOfDaysNeedsOneAdvance) {
  Timer timer;
  Arm(&timer, 1000 + 10 * kDayMs + 7);
  EXPECT_EQ(wheel_.Advance(1000 + 10 * kDayMs + 6, kAll), 0u);
  EXPECT_EQ(wheel_.NextMs(), 1000 + 10 * kDayMs + 7);
  EXPECT_EQ(wheel_.Advance(1000 + 400 * kDayMs, kAll), 1u);
  EXPECT_EQ(wheel_.NextMs(), kNever);
}

TEST_F(TimerWheelTest, BudgetLeavesTheRestInOrder) {
  Timer timers[10];
  for (int i = 0; i < 10; ++i) Arm(&timers[i], 9000 - 700 * (i % 5));
  EXPECT_EQ(wheel_.Advance(20'000, 0), 0u);
  EXPECT_EQ(wheel_.NextMs(), 20'000);
  EXPECT_EQ(wheel_.Advance(20'000, 3), 3u);
  EXPECT_EQ(wheel_.NextMs(), 20'000);
  EXPECT_TRUE(wheel_.Validate());
  Timer late;
  Arm(&late, 1);  // behind those that have waited longer
  EXPECT_EQ(wheel_.Advance(30'000, 7), 7u);
  EXPECT_EQ(wheel_.NextMs(), 30'000);
  EXPECT_EQ(wheel_.Advance(30'000, 7), 1u);
  EXPECT_EQ(wheel_.NextMs(), kNever);
  EXPECT_EQ(fired_, Deadlines({6200, 6200, 6900, 6900, 7600, 7600, 8300, 8300, 9000, 9000, 20'000}));
}

TEST_F(TimerWheelTest, ExactBudgetLeavesNothingOver) {
  Timer timers[3];
  for (Timer& timer : timers) Arm(&timer, 2000);
  EXPECT_EQ(wheel_.Advance(3000, 3), 3u);
  EXPECT_EQ(wheel_.NextMs(), kNever);
}

TEST_F(TimerWheelTest, CrowdedSlotMovesInBoundedSteps) {
  const size_t count = TimerWheel::kMovesFree + 2 * TimerWheel::kMovesPerFire + 1;
  std::vector<Timer> timers(count);
  for (Timer& timer : timers) Arm(&timer, 100'000);  // one slot, levels above the lowest
  EXPECT_EQ(wheel_.Advance(99'999, 1), 0u);
  EXPECT_EQ(wheel_.NextMs(), 99'999) << "the rest of the slot has yet to move";
  EXPECT_TRUE(wheel_.Validate());
  Timer late;
  Arm(&late, 1);
  EXPECT_EQ(wheel_.Advance(100'000, 1), 1u);
  EXPECT_EQ(fired_, Deadlines({99'999})) << "in order, although what moved was older";
  size_t fired = 0;
  for (int i = 0; i < 10; ++i) fired += wheel_.Advance(100'000, count / 5);
  EXPECT_EQ(fired, count);
}

TEST_F(TimerWheelTest, MovingTimersCanBeCancelled) {
  std::vector<Timer> timers(TimerWheel::kMovesFree + 50);
  for (Timer& timer : timers) Arm(&timer, 100'000);
  EXPECT_EQ(wheel_.Advance(99'999, 0), 0u);
  EXPECT_EQ(wheel_.NextMs(), 99'999);
  for (Timer& timer : timers) wheel_.Cancel(&timer);
  EXPECT_TRUE(wheel_.Validate());
  EXPECT_EQ(wheel_.NextMs(), kNever);
  EXPECT_EQ(wheel_.Advance(100'000, kAll), 0u);
}

TEST_F(TimerWheelTest, CancelOfAnUnarmedTimerIsANoOp) {
  Timer timer;
  wheel_.Cancel(&timer);
  Arm(&timer, 1001);
  wheel_.Cancel(&timer);
  wheel_.Cancel(&timer);
  EXPECT_EQ(wheel_.armed(), 0u);
  EXPECT_EQ(wheel_.NextMs(), kNever);
  EXPECT_EQ(wheel_.Advance(2000, kAll), 0u);
}

TEST_F(TimerWheelTest, CancelInsideCallbackIsSafe) {
  Timer timers[6];
  for (int i = 0; i < 6; ++i) Arm(&timers[i], i < 3 ? 1100 : 1200 + i);
  on_expire_ = [&](Timer* timer) {
    wheel_.Cancel(timer);  // itself: no longer armed
    for (Timer& other : timers) wheel_.Cancel(&other);
  };
  EXPECT_EQ(wheel_.Advance(5000, kAll), 1u) << "the others, of the same tick and later, were cancelled in time";
  EXPECT_EQ(wheel_.armed(), 0u);
}

TEST_F(TimerWheelTest, TimerArmedDueInACallbackWaitsForTheNextAdvance) {
  Timer timer;
  Arm(&timer, 1100);
  on_expire_ = [&](Timer* self) { Arm(self, 1100); };
  for (int i = 1; i <= 3; ++i) EXPECT_EQ(wheel_.Advance(1100, kAll), 1u);
  EXPECT_EQ(fired_.size(), 3u);
}

TEST_F(TimerWheelTest, CallbackMayArmAheadOfWhatIsStillDue) {
  Timer first, second, armed_inside;
  Arm(&first, 1100);
  Arm(&second, 1300);
  on_expire_ = [&](Timer* timer) {
    if (timer == &first) Arm(&armed_inside, 1200);  // between the two, but 2000 is now
  };
  EXPECT_EQ(wheel_.Advance(2000, kAll), 2u);
  EXPECT_EQ(wheel_.Advance(2000, kAll), 1u);
  EXPECT_EQ(fired_, Deadlines({1100, 1300, 2000}));
}

TEST_F(TimerWheelTest, CallbackMayDestroyTimers) {
  auto first = std::make_unique<Timer>();
  auto second = std::make_unique<Timer>();
  Arm(first.get(), 1100);
  Arm(second.get(), 1100);
  on_expire_ = [&](Timer*) {
    first.reset();
    second.reset();
  };
  EXPECT_EQ(wheel_.Advance(1100, kAll), 1u);
  EXPECT_EQ(wheel_.armed(), 0u);
}

TEST_F(TimerWheelTest, DestroyedTimerLeavesNoTrace) {
  Timer neighbour;
  Arm(&neighbour, 70'000);
  {
    Timer timer, alone, late;
    Arm(&timer, 70'000);
    Arm(&alone, 1001);
    Arm(&late, 1);
    EXPECT_EQ(wheel_.armed(), 4u);
  }
  EXPECT_EQ(wheel_.armed(), 1u);
  EXPECT_TRUE(wheel_.Validate());
  EXPECT_EQ(wheel_.NextMs(), 70'000);
  EXPECT_EQ(wheel_.Advance(80'000, kAll), 1u);
}

TEST_F(TimerWheelTest, DestroyedWheelDisarms) {
  Timer near, far, late;
  {
    TimerWheel wheel(100);
    wheel.Arm(&near, TimerKind::kOther, 101);
    wheel.Arm(&far, TimerKind::kOther, kDayMs);
    wheel.Arm(&late, TimerKind::kOther, 100);
  }
  EXPECT_FALSE(near.armed() || far.armed() || late.armed());
}

TEST_F(TimerWheelTest, NextMsIsExactWhateverTheLevel) {
  Timer sooner, later;
  Arm(&later, 1000 + kDayMs);
  for (int64_t distance = 1; distance < kDayMs; distance = distance * 3 + 1) {
    Arm(&sooner, 1000 + distance);
    EXPECT_EQ(wheel_.NextMs(), 1000 + distance);
  }
  wheel_.Cancel(&sooner);
  wheel_.Advance(50'000, kAll);
  EXPECT_EQ(wheel_.NextMs(), 1000 + kDayMs);
}

TEST_F(TimerWheelTest, SleepingToNextMsWakesOncePerDeadline) {
  std::vector<Timer> timers(300);
  for (size_t i = 0; i < timers.size(); ++i) Arm(&timers[i], 1000 + static_cast<int64_t>(i * i * i) * 997 + 1);
  size_t wakes = 0;
  while (wheel_.armed() > 0) {
    const int64_t next = wheel_.NextMs();
    ASSERT_EQ(wheel_.Advance(next, kAll), 1u) << "woke up for nothing";
    ASSERT_EQ(fired_.back(), next);
    ++wakes;
  }
  EXPECT_EQ(wakes, timers.size());
}

TEST_F(TimerWheelTest, CancelledEarliestCostsAtMostOneEarlyWakeUp) {
  Timer earliest, other;
  Arm(&earliest, 3'000'000);
  Arm(&other, 3'000'500);
  wheel_.Cancel(&earliest);
  const int64_t early = wheel_.NextMs();
  EXPECT_LE(early, 3'000'500);
  EXPECT_EQ(wheel_.Advance(early, kAll), 0u);
  EXPECT_EQ(wheel_.NextMs(), 3'000'500);
  EXPECT_EQ(wheel_.Advance(3'000'500, kAll), 1u);
}

TEST_F(TimerWheelTest, PushedBackDeadlineIsTouchedOnlyOnExpiry) {
  constexpr int64_t kIdleMs = 5000;
  int64_t last_activity_ms = 1000;
  int closed = 0;
  Timer timer;
  Arm(&timer, last_activity_ms + kIdleMs);
  on_expire_ = [&](Timer* self) {
    const int64_t due = last_activity_ms + kIdleMs;
    if (due > wheel_.now_ms()) return Arm(self, due);
    ++closed;
  };
  for (int64_t now = 1000; now <= 21'000; now += 10) {
    if (now <= 12'000) last_activity_ms = now;
    wheel_.Advance(now, kAll);
    ASSERT_EQ(closed, now < 17'000 ? 0 : 1);
  }
  EXPECT_EQ(closed, 1);
  EXPECT_EQ(fired_, Deadlines({6000, 11'000, 16'000, 17'000}));
}

}  // namespace
}  // namespace mooring::core
