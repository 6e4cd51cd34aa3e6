// SPDX-License-Identifier: Apache-2.0
#include "core/shard.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/core/test_port.h"

namespace mooring::core {
namespace {

using alloc::Purpose;

// The layer above, writing down when it is called.
class Above final : public Shard::TurnEnd {
 public:
  explicit Above(std::string* log) : log_(log) {}
  bool OnTurnEnd() override {
    *log_ += "end ";
    return more;
  }
  void OnServiceDone(CancelScope*, std::exception_ptr) override {}
  void OnCancelWait(void* connection, const CancelScope*) override { cancelled = connection; }
  bool OnTrim() override {
    ++trims;
    return trims < trims_wanted;
  }
  bool more = false;
  void* cancelled = nullptr;
  int trims = 0;
  int trims_wanted = 0;

 private:
  std::string* const log_;
};

TEST(Shard, ATurnDeliversMailThenTimersThenTheRunQueueThenFlushesThenPolls) {
  SteppedShard stepped;
  std::string log;
  Above above(&log);
  stepped.shard.SetTurnEnd(&above);
  stepped.port.deliver = [&] { log += "poll "; };
  auto run = [](void* to) { *static_cast<std::string*>(to) += "run "; };
  CallTimer timer;
  timer.call = [](void* to) { *static_cast<std::string*>(to) += "timer "; };
  timer.argument = &log;

  stepped.shard.MakeRunnable(run, &log);
  stepped.shard.wheel().Arm(&timer, TimerKind::kFunction, stepped.shard.now_ms());
  ASSERT_TRUE(stepped.shard.Post([&] { log += "mail "; }));
  stepped.shard.RunTurn();
  EXPECT_EQ(log, "mail timer run end poll ");
}

TEST(Shard, CurrentIsTheShardInsideItsTurnAndNobodyOutside) {
  SteppedShard one;
  SteppedShard two;
  EXPECT_EQ(Shard::Current(), nullptr);
  Shard* in_mail = nullptr;
  Shard* in_poll = nullptr;
  one.shard.Post([&] { in_mail = Shard::Current(); });
  one.port.deliver = [&] { in_poll = Shard::Current(); };
  one.shard.RunTurn();
  EXPECT_EQ(in_mail, &one.shard);
  EXPECT_EQ(in_poll, &one.shard);
  EXPECT_EQ(Shard::Current(), nullptr);
  Shard::Enter outer(&one.shard);
  {
    Shard::Enter inner(&two.shard);
    EXPECT_EQ(Shard::Current(), &two.shard);
  }
  EXPECT_EQ(Shard::Current(), &one.shard);
}

struct Again {
  Shard* shard;
  int runs = 0;
  static void Run(void* self) {
    auto* again = static_cast<Again*>(self);
    ++again->runs;
    again->shard->MakeRunnable(&Run, self);
  }
};

TEST(Shard, TheRunQueueRunsWhatWasThereAtItsStartAndTheTurnDoesNotWait) {
  SteppedShard stepped;
  Again again{&stepped.shard};
  stepped.shard.MakeRunnable(&Again::Run, &again);
  stepped.shard.MakeRunnable(&Again::Run, &again);
  for (int turn = 1; turn <= 3; ++turn) {
    stepped.shard.RunTurn();
    EXPECT_EQ(again.runs, 2 * turn);
    EXPECT_EQ(stepped.port.waits.back(), 0);
  }
  EXPECT_EQ(stepped.shard.counters().Read(ShardCount::kResumed), 6u);
}

TEST(Shard, TimeStandsStillInATurnAndMovesAfterTheWait) {
  SteppedShard stepped;
  const Nanos begin = stepped.shard.now();
  std::vector<Nanos> seen;
  auto look = [](void* to) { static_cast<std::vector<Nanos>*>(to)->push_back(Shard::Current()->now()); };
  stepped.shard.Post([&] {
    look(&seen);
    stepped.clock.Advance(123);
    stepped.shard.MakeRunnable(look, &seen);
  });
  stepped.port.deliver = [&] { look(&seen); };
  stepped.shard.RunTurn();
  EXPECT_EQ(seen, (std::vector<Nanos>{begin, begin, begin + 123}));
}

TEST(Shard, TheWaitIsBoundedByTheNextTimerAndByTheCaller) {
  SteppedShard stepped;
  CallTimer timer;
  timer.call = [](void*) {};
  stepped.shard.RunTurn();
  stepped.shard.RunTurn(77);
  stepped.shard.wheel().Arm(&timer, TimerKind::kFunction, stepped.shard.now_ms() + 5);
  stepped.shard.RunTurn(1'000);
  stepped.shard.RunTurn(0);
  stepped.shard.RunTurn(10 * kNanosPerMs);
  stepped.shard.wheel().Arm(&timer, TimerKind::kFunction, std::numeric_limits<int64_t>::max());  // beyond the clock
  stepped.shard.RunTurn();
  EXPECT_EQ(stepped.port.waits, (std::vector<Nanos>{-1, 77, 1'000, 0, 5 * kNanosPerMs - 1'077, -1}));
  stepped.shard.wheel().Cancel(&timer);
}

TEST(Shard, MoreToFlushMeansNoWait) {
  SteppedShard stepped;
  std::string log;
  Above above(&log);
  stepped.shard.SetTurnEnd(&above);
  above.more = true;
  stepped.shard.RunTurn();
  above.more = false;
  stepped.shard.RunTurn();
  EXPECT_EQ(stepped.port.waits, (std::vector<Nanos>{0, EventPort::kForever}));
}

TEST(Shard, MailBeyondOneTurnsShareIsDeliveredNextTurnWithoutAWait) {
  SteppedShard stepped;
  unsigned got = 0;
  for (unsigned i = 0; i < Shard::kMailPerTurn + 10; ++i) ASSERT_TRUE(stepped.shard.Post([&] { ++got; }));
  stepped.shard.RunTurn();
  EXPECT_EQ(got, Shard::kMailPerTurn);
  EXPECT_EQ(stepped.port.waits.back(), 0);
  stepped.shard.RunTurn();
  EXPECT_EQ(got, Shard::kMailPerTurn + 10);
  EXPECT_EQ(stepped.port.waits.back(), EventPort::kForever);
  EXPECT_EQ(stepped.shard.counters().Read(ShardCount::kMailDelivered), got);
}

TEST(Shard, TimersBeyondOneTurnsShareExpireNextTurnWithoutAWait) {
  SteppedShard stepped;
  int fired = 0;
  std::vector<CallTimer> timers(Shard::kTimersPerTurn + 10);
  for (CallTimer& timer : timers) {
    timer.call = [](void* count) { ++*static_cast<int*>(count); };
    timer.argument = &fired;
    stepped.shard.wheel().Arm(&timer, TimerKind::kFunction, stepped.shard.now_ms());
  }
  stepped.shard.RunTurn();
  EXPECT_EQ(fired, static_cast<int>(Shard::kTimersPerTurn));
  EXPECT_EQ(stepped.port.waits.back(), 0);
  stepped.shard.RunTurn();
  EXPECT_EQ(fired, static_cast<int>(timers.size()));
}

TEST(Shard, OnlyASleepingShardIsWoken) {
  SteppedShard stepped;
  ASSERT_TRUE(stepped.shard.Post([] {}));
  EXPECT_EQ(stepped.port.wakes(), 0);
  int in_poll = 0;
  // FakePort delivers after OnAwake, so the sleep itself is looked into by a port of its own.
  class Looking final : public EventPort {
   public:
    Looking(Shard* shard, int* wakes) : shard_(shard), wakes_(wakes) {}
    void Poll(Nanos wait, Sleeper* sleeper) override {
      wait_ = wait;
      shard_->Post([] {});
      shard_->Post([] {});  // the first has woken it
      sleeper->OnAwake();
      shard_->Post([] {});
    }
    int Watch(int, uint32_t, Watcher*) override { return 0; }
    void Unwatch(int) override {}
    void Wake() override { ++*wakes_; }
    Nanos wait_ = 0;

   private:
    Shard* const shard_;
    int* const wakes_;
  } looking(&stepped.shard, &in_poll);
  stepped.shard.SetPort(&looking);
  stepped.shard.RunTurn();
  EXPECT_EQ(looking.wait_, EventPort::kForever);
  EXPECT_EQ(in_poll, 1);
  stepped.shard.RunTurn(0);  // polls without a wait: mail that comes meanwhile is seen next turn anyway
  EXPECT_EQ(in_poll, 1);
}

TEST(Shard, AFullBoxRefusesMailAndCountsIt) {
  SteppedShard stepped({.mailbox_capacity = 2});
  int ran = 0;
  ASSERT_TRUE(stepped.shard.Post([&] { ++ran; }));
  ASSERT_TRUE(stepped.shard.Post([&] { ++ran; }));
  Mail late = [&] { ran += 10; };
  EXPECT_FALSE(stepped.shard.Post(std::move(late)));
  ASSERT_TRUE(static_cast<bool>(late));  // untouched
  EXPECT_FALSE(stepped.shard.Post(std::move(late)));
  stepped.shard.RunTurn();
  EXPECT_EQ(stepped.shard.counters().Read(ShardCount::kMailFull), 2u);
  ASSERT_TRUE(stepped.shard.Post(std::move(late)));
  stepped.shard.RunTurn();
  EXPECT_EQ(ran, 12);
  EXPECT_EQ(stepped.shard.counters().Read(ShardCount::kMailFull), 2u);
}

TEST(Shard, PostAlwaysWaitsForRoomKeepsTheOrderAndHoldsNobodyElseUp) {
  SteppedShard from;
  SteppedShard slow({.id = 1, .mailbox_capacity = 2});
  SteppedShard quick({.id = 2, .mailbox_capacity = 2});
  std::vector<int> got;
  int got_quick = 0;
  from.shard.Post([&] {
    for (int i = 0; i < 100; ++i) from.shard.PostAlways(&slow.shard, [&got, i] { got.push_back(i); });
    for (int i = 0; i < 3; ++i) from.shard.PostAlways(&quick.shard, [&] { ++got_quick; });
  });
  from.shard.RunTurn();
  EXPECT_EQ(from.port.waits.back(), kNanosPerMs);  // tries again soon
  from.shard.RunTurn(0);
  EXPECT_EQ(from.port.waits.back(), 0);
  from.shard.RunTurn(1'000);
  EXPECT_EQ(from.port.waits.back(), 1'000);
  quick.shard.RunTurn();
  from.shard.RunTurn();
  quick.shard.RunTurn();
  EXPECT_EQ(got_quick, 3);  // while `slow` has not run once
  for (int i = 0; i < 100; ++i) {
    slow.shard.RunTurn();
    from.shard.RunTurn();
  }
  ASSERT_EQ(got.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(got[i], i);
  EXPECT_EQ(from.port.waits.back(), EventPort::kForever);
  EXPECT_EQ(from.shard.counters().Read(ShardCount::kMailWaited), 99u);
  EXPECT_EQ(slow.shard.counters().Read(ShardCount::kMailFull), 0u);  // nothing was refused
}

TEST(Shard, PostAlwaysToItselfGoesThroughItsOwnBox) {
  SteppedShard stepped({.mailbox_capacity = 2});
  int got = 0;
  stepped.shard.Post([&] {
    for (int i = 0; i < 10; ++i) stepped.shard.PostAlways(&stepped.shard, [&] { ++got; });
  });
  stepped.RunUntilIdle();
  EXPECT_EQ(got, 10);
}

TEST(Shard, TwoShardsOnOneThreadPlayPingPong) {
  SteppedShard a;
  SteppedShard b({.id = 1});
  struct Game {
    Shard* side[2];
    int count = 0;
    void Hit(int at) {
      EXPECT_EQ(Shard::Current(), side[at]);
      if (++count < 1'000) side[at]->PostAlways(side[1 - at], [this, at] { Hit(1 - at); });
    }
  } game{{&a.shard, &b.shard}};
  a.shard.Post([&] { game.Hit(0); });
  for (int i = 0; i < 500; ++i) {
    a.shard.RunTurn();
    b.shard.RunTurn();
  }
  EXPECT_EQ(game.count, 1'000);
}

TEST(Shard, TrimGivesPagesBackInTwoStepsAndThenWakesNobody) {
  SteppedShard stepped;
  alloc::FramePool& frames = stepped.shard.frames();
  std::vector<void*> held(100);
  for (void*& frame : held) frame = frames.Acquire(4'000);
  for (void* frame : held) frames.Release(frame, 4'000);
  const uint64_t before = stepped.shard.accounting().Bytes(Purpose::kFrames);
  ASSERT_GE(before, 400'000u);
  stepped.shard.ArmTrim();
  stepped.shard.ArmTrim();  // no second timer, no later deadline
  stepped.shard.RunTurn();
  EXPECT_EQ(stepped.port.waits.back(), 2 * kNanosPerSecond);
  stepped.shard.RunTurn();  // marks
  EXPECT_EQ(stepped.port.waits.back(), 2 * kNanosPerSecond);
  EXPECT_EQ(stepped.shard.accounting().Bytes(Purpose::kFrames), before);
  stepped.shard.RunTurn();  // gives back
  EXPECT_EQ(stepped.port.waits.back(), EventPort::kForever);
  EXPECT_EQ(stepped.shard.accounting().Bytes(Purpose::kFrames), 0u);
}

TEST(Shard, TrimGoesOnWhileTheLayerAboveHasMoreToGive) {
  SteppedShard stepped;
  std::string log;
  Above above(&log);
  above.trims_wanted = 5;
  stepped.shard.SetTurnEnd(&above);
  stepped.shard.ArmTrim();
  stepped.RunUntilIdle();
  EXPECT_EQ(above.trims, 5);
}

TEST(Shard, CancellingAConnectionsWaitAsksTheLayerAbove) {
  SteppedShard stepped;
  std::string log;
  Above above(&log);
  stepped.shard.SetTurnEnd(&above);
  alignas(8) char connection[8];
  CancelScope outer;
  CancelScope inner;
  outer.EnterInner(&inner);
  inner.WaitAtConnection(&connection);
  Shard::Enter enter(&stepped.shard);
  outer.Cancel();
  EXPECT_EQ(above.cancelled, &connection);
  EXPECT_TRUE(inner.cancelled());
}

TEST(Shard, StopEndsRunFromInsideATurn) {
  SteppedShard stepped;
  EXPECT_FALSE(stepped.shard.stopping());
  stepped.shard.Post([&] { stepped.shard.Stop(); });
  stepped.shard.Run();
  EXPECT_TRUE(stepped.shard.stopping());
  EXPECT_EQ(stepped.port.waits, (std::vector<Nanos>{0}));
}

TEST(Shard, RunReadsTheClockFirst) {
  SteppedShard stepped;
  stepped.clock.Advance(5 * kNanosPerSecond);  // a long set-up
  Nanos seen = 0;
  stepped.shard.Post([&] {
    seen = stepped.shard.now();
    stepped.shard.Stop();
  });
  stepped.shard.Run();
  EXPECT_EQ(seen, stepped.clock.Now());
}

// On a real ring, with threads.

class ShardOnRing : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Ring>> ring = Ring::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 16});
    if (!ring.ok()) GTEST_SKIP() << "no io_uring to test with: " << ring.status();
  }
  // Runs `shard` on a thread of its own until Stop. Its port stays until Join and until no shard runs any more, for
  // whoever stops or posts still has to call Wake when the shard may already have seen the flag or the mail.
  void Start(Shard* shard) {
    auto ready = std::make_shared<std::atomic<bool>>(false);
    threads_.emplace_back([this, shard, ready] {
      auto port = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 16});
      ASSERT_TRUE(port.ok()) << port.status();
      shard->SetPort(port->get());
      *ready = true;
      ready->notify_one();
      shard->Run();
      ++ended_;
      ended_.notify_one();
      joined_.wait(false);
    });
    ready->wait(false);
  }
  void Join() {
    for (size_t seen = ended_; seen < threads_.size(); seen = ended_) ended_.wait(seen);
    joined_ = true;
    joined_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    joined_ = false;
    ended_ = 0;
  }

  MonotonicClock clock_;
  std::atomic<bool> joined_{false};
  std::atomic<size_t> ended_{0};
  std::vector<std::thread> threads_;
};

TEST_F(ShardOnRing, MailWakesASleepingShardEveryTime) {
  Shard shard({.clock = &clock_});
  Start(&shard);
  std::atomic<int> got{0};
  for (int i = 1; i <= 2'000; ++i) {  // one at a time: nearly each finds it asleep
    ASSERT_TRUE(shard.Post([&] {
      ++got;
      got.notify_one();
    }));
    for (int seen = got.load(); seen < i; seen = got.load()) got.wait(seen);
  }
  shard.Post([&] { shard.Stop(); });
  Join();
  EXPECT_EQ(shard.counters().Read(ShardCount::kMailDelivered), 2'001u);
}

TEST_F(ShardOnRing, StopFromAnotherThreadEndsASleep) {
  for (int i = 0; i < 20; ++i) {
    Shard shard({.clock = &clock_});
    Start(&shard);
    std::atomic<bool> runs{false};
    shard.Post([&] {
      runs = true;
      runs.notify_one();
    });
    runs.wait(false);
    shard.Stop();
    Join();
  }
}

TEST_F(ShardOnRing, ManyThreadsPostingLoseNothing) {
  constexpr int kSenders = 3;
  constexpr int kEach = 5'000;
  Shard shard({.clock = &clock_, .mailbox_capacity = 64});
  Start(&shard);
  int got = 0;
  std::vector<std::thread> senders;
  for (int sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        Mail mail = [&] {
          if (++got == kSenders * kEach) shard.Stop();
        };
        while (!shard.Post(std::move(mail))) std::this_thread::yield();
      }
    });
  }
  for (std::thread& sender : senders) sender.join();
  Join();
  EXPECT_EQ(got, kSenders * kEach);
}

TEST_F(ShardOnRing, TwoShardsOverflowEachOthersBoxesAndLoseNothing) {
  constexpr int kEach = 3'000;
  Shard a({.id = 0, .clock = &clock_, .mailbox_capacity = 2});
  Shard b({.id = 1, .clock = &clock_, .mailbox_capacity = 2});
  Start(&a);
  Start(&b);
  std::vector<int> at_a;
  std::vector<int> at_b;
  std::atomic<int> full{0};
  auto flood = [&](Shard* from, Shard* to, std::vector<int>* got) {
    Mail mail = [&full, from, to, got] {
      for (int i = 0; i < kEach; ++i) {
        from->PostAlways(to, [&full, got, i] {
          got->push_back(i);
          if (i + 1 == kEach) {
            ++full;
            full.notify_one();
          }
        });
      }
    };
    while (!from->Post(std::move(mail))) std::this_thread::yield();
  };
  flood(&a, &b, &at_b);
  flood(&b, &a, &at_a);
  for (int seen = full.load(); seen < 2; seen = full.load()) full.wait(seen);
  for (Shard* shard : {&a, &b}) {
    while (!shard->Post([shard] { shard->Stop(); })) std::this_thread::yield();
  }
  Join();
  for (const std::vector<int>* got : {&at_a, &at_b}) {
    ASSERT_EQ(got->size(), static_cast<size_t>(kEach));
    for (int i = 0; i < kEach; ++i) ASSERT_EQ((*got)[i], i);
  }
}

class Count final : public EventPort::Watcher {
 public:
  void OnReady(uint32_t events) override {
    ++calls;
    last = events;
  }
  int calls = 0;
  uint32_t last = 0;
};

TEST_F(ShardOnRing, AWatchedDescriptorIsToldAgainWhileItStaysReady) {
  Shard shard({.clock = &clock_});
  auto port = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 16});
  ASSERT_TRUE(port.ok());
  shard.SetPort(port->get());
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ASSERT_GE(fd, 0);
  Count count;
  ASSERT_EQ((*port)->Watch(fd, POLLIN, &count), 0);
  EXPECT_EQ((*port)->Watch(fd, POLLIN, &count), -EEXIST);
  shard.RunTurn(0);
  EXPECT_EQ(count.calls, 0);
  ASSERT_EQ(RealKernel()->Signal(fd), 0);
  while (count.calls < 3) shard.RunTurn();
  EXPECT_EQ(count.last, static_cast<uint32_t>(POLLIN));
  (*port)->Unwatch(fd);
  const int before = count.calls;
  for (int i = 0; i < 5; ++i) shard.RunTurn(0);
  EXPECT_EQ(count.calls, before);
  close(fd);
}

TEST_F(ShardOnRing, ATimerEndsTheWait) {
  Shard shard({.clock = &clock_});
  auto port = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 16});
  ASSERT_TRUE(port.ok());
  shard.SetPort(port->get());
  bool fired = false;
  CallTimer timer;
  timer.call = [](void* flag) { *static_cast<bool*>(flag) = true; };
  timer.argument = &fired;
  shard.wheel().Arm(&timer, TimerKind::kFunction, shard.now_ms() + 3);
  const int64_t due = timer.deadline_ms();
  shard.RunTurn();  // sleeps until the timer is due, and never less
  shard.RunTurn(0);
  EXPECT_TRUE(fired);
  EXPECT_GE(clock_.Now() / kNanosPerMs, due);
}

}  // namespace
}  // namespace mooring::core
