// SPDX-License-Identifier: Apache-2.0
#include "core/task.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/shard.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

class TaskTest : public ::testing::Test {
 protected:
  ~TaskTest() override { EXPECT_EQ(stepped_.shard.frames().live(), 0u) << "frames that never ended"; }

  // Starts the task that `make` returns, and turns until it is done.
  template <class Make>
  void Run(Make make) {
    TestRoot root;
    {
      Shard::Enter enter(&stepped_.shard);
      ASSERT_TRUE(make().Start(&root));
    }
    for (int turn = 0; turn < 300'000 && root.done_calls == 0; ++turn) stepped_.shard.RunTurn();
    EXPECT_EQ(root.done_calls, 1);
    error_ = root.error;
  }

  SteppedShard stepped_;
  std::exception_ptr error_;
};

Task<int> Plus(int a, int b) { co_return a + b; }
Task<int> PlusLater(int a, int b) {
  co_await Yield();
  co_return a + b;
}
Task<std::unique_ptr<std::string>> Boxed(std::string text) {
  co_await Yield();
  co_return std::make_unique<std::string>(std::move(text));
}
Task<> Set(int* value, int to) {
  *value = to;
  co_return;
}
Task<> SetLater(int* value, int to) {
  co_await Yield();
  *value = to;
}

Task<> Results(std::vector<int>* out) {
  out->push_back(co_await Plus(1, 2));
  out->push_back(co_await PlusLater(3, 4));
  int set = 0;
  co_await Set(&set, 5);
  out->push_back(set);
  co_await SetLater(&set, 6);
  out->push_back(set);
  std::unique_ptr<std::string> boxed = co_await Boxed("a move-only result, longer than a string holds in itself");
  out->push_back(static_cast<int>(boxed->size()));
  Task<int> kept = Plus(7, 8);  // awaited later than made
  co_await Yield();
  out->push_back(co_await std::move(kept));
}

TEST_F(TaskTest, ValuesVoidAndMoveOnlyResultsReachTheParent) {
  std::vector<int> out;
  Run([&] { return Results(&out); });
  EXPECT_EQ(out, (std::vector<int>{3, 7, 5, 6, 56, 15}));
  EXPECT_FALSE(error_);
}

struct Alive {
  explicit Alive(int* count) : count_(count) { ++*count_; }
  Alive(Alive&& other) noexcept : count_(other.count_) { ++*count_; }
  ~Alive() { --*count_; }
  int* count_;
};

Task<int> ThrowAt(int depth, bool later, int* alive) {
  Alive local(alive);
  if (later) co_await Yield();
  if (depth == 0) throw std::runtime_error("bottom");
  const int below = co_await ThrowAt(depth - 1, later, alive);
  co_return below + 1;
}
Task<> CatchAbove(int depth, bool later, int* alive, std::string* what) {
  try {
    co_await ThrowAt(depth, later, alive);
  } catch (const std::runtime_error& error) {
    *what = error.what();
  }
}
Task<> LetThrough(bool later, int* alive) { co_await ThrowAt(3, later, alive); }

TEST_F(TaskTest, ExceptionsPassThroughManyFramesAndAreCaughtOnce) {
  for (bool later : {false, true}) {
    for (int depth : {0, 1, 20}) {
      int alive = 0;
      std::string what;
      Run([&] { return CatchAbove(depth, later, &alive, &what); });
      EXPECT_EQ(what, "bottom") << depth << later;
      EXPECT_EQ(alive, 0);
      EXPECT_FALSE(error_);
    }
  }
}

TEST_F(TaskTest, RootHearsOfTheExceptionThatNobodyCaught) {
  for (bool later : {false, true}) {
    int alive = 0;
    Run([&] { return LetThrough(later, &alive); });
    ASSERT_TRUE(error_);
    EXPECT_THROW(std::rethrow_exception(error_), std::runtime_error);
    EXPECT_EQ(alive, 0);
    Run([&] { return Set(&alive, 0); });
    EXPECT_FALSE(error_) << "the next root inherited it";
  }
}

Task<uintptr_t> WhereIsTheStack() { co_return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }
Task<> Loop(int children, uintptr_t* lowest, uintptr_t* highest) {
  for (int i = 0; i < children; ++i) {
    const uintptr_t here = co_await WhereIsTheStack();
    *lowest = std::min(*lowest, here);
    *highest = std::max(*highest, here);
  }
}

TEST_F(TaskTest, AMillionChildrenThatEndAtOnceRunOnAFlatStack) {
  uintptr_t lowest = UINTPTR_MAX;
  uintptr_t highest = 0;
  Run([&] { return Loop(1'000'000, &lowest, &highest); });
  EXPECT_LT(highest - lowest, 1024u);
}

Task<> LoopLater(int children, int64_t* sum) {
  for (int i = 0; i < children; ++i) {
    *sum += co_await PlusLater(i, 0);
    *sum += co_await Plus(i, 0);
  }
}

TEST_F(TaskTest, ManyChildrenThatSuspendAreFineToo) {
  int64_t sum = 0;
  Run([&] { return LoopLater(100'000, &sum); });
  EXPECT_EQ(sum, int64_t{100'000} * 99'999);
}

Task<int> Depth(int depth, bool later) {
  if (depth == 0) {
    if (later) co_await Yield();
    co_return 0;
  }
  const int below = co_await Depth(depth - 1, later);
  co_return below + 1;
}
Task<> Measure(int depth, bool later, int* out) { *out = co_await Depth(depth, later); }

TEST_F(TaskTest, AThousandNestedFramesComeBack) {
  for (bool later : {false, true}) {
    int depth = 0;
    Run([&] { return Measure(1'000, later, &depth); });
    EXPECT_EQ(depth, 1'000);
  }
}

Task<> Hold(Alive alive) {
  (void)alive;
  co_return;
}

TEST_F(TaskTest, ATaskThatNeverStartsGivesItsFrameAndParametersBack) {
  int alive = 0;
  Shard::Enter enter(&stepped_.shard);
  {
    Task<> task = Hold(Alive(&alive));
    EXPECT_TRUE(task.has_frame());
    EXPECT_EQ(stepped_.shard.frames().live(), 1u);
    EXPECT_EQ(alive, 1);
    Task<> other = std::move(task);
    EXPECT_FALSE(task.has_frame());
    other = Hold(Alive(&alive));
  }
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(stepped_.shard.frames().live(), 0u);
  { auto awaiter = Hold(Alive(&alive)).operator co_await(); }  // taken, never awaited
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(Task<>().has_frame());
}

Task<> FramesWhileRunning(uint64_t* most) {
  *most = Shard::Current()->frames().live();
  co_await Depth(9, true);
  *most = std::max(*most, Shard::Current()->frames().live());
}

TEST_F(TaskTest, FramesComeFromTheShardsPoolAndAChildsGoesBeforeItsParentGoesOn) {
  uint64_t after = 0;
  Run([&] { return FramesWhileRunning(&after); });
  EXPECT_EQ(after, 1u);  // its own
}

Task<int> DigUntilMemoryEnds(bool dig) {
  if (!dig) co_return 0;
  try {
    const int below = co_await DigUntilMemoryEnds(true);
    co_return below + 1;
  } catch (const std::bad_alloc&) {
    co_return 1;
  }
}
Task<> Dig(int* out) { *out = co_await DigUntilMemoryEnds(true); }

TEST(Task, AChildWithoutMemoryRaisesBadAllocWhereItIsAwaited) {
  SteppedShard stepped({.frames_max = 8});
  TestRoot root;
  int frames = 0;
  {
    Shard::Enter enter(&stepped.shard);
    ASSERT_TRUE(Dig(&frames).Start(&root));
  }
  EXPECT_EQ(root.done_calls, 1);
  EXPECT_FALSE(root.error);
  EXPECT_GE(frames, 7);  // 7 when the root's frame has the same size class
  EXPECT_LE(frames, 8);
  EXPECT_EQ(stepped.shard.frames().live(), 0u);
}

TEST(Task, ARootWithoutMemorySaysSoAndCallsNothing) {
  SteppedShard stepped({.frames_max = 4});
  Shard::Enter enter(&stepped.shard);
  int value = 0;
  std::vector<Task<>> held;
  for (int i = 0; i < 4; ++i) {
    held.push_back(Set(&value, 1));
    ASSERT_TRUE(held.back().has_frame());
  }
  TestRoot root;
  Task<> none = Set(&value, 1);
  EXPECT_FALSE(none.has_frame());
  EXPECT_FALSE(std::move(none).Start(&root));
  EXPECT_EQ(root.done_calls, 0);
  EXPECT_EQ(value, 0);
  held.clear();
  EXPECT_TRUE(Set(&value, 1).Start(&root));
  EXPECT_EQ(root.done_calls, 1);
  EXPECT_EQ(value, 1);
}

// A root's frame is free before `done` is called, so a task started there may get the same memory at once.
struct Chain : TestRoot {
  SteppedShard* stepped;
  TestRoot second;
  std::string text;
};
Task<> Write(std::string a, std::string b, std::string* out) {
  co_await Yield();
  co_await Yield();
  *out = a + b;
}

TEST(Task, ARootStartedFromTheEndOfAnotherLivesInSoundMemory) {
  for (bool throws : {false, true}) {
    SteppedShard stepped;
    Chain chain;
    chain.stepped = &stepped;
    std::string first;
    chain.done = [](TaskRoot* self, std::exception_ptr) {
      auto* chain = static_cast<Chain*>(self);
      ++chain->done_calls;
      EXPECT_EQ(chain->stepped->shard.frames().live(), 0u);
      ASSERT_TRUE(Write("left, and long enough for the heap", ", right", &chain->text).Start(&chain->second));
    };
    int alive = 0;
    {
      Shard::Enter enter(&stepped.shard);
      ASSERT_TRUE(throws ? LetThrough(true, &alive).Start(&chain) : Write("x", "y", &first).Start(&chain));
    }
    stepped.RunTurns(20);
    EXPECT_EQ(chain.done_calls, 1);
    EXPECT_EQ(chain.second.done_calls, 1);
    EXPECT_EQ(chain.text, "left, and long enough for the heap, right");
    EXPECT_EQ(stepped.shard.frames().live(), 0u);
  }
}

class ServiceEnd final : public Shard::TurnEnd {
 public:
  bool OnTurnEnd() override { return false; }
  void OnServiceDone(CancelScope* scope, std::exception_ptr error) override {
    scopes.push_back(scope);
    errors.push_back(std::move(error));
  }
  void OnCancelWait(void*, const CancelScope*) override {}
  bool OnTrim() override { return false; }
  std::vector<CancelScope*> scopes;
  std::vector<std::exception_ptr> errors;
};

TEST(Task, AServiceIsKnownByItsScopeAndItsEndIsToldOnce) {
  SteppedShard stepped;
  ServiceEnd end;
  stepped.shard.SetTurnEnd(&end);
  CancelScope fine;
  CancelScope thrown;
  int value = 0;
  int alive = 0;
  {
    Shard::Enter enter(&stepped.shard);
    ASSERT_TRUE(SetLater(&value, 1).StartService(&fine));
    EXPECT_TRUE(end.scopes.empty());
    ASSERT_TRUE(LetThrough(false, &alive).StartService(&thrown));
  }
  stepped.RunUntilIdle();
  EXPECT_EQ(end.scopes, (std::vector<CancelScope*>{&thrown, &fine}));
  EXPECT_TRUE(end.errors[0]);
  EXPECT_FALSE(end.errors[1]);
  EXPECT_EQ(value, 1);
}

}  // namespace
}  // namespace mooring::core
