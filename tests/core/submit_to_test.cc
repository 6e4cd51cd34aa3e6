// SPDX-License-Identifier: Apache-2.0
#include "core/submit_to.h"

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/shards.h"
#include "core/sleep.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

// Counts how many of it live, but for those that were moved from, and knows on which shard the last one died.
struct Tracked {
  explicit Tracked(int* count) : live(count) { ++*live; }
  Tracked(const Tracked& other) : live(other.live) { ++*live; }
  Tracked(Tracked&& other) noexcept : live(std::exchange(other.live, nullptr)) {}
  ~Tracked() {
    if (live == nullptr) return;
    --*live;
    died_on = Shard::Current();
  }
  int* live;
  static inline Shard* died_on = nullptr;
};

class SubmitToTest : public ::testing::Test {
 protected:
  SubmitToTest() = default;
  ~SubmitToTest() override {
    if (torn_down_) return;
    for (SteppedShard* each : {&home_, &there_, &third_}) {
      EXPECT_EQ(each->shard.frames().live(), 0u) << "of shard " << each->shard.id();
      EXPECT_EQ(each->shard.wheel().armed(), 0u) << "of shard " << each->shard.id();
    }
  }
  template <class Make>
  void Start(Make make, TestRoot* root) {
    Shard::Enter enter(&home_.shard);
    ASSERT_TRUE(make().Start(root));
  }
  void Cancel(TestRoot* root) {
    Shard::Enter enter(&home_.shard);
    root->scope.Cancel();
  }
  void RunAll(int rounds = 20) {
    for (int i = 0; i < rounds; ++i) {
      for (SteppedShard* each : {&home_, &there_, &third_}) each->shard.RunTurn(0);
    }
  }

  SteppedShard home_;
  SteppedShard there_{{.id = 1}};
  SteppedShard third_{{.id = 2}};
  Shards shards_{{&home_.shard, &there_.shard, &third_.shard}};
  TestRoot root_;
  bool torn_down_ = false;
};

TEST_F(SubmitToTest, RunsInATurnOfThatShardAndGivesItsAnswer) {
  int answer = 0;
  bool ok = false;
  Start(
      [&]() -> Task<> {
        return [](int* to, bool* said_ok) -> Task<> {
          auto answered = co_await SubmitTo(1, [] { return static_cast<int>(Shard::Current()->id()) + 41; });
          *said_ok = answered.ok();
          *to = *answered;
          EXPECT_EQ(Shard::Current()->id(), 0u);
        }(&answer, &ok);
      },
      &root_);
  EXPECT_EQ(root_.done_calls, 0);
  home_.shard.RunTurn(0);
  EXPECT_EQ(root_.done_calls, 0) << "nothing comes back before the other has run";
  there_.shard.RunTurn(0);
  home_.shard.RunTurn(0);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_TRUE(ok);
  EXPECT_EQ(answer, 42);
}

Task<> SubmitNothing(uint32_t to, int* ran) {
  auto note = [ran] { *ran = static_cast<int>(Shard::Current()->id()); };
  auto done = co_await SubmitTo(to, note);
  EXPECT_TRUE(done.ok());
}

TEST_F(SubmitToTest, ToItselfGoesByMailToo) {
  int ran = -1;
  Start([&] { return SubmitNothing(0, &ran); }, &root_);
  EXPECT_EQ(ran, -1) << "never inline";
  EXPECT_EQ(root_.done_calls, 0);
  home_.shard.RunTurn(0);
  home_.shard.RunTurn(0);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(root_.done_calls, 1);
}

TEST_F(SubmitToTest, AShardThatIsAloneReachesItself) {
  SteppedShard alone({.id = 7});
  int ran = -1;
  TestRoot root;
  {
    Shard::Enter enter(&alone.shard);
    ASSERT_TRUE(SubmitNothing(7, &ran).Start(&root));
  }
  alone.RunTurns(2);
  EXPECT_EQ(ran, 7);
  EXPECT_EQ(root.done_calls, 1);
}

