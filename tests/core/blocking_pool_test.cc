// SPDX-License-Identifier: Apache-2.0
// BlockingPool: when it starts threads, what it bounds, how it ends; and Blocking over it with shards on threads of
// their own. The main part of the second is under --config=tsan.
#include "core/blocking_pool.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/blocking.h"
#include "core/sleep.h"
#include "core/topology.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

// A job that is one function, and says how it ended.
struct Errand : Job {
  explicit Errand(std::function<void()> f) : function(std::move(f)) {
    run = [](Job* self) {
      auto* errand = static_cast<Errand*>(self);
      errand->function();
      errand->done.count_down();
    };
    drop = [](Job* self) {
      auto* errand = static_cast<Errand*>(self);
      errand->dropped = true;
      errand->done.count_down();
    };
  }
  std::function<void()> function;
  std::latch done{1};
  bool dropped = false;
};

void UntilIdle(const BlockingPool& pool) {
  while (pool.counts().busy != 0) std::this_thread::yield();
}

TEST(BlockingPool, StartsAThreadOnlyWhenAJobFindsNoneFree) {
  BlockingPool pool({.threads = 3});
  EXPECT_EQ(pool.counts().threads, 0u);
  for (int i = 0; i < 5; ++i) {  // one after the other: one thread is enough
    Errand errand([] {});
    ASSERT_TRUE(pool.Submit(&errand));
    errand.done.wait();
    UntilIdle(pool);
  }
  EXPECT_EQ(pool.counts().threads, 1u);
  EXPECT_EQ(pool.counts().run, 5u);

  std::latch hold{1};
  std::vector<std::unique_ptr<Errand>> errands;
  for (uint32_t i = 1; i <= 6; ++i) {
    errands.push_back(std::make_unique<Errand>([&] { hold.wait(); }));
    ASSERT_TRUE(pool.Submit(errands.back().get()));
    EXPECT_EQ(pool.counts().threads, std::min(i, 3u));
  }
  while (pool.counts().busy != 3) std::this_thread::yield();
  EXPECT_EQ(pool.counts().queued, 3u);
  hold.count_down();
  for (const auto& errand : errands) errand->done.wait();
  UntilIdle(pool);
  EXPECT_EQ(pool.counts().queued, 0u);
  EXPECT_EQ(pool.counts().threads, 3u);
}

