// SPDX-License-Identifier: Apache-2.0
// What a task beside another costs, and what it waits for.
#include <benchmark/benchmark.h>

#include <optional>
#include <utility>
#include <vector>

#include "core/channel.h"
#include "core/event.h"
#include "core/scope.h"
#include "core/semaphore.h"
#include "core/shard.h"
#include "core/task.h"
#include "core/when_all.h"
#include "core/when_any.h"
#include "perf/core/no_port.h"

namespace mooring::core {
namespace {

// Runs the task that `make` returns, turn by turn, until it is done.
template <class Make>
void Run(benchmark::State& state, Make make) {
  struct Root : TaskRoot {
    bool over = false;
  };
  ManualClock clock;
  NoPort port;
  Shard shard({.clock = &clock});
  shard.SetPort(&port);
  Root root;
  root.done = [](TaskRoot* self, std::exception_ptr) { static_cast<Root*>(self)->over = true; };
  {
    Shard::Enter enter(&shard);
    if (!make().Start(&root)) state.SkipWithError("no memory");
  }
  while (!root.over) shard.RunTurn(0);
}

Task<> AtOnce() { co_return; }
Task<> YieldOnce() { co_await Yield(); }
Task<int> One() { co_return 1; }
Task<int> OneLater() {
  co_await Yield();
  co_return 1;
}

Task<> SpawnAndJoin(benchmark::State* state) {
  for (auto _ : *state) {
    Scope scope;
    if (!scope.Spawn(AtOnce())) state->SkipWithError("no memory");
    co_await scope.Join();
  }
}
void BM_ScopeSpawnJoinAtOnce(benchmark::State& state) {
  Run(state, [&] { return SpawnAndJoin(&state); });
}
BENCHMARK(BM_ScopeSpawnJoinAtOnce);

// Each child waits once; with 1 an iteration is two bare turns, one for the child and one for Join.
Task<> SpawnManyAndJoin(benchmark::State* state) {
  for (auto _ : *state) {
    Scope scope;
    for (int64_t i = 0; i < state->range(0); ++i) {
      if (!scope.Spawn(YieldOnce())) state->SkipWithError("no memory");
    }
    co_await scope.Join();
  }
}
void BM_ScopeSpawnJoin(benchmark::State& state) {
  Run(state, [&] { return SpawnManyAndJoin(&state); });
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ScopeSpawnJoin)->Arg(1)->Arg(64);

Task<> RunScoped(benchmark::State* state) {
  auto body = [](Scope&) { return AtOnce(); };
  for (auto _ : *state) co_await Scoped(body);
}
void BM_ScopedAtOnce(benchmark::State& state) {
  Run(state, [&] { return RunScoped(&state); });
}
BENCHMARK(BM_ScopedAtOnce);

Task<> SendAndReceive(benchmark::State* state) {
  Channel<int> channel(1);
  for (auto _ : *state) {
    const bool sent = co_await channel.Send(1);
    std::optional<int> value = co_await channel.Receive();
    benchmark::DoNotOptimize(sent && value.has_value());
  }
}
void BM_ChannelSendReceiveAtOnce(benchmark::State& state) {
  Run(state, [&] { return SendAndReceive(&state); });
}
BENCHMARK(BM_ChannelSendReceiveAtOnce);

Task<> Answer(Channel<int>* asked, Channel<int>* answered) {
  while (auto value = co_await asked->Receive()) {
    const bool sent = co_await answered->Send(*value);
    if (!sent) co_return;
  }
}
// There and back between two tasks: two trips through the run queue, two bare turns.
Task<> PingPong(benchmark::State* state) {
  Channel<int> asked(1);
  Channel<int> answered(1);
  Scope scope;
  if (!scope.Spawn(Answer(&asked, &answered))) state->SkipWithError("no memory");
  for (auto _ : *state) {
    const bool sent = co_await asked.Send(1);
    std::optional<int> value = co_await answered.Receive();
    benchmark::DoNotOptimize(sent && value.has_value());
  }
  asked.Close();
  co_await scope.Join();
}
void BM_ChannelPingPong(benchmark::State& state) {
  Run(state, [&] { return PingPong(&state); });
}
BENCHMARK(BM_ChannelPingPong);

Task<> AcquireAndRelease(benchmark::State* state) {
  Semaphore semaphore(1);
  for (auto _ : *state) {
    const bool mine = co_await semaphore.Acquire();
    benchmark::DoNotOptimize(mine);
    semaphore.Release();
  }
}
void BM_SemaphoreAcquireReleaseAtOnce(benchmark::State& state) {
  Run(state, [&] { return AcquireAndRelease(&state); });
}
BENCHMARK(BM_SemaphoreAcquireReleaseAtOnce);

Task<> Echo(Semaphore* asked, Semaphore* answered, bool* stop) {
  for (;;) {
    const bool mine = co_await asked->Acquire();
    if (!mine || *stop) co_return;
    answered->Release();
  }
}
// There and back between two tasks: two grants, two trips through the run queue, two bare turns.
Task<> PermitPingPong(benchmark::State* state) {
  Semaphore asked(0);
  Semaphore answered(0);
  bool stop = false;
  Scope scope;
  if (!scope.Spawn(Echo(&asked, &answered, &stop))) state->SkipWithError("no memory");
  for (auto _ : *state) {
    asked.Release();
    const bool mine = co_await answered.Acquire();
    benchmark::DoNotOptimize(mine);
  }
  stop = true;
  asked.Release();
  co_await scope.Join();
}
void BM_SemaphorePingPong(benchmark::State& state) {
  Run(state, [&] { return PermitPingPong(&state); });
}
BENCHMARK(BM_SemaphorePingPong);

Task<> AwaitTwo(benchmark::State* state) {
  for (auto _ : *state) {
    auto [a, b] = co_await WhenAll(One(), One());
    benchmark::DoNotOptimize(a + b);
  }
}
void BM_WhenAllTwoAtOnce(benchmark::State& state) {
  Run(state, [&] { return AwaitTwo(&state); });
}
BENCHMARK(BM_WhenAllTwoAtOnce);

// Each child waits once: an iteration is a trip through the run queue for each, and one bare turn.
Task<> AwaitTwoLater(benchmark::State* state) {
  for (auto _ : *state) {
    auto [a, b] = co_await WhenAll(OneLater(), OneLater());
    benchmark::DoNotOptimize(a + b);
  }
}
void BM_WhenAllTwo(benchmark::State& state) {
  Run(state, [&] { return AwaitTwoLater(&state); });
}
BENCHMARK(BM_WhenAllTwo);

Task<> AwaitMany(benchmark::State* state) {
  for (auto _ : *state) {
    std::vector<Task<int>> tasks;
    tasks.reserve(static_cast<std::size_t>(state->range(0)));
    for (int64_t i = 0; i < state->range(0); ++i) tasks.push_back(OneLater());
    std::vector<int> values = co_await WhenAll(std::move(tasks));
    benchmark::DoNotOptimize(values.data());
  }
}
void BM_WhenAllVector(benchmark::State& state) {
  Run(state, [&] { return AwaitMany(&state); });
}
BENCHMARK(BM_WhenAllVector)->Arg(2)->Arg(10);

Task<> WaitForEver(Event* event) {
  const bool set = co_await event->Wait();
  benchmark::DoNotOptimize(set);
}
// The loser is cancelled and joined.
Task<> AwaitFirst(benchmark::State* state) {
  Event never;
  for (auto _ : *state) {
    auto first = co_await WhenAny(WaitForEver(&never), OneLater());
    benchmark::DoNotOptimize(first.index());
  }
}
void BM_WhenAnyTwo(benchmark::State& state) {
  Run(state, [&] { return AwaitFirst(&state); });
}
BENCHMARK(BM_WhenAnyTwo);

void BM_BareTurn(benchmark::State& state) {  // what is in every figure above that speaks of turns
  ManualClock clock;
  NoPort port;
  Shard shard({.clock = &clock});
  shard.SetPort(&port);
  for (auto _ : state) shard.RunTurn(0);
}
BENCHMARK(BM_BareTurn);

}  // namespace
}  // namespace mooring::core
