// SPDX-License-Identifier: Apache-2.0
// Start and shutdown of several shards that post to each other the whole time, and are posted to from outside: nothing is
// run after the end, nothing is lost, nothing races. The main part is under --config=tsan.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/clock.h"
#include "core/kernel.h"
#include "core/shard.h"
#include "core/shard_thread.h"
#include "tests/core/test_port.h"

namespace mooring::core {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
constexpr int kRounds = 20;
#else
constexpr int kRounds = 60;
#endif
#else
constexpr int kRounds = 60;
#endif
constexpr uint32_t kShards = 4;

// What a piece of mail holds, counted.
class Letter {
 public:
  explicit Letter(std::atomic<int64_t>* live) : live_(live) { live_->fetch_add(1, std::memory_order_relaxed); }
  Letter(Letter&& other) noexcept : live_(std::exchange(other.live_, nullptr)) {}
  ~Letter() {
    if (live_ != nullptr) live_->fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t>* live_;
};

class Storm {
 public:
  Storm() {
    for (uint32_t id = 0; id < kShards; ++id) {
      auto part = std::make_unique<Part>();
      part->shard = std::make_unique<Shard>(Shard::Options{.id = id, .clock = &clock_, .mailbox_capacity = 64});
      ShardThread::Options options = {.name = "storm-" + std::to_string(id)};
      Part* at = part.get();
      options.set_up = [at]() -> absl::Status {
        auto port = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 32});
        if (!port.ok()) return port.status();
        at->port = *std::move(port);
        at->shard->SetPort(at->port.get());
        return absl::OkStatus();
      };
      options.tear_down = [at] {
        at->torn_down = true;
        at->port.reset();
      };
      part->thread = std::make_unique<ShardThread>(part->shard.get(), std::move(options));
      parts_.push_back(std::move(part));
    }
  }

  absl::Status Start() {
    for (auto& part : parts_) {
      if (absl::Status status = part->thread->Start(); !status.ok()) return status;
    }
    for (auto& part : parts_) part->thread->Go();
    return absl::OkStatus();
  }
  // A letter goes round from shard to shard for ever, and brings a second one along now and then.
  void Pass(Letter letter) {
    delivered_.fetch_add(1, std::memory_order_relaxed);
    Shard* here = Shard::Current();
    EXPECT_FALSE(parts_[here->id()]->torn_down);
    Shard* next = parts_[(here->id() + 1) % kShards]->shard.get();
    if (live_.load(std::memory_order_relaxed) < 500) here->PostAlways(next, Round(Letter(&live_)));
    here->PostAlways(next, Round(std::move(letter)));
  }
  Mail Round(Letter letter) {
    return Mail([this, letter = std::move(letter)]() mutable { Pass(std::move(letter)); });
  }
  void PostFromOutside(uint32_t to) {
    Mail mail = Round(Letter(&live_));
    parts_[to]->shard->Post(std::move(mail));
  }
  void Stop() {
    for (auto& part : parts_) part->thread->Stop();
    for (auto& part : parts_) part->thread->AwaitStopped();
  }
  void Join() {
    for (auto& part : parts_) part->thread->Join();
  }
  void DestroyShards() { parts_.clear(); }
  uint64_t delivered() const { return delivered_.load(std::memory_order_relaxed); }
  std::atomic<int64_t>& live() { return live_; }

 private:
  struct Part {
    std::unique_ptr<Shard> shard;
    std::unique_ptr<RingPort> port;
    std::unique_ptr<ShardThread> thread;
    bool torn_down = false;
  };
  MonotonicClock clock_;
  std::atomic<int64_t> live_{0};
  std::atomic<uint64_t> delivered_{0};
  std::vector<std::unique_ptr<Part>> parts_;
};

TEST(Shutdown, ShardsThatPostToEachOtherAllStopAndNoMailIsLeftBehind) {
  const auto probe = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 32});
  if (!probe.ok()) GTEST_SKIP() << "SKIPPED, needs io_uring: " << probe.status().ToString();
  for (int round = 0; round < kRounds; ++round) {
    auto storm = std::make_unique<Storm>();
    std::atomic<bool> outside{true};
    ASSERT_TRUE(storm->Start().ok());
    std::vector<std::thread> posters;
    for (int i = 0; i < 2; ++i) {
      posters.emplace_back([&] {
        for (uint32_t to = 0; outside.load(std::memory_order_relaxed); ++to) {
          if (storm->live().load(std::memory_order_relaxed) < 300) storm->PostFromOutside(to % kShards);
        }
      });
    }
    // Early and late: in the first turns, and when all boxes are full.
    const uint64_t until = uint64_t{1} << (round % 14);
    while (storm->delivered() < until) std::this_thread::yield();
    storm->Stop();
    outside = false;
    for (std::thread& poster : posters) poster.join();
    storm->Join();
    EXPECT_GT(storm->live(), 0) << "some mail was under way";
    std::atomic<int64_t>* live = &storm->live();
    // Shards go first: what waited in their boxes and queues goes with them.
    storm->DestroyShards();
    EXPECT_EQ(*live, 0);
  }
}

TEST(Shutdown, AStartThatFailsOnOneShardLeavesNoThread) {
  MonotonicClock clock;
  Shard good({.id = 0, .clock = &clock});
  Shard bad({.id = 1, .clock = &clock});
  bool torn_down = false;
  std::unique_ptr<RingPort> port;
  ShardThread first(&good, {.set_up = [&]() -> absl::Status {
                              auto opened = RingPort::Open(RealKernel(), {.sq_entries = 8, .cq_entries = 32});
                              if (!opened.ok()) return opened.status();
                              port = *std::move(opened);
                              good.SetPort(port.get());
                              return absl::OkStatus();
                            },
                            .tear_down =
                                [&] {
                                  torn_down = true;
                                  port.reset();
                                }});
  ShardThread second(&bad, {.set_up = [] { return absl::UnavailableError("no"); }, .tear_down = [] { FAIL(); }});
  if (const absl::Status status = first.Start(); !status.ok()) {
    first.Join();
    GTEST_SKIP() << "SKIPPED, needs io_uring: " << status.ToString();
  }
  EXPECT_FALSE(second.Start().ok());
  second.Join();
  first.Join();
  EXPECT_TRUE(torn_down);
}

}  // namespace
}  // namespace mooring::core