TEST(BlockingPool, RunsInTheOrderTheyCame) {
  BlockingPool pool({.threads = 1});
  std::vector<int> order;  // of one thread
  std::vector<std::unique_ptr<Errand>> errands;
  for (int i = 0; i < 100; ++i) {
    errands.push_back(std::make_unique<Errand>([&order, i] { order.push_back(i); }));
    ASSERT_TRUE(pool.Submit(errands.back().get()));
  }
  for (const auto& errand : errands) errand->done.wait();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(BlockingPool, RefusesBeyondItsQueueAndTakesAgain) {
  BlockingPool pool({.threads = 1, .queue_max = 2});
  std::latch hold{1}, begun{1};
  Errand first([&] {
    begun.count_down();
    hold.wait();
  });
  ASSERT_TRUE(pool.Submit(&first));
  begun.wait();
  Errand second([] {}), third([] {}), fourth([] {});
  EXPECT_TRUE(pool.Submit(&second));
  EXPECT_TRUE(pool.Submit(&third));
  EXPECT_FALSE(pool.Submit(&fourth));
  EXPECT_EQ(pool.counts().refused, 1u);
  EXPECT_EQ(pool.counts().queued, 2u);
  EXPECT_EQ(pool.counts().busy, 1u);
  hold.count_down();
  third.done.wait();
  EXPECT_TRUE(pool.Submit(&fourth));
  fourth.done.wait();
}

TEST(BlockingPool, GivesBackWhatHasNotBegunWhereverItWaits) {
  for (const size_t which : {size_t{0}, size_t{1}, size_t{2}}) {
    BlockingPool pool({.threads = 1, .queue_max = 3});
    std::latch hold{1}, begun{1};
    Errand runs([&] {
      begun.count_down();
      hold.wait();
    });
    ASSERT_TRUE(pool.Submit(&runs));
    begun.wait();
    std::vector<size_t> order;  // of one thread
    std::vector<std::unique_ptr<Errand>> errands;
    for (size_t i = 0; i < 4; ++i) errands.push_back(std::make_unique<Errand>([&order, i] { order.push_back(i); }));
    for (size_t i = 0; i < 3; ++i) ASSERT_TRUE(pool.Submit(errands[i].get()));
    EXPECT_FALSE(pool.Submit(errands[3].get()));
    EXPECT_TRUE(pool.Withdraw(errands[which].get()));
    EXPECT_FALSE(pool.Withdraw(errands[which].get())) << "gone";
    EXPECT_FALSE(pool.Withdraw(&runs)) << "begun";
    EXPECT_EQ(pool.counts().queued, 2u);
    EXPECT_EQ(pool.counts().withdrawn, 1u);
    EXPECT_TRUE(pool.Submit(errands[3].get())) << "its place is free";
    hold.count_down();
    errands[3]->done.wait();
    std::vector<size_t> expected;
    for (size_t i = 0; i < 4; ++i) {
      if (i != which) expected.push_back(i);
    }
    EXPECT_EQ(order, expected);
  }
}

TEST(BlockingPool, ItsEndDropsWhatWaitsAndWaitsForWhatRuns) {
  auto pool = std::make_unique<BlockingPool>(BlockingPool::Options{.threads = 1});
  std::latch hold{1}, begun{1};
  bool finished = false;
  Errand runs([&] {
    begun.count_down();
    hold.wait();
    finished = true;
  });
  Errand waits([] { FAIL() << "run after the pool's end began"; });
  ASSERT_TRUE(pool->Submit(&runs));
  begun.wait();
  ASSERT_TRUE(pool->Submit(&waits));
  std::thread ends([&] { pool.reset(); });
  waits.done.wait();  // dropped while the other runs
  EXPECT_TRUE(waits.dropped);
  hold.count_down();
  ends.join();
  EXPECT_TRUE(finished);
  EXPECT_FALSE(runs.dropped);
}

TEST(BlockingPool, ItsEndSaysWhenSomeRunOnAndTakesNoMore) {
  BlockingPool pool({.threads = 1});
  std::latch hold{1}, begun{1};
  Errand runs([&] {
    begun.count_down();
    hold.wait();
  });
  Errand waits([] { FAIL() << "run after the pool's end began"; });
  ASSERT_TRUE(pool.Submit(&runs));
  begun.wait();
  ASSERT_TRUE(pool.Submit(&waits));
  EXPECT_FALSE(pool.End(kNanosPerMs));
  EXPECT_TRUE(waits.dropped);
  Errand late([] { FAIL(); });
  EXPECT_FALSE(pool.Submit(&late));
  hold.count_down();
  EXPECT_TRUE(pool.End(3600 * kNanosPerSecond));
}

TEST(BlockingPool, ThreadsHaveANameNoSignalsAndAllCpusOfTheProcess) {
  const auto allowed = AllowedCpus();
  ASSERT_TRUE(allowed.ok());
  BlockingPool pool;
  char name[16] = {};
  sigset_t blocked;
  std::vector<int> cpus;
  Errand errand([&] {
    pthread_getname_np(pthread_self(), name, sizeof(name));
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    cpus = *AllowedCpus();
  });
  std::thread shard([&] {  // tied to one CPU, as a shard is
    ASSERT_TRUE(PinThisThread(allowed->front()).ok());
    ASSERT_TRUE(pool.Submit(&errand));
    errand.done.wait();
    sigset_t own;
    pthread_sigmask(SIG_BLOCK, nullptr, &own);
    EXPECT_FALSE(sigismember(&own, SIGTERM)) << "the starter's own mask is as before";
  });
  shard.join();
  EXPECT_STREQ(name, "blocking-0");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1}) EXPECT_TRUE(sigismember(&blocked, signal));
  EXPECT_EQ(cpus, *allowed);
  if (allowed->size() < 2) GTEST_SKIP() << "SKIPPED: one CPU is all there is, so nothing was seen of the mask";
}

