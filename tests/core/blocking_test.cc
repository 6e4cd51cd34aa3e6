// SPDX-License-Identifier: Apache-2.0
// Blocking with a runner that does what the test says, and with real threads (blocking_pool_test).
#include "core/blocking.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/sleep.h"
#include "tests/core/hand_runner.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

// Counts the living ones.
class Token {
 public:
  explicit Token(int* live) : live_(live) { ++*live_; }
  Token(Token&& other) noexcept : live_(std::exchange(other.live_, nullptr)) {}
  Token& operator=(Token&&) = delete;
  ~Token() {
    if (live_ != nullptr) --*live_;
  }

 private:
  int* live_;
};

struct Report {
  int calls = 0;    // of the function
  int live = 0;     // functions and results
  bool over = false;
  JobEnd end = JobEnd::kRefused;
  std::string what;
};

// A function with an owner of something inside, and a result that owns something.
struct Work {
  Report* report;
  Token token;
  std::unique_ptr<Token> operator()() && {
    ++report->calls;
    return std::make_unique<Token>(&report->live);
  }
};
Task<> Waits(Report* report) {
  Work work{report, Token(&report->live)};
  auto result = co_await Blocking(std::move(work));
  report->end = result.end();
  EXPECT_EQ(result.ok(), result.end() == JobEnd::kDone);
  if (result.ok()) {
    EXPECT_NE(*result, nullptr);
  }
  report->over = true;
}

class BlockingTest : public ::testing::Test {
 protected:
  BlockingTest() { shard().SetJobRunner(&runner_); }
  ~BlockingTest() override {
    EXPECT_EQ(shard().frames().live(), 0u);
    EXPECT_EQ(shard().wheel().armed(), 0u);
    EXPECT_EQ(report_.live, 0) << "a function or a result was not destroyed";
    if (root_.done_calls != 0) {
      EXPECT_EQ(root_.done_calls, 1);
    }
  }
  Shard& shard() { return stepped_->shard; }
  template <class Make>
  void Start(Make make) {
    Shard::Enter enter(&shard());
    ASSERT_TRUE(make().Start(&root_));
  }
  void Start() {
    Start([&] { return Waits(&report_); });
  }
  void Cancel() {
    Shard::Enter enter(&shard());
    root_.scope.Cancel();
  }
  void Turn() { shard().RunTurn(0); }

  HandRunner runner_;
  std::unique_ptr<SteppedShard> stepped_ = std::make_unique<SteppedShard>();
  Report report_;
  TestRoot root_;
};

TEST_F(BlockingTest, GivesTheValueInALaterTurn) {
  Start();
  ASSERT_EQ(runner_.jobs.size(), 1u);
  EXPECT_EQ(report_.calls, 0);
  Turn();
  EXPECT_FALSE(report_.over);
  EXPECT_EQ(shard().answers()->outstanding(), 1u);
  runner_.Run();
  EXPECT_EQ(report_.calls, 1);
  EXPECT_FALSE(report_.over);
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kDone);
  EXPECT_EQ(shard().answers()->outstanding(), 0u);
}

TEST_F(BlockingTest, TheFunctionRunsOutsideOfItsShard) {
  struct Where {
    Shard** at;
    void operator()() { *at = Shard::Current(); }
  };
  Shard* at = &shard();
  Start([&] {
    return [](Shard** where) -> Task<> { co_await Blocking(Where{where}); }(&at);
  });
  runner_.Run();
  EXPECT_EQ(at, nullptr);
  Turn();
  EXPECT_EQ(root_.done_calls, 1);
}

int Seven() { return 7; }
void Nothing() {}
int Throws() { throw std::runtime_error("no such host"); }