// The control shard: the set of data shards knows nothing of it.
TEST_F(SubmitToTest, AShardThatIsNotInTheSetSubmitsAndIsAnswered) {
  SteppedShard control({.id = 3});
  control.shard.SetShards(&shards_);
  int ran = -1;
  TestRoot root;
  {
    Shard::Enter enter(&control.shard);
    ASSERT_TRUE(SubmitNothing(2, &ran).Start(&root));
  }
  third_.shard.RunTurn(0);
  control.shard.RunTurn(0);
  EXPECT_EQ(ran, 2);
  EXPECT_EQ(root.done_calls, 1);
  {
    Shard::Enter enter(&control.shard);
    ASSERT_TRUE(SubmitNothing(3, &ran).Start(&root));
  }
  control.RunTurns(2);
  EXPECT_EQ(ran, 3);
  EXPECT_EQ(root.done_calls, 2);
}

Task<> GetUnique(std::unique_ptr<std::string>* to) {
  auto fn = [text = std::make_unique<std::string>("moved there")]() mutable {
    *text += " and back";
    return std::move(text);
  };
  if (auto answered = co_await SubmitTo(1, std::move(fn)); answered.ok()) *to = std::move(*answered);
}

TEST_F(SubmitToTest, WhatCanOnlyBeMovedGoesThereAndBack) {
  std::unique_ptr<std::string> got;
  Start([&] { return GetUnique(&got); }, &root_);
  RunAll();
  ASSERT_NE(got, nullptr);
  EXPECT_EQ(*got, "moved there and back");
}

Task<std::string> ThinkThere(std::string text, Nanos how_long) {
  if (const Woken woken = co_await Sleep(how_long); woken == Woken::kCancelled) co_return "cancelled";
  co_return text + " of " + std::to_string(Shard::Current()->id());
}
Task<> AskTask(std::string* to) {
  // The callable is kept until its task is done, so a capturing coroutine is fine.
  auto fn = [text = std::string("a thought that is longer than a small string")]() -> Task<std::string> {
    std::string thought = co_await ThinkThere(text, Millis(5));
    co_return thought + "/" + text;
  };
  auto answered = co_await SubmitTo(1, std::move(fn));
  EXPECT_TRUE(answered.ok());
  *to = *answered;
}

TEST_F(SubmitToTest, ATaskRunsThereToItsEnd) {
  std::string got;
  Start([&] { return AskTask(&got); }, &root_);
  RunAll();
  EXPECT_EQ(root_.done_calls, 0) << "it sleeps";
  EXPECT_EQ(there_.shard.wheel().armed(), 1u);
  there_.clock.Advance(Millis(5));
  RunAll();
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(got, "a thought that is longer than a small string of 1/a thought that is longer than a small string");
}

Task<> Throws(Nanos first) {
  co_await Sleep(first);
  throw std::runtime_error("from the task");
}
Task<> CatchBoth(std::vector<std::string>* caught) {
  try {
    auto done = co_await SubmitTo(1, [] { throw std::runtime_error("from the function"); });
    EXPECT_TRUE(done.ok()) << "not reached";
  } catch (const std::runtime_error& error) {
    caught->push_back(error.what());
  }
  try {
    auto answered = co_await SubmitTo(1, []() -> int { throw std::runtime_error("instead of a value"); });
    EXPECT_TRUE(answered.ok()) << "not reached";
  } catch (const std::runtime_error& error) {
    caught->push_back(error.what());
  }
  try {
    auto done = co_await SubmitTo(1, [] { return Throws(Millis(1)); });
    EXPECT_TRUE(done.ok()) << "not reached";
  } catch (const std::runtime_error& error) {
    caught->push_back(error.what());
  }
}

TEST_F(SubmitToTest, WhatIsThrownThereIsThrownByTheAwait) {
  std::vector<std::string> caught;
  Start([&] { return CatchBoth(&caught); }, &root_);
  RunAll();
  there_.clock.Advance(Millis(5));
  RunAll();
  EXPECT_EQ(caught, (std::vector<std::string>{"from the function", "instead of a value", "from the task"}));
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(root_.error, nullptr);
}