TEST(BlockingPool, RunsWhereItIsTold) {
  const auto allowed = AllowedCpus();
  ASSERT_TRUE(allowed.ok());
  BlockingPool pool({.cpus = {allowed->back()}});
  std::vector<int> cpus;
  Errand errand([&] { cpus = *AllowedCpus(); });
  ASSERT_TRUE(pool.Submit(&errand));
  errand.done.wait();
  EXPECT_EQ(cpus, std::vector<int>{allowed->back()});
}

// A port that sleeps in poll(2) on an eventfd.
class PollPort final : public EventPort {
 public:
  PollPort() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
  ~PollPort() override { close(fd_); }
  void Poll(Nanos wait, Sleeper* sleeper) override {
    pollfd asked = {fd_, POLLIN, 0};
    const timespec limit = {wait / kNanosPerSecond, wait % kNanosPerSecond};
    uint64_t taken;
    if (ppoll(&asked, 1, wait < 0 ? nullptr : &limit, nullptr) == 1 && read(fd_, &taken, sizeof(taken)) > 0) ++woken;
    sleeper->OnAwake();
  }
  int Watch(int, uint32_t, Watcher*) override { return -EOPNOTSUPP; }
  void Unwatch(int) override {}
  void Wake() override { eventfd_write(fd_, 1); }
  uint64_t woken = 0;

 private:
  const int fd_;
};

#if defined(__SANITIZE_THREAD__)
constexpr int kScale = 1;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
constexpr int kScale = 1;
#else
constexpr int kScale = 5;
#endif
#else
constexpr int kScale = 5;
#endif

// A shard on a thread of its own.
struct Member {
  Member(uint32_t id, Clock* clock, JobRunner* runner)
      : shard(std::make_unique<Shard>(Shard::Options{.id = id, .clock = clock, .mailbox_capacity = 2})) {
    shard->SetPort(port.get());
    shard->SetJobRunner(runner);
  }
  void Go() {
    thread = std::thread([this] { shard->Run(); });
  }
  // As a server ends: who waits is cancelled, then the shard stops. Its jobs may run on.
  void End() {
    const auto cut = [this] {
      for (const auto& root : roots) root->scope.Cancel();
      ended = true;
    };
    while (!shard->Post(cut)) std::this_thread::yield();
    thread.join();
  }
  std::unique_ptr<PollPort> port = std::make_unique<PollPort>();
  std::unique_ptr<Shard> shard;
  std::vector<std::unique_ptr<TaskRoot>> roots;  // the shard's, like what follows
  size_t done = 0;
  uint64_t sum = 0, ok = 0, cancelled = 0, refused = 0;
  bool ended = false;
  std::thread thread;
};

struct MemberRoot : TaskRoot {
  Member* member;
};

Task<> AsksOften(Member* member, uint64_t times) {
  for (uint64_t i = 0; i < times; ++i) {
    auto work = [text = std::to_string(i)] { return std::stoull(text); };
    auto result = co_await Blocking(std::move(work));
    switch (result.end()) {
      case JobEnd::kDone: ++member->ok; member->sum += *result; break;
      case JobEnd::kCancelled: ++member->cancelled; co_return;
      case JobEnd::kRefused: ++member->refused; break;
    }
  }
}

void StartMany(Member* member, size_t tasks, uint64_t times) {
  Shard::Enter enter(member->shard.get());
  for (size_t i = 0; i < tasks; ++i) {
    auto root = std::make_unique<MemberRoot>();
    root->member = member;
    root->done = [](TaskRoot* self, std::exception_ptr error) {
      EXPECT_EQ(error, nullptr);
      Member* of = static_cast<MemberRoot*>(self)->member;
      if (++of->done == of->roots.size()) of->shard->Stop();
    };
    member->roots.push_back(std::move(root));
  }
  for (const auto& root : member->roots) ASSERT_TRUE(AsksOften(member, times).Start(root.get()));
}

