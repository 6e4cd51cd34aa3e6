// SPDX-License-Identifier: Apache-2.0
// SubmitTo on real threads: every shard asks every other one, for values and tasks; some waits are cancelled; all is
// stopped while much is under way. It is for --config=tsan in the first place.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/kernel.h"
#include "core/shard_thread.h"
#include "core/shards.h"
#include "core/sleep.h"
#include "core/submit_to.h"
#include "tests/core/test_port.h"
#include "tests/core/test_root.h"

namespace mooring::core {
namespace {

class Threads {
 public:
  static constexpr uint32_t kShards = 3;

  Threads() {
    std::vector<Shard*> all;
    for (uint32_t id = 0; id < kShards; ++id) {
      auto part = std::make_unique<Part>();
      part->shard = std::make_unique<Shard>(Shard::Options{.id = id, .clock = &clock_, .mailbox_capacity = 16});
      all.push_back(part->shard.get());
      Part* at = part.get();
      ShardThread::Options options = {.name = "submit-" + std::to_string(id)};
      options.set_up = [at]() -> absl::Status {
        auto port = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 32});
        if (!port.ok()) return port.status();
        at->port = *std::move(port);
        at->shard->SetPort(at->port.get());
        return absl::OkStatus();
      };
      options.tear_down = [at] { at->port.reset(); };
      part->thread = std::make_unique<ShardThread>(part->shard.get(), std::move(options));
      parts_.push_back(std::move(part));
    }
    shards_ = std::make_unique<Shards>(std::move(all));
  }
  absl::Status Start() {
    for (auto& part : parts_) {
      if (absl::Status status = part->thread->Start(); !status.ok()) return status;
    }
    for (auto& part : parts_) part->thread->Go();
    return absl::OkStatus();
  }
  void Stop() {
    for (auto& part : parts_) part->thread->Stop();
    for (auto& part : parts_) part->thread->AwaitStopped();
    for (auto& part : parts_) part->thread->Join();
  }
  Shards& shards() { return *shards_; }

 private:
  struct Part {
    std::unique_ptr<Shard> shard;
    std::unique_ptr<RingPort> port;
    std::unique_ptr<ShardThread> thread;
  };
  MonotonicClock clock_;
  std::vector<std::unique_ptr<Part>> parts_;
  std::unique_ptr<Shards> shards_;
};

struct Totals {
  std::atomic<uint64_t> answered{0};
  std::atomic<uint64_t> cancelled{0};
  std::atomic<int> finished{0};
};

// Whoever waits holds nothing of the heap meanwhile: the frames of a shard that is cut off are not destroyed.
Task<> AskAround(uint32_t number, int rounds, Totals* totals) {
  for (int i = 0; i < rounds; ++i) {
    const uint32_t to = (number + static_cast<uint32_t>(i)) % Threads::kShards;
    const char letter = static_cast<char>('a' + i % 26);
    auto fn = [text = std::string(40, letter)]() -> Task<std::string> {
      co_await Yield();
      co_return text + text;
    };
    if (auto answered = co_await SubmitTo(to, std::move(fn)); answered.ok()) {
      EXPECT_EQ(*answered, std::string(80, letter));
    }
    if (i % 8 == 0) {
      auto ask_id = [] { return Shard::Current()->id(); };
      if (auto ids = co_await OnEveryShard(ask_id); ids.ok()) {
        EXPECT_EQ(*ids, (std::vector<uint32_t>{0, 1, 2}));
      }
    }
    try {
      auto thrown = co_await SubmitTo(to, [] { throw std::runtime_error("there"); });
      EXPECT_FALSE(thrown.ok()) << "it was not thrown here";
    } catch (const std::runtime_error&) {
      totals->answered.fetch_add(1);
    }
  }
}
Task<> GiveUpNowAndThen(uint32_t number, int rounds, Totals* totals) {
  for (int i = 0; i < rounds; ++i) {
    auto outcome = co_await WithDeadline(i % 2 == 0 ? 0 : Millis(200), AskAround(number, 2, totals));
    if (outcome.expired()) totals->cancelled.fetch_add(1);
  }
}

struct CountingRoot : TaskRoot {
  explicit CountingRoot(Totals* of) : totals(of) {
    done = [](TaskRoot* self, std::exception_ptr error) {
      EXPECT_EQ(error, nullptr);
      auto* root = static_cast<CountingRoot*>(self);
      root->totals->finished.fetch_add(1);
      root->totals->finished.notify_all();
    };
  }
  Totals* const totals;
};

void StartOn(Threads* threads, uint32_t shard, int rounds, Totals* totals, CountingRoot* root, bool give_up) {
  Mail mail = [=] {
    Task<> task = give_up ? GiveUpNowAndThen(shard, rounds, totals) : AskAround(shard, rounds, totals);
    EXPECT_TRUE(std::move(task).Start(root));
  };
  while (!threads->shards().Post(shard, std::move(mail))) std::this_thread::yield();
}

TEST(SubmitToThreads, EverybodyAsksEverybody) {
  const auto probe = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 32});
  if (!probe.ok()) GTEST_SKIP() << "SKIPPED, needs io_uring: " << probe.status().ToString();
  Totals totals;
  std::vector<std::unique_ptr<CountingRoot>> roots;
  Threads threads;
  ASSERT_TRUE(threads.Start().ok());
  for (uint32_t i = 0; i < 24; ++i) {
    roots.push_back(std::make_unique<CountingRoot>(&totals));
    StartOn(&threads, i % Threads::kShards, 100, &totals, roots.back().get(), i % 4 == 0);
  }
  for (int seen = totals.finished; seen < 24; seen = totals.finished) totals.finished.wait(seen);
  threads.Stop();
  EXPECT_GE(totals.answered, 18u * 100);
  EXPECT_GT(totals.cancelled, 0u);
}

TEST(SubmitToThreads, StoppedInTheMiddleOfItNothingLeaks) {
  const auto probe = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 32});
  if (!probe.ok()) GTEST_SKIP() << "SKIPPED, needs io_uring: " << probe.status().ToString();
  for (int round = 0; round < 10; ++round) {
    Totals totals;
    std::vector<std::unique_ptr<CountingRoot>> roots;
    Threads threads;
    ASSERT_TRUE(threads.Start().ok());
    for (uint32_t i = 0; i < 24; ++i) {
      roots.push_back(std::make_unique<CountingRoot>(&totals));
      StartOn(&threads, i % Threads::kShards, 1'000'000, &totals, roots.back().get(), i % 4 == 0);
    }
    while (totals.answered < (uint64_t{1} << round)) std::this_thread::yield();
    threads.Stop();
    for (uint32_t i = 0; i < Threads::kShards; ++i) threads.shards().at(i)->frames().LeaveLive();
  }
}

}  // namespace
}  // namespace mooring::core
