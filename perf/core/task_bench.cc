// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include "core/shard.h"
#include "core/task.h"
#include "perf/core/no_port.h"

namespace mooring::core {
namespace {

Task<int> Child(int value) { co_return value; }
Task<> AwaitChildren(benchmark::State* state) {
  int sum = 0;
  for (auto _ : *state) sum += co_await Child(1);
  benchmark::DoNotOptimize(sum);
}
Task<> SuspendOnce() { co_await Yield(); }

struct Fixture {
  Fixture() { shard.SetPort(&port); }
  ManualClock clock;
  NoPort port;
  Shard shard{{.clock = &clock}};
  TaskRoot root{.scope = {}, .done = [](TaskRoot*, std::exception_ptr) {}};
};

void BM_TaskAwaitChildThatEndsAtOnce(benchmark::State& state) {
  Fixture fixture;
  Shard::Enter enter(&fixture.shard);
  if (!AwaitChildren(&state).Start(&fixture.root)) state.SkipWithError("no memory");
}
BENCHMARK(BM_TaskAwaitChildThatEndsAtOnce);

// A root starts, suspends, is resumed by a turn and ends: a frame, a trip through the run queue and a bare turn.
void BM_TaskRootSuspendResume(benchmark::State& state) {
  Fixture fixture;
  const int roots = static_cast<int>(state.range(0));
  for (auto _ : state) {
    {
      Shard::Enter enter(&fixture.shard);
      for (int i = 0; i < roots; ++i) {
        if (!SuspendOnce().Start(&fixture.root)) state.SkipWithError("no memory");
      }
    }
    fixture.shard.RunTurn(0);
  }
  state.SetItemsProcessed(state.iterations() * roots);
}
BENCHMARK(BM_TaskRootSuspendResume)->Arg(1)->Arg(64);

}  // namespace
}  // namespace mooring::core