TEST(BlockingThreads, EveryAnswerComesHomeAndTheSumsAreRight) {
  MonotonicClock clock;
  BlockingPool pool;
  constexpr size_t kTasks = 20;
  const uint64_t times = 200 * kScale;
  std::vector<std::unique_ptr<Member>> members;
  for (uint32_t id = 0; id < 2; ++id) {
    members.push_back(std::make_unique<Member>(id, &clock, &pool));
    StartMany(members.back().get(), kTasks, times);
  }
  for (const auto& member : members) member->Go();
  for (const auto& member : members) {
    member->thread.join();
    EXPECT_EQ(member->ok, kTasks * times);
    EXPECT_EQ(member->sum, kTasks * times * (times - 1) / 2);
    EXPECT_EQ(member->refused + member->cancelled, 0u);
    EXPECT_EQ(member->shard->answers()->outstanding(), 0u);
    EXPECT_EQ(member->shard->frames().live(), 0u);
  }
  const BlockingPool::Counts counts = pool.counts();
  EXPECT_EQ(counts.run, members.size() * kTasks * times);
  EXPECT_EQ(counts.refused, 0u);
  EXPECT_LE(counts.threads, 4u);
}

TEST(BlockingThreads, ASmallQueueRefusesAndLosesNothing) {
  MonotonicClock clock;
  BlockingPool pool({.threads = 2, .queue_max = 3});
  Member member(0, &clock, &pool);
  StartMany(&member, 20, 100 * kScale);
  member.Go();
  member.thread.join();
  EXPECT_EQ(member.ok + member.refused, uint64_t{2000} * kScale);
  EXPECT_EQ(pool.counts().refused, member.refused);
  EXPECT_EQ(pool.counts().run, member.ok);
  EXPECT_GT(member.refused, 0u);
}

TEST(BlockingThreads, ShardsThatEndWithJobsInFlightAreNotTouchedByThem) {
  MonotonicClock clock;
  for (int round = 0; round < 40 * kScale; ++round) {
    BlockingPool pool({.threads = 3});
    auto first = std::make_unique<Member>(0, &clock, &pool);
    auto second = std::make_unique<Member>(1, &clock, &pool);
    for (Member* member : {first.get(), second.get()}) {
      StartMany(member, 10, UINT64_MAX);
      member->Go();
    }
    const uint64_t until = uint64_t{1} << (round % 9);
    while (pool.counts().run < until) std::this_thread::yield();
    for (auto* member : {&first, &second}) {
      (*member)->End();
      EXPECT_EQ((*member)->cancelled, 10u);
      EXPECT_EQ((*member)->shard->frames().live(), 0u);
      (*member)->port.reset();  // the port goes first, as a transport does
      member->reset();
    }
  }
}

TEST(BlockingThreads, AJobThatIsStillRunningMayOutliveItsShard) {
  MonotonicClock clock;
  BlockingPool pool({.threads = 1});
  std::latch hold{1}, begun{1};
  std::atomic<int> destroyed{0};
  auto member = std::make_unique<Member>(0, &clock, &pool);
  {
    Shard::Enter enter(member->shard.get());
    auto root = std::make_unique<MemberRoot>();
    root->member = member.get();
    root->done = [](TaskRoot* self, std::exception_ptr) { static_cast<MemberRoot*>(self)->member->shard->Stop(); };
    auto last_word = std::shared_ptr<int>(new int, [&](int* value) {
      delete value;
      ++destroyed;
    });
    auto work = [&, last_word = std::move(last_word)] {
      begun.count_down();
      hold.wait();
    };
    ASSERT_TRUE([](std::function<void()> function, Member* to) -> Task<> {
                  const auto result = co_await Blocking(std::move(function));
                  if (result.end() == JobEnd::kCancelled) ++to->cancelled;
                }(std::move(work), member.get())
                           .Start(root.get()));
    member->roots.push_back(std::move(root));
  }
  member->Go();
  begun.wait();
  member->End();
  EXPECT_EQ(member->cancelled, 1u);
  member.reset();
  EXPECT_EQ(destroyed, 0);
  hold.count_down();
  while (pool.counts().busy != 0) std::this_thread::yield();
  EXPECT_EQ(destroyed, 1);
}

}  // namespace
}  // namespace mooring::core