Task<> AwaitsAllSorts(std::vector<std::string>* log) {
  auto number = co_await Blocking(Seven);
  log->push_back(std::to_string(*number));
  const Blocked<void> nothing = co_await Blocking(Nothing);
  log->push_back(nothing.ok() ? "nothing" : "failed");
  std::string owned = "owned";
  auto give = [text = std::move(owned)]() mutable { return std::move(text); };
  auto text = co_await Blocking(std::move(give));
  log->push_back(*text + std::to_string(text->size()));
  try {
    co_await Blocking(Throws);
    log->push_back("went on");
  } catch (const std::runtime_error& error) {
    log->push_back(error.what());
  }
}

TEST_F(BlockingTest, FunctionsOfAllSortsAndWhatTheyThrow) {
  std::vector<std::string> log;
  Start([&] { return AwaitsAllSorts(&log); });
  while (!runner_.jobs.empty()) {
    runner_.Run();
    Turn();
  }
  EXPECT_EQ(log, (std::vector<std::string>{"7", "nothing", "owned5", "no such host"}));
}

Task<> DoesNotCatch() { co_await Blocking(Throws); }

TEST_F(BlockingTest, AnExceptionNobodyCatchesEndsTheTask) {
  Start([] { return DoesNotCatch(); });
  runner_.Run();
  Turn();
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_THROW(std::rethrow_exception(root_.error), std::runtime_error);
}

TEST_F(BlockingTest, AFullRunnerRefusesThroughTheRunQueue) {
  runner_.queue_max = 0;
  Start();
  EXPECT_FALSE(report_.over);
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kRefused);
  EXPECT_EQ(shard().answers()->outstanding(), 0u);
}

TEST_F(BlockingTest, WithoutARunnerItIsRefused) {
  shard().SetJobRunner(nullptr);
  Start();
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kRefused);
}

TEST_F(BlockingTest, ARunnerThatEndsRefusesWhatItHasNotRun) {
  Start();
  runner_.Drop();
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kRefused);
  EXPECT_EQ(report_.calls, 0);
}

// Cancelled at every stage.

TEST_F(BlockingTest, InACancelledScopeNothingIsSubmitted) {
  root_.scope.Cancel();
  Start();
  EXPECT_FALSE(report_.over);
  EXPECT_TRUE(runner_.jobs.empty());
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kCancelled);
}

TEST_F(BlockingTest, CancelBeforeItHasBegunEndsTheWaitAndTheFunctionIsNotRun) {
  Start();
  Cancel();
  EXPECT_FALSE(report_.over) << "never inline";
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kCancelled);
  EXPECT_EQ(root_.done_calls, 1);
  runner_.Run();
  EXPECT_EQ(report_.calls, 0);
  Turn();
  EXPECT_EQ(report_.live, 0);
  EXPECT_EQ(shard().answers()->outstanding(), 0u);
}

TEST_F(BlockingTest, CancelTakesAJobThatWaitsBackAndItsPlaceIsFree) {
  runner_.gives_back = true;
  runner_.queue_max = 1;
  Start();
  Cancel();
  EXPECT_TRUE(runner_.jobs.empty());
  EXPECT_EQ(shard().answers()->outstanding(), 0u);
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kCancelled);
  EXPECT_EQ(report_.live, 0) << "the function went with the wait";
  Report next;
  TestRoot next_root;
  {
    Shard::Enter enter(&shard());
    ASSERT_TRUE(Waits(&next).Start(&next_root));
  }
  ASSERT_EQ(runner_.jobs.size(), 1u);
  runner_.Run();
  Turn();
  EXPECT_EQ(next.end, JobEnd::kDone);
}

TEST_F(BlockingTest, CancelWhileItRunsEndsTheWaitAndTheResultIsDroppedWhenItComes) {
  const std::function<std::unique_ptr<Token>()> work = [this] {
    ++report_.calls;
    Cancel();
    Turn();
    EXPECT_TRUE(report_.over);
    return std::make_unique<Token>(&report_.live);
  };
  Start([&] {
    return [](std::function<std::unique_ptr<Token>()> function, Report* report) -> Task<> {
      const auto result = co_await Blocking(std::move(function));
      report->end = result.end();
      report->over = true;
    }(work, &report_);
  });
  runner_.Run();
  EXPECT_EQ(report_.calls, 1);
  EXPECT_EQ(report_.end, JobEnd::kCancelled);
  EXPECT_EQ(root_.done_calls, 1);
  EXPECT_EQ(report_.live, 1);
  Turn();
  EXPECT_EQ(report_.live, 0);
}

