// SPDX-License-Identifier: Apache-2.0
// The wait itself, with a port that does what the test says. What the kernel and the transports make of it:
// tests/net/wait_fd_test.cc.
#include "core/wait_fd.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <map>
#include <utility>
#include <vector>

#include "core/sleep.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

// Reports what it is told to, once, in the next Poll.
class ScriptedPort final : public EventPort {
 public:
  explicit ScriptedPort(ManualClock* clock) : clock_(clock) {}
  void Poll(Nanos wait, Sleeper* sleeper) override {
    if (wait > 0 && reports.empty()) clock_->Advance(wait);
    sleeper->OnAwake();
    for (const auto& [fd, events] : std::exchange(reports, {})) {
      if (const auto at = watched.find(fd); at != watched.end()) at->second.watcher->OnReady(events);
    }
  }
  int Watch(int fd, uint32_t events, Watcher* watcher) override {
    if (refuse != 0) return refuse;
    return watched.try_emplace(fd, Watched{events, watcher}).second ? 0 : -EEXIST;
  }
  void Unwatch(int fd) override { EXPECT_EQ(watched.erase(fd), 1u); }
  void Wake() override {}

  struct Watched {
    uint32_t events;
    Watcher* watcher;
  };
  std::map<int, Watched> watched;
  std::vector<std::pair<int, uint32_t>> reports;
  int refuse = 0;

 private:
  ManualClock* const clock_;
};

struct Wait {
  bool over = false;
  FdResult result;
  Nanos at = 0;
  TestRoot root;
};

Task<> Waits(int fd, uint32_t events, Nanos limit, Wait* wait) {
  wait->result = co_await WaitFd(fd, events, limit);
  wait->at = Shard::Current()->now();
  wait->over = true;
}

class WaitFdTest : public ::testing::Test {
 protected:
  WaitFdTest() { shard_.SetPort(&port_); }
  ~WaitFdTest() override {
    EXPECT_TRUE(port_.watched.empty()) << "a watch outlived its wait";
    EXPECT_EQ(shard_.wheel().armed(), 0u);
    EXPECT_EQ(shard_.frames().live(), 0u);
  }
  void Start(Wait* wait, int fd, uint32_t events = POLLIN, Nanos limit = EventPort::kForever) {
    Shard::Enter enter(&shard_);
    ASSERT_TRUE(Waits(fd, events, limit, wait).Start(&wait->root));
  }
  void Cancel(Wait* wait) {
    Shard::Enter enter(&shard_);
    wait->root.scope.Cancel();
  }
  void Turn() { shard_.RunTurn(0); }

