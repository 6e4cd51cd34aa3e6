// SPDX-License-Identifier: Apache-2.0
// What a job costs beside what it does.
#include "core/blocking.h"

#include <benchmark/benchmark.h>

#include <cstdint>
#include <exception>
#include <memory>
#include <utility>

#include "core/blocking_pool.h"
#include "perf/core/real_shard.h"

namespace mooring::core {
namespace {

int Nothing() { return 1; }

Task<> Rounds(int times, int* sum) {
  for (int i = 0; i < times; ++i) {
    auto result = co_await Blocking(Nothing);
    if (result.ok()) *sum += *result;
  }
}

// One job after the other: the shard sleeps, the helper sleeps, and each wakes the other.
void BM_BlockingRound(benchmark::State& state) {
  const auto shard = ShardOf(state);
  BlockingPool pool;
  shard->shard().SetJobRunner(&pool);
  int sum = 0;
  while (state.KeepRunningBatch(100)) shard->Run([&] { return Rounds(100, &sum); });
  if (sum == 0) state.SkipWithError("nothing was run");
}
BENCHMARK(BM_BlockingRound)->DenseRange(0, 2)->MeasureProcessCPUTime()->UseRealTime();

// Sixteen at a time, on four threads: what a job costs when nobody sleeps long.
void BM_BlockingSixteen(benchmark::State& state) {
  const auto shard = ShardOf(state);
  BlockingPool pool;
  shard->shard().SetJobRunner(&pool);
  int sum = 0;
  struct Root : TaskRoot {
    int* left;
  };
  while (state.KeepRunningBatch(1600)) {
    int left = 16;
    Root roots[16];
    {
      Shard::Enter enter(&shard->shard());
      for (Root& root : roots) {
        root.left = &left;
        root.done = [](TaskRoot* self, std::exception_ptr) {
          if (--*static_cast<Root*>(self)->left == 0) RealShard::DoNotSleep();
        };
        Rounds(100, &sum).Start(&root);
      }
    }
    while (left > 0) shard->shard().RunTurn();
  }
  if (sum == 0) state.SkipWithError("nothing was run");
}
BENCHMARK(BM_BlockingSixteen)->DenseRange(0, 2)->MeasureProcessCPUTime()->UseRealTime();

// The shard's part alone: a runner that runs the job at the end of the turn, and a port that does nothing.
class Inline final : public JobRunner, public Shard::TurnEnd, public EventPort {
 public:
  bool Submit(Job* job) override {
    job->next = std::exchange(jobs_, job);
    return true;
  }
  bool OnTurnEnd() override {
    while (jobs_ != nullptr) {
      Job* const job = std::exchange(jobs_, jobs_->next);
      job->run(job);
    }
    return false;
  }
  void OnServiceDone(CancelScope*, std::exception_ptr) override {}
  void OnCancelWait(void*, const CancelScope*) override {}
  bool OnTrim() override { return false; }
  void Poll(Nanos, Sleeper* sleeper) override { sleeper->OnAwake(); }
  int Watch(int, uint32_t, Watcher*) override { return -1; }
  void Unwatch(int) override {}
  void Wake() override {}

 private:
  Job* jobs_ = nullptr;
};

void BM_BlockingShardsPart(benchmark::State& state) {
  ManualClock clock;
  Shard shard({.clock = &clock});
  Inline all;
  shard.SetPort(&all);
  shard.SetTurnEnd(&all);
  shard.SetJobRunner(&all);
  int sum = 0;
  struct Root : TaskRoot {
    bool over = false;
  };
  while (state.KeepRunningBatch(100)) {
    Root root;
    root.done = [](TaskRoot* self, std::exception_ptr) { static_cast<Root*>(self)->over = true; };
    {
      Shard::Enter enter(&shard);
      Rounds(100, &sum).Start(&root);
    }
    while (!root.over) shard.RunTurn();
  }
  if (sum == 0) state.SkipWithError("nothing was run");
}
BENCHMARK(BM_BlockingShardsPart);

}  // namespace
}  // namespace mooring::core
