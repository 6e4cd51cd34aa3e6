// SPDX-License-Identifier: Apache-2.0
// TimerWheel against a std::multimap, with random steps and random callbacks. The seed is printed; to repeat a run, set
// MOORING_SEED.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "core/timer_wheel.h"

namespace mooring::core {
namespace {

class Model {
 public:
  Model(uint64_t seed, int timers, int64_t reach_bits)
      : random_(seed), reach_bits_(reach_bits), now_ms_(Below(int64_t{1} << reach_bits)), wheel_(now_ms_) {
    wheel_.SetExpire(
        TimerKind::kConnection, [](void* self, Timer* timer) { static_cast<Model*>(self)->OnExpire(timer); }, this);
    for (int i = 0; i < timers; ++i) timers_.push_back(std::make_unique<Timer>());
    places_.resize(timers_.size());
  }

  void Run(int steps) {
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      const int64_t dice = Below(10);
      if (dice < 5) {
        TouchOne();
      } else if (dice < 8) {
        Advance(now_ms_ + Below(int64_t{1} << Below(reach_bits_)));
      } else if (wheel_.armed() > 0) {
        Advance(wheel_.NextMs());
      }
      Check();
    }
  }

  size_t fired() const { return fired_; }

 private:
  using Queue = std::multimap<int64_t, size_t>;
  struct Place {
    Queue* queue = nullptr;  // null: not armed
    Queue::iterator at;
  };

  int64_t Below(int64_t n) { return std::uniform_int_distribution<int64_t>(0, n - 1)(random_); }

  void TouchOne() {
    const size_t i = static_cast<size_t>(Below(static_cast<int64_t>(timers_.size())));
    const int64_t dice = Below(10);
    if (dice < 7) {
      const int64_t distance = Below(int64_t{1} << Below(reach_bits_)) - Below(20);
      wheel_.Arm(timers_[i].get(), TimerKind::kConnection, now_ms_ + distance);
      Forget(i);
      Queue* queue = distance > 0 ? &queue_ : &late_;
      places_[i] = {queue, queue->emplace(now_ms_ + std::max<int64_t>(distance, 0), i)};
    } else if (dice < 9) {
      wheel_.Cancel(timers_[i].get());
      Forget(i);
    } else {
      timers_[i] = std::make_unique<Timer>();  // destroys the old one, armed or not
      Forget(i);
    }
  }

  void Forget(size_t i) {
    if (places_[i].queue != nullptr) places_[i].queue->erase(places_[i].at);
    places_[i].queue = nullptr;
  }

  void Advance(int64_t to_ms) {
    if (Below(20) == 0) to_ms = now_ms_ - Below(1000);  // must count as now
    now_ms_ = std::max(now_ms_, to_ms);
    while (!late_.empty()) {
      const auto [deadline, i] = *late_.begin();
      Forget(i);
      places_[i] = {&queue_, queue_.emplace(deadline, i)};
    }
    const size_t budget = Below(3) == 0 ? static_cast<size_t>(Below(5)) : 1000;
    const size_t before = fired_;
    const size_t fired = wheel_.Advance(to_ms, budget);
    EXPECT_EQ(fired, fired_ - before);
    EXPECT_LE(fired, budget);
    if (fired < budget && !queue_.empty()) {
      EXPECT_GT(queue_.begin()->first, now_ms_) << "left a due timer";
    }
  }

  void OnExpire(Timer* timer) {
    ++fired_;
    ASSERT_FALSE(queue_.empty());
    EXPECT_EQ(timer->deadline_ms(), queue_.begin()->first) << "out of order";
    EXPECT_LE(timer->deadline_ms(), now_ms_) << "too early";
    const auto is_it = [&](const auto& candidate) { return candidate.get() == timer; };
    const size_t i = static_cast<size_t>(std::find_if(timers_.begin(), timers_.end(), is_it) - timers_.begin());
    ASSERT_LT(i, timers_.size());
    ASSERT_EQ(places_[i].queue, &queue_) << "fired unarmed, or in the Advance that armed it";
    EXPECT_EQ(places_[i].at->first, timer->deadline_ms());
    Forget(i);
    for (int64_t touches = Below(3); touches > 0; --touches) TouchOne();
  }

  void Check() {
    EXPECT_TRUE(wheel_.Validate());
    EXPECT_EQ(wheel_.armed(), queue_.size() + late_.size());
    EXPECT_GE(wheel_.NextMs(), now_ms_);
    const int64_t earliest = std::min(queue_.empty() ? std::numeric_limits<int64_t>::max() : queue_.begin()->first,
                                      late_.empty() ? std::numeric_limits<int64_t>::max() : late_.begin()->first);
    EXPECT_LE(wheel_.NextMs(), std::max(earliest, now_ms_));
    EXPECT_EQ(wheel_.NextMs() == std::numeric_limits<int64_t>::max(), queue_.empty() && late_.empty());
  }

  std::mt19937_64 random_;
  const int64_t reach_bits_;
  int64_t now_ms_;
  TimerWheel wheel_;
  std::vector<std::unique_ptr<Timer>> timers_;
  std::vector<Place> places_;
  Queue queue_;
  Queue late_;  // armed already due, since the last Advance began
  size_t fired_ = 0;
};

TEST(TimerWheelModel, AgreesWithAMultimap) {
  const char* given = std::getenv("MOORING_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device()();
  std::printf("MOORING_SEED=%llu\n", static_cast<unsigned long long>(seed));
  size_t fired = 0;
  for (uint64_t run = 0; run < 60 && !HasFailure(); ++run) {
    // From milliseconds to 2^36 ms, from a few timers to hundreds.
    Model model(seed + run, run % 3 == 0 ? 4 : 300, 6 + static_cast<int64_t>(run % 6) * 6);
    model.Run(2000);
    fired += model.fired();
  }
  EXPECT_GT(fired, 5000u) << "the model tested next to nothing";
}

}  // namespace
}  // namespace mooring::core