struct Waited {
  bool over = false;
  bool ok = true;
};
Task<> SubmitTracked(int* live, int* ran, Waited* waited) {
  auto fn = [tracked = Tracked(live), ran] {
    ++*ran;
    return Tracked(tracked.live);
  };
  auto answered = co_await SubmitTo(1, std::move(fn));
  waited->ok = answered.ok();
  waited->over = true;
}

TEST_F(SubmitToTest, CancellingEndsTheWaitThroughTheRunQueueAndTheFunctionStillRuns) {
  int live = 0;
  int ran = 0;
  Waited waited;
  Start([&] { return SubmitTracked(&live, &ran, &waited); }, &root_);
  Cancel(&root_);
  EXPECT_FALSE(waited.over) << "never inline";
  home_.shard.RunTurn(0);
  EXPECT_TRUE(waited.over);
  EXPECT_FALSE(waited.ok);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(live, 1) << "the function is on its way";
  there_.shard.RunTurn(0);
  EXPECT_EQ(ran, 1);
  home_.shard.RunTurn(0);
  EXPECT_EQ(live, 0) << "the function and the answer that nobody waits for";
  EXPECT_EQ(Tracked::died_on, &home_.shard);
}

TEST_F(SubmitToTest, AnAnswerThatCameBeforeTheTaskGoesOnIsGivenAlthoughItWasCancelled) {
  int live = 0;
  int ran = 0;
  Waited waited;
  Start([&] { return SubmitTracked(&live, &ran, &waited); }, &root_);
  there_.shard.RunTurn(0);  // the answer is in the box
  Cancel(&root_);
  home_.shard.RunTurn(0);  // mail comes before the run queue
  EXPECT_TRUE(waited.over);
  EXPECT_TRUE(waited.ok);
  EXPECT_EQ(live, 0);
  EXPECT_EQ(root_.done_calls, 1);
}

TEST_F(SubmitToTest, InACancelledScopeTheFunctionRunsAndNobodyWaits) {
  int live = 0;
  int ran = 0;
  Waited waited;
  root_.scope.Cancel();
  Start([&] { return SubmitTracked(&live, &ran, &waited); }, &root_);
  EXPECT_FALSE(waited.over) << "through the run queue";
  home_.shard.RunTurn(0);
  EXPECT_TRUE(waited.over);
  EXPECT_FALSE(waited.ok);
  RunAll();
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(live, 0);
}

Task<> WithinADeadline(Waited* inner, bool* expired) {
  int live = 0;
  int ran = 0;
  auto outcome = co_await WithDeadline(Millis(3), SubmitTracked(&live, &ran, inner));
  *expired = outcome.expired();
  co_await Sleep(Millis(10));  // the function touches what is here
  EXPECT_EQ(live, 0);
}

TEST_F(SubmitToTest, ADeadlineEndsAWaitForAShardThatIsBusy) {
  Waited inner;
  bool expired = false;
  Start([&] { return WithinADeadline(&inner, &expired); }, &root_);
  home_.clock.Advance(Millis(3));
  for (int i = 0; i < 3; ++i) home_.shard.RunTurn(0);  // the other one makes none
  EXPECT_TRUE(inner.over);
  EXPECT_FALSE(inner.ok);
  EXPECT_TRUE(expired);
  RunAll();
  home_.clock.Advance(Millis(10));
  RunAll();
  EXPECT_EQ(root_.done_calls, 1);
}