  ManualClock clock_{1'000 * kNanosPerSecond};
  ScriptedPort port_{&clock_};
  Shard shard_{{.clock = &clock_}};
  Wait wait_;
};

TEST_F(WaitFdTest, IsReadyWithItsEventsThroughTheRunQueue) {
  Start(&wait_, 5, POLLIN | POLLOUT);
  ASSERT_TRUE(port_.watched.contains(5));
  EXPECT_EQ(port_.watched[5].events, static_cast<uint32_t>(POLLIN | POLLOUT));
  port_.reports = {{5, POLLOUT}};
  Turn();
  EXPECT_FALSE(wait_.over) << "never inside Poll";
  EXPECT_TRUE(port_.watched.empty());
  Turn();
  EXPECT_TRUE(wait_.over);
  EXPECT_TRUE(wait_.result.ok());
  EXPECT_EQ(wait_.result.events, static_cast<uint32_t>(POLLOUT));
}

TEST_F(WaitFdTest, EachDirectionAsksForItsEvents) {
  using Start = Task<> (*)(Wait*);
  const Start readable = [](Wait*) -> Task<> { co_await WaitReadable(3); };
  const Start writable = [](Wait*) -> Task<> { co_await WaitWritable(3, Millis(5)); };
  for (const auto& [start, events] : {std::pair{readable, uint32_t{POLLIN}}, std::pair{writable, uint32_t{POLLOUT}}}) {
    Wait wait;
    {
      Shard::Enter enter(&shard_);
      ASSERT_TRUE(start(&wait).Start(&wait.root));
    }
    EXPECT_EQ(port_.watched[3].events, events);
    port_.reports = {{3, events}};
    Turn();
    Turn();
    EXPECT_EQ(wait.root.done_calls, 1);
  }
}

TEST_F(WaitFdTest, AHangUpAndAnErrorAreReady) {
  for (const uint32_t events : {POLLHUP, POLLERR, POLLIN | POLLHUP}) {
    Wait wait;
    Start(&wait, 5);
    port_.reports = {{5, events}};
    Turn();
    Turn();
    EXPECT_TRUE(wait.result.ok());
    EXPECT_EQ(wait.result.events, events);
  }
}

TEST_F(WaitFdTest, ADescriptorThatIsNoneIsAnError) {
  Start(&wait_, 5);
  port_.reports = {{5, POLLNVAL}};
  Turn();
  Turn();
  EXPECT_EQ(wait_.result.end, FdEnd::kError);
  EXPECT_EQ(wait_.result.error, -EBADF);
}

TEST_F(WaitFdTest, WhatThePortSaysNoToIsAnErrorThroughTheRunQueue) {
  port_.refuse = -ENOSPC;
  Start(&wait_, 5, POLLIN, Millis(50));
  EXPECT_FALSE(wait_.over);
  Turn();
  EXPECT_TRUE(wait_.over);
  EXPECT_EQ(wait_.result.end, FdEnd::kError);
  EXPECT_EQ(wait_.result.error, -ENOSPC);
}

TEST_F(WaitFdTest, WhatCannotBeWaitedForBecauseItNeverBlocksIsReady) {
  port_.refuse = -EPERM;
  Start(&wait_, 5, POLLOUT);
  Turn();
  EXPECT_TRUE(wait_.result.ok());
  EXPECT_EQ(wait_.result.events, static_cast<uint32_t>(POLLOUT));
}

TEST_F(WaitFdTest, ASecondWaitForTheSameIsAnErrorAndDoesNotDisturbTheFirst) {
  Wait second;
  Start(&wait_, 5);
  Start(&second, 5);
  Turn();
  EXPECT_EQ(second.result.end, FdEnd::kError);
  EXPECT_EQ(second.result.error, -EEXIST);
  EXPECT_FALSE(wait_.over);
  port_.reports = {{5, POLLIN}};
  Turn();
  Turn();
  EXPECT_TRUE(wait_.result.ok());
}

TEST_F(WaitFdTest, TheLimitEndsItRoundedUpToAMillisecond) {
  const Nanos begin = clock_.Now();
  Start(&wait_, 5, POLLIN, Millis(3) - 1);
  for (int turn = 0; turn < 4; ++turn) shard_.RunTurn();
  EXPECT_TRUE(wait_.over);
  EXPECT_EQ(wait_.result.end, FdEnd::kDeadline);
  EXPECT_EQ(wait_.at - begin, Millis(3));
}

TEST_F(WaitFdTest, NoTimeAtAllIsALookAtHowItIs) {
  Wait ready;
  Start(&ready, 6, POLLIN, 0);
  Start(&wait_, 5, POLLIN, 0);
  port_.reports = {{6, POLLIN}};
  shard_.RunTurn();  // timers come before the port in a turn
  for (int turn = 0; turn < 3; ++turn) shard_.RunTurn();
  EXPECT_TRUE(ready.result.ok());
  EXPECT_EQ(wait_.result.end, FdEnd::kDeadline);
}

TEST_F(WaitFdTest, ReadyAndItsLimitInOneTurnIsOneEnd) {
  Start(&wait_, 5, POLLIN, Millis(3));
  clock_.Advance(Millis(3));
  port_.reports = {{5, POLLIN}};
  Turn();  // is told of both: first ready, in Poll, then the time
  Turn();
  EXPECT_TRUE(wait_.result.ok());
  EXPECT_EQ(wait_.root.done_calls, 1);
}

TEST_F(WaitFdTest, CancelEndsItThroughTheRunQueueNeverInline) {
  Start(&wait_, 5, POLLIN, Millis(50));
  Cancel(&wait_);
  EXPECT_FALSE(wait_.over);
  EXPECT_TRUE(port_.watched.empty());
  port_.reports = {{5, POLLIN}};
  Turn();
  EXPECT_TRUE(wait_.over);
  EXPECT_EQ(wait_.result.end, FdEnd::kCancelled);
}

TEST_F(WaitFdTest, CancelAfterItWasReadyKeepsWhatWonTheRace) {
  Start(&wait_, 5);
  port_.reports = {{5, POLLIN}};
  Turn();
  Cancel(&wait_);
  Turn();
  EXPECT_TRUE(wait_.result.ok());
  EXPECT_EQ(wait_.root.done_calls, 1);
}

TEST_F(WaitFdTest, InACancelledScopeNothingIsWatched) {
  wait_.root.scope.Cancel();
  Start(&wait_, 5);
  EXPECT_TRUE(port_.watched.empty());
  EXPECT_FALSE(wait_.over);
  Turn();
  EXPECT_EQ(wait_.result.end, FdEnd::kCancelled);
}

Task<> Bound(Wait* wait, bool* expired) {
  const Deadlined<void> result = co_await WithDeadline(Millis(20), Waits(5, POLLIN, Millis(50), wait));
  *expired = result.expired();
}

TEST_F(WaitFdTest, AnOuterDeadlineCancelsIt) {
  bool expired = false;
  {
    Shard::Enter enter(&shard_);
    ASSERT_TRUE(Bound(&wait_, &expired).Start(&wait_.root));
  }
  for (int turn = 0; turn < 4; ++turn) shard_.RunTurn();
  EXPECT_TRUE(expired);
  EXPECT_EQ(wait_.result.end, FdEnd::kCancelled);
}

}  // namespace
}  // namespace mooring::core