TEST_F(BlockingTest, CancelThatComesBeforeTheAnswerIsTakenWins) {
  Start();
  runner_.Run();
  Cancel();
  Turn();  // takes the answer, then runs what is runnable
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kCancelled);
  EXPECT_EQ(report_.live, 0);
}

TEST_F(BlockingTest, AnAnswerThatWasTakenFirstIsKept) {
  // Timers expire between the answers and the run queue.
  CallTimer timer;
  timer.call = [](void* scope) { static_cast<CancelScope*>(scope)->Cancel(); };
  timer.argument = &root_.scope;
  shard().wheel().Arm(&timer, TimerKind::kFunction, shard().now_ms());
  Start();
  runner_.Run();
  Turn();
  EXPECT_TRUE(root_.scope.cancelled());
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kDone);
}

TEST_F(BlockingTest, CancelAfterTheEndDoesNothing) {
  Start();
  runner_.Run();
  Turn();
  Cancel();
  Turn();
  EXPECT_EQ(report_.end, JobEnd::kDone);
}

Task<> Bound(Report* report) {
  const Deadlined<void> result = co_await WithDeadline(Millis(20), Waits(report));
  report->what = result.expired() ? "expired" : "in time";
}

TEST_F(BlockingTest, ADeadlineEndsTheWaitNotTheJob) {
  Start([&] { return Bound(&report_); });
  stepped_->RunUntilIdle();
  EXPECT_EQ(report_.what, "expired");
  EXPECT_EQ(report_.end, JobEnd::kCancelled);
  EXPECT_EQ(runner_.jobs.size(), 1u);
  runner_.Run();
  Turn();
  EXPECT_EQ(report_.calls, 0);
}

Task<> Loops(int times, int* ends) {
  for (int i = 0; i < times; ++i) {
    const auto result = co_await Blocking(Seven);
    if (!result.ok()) ++*ends;
  }
}

TEST_F(BlockingTest, EachWaitInACancelledScopeTakesATurn) {
  int ends = 0;
  root_.scope.Cancel();
  Start([&] { return Loops(5, &ends); });
  for (int turn = 0; turn < 5; ++turn) {
    EXPECT_EQ(ends, turn);  // a loop that ignores the result cannot freeze its shard
    Turn();
  }
  EXPECT_EQ(ends, 5);
  EXPECT_TRUE(runner_.jobs.empty());
}

// Answers.

TEST_F(BlockingTest, AFullMailboxDelaysNoAnswer) {
  Start();
  int delivered = 0;
  while (shard().Post([&] { ++delivered; })) {
  }
  runner_.Run();
  Turn();
  EXPECT_TRUE(report_.over);
  EXPECT_EQ(report_.end, JobEnd::kDone);
  EXPECT_LT(delivered, 1024) << "the box was still full when the answer came";
}

TEST_F(BlockingTest, AnAnswerWakesAShardThatSleepsAndOnlyOnce) {
  Report second;
  TestRoot second_root;
  Start();
  {
    Shard::Enter enter(&shard());
    ASSERT_TRUE(Waits(&second).Start(&second_root));
  }
  // Asleep is the middle of Poll.
  stepped_->port.deliver = nullptr;
  struct Port final : EventPort {
    explicit Port(HandRunner* of) : runner(of) {}
    void Poll(Nanos wait, Sleeper* sleeper) override {
      waits.push_back(wait);
      if (waits.size() == 1) {
        runner->Run();
        runner->Run();
      }
      sleeper->OnAwake();
    }
    int Watch(int, uint32_t, Watcher*) override { return 0; }
    void Unwatch(int) override {}
    void Wake() override { ++wakes; }
    HandRunner* const runner;
    std::vector<Nanos> waits;
    int wakes = 0;
  } port(&runner_);
  shard().SetPort(&port);
  shard().RunTurn();
  EXPECT_EQ(port.wakes, 1);
  EXPECT_EQ(port.waits, (std::vector<Nanos>{EventPort::kForever}));
  EXPECT_FALSE(report_.over);
  shard().RunTurn();
  EXPECT_TRUE(report_.over);
  EXPECT_TRUE(second.over);
  shard().SetPort(&stepped_->port);
}