TEST_F(SubmitToTest, FunctionsStartInTheirOrderAlsoThroughAFullBox) {
  SteppedShard slow({.id = 1, .mailbox_capacity = 2});
  Shards shards({&home_.shard, &slow.shard});
  std::vector<int> started;
  std::vector<TestRoot> roots(50);
  for (int i = 0; i < 50; ++i) {
    Start(
        [&] {
          return [](std::vector<int>* to, int number) -> Task<> {
            auto note = [to, number] { to->push_back(number); };
            auto done = co_await SubmitTo(1, note);
            EXPECT_TRUE(done.ok());
          }(&started, i);
        },
        &roots[static_cast<size_t>(i)]);
  }
  for (int i = 0; i < 200; ++i) {
    home_.shard.RunTurn(0);
    slow.shard.RunTurn(0);
  }
  ASSERT_EQ(started.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(started[static_cast<size_t>(i)], i);
  for (const TestRoot& root : roots) EXPECT_EQ(root.done_calls, 1);
}

Task<> SubmitInALoop(int times, int* sum) {
  for (int i = 0; i < times; ++i) {
    auto fn = [i] { return i; };
    if (auto answered = co_await SubmitTo(static_cast<uint32_t>(i % 3), fn); answered.ok()) *sum += *answered;
  }
}

TEST_F(SubmitToTest, OneAfterTheOther) {
  int sum = 0;
  Start([&] { return SubmitInALoop(1000, &sum); }, &root_);
  RunAll(1500);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(sum, 999 * 1000 / 2);
}

#ifdef NDEBUG
TEST_F(SubmitToTest, AShardThatDoesNotExistRunsNothingAndIsNotOk) {
  int live = 0;
  int ran = 0;
  Waited waited;
  Start(
      [&] {
        return [](int* alive, int* runs, Waited* how) -> Task<> {
          auto fn = [tracked = Tracked(alive), runs] { ++*runs; };
          auto done = co_await SubmitTo(3, std::move(fn));
          how->ok = done.ok();
          how->over = true;
        }(&live, &ran, &waited);
      },
      &root_);
  EXPECT_FALSE(waited.over);
  RunAll();
  EXPECT_TRUE(waited.over);
  EXPECT_FALSE(waited.ok);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(live, 0);
}
#else
using SubmitToDeathTest = SubmitToTest;
TEST_F(SubmitToDeathTest, AShardThatDoesNotExistIsAnAssertion) {
  int ran = 0;
  EXPECT_DEATH(Start([&] { return SubmitNothing(3, &ran); }, &root_), "no such shard");
}
#endif

// All that a pool with a frame of each class has left.
std::vector<std::pair<void*, size_t>> TakeAll(alloc::FramePool* frames) {
  std::vector<std::pair<void*, size_t>> held;
  for (size_t bytes = 16; bytes <= alloc::FramePool::kClassBytesMax; bytes += 16) {
    if (void* frame = frames->Acquire(bytes)) held.push_back({frame, bytes});
  }
  return held;
}

Task<> SubmitWithoutMemory(int* live, bool* bad_alloc) {
  const auto held = TakeAll(&Shard::Current()->frames());
  auto fn = [tracked = Tracked(live)] {};
  try {
    auto done = co_await SubmitTo(1, std::move(fn));
    EXPECT_FALSE(done.ok()) << "not reached";
  } catch (const std::bad_alloc&) {
    *bad_alloc = true;
  }
  for (const auto& [frame, bytes] : held) Shard::Current()->frames().Release(frame, bytes);
}

TEST_F(SubmitToTest, WithoutMemoryItThrowsHereAndLeavesNothing) {
  SteppedShard poor({.id = 0, .frames_max = 1});
  Shards shards({&poor.shard, &there_.shard});
  int live = 0;
  bool bad_alloc = false;
  {
    Shard::Enter enter(&poor.shard);
    ASSERT_TRUE(SubmitWithoutMemory(&live, &bad_alloc).Start(&root_));
  }
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_TRUE(bad_alloc);
  EXPECT_EQ(live, 0);
  EXPECT_EQ(poor.shard.frames().live(), 0u);
}

TEST_F(SubmitToTest, ATaskWithoutMemoryThereIsBadAllocHere) {
  SteppedShard poor({.id = 1, .frames_max = 1});
  Shards shards({&home_.shard, &poor.shard});
  const auto held = TakeAll(&poor.shard.frames());
  bool bad_alloc = false;
  Start(
      [&] {
        return [](bool* thrown) -> Task<> {
          try {
            auto answered = co_await SubmitTo(1, [] { return ThinkThere("never", 0); });
            EXPECT_FALSE(answered.ok()) << "not reached";
          } catch (const std::bad_alloc&) {
            *thrown = true;
          }
        }(&bad_alloc);
      },
      &root_);
  poor.shard.RunTurn(0);
  home_.shard.RunTurn(0);
  EXPECT_TRUE(bad_alloc);
  for (const auto& [frame, bytes] : held) poor.shard.frames().Release(frame, bytes);
}

// OnEveryShard.

Task<> AskAll(std::vector<uint32_t>* to, bool* ok) {
  auto answered = co_await OnEveryShard([] { return Shard::Current()->id() * 10; });
  *ok = answered.ok();
  if (answered.ok()) *to = std::move(*answered);
}

TEST_F(SubmitToTest, OnEveryShardGivesTheAnswersByShardOnceAllAreThere) {
  std::vector<uint32_t> got;
  bool ok = false;
  Start([&] { return AskAll(&got, &ok); }, &root_);
  third_.shard.RunTurn(0);
  home_.shard.RunTurn(0);
  home_.shard.RunTurn(0);
  EXPECT_EQ(root_.done_calls, 0) << "one is missing";
  there_.shard.RunTurn(0);
  home_.shard.RunTurn(0);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_TRUE(ok);
  EXPECT_EQ(got, (std::vector<uint32_t>{0, 10, 20}));
}

TEST_F(SubmitToTest, OnEveryShardFromTheControlShardRunsOnTheDataShards) {
  SteppedShard control({.id = 3});
  control.shard.SetShards(&shards_);
  std::vector<uint32_t> got;
  bool ok = false;
  TestRoot root;
  {
    Shard::Enter enter(&control.shard);
    ASSERT_TRUE(AskAll(&got, &ok).Start(&root));
  }
  RunAll(2);
  control.shard.RunTurn(0);
  EXPECT_EQ(got, (std::vector<uint32_t>{0, 10, 20}));
}

TEST_F(SubmitToTest, OnEveryShardIsOneShardWhereThereAreNoOthers) {
  SteppedShard alone({.id = 4});
  std::vector<uint32_t> got;
  bool ok = false;
  TestRoot root;
  {
    Shard::Enter enter(&alone.shard);
    ASSERT_TRUE(AskAll(&got, &ok).Start(&root));
  }
  alone.RunTurns(2);
  EXPECT_EQ(got, (std::vector<uint32_t>{40}));
}

Task<> TellAll(int* live, std::vector<int>* ran_on, Waited* waited) {
  auto fn = [tracked = Tracked(live), ran_on]() -> Task<> {
    co_await Sleep(Millis(1));
    ran_on->push_back(static_cast<int>(Shard::Current()->id()));
  };
  auto done = co_await OnEveryShard(std::move(fn));
  waited->ok = done.ok();
  waited->over = true;
}

TEST_F(SubmitToTest, OnEveryShardRunsTasksAndACopyForEach) {
  int live = 0;
  std::vector<int> ran_on;
  Waited waited;
  waited.ok = false;
  Start([&] { return TellAll(&live, &ran_on, &waited); }, &root_);
  EXPECT_EQ(live, 4) << "one for each, and the one they are copies of";
  RunAll();
  for (SteppedShard* each : {&third_, &there_, &home_}) {
    EXPECT_FALSE(waited.over);
    each->clock.Advance(Millis(1));
    RunAll();
  }
  EXPECT_TRUE(waited.over);
  EXPECT_TRUE(waited.ok);
  EXPECT_EQ(ran_on, (std::vector<int>{2, 1, 0}));
  EXPECT_EQ(live, 0);
}

TEST_F(SubmitToTest, OnEveryShardCancelledStillRunsOnAll) {
  int live = 0;
  std::vector<int> ran_on;
  Waited waited;
  Start([&] { return TellAll(&live, &ran_on, &waited); }, &root_);
  there_.shard.RunTurn(0);
  Cancel(&root_);
  home_.shard.RunTurn(0);
  EXPECT_TRUE(waited.over);
  EXPECT_FALSE(waited.ok);
  for (SteppedShard* each : {&third_, &there_, &home_}) {
    RunAll();
    each->clock.Advance(Millis(1));
  }
  RunAll();
  EXPECT_EQ(ran_on.size(), 3u);
  EXPECT_EQ(live, 0);
  EXPECT_EQ(Tracked::died_on, &home_.shard);
}

Task<> CatchOneOfAll(std::string* caught, std::vector<int>* ran_on) {
  auto fn = [ran_on] {
    const auto id = static_cast<int>(Shard::Current()->id());
    ran_on->push_back(id);
    if (id != 0) throw std::runtime_error("thrown on " + std::to_string(id));
  };
  try {
    auto done = co_await OnEveryShard(fn);
    EXPECT_TRUE(done.ok()) << "not reached";
  } catch (const std::runtime_error& error) {
    *caught = error.what();
  }
}

TEST_F(SubmitToTest, OnEveryShardThrowsWhatTheFirstByNumberThrewOnceAllAreDone) {
  std::string caught;
  std::vector<int> ran_on;
  Start([&] { return CatchOneOfAll(&caught, &ran_on); }, &root_);
  third_.shard.RunTurn(0);
  there_.shard.RunTurn(0);
  RunAll();
  EXPECT_EQ(caught, "thrown on 1");
  EXPECT_EQ(ran_on, (std::vector<int>{2, 1, 0}));
}

// Teardown. What is under way when the shards go dies on its own shard, wherever it is: unread in the other's box, with
// the sender, run and unanswered, answered and unread, a task that sleeps over there.

Task<> SubmitSleeper(int* live) {
  auto fn = [tracked = Tracked(live)]() -> Task<Tracked> {
    co_await Sleep(Millis(1'000'000));
    co_return Tracked(tracked.live);
  };
  auto answered = co_await SubmitTo(1, std::move(fn));
  EXPECT_TRUE(answered.ok()) << "not reached";
}

TEST(SubmitToTeardown, WhatIsUnderWayDiesOnItsShardAndLeaksNothing) {
  for (const bool home_first : {true, false}) {
    int live = 0;
    int ran = 0;
    Waited waited[40];
    std::vector<std::unique_ptr<TestRoot>> roots;
    auto home = std::make_unique<SteppedShard>(Shard::Options{.mailbox_capacity = 4});
    auto there = std::make_unique<SteppedShard>(Shard::Options{.id = 1, .mailbox_capacity = 4});
    Shards shards({&home->shard, &there->shard});
    const auto start = [&](auto make) {
      roots.push_back(std::make_unique<TestRoot>());
      Shard::Enter enter(&home->shard);
      ASSERT_TRUE(make().Start(roots.back().get()));
    };
    start([&] { return SubmitSleeper(&live); });
    for (int i = 0; i < 40; ++i) {
      start([&] { return SubmitTracked(&live, &ran, &waited[i]); });
    }
    {
      Shard::Enter enter(&home->shard);
      roots[2]->scope.Cancel();  // and who no longer waits
      roots[38]->scope.Cancel();
    }
    home->shard.RunTurn(0);  // most wait for room over there
    for (int i = 0; i < 4; ++i) {
      there->shard.RunTurn(0);  // some answers wait for room here
      if (i < 3) there->shard.RunTurn(0);
      home->shard.SetPort(&home->port);
      if (i == 0) home->shard.RunTurn(0);
    }
    EXPECT_GT(ran, 0);
    EXPECT_LT(ran, 40);
    EXPECT_GT(live, 10);
    // The frames of who waits stay, as when a shard is cut off.
    home->shard.frames().LeaveLive();
    there->shard.frames().LeaveLive();
    Shard* const home_shard = &home->shard;
    if (home_first) {
      home.reset();
      EXPECT_EQ(live, 0);
      EXPECT_EQ(Tracked::died_on, home_shard);
      there.reset();
    } else {
      there.reset();
      EXPECT_GT(live, 10) << "the mail that is destroyed owns nothing";
      home.reset();
      EXPECT_EQ(live, 0);
      EXPECT_EQ(Tracked::died_on, home_shard);
    }
  }
}

}  // namespace
}  // namespace mooring::core
