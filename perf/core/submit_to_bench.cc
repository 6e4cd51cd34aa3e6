// SPDX-License-Identifier: Apache-2.0
// What reaching beyond a shard costs: an answer from itself and from another thread, beside bare mail there and back;
// and Local<T>().
#include <benchmark/benchmark.h>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <thread>

#include "core/clock.h"
#include "core/event_port.h"
#include "core/shard.h"
#include "core/shards.h"
#include "core/submit_to.h"
#include "core/task.h"

namespace mooring::core {
namespace {

// Never waits: both sides spin, so what is seen is what the calls cost, not a wake-up. The clock stands still.
class NoPort final : public EventPort {
 public:
  explicit NoPort(bool yields) : yields_(yields) {}
  void Poll(Nanos, Sleeper* sleeper) override {
    if (yields_) std::this_thread::yield();  // both threads may be on one core
    sleeper->OnAwake();
  }
  int Watch(int, uint32_t, Watcher*) override { return 0; }
  void Unwatch(int) override {}
  void Wake() override {}

 private:
  const bool yields_;
};

struct Counts {
  uint64_t calls = 0;
};

// Shard 0 is run by the benchmark; shard 1 by a thread, where there is one.
struct Fixture {
  explicit Fixture(bool two_threads) : port0(two_threads), port1(two_threads) {
    here.SetPort(&port0);
    there.SetPort(&port1);
    here.locals().Emplace<Counts>();
    there.locals().Emplace<Counts>();
    if (two_threads) {
      thread = std::thread([this] { there.Run(); });
    }
  }
  ~Fixture() {
    if (!thread.joinable()) return;
    there.Stop();
    thread.join();
  }
  // Turns until the root is done.
  template <class Make>
  void Run(benchmark::State& state, Make make) {
    done = false;
    {
      Shard::Enter enter(&here);
      if (!make().Start(&root)) state.SkipWithError("no memory");
    }
    while (!done) here.RunTurn(0);
  }

  ManualClock clock;
  NoPort port0;
  NoPort port1;
  Shard here{{.clock = &clock}};
  Shard there{{.id = 1, .clock = &clock}};
  Shards shards{{&here, &there}};
  std::thread thread;
  bool done = false;
  struct Root : TaskRoot {
    explicit Root(bool* to) : over(to) {
      done = [](TaskRoot* self, std::exception_ptr) { *static_cast<Root*>(self)->over = true; };
    }
    bool* const over;
  } root{&done};
};

// Bare mail there and back, which resumes the task.
struct MailThereAndBack {
  explicit MailThereAndBack(Shard* shard) : to(shard) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> waiting) {
    home = Shard::Current();
    task = waiting;
    home->PostAlways(to, [this] {
      ++Local<Counts>().calls;
      Shard::Current()->PostAlways(home, [this] { task.resume(); });
    });
  }
  void await_resume() const noexcept {}
  Shard* const to;
  Shard* home = nullptr;
  std::coroutine_handle<> task;
};

Task<> MailLoop(benchmark::State* state, Shard* to) {
  for (auto _ : *state) co_await MailThereAndBack(to);
}
Task<> SubmitLoop(benchmark::State* state, uint32_t to) {
  uint64_t sum = 0;
  for (auto _ : *state) {
    auto fn = [] { return ++Local<Counts>().calls; };
    auto answered = co_await SubmitTo(to, fn);
    sum += *answered;
  }
  benchmark::DoNotOptimize(sum);
}
Task<uint64_t> CountThere() { co_return ++Local<Counts>().calls; }
Task<> SubmitTaskLoop(benchmark::State* state, uint32_t to) {
  uint64_t sum = 0;
  for (auto _ : *state) {
    auto answered = co_await SubmitTo(to, CountThere);
    sum += *answered;
  }
  benchmark::DoNotOptimize(sum);
}
Task<> EveryLoop(benchmark::State* state) {
  uint64_t sum = 0;
  for (auto _ : *state) {
    auto fn = [] { return ++Local<Counts>().calls; };
    auto answered = co_await OnEveryShard(fn);
    sum += (*answered)[1];
  }
  benchmark::DoNotOptimize(sum);
}

// Argument: the shard that is asked; 0 is itself, 1 another thread's.
void BM_SubmitToMailAlone(benchmark::State& state) {
  Fixture fixture(state.range(0) == 1);
  fixture.Run(state, [&] { return MailLoop(&state, state.range(0) == 1 ? &fixture.there : &fixture.here); });
}
BENCHMARK(BM_SubmitToMailAlone)->Arg(0)->Arg(1)->UseRealTime();

void BM_SubmitToFunction(benchmark::State& state) {
  Fixture fixture(state.range(0) == 1);
  fixture.Run(state, [&] { return SubmitLoop(&state, static_cast<uint32_t>(state.range(0))); });
}
BENCHMARK(BM_SubmitToFunction)->Arg(0)->Arg(1)->UseRealTime();

void BM_SubmitToTask(benchmark::State& state) {
  Fixture fixture(state.range(0) == 1);
  fixture.Run(state, [&] { return SubmitTaskLoop(&state, static_cast<uint32_t>(state.range(0))); });
}
BENCHMARK(BM_SubmitToTask)->Arg(0)->Arg(1)->UseRealTime();

// Two shards, one of them another thread's.
void BM_SubmitToEveryShard(benchmark::State& state) {
  Fixture fixture(true);
  fixture.Run(state, [&] { return EveryLoop(&state); });
}
BENCHMARK(BM_SubmitToEveryShard)->UseRealTime();

void BM_LocalFind(benchmark::State& state) {
  Fixture fixture(false);
  Shard::Enter enter(&fixture.here);
  for (auto _ : state) benchmark::DoNotOptimize(++Local<Counts>().calls);
}
BENCHMARK(BM_LocalFind);

}  // namespace
}  // namespace mooring::core
