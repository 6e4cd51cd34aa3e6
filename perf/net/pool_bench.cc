// SPDX-License-Identifier: Apache-2.0
// What it costs to borrow an idle connection and to return it, and to connect on loopback: the whole way, with the
// kernel's part, and with the accepting end on the same shard.
#include "net/pool.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include "core/clock.h"
#include "core/kernel.h"
#include "core/shard.h"
#include "core/task.h"
#include "net/address.h"
#include "net/claim.h"
#include "net/connect.h"
#include "net/engine.h"
#include "net/handler.h"
#include "net/providers.h"
#include "net/transport.h"

namespace mooring::net {
namespace {

// A shard with a listener, which connects to itself.
class Loop {
 public:
  explicit Loop(TransportKind kind) : provider_(MakeProvider(core::RealKernel(), kind)) {
    auto transport = provider_->Open(&shard, engine_.events(), {.connections_max = 4096});
    if (!transport.ok()) return;
    transport_ = *std::move(transport);
    shard.SetPort(transport_.get());
    engine_.SetTransport(transport_.get());
    auto claim = Claim::Take(core::RealKernel(), *Address::Parse("127.0.0.1:0"), {.shards = 1, .backlog = 1024});
    if (!claim.ok()) {
      std::fprintf(stderr, "%s\n", claim.status().ToString().c_str());
      std::abort();
    }
    at = claim->address();
    engine_.Listen(engine_.AddListener("closes", &service_, {}), claim->Release(0), 1024);
  }
  ~Loop() {
    if (transport_ == nullptr) return;
    engine_.BeginDrain([] {});
    engine_.CutAll();
    while (!engine_.drained()) shard.RunTurn(core::kNanosPerMs);
    transport_.reset();
  }
  bool there() const { return transport_ != nullptr; }

  // Starts the task and takes turns until it is done.
  void Run(core::Task<> task) {
    struct Root : core::TaskRoot {
      bool ended = false;
    } root;
    root.done = [](core::TaskRoot* self, std::exception_ptr) { static_cast<Root*>(self)->ended = true; };
    std::move(task).Start(&root);
    while (!root.ended) shard.RunTurn();
  }

  core::MonotonicClock clock;
  core::Shard shard{{.clock = &clock}};
  core::Shard::Enter enter{&shard};
  Address at;

 private:
  struct Service final : Handler {
    void OnData(Connection&, alloc::Lease) override {}
  };
  Service service_;
  Engine engine_{&shard, {.connections_max = 8192}};
  const std::unique_ptr<TransportProvider> provider_;
  std::unique_ptr<Transport> transport_;
};

core::Task<> BorrowOnce(Pool* pool) {
  auto up = co_await pool->Borrow();
  if (!up) std::abort();
  up.Return();
}

void BM_PoolBorrowReturn(benchmark::State& state) {
  Loop loop(TransportKind::kEpoll);
  auto pool = std::make_unique<Pool>(PoolOptions{.target = loop.at.ToString()});
  loop.Run(BorrowOnce(pool.get()));
  for (auto _ : state) loop.Run(BorrowOnce(pool.get()));  // is done when Start comes back: no turn is taken
  loop.shard.RunTurn(0);
  pool.reset();
}
BENCHMARK(BM_PoolBorrowReturn);

void BM_PoolTryBorrowReturn(benchmark::State& state) {
  Loop loop(TransportKind::kEpoll);
  auto pool = std::make_unique<Pool>(PoolOptions{.target = loop.at.ToString()});
  loop.Run(BorrowOnce(pool.get()));
  for (auto _ : state) {
    auto up = pool->TryBorrow();
    if (!up) std::abort();
    benchmark::DoNotOptimize(up.Return());
  }
  loop.shard.RunTurn(0);
  pool.reset();
}
BENCHMARK(BM_PoolTryBorrowReturn);

core::Task<> ConnectAndAbort(Address to) {
  auto up = co_await Connect(to);
  if (!up) std::abort();
  up->Abort();
}

void BM_ConnectLoopback(benchmark::State& state) {
  Loop loop(static_cast<TransportKind>(state.range(0)));
  if (!loop.there()) {
    state.SkipWithError("this kernel has no such transport");
    return;
  }
  for (auto _ : state) loop.Run(ConnectAndAbort(loop.at));
}
BENCHMARK(BM_ConnectLoopback)
    ->ArgName("transport")
    ->Arg(static_cast<int>(TransportKind::kUring))
    ->Arg(static_cast<int>(TransportKind::kUringBase))
    ->Arg(static_cast<int>(TransportKind::kEpoll));

}  // namespace
}  // namespace mooring::net
