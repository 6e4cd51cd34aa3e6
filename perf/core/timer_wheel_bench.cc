// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "core/timer_wheel.h"

namespace mooring::core {
namespace {

constexpr size_t kAll = std::numeric_limits<size_t>::max();

// Deadlines as connections have them: within five minutes, and in no order of address.
std::vector<int64_t> Deadlines(size_t count) {
  std::mt19937_64 random(7);
  std::vector<int64_t> deadlines(count);
  for (int64_t& deadline : deadlines) deadline = 1 + static_cast<int64_t>(random() % 300'000);
  return deadlines;
}

void BM_TimerWheelArm(benchmark::State& state) {  // re-arms one of n armed timers
  std::vector<Timer> timers(static_cast<size_t>(state.range(0)));
  const std::vector<int64_t> deadlines = Deadlines(timers.size());
  TimerWheel wheel(0);
  for (size_t i = 0; i < timers.size(); ++i) wheel.Arm(&timers[i], TimerKind::kConnection, deadlines[i]);
  size_t i = 0;
  for (auto _ : state) {
    wheel.Arm(&timers[i], TimerKind::kConnection, deadlines[deadlines.size() - 1 - i]);
    if (++i == timers.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_TimerWheelArm)->Arg(10'000)->Arg(100'000);

void BM_TimerWheelArmCancel(benchmark::State& state) {  // a deadline around one await, n other timers armed
  std::vector<Timer> timers(static_cast<size_t>(state.range(0)));
  const std::vector<int64_t> deadlines = Deadlines(timers.size());
  TimerWheel wheel(0);
  for (size_t i = 0; i < timers.size(); ++i) wheel.Arm(&timers[i], TimerKind::kConnection, deadlines[i]);
  Timer timer;
  size_t i = 0;
  for (auto _ : state) {
    wheel.Arm(&timer, TimerKind::kSleep, deadlines[i]);
    wheel.Cancel(&timer);
    if (++i == timers.size()) i = 0;
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_TimerWheelArmCancel)->Arg(10'000)->Arg(100'000);

// The whole life of n deadlines: each fires and is armed again five minutes ahead, with all the moves between levels.
// Time per item is time per expiry.
void BM_TimerWheelAdvance(benchmark::State& state) {
  std::vector<Timer> timers(static_cast<size_t>(state.range(0)));
  const std::vector<int64_t> deadlines = Deadlines(timers.size());
  TimerWheel wheel(0);
  wheel.SetExpire(
      TimerKind::kConnection,
      [](void* context, Timer* timer) {
        auto* self = static_cast<TimerWheel*>(context);
        self->Arm(timer, TimerKind::kConnection, timer->deadline_ms() + 300'000);
      },
      &wheel);
  for (size_t i = 0; i < timers.size(); ++i) wheel.Arm(&timers[i], TimerKind::kConnection, deadlines[i]);
  int64_t fired = 0;
  for (auto _ : state) {
    const int64_t round_end_ms = wheel.now_ms() + 300'000;
    while (wheel.NextMs() <= round_end_ms) fired += static_cast<int64_t>(wheel.Advance(wheel.NextMs(), kAll));
    wheel.Advance(round_end_ms, kAll);
  }
  state.SetItemsProcessed(fired);
}
BENCHMARK(BM_TimerWheelAdvance)->Arg(10'000)->Arg(100'000)->Unit(benchmark::kMillisecond);

void BM_TimerWheelNextMs(benchmark::State& state) {
  Timer timer;
  TimerWheel wheel(0);
  wheel.Arm(&timer, TimerKind::kConnection, int64_t{1} << state.range(0));
  for (auto _ : state) benchmark::DoNotOptimize(wheel.NextMs());
}
BENCHMARK(BM_TimerWheelNextMs)->Arg(3)->Arg(36);

}  // namespace
}  // namespace mooring::core