TEST_F(BlockingTest, AnAnswerThatComesJustBeforeTheSleepIsNotSleptOver) {
  struct Late final : Shard::TurnEnd {
    explicit Late(HandRunner* of) : runner(of) {}
    bool OnTurnEnd() override {
      if (!runner->jobs.empty()) runner->Run();
      return false;
    }
    void OnServiceDone(CancelScope*, std::exception_ptr) override {}
    void OnCancelWait(void*, const CancelScope*) override {}
    bool OnTrim() override { return false; }
    HandRunner* const runner;
  } late(&runner_);
  shard().SetTurnEnd(&late);
  Start();
  shard().RunTurn();
  EXPECT_EQ(stepped_->port.waits.back(), 0);
  EXPECT_EQ(stepped_->port.wakes(), 0) << "awake, so nobody needs to wake it";
  shard().RunTurn();
  EXPECT_TRUE(report_.over);
}

TEST_F(BlockingTest, AnswersComeInTheirOrder) {
  std::vector<int> order;
  std::vector<std::unique_ptr<TestRoot>> roots;
  for (int i = 0; i < 5; ++i) {
    roots.push_back(std::make_unique<TestRoot>());
    Shard::Enter enter(&shard());
    ASSERT_TRUE([](int number, std::vector<int>* to) -> Task<> {
                  co_await Blocking(Seven);
                  to->push_back(number);
                }(i, &order)
                           .Start(roots.back().get()));
  }
  while (!runner_.jobs.empty()) runner_.Run();
  Turn();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

// The end of a shard.

TEST_F(BlockingTest, JobsOfAShardThatIsGoneEndByThemselves) {
  Report never, late, given;
  TestRoot roots[3];
  Report* reports[] = {&never, &late, &given};
  for (int i = 0; i < 3; ++i) {
    Shard::Enter enter(&shard());
    ASSERT_TRUE(Waits(reports[i]).Start(&roots[i]));
  }
  // Who waits is cancelled at the end of a server; the jobs are still where they are.
  {
    Shard::Enter enter(&shard());
    for (TestRoot& root : roots) root.scope.Cancel();
  }
  Turn();
  for (Report* report : reports) EXPECT_EQ(report->end, JobEnd::kCancelled);
  runner_.Run();  // its answer lies there, untaken
  EXPECT_EQ(never.live, 1);
  stepped_.reset();
  EXPECT_EQ(never.live, 0);
  runner_.Run();
  EXPECT_EQ(late.live, 0);
  runner_.Drop();
  EXPECT_EQ(given.live, 0);
  stepped_ = std::make_unique<SteppedShard>();  // for the checks at the end
}

TEST_F(BlockingTest, AnAnswerAfterTheLastTurnDoesNotKnock) {
  Start();
  Cancel();
  Turn();
  shard().Stop();
  shard().Run();  // no turn: the last one is over
  shard().SetPort(nullptr);
  runner_.Run();
  EXPECT_EQ(report_.live, 0) << "destroyed where it was: nobody takes it";
}

TEST_F(BlockingTest, ABlockingThatIsNeverAwaitedIsDestroyed) {
  {
    Shard::Enter enter(&shard());
    Work work{&report_, Token(&report_.live)};
    Blocking never(std::move(work));
    EXPECT_EQ(report_.live, 1);
  }
  EXPECT_EQ(report_.live, 0);
  EXPECT_TRUE(runner_.jobs.empty());
}

}  // namespace
}  // namespace mooring::core
